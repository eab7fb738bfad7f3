# incr and decr: numbers of 64 bits that wrap and stop, kept as text. PROTOCOL.md 3.5.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT     = "CLIENT_ERROR bad command line format\r\n";
my $BADDELTA   = "CLIENT_ERROR invalid numeric delta argument\r\n";
my $NONNUMERIC = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
my $MAX        = '18446744073709551615';
my $LONG       = 'k' x 251;

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

# --- arithmetic --------------------------------------------------------------

for my $case (
    # stored              command              answered           stored after
    [ '10',                'incr k 5',          '15',              '15' ],
    [ '10',                'decr k 3',          '7',               '7 ' ],
    [ '10',                'incr k 0',          '10',              '10' ],
    [ '10',                'decr k 0',          '10',              '10' ],
    [ '9',                 'incr k 1',          '10',              '10' ],
    [ '99',                'incr k 1',          '100',             '100' ],
    [ '100',               'decr k 1',          '99',              '99 ' ],
    [ '5',                 'decr k 10',         '0',               '0' ],
    [ '0',                 'decr k 1',          '0',               '0' ],
    [ '1',                 "incr k $MAX",       '0',               '0' ],
    [ $MAX,                'incr k 1',          '0',               '0' . ' ' x 19 ],
    [ $MAX,                'incr k 2',          '1',               '1' . ' ' x 19 ],
    [ $MAX,                "decr k $MAX",       '0',               '0' . ' ' x 19 ],
    [ '18446744073709551614', 'incr k 1',       $MAX,              $MAX ],
    [ '9223372036854775807', 'incr k 1', '9223372036854775808', '9223372036854775808' ],
    [ '4294967295',        'incr k 1',          '4294967296',      '4294967296' ],
    [ '0',                 "incr k $MAX",       $MAX,              $MAX ],
    [ '10',                'incr k 0000000000000000000001', '11',  '11' ],
) {
    my ($stored, $command, $answer, $after) = @$case;
    $c->ask(set(k => $stored));
    $c->expect("$command\r\n", "$answer\r\n", "$command on $stored answers $answer");
    $c->expect("get k\r\n", hit(k => $after),
        "and leaves '$after', no shorter than before");
}

# --- what is a number --------------------------------------------------------

for my $case (
    [ '007',          '8',   'leading zeros' ],
    [ ' 12',          '13',  'a leading space' ],
    [ "\t12",         '13',  'a leading tab' ],
    [ '12 ',          '13',  'a trailing space' ],
    [ '+12',          '13',  'a plus sign' ],
    [ '1 2',          '2',   'words after a space' ],
    [ "1\0002",       '2',   'bytes after a NUL' ],
    [ '0' x 300 . '7', '8',  '300 leading zeros' ],
    [ '-18446744073709551604',  '13', 'a minus sign that wraps to a small number' ],
    [ ' -9223372036854775809 ', '9223372036854775808', 'one that wraps to 2^63 - 1' ],
    [ '-0',           '1',   'a minus sign and nothing' ],
) {
    my ($stored, $answer, $what) = @$case;
    $c->ask(set(k => $stored));
    $c->expect("incr k 1\r\n", "$answer\r\n", "a value with $what is a number");
    $c->expect("get k\r\n", hit(k => $answer . ' ' x (length($stored) - length $answer)),
        "and padded to its old length");
}
for my $stored ('', 'a', '12a', '0x1', '-12', '1.5', '1e3', 'a12', '18446744073709551616',
    '99999999999999999999', '+', '-', '+-0', '- 0', '-9223372036854775808',
    '-18446744073709551616', 'x' x 5000) {
    $c->ask(set(k => $stored));
    $c->expect("incr k 1\r\n", $NONNUMERIC,
        'no number to incr: ' . shown(substr $stored, 0, 40));
    $c->expect("decr k 1\r\n", $NONNUMERIC,
        'no number to decr: ' . shown(substr $stored, 0, 40));
    $c->expect("get k\r\n", hit(k => $stored), 'and it stays as it is');
}

# --- what stays --------------------------------------------------------------

$c->ask("set k 77 2 2\r\n10\r\n");
my $before = $c->cas_of('k');
$c->expect("incr k 1\r\n", "11\r\n", "a number with flags and a time to live");
$c->expect("get k\r\n", "VALUE k 77 2\r\n11\r\nEND\r\n", "keeps its flags");
cmp_ok($c->cas_of('k'), '!=', $before, "and gets a new CAS id");
$c->expect("incr k 1000\r\n", "1011\r\n", "and made longer");
$c->expect("get k\r\n", "VALUE k 77 4\r\n1011\r\nEND\r\n", "still keeps its flags");
$d->advance_clock(3);
$c->expect("incr k 1\r\n", "NOT_FOUND\r\n", "and its time to live");

