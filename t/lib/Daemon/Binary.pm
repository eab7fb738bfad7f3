# Daemon::Binary - packets of the binary protocol, spelled out.
#
#     byte  0      1       2-3         4        5     6-7      8-11         12-15   16-23
#           magic  opcode  key length  extras   type  status   body length  opaque  CAS id
#
# and behind them the body: extras, key, value. All numbers are big-endian. What no test
# has a reason to vary is as clients send it: type and status 0, and one opaque for all.
package Daemon::Binary;

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(request response);

my $OPAQUE = 0x01fe02fd;

my %OPCODE = (
    get    => 0x00, set     => 0x01, add      => 0x02, replace => 0x03, delete => 0x04,
    incr   => 0x05, decr    => 0x06, quit     => 0x07, flush   => 0x08, getq   => 0x09,
    noop   => 0x0a, version => 0x0b, getk     => 0x0c, getkq   => 0x0d, append => 0x0e,
    prepend => 0x0f, stat   => 0x10, setq     => 0x11, addq    => 0x12, replaceq => 0x13,
    deleteq => 0x14, incrq  => 0x15, decrq    => 0x16, quitq   => 0x17, flushq => 0x18,
    appendq => 0x19, prependq => 0x1a, touch  => 0x1c, gat     => 0x1d, gatq   => 0x1e,
    list_mechs => 0x20, auth => 0x21, step    => 0x22, gatk    => 0x23, gatkq  => 0x24,
);

# An opcode's name, or its number where it has none. With it come extras, key, value, cas,
# opaque, and body_length where that is not the truth.
sub request ($name, %with) {
    return packet(0x80, $name, %with);
}

# The same, and status.
sub response ($name, %with) {
    return packet(0x81, $name, %with);
}

sub packet ($magic, $name, %with) {
    my ($extras, $key, $value) = map { $_ // '' } @with{qw(extras key value)};

    return pack('CCnCCnNNQ>', $magic, $OPCODE{$name} // $name, length $key,
        length $extras, 0, $with{status} // 0,
        $with{body_length} // length "$extras$key$value",
        $with{opaque} // $OPAQUE, $with{cas} // 0) . "$extras$key$value";
}

1;
