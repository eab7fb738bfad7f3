# Handshakes that begin and do not end: what OpenSSL takes for them counts in conn_mem_limit, of
# which they have half at the most, and the oldest go when there are too many.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(tls_arguments);
use IO::Socket::SSL;
use Net::SSLeay;

plan skip_all => 'memcached has no such limit' if is_reference();

my $MIB       = 1 << 20;
my $LIMIT     = 32;                     # megabytes
my $HANDSHAKE = 60 << 10;               # of one: LIMITS_HANDSHAKE_BYTES of server/limits.h
my $CLIENTS   = 1000;
my $SLACK     = 4 * $MIB;               # of the allocator
my @KEYS      = map { "s$_" } 1 .. 9;

need_open_files(2 * $CLIENTS);

# What a client says first, in the newest or another version.
sub hello ($version) {
    my $context = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_client_method());
    my $ssl     = Net::SSLeay::new($context);
    my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1, 2;

    Net::SSLeay::CTX_set_max_proto_version($context, $version);
    Net::SSLeay::set_max_proto_version($ssl, $version);
    Net::SSLeay::set_bio($ssl, $in, $out);
    Net::SSLeay::connect($ssl);
    my $bytes = Net::SSLeay::BIO_read($out);
    Net::SSLeay::free($ssl);
    Net::SSLeay::CTX_free($context);
    return $bytes;
}

# Somebody who says it, and goes no further.
sub ask_for_handshake ($d, $bytes) {
    my $socket = $d->socket_to(tls => 0);

    syswrite $socket, $bytes;
    return $socket;
}

# One who has heard what the server says to that.
sub begin_handshake ($d, $bytes) {
    my $socket = ask_for_handshake($d, $bytes);

    has_answer($socket, 60) or die "no answer\n";
    return $socket;
}

sub is_open ($socket) {
    $socket->blocking(0);
    while (sysread $socket, my $rest, 1 << 16) { }
    return $!{EAGAIN} ? 1 : 0;
}

for my $version (Net::SSLeay::TLS1_2_VERSION(), Net::SSLeay::TLS1_3_VERSION()) {
    my $name  = $version == Net::SSLeay::TLS1_2_VERSION() ? 'TLS 1.2' : 'TLS 1.3';
    my $bytes = hello($version);
    my $d     = Daemon->start({ tls => {} },
        tls_arguments("conn_mem_limit=$LIMIT", 'ssl_handshake_timeout=10000'),
        '-c' => 2 * $CLIENTS, '-t' => 1);
    my @friends = map { $d->connect } 1 .. 20;
    my $watcher = $d->connect;
    $watcher->ask("watch connevents\r\n");
    is($d->stat('conn_mem_bytes'), 0, "$name: who is through keeps nothing");

    my $before = $d->resident;
    my @half   = map { begin_handshake($d, $bytes) } 1 .. 100;
    is($d->stat('conn_mem_bytes'), 100 * $HANDSHAKE, 'a handshake that has begun counts');
    is($d->stat('conn_mem_kicks'), 0, 'and may take its time');

    my ($most, $highest, $refused) = (0, 0, 0);
    for my $n (101 .. $CLIENTS) {
        push @half, begin_handshake($d, $bytes);
        next if $n % 50;
        my ($kept, $resident) = ($d->stat('conn_mem_bytes'), $d->resident);
        $most    = $kept if $kept > $most;
        $highest = $resident if $resident > $highest;
        my $newcomer = eval { $d->connect };
        $refused++ if !$newcomer || !$newcomer->is_in_step;
    }
    cmp_ok($most, '>', $LIMIT * $MIB / 4, "$CLIENTS of them are many");
    cmp_ok($most, '<=', $LIMIT * $MIB / 2, 'but what is kept stays within half of the limit');
    SKIP: {
        skip 'a sanitizer needs memory of its own', 1 if $d->is_sanitized;
        my $grown = $highest - $before;

        note(sprintf '%.1f MiB more, where %.1f are counted', $grown / $MIB, $most / $MIB);
        verdict($grown <= $LIMIT * $MIB / 2 + $SLACK, 'and so does the process',
            "it grew by $grown\n");
    }
    cmp_ok($d->stat('conn_mem_kicks'), '>=', $CLIENTS - $LIMIT * $MIB / 2 / $HANDSHAKE,
        'because the others had to go');
    is($refused, 0, 'meanwhile everybody gets in who means it');
    is(scalar(grep { !$_->is_in_step } @friends), 0, 'and who was there stays');
    ok($watcher->read_until(sub { $watcher->unread =~ /reason=conn_mem_limit/ }),
        'watchers are told why');
    my $open = join '', map { is_open($_) } @half;
    like($open, qr/\A0{300}.*1{50}\z/, 'the oldest have gone');
    @half = ();
    ok(eventually(sub { $d->stat('conn_mem_bytes') == 0 }), 'when all have left nothing is kept');
    $d->stop_clean;
}

