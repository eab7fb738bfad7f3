# What is in bench/ still runs: so short here that its figures mean nothing.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
use Daemon qw(is_reference);

plan skip_all => 'one server suffices' if is_reference();

my $server = $ENV{SERVER} . ($> == 0 ? ' -u nobody' : '') . ' -p %P -m 64';

# What a command prints; it has to succeed.
sub output_of (@command) {
    open my $out, '-|', @command or die "$command[0]: $!\n";
    my @lines = <$out>;
    ok(close $out, "@command[0, 1] succeeds");
    return @lines;
}

my @lines = output_of('bench/grow', '-n' => 50_000, '-r' => 1000, '-t' => 1, "larder=$server");
is("@{[map { /^(\w+)/ } @lines]}", 'phase before growth after', 'bench/grow tells of three phases');
like($lines[3], qr/^growth +[\d.]+ +30000 /, 'and adds as many items as asked for');

@lines = output_of('bench/shift', '-r' => 4, '-k' => 2000, '-o' => 2000, "larder=$server");
like($lines[-1], qr/^ *\d+ .*\d\.\d+/, 'bench/shift tells of rounds');
@lines = output_of('bench/loris', '-n' => 50, '-a' => 5, '-r' => 500, '-t' => 1, '-k' => 1, "larder=$server");
like("@lines", qr/larder/, 'bench/loris tells of it');
my $dir = tempdir(CLEANUP => 1);
chmod 0777, $dir;
@lines = output_of('bench/restart', '-n' => 20_000, '-r' => 1, '-s' => 500, '-f' => "$dir/memory",
    "$server -e %F");
is("@{[map { /^(\S+)/ } @lines]}", 'end SIGTERM SIGKILL', 'bench/restart tells of two ends');
like($lines[-1], qr/ 20000 +0$/, 'after which all items are there');
my $lines = `bench/restart -n 1000 -r 1 -s 100 -f $dir/none '$server'`;
isnt($?, 0, 'without a memory file bench/restart fails');
like($lines, qr/ 0 +100\n.* 0 +100\n\z/, 'for they are not');
isnt(system('bench/grow'), 0, 'nothing is not measured');
done_testing();
