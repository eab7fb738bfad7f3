# Values above a megabyte, with -I: chains of chunks in the server.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $MB       = 1024 * 1024;
my $TOOLARGE = "SERVER_ERROR object too large for cache\r\n";
my $NOMEMORY = "SERVER_ERROR out of memory storing object\r\n";
my $NONUMBER = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";

my $d = Daemon->start('-m' => 1024, '-I' => '128m', '-t' => 1);
my $c = $d->connect;

# Bytes in which every piece of a few tells where it stands.
my $sea = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 262_144;

sub value_of_size ($size, $salt = 0) {
    return substr $sea x (2 + $size / length $sea), $salt, $size;
}

# Is this what is said next? For answers too long to be looked at again and again.
sub answers ($client, $request, $reply, $name) {
    $client->send($request);
    my $got  = $client->receive(length $reply);
    my $same = $got eq $reply && $client->is_in_step;

    return verdict($same, $name,
        $same ? () : 'it said ' . length($got) . ' bytes, ' . substr($got, 0, 60));
}

# --- by text, meta and binary ------------------------------------------------

for my $size ($MB, $MB + 1, 2 * $MB - 100, 2 * $MB, 3_000_000, 16 * $MB + 7, 64 * $MB) {
    my $value = value_of_size($size, $size % 1000);
    answers($c, set(big => $value), "STORED\r\n", "a value of $size bytes is stored");
    answers($c, "get big\r\n", hit(big => $value), "and comes back as it was");
    answers($c, "mg big s v\r\n", "VA $size s$size\r\n$value\r\n", "by mg, too");
}

my $value = value_of_size(5_000_000, 3);
answers($c, "ms meta 5000000 F7 T0\r\n$value\r\n", "HD\r\n", "ms stores a large value");
answers($c, "mg meta f t s v k\r\n",
    "VA 5000000 f7 t-1 s5000000 kmeta\r\n$value\r\n", "and mg shows what it is");
answers($c, "mg meta f s\r\n", "HD f7 s5000000\r\n", "without the value, too");
answers($c, "gat 0 meta\r\n", "VALUE meta 7 5000000\r\n$value\r\nEND\r\n", "so does gat");
answers($c, "touch meta 0\r\n", "TOUCHED\r\n", "it can be touched");
answers($c, "md meta I\r\n",    "HD\r\n",      "and made stale");
answers($c, "mg meta s v\r\n", "VA 5000000 s5000000 X W\r\n$value\r\n",
    "which leaves the value");
answers($c, "delete big\r\nget big\r\n", "DELETED\r\nEND\r\n", "or deleted");

my $e = $d->connect;
answers($e, "ms e 5000000 E99\r\n$value\r\nmg e c\r\n", "HD\r\nHD c99\r\n",
    "its id can be chosen");
answers($e, "md e I E98\r\nmg e c s\r\n", "HD\r\nHD c98 s5000000 X W\r\n", "twice");
answers($e, "md e x\r\nmg e s v\r\n", "HD\r\nVA 0 s0\r\n\r\n",
    "and it can be emptied");

my $b = $d->connect;
is(binary($b, 0x01, 'binary', pack('NN', 5, 0), $value), '0:', 'binary Set takes one');
is(binary($b, 0x0e, 'binary', '', 'more'), '0:', 'Append adds to it');
is(binary($b, 0x0f, 'binary', '', $value), '0:', 'Prepend, too');
ok(binary($b, 0x00, 'binary') eq '0:' . pack('N', 5) . $value . $value . 'more',
    'Get shows all of it');
is(binary($b, 0x05, 'binary', pack('NNNNN', 0, 1, 0, 0, 0)),
    '6:Non-numeric server-side value for incr or decr', 'it is no number');
is(binary($b, 0x01, 'binary', pack('NN', 5, 0), 'x' x (128 * $MB)), '3:Too large.',
    'what is too large is refused');
is(binary($b, 0x00, 'binary'), '1:Not found', 'and the old value is gone');

# --- change ------------------------------------------------------------------

answers($c, set(k => $value), "STORED\r\n", "a large value");
answers($c, "append k 0 0 3\r\nabc\r\n", "STORED\r\n", "is appended to");
answers($c, "prepend k 0 0 3\r\nxyz\r\n", "STORED\r\n", "and prepended to");
answers($c, "get k\r\n", hit(k => "xyz${value}abc"), "in the right order");
answers($c, "append k 0 0 5000000\r\n$value\r\n", "STORED\r\n", "with a large one");
answers($c, "prepend k 0 0 5000000\r\n$value\r\n", "STORED\r\n", "at both ends");
answers($c, "get k\r\n", hit(k => "${value}xyz${value}abc$value"), "all is there");
answers($c, "incr k 1\r\n", $NONUMBER, "it is no number");
answers($c, "append k 0 0 125000000\r\n" . 'x' x 125_000_000 . "\r\n", "NOT_STORED\r\n",
    "what would become too large is not stored");
answers($c, "append k 0 0 135000000\r\n" . 'x' x 135_000_000 . "\r\n", $TOOLARGE,
    "what is too large itself is refused");
answers($c, "set k 0 0 5000000\r\n${value}xx", "CLIENT_ERROR bad data chunk\r\n",
    "a large value without its end is refused");
answers($c, "get k\r\n", hit(k => "${value}xyz${value}abc$value"), "and nothing changed");
answers($c, set(k => 's') . "get k\r\n", "STORED\r\n" . hit(k => 's'),
    "a large value becomes small");
