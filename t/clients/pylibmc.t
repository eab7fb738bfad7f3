#!/usr/bin/python3 -B
"""pylibmc: libmemcached as Python programs use it, over text and binary protocol.

It marks the type of a value and its compression in the flags, waits for every
reply unless told otherwise, and multiplexes over servers by ketama.
"""
import time
import zlib

import harness
from harness import BINARY, LARGE, TOO_LARGE, Server, poll

pylibmc, = harness.need('pylibmc')
PICKLE, BOOLEAN, INTEGER, COMPRESSED, TEXT = 1, 2, 4, 8, 16     # its flags
MAX64 = 2 ** 64 - 1


class Protocol:
    """The one that client() speaks."""
    binary = False


def client(*servers, **behaviors):
    behaviors = {'cas': True, 'tcp_nodelay': True, 'receive_timeout': 20000000,
                 'send_timeout': 20000000, '_poll_timeout': 20000, **behaviors}
    login = dict(zip(('username', 'password'), (servers[0].login or '').split(' ', 1)))
    return pylibmc.Client([server.address for server in servers], behaviors=behaviors,
                          binary=Protocol.binary, **(login if servers[0].login else {}))


def setup(binary):
    Protocol.binary = binary
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
    if Protocol.binary:         # which says why; in text it is only not stored
        t.raises(pylibmc.NotFound, lambda: mc.replace('k', 'r'), 'replace of nothing')
    else:
        t.same(mc.replace('k', 'r'), False, 'replace of nothing')
    t.same(mc.append('k', 'r'), False, 'append to nothing')
    t.same(mc.prepend('k', 'r'), False, 'prepend to nothing')
    t.same(mc.get('k'), None, 'none of them stored')
    t.same(mc.add('k', 'one'), True, 'add of a new key')
    t.same(mc.add('k', 'two'), False, 'add of an old key')
    t.same(mc.get('k'), 'one', 'which keeps its value')
    t.same(mc.replace('k', 'three'), True, 'replace of an old key')
    t.same(mc.append('k', '-end'), True, 'append')
    t.same(mc.prepend('k', 'start-'), True, 'prepend')
    t.same(mc.get('k'), 'start-three-end', 'all in place')
    t.same(mc.get('missing', 'default'), 'default', 'a miss gives the default')
    t.same(mc.delete('k'), True, 'delete')
    t.same(mc.delete('k'), False, 'delete again')
    mc['k'] = 'item'
    t.check('k' in mc and mc['k'] == 'item', 'set and get by []')
    del mc['k']
    t.raises(KeyError, lambda: mc['k'], 'delete by []')


def values_keep_their_types_by_flags(t, server, mc, other):
    for name, value, flags in (
            ('bytes', b'\0\xff', 0),
            ('empty', b'', 0),
            ('text', 'gr\u00fc\u00df \u4e16', TEXT),
            ('integer', -1234567890, INTEGER),
            ('wide', 2 ** 70, INTEGER),
            ('float', 2.5, PICKLE),
            ('none', None, PICKLE),
            ('tree', {'a': [1, 2.5, (None, b'x')], 'b': {'\u00fc'}}, PICKLE)):
        mc.set(name, value)
        t.same(mc.get(name, 'missed'), value, name + ' comes back')
        t.same(server.wire(name.encode())[0], flags, name + ' has its flag')
    mc.set('bool', True)
    t.same((mc.get('bool'), server.wire(b'bool')), (1, (BOOLEAN, b'1')), 'bool is one')


def values_are_compressed_when_asked(t, server, mc, other):
    text = 'squeeze me ' * 2000
    t.same(mc.set('z', text, min_compress_len=100, compress_level=9), True, 'set')
    flags, stored = server.wire(b'z')
    t.same(flags, TEXT | COMPRESSED, 'marked as compressed text')
    t.same(zlib.decompress(stored), text.encode(), 'the server holds what zlib made')
    t.same(mc.get('z'), text, 'get gives the text')
    t.same(mc.set('z', 'short', min_compress_len=100), True, 'set a short one')
    t.same(server.wire(b'z'), (TEXT, b'short'), 'which is stored as it is')


