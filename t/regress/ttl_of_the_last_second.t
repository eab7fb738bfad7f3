# The seconds that an item has left were rounded down: t0, which means that it never ends,
# for one in its last second. Found by a review.
use strict;
use warnings;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start('-o' => 'debug_commands');
my $c = $d->connect;

$c->expect("debugtime p\r\n", "OK\r\n", 'time stands still');
$c->expect("ms a 1 T2\r\nx\r\n", "HD\r\n", 'an item for two seconds');
$c->expect("mg a t\r\n", "HD t2\r\n", 'has two seconds left');
$d->advance_clock(1);
$c->expect("mg a t\r\n", "HD t1\r\n", 'then one');
$d->advance_clock(1);
$c->expect("mg a t\r\n", "HD t1\r\n", 'and never 0 while it is there');
$d->advance_clock(1);
$c->expect("mg a t\r\n", "EN\r\n", 'then it is gone');
$d->stop_clean;
done_testing;
