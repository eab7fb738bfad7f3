# TLS: who gets in, by which listener, and that nothing is lost on the way.
#
# What clients are told is the business of t/wire, which runs over TLS too, with TEST_TLS=1.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(certificates certify tls_arguments);
use IO::Socket::SSL;
use POSIX ();
use Time::HiRes 'sleep';

plan skip_all => 'its command line is larder\'s' if is_reference();

my $at   = certificates();
my @root = $> == 0 ? ('-u' => 'root') : ();
my %as_client   = (SSL_cert_file => "$at/client.pem", SSL_key_file => "$at/client.key");
my %as_stranger = (SSL_cert_file => "$at/stranger.pem", SSL_key_file => "$at/stranger.key");

# Does it get an answer?
sub gets_in ($d, %with) {
    my $c = eval { $d->connect(%with) } or return 0;

    return $c->is_in_step ? 1 : 0;
}

# The bytes beneath the TLS of a connection.
sub write_beneath ($c, $bytes) {
    POSIX::write(fileno $c->{socket}, $bytes, length $bytes);
}

# --- versions, and records that are cut anywhere -----------------------------

{
    my $d = Daemon->start({ tls => {} }, tls_arguments(), '-t' => 1);

    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $c    = $d->connect(tls => { SSL_version => $version });
        my $many = join '', map { set("k$_" => "v$_") . "get k$_\r\n" } 1 .. 3;
        my $told = join '', map { "STORED\r\n" . hit("k$_" => "v$_") } 1 .. 3;

        is($c->{socket}->get_sslversion, $version, "$version is spoken");
        like($c->{socket}->get_cipher, qr/AES_?128_?-?GCM/, "with AES-GCM of 128 bits");
        $c->expect_cut($many, $told, "$version: six commands");
        $c->expect(set(b => 'x' x 900_000) . "get b\r\n",
            "STORED\r\n" . hit(b => 'x' x 900_000), "$version: a large value");
        # More records than a worker reads at a time, in one go.
        $c->{socket}->blocking(1);
        $c->{socket}->syswrite("set m 0 0 40000 noreply\r\n");
        $c->{socket}->syswrite('y' x 100) for 1 .. 400;
        $c->{socket}->syswrite("\r\n" . "mg m s\r\n" x 3);
        $c->{socket}->blocking(0);
        $c->hears("HD s40000\r\n" x 3, "$version: a value in 400 records");
        $c->send("quit\r\n");
        $c->closed("$version: quit");
        is(Net::SSLeay::get_shutdown($c->{socket}->_get_ssl_object) & 2, 2,
            "$version: the end is told of, and not only the socket closed");
    }
    ok(!gets_in($d, tls => { SSL_version => 'TLSv1_1', SSL_cipher_list => 'ALL:@SECLEVEL=0' }),
        'TLS 1.1 is not spoken');
    ok(!gets_in($d, tls => { SSL_version => 'TLSv1_2', SSL_cipher_list => 'AES128-SHA' }),
        'nor a cipher of old');
    is($d->stat('ssl_handshake_errors'), 2, 'ssl_handshake_errors counts both');
    my $c = $d->connect;
    write_beneath($c, "\x17\x03\x03\x00\x20" . 'z' x 32);
    $c->is_closed;
    is($d->stat('ssl_proto_errors'), 1, 'a record that nobody encrypted is counted, too');
    is($d->stats->{ssl_new_sessions}, undef, 'ssl_new_sessions is not shown');
    $d->stop_clean;

    $d = Daemon->start({ tls => {} }, tls_arguments('ssl_min_version=3'));
    ok(!gets_in($d, tls => { SSL_version => 'TLSv1_2' }), 'ssl_min_version=3 refuses 1.2');
    ok(gets_in($d, tls => { SSL_version => 'TLSv1_3' }), 'and speaks 1.3');
    $d->stop_clean;
    my $cipher = 'ECDHE-ECDSA-CHACHA20-POLY1305';
    $d = Daemon->start({ tls => {} }, tls_arguments("ssl_ciphers=$cipher"));
    is($d->connect(tls => { SSL_version => 'TLSv1_2' })->{socket}->get_cipher, $cipher,
        'ssl_ciphers names those of 1.2');
    $d->stop_clean;
}

# --- certificates of clients -------------------------------------------------

my @KINDS = ([ nobody => {} ], [ client => \%as_client ], [ stranger => \%as_stranger ]);
my %LETS_IN = (0 => '111', 1 => '110', 2 => '010', 3 => '010');

