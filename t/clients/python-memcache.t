#!/usr/bin/python3 -B
"""python-memcached (Debian's python3-memcache) over the text protocol.

A pool of servers by crc32, types and compression marked in the flags, many keys
sent before the first reply is read, and silence instead of exceptions: what went
wrong is a 0 or a None, so each is told from success by reading back.
"""
import pickle
import time
import zlib

import harness
from harness import BINARY, LARGE, TOO_LARGE, Server, poll

memcache, = harness.need('memcache')
PICKLE, INTEGER, COMPRESSED, TEXT = 1, 2, 8, 16         # its flags
MAX64 = 2 ** 64 - 1


def client(*servers, **options):
    options = {'socket_timeout': harness.SOCKET_S, 'dead_retry': 0,
               'server_max_value_length': 0, **options}
    return memcache.Client(['unix:' + s.path if s.path else s.address for s in servers],
                           **options)


def setup():
    server = Server()
    mc = client(server)
    # Read again by the last section, so that the others pass the time.
    mc.set('short', 'lived', time=2)
    mc.set('shortened', 'by touch')
    mc.touch('shortened', 2)
    mc.set('prolonged', 'by touch', time=2)
    mc.touch('prolonged', 600)
    return server, mc, Server()


def short_lived_values_are_there_at_first(t, server, mc, other):
    t.same(mc.get_multi(['short', 'shortened', 'prolonged']),
           {'short': 'lived', 'shortened': 'by touch', 'prolonged': 'by touch'},
           'all three are alive')


def stores_answer_as_each_command_should(t, server, mc, other):
    t.check(not mc.replace('k', 'r'), 'replace of nothing')
    t.check(not mc.append('k', 'r'), 'append to nothing')
    t.check(not mc.prepend('k', 'r'), 'prepend to nothing')
    t.same(mc.get('k'), None, 'none of them stored')
    t.check(mc.add('k', 'one'), 'add of a new key')
    t.check(not mc.add('k', 'two'), 'add of an old key')
    t.same(mc.get('k'), 'one', 'which keeps its value')
    t.check(mc.replace('k', 'three'), 'replace of an old key')
    t.check(mc.append('k', '-end'), 'append')
    t.check(mc.prepend('k', 'start-'), 'prepend')
    t.same(mc.get('k'), 'start-three-end', 'all in place')
    t.check(mc.delete('k'), 'delete')
    t.same(mc.get('k'), None, 'it is gone')
    t.check(mc.delete('k'), 'delete of nothing is no failure to this client')


def values_keep_their_types_by_flags(t, server, mc, other):
    for name, value, flags in (
            ('bytes', b'\0\xff', 0),
            ('empty', b'', 0),
            ('text', 'gr\u00fc\u00df \u4e16', TEXT),
            ('integer', -2 ** 70, INTEGER),
            ('bool', False, PICKLE),
            ('float', 2.5, PICKLE),
            ('tree', {'a': [1, 2.5, (None, b'x')], 'b': {'\u00fc'}}, PICKLE)):
        mc.set(name, value)
        t.same(mc.get(name), value, name + ' comes back')
        t.same(server.wire(name.encode())[0], flags, name + ' has its flag')
    t.same(pickle.loads(server.wire(b'float')[1]), 2.5, 'the server holds a pickle')


def values_are_compressed_when_asked(t, server, mc, other):
    text = 'squeeze me ' * 2000
    t.check(mc.set('z', text, min_compress_len=100), 'set')
    flags, stored = server.wire(b'z')
    t.same(flags, TEXT | COMPRESSED, 'marked as compressed text')
    t.same(zlib.decompress(stored), text.encode(), 'the server holds what zlib made')
    t.same(mc.get('z'), text, 'get gives the text')


