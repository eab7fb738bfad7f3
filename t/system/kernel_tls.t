# -o ssl_kernel_tls: the kernel encrypts where it can, and where it cannot the server does, and
# says so. What clients see is the same.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(tls_arguments);
use IO::Socket::SSL;
use Socket qw(AF_INET SOCK_STREAM IPPROTO_TCP);

plan skip_all => 'its messages are larder\'s' if is_reference();

my $TCP_ULP = 31;

# Does the kernel know TLS? It is asked as the server asks it.
sub kernel_has_tls () {
    socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    return setsockopt($socket, IPPROTO_TCP, $TCP_ULP, "tls\0") || $!{ENOTCONN} ? 1 : 0;
}

# How many connections the kernel has encrypted for, by its own count.
sub encrypted_for () {
    open my $in, '<', '/proc/net/tls_stat' or return;
    my %counted = map { /^(\S+)\s+(\d+)/ ? ($1 => $2) : () } <$in>;

    return $counted{TlsTxSw} + $counted{TlsTxDevice};
}

# All that goes over a connection, in pieces of any size, on a connection of each version.
sub talk ($d) {
    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $c = $d->connect(tls => { SSL_version => $version });

        is($c->{socket}->get_sslversion, $version, "$version is spoken");
        for my $size (0, 1, 16_383, 16_384, 16_385, 900_000) {
            $c->expect(set(k => 'v' x $size) . "get k\r\n" x 3,
                "STORED\r\n" . hit(k => 'v' x $size) x 3, "$version: a value of $size bytes");
        }
        my $watcher = $d->connect(tls => { SSL_version => $version });
        is($watcher->ask("watch mutations\r\n"), "OK\r\n", "$version: watch");
        $c->ask(set(w => 'v'));
        ok($watcher->read_until(sub { $watcher->unread =~ /key=w .*\n/ }), 'is told');
        $_->close for $c, $watcher;
    }
}

my $has    = kernel_has_tls();
my $before = encrypted_for();
my $d = Daemon->start({ tls => {}, verbose => 1 }, tls_arguments('ssl_kernel_tls'), '-t' => 2);
is($d->said, $has ? '' : "warning: the kernel has no TLS, -o ssl_kernel_tls has no effect\n",
    $has ? 'the kernel has TLS' : 'the kernel has none, which is said');
is($d->stats('settings')->{ssl_kernel_tls}, 'yes', 'it is asked for');
talk($d);
SKIP: {
    skip 'NOT TESTED: this kernel has no TLS (module tls)', 1                if !$has;
    skip 'NOT TESTED: this kernel does not count (/proc/net/tls_stat)', 1    if !defined $before;
    cmp_ok(encrypted_for(), '>=', $before + 4, 'the kernel has encrypted for each connection');
}
$d->stop_clean;

done_testing;
