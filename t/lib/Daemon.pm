# Daemon - a server for one test: started, asked, looked at, and stopped.
#
#   my $d = Daemon->start('-m' => 64, '-o' => 'debug_commands');
#   my $c = $d->connect;
#   $c->expect("get k\r\n", "END\r\n", "a key that was never stored is a miss");
#   $d->stop_clean;
#
# The server is $ENV{SERVER}, else ./larder: Daemon::Program tells which it is, and
# Daemon::Verdict how a test may differ on the reference. Every server listens on
# loopback, on a port that was free, and is killed when its test ends or dies.
#
# Nothing here sleeps for a while in the hope that something has happened: it asks
# until it has, or until a deadline that only a broken server reaches.
package Daemon;

use v5.36;
use Carp 'croak';
use Exporter 'import';
use File::Temp ();
use IO::Socket::IP;
use IO::Socket::UNIX;
use Scalar::Util 'weaken';
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::Builder;
use Time::HiRes qw(sleep time);
use Daemon::Connection;
use Daemon::Program qw(contents is_reference launch_program run_program
    server_program wait_for_exit);
use Daemon::Text qw(hit set);
use Daemon::Tls qw(secured tls_arguments);
use Daemon::Verdict qw(note_lines same shown verdict);

our @CARP_NOT = qw(Daemon::Connection);
our @EXPORT   = qw(eventually hit is_reference need_open_files run_program same set shown verdict);

my $TRIES         = 10;         # ports to try
my $START_SECONDS = 20;         # a sanitizer build on a busy machine is slow
my $STOP_SECONDS  = 20;
my $POLL_SECONDS  = 0.005;

# What a command can count. Where a test names the counters that move, all the
# others of these must stand still.
my @EVENTS = qw(cmd_get cmd_set cmd_flush cmd_touch cmd_meta
    get_hits get_misses get_expired get_flushed
    delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses
    cas_hits cas_misses cas_badval touch_hits touch_misses
    store_too_large store_no_memory total_items evictions auth_cmds auth_errors);

my %running;                    # process id => Daemon; who is left at the end is killed

# --- start -------------------------------------------------------------------

# Start a server and wait until it answers. Free ports are put in where arguments
# hold the words PORT, PORT2 ...; PORT must be one of 127.0.0.1. Without -l, -p or
# -s that is added. A first argument that is a hash goes to launch_program; with
# `anywhere` no -l is added, with `verbose` it may talk, `login` is what every
# connection sends first, such as 'user password', `tls` what is said to
# IO::Socket::SSL for it. With TEST_TLS=1 in the environment every server and its
# connections have TLS. Dies if the server does not come up.
sub start ($class, @args) {
    my $launch = ref $args[0] ? shift @args : {};

    if ($ENV{TEST_TLS} && !$launch->{tls} && !grep { $_ eq '-s' } @args) {
        $launch = { %$launch, tls => {} };
        push @args, tls_arguments();
    }
    my @completed = completed($launch, @args);

    for (1 .. $TRIES) {
        my $self = $class->attempt($launch, @completed) or next;
        $self->advance_clock(1) if is_reference() && grep { /debug_commands/ } @args;
        return $self;
    }
    croak "no free port in $TRIES tries";
}

# The arguments, with what every server of a test needs.
sub completed ($launch, @args) {
    my %has  = map { $_ => 1 } @args;
    my $root = $> == 0 && !$launch->{as};

    @args = without_debug_commands(@args) if is_reference();
    push @args, '-u' => 'root' if $root && !$has{'-u'};
    # Without it nobody but root sees in /proc what the process has open.
    push @args, '-r' if $> != 0 && !is_reference() && !$has{'-d'};
    return @args if $has{'-s'};
    push @args, '-p' => 'PORT'      if !$has{'-p'} && !grep { /PORT/ } @args;
    push @args, '-l' => '127.0.0.1' if !$has{'-l'} && !$launch->{anywhere};
    return @args;
}

# The reference has no test clock; advance_clock() knows that.
sub without_debug_commands (@args) {
    my @kept;

    while (@args) {
        my $arg = shift @args;
        if ($arg ne '-o') {
            push @kept, $arg;
            next;
        }
        my @options = grep { $_ ne 'debug_commands' } split /,/, shift @args;
        push @kept, '-o' => join ',', @options if @options;
    }
    return @kept;
}

# One try: undef if somebody else was quicker to take the port.
sub attempt ($class, $launch, @args) {
    my (%port, @held);

    s/(PORT\d?)/$port{$1} ||= free_port(\@held)/ge for @args;
    @held = ();

    my $self = bless {
        args       => \@args,
        ports      => \%port,
        path       => value_of('-s', @args),
        threads    => value_of('-t', @args) // 4,
        port_file  => $launch->{env}{MEMCACHED_PORT_FILENAME},
        background => (scalar grep { $_ eq '-d' } @args),
        login      => $launch->{login},
        tls        => $launch->{tls},
        verbose    => $launch->{verbose} || (scalar grep { /^-v+$/ } @args),
        stdout     => File::Temp->new,
        stderr     => File::Temp->new,
    }, $class;

    $self->track(launch_program($self->{stdout}, $self->{stderr}, \@args, %$launch));
    return $self->wait_for_answer ? $self : undef;
}

