# Every command in every way it can arrive: whole, cut in two at each byte, byte by
# byte, glued to its neighbours, and in random pieces. The answer is the same.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";
my $LONG   = 'k' x 251;
my $binary = join '', map { chr } 0 .. 255;

my $d = Daemon->start(-t => 1);         # one thread: see Daemon->barrier
my $c = $d->connect;

# Each begins with the keys a and n as they are here, and leaves them anyhow.
my $before = "set a 5 0 3\r\nabc\r\nset n 0 0 2\r\n10\r\nset b 0 0 0\r\n\r\n"
    . "delete no\r\n";
my $ready  = qr/(?:STORED\r\n){3}(?:NOT_FOUND|DELETED)\r\n\z/;
my $a      = "VALUE a 5 3\r\nabc\r\n";

my @dialogues = (
    [ 'get',            "get a\r\n",                        "${a}END\r\n" ],
    [ 'a get of many',  "get a no b n a\r\n",
        "${a}VALUE b 0 0\r\n\r\nVALUE n 0 2\r\n10\r\n${a}END\r\n" ],
    [ 'a get that ends in LF', "get a  no\n",               "${a}END\r\n" ],
    [ 'a get that ends in spaces', "get a b  \r\n",
        "${a}VALUE b 0 0\r\n\r\nEND\r\n" ],
    [ 'gat',            "gat 0 a b\r\n",
        "${a}VALUE b 0 0\r\n\r\nEND\r\n" ],
    [ 'a miss',         "gets no\r\n",                      "END\r\n" ],
    [ 'set',            "set a 7 0 5\r\nhello\r\n",         "STORED\r\n" ],
    [ 'a set of every byte', "set a 0 0 256\r\n$binary\r\nget a\r\n",
        "STORED\r\n" . hit(a => $binary) ],
    [ 'a set of line ends', "set a 0 0 6\r\n\r\n\r\n\r\n\r\nget a\r\n",
        "STORED\r\n" . hit(a => "\r\n\r\n\r\n") ],
    [ 'a set of nothing', "set a 0 0 0\r\n\r\n",            "STORED\r\n" ],
    [ 'a set with noreply', "set a 0 0 1 noreply\r\nx\r\nget a\r\n", hit(a => 'x') ],
    [ 'add',            "add no 0 0 2\r\nno\r\n",           "STORED\r\n" ],
    [ 'a refused add',  "add a 0 0 2\r\nno\r\n",            "NOT_STORED\r\n" ],
    [ 'replace',        "replace a 1 0 2\r\nok\r\n",        "STORED\r\n" ],
    [ 'append',         "append a 0 0 3\r\ndef\r\nget a\r\n",
        "STORED\r\nVALUE a 5 6\r\nabcdef\r\nEND\r\n" ],
    [ 'prepend',        "prepend a 0 0 3\r\ndef\r\nget a\r\n",
        "STORED\r\nVALUE a 5 6\r\ndefabc\r\nEND\r\n" ],
    [ 'cas',            "cas a 0 0 1 18446744073709551615\r\nx\r\n", "EXISTS\r\n" ],
    [ 'delete',         "delete a\r\n",                     "DELETED\r\n" ],
    [ 'incr',           "incr n 18446744073709551610\r\n",  "4\r\n" ],
    [ 'decr',           "decr n 3\r\nget n\r\n",            "7\r\n" . hit(n => '7 ') ],
    [ 'touch',          "touch a 100\r\n",                  "TOUCHED\r\n" ],
    [ 'verbosity',      "verbosity 0\r\n",                  "OK\r\n" ],
    [ 'flush_all',      "flush_all\r\nget a\r\n",           "OK\r\nEND\r\n" ],
    [ 'mn',             "mn  \r\n",                         "MN\r\n" ],
    [ 'an unknown command', "unknown\r\n",                  "ERROR\r\n" ],
    [ 'a bad data chunk', "set a 0 0 3\r\nxyzzyversions\r\nget a\r\n",
        "CLIENT_ERROR bad data chunk\r\nERROR\r\n${a}END\r\n" ],
    [ 'a bad length',   "set a 0 0 x\r\nget a\r\n",         "$BADFMT${a}END\r\n" ],
    [ 'a bad number',   "incr n x\r\n",
        "CLIENT_ERROR invalid numeric delta argument\r\n" ],
    [ 'a bad time',     "touch a x\r\n", "CLIENT_ERROR invalid exptime argument\r\n" ],
    [ 'a long key',     "delete $LONG\r\n",                 $BADFMT ],
    [ 'bad flags',      "set a x 0 7\r\nversion\r\nget a\r\n", "$BADFMT${a}END\r\n" ],
    [ 'a long key to set', "set $LONG 0 0 7\r\nversion\r\n", $BADFMT ],
);

