#!/usr/bin/python3 -B
"""memjs for node: runs node/memjs.js."""
import harness
from harness import Server


def setup():
    return Server(*harness.clock()), Server(*harness.clock())


def all_that_the_program_checks_holds(t, first, second):
    harness.drive(t, ['node', harness.beside('node/memjs.js'), str(first.port),
                      str(second.port), first.version().decode(),
                      str(first.process.pid)], first, second)


harness.need_programs('node')
harness.need_files('node/node_modules/memjs/package.json')
harness.run_each(harness.both(setup), all_that_the_program_checks_holds)
