# What is asked most often needs no memory from the system and no event: a server that serves
# makes none of the calls that t/faults/faults.c can let fail.
use v5.36;
use Test::More;
use lib 't/lib', 't/faults';
use Faults qw(calls fail_never fail_once);
use Daemon;
use List::Util 'pairs';

my $NEVER  = 1 << 40; # the number of the call that is to fail
my $ROUNDS = 200;
my $VALUE  = 'v' x 100;

my $d = Daemon->start('-t' => 1);
my $c = $d->connect;
my @keys = map { sprintf 'key:%04d', $_ } 1 .. 50;
$c->ask(set($_ => $VALUE)) for @keys;
$c->ask(set(n => '1000'));

my $key     = $keys[0];
my $values  = hit(map { ($_ => $VALUE) } @keys);
my @asked   = (
    'get'                => ["get $key\r\n", hit($key => $VALUE)],
    'gets of a miss'     => ["gets nothing\r\n", "END\r\n"],
    'get of 50 keys'     => ["get @keys\r\n", $values],
    'a pipeline of gets' => ["get $key\r\n" x 16, hit($key => $VALUE) x 16],
    'mg'                 => ["mg $key v\r\n", "VA 100\r\n$VALUE\r\n"],
    'a pipeline of mg'   => ["mg $key v\r\n" x 16 . "mn\r\n", "VA 100\r\n$VALUE\r\n" x 16 . "MN\r\n"],
    'set over a value'   => [set($key => $VALUE), "STORED\r\n"],
    'ms over a value'    => ["ms $key 100\r\n$VALUE\r\n", "HD\r\n"],
    'incr'               => ["incr n 1\r\n", qr/^1\d{3}\r\n\z/],
    'touch'              => ["touch $key 0\r\n", "TOUCHED\r\n"],
    'delete of a miss'   => ["delete nothing\r\n", "NOT_FOUND\r\n"],
);

# Ask again and again; how many calls that took.
sub calls_for ($request, $answer) {
    my $end   = ref $answer ? $answer : qr/\A.{@{[ length $answer ]}}\z/s;
    my $wrong = 0;

    fail_once($NEVER);
    for (1 .. $ROUNDS) {
        my $got = $c->ask($request, $end);
        $wrong++ if ref $answer ? $got !~ $answer : $got ne $answer;
    }
    my $calls = calls();
    fail_never();
    return $wrong ? "$wrong wrong answers" : $calls;
}

for my $case (pairs @asked) {
    my ($name, $dialogue) = @$case;

    # What is needed once for all is there then. And upkeep may be at work, but not for ever.
    $c->ask($dialogue->[0], qr/\n\z/);
    my @counts = map { calls_for(@$dialogue) } 1 .. 3;
    ok(scalar(grep { $_ eq '0' } @counts), "$name: no allocation, no event") or diag("@counts");
}

# The count is one: what needs memory is seen to.
fail_once($NEVER);
$c->ask(set("new$_" => $VALUE)) for 1 .. 10;
my $calls = calls();
fail_never();
cmp_ok($calls, '>=', 10, 'a new item needs a chunk');
$d->stop_clean;
done_testing;
