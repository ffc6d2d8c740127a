import assert from "node:assert/strict";
import {spawn, spawnSync} from "node:child_process";
import {randomBytes} from "node:crypto";
import {once} from "node:events";
import * as fs from "node:fs";
import {hostname, tmpdir} from "node:os";
import {basename, dirname, join} from "node:path";
import {test} from "node:test";
import {setTimeout} from "node:timers/promises";
import {Experiment, Histogram, metrics, Refused, read, Table, Typed, validate} from "../src/index.js";
import {isSecretName, redactCommand} from "../src/secrets.js";

function savedir(context) {
  const path = fs.mkdtempSync(join(tmpdir(), "mlv-"));
  context.after(() => fs.rmSync(path, {recursive: true}));
  return path;
}

const judged = (path) => {
  const {findings, unchecked, experiments} = validate(path, {isSealed: true});
  return {findings, unchecked, sealed: experiments.map(({sealed}) => sealed)};
};
const SEALED = {findings: [], unchecked: [], sealed: [true]};

const eventsOf = (path, stream) => read(path).streams.get(stream)?.events ?? [];
const namesOf = (path, stream) => eventsOf(path, stream).map(({event}) => event);

test("what is logged is read back, and sealed", (context) => {
  const path = join(savedir(context), "a");
  const data = new Map(
    Object.entries({_mlv: NaN, n: 2n ** 70n, lone: "\ud800", bytes: new Uint8Array([1, 2]), zero: -0}),
  );
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train", params: {lr: 0.1, hf_token: "x"}});
  const epoch = experiment.log.event("epoch", {}, {span: "begin"});
  experiment.log.event("epoch/batch", data, {within: epoch});
  experiment.log.end(epoch, {});
  experiment.attach("a.txt", Buffer.from("a"));
  experiment.attach("a.txt", Buffer.from("b"));
  experiment.close("completed");
  const {state, meta, streams} = read(path);
  assert.equal(state, "completed");
  assert.deepEqual(meta.params, new Map(Object.entries({lr: 0.1, hf_token: new Typed("redacted", new Map())})));
  assert.deepEqual(streams.get("log.jsonl")?.events[2].data, data);
  assert.deepEqual(fs.readdirSync(join(path, "files")), ["a.txt", "a~2.txt"]);
  assert.deepEqual(fs.readdirSync(path).sort(), ["files", "log.jsonl", "meta.json"]);
  assert.deepEqual(judged(path), SEALED);
});

test("a table that is too large for an event is attached", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  const cell = new Map(Object.entries({_mlv: 1}));
  const rows = (count) => Array.from({length: count}, (_, at) => [at, at === 1 ? NaN : cell, "é"]);
  const large = new Table(["n", "_mlv", "x"], rows(1001));
  const long = new Table(["text"], [["x".repeat(2 ** 20)]]);
  const small = new Table(["n", "_mlv", "x"], rows(1000));
  const epoch = experiment.log.event("epoch", {}, {span: "begin"});
  const seq = experiment.log.event("epoch/val", {large, small, step: 1, in: [{é: long}]}, {within: epoch});
  experiment.log.end(epoch, new Map([["large", large]]));
  experiment.close("completed");
  const events = eventsOf(path, "log.jsonl").filter(({event}) => !event.startsWith("mlv/"));
  assert.deepEqual([events[1].seq, events[1].data.get("small"), events[1].data.get("step")], [seq, small, 1]);
  const file = events[1].data.get("large");
  assert.deepEqual(
    [file.type, file.members.get("path"), file.members.get("media_type")],
    ["file", "files/epoch/val/large.ndjson", "application/x-ndjson"],
  );
  assert.equal(events[2].data.get("large").members.get("path"), "files/epoch/large.ndjson");
  const lines = fs.readFileSync(join(path, "files/epoch/val/large.ndjson"), "utf8").split("\n");
  assert.deepEqual([lines.length, lines.pop()], [1002, ""]);
  assert.deepEqual(lines.slice(0, 2), [
    '{"n":0,"__mlv":{"__mlv":1},"x":"é"}',
    '{"n":1,"__mlv":{"_mlv":"float","value":"nan"},"x":"é"}',
  ]);
  const inner = events[1].data.get("in")[0].get("é").members.get("path");
  assert.match(inner, /^files\/epoch\/val\/in\/0\/[0-9a-f]{16}\.ndjson$/);
  assert.equal(fs.readFileSync(join(path, inner), "utf8"), `{"text":"${"x".repeat(2 ** 20)}"}\n`);
  assert.deepEqual(judged(path), SEALED);
});

