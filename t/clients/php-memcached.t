#!/usr/bin/python3 -B
"""php-memcached: runs php-memcached.php, for the text protocol and for the binary one."""
import subprocess

import harness
from harness import Server

PHP = ['php', '-d', 'display_errors=stdout', '-d', 'error_reporting=-1']


def setup():
    return Server(*harness.clock()), Server(*harness.clock()), Server(unix=True)


def drive(protocol):
    def all_that_the_program_checks_holds(t, first, second, local):
        if first.login and protocol != 'binary':
            return
        harness.drive(t, PHP + [harness.beside('php-memcached.php'), protocol,
                                str(first.port), str(second.port),
                                first.version().decode(), str(first.process.pid),
                                local.path], first, second)
    return all_that_the_program_checks_holds


harness.need_programs('php')
if subprocess.run(['php', '-r', 'exit((int)!extension_loaded("memcached"));']).returncode:
    harness.give_up('php has no extension memcached')
harness.run_each(harness.both(setup), drive('text'), drive('binary'))
