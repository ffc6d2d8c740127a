#!/usr/bin/env node
/** The driver of this implementation for the conformance suite: conformance/DRIVER.md. */
import {writeSync} from "node:fs";
import {join} from "node:path";
import {createInterface} from "node:readline";
import {codeOf} from "../src/directory.js";
import {Experiment, makeStatement, metrics, Refused, read, validate} from "../src/index.js";
import {localDirectory} from "../src/local.js";
import {readRecord} from "../src/meta.js";
import {fromModel, toModel} from "../src/models.js";

const NOT_SUPPORTED = 64;
const SAID = ["params", "tags", "description", "extra"];

/** What each operation needs, and what it may have. */
const OPERATIONS = {
  create: [
    ["name", "kind", "params"],
    ["in", "tags", "description", "extra"],
  ],
  resume: [["path"], SAID],
  open: [["path"], SAID],
  add: [[], SAID],
  event: [
    ["event", "data"],
    ["span", "within"],
  ],
  end: [["begin", "data"], []],
  "mlv/pause": [[], []],
  "mlv/resume": [[], []],
  "mlv/rewind": [["to"], []],
  "mlv/metric": [["metric"], ["event", "direction", "unit", "description", "axis"]],
  attach: [["name", "hex"], []],
  close: [["status"], []],
  exit: [["how"], []],
};

function print(answer) {
  const bytes = Buffer.from(`${JSON.stringify(answer)}\n`);
  for (let count = 0; count < bytes.length; ) {
    try {
      count += writeSync(1, bytes, count);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // the pipe is full
    }
  }
}

/** What `act` returns, or why it was refused: also if `isStoring` and the system refuses a call. */
function orRefused(act, isStoring = false) {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refused || (isStoring && error instanceof Error && "syscall" in error))
      return {refused: error.message};
    throw error;
  }
}

function toModels({params, extra}) {
  return {params: toModel(params), extra: toModel(extra)};
}

function reading(path) {
  const answer = orRefused(() => read(path));
  if (answer.refused) return {refused: true};
  const {id, state, meta, streams} = answer;
  const models = {
    parent: toModel(meta.parent),
    params: toModel(meta.params),
    extra: toModel(meta.extra),
    environments: meta.environments.map(toModel),
    changes: meta.changes.map((change) => ({...change, ...toModels(change)})),
    in_force: Object.fromEntries([...meta.inForce].map(([number, values]) => [number, toModels(values)])),
    left_out: meta.leftOut,
  };
  const entries = [...streams].map(([name, {events, records, leftOut, refused}]) => [
    name,
    {events: events.map((event) => ({...event, data: toModel(event.data)})), records, left_out: leftOut, refused},
  ]);
  const {inForce, leftOut, ...others} = meta;
  return {id, state, meta: {...others, ...models}, streams: Object.fromEntries(entries)};
}

function metricsOf(path) {
  const experiment = orRefused(() => read(path));
  if (experiment.refused || [...experiment.streams.values()].some(({refused}) => refused !== null))
    return {refused: true};
  const toPoints = ({definition, points, best}) => ({
    definition,
    points: points.map((point) => point.map(toModel)),
    best: best?.line ?? null,
  });
  const toObject = (map, toValue) => Object.fromEntries([...map].map(([name, value]) => [name, toValue(value, name)]));
  const ofStream = (_, name) => toObject(metrics(experiment, name), (ofEvent) => toObject(ofEvent, toPoints));
  return {streams: toObject(experiment.streams, ofStream)};
}

function metadata(step) {
  const entries = SAID.filter((name) => name in step).map((name) => [
    name,
    ["params", "extra"].includes(name) ? fromModel(step[name]) : step[name],
  ]);
  return Object.fromEntries(entries);
}

