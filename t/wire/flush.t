# flush_all: now, later, not at all.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADTIME = "CLIENT_ERROR invalid exptime argument\r\n";

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;
my $other = $d->connect;

# --- now ---------------------------------------------------------------------

$c->ask("set a 0 0 1\r\nv\r\nset b 0 100 1\r\nv\r\n", qr/\n.*\n/);
$c->expect("flush_all\r\n", "OK\r\n", "flush_all says OK");
$c->expect("get a b\r\n", "END\r\n", "and everything is gone");
$other->expect("get a b\r\n", "END\r\n", "for all connections");
$c->expect(set(k => 'v') . "flush_all\r\n" . set(k => 'w')
    . "get k\r\nflush_all\r\nget k\r\n",
    "STORED\r\nOK\r\nSTORED\r\n" . hit(k => 'w') . "OK\r\nEND\r\n",
    "what is stored after a flush in the same moment stays");
$c->ask(set(k => 'v'));
$c->expect("flush_all noreply\r\n", "", "flush_all with noreply says nothing");
$c->expect("get k\r\n", "END\r\n", "but flushes");
for my $case (
    [ "add k 0 0 1\r\nx\r\n",     "STORED\r\n",     'add' ],
    [ "replace k 0 0 1\r\nx\r\n", "NOT_STORED\r\n", 'replace' ],
    [ "append k 0 0 1\r\nx\r\n",  "NOT_STORED\r\n", 'append' ],
    [ "prepend k 0 0 1\r\nx\r\n", "NOT_STORED\r\n", 'prepend' ],
    [ "incr k 1\r\n",             "NOT_FOUND\r\n",  'incr' ],
    [ "decr k 1\r\n",             "NOT_FOUND\r\n",  'decr' ],
    [ "delete k\r\n",             "NOT_FOUND\r\n",  'delete' ],
    [ "touch k 0\r\n",            "NOT_FOUND\r\n",  'touch' ],
    [ "gat 0 k\r\n",              "END\r\n",        'gat' ],
) {
    my ($request, $reply, $command) = @$case;
    $c->ask(set(k => '5') . "flush_all\r\n", qr/OK\r\n/);
    $c->expect($request, $reply, "$command does not see what was flushed");
}
$c->ask(set(k => '5'));
my $cas = $c->cas_of('k');
$c->ask("flush_all\r\n");
$c->expect("cas k 0 0 1 $cas\r\nx\r\n", "NOT_FOUND\r\n", "nor does cas");

# --- many items --------------------------------------------------------------

$c->ask(join('', map { "set m$_ 0 0 1 noreply\r\nv\r\n" } 1 .. 5000) . "mn\r\n", qr/MN/);
$c->ask("flush_all\r\n");
$c->expect('get ' . join(' ', map { "m$_" } 1 .. 5000) . "\r\n", "END\r\n",
    "five thousand items are gone at once");
$c->ask(set(m1 => 'new'));
$c->expect("get m1 m2\r\n", hit(m1 => 'new'), "and their keys are free");

# --- arguments ---------------------------------------------------------------

for my $case (
    [ '0',           "OK\r\n",  0, 'is a flush now' ],
    [ '-1',          "OK\r\n",  0, 'is a flush now' ],
    [ '0 noreply',   "",        0, 'is a silent flush now' ],
    [ '2147483647',  "OK\r\n",  1, 'is a flush in 2038' ],
    [ '100 noreply', "",        1, 'is a silent flush later' ],
    [ 'abc',         $BADTIME,  1, 'is refused' ],
    [ '1a',          $BADTIME,  1, 'is refused' ],
    [ 'x noreply',   "",        1, 'is refused silently' ],
    [ '+1',          $BADTIME,  1, 'is refused, strictly' ],
    [ '2147483648',  $BADTIME,  1, 'is refused, strictly' ],
    [ '0 0 x',       "OK\r\n",  0, 'is a flush now, and more words' ],
    [ '0 0 noreply', "",        0, 'is a silent flush now, and more words' ],
) {
    my ($argument, $reply, $stays, $what) = @$case;
    $c->ask(set(k => 'v'));
    $c->expect("flush_all $argument\r\nget k\r\n",
        $reply . ($stays ? hit(k => 'v') : "END\r\n"),
        "flush_all $argument $what");
    $c->ask("flush_all 0\r\n");         # takes the place of one that was pending
}

# --- later -------------------------------------------------------------------

# A second and less is looked at, so the clock stands still, but for being moved.
my $stops = !is_reference();
$c->ask("debugtime p\r\n") if $stops;
$c->ask(set(k => 'v'));
$c->expect("flush_all 5\r\n", "OK\r\n", "flush_all with a delay");
$c->expect("get k\r\n", hit(k => 'v'), "does nothing yet");
$d->advance_clock(3);
$c->expect("get k\r\n", hit(k => 'v'), "nor a second and more before its time");
$c->ask(set(late => 'v'));
$d->advance_clock(1);
$c->expect("get k\r\n", hit(k => 'v'), "nor in the second before it");
$d->advance_clock(2);
$c->expect("get k late\r\n", "END\r\n",
    "then all are gone, also those stored in between");
$c->ask("debugtime r\r\n") if $stops;
$c->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
    "but not those stored after it");
$d->advance_clock(2);
$c->expect("get k\r\n", hit(k => 'v'), "which stay");

$c->expect("flush_all 2\r\nflush_all 100\r\n", "OK\r\nOK\r\n", "a second delayed flush");
$d->advance_clock(4);
$c->expect("get k\r\n", hit(k => 'v'), "takes the place of the first, which never comes");

# --- counters ----------------------------------------------------------------

$d->stats_move({ cmd_flush => 1 }, sub { $c->ask("flush_all\r\n") },
    "counts one cmd_flush");
$d->stop_clean;

# --- not at all --------------------------------------------------------------

my $REFUSED = "CLIENT_ERROR flush_all not allowed\r\n";
$d = Daemon->start('-F');
$c = $d->connect;
$c->ask(set(k => 'v'));
$c->expect("flush_all\r\nflush_all 0\r\nflush_all 100\r\nflush_all abc\r\n", $REFUSED x 4,
    "with -F flush_all is refused");
$c->expect("flush_all noreply\r\n", "", "silently with noreply");
$c->expect("get k\r\n", hit(k => 'v'), "and flushes nothing");
$d->stats_move({ cmd_flush => 1 }, sub { $c->ask("flush_all\r\n") }, "but it is counted");
is($d->stats('settings')->{flush_enabled}, 'no', "and stats settings says so");
$d->stop_clean;
done_testing;
