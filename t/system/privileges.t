# What a server may still do once it serves: no capabilities, no new ones, no system calls that
# it has no need of. What each thread may do and what not is in t/unit/test_server_sandbox.c.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Filter qw(can_filter refuse_filters server_filters);
use File::Temp 'tempdir';

plan skip_all => 'memcached keeps what it has' if is_reference();

my $dir = tempdir(CLEANUP => 1);
chmod 0777, $dir;

# The values of a line of /proc/PID/task/TID/status, of all threads.
sub of_threads ($pid, $line) {
    my %values;

    for my $file (glob "/proc/$pid/task/*/status") {
        open my $in, '<', $file or die "$file: $!\n";
        my ($value) = join('', <$in>) =~ /^$line:[ \t]*(.*?)\s*$/m;
        $values{$value}++;
    }
    return %values;
}

# All threads, main, workers and those in the background, have this and nothing else.
sub all_have ($d, $line, $value, $name) {
    my %found = of_threads($d->pid, $line);

    is_deeply(\%found, { $value => $found{$value} // 0 }, $name);
}

my $empty   = '0' x 16;
my $filters = server_filters();

for my $case (
    [ '-u root', [ '-u' => 'root' ], {} ],
    [ '-u nobody', [ '-u' => 'nobody' ], {} ],
    [ 'nobody', [], { as => 'nobody' } ],
) {
    my ($name, $args, $launch) = @$case;

  SKIP: {
        skip 'not root', 1 if $> != 0;
        my $d = Daemon->start($launch, @$args, '-t' => 3);

        all_have($d, $_, $empty, "$name: no thread has a capability ($_)")
            for qw(CapInh CapPrm CapEff CapAmb);
        all_have($d, 'CapBnd', $empty, "$name: nor could a program that it ran")
            if !$launch->{as};
        all_have($d, 'NoNewPrivs', 1, "$name: nor gain anything else");
        my $groups = $name eq '-u root' ? '' : (getpwnam 'nobody')[3];
        all_have($d, 'Groups', $groups, "$name: with the groups of that user") if $groups ne '';
        is((stat '/proc/' . $d->pid . '/maps')[4], 0, "$name: nobody may look into its memory");
        all_have($d, 'Seccomp', $filters ? 2 : 0, "$name: each thread has a filter");
        $d->connect->expect("mn\r\n", "MN\r\n", "$name: it serves");
        $d->stop_clean;
    }
}

# What turns parts of it off.
SKIP: {
    skip 'not root', 1 if $> != 0;
    my $d = Daemon->start('-u' => 'nobody', '-o' => 'no_drop_privileges');

    all_have($d, 'Seccomp', 0, "no filter with -o no_drop_privileges");
    all_have($d, 'CapPrm', $empty, "and no capability either");
    $d->stop_clean;
    $d = Daemon->start('-u' => 'nobody', '-r');
    is((stat '/proc/' . $d->pid . '/maps')[4], scalar getpwnam('nobody'),
        "with -r its user may look into its memory");
    $d->stop_clean;
    $d = Daemon->start('-u' => 'root', '-k');
    all_have($d, 'CapPrm', '0000000000004000', "-k keeps the one that locks memory");
    $d->stop_clean;
}

# Work of each kind, with what only main may do in its midst. A call that was forgotten would
# end the server.
my $d = Daemon->start('-d', '-P' => "$dir/pid", '-t' => 2, '-e' => "$dir/memory",
    '-o' => 'debug_commands', '-A', '-p' => 'PORT', '-U' => 'PORT2');
my $c = $d->connect;
$c->ask(set("k$_" => 'v' x (1000 * $_))) for 1 .. 500;
$c->ask("stats $_\r\n", qr/(?:END|RESET)\r\n\z/) for 'conns', 'detail dump', 'sizes', 'settings';
$c->expect("lru_crawler crawl all\r\n", "OK\r\n", "the crawler goes through what is stored");
$c->expect("cache_memlimit 32\r\n", "OK\r\n", "memory is given back");
ok(eventually(sub { $d->stat('limit_maxbytes') == 32 << 20 }), "and counted");
my $watcher = $d->connect;
is($watcher->ask("watch mutations\r\n"), "OK\r\n", "somebody watches");
$c->ask(set(k => 'v'));
like($watcher->line, qr/ type=item_store key=k /, "and is told");
$d->connect->send("shutdown\r\n");
ok(eventually(sub { !-e "$dir/pid" }), "shutdown ends it, and the pid file is gone");

# Where the kernel refuses a filter, from here on.
SKIP: {
    skip 'the server has no filters', 1 if !$filters;
    skip 'no filter of our own on this machine', 1 if !can_filter();
    refuse_filters();

    my $why = "there is no filter of system calls (-o drop_privileges): Operation not permitted";
    my $bare = Daemon->start({ verbose => 1 });
    $bare->connect->expect("mn\r\n", "MN\r\n", "without a filter it serves");
    is($bare->said, "warning: $why\n", "and says so, once");
    $bare->stop_clean;
    my $run = run_program('-p' => -1, '-l' => '127.0.0.1', $> == 0 ? ('-u' => 'root') : (),
        '-o' => 'drop_privileges');
    is($run->{status}, 71, "but not who was told to have one");
    is($run->{stderr}, "$why\n", "and that is said");
    $run = run_program('-p' => -1, '-l' => '127.0.0.1', $> == 0 ? ('-u' => 'root') : (),
        '-d', '-o' => 'drop_privileges');
    is($run->{status}, 71, "nor in the background");
}

done_testing;
