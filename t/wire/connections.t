# Connections: how many there may be, and what the next one is told.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'with TLS nobody is told why he is refused' if $ENV{TEST_TLS};
my $TOO_MANY = "ERROR Too many open connections\r\n";

# --- the limit, answered at once ---------------------------------------------

my $d = Daemon->start('-c' => 60, '-t' => 2);
my ($served, $refused) = connect_until_refused($d);
cmp_ok(@$served, '>', 10, "-c 60 lets some clients in");
cmp_ok(@$served, '<', 60, "but no more than 60 with the one that looks on");
ok(defined $refused, "the next one is told ERROR Too many open connections");
$refused->closed("and hung up on");
is($d->stat('max_connections'), 60, "max_connections shows the limit");
is($d->stat('rejected_connections'), 1, "rejected_connections counts those sent away");
is($d->stat('curr_connections'), @$served + 1, "curr_connections those who are there");
my $answers = grep { $_->is_in_step } @$served;
is($answers, scalar @$served, "all of them are served");
my $another = $d->connect;
is($another->line, $TOO_MANY, "one more is refused too");

shift(@$served)->close;
my $after;
ok(eventually(sub {
    $after = $d->connect;
    return $after->send("mn\r\n") && $after->line eq "MN\r\n";
}), "once one has gone, another is let in");
ok($after->is_in_step, "and served");
$d->stop_clean;

# Connections one after the other, each asked for an answer, until one is refused.
sub connect_until_refused ($daemon) {
    my @served;

    for (1 .. 100) {
        my $client = $daemon->connect;
        $client->send("mn\r\n");
        my $line = $client->line;
        return (\@served, $client) if $line eq $TOO_MANY;
        push @served, $client;
    }
    return (\@served, undef);
}

# --- the limit, waiting ------------------------------------------------------

# With -v, since the reference complains of it on stderr.
$d = Daemon->start('-c' => 60, '-t' => 2, '-v', '-o' => 'no_maxconns_fast');
is($d->stat('accepting_conns'), 1, "with no_maxconns_fast, clients are accepted");
my ($in, $waiting) = connect_until_not_served($d);
cmp_ok(@$in, '>', 10, "some clients are let in");
cmp_ok(@$in, '<', 60, "but no more than 60");
is($d->stat('accepting_conns'), 0, "then the server stops accepting");
cmp_ok($d->stat('listen_disabled_num'), '>=', 1, "which it counts");
is($waiting->unread, '', "the next one waits, and is told nothing");
$answers = grep { $_->is_in_step } @$in;
is($answers, scalar @$in, "those who are in are served");
$_->close for @$in[ 0 .. 4 ];
is($waiting->receive(4), "MN\r\n", "once some have gone, the one who waited is served");
ok(eventually(sub { $d->stat('accepting_conns') == 1 }), "and the server accepts again");
my $new = $d->connect;
ok($new->is_in_step, "also new ones");
$d->stop_clean;

# Connections one after the other until the server says that it accepts no more.
sub connect_until_not_served ($daemon) {
    my @in;

    for (1 .. 100) {
        my $client = $daemon->connect;
        $client->send("mn\r\n");
        my $is_served = 0;
        eventually(sub {
            $is_served = $client->take_in;
            return $is_served || $daemon->stat('accepting_conns') == 0;
        });
        return (\@in, $client) if !$is_served;
        $client->receive(4);
        push @in, $client;
    }
    return (\@in, undef);
}

# --- many --------------------------------------------------------------------

$d = Daemon->start('-c' => 1024);
my @many = map { $d->connect } 1 .. 500;
$_->send("set k 0 0 1\r\nv\r\nget k\r\n") for @many;
my $answer = "STORED\r\n" . hit(k => 'v');
my $right  = grep { $_->receive(length $answer) eq $answer } @many;
is($right, 500, "five hundred clients are served at the same time");
$_->close for @many;
ok(eventually(sub { $d->stat('curr_connections') == 1 }),
    "and when they go, none is left");
$d->connect->close for 1 .. 2000;
ok(eventually(sub { $d->stat('curr_connections') == 1 }),
    "nor of two thousand that come and go without a word");

# --- threads -----------------------------------------------------------------

for my $threads (1, 3) {
    my $t = Daemon->start('-t' => $threads);
    my @clients = map { $t->connect } 1 .. 10;
    $clients[$_]->ask("set k$_ 0 0 1\r\n$_\r\n") for 0 .. 9;
    my $all = hit(map { ("k$_" => $_) } 0 .. 9);
    my @keys   = map { "k$_" } 0 .. 9;
    my $agreed = grep { $_->ask("get @keys\r\n", qr/END/) eq $all } @clients;
    is($agreed, 10, "with -t $threads, all clients see what each has stored");
    $t->stop_clean("with -t $threads, the server stops cleanly");
}

$d->stop_clean;
done_testing;
