# Memory goes where it brings hits: values become ten times as large under a steady load, and
# the cache hits as often as before. bench/shift shows how fast, and with memcached beside it.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BATCH = 100;

# Ask for a batch of keys, the first of them more often, and set what is missing; which part
# of them was there.
sub ask_batch ($c, $name, $keys, $length) {
    my @keys  = map { $name . int($keys * rand() * rand()) } 1 .. $BATCH;
    my $reply = $c->ask("get @keys\r\n", qr/END\r\n\z/);
    my %there = map { $_ => 1 } $reply =~ /^VALUE (\S+)/mg;
    my %wants = map { $_ => 1 } grep { !$there{$_} } @keys;

    $c->ask(join('', map { set($_ => 'v' x $length) } keys %wants) . "mn\r\n", qr/MN\r\n\z/);
    return scalar(grep { $there{$_} } @keys) / @keys;
}

# Of some batches.
sub hits ($c, @what) {
    my $sum = 0;
    $sum += ask_batch($c, @what) for 1 .. 50;
    return $sum / 50;
}

srand 1;
my $d = Daemon->start('-m' => 8);
my $c = $d->connect;
my $before;
ok(eventually(sub { ($before = hits($c, 's', 30_000, 200)) > 0.9 }, 60),
    "small values come to be there");
my $shifted = hits($c, 'L', 4_000, 2000);
cmp_ok($shifted, '<', $before, "larger ones are not, at first");
my $after;
ok(eventually(sub { ($after = hits($c, 'L', 4_000, 2000)) > 0.85 }, 60),
    "but in the end, as memory follows");
note("$before before, $shifted at the shift, $after in the end");
cmp_ok($d->stat('slabs_moved'), '>', 2, "from class to class");
ok(eventually(sub { $d->stats('slabs')->{total_malloced} <= 10 << 20 }),
    "and there is no more of it than before, but what a class in use adds to a small limit");
$d->stop_clean;

# Ten values that take a chain each, asked for in turn, in a memory full of small ones: there is
# room for all of them when it comes to where it is asked for.
$d = Daemon->start('-m' => 64);
$c = $d->connect;
hits($c, 'f', 400_000, 1 + $_ * 40) for 1 .. 80;
my $turns = 0;
ok(eventually(sub {
        my $there = 0;
        for my $key (map { "chain$_" } 1 .. 10) {
            my $reply = $c->ask("get $key\r\n", qr/END\r\n\z/);
            if ($reply =~ /^VALUE/) {
                $there++;
            } else {
                $c->ask(set($key => 'x' x 1_000_000));
            }
        }
        $turns++;
        return $there == 10;
    }, 120), "chains get the memory of values that nobody asks for");
note("after $turns turns");
$d->stop_clean;

# What nobody uses any more is there for others before these have to evict: a megabyte at least,
# whenever they come.
$d = Daemon->start('-m' => 64);
$c = $d->connect;
$c->ask(set("large$_" => 'x' x 300_000)) for 1 .. 250;
cmp_ok($d->stat('evictions'), '>', 0, "large values have all memory");
$c->ask("delete large$_\r\n") for 1 .. 250;
my $evicted = $d->stat('evictions'); # some more may have been, for what the last ones wanted
my $waited = 1;
for my $batch (1 .. 50) {
    # Pages have 64 KiB there.
    $waited &&= eventually(sub { $d->stat('slab_global_page_pool') >= 16 }, 60);
    last if !$waited;
    $c->ask(join('', map { set("small${batch}_$_" => 'y' x 900) } 1 .. 1000) . "mn\r\n", qr/MN\r\n\z/);
}
ok($waited, "when they are gone, there is always memory for a thousand small ones");
is($d->stat('curr_items'), 50_000, "so these get nearly all of it");
is($d->stat('evictions'), $evicted, "and nothing is evicted meanwhile");
$d->stop_clean;

$d = Daemon->start('-m' => 8, '-o' => 'no_slab_automove');
$c = $d->connect;
hits($c, 's', 60_000, 200) for 1 .. 20;
my $still = 0;
$still = hits($c, 'L', 4_000, 2000) for 1 .. 10;
cmp_ok($still, '<', 0.6, "with no_slab_automove memory stays where it is");
cmp_ok($d->stat('slabs_moved'), '<', 20, "but for what the limit demands");
$d->stop_clean;

done_testing;
