import assert from "node:assert/strict";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {LocalFile} from "../src/local.js";
import {readStream} from "../src/reader.js";
import {Typed} from "../src/user.js";

const TIME = "2026-11-22T19:00:02.000000Z";

function folderOf(context) {
  const path = fs.mkdtempSync(join(tmpdir(), "mlv-"));
  context.after(() => fs.rmSync(path, {recursive: true}));
  return path;
}

/** Writes a stream of these events, each a seq and, for a rewind, its `to`. */
function write(path, events) {
  const line = ([seq, to]) =>
    JSON.stringify({seq, time: TIME, event: to === undefined ? "a" : "mlv/rewind", data: to === undefined ? {} : {to}});
  fs.writeFileSync(path, events.map((event) => `${line(event)}\n`).join(""));
}

function readAt(path) {
  const fd = fs.openSync(path, "r");
  try {
    return readStream(new LocalFile(fd), fs.fstatSync(fd).size);
  } finally {
    fs.closeSync(fd);
  }
}

test("rewinds supersede the same events as the specification's sentence, in streams with seqs in any order", (context) => {
  const path = join(folderOf(context), "log.jsonl");
  let state = 1; // of a small generator, so that every run has the same streams
  const below = (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
  for (let round = 0; round < 200; round++) {
    const size = 1 + below(16);
    /** @type {[seq: number, to: number | undefined][]} */
    const events = Array.from({length: size}, () => [
      1 + below(size + 2),
      below(3) === 0 ? below(size + 2) : undefined,
    ]);
    const rewinds = events.flatMap(([seq, to]) => (to === undefined ? [] : [{seq, to}]));
    const expected = events.map(
      ([seq, to]) => to === undefined && rewinds.some((rewind) => rewind.to < seq && seq < rewind.seq),
    );
    write(path, events);
    assert.deepEqual(
      readAt(path).events.map(({superseded = false}) => superseded),
      expected,
      JSON.stringify(events),
    );
  }
});

test("a typed value without the form of its type is kept as it is", (context) => {
  const path = join(folderOf(context), "log.jsonl");
  const data = {
    bytes: {_mlv: "bytes", value: "aGk"},
    string: {_mlv: "string", value: "00zz"},
    right: {_mlv: "bytes", value: "aGk="},
  };
  fs.writeFileSync(path, `${JSON.stringify({seq: 1, time: TIME, event: "a", data})}\n`);
  assert.deepEqual(
    readAt(path).events[0].data,
    new Map(
      Object.entries({
        bytes: new Typed("bytes", new Map([["value", "aGk"]])),
        string: new Typed("string", new Map([["value", "00zz"]])),
        right: new Uint8Array([0x68, 0x69]),
      }),
    ),
  );
});

test("the time to read a stream of rewinds grows with its lines", (context) => {
  // Each rewind supersedes nothing, so that no search among the rewinds ends early.
  const folder = folderOf(context);
  const paths = [10_000, 40_000].map((count) => {
    const path = join(folder, `${count}.jsonl`);
    write(
      path,
      Array.from({length: count}, (_, before) => [before + 1, before % 2 === 0 ? undefined : before]),
    );
    return path;
  });
  const seconds = paths.map(() => Infinity);
  for (let round = 0; round < 3; round++) {
    for (const [at, path] of paths.entries()) {
      const before = process.cpuUsage();
      readAt(path);
      const {user, system} = process.cpuUsage(before);
      seconds[at] = Math.min(seconds[at], (user + system) / 1e6);
    }
  }
  const ratio = seconds[1] / seconds[0];
  context.diagnostic(`${seconds.map((one) => one.toFixed(3)).join(" s and ")} s: ratio ${ratio.toFixed(1)}`);
  assert.ok(ratio < 8, `4 times the lines took ${ratio.toFixed(1)} times the CPU time`);
});
