#!/usr/bin/python3 -B
"""What mcrouter needs of a server, asked for as mcrouter asks; and what its routes make
of servers that die.

mcrouter is not in Debian. So nothing here tests mcrouter: Destination and the routes
below do what its documentation says of it, and what is tested are the servers behind.
"""
import random
import threading
import zlib

import harness
from harness import Dialogue, Server, poll

ERROR = b'SERVER_ERROR '
LONGEST = b'k' * 250
KEYS = [b'user:%d|#|profile' % i for i in range(300)]   # hashed up to |#|, sent whole
GUTTER_S = 4 if harness.is_reference() else 60


# --- requests as they are on the wire --------------------------------------------

def passed_on(key):
    """Every request that is passed on, with its reply: the key is not there at first,
    nor at the end. None has noreply, and a get has one key."""
    return [
        (b'get %s\r\n' % key, b'END\r\n'),
        (b'touch %s 60\r\n' % key, b'NOT_FOUND\r\n'),
        (b'set %s 7 0 2\r\n10\r\n' % key, b'STORED\r\n'),
        (b'get %s\r\n' % key, b'VALUE %s 7 2\r\n10\r\nEND\r\n' % key),
        (b'gat 60 %s\r\n' % key, b'VALUE %s 7 2\r\n10\r\nEND\r\n' % key),
        (b'add %s 0 0 1\r\n2\r\n' % key, b'NOT_STORED\r\n'),
        (b'replace %s 7 0 2\r\n11\r\n' % key, b'STORED\r\n'),
        (b'append %s 0 0 1\r\n3\r\n' % key, b'STORED\r\n'),
        (b'prepend %s 0 0 1\r\n1\r\n' % key, b'STORED\r\n'),
        (b'incr %s 10\r\n' % key, b'1123\r\n'),
        (b'decr %s 3\r\n' % key, b'1120\r\n'),
        (b'touch %s 60\r\n' % key, b'TOUCHED\r\n'),
        (b'cas %s 0 0 1 1\r\n4\r\n' % key, b'EXISTS\r\n'),
        (b'version\r\n', None),
        (b'delete %s\r\n' % key, b'DELETED\r\n'),
        (b'cas %s 0 0 1 1\r\n4\r\n' % key, b'NOT_FOUND\r\n'),
    ]


def converse(server, dialogue, pieces=1):
    """Send all requests without a wait for a reply, cut anywhere; all that comes back."""
    version = b'VERSION %s\r\n' % server.version()
    sent = b''.join(request for request, _ in dialogue)
    want = b''.join(version if reply is None else reply for _, reply in dialogue)
    dice = random.Random(1)
    cuts = sorted(dice.randrange(len(sent)) for _ in range(pieces - 1))
    with Dialogue(server.port) as line:
        def send():
            for start, end in zip([0, *cuts], [*cuts, len(sent)]):
                line.socket.sendall(sent[start:end])
        sender = threading.Thread(target=send)
        sender.start()
        got = line.file.read(len(want))
        sender.join()
    return got, want


# --- what stands for mcrouter ----------------------------------------------------

class Destination:
    """A server as mcrouter sees it. One that breaks a connection, or refuses one, is
    not asked again (it is "TKO") until it has answered a probe."""

    def __init__(self, server):
        self.server = server
        self.line = None
        self.tko = False

    def ask(self, request, read):
        if self.tko:
            return ERROR
        try:
            self.line = self.line or Dialogue(self.server.port)
            self.line.socket.sendall(request)
            reply = read(self.line)
            if reply != b'':
                return reply
        except OSError:
            pass
        self.line = None
        self.tko = True
        return ERROR

    def probe(self):
        self.tko = False
        return self.ask(b'version\r\n', Dialogue.line).startswith(b'VERSION ')

    def get(self, key):
        """Its value, None or ERROR."""
        reply = self.ask(b'get %s\r\n' % key, Dialogue.values)
        return reply if reply == ERROR else reply.get(key)

    def set(self, key, value, expiry_s=0):
        return self.ask(b'set %s 0 %d %d\r\n%s\r\n' % (key, expiry_s, len(value), value),
                        Dialogue.line)

    def delete(self, key):
        return self.ask(b'delete %s\r\n' % key, Dialogue.line)