# Many who begin at once and mean it wait for each other, and nobody has to go. The clock stands,
# so that nobody takes too long, however busy the machine is.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=1', 'debug_commands'),
        '-t' => 1);
    my $room = int $MIB / 2 / $HANDSHAKE;
    my $c    = $d->connect;
    $c->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');

    my @half = map { begin_handshake($d, hello(Net::SSLeay::TLS1_3_VERSION())) } 2 .. $room;
    is($d->stat('conn_mem_bytes'), ($room - 1) * $HANDSHAKE, 'there is room for one handshake');
    is($d->stat('handshakes_deferred'), 0, 'nobody has had to wait');
    my @many = map { start_tls($d) } 1 .. 200;
    ok(eventually(sub { @many == grep { $_->connect_SSL } @many }, 60),
        'where 200 begin at once, and all come through');
    is($d->stat('conn_mem_kicks'), 0, 'nobody had to go');
    cmp_ok($d->stat('handshakes_deferred'), '>', 0, 'some had to wait');
    is($d->stat('handshakes_waiting'), 0, 'which is over');
    $c->expect("stats reset\r\n", "RESET\r\n", 'from now on');

    push @half, begin_handshake($d, hello(Net::SSLeay::TLS1_3_VERSION()));
    my $late = start_tls($d);
    $late->connect_SSL;
    ok($c->is_in_step, 'others are served while somebody waits');
    ok(!$late->connect_SSL, 'who comes when there is no room waits');
    is($d->stat('handshakes_waiting'), 1, 'and is shown');
    $d->advance_clock(2);
    ok(eventually(sub { $late->connect_SSL }, 60), 'until the others have taken too long');
    is($d->stat('conn_mem_kicks'), $room, 'who have to go then');
    my $s = $d->stats;
    is("$s->{handshakes_waiting} $s->{handshakes_deferred}", '0 1', 'it has waited, and waits no longer');
    my @waiting = map { ask_for_handshake($d, hello(Net::SSLeay::TLS1_3_VERSION())) } 1 .. 20;
    ok(eventually(sub { $d->stat('handshakes_waiting') > 0 }), 'some wait');
    $d->stop_clean('it ends, whoever waits');
}

# A client that goes on with its handshake when it is told to: connect_SSL.
sub start_tls ($d) {
    my $socket = $d->socket_to(tls => 0);

    $socket->blocking(0);
    return IO::Socket::SSL->start_SSL($socket, SSL_startHandshake => 0, SSL_verify_mode => 0)
        // die "no TLS: $IO::Socket::SSL::SSL_ERROR\n";
}