test("a large table that can't be attached stays in the event, and nothing is attached for a refused event", async (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  const large = new Table(
    ["n"],
    Array.from({length: 1001}, (_, at) => [at]),
  );
  assert.throws(() => experiment.log.event("val", {large}, {within: 99}), Refused);
  assert.throws(() => experiment.log.event("mlv/x", {large}), Refused);
  assert.equal(fs.existsSync(join(path, "files")), false);
  fs.writeFileSync(join(path, "files"), "");
  const warned = once(process, "warning");
  experiment.log.event("val", {large});
  const [warning] = await warned;
  assert.match(
    warning.message,
    /^data\.large: the rows of a large table can't be written to val\/large\.ndjson: .*files/,
  );
  experiment.close("completed");
  assert.deepEqual(eventsOf(path, "log.jsonl")[1].data.get("large"), large);
});

test("a torn tail is recovered, and rewound events are superseded", (context) => {
  const path = join(savedir(context), "a");
  const first = Experiment.create(join(path, ".."), "a", {kind: "train"});
  const seq = first.log.event("a", {});
  first.log.event("b", {});
  first.close("interrupted");
  fs.appendFileSync(join(path, "log.jsonl"), '{"seq"');
  const second = Experiment.resume(path, {params: {more: 1}});
  second.log.rewind(seq);
  second.close("completed");
  const events = eventsOf(path, "log.jsonl");
  assert.equal(events[4].data.get("recovered").get("size"), 6);
  assert.deepEqual(
    events.filter(({superseded}) => superseded).map(({event}) => event),
    ["b"],
  );
  Experiment.resume(path, {params: {more: 2}}).close("completed");
  assert.equal(read(path).meta.params.get("more"), 2);
  assert.deepEqual(judged(path), SEALED);
});

test("a stream that a living process holds is refused, that of a dead one is not", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  assert.throws(() => Experiment.resume(path), Refused);
  experiment.log.event("a", {});
  const index = new URL("../src/index.js", import.meta.url).href;
  const died = spawnSync(process.execPath, [
    "--input-type=module",
    "-e",
    `import {Experiment} from ${JSON.stringify(index)};
     Experiment.create(${JSON.stringify(join(path, ".."))}, "b", {kind: "train"}).log.event("a", {});
     process.kill(process.pid, "SIGKILL");`,
  ]);
  assert.equal(died.signal, "SIGKILL");
  const resumed = Experiment.resume(join(path, "..", "b"));
  resumed.close("completed");
  assert.deepEqual(judged(join(path, "..", "b")), SEALED);
});

const NO_PROC = process.platform !== "linux" && "not applicable: the states of processes are read from /proc, on Linux";

/** The facts about a process: `state`, the number of `threads`, and `started` as a lock file gives it. */
function statOf(pid) {
  const fields = fs
    .readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return {state: fields[0], threads: Number(fields[17]), started: fields[19]};
}

const ABSENT = 4194305; // more than the largest pid of Linux

/** Writes the lock file of another writer of a stream, by default one of this system that has ended. */
function plantLock(path, members, stream = "log.jsonl") {
  const lock = {
    mlv_lock: 1,
    host: hostname(),
    pid: ABSENT,
    started: null,
    pids: fs.readlinkSync("/proc/self/ns/pid"),
    boot: fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    kernel: null,
    ...members,
  };
  const folder = join(path, dirname(stream), `.mlv-${basename(stream)}.lock`);
  fs.mkdirSync(folder, {recursive: true});
  fs.writeFileSync(join(folder, randomBytes(16).toString("hex")), JSON.stringify(lock));
}

