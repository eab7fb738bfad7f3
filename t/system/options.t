# The command line: what is printed, and the exit status of what is refused.
#
# Statuses are memcached's: 1 a value that is wrong, 64 options that do not go
# together, 67 an unknown user, 71 the system says no.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my @root = $> == 0 ? ('-u' => 'root') : ();

# --- what is printed ---------------------------------------------------------

my $run = run_program('-V');
is($run->{status}, 0, "-V exits with 0");
like($run->{stdout}, qr/\A\w+ \d+\.\d+\.\d+/, "and prints a name and a version");
verdict($run->{stdout} =~ /\Alarder \S+ \(speaks memcached 1\.6\.45\)\n\z/,
    "which also says what it speaks", $run->{stdout});
is(run_program('--version')->{stdout}, $run->{stdout}, "--version is -V");

$run = run_program('-h');
is($run->{status}, 0, "-h exits with 0");
is($run->{stderr}, '', "and prints to stdout");
for my $option (qw(p U s a A l d r u m M c k v h i V P f L D t R C b B I F X W Y e o)) {
    like($run->{stdout}, qr/^\s*-$option\b/m, "-h knows -$option");
}
is(run_program('--help')->{stdout}, $run->{stdout}, "--help is -h");
$run = run_program('-i');
is($run->{status}, 0, "-i exits with 0");
like($run->{stdout}, qr/Redistribution and use/, "and prints the licence");
is(run_program(@root, '-p', '0', '-V')->{status}, 0, "-V does not mind other options");

# --- what is refused ---------------------------------------------------------

for my $case (
    [ 1,  '-j',                  'an option that does not exist' ],
    [ 1,  '--nosuch',            'a long option that does not exist' ],
    [ 1,  '-m',                  'an option without its value' ],
    [ 1,  '-o nosuch',           'a suboption that does not exist' ],
    [ 64, '-m 0',                'no memory' ],
    [ 64, '-m 1',                'less memory than twice the largest item' ],
    [ 64, '-m x',                'memory that is no number' ],
    [ 1,  '-c 0',                'no connections' ],
    [ 1,  '-c x',                'connections that are no number' ],
    [ 1,  '-t 0',                'no threads' ],
    [ 1,  '-t x',                'threads that are no number' ],
    [ 1,  '-f 1',                'a growth factor that does not grow' ],
    [ 1,  '-f x',                'a growth factor that is no number' ],
    [ 1,  '-n 0',                'items of no size' ],
    [ 1,  '-R 0',                'no requests per event' ],
    [ 64, '-I 100',              'items that are too small' ],
    [ 64, '-I 1023',             'items that are one byte too small' ],
    [ 64, '-I 2g',               'items that are too large' ],
    [ 64, '-I 1x',               'a size in no unit' ],
    [ 64, '-B foo',              'a protocol that does not exist' ],
    [ 1,  '-o hashpower=11',     'a hash table that is too small' ],
    [ 1,  '-o hashpower=65',     'a hash table that is too large' ],
    [ 1,  '-o hashpower',        'a suboption without its number' ],
    [ 1,  '-o hash_algorithm=x', 'a hash that does not exist' ],
    [ 1,  '-o slab_automove=3',  'a mode that does not exist' ],
    [ 67, '-u nosuchuser',       'a user who does not exist', 'root' ],
    [ 64, '-m 64',               'no user, as root', 'root' ],
    [ 1,  '-l 127.0.0.1:x',      'a port that is no number' ],
    [ 1,  '-l 127.0.0.1:65536',  'a port that is too large' ],
    [ 1,  '-l 127.0.0.1:',       'a colon and no port' ],
    [ 1,  '-l [::1',             'a bracket that stays open' ],
    [ 1,  '-l btls:127.0.0.1',   'an address with TLS, and no TLS' ],
    [ 64, '-Z',                  'TLS without a certificate' ],
    [ 71, '-l 192.0.2.1',        'an address of another machine' ],
    [ 71, '-l nosuch.invalid',   'a name without an address' ],
) {
    my ($status, $args, $what, $needs_root) = @$case;
    SKIP: {
        skip 'not root', 1 if $needs_root && $> != 0;
        my $run = run_program('-l' => '127.0.0.1', '-p' => -1, $needs_root ? () : @root,
            split ' ', $args);
        is($run->{status}, $status, "exit status $status: $args, $what")
            or diag("signal $run->{signal}; $run->{stderr}");
        isnt($run->{stderr}, '', "and a word of it on stderr");
    }
}

# The others need an address before them, these one without.
for my $list (',', ';,;') {
    $run = run_program(@root, '-p' => -1, '-l' => $list);
    is($run->{status}, 1, "exit status 1: -l $list, a list of nothing");
    like($run->{stderr}, qr/^larder: -l \Q$list\E: .*no address/, "and it is said");
}

# --- what is taken -----------------------------------------------------------

# Each of these stands in somebody's start script.
for my $args (
    'extra words at the end',
    '--port=PORT --listen=127.0.0.1 --memory-limit=128 --threads=2 --conn-limit=512',
    '--slab-growth-factor=1.1 --slab-min-size=64 --max-reqs-per-event=40',
    '--listen-backlog=512',
    '--disable-cas --disable-flush-all --disable-evictions --max-item-size=512k',
    '-U 0 -D : -L',
    '-r -k -v',
    '-B ascii',
    '-o modern',
    '-o no_modern',
    '-o maxconns_fast,hashpower=18,no_hashexpand,slab_reassign,slab_automove',
    '-o slab_automove=0,slab_automove_ratio=0.5,slab_automove_window=20',
    '-o slab_chunk_max=512',
    '-o lru_crawler,lru_crawler_sleep=200,lru_crawler_tocrawl=10,lru_maintainer',
    '-o no_lru_crawler,no_slab_reassign,no_maxconns_fast',
    '-o hot_lru_pct=30 -o warm_lru_pct=30 -o hot_max_factor=0.3,warm_max_factor=3',
    '-o temporary_ttl=30,idle_timeout=60,tail_repair_time=100,track_sizes',
    '-o hash_algorithm=jenkins', '-o hash_algorithm=murmur3', '-o hash_algorithm=xxh3',
    '-o watcher_logbuf_size=512,worker_logbuf_size=128,no_inline_ascii_resp',
    '-o inline_ascii_resp,no_drop_privileges,read_buf_mem_limit=32',
) {
    my $d = Daemon->start({ verbose => 1 }, split ' ', $args);
    my $c = $d->connect;
    $c->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
        "it works with $args");
    $d->stop_clean('and stops cleanly');
}

done_testing;
