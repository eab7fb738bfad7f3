# -R: many clients with more to do than a turn allows take turns until all are done.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $CLIENTS  = 60;
my $REQUESTS = 1000;                # of a client; a turn of larder is 64 with -R 1
my $answer   = hit(k => 'v');

my $d = Daemon->start('-t' => 1, '-R' => 1);
$d->connect->ask(set(k => 'v'));
for my $round (1 .. 3) {
    my @clients = map { $d->connect } 1 .. $CLIENTS;
    my $before  = $d->stat('conn_yields');

    $_->send("get k\r\n" x $REQUESTS) for @clients;
    $_->close for @clients[ 0 .. $round * 5 ];          # and some do not wait for theirs
    splice @clients, 0, $round * 5 + 1;
    my $right = grep { $_->receive($REQUESTS * length $answer) eq $answer x $REQUESTS }
        @clients;
    is($right, scalar @clients, "round $round: all are answered, and in order");
    cmp_ok($d->stat('conn_yields') - $before, '>=', scalar @clients,
        "each had to let others go first");
    ok(!(grep { !$_->is_in_step } @clients), "and nobody waits for more");
}

# Those who wait for their turn when the server ends.
my @waiting = map { $d->connect } 1 .. $CLIENTS;
$_->send("get k\r\n" x $REQUESTS) for @waiting;
$d->stop_clean('the server stops cleanly while many wait for their turn');
done_testing;
