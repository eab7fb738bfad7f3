# Daemon::Huge - values of megabytes, sent and read by pieces.
#
# They are compared by checksums, so that a test takes little memory. Each piece begins with
# whose it is and where it stands; the rest has no period that a chunk or a piece could have.
package Daemon::Huge;

use v5.36;
use Digest::MD5;
use Exporter 'import';

our @EXPORT_OK = qw(found part send_part store sum_of);

my $MIB = 1 << 20;
my $sea = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. $MIB / 4 + 1000;

# A part of a value: its name, and how many bytes it has.
sub part ($name, $bytes) { return { name => $name, bytes => $bytes } }

sub piece_of ($part, $at) {
    my $left = $part->{bytes} - $at;
    my $head = "$part->{name}:$at ";

    return substr $head . substr($sea, $at / $MIB % 4000, $MIB - length $head), 0, $left;
}

# What the parts are one behind the other: the length, and the checksum.
sub sum_of (@parts) {
    my ($sum, $bytes) = (Digest::MD5->new, 0);

    for my $part (@parts) {
        for (my $at = 0; $at < $part->{bytes}; $at += $MIB) {
            $sum->add(piece_of($part, $at));
        }
        $bytes += $part->{bytes};
    }
    return "$bytes bytes, " . $sum->hexdigest;
}

# False where the server has closed the connection.
sub send_part ($c, $part) {
    for (my $at = 0; $at < $part->{bytes}; $at += $MIB) {
        $c->send(piece_of($part, $at)) or return 0;
    }
    return 1;
}

# Send this line and one part behind it; what is answered.
sub store ($c, $line, $part) {
    $c->send("$line\r\n");
    send_part($c, $part) or return 'closed: ' . $c->unread;
    $c->send("\r\n");
    return $c->line;
}

# What a get or mg of a key finds, as sum_of() has it; or what else is said.
sub found ($c, $request) {
    $c->send("$request\r\n");
    my $line = $c->line;
    my ($bytes) = $line =~ /^VA(?:LUE \S+ \d+)? (\d+)/ or return $line;
    my $sum = Digest::MD5->new;

    for (my $left = $bytes; $left > 0;) {
        my $piece = $c->receive($left < $MIB ? $left : $MIB);
        return "cut $left bytes before the end" if $piece eq '';
        $sum->add($piece);
        $left -= length $piece;
    }
    my $end = $line =~ /^VALUE/ ? "\r\nEND\r\n" : "\r\n";
    $c->hears($end, "$request: there is nothing behind the value");
    return "$bytes bytes, " . $sum->hexdigest;
}

1;