for my $mode (sort keys %LETS_IN) {
    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $d = Daemon->start({ tls => \%as_client },
            tls_arguments("ssl_verify_mode=$mode"));
        my $in = join '', map {
            gets_in($d, tls => { SSL_version => $version, $_->[1]->%* }) } @KINDS;

        is($in, $LETS_IN{$mode},
            "ssl_verify_mode=$mode, $version: nobody, client, stranger");
        is($d->stats('settings')->{ssl_verify_mode}, $mode, 'which is shown');
        $d->stop_clean;
    }
}

# --- listeners ---------------------------------------------------------------

{
    my $d = Daemon->start({ tls => \%as_client, anywhere => 1 },
        tls_arguments('ssl_verify_mode=1,ssl_session_cache'), '-p' => 'PORT', '-t' => 1, '-l' =>
        '127.0.0.1:PORT,notls:127.0.0.1:PORT2,btls:127.0.0.1:PORT3,mtls:127.0.0.1:PORT4');

    ok(gets_in($d, tls => 0, port => 'PORT2'), 'notls: is plain');
    ok(!gets_in($d, port => 'PORT2'), 'and speaks no TLS');
    for my $case ([ PORT3 => '111', 'btls: asks for no certificate' ],
        [ PORT4 => '010', 'mtls: lets in who has one' ]) {
        my ($port, $expected, $name) = @$case;

        is(join('', map { gets_in($d, port => $port, tls => $_->[1]) } @KINDS), $expected,
            $name);
    }

    # A session that began without a certificate does not open what wants one.
    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $cache = IO::Socket::SSL::Session_Cache->new(10);
        my %tls   = (SSL_version => $version, SSL_session_cache => $cache,
            SSL_session_key => 'one');
        my $c = $d->connect(port => 'PORT3', tls => \%tls);

        ok($c->is_in_step, "$version: a session");
        $c->close;
        $c = $d->connect(port => 'PORT3', tls => \%tls);
        ok($c->{socket}->get_session_reused, "$version: is resumed where it began");
        $c->is_in_step;
        ok(!gets_in($d, port => 'PORT4', tls => \%tls), "$version: and nowhere else");
    }
    $d->stop_clean;
}

{
    my $folder = File::Temp->newdir;
    my $d      = Daemon->start(tls_arguments(), '-s' => "$folder/socket");

    ok(gets_in($d), 'a unix socket is plain');
    $d->stop_clean;
}

# --- sessions ----------------------------------------------------------------

for my $case ([ 1, 'ssl_session_cache' ], [ 0 ]) {
    my ($resumes, @more) = @$case;
    my $d = Daemon->start({ tls => {} }, tls_arguments(@more));

    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $before = $d->stat('ssl_new_sessions') // 0;
        my %tls = (SSL_version => $version, SSL_session_key => 'one',
            SSL_session_cache => IO::Socket::SSL::Session_Cache->new(10));
        my @kept;                       # with whom their sessions would go

        for my $time (1, 2) {
            push @kept, my $c = $d->connect(tls => \%tls);

            ok($c->is_in_step, "$version: connection $time");
            is($c->{socket}->get_session_reused ? 1 : 0, $resumes && $time == 2 ? 1 : 0,
                $resumes && $time == 2 ? 'resumes' : 'begins anew');
        }
        is($d->stat('ssl_new_sessions'), $resumes ? $before + 1 : undef, 'ssl_new_sessions');
    }
    $d->stop_clean;
}

# --- those who do not speak TLS ----------------------------------------------

