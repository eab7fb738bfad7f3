# Before the login: whatever a stranger sends, over TCP or a unix socket, in any protocol,
# he is refused, learns nothing, changes nothing, and takes little memory.
#
#   GATE_SEED=7 prove t/wire/gate.t               other bytes
#   GATE_CONNECTIONS=20000 prove t/wire/gate.t    for long
#   GATE_SEED=1234 GATE_CONNECTIONS=1             the connection that a failure names
#
# t/fuzz does the same in process, led by coverage; here the sockets take part.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp 'tempdir';
use Stranger;

plan skip_all => 'the reference has no file of passwords that this could use'
    if is_reference();

my $SEED        = $ENV{GATE_SEED}        // 1;
my $CONNECTIONS = $ENV{GATE_CONNECTIONS} // 150;    # to each server
my $LOOK_EVERY  = 50;           # connections, then it is seen that nothing has changed
my $CROWD       = 60;           # connections of a kind that are held open at once
my $MOST_EACH   = 20_000;       # bytes of memory that one of them may take: what was read
                                # at once, 16 KB, and the begin of an answer

my $USER     = 'user';
my $PASSWORD = 'TheWord0fTheGate';
my $CANARY   = 'yellow, and never to be heard of outside';
my $folder   = tempdir(CLEANUP => 1);
my $file     = "$folder/users";

open my $out, '>', $file or die "$file: $!\n";
print $out "$USER:$PASSWORD\n";
close $out;
chmod 0600, $file;
diag("GATE_SEED=$SEED") if $ENV{GATE_CONNECTIONS};
note("GATE_SEED=$SEED");

# --- who has logged in --------------------------------------------------------

# A server that speaks binary alone is asked in binary.
package SaslDaemon {
    use parent -norequire, 'Daemon';

    sub answers ($self) {
        my $control = eval { $self->connect(anonymous => 1) } or return 0;

        main::binary_login($control) or return 0;
        $self->{control} = $control;
        return { $self->figures }->{pid} == $self->{pid};
    }

    sub barrier ($self) {
        main::binary($self->{control}, 0x0a);
    }

    # All that a STAT tells: name => value.
    sub figures ($self, $what = '') {
        my ($control, %figures) = ($self->{control});

        $control->send(main::packet(0x10, $what));
        while (my ($status, $key, $value) = main::answer($control)) {
            return %figures if $key eq '';
            $figures{$key} = $value;
        }
        die "no statistics\n";
    }

    sub store_canary ($self) {
        main::binary($self->{control}, 0x01, 'canary', "\0\0\0\7\0\0\0\0", $CANARY);
    }

    sub canary ($self) {
        return join ' ', main::binary($self->{control}, 0x00, 'canary');
    }
}

package TextDaemon {
    use parent -norequire, 'Daemon';

    sub figures ($self, @what) {
        return map { @$_ } $self->stat_pairs(@what);
    }

    sub store_canary ($self) {
        $self->{control}->ask("set canary 7 0 " . length($CANARY) . "\r\n$CANARY\r\n");
    }

    sub canary ($self) {
        return $self->{control}->ask("gets canary\r\n", qr/END\r\n\z/);
    }
}

sub packet ($opcode, $key = '', $extras = '', $value = '') {
    return pack('C C n C C n N N N2', 0x80, $opcode, length $key, length $extras, 0, 0,
        length "$key$extras$value", 7, 0, 0) . $extras . $key . $value;
}

# The next packet: status, key, value and CAS id.
sub answer ($connection) {
    my $header = $connection->receive(24);
    my ($magic, $opcode, $key, $extras, undef, $status, $body, undef, $cas)
        = unpack 'C C n C C n N N Q>', $header;
    length $header == 24 && $magic == 0x81 or return;
    $body = $connection->receive($body);
    return ($status, substr($body, $extras, $key), substr($body, $extras + $key), $cas);
}

sub binary ($connection, @request) {
    $connection->send(packet(@request));
    return answer($connection);
}

sub binary_login ($connection) {
    my ($status) = binary($connection, 0x21, 'PLAIN', '', "\0$USER\0$PASSWORD");

    return defined $status && $status == 0;
}

