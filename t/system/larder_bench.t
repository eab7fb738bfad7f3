# larder-bench against ./larder: every way to ask, and every way in which a server can be wrong.
use v5.36;
use Test::More;
use File::Temp ();
use IO::Socket::INET;
use JSON::PP 'decode_json';
use POSIX ();
use Time::HiRes qw(sleep);
use lib 't/lib';
use Daemon qw(eventually is_reference);
use Daemon::Program qw(server_program);
use Daemon::Tls qw(certificates tls_arguments);

plan skip_all => 'one server suffices' if is_reference();

my $BENCH  = $ENV{BENCH} // './larder-bench';
my $LARDER = server_program() . ($> == 0 ? ' -u root' : '');
my $folder = File::Temp->newdir;
my $place  = "$folder/sockets";     # of servers that --vs starts
mkdir $place or die "$place: $!\n";
$ENV{TMPDIR} = $place;

# --- what is run --------------------------------------------------------------

# Exit status, standard output, standard error. A signal is a status above 1000.
sub bench (@arguments) {
    my ($out, $err) = (File::Temp->new, File::Temp->new);
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open STDOUT, '>&', $out or die;
        open STDERR, '>&', $err or die;
        exec $BENCH, @arguments or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $? & 127 ? 1000 + $? : $? >> 8;
    local $/;
    seek $_, 0, 0 for $out, $err;
    return ($status, scalar <$out> // '', scalar <$err> // '');
}

# All that a run has told. It has to succeed, and to say nothing else.
sub told ($name, @arguments) {
    my ($status, $out, $err) = bench('--json', @arguments);

    is("$status$err", '0', "$name: it succeeds");
    return $status == 0 ? decode_json($out) : { servers => [ { rounds => [ {} ] } ] };
}

# Its one round, of one server.
sub measured ($name, @arguments) {
    return told($name, @arguments)->{servers}[0]{rounds}[0];
}

# It fails with that status and says so.
sub fails ($name, $status, $says, @arguments) {
    my ($is, $out, $err) = bench(@arguments);

    is($is, $status, "$name: the exit status is $status") or diag($err);
    like($err, $says, "$name: it says why");
}

# --- ways to ask --------------------------------------------------------------

my $d  = Daemon->start('-m' => 256);
my @at = ('-s' => '127.0.0.1:' . $d->port, '-k' => 500, '-c' => 5);

for my $protocol (qw(text meta binary)) {
    for my $op (qw(get mget set cas incr)) {
        my $name = "$protocol $op";
        my $m    = measured($name, @at, '-p' => $protocol, '-m' => $op, '-n' => 1000, '-d' => 3);

        is($m->{operations}, 1000, "$name: as many as asked for");
        is($m->{by_operation}{$op}{count}, 1000, "$name: all are $op");
        is($m->{misses}, 0, "$name: nothing is missing");
        is($m->{keys}, $op eq 'mget' ? 50_000 : 1000, "$name: as many keys");
    }
    my $m = measured("$protocol delete", @at, '-p' => $protocol, '-m' => 'delete', '-n' => 500,
        '--pick' => 'sequential');
    is($m->{hits}, 500, "$protocol delete: each key was there");
}

my $m = measured('a mix', @at, '-m' => 'get:90,set:10', '-n' => 10_000);
my $sets = $m->{by_operation}{set}{count};
ok($sets > 800 && $sets < 1200, 'a mix: a tenth are sets') or diag($sets);

$m = measured('threads', @at, '-t' => 3, '-n' => 1001, '-m' => 'get,set,mget');
is($m->{operations}, 1001, 'threads share out the operations');
$m = measured('sizes', @at, '--size' => 'twitter', '-n' => 1000, '-m' => 'get,set', '-d' => 8);
is($m->{misses}, 0, 'sizes: values of many lengths are right');
$m = measured('long values', @at, '-k' => 20, '--size' => 700_000, '-n' => 200, '-m' => 'get,set');
is($m->{operations}, 200, 'long values are right');
$m = measured('no bytes', @at, '--size' => 0, '-n' => 200, '-m' => 'get,mget');
is($m->{misses}, 0, 'values without bytes are right');
for my $pick (qw(uniform zipf:1.2 hot:10:90 sequential)) {
    $m = measured($pick, @at, '--pick' => $pick, '-n' => 1000);
    is($m->{hits}, 1000, "$pick: no key is missing");
}

measured('names', @at[ 0, 1 ], '-k' => 10, '--key-size' => 30, '--size' => 12, '-n' => 1);
like($d->connect->ask('get k:' . '0' x 27 . "9\r\n", qr/END\r\n\z/), qr/^VALUE k:0{27}9 0 12\r\n.{12}\r\n/s,
    'keys and values are as long as asked for');
$m = measured('keys at once', @at, '-m' => 'mget', '--keys-per-mget' => 7, '-n' => 10);
is($m->{keys}, 70, 'and so many keys are asked for at once');
$m = measured('misses', @at, '-k' => 77_777, '--no-fill', '--key-size' => 15, '-n' => 100);
is("@$m{qw(hits misses)}", '0 100', '--no-fill sets nothing, and misses are counted');

$m = measured('seconds', @at, '-S' => 0.3, '--warmup' => 0.1);
ok($m->{seconds} >= 0.3, 'a run lasts as long as asked for');
ok($m->{operations} > 0, 'and does something');
ok($m->{p50_us} > 0 && $m->{p50_us} <= $m->{p99_us} && $m->{p99_us} <= $m->{max_us},
    'percentiles rise');
ok($m->{server_cpu_ns_per_key} > 0, 'the process that listens is found, and its CPU time told');

$m = measured('a rate', @at, '-r' => '2k', '-S' => 0.5);
is($m->{operations} + $m->{unsent}, 1000, 'an open loop asks as often as it is told to');
$m = measured('by chance', @at, '-r' => 2000, '-n' => 500, '--arrivals' => 'poisson');
is($m->{operations}, 500, 'also by chance');

$m = measured('the process', @at, '-n' => 500, '--pid' => $$);
ok(defined $m->{server_cpu_ns_per_key}, '--pid is looked at instead');
fails('no process', 1, qr/--pid: there is no process 999999999/, @at, '--pid' => 999_999_999);

my $before = $d->stat('total_connections');
measured('connections', @at[ 0, 1 ], '-k' => 10, '-n' => 10, '-c' => 7, '-t' => 2);
is($d->stat('total_connections') - $before, 7, 'there are as many connections as asked for');

my @many = (@at[ 0, 1 ], '-k' => 10, '-n' => 400, '-c' => 300);
is(system('sh', '-c', "ulimit -Sn 100; exec $BENCH @many >/dev/null"), 0, 'files may be as many as it takes');
like(`(ulimit -n 100; exec $BENCH @many) 2>&1`, qr/Too many open files/, 'or it is said that they may not');

sub deleted ($seed) {
    return measured("seed $seed", @at, '-c' => 1, '-m' => 'delete', '-n' => 300, '--seed' => $seed)->{hits};
}
my @deleted = map { deleted($_) } 1, 1, 2, 3;
is($deleted[0], $deleted[1], 'the same seed asks for the same keys');
ok((grep { $_ != $deleted[0] } @deleted), 'and another one for others');

# The line that a terminal is shown: here script's.
my $shown = `script -qec "$BENCH @at -S 1.2 --json" /dev/null`;
like($shown, qr/\r\S+: running, \d s of 1, \d+ operations a second\e\[K/, 'a terminal is told how far it is');

# --- a trace ------------------------------------------------------------------

sub file_with ($name, $text) {
    open my $out, '>', "$folder/$name" or die "$name: $!\n";
    print $out $text;
    close $out or die "$name: $!\n";
    return "$folder/$name";
}

my $trace = file_with('trace', "# two keys\nset t:a 10\nget t:a\nget t:b 30\nget t:b\nincr t:c\n");
my @once  = (@at[ 0, 1 ], '-c' => 1, '--trace' => $trace);
$m = measured('a trace', @once);
is("@$m{qw(operations hits misses)}", '5 1 3', 'a trace: each line once, in its order');
$m = measured('refill', @once, '--refill');
is("@$m{qw(hits misses refills)}", '2 2 1', 'refill: what was missing is there the next time');
$m = measured('again', @once, '-n' => 10);
is("@$m{qw(operations hits)}", '10 6', 'a trace that is over begins again');

# --- how to get there ---------------------------------------------------------

my $unix = Daemon->start('-s' => "$folder/socket");
$m = measured('unix', '-s' => "$folder/socket", '-k' => 100, '-n' => 300, '-c' => 2);
is($m->{operations}, 300, 'over a unix socket');
ok($m->{server_cpu_ns_per_key} > 0, 'whose server is found as well');
$unix->stop_clean;

my $tls = Daemon->start({ tls => {} }, tls_arguments());
my @tls = ('-s' => '127.0.0.1:' . $tls->port, '-k' => 50, '-c' => 2, '-n' => 100);
$m = measured('TLS', @tls, '--tls-ca' => certificates() . '/ca.pem', '-d' => 4, '--size' => 50_000,
    '-m' => 'get,set');
is($m->{operations}, 100, 'over TLS');
$m = measured('any TLS', @tls, '--tls');
is($m->{operations}, 100, 'over TLS, whoever has signed');
fails('a stranger', 1, qr/certificate verify failed/, @tls,
    '--tls-ca' => certificates() . '/stranger.pem');
$tls->stop_clean;
fails('no TLS there', 1, qr/no TLS: /, @at, '--tls', '-n' => 1);

# --- what is told -------------------------------------------------------------

my ($status, $out, $err) = bench(@at, '-n' => 500, '-m' => 'get,set', '--svg' => "$folder/one.svg",
    '--title' => 'a < b');
is("$status$err", '0', 'a table is the usual');
like($out, qr/^500 operations in .*^hits 100\.000 %.*^server CPU \d+ ns.*^get .*^set .*^all +500 /ms,
    'with operations, hits, CPU and times');
open my $svg, '<', "$folder/one.svg" or die "no picture: $!\n";
my $picture = join '', <$svg>;
like($picture, qr{^<svg .*<polyline .*</svg>\n\z}s, 'a picture has a line');
like($picture, qr/>a &lt; b</, 'and the title');
unlike($picture, qr/nan|inf/, 'and no number that is none');

my $versus = told('side by side', '-k' => 100, '-c' => 2, '-n' => 400, '--rounds' => 3,
    '--vs' => "one=$LARDER -p %P", '--vs' => "two/meta=$LARDER -s %S",
    '--vs' => 'three=@127.0.0.1:' . $d->port, '--svg' => "$folder/three.svg");
is(join(' ', map { $_->{name} . @{ $_->{rounds} } } $versus->{servers}->@*), 'one3 two3 three3',
    'side by side: three servers, three rounds each');
for my $ratio ($versus->{ratios}->@*) {
    my $cpu = $ratio->{server_cpu_ns_per_key};
    ok($cpu->{min} <= $cpu->{median} && $cpu->{median} <= $cpu->{max} && $cpu->{min} > 0,
        "the ratio to $ratio->{by} has a spread");
}
is_deeply([ glob "$place/larder-bench.*" ], [], 'no socket is left behind');
($status, $out) = bench('-k' => 100, '-c' => 2, '-n' => 400, '--rounds' => 2,
    '--vs' => $LARDER, '--vs' => "b/binary=$LARDER -p %P");
like($out, qr{^larder +\d.*^b +\d.*^larder by b, 2 rounds\n.*^ops/s( +\d\S*){3}\n}ms,
    'as a table: medians and ratios');

# --- servers that are wrong ---------------------------------------------------

# A server on a port of its own: it is given a connection and what has come on it, a request at a
# time. Its process ends with the test.
my @fakes;

sub fake_server ($serve) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 10) or die "listen: $!\n";
    my $pid = fork // die "fork: $!\n";

    if ($pid) {
        push @fakes, $pid;
        return '127.0.0.1:' . $listener->sockport;
    }
    $SIG{TERM} = 'DEFAULT';
    $SIG{CHLD} = 'IGNORE';
    while (my $connection = $listener->accept) {
        my $child = fork // POSIX::_exit(1);
        next if $child;
        while (my $line = <$connection>) {
            $serve->($connection, $line);
        }
        POSIX::_exit(0);
    }
    POSIX::_exit(0);
}

