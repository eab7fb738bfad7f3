#!/usr/bin/python3 -B
"""A stampede: one popular key goes away, and 200 processes want it at once.

Behind the cache is a slow database, which counts its queries and takes 50 ms for
each. With plain get and set the whole herd reaches it. With the leases of the meta
protocol (mg with N and R, stale values by md and ms with I) exactly one process does,
and nobody waits for it while there is an old value to serve.

That nobody waits is shown without a watch: the database holds its answer back until
all the others have theirs. The times in the remarks are for doc/POOLS.md.
"""
import json
import os
import signal
import socket
import socketserver
import statistics
import threading
import time

import harness
from harness import Server

CLIENTS = 200
QUERY_S = 0.05
SHORT_S = 3             # a time to live that is waited for where no clock can be moved
LEASE = b'mg popular v c N30 R30'
PAUSE_S = 0.005         # between two looks of a client that has nothing to serve
OLD = b'old'


# --- the database ----------------------------------------------------------------

class Database:
    """A process that answers each query after QUERY_S, and not while it is held."""

    def __init__(self):
        self.listener = socketserver.ThreadingTCPServer(
            ('127.0.0.1', 0), None, bind_and_activate=False)
        self.listener.request_queue_size = 2 * CLIENTS
        self.listener.daemon_threads = True
        self.listener.server_bind()
        self.listener.server_activate()
        self.address = self.listener.server_address
        if os.fork() == 0:
            in_child(self.serve)
        self.listener.server_close()
        self.control = Line(self.address)

    def serve(self):
        lock, free = threading.Lock(), threading.Event()
        free.set()
        queries = 0

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                nonlocal queries
                for word in map(bytes.strip, self.rfile):
                    if word == b'query':
                        with lock:
                            queries += 1
                            answer = b'answer %d' % queries
                        time.sleep(QUERY_S)
                        free.wait()
                    else:
                        answer = b'%d' % queries
                        {b'hold': free.clear, b'free': free.set,
                         b'count': int}[word]()
                    self.wfile.write(answer + b'\n')

        self.listener.RequestHandlerClass = Handler
        self.listener.serve_forever()

    def count(self):
        return int(self.control.ask(b'count\n'))

    def hold(self):
        self.control.ask(b'hold\n')

    def free(self):
        self.control.ask(b'free\n')


