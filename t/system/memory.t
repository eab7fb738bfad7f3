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
my $LEAST   = 34;               # what a lower limit is raised to
my $CLIENTS = 1000;

# What larder(1) says.
my $THREADS = 4;
my $FIXED   = 16 * $MIB;        # the program itself
my $THREAD  = $MIB;
my $IDLE    = 1 << 10;          # a connection,
my $LARGE   = 4 << 10;          # one that waits in the midst of a large value,
my $INPUT   = 20 << 10;         # or of a request,
my $STUCK   = 160 << 10;        # or does not read its answers
my $LARGEST = 4 * $MIB;         # that values may take which arrive

my $LITTLE = $MIB;              # what is not worth a word there

need_open_files(2 * $CLIENTS);

# The limit, the table, what the program takes, and what is asked for besides. A size class may
# have a megabyte more, but only for a moment.
sub is_within ($d, $name, $limit = $LIMIT, $besides = 0) {
    my $most = ($limit > $LEAST ? $limit : $LEAST) * $MIB + $d->stat('hash_bytes') + $FIXED
        + $THREADS * $THREAD + $besides;

    eventually(sub { $d->resident <= $most });
    my $is = $d->resident;
    note(sprintf '%s: %.1f MiB of %.1f', $name, $is / $MIB, $most / $MIB);
    verdict($is <= $most, "$name: memory is within the limit", "$is is more than $most\n");
    return $is;
}

# What was full is larger by so much for each of the clients, and for all of them together.
sub grows ($d, $full, $each, $together, $name) {
    my $grown = $d->resident - $full;
    my $most  = $CLIENTS * ($IDLE + $each) + $together;

    note(sprintf '%s: %.1f MiB more of %.1f', $name, $grown / $MIB, $most / $MIB);
    verdict($grown <= $most, "$name: it takes no more than that",
        "it grew by $grown, which is more than $most\n");
    is_within($d, $name, $LIMIT, $most);
}

# Values of all sizes, up to this one, more than there is room for.
sub fill ($d, $bytes) {
    my $c    = $d->connect;
    my $size = 10;

    while ($size < 1_000_000) {
        $c->ask(join('', map { set("fill${size}_$_" => 'f' x $size) } 1 .. 5 + 1.3e6 / $size)
            . "mn\r\n", qr/MN\r\n\z/);
        $size = int($size * 1.05) + 1;
    }
    $c->ask(set("big$_" => 'b' x $bytes)) for 1 .. 200;
    $c->ask(set(small => 's' x 1000));
    cmp_ok($d->stat('evictions'), '>', 100, 'it is full');
}

# Of large ones only, or they would have but a small part of the memory, and none of the ten
# would be there when it is asked for.
sub fill_large ($d, $bytes) {
    my $c = $d->connect;

    $c->ask(set("big$_" => 'b' x $bytes)) for 1 .. 200;
    $c->ask(set("keep$_" => chr(97 + $_) x $bytes)) for 0 .. 9;
    cmp_ok($d->stat('evictions'), '>', 100, 'it is full of large values');
}

sub are_kept ($d, $bytes, $name) {
    $d->connect->expect(join('', map { "mg keep$_ s\r\n" } 0 .. 9), "HD s$bytes\r\n" x 10,
        "$name: all of them are there");
}

# Every thread has served the last of those who have said something before.
sub settle ($d) {
    $d->connect->is_in_step or croak('it does not answer') for 1 .. 2 * $THREADS;
}

# So many clients that say this, or as much of it as they can, and read nothing.
sub crowd ($d, $bytes) {
    my @clients = map { $d->connect(window => 4096) } 1 .. $CLIENTS;

    for my $client (@clients) {
        for (my $at = 0; $at < length $bytes;) {
            $at += $client->push_out($bytes, $at) || last;
        }
    }
    settle($d);
    return @clients;
}

sub leave ($d, @clients) {
    $_->close for @clients;
    eventually(sub { $d->stat('curr_connections') < 20 }) or fail('they are gone');
}

# They take what has come, which is little, and again.
sub trickle ($d, @clients) {
    for (1 .. 5) {
        $_->take_in for @clients;
        settle($d);
    }
    my @got = sort { $a <=> $b } map { length $_->unread } @clients;
    ok($got[0] > 5000 && $got[-1] < 500_000, "from $got[0] to $got[-1] bytes have been read");
}

my $small = Daemon->start('-m' => 8, '-t' => $THREADS);
plan skip_all => 'a sanitizer needs memory of its own' if $small->is_sanitized;
fill($small, 1_000_000);
is_within($small, '-m 8', 8);
$small->stop_clean;

for my $case ([ 1_000_000 ], [ $MIB, '-I' => '2m' ]) {
    my ($bytes, @args) = @$case;
    my $name = "@args" || 'default';
    my @all = ('-m' => $LIMIT, '-c' => 4096, '-t' => $THREADS, @args);
    my $d = Daemon->start(@all);

    # Readers of large values: these lie where they are stored, and are sent from there.
    fill_large($d, $bytes);
    my $full = is_within($d, $name);
    for my $case (
        [ 'get of a large value', "get keep1\r\n" ],
        [ 'get of ten', 'get ' . join(' ', map { "keep$_" } 0 .. 9) . "\r\n" ],
        [ 'many gets of large values', "get keep3\r\n" x 100 ],
        [ 'meta gets', "mg keep4 v\r\n" x 100 ],
        [ 'binary gets', request('get', key => 'keep5') x 100 ],
    ) {
        my ($what, $request) = @$case;
        next if @args && $what !~ /ten|many/;       # chains, which are sent all alike
        my @clients = crowd($d, $request);

        grows($d, $full, $LARGE, $LITTLE, "$name: $what, and nobody reads");
        trickle($d, @clients);
        are_kept($d, $bytes, "$name: $what");
        grows($d, $full, $LARGE, $LITTLE, "$name: $what, read slowly");
        leave($d, @clients);
    }
    is_within($d, "$name: when all readers have left");
    $d->stop_clean;

    $d = Daemon->start(@all);
    fill($d, $bytes);
    $full = is_within($d, $name);
    for my $case (
        [ 'half a set', "set half 0 0 $bytes\r\n" . 'h' x 100_000, $LARGE, $LARGEST ],
        [ 'nearly a set', "set half 0 0 $bytes\r\n" . 'h' x ($bytes - 1000), $LARGE, $LARGEST ],
        [ 'half a meta set', "ms half $bytes\r\n" . 'h' x 200_000, $LARGE, $LARGEST ],
        [ 'half a line', 'get ' . 'x' x 250 . ' y' x 500, $INPUT, 0 ],
        [ 'many gets of small values', "get small\r\n" x 10_000, $STUCK, 0 ],
        [ 'a multi-get of 5000 keys', 'get ' . 'small ' x 5000 . "\r\n", $STUCK, 0 ],
        [ 'statistics', "stats\r\nstats items\r\nstats slabs\r\n" x 100, $STUCK, 0 ],
    ) {
        my ($what, $request, $each, $together) = @$case;
        next if @args && $what ne 'half a set';
        my @clients = crowd($d, $request);

        grows($d, $full, $each, $together + $LITTLE, "$name: $what");
        leave($d, @clients);
    }
    $d->connect->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
        'and it serves');
    is_within($d, "$name: when all have left");
    $d->stop_clean;
}

done_testing;
