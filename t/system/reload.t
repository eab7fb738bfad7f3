# HUP: the configuration file is read again while the server serves.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls 'tls_arguments';
use File::Temp 'tempdir';
use POSIX 'mkfifo';

plan skip_all => 'memcached has no configuration file' if is_reference();

my $dir  = tempdir(CLEANUP => 1);
my $conf = "$dir/larder.conf";
chmod 0755, $dir;

sub write_conf ($text) {
    open my $out, '>', $conf or die "$conf: $!\n";
    print {$out} $text;
    close $out or die "$conf: $!\n";
}

my $heard = 0;          # bytes of what the server has said before

# Send HUP and wait for this on standard error.
sub reload_says ($d, $wanted, $name) {
    kill HUP => $d->pid;
    eventually(sub { length(substr $d->said, $heard) >= length $wanted });
    is(substr($d->said, $heard), $wanted, $name);
    $heard = length $d->said;
}

write_conf("memory-limit = 32\nslab_automove_ratio = 0.7\n");
my $d = Daemon->start({ verbose => 1 }, '--config' => $conf, '-t' => 2, '-o' => 'hot_lru_pct=21',
    '-v');
my $c = $d->connect;
reload_says($d, "$conf was read again; nothing has changed\n", "nothing new");

# All that can change while it runs, and one thing that the command line has the last word on.
write_conf(<<'END');
memory-limit = 48
verbose = 0
slab_automove = 2
slab_automove_ratio = 0.5
lru_crawler = no
lru_crawler_sleep = 200
lru_crawler_tocrawl = 10
hot_lru_pct = 30
warm_lru_pct = 30
hot_max_factor = 0.3
warm_max_factor = 3
temporary_ttl = 61
END
my %was = $d->stats('settings')->%*;
reload_says($d, <<"END", "what can change is told of");
$conf: memory-limit was 33554432 and is 50331648
$conf: slab_automove was 1 and is 2
$conf: slab_automove_ratio was 0.70 and is 0.50
$conf: lru_crawler was yes and is no
$conf: lru_crawler_sleep was 100 and is 200
$conf: lru_crawler_tocrawl was 0 and is 10
$conf: warm_lru_pct was 40 and is 30
$conf: hot_max_factor was 0.20 and is 0.30
$conf: warm_max_factor was 2.00 and is 3.00
$conf: temp_lru was no and is yes
END
my %is = $d->stats('settings')->%*;
is_deeply(
    { map { $_ => $is{$_} } grep { $is{$_} ne $was{$_} } keys %is },
    {
        maxbytes            => 48 << 20,
        slab_automove       => 2,
        slab_automove_ratio => '0.50',
        lru_crawler         => 'no',
        lru_crawler_sleep   => 200,
        lru_crawler_tocrawl => 10,
        warm_lru_pct        => 30,
        hot_max_factor      => '0.30',
        warm_max_factor     => '3.00',
        temp_lru            => 'yes',
    },
    "and so it is, with nothing else changed");
is($d->stat('limit_maxbytes'), 48 << 20, "memory, too");
reload_says($d, "$conf was read again; nothing has changed\n", "the same again changes nothing");
ok($c->is_in_step, "who is there notices nothing");

# What clients have changed stays until the file says something else than before.
$c->expect("cache_memlimit 64\r\n", "OK\r\n", "a client wants more memory");
reload_says($d, "$conf was read again; nothing has changed\n", "the file has nothing to say to that");
is($d->stat('limit_maxbytes'), 64 << 20, "so he keeps it");