END { kill TERM => @fakes if @fakes }

# As the true one has it, but changed.
sub relayed ($change) {
    return fake_server(sub ($connection, $line) {
        state $behind = $d->connect;
        my $answer = $behind->ask($line, qr/(?:END|STORED)\r\n\z/);
        $change->($connection, $answer);
    });
}

# It answers when four requests have come, and not before.
my $fours = fake_server(sub ($connection, $line) {
    state $count = 0;
    print $connection "END\r\n" x 4 if ++$count % 4 == 0;
});
$m = measured('depth', '-s' => $fours, '-c' => 1, '-n' => 40, '-d' => 4, '--no-fill');
is("@$m{qw(operations misses)}", '40 40', 'depth is how many are asked at once');
fails('too little depth', 1, qr/no answer to get/, '-s' => $fours, '-c' => 1, '-n' => 40, '-d' => 3,
    '--no-fill', '--patience' => 1);

bench(@at, '-n' => 1);
my @only = ('-k' => 500, '-c' => 1, '-n' => 50, '--no-fill');
my $flips = relayed(sub ($connection, $answer) {
    substr($answer, -20, 1) ^.= "\x10";
    print $connection $answer;
});
fails('a flipped bit', 1, qr/get k:\d+: byte 87 of 100 of the value is wrong/, @only, '-s' => $flips);
$m = measured('a flipped bit, not looked at', @only, '-s' => $flips, '--no-verify');
is($m->{operations}, 50, '--no-verify does not look');
fails('another key', 1, qr/a wrong answer to get k:\d+: VALUE k:x/, @only,
    '-s' => relayed(sub ($connection, $answer) { print $connection $answer =~ s/k:0/k:x/r }));