/** An experiment that has ended, so that its log can be resumed. */
function ended(context) {
  const path = join(savedir(context), "a");
  Experiment.create(join(path, ".."), "a", {kind: "train"}).close("completed");
  return path;
}

test("a lock file is there while the stream is written, and the folder is gone afterwards", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  const folder = join(path, ".mlv-log.jsonl.lock");
  const [name, ...others] = fs.readdirSync(folder);
  assert.deepEqual(others, []);
  assert.match(name, /^[0-9a-f]{32}$/);
  const lock = JSON.parse(fs.readFileSync(join(folder, name), "utf8"));
  assert.deepEqual(Object.keys(lock), ["mlv_lock", "host", "pid", "started", "pids", "boot", "kernel"]);
  assert.deepEqual([lock.mlv_lock, lock.pid, lock.kernel], [1, process.pid, null]);
  experiment.close("completed");
  assert.ok(!fs.existsSync(folder));
});

test("the lock file of a dead process of this system is removed", {skip: NO_PROC}, (context) => {
  const path = ended(context);
  plantLock(path, {});
  plantLock(path, {pid: process.pid, started: "other"});
  Experiment.resume(path).close("completed");
  assert.deepEqual(judged(path), SEALED);
});

for (const [what, members] of Object.entries({
  "another start of the system": {boot: "0ddba11d-0000-4000-8000-000000000000"},
  "another PID namespace": {pids: "pid:[1]"},
  "a later form": {mlv_lock: 2},
})) {
  test(`a lock file of ${what} is held, and nothing is changed, until it is taken over`, {
    skip: NO_PROC,
    timeout: 60_000,
  }, (context) => {
    const path = ended(context);
    const before = fs.readFileSync(join(path, "log.jsonl"));
    plantLock(path, {host: "elsewhere", ...members});
    assert.throws(() => Experiment.resume(path), {message: /process 4194305 on "elsewhere".*\{takeover: true\}/});
    assert.deepEqual(fs.readFileSync(join(path, "log.jsonl")), before);
    assert.ok(!fs.existsSync(join(path, "meta", "2.json")));
    const begin = performance.now();
    Experiment.resume(path, {}, {takeover: true}).close("completed");
    assert.ok(performance.now() - begin >= 5000, "the earlier writer has 5 seconds to notice");
    assert.deepEqual(judged(path), SEALED);
  });
}

test("a lock file without an object is held for a second", {skip: NO_PROC}, (context) => {
  const path = ended(context);
  const folder = join(path, ".mlv-log.jsonl.lock");
  fs.mkdirSync(folder);
  const begin = performance.now();
  fs.writeFileSync(join(folder, randomBytes(16).toString("hex")), "");
  Experiment.resume(path).close("completed");
  assert.ok(performance.now() - begin > 900);
  assert.ok(!fs.existsSync(folder));
});

test("a writer whose lock file is gone continues if no other writer has the lock", (context) => {
  let now = performance.now();
  context.mock.method(performance, "now", () => now);
  const {path, experiment, reported} = disturbed(context, (_log, path) =>
    fs.rmSync(join(path, ".mlv-log.jsonl.lock"), {recursive: true}),
  );
  now += 1100;
  experiment.log.event("b", {});
  assert.equal(fs.readdirSync(join(path, ".mlv-log.jsonl.lock")).length, 1);
  experiment.close("completed");
  assert.deepEqual([namesOf(path, "log.jsonl"), reported()], [["mlv/start", "a", "b", "mlv/end"], []]);
});

test("a writer whose stream was taken over continues in a kept stream", {skip: NO_PROC}, (context) => {
  let now = performance.now();
  context.mock.method(performance, "now", () => now);
  const {path, experiment, reported} = disturbed(context, (_log, path) => {
    fs.rmSync(join(path, ".mlv-log.jsonl.lock"), {recursive: true});
    plantLock(path, {pid: process.pid, started: statOf(process.pid).started}); // as of another writer that lives
  });
  now += 1100;
  experiment.log.event("b", {});
  assert.equal(experiment.stream, "log/kept-1.jsonl");
  experiment.close("completed");
  assert.deepEqual(namesOf(path, "log.jsonl"), ["mlv/start", "a"]);
  assert.deepEqual(namesOf(path, "log/kept-1.jsonl"), ["mlv/start", "b", "mlv/end"]);
  assert.equal(reported().length, 1);
});

