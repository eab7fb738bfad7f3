# -o idle_timeout: who has nothing to say is sent away, who is at work is not.
#
# The server has one thread, which looks at all its connections at once: when one of them
# has been hung up on for idleness, the others have been looked at and were spared. Time
# moves in steps of less than the timeout, and who is to stay says a word at each.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
use Daemon;

my ($TIMEOUT, $STEP) = is_reference() ? (5, 3) : (300, 200);
my $SIZE   = 512 * 1024;
my $ROUNDS = 60;                    # of answers that no socket holds all at once
my $TOO_LARGE = 2_000_000;

# Larder has other limits for who has begun something: system/limits.t.
my $alone = is_reference() ? '' : ',header_timeout=0,body_timeout=0,write_timeout=0';
my @options = ('-t' => 1, '-o' => "debug_commands,idle_timeout=$TIMEOUT$alone");
my $d    = Daemon->start(@options);
my $busy = $d->connect;
my $big  = hit(big => 'v' x $SIZE);

# Let time pass, in which only the busy one and the one who looks on say something.
sub let_pass ($steps) {
    for (1 .. $steps) {
        $d->advance_clock($STEP);
        $busy->ask("mn\r\n");
        $d->stat('idle_kicks');
    }
}

sub kicks_become ($number, $name) {
    eventually(sub { $d->stat('idle_kicks') >= $number });
    is($d->stat('idle_kicks'), $number, $name);
}

# --- who goes, who does not --------------------------------------------------

$busy->ask(set(big => 'v' x $SIZE));
my ($silent, $mute, $half, $sender, $skipped) = map { $d->connect } 1 .. 5;
my $reader = $d->connect(window => $SIZE);
$silent->ask("mn\r\n");
$half->send("get big");
$sender->send("set half 0 0 10\r\nhalf ");
$skipped->send("set skipped 0 0 $TOO_LARGE\r\n" . 'x' x 1000);
$reader->send("get big\r\n" x $ROUNDS);
$d->barrier;
is($d->stat('idle_kicks'), 0, "at first, nobody is idle");
let_pass(1);
is($d->stat('idle_kicks'), 0, "nor before the timeout is over");
let_pass(1);
kicks_become(3, "then three connections are closed, and counted in idle_kicks");
$mute->closed("that of one who never said a word");
$silent->closed("of one who has had his answer");
$half->closed("of one who has sent half a line");
ok($busy->is_in_step, "not that of one who says something now and then");
$sender->expect("value\r\nget half\r\n", "STORED\r\n" . hit(half => 'half value'),
    "nor of one whose value is arriving");
$skipped->send('x' x ($TOO_LARGE - 1000) . "\r\n");
like($skipped->line, qr/too large/, "nor of one whose value is being skipped");
ok($skipped->is_in_step, "who is in step when all of it has come"); # the answer came before

# --- who reads slowly --------------------------------------------------------

my $wrong = 0;
for my $round (1 .. $ROUNDS) {
    $wrong++ if $reader->receive(length $big) ne $big;
    let_pass(1) if $round == $ROUNDS / 2;
}
is($wrong, 0, "who reads slowly gets all of his answer");
let_pass(1);
kicks_become(5, "and is not idle when he has it: those are who were silent meanwhile");
ok($reader->is_in_step, "he goes on");
let_pass(2);
kicks_become(6, "until he is silent as well");
$reader->closed("and closed");
$d->stop_clean;

# --- who is exempt -----------------------------------------------------------

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
$d = Daemon->start(@options, '-s' => "$dir/socket");
my $local = $d->connect;
$local->ask("mn\r\n");
$d->advance_clock(2 * $TIMEOUT);
my $seen = $d->stat('time');
ok(eventually(sub { $d->stat('time') > $seen + 2 }), "on a unix socket, time passes too");
is($d->stat('idle_kicks'), 0, "but nobody is sent away");
ok($local->is_in_step, "not even who was silent all the time");
$d->stop_clean;

$d = Daemon->start;
is($d->stat('idle_kicks'), undef, "without the option, there is no idle_kicks");
$d->stop_clean;
done_testing;
