# Clients that stop in the middle of a set: nothing is stored, and nobody minds.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start(-t => 1);         # one thread: see Daemon->barrier
my $c = $d->connect;

my $request = set(k => 'new');
$c->ask(set(k => 'old'));
for my $cut (1 .. length($request) - 1) {
    my $q = $d->connect;
    $q->send(substr $request, 0, $cut);
    $d->barrier if $cut % 2;            # half of them are read before the client goes
    $q->close;
}
$d->barrier;
$c->expect("get k\r\n", hit(k => 'old'), "a set cut off at any byte stores nothing");

for my $size (100, 5000, 100_000, 900_000) {
    my $q = $d->connect;
    $q->send("set k 0 0 $size\r\n" . 'x' x ($size - 10));
    $d->barrier;
    $c->expect("get k\r\n", hit(k => 'old'),
        "a set of $size bytes under way is not seen");
    $c->expect(set(j => $size) . "get j\r\n", "STORED\r\n" . hit(j => $size),
        "nor does it keep others waiting");
    $q->close;
    $d->barrier;
    $c->expect("get k\r\n", hit(k => 'old'),
        "and once the client is gone, nothing is left of it");
}

# One that has finished sending but still listens.
my $q = $d->connect;
$q->send("set k 0 0 10\r\nhalf");
$q->finish;
$q->closed("a client that ends its side in the middle of a value is hung up on");
$q = $d->connect;
$q->send(set(k => 'last'));
$q->finish;
$q->hears("STORED\r\n",
    "one that ends its side after a whole one still hears the answer");
$q->closed("and is then hung up on");
$c->expect("get k\r\n", hit(k => 'last'), "which is true");

# The same key is stored by another while a value for it is under way.
$q = $d->connect;
$q->send("set k 0 0 6\r\nsec");
$d->barrier;
$c->expect(set(k => 'first') . "get k\r\n", "STORED\r\n" . hit(k => 'first'),
    "another client stores the key first");
$q->expect("ond\r\n", "STORED\r\n", "the one whose value was under way stores it second");
$c->expect("get k\r\n", hit(k => 'second'), "and wins");
$q->send("add new 0 0 6\r\nsec");
$d->barrier;
$c->expect("add new 0 0 5\r\nfirst\r\n", "STORED\r\n", "of two adds under way");
$q->expect("ond\r\n", "NOT_STORED\r\n", "the one that is complete first is stored");
$q->send("append k 0 0 2\r\n-");
$d->barrier;
$c->expect("delete k\r\n", "DELETED\r\n", "a key deleted under an append");
$q->expect("-\r\n", "NOT_STORED\r\n", "is not there to append to");
my $cas = $c->ask(set(k => 'a')) && $c->cas_of('k');
$q->send("cas k 0 0 1 $cas\r\n");
$d->barrier;
$c->ask(set(k => 'b'));
$q->expect("c\r\n", "EXISTS\r\n", "a cas is compared when its value is complete");

# What an abandoned value took is given back: this would be 900 MB.
for my $n (1 .. 1000) {
    my $q = $d->connect;
    $q->send("set k$n 0 0 900000\r\n" . 'x' x 1000);
    $d->barrier if $n % 10 == 0;
    $q->close;
}
ok(eventually(sub { $d->stat('curr_connections') <= 4 }),
    "a thousand abandoned clients are gone");
is($d->stat('evictions'), 0, "and have pushed out nothing");
$c->expect("get k j\r\n", hit(k => 'b', j => '900000'),
    "all that was stored is still there");

$d->stop_clean;
done_testing;
