# Two thousand clients who send or take a byte now and then, and those who work beside them:
# the ones are sent away in time, the others are answered rightly all the while.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'memcached waits for ever' if is_reference();

my $TRICKLERS = 2000;
my $ACTIVE    = 50;
my $LIMIT     = 100;
my $STEP      = 20;
my $LARGE     = 300_000;

need_open_files(2 * $TRICKLERS);

my $options = join ',', 'debug_commands', map { "${_}_timeout=$LIMIT" } qw(header body write);
my $d = Daemon->start('-m' => 64, '-c' => 2 * $TRICKLERS, '-t' => 2, '-R' => 1000,
    '-o' => $options);
my @active  = map { $d->connect } 1 .. $ACTIVE;
my @shared  = (small => 's' x 1000, large => 'l' x $LARGE);
$active[0]->ask(set(@shared[ $_, $_ + 1 ])) for 0, 2;
$_->ask("mn\r\n") for @active;
my $open = $d->stat('curr_connections');

# One of ten asks for more than the kernel holds for it, and reads a byte now and then; of
# the others one half sends a line, the other one a value.
my @tricklers = map {
    my $client = $d->connect(window => 4096);

    if ($_ % 10 == 0) {
        $client->push_out("get small\r\n" x 20_000, 0);
    } else {
        $client->push_out($_ % 2 ? 'get k' : "set v$_ 0 0 1000000\r\nv", 0);
    }
    { client => $client, reads => $_ % 10 == 0 }
} 1 .. $TRICKLERS;
my ($lines, $readers) = ($TRICKLERS / 2, $TRICKLERS / 10);
my $values = $TRICKLERS - $lines - $readers;

sub trickle () {
    for my $each (@tricklers) {
        my $client = $each->{client};

        if ($each->{reads}) {
            sysread $client->{socket}, my $byte, 1;
        } else {
            $client->push_out('k', 0);
        }
    }
}

# All of them work: what they store is theirs alone, what they read is for all.
my ($answers, $wrong) = (0, 0);
sub work ($round) {
    for my $n (0 .. $#active) {
        my $value  = "v$n in round $round";
        my $right  = "STORED\r\n" . hit("own$n" => $value) . hit(@shared);
        my $answer = $active[$n]->ask(set("own$n" => $value) . "get own$n\r\nget small large\r\n",
            qr/\nEND\r\n.*\nEND\r\n\z/s);

        $answers++;
        $wrong++ if $answer ne $right;
    }
}

ok(eventually(sub { $d->stat('curr_connections') == $open + $TRICKLERS }), "$TRICKLERS trickle");
my $round = 0;
while ($round < 6) {
    work(++$round);
    trickle();
    $d->advance_clock($STEP);
}
ok(eventually(sub { work(++$round); $d->stat('header_kicks') == $lines }),
    'those who send a line have gone');
# What a value, or an answer, is granted begins with the first look at it.
until ($d->stat('curr_connections') == $open || $round > 200) {
    work(++$round);
    trickle();
    $d->advance_clock($STEP) if $round % 5 == 0;
}
my $stats = $d->stats;
is($stats->{curr_connections}, $open, 'in the end all who trickle have gone');
is($stats->{header_kicks}, $lines, 'header_kicks: those of a line');
is($stats->{body_kicks}, $values, 'body_kicks: those of a value');
is($stats->{write_kicks}, $readers, 'write_kicks: those who did not read');
is($stats->{conn_mem_bytes}, 0, 'and nothing is kept for them');
cmp_ok($answers, '>=', $ACTIVE * 7, 'meanwhile others have worked');
is($wrong, 0, 'and got the right answers');
$d->stop_clean;
done_testing;
