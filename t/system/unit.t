# The files of `make install`: a unit that systemd can read, in a sandbox that is tight.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Filter qw(allow_calls can_filter server_filters);
use File::Temp;

plan skip_all => 'memcached has other files' if is_reference();

my $root = File::Temp->newdir;

# Run a program; what it says.
sub output (@command) {
    open my $out, '-|', @command or die "$command[0]: $!\n";
    my $text = do { local $/; <$out> };
    close $out;
    return $text;
}

# The calls that a unit allows, by the lists that systemd has.
sub calls_of ($unit) {
    my %allowed;

    for my $line ($unit =~ /^SystemCallFilter=(.*)$/mg) {
        my $denies = $line =~ s/^~//;
        my @calls  = map { /^@/ ? calls_in($_) : $_ } split ' ', $line;

        $denies ? delete @allowed{@calls} : (@allowed{@calls} = (1) x @calls);
    }
    return sort keys %allowed;
}

sub calls_in ($group) {
    my @listed = output('systemd-analyze', 'syscall-filter', $group) =~ /^ +([-@\w]+)$/mg;

    return map { /^@/ ? calls_in($_) : $_ } @listed;
}

output('make', '-s', 'install', "DESTDIR=$root", 'prefix=/usr', 'sysconfdir=/etc');
is($?, 0, "make install succeeds");
my @wanted = qw(usr/bin/larder usr/share/man/man1/larder.1 usr/share/man/man5/larder.conf.5
    usr/lib/systemd/system/larder.service usr/lib/systemd/system/larder@.service
    usr/lib/systemd/system/larder.socket usr/lib/systemd/system/larder@.socket
    usr/lib/sysusers.d/larder.conf etc/larder/larder.conf usr/share/doc/larder/README
    usr/share/bash-completion/completions/larder usr/share/zsh/site-functions/_larder
    usr/bin/larder-bench usr/share/man/man1/larder-bench.1);
ok(-f "$root/$_", "and installs $_") for @wanted;
my $run = run_program('--config' => "$root/etc/larder/larder.conf", '--check-config');
is($run->{status}, 0, "its configuration is good");
open my $conf, '>>', "$root/etc/larder/larder.conf" or die "$!\n";
print {$conf} "# mine\n";
close $conf;
output('make', '-s', 'install', "DESTDIR=$root", 'prefix=/usr', 'sysconfdir=/etc');
like(output('cat', "$root/etc/larder/larder.conf"), qr/# mine\n\z/, "and is not written over");

for my $unit ('larder.service', 'larder@.service') {
    my $text = output('cat', "$root/usr/lib/systemd/system/$unit");

    like($text, qr{^ExecStart=/usr/bin/larder --config /etc/larder/(?:larder|%i)\.conf$}m,
        "$unit starts what was installed");
    unlike($text, qr/\@\w+\@/, "with every place filled in");
    my ($started) = $text =~ /^ExecStart=(.*)$/m;
    my ($checked, @then) = $text =~ /^ExecReload=(.*)$/mg;
    is($checked, $started =~ s/(?= --config)/ --check-config/r, "checks its file before a reload");
    is("@then", '/bin/kill -HUP $MAINPID', "and has it read only then");
    like($text, qr{^RuntimeDirectory=larder(?:@{[ $unit =~ /@/ ? '/%i' : '' ]})$}m,
        "has a place of its own for a socket");
    unlike($text, qr/^RemoveIPC=(?!no$)/m, "and leaves a memory file in /dev/shm alone");
}
SKIP: {
    skip 'no systemd-analyze here', 6 if system('systemd-analyze --version >/dev/null 2>&1') != 0;
    for my $name ('larder', 'larder@') {
        my $unit     = "$root/usr/lib/systemd/system/$name.service";
        my $security = output('systemd-analyze', 'security', '--offline=true', $unit);
        my ($exposed) = $security =~ /Overall exposure level for \Q$name\E\w*.service: (\d+\.\d+)/;

        cmp_ok($exposed // 10, '<=', 1.5, "the sandbox of $name is tight");
        for my $file ($unit, $unit =~ s/service\z/socket/r) {
            my $verdict = output('sh', '-c', "systemd-analyze verify --man=no $file 2>&1");
            is(join('', grep { !/is not executable/ } split /^/, $verdict), '',
                "systemd understands $file");
        }
    }
}
# The user of the unit is made, in this tree.
SKIP: {
    skip 'NOT TESTED: no systemd-sysusers here', 4
        if system('systemd-sysusers --version >/dev/null 2>&1') != 0;
    mkdir "$root/etc" if !-d "$root/etc";
    my $said = output('sh', '-c', "systemd-sysusers --root=$root 2>&1");
    is($?, 0, "systemd-sysusers understands the file") or diag($said);
    my ($user) = output('cat', "$root/usr/lib/systemd/system/larder.service") =~ /^User=(.*)$/m;
    like(output('cat', "$root/etc/passwd"),
        qr{^$user:[^:]*:[1-9]\d*:[1-9]\d*:[^:]*:/:/usr/sbin/nologin$}m,
        "and makes the user of the service, who cannot log in");
    like(output('cat', "$root/etc/group"), qr{^$user:}m, "with a group");
    is(output('sh', '-c', "systemd-sysusers --root=$root 2>&1"), '', "once");
    unlink map { "$root/etc/$_" } qw(passwd group shadow gshadow .pwd.lock);
}
# Within the filter of the unit it serves, with its own and narrower one.
SKIP: {
    skip 'no filter of our own on this machine', 2 if !can_filter();
    skip 'no systemd-analyze here', 2 if system('systemd-analyze --version >/dev/null 2>&1') != 0;
    my @calls = calls_of(output('cat', "$root/usr/lib/systemd/system/larder.service"));
    ok((grep { $_ eq 'setpriority' } @calls), "its upkeep may let workers go first");
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        Daemon::Program::become('nobody') if $> == 0;
        allow_calls(@calls);
        my $d = Daemon->start('-c' => 512, server_filters() ? ('-o' => 'drop_privileges') : ());
        my $good = $d->connect->ask(set(k => 'v')) eq "STORED\r\n" && $d->stop->{status} == 0;
        print STDERR $d->said if !$good;
        POSIX::_exit($good ? 0 : 1);
    }
    waitpid $pid, 0;
    is($?, 0, "it serves within the filter of the unit");
}

output('make', '-s', 'uninstall', "DESTDIR=$root", 'prefix=/usr', 'sysconfdir=/etc');
is(output('sh', '-c', "cd $root && find . -type f"), "./etc/larder/larder.conf\n",
    "make uninstall leaves the configuration alone");

done_testing;
