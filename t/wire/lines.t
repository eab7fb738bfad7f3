# Where a line ends, how short and how long it may be. PROTOCOL.md 1.2 to 1.5.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start(-t => 1);         # one thread: see Daemon->barrier
my $c = $d->connect;
my $VERSION = $c->ask("version\r\n");

# --- ends --------------------------------------------------------------------

$c->ask(set(k => 'v'));
$c->expect("get k\n", hit(k => 'v'), "a line may end in LF alone");
$c->expect("version\nversion\r\nversion\n", $VERSION x 3, "ends may be mixed");
$c->expect("set k 0 0 1\nw\r\nget k\n", "STORED\r\n" . hit(k => 'w'),
    "also before a data block");
$c->expect("set k 0 0 1\r\nx\nversion\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n",
    "but not after one");
$c->expect("get k\r\r\n", "END\r\n", "only the last CR is part of the end");
$c->ask("set k\r 0 0 1\r\nr\r\n");
$c->expect("get k\r\r\n", hit("k\r" => 'r'), "the one before it is part of the key");

# --- spaces ------------------------------------------------------------------

$c->ask(set(k => 'v'));
$c->expect("get    k\r\n", hit(k => 'v'), "many spaces are one");
$c->expect("get k    \r\n", hit(k => 'v'), "spaces at the end do not matter");
$c->expect("set  s   0    0     1      \r\nv\r\n", "STORED\r\n", "to no command");
$c->expect("get\tk\r\n", "ERROR\r\n", "a tab is not a space");
$c->expect("get k\tk\r\n", "END\r\n", "but a byte of a key");
$c->expect(" $_\r\n", "ERROR\r\n", "a leading space hides $_")
    for 'get k', 'gets k', 'version', 'delete k', 'incr k 1', 'touch k 0', 'stats',
        'quit';
$c->expect(" set k 0 0 1\r\nfoo1\r\n", "ERROR\r\nERROR\r\n",
    "a leading space hides set, and the data is a command");
$c->expect(" verbosity 0\r\n", "OK\r\n", "a leading space does not hide verbosity");
$c->expect(" flush_all\r\n", "OK\r\n", "a leading space does not hide flush_all");
$c->expect("    \r\n", "ERROR\r\n", "a line of spaces is no command");

# --- short -------------------------------------------------------------------

$c->expect("ab\r\n", "ERROR\r\n", "four bytes are a line");
$c->expect("abc\n", "ERROR\r\n", "however they end");
for my $line ("\r\n", "a\r\n", "ab\n", "a\n", "\n", " \r\n", "mn\n") {
    $c->expect($line, $BADFMT, 'fewer are a bad one: ' . shown($line));
}
$c->expect("\r\n\r\n\r\n", $BADFMT x 3, "each of many empty lines is answered");

# --- long, without an end ----------------------------------------------------

for my $case (
    [ 'set ',    $BADFMT ],
    [ 'gat 0 ',  "$BADFMT\r\n" ],
    [ 'delete ', $BADFMT ],
    [ 'foo',     "ERROR\r\n" ],
) {
    my ($start, $reply) = @$case;
    my $long = $start . 'a' x (2048 - length $start);
    my $q = $d->connect;

    $q->send($long);
    $d->barrier;
    $q->expect("\r\n", $reply, "2048 bytes of '$start' may still find their end");
    $q->send("${long}a");
    $q->closed("2049 bytes without an end close the connection");
}
for my $start ('get ', 'gets ') {
    my $q = $d->connect;

    $q->send($start . join ' ', map { "key$_" } 1 .. 1000);
    $d->barrier;
    $q->expect("\r\n", "END\r\n", "a line of '$start' may go on and on");
}

# --- long, and there at once -------------------------------------------------

for my $length (2048, 2049, 4000, 10_000) {
    my $line = 'set k 0 0 1 ' . 'x' x ($length - 12);
    $c->expect("$line\r\nv\r\n", "STORED\r\n", "a line of $length bytes at once is read");
}
$c->expect('delete ' . 'a' x 10_000 . "\r\n", $BADFMT,
    "a long key at once is just too long");
my $q = $d->connect;
$q->send('delete ' . 'a' x 40_000 . "\r\n");
$q->closed("40,000 bytes are too long for any line but one of get");

$c->expect('get k' . ' ' x 10_000 . "k\r\n", "VALUE k 0 1\r\nv\r\n" x 2 . "END\r\n",
    "10,000 spaces between two keys are skipped");
$q = $d->connect;
$q->send('get k' . ' ' x 20_000);
$q->closed("20,000 are too many");

# --- words -------------------------------------------------------------------

$c->expect("set k 0 0 1 a b c d e f g h i j k l m n o p q noreply\r\nv\r\n", "",
    "noreply as the 23rd word is seen");
$c->expect("set k 0 0 1 a b c d e f g h i j k l m n o p q r noreply\r\nv\r\n",
    "STORED\r\n",
    "as the 24th it is not");

$d->stop_clean;
done_testing;
