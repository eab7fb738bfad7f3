# Dialogues with a server whose calls to the system fail: for each script, each of the calls
# that it leads to fails once, and then each k-th. For these, k goes up by a tenth where it is
# large; with FAULTS_ALL=1 all of them are played, which takes half as long again.
#
#   FAULTS_SCRIPT='a value in parts' FAULTS_FROM=7 FAULTS_TRACE=1 prove -v t/faults/scripts.t
#
# shows where the calls lie that fail.
use v5.36;
use Test::More;
use lib 't/lib', 't/faults';
use Faults qw(calls failures fail_every fail_once fail_never);
use Daemon;
use Daemon::Binary qw(request response);
use Dialogue;
use File::Temp 'tempdir';

my $folder = tempdir(CLEANUP => 1);
my $users  = "$folder/users";
{
    open my $out, '>', $users or die "$users: $!\n";
    print $out "foo:bar\n";
    chmod 0600, $users;
}

my $MANY  = join ' ', map { "s_$_" } 1 .. 40;
my $LARGE = 's' x 200_000;      # larger than every buffer, and sent from where it lies
my $CHAIN = join '', map { $_ x 100_000 } 'a' .. 'y';
my $ERROR = qr/SERVER_ERROR out of memory[ \w]*\r\n/;
my $FLOOD = 30;                 # so many of these are more than a socket takes

# Lines of `stats` that are there for all servers.
my $STATS = qr/\A(?:STAT \S+ .*\r\n)+END\r\n\z/;

# --- scripts: name, arguments of the server, dialogue ------------------------

