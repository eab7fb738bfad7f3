# -o conn_mem_limit: what clients do not take, or do not say as a whole, has a ceiling. Those
# for whom most is kept go; the others are served.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'memcached has no such limit' if is_reference();

my $MIB     = 1 << 20;
my $LIMIT   = 8;                        # megabytes
my $THREADS = 2;
my $CLIENTS = 1000;
my $IDLE    = 1 << 10;                  # bytes of a connection besides: larder(1)
my $SLACK   = 4 * $MIB;                 # of the allocator, and of two reply buffers

need_open_files(2 * $CLIENTS);

my $d = Daemon->start('-m' => 64, '-c' => 2 * $CLIENTS, '-t' => $THREADS, '-R' => 1000,
    '-o' => "conn_mem_limit=$LIMIT");
my $c = $d->connect;
$c->ask(set("small$_" => "s$_" x 300)) for 1 .. 10;

# Who is in the midst of something small is not who is looked for.
my @modest = map { $d->connect } 1 .. 20;
$_->send('get small') for @modest;
$modest[$_]->send("1\r\nget small") for 10 .. 19;
ok(eventually(sub { $d->stat('conn_mem_bytes') > 0 }), 'what has begun is kept');

my $watcher = $d->connect;
$watcher->ask("watch connevents\r\n");
my $before = $d->resident;
my ($most, $wrong, $highest) = (0, 0, 0);
my @slow;
for my $n (1 .. $CLIENTS) {
    my $client = $d->connect(window => 4096);

    push @slow, $client;
    $client->push_out("get small1\r\n" x 10_000, 0);
    next if $n % 10;
    my $key = 1 + $n / 10 % 10;
    $wrong++ if $c->ask("get small$key\r\n", qr/END\r\n\z/) ne hit("small$key" => "s$key" x 300);
    my $bytes = $d->stat('conn_mem_bytes');
    $most    = $bytes if $bytes > $most;
    $highest = $d->resident if $d->resident > $highest;
}
is($wrong, 0, 'meanwhile others are served');
cmp_ok($most, '>', $LIMIT * $MIB / 2, "$CLIENTS clients do not read: much is kept for them");
cmp_ok($most, '<=', $LIMIT * $MIB, 'but never more than the limit');
SKIP: {
    skip 'a sanitizer needs memory of its own', 1 if $d->is_sanitized;
    my $grown   = $highest - $before;
    my $allowed = $LIMIT * $MIB + $CLIENTS * $IDLE + $SLACK;

    note(sprintf '%.1f MiB more of %.1f', $grown / $MIB, $allowed / $MIB);
    verdict($grown <= $allowed, 'nor does the process take more',
        "it grew by $grown, which is more than $allowed\n");
}
my $kicks = $d->stat('conn_mem_kicks');
cmp_ok($kicks, '>', $CLIENTS / 2, 'most of them were closed, and are counted');
ok($watcher->read_until(sub { $watcher->unread =~ /reason=conn_mem_limit/ }),
    'watchers are told why');
my $unhappy = 0;
for my $n (0 .. 19) {
    my $lines  = $n < 10 ? 1 : 2;
    my $answer = $modest[$n]->ask("2\r\n", qr/(?:\nEND\r\n.*){$lines}\z/s);
    $unhappy++ if $answer !~ /^VALUE small2 /m;
}
is($unhappy, 0, 'nobody who has kept little had to go');

$_->close for @slow, @modest;
ok(eventually(sub { $d->stat('conn_mem_bytes') == 0 }), 'when all have left nothing is kept');
$d->stop_clean;

$d = Daemon->start('-t' => 1, '-o' => 'conn_mem_limit=0');
$d->connect->ask(set(small => 's' x 1000));
@slow = map { $d->connect(window => 4096) } 1 .. 100;
$_->push_out("get small\r\n" x 10_000, 0) for @slow;
ok(eventually(sub { $d->stat('conn_mem_bytes') > 2 * $MIB }), 'without a limit it goes on');
is($d->stat('conn_mem_kicks'), 0, 'and nobody has to go');
$d->stop_clean;
done_testing;
