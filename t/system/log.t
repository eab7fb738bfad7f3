# Messages: lines of text or JSON, as many as there is room for.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Program qw(launch_program server_program);
use Daemon::Tls qw(certificates tls_arguments);
use File::Temp;
use IO::Socket::IP;
use JSON::PP;

plan skip_all => 'memcached has no such log' if is_reference();

# --- JSON --------------------------------------------------------------------

my $d = Daemon->start('-vv', '-o' => 'log_format=json', '-t' => 1);
my $c = $d->connect;
my $hostile = qq{"\\ \x07\x1b[2J\xff\xc3\xa9 {"level":"err"}};
$c->expect(set(k => $hostile), "STORED\r\n", "a client says what it likes");
$c->ask("get k\r\n", qr/END\r\n\z/);
my $long = 'x' x 249 . "\xe9";
$c->expect("get $long\r\n", "END\r\n", "and much of it");
$d->stop_clean;
my @lines = split /\n/, $d->said, -1;
is(pop @lines, '', "the last line has an end");
my @objects = map { eval { JSON::PP->new->utf8->decode($_) } // diag("no JSON: $_") } @lines;
is(scalar(grep { ref } @objects), scalar @lines, "each line is an object");
my $wanted = qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
is(scalar(grep { $_->{time} =~ $wanted && $_->{level} =~ /\A\w+\z/ && $_->{event} =~ /\A\w+\z/
            && length $_->{message} } @objects), scalar @lines, "with time, level, event, message");
my %count;
$count{ $_->{event} }++ for @objects;
cmp_ok($count{$_}, '>', 0, "$_ is told") for qw(size_class connection request reply stopping);
my ($request) = grep { $_->{event} eq 'request' && $_->{line} =~ /level/ } @objects;
is($request->{line}, '"\\ \\x07\\x1b[2J\\xff\\xc3\\xa9 {"level":"err"}',
    "what a client has said is in a field, harmless");
is($request->{level}, 'debug', "and is no error");
is($request->{message}, "<$request->{fd} $request->{line}", "the message is that of -vv");
($request) = grep { $_->{event} eq 'request' && $_->{length} == 254 } @objects;
is($request->{line}, 'get ' . 'x' x 156, "a long line is cut");
is($request->{message}, "<$request->{fd} $request->{line}...", "and that is shown");

# What keeps it from starting is told in the same way.
my $run = run_program('-o' => 'log_format=json', '-l' => '192.0.2.1', $> == 0 ? ('-u' => 'root') : ());
my $why = JSON::PP->new->utf8->decode($run->{stderr});
is("$run->{status} $why->{level} $why->{event}", '71 err start_failed',
    "why it does not start is an object, too");
$run = run_program('-o' => 'log_format=json', '-c' => 'x');
like($run->{stderr}, qr/\Alarder: .*-c/, "but what is wrong with options is text");
SKIP: {
    skip 'there is a journal', 2 if -S '/run/systemd/journal/socket';
    $run = run_program('-o' => 'log_target=journald');
    is($run->{status}, 1, "a journal that is asked for has to be there");
    like($run->{stderr}, qr/\Alarder: no journal at .*: No such file/, "and it is said");
}

# --- too many ----------------------------------------------------------------

$d = Daemon->start({ tls => {}, verbose => 1 }, tls_arguments());
$c = $d->connect;
is($d->stat('log_messages_suppressed'), 0, "nothing is lost at first");
truncate certificates() . '/server.pem', 0 or die "$!\n";
$c->ask("refresh_certs\r\n") for 1 .. 25;
is($d->stat('log_messages_suppressed'), 15, "of what comes too often most is left out");
$d->stop_clean;
my @told = $d->said =~ /^(.*the old certificates stay in force)$/mg;
is(scalar @told, 10, "ten are told of");
like($d->said, qr/^warning: suppressed 15 messages: certificates_refused$/m,
    "and then how many more there were");

# At -v it says whom it sends away, as long as that is not too often.
$d = Daemon->start('-v', '-c' => 60, '-t' => 1);
my @open;
eventually(sub { push @open, $d->connect; $d->stat('rejected_connections') >= 25 });
$d->stop_clean;
is(scalar(() = $d->said =~ /^a connection from 127\.0\.0\.1 was refused: too many are open \(-c\)$/mg), 10,
    "who is sent away is told of");
like($d->said, qr/^warning: suppressed \d+ messages: connection_rejected$/m, "but not each");

# --- nobody reads ------------------------------------------------------------

# With standard error a pipe that is full, and -vv, all clients are answered still.
my $folder = File::Temp->newdir;
pipe my $from, my $to or die "pipe: $!\n";
my $ports = "$folder/ports";
my $pid = launch_program(File::Temp->new, $to,
    [ '-vv', '-t' => 2, '-l' => '127.0.0.1', '-p' => -1, $> == 0 ? ('-u' => 'root') : () ],
    env => { MEMCACHED_PORT_FILENAME => $ports });
close $to;
eventually(sub { -e $ports }) or die "it does not start\n";
open my $in, '<', $ports or die "$ports: $!\n";
my ($port) = join('', <$in>) =~ /(\d+)$/m;
my @clients = map { IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) // die "$@\n" }
    1 .. 4;
my $answers = 0;
for (1 .. 2000) {
    for my $client (@clients) {
        print {$client} "get key_$_\r\n";
        $client->flush;
        $answers++ if readline($client) eq "END\r\n";
    }
}
is($answers, 8000, "who is told nothing about is answered all the same");
my $client = $clients[0];
print {$client} "stats\r\n";
$client->flush;
my $dropped = 0;
while (defined(my $line = readline $client)) {
    $dropped = $1 if $line =~ /^STAT log_messages_dropped (\d+)/;
    last if $line eq "END\r\n";
}
cmp_ok($dropped, '>', 1000, "what found no room is counted");
kill TERM => $pid;
waitpid $pid, 0;
is($?, 0, "and it stops cleanly");
my @got = readline $from;
is(scalar(grep { !/\A(?:slab class .*|[<>]\d+ .*|listening .*)\n\z/ } @got), 0,
    "what was told are whole lines");

# --- the journal ------------------------------------------------------------

# A journal of our own, under a /run of our own.
my $JOURNAL = <<'END';
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journald.conf.d /run/systemd/journal /run/log/journal
printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' >/run/systemd/journald.conf.d/test.conf
/lib/systemd/systemd-journald 2>/run/said &
journald=$!
until [ -S /run/systemd/journal/socket ]; do
    kill -0 $journald 2>/dev/null || { cat /run/said; exit 1; }
    sleep 0.01
done
MEMCACHED_PORT_FILENAME=/run/ports "$1" -u nobody -p -1 -l 127.0.0.1 -v -o log_target=journald &
larder=$!
until [ -e /run/ports ]; do
    kill -0 $larder
    sleep 0.01
done
kill $larder
wait $larder
kill $journald
wait $journald
journalctl --directory=/run/log/journal -o json -t larder
END

SKIP: {
    skip 'not root, or no journal to run', 3
        if $> != 0 || !-x '/lib/systemd/systemd-journald' || system('unshare -m true') != 0;
    open my $out, '-|', 'unshare', '-m', 'sh', '-c', $JOURNAL, 'sh', server_program() or die "$!\n";
    my @entries = map { eval { JSON::PP->new->utf8->decode($_) } // diag($_) } readline $out;
    close $out;
    is($?, 0, "a server writes to the journal of systemd");
    my ($entry) = grep { ref && ($_->{LARDER_EVENT} // '') eq 'stopping' } @entries;
    is($entry->{MESSAGE}, 'Exiting normally', "what it says at -v");
    is("$entry->{PRIORITY} $entry->{_UID}", '6 ' . getpwnam('nobody'), "as what it is, as nobody");
}

done_testing;
