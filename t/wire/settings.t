# stats settings: what the server was told, under the names that memcached uses.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
use Daemon;

# PROTOCOL.md 4.4, in order, with the values of a server that was told nothing. A
# build with extstore, TLS or the proxy shows theirs as well.
my @DEFAULTS = (
    maxbytes => 67108864, maxconns => 1024, tcpport => '*', udpport => 0,
    inter => '127.0.0.1', verbosity => 0, oldest => 0, evictions => 'on',
    domain_socket => 'NULL', umask => 700, shutdown_command => 'no',
    growth_factor => '1.25', chunk_size => 48, num_threads => 4, num_threads_per_udp => 4,
    stat_key_prefix => ':', detail_enabled => 'no', reqs_per_event => 20,
    cas_enabled => 'yes', tcp_backlog => 1024, binding_protocol => '*',
    auth_enabled_sasl => 'no', auth_enabled_ascii => 'no', item_size_max => 1048576,
    maxconns_fast => 'yes', hashpower_init => 0, slab_reassign => 'yes',
        slab_automove => 1,
    slab_automove_ratio => '0.80', slab_automove_window => 10, slab_chunk_max => 524288,
    lru_crawler => 'yes', lru_crawler_sleep => 100, lru_crawler_tocrawl => 0,
    tail_repair_time => 0, flush_enabled => 'yes', dump_enabled => 'yes',
    hash_algorithm => '*', lru_maintainer_thread => 'yes', lru_segmented => 'yes',
    hot_lru_pct => 20, warm_lru_pct => 40, hot_max_factor => '0.20',
    warm_max_factor => '2.00', temp_lru => 'no', temporary_ttl => 61, idle_timeout => 0,
    watcher_logbuf_size => 262144, worker_logbuf_size => 65536, read_buf_mem_limit => 0,
    track_sizes => 'no', inline_ascii_response => 'no', num_napi_ids => 0,
    memory_file => '(null)', client_flags_size => 4);
my @NAMES = @DEFAULTS[ grep { $_ % 2 == 0 } 0 .. $#DEFAULTS ];
my %DEFAULT = @DEFAULTS;
# Limits that memcached does not have, with what they are when nothing is said.
my @LIMITS = (header_timeout => 60, body_timeout => 60, write_timeout => 60,
    conn_mem_limit => 268435456, ssl_handshake_timeout => 10, udp_amplification => 10);

# --- told nothing ------------------------------------------------------------

my $d = Daemon->start;
my %is_limit = @LIMITS;
my @all = map { $_->[0] } $d->stat_pairs('settings');
my @names = grep { !/^(?:ext_|ssl_|proxy_|slab_automove_freeratio)/ && !$is_limit{$_} } @all;
same("@names", "@NAMES", "the names are those of memcached 1.6.45, in its order");
my %known = map { $_ => 1 } @NAMES;
is("@{[ grep { $known{$_} && $_ ne 'client_flags_size' } @names ]}",
    "@{[ grep { $_ ne 'client_flags_size' } @NAMES ]}",
        "all but the newest are there in order");
my $settings = $d->stats('settings');
for my $name (@NAMES) {
    same($settings->{$name}, $DEFAULT{$name}, "by default, $name is $DEFAULT{$name}")
        if $DEFAULT{$name} ne '*';
}
SKIP: {
    skip 'memcached has no such limits', @LIMITS / 2 + 1 if is_reference();
    is("@all[ -@LIMITS / 2 .. -1 ]", "@LIMITS[ grep { $_ % 2 == 0 } 0 .. $#LIMITS ]",
        "limits of larder's own come last");
    is($settings->{$_}, $is_limit{$_}, "by default, $_ is $is_limit{$_}") for sort keys %is_limit;
}
is($settings->{tcpport}, $d->port, "tcpport is the port");
verdict($d->connect->ask("stats s\r\n", qr/(?:END|ERROR)\r\n\z/) =~ /\ASTAT maxbytes /,
    "settings may be cut short");
$d->stop_clean;

# --- told much ---------------------------------------------------------------

my @TOLD = (
    [ '-m' => 100,               maxbytes => 104857600 ],
    [ '-c' => 100,               maxconns => 100 ],
    [ '-M',                      evictions => 'off' ],
    [ '-A',                      shutdown_command => 'yes' ],
    [ '-f' => '1.50',            growth_factor => '1.50' ],
    [ '-n' => 96,                chunk_size => 96 ],
    [ '-t' => 2,                 num_threads => 2 ],
    [ '-R' => 7,                 reqs_per_event => 7 ],
    [ '-C',                      cas_enabled => 'no' ],
    [ '-b' => 77,                tcp_backlog => 77 ],
    [ '-I' => '512k',            item_size_max => 524288 ],
    [ '-F',                      flush_enabled => 'no' ],
    [ '-X',                      dump_enabled => 'no' ],
    [ '-v',                      verbosity => 1 ],
    [ '-o' => 'no_maxconns_fast',    maxconns_fast => 'no' ],
    [ '-o' => 'hashpower=20',        hashpower_init => 20 ],
    [ '-o' => 'no_slab_reassign',    slab_reassign => 'no' ],
    [ '-o' => 'slab_automove=0',     slab_automove => 0 ],
    [ '-o' => 'no_lru_crawler',      lru_crawler => 'no' ],
    [ '-o' => 'idle_timeout=30',     idle_timeout => 30 ],
    [ '-o' => 'tail_repair_time=60', tail_repair_time => 60 ],
    [ '-o' => 'hot_lru_pct=10',      hot_lru_pct => 10 ],
    [ '-o' => 'warm_lru_pct=30',     warm_lru_pct => 30 ],
    [ '-o' => 'temporary_ttl=90',    temporary_ttl => 90 ],
    [ '-o' => 'track_sizes',         track_sizes => 'yes' ],
);

$d = Daemon->start(map { @$_[ 0 .. $#$_ - 2 ] } @TOLD);
$settings = $d->stats('settings');
for my $case (@TOLD) {
    my ($name, $value, @args) = (@$case[ -2, -1 ], @$case[ 0 .. $#$case - 2 ]);
    is($settings->{$name}, $value, "with @args, $name is $value");
}
$d->stop_clean;

my $path = tempdir(CLEANUP => 1) . '/socket';
$d = Daemon->start('-s' => $path, '-a' => '0770');
$settings = $d->stats('settings');
is($settings->{domain_socket}, $path, "domain_socket is the path of -s");
is($settings->{umask}, 770, "umask is the mode of -a");
$d->stop_clean;
done_testing;
