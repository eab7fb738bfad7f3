// memcached by 3rd-Eden, node's most used client of the text protocol.
// Run by node-memcached.t:  node memcached.js PORT PORT VERSION PID
//
// VERSION and PID are the first server's. The client sends what is asked for at the same
// time over up to ten connections, marks the type of a value in the flags, and puts a
// backslash before each line end in it.
'use strict';
const Memcached = require('memcached');
const net = require('net');
const {LARGE, TOO_LARGE, bytes, check, eventually, fails, order, run, same} =
    require('./tap');

const [first, second, version, pid] = process.argv.slice(2);
const JSONED = 2, BUFFER = 4, NUMBER = 8;

// A client whose methods return promises.
class Client extends Memcached {
  constructor(ports, options) {
    super(
        ports.map((port) => `127.0.0.1:${port}`),
        {timeout: 20000, idle: 20000, retry: 20, failures: 1000, ...options});
    for (const name
             of ['get', 'gets', 'getMulti', 'set', 'add', 'replace', 'cas', 'append',
                 'prepend', 'incr', 'decr', 'increment', 'decrement', 'del', 'touch',
                 'version', 'flush', 'stats', 'settings', 'slabs', 'items',
                 'cachedump']) {
      const method = this[name];
      // A batch calls others by their callbacks, so those are let through.
      this[name] = (...all) => typeof all[all.length - 1] === 'function' ?
          method.apply(this, all) :
          new Promise((resolve, reject) => {
            method.call(
                this, ...all, (error, result) => error ? reject(error) : resolve(result));
          });
    }
  }
}

// Flags and bytes as the server holds them, without a library.
function wire(key) {
  return new Promise((resolve) => {
    const socket = net.connect(first, '127.0.0.1');
    let answer = Buffer.alloc(0);
    socket.on('data', (data) => {
      answer = Buffer.concat([answer, data]);
    });
    socket.on('end', () => {
      const end = answer.indexOf('\r\n');
      const [, , flags, length] = answer.subarray(0, end).toString().split(' ');
      resolve([Number(flags), answer.subarray(end + 2, end + 2 + Number(length))]);
    });
    socket.end(`get ${key}\r\nquit\r\n`);
  });
}

async function stores_answer_as_each_command_should(mc) {
  same(await mc.get('k'), undefined, 'a miss');
  await fails(mc.replace('k', 'r', 0), /not stored/, 'replace of nothing');
  await fails(mc.append('k', 'r'), /not stored/, 'append to nothing');
  await fails(mc.prepend('k', 'r'), /not stored/, 'prepend to nothing');
  same(await mc.get('k'), undefined, 'none of them stored');
  same(await mc.add('k', 'one', 0), true, 'add of a new key');
  await fails(mc.add('k', 'two', 0), /not stored/, 'add of an old key');
  same(await mc.get('k'), 'one', 'which keeps its value');
  same(await mc.replace('k', 'three', 0), true, 'replace of an old key');
  same(await mc.append('k', '-end'), true, 'append');
  same(await mc.prepend('k', 'start-'), true, 'prepend');
  same(await mc.get('k'), 'start-three-end', 'all in place');
  same(await mc.del('k'), true, 'delete');
  same(await mc.del('k'), false, 'delete again');
  same(await mc.get('k'), undefined, 'it is gone');
  same(await mc.set('k', '', 0), true, 'an empty value');
  same(await mc.get('k'), '', 'is not a missing one');
}

async function values_keep_their_types_by_flags(mc) {
  for (const [name, value, flags, stored] of [
           ['text', 'gr\u00fc\u00df \u4e16', 0, 'gr\u00fc\u00df \u4e16'],
           ['number', -12.5, NUMBER, '-12.5'], ['true', true, JSONED, 'true'],
           ['null', null, JSONED, 'null'],
           ['tree', {a: [1, null, '\u4e16']}, JSONED, '{"a":[1,null,"\u4e16"]}'],
           ['buffer', Buffer.from([0, 127]), BUFFER, '\0\x7f']]) {
    same(await mc.set(name, value, 0), true, `${name} is set`);
    same(await mc.get(name), value, 'comes back');
    same(await wire(name), [flags, Buffer.from(stored)], 'and was marked by its flag');
  }
}

