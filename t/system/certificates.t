# Files of certificates and keys that are not what they should be: no file at all, out of date,
# or of somebody else.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(certificates certify certify_dated tls_arguments);
use Cwd 'getcwd';
use File::Temp ();
use POSIX 'mkfifo';

plan skip_all => 'its messages are larder\'s' if is_reference();

my $at   = certificates();
my @root = $> == 0 ? ('-u' => 'root') : ();

# It refuses to start with these, and does not wait for anything.
sub refuses ($pattern, $name, @args) {
    my $run = run_program(@root, '-p' => -1, '-l' => '127.0.0.1', @args);

    is($run->{status}, 64, "$name: it ends, with status 64") or diag($run->{stderr});
    like($run->{stderr}, $pattern, 'and says why');
}

sub serves_with ($name, @more) {
    my $d = Daemon->start({ tls => { SSL_verify_mode => 0 }, verbose => 1 }, tls_arguments(@more),
        '-t' => 1);

    $d->connect->expect("mn\r\n", "MN\r\n", $name);
    return $d;
}

# --- what is no file ---------------------------------------------------------

mkfifo("$at/fifo", 0600) or die "mkfifo: $!\n";
my %files = (ssl_chain_cert => "$at/server.pem", ssl_key => "$at/server.key",
    ssl_ca_cert => "$at/ca.pem");
for my $option (sort keys %files) {
    for my $what ([ "$at/fifo" ], [ '/dev/null' ], [ $at ]) {
        my %said = (%files, $option => $what->[0]);

        refuses(qr/^\Q$what->[0]\E: it is not a regular file$/m, "$what->[0] as $option", '-Z',
            '-o' => join ',', map { "$_=$said{$_}" } sort keys %said);
    }
}

# A key that everybody can read is warned of each time that it is read.
{
    my $d = serves_with('it serves', 'idle_timeout=0');

    chmod 0644, "$at/server.key";
    for my $turn (1, 2) {
        kill HUP => $d->pid;
        ok(eventually(sub { $turn == (() = $d->said
                =~ m{^warning: everybody can read the key in \Q$at\E/server\.key$}mg) }),
            'HUP says that everybody can read the key');
    }
    chmod 0600, "$at/server.key";
    $d->stop_clean;
}

# Nor does one hang that is put there later.
{
    my $d = serves_with('it serves', 'idle_timeout=0');
    my $c = $d->connect;

    for my $name ('server.pem', 'server.key', 'ca.pem') {
        rename "$at/$name", "$at/$name.aside" or die "rename: $!\n";
        mkfifo("$at/$name", 0600) or die "mkfifo: $!\n";
        my $before = length $d->said;
        like($c->ask("refresh_certs\r\n"), qr/^Error loading /, "$name is a FIFO now: refresh_certs");
        kill HUP => $d->pid;
        ok(eventually(sub { 2 <= (() = substr($d->said, $before)
                =~ m{\Q$at/$name\E: it is not a regular file; the old certificates stay}g) }),
            'and HUP say so');
        unlink "$at/$name";
        rename "$at/$name.aside", "$at/$name" or die "rename: $!\n";
        ok($c->is_in_step && $d->connect->is_in_step, 'and the old one is in force');
    }
    $d->stop_clean;
}

# --- paths from where the server was started -------------------------------------------

{
    my $server = $ENV{SERVER} // './larder';
    my $here   = getcwd();
    local $ENV{SERVER} = $server =~ m{^/} ? $server : "$here/$server";

    chdir $at or die "$at: $!\n";
    my $d = Daemon->start({ tls => {} }, '-d', '-Z', '-o' =>
        'ssl_chain_cert=server.pem,ssl_key=server.key,ssl_ca_cert=ca.pem');
    my $c = $d->connect;
    my %seen;
    for my $round (1 .. 3) {
        certify('server', 'ca');
        utime time - 10, time - 10, 'server.pem';
        $c->expect("refresh_certs\r\n", "OK\r\n", "round $round: a daemon is somewhere else,");
        $seen{ $d->connect->{socket}->get_fingerprint }++;
    }
    is(scalar(keys %seen), 3, 'and reads each new certificate all the same');
    $d->stop_clean;
    chdir $here or die "$here: $!\n";
}

# --- dates -------------------------------------------------------------------

my $day = 24 * 60 * 60;
my $when = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;

