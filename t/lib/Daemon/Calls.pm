# Daemon::Calls - the system calls that a server makes, as strace sees them.
package Daemon::Calls;

use v5.36;
use Carp 'croak';
use Daemon ();
use Daemon::Program 'contents';
use Exporter 'import';
use File::Temp ();
use POSIX ();

our @EXPORT_OK = qw(descriptor_of has_strace traced);

my $ATTACH_SECONDS = 60;

sub has_strace () {
    return system('strace -V >/dev/null 2>&1') == 0;
}

# What strace writes of a server while the code runs: a line for each call, which begins with
# the number of its thread. `calls` are those to be traced, with a comma between them, or 'all'.
# Nothing at all: it may not trace here.
sub traced ($d, $calls, $code) {
    my ($log, $said) = (File::Temp->new, File::Temp->new);
    my $tracer = fork // die "fork: $!\n";

    if ($tracer == 0) {
        open STDERR, '>&', $said or POSIX::_exit(126);
        exec 'strace', '-f', '-e', "trace=$calls", '-e', 'signal=none', '-o' => "$log",
            '-p' => $d->pid or POSIX::_exit(127);
    }
    my $attached;
    Daemon::eventually(sub {
            $attached = contents($said) =~ / attached/;
            return $attached || waitpid($tracer, POSIX::WNOHANG()) != 0;
        }, $ATTACH_SECONDS);
    return if !$attached;
    $code->();
    kill INT => $tracer;
    waitpid $tracer, 0;
    return split /^/m, contents($log);
}

# The number that a connection has in the server.
sub descriptor_of ($d, $c) {
    my $port  = $c->{socket}->sockport;
    my ($row) = grep { $_->[1] =~ /:$port\z/ } $d->stat_pairs('conns');

    return $row && $row->[0] =~ /^(\d+):addr\z/ ? $1 : croak "no connection from port $port";
}

1;
