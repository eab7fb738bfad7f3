#!/usr/bin/python3 -B
"""pymemcache: Client, PooledClient and HashClient over the text protocol.

Its stores and deletes are noreply unless told otherwise, pipelined for many
keys, and a multi-get is one line of any length. Errors arrive as exceptions,
after which it drops the connection and makes another.
"""
import time

import harness
from harness import BINARY, LARGE, TOO_LARGE, Server, poll

base, hashing, retrying, errors, serde = harness.need(
    'pymemcache.client.base', 'pymemcache.client.hash', 'pymemcache.client.retrying',
    'pymemcache.exceptions', 'pymemcache.serde')
MAX64 = 2 ** 64 - 1


def client(server, **options):
    """A client that waits for each reply, and for no reply longer than a while."""
    options = {'default_noreply': False, 'timeout': harness.SOCKET_S, **options}
    address = server.path or ('127.0.0.1', server.port)
    return base.Client(address, **options)


def setup():
    server = Server()
    mc = client(server)
    # Read again by the last section, so that the others pass the time.
    mc.set('short', b'lived', expire=2)
    mc.set('shortened', b'by touch')
    mc.touch('shortened', 2)
    mc.set('prolonged', b'by touch', expire=2)
    mc.touch('prolonged', 600)
    return server, mc, Server()


def short_lived_values_are_there_at_first(t, server, mc, other):
    t.same(mc.get_many(['short', 'shortened', 'prolonged']),
           {'short': b'lived', 'shortened': b'by touch', 'prolonged': b'by touch'},
           'all three are alive')


def stores_answer_as_each_command_should(t, server, mc, other):
    t.same(mc.replace('k', b'r'), False, 'replace of nothing')
    t.same(mc.append('k', b'r'), False, 'append to nothing')
    t.same(mc.prepend('k', b'r'), False, 'prepend to nothing')
    t.same(mc.get('k'), None, 'none of them stored')
    t.same(mc.add('k', b'one'), True, 'add of a new key')
    t.same(mc.add('k', b'two'), False, 'add of an old key')
    t.same(mc.get('k'), b'one', 'which keeps its value')
    t.same(mc.replace('k', b'three', flags=7), True, 'replace of an old key')
    t.same(server.wire(b'k'), (7, b'three'), 'with its flags')
    t.same(mc.append('k', b'-end', flags=9), True, 'append')
    t.same(mc.prepend('k', b'start-', flags=9), True, 'prepend')
    t.same(server.wire(b'k'), (7, b'start-three-end'), 'which leave the flags alone')
    t.same(mc.set('k', b'', flags=2 ** 32 - 1), True, 'set an empty value, all flags')
    t.same(server.wire(b'k'), (2 ** 32 - 1, b''), 'both are kept')
    t.same(mc.get('missing', 'default'), 'default', 'a miss gives the default')
    t.same(mc.delete('k'), True, 'delete')
    t.same(mc.delete('k'), False, 'delete again')
    t.same(mc.get('k'), None, 'it is gone')


