# Memory goes to keys and values: what an item costs besides, in pages and in the table, stays
# small. A server is filled with items of one size until it evicts.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'memcached takes more' if is_reference();

my $LIMIT = 64;                 # megabytes
my $BATCH = 5000;               # stores between two looks
my $TABLE = 11;                 # bytes of the table for an item, at most

# Stores of values of so many bytes under keys of so many.
sub batch ($from, $key, $value) {
    my $rest = " 0 0 $value noreply\r\n" . 'v' x $value . "\r\n";

    return join '', map { sprintf "set %0${key}d%s", $_, $rest } $from .. $from + $BATCH - 1;
}

sub fill ($d, $key, $value) {
    my $c = $d->connect;

    for (my $from = 0; $d->stat('evictions') == 0; $from += $BATCH) {
        $c->send(batch($from, $key, $value));
        $c->is_in_step or die 'the server does not answer';
    }
}

# The header has 32 bytes. The rest is what a chunk is longer than its item, what is left over
# at the end of a page, and the pages of other classes; and in the table the slots that are
# free.
for my $case ([ 10, 10, 33 ], [ 20, 100, 33 ], [ 30, 500, 36 ]) {
    my ($key, $value, $most) = @$case;
    my $d = Daemon->start('-m' => $LIMIT, '-t' => 1);

    plan skip_all => 'a sanitized build has other chunks' if $d->is_sanitized;
    fill($d, $key, $value);
    my $stats    = $d->stats;
    my $overhead = $stats->{limit_maxbytes} / $stats->{curr_items} - $key - $value;
    my $of_table = $stats->{hash_bytes} / $stats->{curr_items};
    my $name     = "$key + $value bytes";

    cmp_ok($overhead, '<=', $most, "$name: an item takes at most $most bytes more in pages");
    cmp_ok($of_table, '<=', $TABLE, "$name: and at most $TABLE in the table");
    $d->stop_clean;
}

done_testing;