# Remember the process that must be ended, without keeping the object alive.
sub track ($self, $pid) {
    $self->{pid} = $pid;
    weaken($running{$pid} = $self);
}

sub value_of ($option, @args) {
    my ($at) = grep { $args[$_] eq $option } 0 .. $#args;

    return defined $at ? $args[ $at + 1 ] : undef;
}

# A port that nobody listens on; @$held keeps it from being chosen twice.
sub free_port ($held) {
    my $socket = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0,
        Listen => 1) or croak "no free port: $@";

    push @$held, $socket;
    return $socket->sockport;
}

# True when it answers, false when its port was taken.
sub wait_for_answer ($self) {
    my $deadline = time + $START_SECONDS;

    until ($self->answers) {
        if ($self->has_ended) {
            return 0 if contents($self->{stderr}) =~ /address already in use/i;
            my $by = $self->{ended}{signal} ? " by signal $self->{ended}{signal}" : '';
            croak "the server ended at its start$by: ", $self->last_words;
        }
        croak 'the server does not answer: ', $self->last_words if time > $deadline;
        sleep $POLL_SECONDS;
    }
    return 1;
}

# Does our own process answer? Another one may have taken the port.
sub answers ($self) {
    my $control = eval { $self->connect } or return 0;
    my $stats   = eval { $control->ask("stats\r\n", qr/END\r\n\z/) } // '';
    my ($pid)   = $stats =~ /^STAT pid (\d+)/m or return 0;

    $self->adopt($pid) if $self->{background} && $self->is_ours($pid);
    return 0 if $pid != $self->{pid};
    $self->{control} = $control;
    return 1;
}

# Was this process started with our arguments? They hold our port, or our path.
sub is_ours ($self, $pid) {
    open my $in, '<', "/proc/$pid/cmdline" or return 0;
    return join('', <$in>) eq join '', map { "$_\0" } server_program(), $self->{args}->@*;
}

# With -d the process that was started has gone, and its child serves.
sub adopt ($self, $pid) {
    return if $pid == $self->{pid};
    $self->{launcher} = wait_for_exit($self->{pid}, $START_SECONDS);
    delete $running{ $self->{pid} };
    $self->track($pid);
}

sub has_ended ($self) {
    return 0 if $self->{background};
    $self->{ended} //= wait_for_exit($self->{pid}, 0);
    delete $running{ $self->{pid} } if $self->{ended};
    return defined $self->{ended};
}

# --- stop --------------------------------------------------------------------

# The server stops when it is told to: no crash, no exit status but 0, no report
# of a sanitizer, and not a word on stderr unless it was started with -v.
sub stop_clean ($self, $name = 'the server stops cleanly', $signal = 'TERM') {
    my $ended = $self->stop($signal);
    my $err   = contents($self->{stderr});
    my @wrong;

    push @wrong, "it did not end within $STOP_SECONDS seconds" if !$ended;
    push @wrong, "signal $ended->{signal} ended it"     if $ended && $ended->{signal};
    push @wrong, "its exit status is $ended->{status}"  if $ended && $ended->{status} > 0;
    push @wrong, "it said: $err"
        if $err =~ /Sanitizer|runtime error:/ || ($err ne '' && !$self->{verbose});
    return verdict(!@wrong, $name, map { "$_\n" } @wrong);
}

# Send the signal and wait for the end, which is returned as wait_for_exit does.
sub stop ($self, $signal = 'TERM') {
    if (!$self->has_ended) {
        kill $signal => $self->{pid};
        $self->{ended} = $self->{background} ? $self->wait_for_adopted
                                             : wait_for_exit($self->{pid}, $STOP_SECONDS);
    }
    delete $running{ $self->{pid} } if $self->{ended};
    return $self->{ended};
}

# A process that is not our child has no exit status for us.
sub wait_for_adopted ($self) {
    my $gone = eventually(sub { !is_alive($self->{pid}) }, $STOP_SECONDS);

    return $gone ? { status => 0, signal => 0 } : undef;
}

sub is_alive ($pid) {
    open my $in, '<', "/proc/$pid/stat" or return 0;
    return <$in> !~ /\) [ZX] /;
}

sub last_words ($self) {
    return contents($self->{stderr}) . contents($self->{stdout});
}

# A test that dies must not leave a server behind, nor hide what it said.
sub abandon ($self) {
    local ($?, $!, $@);

    return if !delete $running{ $self->{pid} };
    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
    note_lines('a server was killed that had said: ', $self->last_words)
        if $self->last_words ne '';
}

sub DESTROY ($self) {
    $self->abandon if ${^GLOBAL_PHASE} ne 'DESTRUCT';
}

$SIG{$_} = sub { exit 1 } for qw(HUP INT PIPE TERM);

END { $_->abandon for values %running }

# --- talk --------------------------------------------------------------------

