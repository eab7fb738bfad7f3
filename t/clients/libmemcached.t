#!/usr/bin/python3 -B
"""libmemcached through its C interface: compiles libmemcached.c and runs it, for
the text protocol and for the binary one.
"""
import harness
from harness import Server


def setup():
    servers = [Server() for _ in range(3)]
    return servers, Server(unix=True)


def the_program_compiles_and_all_it_checks_holds(t, servers, local):
    first = servers[0]
    program = harness.compile_client(harness.beside('libmemcached.c'), first.directory)
    for protocol in ('binary',) if first.login else ('text', 'binary'):
        t.note('the %s protocol' % protocol)
        harness.drive(t, [program, protocol, *(str(s.port) for s in servers), local.path,
                          first.version().decode(), str(first.process.pid)], *servers)


harness.need_libmemcached()
harness.run_each(harness.both(setup), the_program_compiles_and_all_it_checks_holds)
