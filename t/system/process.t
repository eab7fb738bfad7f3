# The process: user, pid file, background, signals, memory.
use v5.36;
use File::Temp 'tempdir';
use List::Util 'min';
use Test::More;
use lib 't/lib';
use Daemon;

my $dir = tempdir(CLEANUP => 1);
chmod 0777, $dir;

# --- signals -----------------------------------------------------------------

for my $signal (qw(TERM INT)) {
    my $d = Daemon->start;
    my @clients = map { $d->connect } 1 .. 5;
    $clients[0]->ask(set(k => 'v'));
    $clients[1]->send("set k 0 0 100000\r\nhalf of it");
    $clients[2]->send("get k k k k k");
    $clients[3]->send(set(l => 'l' x 500_000) . "get l\r\n" x 100);
    $clients[4]->ask("mn\r\n");
    $d->stop_clean("SIG$signal in the midst of work ends it with status 0", $signal);
    $clients[4]->closed("and its connections");
}
my $d = Daemon->start;
kill $_ => $d->pid for qw(PIPE HUP);
$d->connect->expect("mn\r\n", "MN\r\n", "SIGPIPE and SIGHUP do not end it");
$d->stop_clean;

# --- threads -------------------------------------------------------------------

# How nice a thread is, by its name: see proc(5).
sub nice_of ($d) {
    my %nice;

    for my $task (glob '/proc/' . $d->pid . '/task/*') {
        open my $in, '<', "$task/stat" or die "no $task/stat: $!\n";
        my ($name, $rest) = <$in> =~ /\((.*)\) (.*)/ or die "what is $task/stat?\n";
        $nice{$name} = (split ' ', $rest)[16];
    }
    return \%nice;
}

SKIP: {
    skip 'memcached has other threads', 1 if is_reference();
    $d = Daemon->start('-t' => 1);
    ok(eventually(sub {
        my $nice = nice_of($d);
        ($nice->{upkeep} // 0) == min(19, $nice->{'worker 0'} + 10);
    }), 'what can wait lets workers go first');
    $d->stop_clean;
}

# --- standard files ------------------------------------------------------------

# Who is given no standard error does not write messages into the next file that is opened.
SKIP: {
    skip 'memcached writes them there', 6 if is_reference();
    for my $closed ([2], [ 0, 1, 2 ]) {
        my @args = ({ closed => $closed }, '-e' => "$dir/memory", '-vv');
        my $c    = ($d = Daemon->start(@args))->connect;

        $c->expect(set(k => 'v'), "STORED\r\n", "it serves without @$closed");
        $d->stop_clean;
        ($d = Daemon->start(@args))->connect->expect("get k\r\n", hit(k => 'v'), 'and its memory file is whole');
        $d->stop_clean;
        unlink "$dir/memory";
    }
}

# --- pid file ----------------------------------------------------------------

my $pid_file = "$dir/pid";
$d = Daemon->start('-P' => $pid_file);
is(contents($pid_file), $d->pid . "\n", "-P writes the process id");
ok(!-e "$pid_file.tmp", "under its final name when it is whole");
$d->stop_clean;
unlink $pid_file;

# --- background --------------------------------------------------------------

$d = Daemon->start('-d', '-P' => $pid_file);
is($d->launched->{status}, 0, "-d ends with status 0 when the server runs");
is(contents($pid_file), $d->pid . "\n", "the process id is that of the server");
isnt(session($d->pid), session($$), "which has a session of its own");
SKIP: {
    skip 'not root, who alone can see it', 2 if $> != 0;
    is(readlink('/proc/' . $d->pid . '/cwd'), '/', "and stands in /");
    is_deeply([ map { readlink '/proc/' . $d->pid . "/fd/$_" } 0 .. 2 ],
        [ ('/dev/null') x 3 ],
        "and talks to nobody");
}
$d->connect->expect(set(k => 'v') . "get k\r\n", "STORED\r\n" . hit(k => 'v'),
    "it serves");
$d->stop_clean;
ok(!-e $pid_file, "and takes the pid file away when it ends");

# --- user --------------------------------------------------------------------

SKIP: {
    skip 'not root', 6 if $> != 0;
    my $nobody = getpwnam 'nobody';
    $d = Daemon->start('-u' => 'nobody');
    is_deeply([ ids_of($d->pid, 'Uid') ], [ ($nobody) x 4 ],
        "-u nobody makes it nobody, for good");
    is_deeply([ ids_of($d->pid, 'Gid') ], [ ((getpwnam 'nobody')[3]) x 4 ],
        "and of his group");
    $d->connect->expect("mn\r\n", "MN\r\n", "who serves");
    $d->stop_clean;

    $d = Daemon->start('-u' => 'nobody', '-s' => "$dir/socket");
    is((stat "$dir/socket")[4], $nobody, "a unix socket is his too");
    $d->stop_clean;

    $d = Daemon->start({ as => 'nobody' });
    $d->connect->expect("mn\r\n", "MN\r\n", "one who is not root needs no -u");
    $d->stop_clean;
}

# --- limits and memory -------------------------------------------------------

$d = Daemon->start('-m' => 4096);
SKIP: {
    skip 'a sanitizer needs memory of its own', 1 if $d->is_sanitized;
    cmp_ok($d->resident, '<', 32 << 20, "4 GiB that are not used are not taken");
}
$d->stop_clean;

$d = Daemon->start('-r');
my ($soft, $hard) = limits($d->pid, 'Max core file size');
is($soft, $hard, "-r allows core files as large as they may be");
$d->stop_clean;

sub contents ($file) {
    open my $in, '<', $file or return "no $file";
    return join '', <$in>;
}

# The sixth field of stat, four after the name in brackets.
sub session ($pid) {
    return (split ' ', contents("/proc/$pid/stat") =~ s/.*\) //sr)[3];
}

sub ids_of ($pid, $kind) {
    return split ' ', contents("/proc/$pid/status") =~ /^$kind:(.*)$/m ? $1 : '';
}

sub limits ($pid, $name) {
    return contents("/proc/$pid/limits") =~ /^$name\s+(\S+)\s+(\S+)/m;
}

done_testing;
