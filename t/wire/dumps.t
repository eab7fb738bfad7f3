# lru_crawler metadump and mgdump: every item once, or again where the table grows
# meanwhile, for any number of clients at once.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $ITEMS = 40_000;             # lines of more than sockets hold
my $TAIL  = 'x' x 200;

my $d = Daemon->start('-m' => 256, '-t' => 1);
my $c = $d->connect;
$c->ask(join('', map { "ms $_$TAIL 0 q\r\n\r\n" } 1 .. $ITEMS) . "mn\r\n", qr/MN\r\n\z/);
is($d->stat('curr_items'), $ITEMS, "many items");

# One does not read, so its dump cannot be over when the others have theirs.
my $idle = $d->connect(window => 65536);
$idle->send("lru_crawler metadump all\r\n");
$idle->read_until(sub { $idle->unread =~ /key=/ });

for my $round (1 .. 2) {
    my $dump = $d->connect->ask("lru_crawler metadump all\r\n", qr/(?:END|BUSY.*)\r\n\z/);
    my %seen;
    $seen{$_}++ for $dump =~ /^key=(\d+)/mg;
    verdict(keys %seen == $ITEMS && !(grep { $_ != 1 } values %seen),
        "metadump $round shows every item once while another is under way");
}
$c->expect("mg 1$TAIL s\r\n", "HD s0\r\n", "meanwhile others are served");
verdict($idle->read_until(sub { $idle->last_unread(5) eq "END\r\n" }),
    "who was slow to read has the rest as well");
$d->stop_clean;

if (is_reference()) {    # its dumps follow the lists, and miss some of what moves there
    done_testing;
    exit;
}

# The table becomes many times as large while they wait for their readers.
$d = Daemon->start('-m' => 256, '-t' => 1);
$c = $d->connect;
$c->ask(join('', map { "ms $_$TAIL 0 q\r\n\r\n" } 1 .. $ITEMS) . "mn\r\n", qr/MN\r\n\z/);
my $power = $d->stat('hash_power_level');
my %dumps = map { $_ => $d->connect(window => 65536) } qw(metadump mgdump);
for my $kind (sort keys %dumps) {
    $dumps{$kind}->send("lru_crawler $kind all\r\n");
    $dumps{$kind}->read_until(sub { $dumps{$kind}->unread =~ /\n/ });
}
for my $part (1 .. 10) {
    $c->ask(join('', map { "ms new$part/$_ 0 q\r\n\r\n" } 1 .. $ITEMS) . "mn\r\n",
        qr/MN\r\n\z/);
}
is($d->stat('curr_items'), 11 * $ITEMS, "many more items are stored");
cmp_ok($d->stat('hash_power_level'), '>=', $power + 2, "and the table grows");
for my $kind (sort keys %dumps) {
    my %seen;

    $dumps{$kind}->read_until(
        sub { $dumps{$kind}->last_unread(100) =~ /(?:EN|END|ERROR|BUSY.*)\r\n\z/ });
    $seen{$_} = 1 for $dumps{$kind}->unread =~ /^(?:key=|mg )(\d+)x/mg;
    same(scalar(keys %seen), $ITEMS, "a $kind meanwhile has each that was there");
}
$d->stop_clean;
done_testing;
