# The dialogue of the README, as a newcomer would paste it.
use v5.36;
use IPC::Open3;
use Test::More;
use lib 't/lib';
use Daemon;

my ($typed, $answers) = dialogue_of('README');
like($typed, qr/^set /m, "the README shows a dialogue");

my $d = Daemon->start;
my $c = $d->connect;
$c->send($typed =~ s/\n/\r\n/gr);
$c->hears($answers =~ s/\n/\r\n/gr, "it is answered as the README says");
$c->closed("and ends where it says");

# telnet ends when the server hangs up, and leaves at once when its input ends; nc
# waits for both.
for my $program (qw(telnet nc)) {
    SKIP: {
        skip "no $program here", 1 if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
        open my $null, '>', '/dev/null' or die "/dev/null: $!\n";
        my $pid = open3(my $in, my $out, '>&' . fileno $null, $program, '127.0.0.1',
            $d->port);
        local $SIG{ALRM} = sub { kill KILL => $pid };

        alarm 10;
        syswrite $in, $program eq 'telnet' ? $typed : $typed =~ s/\n/\r\n/gr;
        close $in if $program eq 'nc';
        my $shown = join('', <$out>) =~ s/\r//gr;
        waitpid $pid, 0;
        alarm 0;
        $shown =~ s/\A.*?Escape character is [^\n]*\n//s;
        is($shown, $answers, "and so it is in $program");
    }
}
$d->stop_clean;

# The indented blocks that hold a telnet command, without that line, and what
# follows it.
sub dialogue_of ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    my @blocks = join('', <$in>) =~ /^((?: {4}.*\n)+)/mg;
    s/^ {4}//mg for @blocks;

    my ($at) = grep { $blocks[$_] =~ /^telnet / } 0 .. $#blocks;
    defined $at or die "$file has no telnet dialogue\n";
    return ($blocks[$at] =~ s/\Atelnet .*\n//r, $blocks[$at + 1]);
}

done_testing;