{
    my $d = Daemon->start({ tls => {} }, tls_arguments(), '-o' => 'debug_commands');
    my $watcher = $d->connect;

    is($watcher->ask("watch connevents\r\n"), "OK\r\n", 'watch is there');
    my $c = $d->connect(tls => 0);
    $c->send("version\r\n");
    $c->read_until(sub { $c->{ended} });
    unlike($c->{input}, qr/VERSION/, 'a client without TLS is told nothing');
    $watcher->read_until(sub { $watcher->unread =~ /reason=/ });
    like($watcher->unread, qr/type=conntlserr fd=\d+ msg=\S.*\n.*type=conn_close .* reason=error /,
        'and watchers are told of it');
    is($d->stat('ssl_handshake_errors'), 1, 'ssl_handshake_errors counts it');

    # Who only looks whether the port is open does no harm.
    $d->connect(tls => 0)->close;
    ok(eventually(sub { $watcher->read_until(sub { $watcher->unread =~ /reason=normal/ }, 0.1) }),
        'who leaves at once has left normally');
    is($d->stat('ssl_handshake_errors'), 1, 'and is no error');

    # Nonsense of all lengths, some of it in the form of a record.
    srand 1;
    for my $n (1 .. 100) {
        my $junk = join '', map { chr int rand 256 } 1 .. 1 + int rand 40 * $n;
        my $c = $d->connect(tls => 0);

        $c->send($n % 2 ? $junk : "\x16\x03\x01" . pack('n', length $junk) . $junk);
        $c->finish;
        $c->read_until(sub { $c->{ended} });
    }
    is($d->stat('ssl_handshake_errors'), 101, 'nonsense is an error, a hundred times');
    ok(eventually(sub { $d->stat('curr_connections') == 2 }), 'and leaves nothing behind');

    # One that begins and does not go on, and one that says nothing.
    my @slow = map { $d->connect(tls => 0) } 1, 2;
    my $done = $d->connect;
    write_beneath($slow[0], "\x16\x03\x01\x02\x00\x01");
    ok($done->is_in_step, 'somebody else is quicker');
    ok(eventually(sub {
            my $all = join ' ', map { $_->[1] } $d->stat_pairs('conns');
            !grep { $all !~ /:@{[ $_->{socket}->sockport ]}\b/ } @slow;
        }), 'both are with a worker, whose time begins then');
    $d->advance_clock(9);
    is($d->stat('ssl_handshake_errors'), 101, 'a handshake may take ten seconds');
    $d->advance_clock(2);
    ok(eventually(sub { $d->stat('ssl_handshake_errors') == 103 }), 'and no longer');
    $_->closed('the connection is hung up on') for @slow;
    ok($done->is_in_step, 'who has done it stays');
    is($d->stat('handshake_kicks'), 2, 'handshake_kicks counts who is hung up on for that');
    $d->stop_clean;
}

# A record that begins and does not end is half a command.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('debug_commands', 'header_timeout=100'),
        '-t' => 1);

    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $before = $d->stat('header_kicks');
        my %with   = (tls => { SSL_version => $version });
        my @begun  = map { $d->connect(%with) } 1 .. 4;
        my $whole  = $d->connect(%with);

        $_->ask("mn\r\n") for @begun, $whole;
        write_beneath($begun[0], "\x17");
        write_beneath($begun[1], "\x17\x03\x03\x40\x00");
        write_beneath($begun[2], "\x17\x03\x03\x40\x00" . 'x' x 1000);
        write_beneath($begun[3], "\x17\x03\x03\x40\x00");
        for (1 .. 3) {
            my $until = $d->stat('uptime') + 2;     # it looks once a second
            eventually(sub { $d->stat('uptime') >= $until });
            is($d->stat('header_kicks'), $before, "$version: at first they are waited for")
                if $_ == 2;
            write_beneath($begun[3], 'x');
            $d->advance_clock(60);
        }
        ok(eventually(sub { $d->stat('header_kicks') == $before + @begun }),
            "$version: parts of a record are not waited for longer than header_timeout");
        ok($whole->is_in_step, 'who has sent whole ones stays');
    }
    $d->stop_clean;
}

# --- new certificates --------------------------------------------------------

# The number of the certificate that a connection is shown.
sub serial_of ($c) {
    return Net::SSLeay::P_ASN1_INTEGER_get_hex(
        Net::SSLeay::X509_get_serialNumber($c->{socket}->peer_certificate));
}

