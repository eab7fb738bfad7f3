# Dialogue - what one script of t/faults/scripts.t says to a server whose calls fail.
#
# As long as no call has failed, each answer must be the right one. After that it may also
# be an error that says what is the matter, the connection may be closed, which ends the
# script, and what was not stored may be missing. What is there must be right all the same.
package Dialogue;

use v5.36;
use IO::Select;
use IO::Socket::IP;
use Daemon;
use Daemon::Binary qw(request response);
use Faults qw(failures);

my $ERROR  = qr/SERVER_ERROR out of memory[ \w]*\r\n/;
my $SHED   = qr/ERROR Too many open connections\r\n/;
my $ABSENT = qr/END\r\n|EN(?: [kO]\w+)*\r\n|NF\r\n|NS\r\n|NOT_FOUND\r\n|NOT_STORED\r\n/;
my $NOOP   = response('noop', opaque => 0xabcdef01);

my $PATIENCE = 10;      # seconds for a datagram; fewer where it may have been lost

sub new ($class, $daemon) {
    my $self = bless { daemon => $daemon, wrong => [], keys => {}, clients => [] }, $class;

    $self->open;
    return $self;
}

# Another connection; what is said next is said on it. The one before stays open.
sub open ($self, %with) {
    $self->{client} = eval { $self->{daemon}->connect(%with) } or $self->over;
    push $self->{clients}->@*, $self->{client};
}

# The script goes no further, which is no fault of the server's.
sub over ($self) { die "over\n" }

sub wrong ($self, @what) {
    push $self->{wrong}->@*, join '', @what;
    $self->over;
}

sub close ($self) {
    $_->close for $self->{clients}->@*;
    $self->{clients} = [];
}

# Its keys begin with s_, and are deleted in the end.
sub note_keys ($self, @requests) {
    $self->{keys}{$_} = 1 for map { /(s_[a-z0-9]+)/g } @requests;
}

# --- text --------------------------------------------------------------------

# Whole requests, in as many parts as are given, each read before the next is sent. The
# right answer is text or a pattern; `or` is another one that is right after a failure.
sub say ($self, $parts, $right, $or = qr/(?!)/) {
    my @parts = ref $parts ? @$parts : $parts;
    my $last  = pop @parts;

    $self->note_keys(@parts, $last);
    for (@parts) {
        $self->{client}->send($_);
        $self->{daemon}->barrier;
    }
    $self->{client}->send($last);
    return $self->hear($right, $or);
}

# All that is said until the client is in step again.
sub hear ($self, $right, $or = qr/(?!)/) {
    my $client = $self->{client};

    $client->send("mn\r\n");
    $client->read_until(sub { $client->unread =~ /MN\r\n\z/ });
    my $got = $client->receive(length $client->unread);
    my $cut = $got !~ s/MN\r\n\z//;

    return $got if !$cut && $got =~ (ref $right ? $right : qr/\A\Q$right\E\z/);
    $self->wrong('answered by ', shown(substr $got, 0, 300), $cut ? ', cut off' : '')
        if !failures();
    $self->over if $cut && $client->{ended};
    $self->wrong('it hangs after ', shown($got)) if $cut;
    return $got if $got =~ /\A(?:$ERROR|$ABSENT)+\z/ || $got =~ $or;
    return $got if !ref $right && is_a_part($got, $right);
    $self->wrong('answered by ', shown(substr $got, 0, 300), ' ... ', shown(substr $got, -100));
}

# Are these the answers to a part of the requests, and errors or misses to the rest?
sub is_a_part ($got, $right) {
    my @right = split /(?<=\n)/, $right;

    for my $line (split /(?<=\n)/, $got) {
        next if $line =~ /\A(?:$ERROR|$ABSENT)\z/;
        shift @right while @right && $right[0] ne $line;
        return 0 if !@right;
        shift @right;
    }
    return 1;
}

# Where a client cannot get in step, before its login or as a watcher: the answer ends with
# this.
sub answer ($self, $request, $right, $error = $ERROR) {
    my $client = $self->{client};

    $client->send($request);
    $client->read_until(sub { $client->unread =~ /(?:$right|$error)\z/ });
    my $got = $client->receive(length $client->unread);
    return $got if $got =~ /$right\z/ || failures() && $got =~ /$error\z/;
    $self->over if failures() && $client->{ended};
    $self->wrong('answered by ', shown($got));
}

sub store ($self, $key, $value) {
    $self->say(set($key => $value), "STORED\r\n");
}

# --- binary ------------------------------------------------------------------

# As say, of packets; the right answer is packets whose CAS ids do not matter.
sub packets ($self, $parts, $right) {
    my @parts = ref $parts ? @$parts : $parts;
    my $last  = pop @parts;
    my $client = $self->{client};

    $self->note_keys(qw(s_a s_b s_n));
    for (@parts) {
        $client->send($_);
        $self->{daemon}->barrier;
    }
    $client->send($last . request('noop', opaque => 0xabcdef01));
    $client->read_until(sub { $client->unread =~ /\Q$NOOP\E\z/ });
    my $got = $client->receive(length $client->unread);
    my $cut = $got !~ s/\Q$NOOP\E\z//;
    my @got = split_packets($got);

    return if !$cut && (ref $right ? $got =~ $right : join('', @got) eq $right);
    $self->wrong('answered by ', shown(substr $got, 0, 300)) if !failures();
    $self->over if $cut && $client->{ended};
    $self->wrong('it hangs after ', shown(substr $got, 0, 300)) if $cut;
    for (@got) {
        my $status = unpack 'x6 n', $_;
        next if $status == 0x82 || $status == 1 || $status == 5;
        next if $status == 0 && (ref $right || index($right, $_) >= 0);
        $self->wrong('answered by ', shown(substr $_, 0, 300));
    }
}

sub split_packets ($bytes) {
    my @packets;

    while (length $bytes >= 24) {
        my $packet = substr $bytes, 0, 24 + unpack('x8 N', $bytes), '';
        substr $packet, 16, 8, "\0" x 8;
        push @packets, $packet;
    }
    return @packets;
}

# --- datagrams ---------------------------------------------------------------

sub datagram ($self, $request, $right) {
    $self->{udp} //= IO::Socket::IP->new(Proto => 'udp', PeerHost => '127.0.0.1',
        PeerPort => $self->{daemon}->port('PORT2'));
    $self->note_keys($request);
    $self->{udp}->send(pack('nnnn', ++$self->{id}, 0, 1, 0) . $request);
    IO::Select->new($self->{udp})->can_read(failures() ? 1 : $PATIENCE)
        or failures() ? return : $self->wrong('no datagram came');
    $self->{udp}->recv(my $got, 65536);
    my $bytes = substr $got, 8;
    return if $bytes eq $right || failures() && $bytes =~ /\A(?:$ERROR|$ABSENT)\z/;
    $self->wrong('the datagram ', shown($got));
}

1;
