# Where random dialogues showed larder to differ from memcached: t/differential.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start;
my $c = $d->connect;

$c->expect("set t 0 100 1\r\nx\r\n",  "STORED\r\n", 'an item that ends in 100 s');
$c->expect("mg t R2592001\r\n", "HD\r\n",   'more than 30 days are a date, and that has passed');
$c->expect("mg t R0\r\n",       "HD\r\n",   'R0 is never');
$c->expect("mg t R2592000\r\n", "HD W\r\n", 'but 30 days are longer than 100 s');

$c->expect("set a 0 0 1\r\nx\r\nadd a 0 0 1\r\ny\r\nmg a h\r\n", "STORED\r\nNOT_STORED\r\nHD h0\r\n",
    'an add that fails has not read what is there');

$c->expect("set e 0 0 0\r\n\r\nma e C5\r\n",
    "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    'an empty value is no number, whatever its id');

my $words = '5 ' . 'x' x 600_000;
$c->expect("set w 0 0 600002\r\n$words\r\nincr w 1\r\n",
    "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    'nor is a very long one, whatever it begins with');

like($c->ask("ma n T30 N60 t\r\nmg n t\r\n", qr/\n.*\n\z/), qr/\AHD t(?:60|59)\r\nHD t(?:60|59)\r\n\z/,
    'of T and N the later one holds for a new number');
like($c->ask("ma m N60 T30 t\r\nmg m t\r\n", qr/\n.*\n\z/), qr/\AHD t(?:30|29)\r\nHD t(?:30|29)\r\n\z/,
    'and so the other way round');

my $id    = $c->cas_of('e');
my $large = 2 << 20;
my $b     = $d->connect;
$b->send(pack('C C n C C n N N Q>', 0x80, 0x01, 1, 8, 0, 0, 9 + $large, 7, $id)
    . "\0" x 8 . 'e' . 'x' x $large);
like($b->receive(34), qr/\A\x81\x01.{4}\0\x03.{16}Too large\.\z/s,
    'a binary set with an id that is too large is refused');
$c->expect("get e\r\n", "END\r\n", 'and leaves nothing behind');

# --- what administrators say, and what they are shown ------------------------

sub binary ($opcode, $key, $extras = '', $cas = 0) {
    return pack('C C n C C n N N Q>', 0x80, $opcode, length $key, length $extras, 0, 0,
        length "$key$extras", 7, $cas) . $extras . $key;
}

$b = $d->connect;
for my $word ('itemsx', 'slabs 1', 'sizes ') {
    $b->send(binary(0x10, $word));
    like($b->receive(33), qr/\A\x81\x10.{4}\0\x01.{16}Not found\z/s,
        "no binary statistics are called '$word'");
}
$b->send(binary(0x10, 'resetx'));
like($b->receive(24), qr/\A\x81\x10.{4}\0\0/s, 'though there is a longer word for reset');

$c->ask("set touched:t 0 0 1\r\nx\r\n");
$c->ask("stats detail on\r\n");
$b->send(binary(0x1c, 'touched:t', "\0" x 4));
like($b->receive(28), qr/\A\x81\x1c.{4}\0\0/s, 'a binary touch');
$c->ask("touch touched:t 0\r\n");
$c->expect("stats detail dump\r\n", "PREFIX touched get 1 hit 1 set 0 del 0\r\nEND\r\n",
    'counts as a get of its prefix, a classic one does not');
$c->ask("stats reset\r\n");
my $huge = 'x' x (2 << 20);
$c->ask(set('large:l' => $huge));
$c->expect("stats detail dump\r\n", "PREFIX large get 0 hit 0 set 1 del 0\r\nEND\r\n",
    'and a set that is too large as one');
$c->ask("stats detail off\r\n");

$d->stats_move({}, sub {
    $b->send(binary(0x04, 'touched:t', '', 5));
    $b->receive(44);
}, 'a binary delete with another id counts nothing');

for my $classes ('-1 -1', '500 500', '0 0') {
    $c->expect("slabs reassign $classes\r\n",
        "SAME src and dst class are identical\r\n", "no page moves from $classes");
}

my $starts = $d->stat('lru_crawler_starts');
my $told   = $c->ask("lru_crawler crawl all\r\nstats\r\n", qr/END\r\n\z/);
ok($told =~ /^STAT lru_crawler_running 1\r$/m
        || $told =~ /^STAT lru_crawler_starts (\d+)\r$/m && $1 > $starts,
    'a crawl that was asked for is shown as running until it is over');

# --- what watchers are told --------------------------------------------------

my $watcher = $d->connect;
is($watcher->ask("watch fetchers mutations\r\n"), "OK\r\n", 'watch fetchers mutations');

# What is told of these commands: key and status of a look-up; status, class (C, or none)
# and size of a store.
sub told ($commands) {
    $c->ask("${commands}get end\r\n", qr/END\r\n\z/);
    $watcher->read_until(sub { $watcher->unread =~ / key=end .*\n/ });
    my $text = $watcher->receive(length $watcher->unread);
    return join ', ', map {
          / key=end /                                   ? ()
        : /type=item_get .* status=(\w+)/              ? "look-up $1"
        : /status=(\w+) .* clsid=(\d+) .* size=(\d+)/ ? "$1 " . ($2 ? 'C' : 0) . " $3"
        :                                                 $_
    } split /\n/, $text;
}

is(told("set told 0 0 5\r\nhello\r\nappend told 0 0 3\r\n123\r\n"),
    'look-up not_found, stored C 5, look-up found, stored C 8',
    'an append is told of with the size of all');
is(told("delete told\r\nreplace told 0 0 2\r\nhi\r\n"),
    'look-up found, look-up not_found, not_stored C 2',
    'a store that fails with the class that it would have had');
is(told("set told 0 0 2\r\nhixx"), '', 'and one that was malformed not at all');
is(told("ma told N0 J7\r\n"), 'look-up not_found, look-up not_found, stored C 1',
    'a number that is made is looked up twice');
is(told("set told 0 0 2097152\r\n$huge\r\n"), 'too_large 0 2097152, look-up found',
    'a set that is too large looks up what it must not leave behind');
is(told("add told 0 0 2097152\r\n$huge\r\n"), 'too_large 0 2097152', 'an add does not');
$d->stop_clean;
done_testing;