my @scripts = (
    [ 'small values', [], sub ($s) {
        $s->store(s_a => 'one');
        $s->say("get s_a\r\n", hit(s_a => 'one'));
        $s->store(s_a => 'a longer one, in another class');
        $s->say("add s_b 0 0 1\r\nb\r\n", "STORED\r\n");
        $s->say("replace s_b 7 0 2\r\nbb\r\n", "STORED\r\n");
        $s->say("delete s_a\r\n", "DELETED\r\n");
    } ],
    [ 'small values, and nothing is evicted', ['-M'], sub ($s) {
        $s->store("s_$_" => 'v' x (20 * $_)) for 1 .. 20;
        $s->store("s_$_" => 'w' x (30 * $_)) for 1 .. 20;
        $s->say("get s_1 s_20\r\n", hit(s_1 => 'w' x 30, s_20 => 'w' x 600));
    } ],
    [ 'append and prepend', [], sub ($s) {
        $s->store(s_a => 'x' x 50);
        $s->say("append s_a 0 0 9\r\n123456789\r\n", "STORED\r\n");
        $s->say("prepend s_a 0 0 90\r\n" . '9' x 90 . "\r\n", "STORED\r\n");
    } ],
    [ 'append to a large value', [], sub ($s) {
        $s->store(s_a => $LARGE);
        $s->say("append s_a 0 0 9\r\n123456789\r\n", "STORED\r\n");
        $s->say("prepend s_a 0 0 70000\r\n" . '9' x 70_000 . "\r\n", "STORED\r\n");
    } ],
    [ 'cas', [], sub ($s) {
        $s->store(s_a => 'x' x 50);
        my ($id) = $s->say("gets s_a\r\n", qr/\AVALUE s_a 0 50 \d+\r\n.*\r\nEND\r\n\z/)
            =~ /^VALUE s_a 0 50 (\d+)/ or $s->over;
        $s->say("cas s_a 0 0 200 $id\r\n" . 'y' x 200 . "\r\n", "STORED\r\n");
        $s->say("cas s_a 0 0 1 $id\r\nz\r\n", "EXISTS\r\n", qr/\ASTORED\r\n\z/);
    } ],
    [ 'incr and decr', [], sub ($s) {
        $s->store(s_a => '7');
        $s->say("incr s_a 1\r\n", "8\r\n");
        $s->say("incr s_a 18446744073709551000\r\n", "18446744073709551008\r\n");
        $s->say("decr s_a 18446744073709551000\r\n", qr/\A8 *\r\n\z/, qr/\A0\r\n\z/);
    } ],
    [ 'touch and gat', [], sub ($s) {
        $s->store(s_a => 'x');
        $s->store(s_b => $LARGE);
        $s->say("touch s_a 100\r\n", "TOUCHED\r\n");
        $s->say("gat 100 s_a s_b\r\n", hit(s_a => 'x', s_b => $LARGE));
    } ],
    [ 'many at once', [], sub ($s) {
        $s->say(join('', map { set("s_$_" => "v$_") } 1 .. 40), "STORED\r\n" x 40);
        $s->say("get $MANY\r\n", hit(map { ("s_$_" => "v$_") } 1 .. 40));
        $s->say("get s_1\r\n" x 500, hit(s_1 => 'v1') x 500);
    } ],
    [ 'noreply', [], sub ($s) {
        $s->say(join('', map { "set s_$_ 0 0 1 noreply\r\nv\r\n" } 1 .. 40), '');
        $s->say("set s_large 0 0 200000 noreply\r\n$LARGE\r\n", '');
        $s->say("get s_1 s_large\r\n", hit(s_1 => 'v', s_large => $LARGE));
    } ],
    [ 'a value in parts', [], sub ($s) {
        $s->say([ "set s_a 0 0 200000\r\n", substr($LARGE, 0, 1000), substr($LARGE, 1000),
            "\r", "\n" ], "STORED\r\n");
        $s->say("get s_a\r\n", hit(s_a => $LARGE));
        $s->say([ "append s_a 0 0 10\r\n", '0123456', "789\r\n" ], "STORED\r\n");
    } ],
    [ 'a chain', [], sub ($s) {
        $s->store(s_a => $CHAIN);
        $s->say("get s_a\r\n", hit(s_a => $CHAIN));
        $s->store(s_a => "$CHAIN!");
        $s->say("append s_a 0 0 3\r\nend\r\n", "STORED\r\n");
        $s->say("get s_a\r\n", hit(s_a => "$CHAIN!end"),
            qr/\AVALUE s_a 0 \d+\r\n$CHAIN!?\r\nEND\r\n\z/);
    } ],
    [ 'a chain in parts', ['-M'], sub ($s) {
        $s->say([ "set s_a 0 0 2500000\r\n" . substr($CHAIN, 0, 1000),
            substr($CHAIN, 1000, 1_000_000), substr($CHAIN, 1_001_000), "\r\n" ], "STORED\r\n");
        $s->say("get s_a\r\n", hit(s_a => $CHAIN));
    } ],
    [ 'lines in parts', [], sub ($s) {
        $s->say([ "set s", "_a 0 0 1\r", "\nv", "\r\nge", "t s_a\r\n" ],
            "STORED\r\n" . hit(s_a => 'v'));
    } ],
    [ 'half a value, and gone', [], sub ($s) {
        for my $part ("set s_a 0 0 200000\r\nabc", "set s_a 0 0 2500000\r\n" . $LARGE x 5) {
            $s->{client}->send($part);
            $s->{daemon}->barrier;
            $s->open;
        }
        $s->say("get s_a\r\n", "END\r\n");
    } ],
    [ 'who does not read small values', [], sub ($s) {
        my $value = 'v' x 1000;

        $s->store(s_a => $value);
        $s->open(window => 4096);
        $s->{client}->send("get s_a\r\n" x 8000);
        $s->{daemon}->barrier;
        $s->over if failures() && !$s->{client}->send('');
        $s->hear(qr/\A(?:\Q${\hit(s_a => $value)}\E)*\z/);
    } ],
    [ 'who does not read large values', [], sub ($s) {
        $s->store(s_a => $LARGE);
        $s->open(window => 4096);
        $s->{client}->send("get s_a\r\n" x $FLOOD);
        $s->{daemon}->barrier;
        $s->hear(hit(s_a => $LARGE) x $FLOOD);
    } ],
    [ 'who does not read chains', [], sub ($s) {
        $s->store(s_a => $CHAIN);
        $s->open(window => 4096);
        $s->{client}->send("get s_a\r\n" x 4);
        $s->{daemon}->barrier;
        my $slow = $s->{client};
        $s->open;
        $s->store(s_b => $CHAIN);
        $s->{client} = $slow;
        $s->hear(hit(s_a => $CHAIN) x 4);
    } ],
    [ 'who does not read, and is gone', [], sub ($s) {
        $s->store(s_a => $LARGE);
        for my $request ("get s_a\r\n" x $FLOOD, "mg s_a v\r\n" x $FLOOD) {
            $s->open(window => 4096);
            $s->{client}->send($request);
            $s->{daemon}->barrier;
        }
    } ],
    [ 'meta commands', [], sub ($s) {
        $s->say("ms s_a 5\r\nhello\r\nmg s_a v k s Oabc\r\n",
            "HD\r\nVA 5 ks_a s5 Oabc\r\nhello\r\n");
        $s->say("ms s_a 5 MA\r\nworld\r\nmg s_a v\r\n", "HD\r\nVA 10\r\nhelloworld\r\n",
            qr/\A(?:NS\r\n|$ERROR)VA 5\r\nhello\r\n\z/);
        $s->say("ma s_n N0 J7 v\r\nma s_n v\r\n", "VA 1\r\n7\r\nVA 1\r\n8\r\n");
        $s->say("mg s_v v N30\r\n", "VA 0 W\r\n\r\n");
        $s->say("md s_a I T30\r\nmg s_a v\r\n", "HD\r\nVA 10 X W\r\nhelloworld\r\n",
            qr/\AHD\r\nVA 5 X W\r\nhello\r\n\z/);
        $s->say("md s_a q\r\nmg s_a v q\r\n", '');
        $s->say("me s_n\r\n", qr/\AME s_n exp=.*\r\n\z/);
    } ],
    [ 'meta commands and large values', [], sub ($s) {
        $s->say([ "ms s_a 200000 O" . 'o' x 31 . " k\r\n", $LARGE, "\r\n" ],
            'HD O' . 'o' x 31 . " ks_a\r\n");
        $s->say("mg s_a v k\r\n" x 3, "VA 200000 ks_a\r\n$LARGE\r\n" x 3);
        $s->say([ "ms c19i 200000 b\r\n", $LARGE, "\r\n" ], "HD\r\n");
        $s->say("ms s_a 2500000 F7 T0\r\n$CHAIN\r\nmg s_a v f\r\n",
            "HD\r\nVA 2500000 f7\r\n$CHAIN\r\n");
        $s->say("md c19i b\r\n", "HD\r\n");
    } ],
    [ 'binary', [], sub ($s) {
        my $flags = pack 'N2', 0, 0;

        $s->packets(request('set', extras => $flags, key => 's_a', value => 'x'),
            response('set'));
        $s->packets(request('append', key => 's_a', value => 'y' x 100), response('append'));
        $s->packets(request('getk', key => 's_a') . request('getq', key => 's_b'),
            failures() ? qr/s_a/ : response('getk', extras => pack('N', 0), key => 's_a',
                value => 'x' . 'y' x 100));
        $s->packets(request('incr', extras => pack('Q>Q>N', 1, 5, 0), key => 's_n') x 2,
            join '', map { response('incr', value => pack 'Q>', $_) } 5, 6);
        $s->packets(request('touch', extras => pack('N', 100), key => 's_a'),
            response('touch', extras => pack('N', 0)));
        $s->packets(request('delete', key => 's_a'), response('delete'));
        $s->packets(request('stat'), qr/pid/);
        $s->packets(request('stat', key => 'slabs'), qr/active_slabs/);
    } ],
    [ 'binary and large values', [], sub ($s) {
        my $flags = pack 'N2', 0, 0;
        my $whole = request('set', extras => $flags, key => 's_a', value => $LARGE);
        my $chain = request('setq', extras => $flags, key => 's_b', value => $CHAIN);

        $s->packets([ substr($whole, 0, 10), substr($whole, 10, 5000),
            substr $whole, 5010 ], response('set'));
        $s->packets($chain, '');
        $s->packets(request('get', key => 's_a') . request('gat', extras => pack('N', 9),
            key => 's_b'),
            response('get', extras => pack('N', 0), value => $LARGE)
                . response('gat', extras => pack('N', 0), value => $CHAIN));
    } ],
    [ 'statistics', [ '-o' => 'track_sizes' ], sub ($s) {
        $s->store(s_a => 'x' x 500);
        $s->say("stats\r\n", $STATS);
        $s->say("stats $_\r\n", $STATS) for qw(settings items slabs sizes conns);
        $s->say("stats reset\r\n", "RESET\r\n");
        $s->say("stats\r\n", $STATS);
    } ],
    [ 'statistics by prefix', [], sub ($s) {
        $s->say("stats detail on\r\n", "OK\r\n");
        $s->say("get s_$_:a\r\n", "END\r\n") for 1 .. 5;
        $s->say("stats detail dump\r\n", qr/\A(?:PREFIX .*\r\n){5}END\r\n\z/,
            qr/\A(?:PREFIX .*\r\n){0,4}END\r\n\z/);
        $s->say("stats detail off\r\n", "OK\r\n");
        $s->say("stats reset\r\n", "RESET\r\n");
    } ],
    [ 'lists of items', [], sub ($s) {
        $s->say(join('', map { set("s_$_" => "v$_") } 1 .. 40), "STORED\r\n" x 40);
        my $least = failures() ? 0 : 40;
        $s->say("lru_crawler metadump all\r\n",
            qr/\A(?:OK\r\n)?(?:key=.*\n){$least,}END\r\n\z/);
        $s->say("lru_crawler mgdump all\r\n",
            qr/\A(?:OK\r\n)?(?:mg .*\r\n){$least,}EN\r\n\z/);
        $s->say("lru_crawler metadump hash\r\n", qr/END\r\n\z/);
    } ],
    [ 'watchers', [], sub ($s) {
        my $watch = qr/OK\r\n/;

        $s->answer("watch fetchers mutations\r\n", $watch,
            qr/WATCHER_FAILED failed to add log watcher\r\n/);
        $s->open;
        $s->store(s_a => $LARGE);
        $s->say("get s_a\r\n", hit(s_a => $LARGE));
        $s->open;
        $s->answer("watch evictions connevents\r\n", $watch,
            qr/WATCHER_FAILED failed to add log watcher\r\n/);
        $s->open;
        $s->say("get s_none\r\n", "END\r\n");
    } ],
    [ 'datagrams', [ '-U' => 'PORT2', '-o' => 'udp_amplification=0' ], sub ($s) {
        $s->datagram("set s_a 0 0 5\r\nhello\r\n", "STORED\r\n");
        $s->datagram("get s_a\r\n", hit(s_a => 'hello'));
        $s->datagram("mg s_a v\r\n", "VA 5\r\nhello\r\n");
    } ],
    [ 'a login', [ '-Y' => $users ], sub ($s) {
        my $error = qr/CLIENT_ERROR authentication failure\r\n/;

        $s->open(anonymous => 1);
        $s->answer(set(x => 'foo baz'), $error);
        $s->answer(set(x => 'foo bar'), qr/STORED\r\n/, $error);
        $s->over if failures();
        $s->store(s_a => 'x');
    } ],
    [ 'a login by SASL', [ '-Y' => $users, '-S' ], sub ($s) {
        $s->open(anonymous => 1);
        $s->answer(request('auth', key => 'PLAIN', value => "\0foo\0bar"),
            qr/Authenticated/, qr/Auth failure\./);
        $s->over if failures();
        $s->packets(request('get', key => 's_a'), response('get', status => 1,
            value => 'Not found'));
    } ],
    [ 'new passwords', [ '-Y' => $users, '-v' ], sub ($s) {
        my $before = length $s->{daemon}->said;

        kill HUP => $s->{daemon}->pid;
        eventually(sub { length $s->{daemon}->said > $before })
            or $s->wrong('it says nothing of HUP');
    } ],
    [ 'memory that moves', [ '-o' => 'slab_automove=0' ], sub ($s) {
        $s->store("s_$_" => 'v' x 40_000) for 1 .. 60;
        $s->say("slabs reassign -1 5\r\n", qr/\A(?:OK|NOSPARE[^\r]*|BUSY[^\r]*)\r\n\z/);
        eventually(sub { !$s->{daemon}->stat('slab_reassign_running') })
            or $s->wrong('the page never arrives');
        $s->say("cache_memlimit 60\r\n", "OK\r\n");
        $s->say("cache_memlimit 64\r\n", "OK\r\n");
    } ],
    [ 'orders', [], sub ($s) {
        $s->say("lru tune 10 25 0.1 2.0\r\n", "OK\r\n");
        $s->say("lru mode flat\r\nlru mode segmented\r\n", "OK\r\n" x 2);
        $s->say("lru_crawler crawl all\r\n", qr/\A(?:OK|BUSY[^\r]*)\r\n\z/);
        $s->say("verbosity 0\r\n", "OK\r\n");
        $s->say("slabs automove 0\r\n", "OK\r\n");
        $s->say("debugtime 1\r\n", "OK\r\n");
    } ],
    [ 'items that expire', [], sub ($s) {
        $s->say("set s_$_ 0 5 1\r\nx\r\n", "STORED\r\n") for 1 .. 5;
        $s->say("set s_large 0 5 200000\r\n$LARGE\r\n", "STORED\r\n");
        $s->say("debugtime 10\r\n", "OK\r\n");
        $s->say("get s_1 s_large\r\n", "END\r\n");
    } ],
    [ 'connections come and go', [], sub ($s) {
        for (1 .. 5) {
            $s->open;
            $s->answer("version\r\n", qr/VERSION .*\r\n/, qr/ERROR Too many .*\r\n/);
        }
    } ],
    [ 'who is idle', [ '-o' => 'idle_timeout=100' ], sub ($s) {
        my $idle = $s->{client};
        $s->open;
        for (1 .. 2) {
            $s->say("debugtime 60\r\n", "OK\r\n");
            $s->{daemon}->barrier;
        }
        eventually(sub { $idle->take_in; $idle->{ended} })
            or $s->wrong('nobody ends its connection');
    } ],
    [ 'a turn that ends', [ '-R' => 1 ], sub ($s) {
        $s->store(s_a => 'v' x 100);
        $s->say("get s_a\r\n" x 300, hit(s_a => 'v' x 100) x 300);
        $s->store(s_a => $CHAIN);
        $s->say("get s_a\r\n" x 3, hit(s_a => $CHAIN) x 3);
    } ],
    [ 'a memory file', [ '-e' => "$folder/memory" ], sub ($s) {
        $s->store("s_$_" => 'v' x (1000 * $_)) for 1 .. 20;
        $s->store(s_large => $LARGE);
        $s->store(s_chain => $CHAIN);
        $s->say("get s_1 s_large\r\n", hit(s_1 => 'v' x 1000, s_large => $LARGE));
    } ],
);

