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

# The same through programs: telnet on a terminal, and nc, which needs an end of its input.
SKIP: {
    skip 'no telnet here', 1 if !has_program('telnet');
    my $said = qx{tools/paste @{[ $d->port ]} 2>&1};
    is($said, '', "and so it is when it is pasted into a terminal, telnet first");
}
SKIP: {
    skip 'no nc here', 1 if !has_program('nc');
    open my $null, '>', '/dev/null' or die "/dev/null: $!\n";
    my $pid = open3(my $in, my $out, '>&' . fileno $null, 'nc', '127.0.0.1', $d->port);
    local $SIG{ALRM} = sub { kill KILL => $pid };

    alarm 10;
    syswrite $in, $typed =~ s/\n/\r\n/gr;
    close $in;
    my $shown = join('', <$out>) =~ s/\r//gr;
    waitpid $pid, 0;
    alarm 0;
    is($shown, $answers, "and in nc");
}
$d->stop_clean;

sub has_program ($name) {
    return scalar grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

# What is typed and what is answered: the two indented blocks behind the one that holds the
# telnet command, and nothing else, for that goes to a shell.
sub dialogue_of ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    my @blocks = join('', <$in>) =~ /^((?: {4}.*\n)+)/mg;
    s/^ {4}//mg for @blocks;

    my ($at) = grep { $blocks[$_] =~ /\Atelnet .*\n\z/ } 0 .. $#blocks;
    defined $at or die "$file has no telnet command in a block of its own\n";
    return @blocks[ $at + 1, $at + 2 ];
}

done_testing;
