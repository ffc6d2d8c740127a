/** The reader. It never writes, and it skips what it cannot read. */
import {changesIn, inForce, streamOf} from "./changes.js";
import {codeOf, toText} from "./directory.js";
import * as is from "./forms.js";
import {parse} from "./json.js";
import {lines} from "./lines.js";
import {ADDITION, readRecord} from "./meta.js";
import {decode} from "./user.js";

/** Thrown if the experiment, or a request of the caller, must be refused. */
export class Refused extends Error {}

/**
 * An event as the user reads it; `line` is its line in the stream, and rewinds set `superseded`.
 * @typedef {{line: number, seq: number, time: string, event: string, data: Map<string, any>, span?: any, begin?: any,
 *   seconds?: any, within?: any, superseded?: boolean}} Event
 */

/**
 * A stream: `records` has the number of the metadata record that each event is under, or null; `leftOut` are the lines that
 * cannot be read, `refused` is the line at which reading stopped.
 * @typedef {{events: Event[], records: (number | null)[], leftOut: number[], refused: number | null, state: string}} StreamContent
 */

/**
 * The values of `params` and `extra` under a metadata record, or the new ones in it.
 * @typedef {{params: Map<string, any>, extra: Map<string, any>}} Values
 */

/**
 * The metadata records of an experiment, merged. `changes` has the new values of each record that changes some, with its
 * number and the stream that they are for; `inForce` the values under each record, by its number; `leftOut` the numbers
 * of the additions that were left out.
 * @typedef {{name: any, kind: any, created: any, nonce: any, parent: any, params: Map<string, any>,
 *   extra: Map<string, any>, tags: string[], descriptions: string[], environments: any[],
 *   changes: ({number: number, stream: string} & Values)[], inForce: Map<number, Values>, leftOut: number[]}} Meta
 */

/**
 * Reads an experiment.
 * @param {import("./directory.js").Directory} root its directory
 * @returns {{id: string, state: string | null, meta: Meta, streams: Map<string, StreamContent>}}
 * @throws {Refused} a version or a feature that is not known, or no experiment
 */
export function read(root) {
  const records = readRecords(root);
  /** @type {Map<string, StreamContent>} */
  const streams = new Map();
  for (const name of streamNames(root)) {
    const stream = root.withFile(name, readStream);
    if (stream) streams.set(toText(name), stream); // or else another program removed it meanwhile
  }
  const log = streams.get("log.jsonl");
  return {
    id: `sha256:${records[0].sha256}`,
    state: log?.refused ? null : (log?.state ?? "open"),
    meta: fold(records),
    streams,
  };
}

/**
 * The metadata records of an experiment in their order, with their numbers.
 * @param {import("./directory.js").Directory} root
 */
export function readRecords(root) {
  const names =
    root.typeAt("meta") === "directory" ? [...root.list("meta").keys()].filter((name) => ADDITION.test(name)) : [];
  names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const paths = [["1", "meta.json"], ...names.map((name) => [name.slice(0, -5), `meta/${name}`])];
  const records = paths.map(([number, path]) => ({number, ...readOrLeaveOut(root, path)}));
  const [first] = records;
  if (first.rules.length > 0 || !is.isObject(first.value)) throw new Refused("there is no meta.json that can be read");
  for (const {rules, value} of records) {
    const reason =
      rules.length === 0 && is.isObject(value) ? is.refusal(value.get("mlv"), value.get("requires")) : null;
    if (reason !== null) throw new Refused(reason);
  }
  return records;
}

/**
 * Reads a metadata record. If it can't be read, its digest is null; `isEntry` says that it isn't a regular file, so not a
 * record.
 * @param {import("./directory.js").Directory} root
 * @param {string} path
 * @returns {{sha256: string | null, rules: string[], value?: any, isEntry?: boolean}}
 */
function readOrLeaveOut(root, path) {
  try {
    return readRecord(root, path) ?? {sha256: null, rules: [], isEntry: true};
  } catch (error) {
    if (!codeOf(error) || path === "meta.json") throw error;
    return {sha256: null, rules: []};
  }
}

/**
 * The streams of an experiment, as byte strings, in byte order.
 * @param {import("./directory.js").Directory} root
 */
export function streamNames(root) {
  const names = root.typeAt("log") === "directory" ? root.list("log") : [];
  const further = [...names].filter(
    ([name, type]) => type === "file" && name.endsWith(".jsonl") && is.isPortable(name.slice(0, -6)),
  );
  return [...(root.typeAt("log.jsonl") === "file" ? ["log.jsonl"] : []), ...further.map(([name]) => `log/${name}`)];
}

/** Whether each record is left out of the fold: it cannot be read, or has a number after a gap. */
export function areLeftOut(records) {
  const isGap = records.map(({number, isEntry}, index) => number !== String(index + 1) || isEntry);
  const gap = isGap.indexOf(true);
  return records.map(({rules, value}, index) => rules.length > 0 || !is.isObject(value) || (gap >= 0 && index >= gap));
}