# Who does not read what he has asked for must not keep others out: there is too little room left
# for a handshake, and not so little that it would be anybody's turn to go for that.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=1'), '-t' => 1);
    my $c = $d->connect;
    $c->ask(set($_ => 'x' x 1000)) for @KEYS;
    my ($kept, @slow) = (0);
    while (($kept = $d->stat('conn_mem_bytes')) < $MIB - $HANDSHAKE && @slow < 500) {
        push @slow, $d->connect(window => 4096);
        $slow[-1]->push_out("get @KEYS\r\n" x 500, 0);
    }
    cmp_ok($kept, '>=', $MIB - $HANDSHAKE, scalar(@slow) . ' slow readers');
    my $newcomer = eval { $d->connect };
    ok($newcomer && $newcomer->is_in_step, 'a newcomer gets in');
    ok($c->is_in_step, 'and who was there stays');
    @slow = ();
    $d->stop_clean;
}

# Of those who are connected, let so many ask for more than they read that so much is kept.
sub slow_down ($d, $bytes, $idle) {
    while ($d->stat('conn_mem_bytes') < $bytes && @$idle) {
        (shift @$idle)->push_out("get @KEYS\r\n" x 500, 0);
    }
}

# Anybody can begin handshakes, so nobody has to go for their sake who is through. The clock
# stands, so that none of them takes too long.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=1', 'debug_commands'),
        '-t' => 1);
    my $part  = int $MIB / 2 / $HANDSHAKE;
    my $bytes = hello(Net::SSLeay::TLS1_3_VERSION());
    $d->connect->ask(set($_ => 'x' x 1000)) for @KEYS;
    my @clients = map { $d->connect(window => 4096) } 1 .. 100;
    my @idle    = @clients;
    $clients[-1]->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');

    my @half = map { begin_handshake($d, $bytes) } 1 .. $part;
    my @wait = map { ask_for_handshake($d, $bytes) } 1 .. 2 * $part;
    ok(eventually(sub { $d->stat('handshakes_waiting') == @wait }), 'more handshakes than half holds');
    is($d->stat('conn_mem_bytes'), $part * $HANDSHAKE, 'have half');
    slow_down($d, $MIB * 3 / 4, \@idle);
    cmp_ok($d->stat('conn_mem_bytes'), '>=', $MIB * 3 / 4, 'so that others have the rest');
    is($d->stat('conn_mem_kicks'), 0, 'and nobody has to go');
    slow_down($d, 2 * $MIB, [ shift @idle ]) while @idle && $d->stat('conn_mem_kicks') == 0;
    cmp_ok($d->stat('conn_mem_kicks'), '>', 0, 'more than there is');
    is(join('', map { is_open($_) } @half), '1' x $part, 'makes those go who keep most, not handshakes');
    my $kicks = $d->stat('conn_mem_kicks');
    $d->advance_clock(2);
    ok(eventually(sub { $d->stat('handshakes_waiting') == $part }), 'until they have taken too long');
    is($d->stat('conn_mem_kicks'), $kicks + $part, 'then they go alone');
    @clients = ();
    $d->stop_clean;
}

# A client of TLS whose words go by hand.
sub by_hand ($d) {
    my $context = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_client_method());
    my $ssl     = Net::SSLeay::new($context);
    my $client  = { ssl => $ssl, socket => $d->socket_to(tls => 0),
        map { $_ => Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } qw(in out) };

    Net::SSLeay::set_bio($ssl, $client->{in}, $client->{out});
    Net::SSLeay::connect($ssl);
    return $client;
}

# So many bytes of what it has to say next, or all.
sub speak ($client, $bytes = 1 << 16) {
    syswrite $client->{socket}, Net::SSLeay::BIO_read($client->{out}, $bytes);
}

# Let it hear the server's answer, until it has something to say itself.
sub hear ($client) {
    while (Net::SSLeay::BIO_pending($client->{out}) == 0) {
        has_answer($client->{socket}, 60) or die "no answer\n";
        sysread $client->{socket}, my $answer, 1 << 16 or die "it is closed\n";
        Net::SSLeay::BIO_write($client->{in}, $answer);
        Net::SSLeay::connect($client->{ssl});
    }
}

