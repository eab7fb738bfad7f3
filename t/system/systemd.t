# What a service manager is told: sd_notify(3).
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp;
use IO::Socket::UNIX;
use POSIX ();
use Socket;

plan skip_all => 'memcached tells no service manager anything' if is_reference();

my $folder  = File::Temp->newdir;
my $address = "$folder/notify";
my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $address) // die "$address: $!\n";

# The next message for which the pattern holds; what others come before it.
sub told ($pattern) {
    local $SIG{ALRM} = sub { die "nothing like $pattern was told\n" };
    alarm 60;
    for (;;) {
        $manager->recv(my $message, 4096) // die "$!\n";
        next if $message !~ $pattern;
        alarm 0;
        return $message;
    }
}

# All that is there to be read now.
sub untold () {
    my @all;

    while (defined $manager->recv(my $message, 4096, MSG_DONTWAIT)) {
        push @all, $message;
    }
    return @all;
}

# The number of a thread of this name.
sub thread_named ($d, $name) {
    for my $task (glob "/proc/@{[ $d->pid ]}/task/*") {
        open my $in, '<', "$task/comm" or next;
        return $task =~ /(\d+)$/ ? 0 + $1 : die if readline($in) eq "$name\n";
    }
    die "there is no thread $name\n";
}

# A server with this in its environment.
sub started (%environment) {
    local @ENV{ keys %environment } = values %environment;
    return Daemon->start;
}

my $d = started(NOTIFY_SOCKET => $address);
is(told(qr/READY/), "READY=1\nMAINPID=@{[ $d->pid ]}", "who is told when the server serves");
kill HUP => $d->pid;
like(told(qr/RELOADING/), qr/\ARELOADING=1\nMONOTONIC_USEC=[1-9]\d+\z/, "when it reloads");
is(told(qr/READY/), "READY=1\nMAINPID=@{[ $d->pid ]}", "and has done so");
my $c = $d->connect;
$c->ask(set(key => 'value'));
$c->ask("get key\r\n", qr/END\r\n\z/);
$c->ask("get other\r\n", qr/END\r\n\z/);
like(told(qr/STATUS=1 items/), qr/\ASTATUS=1 items, [1-9] connections, 50\.0 % of 2 gets hit\z/,
    "how it is");
$d->stop_clean;
is(told(qr/STOPPING/), "STOPPING=1\nSTATUS=Stopping", "and when it stops");

# Signs of life, as long as each worker answers.
# In half of that each worker has to get a processor, also on a busy machine.
$d = started(NOTIFY_SOCKET => $address, WATCHDOG_USEC => 1_000_000);
told(qr/READY/);
is(told(qr/WATCHDOG/), "WATCHDOG=1", "a sign of life") for 1 .. 5;
$d->stop_clean;
$d = started(NOTIFY_SOCKET => $address, WATCHDOG_USEC => 200_000, WATCHDOG_PID => 1);
told(qr/READY/);
$d->stop_clean;
my $all = told(qr/STOPPING|WATCHDOG/);
like($all, qr/STOPPING/, "none for another process's watchdog");

# A thread that has much to do goes on: the crawler and the lists, and one who watches all of it and
# does not read.
$d = started(NOTIFY_SOCKET => $address, WATCHDOG_USEC => 4_000_000);
told(qr/READY/);
$c = $d->connect(window => 4096);
$c->ask("watch mutations evictions fetchers\r\n");
$c = $d->connect;
for my $sign (1 .. 3) {
    for my $lot (1 .. 100) {
        $c->ask(join('', map { set("key-$sign-$lot-$_", 'v' x 1000) } 1 .. 200),
            qr/(?:STORED\r\n){200}\z/);
    }
    $d->connect->ask("lru_crawler crawl all\r\n");
    is(told(qr/WATCHDOG/), "WATCHDOG=1", "a sign of life of a busy server");
}
$d->stop_clean('it has nothing to say against itself');

