# stats: its lines, their order, and what they say of the server.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

# PROTOCOL.md 4.4, for a build without proxy, extstore and TLS.
my @NAMES = qw(
    pid uptime time version libevent pointer_size rusage_user rusage_system
    max_connections curr_connections total_connections rejected_connections
    connection_structures response_obj_oom response_obj_count response_obj_bytes
    read_buf_count read_buf_bytes read_buf_bytes_free read_buf_oom reserved_fds
    cmd_get cmd_set cmd_flush cmd_touch cmd_meta
    get_hits get_misses get_expired get_flushed
    delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits
    cas_misses cas_hits cas_badval touch_hits touch_misses
    store_too_large store_no_memory auth_cmds auth_errors
    bytes_read bytes_written limit_maxbytes accepting_conns listen_disabled_num
    time_in_listen_disabled_us threads conn_yields
    hash_power_level hash_bytes hash_is_expanding
    slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_inline_reclaim
    slab_reassign_busy_items slab_reassign_busy_deletes slab_reassign_busy_nomem
    slab_reassign_last_busy_status slab_reassign_running slabs_moved
    lru_crawler_running lru_crawler_starts lru_maintainer_juggles
    malloc_fails log_worker_dropped log_worker_written log_watcher_skipped
    log_watcher_sent log_watchers unexpected_napi_ids round_robin_fallback
    bytes curr_items total_items slab_global_page_pool
    expired_unfetched evicted_unfetched evicted_active evictions reclaimed
    crawler_reclaimed crawler_items_checked lrutail_reflocked
    moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped);

# And of Larder alone.
push @NAMES, qw(header_kicks body_kicks write_kicks conn_mem_kicks conn_mem_bytes
    log_watchers_rejected prefixes_rejected log_messages_dropped
    log_messages_suppressed) if !is_reference();

my $d = Daemon->start('-m' => 100, '-c' => 200, '-t' => 1);
my $c = $d->connect;

# --- form --------------------------------------------------------------------

my $text = $c->ask("stats\r\n", qr/END\r\n\z/);
like($text, qr/\A(?:STAT \w+ \S+\r\n)+END\r\n\z/,
    "each line is STAT, a name and a value");
my @all   = map { $_->[0] } $d->stat_pairs;
my @names = grep { !/^ssl_|_cert_|^handshakes?_/ } @all;
same("@names", "@NAMES", "the names are those of memcached 1.6.45, in its order");
my %known = map { $_ => 1 } @NAMES;
my %shown = map { $_ => 1 } @names;
is("@{[ grep { $known{$_} } @names ]}", "@{[ grep { $shown{$_} } @NAMES ]}",
    "those that are there are in the order of the list");

# --- the server --------------------------------------------------------------

my $stats = $d->stats;
is($stats->{pid}, $d->pid, "pid is that of the process");
is($stats->{pointer_size}, 64, "pointer_size is in bits");
is($stats->{limit_maxbytes}, 100 * 1024 * 1024, "limit_maxbytes is what -m says");
is($stats->{max_connections}, 200, "max_connections is what -c says");
is($stats->{threads}, 1, "threads is what -t says");
is($stats->{accepting_conns}, 1, "it is accepting connections");
is($stats->{cmd_get} + $stats->{curr_items} + $stats->{total_items} + $stats->{bytes}, 0,
    "a new server has done nothing and holds nothing");
cmp_ok(abs($stats->{time} - time), '<=', 2, "time is the time of day");
cmp_ok($stats->{uptime}, '<=', 60, "uptime is that of a server which has just begun");
like($stats->{$_}, qr/\A\d+\.\d{6}\z/, "$_ has six digits after the point")
    for qw(rusage_user rusage_system);
my $uptime = $stats->{uptime};
ok(eventually(sub { $d->stat('uptime') > $uptime }, 5), "uptime goes on");

# --- connections -------------------------------------------------------------

my $curr  = $d->stat('curr_connections');
my $total = $d->stat('total_connections');
my @more  = map { $d->connect } 1 .. 5;
$_->ask("mn\r\n") for @more;
is($d->stat('curr_connections') - $curr, 5,
    "five clients more are five connections more");
is($d->stat('total_connections') - $total, 5, "and five more in all");
$_->close for @more;
ok(eventually(sub { $d->stat('curr_connections') == $curr }),
    "those who go are counted off");
is($d->stat('total_connections') - $total, 5, "but were there");

# --- items -------------------------------------------------------------------

