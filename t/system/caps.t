# What there can be many of has a number that it does not pass: watchers, prefixes of keys,
# listeners. Who would be one more is told so, or is counted.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'its caps are larder\'s' if is_reference();

my $WATCHERS  = 20;
my $PREFIXES  = 65536;
my $LISTENERS = 256;

my $d = Daemon->start;
my $c = $d->connect;

# --- watchers ----------------------------------------------------------------

my @watchers = map { $d->connect } 1 .. $WATCHERS;
my $told = join '', map { $_->ask("watch evictions\r\n") } @watchers;
is($told, "OK\r\n" x $WATCHERS, "$WATCHERS may watch");
is($d->stat('log_watchers_rejected'), 0, 'which is not too many');
$c->expect("watch\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\n",
    'one more is told that there are too many') for 1, 2;
is($d->stat('log_watchers_rejected'), 2, 'log_watchers_rejected has counted that');
(pop @watchers)->close;
ok(eventually(sub { $d->stat('log_watchers') == $WATCHERS - 1 }), 'one goes');
push @watchers, $d->connect;
is($watchers[-1]->ask("watch evictions\r\n"), "OK\r\n", 'and another one may watch');

# --- prefixes ----------------------------------------------------------------

sub touch_prefixes ($from, $to) {
    $c->ask(join('', map { "get $_:k\r\n" } $from .. $to) . "mn\r\n", qr/MN\r\n\z/);
}

sub prefixes_shown () {
    my $dump = $c->ask("stats detail dump\r\n", qr/END\r\n\z/);

    return scalar(() = $dump =~ /^PREFIX /gm);
}

$c->ask("stats detail on\r\n");
touch_prefixes(1, $PREFIXES);
is($d->stat('prefixes_rejected'), 0, "$PREFIXES prefixes are counted");
touch_prefixes($PREFIXES - 2, $PREFIXES + 3);
is($d->stat('prefixes_rejected'), 3, 'of more, only that they were there');
is(prefixes_shown(), $PREFIXES, 'those that were first are shown');
like($c->ask("stats detail dump\r\n", qr/END\r\n\z/), qr/^PREFIX $PREFIXES get 2 hit 0 /m,
    'and go on counting');
$c->ask("stats reset\r\n");
is($d->stat('prefixes_rejected'), 0, 'stats reset forgets that');
touch_prefixes($PREFIXES + 1, $PREFIXES + 3);
is(prefixes_shown(), 3, 'and makes room for others');
$d->stop_clean;

# --- listeners ---------------------------------------------------------------

# Addresses of this host, without a port: all get the first one that is free, or another.
sub addresses ($count) {
    return join ',', map { sprintf '127.0.%d.%d', 1 + $_ / 200, 1 + $_ % 200 } 0 .. $count - 1;
}

my @root = $> == 0 ? ('-u' => 'root') : ();
my $run  = run_program(@root, '-c' => 2000, '-p' => -1, '-l' => addresses($LISTENERS + 1));
is($run->{status}, 1, "$LISTENERS addresses to listen on and one are too many");
is($run->{stderr}, "-l: more than $LISTENERS addresses\n", 'and that is said');
$d = Daemon->start('-c' => 2000, '-p' => 'PORT',
    '-l' => join(',', '127.0.0.1', addresses($LISTENERS - 1)));
ok($d->connect->is_in_step, "with $LISTENERS it serves");
my @states = grep { $_->[1] eq 'conn_listening' } $d->stat_pairs('conns');
is(scalar @states, $LISTENERS, 'on all of them');
$d->stop_clean;
done_testing;
