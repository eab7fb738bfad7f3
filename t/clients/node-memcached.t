#!/usr/bin/python3 -B
"""memcached by 3rd-Eden for node: runs node/memcached.js."""
import harness
from harness import Server


def setup():
    return Server(*harness.clock()), Server(*harness.clock())


def all_that_the_program_checks_holds(t, first, second):
    harness.drive(t, ['node', harness.beside('node/memcached.js'), str(first.port),
                      str(second.port), first.version().decode(),
                      str(first.process.pid)], first, second)


harness.need_programs('node')
harness.need_files('node/node_modules/memcached/package.json')
harness.run(setup, all_that_the_program_checks_holds)
