// memjs, the client of MemCachier and Heroku, which knows the binary protocol alone.
// Run by memjs.t:  node memjs.js PORT PORT VERSION PID, both of the first server.
'use strict';
const memjs = require('memjs');
const {LARGE, TOO_LARGE, bytes, check, eventually, fails, order, run, same} =
    require('./tap');

const [first, second, version, pid] = process.argv.slice(2);
const SILENT = {
  log() {}
};  // what fails is looked at, not logged

// Of a server that wants a login.
const [, username, password] =
    /^(\S+) (.*)$/.exec(process.env.CLIENT_LOGIN || '') || [];

function client(...ports) {
  return memjs.Client.create(
      ports.map((port) => `127.0.0.1:${port}`).join(','),
      {timeout: 20, conntimeout: 20, retries: 1, logger: SILENT, username, password});
}

const text = async (mc, key) => {
  const {value} = await mc.get(key);
  return value === null ? null : value.toString();
};

async function stores_answer_as_each_command_should(mc) {
  same(await mc.get('k'), {value: null, flags: null}, 'a miss');
  same(await mc.replace('k', 'r'), false, 'replace of nothing');
  await fails(
      mc.append('k', 'r'), /^MemJS APPEND: /, 'append to nothing is an error here');
  same(await text(mc, 'k'), null, 'none of them stored');
  same(await mc.add('k', 'one'), true, 'add of a new key');
  same(await mc.add('k', 'two'), false, 'add of an old key');
  same(await text(mc, 'k'), 'one', 'which keeps its value');
  same(await mc.replace('k', 'three'), true, 'replace of an old key');
  same(await mc.append('k', '-end'), true, 'append');
  same(await text(mc, 'k'), 'three-end', 'in place');
  // The library sends the opcode of append; whoever mends that will see it here.
  same(await mc.prepend('k', '-more'), true, 'prepend');
  same(await text(mc, 'k'), 'three-end-more', 'appends');
  same(await mc.delete('k'), true, 'delete');
  same(await mc.delete('k'), false, 'delete again');
  same(await text(mc, 'k'), null, 'it is gone');
  same(await mc.set('k', ''), true, 'an empty value');
  same(await text(mc, 'k'), '', 'is not a missing one');
}

async function values_of_any_bytes_and_sizes_come_back(mc) {
  for (const size of [0, 1, 255, 256, 16384, 65536, 524288, LARGE]) {
    same(await mc.set('sized', bytes(size)), true, `${size} bytes are set`);
    const {value, flags} = await mc.get('sized');
    check(value.equals(bytes(size)), 'and come back');
    same(flags, Buffer.alloc(4), 'with flags of four bytes');
  }
  await fails(
      mc.set('sized', Buffer.alloc(TOO_LARGE)), /^MemJS SET: Value too large/,
      'more than 1 MiB is refused');
  same(await text(mc, 'sized'), null, 'and a refused set takes the old value away');
  await mc.set('kept', 'old');
  await fails(
      mc.add('kept', Buffer.alloc(TOO_LARGE)), /^MemJS ADD: Value too large/,
      'a refused add');
  same(await text(mc, 'kept'), 'old', 'does not');
}

async function keys_may_hold_any_byte(mc) {
  const longest = 'k'.repeat(250);
  for (const [name, key] of [
           ['of 250 bytes', longest], ['in UTF-8', '\u0142\u00f3d\u017a \u{1F980}'],
           ['with spaces and line ends', 'a b\r\nc\tget d\0'],
           ['of bytes', Buffer.from([0, 255, 128, 10])]]) {
    same(await mc.set(key, name), true, `a key ${name}`);
    same(await text(mc, key), name, 'is found');
  }
  await mc.set(longest.slice(1), 'shorter');
  same(await text(mc, longest), 'of 250 bytes', 'one of 249 is another');
  // The server closes after these, and what this client asks meanwhile is never answered.
  await fails(
      client(first).get('k'.repeat(251)), /^MemJS GET: Invalid arguments/,
      'one of 251 is refused');
  await fails(
      client(first).set('', 'v'), /^MemJS SET: Invalid arguments/, 'an empty one too');
}

