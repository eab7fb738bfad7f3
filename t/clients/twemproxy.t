#!/usr/bin/python3 -B
"""nutcracker (twemproxy) in front of several servers: who has which key, what moves
when a server comes or goes, what it passes on, and what it makes of a dead server.

The ring is made of the servers' names, a to d, and not of their ports, which differ
from run to run: so the shares are the same each time.
"""
import atexit
import json
import os
import random
import struct
import subprocess
import tempfile

import harness
from harness import BATCH, Dialogue, LARGE, Server, poll

harness.need_programs('nutcracker')

KEYS = [b'user:%d:profile' % i for i in range(2000)]
LIMIT = 2               # failures in a row, after which a server is ejected
FOREVER_MS = 3600 * 1000
SOON_MS = 200
GUTTER_S = 4 if harness.is_reference() else 60
ERROR = b'SERVER_ERROR '


def set_all(place, keys, value, expiry_s=0):
    """The replies."""
    with Dialogue(place.port) as line:
        return line.each([b'set %s 0 %d %d\r\n%s\r\n' % (k, expiry_s, len(value), value)
                          for k in keys], line.line)


def get_all(place, keys):
    """What is said for each key: its value, None, or an error as ERROR."""
    with Dialogue(place.port) as line:
        replies = line.each([b'get %s\r\n' % k for k in keys], line.values)
    return {k: r.get(k) if isinstance(r, dict) else ERROR if r.startswith(ERROR) else r
            for k, r in zip(keys, replies)}


def found(place, keys):
    return {k for k, value in get_all(place, keys).items()
            if value is not None and value != ERROR}


def failing(place, keys):
    return {k for k, value in get_all(place, keys).items() if value == ERROR}


