# Huge pages, where there are any; and -L: all memory for items is taken at the start.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $MIB   = 1 << 20;
my $LIMIT = 64;

# Of the mapping that holds the items, of which most is in memory: { name => kB }, and under
# `advised` whether the system is asked for huge pages there.
sub largest ($d) {
    my ($best, %at) = { Rss => 0 };

    open my $in, '<', '/proc/' . $d->pid . '/smaps' or die "no smaps: $!\n";
    while (<$in>) {
        %at = () if /^[0-9a-f]+-[0-9a-f]+ /;
        $at{$1} = $2 if /^(\w+):\s+(\d+) kB/;
        next if !/^VmFlags:(.*)/;
        $at{advised} = $1 =~ /\bhg\b/ ? 1 : 0;
        $best = {%at} if $at{Rss} > $best->{Rss};
    }
    return $best;
}

sub huge_pages () {
    open my $in, '<', '/sys/kernel/mm/transparent_hugepage/enabled' or return 0;
    return <$in> =~ /\[never\]/ ? 0 : 1;
}

plan skip_all => 'memcached asks for them elsewhere' if is_reference();

my $d = Daemon->start({ verbose => !huge_pages() }, '-m' => $LIMIT, '-L');
plan skip_all => 'a sanitizer needs memory of its own' if $d->is_sanitized;
my $c = $d->connect;
$c->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'), 'it serves');
my $resident = $d->resident;
cmp_ok($resident, '>=', $LIMIT * $MIB, 'all memory is there before the first item');
my $map = largest($d);
cmp_ok($map->{Rss} * 1024, '>=', ($LIMIT - 2) * $MIB, 'in one place, but for its small beginning');
is($map->{advised}, 1, 'where the system is asked for huge pages');
if (huge_pages()) {
    cmp_ok($map->{AnonHugePages} * 1024, '>=', ($LIMIT - 4) * $MIB, 'and gives them');
} else {
    like($d->said, qr/^warning: no huge pages/m, 'it says that there are none');
}
$c->ask(set("k$_" => 'v' x 100_000) . "mn\r\n", qr/MN\r\n\z/) for 1 .. 2000;
cmp_ok($d->stat('evictions'), '>', 1000, 'it is full');
cmp_ok($d->resident - $resident, '<', 8 * $MIB, 'and takes no more memory for that');
$d->stop_clean;

$d = Daemon->start('-m' => $LIMIT, '-L');
$d->connect->expect("cache_memlimit 16\r\n", "OK\r\n", 'the limit may become lower');
ok(eventually(sub { $d->resident < 28 * $MIB }), 'and what was taken beyond it goes back');
$d->stop_clean;

$d = Daemon->start('-m' => $LIMIT);
cmp_ok($d->resident, '<', 16 * $MIB, 'without -L memory is taken as it is used');
$d->connect->ask(set("k$_" => 'v' x 100_000)) for 1 .. 300;
$map = largest($d);
cmp_ok($map->{Rss} * 1024, '>=', 30_000_000 - 2 * $MIB, 'which it is');
is($map->{advised}, 1, 'and huge pages are asked for as well');
cmp_ok($map->{AnonHugePages} * 1024, '>=', 2 * $MIB, 'and had') if huge_pages();
# An eighth more, and what is begun of a huge page at both ends.
cmp_ok($map->{Rss} * 1024, '<', 30_000_000 / 8 * 9 + 12 * $MIB, 'and no more than a part beyond that');
$d->stop_clean;

done_testing;
