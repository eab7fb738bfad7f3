# version, verbosity, quit, mn, and commands that do not exist.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start('-v');           # verbosity makes it talk
my $c = $d->connect;

# --- version -----------------------------------------------------------------

my $version = $c->ask("version\r\n");
like($version, qr/\AVERSION \d+\.\d+\.\d+\S*\r\n\z/,
    "version answers with three numbers");
my ($major, $minor, $patch) = $version =~ /(\d+)\.(\d+)\.(\d+)/;
cmp_ok($major * 1_000_000 + $minor * 1000 + $patch, '>=', 1_006_000,
    "and clients can tell that it has the meta commands");
verdict($version =~ /\AVERSION 1\.6\.45/, "it is that of memcached 1.6.45", "$version\n");
is($version, 'VERSION ' . $d->stat('version') . "\r\n", "and the one that stats shows");
$c->expect("version more words\r\n", $version, "more words are ignored");
$c->expect("version noreply\r\n", $version, "noreply does not silence it");

# --- verbosity ---------------------------------------------------------------

$c->expect("verbosity 1\r\n", "OK\r\n", "verbosity takes a number");
is($d->stats('settings')->{verbosity}, 1, "which stats settings shows");
$c->expect("verbosity 1 noreply\r\n", "", "with noreply it says nothing");
$c->expect("verbosity 0 more words\r\n", "OK\r\n", "verbosity ignores more words");
$c->expect("verbosity 4294967295\r\n", "OK\r\n", "a number may be large");
$c->expect("verbosity 0\r\n", "OK\r\n", "and be set back");
$c->expect("verbosity\r\n", $BADFMT, "verbosity without a number is refused");
for my $number ('x', '-1', '1x', '4294967296') {
    $c->expect("verbosity $number\r\n", $BADFMT, "verbosity refuses $number");
}
$c->expect("verbosity noreply\r\n", "", "noreply silences the refusal");

# --- mn ----------------------------------------------------------------------

$c->expect("mn\r\n", "MN\r\n", "mn says MN");
$c->expect("mn and more words\r\n", "MN\r\n", "whatever comes after it");

# --- what does not exist -----------------------------------------------------

for my $line ('foo', 'foo bar baz', 'SET k 0 0 1', 'Get k', 'ge k', 'getx k',
    'sets k 0 0 1', 'versio', 'versionx', 'delet k', 'incrk', 'flush', 'flush_al',
    'flush_allx', "version\0",
    "\x01\x02\x03", "\xff\xfe\xfd", 'misbehave', 'debugitem', 'x' x 250) {
    $c->expect("$line\r\n", "ERROR\r\n",
        'no such command: ' . shown(substr $line, 0, 40));
}
$c->expect("debugtime 1\r\n", "ERROR\r\n", "commands for tests do not exist by default");
$c->expect("foo noreply\r\n", "", "an unknown command with noreply is not answered");
$c->expect("noreply\r\n", "", "not even a bare noreply");
$c->expect("foo noreply bar\r\n", "ERROR\r\n", "but noreply must be the last word");
$d->stats_move({}, sub { $c->ask("foo\r\n") }, "an unknown command counts nothing");

# --- quit --------------------------------------------------------------------

my $q = $d->connect;
$q->send("quit\r\n");
$q->closed("quit closes the connection without a word");
$q = $d->connect;
$q->send("quit and more words\r\n");
$q->closed("quit ignores more words");
$q = $d->connect;
$q->send(set(k => 'v') . "get k\r\nquit\r\nset k 0 0 1\r\nw\r\n");
$q->hears("STORED\r\n" . hit(k => 'v'), "what was asked before quit is answered");
$q->closed("and then it closes");
$c->expect("get k\r\n", hit(k => 'v'), "what came after quit was not done");

# A browser that was made to talk to a cache must not be believed.
$q = $d->connect;
$q->send("GET / HTTP/1.1\r\nset k 0 0 1\r\nx\r\n");
$q->closed("a request of HTTP closes the connection");
$c->expect("get k\r\n", hit(k => 'v'), "and what follows it is not done");
$c->expect("HTTP/1.1\r\n", "ERROR\r\n", "HTTP/ as the only word is just unknown");

$c->expect("shutdown\r\nmn\r\n", "SERVER_ERROR: shutdown not enabled\r\nMN\r\n",
    "without -A shutdown is refused, and the dialogue goes on");
$d->stop_clean;

# --- shutdown ----------------------------------------------------------------

for my $order ('shutdown', 'shutdown graceful') {
    $d = Daemon->start({ verbose => 1 }, '-A');
    $c = $d->connect;
    $c->expect("shutdown now\r\nmn\r\n", "CLIENT_ERROR invalid shutdown mode\r\nMN\r\n",
        "a shutdown that is refused ends nothing");
    $c->send("mn\r\n$order\r\n" . set(k => 'v') . "mn\r\n" x 100);
    $c->hears("MN\r\n", "what was asked before $order is answered");
    $c->closed("what comes after it is not");
    ok(eventually(sub { $d->has_ended }), "and the server ends") or $d->stop;
    $d->stop_clean("as it should");
}
done_testing;
