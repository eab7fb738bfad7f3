# Daemon::Connection - one client's connection, and what must come back on it.
#
# Bytes that arrive are kept until they are asked for. While bytes are sent, those
# that arrive are taken in, so a test may send and be sent megabytes; only
# send_blindly() does not read.
#
# "And nothing more" needs no waiting: after an answer the server is asked `mn`,
# which says only MN, so whatever comes before that was too much. After a mismatch
# nobody knows how far the server has come: before more is sent, a new connection takes
# the place of the old one.
package Daemon::Connection;

use v5.36;
use Carp 'croak';
use Errno qw(EAGAIN EINTR);
use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes 'time';
use Daemon::Verdict qw(difference shown verdict);

our @CARP_NOT = qw(Daemon);     # what goes wrong goes wrong in the test

my $PATIENCE  = $ENV{TEST_PATIENCE} || 10;      # seconds for an answer
my $SUSPICION = 0.25;           # seconds of silence after which it is asked `mn`
my $PIECE     = 256 * 1024;     # bytes read at a time

# Opened by Daemon->connect.
sub new ($class, $daemon, %with) {
    my $self = bless { daemon => $daemon, with => \%with }, $class;

    $self->reconnect;
    return $self;
}

sub reconnect ($self) {
    my $socket = $self->{daemon}->socket_to(%{ $self->{with} });

    $socket->blocking(0);
    $self->{socket} = $socket;
    $self->{input}  = '';
    $self->{ended}  = 0;
    $self->{astray} = 0;
    $self->log_in($self->{daemon}{login})
        if defined $self->{daemon}{login} && !$self->{with}{anonymous};
}

sub log_in ($self, $login) {
    my $answer = $self->ask("set x 0 0 " . length($login) . "\r\n$login\r\n");

    $answer eq "STORED\r\n" or croak 'the login was answered by ', shown($answer);
}

sub close ($self) {
    CORE::close $self->{socket};
}

# Without a farewell: the server's socket has no peer then.
sub reset ($self) {
    my $socket = $self->{socket};

    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    $socket->isa('IO::Socket::SSL') ? $socket->close(SSL_no_shutdown => 1)
                                    : CORE::close $socket;
}

# No more will be sent; what the server still says can be read.
sub finish ($self) {
    shutdown $self->{socket}, 1;
}

# --- bytes out, bytes in -----------------------------------------------------

# Send all of it, and keep what the server says meanwhile. False if the server
# has closed the connection.
sub send ($self, $bytes) {
    my $deadline = time + $PATIENCE;
    my $at       = 0;

    $self->reconnect if $self->{astray};
    while ($at < length $bytes) {
        my $sent = $self->push_out($bytes, $at);

        return 0 if !defined $sent;
        $at += $sent;
        if ($sent || $self->take_in) {
            $deadline = time + $PATIENCE;
            next;
        }
        return 0 if time > $deadline;
        $self->wait_until($deadline, 'or writable');
    }
    return 1;
}

# Send as much as the server takes without a single read on our side; the number
# of bytes it took.
sub send_blindly ($self, $bytes) {
    my $writable = IO::Select->new($self->{socket});
    my $at       = 0;

    while ($at < length $bytes && $writable->can_write($SUSPICION)) {
        $at += $self->push_out($bytes, $at) // last;
    }
    return $at;
}

# One write: how many bytes went, undef when the connection is gone.
sub push_out ($self, $bytes, $at) {
    local $SIG{PIPE} = 'IGNORE';
    my $sent = syswrite $self->{socket}, $bytes, $PIECE, $at;

    return $sent if defined $sent;
    return $!{EAGAIN} || $!{EINTR} ? 0 : undef;
}

# One read into {input}; true if something came.
sub take_in ($self) {
    my $got = sysread $self->{socket}, $self->{input}, $PIECE, length $self->{input};

    return 1 if $got;
    $self->{ended} = 1 if defined $got || !($!{EAGAIN} || $!{EINTR});
    return 0;
}

sub wait_until ($self, $deadline, $writable = 0) {
    my $select = '';
    my $left   = $deadline - time;

    vec($select, fileno $self->{socket}, 1) = 1;
    select my $in = $select, my $out = $writable ? $select : undef, undef,
        $left > 0 ? $left : 0;
}

# Read until `enough` is true of the input, the server closes, or time is up.
sub read_until ($self, $enough, $seconds = $PATIENCE) {
    my $deadline = time + $seconds;

    until ($enough->()) {
        if ($self->take_in) {
            $deadline = time + $seconds;
            next;
        }
        return 0 if $self->{ended} || time > $deadline;
        $self->wait_until($deadline);
    }
    return 1;
}

# The next so many bytes, or fewer if no more come.
sub receive ($self, $length) {
    $self->read_until(sub { length $self->{input} >= $length });
    return substr $self->{input}, 0, $length, '';
}