sub is_stopped ($pid) {
    open my $in, '<', "/proc/$pid/stat" or return 0;
    return readline($in) =~ /\) T /;
}

# What happens while the server sleeps, and a second too many goes by, it finds all at once.
sub while_asleep ($d, $control, $what) {
    kill STOP => $d->pid;
    eventually(sub { is_stopped($d->pid) }) or die "it does not stop\n";
    $control->push_out("debugtime 2\r\n", 0);
    $what->();
    kill CONT => $d->pid;
    $control->receive(4) eq "OK\r\n" or die "the clock has not moved\n";
}

# A second is a client's time, not the worker's.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=1', 'debug_commands'),
        '-t' => 1);
    my $control = $d->connect;
    $control->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');

    my $slow = by_hand($d);
    speak($slow, 20);
    ok(eventually(sub { $d->stat('conn_mem_bytes') == $HANDSHAKE }), 'who has said half a hello');
    $d->advance_clock(1);
    my @clients = ($slow, map { by_hand($d) } 2 .. int $MIB / 2 / $HANDSHAKE);
    speak($_), hear($_) for @clients;
    $d->advance_clock(1);
    my ($late, @idle) = map { by_hand($d) } 1 .. 2;
    speak($late);
    ok(eventually(sub { $d->stat('handshakes_waiting') == 1 }), 'has a second from the answer on');
    is($d->stat('conn_mem_kicks'), 0, 'so it does not have to go');

    while_asleep($d, $control, sub { speak($_) for @idle, @clients });
    hear($_) for $late, @idle;
    is($d->stat('conn_mem_kicks'), 0, 'nor who has said what nobody has read yet');

    speak($_) for $late, @idle;
    ok(eventually(sub { $d->stat('conn_mem_bytes') == 0 }), 'all are through');
    my @tricklers = map { by_hand($d) } 1 .. @clients;
    speak($_, 20) for @tricklers;
    ok(eventually(sub { $d->stat('conn_mem_bytes') == @tricklers * $HANDSHAKE }), 'others trickle');
    $late = by_hand($d);
    $d->barrier;
    while_asleep($d, $control, sub { speak($late); speak($_, 1) for @tricklers });
    hear($late);
    cmp_ok($d->stat('conn_mem_kicks'), '>', 0, 'and have to go, though they say a byte');
    $d->stop_clean;
}

# What is kept when nothing more is to come of what has been asked for.
sub settled ($d) {
    my ($kept, $times) = (-1, 0);

    while ($times < 5) {
        my $before = $kept;
        $kept  = $d->stat('conn_mem_bytes');
        $times = $kept == $before ? $times + 1 : 0;
    }
    return $kept;
}

# So many may begin at once, whatever others keep. They do when they come, or when the clock moves:
# it stands, so what is in the way is in the way until then.
{
    my $limit = 4 * $MIB;
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=4', 'debug_commands'),
        '-t' => 1);
    my $bytes = hello(Net::SSLeay::TLS1_3_VERSION());
    $d->connect->ask(set($_ => 'x' x 1000)) for @KEYS;
    my @clients = map { $d->connect(window => 4096) } 1 .. 200;
    $clients[-1]->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');
    my @idle = @clients[ 0 .. 198 ];
    while (@idle && settled($d) <= $limit - $HANDSHAKE) {
        (shift @idle)->push_out("get @KEYS\r\n" x 500, 0);
    }
    cmp_ok($d->stat('conn_mem_bytes'), '>', $limit - $HANDSHAKE, 'others keep all that there is');
    my $kicks = $d->stat('conn_mem_kicks');

    $d->advance_clock(1);
    my $first = begin_handshake($d, $bytes);
    is($d->stat('handshakes_deferred'), 0, 'who comes need not wait');
    cmp_ok($d->stat('conn_mem_kicks'), '>', $kicks, 'some have to go for him');
    my $part = int $limit / 8 / $HANDSHAKE;
    my @more = map { begin_handshake($d, $bytes) } 2 .. $part;
    is($d->stat('handshakes_deferred'), 0, 'nor who comes while an eighth is enough');
    my @late = map { ask_for_handshake($d, $bytes) } 1 .. $part;
    ok(eventually(sub { $d->stat('handshakes_waiting') == @late }), 'the others wait');
    $kicks = $d->stat('conn_mem_kicks');
    $d->advance_clock(2);
    ok(eventually(sub { @late == grep { has_answer($_) } @late }), 'until those have taken too long');
    is($d->stat('conn_mem_kicks'), $kicks + $part, 'who go alone');
    @clients = ();
    $d->stop_clean;
}