sub contents_of ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub write_to ($file, $text) {
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

{
    my $d = Daemon->start({ tls => {}, verbose => 1 }, tls_arguments(), '-v', '-t' => 2,
        '-o' => 'debug_commands');
    my $old    = $d->connect;
    my $serial = serial_of($old);

    certify('server', 'ca');
    is(serial_of($d->connect), $serial, 'a new certificate is not read by itself');
    $d->advance_clock(100);
    cmp_ok($d->stat('time_since_server_cert_refresh'), '>=', 100, 'and time passes');
    $old->expect("refresh_certs\r\n", "OK\r\n", 'refresh_certs reads it');
    cmp_ok($d->stat('time_since_server_cert_refresh'), '<', 100, 'which begins anew');
    my $second = serial_of($d->connect);
    isnt($second, $serial, 'new connections are shown it');
    certify('server', 'ca');
    kill HUP => $d->pid;
    ok(eventually(sub { serial_of($d->connect) ne $second }), 'HUP does the same');
    ok($old->is_in_step, 'who was there has noticed nothing');

    # What is wrong changes nothing.
    my $now   = serial_of($d->connect);
    my %whole = map { $_ => contents_of("$at/$_") } qw(server.pem server.key ca.pem);
    for my $case (
        [ 'server.pem', 'nonsense', 'Error loading the certificate chain' ],
        [ 'server.key', 'nonsense', 'Error loading the key' ],
        [ 'server.key', contents_of("$at/client.key"), 'Error loading the key' ],
        [ 'ca.pem', '', 'Error loading the CA certificate' ],
    ) {
        my ($file, $text, $answer) = @$case;

        write_to("$at/$file", $text);
        $old->expect("refresh_certs\r\n", "$answer\r\n", "$answer, with another $file");
        like($d->said, qr{\Q$at/$file\E: .*; the old certificates stay in force$}m,
            'and why is said');
        write_to("$at/$file", $whole{$file});
        is(serial_of($d->connect), $now, 'which are what is shown');
    }
    $old->expect("refresh_certs\r\n", "OK\r\n", 'and they may be read again');

    # Under load, on both threads, nothing is dropped.
    my @busy  = map { $d->connect } 1 .. 10;
    my $wrong = 0;
    for my $round (1 .. 40) {
        $_->send(set("k$round" => 'x' x (100 * $round)) . "get k$round\r\n") for @busy[0 .. 9];
        $old->ask("refresh_certs\r\n") eq "OK\r\n" or $wrong++;
        push @busy, $d->connect if $round % 10 == 0;
        for my $c (@busy[0 .. 9]) {
            my $told = "STORED\r\n" . hit("k$round" => 'x' x (100 * $round));
            $wrong++ if $c->receive(length $told) ne $told;
        }
    }
    is($wrong, 0, '40 times in the midst of requests, and no answer is missing');
    is(scalar(grep { $_->is_in_step } @busy), scalar @busy, 'nobody has lost his connection');
    is($d->stat('ssl_proto_errors'), 0, 'nor been broken');

    # Who asks for it without end does not keep others waiting, and files that have not changed
    # are read once: they are two seconds old before.
    sleep 2;
    my ($many, $read) = (20_000, qr/the certificates were read again/);
    my $before = () = $d->said =~ /$read/g;
    $busy[$_]->send("refresh_certs\r\n" x $many) for 0 .. 3;
    is(scalar(grep { $old->is_in_step && $d->connect->is_in_step } 1 .. 20), 20,
        'others are served meanwhile');
    is($busy[$_]->receive(4 * $many), "OK\r\n" x $many, 'each is answered') for 0 .. 3;
    cmp_ok(scalar(() = $d->said =~ /$read/g), '<=', $before + 1, 'and the files are read once');

    $_->send("refresh_certs\r\n" x 200) for @busy[0 .. 3];
    $d->stop_clean('a server that is reading them for clients ends all the same');
}

{
    my $d = Daemon->start;

    $d->connect->expect("refresh_certs\r\n", "Error TLS not enabled\r\n",
        'refresh_certs without TLS');
    is($d->stats->{ssl_handshake_errors}, undef, 'no figures are shown then');
    $d->stop_clean;
}

# --- values that end too early -----------------------------------------------

{
    my $d = Daemon->start({ tls => {} }, tls_arguments(), '-t' => 1);
    my $c = $d->connect;

    $c->ask(set(k => 'old'));
    for my $size (10, 5000, 900_000) {
        my $request = set(k => 'x' x $size);
        for my $way ('finish', 'close') {
            for my $left (1, 3, $size) {
                my $q = $d->connect;

                $q->send(substr $request, 0, -$left);
                $d->barrier;
                $way eq 'finish' ? shutdown($q->{socket}, 1) : CORE::close($q->{socket});
                $q->is_closed if $way eq 'finish';
                $d->barrier;
            }
        }
        $c->expect("get k\r\n", hit(k => 'old'), "a value of $size that was cut is not stored");
    }
    $d->stop_clean;
}

# --- who reads slowly --------------------------------------------------------

{
    my $d    = Daemon->start({ tls => {} }, tls_arguments(), '-t' => 1);
    my $c    = $d->connect;
    my @size = map { 100_000 + 12_345 * $_ } 0 .. 9;

    $c->ask(set("big$_" => chr(97 + $_) x $size[$_])) for 0 .. 9;
    my $slow   = $d->connect;
    my $before = $d->resident;
    $slow->send(join('', map { "get big$_\r\n" } 0 .. 9) x 20);
    $d->barrier;
    $c->expect("mn\r\n", "MN\r\n", 'others are served');
    $c->ask(set("big$_" => 'new')) for 0 .. 4;
    SKIP: {
        skip 'a sanitizer has memory of its own', 1 if $d->is_sanitized;
        cmp_ok($d->resident - $before, '<', 8 << 20, '30 MB that nobody reads take no memory');
    }
    my $bad = 0;
    for my $n (map { 0 .. 9 } 1 .. 20) {
        my $whole = hit("big$n" => chr(97 + $n) x $size[$n]);
        my $got   = $slow->receive(length hit("big$n" => 'new'));

        next if $got eq hit("big$n" => 'new');
        $got .= $slow->receive(length($whole) - length $got);
        $bad++ if $got ne $whole;
    }
    is($bad, 0, 'then all of it is read, and right');
    ok($slow->is_in_step, 'to the end');
    $d->stop_clean;
}

# --- a network that delivers byte by byte ------------------------------------

# Between client and server, both ways, so many bytes at a time; what the server said is
# left in the file.
sub relay ($d, $bytes, $file) {
    my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1);
    my $pid      = fork // die "fork: $!\n";

    return ($pid, $listener->sockport) if $pid;
    my $client = $listener->accept;
    my $server = $d->socket_to(tls => 0);
    open my $out, '>', $file or POSIX::_exit(1);
    $client->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    while (1) {
        my $in = '';
        vec($in, fileno $_, 1) = 1 for $client, $server;
        select my $ready = $in, undef, undef, undef;
        for my $way ([ $client, $server ], [ $server, $client ]) {
            my ($from, $to) = @$way;
            next if !vec $ready, fileno $from, 1;
            sysread $from, my $part, $bytes or POSIX::_exit(0);
            syswrite $to, $part;
            syswrite $out, $part if $from == $server;
        }
    }
}