# What must not change, whatever strangers do; and how many have logged in. Of itself a
# look counts one get.
sub look ($daemon, $looks) {
    my %is      = $daemon->figures;
    my %setting = $daemon->figures('settings');
    my @events  = grep { /^(?:cmd|get|delete|incr|decr|cas|touch|store)_/ } sort keys %is;
    my %seen    = (canary => $daemon->canary, map({ $_ => $is{$_} } @events,
            qw(total_items curr_items bytes evictions limit_maxbytes log_watchers)));

    $seen{$_} -= $looks for qw(cmd_get get_hits);
    $seen{logins} = $is{auth_cmds} - $is{auth_errors};
    $seen{clock_is_right} = abs($is{time} - time) < 3600;
    return { %seen, map { ("setting $_" => $setting{$_}) } keys %setting };
}

# --- what a stranger may hear -------------------------------------------------

my @REFUSALS = map { "CLIENT_ERROR $_\r\n" } 'unauthenticated', 'authentication failure',
    'auth token too long', 'bad command line termination', 'bad authentication token format';

my %heard;      # how often of all servers; it shows that strangers came as far as they can

# The text from what is not one of these lines, of which there are few, nor the begin of one.
sub improper_text ($text) {
    my $count = 0;

    while ($text =~ /\A(.*\n)/) {
        grep { $_ eq $1 } @REFUSALS or return $text;
        $heard{$1}++;
        $text = substr $text, length $1;
        ++$count <= 10 or return "(more than ten refusals)";
    }
    return (grep { index($_, $text) == 0 } @REFUSALS) ? '' : $text;
}

my %SAYS = (
    0x20 => qr/\AAuth failure\.\z/,
    0x21 => qr/\A\z/,
    0x81 => qr/\AUnknown command\z/,
    0x04 => qr/\AInvalid arguments\z/,
);
my %GRANTED = (0x0b => qr/\A\d+\.\d+\.\d+\S*\z/, 0x20 => qr/\APLAIN\z/);

# The same for packets: of those that went well, the version and the list of mechanisms.
sub improper_packets ($bytes) {
    while (length $bytes >= 24) {
        my ($magic, $opcode, $key, $extras, $type, $status, $body, undef, $cas)
            = unpack 'C C n C C n N N Q>', $bytes;
        my $says = $status == 0 ? $GRANTED{$opcode} : $SAYS{$status};

        $magic == 0x81 && $key == 0 && $extras == 0 && $type == 0 && $cas == 0 && defined $says
            && ($status != 0x21 || $opcode == 0x21 || $opcode == 0x22)
            or return $bytes;
        return '' if length $bytes < 24 + $body;
        substr($bytes, 24, $body) =~ $says or return $bytes;
        $heard{ $status || "granted $opcode" }++;
        $bytes = substr $bytes, 24 + $body;
    }
    return $bytes eq '' || "\x81" eq substr($bytes, 0, 1) ? '' : $bytes;
}

# --- strangers -----------------------------------------------------------------

# One of them comes, says all that he has to say, and hears all that he is told. The first
# byte decides on the protocol, where there is a choice.
sub visit ($daemon, $stranger, $protocols) {
    my $seed       = $stranger->{seed};
    my @pieces     = $stranger->pieces;
    my $slowly     = $seed % 4 == 0;
    my $connection = $daemon->connect(anonymous => 1);
    my $binary     = $protocols eq 'binary'
        || $protocols eq 'both' && substr($pieces[0], 0, 1) eq "\x80";

    for my $piece (@pieces) {
        $connection->send($piece) or last;
        $daemon->barrier if $slowly;
    }
    $connection->finish;
    $connection->read_until(sub { $connection->{ended} });
    $connection->{ended} or return "seed $seed: the connection stays open";
    my $said = $connection->unread;
    my $improper = $binary ? improper_packets($said) : improper_text($said);
    $connection->close;
    return $improper eq '' ? () : "seed $seed: " . shown($improper);
}

