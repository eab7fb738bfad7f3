# Sockets that a service manager has opened: sd_listen_fds(3).
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(tls_arguments);
use File::Temp 'tempdir';
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket;

plan skip_all => 'memcached takes no sockets from anybody' if is_reference();

my $dir   = tempdir(CLEANUP => 1);
my $ports = "$dir/ports";
my $users = "$dir/users";

open my $out, '>', $users or die "$users: $!\n";
print {$out} "foo:bar\n";
close $out;
chmod 0600, $users;
chmod 0755, $dir;

sub stream (%with) {
    return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 16, %with)
        // die "no socket: $@\n";
}

sub datagram () {
    return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Proto => 'udp')
        // die "no socket: $@\n";
}

# A server that gets these. Where it is connected to is what it has found out itself.
sub started ($launch, @args) {
    unlink $ports;              # or the last one's would be connected to, where nobody accepts
    return Daemon->start({ anywhere => 1, env => { MEMCACHED_PORT_FILENAME => $ports }, %$launch },
        '-p' => 1, @args);
}

sub run (@args) {
    my $launch = shift @args;

    return run_program($launch, $> == 0 ? ('-u' => 'root') : (), '-p' => -1, @args);
}

# TCP, and clients who have come before the server.
my $socket = stream();
my $early  = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $socket->sockport);
print {$early} "mn\r\n";
my $d = started({ sockets => [$socket], verbose => 1 }, '-v');
is($d->port, $socket->sockport, "it listens where the socket does");
is(readline($early), "MN\r\n", "who came before it has waited");
$d->connect->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'), "it serves");
like($d->said, qr/\Alistening on 1 sockets of the service manager; -l, -p, -s and -U have no effect\n/,
    "at -v it says so");
is(scalar(grep { $_->[1] eq 'conn_listening' } $d->stat_pairs('conns')), 1,
    "and opens no other");
$d->stop_clean;
my $late = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $socket->sockport);
ok($late, "between two servers nobody is refused");
print {$late} "mn\r\n";
$d = started({ sockets => [$socket], verbose => 1 }, '-l' => '192.0.2.1', '-U' => 1);
is(readline($late), "MN\r\n", "the next one serves him, whatever -l and -U say");
my $alone = 'has no effect: it listens on the sockets of the service manager alone';
is($d->said, "warning: -l (listen) $alone\n", "which is warned of");
$d->stop_clean;
$d = started({ sockets => [$socket], verbose => 1 });
is($d->said, '', "where nobody has said -l there is no warning");
$d->stop_clean;
$d->stop_clean;

# In the background, where the process is another one than was started.
$d = started({ sockets => [$socket] }, '-d');
$d->connect->expect("mn\r\n", "MN\r\n", "-d takes them along");
$d->stop_clean;

# All that there is to be listened on at once; the two have the same port.
my $tcp  = stream();
my $udp  = datagram();
my $path = "$dir/socket";
my $unix = IO::Socket::UNIX->new(Local => $path, Listen => 16) // die "$path: $!\n";
$d = started({ sockets => [ $udp, $unix, $tcp ], names => 'larder.socket::unknown' });
$d->connect->expect("mn\r\n", "MN\r\n", "TCP");
my $client = IO::Socket::UNIX->new(Peer => $path) // die "$path: $!\n";
print {$client} "mn\r\n";
is(readline($client), "MN\r\n", "a unix socket");
my $sender = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $udp->sockport,
    Proto => 'udp');
$sender->send(pack('nnnn', 7, 0, 1, 0) . "mn\r\n");
$sender->recv(my $answer, 1500);
is($answer, pack('nnnn', 7, 0, 1, 0) . "MN\r\n", "and UDP, all at once");
is(scalar(grep { $_->[1] eq 'conn_listening' } $d->stat_pairs('conns')), 2,
    "stats conns shows them");
$d->stop_clean;
$d = started({ sockets => [$unix], verbose => 1 }, '-s' => $path);
is($d->said, "warning: -s (unix-socket) $alone\n", "-s is warned of, too");
$d->stop_clean;
ok(-S $path, "the file of a unix socket is the manager's, and stays");

# IPv6, for both families.
SKIP: {
    my $both = eval { stream(LocalHost => '::', V6Only => 0) } or skip 'no IPv6 here', 2;
    $d = started({ sockets => [ $both, stream() ] });
    for my $host ('127.0.0.1', '::1') {
        my $c = IO::Socket::IP->new(PeerHost => $host, PeerPort => $both->sockport) // die "$@\n";
        print {$c} "mn\r\n";
        is(readline($c), "MN\r\n", "a socket of all addresses, by $host");
    }
    $d->stop_clean;
}