fails('too many answers', 1, qr/what nobody asked for|a wrong answer/, @only,
    '-s' => relayed(sub ($connection, $answer) { print $connection $answer, $answer }));
fails('an error', 1, qr/a wrong answer to get k:\d+: SERVER_ERROR busy$/m, @only,
    '-s' => fake_server(sub ($connection, $line) { print $connection "SERVER_ERROR busy\r\n" }));
fails('no text', 1, qr/a wrong answer to get k:\d+: \\x00\\x01$/m, @only,
    '-s' => fake_server(sub ($connection, $line) { print $connection "\0\1\r\n" }));
fails('it hangs up', 1, qr/it has hung up; answers due: 1, the first one to get k:/, @only,
    '-s' => fake_server(sub ($connection, $line) { POSIX::_exit(0) }));
fails('it stalls', 1, qr/no answer to get k:\d+ for 1 seconds/, @only, '--patience' => 1,
    '-s' => fake_server(sub ($connection, $line) { }));
fails('it trickles', 1, qr/no answer to get k:\d+ for 1 seconds/, @only, '--patience' => 1,
    '-s' => fake_server(sub ($connection, $line) {
        print $connection 'VALUE k:1 0 100000' . "\r\n";
        while (print $connection 'x') { $connection->flush; sleep 0.02 }
        POSIX::_exit(0);
    }));