# --- what must hold ----------------------------------------------------------

# In classes that no script uses; the chain's is that of all chains.
my %KEPT = (kept => 'k' x 3000, kept_large => 'l' x 100_000, kept_chain => 'c' x 1_100_000);

sub keep ($d) {
    my $c = $d->connect;

    $c->ask(set($_ => $KEPT{$_})) for sort keys %KEPT;
    $c->close;
}

# Are all of them there, or gone where something was evicted; and does a set work?
sub what_is_lost ($d, $evicts) {
    my $c = $d->connect;
    my @lost;

    for my $key (sort keys %KEPT) {
        my $got = $c->ask("get $key\r\n", qr/^END\r\n\z/m);
        push @lost, $key
            if $got ne hit($key => $KEPT{$key}) && !($got eq "END\r\n" && $evicts->());
    }
    $c->ask(set(s_z => 'z') . "get s_z\r\n", qr/END\r\n\z/) eq "STORED\r\n" . hit(s_z => 'z')
        or push @lost, 'the way to store';
    $c->close;
    return @lost;
}

sub chunks_used ($d) {
    my $slabs = $d->stats('slabs');
    my $sum   = 0;

    $sum += $slabs->{$_} for grep { /:used_chunks$/ } keys %$slabs;
    return $sum;
}

