# Memory between size classes: slabs reassign, slabs automove, cache_memlimit.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp 'tempdir';

my $SMALL = 1000;
my $LARGE = 50_000;
my $file  = tempdir(DIR => -d '/dev/shm' ? '/dev/shm' : '/tmp', CLEANUP => 1) . '/items';

sub key ($n) { return sprintf 'key%06d', $n }

# A value knows its key.
sub value ($n, $length) { return substr(key($n) x ($length / 9 + 1), 0, $length) }

sub fill ($c, $first, $last, $length) {
    my $reply = $c->ask(
        join('', map { set(key($_) => value($_, $length)) } $first .. $last) . "mn\r\n",
        qr/MN\r\n\z/);

    return scalar(() = $reply =~ /^STORED\r$/mg);
}

# How many of these are there; each that is has to be right.
sub present ($c, $first, $last, $length) {
    my $count = 0;

    for (my $n = $first; $n <= $last; $n += 100) {
        my $end   = $n + 99 < $last ? $n + 99 : $last;
        my $reply = $c->ask(join(' ', 'get', map { key($_) } $n .. $end) . "\r\n",
            qr/END\r\n\z/);

        while ($reply =~ /\GVALUE key(\d+) 0 (\d+)\r\n/gc) {
            my $got = substr($reply, pos($reply), $2);

            pos($reply) += $2 + 2;
            $count++;
            return "key$1 is wrong" if $got ne value($1, $length);
        }
    }
    return $count;
}

# Pages of each class that has some.
sub pages ($d) {
    my $slabs = $d->stats('slabs');

    return { map { /^(\d+):total_pages$/ ? ($1 => $slabs->{$_}) : () } keys %$slabs };
}

# The class with most pages.
sub fullest ($d) {
    my $pages = pages($d);

    return (sort { $pages->{$b} <=> $pages->{$a} } keys %$pages)[0];
}

sub at_rest ($d) {
    return eventually(sub { $d->stat('slab_reassign_running') == 0 });
}

# --- a page goes -------------------------------------------------------------

my $d = Daemon->start('-m' => 64, '-o' => 'no_slab_automove');
my $c = $d->connect;
my $n = 8000;
is(fill($c, 1, $n, $SMALL), $n, "8 MB fit");
my $from = fullest($d);
my $to   = $from + 2;
my $had  = pages($d)->{$from};
cmp_ok($had, '>=', 7, "and take as many pages of one class");

$c->expect("slabs reassign $from $to\r\n", "OK\r\n", "a page is to go to another class");
ok(eventually(sub { $d->stat('slabs_moved') == 1 }), "and does");
ok(at_rest($d), "then the mover rests");
is(pages($d)->{$to}, 1, "the other class has got it");
same(present($c, 1, $n, $SMALL), $n, "where there is memory no item is lost");
is($d->stat('evictions'), 0, "nothing was evicted");
cmp_ok($d->stat('slab_reassign_rescues'), '>', 0, "what was on it was moved");

$c->expect("slabs reassign -1 $to\r\n", "OK\r\n", "from wherever there is one");
ok(eventually(sub { $d->stat('slabs_moved') == 2 }), "a page goes");
at_rest($d);
is(pages($d)->{$to}, 2, "to where it was wanted");
$c->expect("slabs reassign $to 0\r\n", "OK\r\n", "a page without an item can go to the pool");
ok(eventually(sub { $d->stat('slab_global_page_pool') == 1 }), "where it is counted");

# --- what is refused ---------------------------------------------------------

$c->expect("slabs reassign $to $to\r\n", "SAME src and dst class are identical\r\n",
    "from a class to itself");
$c->expect("slabs reassign $from 999\r\n", "BADCLASS invalid src or dst class id\r\n",
    "to a class that does not exist");
$c->expect("slabs reassign -2 $to\r\n", "BADCLASS invalid src or dst class id\r\n",
    "from a class that cannot exist");
