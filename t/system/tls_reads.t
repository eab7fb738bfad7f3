# What TLS costs the system: one read for a record, one write for what a batch has to say.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Calls qw(descriptor_of has_strace traced);
use Daemon::Tls qw(tls_arguments);
use IO::Socket::SSL;

plan skip_all => 'memcached reads in another way' if is_reference();

my $RECORDS = 50;
my $MOVES   = 'read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg';

SKIP: {
    my $left = 16;
    skip 'NOT TESTED: no strace here', $left if !has_strace();
    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $d = Daemon->start({ tls => {} }, tls_arguments(), '-t' => 1);
        my $c = $d->connect(tls => { SSL_version => $version });
        $c->ask(set(k => 'v'));
        my $fd = descriptor_of($d, $c);
        for my $case (
            [ 'a small record',      "mn\r\n",                    "MN\r\n" ],
            [ 'ten requests',        "mn\r\n" x 10,               "MN\r\n" x 10 ],
            [ 'as much as fits',     set(b => 'x' x 16_000),      "STORED\r\n" ],
            [ 'a hundred of values', "get k\r\n" x 100,           hit(k => 'v') x 100 ],
            ) {
            my ($name, $request, $answer) = @$case;
            my @lines = traced($d, $MOVES, sub {
                for (1 .. $RECORDS) {
                    $c->{socket}->blocking(1);
                    $c->{socket}->syswrite($request);
                    $c->{socket}->blocking(0);
                    $c->receive(length $answer) eq $answer or die "$version: $name: no answer\n";
                }
            });
            if (!@lines) {
                $d->stop_clean;
                skip 'NOT TESTED: strace may not trace here', $left;
            }
            $left -= 2;
            my @calls = grep { /^\d+ +\w+\($fd,/ } @lines;
            is(scalar(grep { /\b(?:read|recv)\w*\(/ } @calls), $RECORDS,
                "$version: $name: one read") or diag(@calls[0 .. 9]);
            is(scalar(grep { /\b(?:write|send)\w*\(/ } @calls), $RECORDS,
                "$version: $name: one write for its answers");
        }
        $d->stop_clean;
    }
}

done_testing;
