# A server whose options are in a file: larder.conf(5).
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp;
use POSIX 'mkfifo';

plan skip_all => 'memcached has no configuration file' if is_reference();

my $conf = File::Temp->new;

sub write_conf ($text) {
    open my $out, '>', "$conf" or die "$conf: $!\n";
    print {$out} $text;
    close $out or die "$conf: $!\n";
}

write_conf("# a small one\nconn-limit = 321\nidle_timeout = 77\nslab_automove = no\n-C\n");
my $d = Daemon->start('--config' => "$conf", '-c' => 322);
my $s = $d->stats('settings');
is($s->{idle_timeout},  77,   "what the file says is so");
is($s->{slab_automove}, 0,    "for switches too");
is($s->{cas_enabled},   'no', "and for options in it");
is($s->{maxconns},      322,  "but the command line has the last word");
is($d->connect->ask("version\r\n", qr/\n\z/) =~ /^VERSION/, 1, "and it serves");
$d->stop_clean;

write_conf("conn-limit = 100\nidel_timeout = 5\n");
my $wrong = qq{larder: $conf:2: unknown option "idel_timeout"; did you mean "idle_timeout"?\n};
for my $check ([], ['--check-config']) {
    my $run = run_program('--config' => "$conf", @$check);
    is($run->{status}, 1,      "a bad file is refused (@$check)");
    is($run->{stderr}, $wrong, "and what is said tells where and why");
}
write_conf("conn-limit = none\nnosuch = 1\n");
is(run_program('--config' => "$conf", '--check-config')->{stderr}, <<"END", 'all that is wrong is told');
larder: $conf:1: -c, --conn-limit takes a whole number from 1 to 2147483647, not "none"
larder: $conf:2: unknown option "nosuch"
END

# What is looked at is what this user may, who would be refused at the start without a word.
my @root = $> == 0 ? ('-u' => 'root') : ();