# None as long as a thread hangs, be it in whatever: it is stopped here as debuggers do it.
my %hanging = ('worker 3' => 'worker 3', watch => 'the thread watch', upkeep => 'the thread upkeep');
SKIP: {
    my %numbers = (x86_64 => 101, aarch64 => 117);      # of the call ptrace(2)
    my $ptrace  = $numbers{ (POSIX::uname())[4] }
        or skip 'what is the number of ptrace here?', 4 * keys(%hanging) + 1;
    my ($seize, $interrupt, $detach) = (0x4206, 0x4207, 17);

    $d = started(NOTIFY_SOCKET => $address, WATCHDOG_USEC => 1_000_000);
    told(qr/WATCHDOG/);
    for my $name (sort keys %hanging) {
        my $thread = thread_named($d, $name);
        if (syscall($ptrace, $seize, $thread, 0, 0) != 0) {
            my $why = $!;
            $d->stop_clean;
            skip "a thread may not be stopped here: $why", 4 * keys %hanging;
        }
        my $silent = qr/^$hanging{$name} does not answer$/m;
        syscall($ptrace, $interrupt, $thread, 0, 0) == 0 or die "ptrace: $!\n";
        ok(eventually(sub { $d->said =~ $silent }, 60), "$name: if it hangs it is noticed");
        untold();
        my $before = () = $d->said =~ /$silent/g;
        ok(eventually(sub { $before + 3 <= (() = $d->said =~ /$silent/g) }, 60), "and again");
        is(join(' ', grep { /WATCHDOG/ } untold()), '', "and there is no sign of life");
        waitpid $thread, 0x40000000;                    # __WALL: it is no child
        syscall($ptrace, $detach, $thread, 0, 0) == 0 or die "ptrace: $!\n";
        is(told(qr/WATCHDOG/), "WATCHDOG=1", "but when it goes on");
    }
    $d->{verbose} = 1;
    $d->stop_clean;
}

# A memory file takes its time, at the start and at the end: so the manager is asked to wait.
{
    my @memory = ('-m' => 64, '-e' => "$folder/memory");
    my $more   = qr/\AEXTEND_TIMEOUT_USEC=60000000\nSTATUS=/;
    my $life   = qr/\nWATCHDOG=1\z/;
    local $ENV{NOTIFY_SOCKET} = $address;
    local $ENV{WATCHDOG_USEC} = 60_000_000;

    $d = Daemon->start({ verbose => 1 }, @memory);
    is((grep { /EXTEND/ } untold()), 0, 'there is nothing to restore yet');
    $d->connect->ask(set(key => 'v' x 1000));
    $d->stop_clean;
    told(qr/STOPPING/);
    like(told(qr/EXTEND/), qr/${more}Sealing the memory file: \d+ of [1-9]\d* pages$life/,
        'at the end it is told how far that is, and that it goes on');
    $d = Daemon->start({ verbose => 1 }, @memory);
    like(told(qr/EXTEND|READY/), qr/${more}Restoring the memory file: \d+ of [1-9]\d* pages$life/,
        'and so at the start');
    is(told(qr/EXTEND|READY/), "READY=1\nMAINPID=@{[ $d->pid ]}", 'not at each page');
    $d->connect->expect("get key\r\n", hit(key => 'v' x 1000), 'what was to be restored is there');
    $d->stop_clean;
    untold();
}

# Addresses.
my $abstract = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "\0larder-test-$$") // die "$!\n";
$d = started(NOTIFY_SOCKET => "\@larder-test-$$");
$abstract->recv(my $message, 4096);
like($message, qr/\AREADY=1\n/, "a socket without a file");
$d->stop_clean;
$d = started(NOTIFY_SOCKET => "$folder/nobody");
$d->connect->expect("mn\r\n", "MN\r\n", "where nobody listens it serves all the same");
$d->stop;
like($d->said, qr/\Athe service manager cannot be told how we are: .*\n\z/, "and says so, once");

local $ENV{NOTIFY_SOCKET} = 'nonsense';
my $run = run_program();
is($run->{status}, 1, "what is no address is refused");
is($run->{stderr}, "NOTIFY_SOCKET=nonsense is no address of a socket\n", "in these words");

done_testing;
