# stats conns: every socket, who is at its other end, and what it waits for.
use v5.36;
use Test::More;
use File::Temp 'tempdir';
use lib 't/lib';
use Daemon;

# What is said of each socket, by its number: { addr, state, ... }.
sub sockets ($d) {
    my %said;

    for ($d->stat_pairs('conns')) {
        my ($fd, $name) = split /:/, $_->[0];
        $said{$fd}{$name} = $_->[1];
    }
    return \%said;
}

sub of ($d, $address) {
    return grep { $_->{addr} eq $address } values %{ sockets($d) };
}

sub name_of ($connection, $at = '127.0.0.1') {
    return "tcp:$at:" . $connection->{socket}->sockport;
}

sub is_shown ($d, $connection, $state, $name) {
    my @shown;

    ok(eventually(sub { @shown = of($d, name_of($connection)); $shown[0]{state} eq $state }),
        "$name: $state")
        or diag(explain(sockets($d)));
    is(scalar @shown, 1, 'once');
    is($shown[0]{listen_addr}, 'tcp:127.0.0.1:' . $d->port, 'by which address it came');
    return $shown[0];
}

# --- TCP ---------------------------------------------------------------------

my $d = Daemon->start('-o' => 'debug_commands');
is((of($d, 'tcp:127.0.0.1:' . $d->port))[0]{state}, 'conn_listening', 'who listens');
my ($idle, $half, $deaf, $watcher) = map { $d->connect } 1 .. 4;
$idle->ask("mn\r\n");
$half->ask("mn\r\n");
$half->send("set half 0 0 10\r\nv");
$idle->ask("set big 0 0 1000000\r\n" . 'v' x 1_000_000 . "\r\n");
$deaf->send("get big\r\n" x 30);
is($watcher->ask("watch sysevents\r\n"), "OK\r\n", 'one watches');
is_shown($d, $idle, 'conn_read', 'one that waits for a command');
is_shown($d, $half, 'conn_nread', 'for the rest of a value');
is_shown($d, $deaf, 'conn_mwrite', 'for its client to read');
is_shown($d, $watcher, 'conn_watch', 'one that watches');
is(scalar(grep { $_->{state} eq 'conn_parse_cmd' } values %{ sockets($d) }), 1,
    'who asks: conn_parse_cmd');
$d->advance_clock(3);
for ($idle, $watcher) {
    my ($shown) = of($d, name_of($_));
    cmp_ok($shown->{secs_since_last_cmd}, '>=', 3, 'how long ago it has said something');
}
$idle->ask("mn\r\n");
cmp_ok((of($d, name_of($idle)))[0]{secs_since_last_cmd}, '<', 3, 'which a command ends');
my $watched = name_of($watcher);
$watcher->reset;
ok(eventually(sub { !of($d, $watched) }), 'a watcher that has gone is not shown');
$d->stop_clean;

# --- other sockets -----------------------------------------------------------

SKIP: {
    skip 'no IPv6 here', 1 if !IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
    $d = Daemon->start('-l' => '127.0.0.1:PORT,[::1]:PORT2');
    my $six     = $d->connect(host => '::1', port => 'PORT2');
    $six->ask("mn\r\n");
    my ($shown) = of($d, 'tcp6:[::1]:' . $six->{socket}->sockport);
    is($shown->{listen_addr}, 'tcp6:[::1]:' . $d->port('PORT2'), 'IPv6');
    $d->stop_clean;
}

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
$d = Daemon->start('-s' => "$dir/socket");
is((of($d, "unix:$dir/socket"))[0]{state}, 'conn_listening', 'a unix socket listens');
is((of($d, '?:<AF 0>'))[0]{listen_addr}, "unix:$dir/socket", 'whose clients have no address');
$d->stop_clean;
done_testing;