$c->ask(set(k => '1'));
$c->expect("incr k 1\r\n" x 5, "2\r\n3\r\n4\r\n5\r\n6\r\n",
    "many in one pipeline add up");
$c->expect("incr k 10\r\nget k\r\ndecr k 5\r\n", "16\r\n" . hit(k => '16') . "11\r\n",
    "a get between two sees the first only");

# --- arguments ---------------------------------------------------------------

$c->ask(set(k => '10'));
for my $command (qw(incr decr)) {
    $c->expect("$command no 1\r\n", "NOT_FOUND\r\n", "$command needs the key");
    $c->expect("$command no 1 noreply\r\n", "", "$command with noreply does not say so");
    $c->expect("$command\r\n", $BADFMT, "$command alone is refused");
    $c->expect("$command k\r\n", $BADFMT, "$command without a delta is refused");
    $c->expect("$command $LONG 1\r\n", $BADFMT,
        "$command with a key of 251 bytes is refused");
    for my $delta ('a', '-1', '1a', '1.5', '0x1', '18446744073709551616') {
        $c->expect("$command k $delta\r\n", $BADDELTA,
            "$command refuses a delta of $delta");
        $c->expect("$command k $delta noreply\r\n", "", "silently with noreply");
    }
    $c->expect("$command k +1\r\n", $BADDELTA,
        "$command refuses a delta with a plus sign");
    $c->ask(set(k => '10'));
    $c->expect("$command k 00000000000000000000001\r\n", $BADDELTA,
        "$command refuses a delta of 23 digits");
    $c->ask(set(k => '10'));
}
$c->expect("incr k 5 noreply\r\n", "", "incr with noreply says nothing");
$c->expect("decr k 1 noreply\r\n", "", "nor does decr");
$c->expect("get k\r\n", hit(k => '14'), "but both count");
$c->expect("incr k 1 2 3 4\r\n", "15\r\n", "more words are ignored");
$c->expect("incr k 1 junk noreply\r\n", "", "but for a noreply at the end");
$c->expect("get k\r\n", hit(k => '16'), "and that was added too");
$c->ask("set k 0 -1 1\r\n5\r\n");
$c->expect("incr k 1\r\n", "NOT_FOUND\r\n", "an expired key is not found");

# --- meta --------------------------------------------------------------------

$c->ask(set(k => '10'));
$c->expect("ma k N60 t\r\n", "HD t-1\r\n",
    "N on a key that is there does not change what t says");
$c->expect("ma fresh N60 t\r\n", "HD t60\r\n", "but it does where it creates");
$c->expect("ma new t N60\r\n", "HD t-1\r\n", "from its place among the flags on");

$c->ask(set(k => '10'));
$c->expect("mg k v\r\ndecr k 1\r\nmg k v\r\n", "VA 2\r\n10\r\n9\r\nVA 2\r\n9 \r\n",
    "a shorter number is padded, also while an answer with the old one waits");
$c->ask(set(k => '9'));
my ($left) = $c->ask("ma k T100\r\nmg k t\r\n", qr/\n.*\n\z/) =~ / t(-?\d+)\r\n\z/;
verdict($left > 90, "T of ma is also for a number that grows", "it was $left\n");

# --- counters ----------------------------------------------------------------

$c->ask(set(k => '10'));
$d->stats_move({ incr_hits => 1 }, sub { $c->ask("incr k 1\r\n") },
    "incr counts incr_hits");
$d->stats_move({ decr_hits => 1 }, sub { $c->ask("decr k 1\r\n") },
    "decr counts decr_hits");
$d->stats_move({ incr_misses => 1 }, sub { $c->ask("incr no 1\r\n") },
    "incr on a missing key counts incr_misses");
$d->stats_move({ decr_misses => 1 }, sub { $c->ask("decr no 1\r\n") },
    "decr on a missing key counts decr_misses");
$c->ask(set(k => 'text'));
$d->stats_move({}, sub { $c->ask("incr k 1\r\n") },
    "one that is no number counts nothing");
$d->stats_move({}, sub { $c->ask("incr k x\r\n") }, "nor does a bad delta");

# Spaces may follow the number; not so many that it is a chain.
for my $size (100, 30_000, 100_000) {
    $c->ask(set(padded => '5' . ' ' x ($size - 1)));
    $c->expect("incr padded 1\r\n",
        $size == 100_000 && !is_reference()
            ? "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n" : "6\r\n",
        "a number among $size bytes");
}

$d->stop_clean;
done_testing;