$c->expect("slabs reassign $to $from\r\n", "NOSPARE source class has no spare pages\r\n",
    "the only page of a class");
$c->expect("slabs reassign $from\r\n", "ERROR\r\n", "to nowhere");
$c->expect("slabs reassign x $to\r\n", "CLIENT_ERROR bad command line format\r\n",
    "from no number");

# --- slabs automove ----------------------------------------------------------

my %automove = (
    'slabs automove 2'          => [ slab_automove        => 2 ],
    'slabs automove 0'          => [ slab_automove        => 0 ],
    'slabs automove ratio 0.3'  => [ slab_automove_ratio  => '0.30' ],
    'slabs automove ratio +1'   => [ slab_automove_ratio  => '1.00' ],
    'slabs automove ratio -1'   => [ slab_automove_ratio  => '-1.00' ],
    'slabs automove ratio .5'   => [ slab_automove_ratio  => '0.50' ],
    'slabs automove window 20'  => [ slab_automove_window => 20 ],
);
for my $order (sort keys %automove) {
    my ($setting, $value) = $automove{$order}->@*;

    $c->expect("$order\r\n", "OK\r\n", $order);
    same($d->stats('settings')->{$setting}, $value, "$order is seen in stats settings");
}
$c->expect("slabs automove freeratio 0.5\r\n", "OK\r\n", "automove freeratio is taken");
$c->expect("slabs automove 3\r\n",  "ERROR\r\n",                                "automove 3");
$c->expect("slabs automove -1\r\n", "CLIENT_ERROR bad command line format\r\n", "automove -1");
$c->expect("slabs automove ratio $_\r\n", "ERROR\r\n", "a ratio is a plain number, not $_")
    for qw(inf nan 0x1 1e3);
$c->expect("slabs automove ratio $_\r\n", "ERROR\r\n", "nor is $_ one")
    for '', 'x', '0.5x', '+-1', '.';
$d->stop_clean;

$d = Daemon->start('-o' => 'no_slab_reassign');
$c = $d->connect;
$c->expect("slabs reassign 1 2\r\n", "CLIENT_ERROR slab reassignment disabled\r\n",
    "nothing moves with no_slab_reassign");
$c->expect("slabs automove 2\r\n", "OK\r\n", "whatever automove is");
is($d->stats('settings')->{slab_automove}, 2, "which is shown as it is");
$d->stop_clean;

SKIP: {
    skip 'automove of the reference takes its time', 4 if is_reference;
    my ($still, $moving) = map { Daemon->start('-m' => 8, '-o' => $_) }
        'no_slab_reassign', 'slab_reassign';

    for ($still, $moving) {
        $c = $_->connect;
        $c->ask("slabs automove 2\r\n");
        fill($c, 1, 20_000, $SMALL);
        $c->ask(join('', map { 'delete ' . key($_) . " noreply\r\n" } 1 .. 20_000)
            . "mn\r\n");
    }
    $from = fullest($still);
    $had  = pages($still)->{$from};
    ok(eventually(sub {
        fill($_->connect, 1, 1000, $SMALL / 2) for $still, $moving;
        return pages($moving)->{$from} < $had;
    }), "where pages may move, a class without an item gives some");
    is(pages($still)->{$from}, $had, "and where not, it does not");
    $moving->stop_clean;
    $still->stop_clean;
}

# --- a full cache ------------------------------------------------------------

$d = Daemon->start('-m' => 48, '-o' => 'no_slab_automove');
$c = $d->connect;
$n = 60_000;
fill($c, 1, $n, $SMALL);
$from = fullest($d);
$had  = $d->stat('curr_items');
my $watcher = $d->connect;
$watcher->ask("watch sysevents\r\n");
$c->expect("slabs reassign $from 1\r\n", "OK\r\n", "a page of a full class is to go");
ok(eventually(sub { $d->stat('slabs_moved') == 1 }), "and does");
$watcher->read_until(sub { $watcher->unread =~ /slab_move.*\n/ });
verdict($watcher->unread =~ / type=slab_move src=$from dst=1 state=ok$/m,
    "of which sysevents tells", $watcher->unread);