def all_sync(replies):
    """AllSyncRoute: of all replies the worst."""
    return ERROR if ERROR in replies else replies[0]


def all_fastest(replies):
    """AllFastestRoute: the first that is no error; they are in the order in which they
    came."""
    return next((reply for reply in replies if reply != ERROR), ERROR)


def miss_failover(replies):
    """MissFailoverRoute: one destination after the other, up to a hit."""
    return next((reply for reply in replies if reply not in (None, ERROR)), replies[-1])


# --- sections --------------------------------------------------------------------

def setup():
    return [[Server(*harness.clock()) for _ in range(4)]]


def emptied(servers):
    for server in servers:
        server.ask(b'flush_all')
    return [Destination(server) for server in servers]


def a_version_is_answered_on_any_connection(t, servers):
    version = b'VERSION %s\r\n' % servers[0].version()
    with Dialogue(servers[0].port) as half, Dialogue(servers[0].port) as slow:
        half.socket.sendall(b'set half 0 0 1000000\r\nx')
        servers[0].ask(b'set large 0 0 1000000\r\n%s' % (b'x' * 1000000))
        slow.socket.sendall(b'get large\r\n' * 200)
        with Dialogue(servers[0].port) as probe:
            probe.socket.sendall(b'version\r\n')
            t.same(probe.line(), version, 'first on its connection, while others have '
                   'sent half a value, or do not read')
            probe.socket.sendall(b'ver')
            probe.socket.sendall(b'sion\r\n')
            t.same(probe.line(), version, 'in two pieces')


def every_request_has_one_reply_and_they_come_in_order(t, servers):
    dialogue = [pair for i in range(200) for pair in passed_on(b'key:%d|#|tail' % i)]
    random.Random(2).shuffle(large := [b'x' * (1 << bits) for bits in range(4, 20)])
    for i, value in enumerate(large):
        dialogue.insert(150 * i, (b'set large:%d 0 0 %d\r\n%s\r\n' % (i, len(value), value),
                                  b'STORED\r\n'))
        dialogue.append((b'get large:%d\r\n' % i, b'VALUE large:%d 0 %d\r\n%s\r\nEND\r\n' %
                         (i, len(value), value)))
    for pieces in (1, 5000):
        emptied(servers)
        got, want = converse(servers[0], dialogue, pieces)
        t.check(got == want, '%d requests in %d pieces' % (len(dialogue), pieces))


def keys_of_250_bytes_do_for_all_of_them(t, servers):
    t.same(*converse(servers[0], passed_on(LONGEST)), 'with a key of 250 bytes')


def gats_and_gets_begin_a_cas(t, servers):
    with Dialogue(servers[0].port) as line:
        line.socket.sendall(b'set c 0 0 1\r\n1\r\ngats 60 c\r\n')
        line.line()
        unique = line.line().split()[-1]
        line.line(), line.line()
        line.socket.sendall(b'cas c 0 0 1 %s\r\n2\r\ngets c\r\n' % unique)
        t.same(line.line(), b'STORED\r\n', 'with the number that gats gave')
        t.check(line.line().split()[-1] not in (unique, b'END'), 'gets has another')


def leases_of_its_own_kind_are_refused_and_the_place_is_kept(t, servers):
    version = (b'version\r\n', None)
    for request in b'lease-get k', b'metaget k':
        t.same(*converse(servers[0], [(request + b'\r\n', b'ERROR\r\n'), version]),
               request.decode() + ' is ERROR')
    t.same(*converse(servers[0], [(b'lease-set k 1 0 0 5\r\nvalue\r\n', b'ERROR\r\n' * 2),
                                  version]), 'lease-set, and so is its value')