async function values_of_any_bytes_and_sizes_come_back(mc) {
  for (const size of [1, 255, 256, 16384, 65536, 524288, 600000]) {
    same(await mc.set('sized', bytes(size), 0), true, `${size} bytes are set`);
    check((await mc.get('sized')).equals(bytes(size)), 'and come back');
  }
  const words = '\r\nEND\r\nVALUE k 0 1\r\n';
  same(await mc.set('words', words, 0), true, 'words of the protocol');
  same(await mc.get('words'), words, 'come back');
  same(await mc.set('large', 'x'.repeat(LARGE), 0), true, `${LARGE} bytes`);
  same((await mc.get('large')).length, LARGE, 'come back');
  await fails(
      mc.set('large', 'x'.repeat(TOO_LARGE), 0), /greater than 1048576/,
      'more than 1 MiB never leaves');
  const daring = new Client([first], {maxValue: 2 * TOO_LARGE});
  const issue = new Promise((resolve) => daring.on('issue', resolve));
  daring.set('large', 'x'.repeat(TOO_LARGE), 0, () => {});
  same((await issue).messages, ['object too large for cache'], 'and would be refused');
  same(await mc.get('large'), undefined, 'which takes the old value away');
  daring.end();
}

async function keys_may_be_long_unicode_and_prefixed(mc) {
  const longest = 'k'.repeat(250);
  same(await mc.set(longest, 'longest', 0), true, 'a key of 250 bytes');
  same(await mc.set(longest.slice(1), 'shorter', 0), true, 'one of 249');
  same(await mc.get(longest), 'longest', 'is another');
  same(await mc.set(longest + 'k', 'hashed', 0), true, 'a longer one');
  same(await mc.get(longest + 'k'), 'hashed', 'is hashed by the client');
  await fails(mc.get('a b'), /whitespace/, 'one with a space never leaves');
  // The client counts characters, the server bytes.
  await fails(
      mc.get('\u00fc'.repeat(126)), /^bad command line format$/,
      '252 bytes in 126 characters are refused');
  same(await mc.set('\u{1F980}', 'crab', 0), true, 'UTF-8');
  same(await mc.get('\u{1F980}'), 'crab', 'is found');
  const named = new Client([first], {namespace: 'ns:'});
  same(await named.set('k', 'named', 0), true, 'a namespace');
  same(await named.getMulti(['k', 'missing']), {k: 'named'}, 'is taken off again');
  same(await mc.get('ns:k'), 'named', 'and was on the wire');
  named.end();
}

async function compare_and_set_notices_a_change(mc) {
  same(await mc.gets('missing'), undefined, 'gets of nothing');
  same(await mc.cas('missing', 'v', '1', 0), false, 'cas of nothing');
  await mc.set('token', 'one', 0);
  const {token, cas} = await mc.gets('token');
  same(token, 'one', 'gets gives the value');
  check(/^[1-9]\d*$/.test(cas), 'and a number', String(cas));
  same((await mc.gets('token')).cas, cas, 'the same again');
  same(await mc.cas('token', 'two', cas, 0), true, 'cas with it stores');
  same(await mc.cas('token', 'three', cas, 0), false, 'and only once');
  same(await mc.get('token'), 'two', 'the second attempt changed nothing');
}

async function counters_wrap_at_64_bits_and_stop_at_nought(mc) {
  same(await mc.incr('n', 1), false, 'incr of nothing');
  same(await mc.decr('n', 1), false, 'decr of nothing');
  await mc.set('n', 9, 0);
  same(await mc.incr('n', 1), 10, 'incr over a digit');
  same(await mc.decrement('n', 3), 7, 'decr');
  same(await mc.get('n'), 7, 'is still a number');
  same(await mc.decr('n', 100), 0, 'decr stops at nought');
  await mc.set('n', '18446744073709551615', 0);
  same(await mc.increment('n', 8), 7, 'incr wraps at 64 bits');
  await mc.set('n', 'five', 0);
  await fails(
      mc.incr('n', 1), /^cannot increment or decrement non-numeric value$/,
      'incr of a word');
  await fails(
      mc.incr('n', -1), /^invalid numeric delta argument$/, 'incr by less than nothing');
  same(await mc.get('n'), 'five', 'leave it');
}

async function hundreds_of_keys_go_in_one_request(mc) {
  const values = {};
  for (let i = 0; i < 600; i++) {
    values[`many:${i}:` + 'x'.repeat(i % 180)] = `${i},`.repeat(i % 40);
  }
  const missing = Array.from({length: 300}, (_, i) => `many:missing:${i}`);
  await Promise.all(Object.entries(values).map(([key, value]) => mc.set(key, value, 0)));
  same(
      await mc.getMulti([...Object.keys(values), ...missing]), values,
      'getMulti of 900 finds those 600 that are there');
}

