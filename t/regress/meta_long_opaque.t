# ma said that its opaque was too long where it had not counted: of two mistakes the one
# that is found first is told. Found by t/differential.
use strict;
use warnings;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start;
my $c = $d->connect;
my $long = 'O' . 'q' x 32;

$c->expect("set a 0 0 1\r\nx\r\n", "STORED\r\n", 'no number');
$c->expect("ma a $long\r\n",
    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    'comes before a long opaque');
$c->expect("set n 0 0 1\r\n1\r\n", "STORED\r\n", 'a number');
$c->expect("ma n $long\r\n", "CLIENT_ERROR opaque token too long\r\n", 'does not');
$c->expect("ma m $long\r\n", "CLIENT_ERROR opaque token too long\r\n", 'nor does a miss');
$d->stop_clean;
done_testing;