# What is spoken there is in their names.
{
    my ($secure, $plain) = (stream(), stream());

    $d = started({ sockets => [ $plain, $secure ], names => 'notls,ascii:' }, tls_arguments());
    my $c = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $plain->sockport);
    print {$c} "mn\r\n";
    is(readline($c), "MN\r\n", "notls: without TLS");
    $c = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $plain->sockport);
    print {$c} "\x80\r\n";
    like(readline($c), qr/\A(?:CLIENT_)?ERROR/, "ascii: not binary");
    $c = Daemon::Tls::secured(
        IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $secure->sockport));
    print {$c} "mn\r\n";
    is(readline($c), "MN\r\n", "with -Z and no name: TLS");
    $d->stop_clean;
}
$d = started({ sockets => [ stream() ], login => 'foo bar' }, '-Y' => $users);
$d->connect->expect("mn\r\n", "MN\r\n", "who has to log in has to here");
$d->stop_clean;

# What cannot be used, and names that say nothing that is known.
pipe my $read, my $write or die "$!\n";
my $not_listening = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $tcp->sockport);
my $unix_datagram = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/datagram");
my $in_order      = IO::Socket::UNIX->new(Type => SOCK_SEQPACKET, Local => "$dir/order", Listen => 1);
my $unusable      = "cannot use socket 3 of the service manager";
for my $case (
    [ $read,          "$unusable: it is no socket" ],
    [ $not_listening, "$unusable: it does not listen; with systemd it takes Accept=no" ],
    [ $unix_datagram, "$unusable: datagrams are for UDP (ListenDatagram=)" ],
    [ $in_order,      "$unusable: it is neither for a stream nor for datagrams" ],
) {
    my ($handle, $why) = @$case;
    my $run = run({ sockets => [$handle] });

    is($run->{status}, 71,      "exit status 71");
    is($run->{stderr}, "$why\n", $why);
}
my $known = "where only notls, btls, mtls, ascii, binary and negotiating have a meaning";
my $third = "socket 3 of the service manager";
for my $case (
    [ $tcp, 'notsl', qq{$third: its name is "notsl", $known} ],
    [ $tcp, 'ascii,,notls', qq{$third: its name is "ascii,,notls", $known} ],
    [ $tcp, 'mtls', "$third: btls and mtls are for TLS (-Z)" ],
    [ $tcp, 'mtls', "$third: mtls needs -o ssl_ca_cert", map { s/,ssl_ca_cert=.*//r } tls_arguments() ],
    [ $unix, 'btls', "$third: TLS is for TCP", tls_arguments() ],
    [ $udp, 'btls', "$third: TLS is for TCP", tls_arguments() ],
    [ $udp, '', "$third: who has to log in (-S, -Y) cannot do so by UDP", '-Y' => $users ],
    [ $tcp, 'binary', "$third proto[binary]: with -Y and without -S there is no login in the "
        . "binary protocol", '-Y' => $users ],
) {
    my ($handle, $names, $why, @args) = @$case;
    my $run = run({ sockets => [$handle], names => $names }, @args);

    is($run->{status}, 1,       "exit status 1");
    is($run->{stderr}, "$why\n", $why);
}
my $run = run({ sockets => [$tcp], env => { LISTEN_FDS => 'many' } });
is("$run->{status} $run->{stderr}", "1 LISTEN_FDS=many is no number of sockets\n", "a word");
$run = run({ sockets => [$tcp], env => { LISTEN_FDS => 5000 } });
like("$run->{status} $run->{stderr}", qr/\A1 LISTEN_FDS=5000: descriptor \d+: Bad file descriptor\n\z/,
    "more than there are");

# For another process, or none.
for my $env ({ LISTEN_PID => 1 }, { LISTEN_FDS => 0 }) {
    $d = Daemon->start({ sockets => [$tcp], env => $env });
    isnt($d->port, $tcp->sockport, "@{[ %$env ]}: it opens its own");
    $d->connect->expect("mn\r\n", "MN\r\n", "and serves there");
    $d->stop_clean;
}

# As systemd does it.
SKIP: {
    my $activate = '/usr/bin/systemd-socket-activate';
    skip "no $activate here", 1 if !-x $activate;
    my $port = do { my $free = stream(); $free->sockport };
    my $pid  = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null' or die "$!\n";
        exec $activate, '-l', "127.0.0.1:$port", '--fdname=notls',
            Daemon::Program::server_program(), $> == 0 ? ('-u' => 'root') : ();
    }
    my $c;
    ok(eventually(sub { $c = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) }),
        "systemd-socket-activate listens");
    print {$c} "mn\r\n";
    is(readline($c), "MN\r\n", "and hands over to it");
    kill TERM => $pid;
    waitpid $pid, 0;
    is($?, 0, "which ends cleanly");
}

done_testing;