async function expiry_follows_the_time_given(mc) {
  const now = Math.floor(Date.now() / 1000);
  for (const [expires, there, name] of [
           [-1, false, 'a negative time'], [now - 10, false, 'a date in the past'],
           [now + 1000, true, 'a date to come'], [30 * 86400, true, 'thirty days'],
           [30 * 86400 + 1, false, 'a second more is a date in 1970']]) {
    same(await mc.set('e', 'v', expires), true, `${name}: stored`);
    same(await mc.get('e'), there ? 'v' : undefined, there ? 'and there' : 'and gone');
  }
  for (const [key, expires] of [
           ['short', 2], ['long', 600], ['shortened', 0], ['prolonged', 2]]) {
    await mc.set(key, 'v', expires);
  }
  await mc.add('added', 'v', 2);
  await mc.set('replaced', 'v', 0);
  same(await mc.replace('replaced', 'w', 2), true, 'replace with a time');
  same(await mc.append('short', 'w'), true, 'append, which leaves the time');
  same(await mc.touch('shortened', 2), true, 'touch');
  same(await mc.touch('prolonged', 600), true, 'another one');
  same(await mc.touch('missing', 2), false, 'touch of nothing');
  same(await mc.get('short'), 'vw', 'a value for two seconds is there at first');
  await order('@advance 3');
  for (const key of ['short', 'shortened', 'added', 'replaced']) {
    same(await mc.get(key), undefined, `then ${key} is gone`);
  }
  same(await mc.get('long'), 'v', 'and what lives longer is there');
  same(await mc.get('prolonged'), 'v', 'so is what was touched');
}

async function statistics_and_version_are_readable(mc) {
  const server = `127.0.0.1:${first}`;
  const [before] = await mc.stats();
  same(
      [before.server, before.pid, before.version, before.limit_maxbytes],
      [server, Number(pid), version, 64 << 20], 'pid, version and limit');
  await mc.set('s', 'v', 0);
  await mc.get('s');
  await mc.get('missing');
  const [after] = await mc.stats();
  same(
      ['cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items'].map(
          (name) => after[name] - before[name]),
      [1, 2, 1, 1, 1], 'counters move by what was done');
  same((await mc.settings())[0].tcpport, Number(first), 'settings');
  // It takes the last three numbers, whatever else there is.
  const [got] = await mc.version();
  same(
      [got.server, got.version, [got.major, got.minor, got.bugfix].join('.')],
      [server, version.match(/\d+\.\d+\.\d+$/)[0], got.version], 'version');
  check((await mc.items())[0]['1'].number > 0, 'items of a class');
  check((await mc.slabs())[0]['1'].chunk_size > 0, 'its slabs');
  check((await mc.cachedump(server, 1, 0)) instanceof Object, 'its keys');
}

async function two_servers_share_the_keys(mc) {
  const ring = new Client([first, second]);
  const keys = Array.from({length: 400}, (_, i) => `ring:${i}`);
  const stored = async () => {
    const all =
        Object.fromEntries((await ring.stats()).map((s) => [s.server, s.cmd_set]));
    return [first, second].map((port) => all[`127.0.0.1:${port}`]);
  };
  const before = await stored();
  await Promise.all(keys.map((key) => ring.set(key, key, 0)));
  const held = (await stored()).map((n, i) => n - before[i]);
  check(
      held[0] + held[1] === 400 && Math.min(...held) > 60, 'each holds its share',
      String(held));
  same(
      await ring.getMulti([...keys, 'missing']),
      Object.fromEntries(keys.map((key) => [key, key])), 'getMulti asks both');
  same((await ring.version()).length, 2, 'both say their version');
  same(await ring.flush(), [true, true], 'flush of both');
  same(await ring.getMulti(keys), {}, 'takes them all');
  await mc.set('f', 'v', 0);
  same(await mc.get('f'), 'v', 'and spares what is stored after it');
  ring.end();
}

async function the_client_survives_a_restart(mc) {
  await mc.set('r', 'before', 0);
  await order('@restart 0');
  check(
      await eventually(() => mc.set('r', 'after', 0).catch(() => false)),
      'it connects again');
  same(await mc.get('r'), 'after', 'and works');
}

run(
    [
      stores_answer_as_each_command_should,
      values_keep_their_types_by_flags,
      values_of_any_bytes_and_sizes_come_back,
      keys_may_be_long_unicode_and_prefixed,
      compare_and_set_notices_a_change,
      counters_wrap_at_64_bits_and_stop_at_nought,
      hundreds_of_keys_go_in_one_request,
      expiry_follows_the_time_given,
      statistics_and_version_are_readable,
      two_servers_share_the_keys,
      the_client_survives_a_restart,
    ],
    new Client([first]));
