#!/usr/bin/python3 -B
"""memccapable, which looks whether a server speaks the two old protocols as it should.

It prints a line for each of its tests. What failed is said on stderr, so that its
verdict is missing on stdout.
"""
import re
import subprocess

import harness
from harness import Server

TESTS = 27      # of each protocol
RUN_S = 60

# These two send `delete` with arguments that no server knows and expect an error;
# memcached has ignored such arguments since 1.6.40.
OBSOLETE = {'ascii delete', 'ascii delete noreply'}


def setup():
    return Server(),


def results(t, server, *options):
    """The verdict on each test by its name, and the exit status."""
    command = ['memccapable', '-h', '127.0.0.1', '-p', str(server.port), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
    t.note(run.stderr)
    verdicts = re.findall(r'((?:ascii|binary)(?: [a-z]+)+) {2,}(\[pass\])?', run.stdout)
    return dict(verdicts), run.returncode


def failed(verdicts):
    return {name for name, verdict in verdicts.items() if not verdict}


def the_binary_protocol_is_complete(t, server):
    verdicts, status = results(t, server, '-b')
    t.same(len(verdicts), TESTS, 'it ran its %d tests' % TESTS)
    t.same(failed(verdicts), set(), 'none failed')
    t.same(status, 0, 'and it says so')


def the_text_protocol_is_complete(t, server):
    numbers = [int(n) for n in re.findall(rb'\d+', server.version())[:3]]
    expected = OBSOLETE if numbers >= [1, 6, 40] else set()
    verdicts, status = results(t, server, '-a')
    t.same(len(verdicts), TESTS, 'it ran its %d tests' % TESTS)
    t.same(failed(verdicts), expected,
           'none failed, but for those that expect what servers did before 1.6.40')
    t.same(status, 1 if expected else 0, 'it ended by itself')


harness.need_programs('memccapable')
harness.run(setup,
            the_binary_protocol_is_complete,
            the_text_protocol_is_complete)
