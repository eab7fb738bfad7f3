# Where the server listens: addresses, ports, sockets, and the file that tells.
use v5.36;
use File::Temp 'tempdir';
use IO::Socket::IP;
use IO::Socket::UNIX;
use Test::More;
use lib 't/lib';
use Daemon;

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
my $has_ipv6 = defined IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0,
    Listen => 1);

# --- one address -------------------------------------------------------------

my $d = Daemon->start;
is_deeply([ listening($d) ], [ '127.0.0.1:' . $d->port ],
    "-l 127.0.0.1 listens there only");
$d->connect->expect("mn\r\n", "MN\r\n", "and is heard");
my $port = $d->port;
my $second = run_program($> == 0 ? ('-u' => 'root') : (), '-l' => '127.0.0.1',
    '-p' => $port);
is($second->{status}, 71, "a port in use is exit status 71");
like($second->{stderr}, qr/in use/i, "and said so");
$d->connect->expect("mn\r\n", "MN\r\n", "which does not disturb the one that has it");
$d->stop_clean;

$d = Daemon->start('-l' => 'localhost', '-p' => 'PORT');
$d->connect->expect("mn\r\n", "MN\r\n", "-l takes a name");
$d->stop_clean;

# --- none --------------------------------------------------------------------

$d = Daemon->start({ anywhere => 1 }, '-p' => 'PORT');
my @open = grep { !/^(?:127\.0\.0\.1|\[::1\]):/ } listening($d);
same("@open", '', "without -l, it listens on loopback only");
$d->connect->expect("mn\r\n", "MN\r\n", "where it is heard");
SKIP: {
    skip 'no IPv6 here', 1 if !$has_ipv6;
    $d->connect(host => '::1')->expect("mn\r\n", "MN\r\n", "in IPv6 as well");
}
$d->stop_clean;

# --- many --------------------------------------------------------------------

for my $case (
    [ [ '-l' => '127.0.0.1:PORT,127.0.0.1:PORT2' ],         'a list with commas' ],
    [ [ '-l' => '127.0.0.1:PORT;127.0.0.1:PORT2' ],         'a list with a semicolon' ],
    [ [ '-l' => '127.0.0.1:PORT', '-l' => '127.0.0.1:PORT2' ], 'two of -l' ],
    [ [ '-l' => '127.0.0.1:PORT2,127.0.0.1', '-p' => 'PORT' ],
        'one with a port, one with that of -p' ],
) {
    my ($args, $what) = @$case;
    $d = Daemon->start(@$args);
    my @where = sort map { '127.0.0.1:' . $d->port($_) } qw(PORT PORT2);
    is_deeply([ sort(listening($d)) ], \@where, "$what: it listens on both");
    my @clients = map { $d->connect(port => $_) } qw(PORT PORT2);
    $clients[0]->ask(set(k => $what));
    $clients[1]->expect("get k\r\n", hit(k => $what), "and both lead to one cache");
    $d->stop_clean;
}
SKIP: {
    skip 'no IPv6 here', 6 if !$has_ipv6;
    $d = Daemon->start('-l' => '127.0.0.1:PORT,[::1]:PORT2');
    is_deeply([ sort(listening($d)) ],
        [ '127.0.0.1:' . $d->port('PORT'), '[::1]:' . $d->port('PORT2') ],
        "IPv4 and IPv6, each with a port of its own");
    my $v6 = $d->connect(host => '::1', port => 'PORT2');
    $v6->ask(set(k => 'six'));
    $d->connect->expect("get k\r\n", hit(k => 'six'), "lead to one cache too");
    is($d->stats('settings')->{inter},
        sprintf('127.0.0.1:%d,[::1]:%d', $d->port('PORT'), $d->port('PORT2')),
        "stats settings shows the list");
    $d->stop_clean;

    $d = Daemon->start('-l' => '127.0.0.1,::1', '-p' => 'PORT');
    $d->connect(host => '::1')->expect("mn\r\n", "MN\r\n",
        "an IPv6 address needs no brackets");
    $d->stop_clean;
}

# --- a port of its own choice ------------------------------------------------

my $file = "$dir/ports";
$d = Daemon->start({ env => { MEMCACHED_PORT_FILENAME => $file } }, '-p' => '-1');
open my $in, '<', $file or die "$file: $!\n";
is(join('', <$in>), sprintf("TCP INET: %d\n", $d->port),
    "with -p -1 it finds a port, and writes it to MEMCACHED_PORT_FILENAME");