class Line:
    """A connection on which lines are sent and read."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, harness.SOCKET_S)
        self.socket.settimeout(4 * harness.SOCKET_S)
        self.file = self.socket.makefile('rb')

    def read(self):
        line = self.file.readline()
        if not line.endswith(b'\n'):
            raise ConnectionError('cut short: %r' % line)
        return line.rstrip(b'\r\n')

    def ask(self, request):
        self.socket.sendall(request)
        return self.read()

    def value(self, length):
        return self.file.read(length + 2)[:-2]


# --- a client of cache and database ----------------------------------------------

class Client:
    """What a process of the herd does; asked and waited say what it came to."""

    def __init__(self, cache, database):
        self.cache = Line(('127.0.0.1', cache.port))
        self.database = Line(database.address)
        self.asked = 0          # queries to the database
        self.waited = 0         # looks that brought nothing to serve
        self.flags = []         # of the last reply to mg

    def query(self):
        self.asked += 1
        return self.database.ask(b'query\n')

    def wait(self):
        self.waited += 1
        time.sleep(PAUSE_S)

    def get(self):
        head = self.cache.ask(b'get popular\r\n').split()
        if head == [b'END']:
            return None
        value = self.cache.value(int(head[3]))
        self.cache.read()
        return value

    def store(self, value):
        return self.cache.ask(b'set popular 0 60 %d\r\n%s\r\n' % (len(value), value))

    def mg(self, request=LEASE):
        """The value, None on a miss; its flags are kept."""
        head, *self.flags = self.cache.ask(request + b'\r\n').split()
        if head != b'VA':
            return None
        return self.cache.value(int(self.flags.pop(0)))

    def ms(self, value, flags):
        return self.cache.ask(b'ms popular %d %s\r\n%s\r\n' % (len(value), flags, value))

    def won(self):
        return b'W' in self.flags

    def cas(self):
        return next(flag[1:] for flag in self.flags if flag.startswith(b'c'))

    # Ways to get the value.

    def by_get_and_set(self):
        value = self.get()
        if value is None:
            value = self.query()
            self.store(value)
        return value

    def by_lease(self):
        """Serve what is there, old or not; fetch anew if told to; else look again."""
        while True:
            value = self.mg()
            if self.won():
                cas = self.cas()
                value = self.query()
                self.ms(value, b'T60 I C' + cas)
                return value
            if value or b'Z' not in self.flags:
                return value
            self.wait()

    def by_lock(self):
        """For proxies that pass no meta commands: who adds the lock may fetch. He
        looks once more, for the one before him may just have stored and unlocked."""
        while True:
            value = self.get()
            if value is not None:
                return value
            if self.cache.ask(b'add lock 0 30 0\r\n\r\n') == b'STORED':
                value = self.by_get_and_set()
                self.cache.ask(b'delete lock\r\n')
                return value
            self.wait()


# --- a herd of them --------------------------------------------------------------

def in_child(work):
    """Run work() and nothing that belongs to the parent."""
    try:
        harness.die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work()
    finally:
        os._exit(0)


class Herd:
    """CLIENTS processes, connected, which all do the same at one word."""

    def __init__(self, cache, database, way):
        self.gate, self.word = os.pipe()
        reports, self.said = os.pipe()
        self.reports = os.fdopen(reports)
        self.pids = []
        for _ in range(CLIENTS):
            self.pids.append(os.fork())
            if self.pids[-1] == 0:
                in_child(lambda: self.live(cache, database, way))
        os.close(self.gate)
        os.close(self.said)
        self.read(CLIENTS)      # each says that it is there

    def live(self, cache, database, way):
        os.close(self.word)
        client = Client(cache, database)
        self.say({})
        os.read(self.gate, 1)   # ends when the parent closes its end
        begun = time.monotonic()
        value = way(client)
        self.say({'value': value.decode(), 'asked': client.asked,
                  'waited': client.waited, 'flags': b' '.join(client.flags).decode(),
                  'ms': 1000 * (time.monotonic() - begun)})

    def say(self, report):
        os.write(self.said, json.dumps(report).encode() + b'\n')    # in one piece

    def read(self, count):
        """As many reports, or fewer if the processes ended without."""
        lines = (self.reports.readline() for _ in range(count))
        return [json.loads(line) for line in lines if line]

    def go(self):
        os.close(self.word)

    def end(self):
        for pid in self.pids:
            os.waitpid(pid, 0)
        self.reports.close()


def stampede(t, cache, database, way):
    """All at once: (reports, queries)"""
    before = database.count()
    herd = Herd(cache, database, way)
    herd.go()
    reports = herd.read(CLIENTS)
    herd.end()
    queries = database.count() - before
    t.same(len(reports), CLIENTS, 'all %d get an answer' % CLIENTS)
    t.same(sum(r['asked'] for r in reports), queries, 'the database counts as they do')
    tell(t, reports, queries)
    return reports, queries


def tell(t, reports, queries):
    times = sorted(r['ms'] for r in reports)
    t.note('%d queries; %d of %d waited; answered after %.1f ms in the median, %.1f at '
           'the most' % (queries, sum(r['waited'] > 0 for r in reports), len(reports),
                         statistics.median(times), times[-1]))


def nobody_waits(t, cache, database, flags):
    """There is an old value: all but one have it before the database answers."""
    before = database.count()
    database.hold()
    herd = Herd(cache, database, Client.by_lease)
    herd.go()
    served = herd.read(CLIENTS - 1)
    tell(t, served, database.count() - before)
    t.same(len(served), CLIENTS - 1, 'the database holds its answer, %d are served' %
           (CLIENTS - 1))
    t.check(all(r['value'] == OLD.decode() for r in served), 'with the old value')
    t.check(not any(r['asked'] or r['waited'] for r in served),
            'at their first look, none of them asks the database')
    t.check(all(flags <= set(r['flags'].split()) for r in served),
            'all are told that somebody fetches it: ' + ' '.join(sorted(flags)))
    database.free()
    winner, = herd.read(1)
    herd.end()
    t.same(winner['asked'], 1, 'one of them was told to')
    t.same(database.count() - before, 1, 'the database is asked exactly once')
    one = Client(cache, database)
    t.same(one.by_lease(), winner['value'].encode(), 'and all find what it said')
    t.check(not {b'X', b'Z', b'W'} & set(one.flags), 'as a value like any other')


# --- sections --------------------------------------------------------------------

def setup():
    return Server(*harness.clock()), Database()


def store_and_expire(t, cache, database):
    one = Client(cache, database)
    one.ms(OLD, b'T%d' % SHORT_S)
    t.same(one.get(), OLD, 'the key is there')
    cache.advance(SHORT_S + 1)
    t.same(one.get(), None, 'and has expired')


def forget(cache, database):
    one = Client(cache, database)
    one.cache.ask(b'delete popular\r\n')
    return one


def while_it_lives_the_database_rests(t, cache, database):
    Client(cache, database).store(OLD)
    _, queries = stampede(t, cache, database, Client.by_get_and_set)
    t.same(queries, 0, 'no query')


def with_get_and_set_the_herd_reaches_the_database(t, cache, database):
    store_and_expire(t, cache, database)
    _, queries = stampede(t, cache, database, Client.by_get_and_set)
    t.check(queries > 1, 'more than one query for one key')


def with_a_lease_one_does_after_expiry(t, cache, database):
    store_and_expire(t, cache, database)
    reports, queries = stampede(t, cache, database, Client.by_lease)
    t.same(queries, 1, 'exactly one query')
    t.same(len({r['value'] for r in reports}), 1, 'whose answer all have')


def with_a_lease_nobody_waits_before_expiry(t, cache, database):
    forget(cache, database).ms(OLD, b'T28')         # less than R30 has
    nobody_waits(t, cache, database, {'Z'})


def with_a_lease_nobody_waits_after_an_invalidation(t, cache, database):
    one = forget(cache, database)
    one.ms(OLD, b'T60')
    t.same(one.cache.ask(b'md popular I T30\r\n'), b'HD', 'the value is marked stale')
    nobody_waits(t, cache, database, {'X', 'Z'})


def a_lease_whose_holder_died_is_given_again(t, cache, database):
    lease = b'mg popular v c N%d' % SHORT_S
    forget(cache, database).mg(lease)       # wins and is never heard of again
    one = Client(cache, database)
    one.mg(lease)
    t.check(b'Z' in one.flags and not one.won(), 'the lease of another holds')
    cache.advance(SHORT_S + 1)
    _, queries = stampede(t, cache, database, Client.by_lease)
    t.same(queries, 1, 'when its time is up, exactly one more has it')


def a_value_of_before_the_invalidation_stays_stale(t, cache, database):
    writer, reader = forget(cache, database), Client(cache, database)
    writer.mg()
    t.check(writer.won(), 'a client has the lease and reads the database')
    writer.cache.ask(b'md popular I T30\r\n')
    t.same(writer.ms(OLD, b'T60 I C' + writer.cas()), b'HD',
           'the database changes, what was read before is stored')
    t.same(reader.mg(), OLD, 'and served')
    t.check({b'X', b'W'} <= set(reader.flags), 'as stale, with a new lease')
    t.same(reader.ms(b'new', b'T60 I C' + reader.cas()), b'HD', 'whose holder stores')
    t.same(writer.mg(), b'new', 'the new value')
    t.check(not {b'X', b'Z', b'W'} & set(writer.flags), 'which is not stale')
    t.same(reader.ms(b'late', b'T60 C1'), b'EX',
           'without I a store that comes too late is refused')


def a_stale_value_is_served_as_long_as_told(t, cache, database):
    one = forget(cache, database)
    one.ms(OLD, b'T60')
    one.cache.ask(b'md popular I T%d\r\n' % SHORT_S)
    t.same(one.mg(), OLD, 'an invalidated value is served')
    cache.advance(SHORT_S + 1)
    t.same(one.get(), None, 'until its time is up, though nobody has fetched')


def an_empty_value_looks_like_none_while_somebody_fetches(t, cache, database):
    one, other = forget(cache, database), Client(cache, database)
    one.mg()
    empty = other.mg(), set(other.flags) & {b'X', b'Z', b'W'}
    t.same(empty, (b'', {b'Z'}), 'the item of a lease is empty, with Z')
    one.ms(b'', b'T60')
    t.same(other.by_lease(), b'', 'an empty value has none, and is served')
    one.ms(b'', b'T28')
    one.mg()
    t.check(one.won(), 'before it expires, one gets the lease')
    t.same((other.mg(), set(other.flags) & {b'X', b'Z', b'W'}), empty,
           'while he fetches, others cannot tell it from the item of a lease')


def with_a_lock_by_add_one_does_and_the_others_wait(t, cache, database):
    store_and_expire(t, cache, database)
    _, queries = stampede(t, cache, database, Client.by_lock)
    t.same(queries, 1, 'exactly one query')


harness.run(setup, while_it_lives_the_database_rests,
            with_get_and_set_the_herd_reaches_the_database,
            with_a_lease_one_does_after_expiry,
            with_a_lease_nobody_waits_before_expiry,
            with_a_lease_nobody_waits_after_an_invalidation,
            a_lease_whose_holder_died_is_given_again,
            a_value_of_before_the_invalidation_stays_stale,
            a_stale_value_is_served_as_long_as_told,
            an_empty_value_looks_like_none_while_somebody_fetches,
            with_a_lock_by_add_one_does_and_the_others_wait)
