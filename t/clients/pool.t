#!/usr/bin/python3 -B
"""Several servers as one by libmemcached: ketama, replicas, a gutter. Compiles pool.c
and runs it.
"""
import os
import shlex
import subprocess
import tempfile

import harness
from harness import Server

COMPILER = shlex.split(os.environ.get('CC', 'cc'))
FLAGS = '-std=gnu11 -O1 -g -Wall -Wextra'.split()
LIBRARIES = '-lmemcached -lmemcachedutil'.split()
PROBE = '#include <libmemcached/memcached.h>\nint main(void) { return 0; }\n'

# How long a value in the gutter lives: passed in one go, but where no clock can be
# moved it is waited for.
GUTTER_S = 8 if harness.is_reference() else 60


class Node(Server):
    def advance(self, seconds):
        """Where seconds would really pass, the program waits for what they bring."""
        if not harness.is_reference():
            super().advance(seconds)


def compile_program(directory, source, text=None):
    """(succeeded, path of the program, what the compiler said)"""
    program = os.path.join(directory, 'program')
    result = subprocess.run(COMPILER + FLAGS + ['-x', 'c', source, '-o', program]
                            + LIBRARIES, input=text, capture_output=True, text=True)
    return result.returncode == 0, program, result.stderr


def setup():
    return [[Node(*harness.clock()) for _ in range(5)]]


def the_program_compiles_and_all_it_checks_holds(t, servers):
    with tempfile.TemporaryDirectory() as directory:
        good, program, said = compile_program(directory, harness.beside('pool.c'))
        if t.check(good, 'the program compiles', said):
            harness.drive(t, [program, str(GUTTER_S), *(str(s.port) for s in servers)],
                          *servers)


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
harness.run(setup, the_program_compiles_and_all_it_checks_holds)
