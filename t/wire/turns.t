# A client that asks for much and reads it fast leaves the others their turn.
use strict; use warnings; use Test::More; use lib 't/lib'; use Daemon;

my $d = Daemon->start('-m' => 64, '-t' => 1);
my ($greedy, $other) = ($d->connect, $d->connect);
my $value = 'x' x 20_000;

$greedy->expect("set large 0 0 20000\r\n$value\r\nset small 0 0 1\r\n1\r\n",
    "STORED\r\nSTORED\r\n", 'a large value and a small one are stored');

# Fewer keys than a turn has requests, but much more than a turn sends.
my $keys = 150;
my $all  = "VALUE large 0 20000\r\n$value\r\n" x $keys . "END\r\n";
my $before = $d->stat('conn_yields');
$greedy->expect('get' . ' large' x $keys . "\r\n", $all, 'much is sent to one client');
verdict($d->stat('conn_yields') > $before, 'and others had their turn meanwhile');
$other->expect("get small\r\n", "VALUE small 0 1\r\n1\r\nEND\r\n", 'and are served');

$d->stop_clean;

# -R counts steps of 64 requests.
$d = Daemon->start('-t' => 1, '-R' => 2);
$other = $d->connect;
for my $requests (128, 129) {
    $before = $d->stat('conn_yields');
    $other->expect("md none\r\n" x $requests, "NF\r\n" x $requests, "$requests at once");
    my $yields = $d->stat('conn_yields') - $before;
    verdict($yields == $requests - 128, "$requests requests are two steps, or more");
}
$d->stop_clean;
done_testing;