function fold(records) {
  const isLeftOut = areLeftOut(records);
  const kept = records.filter((_, index) => !isLeftOut[index]);
  const objects = kept.map(({value}) => value);
  const [first] = objects;
  const valuesUnder = (stream, count = objects.length) => {
    const values = (name) => decode(inForce(objects.slice(0, count), name, stream));
    return {params: values("params"), extra: values("extra")};
  };
  const changed = kept.map(({number, value}, index) => ({
    number: Number(number),
    stream: streamOf(value),
    params: index === 0 ? new Map() : decode(changesIn(value, "params")),
    extra: index === 0 ? new Map() : decode(changesIn(value, "extra")),
  }));
  const tags = objects
    .map((value) => value.get("tags"))
    .filter(Array.isArray)
    .flat()
    .filter(is.isString);
  return {
    name: first.get("name"),
    kind: first.get("kind"),
    created: first.get("created"),
    nonce: first.get("nonce"),
    parent: decode(first.get("parent") ?? null),
    ...valuesUnder("log.jsonl"),
    tags: [...new Set(tags)],
    descriptions: objects.map((value) => value.get("description")).filter(is.isString),
    environments: objects.filter((value) => value.has("environment")).map((value) => decode(value.get("environment"))),
    changes: changed.filter(({params, extra}) => params.size + extra.size > 0),
    inForce: new Map(
      kept.map(({number, value}, index) => [
        Number(number),
        valuesUnder(index === 0 ? "log.jsonl" : streamOf(value), index + 1),
      ]),
    ),
    leftOut: records.filter((_, index) => isLeftOut[index]).map(({number}) => Number(number)),
  };
}

/**
 * Reads a stream from an open file.
 * @param {import("./directory.js").OpenFile} file
 * @param {number} size
 * @returns {StreamContent}
 */
export function readStream(file, size) {
  /** @type {StreamContent} */
  const stream = {events: [], records: [], leftOut: [], refused: null, state: "open"};
  /** @type {number | null} */
  let record = null;
  for (const line of lines(file, size)) {
    const event = line.bytes ? readEvent(line.bytes) : null;
    if (event === null) {
      stream.leftOut.push(line.number);
      continue;
    }
    if (event.event === "mlv/start" && is.refusal(event.data.get("mlv"), event.data.get("requires")) !== null) {
      stream.refused = line.number;
      break;
    }
    stream.state = stateAfter(stream.state, event);
    if (event.event === "mlv/start" || event.event === "mlv/record") record = recordNumber(event.data);
    stream.events.push({line: line.number, ...event});
    stream.records.push(record);
  }
  supersede(stream.events);
  return stream;
}

/** The number of the metadata record that the data of an event names, or null. */
function recordNumber(data) {
  const record = data.get("record");
  const number = record instanceof Map ? record.get("number") : null;
  return is.isInteger(number, 1) ? Number(number) : null;
}

function readEvent(bytes) {
  const {rules, value} = parse(bytes, true);
  if (rules.length > 0 || !is.isObject(value)) return null;
  const [seq, time, event, data] = ["seq", "time", "event", "data"].map((name) => value.get(name));
  const isRight =
    is.isInteger(seq, 1) && is.isString(time) && is.isString(event) && is.isObject(data) && !data.has("_mlv");
  if (!isRight) return null;
  const others = ["span", "begin", "seconds", "within"]
    .filter((name) => value.has(name))
    .map((name) => [name, value.get(name)]);
  return {seq, time, event, data: decode(data), ...Object.fromEntries(others)};
}

/**
 * Marks the user's events that rewinds supersede, by their seqs alone: a damaged stream may have them in any order.
 * Among the rewinds whose `to` is below an event's seq, the greatest seq decides: the event is superseded if that seq is
 * above the event's own. One sort of the rewinds and one binary search per event bound the time.
 */
function supersede(events) {
  const rewinds = events.filter(({event, data}) => event === "mlv/rewind" && is.isInteger(data.get("to"), 0));
  const sorted = rewinds.map(({seq, data}) => ({to: data.get("to"), seq})).sort((a, b) => a.to - b.to);
  const reaches = []; // for each sorted rewind, the greatest seq up to there
  for (const {seq} of sorted) reaches.push(Math.max(seq, reaches.at(-1) ?? 0));
  for (const event of events) {
    // If no rewind has its `to` below the seq, the comparison with undefined is false.
    const isHidden = event.seq < reaches[countBelow(sorted, event.seq) - 1];
    if (isHidden && !is.isLifecycle(event.event)) event.superseded = true;
  }
}

/** The number of rewinds, sorted by `to`, whose `to` is below a seq. */
function countBelow(sorted, seq) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle].to < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function stateAfter(state, {event, data}) {
  if (event === "mlv/start" || event === "mlv/resume") return "open";
  if (event === "mlv/pause") return "paused";
  return event === "mlv/end" ? data.get("status") : state;
}