# A connection: Daemon::Connection. With `port`, the word of another port; with
# `host`, another address; `anonymous` does not log in; `tls` as for start, or 0 to go
# without. With a `window`, the kernel holds
# about as much for a client that does not read, where it may hold 32 MB otherwise.
sub connect ($self, %with) {
    return Daemon::Connection->new($self, %with);
}

sub socket_to ($self, %with) {
    my $no_delay = [ IPPROTO_TCP, TCP_NODELAY, pack 'i', 1 ];   # a cut is a packet
    my @window = map { [ SOL_SOCKET, SO_RCVBUF, pack 'i', $_ ] } $with{window} // ();
    my $socket = defined $self->{path}
        ? IO::Socket::UNIX->new(Peer => $self->{path})
        : IO::Socket::IP->new(
            PeerHost => $with{host} // '127.0.0.1',
            PeerPort => $self->port($with{port} // 'PORT'),
            Timeout  => $START_SECONDS,
            Sockopts => [ $no_delay, @window ]);

    my $tls = $with{tls} // $self->{tls};

    croak "cannot connect: $!" if !$socket;
    return $tls ? secured($socket, %$tls) : $socket;
}

# The number behind a word of the arguments. For a port that the server chose
# itself, what it wrote to its port file.
sub port ($self, $word = 'PORT') {
    return $self->{ports}{$word} if $self->{ports}{$word};
    open my $in, '<', $self->{port_file} // '' or croak "no port $word yet";
    my ($port) = join('', <$in>) =~ /^TCP INET: (\d+)$/m;
    return $port // croak "no port in $self->{port_file}";
}

sub pid ($self) { return $self->{pid} }

# What it has said on stderr.
sub said ($self) { return contents($self->{stderr}) }

# With -d, the end of the process that was started: { status, signal }.
sub launched ($self) { return $self->{launcher} }

# When this returns, the server has read all that was sent before on any other
# connection: one thread serves both in the order in which they became readable.
sub barrier ($self) {
    croak 'a barrier needs -t 1' if $self->{threads} != 1;
    $self->{control}->is_in_step or croak 'the server does not answer';
}

# Move the server's clock on. The reference has none that can be moved: there its
# seconds really pass. It counts whole ticks, so it is brought to the start of one:
# what is done within a second from then is done at one time.
sub advance_clock ($self, $seconds) {
    if (is_reference()) {
        my $until = $self->stat('uptime') + $seconds;
        eventually(sub { $self->stat('uptime') >= $until }, $seconds + 5)
            or croak 'the clock of the reference stands still';
        return;
    }
    my $reply = $self->{control}->ask("debugtime $seconds\r\n");
    $reply eq "OK\r\n" or croak 'debugtime said ', shown($reply);
}

# --- look --------------------------------------------------------------------

# Statistics as a hash; a word such as 'settings' asks for others.
sub stats ($self, @what) {
    return { map { @$_ } $self->stat_pairs(@what) };
}

# The same in the order in which they came: [ name, value ].
sub stat_pairs ($self, @what) {
    my $text = $self->{control}->ask(join(' ', 'stats', @what) . "\r\n", qr/END\r\n\z/);

    return map { /^STAT (\S+) (.*)\r$/ ? [ $1, $2 ] : () } split /\n/, $text;
}

sub stat ($self, $name) {
    return $self->stats->{$name};
}

# What is done in $code moves these counters by so much, and no other of @EVENTS.
sub stats_move ($self, $expected, $code, $name) {
    my $before = $self->stats;
    $code->();
    my $after = $self->stats;
    my %wanted = (map({ $_ => 0 } @EVENTS), %$expected);
    my @wrong;

    for my $counter (sort keys %wanted) {
        my $moved = ($after->{$counter} // 0) - ($before->{$counter} // 0);
        push @wrong, "$counter moved by $moved, not by $wanted{$counter}\n"
            if $moved != $wanted{$counter};
    }
    return verdict(!@wrong, $name, @wrong);
}

# Bytes of memory that the process has in use.
sub resident ($self) {
    open my $in, '<', "/proc/$self->{pid}/status" or croak 'the server is gone';
    my ($kilobytes) = join('', <$in>) =~ /^VmRSS:\s+(\d+) kB/m;

    return $kilobytes * 1024;
}

# Is this a build whose memory says nothing about the release? The process does not let
# everybody see what it is made of.
sub is_sanitized ($self) {
    open my $in, '<:raw', server_program() or croak server_program(), ": $!";
    return join('', <$in>) =~ /lib[atu]b?san\.so/ ? 1 : 0;
}

# Skip the file where so many files may not be open, here or in a server that it starts.
sub need_open_files ($count) {
    my ($most) = `sh -c 'ulimit -n'` =~ /(\d+)/;

    Test::Builder->new->skip_all("NOT TESTED: only $most files may be open")
        if $most < $count;
}

# Ask until it is true; false if it is not after so many seconds.
sub eventually ($condition, $seconds = 10) {
    my $deadline = time + $seconds;

    until ($condition->()) {
        return 0 if time > $deadline;
        sleep $POLL_SECONDS;
    }
    return 1;
}

1;