def values_of_any_bytes_and_sizes_come_back(t, server, mc, other):
    t.same(mc.set('binary', BINARY), True, 'every byte and protocol words')
    t.same(mc.get('binary'), BINARY, 'come back')
    for size in (1, 1024, 16384, 65536, 524288, LARGE):
        value = (BINARY * (size // len(BINARY) + 1))[:size]
        mc.set('sized', value)
        t.same(mc.get('sized'), value, '%d bytes' % size)
    t.raises(pylibmc.TooBig, lambda: mc.set('sized', b'x' * TOO_LARGE),
             'more than 1 MiB is too big')
    t.same(mc.get('sized'), None, 'and a refused set takes the old value away')
    t.same(mc.get('binary'), BINARY, 'the dialogue goes on')


def keys_may_be_unicode_and_long(t, server, mc, other):
    key = '\u0142\u00f3d\u017a-\U0001f980'
    t.same(mc.set(key, 'crab'), True, 'a unicode key')
    t.same(mc.get(key), 'crab', 'is found')
    t.same(server.wire(key.encode()), (TEXT, b'crab'), 'as UTF-8')
    longest = 'k' * 250
    t.same(mc.set(longest, 'v'), True, 'a key of 250 bytes')
    mc.set('k' * 249, 'other')
    t.same(mc.get(longest), 'v', 'differs from one of 249')
    t.raises(ValueError, lambda: mc.get('k' * 251), 'one of 251 never leaves')


def compare_and_set_notices_a_change(t, server, mc, other):
    t.same(mc.gets('missing'), (None, None), 'gets of nothing')
    t.raises(pylibmc.NotFound, lambda: mc.cas('missing', 'v', 1), 'cas of nothing')
    mc.set('cas', 'one')
    value, token = mc.gets('cas')
    t.same(value, 'one', 'gets gives the value')
    t.check(token > 0, 'and a token')
    t.same(mc.cas('cas', 'two', token), True, 'cas with it stores')
    t.same(mc.cas('cas', 'three', token), False, 'and only once')
    t.same(mc.get('cas'), 'two', 'the second attempt changed nothing')
    token = mc.gets('cas')[1]
    client(server).set('cas', 'by another')
    t.same(mc.cas('cas', 'lost', token), False, "another's set spends the token")
    t.same(mc.get('cas'), 'by another', 'and wins')


def counters_wrap_at_64_bits_and_stop_at_nought(t, server, mc, other):
    t.raises(pylibmc.NotFound, lambda: mc.incr('n'), 'incr of nothing')
    t.raises(pylibmc.NotFound, lambda: mc.decr('n'), 'decr of nothing')
    mc.set('n', 9)
    t.same(mc.incr('n'), 10, 'incr over a digit')
    t.same(mc.decr('n', 3), 7, 'decr')
    t.same(mc.get('n'), 7, 'is still an integer')
    t.same(mc.decr('n', 100), 0, 'decr stops at nought')
    mc.set('n', MAX64)
    t.same(mc.incr('n'), 0, 'incr of the largest wraps to nought')
    mc.set_multi({'n1': 1, 'n2': 2})
    t.same(mc.incr_multi(['n1', 'n2'], delta=40), None, 'incr_multi')
    t.same(mc.get_multi(['n1', 'n2']), {'n1': 41, 'n2': 42}, 'both moved')
    t.raises(pylibmc.NotFound, lambda: mc.incr_multi(['n1', 'missing']),
             'incr_multi tells of a missing one')
    t.same(mc.get('n1'), 42, 'and moves the other')
    mc.set('n', 'five')
    # libmemcached does not know the status by which the binary protocol says so.
    t.raises(pylibmc.UnknownReadFailure if Protocol.binary else pylibmc.ClientError,
             lambda: mc.incr('n'), 'incr of a word')
    t.same(mc.get('n'), 'five', 'leaves it')


def hundreds_of_keys_go_in_one_request(t, server, mc, other):
    values = {'many:%03d:%s' % (i, 'x' * (i % 180)): str(i) * (i % 40)
              for i in range(600)}
    wanted = list(values) + ['many:missing:%d' % i for i in range(300)]
    t.same(mc.set_multi(values, key_prefix='p:'), [], 'set_multi fails on none of 600')
    t.same(mc.get_multi(wanted, key_prefix='p:'), values, 'get_multi of 900 finds those')
    t.same(mc.get_multi(wanted), {}, 'and none without the prefix')
    t.same(mc.add_multi({'p:fresh': 'a', 'fresh': 'b'}), [], 'add_multi of new keys')
    t.same(mc.add_multi({'fresh': 'c', 'fresher': 'd'}), ['fresh'],
           'add_multi names the key that was there')
    some = list(values)[:300]
    t.same(mc.delete_multi(some, key_prefix='p:'), True, 'delete_multi of 300')
    t.same(mc.delete_multi(some + ['missing'], key_prefix='p:'), False, 'and again')
    t.same(len(mc.get_multi(wanted, key_prefix='p:')), 300, 'leaves 300')


def noreply_is_silent_and_still_happens(t, server, mc, other):
    quiet = client(server, _noreply=True)
    quiet.set('q', 'b')
    quiet.add('q', 'lost')
    quiet.append('q', 'c')
    quiet.prepend('q', 'a')
    t.same(quiet.get('q'), 'abc', 'set, add, append, prepend')
    quiet.replace('q', 'new')
    t.same(quiet.get('q'), 'new', 'replace')
    quiet.delete('q')
    t.same(quiet.get('q'), None, 'delete')
    values = {'q%d' % i: i for i in range(300)}
    quiet.set_multi(values)
    t.same(quiet.get_multi(list(values)), values, 'set_multi of 300')
    quiet.incr('q7', 35)
    quiet.decr('q299', 290)
    t.same(quiet.get_multi(['q7', 'q299']), {'q7': 42, 'q299': 9}, 'incr and decr')


def expiry_follows_the_time_given(t, server, mc, other):
    now = int(time.time())
    mc.set('e', 'v', time=now - 10)
    t.same(mc.get('e'), None, 'a date in the past: gone at once')
    mc.set('e', 'v', time=now + 1000)
    t.same(mc.get('e'), 'v', 'a date to come: there')
    mc.set('e', 'v', time=60 * 60 * 24 * 30 + 1)
    t.same(mc.get('e'), None, 'more than thirty days: a date in 1970')
    t.same(mc.touch('missing', 10), False, 'touch of nothing')
    mc.set('e', 'v')
    t.same(mc.touch('e', now - 10), True, 'touch into the past')
    t.same(mc.get('e'), None, 'ends it')
    t.same(mc.set_multi({'e1': 1, 'e2': 2}, time=now - 10), [], 'set_multi, expired')
    t.same(mc.get_multi(['e1', 'e2']), {}, 'is not there')


def flush_takes_all_that_was_there_before(t, server, mc, other):
    there = client(other)
    there.set('f', 'v')
    t.same(there.flush_all(time=600), True, 'flush_all with a delay')
    t.same(there.get('f'), 'v', 'does nothing yet')
    t.same(there.flush_all(), True, 'flush_all')
    t.same(there.get('f'), None, 'takes the old value')
    there.set('f', 'w')
    t.same(there.get('f'), 'w', 'and spares one stored in the same second')


def statistics_are_readable(t, server, mc, other):
    (name, before), = mc.get_stats()
    t.check(name.startswith(server.address.encode()), 'the server has its name', name)
    t.same(before['version'], server.version(), 'version, not cut off')
    t.same(int(before['pid']), server.process.pid, 'pid')
    t.same(int(before['limit_maxbytes']), 64 << 20, 'limit_maxbytes')
    mc.set('s', 'v')
    mc.get('s')
    mc.get('missing')
    after = mc.get_stats()[0][1]
    t.same([int(after[k]) - int(before[k]) for k in
            ('cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items')],
           [1, 2, 1, 1, 1], 'counters move by what was done')
    t.same(len(mc.get_stats('settings')), 1, 'stats settings is read to its end')
    t.same(mc.get('s'), 'v', 'and the dialogue goes on')


def two_servers_share_the_keys(t, server, mc, other):
    ring = client(server, other, ketama=True)
    before = [int(s.stats()['cmd_set']) for s in (server, other)]
    values = {'ring:%d' % i: i for i in range(400)}
    t.same(ring.set_multi(values), [], 'set_multi over two servers')
    held = [int(s.stats()['cmd_set']) - n for s, n in zip((server, other), before)]
    t.check(sum(held) == 400 and min(held) > 60, 'each holds its share', held)
    t.same(ring.get_multi(list(values) + ['missing']), values, 'get_multi over both')
    t.same(client(other, server, ketama=True).get_multi(list(values)), values,
           'found also when the servers are listed the other way round')
    t.same(len(ring.get_stats()), 2, 'statistics of both')
    pool = pylibmc.ClientPool(ring, 2)
    with pool.reserve() as one, pool.reserve() as two:
        t.same((one.get('ring:1'), two.get('ring:2')), (1, 2), 'clones in a pool')


def a_unix_socket_serves_as_well(t, server, mc, other):
    local = Server(unix=True)
    with_path = client(local)
    if local.login:     # libmemcached cannot log in there
        t.raises(pylibmc.Error, lambda: with_path.set('u', BINARY), 'not with a login')
        return
    t.same(with_path.set('u', BINARY), True, 'set')
    t.same(with_path.get('u'), BINARY, 'get')
    t.same(int(with_path.get_stats()[0][1]['pid']), local.process.pid, 'there')


def a_value_expires_and_a_touched_one_stays(t, server, mc, other):
    t.check(poll(lambda: mc.get('short') is None), 'stored for two seconds: gone')
    t.check(poll(lambda: mc.get('shortened') is None), 'touched to two seconds: gone')
    t.same(mc.get('prolonged'), 'by touch', 'touched to ten minutes: there')


def the_client_survives_a_restart(t, server, mc, other):
    def stores_again():
        try:
            return mc.set('r', 'after')
        except pylibmc.Error:
            return False
    mc.set('r', 'before')
    server.restart()
    t.check(poll(stores_again), 'it connects again')
    t.same(mc.get('r'), 'after', 'and works')
    t.same(mc.get('prolonged'), None, 'on an empty server')


harness.run_each({'text': lambda: setup(False),
                  **harness.both(lambda: setup(True), name='binary')},
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