def values_of_any_bytes_and_sizes_come_back(t, server, mc, other):
    t.check(mc.set('binary', BINARY), 'every byte and protocol words')
    t.same(mc.get('binary'), BINARY, 'come back')
    for size in (1, 4095, 4096, 4097, 65536, 524288, LARGE):
        value = (BINARY * (size // len(BINARY) + 1))[:size]
        mc.set('sized', value)
        t.same(mc.get('sized'), value, '%d bytes' % size)
    t.check(not mc.set('sized', b'x' * TOO_LARGE), 'more than 1 MiB is refused')
    t.same(mc.get('sized'), None, 'and a refused set takes the old value away')
    t.same(mc.get('binary'), BINARY, 'the dialogue goes on')


def keys_may_be_unicode_and_long(t, server, mc, other):
    key = '\u0142\u00f3d\u017a-\U0001f980'
    t.check(mc.set(key, 'crab'), 'a unicode key')
    t.same(mc.get_multi([key]), {key: 'crab'}, 'is found')
    t.same(server.wire(key.encode()), (TEXT, b'crab'), 'as UTF-8')
    longest = 'k' * 250
    t.check(mc.set(longest, 'v'), 'a key of 250 bytes')
    mc.set('k' * 249, 'other')
    t.same(mc.get(longest), 'v', 'differs from one of 249')
    t.raises(mc.MemcachedKeyLengthError, lambda: mc.get('k' * 251), '251 never leave')
    unchecked = client(server, check_keys=False)
    t.check(not unchecked.set('k' * 251, 'v'), 'sent all the same, it is refused')
    unchecked.disconnect_all()


def compare_and_set_notices_a_change(t, server, mc, other):
    one, two = client(server, cache_cas=True), client(server, cache_cas=True)
    t.same(one.gets('cas'), None, 'gets of nothing')
    one.set('cas', 'first')
    t.same((one.gets('cas'), two.gets('cas')), ('first', 'first'), 'two clients read')
    t.check(one.cas('cas', 'mine'), 'the first to write wins')
    t.check(not two.cas('cas', 'lost'), 'the second is told')
    t.same(mc.get('cas'), 'mine', 'and changed nothing')
    t.same(two.gets('cas'), 'mine', 'it reads again')
    t.check(two.cas('cas', 'theirs'), 'and then may write')
    one.gets('cas')
    mc.delete('cas')
    t.check(not one.cas('cas', 'lost'), 'cas of what was deleted')
    t.same(mc.get('cas'), None, 'stores nothing')


def counters_wrap_at_64_bits_and_stop_at_nought(t, server, mc, other):
    t.same(mc.incr('n'), None, 'incr of nothing')
    t.same(mc.decr('n'), None, 'decr of nothing')
    mc.set('n', 9)
    t.same(mc.incr('n'), 10, 'incr over a digit')
    t.same(mc.decr('n', 3), 7, 'decr')
    t.same(mc.get('n'), 7, 'is still an integer')
    t.same(mc.decr('n', 100), 0, 'decr stops at nought')
    t.same(mc.incr('n', MAX64), MAX64, 'incr to the largest')
    t.same(mc.incr('n', 1), 0, 'wraps to nought')
    t.same(mc.incr('n', 5, noreply=True), None, 'incr without reply')
    t.same(mc.decr('n', 2, noreply=True), None, 'decr without reply')
    t.same(mc.get('n'), 3, 'both happened')
    mc.set('n', 'five')
    t.raises(ValueError, lambda: mc.incr('n'), 'incr of a word')
    t.same(mc.get('n'), 'five', 'leaves it')


def hundreds_of_keys_go_in_one_request(t, server, mc, other):
    values = {'many:%03d:%s' % (i, 'x' * (i % 180)): str(i) * (i % 40)
              for i in range(600)}
    wanted = list(values) + ['many:missing:%d' % i for i in range(300)]
    t.same(mc.set_multi(values, key_prefix='p:'), [], 'set_multi fails on none of 600')
    t.same(mc.get_multi(wanted, key_prefix='p:'), values, 'get_multi of 900 finds those')
    t.same(mc.get_multi(wanted), {}, 'and none without the prefix')
    some = list(values)[:300]
    t.same(mc.delete_multi(some, key_prefix='p:'), 1, 'delete_multi of 300')
    t.same(len(mc.get_multi(wanted, key_prefix='p:')), 300, 'leaves 300')
    t.same(mc.set_multi({'small': 1, 'big': b'x' * TOO_LARGE, 'last': 2}), ['big'],
           'set_multi names the one that was too large')
    t.same(mc.get_multi(['small', 'big', 'last']), {'small': 1, 'last': 2},
           'and stores the others')


def noreply_is_silent_and_still_happens(t, server, mc, other):
    mc.set('q', 'b', noreply=True)
    mc.add('q', 'lost', noreply=True)
    mc.append('q', 'c', noreply=True)
    mc.prepend('q', 'a', noreply=True)
    t.same(mc.get('q'), 'abc', 'set, add, append, prepend')
    mc.replace('q', 'new', noreply=True)
    t.same(mc.get('q'), 'new', 'replace')
    mc.touch('q', -1, noreply=True)
    t.same(mc.get('q'), None, 'touch')
    values = {'q%d' % i: i for i in range(300)}
    t.same(mc.set_multi(values, noreply=True), [], 'set_multi')
    t.same(mc.get_multi(list(values)), values, 'stored all')
    mc.delete('q1', noreply=True)
    t.same(mc.get('q1'), None, 'delete')
    mc.delete_multi(list(values), noreply=True)
    t.same(mc.get_multi(list(values)), {}, 'delete_multi')
    quiet = client(server, cache_cas=True)
    quiet.set('q', 'old')
    quiet.gets('q')
    quiet.cas('q', 'new', noreply=True)
    t.same(quiet.get('q'), 'new', 'cas')
    quiet.cas('q', 'lost', noreply=True)
    t.same(quiet.get('q'), 'new', 'cas with a spent token')


def expiry_follows_the_time_given(t, server, mc, other):
    now = int(time.time())
    mc.set('e', 'v', time=-1)
    t.same(mc.get('e'), None, 'a negative time: gone at once')
    mc.set('e', 'v', time=now - 10)
    t.same(mc.get('e'), None, 'a date in the past: gone at once')
    mc.set('e', 'v', time=now + 1000)
    t.same(mc.get('e'), 'v', 'a date to come: there')
    mc.set('e', 'v', time=60 * 60 * 24 * 30 + 1)
    t.same(mc.get('e'), None, 'more than thirty days: a date in 1970')
    t.check(not mc.touch('missing', 10), 'touch of nothing')
    mc.set('e', 'v')
    t.check(mc.touch('e', -1), 'touch into the past')
    t.same(mc.get('e'), None, 'ends it')


def flush_takes_all_that_was_there_before(t, server, mc, other):
    there = client(other)
    there.set('f', 'v')
    there.flush_all()
    t.same(there.get('f'), None, 'flush_all takes the old value')
    there.set('f', 'w')
    t.same(there.get('f'), 'w', 'and spares one stored in the same second')


def statistics_are_readable(t, server, mc, other):
    (name, before), = mc.get_stats()
    t.check(name.startswith(server.address), 'the server has its name', name)
    t.same(before['version'].encode(), server.version(), 'version')
    t.same(int(before['pid']), server.process.pid, 'pid')
    mc.set('s', 'v')
    mc.get('s')
    mc.get('missing')
    after = mc.get_stats()[0][1]
    t.same([int(after[k]) - int(before[k]) for k in
            ('cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items')],
           [1, 2, 1, 1, 1], 'counters move by what was done')
    settings = mc.get_stats('settings')[0][1]
    t.same(int(settings['tcpport']), server.port, 'stats settings: tcpport')
    t.same(settings['evictions'], 'on', 'stats settings: evictions')
    for name in ('get_slabs', 'get_slab_stats'):    # they split bytes at a text
        t.raises(TypeError, getattr(client(other), name), name + ' is for Python 2')
    items = mc.get_stats('items')[0][1]
    classes = [name.split(':')[1] for name in items if name.endswith(':number')]
    t.same(sum(int(items['items:%s:number' % c]) for c in classes),
           int(after['curr_items']), 'stats items: every item is in a class')
    slabs = mc.get_stats('slabs')[0][1]
    t.check(all(int(slabs[c + ':used_chunks']) > 0 for c in classes),
            'stats slabs: each of which has chunks in use', slabs)


def two_servers_share_the_keys(t, server, mc, other):
    ring = client(server, other)
    before = [int(s.stats()['cmd_set']) for s in (server, other)]
    values = {'ring:%d' % i: i for i in range(400)}
    t.same(ring.set_multi(values), [], 'set_multi over two servers')
    held = [int(s.stats()['cmd_set']) - n for s, n in zip((server, other), before)]
    t.check(sum(held) == 400 and min(held) > 100, 'each holds its share', held)
    t.same(ring.get_multi(list(values) + ['missing']), values, 'get_multi over both')
    ring.set((0, 'placed'), 'first')
    ring.set((1, 'placed'), 'second')
    t.same((server.wire(b'placed'), other.wire(b'placed')),
           ((TEXT, b'first'), (TEXT, b'second')), 'a hash of its own chooses the server')
    t.same(len(ring.get_stats()), 2, 'statistics of both')
    ring.disconnect_all()
    ring.set_servers([other.address])
    t.same(ring.get('placed'), 'second', 'set_servers leaves one')
    ring.disconnect_all()
    ring = client(other, dead_retry=600)
    ring.servers[0].mark_dead('told so')
    t.same(ring.get('placed'), None, 'which is dead for a while')
    ring.forget_dead_hosts()
    t.same(ring.get('placed'), 'second', 'until forget_dead_hosts')
    ring.disconnect_all()


def a_unix_socket_serves_as_well(t, server, mc, other):
    local = Server(unix=True)
    with_path = client(local)
    t.check(with_path.set('u', BINARY), 'set')
    t.same(with_path.get('u'), BINARY, 'get')
    t.same(int(with_path.get_stats()[0][1]['pid']), local.process.pid, 'there')
    with_path.disconnect_all()


def a_value_expires_and_a_touched_one_stays(t, server, mc, other):
    t.check(poll(lambda: mc.get('short') is None), 'stored for two seconds: gone')
    t.check(poll(lambda: mc.get('shortened') is None), 'touched to two seconds: gone')
    t.same(mc.get('prolonged'), 'by touch', 'touched to ten minutes: there')


def the_client_survives_a_restart(t, server, mc, other):
    mc.set('r', 'before')
    server.restart()
    t.same(mc.get('r'), None, 'a get does not show the restart')
    t.check(mc.set('r', 'after'), 'the new server takes values')
    t.same(mc.get('r'), 'after', 'and gives them')


harness.run(setup,
            short_lived_values_are_there_at_first,
            stores_answer_as_each_command_should,
            values_keep_their_types_by_flags,
            values_are_compressed_when_asked,
            values_of_any_bytes_and_sizes_come_back,
            keys_may_be_unicode_and_long,
            compare_and_set_notices_a_change,
            counters_wrap_at_64_bits_and_stop_at_nought,
            hundreds_of_keys_go_in_one_request,
            noreply_is_silent_and_still_happens,
            expiry_follows_the_time_given,
            flush_takes_all_that_was_there_before,
            statistics_are_readable,
            two_servers_share_the_keys,
            a_unix_socket_serves_as_well,
            a_value_expires_and_a_touched_one_stays,
            the_client_survives_a_restart)
