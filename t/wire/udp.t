# Datagrams: the frame, answers of several datagrams, what is dropped, and how much may
# come back. memcached answers in more messages, and all the rest (doc/PROTOCOL.md), so
# this is of Larder alone.
use v5.36;
use IO::Select;
use IO::Socket::IP;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Binary 'request';

plan skip_all => 'the reference makes other messages, and knows no limit'
    if is_reference();

my $PATIENCE  = 10;             # seconds for an answer
my $DATAGRAM  = 1400;
my $PAYLOAD   = $DATAGRAM - 8;

# --- asking --------------------------------------------------------------------

# A client of one server: a socket that hears only this server.
sub udp ($d, $host = '127.0.0.1', $port = 'PORT2') {
    my $socket = IO::Socket::IP->new(Proto => 'udp', PeerHost => $host,
        PeerPort => $d->port($port)) or die "no socket: $@";

    setsockopt $socket, 1, 33, pack 'i', 8 << 20;       # SO_RCVBUFFORCE, if it may
    return $socket;
}

sub frame ($id, $bytes, $sequence = 0, $total = 1, $reserved = 0) {
    return pack('nnnn', $id, $sequence, $total, $reserved) . $bytes;
}

sub receive ($socket) {
    IO::Select->new($socket)->can_read($PATIENCE) or return;
    defined $socket->recv(my $datagram, 65536) or return;
    return $datagram;
}

# All datagrams of the next message, in order: ( id, its bytes, [ lengths ] ).
sub message ($socket) {
    my ($bytes, @lengths) = '';

    while (defined(my $datagram = receive($socket))) {
        my ($id, $sequence, $total, $reserved) = unpack 'nnnn', $datagram;

        $sequence == @lengths && $reserved == 0
            or return ($id, "datagram $sequence came as number " . @lengths, \@lengths);
        push @lengths, length $datagram;
        $bytes .= substr $datagram, 8;
        return ($id, $bytes, \@lengths) if @lengths == $total;
    }
    return (0, '(no answer)', \@lengths);
}

my $next_id = 1000;

# The answer to one request, which has to have its id.
sub answer ($socket, $request) {
    my $id = $next_id++;

    $socket->send(frame($id, $request));
    my ($got, $bytes) = message($socket);
    return $got == $id ? $bytes : "(an answer to $got, not $id: $bytes)";
}

# Nothing comes for this datagram: what comes next is for the one after it.
sub is_silent ($socket, $datagram, $name) {
    $socket->send($datagram);
    same(answer($socket, "mn\r\n"), "MN\r\n", $name);
}

# --- the frame -----------------------------------------------------------------

my @start = ('-p' => 'PORT', '-U' => 'PORT2', '-t' => 1);
my $d = Daemon->start(@start, '-o' => 'udp_amplification=0');
my $u = udp($d);
my $c = $d->connect;

$u->send(frame(0xbeef, "set k 0 0 2\r\nhi\r\n"));
same(receive($u), frame(0xbeef, "STORED\r\n"), "an answer has the id of its request");
$u->send(frame(7, "get k\r\n", 9, 1, 0xffff));
same(receive($u), frame(7, "VALUE k 0 2\r\nhi\r\nEND\r\n"),
    "what a request says of sequence and of the reserved bytes does not matter");
$c->expect("get k\r\n", "VALUE k 0 2\r\nhi\r\nEND\r\n", "TCP sees the same");

is_silent($u, '',                          "an empty datagram is dropped");
is_silent($u, "\0\1\0\0\0\1\0",            "and one of less than a header");
is_silent($u, frame(1, ''),                "and one of a header alone");
is_silent($u, frame(1, "get k\r\n", 0, 0), "and one that is part of none");
is_silent($u, frame(1, "get k\r\n", 0, 2), "and one that is part of two");
is_silent($u, frame(1, "get k\r\n", 0, 256), "and one that is part of 256");

# --- what is complete, and what is not -------------------------------------------

same(answer($u, "set a 0 0 1\r\nA\r\nget a\r\nmn\r\n"),
    "STORED\r\nVALUE a 0 1\r\nA\r\nEND\r\nMN\r\n", "several commands have one answer");
same(answer($u, "get a none k\r\n"),
    "VALUE a 0 1\r\nA\r\nVALUE k 0 2\r\nhi\r\nEND\r\n", "and several keys");
same(answer($u, "mg a v O7\r\n"), "VA 1 O7\r\nA\r\n", "meta commands are there");
is_silent($u, frame(1, "set n 0 0 1 noreply\r\nN\r\n"), "noreply says nothing");
same(answer($u, "get n\r\n"), "VALUE n 0 1\r\nN\r\nEND\r\n", "but stores");