# Who waits for room does not wait forever, and does not count as one who is slow.
{
    my $d = Daemon->start({ tls => {} },
        tls_arguments('conn_mem_limit=1', 'ssl_handshake_timeout=2', 'debug_commands'), '-t' => 1);
    $d->connect->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');
    my $before = $d->stat_pairs('conns');
    my $late   = by_hand($d);
    ok(eventually(sub { $d->stat_pairs('conns') > $before }), 'one is there, and its time begins');
    $d->advance_clock(1);
    my @clients = map { by_hand($d) } 1 .. int $MIB / 2 / $HANDSHAKE;
    speak($_, 20) for @clients;
    ok(eventually(sub { $d->stat('conn_mem_bytes') == @clients * $HANDSHAKE }), 'there is no room');
    speak($late);
    $d->advance_clock(1);
    speak($_), hear($_) for @clients;
    is($d->stat('handshakes_waiting'), 1, 'so that one waits');
    $d->advance_clock(1);
    ok(eventually(sub { $d->stat('handshakes_waiting') == 0 }), 'until its time is over');
    is($d->stat('handshake_kicks'), 0, 'which does not count as a handshake that takes too long');
    is($d->stat('conn_mem_kicks'), 1, 'but as one that there was no room for');
    $d->stop_clean;
}

# Nobody who waits is passed by, neither by who comes later nor by who begins.
{
    my $d = Daemon->start({ tls => {} }, tls_arguments('conn_mem_limit=1', 'debug_commands'),
        '-t' => 1);
    my $bytes = hello(Net::SSLeay::TLS1_3_VERSION());
    my $late  = 0;
    my $wait  = sub {           # one after the other: another thread takes them in
        my $waits = $d->stat('handshakes_deferred') + 1;
        my $s = ask_for_handshake($d, $bytes);
        $late++ if !eventually(sub { $d->stat('handshakes_deferred') == $waits });
        return $s;
    };
    $d->connect->expect("debugtime p\r\n", "OK\r\n", 'the clock stands');

    my @begun = map { begin_handshake($d, $bytes) } 1 .. int $MIB / 2 / $HANDSHAKE;
    my @queue = map { $wait->() } 1 .. 20;
    my ($passed_by, $starved) = (0, 0);
    for my $turn (1 .. 60) {
        close shift @begun;
        push @queue, $wait->() if $turn <= 40;
        my $first = shift @queue;
        $starved++ if !eventually(sub { has_answer($first) });
        $d->barrier;
        $passed_by += grep { has_answer($_) } @queue;
        push @begun, $first;
    }
    is($late, 0, 'who comes when there is no room waits');
    is($starved, 0, 'whoever has waited longest has the room of who leaves');
    is($passed_by, 0, 'and nobody else');
    is(scalar @queue, 0, 'until nobody waits');
    is($d->stat('handshakes_waiting'), 0, 'which is what is told');
    $d->stop_clean;
}

sub has_answer ($socket, $seconds = 0) {
    my $set = '';

    vec($set, fileno $socket, 1) = 1;
    return select($set, undef, undef, $seconds) == 1;
}

done_testing;
