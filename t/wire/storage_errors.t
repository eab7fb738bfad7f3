# Storage commands that go wrong: what is said, what is swallowed, what is kept.
#
# PROTOCOL.md 2.2 tells two levels apart. A line whose length cannot be trusted is
# refused, and what follows it are commands. A line that is wrong in any other way
# has its data block swallowed.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";
my $BADCHUNK = "CLIENT_ERROR bad data chunk\r\n";
my $TOOLARGE = "SERVER_ERROR object too large for cache\r\n";

my $d = Daemon->start;
my $c = $d->connect;
my $LONG = 'k' x 251;

# --- the length cannot be trusted --------------------------------------------

for my $command (qw(set add replace append prepend cas)) {
    my $id = $command eq 'cas' ? ' 1' : '';

    $c->expect("$command\r\n",       $BADFMT, "$command alone is refused");
    $c->expect("$command k\r\n",     $BADFMT, "$command with 1 argument is refused");
    $c->expect("$command k 0\r\n",   $BADFMT, "$command with 2 arguments is refused");
    $c->expect("$command k 0 0\r\n", $BADFMT, "$command with 3 arguments is refused");
    for my $length ('-1', 'x', '1x', '2147483646', '2147483648', '4294967295', '1.0',
        '0x1') {
        $c->expect("$command k 0 0 $length$id\r\nfoo1\r\n", "${BADFMT}ERROR\r\n",
            "$command with a length of $length swallows nothing");
    }
}
$c->expect("set k 0 0 +1\r\nfoo1\r\n", "${BADFMT}ERROR\r\n",
    "a length with a plus sign is refused");
$c->expect("set k 0 0 000000000001\r\nfoo1\r\n", "${BADFMT}ERROR\r\n",
    "a length of twelve digits is refused");
$c->expect("set k 0 0 00000000001\r\nx\r\n", "STORED\r\n",
    "a length of eleven digits is not");
$c->expect("set k 0 0 noreply\r\n", $BADFMT,
    "noreply in place of the length does not silence the error");
$c->expect("set k 0 0 x noreply\r\n", $BADFMT,
    "noreply after a bad length does not silence the error");

# --- any other mistake in the line -------------------------------------------

for my $command (qw(set add replace append prepend cas)) {
    my $id = $command eq 'cas' ? ' 1' : '';

    for my $case (
        [ "$command $LONG 0 0 7$id", 'a key of 251 bytes' ],
        [ "$command k x 0 7$id",     'flags that are no number' ],
        [ "$command k -1 0 7$id",    'flags below 0' ],
        [ "$command k 0 x 7$id",     'a time that is no number' ],
    ) {
        my ($line, $what) = @$case;
        $c->expect("$line\r\nversion\r\n", $BADFMT,
            "$command with $what swallows its data");
        $c->expect("$line noreply\r\nversion\r\n", '',
            "$command with $what is silent with noreply");
    }
}
for my $id ('x', '-1', '+1', '1x', '18446744073709551616', '00000000000000000000001') {
    $c->expect("cas other 0 0 7 $id\r\nversion\r\n", $BADFMT,
        "cas with an id of $id swallows its data");
}
$c->expect("cas k 0 0 7\r\nversion\r\n", $BADFMT, "cas without an id swallows its data");
$c->expect("cas k 0 0 7 noreply\r\nversion\r\n", '',
    "cas with noreply in place of the id is silent, and swallows its data");
$c->expect("set $LONG 0 0 0\r\n\r\n", $BADFMT, "an empty data block is swallowed too");
$c->expect("get k\r\n", hit(k => 'x'), "and through all this nothing was stored");

# --- the data block ----------------------------------------------------------

$c->expect("set k 0 0 3\r\nabXY\r\n", "$BADCHUNK$BADFMT",
    "data one byte too long: what is left, 1 byte, is a bad line");
$c->expect("set k 0 0 3\r\nabcdefversion\r\n", "${BADCHUNK}ERROR\r\n",
    "data too long: what is left is a command");
$c->expect("set k 0 0 3\r\nabc\r\rmn\r\n", "${BADCHUNK}MN\r\n",
    "data that ends in CR CR is refused");
$c->expect("set k 0 0 3\r\nabc\n\nmn\r\n", "${BADCHUNK}MN\r\n",
    "data that ends in LF LF is refused");
$c->expect("set k 0 0 5\r\nabc\r\nversion\r\n", "${BADCHUNK}ERROR\r\n",
    "data too short: the start of the next line is eaten");
for my $command (qw(set add replace append prepend)) {
    $c->expect("$command k 0 0 1 noreply\r\nabcmn\r\n", "MN\r\n",
        "$command with noreply says nothing of a bad data chunk");
}
$c->expect("get k\r\n", hit(k => 'x'), "a bad data chunk leaves the old value alone");
$d->stats_move({ cmd_set => 1 }, sub { $c->ask("set k 0 0 1\r\nabc", qr/chunk\r\n/) },
    "a bad data chunk counts as one cmd_set, and stores no item");

# --- too large ---------------------------------------------------------------

my $huge = 'h' x 1_048_577;

for my $command (qw(add replace append prepend cas)) {
    my $id = $command eq 'cas' ? ' 1' : '';

    $c->expect(set(k => 'old'), "STORED\r\n", "a key for $command");
    $c->expect("$command k 0 0 1048577$id\r\n$huge\r\n", $TOOLARGE,
        "$command of more than 1 MiB is refused and swallowed");
    $c->expect("get k\r\n", hit(k => 'old'), "which leaves the old value");
}
$c->expect(set(k => $huge), $TOOLARGE,
    "a set of more than 1 MiB is refused and swallowed");
$c->expect("get k\r\n", "END\r\n", "and deletes the old value, which is no longer true");
$c->ask(set(k => 'old'));
$c->expect("set k 0 0 1048577 noreply\r\n$huge\r\n", '', "with noreply it says nothing");
$c->expect("get k\r\n", "END\r\n", "and deletes all the same");
$c->expect("set k 0 0 1048577\r\n${huge}xxmn\r\n", "${TOOLARGE}MN\r\n",
    "what is swallowed need not end in CR LF");
$d->stats_move({ store_too_large => 1 }, sub { $c->ask(set(k => $huge)) },
    "a value that is too large counts store_too_large, and no cmd_set");

my $other = $d->connect;
$other->send("set k 0 0 2147483645\r\n" . 'x' x 100_000);
$c->expect("get k\r\n", "END\r\n",
    "while two gigabytes are swallowed, others are served");
$other->close;

$d->stop_clean;
done_testing;
