# Keys: 1 to 250 bytes, and any byte but a space and a line feed.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start;
my $c = $d->connect;

# --- lengths -----------------------------------------------------------------

for my $length (1, 2, 3, 7, 8, 9, 31, 32, 33, 127, 128, 249, 250) {
    my $key = 'k' x $length;
    $c->expect(set($key => 'v'), "STORED\r\n", "a key of $length bytes is stored");
    $c->expect("get $key\r\n", hit($key => 'v'), "and found");
    $c->expect("get ${key}x " . 'k' x ($length - 1) . "z\r\n", "END\r\n",
        "its neighbours are not")
        if $length < 250;
}
for my $length (1, 249, 250) {
    my $key = 'k' x $length;
    $c->ask(set($key => '1'));
    $c->expect("incr $key 1\r\ndecr $key 1\r\ntouch $key 0\r\ngat 0 $key\r\n"
        . "delete $key\r\n",
        "2\r\n1\r\nTOUCHED\r\n" . hit($key => '1') . "DELETED\r\n",
        "every other command takes one of $length bytes");
}
for my $length (251, 300, 1000) {
    my $key = 'k' x $length;
    for my $command ("delete $key", "incr $key 1", "decr $key 1", "touch $key 0") {
        my ($word) = split ' ', $command;
        $c->expect("$command\r\n", $BADFMT,
            "$word with a key of $length bytes is refused");
    }
    for my $command (qw(get gets), 'gat 0', 'gats 0') {
        $c->expect("$command $key\r\n", "$BADFMT\r\n",
            "$command with a key of $length bytes is refused, and an empty line follows");
    }
}

# --- a key that is too long among others -------------------------------------

my $long = 'k' x 251;
$c->ask(set(a => 'v'));
$c->expect("get a $long\r\n", "$BADFMT\r\n",
    "after a hit it takes the hit back, and an empty line follows");
$c->expect("get $long a\r\n", "$BADFMT\r\n",
    "before a hit it prevents it, and an empty line follows");
$c->expect("get a $long a\r\n", "$BADFMT\r\n",
    "between two it does both, and an empty line follows");
$c->expect("get no $long\r\n", "$BADFMT\r\n",
    "after a miss there is no END either, and an empty line follows");
$c->expect("get " . "no " x 300 . "$long\r\n", "$BADFMT\r\n",
    "nor after 300 misses, and an empty line follows");
$c->expect("get a\r\n", hit(a => 'v'), "and then all is well again");

# --- bytes -------------------------------------------------------------------

my @bytes = grep { $_ != 0x20 && $_ != 0x0a } 1 .. 255;
my @keys  = map { sprintf 'key%cend', $_ } @bytes;
my $wrong = join ', ', grep {
    $c->ask(set($keys[$_] => $bytes[$_])) ne "STORED\r\n"
} 0 .. $#keys;
is($wrong, '', "a key may hold every byte but space and line feed, and NUL");
$c->expect('get ' . join(' ', @keys) . "\r\n",
    hit(map { $keys[$_] => $bytes[$_] } 0 .. $#keys),
    "and each of those keys is another one");
$c->expect(set("key\0end" => 'v') . "get key\0end key\r\n", "STORED\r\n"
    . hit("key\0end" => 'v'),
    "a key may hold NUL");
my $alone = join '', map { chr } grep { $_ != 0x0d } @bytes;
for my $key (substr($alone, 0, 100), substr($alone, 100)) {
    $c->expect(set($key => 'v') . "get $key\r\n", "STORED\r\n" . hit($key => 'v'),
        'a key of many strange bytes, ' . length $key);
}
$c->expect("set caf\xc3\xa9 0 0 1\r\nv\r\nget caf\xc3\xa9\r\n", "STORED\r\n"
    . hit("caf\xc3\xa9" => 'v'),
    "a key of UTF-8 is just bytes");
$c->expect(set(Key => 'K') . set(key => 'k') . "get Key key KEY\r\n",
    "STORED\r\nSTORED\r\n" . hit(Key => 'K', key => 'k'), "capitals make another key");

# --- keys that look like something else --------------------------------------

for my $key ('get', 'set', 'END', 'noreply', '0', '-1', 'VALUE', "\x80\x81") {
    $c->expect(set($key => 'v') . "get $key\r\ndelete $key 0\r\n",
        "STORED\r\n" . hit($key => 'v') . "DELETED\r\n", 'a key may be ' . shown($key));
}

# --- many --------------------------------------------------------------------

my $n = 20_000;
$c->ask(join('', map { "set many$_ 0 0 " . length($_) . " noreply\r\n$_\r\n" } 1 .. $n)
    . "mn\r\n", qr/MN/);
$c->expect('get ' . join(' ', map { "many$_" } 1 .. $n) . "\r\n",
    hit(map { ("many$_" => $_) } 1 .. $n),
        "$n keys are stored, and each has its own value");
is($d->stat('curr_items') >= $n, 1, "which stats counts");

$d->stop_clean;
done_testing;
