# The system has no descriptor left for a client, and then it has one again, without the
# server or its clients having done anything for it.
use v5.36;
use POSIX ();
use Test::More;
use Time::HiRes 'time';
use lib 't/lib';
use Daemon;

plan skip_all => 'no prlimit here' if !grep { -x "$_/prlimit" } split /:/, $ENV{PATH};

# --- while nobody is connected -----------------------------------------------

my $d = Daemon->start;
my $listener = listener_of($d);
(delete $d->{control})->close;      # the one that looks on is somebody, too
ok(eventually(sub { sockets_of($d) == 1 }), "nobody is connected");
limit($d, lowest_free($d));
my $c = $d->connect;
$c->send("mn\r\n");
ok(eventually(sub { !is_watched($d, $listener) }), "a client finds no descriptor free");
let_it_try($d);
is($c->unread, '', "and is not served");
limit($d, 1024);
is($c->line, "MN\r\n", "when there are some again, he is served");
$c->close;
$d->{control} = $d->connect;
cmp_ok($d->stat('listen_disabled_num'), '>=', 1, "listen_disabled_num has counted it");
is($d->stat('accepting_conns'), 1, "and it is over");
$d->stop_clean;

# --- while somebody is, who stays --------------------------------------------

$d = Daemon->start;
my $left = $d->connect;             # who left before does not count
$left->close;
ok(eventually(sub { $d->stat('curr_connections') == 1 }), "one is connected");
limit($d, lowest_free($d));
$c = $d->connect;
$c->send("mn\r\n");
ok(eventually(sub { $d->stat('accepting_conns') == 0 }), "the next one waits");
let_it_try($d);
limit($d, 1024);
is($c->line, "MN\r\n", "and is served though nobody has left");
my $stats = $d->stats;
cmp_ok($stats->{listen_disabled_num}, '<=',
    1 + int($stats->{time_in_listen_disabled_us} / 1e6),
    "meanwhile it was tried once in a second, at most");
$d->stop_clean;

# --- while somebody is, who leaves -------------------------------------------

$d = Daemon->start;
my $leaver = $d->connect;
$leaver->ask("mn\r\n");
limit($d, lowest_free($d));
$c = $d->connect;
$c->send("mn\r\n");
ok(eventually(sub { $d->stat('accepting_conns') == 0 }), "one waits again");
$leaver->close;
is($c->line, "MN\r\n", "and is served when somebody leaves");
$d->stop_clean;

# --- while many wait -----------------------------------------------------------

# What the server does meanwhile takes no time: none of its threads is busy.
$d = Daemon->start('-t' => 2);
my $held = $d->connect;
$held->ask("mn\r\n");
limit($d, lowest_free($d));
my @waiting = map { $d->connect } 1 .. 100;
$_->send("mn\r\n") for @waiting;
ok(eventually(sub { $d->stat('accepting_conns') == 0 }), scalar @waiting . ' wait');
my ($began, $used) = (time, cpu_of($d));
for (1 .. 10) {
    let_it_try($d);
    $held->ask("mn\r\n");
}
my $share = (cpu_of($d) - $used) / (time - $began);
cmp_ok($share, '<', 0.05, 'the processor has nothing to do with that');
note(sprintf '%.1f %% of it', 100 * $share);
limit($d, 1024);
is(join('', map { $_->line } @waiting), "MN\r\n" x @waiting, 'all of them are served then');
$d->stop_clean;

# Seconds of the processor that the server has had. Waiting is not among them, however much
# else the machine has to do.
sub cpu_of ($d) {
    open my $in, '<', '/proc/' . $d->pid . '/stat' or die "the server is gone\n";
    my ($user, $system) = (split ' ', <$in> =~ s/.*\) //r)[ 11, 12 ];

    return ($user + $system) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Descriptors below this number are all that the server may have.
sub limit ($d, $number) {
    system('prlimit', '--pid', $d->pid, "--nofile=$number:") == 0 or die "prlimit failed\n";
}

sub descriptors_of ($d) {
    return map { m{/(\d+)\z} ? ($1 => readlink($_) // '') : () } glob '/proc/' . $d->pid
        . '/fd/*';
}

sub sockets_of ($d) {
    my %open = descriptors_of($d);

    return scalar grep { /^socket:/ } values %open;
}

sub lowest_free ($d) {
    my %is_open = descriptors_of($d);
    my $number  = 0;

    $number++ while exists $is_open{$number};
    return $number;
}

sub listener_of ($d) {
    my %open = descriptors_of($d);
    my ($fd) = grep { $open{$_} =~ /^socket:/ } sort { $a <=> $b } keys %open;

    return $fd;
}

# Wait until the main thread has woken up often enough to have tried again, if it does so.
sub let_it_try ($d) {
    my $before = wakings_of($d);

    eventually(sub { wakings_of($d) >= $before + 20 }) or die "the server sleeps\n";
}

sub wakings_of ($d) {
    open my $in, '<', '/proc/' . $d->pid . '/status' or die "the server is gone\n";
    return join('', <$in>) =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : 0;
}

# Does some epoll of the server wait for this descriptor?
sub is_watched ($d, $fd) {
    for my $file (glob '/proc/' . $d->pid . '/fdinfo/*') {
        open my $in, '<', $file or next;
        return 1 if grep { /^tfd:\s+$fd\b/ } <$in>;
    }
    return 0;
}

done_testing;
