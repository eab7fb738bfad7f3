#!/usr/bin/python3 -B
"""libmemcached over UDP: compiles libmemcached-udp.c, lets it write in both protocols,
and looks by TCP at what has arrived. The server has one thread, since with several
nothing says that datagrams are served in their order.
"""
import random

import harness
from harness import Server, poll

WRITTEN = {
    b'number': b'VALUE number 7 2\r\n14\r\nEND\r\n',
    b'added': b'VALUE added 0 5\r\n<one!\r\nEND\r\n',
    b'absent': b'END\r\n',
    b'large': b'VALUE large 0 1300\r\n' + 1300 * b'x' + b'\r\nEND\r\n',
    b'gone': b'END\r\n',
}


def setup():
    for _ in range(10):
        port = random.randrange(*harness.PORTS)
        try:
            return Server('-t', '1', '-U', str(port)), port
        except RuntimeError as error:       # somebody has that port
            Server.running.pop()
            last = error
    raise last


def fetch(server, key):
    return server.ask(b'get ' + key)


def what_the_library_writes_arrives(t, server, port):
    program = harness.compile_client(harness.beside('libmemcached-udp.c'),
                                     server.directory)
    for protocol in ('text', 'binary'):
        t.note('the %s protocol' % protocol)
        server.ask(b'flush_all')
        harness.drive(t, [program, protocol, str(port)], server)
        t.check(poll(lambda: b'done' in fetch(server, b'last')), 'the last arrives')
        for key, want in WRITTEN.items():
            t.same(fetch(server, key), want, '%s: %s' % (protocol, key.decode()))


harness.need_libmemcached()
harness.run(setup, what_the_library_writes_arrives)
