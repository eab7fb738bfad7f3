# Daemon::Verdict - test results that know where the reference differs.
#
# A test is written for larder, whose target is memcached 1.6.45. The reference
# that is at hand is older, and larder differs from both by choice in a few
# places. Every such place stands in t/wire/DIFFERENCES, and there only. Against
# the reference a listed test MUST fail: it is reported as TODO, with the reason.
# If it passes, or is not run at all, the list is no longer true and the file
# fails. So the list stays short, and a test cannot be excused by accident.
package Daemon::Verdict;

use v5.36;
use Exporter 'import';
use File::Basename qw(basename dirname);
use Test::Builder;
use Daemon::Program qw(is_reference server_version);

our @EXPORT_OK = qw(difference note_lines same shown verdict);

my $LIST  = 't/wire/DIFFERENCES';
my $SHOWN = 400;                # bytes of a reply that a message shows

my $test = Test::Builder->new;
my $differences;                # of this test file: { name, pattern, why, met }

# ok() that honours the list. The diagnosis is printed if the test fails. (With a
# prototype: a match that fails is then false, and not an empty list.)
sub verdict :prototype($$@) ($ok, $name, @diagnosis) {
    my $difference = difference_for($name);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    if (!$difference) {
        $test->ok($ok, $name) or $test->diag(@diagnosis);
    } elsif ($ok) {
        $test->ok(0, $name);
        $test->diag("$LIST lists this test, but the reference does not differ");
    } else {
        $test->todo_start($difference->{why});
        $test->ok(0, $name);
        $test->todo_end;
    }
    return $ok;
}

# is() that honours the list; bytes are shown escaped.
sub same :prototype($$$) ($got, $expected, $name) {
    $got //= '(undefined)';
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return verdict($got eq $expected, $name, difference($expected, $got));
}

# Two lines that show where bytes part from what was expected.
sub difference ($expected, $got) {
    my $at = ($expected ^. $got) =~ /\A\0*/ ? $+[0] : 0;
    my $from  = $at > 100 ? $at - 20 : 0;
    my $where = $from ? " from byte $from" : '';
    return "expected$where: " . shown(substr $expected, $from) . "\n",
        "     got$where: " . shown(substr $got, $from);
}

# Bytes as one readable line.
sub shown ($bytes) {
    return '(nothing)' if $bytes eq '';

    my $text = substr $bytes, 0, $SHOWN;
    $text =~ s/\\/\\\\/g;
    $text =~ s/\r/\\r/g;
    $text =~ s/\n/\\n/g;
    $text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    $text .= sprintf '... (%d bytes)', length $bytes if length $bytes > $SHOWN;
    return $text;
}

# Lines that go with the results, and are no result.
sub note_lines (@lines) {
    $test->diag(@lines);
}

sub difference_for ($name) {
    $differences //= is_reference() ? [ differences_of(this_file()) ] : [];
    for my $difference (@$differences) {
        next if $name !~ $difference->{pattern};
        $difference->{met} = 1;
        return $difference;
    }
    return;
}

# This test's name in the list: folder and file.
sub this_file () {
    return join '/', basename(dirname($0)), basename($0);
}

# The entries of one test file that hold for this reference. The format is
# explained at the head of the list itself.
sub differences_of ($file) {
    my ($reference) = server_version() =~ /^memcached (\S+)/;
    my ($section, $entry, @entries) = ('');

    open my $in, '<', $LIST or die "$LIST: $!\n";
    while (my $line = <$in>) {
        next if $line =~ /^#|^\s*$/;
        if ($line =~ /^\[(\S+)\]$/) {
            $section = $1;
        } elsif ($line =~ /^(chosen|\d+\.\d+\.\d+)\s+(\S.*)$/) {
            my ($tag, $name) = ($1, $2);
            $entry = { name => $name, pattern => pattern_of($name), why => "$tag:" };
            push @entries, $entry
                if $section eq $file && ($tag eq 'chosen' || $tag eq $reference);
        } elsif ($line =~ /^\s+(\S.*)$/ && $entry) {
            $entry->{why} .= " $1";
        } else {
            die "$LIST, line $.: cannot be read\n";
        }
    }
    return @entries;
}

# A test's name, in which a star stands for any text.
sub pattern_of ($name) {
    my $pattern = join '.*', map { quotemeta } split /\*/, $name, -1;

    return qr/\A$pattern\z/s;
}

# An entry that no test met is as untrue as one that no longer differs.
END {
    my @unmet = grep { !$_->{met} } @{ $differences // [] };

    if (@unmet && $? == 0 && $test->current_test > 0) {
        $test->diag("$LIST: no test bears the name $_->{name}") for @unmet;
        $? = 1;
    }
}

1;
