# A server whose options are in a file: larder.conf(5).
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp;

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
        my $run = run_program('--config' => "$conf", '--check-config');
        is($run->{status}, 0, sprintf 'a file of mode %o and group %d can be read', $mode, $group);
        is($run->{stderr}, $warning && "larder: $conf: warning: $warning\n", "and said: '$warning'");
    }
    chown scalar(getpwnam 'nobody'), 0, "$conf" or die "$conf: $!\n";
    is(run_program('--config' => "$conf", '--check-config')->{stderr},
        "larder: $conf: warning: this file belongs to another user\n", q{nor is it another one's});
    chown 0, 0, "$conf";
}

my $run = run_program('--config' => "$conf", '--check-config');
is($run->{status}, 0,                "a good one is none");
is($run->{stdout}, "$conf: good\n", "and that is said");

done_testing;
