# The instructions that a request takes are no more than bench/INSTRUCTIONS says, but for 3 %.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon qw(is_reference verdict);

my $FIGURES = 'bench/INSTRUCTIONS';

my $compiler = `gcc -dumpversion 2>/dev/null`;

plan skip_all => 'other servers need what they need' if is_reference();
plan skip_all => 'there is no valgrind' if system('command -v valgrind >/dev/null') != 0;
plan skip_all => 'the figures are those of gcc 12' if $compiler !~ /^12\b/;
plan skip_all => 'a sanitizer has instructions of its own' if $ENV{SERVER} ne './larder';

open my $in, '<', $FIGURES or die "$FIGURES: $!\n";
my %limit = map { /^([a-z0-9-]+) +(\d+)$/ ? ($1 => $2) : () } <$in>;
cmp_ok(keys %limit, '>', 3, "$FIGURES has figures");

my $user = $> == 0 ? '-u root' : '';
open my $out, '-|', 'bench/instructions', '-n' => 2000, '-s' => join(',', sort keys %limit),
    "larder=$ENV{SERVER} $user -t 1 -p %P -o no_drop_privileges" # valgrind opens files
    or die "bench/instructions: $!\n";
my %is = map { /^(\S+) +(\d+)/ ? ($1 => $2) : () } <$out>;
ok(close $out, 'they are counted');
for my $scenario (sort keys %limit) {
    my ($is, $most) = ($is{$scenario} // 'nothing', $limit{$scenario});

    verdict($is =~ /^\d+$/ && $is <= 1.03 * $most, "$scenario: no more than $most",
        "$scenario takes $is instructions. If that has a reason, tell it and raise the figure in $FIGURES.\n");
    note("$scenario takes $is: lower the figure in $FIGURES") if $is =~ /^\d+$/ && $is < 0.97 * $most;
}
done_testing();
