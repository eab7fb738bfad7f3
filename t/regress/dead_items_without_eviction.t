# Under -M a full cache must take back what has been flushed or has expired; once it did not,
# and refused every new key for ever.
use strict;
use warnings;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start('-M', '-m' => 2, '-o' => 'debug_commands');
my $c = $d->connect;
my $value = 'v' x 1000;

# Stores keys until one is refused; how many were stored.
sub fill {
    my ($prefix, $ttl) = @_;
    my $n = 0;
    while ($n < 10_000) {
        $c->send("set $prefix$n 0 $ttl 1000\r\n$value\r\n");
        last if $c->line ne "STORED\r\n";
        $n++;
    }
    return $n;
}

my $first = fill('a', 0);
cmp_ok($first, '>', 500, 'the cache fills up');
cmp_ok($first, '<', 10_000, 'and refuses more');
$c->expect("flush_all\r\n", "OK\r\n", 'everything is flushed');
cmp_ok(fill('b', 5), '>=', $first * 0.9, 'there is room for as much again');
$d->advance_clock(6);
cmp_ok(fill('c', 0), '>=', $first * 0.9, 'and once more when that has expired');
$d->stop_clean;
done_testing;
