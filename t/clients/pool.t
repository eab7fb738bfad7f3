#!/usr/bin/python3 -B
"""Several servers as one by libmemcached: ketama, replicas, a gutter. Compiles pool.c
and runs it.
"""
import harness
from harness import Server

# How long a value in the gutter lives: passed in one go, but where no clock can be
# moved it is waited for.
GUTTER_S = 8 if harness.is_reference() else 60


class Node(Server):
    def advance(self, seconds):
        """Where seconds would really pass, the program waits for what they bring."""
        if not harness.is_reference():
            super().advance(seconds)


def setup():
    return [[Node(*harness.clock()) for _ in range(5)]]


def the_program_compiles_and_all_it_checks_holds(t, servers):
    program = harness.compile_client(harness.beside('pool.c'), servers[0].directory)
    harness.drive(t, [program, str(GUTTER_S), *(str(s.port) for s in servers)], *servers)


harness.need_libmemcached()
harness.run(setup, the_program_compiles_and_all_it_checks_holds)
