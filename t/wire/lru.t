# The segments of a size class: where items begin, where they go from there, what a scan
# cannot do to them, and the commands that change it.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $VALUE = 'v' x 1000;

# What `stats items` says of the only class that has items.
sub items ($d) {
    my $stats = $d->stats('items');

    return { map { /\Aitems:\d+:(\w+)\z/ ? ($1 => $stats->{$_}) : () } keys %$stats };
}

sub settings ($d, @names) {
    my $settings = $d->stats('settings');

    return join ' ', map { $settings->{$_} } @names;
}

# --- from hot to cold --------------------------------------------------------

my $d = Daemon->start;
my $c = $d->connect;
$c->expect(set(once => $VALUE), "STORED\r\n", "an item is stored");
ok(eventually(sub { items($d)->{number_cold} == 1 }),
    "and goes to the cold segment when it is not read");
is(items($d)->{moves_to_cold}, 1, "in one move");
is($d->stat('moves_to_cold'), 1, "which stats shows, too");
cmp_ok($d->stat('lru_maintainer_juggles'), '>', 0, "as it does the turns of the keeper");
$c->expect("get once\r\n", hit(once => $VALUE), "there it is read");
is(items($d)->{hits_to_cold}, 1, "and counts as a hit to that segment");
my $reads = 1;
ok(eventually(sub {
        $reads += 3;
        $c->ask(set(often => $VALUE) . "get often\r\n" x 3, qr/(?:END.*){3}\z/s);
        items($d)->{moves_to_warm} >= 1;
    }), "what is read before it leaves the hot segment goes to the warm one");
my $items = items($d);
is($items->{number_hot} + $items->{number_warm} + $items->{number_cold}, 2,
    "each item is in one segment");
is($items->{hits_to_hot} + $items->{hits_to_warm} + $items->{hits_to_cold},
    $reads, "each hit counts for one");
is($items->{number_temp}, undef, "there is no temporary segment");
$d->stop_clean;

# --- flat --------------------------------------------------------------------

$d = Daemon->start;
$c = $d->connect;
$c->expect("lru mode flat\r\n", "OK\r\n", "segments can be switched off");
is(settings($d, 'lru_segmented'), 'no', "which stats settings shows");
$c->ask(set(k => $VALUE));
is(items($d)->{number_cold}, 1, "then a new item is cold at once");
$c->expect("lru mode segmented\r\n", "OK\r\n", "and switched on again");
is(settings($d, 'lru_segmented'), 'yes', "which it shows, too");
$c->expect("lru mode flat noreply\r\n", "", "noreply silences the answer");
is(settings($d, 'lru_segmented'), 'no', "but not the order");
for my $words ('', ' mode', ' mode foo', ' mode flatter', ' mode noreply', ' foo') {
    $c->expect("lru$words\r\n", $words =~ /noreply/ ? '' : "ERROR\r\n",
        "no such order: lru$words");
}

# --- tune --------------------------------------------------------------------

my @TUNED = qw(hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor);
is(settings($d, @TUNED), '20 40 0.20 2.00', "shares and factors have their defaults");
$c->expect("lru tune 10 60 0.5 3\r\n", "OK\r\n", "they can be tuned");
is(settings($d, @TUNED), '10 60 0.50 3.00', "and are shown as they are");
$c->expect("lru tune 0 80 .25 5. and more\r\n", "OK\r\n", "more words are ignored");
is(settings($d, @TUNED), '0 80 0.25 5.00', "a share may be 0, both together 80");
my $SUM    = "ERROR hot and warm pcts must not exceed 80\r\n";
my $FACTOR = "ERROR hot/warm age factors must be greater than 0\r\n";
my %WRONG  = (
    '41 40 0.2 2'    => $SUM,
    '81 0 0.2 2'     => $SUM,
    '101 1 x 2'      => "ERROR\r\n",
    '20 40 0 2'      => $FACTOR,
    '20 40 0.2 0.0'  => $FACTOR,
    '20 40 -1 2'     => $FACTOR,
    '20 40 0.2'      => "ERROR\r\n",
    '20 40 x 2'      => "ERROR\r\n",
    '20 40 0.2 2x'   => "ERROR\r\n",
    '-1 40 0.2 2'    => "ERROR\r\n",
    '20 40 1.2.3 2'  => "ERROR\r\n",
    '20 40 . 2'      => "ERROR\r\n",
);
$c->expect("lru tune $_\r\n", $WRONG{$_}, "lru tune $_ is refused") for sort keys %WRONG;
for my $factor (qw(inf nan 0x1 1e3)) {
    $c->expect("lru tune 20 40 $factor 2\r\n", "ERROR\r\n",
        "a factor is a plain number, not $factor");
}
$c->ask("lru tune 0 80 .25 5.\r\n");
is(settings($d, @TUNED), '0 80 0.25 5.00', "none of which changes anything");
$d->stop_clean;