{
    my $d    = Daemon->start({ tls => {} }, tls_arguments('ssl_verify_mode=1'), '-t' => 1);
    my $file = File::Temp->new;

    for my $bytes (1, 7) {
        my ($pid, $port) = relay($d, $bytes, "$file");
        local $d->{ports}{RELAY} = $port;
        my $c = $d->connect(port => 'RELAY', tls => \%as_client);

        $c->expect(set(k => 'v' x 3000) . "get k\r\n" x 3,
            "STORED\r\n" . hit(k => 'v' x 3000) x 3, "$bytes at a time: from the handshake on");

        # Watching, from the worker to the thread that sends the lines.
        is($c->ask("watch fetchers mutations\r\n"), "OK\r\n", 'watch');
        my $other = $d->connect;
        $other->ask(set("watched$_" => 'v')) for 1 .. 20;
        $c->read_until(sub { $c->unread =~ /watched20 .*\n/ });
        is(() = $c->unread =~ /^ts=\d+\.\d+ gid=\d+ type=item_store key=watched\d+ .*$/mg, 20,
            'every line arrives');
        $c->close;
        waitpid $pid, 0;
        open my $in, '<', $file or die "$file: $!\n";
        unlike(join('', <$in>), qr/watched|item_store/, 'and none of it can be read on the way');
    }
    ok(eventually(sub { $d->stat('log_watchers') == 0 }), 'who watched is seen to leave');
    $d->stop_clean;
}

# --- logging in --------------------------------------------------------------

{
    my $users = File::Temp->new;
    write_to("$users", "foo:bar\n");
    my $d = Daemon->start({ tls => {}, login => 'foo bar' }, tls_arguments(), '-Y' => "$users");
    my $c = $d->connect(anonymous => 1);

    is($c->ask("get k\r\n"), "CLIENT_ERROR unauthenticated\r\n", '-Y is in force');
    $c->expect(set(x => 'foo bar') . "get k\r\n", "STORED\r\nEND\r\n", 'and a login opens');
    $d->stop_clean;
}

# --- at the limit of connections ---------------------------------------------

{
    my $d = Daemon->start({ tls => {} }, tls_arguments(), '-c' => 60, '-t' => 2);
    my @in;

    while (@in < 60) {
        my $c = eval { $d->connect } or last;
        push @in, $c;
    }
    cmp_ok(@in, '<', 60, 'at the limit nobody gets in');
    cmp_ok($d->stat('rejected_connections'), '>', 0, 'and is counted');
    my $c = $d->connect(tls => 0);
    ok($c->is_closed, 'nor is anything said to him in plain text');
    $d->stop_clean;
}