async function flags_travel_by_a_serializer() {
  const flagged = client(first);
  flagged.serializer = {
    serialize(opcode, value, extras) {
      if (extras.length) {
        extras.writeUInt32BE(0xdeadbeef, 0);
      }
      return {value: JSON.stringify(value), extras};
    },
    deserialize: (opcode, value, extras) => ({value: JSON.parse(value), extras}),
  };
  same(await flagged.set('json', {a: [1, null, '\u4e16']}), true, 'a tree');
  same(
      await flagged.get('json'),
      {value: {a: [1, null, '\u4e16']}, flags: Buffer.from('deadbeef', 'hex')},
      'comes back, with its flags');
  flagged.close();
}

async function counters_begin_where_told_and_stop_at_nought(mc) {
  same(await mc.increment('n', 5), {success: true, value: 0}, 'incr of nothing makes 0');
  same(await mc.increment('n', 5), {success: true, value: 5}, 'incr');
  same(
      await mc.increment('m', 1, {initial: 40}), {success: true, value: 40},
      'incr with an initial value');
  same(
      await mc.increment('m', 2, {initial: 7}), {success: true, value: 42},
      'which counts only once');
  same(await mc.decrement('m', 2, {}), {success: true, value: 40}, 'decr');
  same(await text(mc, 'm'), '40', 'reads as the number');
  same(
      await mc.decrement('m', 100, {}), {success: true, value: 0},
      'decr stops at nought');
  same(
      await mc.decrement('d', 1, {initial: 9}), {success: true, value: 9},
      'decr with an initial value');
  await mc.set('n', '18446744073709551615');
  same(await mc.increment('n', 8), {success: true, value: 7}, 'incr wraps at 64 bits');
  await mc.set('n', 'five');
  await fails(mc.increment('n', 1), /^MemJS INCREMENT: /, 'incr of a word');
  same(await text(mc, 'n'), 'five', 'leaves it');
}

async function hundreds_of_requests_are_in_flight_at_once(mc) {
  const keys = Array.from(
      {length: 600},
      (_, i) => `many:${i}:` +
          'x'.repeat(i % 180));
  same(
      await Promise.all(keys.map((key, i) => mc.set(key, String(i).repeat(i % 40)))),
      keys.map(() => true), '600 keys are set');
  same(
      (await Promise.all(keys.map((key) => text(mc, key)))),
      keys.map((_, i) => String(i).repeat(i % 40)), 'and read, each reply by its number');
  same(
      await Promise.all(keys.map((key, i) => mc.delete(i % 2 ? key : 'missing'))),
      keys.map((_, i) => i % 2 === 1), 'half of them are deleted');
}

async function expiry_follows_the_time_given(mc) {
  const now = Math.floor(Date.now() / 1000);
  for (const [expires, there, name] of [
           [now - 10, false, 'a date in the past'], [now + 1000, true, 'a date to come'],
           [30 * 86400, true, 'thirty days'],
           [30 * 86400 + 1, false, 'a second more is a date in 1970'],
           [0xffffffff, true, 'the largest number is the year 2106']]) {
    same(await mc.set('e', 'v', {expires}), true, `${name}: stored`);
    same(await text(mc, 'e') !== null, there, there ? 'and there' : 'and gone');
  }
  await Promise.all([
    mc.set('short', 'v', {expires: 2}), mc.set('long', 'v', {expires: 600}),
    mc.set('shortened', 'v'), mc.set('prolonged', 'v', {expires: 2}),
    mc.add('added', 'v', {expires: 2}),
    mc.increment('counted', 1, {initial: 3, expires: 2}), mc.set('replaced', 'v')
  ]);
  same(await mc.replace('replaced', 'w', {expires: 2}), true, 'replace with a time');
  same(await mc.touch('shortened', 2), true, 'touch');
  same(await mc.touch('prolonged', 600), true, 'another one');
  same(await mc.touch('missing', 2), false, 'touch of nothing');
  same(await text(mc, 'short'), 'v', 'a value for two seconds is there at first');
  await order('@advance 3');
  for (const key of ['short', 'shortened', 'added', 'counted', 'replaced']) {
    same(await text(mc, key), null, `then ${key} is gone`);
  }
  same(await text(mc, 'long'), 'v', 'and what lives longer is there');
  same(await text(mc, 'prolonged'), 'v', 'so is what was touched');
}

