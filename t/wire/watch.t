# watch: a stream of what happens, that holds up nobody.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp 'tempdir';

plan skip_all => 'the reference knows fewer kinds, and t/golden has the lines of 1.6.45'
    if is_reference();
my $d = Daemon->start('-m' => 2, '-t' => 2, '-o' => 'watcher_logbuf_size=16');
my $c = $d->connect;

# The lines that come until one matches, without their dates.
sub lines_until ($watcher, $end) {
    $watcher->read_until(sub { $watcher->unread =~ $end });
    my $text = $watcher->receive(length $watcher->unread);

    $text =~ s/^ts=\d+\.\d{1,6} gid=\d+ //mg;
    $text =~ s/cfd=\d+/cfd=N/g;
    $text =~ s/clsid=[1-9]\d*/clsid=C/g;
    return $text;
}

sub watcher (@kinds) {
    my $watcher = $d->connect;

    is($watcher->ask("watch @kinds\r\n"), "OK\r\n", "watch @kinds");
    return $watcher;
}

my $fetchers  = watcher('fetchers');
my $mutations = watcher('mutations');
my $deletions = watcher('deletions');

$c->expect("set a 0 0 2\r\nhi\r\nget a b\r\nadd a 0 0 1\r\nx\r\ndelete a\r\nma n N0 J7\r\n",
    "STORED\r\nVALUE a 0 2\r\nhi\r\nEND\r\nNOT_STORED\r\nDELETED\r\nHD\r\n", 'some commands');
is(lines_until($fetchers, qr/key=n .*\n.*key=n .*\n/),
    "type=item_get key=a status=not_found clsid=0 cfd=N size=0\n"
    . "type=item_get key=a status=found clsid=C cfd=N size=2\n"
    . "type=item_get key=b status=not_found clsid=0 cfd=N size=0\n"
    . "type=item_get key=a status=found clsid=C cfd=N size=2\n"
    . "type=item_get key=a status=found clsid=C cfd=N size=2\n"
    . "type=item_get key=n status=not_found clsid=0 cfd=N size=0\n" x 2,
    'fetchers see every look-up');
is(lines_until($mutations, qr/key=n .*\n/),
    "type=item_store key=a status=stored cmd=set ttl=0 clsid=C cfd=N size=2\n"
    . "type=item_store key=a status=not_stored cmd=add ttl=0 clsid=C cfd=N size=1\n"
    . "type=item_store key=n status=stored cmd=add ttl=0 clsid=C cfd=N size=1\n",
    'mutations see every store');
is(lines_until($deletions, qr/key=a .*\n/), "type=deleted key=a cmd=delete clsid=C size=2\n",
    'deletions see deletes that found something');

$c->ask("set old 0 -1 1\r\nx\r\n");
$c->ask("get old\r\n");
is(lines_until($fetchers, qr/key=old .*\n.*\n/),
    "type=item_get key=old status=not_found clsid=0 cfd=N size=0\n" x 2,
    'to whom what has expired is not found either');
lines_until($mutations, qr/key=old .*\n/);

# What is joined, or stored as stale, keeps its time.
my $keeper = $d->connect;
$keeper->ask("set kept 0 1000 1\r\nx\r\nappend kept 0 50 1\r\ny\r\nms kept 1 MP T70\r\nz\r\n"
    . "append none 0 50 1\r\ny\r\n", qr/NOT_STORED\r\n\z/);
my $old_cas = $keeper->cas_of('kept');
$keeper->ask("md kept I\r\nms kept 1 C$old_cas I T70\r\nz\r\n", qr/HD\r\nHD\r\n\z/);
is(lines_until($mutations, qr/cmd=cas .*\n/) =~ s/ttl=(?:1000|999)/ttl=1000/gr,
    "type=item_store key=kept status=stored cmd=set ttl=1000 clsid=C cfd=N size=1\n"
    . "type=item_store key=kept status=stored cmd=append ttl=1000 clsid=C cfd=N size=2\n"
    . "type=item_store key=kept status=stored cmd=prepend ttl=1000 clsid=C cfd=N size=3\n"
    . "type=item_store key=none status=not_stored cmd=append ttl=50 clsid=C cfd=N size=1\n"
    . "type=item_store key=kept status=stored cmd=cas ttl=1000 clsid=C cfd=N size=1\n",
    'the ttl is that of the item');
lines_until($fetchers, qr/key=kept .*\n\z/);

# A value that arrives in pieces is told of when it is there.
$c->send("set big 0 100 200000\r\n" . 'x' x 100_000);
$c->send('x' x 100_000 . "\r\n");
$c->expect('', "STORED\r\n", 'a value in two pieces');
like(lines_until($mutations, qr/key=big .*\n/),
    qr/\Atype=item_store key=big status=stored cmd=set ttl=(?:100|99) clsid=C cfd=N size=200000\n\z/,
    'is told of once');