is_silent($u, frame(1, "get a k"),   "a line without an end is dropped");
same(answer($u, "get a\r\nget k"), "VALUE a 0 1\r\nA\r\nEND\r\n",
    "also behind a command that is whole");
is_silent($u, frame(1, "set half 0 0 9\r\n1234"), "half a value is dropped");
same(answer($u, "get half\r\n"), "END\r\n", "and the next datagram is a new dialogue");
is_silent($u, frame(1, "set half 0 0 9\r\n123456789"), "so is one without its line end");
is_silent($u, frame(1, "56789\r\n"), "which the next does not complete");
$c->expect("get half\r\n", "END\r\n", "nothing of that was stored");
my $large = 'v' x 60000;
same(answer($u, "set large 0 0 60000\r\n$large\r\n"), "STORED\r\n",
    "a value may take almost all of the largest datagram");

# --- answers of many datagrams ---------------------------------------------------

for my $length ($PAYLOAD - 1, $PAYLOAD, $PAYLOAD + 1, 2 * $PAYLOAD, 2 * $PAYLOAD + 1) {
    my $frames = int(($length + $PAYLOAD - 1) / $PAYLOAD);
    my $rest   = $length - ($frames - 1) * $PAYLOAD + 8;
    my $value  = 'x' x ($length - length "VALUE e 0 1000\r\n\r\nEND\r\n");

    $c->expect("set e 0 0 " . length($value) . "\r\n$value\r\n", "STORED\r\n",
        "stored for an answer of $length bytes");
    $u->send(frame(5, "get e\r\n"));
    my ($id, $bytes, $lengths) = message($u);
    same("@$lengths", join(' ', ($DATAGRAM) x ($frames - 1), $rest),
        "an answer of $length bytes has the datagrams that it needs");
    same($bytes, "VALUE e 0 " . length($value) . "\r\n$value\r\nEND\r\n",
        "and its bytes are in order");
}

my $value = join '', map { sprintf '%08d', $_ } 1 .. 12800;     # 100 KB
$c->expect("set v 0 0 102400\r\n$value\r\n", "STORED\r\n", "100 KB are stored");
same(answer($u, "get v\r\n"), "VALUE v 0 102400\r\n$value\r\nEND\r\n",
    "and come in datagrams, numbered from 0");
same(answer($u, "get v a v\r\n"),
    "VALUE v 0 102400\r\n${value}\r\nVALUE a 0 1\r\nA\r\nVALUE v 0 102400\r\n$value\r\nEND\r\n",
    "as a part of several answers too");

# More than one reply holds: several messages, each complete in itself.
$u->send(frame(77, 'get' . ' v' x 7 . "\r\n"));
my ($first_id, $first)   = message($u);
my ($second_id, $second) = message($u);
same("$first_id $second_id", '77 77', "what is too long for a message takes two");
same($first . $second, "VALUE v 0 102400\r\n$value\r\n" x 7 . "END\r\n",
    "of which the second goes on where the first ended");

# --- binary ----------------------------------------------------------------------

my $status = sub ($answer) { join ' ', (unpack 'CCnCCnNN', $answer)[ 0, 1, 5, 7 ] };
same($status->(answer($u, request('get', key => 'a', opaque => 99))), '129 0 0 99',
    "the binary protocol is chosen by the first byte");
same($status->(answer($u, request('set', key => 'b', opaque => 98,
    extras => "\0" x 8, value => 'B'))), '129 1 0 98',
    "and stores");
same(answer($u, "get b\r\n"), "VALUE b 0 1\r\nB\r\nEND\r\n", "text the next time");
is_silent($u, frame(1, substr request('set', key => 'b',
    extras => "\0" x 8, value => 'Z' x 9), 0, -1),
    "half a binary request is dropped");

# --- what is not for datagrams ---------------------------------------------------

for my $order ('watch fetchers', 'lru_crawler metadump all', 'lru_crawler disable',
    'shutdown', 'verbosity 1', 'cache_memlimit 100', 'stats cachedump 1 1',
    'slabs automove 0') {
    same(answer($u, "$order\r\n"), "CLIENT_ERROR not over UDP\r\n", "no $order");
}
same(answer($u, "stats $_->[0]\r\n"), $_->[1], "but stats $_->[0], as over TCP")
    for [ 'detail on', "OK\r\n" ], [ 'detail off', "OK\r\n" ], [ 'reset', "RESET\r\n" ];
is_silent($u, frame(1, "quit\r\n"), "quit says nothing");
same(answer($u, "get a\r\nquit\r\nget k\r\n"), "VALUE a 0 1\r\nA\r\nEND\r\n",
    "and ends its datagram");