# Who can write to the file decides what the server does.
write_conf("conn-limit = 100\n");
SKIP: {
    skip 'only root gives files away', 9 if $> != 0;
    for my $case (
        [ 0602, 0, 'everybody can write to this file' ],
        [ 0620, 1, 'a group can write to this file' ],
        [ 0620, 0, '' ],
        [ 0644, 0, '' ],
    ) {
        my ($mode, $group, $warning) = @$case;

        chown 0, $group, "$conf" or die "$conf: $!\n";
        chmod $mode, "$conf";
        my $run = run_program('--config' => "$conf", '--check-config', @root);
        is($run->{status}, 0, sprintf 'a file of mode %o and group %d can be read', $mode, $group);
        is($run->{stderr}, $warning && "larder: $conf: warning: $warning\n", "and said: '$warning'");
    }
    chown scalar(getpwnam 'nobody'), 0, "$conf" or die "$conf: $!\n";
    is(run_program('--config' => "$conf", '--check-config', @root)->{stderr},
        "larder: $conf: warning: this file belongs to another user\n", q{nor is it another one's});
    chown 0, 0, "$conf";
}

my $run = run_program('--config' => "$conf", '--check-config', @root);
is($run->{status}, 0,                "a good one is none");
is($run->{stdout}, "$conf: good\n", "and that is said");

# --check-config looks at the files that are named, too, all of them, and says where that was.
my $dir = File::Temp->newdir;
sub write_file ($name, $mode, $text) {
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} $text;
    close $out or die "$dir/$name: $!\n";
    chmod $mode, "$dir/$name";
}

sub check_says ($text, $status, $wanted, $name) {
    write_conf($text);
    my $run = run_program('--config' => "$conf", '--check-config',
        $text =~ /^user/m ? () : @root);
    is($run->{status}, $status, $name);
    my $lines = join '', map { "larder: \Q$conf\E:" . (ref ? $_ : quotemeta) . '\n' } @$wanted;
    like($run->{stderr}, qr/\A$lines\z/, 'and why is said');
}

mkfifo("$dir/fifo", 0600) or die "mkfifo: $!\n";
write_file('users', 0600, "nobody can log in\n");
write_file('nonsense', 0600, "nonsense\n");
check_says(<<"END", 1, [
enable-ssl
ssl_chain_cert = $dir/none.pem
ssl_key = $dir/fifo
ssl_ca_cert = $dir/nonsense
ssl_ciphers = NONE
auth-file = $dir/users
memory-file = $dir/none/larder
unix-socket = $dir/none/socket
pidfile = $dir/none/pid
END
    "5: NONE: no cipher match",
    "2: $dir/none.pem: No such file or directory",
    "3: $dir/fifo: it is not a regular file",
    "4: $dir/nonsense: no start line",
    "6: $dir/users:1: not user:password",
    "7: cannot keep memory in $dir/none/larder: No such file or directory",
    "8: cannot listen at $dir/none/socket: No such file or directory",
    "9: warning: cannot write the pid file $dir/none/pid: No such file or directory",
], 'files that are not there, or not what they should be, are all told of');
check_says("port = 0\nunix-socket = $dir/nonsense/x\n", 1,
    ["2: cannot listen at $dir/nonsense/x: Not a directory"], 'a file is no directory');
check_says("memory-file = $dir/fifo\n", 1,
    ["1: cannot keep memory in $dir/fifo: it is not a regular file"], 'nor is a FIFO memory');
symlink "$dir/elsewhere", "$dir/link";
check_says("memory-file = $dir/link\n", 1,
    ["1: cannot keep memory in $dir/link: it is a symbolic link"], 'nor a link');
check_says("enable-sasl\n", 1, ['1: -S: who may log in? Name a file of user:password lines by -Y, '
    . 'or by MEMCACHED_SASL_PWDB in the environment.'], 'nobody may log in');
check_says("memory-file = $dir/memory\n", 0, [], 'a file that would be made is good');
ok(!-e "$dir/memory", 'and is not made');
write_file('users', 0644, "foo:bar\n");
check_says("auth-file = $dir/users\n", 0,
    ["1: warning: everybody can read the passwords in $dir/users"], 'passwords for everybody');
SKIP: {
    skip 'not root', 4 if $> != 0;
    chmod 0711, "$dir";
    chmod 0644, "$conf";
    chmod 0600, "$dir/users";
    check_says("user = nobody\nauth-file = $dir/users\nmemory-file = $dir/memory\n", 1, [
        "3: cannot keep memory in $dir/memory: Permission denied",
    ], 'what counts is what the user may who serves');
    check_says("user = nobody\nauth-file = $dir/users\n", 0,
        ["2: warning: $dir/users cannot be read again when HUP comes: Permission denied"],
        'also for reading again');
    check_says("user = nosuchuser\n", 1, ["1: can't find the user nosuchuser to switch to"],
        'and that he exists');
}

# And at what the start asks the system for, too.
my $long = "$dir/" . 'x' x (108 - length "$dir/");
check_says("conn-limit = 20\nthreads = 2\nconn-limit = 10\n", 1,
    ["3: Maxconns setting is too low, use -c to increase."], 'too few descriptors');
check_says("conn-limit = 2147483647\n", 1, ["1: cannot raise the limit of open files to 2147483647: "
    . 'start as root, raise it from outside, or ask for fewer connections (-c)'], 'too many');
check_says("port = 0\nunix-socket = $long\n", 1,
    ["2: cannot listen on $long: the path is longer than 107"], 'a socket whose name is too long');
chop $long;
check_says("port = 0\nunix-socket = $long\n", 0, [], 'one that just fits');
check_says("port = 0\nunix-socket = $dir/users\n", 1,
    ["2: cannot listen on $dir/users: what is there is no socket"], 'a file that is none');
check_says("listen = 127.0.0.1,192.0.2.1:11300\n", 1, ['1: cannot listen on 192.0.2.1 port 11300: '
    . 'Cannot assign requested address'], 'an address that is not here');
check_says("port = 0\nlisten = 192.0.2.1\nudp-port = 11300\n", 1,
    ['3: cannot listen on 192.0.2.1 UDP port 11300: Cannot assign requested address'], 'for UDP');
open my $first, '<', '/proc/sys/net/ipv4/ip_unprivileged_port_start';
SKIP: {
    skip 'not root', 9 if $> != 0;
    check_says("user = root\nport = 80\n", 0, [], 'root may have any port');
    write_conf("port = 11300\n");
    $run = run_program('--config' => "$conf", '--check-config');
    is($run->{status}, 0, 'root without -u may look');
    is($run->{stderr}, "larder: warning: root is refused at the start without -u; "
        . "what another user may is not looked at\n", 'but is told that he may not start');
    skip 'everybody may have any port here', 5 if !$first || readline($first) < 1024;
    check_says("user = nobody\nport = 80\n", 1,
        ['2: cannot listen on 127.0.0.1 port 80: Permission denied'], 'others may not');
    check_says("user = nobody\nport = 0\nudp-port = 53\n", 1,
        ['3: cannot listen on 127.0.0.1 UDP port 53: Permission denied'], 'nor with UDP');
    $run = run_program({ as => 'nobody' }, '--config' => "$conf", '--check-config', '-p' => 80);
    is($run->{stderr}, "larder: cannot listen on 127.0.0.1 port 80: Permission denied\n",
        'which is the same for who is that user already');
}

# A server that runs already does not stand in the way, nor notice anything.
$d = Daemon->start('-p' => 'PORT', '-U' => 'PORT2', '-t' => 2);
my $before = $d->stat('total_connections');
check_says("port = @{[ $d->port ]}\nudp-port = @{[ $d->port('PORT2') ]}\n", 0, [],
    'ports that are in use by the server that is to read it');
is($d->stat('total_connections'), $before, 'nobody has come by');
$d->stop_clean;
$d = Daemon->start('-s' => "$dir/socket");
$before = $d->stat('total_connections');
check_says("port = 0\nunix-socket = $dir/socket\n", 0, [], 'nor does its socket');
is($d->stat('total_connections'), $before, 'which nobody has come by');
ok($d->connect->is_in_step, 'and which is still there');
$d->stop_clean;

done_testing;
