# What a service manager is told: sd_notify(3).
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp;
use IO::Socket::UNIX;
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