$d = Daemon->start('-o' => 'no_lru_maintainer');
$c = $d->connect;
$c->expect("lru tune 10 60 0.5 3\r\n", "OK\r\n", "who has no segments may tune them");
is(settings($d, @TUNED), '10 60 0.50 3.00', "which is shown as it is");
$c->ask(set(k => $VALUE));
is(items($d)->{number}, 1, "and an item is there");
verdict(!items($d)->{number_hot} && !items($d)->{number_warm}, "but in no segment");
$d->stop_clean;

# --- temporary ---------------------------------------------------------------

$d = Daemon->start('-m' => 8);
$c = $d->connect;
$c->expect("lru temp_ttl 60\r\n", "OK\r\n", "there can be a temporary segment");
is(settings($d, qw(temp_lru temporary_ttl)), 'yes 60', "which stats settings shows");
$c->ask("set brief 0 50 1000\r\n$VALUE\r\n");
$c->ask("set long 0 100 1000\r\n$VALUE\r\n");
$c->ask("set ever 0 0 1000\r\n$VALUE\r\n");
is(items($d)->{number_temp}, 1, "what lives no longer is there, and nothing else");
$c->expect("get brief\r\n", hit(brief => $VALUE), "it is read");
is(items($d)->{hits_to_temp}, 1, "which counts as a hit there");
for my $n (1 .. 20) {
    $c->ask(join('', map { set("scan$n/$_" => $VALUE) } 1 .. 1000) . "mn\r\n", qr/MN\r\n/);
}
cmp_ok($d->stat('evictions'), '>', 10_000, "a scan evicts what it can");
$c->expect("get brief\r\n", hit(brief => $VALUE), "but not what is temporary");
$c->expect("get long\r\n", "END\r\n", "as it does everything else");
$c->expect("lru temp_ttl -1\r\n", "OK\r\n", "it can be switched off");
is(settings($d, qw(temp_lru temporary_ttl)), 'no 60', "and keeps the number");
$c->expect("lru temp_ttl 0\r\n", "OK\r\n", "0 is a number like others");
for my $words ('temp_ttl', 'temp_ttl x', 'temp_ttl 1x') {
    $c->expect("lru $words\r\n", "ERROR\r\n", "but lru $words is refused");
}
$d->stop_clean;

# --- a scan ------------------------------------------------------------------

$d = Daemon->start('-m' => 8);
$c = $d->connect;
my @popular = map { sprintf 'popular%05d', $_ } 1 .. 500;

sub read_all ($c, @keys) {
    return scalar(() = $c->ask("get @keys\r\n", qr/END\r\n\z/) =~ /^VALUE /mg);
}

my $scanned = 0;

sub scan ($c, $count) {
    $c->ask(join('', map { set(sprintf('scan%08d', ++$scanned) => $VALUE) } 1 .. $count)
        . "mn\r\n", qr/MN\r\n\z/);
}

$c->ask(join('', map { set($_ => $VALUE) } @popular) . "mn\r\n", qr/MN/);
for (1 .. 20) {
    read_all($c, @popular);
    scan($c, 500);
}
is(read_all($c, @popular), 500, "what is popular is there, though all memory is used");
scan($c, 3000);
is(read_all($c, @popular), 500, "a scan does not flush what is popular");
for (1 .. 10) {
    scan($c, 3000);
    read_all($c, @popular);
}
is(read_all($c, @popular), 500, "nor do ten");
cmp_ok($d->stat('evictions'), '>', 30_000, "while they evict themselves");
$d->stop_clean;

# --- without the keeper ------------------------------------------------------

$d = Daemon->start('-o' => 'no_lru_maintainer');
$c = $d->connect;
is(settings($d, qw(lru_maintainer_thread lru_segmented)), 'no no',
    "without the keeper there are no segments");
$c->ask(set(k => $VALUE));
$items = items($d);
is_deeply([ grep { exists $items->{$_} } qw(number_hot age_hot moves_to_cold hits_to_hot) ],
    [], "and no figures of them");
for my $order ('mode flat', 'mode segmented', 'temp_ttl 5') {
    $c->expect("lru $order\r\n", "ERROR\r\n", "lru $order is refused");
}
$c->expect("lru tune 10 60 +0.5 3\r\n", "OK\r\n", "lru tune is not");
is(settings($d, @TUNED), '10 60 0.50 3.00', "it is what the settings say, for nobody to use");
$d->stop_clean;
done_testing;
