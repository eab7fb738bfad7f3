# Daemon::Program - which server is under test, and single runs of it.
#
# $ENV{SERVER} names the binary, ./larder if it is not set. Debian's memcached is
# the reference: the same tests are run against it, to prove that they tell the
# truth. This is the one place that knows how to tell the two apart.
#
# Nothing here outlives its call: a program that does not end by itself within
# the deadline is killed.
package Daemon::Program;

use v5.36;
use Exporter 'import';
use File::Temp ();
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(contents is_reference launch_program run_program server_program
    server_version wait_for_exit);

my $RUN_SECONDS  = 10;
my $POLL_SECONDS = 0.005;

my $version;

sub server_program () {
    return $ENV{SERVER} || './larder';
}

# The first line of `SERVER -V`, such as "memcached 1.6.18".
sub server_version () {
    if (!defined $version) {
        my $program = server_program();
        my $run     = run_program('-V');

        die "$program -V does not work: $run->{stderr}\n" if $run->{status} != 0;
        ($version) = $run->{stdout} =~ /^(.*)$/m;
    }
    return $version;
}

sub is_reference () {
    return server_version() =~ /^memcached / ? 1 : 0;
}

# Start the server with these arguments, and nothing added to them. `as` names
# another user to be first, `env` holds variables to set, `sockets` handles to be its
# descriptors from 3 on, and `names` what a service manager calls these; `closed` are numbers of
# standard files that it is not given. Returns the process id.
sub launch_program ($out, $err, $args, %with) {
    my $pid = fork // die "fork: $!\n";

    return $pid if $pid;
    %ENV = (%ENV, listen_variables(%with), %{ $with{env} // {} });
    open STDIN,  '<',  '/dev/null' or POSIX::_exit(126);
    open STDOUT, '>&', $out        or POSIX::_exit(126);
    open STDERR, '>&', $err        or POSIX::_exit(126);
    hand_over(%with)  if $with{sockets};
    become($with{as}) if defined $with{as};
    POSIX::close($_)  for @{ $with{closed} // [] };
    { no warnings 'exec'; exec { server_program() } server_program(), @$args }
    print STDERR 'cannot run ', server_program(), ": $!\n";
    POSIX::_exit(127);
}

# What sd_listen_fds(3) looks for.
sub listen_variables (%with) {
    return if !$with{sockets};
    return (LISTEN_PID => $$, LISTEN_FDS => scalar $with{sockets}->@*,
        defined $with{names} ? (LISTEN_FDNAMES => $with{names}) : ());
}

# First out of each other's way: a copy has no mark that closes it, unlike what was there.
sub hand_over (%with) {
    my @copies = map { POSIX::dup2(fileno $_, 100 + fileno $_) } $with{sockets}->@*;

    POSIX::dup2($copies[$_], 3 + $_) // POSIX::_exit(126) for 0 .. $#copies;
    POSIX::close($_) for @copies;
}

sub become ($user) {
    my (undef, undef, $uid, $gid) = getpwnam $user or POSIX::_exit(126);

    $) = "$gid $gid";
    POSIX::setgid($gid);
    POSIX::setuid($uid) or POSIX::_exit(126);
}

# Run the server until it ends. Returns its exit status, or -1 and the signal,
# and what it printed.
sub run_program (@args) {
    my %with = ref $args[0] ? %{ shift @args } : ();
    my ($out, $err) = (File::Temp->new, File::Temp->new);
    my $pid  = launch_program($out, $err, \@args, %with);
    my $ended = wait_for_exit($pid, $RUN_SECONDS);

    if (!$ended) {
        kill KILL => $pid;
        waitpid $pid, 0;
        $ended = { status => -1, signal => 'none: it did not end' };
    }
    return { %$ended, stdout => contents($out), stderr => contents($err) };
}

# The end of a child of ours: { status, signal }, or undef after so many seconds.
sub wait_for_exit ($pid, $seconds) {
    my $deadline = time + $seconds;

    while (waitpid($pid, WNOHANG) == 0) {
        return if time > $deadline;
        sleep $POLL_SECONDS;
    }
    return WIFSIGNALED($?)
        ? { status => -1, signal => WTERMSIG($?) }
        : { status => WEXITSTATUS($?), signal => 0 };
}

sub contents ($file) {
    open my $in, '<', $file->filename or die $file->filename, ": $!\n";
    local $/;
    return scalar <$in> // '';
}

1;
