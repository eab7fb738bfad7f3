# get, gets, gat and gats: what they show, in which order, and what they count.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

# --- hits and misses ---------------------------------------------------------

$c->ask("set $_ 0 0 1\r\n$_\r\n") for qw(a b c);
$c->ask("set flagged 4294967295 0 2\r\nhi\r\n");

$c->expect("get a\r\n", "VALUE a 0 1\r\na\r\nEND\r\n", "get shows a value");
$c->expect("get no\r\n", "END\r\n", "get shows nothing of a key that is missing");
$c->expect("get a b c\r\n", hit(a => 'a', b => 'b', c => 'c'), "get shows many");
$c->expect("get c no a b\r\n", hit(c => 'c', a => 'a', b => 'b'),
    "in the order asked, leaving out the missing");
$c->expect("get no1 no2 no3\r\n", "END\r\n", "many misses end in one END");
$c->expect("get a a b a\r\n", hit(a => 'a', a => 'a', b => 'b', a => 'a'),
    "a key that is asked twice is shown twice");
$c->expect("get flagged\r\n", "VALUE flagged 4294967295 2\r\nhi\r\nEND\r\n",
    "flags are shown as stored");
$c->expect("get   a    b  \r\n", hit(a => 'a', b => 'b'), "spaces may be many");
$c->expect("get a noreply\r\n", hit(a => 'a'), "noreply is a key like any other");
$c->ask("set noreply 0 0 1\r\nn\r\n");
$c->expect("get a noreply\r\n", hit(a => 'a', noreply => 'n'), "and found as one");
$c->expect("GET a\r\n", "ERROR\r\n", "commands are written in small letters");
$c->expect("get\r\n", $BADFMT, "get without a key is refused");
$c->expect("gets\r\n", $BADFMT, "gets without a key is refused");
$c->expect("get \r\n", $BADFMT, "get and a space is refused");

# --- gets --------------------------------------------------------------------

my ($cas_a, $cas_b) = map { $c->cas_of($_) } qw(a b);
$c->expect("gets a\r\n", "VALUE a 0 1 $cas_a\r\na\r\nEND\r\n", "gets shows the CAS id");
$c->expect("gets b no a\r\n",
    "VALUE b 0 1 $cas_b\r\nb\r\nVALUE a 0 1 $cas_a\r\na\r\nEND\r\n", "of many, too");
$c->expect("gets no\r\n", "END\r\n", "and nothing of a key that is missing");

# --- gat and gats ------------------------------------------------------------

$c->expect("gat 100 a\r\n", hit(a => 'a'), "gat shows a value");
$c->expect("gat 100 a no b\r\n", hit(a => 'a', b => 'b'), "and of many, those there are");
$c->expect("gats 0 a\r\n", "VALUE a 0 1 $cas_a\r\na\r\nEND\r\n",
    "gats shows the CAS id, which a touch does not change");
$c->expect("gats 0 b no\r\n", "VALUE b 0 1 $cas_b\r\nb\r\nEND\r\n", "of many, too");
$c->expect("gat 0 a noreply\r\n", hit(a => 'a', noreply => 'n'),
    "noreply is a key to gat as well");
$c->expect("gat -1 c\r\n", hit(c => 'c'), "gat with a time in the past shows the value");
$c->expect("get c\r\n", "END\r\n", "for the last time");
$c->expect("gat\r\n", $BADFMT, "gat alone is refused");
$c->expect("gats\r\n", $BADFMT, "gats alone is refused");
$c->expect("gat 10\r\n", $BADFMT, "gat without a key is refused");
$c->expect("gats 10\r\n", $BADFMT, "gats without a key is refused");

$c->ask("set t 0 2 1\r\nv\r\n");
$c->expect("gat 100 t\r\n", hit(t => 'v'), "gat sets a longer time to live");
$c->ask("set u 0 100 1\r\nv\r\nset w 0 100 1\r\nv\r\n", qr/\n.*\n/);
$c->expect("gats 2 u\r\n", "VALUE u 0 1 " . $c->cas_of('u') . "\r\nv\r\nEND\r\n",
    "gats sets a shorter one");
$d->advance_clock(3);
$c->expect("get t u w\r\n", hit(t => 'v', w => 'v'), "and both take effect");

# --- counters ----------------------------------------------------------------

$d->stats_move({ cmd_get => 1, get_hits => 1 },
    sub { $c->ask("get a\r\n", qr/END/) }, "a hit counts cmd_get and get_hits");
$d->stats_move({ cmd_get => 1, get_misses => 1 },
    sub { $c->ask("get no\r\n") }, "a miss counts cmd_get and get_misses");
$d->stats_move({ cmd_get => 5, get_hits => 3, get_misses => 2 },
    sub { $c->ask("gets a no b no a\r\n", qr/END/) },
        "each key of many counts by itself");
$d->stats_move({ cmd_touch => 1, touch_hits => 1 },
    sub { $c->ask("gat 0 a\r\n", qr/END/) }, "gat counts as a touch, and not as a get");
$d->stats_move({ cmd_touch => 1, touch_misses => 1 },
    sub { $c->ask("gat 0 no\r\n") }, "one that misses too");
$c->ask("set x 0 -1 1\r\nv\r\n");
$d->stats_move({ cmd_get => 1, get_misses => 1, get_expired => 1 },
    sub { $c->ask("get x\r\n") }, "an expired key is a miss, and counts get_expired");
$c->ask("flush_all\r\n");
$d->stats_move({ cmd_get => 1, get_misses => 1, get_flushed => 1 },
    sub { $c->ask("get a\r\n") }, "a flushed key is a miss, and counts get_flushed");
$d->stats_move({}, sub { $c->ask("get\r\n") }, "a line that is refused counts nothing");

$d->stop_clean;
done_testing;