fails('nobody is there', 1, qr/^larder-bench: 127\.0\.0\.1:1: Connection refused$/, '-s' => '127.0.0.1:1');
fails('no such socket', 1, qr/No such file/, '-s' => "$folder/none");

fails('a server that does not start', 1, qr/has ended with exit status.*unknown|unrecognized/s,
    '--vs' => "a=$LARDER -p %P --no-such-option");
fails('no such CPUs', 1, qr/--server-cpus: Invalid argument/, '--vs' => "a=$LARDER -p %P",
    '--server-cpus' => 1000);
fails('no such program', 1, qr/no-such-server does not accept connections/s, '--vs' => '/no-such-server');
my $dies = file_with('dies', <<'EOT');
use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ARGV[0]", Listen => 10);
while (my $connection = $listener->accept) { kill KILL => $$ if <$connection> }
EOT
fails('a server that dies', 1, qr/(hung up|reset by peer); answers due.*dies was ended by signal 9/s,
    '-c' => 1, '--vs' => "dies=$^X $dies %P");

# One that is interrupted takes its server along, and what belongs to that.
my $said = File::Temp->new;
my $pid  = fork // die "fork: $!\n";
if ($pid == 0) {
    open STDERR, '>&', $said or die;
    exec $BENCH, '--vs' => "a=$LARDER -s %S", '-S' => 600 or POSIX::_exit(127);
}
my $path;

sub runs_with ($text) {
    for my $process (glob '/proc/[0-9]*/cmdline') {
        open my $in, '<', $process or next;     # it has just ended
        return 1 if index(join('', <$in>), $text) >= 0;
    }
    return 0;
}

ok(eventually(sub { ($path) = glob "$place/*/socket" }), 'its server has a socket');
kill INT => $pid;
waitpid $pid, 0;
is($? >> 8, 1, 'interrupted, it has failed');
like(join('', do { seek $said, 0, 0; <$said> }), qr/^larder-bench: interrupted by SIGINT$/m, 'and says why');
is_deeply([ glob "$place/larder-bench.*" ], [], 'and its socket is gone');
ok(eventually(sub { !runs_with($path) }), 'as is its server');

# A server that stands still for 200 ms, once: all that were due meanwhile have waited, and are not
# left out.
my $stalls = relayed(sub ($connection, $answer) {
    state $count = 0;
    sleep 0.2 if ++$count == 100;
    print $connection $answer;
});
$m = measured('an open loop that is held up', @only, '-s' => $stalls, '-r' => 200, '-n' => 200);
ok($m->{p99_9_us} > 150_000, 'the longest waited for all of it') or diag($m->{p99_9_us});
ok($m->{p90_us} > 50_000, 'and a tenth was held up, not one alone') or diag($m->{p90_us});

