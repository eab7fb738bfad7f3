# -R counts steps of 64 requests. A large -R once overflowed to a turn of no requests, and a
# worker span without ever answering.
use strict;
use warnings;
use Test::More;
use lib 't/lib';
use Daemon;

for my $steps (1, 67_108_864, 2_147_483_647) {
    my $d = Daemon->start('-R' => $steps);
    my $c = $d->connect;
    $c->expect("set a 0 0 1\r\nx\r\n" . "get a\r\n" x 500,
        "STORED\r\n" . "VALUE a 0 1\r\nx\r\nEND\r\n" x 500, "-R $steps answers all");
    $d->stop_clean;
}
done_testing;