# A broken file changes nothing at all.
for my $case (
    [ "memory-limit = 40\nidel_timeout = 5\n",
        qq{larder: $conf:2: unknown option "idel_timeout"; did you mean "idle_timeout"?\n} ],
    [ "memory-limit = 40\nmemory-limit = none\n", qr/larder: \Q$conf\E:2: .*none.*\n/ ],
    [ "memory-limit = 40\nhot_lru_pct = 79\nwarm_lru_pct = 79\n",
        "larder: -o hot_lru_pct and warm_lru_pct together are more than 80\n" ],
) {
    my ($text, $why) = @$case;
    my $before = join ' ', map { "@$_" } $d->stat_pairs('settings');

    write_conf($text);
    kill HUP => $d->pid;
    ok(eventually(sub { substr($d->said, $heard) =~ /stay in force\n\z/ }), "a bad file is refused");
    like(substr($d->said, $heard),
        qr/\A@{[ ref $why ? $why : quotemeta $why ]}\Q$conf: the old settings stay in force\E\n\z/,
        "and what is said tells why");
    $heard = length $d->said;
    is(join(' ', map { "@$_" } $d->stat_pairs('settings')), $before, "nothing has changed");
}
unlink $conf;
reload_says($d, "larder: $conf: No such file or directory\n$conf: the old settings stay in force\n",
    "nor where there is none any more");
$d->connect->expect("mn\r\n", "MN\r\n", "it serves");
$d->stop_clean;

# What needs a restart is said each time, until there is one.
$heard = 0;
write_conf("conn-limit = 200\nslab_reassign = no\n");
$d = Daemon->start({ verbose => 1 }, '--config' => $conf, '-t' => 2);
write_conf("conn-limit = 300\nslab_reassign = no\nlisten-backlog = 5\nslab_automove = 2\n"
    . "memory-limit = 16000000\nlisten = 127.0.0.1\npidfile = /run/x\nverbose = 2\nhashpower = 20\n");
my $told = <<"END";
-o hashpower has no effect: the table grows by itself, without a stop
$conf: memory-limit was 67108864 and is 16777216000000, which needs a restart
$conf: conn-limit was 200 and is 300, which needs a restart
$conf: verbose was 0 and is 2
$conf: listen-backlog was 1024 and is 5, which needs a restart
$conf: slab_automove was 1 and is 2, which needs a restart
$conf: pidfile was not set and is /run/x, which needs a restart
END
kill HUP => $d->pid;
ok(eventually(sub { length $d->said >= length $told }), 'it is read');
is($d->said, $told, "that needs a restart");
my $s = $d->stats('settings');
is("$s->{maxconns} $s->{tcp_backlog} $s->{maxbytes} $s->{slab_automove}", "200 1024 67108864 1",
    "and is not so yet");
is($s->{verbosity}, 2, "what does not need one is");
$d->connect->expect("verbosity 0\r\n", "OK\r\n", "silence, please");
$heard = length $d->said;
reload_says($d, join('', grep { !/verbose/ } split /^/, $told),
    "it is said again, as long as it is so");
write_conf("conn-limit = 201\nslab_reassign = no\nverbose = 2\n");
reload_says($d, "$conf: conn-limit was 200 and is 201, which needs a restart\n",
    'until the file says again what is so');
$d->stop_clean;

# What a client has done already is no matter for a restart.
$heard = 0;
write_conf("verbose = 1\n");
$d = Daemon->start({ verbose => 1 }, '--config' => $conf, '-t' => 2);
$d->connect->expect("lru_crawler disable\r\n", "OK\r\n", "a client stops the crawler");
write_conf("verbose = 1\nlru_crawler = no\n");
reload_says($d, "$conf: lru_crawler was yes and is no\n", "and so does the file");
$d->stop_clean;

# Warnings are given each time, too.
$heard = 0;
write_conf("verbose = 1\nthreads = 2\n");
$d = Daemon->start({ verbose => 1 }, '--config' => $conf);
write_conf("verbose = 1\nthreads = 65\n");
chmod 0666, $conf;
$told = <<"END";
warning: $conf: everybody can write to this file
warning: 65 threads (-t) are more than most machines have use for
$conf: threads was 2 and is 65, which needs a restart
END
reload_says($d, $told, "a file is warned of when it is read again");
reload_says($d, $told, "and once more");
chmod 0644, $conf;
$d->stop_clean;