# --- options that are wrong ---------------------------------------------------

my %wrong = (
    '--rate=x'          => qr/--rate: 'x' is no number from 0 to/,
    '--keys=0'          => qr/--keys: '0' is no number from 1/,
    '--keys=1.5'        => qr/--keys: '1.5' is no number/,
    '--keys=1x'         => qr/--keys: '1x' is no number/,
    '--keys=1km'        => qr/--keys: '1km' is no number/,
    '--seconds=-1'      => qr/--seconds: '-1' is no number from 0/,
    '--seconds='        => qr/--seconds: '' is no number/,
    '--mix=gut'         => qr/--mix: 'gut' is not a list of get, mget/,
    '--mix=get:0'       => qr/--mix: 'get:0' is not/,
    '--pick=zap'        => qr/--pick: 'zap' is not uniform/,
    '--size=big'        => qr/--size: 'big' is not BYTES/,
    '--protocol=http'   => qr/--protocol: 'http' is not text/,
    '--server=11211'    => qr/--server: '11211' is not host:port/,
    '--server=a:0'      => qr/--server: 'a:0' is not host:port/,
    '--server=a:65536'  => qr/--server: 'a:65536' is not host:port/,
    '--arrivals=never'  => qr/--arrivals: 'never' is not even or poisson/,
    '--patience=0'      => qr/--patience: '0' is not a number of seconds/,
    '--threads=51'      => qr/--threads: each needs a connection/,
    '--key-size=4'      => qr/--key-size: 100000 keys need 7 bytes/,
    '--tls-key=x'       => qr/--tls-cert and --tls-key go together/,
    '--server-cpus=0'   => qr/--server-cpus is for servers of --vs/,
    '--vs=a/quick=b'    => qr/--vs: 'quick' is no protocol/,
    '--vs=a=@b'         => qr/--vs: 'b' is no host:port/,
    '--vs=a='           => qr/--vs: 'a=' has no command/,
    '--load-cpus=x'     => qr/--load-cpus: 'x' is no list of CPUs/,
    '--no-such'         => qr/unrecognized option '--no-such'/,
    'word'              => qr/'word' is no option/,
);
fails($_, 2, $wrong{$_}, $_) for sort keys %wrong;
fails('cas of Redis', 2, qr/resp has no cas/, '-p' => 'resp', '-m' => 'cas');
fails('two sources', 2, qr/--trace does not go together with --mix/, '--trace' => $trace, '-m' => 'set');
fails('two servers', 2, qr/--server does not go together with --vs/, '-s' => 'a:1', '--vs' => 'b');
fails('no trace', 1, qr/none: No such file/, '--trace' => "$folder/none");
fails('a wrong trace', 1, qr/wrong: line 2: it begins with none of get/,
    '--trace' => file_with('wrong', "get a\npush b\n"));
fails('no place for a picture', 1, qr{/no/such: No such file}, '--svg' => '/no/such');

# --- make bench ---------------------------------------------------------------

is(system('bench/benchmarks', '--quick', '-s' => 'get-p16,mget50,set,open-loop', '--to' => "$folder"), 0,
    'make bench: it succeeds');
my $page = join '', do { open my $in, '<', "$folder/BENCHMARKS.md" or die "no page: $!\n"; <$in> };
like($page, qr/^\| $_:? .*\d/m, "make bench: $_ is on the page") for qw(get-p16 mget50 set open-loop);
like($page, qr/^\| larder by \|.* floor \|$/m, 'make bench: the floor as well');
ok(-s "$folder/$_", "make bench: $_ is there") for qw(benchmarks.svg benchmarks-open-loop.svg);

# --- the manual ---------------------------------------------------------------

($status, $out) = bench('--help');
is($status, 0, 'help is no failure');
my %helped = map { $_ => 1 } $out =~ /(--[a-z][a-z-]+)(?:[= ]|$)/gm;
open my $manual, '<', 'doc/larder-bench.1' or die "no manual: $!\n";
my %manual = map { s/\\//gr => 1 } map { /^\.B[IR]? .*?(\\-\\-[a-z\\-]+)/ ? $1 : () } <$manual>;
is("@{[sort keys %manual]}", "@{[sort keys %helped]}", 'the manual has each option, and no other');
like((bench('--version'))[1], qr/^larder-bench \d+\.\d+/, 'it knows its version');

$d->stop_clean;
done_testing();
