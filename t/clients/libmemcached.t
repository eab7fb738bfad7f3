#!/usr/bin/python3 -B
"""libmemcached through its C interface: compiles libmemcached.c and runs it, for
the text protocol and for the binary one.
"""
import os
import shlex
import subprocess
import tempfile

import harness
from harness import Server

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'libmemcached.c')
COMPILER = shlex.split(os.environ.get('CC', 'cc'))
FLAGS = '-std=gnu11 -O1 -g -Wall -Wextra -pthread'.split()
LIBRARIES = '-lmemcached -lmemcachedutil'.split()
PROBE = '#include <libmemcached/memcached.h>\nint main(void) { return 0; }\n'


def compile_program(directory, source, text=None):
    """(succeeded, path of the program, what the compiler said)"""
    program = os.path.join(directory, 'program')
    result = subprocess.run(COMPILER + FLAGS + ['-x', 'c', source, '-o', program]
                            + LIBRARIES, input=text, capture_output=True, text=True)
    return result.returncode == 0, program, result.stderr


def setup():
    servers = [Server() for _ in range(3)]
    return servers, Server(unix=True)


def the_program_compiles_and_all_it_checks_holds(t, servers, local):
    first = servers[0]
    with tempfile.TemporaryDirectory() as directory:
        good, program, said = compile_program(directory, SOURCE)
        if not t.check(good, 'the program compiles', said):
            return
        for protocol in ('binary',) if first.login else ('text', 'binary'):
            t.note('the %s protocol' % protocol)
            harness.drive(t, [program, protocol, *(str(s.port) for s in servers),
                              local.path, first.version().decode(),
                              str(first.process.pid)], *servers)


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
harness.run_each(harness.both(setup), the_program_compiles_and_all_it_checks_holds)
