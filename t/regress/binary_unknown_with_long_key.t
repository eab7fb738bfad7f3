# An unknown opcode with a key of more than 250 bytes was answered as any unknown one. Such
# a key is fatal whatever the opcode: the connection is closed, as memcached does.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $d = Daemon->start;

sub packet ($opcode, $key) {
    return pack('CCnCCnNNNN', 0x80, $opcode, length $key, 0, 0, 0, length $key, 7, 0, 0)
        . $key;
}

sub answer ($opcode, $status, $text) {
    return pack('CCnCCnNNNN', 0x81, $opcode, 0, 0, 0, $status, length $text, 7, 0, 0)
        . $text;
}

for my $opcode (0x1b, 0x30, 0xff) {
    my $b = $d->connect;

    $b->send(packet($opcode, 'k' x 250) . packet(0x0a, ''));
    $b->hears(answer($opcode, 0x81, 'Unknown command') . answer(0x0a, 0, ''),
        "opcode $opcode with 250 bytes of key is unknown, and what follows is read");
    $b->send(packet($opcode, 'k' x 251));
    $b->hears(answer($opcode, 0x04, 'Invalid arguments'), 'with 251 it is invalid');
    $b->closed('and closed');
}
$d->stop_clean;
done_testing;
