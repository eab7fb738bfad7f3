# `stats c` was conns, where memcached tries cachedump first. And what else the protocols
# take for the name of a statistic: text its beginning, binary what begins with it.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start;
my $b = $d->connect;

# What the first packet of the answer says: status, and the key behind its header.
sub stat_of ($key) {
    $b->send(pack('CCnCCnNNNN', 0x80, 0x10, length $key, 0, 0, 0, length $key, 7, 0, 0)
        . $key . pack('CCnCCnNNNN', 0x80, 0x0a, 0, 0, 0, 0, 0, 8, 0, 0));
    my ($status, $name);
    while (1) {
        my (undef, $opcode, $key_length, undef, undef, $this, $body) =
            unpack 'CCnCCnN', $b->receive(24);
        return join ' ', $status, $name || () if $opcode == 0x0a;
        my $text = $b->receive($body);
        $status //= $this;
        $name   //= substr $text, 0, $key_length;
    }
}

for my $name (qw(items slabs sizes)) {
    like(stat_of($name), qr/^0\b/, "$name is a name");
    is(stat_of("${name}x"), '1', "and ${name}x is none");
}
like(stat_of('settingsx'), qr/^0 maxbytes/, 'settingsx is settings');
for my $key ('reset', 'resetx', 'detail on', 'detail onx', 'detail off', 'detail offx') {
    is(stat_of($key), '0', "$key is said to be done");
}
is(stat_of('detail dumpx'), '0 detailed', 'detail dumpx shows the prefixes');
for my $key ('item', 'detail', 'detailx on', 'conns', 'extstore', 'cachedump 1 1') {
    is(stat_of($key), '1', "there is no $key");
}

my $c = $d->connect;
$c->expect("stats c\r\n", "CLIENT_ERROR bad command line\r\n", 'stats c is cachedump');
like($c->ask("stats co\r\n", qr/END\r\n\z/), qr/:addr /, 'stats co is conns');
$d->stop_clean;
done_testing;
