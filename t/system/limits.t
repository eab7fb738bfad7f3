# Who begins something and does not end it is sent away, also when a byte comes or goes now
# and then; who gets on, or has nothing to do, is not.
#
# Everybody below plays his part in steps of 30 seconds, on a server that grants 100.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Binary qw(request);

plan skip_all => 'memcached has no such limits' if is_reference();

my $LIMIT = 100;
my $STEP  = 30;
my $STEPS = 8;
my $BIG   = 512 * 1024;
my $MUCH  = 4 * $LIMIT * 1024 / ($LIMIT / $STEP);   # four times what is asked for, a step

my $OPTIONS = join ',', 'debug_commands',
    map { "${_}_timeout=$LIMIT" } qw(header body write);
my $d = Daemon->start('-t' => 1, '-I' => '16m', '-o' => $OPTIONS);
my $c = $d->connect;
$c->ask(set(big => 'v' x $BIG));

# What he says first, what he says at each step, how many bytes he takes at each, and which
# limit he runs into.
my $binary = request('get', key => 'k');
my $asks   = "get big\r\n" x 60;        # more than the kernel holds
my @parts  = (
    [ 'half a line',              'get k',                  '',                 0, 'header' ],
    [ 'a line byte by byte',      'get k',                  'k',                0, 'header' ],
    [ 'half a line of keys',      'get k1 k2 ',             '',                 0, 'header' ],
    [ 'a line key by key',        'get k1',                 ' k2 k3',           0, 'header' ],
    [ 'half a binary header',     substr($binary, 0, 5),    '',                 0, 'header' ],
    [ 'half a binary key',        substr($binary, 0, 24),   '',                 0, 'header' ],
    [ 'half a value',             "set v 0 0 200000\r\nv",  '',                 0, 'body' ],
    [ 'a value byte by byte',     "set v 0 0 200000\r\nv",  'v',                0, 'body' ],
    [ 'half a small value',       "set v 0 0 10\r\nv",      '',                 0, 'body' ],
    [ 'a value without its end',  "set v 0 0 1\r\nv",       '',                 0, 'body' ],
    [ 'half of what is skipped',  "set v 0 0 2000000\r\nv", 'v',                0, 'body' ],
    [ 'who does not read',        $asks,                    '',                 0, 'write' ],
    [ 'who reads a little',       $asks,                    '',              1000, 'write' ],
    [ 'who says nothing',         '',                       '',                 0 ],
    [ 'who says one thing',       "mn\r\n",                 '',                 0 ],
    [ 'lines in two halves',      'get k',                  "\r\nget k",        0 ],
    [ 'a long line, key by key',  'get ' . 'k ' x 10_000,   'k k ',             0 ],
    [ 'values in two halves',     "set w 0 0 4\r\nab", "cd\r\nset w 0 0 4\r\nab", 0 ],
    [ 'a large value, in time',   "set x 0 0 2000000\r\n",  'x' x $MUCH,        0 ],
    [ 'who reads slowly',         $asks,                    '',             $MUCH ],
);

