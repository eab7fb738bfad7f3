# The meta commands: what each flag does and says, what is refused, and what counts.
# PROTOCOL.md 5. Every combination that memcached 1.6.45 was asked is in t/golden; here
# each has its place once, with its counters. Leases of many clients are in leases.t.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT  = "CLIENT_ERROR bad command line format\r\n";
my $BADTOK  = "CLIENT_ERROR bad token in command line format\r\n";
my $MAX     = '18446744073709551615';
my $LONG    = 'k' x 251;
my $LONGEST = 'O' . 'x' x 31;    # opaque

my $d = Daemon->start('-t' => 1, '-o' => 'debug_commands');
my $c = $d->connect;

# The version behind a request tells that all of it was answered, and counts nothing.
sub moves ($expected, $request, $name) {
    $d->stats_move($expected,
        sub { $c->ask("${request}version\r\n", qr/^VERSION .*\n\z/m) }, $name);
}

sub id ($key = 'k') { return $c->cas_of($key) }

# So many seconds are left to it, or just less.
sub lives ($key, $seconds, $name) {
    my ($left) = $c->ask("mg $key u t\r\n") =~ /^HD t(-?\d+)[ \r]/;

    verdict(defined $left && $left <= $seconds && $left > $seconds - 3, $name,
        'left: ', $left // 'not even itself', "\n");
}

# An item with flags 42 that stays.
sub stage ($key, $value) {
    $c->ask(sprintf "set %s 42 0 %d\r\n%s\r\n", $key, length $value, $value);
}

# --- mg: what it says --------------------------------------------------------

stage(k => 'hello');
my $id = id();
for my $case (
    [ '',              "HD\r\n",                       'no flag' ],
    [ ' v',            "VA 5\r\nhello\r\n",            'v: the value' ],
    [ ' s',            "HD s5\r\n",                    's: its length' ],
    [ ' f',            "HD f42\r\n",                   'f: the client flags' ],
    [ ' c',            "HD c$id\r\n",                  'c: the CAS id' ],
    [ ' t',            "HD t-1\r\n",                   't: no end' ],
    [ ' k',            "HD kk\r\n",                    'k: the key' ],
    [ ' O',            "HD O\r\n",                     'O: an opaque of nothing' ],
    [ ' Oabc',         "HD Oabc\r\n",                  'O: an opaque' ],
    [ " $LONGEST",     "HD $LONGEST\r\n",              'O: the longest one' ],
    [ ' q',            "HD\r\n",                       'q: a hit is said' ],
    [ ' P1 L2',        "HD\r\n",                       'P, L: for proxies' ],
    [ ' vx',           "VA 5\r\nhello\r\n",            'v: an argument is ignored' ],
    [ ' t f s k O1 v', "VA 5 t-1 f42 s5 kk O1\r\nhello\r\n", 'all as they were asked' ],
    [ ' v O1 k s f t', "VA 5 O1 kk s5 f42 t-1\r\nhello\r\n", 'and in another' ],
    [ '   v  s ',      "VA 5 s5\r\nhello\r\n",         'any number of spaces' ],
    [ " C$id v s",     "HD s5\r\n",                    'C: no value of this id' ],
    [ ' v C' . ($id + 1), "VA 5\r\nhello\r\n",         'C: but the value of another' ],
) {
    my ($flags, $reply, $what) = @$case;
    $c->expect("mg k$flags\r\n", $reply, "mg, $what");
}
verdict($c->ask("mg k l\r\n") =~ /\AHD l[01]\r\n\z/, "mg, l: used just now");
for my $case (
    [ '',              "EN\r\n",       'no flag' ],
    [ ' v s f c t h l u', "EN\r\n",    'what is asked of the item' ],
    [ ' O1 v k',       "EN O1 knone\r\n", 'but O and k in their order' ],
    [ ' T30 R30',      "EN\r\n",       'no T and R without an item' ],
    [ ' q',            "",             'q: a miss is not said' ],
    [ ' q k O1',       "",             'q: nor with k and O' ],
) {
    my ($flags, $reply, $what) = @$case;
    $c->expect("mg none$flags\r\n", $reply, "mg of a missing key, $what");
}

stage(k => 'hello');
$c->expect("mg k u h\r\nmg k h\r\nmg k h\r\n", "HD h0\r\nHD h0\r\nHD h1\r\n",
    "h tells whether it was read before, and u leaves no trace of that");
stage(k => 'hello');
$c->expect("mg k T100 t\r\n", "HD t100\r\n", "T sets the expiry, before t is said");
lives('k', 100, "and so it stays");
$c->expect("mg k T0\r\nmg k t T50\r\n", "HD\r\nHD t-1\r\n", "or after it");
lives('k', 50, "but sets it too");
$c->expect("mg k v T-1\r\nmg k\r\n", "VA 5\r\nhello\r\nEN\r\n",
    "a T in the past ends it when it has been said");

# --- mg: leases --------------------------------------------------------------

$c->expect("mg n1 t N30\r\n", "HD t-1 W\r\n", "N creates, and says W for won");
$c->expect("mg n1 N30 v s f\r\n", "VA 0 s0 f0 Z\r\n\r\n", "the next is told Z");
lives('n1', 30, "until N ends it");
$c->expect("mg n2 N30 t v k O1\r\n", "VA 0 t30 kn2 O1 W\r\n\r\n", "a t after N sees it");
$c->expect("mg n3 N30 T60 t\r\n", "HD t60 W\r\n", "of N and T the later one holds");
$c->expect("mg n4 N30 q\r\n", "HD W\r\n", "q does not silence a lease");
$c->expect("mg n5 N30 E77 c\r\n", "HD c77 W\r\n", "E names its id");
stage(n1 => 'made');
$c->expect("mg n1 N30 v\r\n", "VA 4\r\nmade\r\n", "a store ends the lease");

$c->ask("set r 0 60 1\r\nv\r\n");
$c->expect("mg r R30\r\nmg r R90 v\r\nmg r R90\r\nmg r\r\n",
    "HD\r\nVA 1 W\r\nv\r\nHD Z\r\nHD Z\r\n", "R gives one when less than that is left");
stage(r => 'v');
$c->expect("mg r R90\r\n", "HD\r\n", "but none for what stays for ever");
$c->expect("md r I T30\r\nmg r v\r\nmg r\r\n", "HD\r\nVA 1 X W\r\nv\r\nHD Z X\r\n",
    "what is stale says X, and gives one");

$c->expect("mg n7 N-1 t\r\n", "HD t0 W\r\n", "an N that is over leaves no time");

# --- mg: the last use --------------------------------------------------------

sub unused_for ($key) { return ($c->ask("mg $key l\r\n") =~ /^HD l(\d+)\r\n/)[0] }

stage(k => 'hello');
$d->advance_clock(3);
cmp_ok(unused_for('k'), '>=', 2, "l counts the seconds since the store");
verdict(unused_for('k') <= 1, "and then those since that read");

# --- mg: counters ------------------------------------------------------------

stage(k => 'hello');
moves({ cmd_get => 1, get_hits => 1 }, "mg k v\r\n", "mg counts as a get");
moves({ cmd_get => 1, get_hits => 1 }, "mg k q\r\n", "also with q");
moves({ cmd_get => 1, get_misses => 1 }, "mg none v\r\n", "and a miss as one");
moves({ cmd_get => 1, get_misses => 1 }, "mg none T30 q\r\n", "even with T");
moves({ cmd_touch => 1, touch_hits => 1 }, "mg k T30\r\n", "but a hit with T as a touch");
moves({ cmd_get => 1, get_hits => 1, total_items => 1, curr_items => 1 },
    "mg n6 N30\r\n", "and a key that N creates as a hit");
moves({ cmd_get => 1, get_hits => 1 }, "mg n6 N30\r\n", "as when it is there");
$c->ask("ms gone 1 T-1\r\nv\r\n");
moves({ cmd_get => 1, get_misses => 1, get_expired => 1 }, "mg gone\r\n",
    "what has expired is counted as that, too");
moves({}, "mg k Tx\r\nmg k !\r\nmg k vv v\r\n", "what is refused counts nothing");

# --- ms: modes ---------------------------------------------------------------

for my $case (
    # mode     with no item, and then     with the item old, and then
    [ '',      'HD', 'new',               'HD', 'new' ],
    [ ' MS',   'HD', 'new',               'HD', 'new' ],
    [ ' ME',   'HD', 'new',               'NS', 'old' ],
    [ ' MR',   'NS', undef,               'HD', 'new' ],
    [ ' MA',   'NS', undef,               'HD', 'oldnew' ],
    [ ' MP',   'NS', undef,               'HD', 'newold' ],
) {
    my ($mode, @expected) = @$case;
    for my $there (0, 1) {
        my ($code, $value) = splice @expected, 0, 2;
        my $on = "ms$mode " . ($there ? 'on a key' : 'on a missing key');
        my $prepare = $there ? set(k => 'old') : "delete k\r\n";
        my $after = defined $value ? hit(k => $value) : "END\r\n";
        my $done = $code eq 'HD';

        $c->ask($prepare);
        $c->expect("ms k 3$mode\r\nnew\r\n", "$code\r\n", "$on says $code");
        $c->expect("get k\r\n", $after, "and stores, or does not");
        $c->ask($prepare);
        $c->expect("ms k 3$mode O1 q k\r\nnew\r\n", $done ? '' : "$code O1 kk\r\n",
            "$on is quiet with q only if it stores");
        $c->expect("get k\r\n", $after, "which it does all the same");
        $c->ask($prepare);
        moves({ cmd_set => 1, total_items => $done ? 1 : 0,
                curr_items => $done && !$there ? 1 : 0 }, "ms k 3$mode\r\nnew\r\n",
            "$on counts cmd_set, and an item where it stores");
    }
}
for my $mode ('MA', 'MP') {
    $c->ask("delete k\r\n");
    $c->expect("ms k 3 $mode N30 T60 F5\r\nnew\r\n", "HD\r\n", "$mode creates with N");
    $c->expect("mg k v f\r\n", "VA 3 f5\r\nnew\r\n", "what was sent");
    lives('k', 30, "for as long as N says");
    $c->ask("set k 7 50 3\r\nold\r\n");
    $c->ask("ms k 3 $mode N30 T60 F5\r\nnew\r\n");
    $c->expect("mg k s f\r\n", "HD s6 f7\r\n", "$mode keeps the flags of the item");
    lives('k', 50, "and its expiry");
}

# --- ms: the other flags -----------------------------------------------------

$c->expect("ms k 2\r\nhi\r\nmg k v t f\r\n", "HD\r\nVA 2 t-1 f0\r\nhi\r\n",
    "without flags it stays, and its flags are 0");
$c->expect("ms k 2 F4294967295 T0\r\nhi\r\nmg k f t\r\n", "HD\r\nHD f4294967295 t-1\r\n",
    "F gives it flags");
$c->ask("ms k 2 T100\r\nhi\r\n");
lives('k', 100, "T an end");
$c->expect("ms k 2 T-1\r\nhi\r\nmg k\r\n", "HD\r\nEN\r\n", "also one that is over");
$c->expect("ms k 2 k O1 s\r\nhi\r\n", "HD kk O1 s2\r\n", "k, O and s are said, in order");
same($c->ask("ms k 2 c\r\nhi\r\n"), 'HD c' . id() . "\r\n", "c is the new id");
$c->expect("ms k 2 ME c s\r\nno\r\n", "NS c0 s2\r\n",
    "c is 0, if nothing was stored, and s what was sent");
$c->expect("ms k 2 E77 c\r\nhi\r\nmg k c\r\n", "HD c77\r\nHD c77\r\n", "E names it");
$c->expect("ms k 0\r\n\r\nmg k v\r\n", "HD\r\nVA 0\r\n\r\n", "a value may be empty");

for my $mode ('', ' MS', ' MR') {
    $c->ask(set(k => 'old'));
    my $id = id();
    $c->expect("ms k 3$mode C$id\r\nnew\r\n", "HD\r\n", "C$mode with the right id");
    $c->expect("ms k 3$mode C$id k O1\r\nbad\r\n", "EX kk O1\r\n", "with another");
    $c->expect("ms k 3$mode C$id q\r\nbad\r\n", "EX\r\n", "which q does not silence");
    $c->expect("ms none 3$mode C$id k O1\r\nbad\r\n", "NF knone O1\r\n", "with no key");
    $c->expect("get k none\r\n", hit(k => 'new'), "the value stays");
    moves({ cmd_set => 1, total_items => 1, cas_hits => 1 },
        'ms k 3 C' . id() . "$mode\r\nnew\r\n", "a right id counts cas_hits");
    moves({ cmd_set => 1, cas_badval => 1 }, "ms k 3 C$id$mode\r\nbad\r\n",
        "another cas_badval");
    moves({ cmd_set => 1, cas_misses => 1 }, "ms none 3 C$id$mode\r\nbad\r\n",
        "a missing key cas_misses");
}
$c->ask(set(k => 'old'));
$id = id();
$c->expect("ms k 3 ME C$id\r\nbad\r\n", "NS\r\n", "ME stores nothing, whatever the id");
$c->expect("ms k 3 MA C$id\r\nnew\r\n", "HD\r\n", "MA takes the right id");
$c->expect("ms k 3 MA C$id\r\nnew\r\n", "EX\r\n", "and no other");
$c->expect("ms none 3 MA C$id\r\nnew\r\n", "NS\r\n", "and needs the key");

$c->ask("set k 0 60 3\r\nold\r\n");
$id = id();
$c->ask("set k 0 60 3\r\nmid\r\n");
$c->expect("ms k 4 I C$id T90\r\nlate\r\n", "HD\r\n", "with I an older id stores");
$c->expect("mg k v\r\nmg k v\r\n", "VA 4 X W\r\nlate\r\nVA 4 Z X\r\nlate\r\n",
    "what is stale from the start");
lives('k', 60, "and ends when the old one would have");
my $newer = id() + 1000;
$c->expect("ms k 3 I C$newer\r\nbad\r\n", "EX\r\n", "but a newer does not");

# --- md ----------------------------------------------------------------------

stage(k => 'v');
$id = id();
$c->expect("md k C" . ($id + 1) . " k O1\r\n", "EX kk O1\r\n", "md with another id");
$c->expect("md k q C" . ($id + 1) . "\r\n", "EX\r\n", "is not silenced by q");
$c->expect("md k k O1 v t f s c\r\n", "HD kk O1\r\n", "md says k and O alone");
$c->expect("md k O1 k\r\n", "NF O1 kk\r\n", "also on a miss");
$c->expect("md k q\r\n", "NF\r\n", "which q does not silence");
stage(k => 'v');
$c->expect("md k q\r\nmg k\r\n", "EN\r\n", "it silences a hit");
stage(k => 'v');
moves({ delete_hits => 1, curr_items => -1 }, 'md k C' . id() . "\r\n",
    "the right id deletes, and counts delete_hits");
moves({ delete_misses => 1 }, "md k\r\n", "a miss counts delete_misses");
stage(k => 'v');
moves({ delete_misses => 1 }, 'md k C' . (id() + 1) . "\r\n", "and so does another id");

$c->ask("set k 42 60 3\r\nold\r\n");
$id = id();
$c->expect("md k I\r\nmg k v f\r\nmg k v\r\n",
    "HD\r\nVA 3 f42 X W\r\nold\r\nVA 3 Z X\r\nold\r\n", "md I keeps it, as stale");
cmp_ok(id(), '!=', $id, "by a new id");
lives('k', 60, "and for as long as before");
$c->expect("md k I T30\r\nmg k v\r\n", "HD\r\nVA 3 X W\r\nold\r\n", "again, with T");
lives('k', 30, "which sets the expiry");
$c->expect("md k I E77\r\nmg k c\r\n", "HD\r\nHD c77 X W\r\n", "E names its id");
moves({}, "md k I\r\n", "md I counts nothing");
$c->ask("set k 42 60 3\r\nold\r\n");
$id = id();
$c->expect("md k x\r\nmg k v f t c\r\n", "HD\r\nVA 0 f0 t-1 c$id\r\n\r\n",
    "md x keeps the key and its id, but no value, flags and expiry");
$c->ask("set k 42 60 3\r\nold\r\n");
$c->expect("md k x F5\r\nmg k v f\r\n", "HD\r\nVA 0 f5\r\n\r\n", "but those of F");
$c->ask("md k x T30\r\n");
lives('k', 30, "and of T");
$c->expect("md k x I\r\nmg k v\r\n", "HD\r\nVA 0 X W\r\n\r\n", "md x I is both");
stage(k => 'v');
$c->expect("md k T30\r\nmg k\r\n", "HD\r\nEN\r\n", "T alone does not keep it");

# --- ma ----------------------------------------------------------------------

for my $case (
    [ '10',   '',                  '11',  'adds 1' ],
    [ '10',   ' D5',               '15',  'or what D says' ],
    [ '10',   ' MI D5',            '15',  'by MI' ],
    [ '10',   ' M+ D5',            '15',  'by M+' ],
    [ '10',   ' MD D3',            '7',   'MD takes away' ],
    [ '10',   ' M-',               '9',   'and so does M-' ],
    [ '10',   ' MDx D3',           '7',   'the first letter of M counts' ],
    [ '5',    ' MD D9',            '0',   'but not below 0' ],
    [ $MAX,   ' D2',               '1',   'beyond 2^64 it begins again' ],
    [ '0',    " D$MAX",            $MAX,  'as large as it gets' ],
    [ '10',   ' N0 J99',           '11',  'N and J are for a missing key' ],
) {
    my ($stored, $flags, $number, $what) = @$case;
    $c->ask(set(k => $stored));
    my $length = length $number;
    $c->expect("ma k$flags v\r\n", "VA $length\r\n$number\r\n", "ma: $what");
    $c->expect("get k\r\n", hit(k => sprintf '%-' . length($stored) . 's', $number),
        $flags =~ /MDx/ ? "and what it said is stored" : "and stores that");
}
$c->ask("set k 42 0 2\r\n10\r\n");
$c->expect("ma k\r\n", "HD\r\n", "without v the number is not said");
$c->expect("ma k q v\r\n", "", "with q nothing is");
$c->expect("ma k t k O1 v\r\n", "VA 2 t-1 kk O1\r\n13\r\n", "t, k and O are, in order");
$c->expect("ma k k t O1\r\n", "HD kk t-1 O1\r\n", "and in another");
same($c->ask("ma k c\r\n"), 'HD c' . id() . "\r\n", "c is the new id");
$c->expect("ma k E77 c\r\n", "HD c77\r\n", "E names it");
$c->expect("ma k T100 t\r\n", "HD t100\r\n", "T sets the expiry");
lives('k', 100, "for good");
$c->expect("mg k f\r\n", "HD f42\r\n", "the flags stay");
$id = id();
my $other = $id + 1;
$c->expect("ma k C$other v t k O1\r\n", "EX kk O1\r\n", "another id does not count");
$c->expect("ma k q C$other\r\n", "EX\r\n", "which q does not silence");
$c->expect("ma k C$id\r\n", "HD\r\n", "the right one does");
$c->expect("ma none v t k O1\r\n", "NF knone O1\r\n", "ma needs the key");
$c->expect("ma none q\r\n", "NF\r\n", "which q does not silence");
$c->expect("ma a1 N30 v t\r\n", "VA 1 t30\r\n0\r\n", "N creates it");
lives('a1', 30, "for as long");
$c->expect("ma a2 N0 J99 D5 v t\r\n", "VA 2 t-1\r\n99\r\n", "with J, and without D");
$c->expect("ma a3 t N30\r\n", "HD t-1\r\n", "a t before N does not see it");
$c->expect("ma a4 N0 q\r\nmg a4 v\r\n", "VA 1\r\n0\r\n", "q silences that as well");
$c->expect("ma a5 N0 C5 v\r\n", "VA 1\r\n0\r\n", "and an id does not matter");

my $NONNUMERIC = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
$c->ask(set(text => 'text'));
$c->expect("ma text q\r\n", $NONNUMERIC, "what is no number is refused, also with q");
$c->ask(set(k => '10'));
moves({ incr_hits => 1 }, "ma k\r\n", "ma counts incr_hits");
moves({ decr_hits => 1 }, "ma k MD q\r\n", "or decr_hits");
moves({ incr_misses => 1 }, "ma none\r\n", "a miss incr_misses");
moves({ decr_misses => 1 }, "ma none MD\r\n", "or decr_misses");
moves({ total_items => 1, curr_items => 1 }, "ma a6 N0\r\n", "what N creates is an item");
moves({}, 'ma k C' . (id() + 1) . "\r\n", "another id counts nothing");
moves({}, "ma text\r\nma k Dx\r\nma k Mx\r\n", "nor does what is refused");

# --- mn, me ------------------------------------------------------------------

$c->expect("mn\r\nmn and more\r\n", "MN\r\nMN\r\n", "mn says MN, whatever follows");
moves({}, "mn\r\n", "and counts nothing");
stage(k => 'v');
$id = id();
my $seen = $c->ask("me k\r\n");
verdict($seen =~ /\AME k exp=-1 la=[01] cas=$id fetch=yes cls=\d+ size=\d+\r\n\z/,
    'me describes', 'it said ', shown($seen));
$c->expect("me none\r\n", "EN\r\n", "what is there");
$c->ask("ms k 1 T100\r\nv\r\n");
$seen = $c->ask("me k\r\n");
verdict($seen =~ /\AME k exp=(100|99|98) .* fetch=no /,
    'its expiry, and that it was not read', 'it said ', shown($seen));
moves({ cmd_meta => 1 }, "me k\r\n", "it counts cmd_meta");
moves({ cmd_meta => 1 }, "me none\r\n", "also if nothing is there");
$c->expect("mg k h\r\n", "HD h0\r\n", "and is no read");

# --- b: keys in base64 -------------------------------------------------------

stage(foo => 'v');
$c->expect("mg Zm9v b v k\r\n", "VA 1 kfoo\r\nv\r\n", "a key in base64 is the same key");
$c->expect("mg bm9uZQ== b k\r\n", "EN kbm9uZQ== b\r\n", "a miss says it as it came");
$c->expect("ms Zm9v 1 b k\r\nw\r\n", "HD kZm9v b\r\n", "ms takes one");
$c->expect("mg foo v k\r\n", "VA 1 kZm9v b\r\nw\r\n", "and the item remembers that");
$c->expect("get foo\r\n", hit(foo => 'w'), "not for the classic commands");
$c->expect("ma bnVt b N0 k v\r\n", "VA 1 kbnVt b\r\n0\r\n", "ma takes one");
$c->expect("md bnVt b k\r\n", "HD kbnVt b\r\n", "and md");
$c->expect("ms AAEgDQo= 1 b\r\nv\r\nmg AAEgDQo= b k v\r\n",
    "HD\r\nVA 1 kAAEgDQo= b\r\nv\r\n", "a key may have any bytes so");

# --- what is refused ---------------------------------------------------------

my $bad_of_ma = "CLIENT_ERROR invalid or duplicate flag\r\n";

for my $case (
    [ 'Tx',        $BADTOK,                          'T needs a number' ],
    [ 'T',         $BADTOK,                          'T needs an argument' ],
    [ 'T2147483648', $BADTOK,                        'T has 32 bits' ],
    [ 'T+5',       $BADTOK,                          'T takes no plus sign' ],
    [ 'Nx',        $BADTOK,                          'N needs a number' ],
    [ 'Rx',        $BADTOK,                          'R needs a number' ],
    [ 'Cx',        $BADTOK,                          'C needs a number' ],
    [ 'C-1',       $BADTOK,                          'C takes no minus sign' ],
    [ 'Ex',        $BADTOK,                          'E needs a number' ],
    [ 'Fx',        $BADFMT,                          'F needs a number' ],
    [ 'F4294967296', $BADFMT,                        'F has 32 bits' ],
    [ 'Dx',        "CLIENT_ERROR invalid numeric delta value\r\n",   'D needs a number' ],
    [ 'Jx',        "CLIENT_ERROR invalid numeric initial value\r\n", 'J needs a number' ],
    [ 'v v',       "CLIENT_ERROR duplicate flag\r\n", 'a flag stands once' ],
    [ 'z',         "CLIENT_ERROR invalid flag\r\n",   'there is no z' ],
    [ '5',         "CLIENT_ERROR invalid flag\r\n",   'nor a digit' ],
    [ 'noreply',   "CLIENT_ERROR invalid flag\r\n",   'nor noreply' ],
    [ 'Tx Dx',     "CLIENT_ERROR invalid numeric delta value\r\n",
                                                     'of two mistakes the last is said' ],
    [ 'Tx z Dx',   "CLIENT_ERROR invalid flag\r\n",  'but what is no flag ends it' ],
    [ 'q Tx',      $BADTOK,                          'q does not silence a mistake' ],
    [ '!',         $BADFMT,                          'a flag begins with a letter' ],
    [ "\xe4",      $BADFMT,                          'of ASCII' ],
) {
    my ($flags, $error, $what) = @$case;
    my $name  = "$what: %s " . shown($flags);
    my $of_ma = $error eq $BADFMT && $flags !~ /^F/ ? $BADFMT : $bad_of_ma;
    my $value = $of_ma eq $BADFMT ? "MN\r\n" : '';     # a command, or skipped

    $c->ask(set(k => '10'));
    $c->expect("mg k $flags\r\n", $error, sprintf $name, 'mg');
    $c->expect("md k $flags\r\n", $error, sprintf $name, 'md');
    $c->expect("ma k $flags\r\n", $of_ma, sprintf $name, 'ma');
    $c->expect("ms k 2 $flags\r\nmn\r\n", $error . $value, sprintf $name, 'ms');
    $c->expect("get k\r\n", hit(k => '10'), "nothing has happened: " . shown($flags));
}

$c->expect("mg\r\n", $BADFMT, "mg alone is refused");
$c->expect("md\r\n", $BADFMT, "md alone is refused");
$c->expect("ma\r\n", $BADFMT, "ma alone is refused");
$c->expect("me\r\n", $BADFMT, "me alone is refused");
$c->expect("ms\r\n", $BADFMT, "ms alone is refused");
$c->expect("ms k\r\n", $BADFMT, "ms without a length is refused");
$c->expect("ms k x\r\nmn\r\n", $BADFMT . "MN\r\n", "or with a word, skipping no value");
$c->expect("ms k -1\r\nmn\r\n", $BADFMT . "MN\r\n", "or below 0");
$c->expect("ms k +2\r\nmn\r\n", $BADFMT . "MN\r\n", "or with a plus sign");
$c->expect("mg $LONG\r\n", $BADFMT, "mg takes no key of 251 bytes");
$c->expect("md $LONG\r\n", $BADFMT, "md takes none");
$c->expect("me $LONG\r\n", $BADFMT, "me takes none");
$c->expect("ma $LONG\r\n", $bad_of_ma, "ma takes no key of 251 bytes");
$c->expect("ms $LONG 2\r\nhi\r\n", $BADFMT, "ms takes none, and skips the value");
$c->expect("mg !!! b\r\n", "CLIENT_ERROR error decoding key\r\n",
    "nor a key in base64 that is none");
$c->expect("ms k 2 Mx\r\nhi\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n",
    "ms has no mode x");
$c->expect("ms k 2 M\r\nhi\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n",
    "nor one without a name");
$c->expect("ma k Mx\r\n", "CLIENT_ERROR invalid mode for ma M token\r\n",
    "ma has no mode x");

# Known flags are taken on every command, up to 18, or 17 where there is a length.
my $idle     = 'P L u x R0 F5 D1 J0 I T0 N0 E5 h f';
my $too_many = "CLIENT_ERROR options flags are too long\r\n";
for my $case (
    [ 'mg k',   '',         'MS v s O1', "VA 2 h0 f0 s2 O1\r\n10\r\n", $too_many ],
    [ 'ma k',   '',         'MI v s O1', "VA 2 O1\r\n11\r\n",             $bad_of_ma ],
    [ 'md k',   '',         'MS v s O1', "HD O1\r\n",                      $too_many ],
    [ 'ms k 2', "hi\r\n", 'MS s O1',    "HD s2 O1\r\n",                   $too_many ],
) {
    my ($command, $value, $flags, $reply, $error) = @$case;

    $c->ask(set(k => '10'));
    $c->expect("$command $idle $flags\r\n$value", $reply, "$command takes every flag");
    $c->expect("$command $idle $flags q\r\n$value", $error,
        "$command takes not one more");
}

my $opaque   = $LONGEST . 'x';
my $too_long = "CLIENT_ERROR opaque token too long\r\n";
$c->ask(set(k => '10'));
$c->expect("mg k $opaque\r\n", $too_long, "an opaque of 33 bytes is refused by mg");
$c->expect("md k $opaque\r\n", $too_long, "by md, which does not delete");
$c->expect("ms k 2 $opaque\r\nhi\r\n", $too_long, "by ms, which does not store");
$c->expect("get k\r\n", hit(k => '10'), "so nothing has happened");
$c->expect("mg k T100 $opaque\r\n", $too_long, "what stands before it in mg");
lives('k', 100, "is done");
$c->expect("mg k $opaque T0\r\n", $too_long, "what stands behind it");
lives('k', -1, "is done as well");

# --- values that are too large, or not what they were said to be -------------

my $BADCHUNK = "CLIENT_ERROR bad data chunk\r\n";
$c->ask(set(k => 'old'));
$c->expect("ms k 2 q\r\nhi!!", $BADCHUNK, "a value without its end, also with q");
$c->expect("get k\r\n", hit(k => 'old'), "and the old one stays");
moves({ cmd_set => 1 }, "ms k 2\r\nhi!!", "but cmd_set counts");
my $large = 'x' x (1 << 20);
for my $mode ('', ' ME', ' MA', ' MR q') {
    $c->ask(set(k => 'old'));
    $c->expect("ms k 1048576$mode\r\n$large\r\n",
        "SERVER_ERROR object too large for cache\r\n", "ms$mode says what is too large");
    $c->expect("get k\r\n", "END\r\n", "and the old one goes");
    moves({ store_too_large => 1 }, "ms k 1048576$mode\r\n$large\r\n",
        "which ms$mode counts in store_too_large");
}
$d->stop_clean;

# --- on other servers --------------------------------------------------------

$d = Daemon->start('-C');
$c = $d->connect;
$c->ask(set(k => '1'));
$c->expect("mg k c\r\nms k 1 c\r\n1\r\nma k c\r\n", "HD c0\r\nHD c0\r\nHD c0\r\n",
    "with -C every id is shown as 0");
$d->stop_clean;

$d = Daemon->start('-M', '-m' => 8);
$c = $d->connect;
my ($piece, $filled) = ('x' x 100_000, 0);
$filled++ while $filled < 200
    && $c->ask("ms k$filled 100000\r\n$piece\r\n") eq "HD\r\n";
my $no_room = "SERVER_ERROR out of memory storing object\r\n";
cmp_ok($filled, '<', 200, "with -M memory has an end");
$c->expect("ms new 100000 ME q\r\n$piece\r\n", $no_room, "which ms tells, also with q");
moves({ store_no_memory => 1 }, "ms new 100000\r\n$piece\r\n", "and counts");
$c->expect("ms k0 100000 ME\r\n$piece\r\nmg k0\r\n", $no_room . "EN\r\n",
    "in every mode the old value goes");
$d->stop_clean;
done_testing;
