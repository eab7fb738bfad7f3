# `stats` met a `stats reset` of another worker, whose sums were the later ones: what had
# been counted since then was less than nothing, 18446744073709551416.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d       = Daemon->start('-t' => 4);
my @clients = map { $d->connect } 1 .. 4;
my $absurd  = 0;

for my $round (1 .. 60) {
    $clients[0]->send("get a\r\n" x 3000 . "mn\r\n");
    $clients[1]->send("stats reset\r\n" x 500 . "mn\r\n");
    $clients[2]->send("stats reset\r\n" x 500 . "mn\r\n");
    my $stats = $clients[3]->ask("stats\r\n" x 30 . "mn\r\n", qr/MN\r\n\z/);
    $absurd += () = $stats =~ /STAT \w+ \d{15}/g;
    $clients[$_]->ask("version\r\n", qr{VERSION .*\n\z}) for 0 .. 2;
}
is($absurd, 0, 'no figure is less than nothing');
$d->stop_clean;
done_testing;