$d->stats_move({ curr_items => 1, total_items => 1, cmd_set => 1 },
    sub { $c->ask(set(k => 'v')) }, "one item more");
$d->stats_move({ curr_items => 0, total_items => 1, cmd_set => 1 },
    sub { $c->ask(set(k => 'w' x 1000)) },
        "an item replaced is one of all, and none more");
cmp_ok($d->stat('bytes'), '>', 1000, "bytes counts the value");
cmp_ok($d->stat('bytes'), '<', 1200, "and not much more");
$d->stats_move({ curr_items => -1, delete_hits => 1 },
    sub { $c->ask("delete k\r\n") }, "an item less");
is($d->stat('bytes'), 0, "and no bytes are left");
$c->ask(set("k$_" => 'v')) for 1 .. 100;
$c->ask("delete k$_\r\n") for 1 .. 50;
is($d->stat('curr_items'), 50, "a hundred stored and fifty deleted leave fifty");

# --- traffic -----------------------------------------------------------------

my $before = $d->stats;
my $reply  = $c->ask("get k60 k61 k62\r\n", qr/END/);
my $after  = $d->stats;
is($after->{bytes_read} - $before->{bytes_read},
    length("get k60 k61 k62\r\n") + length("stats\r\n"),
    "bytes_read counts what came in");
cmp_ok($after->{bytes_written} - $before->{bytes_written}, '>', 1000 + length $reply,
    "bytes_written counts what went out, the first of these two stats among it");

# --- stats reset -------------------------------------------------------------

$c->ask("get k60\r\ndelete no\r\nincr no 1\r\ntouch no 1\r\ncas no 0 0 1 1\r\nv\r\n",
    qr/NOT_FOUND\r\n\z/);
my $watcher = $d->connect;
$watcher->ask("watch fetchers\r\n");
$c->ask("get k60\r\n", qr/END/);
$watcher->line;
$watcher->close;
$c->expect("lru_crawler crawl all\r\n", "OK\r\n", "the crawler is sent on its way");
ok(eventually(sub {
    my $now = $d->stats;
    return $now->{lru_crawler_running} == 0 && $now->{lru_maintainer_juggles} > 5
        && $now->{lru_crawler_starts} > 0 && $now->{log_watcher_sent} > 0
        && $now->{log_watchers} == 0;
}), "which is counted, as what was watched is");
$before = $d->stats;
$c->expect("stats reset\r\n", "RESET\r\n", "stats reset says RESET");
$after = $d->stats;
my @left = grep { $after->{$_} != 0 } qw(cmd_get cmd_set cmd_touch get_hits get_misses
    delete_hits delete_misses incr_misses touch_misses cas_misses total_items
    total_connections lru_crawler_starts log_worker_written log_worker_dropped
    log_watcher_sent log_watcher_skipped);
is("@left", '', "what counts events is 0 again");
cmp_ok($after->{lru_maintainer_juggles}, '<', $before->{lru_maintainer_juggles},
    "what goes on meanwhile begins again");
is($after->{$_}, $before->{$_}, "$_ stays")
    for qw(curr_items bytes curr_connections limit_maxbytes threads pid max_connections);
$c->expect("get k60\r\n", hit(k60 => 'v'), "and so does what is stored");
is($d->stat('get_hits'), 1, "and counting begins anew");

# --- what is there while something is on --------------------------------------

my $crawler = sub { grep { /^lru_crawler_/ } keys %{ $d->stats } };
is($crawler->(), 2, "two figures of the crawler");
$c->expect("lru_crawler disable\r\n", "OK\r\n", "which is switched off");
ok(eventually(sub { $crawler->() == 0 }), "and they are not there");
$c->expect("lru_crawler enable\r\n", "OK\r\n", "on again");
is($crawler->(), 2, "and they are");

# --- arguments ---------------------------------------------------------------

$c->expect("stats reset and more words\r\n", "RESET\r\n",
    "stats reset ignores more words");
$c->expect("stats r\r\n", "RESET\r\n", "reset may be cut short");
$c->expect("stats resets\r\n", "ERROR\r\n", "but not lengthened");
$c->expect("stats $_\r\n", "ERROR\r\n", "stats does not know $_")
    for qw(foo noreply STATS 0);
my $lines = () = $c->ask("stats  \r\n", qr/END\r\n\z/) =~ /^STAT/mg;
is($lines, scalar @all, "spaces after stats do not matter");

$d->stop_clean;
done_testing;
