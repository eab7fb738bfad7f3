#!/usr/bin/python3 -B
"""libmemcached through its C interface: compiles libmemcached.c and runs it, for
the text protocol and for the binary one.
"""
import re
import subprocess

import harness
from harness import Server

# What never talks to a server: settings, results, lists of servers.
LOCAL = re.compile('libmemcached_string_.*|memcached(_pool)?_(%s)' % '|'.join((
    'behavior_.*', 'callback_[gs]et', 'result_.*', 'server_.*', 'servers_.*', '.*error.*',
    '(set|get)_(hashkit|memory|sasl|user).*', 'destroy_sasl.*', 'generate_hash.*',
    'bucket_set', 'autoeject', 'instance_.*', 'lib_version', 'query_id', 'strerror',
    'create', 'clone', 'push', 'reset.*', 'free', '(stat|analyze)_(free|get_keys)')))
# What memcached has and this library has no call for.
WITHOUT = 'gat|meta|watch|crawl|lru|slab|memlimit|shutdown|refresh|config_get'
# memcached() and memcached_pool() make clients from a text.
MAKERS = {'memcached', 'memcached_pool', 'libmemcached_check_configuration'}


def symbols(path, *which):
    said = subprocess.run(['nm', *which, path], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in said.stdout.splitlines()
            if re.search(r'\b(lib)?memcached_?\w*$', line)}


def library(name):
    return subprocess.run([*harness.COMPILER[:1], '-print-file-name=lib%s.so' % name],
                          capture_output=True, text=True, check=True).stdout.strip()


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
    offered = set.union(*(symbols(library(name), '-D', '--defined-only')
                          for name in ('memcached', 'memcachedutil'))) - MAKERS
    t.check('memcached_get' in offered, 'what the library offers is known')
    unused = offered - symbols(program, '-u')
    t.same({name for name in unused if not LOCAL.fullmatch(name)}, set(),
           'nothing that it offers to ask a server is left out')
    t.same([name for name in offered if re.search(WITHOUT, name)], [],
           'it has no call for the commands that POOLS says it has none for')


harness.need_libmemcached()
harness.need_programs('nm')
harness.run_each(harness.both(setup), the_program_compiles_and_all_it_checks_holds)