class Proxy:
    """A nutcracker over these servers, by name."""
    running = []

    def __init__(self, servers, named=True, **settings):
        self.servers = servers
        self.settings = {'hash': 'md5', 'distribution': 'ketama', 'timeout': 60000,
                         'auto_eject_hosts': 'false', **settings}
        self.named = named
        self.pool = 'pool_%d_%d' % (os.getpid(), len(Proxy.running))
        self.directory = tempfile.TemporaryDirectory(prefix='larder-clients-')
        self.process = None
        Proxy.running.append(self)
        for _ in range(10):
            self.port, self.stats_port = random.sample(range(*harness.PORTS), 2)
            if self.start():
                return
        raise RuntimeError('no nutcracker: %s' % self.log())

    def configuration(self):
        lines = ['%s:' % self.pool, '  listen: 127.0.0.1:%d' % self.port]
        lines += ['  %s: %s' % setting for setting in self.settings.items()]
        lines.append('  servers:')
        lines += ['   - 127.0.0.1:%d:1%s' % (server.port, self.named * (' ' + name))
                  for name, server in self.servers.items()]
        return '\n'.join(lines) + '\n'

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def log(self):
        with open(self.path('log'), errors='replace') as log:
            return log.read()

    def start(self):
        """False when it ended, for want of a port."""
        with open(self.path('yml'), 'w') as file:
            file.write(self.configuration())
        self.process = subprocess.Popen(
            ['nutcracker', '-c', self.path('yml'), '-o', self.path('log'),
             '-p', self.path('pid'), '-a', '127.0.0.1', '-s', str(self.stats_port),
             '-i', '50'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=harness.die_with_parent)
        if not poll(lambda: self.process.poll() is not None or self.answers(),
                    harness.START_S):
            raise RuntimeError('nutcracker does not answer: %s' % self.log())
        return self.process.poll() is None

    def answers(self):
        """True when its statistics are there, which come first, and it listens."""
        try:
            return self.stats() and self.ask(b'') == (b'', True)
        except OSError:
            return False

    def stats(self):
        """What it counts for our pool; None if nobody, or another, answers there."""
        try:
            with Dialogue(self.stats_port) as line:
                return json.loads(line.file.read()).get(self.pool)
        except (OSError, ValueError, AttributeError):
            return None

    def ask(self, request):
        """All that is answered, and whether the connection stayed open: a version
        asked for behind it is then answered as well."""
        with Dialogue(self.port) as line:
            line.socket.sendall(request + b'version\r\n')
            answer = b''
            try:
                for said in line.file:
                    if said.startswith(b'VERSION '):
                        return answer, True
                    answer += said
            except ConnectionError:
                pass
            return answer, False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.directory.cleanup()


@atexit.register
def stop_proxies():
    for proxy in Proxy.running:
        proxy.stop()


# --- sections --------------------------------------------------------------------

def setup():
    return [dict(zip('abcd', [Server(*harness.clock()) for _ in range(4)]))]


def only(servers, names):
    return {name: servers[name] for name in names}


def owners(servers, keys):
    """Which keys each server has."""
    return {name: found(server, keys) for name, server in servers.items()}


def filled(servers, keys=KEYS, **settings):
    """A proxy over three, through which the keys were set; nothing else is there."""
    for server in servers.values():
        server.ask(b'flush_all')
    proxy = Proxy(only(servers, 'abc'), **settings)
    set_all(proxy, keys, b'v')
    return proxy


def tell(t, shares, total):
    t.note(', '.join('%s has %.1f %%' % (name, 100 * len(keys) / total)
                     for name, keys in shares.items()))


def share(keys):
    return len(keys) / len(KEYS)


def the_keys_are_spread_over_the_nodes(t, servers):
    three = only(servers, 'abc')
    proxy = Proxy(three)
    t.same(set(set_all(proxy, KEYS, b'v')), {b'STORED\r\n'}, 'every key is stored')
    shares = owners(three, KEYS)
    tell(t, shares, len(KEYS))
    t.same(sum(map(len, shares.values())), len(KEYS), 'on one node, and no other')
    t.check(all(0.29 < share(keys) < 0.4 for keys in shares.values()),
            'each of three has 29 to 40 %, about a third')
    t.same(found(proxy, KEYS), set(KEYS), 'every key is found again')
    with Dialogue(proxy.port) as line:
        line.socket.sendall(b'get %s\r\n' % b' '.join(KEYS[:BATCH]))
        t.same(line.values(), dict.fromkeys(KEYS[:BATCH], b'v'),
               'one get of many keys collects from all nodes')
    t.same(found(Proxy(three), KEYS), set(KEYS),
           'a second proxy with the same list agrees')


def a_server_more_takes_its_share_and_no_other_key_moves(t, servers):
    filled(servers)
    four = Proxy(servers)
    moved = set(KEYS) - found(four, KEYS)
    t.note('%.1f %% of the keys miss with a fourth server' % (100 * share(moved)))
    t.check(0.21 < share(moved) < 0.27, '21 to 27 %, about a fourth')
    set_all(four, KEYS, b'v')
    t.same(found(servers['d'], KEYS), moved, 'all of which the new one gets')


def a_server_less_loses_its_keys_and_no_other(t, servers):
    filled(servers)
    lost = set(KEYS) - found(Proxy(only(servers, 'ab')), KEYS)
    t.note('%.1f %% of the keys miss without the third server' % (100 * share(lost)))
    t.check(0.29 < share(lost) < 0.4, '29 to 40 %, about a third')
    t.same(lost, found(servers['c'], KEYS), 'those that the removed one had')


def by_remainder_most_keys_move(t, servers):
    filled(servers, distribution='modula')
    moved = set(KEYS) - found(Proxy(servers, distribution='modula'), KEYS)
    t.note('modula: %.1f %% miss with a fourth server' % (100 * share(moved)))
    t.check(0.7 < share(moved) < 0.8, '70 to 80 %, about three fourths')


def a_name_keeps_its_keys_at_another_address(t, servers):
    three = only(servers, 'abc')
    replaced = {**three, 'b': servers['d']}
    filled(servers)
    missed = set(KEYS) - found(Proxy(replaced), KEYS)
    t.same(missed, found(servers['b'], KEYS),
           'a new machine under the old name: only the keys of that name miss')
    filled(servers, named=False)
    missed = set(KEYS) - found(Proxy(replaced, named=False), KEYS)
    t.check(missed > found(servers['b'], KEYS),
            'without names, keys of the other nodes miss too')


def fnv_keeps_numbered_keys_together(t, servers):
    tens = [[b'row:%05d%d' % (i, j) for j in range(10)] for i in range(150)]
    keys = [key for ten in tens for key in ten]
    together, most, least = {}, {}, {}
    for name in ('fnv1a_64', 'md5', 'murmur'):
        filled(servers, keys, hash=name)
        shares = owners(only(servers, 'abc'), keys)
        together[name] = sum(any(has.issuperset(ten) for has in shares.values())
                             for ten in tens) / len(tens)
        most[name], least[name] = (best(len(has) / len(keys) for has in shares.values())
                                   for best in (max, min))
        tell(t, shares, len(keys))
        t.note('%s: of %d runs of ten keys %.0f %% are on one node' %
               (name, len(tens), 100 * together[name]))
    t.same(together, {'fnv1a_64': 1.0, 'md5': 0.0, 'murmur': 0.0},
           'fnv1a_64 keeps all runs of ten together, md5 and murmur none')
    t.check(most['fnv1a_64'] > 0.45 and least['fnv1a_64'] < 0.28,
            'with it one node has nearly half, and another a fourth')
    t.check(max(most['md5'], most['murmur']) < 0.4, 'with md5 and murmur none has 40 %')


def a_hash_tag_keeps_keys_together(t, servers):
    keys = [b'{user:7}:%d' % i for i in range(BATCH)]
    three = only(servers, 'abc')
    filled(servers, keys, hash_tag='"{}"')
    t.same(sorted(len(has) for has in owners(three, keys).values()), [0, 0, BATCH],
           'with hash_tag all keys of one tag are on one node')


PASSED = [
    (b'set k 7 0 1\r\n1\r\n', b'STORED\r\n'),
    (b'get k\r\n', b'VALUE k 7 1\r\n1\r\nEND\r\n'),
    (b'get k none\r\n', b'VALUE k 7 1\r\n1\r\nEND\r\n'),
    (b'add k 0 0 1\r\n2\r\n', b'NOT_STORED\r\n'),
    (b'replace k 7 0 1\r\n2\r\n', b'STORED\r\n'),
    (b'append k 0 0 1\r\n3\r\n', b'STORED\r\n'),
    (b'prepend k 0 0 1\r\n1\r\n', b'STORED\r\n'),
    (b'incr k 10\r\n', b'133\r\n'),
    (b'decr k 3\r\n', b'130\r\n'),
    (b'touch k 60\r\n', b'TOUCHED\r\n'),
    (b'cas k 0 0 1 1\r\n4\r\n', b'EXISTS\r\n'),
    (b'delete k\r\n', b'DELETED\r\n'),
    (b'set k 0 0 1 noreply\r\n5\r\n', b''),
    (b'incr k 1 noreply\r\n', b''),
    (b'get k\r\n', b'VALUE k 0 1\r\n6\r\nEND\r\n'),
    (b'set %s 0 0 1\r\n1\r\n' % (b'k' * 250), b'STORED\r\n'),
]
REFUSED = [
    b'gat 60 k', b'gats 60 k', b'flush_all', b'stats', b'stats cachedump 1 0',
    b'verbosity 1',
    b'mg k v', b'ms k 1\r\n7', b'md k', b'ma k', b'mn', b'me k',
    b'watch', b'lru_crawler metadump all', b'slabs automove 0', b'lru mode flat',
    b'cache_memlimit 64', b'shutdown', b'refresh_certs', b'config get cluster',
    b'get ' + b'k' * 251,
]


def it_passes_on_most_text_commands_and_nothing_else(t, servers):
    proxy = Proxy(only(servers, 'a'))
    for request, reply in PASSED:
        t.same(proxy.ask(request), (reply, True), brief(request) + ' is passed on')
    for request in REFUSED:
        t.same(proxy.ask(request + b'\r\n'), (b'', False),
               brief(request) + ' is answered by closing the connection')
    noop = struct.pack('>BBHBBHIIQ', 0x80, 0x0a, 0, 0, 0, 0, 0, 0, 0)
    t.same(proxy.ask(noop), (b'', False), 'so is the binary protocol')
    t.same(proxy.ask(b'get k\r\nquit\r\n'), (b'VALUE k 0 1\r\n6\r\nEND\r\n', False),
           'quit ends it, and nothing was changed by what was refused')
    with Dialogue(proxy.port) as line:
        line.socket.sendall(b'version\r\n')
        t.same(line.line(), b'VERSION %s\r\n' % servers['a'].version(),
               'the version is that of a server')
        line.socket.sendall(b'gets k\r\n')
        cas = line.line().split()[-1]
        line.file.readline(), line.file.readline()
        line.socket.sendall(b'cas k 0 0 1 %s\r\n8\r\n' % cas)
        t.same(line.line(), b'STORED\r\n', 'gets and cas work together')
    large = b'x' * LARGE
    set_all(proxy, [b'large'], large)
    t.check(get_all(proxy, [b'large']) == {b'large': large}, 'a megabyte passes')


def brief(request):
    word = request.decode('latin-1').split('\r')[0]
    return word if len(word) < 40 else word[:9] + '... (%d bytes)' % len(word)


def without_ejection_the_keys_of_a_dead_server_fail(t, servers):
    proxy = filled(servers)
    its_own = found(servers['b'], KEYS)
    servers['b'].kill()
    t.same(failing(proxy, KEYS), its_own, 'exactly its keys are answered by an error')
    t.same(found(proxy, KEYS), set(KEYS) - its_own, 'all others are found')
    one, other = its_own.pop(), (set(KEYS) - its_own).pop()
    t.check(proxy.ask(b'get %s %s\r\n' % (one, other))[0].startswith(ERROR),
            'a get of many keys fails as a whole if one of them is of that server')
    servers['b'].start()
    t.check(poll(lambda: not failing(proxy, KEYS)), 'when it is back, nothing fails')
    t.same(found(proxy, KEYS), found(servers['a'], KEYS) | found(servers['c'], KEYS),
           'it is empty: its keys miss')


def a_node_taken_out_for_a_while_moves_its_keys_twice(t, servers):
    three = filled(servers)
    its_own = found(servers['b'], KEYS)
    two = Proxy(only(servers, 'ac'))
    t.same(set(KEYS) - found(two, KEYS), its_own, 'taken out of the list: its keys miss')
    set_all(two, KEYS, b'new')
    t.check(get_all(three, its_own) == dict.fromkeys(its_own, b'v'),
            'in the list again: it serves what it had, which is old')
    servers['b'].ask(b'flush_all')
    t.same(set(KEYS) - found(three, KEYS), its_own, 'and if it is empty, they miss again')


def a_gutter_is_asked_upon_an_error(t, servers):
    """Another pool of twemproxy, and the same few lines as in pool.c."""
    pool, gutter = filled(servers), Proxy(only(servers, 'd'))
    its_own = found(servers['b'], KEYS)

    def serve_all():
        """How many queries the database gets."""
        answers = get_all(pool, KEYS)
        missed = [k for k, value in answers.items() if value is None]
        failed = {k for k, value in answers.items() if value == ERROR}
        fetched = failed - found(gutter, failed)
        set_all(pool, missed, b'v')
        set_all(gutter, fetched, b'v', GUTTER_S)
        return len(missed) + len(fetched)

    t.same(serve_all(), 0, 'the database is not asked')
    servers['b'].kill()
    t.same(serve_all(), len(its_own), 'once for each key of a dead server, it is')
    t.same(serve_all(), 0, 'and not again')
    t.same(found(servers['d'], KEYS), its_own, 'the gutter has these and no others')
    servers['b'].start()
    t.check(poll(lambda: not failing(pool, KEYS)), 'it is back')
    t.same(serve_all(), len(its_own), 'and empty: once more for each')
    key = min(its_own)
    set_all(pool, [key], b'new')
    servers['b'].kill()
    t.same((get_all(pool, [key])[key], get_all(gutter, [key])[key]), (ERROR, b'v'),
           'it dies again: the gutter does not know what was changed in the pool')
    servers['b'].start()
    servers['d'].advance(GUTTER_S + 1)
    t.check(poll(lambda: not found(gutter, its_own)), 'then the gutter is empty')


def ejecting(servers, retry_ms):
    return filled(servers, auto_eject_hosts='true',
                  server_failure_limit=LIMIT, server_retry_timeout=retry_ms)


def a_dead_server_is_ejected_and_others_take_its_keys(t, servers):
    proxy = ejecting(servers, FOREVER_MS)
    its_own = found(servers['b'], KEYS)
    servers['b'].kill()
    some = sorted(its_own)[:10 * LIMIT]
    failed = [failing(proxy, [key]) != set() for key in some]
    # That its connection broke may have counted as the first failure.
    t.check(1 <= sum(failed) <= LIMIT and failed == sorted(failed, reverse=True),
            'at most server_failure_limit requests fail, then none', failed)
    t.check(poll(lambda: proxy.stats()['server_ejects'] == 1), 'its statistics tell')
    t.same(found(proxy, KEYS), set(KEYS) - its_own,
           'the keys of the dead server miss, and no other')
    t.same(set(set_all(proxy, KEYS, b'w')), {b'STORED\r\n'}, 'every key can be set')
    t.same(found(proxy, KEYS), set(KEYS), 'and is found')
    taken = {name: found(servers[name], its_own) for name in 'ac'}
    tell(t, taken, len(its_own))
    t.check(all(taken.values()), 'both of the others take a part of its keys')
    servers['b'].start()
    t.same(found(servers['b'], KEYS), set(), 'the server comes back, empty')
    t.same(found(proxy, KEYS), set(KEYS),
           'until server_retry_timeout has passed nobody asks it')


def a_server_returns_and_may_bring_old_values_to_light(t, servers):
    proxy = ejecting(servers, SOON_MS)
    b = servers['b']
    key, another, *_ = sorted(found(b, KEYS))
    b.kill()
    t.check(poll(lambda: found(proxy, KEYS) and not failing(proxy, [key])),
            'a dead server is ejected')
    t.check(poll(lambda: failing(proxy, [key])),
            'after server_retry_timeout it is tried again, and a request fails')
    t.check(poll(lambda: set_all(proxy, [key], b'old') == [b'STORED\r\n']),
            'meanwhile another stores its key')
    b.start()
    t.check(poll(lambda: set_all(proxy, [another], b'v') and found(b, [another])),
            'started again, it gets its keys back')
    set_all(proxy, [key], b'new')
    t.same(get_all(b, [key]), {key: b'new'}, 'a new value is stored there')
    b.kill()
    t.check(poll(lambda: get_all(proxy, [key]) == {key: b'old'}),
            'should it die again, the other still has the old one and serves it')
    b.start()


harness.run(setup, the_keys_are_spread_over_the_nodes,
            a_server_more_takes_its_share_and_no_other_key_moves,
            a_server_less_loses_its_keys_and_no_other,
            by_remainder_most_keys_move,
            a_name_keeps_its_keys_at_another_address,
            fnv_keeps_numbered_keys_together,
            a_hash_tag_keeps_keys_together,
            it_passes_on_most_text_commands_and_nothing_else,
            without_ejection_the_keys_of_a_dead_server_fail,
            a_node_taken_out_for_a_while_moves_its_keys_twice,
            a_gutter_is_asked_upon_an_error,
            a_dead_server_is_ejected_and_others_take_its_keys,
            a_server_returns_and_may_bring_old_values_to_light)
