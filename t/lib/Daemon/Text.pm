# Daemon::Text - requests and replies of the classic text protocol, spelled out.
#
# Tests show short ones in full. These are for long values, and for loops.
package Daemon::Text;

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(hit set);

# set KEY 0 0 LENGTH, and the value.
sub set ($key, $value) {
    return sprintf "set %s 0 0 %d\r\n%s\r\n", $key, length $value, $value;
}

# What `get` says of these keys and values, all of them stored by set.
sub hit (@pairs) {
    my $reply = '';

    while (my ($key, $value) = splice @pairs, 0, 2) {
        $reply .= sprintf "VALUE %s 0 %d\r\n%s\r\n", $key, length $value, $value;
    }
    return $reply . "END\r\n";
}

1;
