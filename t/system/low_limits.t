# A -c that is too low for the server itself is said to be so, in one line, and no other
# -c is: nothing in between, whatever runs out of descriptors first.
use v5.36;
use File::Temp 'tempdir';
use POSIX ();
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Program qw(launch_program wait_for_exit);

my $TOO_LOW = "Maxconns setting is too low, use -c to increase.\n";
my $HIGHEST = 36;
my $dir     = tempdir(CLEANUP => 1);
chmod 0777, $dir;
my @root   = $> == 0 ? ('-u' => 'root') : ();
my $starts = 0;

for my $case (
    [ 'one thread',      '-p' => -1, '-t' => 1 ],
    [ 'four threads',    '-p' => -1, '-t' => 4 ],
    [ 'several addresses', '-p' => -1, '-l' => '127.0.0.1,127.0.0.2,127.0.0.3' ],
    [ 'a star',          '-p' => -1, '-l' => '*' ],
    [ 'a unix socket',   '-s' => "$dir/socket" ],
    [ 'the background',  '-p' => -1, '-d' ],
) {
    my ($name, @args) = @$case;
    my @answers = map { start_with($_, @args) } 1 .. $HIGHEST;
    my $lowest  = grep { $_ eq $TOO_LOW } @answers;

    is(join('', @answers), $TOO_LOW x $lowest . "serves\n" x ($HIGHEST - $lowest),
        "$name: up to a -c of $lowest it is too low");
    cmp_ok($lowest, '<', $HIGHEST, "above, it serves");
}

# Descriptors that whoever starts the server has left open to it.
my @left = (10, 20, 30);
POSIX::dup2(0, $_) for @left;
my @answers = map { start_with($_, '-p' => -1, '-t' => 4) } 1 .. $HIGHEST;
my $lowest  = grep { $_ eq $TOO_LOW } @answers;
is(join('', @answers), $TOO_LOW x $lowest . "serves\n" x ($HIGHEST - $lowest),
    "with three that are inherited, up to a -c of $lowest");
POSIX::close($_) for @left;

# What becomes of a server with this -c: what it says when it ends with status 1. Its pid
# file appears when it serves.
sub start_with ($limit, @args) {
    my ($out, $err) = (File::Temp->new, File::Temp->new);
    my $pid_file = "$dir/pid" . $starts++;
    my $pid = launch_program($out, $err,
        [ @root, '-P' => $pid_file, '-c' => $limit, @args ]);
    my ($ended, $serves);

    eventually(sub { -e $pid_file || ($ended //= wait_for_exit($pid, 0)) });
    if (open my $in, '<', $pid_file) {
        $serves = 1;
        kill TERM => <$in>;
        $ended //= wait_for_exit($pid, 10);
    }
    seek $_, 0, 0 for $out, $err;
    my $said = join '', <$out>, <$err>;
    return "serves\n" if $serves && $said eq '';
    return $ended && $ended->{status} == 1 ? $said : "$limit: $said";
}

done_testing;
