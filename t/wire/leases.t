#!/usr/bin/perl
# The leases of the meta protocol when a thousand clients want the same key at once:
# one of them wins the right to make it anew, all the others are told that somebody has.
#
# The server is stopped while they ask, so that when it goes on all its threads find
# hundreds of requests for the same item waiting.
use v5.36;
use lib 't/lib';
use Daemon;
use POSIX ();
use Test::More;

use constant { CLIENTS => 1000, ROUNDS => 3 };

allow_open_files(2200);
my $d     = Daemon->start('-t' => 4, '-c' => 2048);
my $c     = $d->connect;
my @crowd = map { $d->connect } 1 .. CLIENTS;

subtest 'one of those who miss a key wins' => sub {
    for my $round (1 .. ROUNDS) {
        my $items = $d->stat('total_items');
        my %said  = ask_at_once("mg missing$round v t N30");

        is_one_against_all(\%said,
            qr/^VA 0 t-1 W\r\n\r\n$/, qr/^VA 0 t(30|29) Z\r\n\r\n$/, 'one wins');
        is($d->stat('total_items') - $items, 1, 'a single item came to be');
        is_one_against_all({ ask_at_once("mg missing$round v N30") },
            undef, qr/^VA 0 Z\r\n\r\n$/, 'and nobody after that');
        $c->expect("ms missing$round 4 T90\r\nmade\r\n", "HD\r\n", 'the winner stores');
        is_one_against_all({ ask_at_once("mg missing$round v N30") },
            undef, qr/^VA 4\r\nmade\r\n$/, 'for all');
    }
};

subtest 'one of those who find a key invalidated wins' => sub {
    for my $round (1 .. ROUNDS) {
        $c->ask("set invalid 0 0 3\r\nold\r\n");
        $c->expect("md invalid I T30\r\n", "HD\r\n", 'md I');
        is_one_against_all({ ask_at_once('mg invalid v') },
            qr/^VA 3 X W\r\nold\r\n$/, qr/^VA 3 Z X\r\nold\r\n$/, 'one wins');
        $c->expect("md invalid I T30\r\n", "HD\r\n", 'md I again, before anybody stored');
        is_one_against_all({ ask_at_once('mg invalid v') },
            qr/^VA 3 X W\r\nold\r\n$/, qr/^VA 3 Z X\r\nold\r\n$/, 'one wins');
        my $cas = $c->cas_of('invalid');
        $c->expect("ms invalid 3 C$cas\r\nnew\r\n", "HD\r\n", 'the winner stores');
        is_one_against_all({ ask_at_once('mg invalid v') },
            undef, qr/^VA 3\r\nnew\r\n$/, 'for all');
    }
};

subtest 'one of those who find a key stored from an old read wins' => sub {
    for my $round (1 .. ROUNDS) {
        $c->ask("set stored 0 0 3\r\nold\r\n");
        my $old = $c->cas_of('stored');
        $c->ask("set stored 0 0 3\r\nmid\r\n");
        $c->expect("ms stored 4 I C$old\r\nlate\r\n", "HD\r\n", 'ms I with an older CAS');
        is_one_against_all({ ask_at_once('mg stored v') },
            qr/^VA 4 X W\r\nlate\r\n$/, qr/^VA 4 Z X\r\nlate\r\n$/, 'one wins');
        $c->expect("ms stored 3\r\nnew\r\n", "HD\r\n", 'the winner stores');
        is_one_against_all({ ask_at_once('mg stored v') },
            undef, qr/^VA 3\r\nnew\r\n$/, 'for all');
    }
};

subtest 'one of those who find a key about to expire wins' => sub {
    for my $round (1 .. ROUNDS) {
        $c->ask("set soon 0 20 3\r\nold\r\n");
        is_one_against_all({ ask_at_once('mg soon v R10') },
            undef, qr/^VA 3\r\nold\r\n$/, 'nobody wins earlier than told');
        is_one_against_all({ ask_at_once('mg soon v R30') },
            qr/^VA 3 W\r\nold\r\n$/, qr/^VA 3 Z\r\nold\r\n$/, 'one wins');
        is_one_against_all({ ask_at_once('mg soon v') },
            undef, qr/^VA 3 Z\r\nold\r\n$/, 'as all see');
        $c->expect("ms soon 3 T90\r\nnew\r\n", "HD\r\n", 'the winner stores');
        is_one_against_all({ ask_at_once('mg soon v R30') },
            undef, qr/^VA 3\r\nnew\r\n$/, 'for all');
    }
};

subtest 'one wins also while others invalidate, store and delete' => sub {
    my @others = ('md busy I', "ms busy 4 T20\r\nbusy", 'md busy', 'mg busy v N30 R30');

    for my $round (1 .. ROUNDS) {
        ask_at_once(map { $others[ $_ % @others ] } 1 .. CLIENTS);
        # Whatever happened last: from here on the rule holds again.
        $c->ask("md busy I\r\n");
        my %said = ask_at_once('mg busy v N30');
        my @won  = grep { /^VA \d+.* W\r\n/ } keys %said;
        is(sum(map { $said{$_} } @won), 1, 'one wins');
        is(sum(map { $said{$_} } grep { /^VA \d+ Z/ } keys %said), CLIENTS - 1,
            'and all others are told so');
    }
};

$_->close for @crowd;
$d->stop_clean;
done_testing;

# Does this process, and so its server, get by with so many files? If not, it begins
# again as one that does.
sub allow_open_files ($wanted) {
    return if POSIX::sysconf(POSIX::_SC_OPEN_MAX()) >= $wanted;
    plan skip_all => "no $wanted files may be open" if $ENV{LEASES_ALLOWED}++;
    exec 'sh', '-c', "ulimit -n $wanted; exec \"\$@\"", 'sh', $^X, $0;
}

# Every client sends its request, or the one for all, before the first is looked at.
# What they are answered, and how many of them each.
sub ask_at_once (@requests) {
    my %said;

    kill STOP => $d->pid;
    $crowd[$_]->send($requests[ $_ % @requests ] . "\r\nmn\r\n") for 0 .. $#crowd;
    kill CONT => $d->pid;
    for my $client (@crowd) {
        $client->read_until(sub { $client->unread =~ /MN\r\n\z/ });
        $said{ $client->receive(length $client->unread) =~ s/MN\r\n\z//r }++;
    }
    return %said;
}

# One was answered by the first pattern, if there is one, and the rest by the second.
sub is_one_against_all ($said, $winner, $loser, $name) {
    my $won  = $winner ? sum(map { $said->{$_} } grep { /$winner/ } keys %$said) : 0;
    my $lost = sum(map { $said->{$_} } grep { /$loser/ } keys %$said);
    my $one  = $winner ? 1 : 0;

    is("$won and $lost", $one . ' and ' . (CLIENTS - $one), $name)
        or diag(map { "$said->{$_} times " . shown($_) . "\n" } keys %$said);
}

sub sum (@numbers) {
    my $sum = 0;

    $sum += $_ for @numbers;
    return $sum;
}
