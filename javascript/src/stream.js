/** Judging one stream, line by line. */
import * as is from "./forms.js";
import {parse} from "./json.js";
import {lines} from "./lines.js";
import {Ranges} from "./ranges.js";
import {checkEvent} from "./schema.js";
import {Seals} from "./seals.js";
import {Spans} from "./spans.js";
import {walk} from "./values.js";

/**
 * What the experiment around a stream is; null for a bare log.
 * @typedef {{id: string | null, version: any, records: Map<string, string | null>}} Around
 */

/** Checks the lines of a stream, and remembers what other records may ask about it. */
export class Stream {
  seqs = new Ranges(); // of the lines that are not masked
  maybe = new Ranges(); // that masked lines may have
  isChecked = true;
  /** @type {string | null} */
  refused = null; // why, at an mlv/start
  isMasked = false; // whether a masked line may have been an mlv/start
  given = {records: new Set(), ids: new Set()}; // by the mlv/start events
  references = []; // typed values `file` and `event`, with their lines
  ends = []; // the `streams` and `seals` of mlv/end events, with their lines
  starts = []; // the experiment, record and line of mlv/start and mlv/record events
  /** @type {Map<string, {line: number, seq: number}>} */
  seals = new Map(); // by digest
  hasMaskedLines = false;
  events = 0;
  state = "open";
  torn = false; // whether bytes follow the last LF
  /** @type {{number: number, isMasked: boolean, isSeal: boolean} | null} */
  last = null; // the last line: its number, and whether it is masked and a seal

  #spans = new Spans();
  #seals = new Seals();
  #before = {seq: 0, isMasked: false, isEnd: false, isFirst: true};
  #version;

  /**
   * @param {Around | null} around
   * @param {(rule: string, line: number) => void} report
   */
  constructor(around, report) {
    this.around = around;
    this.report = report;
    this.#version = around ? around.version : is.VERSION;
  }

  /**
   * @param {import("./directory.js").OpenFile} file
   * @param {number} size
   */
  check(file, size) {
    const all = lines(file, size);
    for (;;) {
      const {value: line, done} = all.next();
      if (done) {
        this.torn = size > line.end;
        if (this.torn) this.report("log.torn", line.lines + 1);
        break;
      }
      this.refused = this.#line(file, line);
      if (this.refused !== null) {
        this.isChecked = false;
        break;
      }
    }
    if (this.#before.isMasked) this.maybe.add(this.#before.seq + 1, Infinity);
  }

  #line(file, line) {
    const {rules, value} = line.bytes ? parse(line.bytes, true) : {rules: ["json.size"], value: undefined};
    const isStart = rules.length === 0 && is.isObject(value) && value.get("event") === "mlv/start";
    if (isStart) {
      const data = value.get("data");
      const [mlv, requires] = is.isObject(data) ? [data.get("mlv"), data.get("requires")] : [];
      const refused = is.refusal(mlv, requires);
      if (refused !== null) return refused;
      this.#version = mlv;
    }
    const broken = rules.length > 0 ? new Set(rules) : checkEvent(value, is.isKnown(this.#version));
    for (const rule of broken) this.report(rule, line.number);
    if (broken.size > 0) this.#mask(line, rules.length === 0 && is.isObject(value) ? value.get("event") : undefined);
    else this.#event(file, line, value);
    return null;
  }

  #mask(line, name) {
    if (!is.isString(name) || name === "mlv/start") this.#version = null;
    if (!is.isString(name) || name === "mlv/start" || name === "mlv/record") this.isMasked = true;
    this.#before = {...this.#before, isMasked: true};
    this.hasMaskedLines = true;
    this.#seals.masked(line);
    this.last = {number: line.number, isMasked: true, isSeal: false};
  }

  #event(file, line, event) {
    const report = (rule) => this.report(rule, line.number);
    const before = this.#before;
    const [seq, name, data] = ["seq", "event", "data"].map((member) => event.get(member));
    this.events++;
    if (before.isMasked) {
      this.maybe.add(before.seq + 1, seq - 1);
      this.#spans.masked(before.seq + 1, seq - 1);
    }
    if (!hasRightSeq(before, event)) report(name === "mlv/dropped" && !before.isFirst ? "log.dropped" : "log.seq");
    if ((before.isFirst || before.isEnd) && !before.isMasked && name !== "mlv/start") report("session.start");
    this.seqs.add(seq);

    if (is.isLifecycle(name)) this.#lifecycle(file, line, event, report);
    else for (const rule of this.#spans.check(event)) report(rule);
    walk(data, (typed) => {
      if (["file", "event"].includes(typed.get("_mlv"))) this.references.push({typed, line: line.number});
    });
    this.#before = {seq, isMasked: false, isEnd: name === "mlv/end", isFirst: false};
    this.last = {number: line.number, isMasked: false, isSeal: name === "mlv/seal" || name === "mlv/end"};
  }

  #lifecycle(file, line, event, report) {
    const [seq, name, data] = ["seq", "event", "data"].map((member) => event.get(member));
    if (name === "mlv/start") this.#start(data, report);
    if (name === "mlv/record") this.#record(data, report);
    if (name === "mlv/start" || name === "mlv/record")
      this.starts.push({id: data.get("experiment"), record: data.get("record"), line: line.number});
    if (name === "mlv/rewind" && data.get("to") >= seq) report("rewind.to");
    if (name === "mlv/start" || name === "mlv/rewind") this.#spans.clear();
    if (name === "mlv/start" || name === "mlv/resume") this.state = "open";
    if (name === "mlv/pause") this.state = "paused";
    if (name === "mlv/end") {
      this.state = data.get("status");
      const [streams, seals] = ["streams", "seals"].map((member) => data.get(member) ?? new Map());
      if (streams.size + seals.size > 0) this.ends.push({streams, seals, line: line.number});
    }
    if (name === "mlv/seal" || name === "mlv/end") {
      if (!this.seals.has(data.get("sha256"))) this.seals.set(data.get("sha256"), {line: line.number, seq});
      const rule = this.#seals.check(file, line, data);
      if (rule) report(rule);
    }
  }

  #start(data, report) {
    if (!this.around) return;
    const {id} = this.around;
    // Without a meta.json there is no id that the experiment could be.
    if (data.get("experiment") !== id && !(id === null && data.has("experiment"))) report("session.experiment");
    else this.given.ids.add(id);
    this.#record(data, report);
  }

  #record(data, report) {
    if (!this.around) return;
    const {records} = this.around;
    const record = data.get("record");
    const number = record && String(BigInt(record.get("number")));
    const sha256 = records.get(number); // null where the record could not be read
    if (sha256 === undefined || (sha256 !== null && sha256 !== record.get("sha256"))) report("session.record");
    else this.given.records.add(number);
  }

  /** Whether a line has this seq, or a masked one may have it. */
  mayHave(seq) {
    return this.seqs.has(seq) || this.maybe.has(seq);
  }

  /** Whether a line has a seq of at least this one, or a masked one may have it. */
  mayReach(seq) {
    return this.seqs.max >= seq || this.maybe.max >= seq;
  }
}

function hasRightSeq(before, event) {
  const seq = event.get("seq");
  if (event.get("event") === "mlv/dropped" && !before.isFirst) {
    const [first, last] = [event.get("data").get("first"), event.get("data").get("last")];
    const isFirst = before.isMasked ? first > before.seq : first === before.seq + 1;
    return isFirst && first <= last && last === seq - 1;
  }
  return before.isMasked ? seq > before.seq : seq === before.seq + 1;
}
