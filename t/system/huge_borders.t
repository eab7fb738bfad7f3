# The largest value that -I allows, and one byte more: set, appended and prepended to, counted,
# in each protocol. HUGE_MB=1024 does it with -I 1g.
use v5.36;
use Test::More;
use lib 't/lib';
BEGIN { $ENV{TEST_PATIENCE} //= 60 }    # a gigabyte is not sent in no time
use Daemon;
use Daemon::Binary qw(request);
use Daemon::Huge qw(found part send_part store sum_of);

plan skip_all => 'memcached 1.6.18 takes less, and no number of bytes exactly' if is_reference();

my $MIB     = 1 << 20;
my $LARGEST = ($ENV{HUGE_MB} // 32) * $MIB;     # -I
my $MEMORY  = 3 * $LARGEST / $MIB;              # -m: one, another that replaces it, and some more
my $ITEM    = 59;       # bytes that count towards -I besides key and value, as in memcached
my $FLAGS   = 4;        # and of client flags
my $MOST    = $LARGEST - $ITEM - length 'k';

my ($free) = do { open my $in, '<', '/proc/meminfo'; join('', <$in>) =~ /^MemAvailable:\s+(\d+)/m };
plan skip_all => "NOT TESTED: $MEMORY MB of memory are not free"
    if defined $free && $free >> 10 < $MEMORY + 200;

my $d = Daemon->start('-m' => $MEMORY, '-I' => $LARGEST);
my $c = $d->connect;
my $packets = $d->connect;          # what it says first decides how it is understood

# Of a request whose key is k, with this part as its value: the status, and the text where it is
# an error.
sub binary ($name, $extras = '', $part = undef) {
    my $bytes = $part ? $part->{bytes} : 0;

    $packets->send(request($name, key => 'k', extras => $extras,
        body_length => 1 + length($extras) + $bytes));
    send_part($packets, $part) if $part;
    my ($status, $length) = unpack 'x6 n N', $packets->receive(24);
    return $status . ($length > 0 ? ': ' . $packets->receive($length) : '');
}

sub set_flags ($flags) { return pack 'NN', $flags, 0 }

my $TEXT_TOO_LARGE   = "SERVER_ERROR object too large for cache\r\n";
my $BINARY_TOO_LARGE = '3: Too large.';

# How each protocol says it, and what it hears: of a set, a join, a join beyond, a count.
my @protocols = (
    {   name   => 'text',
        set    => sub ($part, $flags) { store($c, "set k $flags 0 $part->{bytes}", $part) },
        join   => sub ($how, $part) { store($c, "$how k 0 0 $part->{bytes}", $part) },
        count  => sub { $c->ask("incr k 1\r\n") },
        stored => "STORED\r\n",
        large  => $TEXT_TOO_LARGE,
        beyond => "NOT_STORED\r\n",
        number => "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    },
    {   name   => 'meta',
        set    => sub ($part, $flags) { store($c, "ms k $part->{bytes} F$flags", $part) },
        join   => sub ($how, $part) {
            store($c, "ms k $part->{bytes} M" . uc substr($how, 0, 1), $part);
        },
        count  => sub { $c->ask("ma k\r\n") },
        stored => "HD\r\n",
        large  => $TEXT_TOO_LARGE,
        beyond => "NS\r\n",
        number => "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    },
    {   name   => 'binary',
        set    => sub ($part, $flags) { binary('set', set_flags($flags), $part) },
        join   => sub ($how, $part) { binary($how, '', $part) },
        count  => sub { binary('incr', pack 'Q>Q>N', 1, 0, 0) },
        stored => '0',
        large  => $BINARY_TOO_LARGE,
        beyond => '5: Not stored.',
        number => '6: Non-numeric server-side value for incr or decr',
    },
);

for my $p (@protocols) {
    my $name = $p->{name};
    my $set  = sub ($bytes, $flags = 0) { $p->{set}->(part($name, $bytes), $flags) };

    same($set->($MOST - $FLAGS, 7), $p->{stored}, "$name: a set of the largest with flags");
    same($set->($MOST - $FLAGS + 1, 7), $p->{large}, "$name: one more is refused");
    $c->expect("mg k\r\n", "EN\r\n", "$name: and the old one, which is no longer true, gone");

    same($set->($MOST - 2), $p->{stored}, "$name: a set of two less than the largest");
    for my $how (qw(append prepend)) {
        same($p->{join}->($how, part(end => 3)), $p->{beyond}, "$name: $how of three is refused");
    }
    same($p->{join}->('append', part(A => 1)),  $p->{stored}, "$name: append of one");
    same($p->{join}->('prepend', part(P => 1)), $p->{stored}, "$name: prepend of another");
    for my $how (qw(append prepend)) {
        same($p->{join}->($how, part(end => 1)), $p->{beyond}, "$name: $how to the largest is refused");
    }
    same($p->{count}->(), $p->{number}, "$name: it is no number");
    same(found($c, 'get k'), sum_of(part(P => 1), part($name, $MOST - 2), part(A => 1)),
        "$name: it is as it should be");

    same($set->($MOST), $p->{stored}, "$name: a set of the largest over it");
    same(found($c, 'mg k v'), sum_of(part($name, $MOST)), "$name: which is read");
    same($set->($MOST + 1), $p->{large}, "$name: one more is refused");
    $c->expect("mg k\r\n", "EN\r\n", "$name: and nothing is left");
}
is($d->stat('curr_items'), 0, 'nothing is there');
$d->stop_clean;

done_testing;
