import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {Experiment, Refused, Typed, read, validate} from "../src/index.js";
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

test("what is logged is read back, and sealed", (context) => {
  const path = join(savedir(context), "a");
  const data = new Map([["_mlv", NaN], ["n", 2n ** 70n], ["lone", "\ud800"], ["bytes", new Uint8Array([1, 2])], ["zero", -0]]);
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train", params: {lr: 0.1, hf_token: "x"}});
  const epoch = experiment.log.event("epoch", {}, {span: "begin"});
  experiment.log.event("epoch/batch", data, {within: epoch});
  experiment.log.end(epoch, {});
  experiment.attach("a.txt", Buffer.from("a"));
  experiment.attach("a.txt", Buffer.from("b"));
  experiment.close("completed");
  const {state, meta, streams} = read(path);
  assert.equal(state, "completed");
  assert.deepEqual(meta.params, new Map([["lr", 0.1], ["hf_token", new Typed("redacted", new Map())]]));
  assert.deepEqual(streams.get("log.jsonl").events[2].data, data);
  assert.deepEqual(fs.readdirSync(join(path, "files")), ["a.txt", "a~2.txt"]);
  assert.deepEqual(fs.readdirSync(path).sort(), ["files", "log.jsonl", "meta.json"]);
  assert.deepEqual(judged(path), SEALED);
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
  const {events} = read(path).streams.get("log.jsonl");
  assert.equal(events[4].data.get("recovered").get("size"), 6);
  assert.deepEqual(events.filter(({superseded}) => superseded).map(({event}) => event), ["b"]);
  assert.throws(() => Experiment.resume(path, {params: {more: 2}}), Refused);
  assert.deepEqual(judged(path), SEALED);
});

test("a stream that a living process holds is refused, that of a dead one is not", (context) => {
  const path = join(savedir(context), "a");
  const experiment = Experiment.create(join(path, ".."), "a", {kind: "train"});
  assert.throws(() => Experiment.resume(path), Refused);
  experiment.log.event("a", {});
  const index = new URL("../src/index.js", import.meta.url).href;
  const died = spawnSync(process.execPath, ["--input-type=module", "-e",
    `import {Experiment} from ${JSON.stringify(index)};
     Experiment.create(${JSON.stringify(join(path, ".."))}, "b", {kind: "train"}).log.event("a", {});
     process.kill(process.pid, "SIGKILL");`]);
  assert.equal(died.signal, "SIGKILL");
  const resumed = Experiment.resume(join(path, "..", "b"));
  resumed.close("completed");
  assert.deepEqual(judged(join(path, "..", "b")), SEALED);
});

test("secrets are found by their names", () => {
  assert.ok(["hf_token", "API_KEY", "apiKey", "db-password"].every(isSecretName));
  assert.ok(!["max_tokens", "keys", "monkey", "tokenizer"].some(isSecretName));
  assert.deepEqual(redactCommand(["node", "--token", "x", "--api-key=y", "http://u:p@h/"]).map((a) => (a instanceof Typed ? a.type : a)), [
    "node", "--token", "redacted", "redacted", "http://h/",
  ]);
});
