# Stranger - what somebody may send who has no password: random and hostile bytes.
#
#   my $stranger = Stranger->new(seed => 7, protocols => ['text'], key => 'canary',
#       user => 'foo', password => 'bar');
#   for my $piece ($stranger->pieces) { ... }
#
# A seed gives the same bytes each time. They are commands of all that stand in the tables
# of protocol/text.c and binary.c (the names are read from there, so a new one is tried as
# well), logins that are wrong by a little, lengths that lie, lines that are too long or
# too short, and noise; all in a row, and cut anywhere. The password itself is never among
# them, so nothing of this can be right.
package Stranger;

use v5.36;

my $LONGEST_LINE  = 2048;
my $LONGEST_TOKEN = 4096;

sub new ($class, %with) {
    return bless {
        %with,
        commands => [ rows_of('protocol/text.c', qr/^    \{ SPAN\("(\w+)"\), /) ],
        opcodes  => [ rows_of('protocol/binary.c',
                qr/^    \[0x(\w\w)\] = \{ SHAPE_(\w+), +\w+, +\w+, +(\d+), /) ],
    }, $class;
}

# What a pattern takes from each line that it matches: a word, or several as an array.
sub rows_of ($file, $pattern) {
    open my $in, '<', $file or die "$file: $!\n";
    my @rows = map { my @words = /$pattern/; @words > 1 ? [@words] : @words } <$in>;

    return @rows > 30 ? @rows : die "$file: its table cannot be read\n";
}

# --- dice --------------------------------------------------------------------

sub chance ($of_one) { return rand() < $of_one }
sub one_of (@things) { return $things[ rand @things ] }
sub number ($from, $to) { return $from + int rand $to - $from + 1 }
sub noise ($length) { return join '', map { chr rand 256 } 1 .. $length }

# A length near one at which something changes.
sub length_about (@borders) {
    my $length = one_of(@borders) + number(-3, 3);

    return $length < 0 ? 0 : $length;
}

# --- pieces ------------------------------------------------------------------

# The bytes of one connection, as they are to be sent one after the other.
sub pieces ($self) {
    srand $self->{seed}++;
    my $protocol = one_of(@{ $self->{protocols} });
    my $bytes;
    do {
        $bytes = join '', map { $self->part($protocol) } 1 .. one_of(1, 2, 3, 5, 8, 12, 20);
        $bytes = spoilt($bytes) if chance(0.15);
    } while index($bytes, $self->{password}) >= 0;
    return cut($bytes);
}

sub part ($self, $protocol) {
    $protocol = one_of('text', 'binary') if chance(0.03);
    return $protocol eq 'text' ? $self->text_part : $self->binary_part;
}

sub spoilt ($bytes) {
    for (1 .. number(1, 5)) {
        my $at = int rand length $bytes;

        substr $bytes, $at, number(0, 2), noise(number(0, 2));
    }
    return $bytes;
}

sub cut ($bytes) {
    my @at = sort { $a <=> $b } map { int rand length $bytes } 1 .. one_of(0, 0, 1, 2, 4, 30);
    my ($from, @pieces) = 0;

    for my $to (@at, length $bytes) {
        push @pieces, substr $bytes, $from, $to - $from if $to > $from;
        $from = $to;
    }
    return @pieces;
}

# --- text --------------------------------------------------------------------

sub text_part ($self) {
    my $sort = rand;

    return $self->command     if $sort < 0.50;
    return $self->wrong_login if $sort < 0.80;
    return $self->lying_login if $sort < 0.88;
    return odd_line()         if $sort < 0.97;
    return noise(number(1, 60));
}

sub line_end () { return one_of(("\r\n") x 20, "\n", "\r\r\n", "\0\r\n", " \r\n") }

# Any command, with words that would do harm.
sub command ($self) {
    my @words = ($self->{key}, $self->{key}, 0, 1, 2, 5, 60, -1, 100_000, qw(noreply all hash
        on off dump reset detail settings items conns cachedump graceful enable disable
        metadump mgdump crawl fetchers mutations v k N0 T0 MS q I x C1 p r automove reassign
        mode));
    my $name = one_of(@{ $self->{commands} });
    my @more = map { one_of(@words) } 1 .. number(0, 5);

    return $self->store($name) if $name =~ /^(?:set|add|replace|append|prepend|cas|ms)\z/;
    unshift @more, $self->{key} if chance(0.5);
    return join(' ', chance(0.05) ? '' : (), $name, @more) . line_end();
}

# A store as it is otherwise, whose first line may be taken for a login.
sub store ($self, $name) {
    my $value = one_of('x', 'a b', "$self->{user} ", "get $self->{key}\r\nstats",
        noise(number(0, 40)));
    my @words = $name eq 'ms' ? length $value : (0, 0, length $value);

    push @words, 1 if $name eq 'cas' || chance(0.1);
    push @words, 'noreply' if chance(0.2);
    return join(' ', $name, $self->{key}, @words) . "\r\n$value\r\n";
}

# A token that is almost right.
sub wrong_token ($self, $between) {
    my ($user, $password) = ($self->{user}, $self->{password});
    my $at = int rand length $password;

    return one_of(
        $user . $between . substr($password, 0, $at),
        $user . $between . substr($password, 0, $at) . substr($password, $at + 1),
        $user . $between . substr($password, 0, $at) . noise(1) . substr($password, $at + 1),
        $user . $between . reverse($password),
        $user . $between . uc($password) . ' ',
        $user . $between,
        $user,
        $between,
        '',
        noise(8) . $between . noise(8),
        ($user . $between) x number(2, 40));
}

sub wrong_login ($self) {
    my $token = $self->wrong_token(' ');

    return one_of('set', 'set', 'set', 'setx', 'add', 'SET', ' set')
        . join(' ', '', 'x', 0, 0, length $token, chance(0.2) ? one_of('noreply', 'x', '') : ())
        . line_end() . $token . one_of("\r\n", "\r\n", "\r\n", "\n", "xx", '');
}

# A login that tells another length than it has.
sub lying_login ($self) {
    my $length = one_of(length_about(0, 10, 250, $LONGEST_TOKEN, 16384, 65536), -1, '+5',
        '1x', 4294967295, 4294967296, 99999999999, 2147483647, '00000000007');
    my $here = one_of(0, 1, 10, 300, $LONGEST_TOKEN + 2, 17000);

    return "set x 0 0 $length\r\n" . one_of('y', "get $self->{key}\r\n", "\0", ' ') x $here
        . one_of('', "\r\n");
}

sub odd_line () {
    return one_of(
        one_of('x', 'set ', 'get ', 'gets ', "\0", 'mg ') x number(1, 60) . line_end(),
        'x' x length_about($LONGEST_LINE, $LONGEST_LINE, 16384, 20000) . one_of('', "\r\n"),
        'set ' . 'x ' x (length_about($LONGEST_LINE) / 2) . one_of('', "\r\n"),
        substr("quit\r\n", -number(0, 6)),
        one_of("\r\n", "\n", "x\n", "mn\r\n", "quit\r\n", "GET / HTTP/1.1\r\n\r\n"));
}

# --- binary ------------------------------------------------------------------

sub binary_part ($self) {
    my $sort = rand;

    return $self->sasl           if $sort < 0.35;
    return $self->request        if $sort < 0.80;
    return $self->lying_request  if $sort < 0.93;
    return $self->text_part      if $sort < 0.95;
    return noise(number(1, 60));
}

sub packet ($opcode, $key = '', $extras = '', $value = '', %lie) {
    return pack('C C n C C n N N Q>', $lie{magic} // 0x80, $opcode, $lie{key} // length $key,
        $lie{extras} // length $extras, number(0, 1), number(0, 1),
        $lie{body} // length "$extras$key$value", number(0, 0xffff_ffff), chance(0.1))
        . $extras . $key . $value;
}

# A request as it is otherwise, or with parts that its opcode does not have.
sub request ($self) {
    my ($opcode, $shape, $extras) = @{ one_of(@{ $self->{opcodes} }) };
    my $key   = one_of(($self->{key}) x 6, 'detail on', 'reset', 'settings');
    my $value = noise(number(1, 40));

    $extras = "\0" x $extras;
    return packet(number(0, 255), one_of('', $key), one_of('', $extras), one_of('', $value))
        if chance(0.1);
    return packet(hex $opcode, one_of('', $key, 'K' x length_about(250)),
        one_of('', $extras, "\0"), one_of('', $value)) if chance(0.2);
    $key   = '' if $shape eq 'EMPTY' || $shape eq 'OPTIONAL_KEY' && chance(0.5);
    $value = '' if $shape ne 'VALUE';
    return packet(hex $opcode, $key, $extras, $value);
}

sub lying_request ($self) {
    my %lie = (one_of('key', 'extras') => number(0, 255));

    $lie{body}  = one_of(0, 1, 23, number(0, 5000), 1 << 20, 1 << 30, (1 << 30) + 1,
        0xffff_ffff) if chance(0.7);
    $lie{key}   = one_of(65535, 250, 251, number(0, 65535)) if chance(0.3);
    $lie{magic} = one_of(0x80, 0x81, 0x00, number(0, 255)) if chance(0.2);
    return packet(number(0, 0x24), $self->{key}, "\0" x one_of(0, 4, 8),
        noise(number(0, 30)), %lie);
}

sub sasl ($self) {
    my $mechanism = one_of(('PLAIN') x 8, 'plain', 'PLAINX', 'CRAM-MD5', 'ANONYMOUS',
        'EXTERNAL', '', 'M' x length_about(32), 'PLAIN PLAIN', "PLAIN\0");
    my $message = one_of('', "\0", noise(number(0, 20)),
        "\0" . $self->wrong_token("\0"),
        $self->{user} . "\0" . $self->wrong_token("\0"),
        $self->wrong_token("\0"),
        "\0$self->{user}\0" . 'y' x length_about($LONGEST_TOKEN - 20, 16384));

    return packet(one_of(0x21, 0x21, 0x21, 0x22, 0x22), $mechanism,
        chance(0.05) ? "\0\0\0\0" : '', $message) if chance(0.85);
    return packet(0x20, chance(0.1) ? 'x' : '');
}

1;
