# The binary protocol: each opcode to the byte, what it refuses, and what it counts.
# PROTOCOL.md 7. Logins are in t/system/auth.t, datagrams in udp.t.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Binary qw(request response);

my $MAX  = 18446744073709551615;
my $NONE = 0xffffffff;          # an expiry that forbids incr to create
my %TEXT = (
    0x01 => 'Not found',           0x02 => 'Data exists for key.',
    0x03 => 'Too large.',          0x04 => 'Invalid arguments',
    0x05 => 'Not stored.',         0x20 => 'Auth failure.',
    0x81 => 'Unknown command',     0x82 => 'Out of memory allocating item',
    0x06 => 'Non-numeric server-side value for incr or decr',
);

my $d = Daemon->start('-t' => 1, '-o' => 'debug_commands');
my $c = $d->connect;            # text: sets the stage, and tells what has become of it
my $b = $d->connect;

# --- asking ------------------------------------------------------------------

# What is said to these requests, up to the answer to a noop behind them.
sub said (@requests) {
    my $noop = response('noop', opaque => 0xabcdef);
    my $text = $b->ask(join('', @requests, request('noop', opaque => 0xabcdef)),
        qr/\Q$noop\E\z/);

    return substr $text, 0, length($text) - length $noop;
}

# The answer that something went wrong.
sub failure ($name, $status) {
    return response($name, status => $status, value => $TEXT{$status});
}

sub moves ($expected, $request, $name) {
    $d->stats_move($expected, sub { said($request) }, $name);
}

# The request is answered by this failure, and the connection closed.
sub is_fatal ($request, $status, $name) {
    my $victim = $d->connect;
    my $reply  = failure((unpack 'CC', $request)[1], $status);

    $victim->send($request);
    my $got = $victim->receive(length $reply);
    verdict($got eq $reply && $victim->is_closed, $name,
        'heard ', shown($got), ' and then ', shown($victim->unread), "\n");
}

