# The scripts by which Debian starts memcached start larder as well, unchanged: in a
# namespace where it stands at /usr/bin/memcached, which they have written down.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Program 'server_program';
use File::Temp;
use IO::Socket::IP;

my $scripts = '/usr/share/memcached/scripts';

plan skip_all => "Debian's memcached is not installed" if !-x "$scripts/start-memcached";
plan skip_all => 'not root, or no namespaces'
    if $> != 0 || system('unshare', '-m', 'true') != 0;

my $folder = File::Temp->newdir;
chmod 0777, "$folder" or die "$folder: $!\n";
my $held = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1) // die "$@\n";
my $port = $held->sockport;
close $held;

# Debian's file, but for the places and the port.
open my $in, '<', '/usr/share/memcached/memcached.conf.default' or die "$!\n";
my $text = join '', <$in>;
$text =~ s/^-p 11211$/-p $port/m and $text =~ s{^-P .*}{-P $folder/own.pid}m
    and $text =~ s{^logfile .*}{logfile $folder/log}m or die "another file than expected\n";
open my $out, '>', "$folder/conf" or die "$!\n";
print {$out} $text;
close $out or die "$!\n";

my @servers;                    # what ends with the test, should that end early
END { kill KILL => grep { is_alive($_) } @servers }

sub in_place (@command) {
    return ('unshare', '-m', 'sh', '-c', 'mount --bind "$0" /usr/bin/memcached && exec "$@"',
        server_program(), @command);
}

# What it says of itself, once it answers.
sub stats () {
    my $text = '';

    eventually(sub {
        my $to = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) or return 0;
        print {$to} "stats\r\nquit\r\n";
        $to->flush;
        $text = join '', readline $to;
        return $text =~ /END/;
    }, 20);
    my %stats = $text =~ /^STAT (\S+) (.*)\r$/mg;
    push @servers, $stats{pid} // die "nothing answers on port $port\n";
    return \%stats;
}

sub pid_in ($name) {
    open my $from, '<', "$folder/$name" or return 0;
    return (<$from> // '') =~ /(\d+)/ ? $1 : 0;
}

sub is_alive ($pid) {
    open my $from, '<', "/proc/$pid/stat" or return 0;
    return <$from> !~ /\) [ZX] /;
}

my $version = is_reference() ? qr/^1\.6\.\d+$/ : qr/larder/;

is(system(in_place("$scripts/start-memcached", "$folder/conf", "$folder/pid")), 0,
    "start-memcached starts it");
my $stats = stats();
like($stats->{version}, $version, "it is there");
is($stats->{limit_maxbytes}, 64 << 20, "with the options of the file");
ok(eventually(sub { pid_in('pid') == $stats->{pid} }), "the script's file has its process id");
is(pid_in('own.pid'), $stats->{pid}, "and that of -P too");
kill TERM => $stats->{pid};
ok(eventually(sub { !is_alive($stats->{pid}) }, 20), "and it ends");

unlink "$folder/own.pid";
my $pid = fork // die "fork: $!\n";
exec in_place("$scripts/systemd-memcached-wrapper", "$folder/conf") or die "exec: $!\n" if !$pid;
$stats = stats();
like($stats->{version}, $version, "systemd-memcached-wrapper starts it");
is($stats->{pid}, $pid, "in its own place");
kill TERM => $pid;
waitpid $pid, 0;
is($?, 0, "and it ends cleanly");

done_testing;
