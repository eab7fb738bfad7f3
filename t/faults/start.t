# A start of which one call to the system fails, whichever it is: the server says why and
# ends, or serves all the same.
use v5.36;
use Test::More;
use lib 't/lib', 't/faults';
use Faults qw(calls failures fail_never fail_once);
use Daemon;
use Daemon::Program 'launch_program';
use File::Temp 'tempdir';

# OpenSSL 3.0 itself does not survive that in its own start, so its calls succeed here.
delete $ENV{FAULTS_OPENSSL};

my $folder = tempdir(CLEANUP => 1);
my $users  = "$folder/users";
{
    open my $out, '>', $users or die "$users: $!\n";
    print $out "foo:bar\n";
    chmod 0600, $users;
}

# One start; what was wrong.
sub start ($k, @args) {
    fail_once($k);
    my %login = grep({ $_ eq '-Y' } @args) ? (login => 'foo bar') : ();
    my $d = eval { Daemon->start({ verbose => 1, %login }, @args) };
    my $why = $@;

    fail_never();
    if (!$d) {
        my ($said) = $why =~ /\Athe server ended at its start: (.*) at \S+ line \d+\.\n\z/s;
        return "it does not answer: $why" if !defined $said;
        return "it says nothing" if $said !~ /\w.*\n/;
        return "it says: $said" if $said =~ /Sanitizer|runtime error|must hold|Assertion/;
        return;
    }
    my $c = $d->connect;
    my $got = $c->ask(set(k => 'v') . "get k\r\n", qr/END\r\n\z/);
    $c->close;
    return "it does not serve" if $got ne "STORED\r\n" . hit(k => 'v');
    my $ended = $d->stop;
    return "it does not end" if !$ended;
    return "it ends with status $ended->{status} and signal $ended->{signal}: ", $d->last_words
        if $ended->{status} != 0 || $ended->{signal} != 0;
    return;
}

my @starts = (
    [ 'plain', '-t' => 2 ],
    [ 'with datagrams', '-t' => 2, '-U' => 'PORT' ],
    [ 'with two addresses', '-t' => 1, '-l' => '127.0.0.1:PORT,127.0.0.2:PORT2' ],
    [ 'on a unix socket', '-t' => 1, '-s' => "$folder/socket" ],
    [ 'with passwords', '-t' => 1, '-Y' => $users, '-S' ],
    [ 'with a memory file', '-t' => 2, '-e' => "$folder/memory" ],
    [ 'with many options', '-t' => 1, '-L', '-k', '-P' => "$folder/pid", '-o' =>
        'track_sizes,slab_chunk_max=256,idle_timeout=5,temporary_ttl=30' ],
);

is(is_reference(), 0, "it is larder, with calls that fail");
for (@starts) {
    next if defined $ENV{FAULTS_SCRIPT} && $ENV{FAULTS_SCRIPT} ne $_->[0];
    my ($name, @args) = @$_;
    my ($k, $calls, @wrong) = ($ENV{FAULTS_FROM} || 1, 0);

    for (;; $k++) {
        @wrong = start($k, @args);
        $calls = calls() if calls() > $calls;
        last if @wrong || !failures() || $ENV{FAULTS_FROM};
    }
    verdict(!@wrong, "$name: $calls calls", "at k = $k: ", @wrong);
}

done_testing;