my $connevents = watcher('connevents');
my $guest = $d->connect;
$guest->ask("version\r\n");
$guest->send("quit\r\n");
$guest->closed('a guest quits');
$guest = $d->connect;
$guest->ask("version\r\n");
$guest->send("GET / HTTP/1.1\r\n");
$guest->closed('another is sent away');
like(lines_until($connevents, qr/reason=error.*\n/), qr/\A
    type=conn_new\ rip=127.0.0.1\ rport=\d+\ transport=tcp\ cfd=N\n
    type=conn_close\ rip=127.0.0.1\ rport=\d+\ transport=tcp\ reason=normal\ cfd=N\n
    type=conn_new\ rip=127.0.0.1\ rport=\d+\ transport=tcp\ cfd=N\n
    type=conn_close\ rip=127.0.0.1\ rport=\d+\ transport=tcp\ reason=error\ cfd=N\n\z/x,
    'connevents see them come and go');

# Watchers leave as well; and a socket that was reset has no name any more.
my $leaver = watcher('sysevents');
my $port   = $leaver->{socket}->sockport;
$leaver->reset;
like(lines_until($connevents, qr/conn_close.*\n/), qr/^type=conn_close\ rip=127.0.0.1
    \ rport=$port\ transport=tcp\ reason=error\ cfd=N$/mx, 'nor those who watched');
$leaver = $d->connect;
$port   = $leaver->{socket}->sockport;
$leaver->ask("mn\r\n");
$leaver->reset;
like(lines_until($connevents, qr/conn_close.*\n/), qr/^type=conn_close\ rip=127.0.0.1
    \ rport=$port\ transport=tcp\ reason=error\ cfd=N$/mx, 'who reset his connection is known');

# Evictions: more than the memory holds.
my $evictions = watcher('evictions');
my $value = 'v' x 5000;
$c->send(join '', map { "set e$_ 0 0 5000 noreply\r\n$value\r\n" } 1 .. 2000);
$c->expect("mn\r\n", "MN\r\n", 'much is stored');
like(lines_until($evictions, qr/key=e\d+ .*\n/),
    qr/^type=eviction key=e\d+ fetch=no ttl=-1 la=\d+ clsid=C size=5000$/m,
    'evictions see what had to go');

# Nobody reads here: lines are left out, and told of, and no command waits.
$fetchers->close;
$fetchers = watcher('fetchers');
my $before = $d->stats;
for (1 .. 20) {
    $c->ask("get a\r\n" x 5000 . "mn\r\n", qr/MN\r\n\z/);
}
my $after = $d->stats;
my $lost  = $after->{log_watcher_skipped} - $before->{log_watcher_skipped}
    + $after->{log_worker_dropped} - $before->{log_worker_dropped};
cmp_ok($lost, '>', 1000, 'a watcher that does not read loses lines, and nobody waits for it');
my ($text, $gets) = ('', 100_000);
ok(eventually(sub {
    $c->ask('get last' . ++$gets . "\r\n");
    $fetchers->read_until(sub { $fetchers->unread =~ /key=last$gets .*\n\z/ }, 0.2);
    $text .= $fetchers->receive(length $fetchers->unread);
    return $text =~ /key=last$gets .*\n\z/;
}), 'it reads again');
my $told = 0;
$told += $_ for $text =~ /^skipped=(\d+)$/gm;
my @lines = $text =~ /^ts=.* type=item_get /gm;
is(@lines + $told, $gets, 'and has been told how many lines it did not get, by skipped=');

$c->expect("stats reset\r\n", "RESET\r\n", 'stats reset');
$after = $d->stats;
my @counted = grep { $after->{$_} != 0 } qw(log_worker_written log_worker_dropped
    log_watcher_sent log_watcher_skipped);
is("@counted", '', 'forgets what was told and what was lost');

is($d->stat('log_watchers'), 5, 'log_watchers counts them');
$_->close for $fetchers, $mutations, $deletions, $connevents, $evictions;
ok(eventually(sub { $d->stat('log_watchers') == 0 }), 'and sees them go');
my $connections = $d->stat('curr_connections');
cmp_ok($connections, '<=', 3, 'with their connections');

my @crowd = map { watcher('sysevents') } 1 .. 20;
$c->expect("watch\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\n",
    'the 21st is refused');
$_->close for @crowd;

my $late = $d->connect;
$late->expect("mn\r\nwatch\r\n",
    "MN\r\nERROR cannot pipeline other commands before watch\r\n", 'not behind other commands');
$late->expect("watch nothing\r\n", "ERROR\r\n", 'no such kind');
$late->expect("mn\r\n", "MN\r\n", 'and the dialogue goes on');

$d->stop_clean;