for my $dialogue (@dialogues) {
    my ($name, $request, $reply) = @$dialogue;

    $c->ask($before, $ready);
    $c->expect($request, $reply, "$name, whole");
    $c->expect_cut($request, $reply, $name, before => $before, ready => $ready);
}

# --- glued to its neighbours -------------------------------------------------

my $ready_reply = "STORED\r\nSTORED\r\nSTORED\r\nNOT_FOUND\r\n";
my ($all_requests, $all_replies) = ('', '');
for my $dialogue (@dialogues) {
    my ($name, $request, $reply) = @$dialogue;

    next if $name =~ /^(?:a long key to set|bad flags)$/;       # see DIFFERENCES
    $all_requests .= "delete no noreply\r\n$before$request";
    $all_replies  .= $ready_reply . $reply;
}
for my $times (1, 2, 50) {
    $c->expect($all_requests x $times, $all_replies x $times,
        "all of these together, $times times over");
}

for my $seed (1 .. 20) {
    my $rest = $all_requests;

    srand $seed;
    $c->send(substr $rest, 0, 1 + int rand(rand() < 0.5 ? 20 : 2000), '')
        while $rest ne '';
    $c->expect('', $all_replies, "all of these in random pieces, seed $seed");
}

# --- large ones, where buffers end -------------------------------------------

# A value is cut where a server is likely to change buffers.
for my $size (2000, 16_000, 70_000) {
    my $value   = substr $binary x 300, 0, $size;
    my $request = set(large => $value) . "get large\r\n";
    my @wrong;

    my @ends    = map { $_ - 2 .. $_ + 2 } 1024, 2048, 16_384, 65_536;
    my $length  = length $request;

    for my $cut (grep { $_ < $length } 1 .. 30, @ends, $length - 40 .. $length - 1) {
        $c->send(substr $request, 0, $cut);
        $d->barrier;
        $c->send(substr $request, $cut);
        my $want = "STORED\r\n" . hit(large => $value);
        push @wrong, $cut if $c->receive(length $want) ne $want;
    }
    is("@wrong", '', "a value of $size bytes, cut where buffers end");
}
ok($c->is_in_step, "and nothing more was said");

# --- as much as a read takes, and then nothing more ---------------------------

# It has all arrived before the server looks: the thread answers somebody else meanwhile.
my $other = $d->connect;
for my $bytes (map { $_ - 4, $_, $_ + 4 } 2048, 16_384, 32_768, 65_536, 131_072) {
    for my $size (0, 50_000) {
        my $begin = $size ? set(a => 'x' x $size) : '';
        my $count = $bytes / 4;
        my $want  = ($size ? "STORED\r\n" : '') . "MN\r\n" x $count;

        $other->send("mn\r\n" x 2000);
        $c->expect($begin . "mn\r\n" x $count, $want,
            "$size bytes of a value and $bytes bytes of requests are all read");
        $other->expect('', "MN\r\n" x 2000, "so are another one's");
    }
}

# --- and then its end --------------------------------------------------------

for my $round (1 .. 20) {
    my $leaver = $d->connect;
    my $count  = $round % 2 ? $round : 4096 * $round;

    $leaver->send("mn\r\n" x $count);
    $leaver->finish;
    verdict($leaver->receive(4 * $count) eq "MN\r\n" x $count && $leaver->is_closed,
        "who asks $count times and ends is answered, and then all is over");
}

$d->stop_clean;
done_testing;
