# What a connection costs the server that has been served and says nothing: resident memory, with
# what malloc and libevent take for it, and without the kernel's.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'memcached keeps more' if is_reference();

my $CLIENTS = $ENV{IDLE_CLIENTS} // 10_000;
my $MOST    = 320;                      # bytes for each of them, with one thread

need_open_files($CLIENTS + 200);

# How many bytes each of so many clients is to a server, after it was given an answer.
sub bytes_for_each ($d, $clients) {
    my $before = $d->resident;
    my @idle   = map { $d->connect } 1 .. $clients;
    my $served = grep { $_->ask("mn\r\n") eq "MN\r\n" } @idle;

    is($served, $clients, "$clients clients are served");
    is($d->stat('conn_mem_bytes'), 0, 'and nothing is kept for them');
    return ($d->resident - $before) / $clients;
}

my $d = Daemon->start('-c' => $CLIENTS + 100, '-t' => 1);
SKIP: {
    skip 'a sanitizer has memory of its own', 3 if $d->is_sanitized;
    my $each = bytes_for_each($d, $CLIENTS);
    note(sprintf '%.0f bytes for each', $each);
    verdict($each <= $MOST, "each takes at most $MOST bytes", "it takes $each\n");
}
$d->stop_clean;
done_testing;
