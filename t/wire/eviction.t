# What happens when memory is full: the old goes, the popular stays; with -M
# nothing goes, and stores are refused.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $VALUE = 'v' x 1000;

# Keys are all of one length, so that their items are of one size class.
sub key ($n) {
    return sprintf 'key%06d', $n;
}

# Store keys FIRST to LAST in one pipeline; how many were stored.
sub fill ($c, $first, $last, $value = $VALUE) {
    my $reply = $c->ask(join('', map { set(key($_) => $value) } $first .. $last)
        . "mn\r\n", qr/MN\r\n\z/);

    return scalar(() = $reply =~ /^STORED\r$/mg);
}

# How many of these keys are there.
sub present ($c, @keys) {
    return scalar(() = $c->ask("get @keys\r\n", qr/END\r\n\z/) =~ /^VALUE /mg);
}

# --- the old goes ------------------------------------------------------------

my $d = Daemon->start('-m' => 8);
my $c = $d->connect;
my $n = 30_000;
is(fill($c, 1, $n), $n, "30 MB can be stored in 8");
my $stats = $d->stats;
cmp_ok($stats->{evictions}, '>', $n / 2, "most of it is evicted again");
is($stats->{curr_items} + $stats->{evictions}, $n,
    "each item is either there or counted as evicted");
is($stats->{evicted_unfetched}, $stats->{evictions},
    "and none of those was ever asked for");
is($stats->{total_items}, $n, "all were stored once");
cmp_ok($stats->{bytes}, '<=', $stats->{limit_maxbytes} + (1 << 20),
    "bytes stays below the limit, and what a class in use adds to a small one");
is($stats->{limit_maxbytes}, 8 << 20, "which is that of -m");
my $kept = $stats->{curr_items};
cmp_ok($kept, '>', 4000, "a good part of the memory holds values");
is(present($c, map { key($_) } $n - 1000 .. $n), 1001, "the newest thousand are there");
is(present($c, map { key($_) } 1 .. 1000), 0, "the oldest thousand are not");
my $key = key($n);
$c->expect("get $key\r\n", hit($key => $VALUE), "what is there is whole");
$c->expect(set($key => 'x') . "get $key\r\n", "STORED\r\n" . hit($key => 'x'),
    "a full cache can be written to");
$d->stop_clean;

# --- what has expired goes before what lives ---------------------------------

SKIP: {
    skip 'memcached crawls when it sees fit', 3 if is_reference();
    my $many = 56_000; # nearly all that there is room for
    $d = Daemon->start('-m' => 64, '-o' => 'debug_commands');
    $c = $d->connect;
    fill($c, 1, $many);
    $c->ask(join('', map { 'touch ' . key($_ * 2) . " 100 noreply\r\n" } 1 .. $many / 2) . "mn\r\n");
    is($d->stat('curr_items'), $many, 'a cache that is nearly full');
    $d->advance_clock(101);
    ok(eventually(sub { $d->stat('curr_items') == $many / 2 }),
        'what has expired is dropped without being looked for');
    fill($c, $many + 1, $many + $many / 2);
    is($d->stat('evictions'), 0, 'so nothing that lives is evicted');
    $d->stop_clean;
}

# --- the popular stays -------------------------------------------------------

$d = Daemon->start('-m' => 8);
$c = $d->connect;
my @popular = map { "popular$_" } 1 .. 100;
$c->ask(set($_ => $VALUE)) for @popular;
present($c, @popular) for 1 .. 3;
for my $round (0 .. 59) {
    fill($c, 1 + $round * 500, 500 + $round * 500);
    present($c, @popular);
}
is(present($c, @popular), 100, "what is asked for now and then outlives a scan of 30 MB");
cmp_ok($d->stat('evictions'), '>', $n / 2, "which evicted most of itself");
$d->stop_clean;

# --- sizes change ------------------------------------------------------------

$d = Daemon->start('-m' => 16);
$c = $d->connect;
is(fill($c, 1, 30_000), 30_000, "a cache is filled with values of 1 KB");
for my $size (100, 10_000, 100_000, 500_000, 40) {
    my $count = $size > 50_000 ? 50 : 500;
    is(fill($c, 1, $count, 'w' x $size), $count,
        "values of $size bytes find room after that");
    $c->expect('get ' . key($count) . "\r\n", hit(key($count) => 'w' x $size),
        "and are there at once");
}
$d->stop_clean;

# --- what has expired goes first ---------------------------------------------

$d = Daemon->start('-m' => 8, '-o' => 'debug_commands');
$c = $d->connect;
$c->ask(join('', map { "set brief$_ 0 2 1000 noreply\r\n$VALUE\r\n" } 1 .. 4000)
    . "mn\r\n", qr/MN/);
$d->advance_clock(4);
is(fill($c, 1, 4000), 4000, "the room of expired values is used again");
is($d->stat('evictions'), 0, "without an eviction");
is(present($c, map { key($_) } 1 .. 4000), 4000, "and all the new ones are there");
$d->stop_clean;

# --- with -M nothing goes ----------------------------------------------------

my $NO_MEMORY = "SERVER_ERROR out of memory storing object\r\n";
$d = Daemon->start('-m' => 8, '-M', '-t' => 1);
$c = $d->connect;
my $stored = fill($c, 1, 20_000);
cmp_ok($stored, '>', 4000, "with -M memory can be filled");
cmp_ok($stored, '<', 10_000, "until it is full");
$stats = $d->stats;
is($stats->{evictions}, 0, "without an eviction");
is($stats->{store_no_memory}, 20_000 - $stored, "and each refusal is counted");
is(present($c, map { key($_) } 1 .. $stored), $stored, "all that was stored is there");
$c->expect(set(key(0) => $VALUE), $NO_MEMORY, "a store is refused");
$d->stats_move({ store_no_memory => 1 }, sub { $c->ask(set(key(0) => $VALUE)) },
    "and counts store_no_memory, but no cmd_set");
$c->expect("set key000000 0 0 1000 noreply\r\n$VALUE\r\n", "", "silently with noreply");
for my $command (qw(add replace append prepend)) {
    $c->expect("$command key000001 0 0 1000\r\n$VALUE\r\n", $NO_MEMORY, "so is $command");
    $c->send("$command key000001 0 0 1000\r\n");
    $d->barrier;
    $c->expect("$VALUE\r\n", $NO_MEMORY, "whose value comes later, too");
}
$c->expect("cas key000001 0 0 1000 1\r\n$VALUE\r\n", $NO_MEMORY, "and cas");
$c->expect("get key000001\r\n", hit(key000001 => $VALUE),
    "none of which harm the old value");
$c->expect(set(key000002 => $VALUE), $NO_MEMORY, "but a set that is refused");
$c->expect("get key000002\r\n", "END\r\n",
    "takes the old value away, for it is no longer true");
$c->expect(set(key000002 => $VALUE), "STORED\r\n", "so that the next one finds room");
$c->ask("delete key000003\r\n");
$c->expect(set(key000000 => $VALUE), "STORED\r\n", "what is deleted makes room");
$c->expect(set(key999999 => $VALUE), $NO_MEMORY, "for as much as it was");
is($d->stats('settings')->{evictions}, 'off', "and stats settings tells why");
$d->stop_clean;
done_testing;