my $watcher = $d->connect;
$watcher->ask("watch connevents\r\n");
my @clients = map {
    my ($name, $first, $then, $takes, $limit) = @$_;
    my $client = $d->connect(window => 4096);

    push_all($client, $first);
    { name => $name, client => $client, then => $then, takes => $takes, limit => $limit }
} @parts;
my %wanted = map { my $limit = $_; $limit => scalar grep { ($_->[4] // '') eq $limit } @parts }
    qw(header body write);

# What the server takes is sent without a look at what it says.
sub push_all ($client, $bytes) {
    my $at = 0;

    while ($at < length $bytes) {
        my $sent = $client->push_out($bytes, $at) // return 0;
        $d->barrier if !$sent;
        $at += $sent;
    }
    return 1;
}

# Has the server looked at its connections since? It does so once a second.
sub has_looked ($d) {
    my $until = $d->stat('uptime') + 2;

    eventually(sub { $d->stat('uptime') >= $until }) or die "its clock stands still\n";
    $d->barrier;
}

sub kicks ($d) {
    my $stats = $d->stats;

    return join ' ', map { "$_ " . $stats->{"${_}_kicks"} } qw(header body write conn_mem);
}

sub play_a_step () {
    for my $each (grep { !$_->{client}{ended} } @clients) {
        push_all($each->{client}, $each->{then}) if $each->{then} ne '';
        $each->{got} .= $each->{client}->receive($each->{takes}) if $each->{takes};
    }
    $d->advance_clock($STEP);
    has_looked($d);
}

has_looked($d);
for my $step (1 .. $STEPS) {
    play_a_step();
    # Seconds that really pass count as well: each look takes some, of a busy machine more.
    is(kicks($d), 'header 0 body 0 write 0 conn_mem 0', "nobody goes before $LIMIT seconds are over")
        if $step == 2;
}
is(kicks($d), "header $wanted{header} body $wanted{body} write $wanted{write} conn_mem 0",
    'each of those that have to go has gone, and is counted');

for my $each (@clients) {
    my $client = $each->{client};

    if ($each->{limit}) {
        $client->read_until(sub { $client->{ended} });
        ok($client->{ended}, "closed: $each->{name}");
    } else {
        ok(!$client->take_in && !$client->{ended} || $client->unread ne '',
            "stays: $each->{name}");
    }
}
my %by_name = map { $_->{name} => $_->{client} } @clients;
my $silent = $by_name{'who says nothing'};
push_all($silent, 'get k');
has_looked($d);
$silent->expect("\r\n", "END\r\n", 'time begins with a command, however long there was none');
$by_name{'lines in two halves'}->hears("END\r\n" x $STEPS, 'each of the lines was answered');
$by_name{'values in two halves'}->hears("STORED\r\n" x $STEPS, 'each of the values was stored');
my $slow = $by_name{'who reads slowly'};
is($slow->receive(60 * length(hit(big => 'v' x $BIG)) - $MUCH * $STEPS),
    substr(hit(big => 'v' x $BIG) x 60, $MUCH * $STEPS), 'who reads slowly misses nothing');

for my $limit (qw(header body write)) {
    my $told = qr/(?:type=conn_close [^\n]* reason=${limit}_timeout cfd=.*?){$wanted{$limit}}/s;

    ok($watcher->read_until(sub { $watcher->unread =~ $told }),
        "watchers are told of ${limit}_timeout");
}
$_->close for values %by_name;
ok(eventually(sub { $d->stat('conn_mem_bytes') == 0 }), 'nothing is kept for anybody then');
my $huge  = 'h' x 15_000_000;       # more than the kernel holds, in one piece
my $taker = $d->connect(window => 4096);
$d->connect->ask(set(huge => $huge));
push_all($taker, "get huge\r\n");
ok(eventually(sub { $d->stat('conn_mem_bytes') > 0 }), 'one does not take all at once');
$taker->hears(hit(huge => $huge), 'but takes it');
for (1 .. 3) {
    has_looked($d);
    $d->advance_clock(2 * $LIMIT);
}
has_looked($d);
ok($taker->is_in_step, 'and may be silent then');
$d->stop_clean;

# --- limits that are off, and unix sockets ------------------------------------

for my $case (
    [ 'without limits', 0, '-o' => 'header_timeout=0,body_timeout=0,write_timeout=0' ],
    [ 'by a unix socket', 1, '-s' => tempdir(CLEANUP => 1) . '/socket' ],
) {
    my ($name, $number, @args) = @$case;

    $d = Daemon->start('-t' => 1, '-o' => 'debug_commands', @args);
    $d->connect->ask(set(big => 'v' x $BIG));
    my @begun = map { $d->connect } 1 .. 3;
    push_all($begun[0], 'get k');
    push_all($begun[1], "set v 0 0 10\r\nv");
    push_all($begun[2], $asks);
    $d->barrier;
    for (1 .. 2) {
        has_looked($d);
        $d->advance_clock(10_000);
    }
    has_looked($d);
    is(kicks($d), "header $number body $number write $number conn_mem 0",
        $number ? "$name: the limits hold" : "$name: nobody has to go");
    $d->stop_clean;
}
done_testing;