# So many seconds are left to it, or just less.
sub lives ($key, $seconds, $name) {
    my ($left) = $c->ask("mg $key t\r\n") =~ /^HD t(-?\d+)\r\n/;

    verdict(defined $left && $left <= $seconds && $left > $seconds - 3, $name,
        'left: ', $left // 'not even itself', "\n");
}

sub id ($key = 'k') { return $c->cas_of($key) }
sub n32 ($number)   { return pack 'N', $number }
sub n64 ($number)   { return pack 'Q>', $number }

# A value of flags 0 that stays, as stores want their extras.
my $PLAIN  = n32(0) . n32(0);
my $TO_100 = n32(5) . n32(100);         # or of flags 5, for so long

sub store ($name, $key, $value, %with) {
    return request($name, extras => $PLAIN, key => $key, value => $value, %with);
}

sub count ($name, $key, $delta, $initial, $expiry, %with) {
    return request($name, key => $key,
        extras => n64($delta) . n64($initial) . n32($expiry), %with);
}

# --- the frame ---------------------------------------------------------------

my $SET_HI = "\x80\x01\0\1\x08\0\0\0\0\0\0\x0b\xde\xad\xbe\xef\0\0\0\0\0\0\0\0"
    . "\0\0\0\x2a\0\0\0\0khi";
my $GET_HI = "\x80\x00\0\1\0\0\0\0\0\0\0\1\xca\xfe\xf0\x0d\0\0\0\0\0\0\0\0k";

sub done_hi () { return response('set', opaque => 0xdeadbeef, cas => id()) }
sub got_hi () {
    return response('get', opaque => 0xcafef00d, cas => id(), extras => n32(42),
        value => 'hi');
}

same(said($SET_HI), "\x81\x01\0\0\0\0\0\0\0\0\0\0\xde\xad\xbe\xef" . n64(id()),
    "a set is answered by its opcode, its opaque and the new CAS id");
same(said($GET_HI),
    "\x81\x00\0\0\4\0\0\0\0\0\0\6\xca\xfe\xf0\x0d" . n64(id()) . "\0\0\0\x2ahi",
    "a get by flags, value and CAS id");
$c->expect("get k\r\n", "VALUE k 42 2\r\nhi\r\nEND\r\n", "which text sees as well");
same(said(substr($GET_HI, 0, 5) . "\7\1\2" . substr $GET_HI, 8), got_hi(),
    "what a request says of type and of vbucket does not matter");
same(said($SET_HI, $GET_HI), done_hi() . got_hi(), "two at once are answered in order");

# The same two, of which the server gets the rest only when it has read the beginning.
sub is_cut_well ($cut) {
    $b->send(substr $SET_HI . $GET_HI, 0, $cut);
    $d->barrier;
    return said(substr $SET_HI . $GET_HI, $cut) eq done_hi() . got_hi();
}

same(join(' ', grep { !is_cut_well($_) } 1 .. length($SET_HI . $GET_HI) - 1), '',
    "they may be cut anywhere");

# --- get, getq, getk, getkq --------------------------------------------------

$c->ask("set k 7 0 5\r\nhello\r\n");
for my $case (
    # name    key in the answer   a miss
    [ 'get',   '',   failure('get', 0x01) ],
    [ 'getq',  '',   '' ],
    [ 'getk',  'k',  response('getk', status => 0x01, key => 'none') ],
    [ 'getkq', 'k',  '' ],
) {
    my ($name, $key, $miss) = @$case;
    same(said(request($name, key => 'k')),
        response($name, extras => n32(7), key => $key, value => 'hello', cas => id()),
        "$name finds");
    same(said(request($name, key => 'none')), $miss, "$name misses");
    moves({ cmd_get => 1, get_hits => 1 }, request($name, key => 'k'),
        "a $name that finds counts cmd_get and get_hits");
    moves({ cmd_get => 1, get_misses => 1 }, request($name, key => 'none'),
        "one that does not counts get_misses");
}
$c->ask(set(empty => '') . "set gone 0 -1 1\r\nv\r\n", qr/\n.*\n\z/);
same(said(request('get', key => 'empty')),
    response('get', extras => n32(0), cas => id('empty')), "a value may be empty");
moves({ cmd_get => 1, get_misses => 1, get_expired => 1 }, request('get', key => 'gone'),
    "what has expired counts as that, and as a miss");
my $long = 'k' x 250;
$c->ask(set($long => 'v'));
same(said(request('getk', key => $long)),
    response('getk', extras => n32(0), key => $long, value => 'v', cas => id($long)),
    "a key may have 250 bytes");
my $odd    = "a b\r\n\0";
my $odd_id = unpack 'x16Q>', said(store('set', $odd, 'v'));
same(said(request('getk', key => $odd)),
    response('getk', extras => n32(0), key => $odd, value => 'v', cas => $odd_id),
    "and any bytes");

# --- set, add, replace, and those that are quiet -----------------------------

for my $case (
    # name       on a key that is not there       on one that is
    [ 'set',     0x00,                            0x00 ],
    [ 'add',     0x00,                            0x02 ],
    [ 'replace', 0x01,                            0x00 ],
) {
    my ($name, @status) = @$case;
    for my $there (0, 1) {
        my $with = $there ? 'with' : 'without';
        my $done = $status[$there] == 0;
        my $prepare = sub {
            $c->ask($there ? "set k 1 9 3\r\nold\r\n" : "delete k\r\n");
        };
        $prepare->();
        same(said(request($name, key => 'k', value => 'new', extras => $TO_100)),
            $done ? response($name, cas => id()) : failure($name, $status[$there]),
            "$name $with the key");
        $c->expect("get k\r\n",
            $done ? "VALUE k 5 3\r\nnew\r\nEND\r\n"
            : $there ? "VALUE k 1 3\r\nold\r\nEND\r\n" : "END\r\n", "stores or does not");
        lives('k', $done ? 100 : 9, "and so its expiry") if $done || $there;
        $prepare->();
        same(said(store($name . 'q', 'k', 'new')),
            $done ? '' : failure($name . 'q', $status[$there]),
            "${name}q $with the key is quiet where it stores");
        $c->expect("get k\r\n", $done ? hit(k => 'new') : $there
            ? "VALUE k 1 3\r\nold\r\nEND\r\n" : "END\r\n", "which it does or does not");
        $prepare->();
        moves({ cmd_set => 1, total_items => $done ? 1 : 0,
                curr_items => $done && !$there ? 1 : 0 }, store($name, 'k', 'new'),
            "$name $with the key counts cmd_set, and an item where it stores");
    }
    $c->ask(set(k => 'old'));
    my $id = id();
    same(said(store($name, 'k', 'cas', cas => $id)), response($name, cas => id()),
        "$name with the right id stores");
    $c->expect("get k\r\n", hit(k => 'cas'), "the value is there");
    same(said(store($name, 'k', 'bad', cas => $id)), failure($name, 0x02),
        "with another it does not");
    same(said(store($name . 'q', 'k', 'bad', cas => $id)), failure($name . 'q', 0x02),
        "and a quiet one says so");
    $c->expect("get k\r\n", hit(k => 'cas'), "the value stays");
    same(said(store($name, 'none', 'v', cas => $id)), failure($name, 0x01),
        "$name with an id needs the key");
    same(said(store($name . 'q', 'k', 'quiet', cas => id())), '',
        "${name}q with the right id says nothing");
    $c->expect("get k\r\n", hit(k => 'quiet'), "but stores");
    moves({ cmd_set => 1, total_items => 1, cas_hits => 1 },
        store($name, 'k', 'v', cas => id()), "a right id counts cas_hits");
    moves({ cmd_set => 1, cas_badval => 1 }, store($name, 'k', 'v', cas => $id),
        "a wrong one cas_badval");
    moves({ cmd_set => 1, cas_misses => 1 }, store($name, 'none', 'v', cas => $id),
        "a missing key cas_misses");
}

for my $case (
    [ $NONE,      1, 'ever so long: times have no sign here' ],
    [ 2_592_000,  1, '30 days' ],
    [ 2_592_001,  0, 'until a moment in 1970' ],
) {
    my ($expiry, $stays, $what) = @$case;
    said(request('set', key => 'k', value => 'v', extras => n32(0) . n32($expiry)));
    $c->expect("get k\r\n", $stays ? hit(k => 'v') : "END\r\n", "a value lives $what");
}

# --- append, prepend ---------------------------------------------------------

for my $case ([ 'append', 'old+new' ], [ 'prepend', '+newold' ]) {
    my ($name, $joined) = @$case;
    my $join = sub (%with) {
        return request($name, key => 'k', value => '+new', %with);
    };
    $c->ask("set k 5 100 3\r\nold\r\n");
    same(said($join->()), response($name, cas => id()), "$name joins");
    $c->expect("get k\r\n", "VALUE k 5 7\r\n$joined\r\nEND\r\n", "and keeps flags");
    lives('k', 100, "and expiry");
    $c->ask(set(k => 'old'));
    same(said(request($name . 'q', key => 'k', value => '+new')), '',
        "${name}q is quiet");
    $c->expect("get k\r\n", hit(k => $joined), "and joins");
    my $id = id();
    same(said($join->(cas => $id)), response($name, cas => id()),
        "$name with the right id joins");
    same(said($join->(cas => $id)), failure($name, 0x02), "with another it does not");
    moves({ cmd_set => 1, total_items => 1 }, $join->(), "$name counts like a set");
    $c->ask("delete k\r\n");
    same(said($join->()), failure($name, 0x05), "$name needs the key");
    same(said($join->(cas => $id)), failure($name, 0x05), "also with an id");
    same(said(request($name . 'q', key => 'k', value => '+new')),
        failure($name . 'q', 0x05), "which ${name}q says");
    moves({ cmd_set => 1 }, $join->(), "and counts cmd_set alone");
}

# --- delete ------------------------------------------------------------------

$c->ask(set(k => 'v'));
same(said(request('delete', key => 'k')), response('delete'), "delete says done");
$c->expect("get k\r\n", "END\r\n", "and has done it");
same(said(request('delete', key => 'k')), failure('delete', 0x01), "it needs the key");
same(said(request('deleteq', key => 'k')), failure('deleteq', 0x01),
    "which deleteq says");
$c->ask(set(k => 'v'));
same(said(request('deleteq', key => 'k')), '', "deleteq says nothing");
$c->expect("get k\r\n", "END\r\n", "but deletes");
$c->ask(set(k => 'v'));
my $id = id();
same(said(request('delete', key => 'k', cas => $id + 1)), failure('delete', 0x02),
    "delete with another id does not delete");
same(said(request('deleteq', key => 'k', cas => $id + 1)), failure('deleteq', 0x02),
    "nor deleteq, which says so");
$c->expect("get k\r\n", hit(k => 'v'), "the value stays");
moves({}, request('delete', key => 'k', cas => $id + 1), "and no miss is counted");
moves({ delete_hits => 1, curr_items => -1 }, request('delete', key => 'k', cas => $id),
    "the right id deletes, and counts delete_hits");
moves({ delete_misses => 1 }, request('delete', key => 'k'), "a miss delete_misses");

# --- incr, decr --------------------------------------------------------------

for my $case (
    # name    stored  delta  answer  stored after
    [ 'incr', '10',   5,     15,     '15' ],
    [ 'incr', '99',   1,     100,    '100' ],
    [ 'incr', "$MAX", 2,     1,      '1' . ' ' x 19 ],
    [ 'incr', '0',    $MAX,  $MAX,   "$MAX" ],
    [ 'decr', '10',   3,     7,      '7 ' ],
    [ 'decr', '5',    9,     0,      '0' ],
) {
    my ($name, $stored, $delta, $answer, $after) = @$case;
    my $request = sub ($name) { count($name, 'k', $delta, 77, 0) };
    $c->ask(set(k => $stored));
    same(said($request->($name)), response($name, value => n64($answer), cas => id()),
        "$name of $stored by $delta answers $answer, as 64 bits");
    $c->expect("get k\r\n", hit(k => $after), "and stores it as text");
    $c->ask(set(k => $stored));
    same(said($request->($name . 'q')), '', "${name}q says nothing");
    $c->expect("get k\r\n", hit(k => $after), "but does the same");
}
for my $name ('incr', 'decr') {
    $c->ask("delete k\r\n");
    same(said(count($name, 'k', 5, 77, $NONE)), failure($name, 0x01),
        "$name with the expiry ffffffff creates nothing");
    same(said(count($name . 'q', 'k', 5, 77, $NONE)), failure($name . 'q', 0x01),
        "which ${name}q says");
    moves({ $name . '_misses' => 1 }, count($name, 'k', 5, 77, $NONE),
        "and counts ${name}_misses");
    same(said(count($name, 'k', 5, 77, 100)),
        response($name, value => n64(77), cas => id()), "with another it creates");
    $c->expect("get k\r\n", hit(k => '77'), "what it was told to begin with");
    lives('k', 100, "for so long");
    $c->ask("delete k\r\n");
    same(said(count($name . 'q', 'k', 5, 78, 0)), '', "${name}q creates silently");
    $c->expect("get k\r\n", hit(k => '78'), "but does");
    moves({ $name . '_hits' => 1 }, count($name, 'k', 1, 0, 0),
        "$name counts ${name}_hits");
    my $id = id();
    same(said(count($name, 'k', 1, 0, 0, cas => $id)),
        response($name, value => n64($name eq 'incr' ? 80 : 76), cas => id()),
        "$name with the right id counts");
    same(said(count($name, 'k', 1, 0, 0, cas => $id)), failure($name, 0x02),
        "with another it does not");
    same(said(count($name . 'q', 'k', 1, 0, 0, cas => $id)), failure($name . 'q', 0x02),
        "nor ${name}q, which says so");
    moves({}, count($name, 'k', 1, 0, 0, cas => $id), "and counts nothing");
    $c->ask(set(k => 'text'));
    same(said(count($name, 'k', 1, 0, 0)), failure($name, 0x06), "$name needs a number");
    same(said(count($name . 'q', 'k', 1, 0, 0)), failure($name . 'q', 0x06),
        "which ${name}q says");
    moves({}, count($name, 'k', 1, 0, 0), "and counts nothing");
    $c->ask("delete k\r\n");
    same(said(count($name, 'k', 1, 5, 0, cas => $id)),
        response($name, value => n64(5), cas => id()),
        "an id does not matter where $name creates");
    $c->ask("delete k\r\n");
    moves({ curr_items => 1, total_items => 1 }, count($name, 'k', 1, 0, 0),
        "a created number counts as an item alone");
}

# --- touch, gat, gatq, gatk, gatkq -------------------------------------------

for my $case (
    # name     key in the answer   value    a miss
    [ 'touch', '',   '',       failure('touch', 0x01) ],
    [ 'gat',   '',   'hello',  failure('gat', 0x01) ],
    [ 'gatq',  '',   'hello',  '' ],
    [ 'gatk',  'k',  'hello',  response('gatk', status => 0x01, key => 'none') ],
    [ 'gatkq', 'k',  'hello',  '' ],
) {
    my ($name, $key, $value, $miss) = @$case;
    $c->ask("set k 7 0 5\r\nhello\r\n");
    same(said(request($name, key => 'k', extras => n32(100))),
        response($name, extras => n32(7), key => $key, value => $value, cas => id()),
        "$name finds");
    lives('k', 100, "and sets the expiry");
    same(said(request($name, key => 'none', extras => n32(100))), $miss, "$name misses");
    moves({ cmd_touch => 1, touch_hits => 1 },
        request($name, key => 'k', extras => n32(0)),
        "a $name that finds counts cmd_touch and touch_hits");
    lives('k', -1, "0 is for ever");
    moves({ cmd_touch => 1, touch_misses => 1 },
        request($name, key => 'none', extras => n32(0)),
        "one that does not counts touch_misses");
    said(request($name, key => 'k', extras => n32($NONE)));
    $c->expect("get k\r\n", "VALUE k 7 5\r\nhello\r\nEND\r\n", "ffffffff is far away");
    said(request($name, key => 'k', extras => n32(2_592_001)));
    $c->expect("get k\r\n", "END\r\n", "30 days and a second a moment in 1970");
}

# --- flush -------------------------------------------------------------------

for my $name ('flush', 'flushq') {
    my $done = $name eq 'flush' ? response('flush') : '';

    for my $extras ('', n32(0)) {
        $c->ask(set(k => 'v'));
        same(said(request($name, extras => $extras)), $done,
            "$name, with " . length($extras) . ' bytes of extras');
        $c->expect("get k\r\n", "END\r\n", "takes all that is there");
    }
    $c->ask(set(k => 'v'));
    same(said(request($name, extras => n32(100))), $done, "$name may be for later");
    $c->expect("get k\r\n", hit(k => 'v'), "and does nothing yet");
    moves({ cmd_flush => 1 }, request($name), "$name counts cmd_flush");
}

# --- noop, version, quit, quitq ----------------------------------------------

same(said(request('noop', opaque => 1)), response('noop', opaque => 1), "noop");
my ($version) = $c->ask("version\r\n") =~ /^VERSION (\S+)/;
same(said(request('version')), response('version', value => $version),
    "version is that of the text protocol");
moves({}, request($_), "$_ counts nothing") for 'noop', 'version';
my $q = $d->connect;
$q->send(request('quit') . request('noop'));
$q->hears(response('quit'), "quit is answered");
$q->closed("and the connection closed");
$q = $d->connect;
$q->send(request('getq', key => 'none') . request('quitq') . request('noop'));
$q->closed("quitq just closes");

# --- stat --------------------------------------------------------------------

# [ name, value ] of each, the last one empty; what is no whole packet is shown.
sub stat_pairs (@key) {
    my ($text, @pairs) = said(request('stat', key => "@key"));

    while ($text =~ s/\A(\x81\x10.{22})//s) {
        my ($keys, $extras, $type, $status, $body) = unpack 'x2nCCnN', $1;
        my $key = substr $text, 0, $keys, '';
        push @pairs, [ $key, substr $text, 0, $body - $keys, '' ];
    }
    return @pairs, $text eq '' ? () : [ 'and then', shown($text) ];
}

sub lines (@pairs) { return join '', map { "@$_\n" } @pairs }

$c->ask(set(k => 'v'));
for my $what ([], ['items']) {          # what they say may change meanwhile
    my @names = map { $_->[0] } $d->stat_pairs(@$what);

    same(join(' ', map { $_->[0] } stat_pairs(@$what)), join(' ', @names, ''),
        "stat @$what has the names of text, in their order, and an empty packet behind");
}
for my $what ('settings', 'slabs', 'sizes') {
    same(lines(stat_pairs($what)), lines($d->stat_pairs($what), [ '', '' ]),
        "stat $what says what text says");
}
$c->ask("get k\r\n", qr/END/);
same(said(request('stat', key => 'reset')), response('stat'), "stat reset says done");
same($d->stat('get_hits'), 0, "and counting begins anew");
same(said(request('stat', key => 'detail on')), response('stat'), "stat detail on");
said(store('set', 'a:b', 'v'), request('get', key => 'a:b'), request('get', key => 'a:c'),
    request('touch', key => 'a:b', extras => n32(0)), request('delete', key => 'a:b'));
same(said(request('stat', key => 'detail dump')),
    response('stat', key => 'detailed',
        value => "PREFIX a get 3 hit 2 set 1 del 1\r\nEND\r\n") . response('stat'),
    "stat detail dump is a text in one packet, and the empty one");
same(said(request('stat', key => 'detail off')), response('stat'), "stat detail off");
same(said(request('stat', key => $_)), failure('stat', 0x01), "there is no stat $_")
    for 'conns', 'nonsense', 'detail', 'itemsx', 'slabsx', 'sizesx', 'rese';
same(said(request('stat', key => $_)), response('stat'), "but stat $_ is as without x")
    for 'resetx', 'detail onx', 'detail offx';
moves({}, request('stat', key => $_), "stat '$_' counts nothing")
    for '', 'settings', 'nonsense';

# --- too large, out of memory ------------------------------------------------

my $large = 'x' x (1 << 20);
for my $case (
    # name      what becomes of the old value
    [ 'set',     0 ], [ 'setq',     0 ], [ 'add',     1 ], [ 'addq',     1 ],
    [ 'replace', 1 ], [ 'replaceq', 1 ],
) {
    my ($name, $stays) = @$case;
    $c->ask(set(k => 'v'));
    same(said(store($name, 'k', $large)), failure($name, 0x03),
        "$name of a value that is too large says so");
    $c->expect("get k\r\n", $stays ? hit(k => 'v') : "END\r\n",
        'and the old value ' . ($stays ? 'stays' : 'goes'));
    moves({ store_too_large => 1 }, store($name, 'none', $large),
        "which $name counts in store_too_large");
}
$c->ask(set(k => 'v'));
for my $name ('append', 'prepend') {
    same(said(request($name, key => 'k', value => $large)), failure($name, 0x03),
        "$name of one says so");
    $c->expect("get k\r\n", hit(k => 'v'), "and the old value stays");
}

# --- what is not known -------------------------------------------------------

for my $opcode (0x1b, 0x1f, 0x25, 0x30, 0x3d, 0xff) {
    my $shown = sprintf 'opcode %02x', $opcode;

    same(said(request($opcode)), failure($opcode, 0x81), "$shown is not known");
    same(said(request($opcode, value => 'some words')), failure($opcode, 0x81),
        "$shown with a value neither, and the value is skipped");
    moves({}, request($opcode), "which counts nothing");
}
same(said(request('list_mechs')), failure('list_mechs', 0x81),
    "without -S there is no list_mechs");
same(said(request($_, key => 'PLAIN', value => "\0u\0p")), failure($_, 0x81), "nor $_")
    for 'auth', 'step';

$q = $d->connect;
$q->send(request(0x1b, extras => "\0\0\0\1") . request('noop') x 2);
$q->hears(failure(0x1b, 0x81) . response('noop') x 2,
    "an unknown opcode with extras is skipped to its end");

# --- what closes the connection ----------------------------------------------

is_fatal(request('get', key => 'key', body_length => 2), 0x81,
    "a key that is longer than the body");
is_fatal(request('set', extras => $PLAIN, body_length => 7), 0x81,
    "extras that are longer");
is_fatal(request('get', key => 'k' x 251), 0x04, "a key of 251 bytes");
is_fatal(request('set', key => 'k', extras => $PLAIN, body_length => (1 << 30) + 1), 0x04,
    "a body of more than 2^30 bytes");

# As long as a packet, for who takes it for the next one.
my $SURPLUS = 'v' x 24;
my @shapes  = (
    # names, extras, key, value: 0 never, 1 always
    [ 0, 1, 0, qw(get getq getk getkq delete deleteq) ],
    [ 8, 1, 1, qw(set setq add addq replace replaceq) ],
    [ 0, 1, 1, qw(append appendq prepend prependq) ],
    [ 20, 1, 0, qw(incr incrq decr decrq) ],
    [ 0, 0, 0, qw(noop version quit quitq) ],
    [ 4, 0, 0, qw(flush flushq) ],
    [ 4, 1, 0, qw(touch gat gatq gatk gatkq) ],
);
for my $shape (@shapes) {
    my ($extras, $key, $value, @names) = @$shape;
    my %right = (extras => "\0" x $extras, key => $key ? 'k' : '');

    for my $name (@names) {
        is_fatal(request($name, %right, extras => "\0" x ($extras + 1)), 0x04,
            "$name with a byte of extras too many");
        is_fatal(request($name, %right, extras => "\0" x ($extras - 1)), 0x04,
            "$name with a byte too few") if $extras;
        is_fatal(request($name, %right, key => $key ? '' : 'k'), 0x04,
            $key ? "$name without a key" : "$name with a key");
        is_fatal(request($name, %right, value => $SURPLUS), 0x04, "$name with a value")
            if !$value;
    }
}
is_fatal(request('stat', extras => "\0"), 0x04, "stat with extras");
is_fatal(request('stat', key => 'items', value => $SURPLUS), 0x04, "stat with a value");

for my $byte ("\0", "\x81", 'g') {
    my $victim = $d->connect;
    $victim->send(request('noop') . ($byte . 'et k') x 10 . "\r\n");
    $victim->hears(response('noop'), "before " . shown($byte) . " all is well");
    $victim->closed("what begins with it is no packet");
}
$q = $d->connect;
$q->send(request('noop') . "get k\r\n");
$q->hears(response('noop'), "before less than a header");
$q->closed("the first byte is enough to tell");
$d->stop_clean;

# --- on other servers --------------------------------------------------------

sub start (@options) {
    $d = Daemon->start(@options);
    $c = $d->connect;
    $b = $d->connect;
}

start('-C');
same(said(store('set', 'k', '1')), response('set'), "with -C a set shows no id");
same(said(request('get', key => 'k')), response('get', extras => n32(0), value => '1'),
    "nor does a get");
same(said(request('gatk', key => 'k', extras => n32(0))),
    response('gatk', extras => n32(0), key => 'k', value => '1'), "nor a gatk");
same(said(request('touch', key => 'k', extras => n32(0))),
    response('touch', extras => n32(0)), "nor a touch");
same(said(count('incr', 'k', 1, 0, 0)), response('incr', value => n64(2)), "nor incr");
same(said(request('append', key => 'k', value => '1')), response('append'), "nor append");
$d->stop_clean;

start('-F');
$c->ask(set(k => 'v'));
same(said(request($_)), failure($_, 0x20), "with -F $_ is refused") for 'flush', 'flushq';
moves({}, request('flush'), "and not even counted");
$c->expect("get k\r\n", hit(k => 'v'), "and flushes nothing");
$d->stop_clean;

start('-X');
same(said(request('stat', key => "detail $_")), failure('stat', 0x01),
    "with -X there is no stat detail $_") for 'on', 'off', 'dump';
$d->stop_clean;

start('-M', '-m' => 8);
my $piece = 'x' x 100_000;
my $filled = 0;
$filled++ while $filled < 200 && said(store('setq', "k$filled", $piece)) eq '';
cmp_ok($filled, '<', 200, "with -M memory has an end");
same(said(store('addq', 'new', $piece)), failure('addq', 0x82), "which addq tells");
moves({ store_no_memory => 1 }, store('add', 'new', $piece),
    "and store_no_memory counts");
same(said(store('set', 'k0', $piece)), failure('set', 0x82), "and set");
$c->expect("get k0\r\n", "END\r\n", "which loses the old value");
$d->stop_clean;
done_testing;
