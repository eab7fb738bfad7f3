# An item whose id a client has chosen to be 0 was the one that cas 0, C0 and, with -C, any
# id met. 0 is the id of nothing. Found by a review.
use strict;
use warnings;
use Test::More;
use lib 't/lib';
use Daemon;

for my $options ([], ['-C']) {
    my $d = Daemon->start(@$options);
    my $c = $d->connect;
    my $name = @$options ? 'without ids, ' : '';

    $c->expect("mg z N0 E0 c\r\n", "HD c0 W\r\n", "${name}an item with the id 0");
    $c->expect("mg z v C0\r\n", "VA 0 Z\r\n\r\n", "${name}C0 of mg does not know it");
    $c->expect("cas z 0 0 1 0\r\nx\r\n", "EXISTS\r\n", "${name}nor does cas 0");
    $c->expect("cas z 0 0 1 7\r\nx\r\n", "EXISTS\r\n", "${name}nor cas with another");
    $c->expect("ms z 1 C0\r\nx\r\n", "EX\r\n", "${name}nor C0 of ms");
    $c->expect("md z C9\r\n", "EX\r\n", "${name}nor C9 of md");
    $c->expect("md z C0\r\n", @$options ? "HD\r\n" : "EX\r\n",
        @$options ? "without ids, C0 of md is no condition" : "nor C0 of md");
    $d->stop_clean;
}
done_testing;
