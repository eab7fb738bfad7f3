#!/usr/bin/python3 -B
"""libmemcached's command line tools: memccp, memccat, memcrm and the others.

What a tool did is judged by its exit status, by its output, and by what the
server holds afterwards.
"""
import collections
import os
import re
import shutil
import subprocess
import tempfile

import harness
from harness import BINARY, LARGE, TOO_LARGE, Server, poll

TOOLS = ('memccp memccat memcrm memcexist memctouch memcstat memcping memcflush '
         'memcslap memcaslap memcdump').split()
RUN_S = 60
Result = collections.namedtuple('Result', 'status out err')


class Toolbox:
    """Runs the tools against one list of servers, in a directory of files."""

    def __init__(self, *servers):
        self.servers = ','.join(server.address for server in servers)
        self.directory = tempfile.TemporaryDirectory(prefix='larder-clients-')

    def write(self, name, content):
        path = os.path.join(self.directory.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(content)

    def read(self, name):
        with open(os.path.join(self.directory.name, name), 'rb') as file:
            return file.read()

    def plain(self, *command, **environment):
        run = subprocess.run(command, capture_output=True, timeout=RUN_S,
                             cwd=self.directory.name, stdin=subprocess.DEVNULL,
                             env={**os.environ, **environment})
        return Result(run.returncode, run.stdout, run.stderr)

    def __call__(self, tool, *arguments):
        return self.plain(tool, '-s', self.servers, *arguments)


def succeeds(t, result, name):
    t.check(result.status == 0, name, result)


def fails(t, result, name):
    """By an exit status, not by a signal."""
    t.check(result.status == 1, name, result)


def setup():
    server = Server()
    run = Toolbox(server)
    # Looked for again by the last section, so that the others pass the time.
    for name in ('short', 'shortened', 'prolonged'):
        run.write(name, b'lived')
    run('memccp', '-e', '2', 'short', 'prolonged')
    run('memccp', 'shortened')
    run('memctouch', '-e', '2', 'shortened')
    run('memctouch', '-e', '600', 'prolonged')
    return server, run, Server()


def short_lived_values_are_there_at_first(t, server, run, other):
    succeeds(t, run('memcexist', 'short', 'shortened', 'prolonged'), 'all three')


def memcping_knows_whether_anyone_answers(t, server, run, other):
    succeeds(t, run('memcping'), 'a server')
    succeeds(t, run.plain('memcping', MEMCACHED_SERVERS=run.servers),
             'named by the environment')
    gone = Server()
    gone.stop()
    fails(t, Toolbox(gone)('memcping'), 'a server that is gone')


def memccp_stores_files_and_memccat_prints_them(t, server, run, other):
    run.write('binary', BINARY)
    run.write('empty', b'')
    run.write('large', (BINARY * (LARGE // len(BINARY) + 1))[:LARGE])
    run.write('huge', b'x' * TOO_LARGE)
    succeeds(t, run('memccp', 'binary', 'empty', 'large'), 'memccp of three files')
    t.same(server.wire(b'binary'), (0, BINARY), 'one is on the server')
    t.same(server.wire(b'empty'), (0, b''), 'the empty one too')
    got = run('memccat', 'binary')
    t.same((got.status, got.out), (0, BINARY + b'\n'), 'memccat prints it')
    succeeds(t, run('memccat', '--file=copy', 'large'), 'memccat into a file')
    t.same(run.read('copy'), run.read('large'), 'the large one is as it was')
    got = run('memccp', 'huge')
    fails(t, got, 'memccp of more than 1 MiB')
    t.check(b'ITEM TOO BIG' in got.err, 'says that it is too big', got)
    fails(t, run('memccat', 'missing'), 'memccat of nothing')


def memccp_can_add_replace_and_flag(t, server, run, other):
    run.write('k', b'one')
    run.write('new/k', b'two')
    fails(t, run('memccp', '--replace', 'k'), 'replace of nothing')
    succeeds(t, run('memccp', '--add', 'k'), 'add of a new key')
    fails(t, run('memccp', '--add', 'new/k'), 'add of an old key')
    t.same(server.wire(b'k'), (0, b'one'), 'keeps the value')
    succeeds(t, run('memccp', '--replace', '--flags=4294967295', 'new/k'), 'replace')
    t.same(server.wire(b'k'), (2 ** 32 - 1, b'two'), 'with all flags')
    t.same(run('memccat', '--flags', 'k').out, b'4294967295\ntwo\n', 'memccat shows them')
    succeeds(t, run('memccp', '--relative', 'new/k'), 'with its path as key')
    t.same(server.wire(b'new/k'), (0, b'two'), 'it has that key')
    succeeds(t, run('memccp', '--buffer', '--non-blocking', 'k'), 'buffered, non-blocking')
    t.check(poll(lambda: server.wire(b'k') == (0, b'one')), 'it arrives all the same')


def memcexist_memctouch_and_memcrm_tell_what_is_there(t, server, run, other):
    run.write('there', b'v')
    run('memccp', 'there')
    succeeds(t, run('memcexist', 'there'), 'memcexist of a key')
    fails(t, run('memcexist', 'ghost'), 'memcexist of nothing')
    fails(t, run('memcexist', 'ghost'), 'which does not make one')
    t.same(server.wire(b'ghost'), None, 'that a get could see')
    fails(t, run('memctouch', '-e', '600', 'ghost'), 'memctouch of nothing')
    succeeds(t, run('memctouch', '-e', '600', 'there'), 'memctouch of a key')
    t.same(server.wire(b'there'), (0, b'v'), 'leaves the value')
    succeeds(t, run('memctouch', '-e', '1000000000', 'there'), 'memctouch to 2001')
    t.same(server.wire(b'there'), None, 'ends it')
    run('memccp', 'there')
    succeeds(t, run('memcrm', 'there'), 'memcrm of a key')
    fails(t, run('memcrm', 'there'), 'memcrm of nothing')
    t.same(server.wire(b'there'), None, 'it is gone')


def memcstat_reads_version_and_statistics(t, server, run, other):
    version = server.version().decode()
    number = re.match(r'[0-9.]+[0-9]', version).group()
    got = run('memcstat', '--server-version')
    t.same((got.out + got.err).decode().strip(), '%s %s' % (server.address, number),
           'the version as three numbers')
    stats = dict(re.findall(r'^\t(\w+): (.*)$', run('memcstat').out.decode(), re.M))
    t.same((stats.get('version'), stats.get('pid'), stats.get('limit_maxbytes')),
           (version, str(server.process.pid), str(64 << 20)), 'statistics')
    t.same(set(stats), set(server.stats()), 'every line that the server sends')
    settings = run('memcstat', 'settings').out.decode()
    t.check('\ttcpport: %d\n' % server.port in settings, 'settings', settings)
    got = Toolbox(server, other)('memcstat', '--analyze')
    succeeds(t, got, 'analysis of two servers')
    t.check(re.search(rb'Servers Analyzed +: 2\n', got.out), 'finds both', got)
    got = run('memcstat', '--analyze=latency', '--iterations=20')
    succeeds(t, got, 'analysis of latency')
    t.check(server.address.split(':')[1].encode() in got.out, 'measures it', got)


def memcslap_loads_reads_and_stores(t, server, run, other):
    run = Toolbox(other)
    for test, options, stores in (('get', (), 400), ('mget', (), 400),
                                  ('set', (), 800), ('set', ('--noreply',), 800)):
        run('memcflush')
        before = other.stats()
        name = ' '.join((test,) + options)
        got = run('memcslap', '-t', test, '-e', '400', '-c', '2', *options)
        succeeds(t, got, 'memcslap ' + name)
        t.check(re.search(rb'to %s +800 keys' % test.encode(), got.out), '800 ' + name, got)
        # Without replies the tool may be gone before its last store is counted.
        poll(lambda: moved(before, other, 'cmd_set') >= stores)
        t.same(moved(before, other, 'cmd_set'), stores, name + ': stores were counted')
        t.same((moved(before, other, 'get_hits'), moved(before, other, 'get_misses')),
               (0 if test == 'set' else 800, 0), name + ': every get hits')


def moved(before, server, counter):
    return int(server.stats()[counter]) - int(before[counter])


def memcaslap_verifies_what_it_reads(t, server, run, other):
    run = Toolbox(Server())
    for options in ((), ('-d', '20'), ('-X', '20000')):
        name = ' '.join(('memcaslap',) + options)
        got = run('memcaslap', '-T', '1', '-c', '8', '-x', '4000', '-v', '1.0', *options)
        counted = {key: int(n) for key, n in
                   re.findall(r'^(\w+): (\d+)$', got.out.decode(), re.M)}
        t.check(got.status == 0 and counted['cmd_get'] + counted['cmd_set'] >= 4000,
                name + ' does 4000 operations', got)
        t.same([counted.get(key) for key in
                ('get_misses', 'verify_misses', 'verify_failed')], [0, 0, 0],
               name + ' finds every value as it was')


def memcflush_empties_every_server(t, server, run, other):
    both = Toolbox(other, Server())
    for i in range(40):
        both.write('file%d' % i, b'%d' % i)
    succeeds(t, both('memccp', *('file%d' % i for i in range(40))), '40 files on two')
    t.same(both('memccat', *('file%d' % i for i in range(40))).out,
           b''.join(b'%d\n' % i for i in range(40)), 'are found on both')
    succeeds(t, both('memcflush', '--expire=600'), 'a flush in ten minutes')
    succeeds(t, both('memcexist', 'file1'), 'does nothing yet')
    succeeds(t, both('memcflush'), 'a flush at once')
    t.same([both('memcexist', 'file%d' % i).status for i in range(5)], [1] * 5,
           'takes them all')
    both.directory.cleanup()


def a_unix_socket_serves_as_well(t, server, run, other):
    run_there = Toolbox(Server(unix=True))
    run_there.write('u', BINARY)
    succeeds(t, run_there('memccp', 'u'), 'memccp')
    t.same(run_there('memccat', 'u').out, BINARY + b'\n', 'memccat')
    succeeds(t, run_there('memcrm', 'u'), 'memcrm')
    run_there.directory.cleanup()


def a_value_expires_and_a_touched_one_stays(t, server, run, other):
    t.check(poll(lambda: run('memcexist', 'short').status == 1),
            'stored for two seconds: gone')
    t.check(poll(lambda: run('memcexist', 'shortened').status == 1),
            'touched to two seconds: gone')
    t.same(run('memccat', 'prolonged').out, b'lived\n', 'touched to ten minutes: there')
    run.directory.cleanup()


def memcdump_lists_the_keys_of_all_servers(t, server, run, other):
    pair = Toolbox(Server(), Server())
    names = {'key%d' % i for i in range(60)} | {'other.%d' % i for i in range(3)}
    for name in names:
        pair.write(name, b'v' * (1 + 37 * len(name) ** 2))
    pair('memccp', *names)
    got = pair('memcdump')
    listed = got.out.decode().split()
    succeeds(t, got, 'memcdump of two servers')
    if harness.is_reference():      # which lists one of three segments
        names = names.intersection(listed)
    t.same(sorted(listed), sorted(names), 'lists every key, once')
    pair('memcrm', 'key7')
    t.check('key7' not in pair('memcdump').out.decode().split(), 'but those that are gone')
    pair.directory.cleanup()


missing = [tool for tool in TOOLS if not shutil.which(tool)]
if missing:
    harness.give_up('libmemcached-tools is not installed: no ' + ', '.join(missing))
harness.run(setup,
            short_lived_values_are_there_at_first,
            memcping_knows_whether_anyone_answers,
            memccp_stores_files_and_memccat_prints_them,
            memccp_can_add_replace_and_flag,
            memcexist_memctouch_and_memcrm_tell_what_is_there,
            memcstat_reads_version_and_statistics,
            memcslap_loads_reads_and_stores,
            memcaslap_verifies_what_it_reads,
            memcflush_empties_every_server,
            memcdump_lists_the_keys_of_all_servers,
            a_unix_socket_serves_as_well,
            a_value_expires_and_a_touched_one_stays)
