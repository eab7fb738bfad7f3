# Memory has a ceiling: -m, the hash table, a little for each connection and thread, and no
# more, whatever clients ask for without reading, or begin to send and do not end. The
# formula stands in larder(1), under -m.
use v5.36;
use Test::More;
use lib 't/lib';
BEGIN { $ENV{TEST_PATIENCE} //= 60 }    # a gigabyte goes to the kernel before an answer comes
use Daemon;
use Carp 'croak';
use Daemon::Binary qw(request);

plan skip_all => 'its formula is larder\'s' if is_reference();

my $MIB     = 1 << 20;
my $LIMIT   = 64;               # megabytes
my $CLIENTS = 1000;
my $SIZE    = 1_000_000;

# What larder(1) says.
my $THREADS = 4;
my $FIXED   = 16 * $MIB;        # the program itself
my $THREAD  = $MIB;
my $IDLE    = 1 << 10;          # a connection,
my $LARGE   = 4 << 10;          # one that waits in the midst of a large value,
my $INPUT   = 20 << 10;         # or of a request,
my $STUCK   = 160 << 10;        # or does not read its answers
my $CLASS   = $MIB;             # for a moment, of each size class,
my $LARGEST = 4 * $MIB;         # and the largest

(my $open_files) = `sh -c 'ulimit -n'` =~ /(\d+)/;
plan skip_all => "only $open_files files may be open" if $open_files < 2 * $CLIENTS;

sub is_within ($d, $name, $limit = $LIMIT) {
    my $most = $limit * $MIB + $d->stats('slabs')->{active_slabs} * $CLASS + $LARGEST
        + $d->stat('hash_bytes') + $FIXED + $THREADS * $THREAD;
    my $is = $d->resident;

    note(sprintf '%s: %.1f MiB of %.1f', $name, $is / $MIB, $most / $MIB);
    verdict($is <= $most, "$name: memory is within the limit", "$is is more than $most\n");
    return $is;
}

# What was full is larger by so much for each of the clients, by what the largest class is
# granted, and little more.
sub grows ($d, $full, $each, $name) {
    my $grown = $d->resident - $full;
    my $most  = $LARGEST + 4 * $MIB + $CLIENTS * ($IDLE + $each);

    note(sprintf '%s: %.1f MiB more of %.1f', $name, $grown / $MIB, $most / $MIB);
    verdict($grown <= $most, "$name: it takes no more than that",
        "it grew by $grown, which is more than $most\n");
}

# Values of all sizes, more than there is room for.
sub fill ($d) {
    my $c    = $d->connect;
    my $size = 10;

    while ($size < 1_000_000) {
        $c->ask(join('', map { set("fill${size}_$_" => 'f' x $size) } 1 .. 5 + 1.3e6 / $size)
            . "mn\r\n", qr/MN\r\n\z/);
        $size = int($size * 1.05) + 1;
    }
    $c->ask(set("big$_" => 'b' x $SIZE)) for 1 .. 200;
    $c->ask(set("keep$_" => chr(97 + $_) x $SIZE)) for 0 .. 9;
    $c->ask(set(small => 's' x 1000));
    cmp_ok($d->stat('evictions'), '>', 100, 'it is full');
}

# So many clients that say this, or as much of it as they can, and read nothing. When they
# are there every thread has served the last of them.
sub crowd ($d, $bytes) {
    my @clients = map { $d->connect(window => 4096) } 1 .. $CLIENTS;

    for my $client (@clients) {
        for (my $at = 0; $at < length $bytes;) {
            $at += $client->push_out($bytes, $at) || last;
        }
    }
    $d->connect->is_in_step or croak('it does not answer') for 1 .. 2 * $THREADS;
    return @clients;
}

my $small = Daemon->start('-m' => 8, '-t' => $THREADS);
plan skip_all => 'a sanitizer needs memory of its own' if $small->is_sanitized;
fill($small);
is_within($small, '-m 8', 8);
$small->stop_clean;

for my $args ([], [ '-I' => '2m' ]) {
    my $name = "@$args" || 'default';
    my $d = Daemon->start('-m' => $LIMIT, '-c' => 4096, '-t' => $THREADS, @$args);

    fill($d);
    my $full = is_within($d, $name);
    for my $case (
        [ 'get of a large value', "get keep1\r\n", $LARGE ],
        [ 'get of ten', 'get ' . join(' ', map { "keep$_" } 0 .. 9) . "\r\n", $LARGE ],
        [ 'many gets of large values', "get keep3\r\n" x 100, $LARGE ],
        [ 'meta gets', "mg keep4 v\r\n" x 100, $LARGE ],
        [ 'binary gets', request('get', key => 'keep5') x 100, $LARGE ],
        [ 'half a set of 1 MB', "set half 0 0 1000000\r\n" . 'h' x 100_000, $LARGE ],
        [ 'nearly a set', "set half 0 0 1000000\r\n" . 'h' x 999_000, $LARGE ],
        [ 'half a meta set', "ms half 1000000\r\n" . 'h' x 200_000, $LARGE ],
        [ 'half a line', 'get ' . 'x' x 250 . ' y' x 500, $INPUT ],
        [ 'many gets of small values', "get small\r\n" x 10_000, $STUCK ],
        [ 'a multi-get of 5000 keys', 'get ' . 'small ' x 5000 . "\r\n", $STUCK ],
        [ 'statistics', "stats\r\nstats items\r\nstats slabs\r\n" x 100, $STUCK ],
    ) {
        my ($what, $bytes, $each) = @$case;
        next if @$args && $each != $LARGE;
        my @clients = crowd($d, $bytes);

        grows($d, $full, $each, "$name: $what");
        $_->close for @clients;
        eventually(sub { $d->stat('curr_connections') < 20 }) or fail('they are gone');
    }
    $d->connect->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
        'and it serves');
    is_within($d, "$name: when all have left");
    $d->stop_clean;
}

done_testing;
