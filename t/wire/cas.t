# CAS ids: one for each version of an item, and never the same twice.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start;
my $c = $d->connect;

# --- what makes a new one ----------------------------------------------------

$c->ask("set k 0 100 1\r\n1\r\n");
my %seen = ($c->cas_of('k') => 'the first');
for my $case (
    [ "set k 0 100 1\r\n2\r\n",    'set' ],
    [ "set k 0 100 1\r\n2\r\n",    'set of the same value' ],
    [ "replace k 0 100 1\r\n3\r\n", 'replace' ],
    [ "append k 0 0 1\r\n4\r\n",   'append' ],
    [ "prepend k 0 0 1\r\n5\r\n",  'prepend' ],
    [ "append k 0 0 0\r\n\r\n",    'append of nothing' ],
    [ "incr k 1\r\n",              'incr' ],
    [ "incr k 100000\r\n",         'incr that makes it longer' ],
    [ "decr k 1\r\n",              'decr' ],
    [ "incr k 0\r\n",              'incr by 0' ],
    [ "delete k\r\n",              'delete and add', "add k 0 0 1\r\n6\r\n" ],
    [ "flush_all\r\n",             'flush_all and set', "set k 0 0 1\r\n7\r\n" ],
) {
    my ($request, $what, $after) = @$case;
    my $before = $c->cas_of('k');
    $c->ask($request);
    $c->ask($after) if defined $after;
    my $cas = $c->cas_of('k');
    ok($cas && !$seen{$cas}, "$what gives an id that was never seen");
    cmp_ok($cas, '>', $before, "and it is higher") if $what !~ /and/;
    $seen{$cas} = $what;
}
for my $case (
    [ "get k\r\n",                  'get',                qr/END/ ],
    [ "gets k\r\n",                 'gets',               qr/END/ ],
    [ "gat 100 k\r\n",              'gat',                qr/END/ ],
    [ "touch k 100\r\n",            'touch',              qr/\n/ ],
    [ "add k 0 0 1\r\nx\r\n",       'a refused add',      qr/\n/ ],
    [ "cas k 0 0 1 1\r\nx\r\n",     'a refused cas',      qr/\n/ ],
    [ "set k 0 0 x\r\n",            'a refused line',     qr/\n/ ],
    [ "incr k x\r\n",               'a refused incr',     qr/\n/ ],
    [ "set k 0 0 1\r\nxab",         'a bad data chunk',   qr/chunk\r\n/ ],
    [ "delete no\r\n",              'another key',        qr/\n/ ],
) {
    my ($request, $what, $end) = @$case;
    my $before = $c->cas_of('k');
    $c->ask($request, $end);
    is($c->cas_of('k'), $before, "$what leaves the id");
}

# --- many keys ---------------------------------------------------------------

$c->ask(join('', map { "set many$_ 0 0 1 noreply\r\nv\r\n" } 1 .. 5000) . "mn\r\n",
    qr/MN/);
my %owner;
my $shown = $c->ask('gets ' . join(' ', map { "many$_" } 1 .. 5000) . "\r\n",
    qr/END\r\n\z/);
$owner{$1}++ while $shown =~ /^VALUE \S+ 0 1 (\d+)\r$/mg;
is(scalar keys %owner, 5000, "five thousand items have five thousand ids");
ok(!$owner{0}, "and none is 0");

# --- two writers -------------------------------------------------------------

# Each adds one to a number a thousand times, by gets and cas, as clients do.
my @writers = ($d->connect, $d->connect);
my $tries = 0;
$c->ask(set(n => '0'));
for my $round (1 .. 500) {
    my @shown = map { $_->ask("gets n\r\n", qr/END\r\n\z/) } @writers;
    my @seen  = map { [ /0 \d+ (\d+)\r\n(\d+)/ ] } @shown;
    for my $n (rand() < 0.5 ? (0, 1) : (1, 0)) {
        my ($cas, $value) = $seen[$n]->@*;
        $value++;
        my $line   = sprintf 'cas n 0 0 %d %s', length $value, $cas;
        my $answer = $writers[$n]->ask("$line\r\n$value\r\n");
        $tries++ if $answer eq "STORED\r\n";
    }
}
is($tries, 500, "of two that saw the same version, one may store");
$c->expect("get n\r\n", hit(n => '500'), "so no change is lost");

# Each of these keys has the number after that of the one before it?
$c->ask(set("one$_" => 'v')) for 1 .. 50;
my @ids = map { $c->cas_of("one$_") } 1 .. 50;
verdict((grep { $ids[$_] != $ids[0] + $_ } 1 .. 49), "ids of all keys are no one sequence");

# --- 0, which no item has ----------------------------------------------------

$c->ask(set(k => 'b'));
$c->expect("ms k 1 MA C0\r\nc\r\n", "HD\r\n", "0 does not keep MA from joining");
$c->expect("ms k 1 MP C0\r\na\r\n", "HD\r\n", "nor MP");
$c->expect("get k\r\n", hit(k => 'abc'), "and both did");
$c->expect("ms k 1 C0\r\nx\r\n", "EX\r\n", "but it is no id that a set could find");
$d->stop_clean;

# --- none --------------------------------------------------------------------

$d = Daemon->start('-C');
$c = $d->connect;
$c->ask(set(k => 'v'));
is($c->cas_of('k'), 0, "with -C gets shows 0");
$c->expect("cas k 0 0 1 $_\r\nw\r\n", "EXISTS\r\n", "and cas with $_ is refused") for 0,
    1;
$c->expect("cas no 0 0 1 1\r\nw\r\n", "NOT_FOUND\r\n",
    "and finds no key that is not there");
$c->expect("get k\r\n", hit(k => 'v'), "and changes nothing");
$d->stop_clean;
done_testing;
