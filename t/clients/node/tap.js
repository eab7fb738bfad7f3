// What the tests of node clients share: they print results as harness.drive() reads
// them, and ask it for what a client cannot do.
'use strict';
const readline = require('readline');
const util = require('util');

const answers = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

// Every byte value, and words of the protocol where a careless parser would stop.
exports.BINARY = Buffer.concat([
  Buffer.from(Array.from({length: 256}, (_, i) => i)),
  Buffer.from('\r\nEND\r\nVALUE k 0 1\r\n\0\0\r\n'),
]);
exports.LARGE = 1000 * 1000;  // near the limit of 1 MiB, with room for a header
exports.TOO_LARGE = 1024 * 1024 + 1;

// So many bytes that tell their place.
exports.bytes = (size) => Buffer.alloc(size, exports.BINARY);

function check(good, name, detail) {
  console.log(`${good ? 'ok' : 'not ok'} - ${name}`);
  if (!good && detail) {
    console.log(detail.replace(/^/gm, '# '));
  }
  return Boolean(good);
}

const shown = (value) => util.inspect(value, {breakLength: Infinity}).slice(0, 300);

function same(got, want, name) {
  return check(
      util.isDeepStrictEqual(got, want), name, `got  ${shown(got)}\nwant ${shown(want)}`);
}

// The promise fails, with an error whose text matches.
async function fails(promise, pattern, name) {
  try {
    check(false, name, `it said ${shown(await promise)}`);
  } catch (error) {
    check(
        pattern.test(String(error && error.message || error)), name,
        `it failed with ${shown(error)}`);
  }
}

// '@restart 0', '@advance 2' and the like: done when the promise is kept.
async function order(text) {
  console.log(text);
  await answers.next();
}

// A condition that comes true by and by.
async function eventually(condition, seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await condition();
    if (answer || Date.now() > deadline) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Run functions whose names say what they test; one's death does not hide the next.
async function run(sections, ...subject) {
  for (const section of sections) {
    console.log('# ' + section.name.replace(/_/g, ' '));
    try {
      await section(...subject);
    } catch (error) {
      check(
          false, `${section.name} runs to its end`,
          String(error && error.stack || error));
    }
  }
  console.log('# done');
  process.exit(0);
}

Object.assign(exports, {check, same, fails, order, eventually, run});
