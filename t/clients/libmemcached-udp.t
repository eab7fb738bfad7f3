#!/usr/bin/python3 -B
"""libmemcached over UDP: compiles libmemcached-udp.c, lets it write in both protocols,
and looks by TCP at what has arrived. The server has one thread, since with several
nothing says that datagrams are served in their order.
"""
import os
import random
import shlex
import subprocess
import tempfile

import harness
from harness import Server, poll

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'libmemcached-udp.c')
COMPILER = shlex.split(os.environ.get('CC', 'cc'))
FLAGS = '-std=gnu11 -O1 -g -Wall -Wextra'.split()
PROBE = '#include <libmemcached/memcached.h>\nint main(void) { return 0; }\n'

WRITTEN = {
    b'number': b'VALUE number 7 2\r\n14\r\nEND\r\n',
    b'added': b'VALUE added 0 5\r\n<one!\r\nEND\r\n',
    b'absent': b'END\r\n',
    b'large': b'VALUE large 0 1300\r\n' + 1300 * b'x' + b'\r\nEND\r\n',
    b'gone': b'END\r\n',
}


def compile_program(directory, source, text=None):
    """(succeeded, path of the program, what the compiler said)"""
    program = os.path.join(directory, 'program')
    result = subprocess.run(COMPILER + FLAGS + ['-x', 'c', source, '-o', program]
                            + ['-lmemcached'], input=text, capture_output=True, text=True)
    return result.returncode == 0, program, result.stderr


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
    with tempfile.TemporaryDirectory() as directory:
        good, program, said = compile_program(directory, SOURCE)
        if not t.check(good, 'the program compiles', said):
            return
        for protocol in ('text', 'binary'):
            t.note('the %s protocol' % protocol)
            server.ask(b'flush_all')
            harness.drive(t, [program, protocol, str(port)], server)
            t.check(poll(lambda: b'done' in fetch(server, b'last')), 'the last arrives')
            for key, want in WRITTEN.items():
                t.same(fetch(server, key), want, '%s: %s' % (protocol, key.decode()))


def probe():
    """Why nothing can be compiled against the library, or None."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            good, _, said = compile_program(directory, '-', PROBE)
        except FileNotFoundError:
            return 'no C compiler'
    return None if good else said.strip().splitlines()[0]


if probe():
    harness.give_up('libmemcached-dev cannot be used: ' + probe())
harness.run(setup, what_the_library_writes_arrives)