ok(!-e "$file.lck", "under its final name when it is whole");
$d->stop_clean;
unlink $file;
$d = Daemon->start({ env => { MEMCACHED_PORT_FILENAME => $file } },
    '-l' => '127.0.0.1:PORT,127.0.0.1:PORT2');
open $in, '<', $file or die "$file: $!\n";
is(join('', <$in>), sprintf("TCP INET: %d\nTCP INET: %d\n", $d->port('PORT'),
    $d->port('PORT2')),
    "two listeners are two lines");
$d->stop_clean;

unlink $file;
$d = Daemon->start({ env => { MEMCACHED_PORT_FILENAME => $file } }, '-s' => "$dir/none");
ok(!-e $file, "a unix socket has no port, so there is no file");
$d->stop_clean;

# --- unix sockets ------------------------------------------------------------

my $path = "$dir/socket";
$d = Daemon->start('-s' => $path);
my $c = $d->connect;
$c->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
    "a unix socket serves");
my $large = 'l' x 700_000;
$c->expect(set(l => $large) . "get l\r\n", "STORED\r\n" . hit(l => $large),
    "large values too");
is(mode($path), '0700', "its mode is 0700");
is(scalar(listening($d)), 0, "and no port is open");
$c->close;
$d->stop_clean;
for my $mode ('0777', '660', '0') {
    $d = Daemon->start('-s' => $path, '-a' => $mode);
    is(mode($path), sprintf('%04o', oct $mode), "-a $mode gives it another mode");
    $d->stop_clean;
    unlink $path if $mode eq '0';   # which not even its owner may connect to
}

IO::Socket::UNIX->new(Local => $path, Listen => 1) if !-e $path;
ok(-S $path, "a socket that a server before it left behind");
$d = Daemon->start('-s' => $path);
$d->connect->expect("mn\r\n", "MN\r\n", "is no obstacle");
$d->stop_clean;

# A live server whose socket nobody but root may connect to.
SKIP: {
    skip 'not root', 10 if $> != 0;
    my $open = tempdir(CLEANUP => 1);
    chmod 0777, $open;
    for my $mode ('500', '0') {
        $d = Daemon->start({ verbose => 1 }, '-u' => 'nobody', '-s' => "$open/socket",
            '-a' => $mode);
        my $inode = (stat "$open/socket")[1];
        my $other = run_program('-u' => 'nobody', '-s' => "$open/socket");
        is($other->{status}, 71, "with -a $mode, a socket in use is not taken either");
        like($other->{stderr}, qr/^cannot listen on \Q$open\E\/socket: .*denied.*remove/,
            "and the server says why");
        is((stat "$open/socket")[1], $inode, "it is where it was");
        $d->connect->expect("mn\r\n", "MN\r\n", "and still leads to the first server");
        $d->stop_clean;
        unlink "$open/socket";
    }
}

my $plain = "$dir/plain";
open my $out, '>', $plain or die "$plain: $!\n";
print $out "somebody's data\n";
close $out;
my $run = run_program($> == 0 ? ('-u' => 'root') : (), '-s' => $plain);
is($run->{status}, 71, "a file that is no socket is exit status 71");
is(-s $plain, 16, "and stays as it is");

sub mode ($file) {
    return sprintf '%04o', (stat $file)[2] & 07777;
}

# The addresses on which the process listens, as the kernel sees them.
sub listening ($d) {
    my %inode = map { readlink($_) // '' => 1 } glob '/proc/' . $d->pid . '/fd/*';
    my @where;

    for my $family (qw(tcp tcp6)) {
        open my $in, '<', "/proc/net/$family" or next;
        while (my $line = <$in>) {
            my (undef, $local, undef, $state, @rest) = split ' ', $line;
            next if $state ne '0A' || !$inode{"socket:[$rest[5]]"};
            my ($address, $port) = split /:/, $local;
            push @where, address_of($address) . ':' . hex $port;
        }
    }
    return @where;
}

# From the kernel's form: words of 32 bits in the order of this machine.
sub address_of ($hex) {
    return join '.', unpack 'C4', pack 'L', hex $hex if length $hex == 8;
    return $hex eq '0' x 24 . '01000000' ? '[::1]' : "[$hex]";
}

done_testing;