sub visits ($daemon, $name, $protocols) {
    my $stranger = Stranger->new(seed => $SEED, key => 'canary', user => $USER,
        password  => $PASSWORD,
        protocols => $protocols eq 'both' ? [ 'text', 'binary' ] : [$protocols]);
    my (@improper, $looks);

    $daemon->store_canary;
    my $before = look($daemon, ++$looks);
    for my $i (1 .. $CONNECTIONS) {
        push @improper, visit($daemon, $stranger, $protocols);
        next if $i % $LOOK_EVERY && $i < $CONNECTIONS;
        my $now     = look($daemon, ++$looks);
        my @changed = grep { $now->{$_} ne $before->{$_} } sort keys %$now;

        push @improper, map {
            "seeds below $stranger->{seed}: $_ is $now->{$_}, was $before->{$_}" } @changed;
        last if @improper;
    }
    ok(!@improper, "$name: $CONNECTIONS strangers are refused, and change nothing")
        or diag(join "\n", @improper);
}

# Many at once, each with as much as he can get held for him: a password that does not
# end, a line that does not, refusals that he does not read. They all stay, so that no one
# finds memory that another has left.
sub crowd ($daemon, $name, $protocols) {
    my @text = ("set x 0 0 4096\r\n" . 'y' x 4097, "set x 0 0 16384\r\n" . 'y' x 16000,
        'x' x 2000, "get canary\r\n" x 5000);
    my @packets = (substr(packet(0x21, 'PLAIN', '', 'y' x 4091), 0, -1),
        substr(packet(0x21, 'PLAIN', '', 'y' x 16000), 0, -1),
        substr(packet(0x01, 'k' x 250), 0, 200), packet(0x0b) x 5000);
    my (@open, $most);

    for my $bytes ($protocols eq 'binary' ? () : @text, $protocols eq 'text' ? () : @packets) {
        my $before = $daemon->resident;

        for (1 .. $CROWD) {
            push @open, $daemon->connect(anonymous => 1);
            $open[-1]->send_blindly($bytes);
            $daemon->barrier;
        }
        my $each = ($daemon->resident - $before) / $CROWD;
        $most = $each if $each > ($most // 0);
    }
    SKIP: {
        skip 'a sanitizer takes memory of its own', 1 if $daemon->is_sanitized;
        cmp_ok($most, '<', $MOST_EACH, "$name: many at once take little memory each");
    }
    note("$name: $most bytes each");
    $_->close for @open;
}

# --- by every way in --------------------------------------------------------------

my $pwdb  = { env => { MEMCACHED_SASL_PWDB => $file } };
my $known = { login => "$USER $PASSWORD" };
my @harm  = ('-A', '-t' => 1, '-o' => 'debug_commands');

for my $way (
    [ 'text over TCP',   'text',   'TextDaemon', $known, '-Y' => $file ],
    [ 'text over a unix socket', 'text', 'TextDaemon', $known,
        '-Y' => $file, '-s' => "$folder/text" ],
    [ 'binary over TCP', 'binary', 'SaslDaemon', $pwdb,  '-S' ],
    [ 'binary over a unix socket', 'binary', 'SaslDaemon', $pwdb,
        '-S', '-s' => "$folder/binary" ],
    [ 'both over TCP',   'both',   'TextDaemon', $known, '-S', '-Y' => $file ],
    [ 'both over a unix socket', 'both', 'TextDaemon', $known,
        '-S', '-Y' => $file, '-s' => "$folder/both" ],
) {
    my ($name, $protocols, $class, $launch, @args) = @$way;
    my $daemon = $class->start($launch, @harm, @args);

    visits($daemon, $name, $protocols);
    crowd($daemon, $name, $protocols);
    like($daemon->canary, qr/\Q$CANARY\E/, "$name: who has logged in is served");
    $daemon->stop_clean;
}

is(join('', grep { !$heard{$_} } @REFUSALS, keys %SAYS, map { "granted $_" } keys %GRANTED), '',
    'all that may be said to a stranger was said') if $CONNECTIONS >= 100;

# --- and not by UDP ----------------------------------------------------------------

for my $way (
    [ '-Y', {},    '-Y' => $file, '-U' => 11299 ],
    [ '-S', $pwdb, '-S', '-U' => 11299 ],
    [ '-S and -Y, without TCP', {}, '-S', '-Y' => $file, '-U' => 11299, '-p' => 0 ],
) {
    my ($name, $with, @args) = @$way;
    my $run = run_program($with, ($> == 0 ? ('-u' => 'root') : ()), '-l' => '127.0.0.1', @args);

    is($run->{status}, 64, "$name: no datagrams");
    like($run->{stderr}, qr/UDP/, 'and a word of why');
}

done_testing;