# --- what is shown, and what is refused --------------------------------------

{
    my $d = Daemon->start({ tls => {} }, tls_arguments('ssl_session_cache'), '-t' => 1);
    my $settings = $d->stats('settings');
    my %expected = (ssl_enabled => 'yes', ssl_chain_cert => "$at/server.pem",
        ssl_key => "$at/server.key", ssl_verify_mode => 0, ssl_keyformat => 1,
        ssl_ciphers => 'NULL', ssl_ca_cert => "$at/ca.pem", ssl_wbuf_size => 16384,
        ssl_session_cache => 'yes', ssl_kernel_tls => 'no', ssl_min_version => 'tlsv1.2');

    is($settings->{$_}, $expected{$_}, "$_ is shown") for sort keys %expected;
    my @names = grep { /^ssl_|server_cert|handshake/ } map { $_->[0] } $d->stat_pairs;
    is("@names", 'ssl_new_sessions ssl_handshake_errors ssl_proto_errors '
        . 'time_since_server_cert_refresh handshake_kicks handshakes_waiting '
        . 'handshakes_deferred server_cert_not_before '
        . 'server_cert_not_after', 'the figures stand in memcached\'s order');
    $d->stop_clean;
}

# A key that is in the file of the certificate, and one in DER.
{
    write_to("$at/both.pem", contents_of("$at/server.pem") . contents_of("$at/server.key"));
    chmod 0600, "$at/both.pem";
    my $d = Daemon->start({ tls => {} }, '-Z', '-o' => "ssl_chain_cert=$at/both.pem");
    ok(gets_in($d), 'certificate and key may be in one file');
    $d->stop_clean;
    system('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in' => "$at/server.key", '-outform' => 'DER',
        '-out' => "$at/server.der");
    chmod 0644, "$at/server.der";
    $d = Daemon->start({ tls => {}, verbose => 1 }, '-Z', '-o' =>
        "ssl_chain_cert=$at/server.pem,ssl_key=$at/server.der,ssl_keyformat=2");
    ok(gets_in($d), 'a key may be in DER');
    is($d->said, "warning: everybody can read the key in $at/server.der\n",
        'that everybody can read it is warned of');
    $d->stop_clean;
}

sub fails ($status, $pattern, $name, @args) {
    my $run = run_program(@root, '-p' => -1, '-l' => '127.0.0.1', @args);

    is($run->{status}, $status, "$name: status $status") or diag($run->{stderr});
    like($run->{stderr}, $pattern, 'and a word of why');
}

fails(64, qr/needs the server's certificate/, '-Z alone', '-Z');
fails(64, qr/ssl_verify_mode needs/, 'certificates that nobody vouches for', '-Z', '-o' =>
    "ssl_chain_cert=$at/both.pem,ssl_verify_mode=2");
fails(1, qr/is for TLS \(-Z\)/, 'btls: without -Z', '-l' => 'btls:127.0.0.1');
fails(1, qr/mtls: needs -o ssl_ca_cert/, 'mtls: without a CA', '-Z', '-o' =>
    "ssl_chain_cert=$at/both.pem", '-l' => 'mtls:127.0.0.1');
for my $case (
    [ "ssl_chain_cert=$at/none.pem", qr{/none\.pem: No such file}, 'no certificate' ],
    [ "ssl_chain_cert=$at/server.pem", qr{/server\.pem: }, 'no key' ],
    [ "ssl_chain_cert=$at/server.pem,ssl_key=$at/client.key", qr{/client\.key: key values mismatch},
        'the key of another' ],
    [ "ssl_chain_cert=$at/both.pem,ssl_ca_cert=$at/none.pem", qr{/none\.pem: No such file}, 'no CA' ],
    [ "ssl_chain_cert=$at/both.pem,ssl_ciphers=NONE", qr/^NONE: no cipher match/, 'no cipher' ],
) {
    my ($option, $pattern, $name) = @$case;

    fails(64, $pattern, $name, '-Z', '-o' => $option);
}
system "openssl ec -in $at/server.key -aes128 -passout pass:secret -out $at/locked.key 2>/dev/null";
fails(64, qr{/locked\.key: }, 'a key under a passphrase', '-Z', '-o' =>
    "ssl_chain_cert=$at/server.pem,ssl_key=$at/locked.key");

done_testing;