/** Ends the process as a user's program ends that closes nothing. */
async function leave(how) {
  if (how === "code") process.exit(1);
  if (how === "exception") throw new Error("nothing catches this");
  if (how === "return") process.exit();
  process.kill(process.pid, how === "_exit" ? "SIGKILL" : how); // Node has no exit without handlers
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

function isSupported({op, ...step}) {
  if (!Object.hasOwn(OPERATIONS, op)) return false; // as every object has a member `toString`
  const [required, optional] = OPERATIONS[op];
  const names = Object.keys(step).filter((name) => !name.startsWith("x-"));
  return required.every((name) => name in step) && names.every((name) => [...required, ...optional].includes(name));
}

/** Does the operations of a scenario in a savedir. */
class Scenario {
  constructor(savedir) {
    this.savedir = savedir;
    this.experiment = null;
  }

  do(step) {
    if (["create", "resume", "open"].includes(step.op)) return this.begin(step);
    if (this.experiment === null) throw new Refused("no experiment is open");
    const {log} = this.experiment;
    switch (step.op) {
      case "add":
        this.experiment.add(metadata(step));
        return {};
      case "event":
        return {seq: log.event(step.event, fromModel(step.data), {span: step.span, within: step.within})};
      case "end":
        return {seq: log.end(step.begin, fromModel(step.data))};
      case "mlv/pause":
        return {seq: log.pause()};
      case "mlv/resume":
        return {seq: log.resume()};
      case "mlv/rewind":
        return {seq: log.rewind(step.to)};
      case "mlv/metric": {
        const {op, metric, ...definition} = step;
        const members = Object.entries(definition).filter(([name]) => !name.startsWith("x-"));
        return {seq: log.defineMetric(metric, Object.fromEntries(members))};
      }
      case "attach":
        return {path: this.experiment.attach(step.name, Buffer.from(step.hex, "hex")).members.get("path")};
      default:
        this.experiment.close(step.status);
        this.experiment = null;
        return {};
    }
  }

  begin(step) {
    if (this.experiment !== null) throw new Refused("an experiment is open");
    if (step.op === "create") {
      this.experiment = Experiment.create(join(this.savedir, step.in ?? ""), step.name, {
        kind: step.kind,
        ...metadata(step),
      });
      return {id: this.experiment.id};
    }
    const path = join(this.savedir, step.path);
    this.experiment =
      step.op === "resume" ? Experiment.resume(path, metadata(step)) : Experiment.open(path, metadata(step));
    return step.op === "resume" ? {id: this.experiment.id} : {stream: this.experiment.stream};
  }
}

async function write(savedir) {
  process.on("SIGXFSZ", () => {}); // a write beyond a limit fails, and ends no process
  const scenario = new Scenario(savedir);
  const reported = [];
  process.on("warning", ({message}) => reported.push(message));
  for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
    const step = JSON.parse(line);
    if (!isSupported(step)) process.exit(NOT_SUPPORTED);
    if (step.op === "exit") await leave(step.how);
    const answer = orRefused(() => scenario.do(step), true);
    await new Promise(setImmediate); // warnings come after the call
    print(reported.length > 0 ? {...answer, told: reported.splice(0)} : answer);
  }
}

const [command, ...args] = process.argv.slice(2);
if (command === "id") {
  for (const file of args) {
    const record = readRecord(localDirectory(file), "");
    if (record === null) throw new Error(`${file}: this isn't a regular file. Give a metadata record.`);
    print({id: `sha256:${record.sha256}`});
  }
} else if (command === "validate") {
  const isSealed = args[0] === "--sealed";
  if (isSealed) args.shift();
  const anchor = args[0] === "--anchor" ? args.splice(0, 2)[1] : null;
  for (const directory of args) {
    const {findings, unchecked, experiments, matches} = validate(directory, {isSealed, anchor});
    print({findings, unchecked: unchecked.map(({path}) => path), experiments, matches});
  }
} else if (command === "statement") {
  for (const directory of args) {
    const answer = orRefused(() => makeStatement(directory));
    print(answer.refused ? {statement: null, anchor: null} : {statement: answer.text, anchor: answer.anchor});
  }
} else if (command === "read") for (const directory of args) print(reading(directory));
else if (command === "metrics") for (const directory of args) print(metricsOf(directory));
else if (command === "write") await write(args[0]);
else process.exit(NOT_SUPPORTED);
