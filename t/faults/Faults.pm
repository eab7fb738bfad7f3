# Faults - a server whose calls to the system fail, and what must hold then.
#
# The server is the one of t/faults/faults.c, $ENV{FAULTY}. A test says which of its calls
# fails; whatever that was, the server lives on, answers rightly or with a clear error or
# closes the connection, and afterwards nothing is held and nothing is lost.
package Faults;

use v5.36;
use Carp 'croak';
use Exporter 'import';
use File::Temp ();

our @EXPORT_OK = qw(calls failures fail_every fail_once fail_never);

my %MODE  = (never => 0, once => 1, every => 2);
my $STATE = File::Temp->new;

BEGIN { $ENV{SERVER} = $ENV{FAULTY} || 'build/release/t/faults/faults' }

# struct control of t/faults/faults.c.
sub control ($mode, $number, @zeros) {
    sysseek $STATE, 0, 0;
    defined syswrite $STATE, pack 'Q*', $MODE{$mode}, $number, @zeros
        or croak "the state of faults: $!";
}

sub fail_never () { control('never', 0) }

# From now on, call number $number fails.
sub fail_once ($number) {
    control('never', $number, 0, 0);
    control('once',  $number);
}

# From now on, each call whose number is a multiple of this fails.
sub fail_every ($number) {
    control('never', $number, 0, 0);
    control('every', $number);
}

sub counted ($at) {
    sysseek $STATE, 8 * $at, 0;
    sysread $STATE, my $bytes, 8 or croak "the state of faults: $!";
    return unpack 'Q', $bytes;
}

# Since then: calls that could have failed, and those that did.
sub calls    () { return counted(2) }
sub failures () { return counted(3) }

fail_never();
control('never', 0, 0, 0);
$ENV{FAULTS}         = $STATE->filename;
$ENV{FAULTS_OPENSSL} = 1;

1;
