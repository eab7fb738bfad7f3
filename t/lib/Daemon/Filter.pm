# Daemon::Filter - filters of system calls for this process and all that it starts, as a
# sandbox around a server would have them. There is no way back.
#
# Sources: linux/filter.h, linux/seccomp.h; the numbers are those of x86-64.
package Daemon::Filter;

use v5.36;
use Config;
use Exporter 'import';
use Daemon::Program 'server_program';

our @EXPORT_OK = qw(allow_calls can_filter refuse_filters server_filters);

my ($LOAD, $IF_EQUAL, $RETURN) = (0x20, 0x15, 0x06);
my ($PRCTL, $SECCOMP)          = (157, 317);
my ($ALLOW, $EPERM)            = (0x7fff0000, 0x00050000 | 1);
my ($PR_SET_SECCOMP, $PR_SET_NO_NEW_PRIVS, $MODE_FILTER) = (22, 38, 2);

# Has the server filters of its own? With sanitizers, or without libseccomp, it has none.
sub server_filters () {
    open my $in, '<:raw', server_program() or die server_program(), ": $!\n";
    return join('', <$in>) =~ /libseccomp\.so/ ? 1 : 0;
}

sub can_filter () {
    return $Config{archname} =~ /^x86_64-linux/;
}

# Instructions: operation, how far to jump if it is so and if not, operand.
sub install (@instructions) {
    my $code    = join '', map { pack 'S C C L', @$_ } @instructions;
    my $program = pack 'S x6 P', scalar @instructions, $code;

    syscall($PRCTL, $PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0           or die "prctl: $!\n";
    syscall($PRCTL, $PR_SET_SECCOMP, $MODE_FILTER, $program) == 0 or die "prctl: $!\n";
}

# From now on there are no other filters (EPERM).
sub refuse_filters () {
    install(
        [ $LOAD,     0, 0, 0 ],
        [ $IF_EQUAL, 3, 0, $SECCOMP ],
        [ $IF_EQUAL, 0, 3, $PRCTL ],
        [ $LOAD,     0, 0, 16 ],
        [ $IF_EQUAL, 0, 1, $PR_SET_SECCOMP ],
        [ $RETURN,   0, 0, $EPERM ],
        [ $RETURN,   0, 0, $ALLOW ]);
}

# From now on there are these calls and no others (EPERM).
sub allow_calls (@names) {
    my %number;

    open my $in, '-|', q{echo '#include <sys/syscall.h>' | cc -E -dM -} or die "cc: $!\n";
    while (<$in>) { $number{$1} = $2 if /^#define __NR_(\w+) (\d+)$/ }
    close $in or die "cc does not tell the numbers of system calls\n";
    install(
        [ $LOAD, 0, 0, 0 ],
        map({ [ $IF_EQUAL, 0, 1, $number{$_} ], [ $RETURN, 0, 0, $ALLOW ] }
            grep { defined $number{$_} } @names),
        [ $RETURN, 0, 0, $EPERM ]);
}

1;
