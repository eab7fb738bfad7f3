# touch: a new time to live, and nothing else.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT  = "CLIENT_ERROR bad command line format\r\n";
my $BADTIME = "CLIENT_ERROR invalid exptime argument\r\n";
my $LONG    = 'k' x 251;

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

# --- what it does ------------------------------------------------------------

$c->ask("set short 0 100 1\r\nv\r\n");
$c->ask("set long 0 2 1\r\nv\r\n");
$c->ask("set ever 0 2 1\r\nv\r\n");
$c->ask("set gone 0 0 1\r\nv\r\n");
$c->expect("touch short 2\r\n", "TOUCHED\r\n", "touch shortens a time to live");
$c->expect("touch long 100\r\n", "TOUCHED\r\n", "touch lengthens one");
$c->expect("touch ever 0\r\n", "TOUCHED\r\n", "touch takes it away");
$c->expect("touch gone -1\r\n", "TOUCHED\r\n", "touch with a time in the past");
$c->expect("get gone\r\n", "END\r\n", "ends an item at once");
$d->advance_clock(3);
$c->expect("get short long ever\r\n", hit(long => 'v', ever => 'v'),
    "and the others live as long as they were told");
$c->expect("touch no 10\r\n", "NOT_FOUND\r\n", "touch needs the key");
$c->expect("touch short 10\r\n", "NOT_FOUND\r\n", "one that has expired is not found");

$c->ask("set k 42 0 5\r\nhello\r\n");
my $cas = $c->cas_of('k');
$c->expect("touch k 100\r\n", "TOUCHED\r\n", "a key with flags is touched");
$c->expect("gets k\r\n", "VALUE k 42 5 $cas\r\nhello\r\nEND\r\n",
    "which changes neither flags nor value nor CAS id");

# --- arguments ---------------------------------------------------------------

$c->expect("touch k 50 noreply\r\n", "", "touch with noreply says nothing");
$c->expect("touch no 50 noreply\r\n", "", "nor that it found nothing");
$c->expect("touch\r\n", $BADFMT, "touch alone is refused");
$c->expect("touch k\r\n", $BADFMT, "touch without a time is refused");
$c->expect("touch $LONG 0\r\n", $BADFMT, "touch with a key of 251 bytes is refused");
$c->expect("touch k abc\r\n", $BADTIME, "a time must be a number");
$c->expect("touch k abc noreply\r\n", "", "noreply silences that error");
$c->expect("touch k noreply\r\n", "",
    "noreply in place of the time silences its own error");
$c->expect("touch k 100 more words\r\n", "TOUCHED\r\n", "more words are ignored");
$c->expect("get k\r\n", "VALUE k 42 5\r\nhello\r\nEND\r\n",
    "the key has outlived all this");

# --- counters ----------------------------------------------------------------

$d->stats_move({ cmd_touch => 1, touch_hits => 1 },
    sub { $c->ask("touch k 0\r\n") }, "a touch counts cmd_touch and touch_hits");
$d->stats_move({ cmd_touch => 1, touch_misses => 1 },
    sub { $c->ask("touch no 0\r\n") }, "one that misses counts touch_misses");
$d->stats_move({}, sub { $c->ask("touch k x\r\n") },
    "one that is refused counts nothing");

$d->stop_clean;
done_testing;
