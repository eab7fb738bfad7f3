#!/usr/bin/python3 -B
"""libmemcached through its C interface: compiles libmemcached.c and runs it.

The program prints results, which are numbered here, and asks for a restart of
its first server by the line "@restart". It has to end well and to say so, since
a program that stopped half way would otherwise look like one that passed.
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
RUN_S = 120


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
    with tempfile.TemporaryDirectory() as directory:
        good, program, said = compile_program(directory, SOURCE)
        if t.check(good, 'the program compiles', said):
            run_program(t, program, servers, local)


def run_program(t, program, servers, local):
    first = servers[0]
    command = ['timeout', str(RUN_S), program, *(str(s.port) for s in servers),
               local.path, first.version().decode(), str(first.process.pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, errors='replace') as running:
        line = ''
        for line in map(str.rstrip, running.stdout):
            if line == '@restart':
                first.restart()
                running.stdin.write('\n')
                running.stdin.flush()
            elif line.startswith('#'):
                t.note(line[2:])
            else:
                verdict, _, name = line.partition(' - ')
                t.check(verdict == 'ok', name)
    t.same(line, '# done', 'the program reached its end')
    t.same(running.returncode, 0, 'and ended well')


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
