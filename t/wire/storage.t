# The six storage commands: what each does to a key that is there and to one that
# is not, and what it counts.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

# --- on a key that is missing ------------------------------------------------

$c->expect("set new 5 0 3\r\nabc\r\n",  "STORED\r\n",     "set stores a new key");
$c->expect("get new\r\n", "VALUE new 5 3\r\nabc\r\nEND\r\n", "with its flags");
$c->expect("add fresh 6 0 2\r\nxy\r\n", "STORED\r\n",     "add stores a new key");
$c->expect("get fresh\r\n", "VALUE fresh 6 2\r\nxy\r\nEND\r\n", "with its flags too");
$c->expect("replace no 0 0 1\r\nx\r\n", "NOT_STORED\r\n", "replace needs the key");
$c->expect("append no 0 0 1\r\nx\r\n",  "NOT_STORED\r\n", "append needs the key");
$c->expect("prepend no 0 0 1\r\nx\r\n", "NOT_STORED\r\n", "prepend needs the key");
$c->expect("cas no 0 0 1 7\r\nx\r\n",   "NOT_FOUND\r\n",
     "cas needs the key, and says so");
$c->expect("get no\r\n", "END\r\n", "and none of the four left anything");

# --- on a key that is there --------------------------------------------------

$c->expect("set k 1 0 3\r\nold\r\n", "STORED\r\n", "a key to work on");
$c->expect("add k 2 0 3\r\nadd\r\n", "NOT_STORED\r\n", "add refuses a key that is there");
$c->expect("get k\r\n", "VALUE k 1 3\r\nold\r\nEND\r\n", "and leaves its value alone");
$c->expect("set k 2 0 3\r\nnew\r\n", "STORED\r\n", "set overwrites");
$c->expect("get k\r\n", "VALUE k 2 3\r\nnew\r\nEND\r\n", "flags and all");
$c->expect("replace k 3 0 4\r\nnext\r\n", "STORED\r\n", "replace overwrites");
$c->expect("get k\r\n", "VALUE k 3 4\r\nnext\r\nEND\r\n", "flags and all again");
$c->expect("append k 9 0 3\r\n...\r\n", "STORED\r\n", "append adds at the end");
$c->expect("prepend k 9 0 2\r\n> \r\n", "STORED\r\n", "prepend adds at the front");
$c->expect("get k\r\n", "VALUE k 3 9\r\n> next...\r\nEND\r\n",
    "and both keep the flags of the first");
$c->expect("append k 0 0 0\r\n\r\n", "STORED\r\n", "nothing may be appended");
$c->expect("get k\r\n", "VALUE k 3 9\r\n> next...\r\nEND\r\n", "which changes nothing");

# --- cas ---------------------------------------------------------------------

my $seen = $c->cas_of('k');
$c->expect("cas k 4 0 3 $seen\r\ncas\r\n", "STORED\r\n",
    "cas stores on the id that gets showed");
$c->expect("cas k 5 0 3 $seen\r\nlow\r\n", "EXISTS\r\n",
    "and refuses it the second time");
$c->expect("get k\r\n", "VALUE k 4 3\r\ncas\r\nEND\r\n",
    "so the first of two writers wins");
$c->expect("cas k 0 0 1 0\r\nx\r\n", "EXISTS\r\n", "an id of 0 never matches");
$c->expect("cas no 0 0 1 0\r\nx\r\n", "NOT_FOUND\r\n", "not even where there is no key");

# --- values ------------------------------------------------------------------

$c->expect("set k 0 0 0\r\n\r\n", "STORED\r\n", "a value may be empty");
$c->expect("get k\r\n", "VALUE k 0 0\r\n\r\nEND\r\n", "and is found so");
$c->expect("append k 0 0 1\r\nz\r\n", "STORED\r\n", "an empty value can grow");
$c->expect("get k\r\n", hit(k => 'z'), "as any other");
my $odd = "END\r\nVALUE k 0 1\r\n\0\xff\r\nget k\r\n";
$c->expect(set(k => $odd), "STORED\r\n", "a value may look like protocol");
$c->expect("get k\r\n", hit(k => $odd), "and comes back as it was");
my $bytes = join '', map { chr } 0 .. 255;
$c->expect(set(k => $bytes), "STORED\r\n", "a value may hold every byte there is");
$c->expect("get k\r\n", hit(k => $bytes), "and all 256 come back");
$c->expect("append k 0 0 256\r\n$bytes\r\n", "STORED\r\n", "every byte can be appended");
$c->expect("prepend k 0 0 256\r\n$bytes\r\n", "STORED\r\n", "and prepended");
$c->expect("get k\r\n", hit(k => $bytes x 3), "and the parts stand in their order");