# A warning is one whatever the file is called.
{
    my $named = "$dir/warning: it.conf";
    $heard = 0;
    write_conf("verbose = 1\n");
    rename $conf, $named or die "$!\n";
    $d = Daemon->start({ verbose => 1 }, '--config' => $named);
    chmod 0666, $named;
    reload_says($d, "warning: $named: everybody can write to this file\n"
        . "$named was read again; nothing has changed\n", 'also one with that word in its name');
    $d->stop_clean;
}

# What is allowed to connections changes for those that are there, too.

# Has the server looked at its connections since? It does so once a second.
sub has_looked ($d) {
    my $until = $d->stat('uptime') + 2;

    eventually(sub { $d->stat('uptime') >= $until }) or die "its clock stands still\n";
}

my $asked = "get big\r\n" x 60;         # more than the kernel holds
for my $case (
    [ idle_timeout          => 0,   'idle_kicks',      "mn\r\n" ],
    [ header_timeout        => 500, 'header_kicks',    'get k' ],
    [ body_timeout          => 500, 'body_kicks',      "set k 0 0 1000\r\n" ],
    [ write_timeout         => 500, 'write_kicks',     $asked ],
    [ ssl_handshake_timeout => 500, 'handshake_kicks', '' ],
    ) {
    my ($option, $before, $counter, $says) = @$case;
    my $secure = $option =~ /ssl/;

    $heard = 0;
    write_conf("$option = $before\n");
    $d = Daemon->start({ verbose => 1, tls => $secure ? {} : undef }, '--config' => $conf,
        '-t' => 1, $secure ? tls_arguments('debug_commands') : ('-o' => 'debug_commands'));
    $d->connect->ask(set(big => 'v' x 500_000));
    my $client = $d->connect(window => 4096, $secure ? (tls => 0) : ());
    $client->push_out($says, 0);
    # The server has it when its statistics see the connection, and have to be asked twice.
    has_looked($d);
    $d->advance_clock(50);
    has_looked($d);
    is($d->stat($counter) // 0, 0, "$option = $before is not over after 50 seconds");
    write_conf("$option = 40\n");
    reload_says($d, "$conf: $option was $before and is 40\n", 'it is 40 now');
    is($d->stats('settings')->{$option}, 40, 'and shown so');
    has_looked($d);
    $d->advance_clock(50) if $option =~ /body|write/;   # they are looked at twice
    ok(eventually(sub { ($d->stat($counter) // 0) > 0 }), 'and over for who has been there before');
    $d->stop_clean;
}

# Whether handshakes have room enough is a matter of the threads that there are.
$heard = 0;
write_conf("threads = 8\nconn_mem_limit = 256\n");
$d = Daemon->start({ verbose => 1, tls => {} }, tls_arguments(), '--config' => $conf);
write_conf("threads = 1\nconn_mem_limit = 1\n");
reload_says($d, "$conf: threads was 8 and is 1, which needs a restart\n"
    . "$conf: conn_mem_limit was 268435456 and is 1048576, which needs a restart\n",
    'too little for threads that are still there');
ok($d->connect->is_in_step, 'so handshakes go on');
$d->stop_clean;

$heard = 0;
write_conf("conn_mem_limit = 256\n");
$d = Daemon->start({ verbose => 1 }, '--config' => $conf, '-t' => 1);
$d->connect->ask(set(small => 's' x 1000));
my @slow = map { $d->connect(window => 4096) } 1 .. 100;
$_->push_out("get small\r\n" x 10_000, 0) for @slow;
ok(eventually(sub { $d->stat('conn_mem_bytes') > 1 << 20 }), 'more than a megabyte is kept');
is($d->stat('conn_mem_kicks'), 0, 'which is allowed');
write_conf("conn_mem_limit = 1\n");
reload_says($d, "$conf: conn_mem_limit was 268435456 and is 1048576\n", 'until it is not any more');
is($d->stats('settings')->{conn_mem_limit}, 1 << 20, 'which is shown');
ok(eventually(sub { $d->stat('conn_mem_bytes') <= 1 << 20 }), 'then there is less');
cmp_ok($d->stat('conn_mem_kicks'), '>', 0, 'because some had to go');
$_->close for @slow;
$d->stop_clean;

$heard = 0;
write_conf("verbose = 1\n");
$d = Daemon->start({ verbose => 1 }, '--config' => $conf);
write_conf("verbose = 1\nlog_format = json\n");
kill HUP => $d->pid;
ok(eventually(sub { $d->said =~ /\n\z/ }), 'HUP is heard');
$heard = length $d->said;
kill HUP => $d->pid;
ok(eventually(sub { length $d->said > $heard }), 'and once more');
like(substr($d->said, $heard), qr/\A\{"time":.*"event":"settings_same".*\}\n/, 'in JSON now');
write_conf("verbose = 1\n");
kill HUP => $d->pid;
ok(eventually(sub { $d->said =~ /log_format was json/ }), 'and back');
$heard = length $d->said;
reload_says($d, "$conf was read again; nothing has changed\n", 'to text');
$d->stop_clean;

# A HUP that comes before anybody listens to it waits. Here the start waits, too: until somebody
# writes to the FIFO that its configuration is in.
{
    my $fifo = "$dir/fifo.conf";
    mkfifo($fifo, 0600) or die "mkfifo: $!\n";
    my $writer = fork // die "fork: $!\n";
    if ($writer == 0) {
        open my $out, '>', $fifo or POSIX::_exit(1);    # waits for the server to read
        my ($pid) = grep { contents_of("/proc/$_/cmdline") =~ /\Q$fifo\E/ && $_ != $$ }
            map { m{(\d+)} } glob '/proc/[0-9]*';
        kill HUP => $pid or POSIX::_exit(2);
        write_conf("verbose = 1\n");
        rename $conf, $fifo or POSIX::_exit(3);         # what it reads the second time
        print {$out} "verbose = 1\n";
        close $out or POSIX::_exit(4);
        POSIX::_exit(0);
    }
    $d = Daemon->start({ verbose => 1 }, '--config' => $fifo);
    waitpid $writer, 0;
    is($?, 0, 'HUP came while the server started');
    ok(eventually(sub { $d->said =~ /^\Q$fifo\E was read again; nothing has changed$/m }),
        'it has been heard, and has not ended it');
    # Nor does a FIFO in its place keep a server waiting that runs.
    unlink $fifo;
    mkfifo($fifo, 0600) or die "mkfifo: $!\n";
    kill HUP => $d->pid;
    ok(eventually(sub { $d->said =~ /^larder: \Q$fifo\E: it is not a regular file$/m }),
        'a FIFO is not waited for');
    $d->connect->expect("mn\r\n", "MN\r\n", 'it serves');
    $d->stop_clean;
}

sub contents_of ($file) {
    open my $in, '<', $file or return '';
    return join '', <$in>;
}

# The file of a daemon, which is somewhere else then, and of one that has become another user.
chdir $dir or die "$!\n";
SKIP: {
    skip 'not root', 6 if $> != 0;
    my $server = $ENV{SERVER} // '';
    write_conf("temporary_ttl = 5\n");
    local $ENV{SERVER} = $server =~ m{^/} ? $server : "$ENV{PWD}/" . ($server || 'larder');
    $d = Daemon->start('-d', '-u' => 'nobody', '--config' => 'larder.conf');
    write_conf("temporary_ttl = 6\n");
    kill HUP => $d->pid;
    ok(eventually(sub { $d->stats('settings')->{temporary_ttl} == 6 }),
        "a relative path is found again from /");
    chmod 0600, $conf;
    write_conf("temporary_ttl = 7\n");
    kill HUP => $d->pid;
    $d->stop_clean;
    $d = Daemon->start({ verbose => 1 }, '-u' => 'nobody', '--config' => 'larder.conf');
    is($d->said, "warning: $conf cannot be read again when HUP comes: Permission denied\n",
        "what that user may not read is warned of");
    $heard = length $d->said;
    reload_says($d, "larder: $conf: Permission denied\n$conf: the old settings stay in force\n",
        "what that user may not read changes nothing, and is said");
    $d->stop_clean;
}

done_testing;
