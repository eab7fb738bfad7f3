# One get with more keys than fit into any buffer.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $KEYS = 100_000;

my $d = Daemon->start(-t => 1);         # one thread: see Daemon->barrier
my $c = $d->connect;

$c->ask(join('', map { "set key$_ 0 0 " . length($_) . " noreply\r\n$_\r\n" } 1 .. 1000)
    . "mn\r\n", qr/MN/);

# Every tenth key is there; each of those a hundred times over.
my @keys = map { $_ % 10 ? "missing$_" : 'key' . (1 + $_ % 1000) } 1 .. $KEYS;
my %moves = (cmd_get => $KEYS, get_hits => $KEYS / 10, get_misses => $KEYS * 9 / 10);

# What get says of these keys.
sub hits (@keys) {
    return hit(map { /^key(\d+)/ ? ($_ => $1) : () } @keys);
}

my $before = $d->resident;
$d->stats_move(\%moves, sub {
    $c->expect("get @keys\r\n", hits(@keys),
        "$KEYS keys in one line are answered in their order");
}, "and each of them is counted");
SKIP: {
    skip 'a sanitizer needs memory of its own' if $d->is_sanitized;
    my $grown = $d->resident - $before;
    verdict($grown < 16 << 20, "without a need for memory that grows with the line",
        "grown by $grown bytes\n");
}

my $shown = $c->ask("gets @keys[0 .. 4999]\r\n", qr/END\r\n\z/);
is($shown =~ s/^(VALUE \S+ \d+ \d+) \d+\r$/$1\r/mgr, hits(@keys[0 .. 4999]),
    "five thousand keys in one gets");
$c->expect("gat 0 @keys[0 .. 799]\r\n", hits(@keys[0 .. 799]),
    "eight hundred in one gat");

# The same line, arriving in pieces of all sizes.
my $line = "get @keys[0 .. 19_999]\r\n";
srand 1;
$c->send(substr $line, 0, 1 + int rand 5000, '') while $line ne '';
$c->expect('', hits(@keys[0 .. 19_999]),
    "20,000 keys in random pieces are answered in their order");

# A line of more than 2048 bytes is answered before its end is there.
my @some = @keys[0 .. 239];
$c->expect_cut("get @some  \r\n", hits(@some),
    "a line that is longer than others may be");

# Its end may be long in coming; meanwhile others are served.
my $slow = $d->connect;
$slow->send("get @keys[0 .. 9_999]");
$c->expect("get key1\r\n", hit(key1 => '1'),
    "while a line is not complete, others are served");
$slow->expect(" key2\r\n", hits(@keys[0 .. 9_999], 'key2'),
    "and when its end comes, it is answered whole");

# A client that goes away before it has ended its line.
$slow = $d->connect;
$slow->send("get @keys[0 .. 9_999]");
$slow->close;
$c->expect("get key1\r\n", hit(key1 => '1'), "one that goes away is forgotten");

$d->stop_clean;
done_testing;
