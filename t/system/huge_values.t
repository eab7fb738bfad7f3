# Values beyond 64 MiB: set, appended to, read back to the byte, and there again after a
# restart.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
BEGIN { $ENV{TEST_PATIENCE} //= 60 }    # so much is not written to a disk in no time
use Daemon;
use Daemon::Huge qw(found part store sum_of);

plan skip_all => 'memcached has no such restart' if is_reference();

my $MIB      = 1 << 20;
my $LARGEST  = 200 * $MIB;      # -I
my $MEMORY   = 450;             # -m: room for two of them
my $OVERHEAD = 100;             # of an item, at the most, with its key

# Of a container, /dev/shm is often small.
sub has_room ($dir) {
    my ($free) = `df -Pk $dir 2>/dev/null` =~ /(\d+) +\d+% \S+\n\z/ or return 0;
    return -w $dir && $free > ($MEMORY + 100) << 10;
}

my ($shm) = grep { has_room($_) } '/dev/shm';
my $dir = tempdir(CLEANUP => 1, $shm ? (DIR => $shm) : ());
my @arguments = ('-m' => $MEMORY, '-I' => '200m', '-e' => "$dir/memory",
    '-o' => 'debug_commands');

# --- what is asked ------------------------------------------------------------

my @long = (part(long => 70 * $MIB + 7));
my @meta = (part(meta => 150 * $MIB + 1));
my $d = Daemon->start(@arguments);
my $c = $d->connect;

is(store($c, "set long 7 0 $long[0]{bytes}", $long[0]), "STORED\r\n", 'set of 70 MiB');
is(found($c, 'get long'), sum_of(@long), 'get has it');

push @long, part(more => 100 * $MIB + 3);
is(store($c, "append long 0 0 $long[-1]{bytes}", $long[-1]), "STORED\r\n", 'append of 100 MiB');
unshift @long, part(first => 5 * $MIB + 11);
is(store($c, "prepend long 0 0 $long[0]{bytes}", $long[0]), "STORED\r\n", 'prepend of 5 MiB');
is(found($c, 'get long'), sum_of(@long), 'get has all three, in their order');
my $left = part(rest => $LARGEST - $OVERHEAD - 175 * $MIB - 21);
push @long, $left;
is(store($c, "ms long $left->{bytes} MA", $left), "HD\r\n", 'ms appends up to the largest');
is(found($c, 'get long'), sum_of(@long), 'get has that as well');
is(store($c, "append long 0 0 $OVERHEAD", part(beyond => $OVERHEAD)), "NOT_STORED\r\n",
    'what would be larger is not stored');

is(store($c, "ms meta $meta[0]{bytes} F5", $meta[0]), "HD\r\n", 'ms of 150 MiB');
is(found($c, 'mg meta v f'), sum_of(@meta), 'mg has it');
is(store($c, "set over 0 0 $LARGEST", part(over => $LARGEST)),
    "SERVER_ERROR object too large for cache\r\n", 'what is as large as -I is too large');
$c->expect("mg long s f\r\nmg meta s f\r\nmn\r\n",
    sprintf("HD s%d f7\r\nHD s%d f5\r\nMN\r\n", $LARGEST - $OVERHEAD, $meta[0]{bytes}),
    'both are there still, as long as they should be');

# --- what comes back ----------------------------------------------------------

my ($long, $meta) = (sum_of(@long), sum_of(@meta));
for my $end (qw(KILL TERM)) {
    $d->stop($end);
    $d = Daemon->start({ verbose => 1 }, @arguments);
    like($d->said, qr/: 2 items restored in [\d.]+ s, 0 had ended$/m, "$end: both are restored");
    $c = $d->connect;
    is(found($c, 'get long'), $long, "$end: the longest, to the byte");
    is(found($c, 'mg meta v'), $meta, "$end: and the other");
}

# --- one makes room for another -----------------------------------------------

my $new = part(new => 199 * $MIB);
is(store($c, "set long 0 0 $new->{bytes}", $new), "STORED\r\n", 'the longest is replaced');
is(found($c, 'get long'), sum_of($new), 'by another');
is(store($c, "set third 0 0 $new->{bytes}", $new), "STORED\r\n", 'there is no room for a third');
is(found($c, 'get third'), sum_of($new), 'so it takes that of another');
cmp_ok($d->stat('evictions'), '>=', 1, 'which is evicted');
$d->stop_clean;

done_testing;
