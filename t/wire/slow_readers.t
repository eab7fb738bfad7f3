# Clients that ask for much and do not read.
#
# The server has one thread here, so the clients that are served meanwhile are
# served by the very thread that the slow ones might have stopped. Each slow one asks
# for more than the kernel holds for it, which is about 10 MB.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $KEYS    = 10;
my $ROUNDS  = 20;
my $SIZE    = 512 * 1024;               # so all of it is 100 MiB
my $BOUNDED = 16 << 20;

my $d = Daemon->start('-m' => 64, '-t' => 1);
my $c = $d->connect;

my @old = map { chr(65 + $_) x $SIZE } 0 .. $KEYS - 1;
my @new = map { chr(97 + $_) x $SIZE } 0 .. $KEYS - 1;
$c->ask(set("big$_" => $old[$_])) for 0 .. $KEYS - 1;
$c->ask(set(small => 's' x 100));

# --- 100 MiB that are asked for and not read ---------------------------------

my $slow   = $d->connect;
my $before = $d->resident;
$slow->send(join('', map { "get big$_\r\n" } 0 .. $KEYS - 1) x $ROUNDS);
$d->barrier;
$c->expect("get small\r\n", hit(small => 's' x 100), "others are served") for 1 .. 3;
is_bounded($d->resident - $before, "100 MiB that nobody reads take no memory");
$c->expect(set("big$_" => $new[$_]), "STORED\r\n",
    "a value that is being sent can be replaced")
    for 0, 3, 9;
$c->expect("delete big5\r\n", "DELETED\r\n", "or deleted");

my ($wrong, @seen) = (0);
for my $reply (0 .. $KEYS * $ROUNDS - 1) {
    my $n = $reply % $KEYS;
    my $got = read_answer($slow);

    my $state = $got eq hit("big$n" => $old[$n]) ? 1
        : $got eq hit("big$n" => $new[$n])       ? 2
        : $got eq "END\r\n" && $n == 5           ? 3
        :                                          0;
    $wrong++ if $state < ($seen[$n] // 1);
    $seen[$n] = $state;
}
is($wrong, 0,
    "then it reads them all: each is whole, and none is older than the one before");
ok($slow->is_in_step, "and the connection is as good as any");
is(scalar(grep { $seen[$_] == 2 } 0, 3, 9), 3, "the last of them are the new values");

# One whole answer to a get.
sub read_answer ($client) {
    my $answer = '';

    while ((my $line = $client->line) ne '') {
        $answer .= $line;
        last if $line !~ /^VALUE \S+ \d+ (\d+)\r\n/;
        $answer .= $client->receive($1 + length "\r\n");
    }
    return $answer;
}

sub is_bounded ($grown, $name) {
    SKIP: {
        skip 'a sanitizer needs memory of its own' if $d->is_sanitized;
        verdict($grown < $BOUNDED, $name, "grown by $grown bytes\n");
    }
}

# --- many clients, and small values ------------------------------------------

$before = $d->resident;
my $asks  = 100_000;
my @slow  = map { $d->connect } 1 .. 8;
my @taken = map { $_->send_blindly("get small\r\n" x $asks) } @slow;
$d->barrier;
$c->expect("get small\r\n", hit(small => 's' x 100),
    "eight clients that want 12 MB each do not stop the others");
is_bounded($d->resident - $before, "nor do they take memory");
my $reply = hit(small => 's' x 100);
my $whole = 0;
for my $n (0 .. $#slow) {
    my $unsent = substr "get small\r\n" x $asks, $taken[$n];
    $slow[$n]->send($unsent);
    $whole += $slow[$n]->receive($asks * length $reply) eq $reply x $asks;
}
is($whole, 8, "and then each gets every byte");

# --- values that are written while they are being sent ----------------------

# Of all sizes: a server may copy small ones, hold large ones, and write over a value
# in place where it thinks that nobody looks.
for my $size (1000, 8000, 30_000, 60_000) {
    my $count  = 16_000_000 / $size;
    my $reader = $d->connect;

    $c->ask(set(busy => 'A' x $size));
    $reader->send_blindly("get busy\r\n" x $count);
    $d->barrier;
    for my $letter ('B' .. 'Z') {
        $c->ask(set(busy => $letter x $size));
        $reader->receive(3 * $size);
    }
    $c->ask("append busy 0 0 1\r\n!\r\n");
    $c->ask("delete busy\r\n");
    $reader->send("get last\r\n");
    my $rest = $reader->ask('', qr/\nEND\r\nEND\r\n\z/);
    $rest =~ s/\A.*?END\r\n//s;         # what is left of the one that was cut
    my @answers = split /(?<=END\r\n)/, $rest;
    my @torn = grep { $_ ne "END\r\n" && !is_of_one_letter($_, $size) } @answers;
    cmp_ok(scalar @answers, '>', 10, "values of $size bytes are being sent");
    is(scalar @torn, 0, "and none is torn by those that write it meanwhile");
}

sub is_of_one_letter ($answer, $size) {
    my ($letter) = $answer =~ /\r\n(.)/;

    return $answer eq hit(busy => $letter x $size) || $answer eq hit(busy => 'Z' x $size
        . '!');
}

# --- values that are being sent while memory runs out ------------------------

$c->ask(set("big$_" => $old[$_])) for 0 .. $KEYS - 1;
my $stuck = $d->connect;
$stuck->send("get big0 big1 big2\r\n" x 10);
$d->barrier;
my $stored = grep { $c->ask(set("fill$_" => 'f' x $SIZE)) eq "STORED\r\n" } 1 .. 250;
is($stored, 250, "125 MB can be stored in 64 while others are being sent");
cmp_ok($d->stat('evictions'), '>', 100, "because old ones are evicted");
is(scalar(grep { !is_what_was_asked(read_answer($stuck)) } 1 .. 10), 0,
    "and not one byte of what is being sent is wrong");

# Those that were already evicted when their turn came may be missing.
sub is_what_was_asked ($bytes) {
    for my $n (0 .. 2) {
        my $value = "VALUE big$n 0 $SIZE\r\n$old[$n]\r\n";
        substr $bytes, 0, length $value, '' if index($bytes, $value) == 0;
    }
    return $bytes eq "END\r\n";
}

# --- going away --------------------------------------------------------------

my $open = $d->stat('curr_connections');
my @gone = map { $d->connect } 1 .. 10;
$_->send('get ' . join(' ', map { "fill$_" } 200 .. 250) . "\r\n") for @gone;
$d->barrier;
$_->close for @gone;
ok(eventually(sub { $d->stat('curr_connections') == $open }),
    "clients that go away in the middle of an answer are forgotten");
$c->expect(set(small => 'x') . "get small\r\n", "STORED\r\n" . hit(small => 'x'),
    "and all others are served as before");

$d->stop_clean;
done_testing;