for my $said ("ERROR\r\n", "STORED\r\n", "VALUE a 0 1\r\nA\r\nEND\r\n", "HD\r\n",
    "CLIENT_ERROR not over UDP\r\n", "SERVER_ERROR answer too large for UDP\r\n",
    "MN\r\n", "42\r\n", "STAT pid 1\r\nEND\r\n", "\x81\0\0\0\r\n") {
    is_silent($u, frame(1, $said), 'no answer to an answer: ' . shown($said));
}

# --- statistics --------------------------------------------------------------------

my $before = $d->stats;
answer($u, "mn\r\n");
my $after = $d->stats;
cmp_ok($after->{bytes_written} - $before->{bytes_written}, '>=', 12,
    "what is sent is counted, header and all");
cmp_ok($after->{bytes_read} - $before->{bytes_read}, '>=', 12, "and what is received");
my $conns = $d->stats('conns');
my ($fd) = map { /^(\d+):UDP$/ ? $1 : () } keys %$conns;
same($conns->{"$fd:addr"}, 'udp:127.0.0.1:' . $d->port('PORT2'), "stats conns shows it");
same($conns->{"$fd:state"}, 'conn_read', "as waiting for datagrams");
same($d->stats('settings')->{udpport}, $d->port('PORT2'), "stats settings has the port");
$d->stop_clean;

# --- how much may come back ----------------------------------------------------------

$d = Daemon->start(@start);
$u = udp($d);
$c = $d->connect;
my $too_much = "SERVER_ERROR answer too large for UDP\r\n";

# get k\r\n in its frame has 15 bytes, so 150 may come back: 142 in theirs.
for my $room (0, 1) {
    my $length = 142 + $room - length "VALUE k 0 100\r\n\r\nEND\r\n";
    my $bytes  = 'x' x $length;

    $c->expect("set k 0 0 $length\r\n$bytes\r\n", "STORED\r\n", "stored $length bytes");
    same(answer($u, "get k\r\n"),
        $room == 0 ? "VALUE k 0 $length\r\n$bytes\r\nEND\r\n" : $too_much,
        $room == 0 ? "ten times the request may come back" : "and not a byte more");
}
$c->expect("set v 0 0 102400\r\n$value\r\n", "STORED\r\n", "100 KB are stored");
same(answer($u, "get v\r\n"), $too_much, "nor all of a large value");
same(answer($u, 'get' . ' v' x 50 . "\r\n"), $too_much, "nor of many");
same(answer($u, "stats\r\n"), $too_much, "nor statistics");
same($status->(answer($u, request('get', key => 'v', opaque => 4242))), '129 0 3 4242',
    "the binary protocol says so by status 3");
same(answer($u, 'mn' . ' ' x 100 . "\r\nget k\r\n") =~ /^MN/ ? 'MN' : '', 'MN',
    "longer requests have longer answers");
$d->stop_clean;

$d = Daemon->start(@start, '-o' => 'udp_amplification=1');
$u = udp($d);
$c = $d->connect;
$c->expect("set k 0 0 1\r\nv\r\n", "STORED\r\n", "one byte is stored");
is_silent($u, frame(1, "get k\r\n"), "where not even the error fits, nothing comes back");
same(answer($u, 'get k' . ' n' x 12 . "\r\n"), "VALUE k 0 1\r\nv\r\nEND\r\n",
    "but what fits does");
$d->stop_clean;

# --- where it listens ----------------------------------------------------------------

SKIP: {
    skip 'no IPv6 here', 2 if !IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
    $d = Daemon->start('-l' => '127.0.0.1,[::1]', '-p' => 'PORT', '-U' => 'PORT2');
    same(answer(udp($d, '::1'), "mn\r\n"), "MN\r\n", "IPv6 is answered");
    same(answer(udp($d), "mn\r\n"), "MN\r\n", "beside IPv4");
    $d->stop_clean;
}

# A socket for all addresses answers from the one that was asked: the client's socket
# would not take it from another.
$d = Daemon->start({ anywhere => 1 }, '-l' => '0.0.0.0', '-p' => 'PORT', '-U' => 'PORT2');
same(answer(udp($d, '127.0.0.7'), "mn\r\n"), "MN\r\n", "from the address that was asked");
my $late = run_program($> == 0 ? ('-u' => 'root') : (), '-l' => '127.0.0.1',
    '-p' => -1, '-U' => $d->port('PORT2'));
same($late->{status}, 71, "a UDP port in use is exit status 71");
$d->stop_clean;

for my $login ([ '-S' ], [ '-Y' => '/dev/null' ]) {
    my $refused = run_program($> == 0 ? ('-u' => 'root') : (), '-U' => 11299, @$login);
    same($refused->{status}, 64, "UDP with $login->[0] is exit status 64");
}
done_testing;