def values_of_any_bytes_and_sizes_come_back(t, server, mc, other):
    t.same(mc.set('binary', BINARY), True, 'every byte and protocol words')
    t.same(mc.get('binary'), BINARY, 'come back')
    for size in (1, 63, 64, 1024, 16383, 16384, 16385, 65536, 524288, LARGE):
        value = (BINARY * (size // len(BINARY) + 1))[:size]
        mc.set('sized', value)
        t.same(mc.get('sized'), value, '%d bytes' % size)
    t.raises(errors.MemcacheServerError, lambda: mc.set('sized', b'x' * TOO_LARGE),
             'more than 1 MiB is refused')
    t.same(mc.get('sized'), None, 'and a refused set takes the old value away')
    t.raises(errors.MemcacheServerError, lambda: mc.add('sized', b'x' * TOO_LARGE),
             'add refuses it too')
    t.same(mc.set('sized', b'x' * TOO_LARGE, noreply=True), True, 'noreply hides that')
    t.same(mc.get('sized'), None, 'and the dialogue goes on')


def objects_are_pickled_and_marked_by_flags(t, server, mc, other):
    pickling = client(server, serde=serde.pickle_serde)
    for name, value, flags in (
            ('bytes', b'\0\xff', serde.FLAG_BYTES),
            ('text', 'gr\u00fc\u00df \u4e16', serde.FLAG_TEXT),
            ('int', -12345678901234567890, serde.FLAG_INTEGER),
            ('bool', True, serde.FLAG_PICKLE),
            ('none', None, serde.FLAG_PICKLE),
            ('tree', {'a': [1, 2.5, (None, b'x')], 'b': {'\u00fc'}}, serde.FLAG_PICKLE)):
        pickling.set(name, value)
        t.same(pickling.get(name, 'missed'), value, name + ' comes back')
        t.same(server.wire(name.encode())[0], flags, name + ' has its flag')
    pickling.close()


def keys_may_be_anything_that_the_client_lets_through(t, server, mc, other):
    wide = client(server, allow_unicode_keys=True, key_prefix=b'p:')
    key = '\u0142\u00f3d\u017a-\U0001f980'
    t.same(wide.set(key, b'crab'), True, 'a unicode key')
    t.same(wide.get_many([key]), {key: b'crab'}, 'is found')
    t.same(server.wire(b'p:' + key.encode()), (0, b'crab'), 'as prefix and UTF-8')
    wide.close()
    longest = 'k' * 250
    t.same(mc.set(longest, b'v'), True, 'a key of 250 bytes')
    t.same(mc.get(longest), b'v', 'is found')
    mc.set('k' * 249, b'other')
    t.same(mc.get(longest), b'v', 'and differs from one of 249')
    t.raises(errors.MemcacheIllegalInputError, lambda: mc.get('k' * 251),
             'one of 251 never leaves the client')


def compare_and_set_notices_a_change(t, server, mc, other):
    t.same(mc.cas('cas', b'v', 1), None, 'cas of nothing')
    mc.set('cas', b'one')
    value, token = mc.gets('cas')
    t.same(value, b'one', 'gets gives the value')
    t.check(token.isdigit() and int(token) > 0, 'and a token')
    t.same(mc.gets('cas')[1], token, 'which a read leaves alone')
    t.same(mc.cas('cas', b'two', token), True, 'cas with it stores')
    t.same(mc.cas('cas', b'three', token), False, 'and only once')
    t.same(mc.get('cas'), b'two', 'the second attempt changed nothing')
    for name, change in (('set', lambda: mc.set('cas', b'5')),
                         ('append', lambda: mc.append('cas', b'5')),
                         ('incr', lambda: mc.incr('cas', 1))):
        token = mc.gets('cas')[1]
        change()
        t.same(mc.cas('cas', b'lost', token), False, name + ' spends the token')
    token = mc.gets('cas')[1]
    mc.touch('cas', 600)
    t.same(mc.cas('cas', b'last', token), True, 'touch does not')
    token = mc.gets('cas')[1]
    t.same(mc.cas('cas', b'quiet', token, noreply=True), True, 'cas without reply')
    t.same(mc.get('cas'), b'quiet', 'stores')
    t.same(mc.gets('missing'), (None, None), 'gets of nothing')
    t.same(sorted(mc.gets_many(['cas', 'missing'])), ['cas'], 'gets of two')


def counters_wrap_at_64_bits_and_stop_at_nought(t, server, mc, other):
    t.same(mc.incr('n', 1), None, 'incr of nothing')
    t.same(mc.decr('n', 1), None, 'decr of nothing')
    mc.set('n', b'9', flags=3)
    t.same(mc.incr('n', 1), 10, 'incr over a digit')
    t.same(mc.decr('n', 3), 7, 'decr')
    t.same(int(mc.get('n')), 7, 'reads as the number')
    t.same(mc.decr('n', 100), 0, 'decr stops at nought')
    t.same(mc.incr('n', MAX64), MAX64, 'incr to the largest')
    t.same(mc.incr('n', 1), 0, 'wraps to nought')
    t.same(server.wire(b'n')[0], 3, 'flags stay')
    t.same(mc.incr('n', 5, noreply=True), None, 'incr without reply')
    t.same(mc.decr('n', 2, noreply=True), None, 'decr without reply')
    t.same(int(mc.get('n')), 3, 'both happened')
    mc.set('n', b'five')
    t.raises(errors.MemcacheClientError, lambda: mc.incr('n', 1), 'incr of a word')
    t.same(mc.get('n'), b'five', 'leaves it')
    t.raises(errors.MemcacheClientError, lambda: mc.incr('n', -1), 'a negative delta')


def hundreds_of_keys_go_in_one_request(t, server, mc, other):
    values = {'many:%03d:%s' % (i, 'x' * (i % 200)): b'%d' % i * (i % 40)
              for i in range(600)}
    t.same(mc.set_many(values), [], 'set_many fails on none of 600')
    wanted = list(values) + ['many:missing:%d' % i for i in range(300)]
    t.same(mc.get_many(wanted), values, 'get_many of 900 finds those 600')
    got = mc.gets_many(wanted)
    t.same({k: v for k, (v, _) in got.items()}, values, 'and so does gets_many')
    t.same(len({token for _, token in got.values()}), 600, 'each with its own token')
    some = list(values)[:300]
    t.same(mc.delete_many(some), True, 'delete_many of 300')
    t.same(len(mc.get_many(wanted)), 300, 'leaves 300')
    t.same(mc.set_many(values, noreply=True), [], 'set_many without replies')
    t.same(mc.get_many(wanted), values, 'stored all')
    t.same(mc.delete_many(list(values), noreply=True), True, 'delete_many, no replies')
    t.same(mc.get_many(wanted), {}, 'deleted all')


def noreply_is_silent_and_still_happens(t, server, mc, other):
    quiet = client(other, default_noreply=True)
    quiet.add('q', b'b')
    quiet.add('q', b'lost')
    quiet.append('q', b'c')
    quiet.prepend('q', b'a')
    t.same(quiet.get('q'), b'abc', 'add, append, prepend')
    quiet.replace('q', b'new')
    t.same(quiet.get('q'), b'new', 'replace')
    quiet.touch('q', -1)
    t.same(quiet.get('q'), None, 'touch')
    quiet['q'] = b'item'
    t.same(quiet['q'], b'item', 'set by []')
    del quiet['q']
    t.raises(KeyError, lambda: quiet['q'], 'delete by []')
    quiet.set('q', b'flushed')
    quiet.flush_all()
    t.same(quiet.get('q'), None, 'flush_all')
    t.same(quiet.version(), server.version(), 'and no stray reply was left over')
    quiet.close()


def expiry_follows_the_time_given(t, server, mc, other):
    now = int(time.time())
    mc.set('e', b'v', expire=-1)
    t.same(mc.get('e'), None, 'a negative time: gone at once')
    mc.set('e', b'v', expire=now - 10)
    t.same(mc.get('e'), None, 'a date in the past: gone at once')
    mc.set('e', b'v', expire=now + 1000)
    t.same(mc.get('e'), b'v', 'a date to come: there')
    mc.set('e', b'v', expire=60 * 60 * 24 * 30)
    t.same(mc.get('e'), b'v', 'thirty days are still a duration')
    mc.set('e', b'v', expire=60 * 60 * 24 * 30 + 1)
    t.same(mc.get('e'), None, 'a second more is a date in 1970')
    t.same(mc.touch('missing', 10), False, 'touch of nothing')
    mc.set('e', b'v')
    t.same(mc.touch('e', -1), True, 'touch into the past')
    t.same(mc.get('e'), None, 'ends it')


def flush_takes_all_that_was_there_before(t, server, mc, other):
    mc = client(other)
    mc.set('f', b'v')
    t.same(mc.flush_all(delay=600), True, 'flush_all with a delay')
    t.same(mc.get('f'), b'v', 'does nothing yet')
    t.same(mc.flush_all(), True, 'flush_all')
    t.same(mc.get('f'), None, 'takes the old value')
    mc.set('f', b'w')
    t.same(mc.get('f'), b'w', 'and spares one stored in the same second')
    mc.close()


def statistics_and_version_are_readable(t, server, mc, other):
    version = mc.version()
    t.check(version.startswith(b'1.6.'), 'version() says 1.6', version)
    before = mc.stats()
    t.same(before[b'version'], version, 'stats agree')
    t.same(before[b'pid'], server.process.pid, 'pid')
    t.same(before[b'pointer_size'], 64, 'pointer_size')
    t.same(before[b'limit_maxbytes'], 64 << 20, 'limit_maxbytes')
    t.check(isinstance(before[b'rusage_user'], float), 'rusage_user is a float')
    mc.set('s', b'v')
    mc.get_many(['s', 'missing', 'missing'])
    mc.delete('s')
    mc.delete('s')
    mc.touch('s', 1)
    mc.incr('s', 1)
    after = mc.stats()
    moved = {name: after[name] - before[name] for name in (
        b'cmd_set', b'cmd_get', b'get_hits', b'get_misses', b'delete_hits',
        b'delete_misses', b'cmd_touch', b'touch_misses', b'incr_misses', b'total_items')}
    t.same(moved, {b'cmd_set': 1, b'cmd_get': 3, b'get_hits': 1, b'get_misses': 2,
                   b'delete_hits': 1, b'delete_misses': 1, b'cmd_touch': 1,
                   b'touch_misses': 1, b'incr_misses': 1, b'total_items': 1},
           'counters move by what was done')
    settings = mc.stats('settings')
    t.same(settings[b'tcpport'], server.port, 'stats settings: tcpport')
    t.same(settings[b'growth_factor'], 1.25, 'stats settings: growth_factor')
    t.same(settings[b'cas_enabled'], b'yes', 'stats settings: cas_enabled')
    t.same(settings[b'umask'], 0o700, 'stats settings: umask')


def administration_answers(t, server, mc, other):
    t.same(mc.cache_memlimit(128), True, 'cache_memlimit')
    t.same(server.stats()['limit_maxbytes'], str(128 << 20), 'sets the limit')
    t.raises((errors.MemcacheServerError, errors.MemcacheUnknownCommandError),
             mc.shutdown, 'shutdown is refused unless enabled')
    t.same(mc.version(), server.version(), 'and the server lives')
    mc.quit()
    t.same(mc.version(), server.version(), 'a call after quit connects again')
    for gracefully in (False, True):
        ending = Server('-A')
        t.same(client(ending).shutdown(gracefully), None, 'shutdown where it is enabled')
        t.check(poll(ending.ended), 'and the server ends')


def pools_and_hash_rings_spread_over_servers(t, server, mc, other):
    pool = base.PooledClient(('127.0.0.1', server.port), max_pool_size=4,
                             default_noreply=False, timeout=harness.SOCKET_S)
    t.same(pool.set('pool', b'v'), True, 'set through a pool')
    t.same(pool.get_many(['pool', 'missing']), {'pool': b'v'}, 'get through it')
    pool.close()
    ring = hashing.HashClient([('127.0.0.1', server.port), ('127.0.0.1', other.port)],
                              default_noreply=False, timeout=harness.SOCKET_S)
    before = [int(s.stats()['cmd_set']) for s in (server, other)]
    values = {'ring:%d' % i: b'%d' % i for i in range(400)}
    t.same(ring.set_many(values), [], 'set_many over two servers')
    t.same(ring.get_many(list(values) + ['missing']), values, 'get_many over both')
    held = [int(s.stats()['cmd_set']) - n for s, n in zip((server, other), before)]
    t.check(sum(held) == 400 and min(held) > 100, 'each holds its share',
            'items: %s' % held)
    t.same(ring.gets('ring:7')[0], b'7', 'gets')
    t.same(ring.incr('ring:7', 3), 10, 'incr')
    t.same(ring.delete_many(values), True, 'delete_many over both')
    t.same(ring.get_many(values), {}, 'deleted all')
    ring.close()


def a_unix_socket_serves_as_well(t, server, mc, other):
    local = Server(unix=True)
    with_path = client(local)
    t.same(with_path.set('u', BINARY), True, 'set')
    t.same(with_path.get('u'), BINARY, 'get')
    t.same(with_path.stats()[b'pid'], local.process.pid, 'from that server')
    with_path.close()


def a_value_expires_and_a_touched_one_stays(t, server, mc, other):
    t.check(poll(lambda: mc.get('short') is None), 'stored for two seconds: gone')
    t.check(poll(lambda: mc.get('shortened') is None), 'touched to two seconds: gone')
    t.same(mc.get('prolonged'), b'by touch', 'touched to ten minutes: there')


def the_client_survives_a_restart(t, server, mc, other):
    mc.set('r', b'before')
    server.restart()
    t.raises((errors.MemcacheUnexpectedCloseError, OSError), lambda: mc.get('r'),
             'the old connection is dead')
    t.same(mc.get('r'), None, 'the next one finds an empty server')
    t.same(mc.set('r', b'after'), True, 'that takes values')
    t.same(mc.get('r'), b'after', 'and gives them')
    again = retrying.RetryingClient(mc, attempts=2)
    server.restart()
    t.same(again.get('r'), None, 'RetryingClient does not show the restart')


harness.run(setup,
            short_lived_values_are_there_at_first,
            stores_answer_as_each_command_should,
            values_of_any_bytes_and_sizes_come_back,
            objects_are_pickled_and_marked_by_flags,
            keys_may_be_anything_that_the_client_lets_through,
            compare_and_set_notices_a_change,
            counters_wrap_at_64_bits_and_stop_at_nought,
            hundreds_of_keys_go_in_one_request,
            noreply_is_silent_and_still_happens,
            expiry_follows_the_time_given,
            flush_takes_all_that_was_there_before,
            statistics_and_version_are_readable,
            administration_answers,
            pools_and_hash_rings_spread_over_servers,
            a_unix_socket_serves_as_well,
            a_value_expires_and_a_touched_one_stays,
            the_client_survives_a_restart)
