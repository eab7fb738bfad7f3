# delete: what it does, its arguments, and what it counts.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";
my $LONG   = 'k' x 251;

my $d = Daemon->start;
my $c = $d->connect;

$c->ask(set(k => 'v'));
$c->expect("delete k\r\n", "DELETED\r\n", "delete says that it deleted");
$c->expect("get k\r\n", "END\r\n", "and the key is gone");
$c->expect("delete k\r\n", "NOT_FOUND\r\n", "a second delete finds nothing");

$c->ask(set(k => 'v'));
$c->expect("delete k noreply\r\n", "", "delete with noreply says nothing");
$c->expect("get k\r\n", "END\r\n", "but deletes");
$c->expect("delete k noreply\r\n", "", "nor does it say that it found nothing");

$c->ask("set k 0 -1 1\r\nv\r\n");
$c->expect("delete k\r\n", "NOT_FOUND\r\n", "an expired key is not found");
$c->ask(set(k => 'v') . "flush_all\r\n", qr/OK\r\n/);
$c->expect("delete k\r\n", "NOT_FOUND\r\n", "a flushed key is not found");
$c->expect(set(k => 'w') . "delete k\r\nget k\r\n" . set(k => 'x') . "get k\r\n",
    "STORED\r\nDELETED\r\nEND\r\nSTORED\r\n" . hit(k => 'x'),
    "a deleted key can be stored again at once");

# --- arguments ---------------------------------------------------------------

$c->expect("delete\r\n", $BADFMT, "delete without a key is refused");
$c->expect("delete $LONG\r\n", $BADFMT, "delete with a key of 251 bytes is refused");
$c->expect("delete $LONG noreply\r\n", "", "silently with noreply");
$c->expect("delete k 0\r\n", "DELETED\r\n", "a time of 0, of long ago, is ignored");
for my $more ('10', 'junk', '1 2 3', 'noreply junk') {
    $c->ask(set(k => 'v'));
    $c->expect("delete k $more\r\n", "DELETED\r\n", "more words are ignored: $more");
}
$c->ask(set(k => 'v'));
$c->expect("delete k junk noreply\r\n", "", "but a noreply at the end is not");
$c->expect("get k\r\n", "END\r\n", "and the key was deleted");
$c->ask(set(noreply => 'v'));
$c->expect("delete noreply\r\n", "",
    "a lone noreply is the key, and silences the answer");
$c->expect("get noreply\r\n", "END\r\n", "that key was deleted");

# --- counters ----------------------------------------------------------------

$c->ask(set(k => 'v'));
$d->stats_move({ delete_hits => 1, curr_items => -1 },
    sub { $c->ask("delete k\r\n") }, "a delete counts delete_hits, and an item less");
$d->stats_move({ delete_misses => 1 },
    sub { $c->ask("delete k\r\n") }, "one that finds nothing counts delete_misses");
$d->stats_move({}, sub { $c->ask("delete\r\n") }, "one that is refused counts nothing");

$d->stop_clean;
done_testing;
