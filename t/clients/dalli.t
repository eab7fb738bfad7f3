#!/usr/bin/python3 -B
"""dalli for Ruby: runs dalli.rb, for each of the protocols that this dalli knows.

Debian 12 has 3.0, which knows the binary one alone; the meta protocol came with 3.2, and
tools/deps puts that of Debian 13 beside this file.
"""
import os
import subprocess

import harness
from harness import Server

KNOWS_META = 'Gem::Version.new(Dalli::VERSION) >= Gem::Version.new("3.2")'


def setup():
    return Server(*harness.clock()), Server(*harness.clock()), Server(unix=True)


NEWER = harness.beside('ruby/dalli')


def ruby(protocol):
    return ['ruby', '-I', NEWER] if protocol == 'meta' and os.path.isdir(NEWER) else ['ruby']


def drive(protocol):
    def all_that_the_program_checks_holds(t, first, second, local):
        if first.login and protocol != 'binary':
            return
        harness.drive(t, [*ruby(protocol), harness.beside('dalli.rb'), protocol,
                          str(first.port), str(second.port), first.version().decode(),
                          str(first.process.pid), local.path], first, second)
    return all_that_the_program_checks_holds


def ruby_says(protocol, code):
    return subprocess.run([*ruby(protocol), '-e', code], capture_output=True, text=True)


harness.need_programs('ruby')
if ruby_says('binary', 'require "dalli"').returncode:
    harness.give_up('ruby has no dalli')
said = ruby_says('meta', 'require "dalli"; puts %s' % KNOWS_META)
protocols = ['binary', 'meta'] if said.stdout == 'true\n' else ['binary']
if 'meta' not in protocols and harness.in_ci():
    harness.give_up('no dalli that knows the meta protocol')
harness.run_each(harness.both(setup), *(drive(protocol) for protocol in protocols))