at_rest($d);
my $have = $d->stat('curr_items');
cmp_ok($have, '<', $had, "a page's worth of items is evicted");
cmp_ok($have, '>=', $had - 1200, "and not many more");

# --- a lower limit -----------------------------------------------------------

SKIP: {
    skip "memcached gives up what reaches its pool, and automove is off", 12
        if is_reference;

    $c->expect("cache_memlimit 40\r\n", "OK\r\n", "the limit is lowered");
    is($d->stat('limit_maxbytes'), 40 << 20, "and shown");
    ok(eventually(sub { $d->stats('slabs')->{total_malloced} <= 40 << 20 }),
        "the classes give pages up until it is met");
    is($d->stat('slab_global_page_pool'), 0, "and these go to the system");
    is(present($c, $n - 1000, $n, $SMALL), 1001, "the newest items are there");
    is(fill($c, 1, $n, $SMALL), $n, "values can be stored");
    ok(eventually(sub { $d->stats('slabs')->{total_malloced} <= 40 << 20 }),
        "without more memory");
    $c->expect("cache_memlimit 128\r\n", "OK\r\n", "the limit is raised");
    fill($c, 1, $n, $SMALL);
    is(present($c, 1, $n, $SMALL), $n, "and more is stored");

    fill($c, 1, 200, 1_000_000);
    $c->expect("cache_memlimit 40\r\n", "OK\r\n", "and lowered where most of it is in large values");
    ok(eventually(sub { $d->stats('slabs')->{total_malloced} <= 40 << 20 }), "which go, too");
    at_rest($d);
    my $moved = $d->stat('slabs_moved');
    present($c, 190, 200, 1_000_000);
    is($d->stat('slabs_moved'), $moved, "and then nothing moves any more");
}
$d->stop_clean;

for my $how ([ '-e' => $file ], ['-L']) {
    $d = Daemon->start({ verbose => 1 }, '-m' => 64, @$how);
    $c = $d->connect;
    $c->expect("cache_memlimit 128\r\n", "OK\r\n", "the limit can be raised with $how->[0]");
    $c->expect("cache_memlimit 32\r\n",  "OK\r\n", "and lowered with $how->[0]");
    verdict($d->stat('limit_maxbytes') == 32 << 20, "which is done with $how->[0]");
    $d->stop_clean;
}

# --- slow readers ------------------------------------------------------------

$d = Daemon->start('-m' => 64, '-o' => 'no_slab_automove');
$c = $d->connect;
$n = 500;
fill($c, 1, $n, $LARGE);
$from = fullest($d);
my @slow = map { $d->connect } 1 .. 5;
for my $i (0 .. $#slow) {
    $slow[$i]->send(join(' ', 'get', map { key($i * 20 + $_) } 1 .. 20) . "\r\n");
}
my @arriving = map { $d->connect } 1 .. 5;
$_->send("set arriving 0 0 $LARGE\r\nabc") for @arriving;
my $moved = 0;
for (1 .. 3) {
    $c->expect("slabs reassign $from 1\r\n", "OK\r\n", "a page is to go, with readers on some");
    ok(at_rest($d), "the mover does not wait for them for ever");
}
cmp_ok($d->stat('slabs_moved'), '>=', 1, "pages that are in nobody's way go");
for my $i (0 .. $#slow) {
    $slow[$i]->hears(
        hit(map { key($i * 20 + $_) => value($i * 20 + $_, $LARGE) } 1 .. 20),
        "a slow reader gets what it asked for");
}
same(present($c, 1, $n, $LARGE), $n, "no item is lost for being in use");
$d->stop_clean;

done_testing;