sub clear ($d, @keys) {
    my $c = $d->connect;

    $c->ask(join('', map { "delete $_\r\n" } @keys, qw(s_b s_z)) . "mn\r\n", qr/MN\r\n\z/);
    $c->close;
}

# Where a page was refused the server asks for no more, until it has a limit again; to keep
# to the one it had, it may be moving memory.
sub lift_the_limit ($d) {
    my $c = $d->connect;

    $c->ask("cache_memlimit 64\r\n", qr/OK\r\n\z/);
    $c->close;
    eventually(sub { !$d->stat('slab_reassign_running') }) or die "memory moves for ever\n";
}

# One run; what was wrong.
sub play ($d, $dialogue, $arm) {
    my $before = $d->stats;
    my $chunks = chunks_used($d);
    my $evicts = sub { $d->stat('evictions') != $before->{evictions} };
    my $s      = Dialogue->new($d);
    my @wrong;

    $arm->();
    eval { $dialogue->($s); 1 } or $@ eq "over\n" or push @wrong, $@;
    fail_never();
    $s->close;
    push @wrong, $s->{wrong}->@*;
    eventually(sub { $d->stat('curr_connections') == $before->{curr_connections} })
        or push @wrong, "a connection is held\n";
    lift_the_limit($d) if $d->{has_file};
    push @wrong, map { "$_ is lost\n" } what_is_lost($d, $evicts);
    my $again = $evicts->();
    $chunks = 0 if $again;
    clear($d, keys $s->{keys}->%*, $again ? keys %KEPT : ());
    eventually(sub { chunks_used($d) <= $chunks })
        or push @wrong, 'chunks are held: ' . chunks_used($d) . ", not $chunks at most\n";
    keep($d) if $again;
    return @wrong;
}