def a_server_that_is_gone_refuses_at_once_and_answers_the_first_probe(t, servers):
    node, other = emptied(servers[:2])
    t.same(node.set(b'k', b'v'), b'STORED\r\n', 'a key is set')
    servers[0].kill()
    t.same([node.get(b'k'), node.tko], [ERROR, True], 'an error, no silence')
    t.same(node.probe(), False, 'nor do probes hang')
    t.same(other.get(b'k'), None, 'another server is not concerned')
    servers[0].start()
    t.same(node.get(b'k'), ERROR, 'nobody asks it before a probe')
    t.same(node.probe(), True, 'which it answers')
    t.same(node.get(b'k'), None, 'it is empty')


def replicas_by_all_sync_are_read_while_a_server_is_dead(t, servers):
    nodes = emptied(servers[:2])
    replies = {all_sync([n.set(key, b'v') for n in nodes]) for key in KEYS}
    t.same(replies, {b'STORED\r\n'}, 'AllSync stores each key')
    t.check(all(n.get(key) == b'v' for n in nodes for key in KEYS), 'on every server')
    servers[0].kill()
    t.check(all(all_fastest([n.get(key) for n in nodes]) == b'v' for key in KEYS),
            'one dies: AllFastest finds every key')
    t.same(all_sync([n.set(KEYS[0], b'new') for n in nodes]), ERROR,
           'a set by AllSync is answered by an error')
    t.same(nodes[1].get(KEYS[0]), b'new', 'and done where it could be')
    t.same(all_sync([n.delete(KEYS[1]) for n in nodes]), ERROR, 'so is a delete')
    t.same(nodes[1].get(KEYS[1]), None, 'which takes the copy away')
    servers[0].start()
    nodes[0].probe()
    key = KEYS[2]
    t.same(all_fastest([n.get(key) for n in nodes]), None,
           'it comes back empty: if it is the faster one, AllFastest takes its miss')
    t.same(miss_failover([n.get(key) for n in nodes]), b'v',
           'MissFailover goes on to the copy')


def a_gutter_by_failover_with_exptime_ends_by_itself(t, servers):
    pool, gutter = emptied(servers[:3]), emptied(servers[3:])[0]
    queries = 0

    def failover(key, do):
        """FailoverWithExptimeRoute: what is set in the gutter has a time to live."""
        reply = do(pool[zlib.crc32(key) % len(pool)], 0)
        return do(gutter, GUTTER_S) if reply == ERROR else reply

    def serve(key):
        nonlocal queries
        if failover(key, lambda node, _: node.get(key)) is None:
            queries += 1
            failover(key, lambda node, expiry_s: node.set(key, b'v', expiry_s))

    def serve_all():
        nonlocal queries
        queries = 0
        for key in KEYS:
            serve(key)
        return queries

    serve_all()
    t.same(serve_all(), 0, 'all keys are in the pool')
    its_own = [key for key in KEYS if zlib.crc32(key) % len(pool) == 1]
    servers[1].kill()
    t.same(serve_all(), len(its_own), 'one query for each key of a dead server')
    t.same(serve_all(), 0, 'and not again')
    servers[1].start()
    pool[1].probe()
    t.same(serve_all(), len(its_own), 'it is back, empty: once more for each')
    servers[3].advance(GUTTER_S + 1)
    t.check(poll(lambda: not any(gutter.get(key) for key in its_own)),
            'then nothing is left in the gutter')


harness.run(setup, a_version_is_answered_on_any_connection,
            every_request_has_one_reply_and_they_come_in_order,
            keys_of_250_bytes_do_for_all_of_them,
            gats_and_gets_begin_a_cas,
            leases_of_its_own_kind_are_refused_and_the_place_is_kept,
            a_server_that_is_gone_refuses_at_once_and_answers_the_first_probe,
            replicas_by_all_sync_are_read_while_a_server_is_dead,
            a_gutter_by_failover_with_exptime_ends_by_itself)
