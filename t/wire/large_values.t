# Values of many sizes, up to the largest and beyond.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $TOOLARGE = "SERVER_ERROR object too large for cache\r\n";
my $KB = 1024;
my $MB = 1024 * 1024;

my $d = Daemon->start('-m' => 256);
my $c = $d->connect;

# Bytes in which every piece of a few tells where it stands.
my $sea = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 262_144;

sub value_of_size ($size, $salt = 0) {
    return substr $sea, $salt, $size if $size + $salt <= length $sea;
    return substr $sea x (2 + $size / length $sea), $salt, $size;
}

# --- sizes -------------------------------------------------------------------

for my $size (32 * $KB, 64 * $KB - 1, 64 * $KB, 64 * $KB + 1, 100_000, 256 * $KB,
    512 * $KB - 100,
    512 * $KB, 512 * $KB + 1, 700_000, 1_000_000, $MB - $KB) {
    my $value = value_of_size($size);
    $c->expect(set(big => $value), "STORED\r\n", "a value of $size bytes is stored");
    $c->expect("get big\r\n", hit(big => $value), "and comes back as it was");
}
for my $size ($MB, $MB + 1, 2 * $MB, 10 * $MB) {
    $c->expect("add toobig 0 0 $size\r\n" . 'x' x $size . "\r\n", $TOOLARGE,
        "a value of $size bytes is too large");
}

# --- an id that the client chooses, where a value fills what holds it ---------

# (1.6.18 knows no E there.)
for my $d (is_reference() ? () : map { Daemon->start('-m' => $_) } 64, 1024) {
    my $c = $d->connect;
    my @wrong;

    for my $size (map { my $full = $_; map { $full - $_ } 0 .. 120 } 32 * $KB, 64 * $KB, 512 * $KB) {
        my $value = value_of_size($size);
        my $got   = $c->ask(set(k => $value) . "md k I E77\r\nmg k c v\r\nmg k s\r\n",
            qr/^HD(?: W)? s\d+(?: [WXZ])*\r\n\z/m);
        push @wrong, $size if $got !~ /\ASTORED\r\nHD\r\nVA $size c77 [WX ]+\r\n\Q$value\E\r\nHD s$size /;
    }
    is("@wrong", '', 'a value of any size gets an id and stays as it is');
    $d->stop_clean;
}

# --- change ------------------------------------------------------------------

my $half = value_of_size(500_000);
$c->ask(set(k => $half));
$c->expect("append k 0 0 400000\r\n" . value_of_size(400_000, 7) . "\r\n", "STORED\r\n",
    "a large value can be appended to");
$c->expect("prepend k 0 0 100000\r\n" . value_of_size(100_000, 9) . "\r\n", "STORED\r\n",
    "and prepended to");
my $whole = value_of_size(100_000, 9) . $half . value_of_size(400_000, 7);
$c->expect("get k\r\n", hit(k => $whole), "and all of it comes back in its order");
$c->expect("append k 0 0 100000\r\n" . value_of_size(100_000) . "\r\n", "NOT_STORED\r\n",
    "what would become too large is not stored");
$c->expect("prepend k 0 0 100000\r\n" . value_of_size(100_000) . "\r\n", "NOT_STORED\r\n",
    "at neither end");
$c->expect("get k\r\n", hit(k => $whole), "and leaves the value alone");
$c->expect("incr k 1\r\n",
    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    "a large value is no number");
$c->expect(set(k => 's') . "get k\r\n" . set(k => $whole) . "get k\r\n",
    "STORED\r\n" . hit(k => 's') . "STORED\r\n" . hit(k => $whole),
    "a large value becomes small and large again");
$c->expect("set k 0 0 500000\r\n" . value_of_size(500_000) . "xx",
    "CLIENT_ERROR bad data chunk\r\n",
    "a large value without its end is refused");
$c->expect("get k\r\n", hit(k => $whole), "and the old one stays");

# --- in pieces ---------------------------------------------------------------

srand 1;
for my $size (64 * $KB, 512 * $KB, $MB - $KB) {
    my $value   = value_of_size($size, 11);
    my $request = set(pieces => $value) . "get pieces\r\n";
    my $other   = $d->connect;

    while ($request ne '') {
        $c->send(substr $request, 0, 1 + int rand 20_000, '');
        $other->ask("get no\r\n") if rand() < 0.1;
    }
    $c->expect('', "STORED\r\n" . hit(pieces => $value),
        "a value of $size bytes in random pieces is whole");
    $other->close;
}

# --- several at once ---------------------------------------------------------

my %large = map { ("large$_" => value_of_size(300_000 + $_ * 1000, $_)) } 1 .. 20;
my @order = sort keys %large;
$c->expect(join('', map { set($_ => $large{$_}) } @order), "STORED\r\n" x 20,
    "twenty large values in one pipeline are stored");
$c->expect("get @order\r\n", hit(map { $_ => $large{$_} } @order),
    "and shown by one get, 6 MB in one reply");
$c->expect(join('', map { "get $_\r\n" } @order), join('',
    map { hit($_ => $large{$_}) } @order),
    "and by twenty in one pipeline");

# More than the kernel holds, for a client that takes its time.
my $slow = $d->connect;
$slow->send("get @order @order @order\r\n");
$c->expect("get @order[0, 1]\r\n", hit(map { $_ => $large{$_} } @order[0, 1]),
    "while 18 MB wait to be read, others are served");
$slow->expect('', hit(map { $_ => $large{$_} } @order, @order, @order),
    "and then they are read");
$d->stop_clean;

# --- another limit -----------------------------------------------------------

$d = Daemon->start('-I' => '512k');
$c = $d->connect;
my $value = value_of_size(500_000);
$c->expect(set(k => $value) . "get k\r\n", "STORED\r\n" . hit(k => $value),
    "-I 512k holds a value of 500,000 bytes");
$c->expect("set k 0 0 524289\r\n" . 'x' x 524_289 . "\r\n", $TOOLARGE,
    "but not one of 512 KiB");
is($d->stats('settings')->{item_size_max}, 524_288, "which stats settings shows");
$d->stop_clean;
done_testing;
