# Times to live: relative up to 30 days, absolute beyond, gone when they are over.
#
# Where a time must be over, the clock is moved a second further: memcached takes
# away up to a second of a time to live, larder adds up to a quarter.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Time::HiRes qw(sleep time);

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

# --- relative ----------------------------------------------------------------

$c->ask("set five 0 5 1\r\nv\r\nset ever 0 0 1\r\nv\r\n", qr/\n.*\n/);
$c->expect("get five ever\r\n", hit(five => 'v', ever => 'v'),
    "an item with a time to live");
$d->advance_clock(4);
$c->expect("get five ever\r\n", hit(five => 'v', ever => 'v'),
    "is there after four of five");
$d->advance_clock(2);
$d->stats_move({ cmd_get => 2, get_hits => 1, get_misses => 1, get_expired => 1 }, sub {
    $c->expect("get five ever\r\n", hit(ever => 'v'), "and is gone after six");
}, "which counts as expired and as a miss");
$c->expect("get ever\r\n", hit(ever => 'v'), "an item with a time of 0 stays");

for my $case (
    [ "incr n 1\r\n",             "NOT_FOUND\r\n",  'incr' ],
    [ "touch n 100\r\n",          "NOT_FOUND\r\n",  'touch' ],
    [ "delete n\r\n",             "NOT_FOUND\r\n",  'delete' ],
    [ "gat 100 n\r\n",            "END\r\n",        'gat' ],
    [ "gets n\r\n",               "END\r\n",        'gets' ],
    [ "replace n 0 0 1\r\nx\r\n", "NOT_STORED\r\n", 'replace' ],
    [ "append n 0 0 1\r\nx\r\n",  "NOT_STORED\r\n", 'append' ],
    [ "cas n 0 0 1 1\r\nx\r\n",   "NOT_FOUND\r\n",  'cas' ],
    [ "add n 0 0 1\r\nx\r\n",     "STORED\r\n",     'add' ],
) {
    my ($request, $reply, $command) = @$case;
    $c->ask("set n 0 -1 1\r\n1\r\n");
    $c->expect($request, $reply, "$command does not see what has expired");
}
$c->ask("set k 0 2 1\r\nv\r\nset k 0 0 1\r\nw\r\nadd l 0 2 1\r\nv\r\n", qr/(\n.*){3}/);
$d->advance_clock(3);
$c->expect("get k l\r\n", hit(k => 'w'), "a new value has a time to live of its own");

# --- absolute ----------------------------------------------------------------

my $now = $d->stat('time');
for my $case (
    [ $now + 100,  1, 'a moment in the future' ],
    [ $now - 1,    0, 'a moment in the past' ],
    [ $now - 1000, 0, 'a moment before the start of the server' ],
    [ 2_592_000,   1, '30 days, which are relative' ],
    [ 2_592_001,   0, '30 days and a second, a moment in 1970' ],
) {
    my ($time, $seen, $what) = @$case;
    $c->expect("set k 0 $time 1\r\nv\r\nget k\r\n",
        "STORED\r\n" . ($seen ? hit(k => 'v') : "END\r\n"), "set until $what");
    $c->expect(set(k => 'w') . "touch k $time\r\nget k\r\n",
        "STORED\r\nTOUCHED\r\n" . ($seen ? hit(k => 'w') : "END\r\n"),
        "touch until $what");
    $c->expect(set(k => 'x') . "gat $time k\r\nget k\r\n",
        "STORED\r\n" . hit(k => 'x') . ($seen ? hit(k => 'x') : "END\r\n"),
        "gat until $what");
}
$now = $d->stat('time');
$c->ask(sprintf("set k 0 %d 1\r\nv\r\n", $now + 3));
$d->advance_clock(1);
$c->expect("get k\r\n", hit(k => 'v'), "an absolute time has not come");
$d->advance_clock(3);
$c->expect("get k\r\n", "END\r\n", "an absolute time has come");

# --- to the fraction of a second ---------------------------------------------

# Half way between two ticks of memcached, for whom the next tick is one second.
$d->advance_clock(1);
sleep 0.5 if is_reference();
my $sent = time;
$c->ask("set k 0 1 1\r\nv\r\n");
my $stored = time;
my ($hit_asked, $miss_answered) = watch_it_go('k', $sent + 5);
cmp_ok($hit_asked, '<', $stored + 1.5, "a time to live of one second is over after 1.5");
verdict($miss_answered > $sent + 1, "but lasts a whole second",
    sprintf "gone after %.3f s\n", $miss_answered - $sent);

# Ask for a key until it is gone: when the last answer that showed it was asked
# for, and when the first that did not was there. Neither errs to our side when
# this process has to wait for its turn.
sub watch_it_go ($key, $deadline) {
    my $hit_asked = 0;

    while ((my $asked = time) < $deadline) {
        my $answer = $c->ask("get $key\r\n", qr/END\r\n\z/);
        return ($hit_asked, time) if $answer eq "END\r\n";
        $hit_asked = $asked;
        sleep 0.001;
    }
    return ($deadline, $deadline);
}

$d->stop_clean;
done_testing;