for my $case (
    [ server => -3 * $day, -2 * $day, qr/has expired at $when/, 'expired' ],
    [ server => 2 * $day, 3 * $day, qr/is not valid before $when/, 'to come' ],
    [ ca => -3 * $day, -2 * $day, qr/has expired at $when/, 'of an authority, expired' ],
    ) {
    my ($name, $from, $to, $wrong, $what) = @$case;
    my $warning = qr{^warning: \Q$at/$name.pem\E: the certificate of /CN=$name $wrong$}m;

    certify($name, 'ca') if $name ne 'ca';
    certify_dated($name, $from, $to);
    my $d = serves_with("a certificate $what is served with");
    like($d->said, $warning, 'and warned of');
    if ($name eq 'server') {
        cmp_ok(abs($d->stat('server_cert_not_before') - time - $from), '<', 60,
            'stats have when it begins');
        cmp_ok(abs($d->stat('server_cert_not_after') - time - $to), '<', 60, 'and when it ends');
    }
    my $before = length $d->said;
    is($d->connect->ask("refresh_certs\r\n"), "OK\r\n",
        'it may be read again');
    like(substr($d->said, $before), $warning, 'and is warned of again');
    my $run = run_program(@root, tls_arguments(), '--config' => '/dev/null', '--check-config');
    is($run->{status}, 0, '--check-config does not mind it');
    (my $line = $run->{stderr}) =~ s/^larder: //;
    like($line, $warning, 'but says so');
    $d->stop_clean;
    certify($name, 'ca');
}
certify('server', 'ca');
{
    my $d = serves_with('a good one');
    is($d->said, '', 'is no matter for a warning');
    cmp_ok(abs($d->stat('server_cert_not_after') - time - 30 * $day), '<', $day, 'stats have its end');
    $d->stop_clean;
}

# Those that lead to the authority count, too.
{
    open my $both, '>>', "$at/server.pem" or die "server.pem: $!\n";
    certify('stranger', 'stranger');
    certify_dated('stranger', -3 * $day, -2 * $day);
    open my $in, '<', "$at/stranger.pem" or die "stranger.pem: $!\n";
    print {$both} <$in>;
    close $both or die "server.pem: $!\n";
    my $d = serves_with('an expired one in the chain');
    like($d->said, qr{server\.pem: the certificate of /CN=stranger has expired}, 'is warned of');
    $d->stop_clean;
    certify('server', 'ca');
}

# --- old versions ------------------------------------------------------------

{
    my $d = serves_with('TLS 1.0 allowed', 'ssl_min_version=0');
    like($d->said, qr/^warning: nothing older than TLS 1\.2 will be spoken.*\@SECLEVEL=0/m,
        'it is said what it takes besides');
    $d->stop_clean;
    $d = serves_with('TLS 1.0 and all that it takes', 'ssl_min_version=0,ssl_ciphers=ALL:@SECLEVEL=0');
    is($d->said, '', 'no warning');
    for my $version ('TLSv1', 'TLSv1_1', 'TLSv1_2') {
        my $c = $d->connect(tls =>
            { SSL_verify_mode => 0, SSL_version => $version, SSL_cipher_list => 'ALL:@SECLEVEL=0' });
        is($c->{socket}->get_sslversion, $version, "$version is spoken");
        $c->expect("mn\r\n", "MN\r\n", 'and answered');
    }
    $d->stop_clean;
}

# --- who reads them again ----------------------------------------------------

SKIP: {
    skip 'not root', 5 if $> != 0;
    my $users = File::Temp->new;
    print {$users} "foo:bar\n";
    $users->flush;
    my $conf = File::Temp->new;
    chmod 0755, $at;
    chmod 0644, "$at/server.pem";
    my @args = (tls_arguments(), '-u' => 'nobody', '-Y' => "$users", '--config' => "$conf");
    my $wanted = join '', map { "warning: $_ cannot be read again when HUP comes: Permission denied\n" }
        "$conf", "$users", "$at/server.key";
    chmod 0600, "$users", "$conf", "$at/server.key";
    chmod 0644, "$at/ca.pem";
    my $d = Daemon->start({ tls => {}, login => 'foo bar', verbose => 1 }, @args);
    is($d->said, $wanted, 'what only root can read is warned of');
    $d->stop_clean;
    my $run = run_program(@args, '--check-config');
    is($run->{status}, 0, '--check-config lets it pass');
    is($run->{stderr}, $wanted =~ s/^/larder: /gmr, 'and says the same');
    chmod 0644, "$conf";
    chown scalar(getpwnam 'nobody'), 0, "$users", "$at/server.key";
    $d = Daemon->start({ tls => {}, login => 'foo bar', verbose => 1 }, @args);
    is($d->said, '', 'what that user can read is not');
    $d->stop_clean;
}

done_testing;
