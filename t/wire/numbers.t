# How numbers are read: flags, times, lengths, CAS ids. PROTOCOL.md 2.3.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start;
my $c = $d->connect;

# --- flags: 32 bits, of a number of 64 ---------------------------------------

for my $case (
    [ '0',                    0 ],
    [ '1',                    1 ],
    [ '+7',                   7 ],
    [ '007',                  7 ],
    [ '65535',                65535 ],
    [ '65536',                65536 ],
    [ '2147483647',           2147483647 ],
    [ '2147483648',           2147483648 ],
    [ '4294967295',           4294967295 ],
    [ '4294967296',           0 ],
    [ '4294967297',           1 ],
    [ '9223372036854775807',  4294967295 ],
    [ "5\t",                  5 ],
) {
    my ($flags, $shown) = @$case;
    $c->ask("delete k\r\n");
    $c->expect("set k $flags 0 1\r\nx\r\n", "STORED\r\n",
        'flags ' . shown($flags) . ' are taken');
    $c->expect("get k\r\n", "VALUE k $shown 1\r\nx\r\nEND\r\n", "and shown as $shown");
}
for my $flags ('-1', 'a', '1a', '0x10', '1.5', '+', '-', '18446744073709551616',
    '99999999999999999999999') {
    $c->expect("set k $flags 0 1\r\nx\r\nget k\r\n",
        "${BADFMT}VALUE k 5 1\r\nx\r\nEND\r\n",
        "flags $flags are refused, and the data with them");
}

# --- times: seconds of 32 bits, of a number of 64 ----------------------------

for my $exptime ('0', '+100', '0100', '2592000', '2147483647', '4294967296', "60\t") {
    $c->expect("set k 0 $exptime 1\r\nx\r\nget k\r\n", "STORED\r\n" . hit(k => 'x'),
        'a time of ' . shown($exptime) . ' lies ahead');
}
for my $exptime ('-1', '-100', '-2147483648', '2592001', '100000000', '2147483648',
    '4294967295') {
    $c->expect("set k 0 $exptime 1\r\nx\r\nget k\r\n", "STORED\r\nEND\r\n",
        "a time of $exptime has passed: stored, and never seen");
}
$c->ask(set(k => 'old'));
for my $exptime ('a', '1a', '1.5', '0x10', '9223372036854775808',
    '-9223372036854775809') {
    $c->expect("set k 0 $exptime 1\r\nx\r\nget k\r\n", $BADFMT . hit(k => 'old'),
        "a time of $exptime is refused, and the data with it");
}

# --- times of touch and gat: strict ------------------------------------------

for my $exptime ('0', '100', '0100', '00000000000', '2147483647', '-1', '-2147483648',
    '-') {
    $c->ask(set(k => 'v'));
    $c->expect("touch k $exptime\r\n", "TOUCHED\r\n", "touch takes a time of $exptime");
    $c->ask(set(k => 'v'));
    $c->expect("gat $exptime k\r\n", hit(k => 'v'), "gat takes a time of $exptime");
}
for my $case (
    [ 'a',            'no number' ],
    [ '1a',           'no number' ],
    [ '1.5',          'no number' ],
    [ '+10',          'strictly' ],
    [ '2147483648',   'strictly' ],
    [ '4294967296',   'strictly' ],
    [ '-2147483649',  'strictly' ],
    [ '000000000000', 'strictly' ],
) {
    my ($exptime, $why) = @$case;
    $c->ask(set(k => 'v'));
    $c->expect("touch k $exptime\r\n", "CLIENT_ERROR invalid exptime argument\r\n",
        "touch refuses a time of $exptime: $why");
    $c->ask(set(k => 'v'));
    $c->expect("gat $exptime k\r\n", "CLIENT_ERROR invalid exptime argument\r\n",
        "gat refuses a time of $exptime: $why");
}

# --- lengths -----------------------------------------------------------------

for my $length ('3', '03', '00000000003') {
    $c->expect("set k 0 0 $length\r\nabc\r\nget k\r\n", "STORED\r\n" . hit(k => 'abc'),
        "a length of $length is 3");
}
$c->expect("set k 0 0 -\r\n\r\nget k\r\n", "STORED\r\n" . hit(k => ''),
    "a lone minus sign is a length of 0");

# --- CAS ids: strict, 64 bits ------------------------------------------------

for my $id ('0', '1', '18446744073709551615', '0000000000000000000001') {
    $c->expect("cas k 0 0 1 $id\r\nx\r\n", "EXISTS\r\n",
        "a CAS id of $id is one that differs");
}
my $id = $c->cas_of('k');
$c->expect("cas k 0 0 1 0$id\r\nx\r\n", "STORED\r\n",
    "leading zeros do not matter to a CAS id");

$d->stop_clean;
done_testing;
