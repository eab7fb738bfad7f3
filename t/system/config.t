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
write_conf("conn-limit = 100\n");
my $run = run_program('--config' => "$conf", '--check-config');
is($run->{status}, 0,                "a good one is none");
is($run->{stdout}, "$conf: good\n", "and that is said");

done_testing;