answers($c, "append k 0 0 2000000\r\n" . substr($value, 0, 2_000_000) . "\r\n",
    "STORED\r\n", "and large by an append");
answers($c, "get k\r\n", hit(k => 's' . substr $value, 0, 2_000_000), "which is whole");
answers($c, "add k 0 0 5000000\r\n$value\r\n", "NOT_STORED\r\n", "add finds it there");
answers($c, "replace k 0 0 5000000\r\n$value\r\n", "STORED\r\n", "and so does replace");
my $cas = $c->cas_of('k');
answers($c, "cas k 0 0 5000000 $cas\r\n$value\r\n", "STORED\r\n", "cas knows its id");
answers($c, "cas k 0 0 5000000 $cas\r\n$value\r\n", "EXISTS\r\n", "once");

# --- slow readers and writers ------------------------------------------------

my $slow = $d->connect;
answers($c, set(slow => value_of_size(32 * $MB)), "STORED\r\n", "while 32 MB are read");
$slow->send("get slow\r\n");
$d->barrier;
answers($c, set(slow => 'new') . "get slow\r\n", "STORED\r\n" . hit(slow => 'new'),
    "the key is stored anew and read by others");
answers($c, "flush_all\r\n", "OK\r\n", "and everything is flushed");
answers($slow, '', hit(slow => value_of_size(32 * $MB)), "the reader gets all he began");

my @half = map { $d->connect } 1 .. 100;
for my $n (0 .. $#half) {
    $half[$n]->send("set half$n 0 0 100000000\r\nabc");
}
$d->barrier;
answers($c, "set whole 0 0 5000000\r\n$value\r\nget whole\r\n",
    "STORED\r\n" . hit(whole => $value),
    "a hundred clients that promise 10 GB leave room for one that sends");
is($d->stat('evictions'), 0, "nobody had to go for what they promised");
$_->close for @half;

srand 1;
my $request = set(pieces => $value) . "get pieces\r\n";
my $other   = $d->connect;
while ($request ne '') {
    $other->send(substr $request, 0, 1 + int rand 200_000, '');
    $d->barrier if rand() < 0.1;
}
answers($other, '', "STORED\r\n" . hit(pieces => $value), "one in random pieces is whole");

# --- figures -----------------------------------------------------------------

answers($c, "flush_all\r\nget k pieces whole slow meta e\r\n", "OK\r\nEND\r\n", "flushed");
my $before = $d->stats;
answers($c, set(k => $value), "STORED\r\n", "a value of five million bytes");
my $after = $d->stats;
cmp_ok($after->{bytes} - $before->{bytes}, '>=', 5_000_000, "counts with all its bytes");
cmp_ok($after->{bytes} - $before->{bytes}, '<',  5_001_000, "and hardly more");
is($after->{curr_items} - $before->{curr_items}, 1, "as one item");
my ($class) = $c->ask("me k\r\n") =~ / cls=(\d+) /;
my $slabs = $d->stats('slabs');
is($slabs->{"$class:chunk_size"}, 524_288, "in the class of the largest chunks");
is($d->stats('items')->{"items:$class:number"}, 1, "where it is the only item");
cmp_ok($slabs->{"$class:used_chunks"}, '>=', 9, "and has nine of them");
like($c->ask("me k\r\n"), qr/ size=5000060\r\n/, "me tells memcached's size");
$d->stop_clean;

# --- when memory ends --------------------------------------------------------

$d = Daemon->start('-m' => 64, '-I' => '32m', '-t' => 1);
$c = $d->connect;
my $thirty = value_of_size(30_000_000);
for my $n (1 .. 5) {
    answers($c, set("large$n" => $thirty), "STORED\r\n", "30 MB in 64, number $n");
}
answers($c, "get large5\r\n", hit(large5 => $thirty), "the last one is there");
answers($c, "get large1 large2 large3\r\n", "END\r\n", "the first ones are not");
cmp_ok($d->stat('evictions'), '>=', 3, "they were evicted");
$d->stop_clean;

$d = Daemon->start('-m' => 64, '-I' => '32m', '-t' => 1, '-M');
$c = $d->connect;
answers($c, set(a => $thirty), "STORED\r\n", "with -M one of 30 MB fits");
answers($c, set(b => 'old'), "STORED\r\n", "and a small one");
my $stored = 0;
$stored++ while $stored < 3 && answered($c, set("more$stored" => $thirty)) eq "STORED\r\n";
cmp_ok($stored, '<', 3, "then memory ends");
answers($c, "get a\r\n", hit(a => $thirty), "what is there stays");
for my $n (1 .. 3) {
    same(answered($c, set(b => $thirty)), $NOMEMORY, "memory ends in the midst of a value");
}
answers($c, "get b\r\n", "END\r\n", "and the old value is gone");
answers($c, set(b => 'new') . "get b\r\n", "STORED\r\n" . hit(b => 'new'),
    "the connection is in step");
$d->stop_clean;

# The next line after a request.
sub answered ($client, $request) {
    $client->send($request);
    return $client->line;
}

# A binary request; "status:body" of its answer.
sub binary ($client, $opcode, $key, $extras = '', $value = '') {
    my $body = $extras . $key . $value;

    $client->send(pack('CCnCCnNNNN', 0x80, $opcode, length $key, length $extras, 0, 0,
        length $body, 0, 0, 0) . $body);
    my @head = unpack 'CCnCCnN', $client->receive(24);
    return "$head[5]:" . $client->receive($head[6]);
}
done_testing;