for my $size (1, 7, 8, 9, 63, 64, 65, 511, 512, 1023, 1024, 2047, 2048, 2049, 4096, 8191,
    16383, 16384, 16385, 20_000) {
    my $value = substr $bytes x (1 + $size / 256), 0, $size;
    $c->expect(set(sized => $value) . "get sized\r\n", "STORED\r\n"
        . hit(sized => $value),
        "a value of $size bytes is stored and read back");
}

# --- a key that has expired is a key that is not there -----------------------

for my $case (
    [ "set k 0 0 1\r\nx\r\n",     "STORED\r\n",     'set stores over it' ],
    [ "add k 0 0 1\r\nx\r\n",     "STORED\r\n",     'add takes its place' ],
    [ "replace k 0 0 1\r\nx\r\n", "NOT_STORED\r\n", 'replace finds nothing' ],
    [ "append k 0 0 1\r\nx\r\n",  "NOT_STORED\r\n", 'append finds nothing' ],
    [ "prepend k 0 0 1\r\nx\r\n", "NOT_STORED\r\n", 'prepend finds nothing' ],
    [ "cas k 0 0 1 1\r\nx\r\n",   "NOT_FOUND\r\n",  'cas finds nothing' ],
) {
    my ($request, $reply, $name) = @$case;
    $c->ask("set k 0 -1 3\r\nold\r\n");
    $c->expect($request, $reply, "an expired key: $name");
}
$c->ask("set k 9 100 3\r\nold\r\n");
$c->expect("append k 0 1 1\r\nx\r\n", "STORED\r\n", "append with a short time to live");
$c->expect("prepend k 0 1 1\r\nx\r\n", "STORED\r\n", "prepend with a short time to live");
$d->advance_clock(3);
$c->expect("get k\r\n", "VALUE k 9 5\r\nxoldx\r\nEND\r\n",
    "keep the longer one of the item");

# --- noreply -----------------------------------------------------------------

for my $case (
    [ 'set n 0 0 1 noreply',     'set',                           '' ],
    [ 'add n 0 0 1 noreply',     'add on a key that is there',    '' ],
    [ 'replace n 0 0 1 noreply', 'replace',                       '' ],
    [ 'append n 0 0 1 noreply',  'append',                        '' ],
    [ 'prepend n 0 0 1 noreply', 'prepend',                       '' ],
    [ 'cas n 0 0 1 1 noreply',   'cas with a wrong id',           '' ],
    [ 'cas m 0 0 1 1 noreply',   'cas on a key that is missing',  '' ],
) {
    my ($line, $what, $reply) = @$case;
    $c->expect("$line\r\nx\r\n", $reply, "$what says nothing with noreply");
}
$c->expect("get n m\r\n", hit(n => 'xxx'), "but all of them were done");

# --- counters ----------------------------------------------------------------

$c->ask(set(k => 'v'));
$d->stats_move({ cmd_set => 1, total_items => 1 },
    sub { $c->ask(set(k => 'w')) }, "a set counts one cmd_set and one item");
$d->stats_move({ cmd_set => 1 },
    sub { $c->ask("add k 0 0 1\r\nx\r\n") }, "a refused add counts one cmd_set");
$d->stats_move({ cmd_set => 1 },
    sub { $c->ask("replace no 0 0 1\r\nx\r\n") }, "a refused replace counts one cmd_set");
$d->stats_move({ cmd_set => 1, total_items => 1 },
    sub { $c->ask("append k 0 0 1\r\nx\r\n") }, "an append makes a new item");
$d->stats_move({ cmd_set => 1, cas_misses => 1 },
    sub { $c->ask("cas no 0 0 1 1\r\nx\r\n") },
        "a cas on a missing key counts cas_misses");
$d->stats_move({ cmd_set => 1, cas_badval => 1 },
    sub { $c->ask("cas k 0 0 1 1\r\nx\r\n") }, "a cas with a wrong id counts cas_badval");
my $id = $c->cas_of('k');
$d->stats_move({ cmd_set => 1, cas_hits => 1, total_items => 1 },
    sub { $c->ask("cas k 0 0 1 $id\r\nx\r\n") }, "a cas that stores counts cas_hits");
$d->stats_move({ cmd_set => 2, total_items => 1, curr_items => 1 },
    sub { $c->ask("add q 0 0 1 noreply\r\nx\r\nadd q 0 0 1\r\nx\r\n") },
    "noreply counts as any other command");

$d->stop_clean;
done_testing;