# What has come and was not asked for yet.
sub unread ($self) {
    return $self->{input};
}

# The last bytes of that, which cost nothing where there is much.
sub last_unread ($self, $length) {
    return length $self->{input} < $length ? $self->{input} : substr $self->{input}, -$length;
}

# The next line, with its end.
sub line ($self) {
    $self->read_until(sub { index($self->{input}, "\n") >= 0 });
    return substr $self->{input}, 0, 1 + index($self->{input}, "\n"), '';
}

# Send, and return everything up to and with the first match of $end.
sub ask ($self, $request, $end = qr/\n\z/) {
    $self->send($request);
    $self->read_until(sub { $self->{input} =~ $end })
        or croak 'no full answer to ', shown($request), ', only ', shown($self->{input});
    return substr $self->{input}, 0, length $self->{input}, '';
}

# The CAS id that gets shows for a key; undef if the key is not there.
sub cas_of ($self, $key) {
    my $answer = $self->ask("gets $key\r\n", qr/END\r\n\z/);

    return $answer =~ /^VALUE \S+ \d+ \d+ (\d+)\r\n/ ? $1 : undef;
}

# Has the server nothing to say, and heard all that was sent so far?
sub is_in_step ($self) {
    $self->send("mn\r\n");
    return $self->receive(4) eq "MN\r\n";
}

# Does the server close the connection, without another word?
sub is_closed ($self) {
    $self->read_until(sub { $self->{ended} });
    return $self->{ended} && $self->{input} eq '';
}

# --- tests -------------------------------------------------------------------

# The request is answered by exactly these bytes, and nothing more.
sub expect ($self, $request, $reply, $name) {
    my ($ok, $got) = $self->exchange($reply, $request);

    return verdict($ok, $name,
        $ok ? () : (' request: ' . shown($request) . "\n", difference($reply, $got)));
}

# The next bytes are these. More may follow: an answer in the middle of things.
sub hears ($self, $reply, $name) {
    my $got = $self->receive(length $reply);

    return verdict($got eq $reply, $name, $got eq $reply ? () : difference($reply, $got));
}

# As expect, with the request cut in two at each byte, and then sent byte by
# byte. Before each, `before` is asked, until the answer matches `ready`: it puts the
# server in the same state again. The server needs one thread only: see Daemon->barrier.
sub expect_cut ($self, $request, $reply, $name, %with) {
    for my $cut (1 .. length($request) - 1) {
        my @parts = (substr($request, 0, $cut), substr($request, $cut));

        $self->expect_parts(\@parts, $reply, %with)
            or return verdict(0, "$name, cut in two at each byte", "cut at byte $cut\n",
                $self->{difference});
    }
    verdict(1, "$name, cut in two at each byte");
    my $ok = $self->expect_parts([ split //, $request ], $reply, %with);
    return verdict($ok, "$name, byte by byte", $self->{difference} // '');
}

# The server closes the connection, and says no more before it does.
sub closed ($self, $name) {
    return verdict($self->is_closed, $name,
        $self->{ended} ? 'closed, but said ' : 'still open, having said ',
        shown($self->{input}));
}

# --- the steps of a test -----------------------------------------------------

sub expect_parts ($self, $parts, $reply, %with) {
    $self->ask($with{before}, $with{ready} // qr/\n\z/) if defined $with{before};

    my ($ok, $got) = $self->exchange($reply, @$parts);
    $self->{difference} = join '', difference($reply, $got) if !$ok;
    return $ok;
}

# Send the parts, each read by the server before the next leaves, and compare.
# Returns whether all is well, and everything that was said.
sub exchange ($self, $reply, @parts) {
    my $last = pop @parts;

    for my $part (@parts) {
        $self->send($part);
        $self->{daemon}->barrier;
    }
    $self->send($last);
    $self->read_until(sub { !$self->is_still_hoped_for($reply) }, $SUSPICION);
    return $self->compare($reply);
}

# Is what has come the beginning of this reply, and not all of it?
sub is_still_hoped_for ($self, $reply) {
    return length $self->{input} < length $reply
        && rindex($reply, $self->{input}, 0) == 0;
}

sub compare ($self, $reply) {
    my $step = $reply . "MN\r\n";

    $self->send("mn\r\n") if !$self->{ended};
    $self->read_until(sub { !$self->is_still_hoped_for($step) });
    if ($self->{input} eq $step) {
        $self->{input} = '';
        return (1, $reply);
    }
    $self->read_until(sub { $self->{input} =~ /MN\r\n\z/ }, $SUSPICION);

    my $got = $self->{input} =~ s/MN\r\n\z//r;
    $got .= '(and closed the connection)' if $self->{ended};
    $self->{astray} = 1;
    return (0, $got);
}

1;
