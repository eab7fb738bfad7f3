# larder-bench against ./larder: every way to ask, and every way in which a server can be wrong.
use v5.36;
use Test::More;
use JSON::PP 'decode_json';
use lib 't/lib';
use Daemon qw(is_reference);

plan skip_all => 'one server suffices' if is_reference();

my $BENCH = $ENV{BENCH} // './larder-bench';

# Exit status, standard output, standard error.
sub bench (@arguments) {
    my ($out, $err) = (File::Temp->new, File::Temp->new);
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open STDOUT, '>&', $out or die;
        open STDERR, '>&', $err or die;
        exec $BENCH, @arguments or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    local $/;
    seek $_, 0, 0 for $out, $err;
    return ($? >> 8, scalar <$out> // '', scalar <$err> // '');
}

# What a run has measured: its one round. It has to succeed.
sub measured ($name, @arguments) {
    my ($status, $out, $err) = bench('--json', @arguments);

    is("$status$err", '0', "$name: it succeeds");
    return $status == 0 ? decode_json($out)->{servers}[0]{rounds}[0] : {};
}

my $d      = Daemon->start('-m' => 256);
my $server = '127.0.0.1:' . $d->port;
my @at     = ('-s' => $server, '-k' => 500, '-c' => 5);
my %ways   = (
    text   => [ '-p' => 'text' ],
    meta   => [ '-p' => 'meta' ],
    binary => [ '-p' => 'binary' ],
);

for my $way (sort keys %ways) {
    for my $op (qw(get mget set cas incr)) {
        my $m = measured("$way $op", @at, $ways{$way}->@*, '-m' => $op, '-n' => 1000, '-d' => 3);

        is($m->{operations}, 1000, "$way $op: as many as asked for");
        is($m->{by_operation}{$op}{count}, 1000, "$way $op: all are $op");
        is($m->{misses}, 0, "$way $op: nothing is missing");
        is($m->{keys}, $op eq 'mget' ? 50_000 : 1000, "$way $op: as many keys");
    }
}
$d->stop_clean;
done_testing();