# Whatever fails; how many calls there are.
sub play_each ($name, $d, $dialogue, $fail, $most, $sparse = 0) {
    my $first = $ENV{FAULTS_FROM} || 1;
    my $calls = 0;

    my @all   = $first .. $ENV{FAULTS_FROM} || $most;

    while (defined(my $k = shift @all)) {
        my @wrong = eval { play($d, $dialogue, sub { $fail->($k) }) };
        push @wrong, $@ if $@;
        $calls = calls() if calls() > $calls;
        return verdict(0, $name, "at k = $k: ", @wrong, "\n", $d->last_words) && 0 if @wrong;
        last if !failures();
        splice @all, 0, $sparse * $k / 10;
    }
    verdict(1, "$name: $calls calls");
    return $calls;
}

for (@scripts) {
    my ($name, $args, $dialogue) = @$_;
    my %launch = map { $_ eq '-Y' ? (login => 'foo bar') : () } @$args;

    next if defined $ENV{FAULTS_SCRIPT} && $ENV{FAULTS_SCRIPT} ne $name;
    my $d = Daemon->start(\%launch, '-m' => 64, '-t' => 1, '-p' => 'PORT', '-I' => '8m',
        '-o' => 'debug_commands', @$args);
    $d->{has_file} = grep { $_ eq '-e' } @$args;
    keep($d);
    my $calls = play_each("$name: each call fails once", $d, $dialogue, \&fail_once, 10_000);
    play_each("$name: each k-th call fails", $d, $dialogue, \&fail_every, ($calls + 1) / 2,
        !$ENV{FAULTS_ALL});
    $d->{verbose} = 1 if grep { $_ eq '-v' } @$args;
    $d->stop_clean("$name: all is where it should be in the end");
}

done_testing;