test("a kept stream whose name another process has locked is left to that process", {skip: NO_PROC}, (context) => {
  const {path, log, experiment} = disturbed(context, () => {});
  const alive = {pid: process.pid, started: statOf(process.pid).started};
  plantLock(path, alive, "log/kept-1.jsonl");
  fs.renameSync(log, `${log}.1`);
  fs.writeFileSync(log, "");
  experiment.close("completed");
  assert.equal(experiment.stream, "log/kept-2.jsonl");
  assert.deepEqual(namesOf(path, "log/kept-2.jsonl"), ["mlv/start", "a", "mlv/start", "mlv/end"]);
  assert.deepEqual(fs.readdirSync(join(path, "log")).sort(), [".mlv-kept-1.jsonl.lock", "kept-2.jsonl"]);
});

/** Waits until the main thread of a process has ended, and only so many threads are left, the main thread included. */
async function untilZombie(pid, threads) {
  for (let stat = statOf(pid); stat.state !== "Z" || stat.threads !== threads; stat = statOf(pid)) await setTimeout(10);
}

test("a stream that a zombie holds is that of a dead process", {skip: NO_PROC, timeout: 60_000}, async (context) => {
  const path = join(savedir(context), "a");
  const index = new URL("../src/index.js", import.meta.url).href;
  const script = `import {Experiment} from ${JSON.stringify(index)};
     Experiment.create(${JSON.stringify(join(path, ".."))}, "a", {kind: "train"}).log.event("a", {});
     console.log(process.pid);
     setInterval(() => {}, 1000);`;
  // The shell starts the writer and becomes a program that waits for no child.
  const parent = spawn("sh", ["-c", '"$0" --input-type=module -e "$1" & exec sleep 60', process.execPath, script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  /** @type {number | null} */
  let pid = null;
  context.after(() => {
    if (pid !== null) process.kill(pid, "SIGKILL"); // before its parent, so that the pid is still that of the writer
    parent.kill("SIGKILL");
  });
  pid = Number(await once(parent.stdout, "data"));
  while (fs.readFileSync(`/proc/${parent.pid}/comm`, "utf8") !== "sleep\n") await setTimeout(10);
  assert.throws(() => Experiment.resume(path), Refused);
  process.kill(pid, "SIGKILL");
  await untilZombie(pid, 1);
  Experiment.resume(path).close("completed");
  assert.equal(statOf(pid).state, "Z");
  assert.deepEqual(judged(path), SEALED);
});

const NO_INIT = !fs.existsSync("/proc/1/stat") && "not applicable: /proc doesn't show the processes of other users";

test("a stream whose holder had a pid that another user's process has now is that of a dead process", {
  skip: NO_PROC || NO_INIT,
}, (context) => {
  const path = join(savedir(context), "a");
  Experiment.create(join(path, ".."), "a", {kind: "train"}).close("completed");
  // Unless root runs the tests, process 1 is of another user. It started at another time than this lock gives.
  plantLock(path, {pid: 1, started: "other"});
  Experiment.resume(path).close("completed");
  assert.deepEqual(judged(path), SEALED);
});

const NO_PYTHON = spawnSync("python3", ["-c", "import ctypes"]).status !== 0 && "python3 was not found: get Python 3";

test("a process whose main thread alone has ended is alive", {
  skip: NO_PROC || NO_PYTHON,
  timeout: 60_000,
}, async (context) => {
  const path = join(savedir(context), "a");
  Experiment.create(join(path, ".."), "a", {kind: "train"}).close("completed");
  const holder = spawn("python3", [
    "-c",
    "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); ctypes.CDLL(None).pthread_exit(None)",
  ]);
  context.after(() => holder.kill("SIGKILL"));
  await once(holder, "spawn");
  await untilZombie(holder.pid, 2);
  plantLock(path, {pid: holder.pid, started: statOf(holder.pid).started});
  assert.throws(() => Experiment.resume(path), Refused);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  Experiment.resume(path).close("completed");
});

test("the directory of an experiment that was moved gets no event after a second, until it is back", (context) => {
  let now = performance.now();
  context.mock.method(performance, "now", () => now);
  const {path, experiment, reported} = disturbed(context, (_log, path) => fs.renameSync(path, `${path}-moved`));
  experiment.log.event("b", {}); // the file that is open, where it is now
  now += 1100;
  assert.throws(() => experiment.log.event("c", {}), {message: /directory of the experiment was removed or replaced/});
  assert.throws(() => experiment.close("completed"), Refused);
  assert.deepEqual([fs.existsSync(path), reported()], [false, []]);
  assert.deepEqual(namesOf(`${path}-moved`, "log.jsonl"), ["mlv/start", "a", "b"]);
  fs.renameSync(`${path}-moved`, path);
  experiment.log.event("d", {});
  experiment.close("completed");
  assert.deepEqual(namesOf(path, "log.jsonl"), ["mlv/start", "a", "b", "d", "mlv/end"]);
});

test("secrets are found by their names", () => {
  assert.ok(["hf_token", "API_KEY", "apiKey", "db-password"].every(isSecretName));
  assert.ok(!["max_tokens", "keys", "monkey", "tokenizer"].some(isSecretName));
  assert.deepEqual(
    redactCommand(["node", "--token", "x", "--api-key=y", "http://u:p@h/"]).map((a) =>
      a instanceof Typed ? a.type : a,
    ),
    ["node", "--token", "redacted", "redacted", "http://h/"],
  );
});

test("secrets are found at any depth of params and extra, in objects and Maps", (context) => {
  const path = join(savedir(context), "a");
  const secret = "s3cr3t-value";
  const nested = {db: {password: secret, port: 1}, list: [new Map([["api_key", secret]])], password: secret};
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train", params: nested, extra: nested});
  experiment.close("completed");
  const record = fs.readFileSync(join(path, "meta.json"), "utf8");
  assert.equal(record.includes(secret), false);
  assert.equal(record.match(/"redacted"/g)?.length, 6);
  /** @type {any} */
  const cycle = {};
  cycle.again = cycle;
  Experiment.create(join(path, ".."), "b", {kind: "train", params: cycle}).close("completed");
  assert.deepEqual(judged(join(path, "..", "b")), SEALED);
});

/** An experiment with the event `a`, and what becomes of its log; `changed` is what another program does to it. */
function disturbed(context, changed) {
  const path = join(savedir(context), "a");
  const reported = context.mock.method(process, "emitWarning", () => {});
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  experiment.log.event("a", {});
  const log = join(path, "log.jsonl");
  const before = fs.readFileSync(log);
  changed(log, path);
  return {path, log, before, experiment, reported: () => reported.mock.calls.map(({arguments: [message]}) => message)};
}

test("a log that is removed is there again, with what was logged before and after, and only once", (context) => {
  const {path, log, before, experiment, reported} = disturbed(context, (log) => fs.rmSync(log));
  experiment.log.check();
  assert.deepEqual(fs.readFileSync(log), before);
  assert.match(reported()[0], /log.jsonl: another program removed this log/);
  assert.equal(experiment.log.event("b", {}), 3);
  fs.rmSync(log);
  experiment.log.check();
  assert.equal(experiment.stream, "log/kept-1.jsonl");
  experiment.log.event("c", {});
  experiment.close("completed");
  assert.deepEqual(namesOf(path, "log/kept-1.jsonl"), ["mlv/start", "a", "b", "mlv/start", "c", "mlv/end"]);
  assert.equal(fs.existsSync(log), false);
  assert.equal(reported().length, 2);
});

test("a log whose name another file took continues in a kept stream with the same bytes", (context) => {
  const {path, log, before, experiment, reported} = disturbed(context, (log) => {
    fs.renameSync(log, `${log}.1`);
    fs.writeFileSync(log, "");
  });
  experiment.close("completed");
  const kept = fs.readFileSync(join(path, "log", "kept-1.jsonl"));
  assert.deepEqual(kept.subarray(0, before.length), before);
  const events = eventsOf(path, "log/kept-1.jsonl");
  assert.deepEqual(events[2].data.get("replaces"), new Map(Object.entries({stream: "log.jsonl", last: 2})));
  assert.deepEqual([fs.readFileSync(log, "utf8"), fs.readFileSync(`${log}.1`)], ["", before]);
  assert.deepEqual(validate(path).findings, []);
  assert.match(
    reported()[0],
    /log.jsonl: another program removed, replaced or changed this log. Its events continue in .*kept-1.jsonl/,
  );
});

for (const [how, changed] of [
  ["truncated to nothing", (log) => fs.truncateSync(log, 0)],
  ["truncated in the middle", (log) => fs.truncateSync(log, 100)],
  ["appended to", (log) => fs.appendFileSync(log, "x")],
  ["appended to and renamed", (log) => fs.appendFileSync(log, "x\n") ?? fs.renameSync(log, `${log}.1`)],
]) {
  test(`a log that is ${how} continues in a kept stream that begins empty`, (context) => {
    const {path, experiment, reported} = disturbed(context, changed);
    const left = fs
      .readdirSync(path)
      .filter((name) => name.startsWith("log.jsonl"))
      .map((name) => [name, fs.readFileSync(join(path, name), "utf8")]);
    experiment.log.check();
    assert.equal(experiment.log.event("b", {}), 2);
    experiment.close("completed");
    const events = eventsOf(path, "log/kept-1.jsonl");
    assert.deepEqual(
      events.map(({event}) => event),
      ["mlv/start", "b", "mlv/end"],
    );
    assert.deepEqual(events[0].data.get("replaces"), new Map(Object.entries({stream: "log.jsonl", last: 2})));
    assert.deepEqual(
      left.map(([name]) => [name, fs.readFileSync(join(path, name), "utf8")]),
      left,
    );
    assert.match(reported()[0], /The first 2 events may be lost/);
  });
}

test("spans that were open when a kept stream began stay unfinished, and events in them are kept", (context) => {
  const {path, log, experiment} = disturbed(context, () => {});
  const epoch = experiment.log.event("epoch", {}, {span: "begin"});
  fs.renameSync(log, `${log}.1`);
  fs.writeFileSync(log, "x");
  experiment.log.check();
  experiment.log.event("epoch/batch", {}, {within: epoch});
  assert.throws(() => experiment.log.end(epoch, {}), Refused);
  experiment.close("completed");
  assert.deepEqual(
    validate(path).findings.filter((finding) => finding.path !== "log.jsonl"),
    [],
  );
  assert.deepEqual(namesOf(path, "log/kept-1.jsonl").slice(-3), ["mlv/start", "epoch/batch", "mlv/end"]);
});

test("the path is checked at most once a second", (context) => {
  let now = 1e6;
  context.mock.method(performance, "now", () => now);
  const {path, experiment, log} = disturbed(context, () => {});
  fs.renameSync(log, `${log}.1`);
  now += 999;
  experiment.log.event("b", {});
  assert.equal(fs.existsSync(log), false);
  now += 2;
  experiment.log.event("c", {});
  assert.deepEqual(namesOf(path, "log.jsonl"), ["mlv/start", "a", "b", "c"]);
});

for (const [how, changed] of Object.entries({
  removed: (path) => fs.rmSync(path, {recursive: true}),
  "replaced by another": (path) => fs.renameSync(path, `${path}-old`) ?? fs.mkdirSync(path),
})) {
  test(`the directory of an experiment that was ${how} gets nothing`, (context) => {
    const {path, experiment} = disturbed(context, (_log, path) => changed(path));
    const left = fs.existsSync(path);
    for (const act of [
      () => experiment.log.check(),
      () => experiment.log.event("b", {}),
      () => experiment.attach("b/c.txt", Buffer.from("c")),
      () => experiment.close("completed"),
    ]) {
      assert.throws(act, Refused);
    }
    assert.equal(fs.existsSync(path), left);
    if (left) assert.deepEqual(fs.readdirSync(path), []);
  });
}

test("a histogram and a table are read as they were logged", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  const histogram = new Histogram([-1, 0, 1], [3, 2.5], {max: Infinity, nan: 0});
  const cells = ["x", 2n ** 70n, new Map([["_mlv", NaN]]), [new Histogram([0, 1], [1])]];
  experiment.log.event("a", {histogram, table: new Table(["a", "b", "_mlv", "d"], [cells])});
  /** @type {any} */
  let deep = new Table(["a"], [[1]]);
  for (let depth = 0; depth < 61; depth += 1) deep = [deep];
  experiment.log.event("b", {deep});
  experiment.close("completed");
  const [a, b] = eventsOf(path, "log.jsonl").filter(({event}) => event.length === 1);
  assert.deepEqual(a.data.get("histogram"), histogram);
  assert.deepEqual(a.data.get("table").rows, [cells]);
  assert.match(JSON.stringify(b.data.get("deep")), /nested too deep|unencodable/);
  assert.deepEqual(judged(path), SEALED);
});

test("a histogram or table of a wrong form is refused", () => {
  assert.throws(() => new Histogram([0, 1], [1, 2]), /2 edges and 2 counts/);
  assert.throws(() => new Histogram([1, 0], [1]), /ascending/);
  assert.throws(() => new Histogram([0, 1], [-1]), /at least 0/);
  assert.throws(() => new Histogram([0, 1], [1], {nan: 0.5}), /integers/);
  assert.throws(() => new Table(["a", "a"], []), /one name/);
  assert.throws(() => new Table(["a"], [[1], [1, 2]]), /row 1 of a table has 2 values/);
});

const LEAVE = `
import {Experiment} from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
const [savedir, how] = process.argv.slice(1);
const experiment = Experiment.create(savedir, "a", {kind: "train"});
experiment.log.event("a", {});
if (how === "paused") experiment.log.pause();
if (how === "failed by the user") experiment.close("failed");
if (how === "exit code") process.exitCode = 3;
if (how === "throw") throw new Error("x");
`;
const WAYS = {
  return: [0, "completed"],
  paused: [0, "paused"],
  "failed by the user": [0, "failed"],
  "exit code": [3, "failed"],
  throw: [1, "failed"],
};
for (const [how, [code, state]] of Object.entries(WAYS)) {
  test(`a program that closes nothing and ends: ${how}`, (context) => {
    const path = savedir(context);
    const {status} = spawnSync(process.execPath, ["--input-type=module", "-e", LEAVE, path, how]);
    assert.equal(status, code);
    assert.equal(read(join(path, "a")).state, state);
    assert.deepEqual(judged(join(path, "a")), SEALED);
  });
}

test("metrics have the definitions, positions and best values that were written", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  experiment.log.defineMetric("loss", {event: "val", direction: "minimize", unit: "nat", axis: "epoch"});
  for (const [epoch, loss] of [
    [0.5, 2],
    [1, NaN],
    [1.5, 2n ** 60n],
    [2, 1],
  ])
    experiment.log.event("val", {epoch, loss});
  experiment.log.event("val", {loss: -1, epoch: null});
  for (const [metric, definition] of /** @type {[string, any][]} */ ([
    ["", {}],
    ["loss", {direction: "lower"}],
    ["loss", {goal: "minimize"}],
    ["loss", {axis: ""}],
    ["loss", {event: "a//b"}],
    ["loss", {unit: 5}],
    ["\ud800", {}],
  ]))
    assert.throws(() => experiment.log.defineMetric(metric, definition), Refused);
  experiment.close("completed");
  assert.deepEqual(judged(path), SEALED);
  const loss = metrics(read(path)).get("val")?.get("loss");
  assert.deepEqual(loss?.definition, {direction: "minimize", unit: "nat", axis: "epoch"});
  assert.deepEqual(loss?.points, [
    [0.5, 2],
    [1, NaN],
    [1.5, 2n ** 60n],
    [2, 1],
  ]);
  assert.equal(loss?.best?.data.get("loss"), -1);
  assert.equal(metrics(read(path)).get("val")?.get("epoch")?.best, null);
});