# Nor is it a client alone that evicts: pages that move do, and a limit that is lowered.
$d = Daemon->start('-m' => 16, '-o' => 'no_slab_automove');
$c = $d->connect;
$c->send(join '', map { "set f$_ 0 0 1000 noreply\r\n" . 'v' x 1000 . "\r\n" } 1 .. 20_000);
$c->expect("mn\r\n", "MN\r\n", 'a server is full');
my %pages = map { /^(\d+):total_pages$/ ? ($1 => $d->stats('slabs')->{$_}) : () }
    keys $d->stats('slabs')->%*;
my ($full) = sort { $pages{$b} <=> $pages{$a} } keys %pages;

for my $order ("slabs reassign $full " . ($full + 2), 'cache_memlimit 8') {
    my $before = $d->stat('evictions');
    my ($lines, $told, $evicted) = ('');

    $evictions = watcher('evictions');
    $c->expect("$order\r\n", "OK\r\n", $order);
    ok(eventually(sub { $d->stat('slab_reassign_running') == 0
        && $d->stat('evictions') > $before }), 'which takes evictions');
    ok(eventually(sub {     # the next line tells of those that were left out before it
        $c->ask("set last 0 0 1000\r\n" . 'v' x 1000 . "\r\n");
        $evictions->read_until(sub { 0 }, 0.2);
        $lines .= $evictions->receive(length $evictions->unread);
        $told = () = $lines =~ /^ts=.* type=eviction key=f\d+ /gm;
        $told += $_ for $lines =~ /^skipped=(\d+)$/gm;
        $evicted = $d->stat('evictions') - $before;
        return $told == $evicted;
    }), 'they see each, or how many they miss') or diag("$told of $evicted");
    $evictions->close;
}
$d->stop_clean;

# Connections: by which way they came, and why they end.
$d = Daemon->start('-s' => tempdir(CLEANUP => 1) . '/socket');
$connevents = watcher('connevents');
$guest = $d->connect;
$guest->ask("mn\r\n");
is(lines_until($connevents, qr/conn_new.*\n/),
    "type=conn_new rip=unix rport=0 transport=local cfd=N\n", 'who comes by a unix socket');
$d->stop_clean('a server ends with a guest in it');
# The second is the one by which the test asks for statistics.
is(lines_until($connevents, qr/(?:.*conn_close.*\n){2}/),
    "type=conn_close rip=unix rport=0 transport=local reason=shutdown cfd=N\n" x 2,
    'connevents see whom it sends away');

$d = Daemon->start('-o' => 'debug_commands,idle_timeout=300');
$connevents = watcher('connevents');
$guest = $d->connect;
$guest->ask("mn\r\n");
$port = $guest->{socket}->sockport;
$d->advance_clock(301);
like(lines_until($connevents, qr/rport=$port .*reason.*\n/), qr/^type=conn_close
    \ rip=127.0.0.1\ rport=$port\ transport=tcp\ reason=idle_timeout\ cfd=N$/mx,
    'and who was idle for too long');
$_->close for $connevents, $guest;
$d->stop_clean;

# The crawler: what a round has found, and when the next one is.
$d = Daemon->start('-m' => 2, '-o' => 'debug_commands');
$c = $d->connect;
$c->ask(join('', map { "set c$_ 0 $_ 1\r\nx\r\n" } 1 .. 9) . set(large => 'x' x 500)
    . "mn\r\n", qr/MN\r\n\z/);
$d->advance_clock(5);
my $sysevents = watcher('sysevents');
my $round = qr/^type=lru_crawler crawler=\d+ lru=cold low_mark=0 next_reclaims=0 since_run=0/m;
$c->expect("lru_crawler crawl all\r\n", "OK\r\n", 'the crawler is sent on its way');
my $told_of = lines_until($sysevents, qr/(?:.*lru_crawler.*\n){2}/);
like($told_of, qr/$round next_run=60 elapsed=0 examined=9 reclaimed=[45]$/m,
    'sysevents tell what it has found in a class');
like($told_of, qr/$round next_run=60 elapsed=0 examined=1 reclaimed=0$/m, 'and in another');
$c->ask("lru_crawler sleep 50000\r\nlru_crawler crawl all\r\n", qr/OK\r\nOK\r\n\z/);
for my $part (1 .. 10) {
    $c->ask(join('', map { set("m$part/$_" => 'x' x 500) } 1 .. 1000) . "mn\r\n", qr/MN\r\n\z/);
}
cmp_ok($d->stat('evictions'), '>', 0, 'memory is short while it crawls');
is($d->stat('lru_crawler_running'), 1, 'which it still does');
$told_of = lines_until($sysevents, qr/lru_crawler.*\n/);
like($told_of, qr/$round next_run=1 /m, 'then the next round may come in a second');
$d->stop_clean;
done_testing;