// All that the callback gets from each server, until so many have answered.
const stats_of = (mc, key, servers = 1) => new Promise((resolve, reject) => {
  const all = {};
  mc.statsWithKey(key, (error, server, stats) => {
    all[server] = stats;
    if (error) {
      reject(error);
    } else if (Object.keys(all).length === servers) {
      resolve(all);
    }
  });
});

async function statistics_are_readable(mc) {
  const host = `127.0.0.1:${first}`;
  const before = (await stats_of(mc, ''))[host];
  same(
      [before.pid, before.version, before.limit_maxbytes],
      [pid, version, String(64 << 20)], 'pid, version and limit');
  await mc.set('s', 'v');
  await mc.get('s');
  await mc.get('missing');
  const after = (await stats_of(mc, ''))[host];
  same(
      ['cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items'].map(
          (name) => after[name] - before[name]),
      [1, 2, 1, 1, 1], 'counters move by what was done');
  same((await stats_of(mc, 'settings'))[host].tcpport, first, 'settings');
  same(
      await new Promise(
          (resolve) => mc.resetStats((error, server, stats) => resolve(stats))),
      {}, 'reset answers with its end alone');
  same((await stats_of(mc, ''))[host].cmd_set, '0', 'and resets');
  await fails(
      stats_of(mc, 'nonsense'), /^MemJS STATS \(nonsense\): /,
      'unknown ones are refused');
}

async function two_servers_share_the_keys(mc) {
  const ring = client(first, second);
  const keys = Array.from({length: 400}, (_, i) => `ring:${i}`);
  const stored = async () =>
      Object.values(await stats_of(ring, '', 2)).map((s) => Number(s.cmd_set));
  const before = await stored();
  await Promise.all(keys.map((key) => ring.set(key, key)));
  const held = (await stored()).map((n, i) => n - before[i]);
  check(
      held[0] + held[1] === 400 && Math.min(...held) > 60, 'each holds its share',
      String(held));
  same(await Promise.all(keys.map((key) => text(ring, key))), keys, 'each key is found');
  same(
      await ring.flush(), {[`127.0.0.1:${first}`]: true, [`127.0.0.1:${second}`]: true},
      'flush of both');
  same(
      await Promise.all(keys.map((key) => text(ring, key))), keys.map(() => null),
      'takes them all');
  same(
      await mc.set('f', 'v') && await text(mc, 'f'), 'v',
      'and spares one that is stored after it');
  ring.close();
}

async function quit_is_answered_and_closes() {
  const leaving = client(first);
  await leaving.set('last', 'word');
  const closed =
      new Promise((resolve) => leaving.servers[0]._socket.on('close', resolve));
  leaving.quit();
  await closed;
  check(true, 'the connection is closed');
}

async function the_client_survives_a_restart(mc) {
  await mc.set('r', 'before');
  await order('@restart 0');
  check(
      await eventually(() => mc.set('r', 'after').catch(() => false)),
      'it connects again');
  same(await text(mc, 'r'), 'after', 'and works');
}

run(
    [
      stores_answer_as_each_command_should,
      values_of_any_bytes_and_sizes_come_back,
      keys_may_hold_any_byte,
      flags_travel_by_a_serializer,
      counters_begin_where_told_and_stop_at_nought,
      hundreds_of_requests_are_in_flight_at_once,
      expiry_follows_the_time_given,
      statistics_are_readable,
      two_servers_share_the_keys,
      quit_is_answered_and_closes,
      the_client_survives_a_restart,
    ],
    client(first));
