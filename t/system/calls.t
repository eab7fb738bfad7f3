# What a request costs the system: for each, or for each batch, the thread that serves waits
# once, reads once and sends once, and makes no other call.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Calls qw(descriptor_of has_strace traced);
use List::Util 'pairs';

plan skip_all => 'memcached reads in another way' if is_reference();
plan skip_all => 'NOT TESTED: no strace here'     if !has_strace();

my $ROUNDS   = 20;
my $ATTEMPTS = 10;
my $VALUE    = 'v' x 100;
my $LARGE    = 'l' x 8000;              # one that is not copied into the reply

my $d    = Daemon->start('-t' => 1);
my $c    = $d->connect;
my @keys = map { sprintf 'key:%04d', $_ } 1 .. 50;
$c->ask(set($_ => $VALUE)) for @keys;
$c->ask(set(large => $LARGE));
$c->ask(set(n => '1000'));
my $fd = descriptor_of($d, $c);

my $key   = $keys[0];
my @asked = (
    'get'                => ["get $key\r\n", hit($key => $VALUE)],
    'get of a miss'      => ["get nothing\r\n", "END\r\n"],
    'get of 50 keys'     => ["get @keys\r\n", hit(map { ($_ => $VALUE) } @keys)],
    'get of a large one' => ["get large\r\n", hit(large => $LARGE)],
    '16 gets at once'    => ["get $key\r\n" x 16, hit($key => $VALUE) x 16],
    'mg'                 => ["mg $key v\r\n", "VA 100\r\n$VALUE\r\n"],
    '16 mg at once'      => ["mg $key v\r\n" x 16, "VA 100\r\n$VALUE\r\n" x 16],
    'set'                => [set($key => $VALUE), "STORED\r\n"],
    '16 sets at once'    => [set($key => $VALUE) x 16, "STORED\r\n" x 16],
    'set of a large one' => [set(large => $LARGE), "STORED\r\n"],
    'ms'                 => ["ms $key 100\r\n$VALUE\r\n", "HD\r\n"],
    'incr'               => ["incr n 1\r\n", "1001\r\n"],
    'touch'              => ["touch $key 0\r\n", "TOUCHED\r\n"],
    'delete of a miss'   => ["delete nothing\r\n", "NOT_FOUND\r\n"],
);

# Of the thread that serves the connection: how often each call was made. A wait counts that
# an event has ended, for the tracer ends one, too.
sub count_calls (@lines) {
    my ($thread) = map { /^(\d+) +\w+\($fd,/ ? $1 : () } @lines;
    my %times;

    return 'nobody has read' if !$thread;
    for my $line (grep { /^$thread / } @lines) {
        if ($line =~ /\bepoll_\w*wait/) {
            $times{wait}++ if $line =~ /= [1-9]\d*$/;
        } elsif ($line =~ /^\d+ +(\w+)\((\d+)?/) {
            my $call = { recvfrom => 'read', sendto => 'send', sendmsg => 'send' }->{$1} // $1;
            $times{ ($2 // '') eq $fd ? $call : "$1 elsewhere" }++;
        }
    }
    return join ', ', map { "$_ $times{$_}" } sort keys %times;
}

# Ask again and again, and only when an answer has come.
sub calls_for ($request, $answer) {
    my $wrong = 0;
    my @lines = traced($d, 'all', sub {
        for my $round (1 .. $ROUNDS) {
            my $got = $c->ask($request, qr/\A.{@{[ length $answer ]}}\z/s);
            $wrong++ if $got ne $answer && $got !~ /^\d+\r\n\z/;
        }
    });

    return @lines && $wrong ? "$wrong wrong answers" : @lines ? count_calls(@lines) : undef;
}

my $EXPECTED = "read $ROUNDS, send $ROUNDS, wait $ROUNDS";
for my $case (pairs @asked) {
    my ($name, $dialogue) = @$case;
    my @counts;

    # Once a second the thread looks at its connections: not in each of the attempts.
    for (1 .. $ATTEMPTS) {
        push @counts, calls_for(@$dialogue);
        last if !defined $counts[-1] || $counts[-1] eq $EXPECTED;
    }
    SKIP: {
        skip 'NOT TESTED: strace may not trace here', 1 if !defined $counts[-1];
        is($counts[-1], $EXPECTED, "$name: one wait, one read, one send and no more")
            or diag(join "\n", @counts);
    }
}
SKIP: {
    my $counts = calls_for(set(huge => 'h' x 60_000), "STORED\r\n");
    skip 'NOT TESTED: strace may not trace here', 1 if !defined $counts;
    like($counts, qr/\breadv [1-9]/, 'what does not fit into the buffer is read on');
}
$d->stop_clean;
done_testing;
