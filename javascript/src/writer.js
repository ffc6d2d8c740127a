/** One stream that is written: a session from its mlv/start to its close. */
import * as fs from "node:fs";
import * as os from "node:os";
import {createHash} from "node:crypto";
import {chunks, digestOf} from "./directory.js";
import {VERSION, isLifecycle} from "./forms.js";
import {isEventName} from "./schema.js";
import {MAX_RECORD, isTooDeep, stringify} from "./json.js";
import {lines} from "./lines.js";
import {Refused, readStream} from "./reader.js";
import {hasSealForm, placeOf} from "./seals.js";
import {encode} from "./user.js";

const {O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0} = fs.constants;
const MAX_UNSEALED = 64 * 1024 * 1024;
export const WRITER = {name: "mlv-js", version: "0.1.0"};

/** Now, as the specification writes times. */
export const now = () => new Date().toISOString().replace("Z", "000Z");

/** A stream with a session that this process writes. */
export class StreamWriter {
  #fd;
  #size = 0;
  #seq = 0;
  #place = 0; // of the last seal, or 0
  #hash = createHash("sha256"); // of the bytes from there on
  #spans = new Map();
  #isPaused = false;

  /**
   * Opens a stream and begins a session.
   * @param {string} path
   * @param {{experiment: string, record: object}} start what its mlv/start says of the experiment
   * @param {boolean} isNew whether the stream must not exist yet
   * @throws {Refused} the stream is of an unknown version or feature
   */
  constructor(path, start, isNew) {
    this.#fd = fs.openSync(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CREAT | (isNew ? O_EXCL : 0), 0o666);
    try {
      const recovered = this.#recover();
      this.#append("mlv/start", {mlv: VERSION, ...start, writer: WRITER, host: os.hostname(), pid: process.pid, ...recovered});
    } catch (error) {
      fs.closeSync(this.#fd);
      throw error;
    }
  }

  /** Learns where the stream stands, and removes what a crash left after the last LF. */
  #recover() {
    const {size} = fs.fstatSync(this.#fd);
    const {events, leftOut, refused} = readStream(this.#fd, size);
    if (refused !== null) throw new Refused(`line ${refused} of the stream begins a session of an unknown version or feature`);
    this.#seq = (events.at(-1)?.seq ?? 0) + (leftOut.at(-1) > (events.at(-1)?.line ?? 0) ? leftOut.length : 0);
    const sealed = new Set(events.filter(({event}) => event === "mlv/seal" || event === "mlv/end").map(({line}) => line));
    for (const line of lines(this.#fd, size)) {
      if (sealed.has(line.number) && hasSealForm(line.bytes)) this.#place = placeOf(line.end);
      this.#size = line.end;
    }
    for (const chunk of chunks(this.#fd, this.#place, this.#size)) this.#hash.update(chunk);
    if (this.#size === size) return {};
    const recovered = {size: size - this.#size, sha256: digestOf(this.#fd, this.#size, size)};
    fs.ftruncateSync(this.#fd, this.#size);
    return {recovered};
  }

  get seq() {
    return this.#seq;
  }

  get isPaused() {
    return this.#isPaused;
  }

  /**
   * Logs a user's event; when this returns, its line is in the kernel.
   * @param {string} name
   * @param {Map<string, any> | object} data
   * @param {{span?: "begin", within?: number}} [options]
   * @returns {number} its seq
   * @throws {Refused} the name is not one, is reserved, or `within` is no open span
   */
  event(name, data, {span, within} = {}) {
    if (!isEventName(name) || !name.isWellFormed() || isLifecycle(name)) throw new Refused(`${JSON.stringify(name)} is no name for an event`);
    if (span !== undefined && span !== "begin") throw new Refused("a span is ended by end()");
    if (within !== undefined && !this.#spans.has(within)) throw new Refused(`${within} is no open span`);
    const seq = this.#append(name, data, {span, within});
    if (span) this.#spans.set(seq, {name, start: process.hrtime.bigint()});
    return seq;
  }

  /** Ends the span that began at `begin`. */
  end(begin, data) {
    const span = this.#spans.get(begin);
    if (!span) throw new Refused(`${begin} is no open span`);
    const seconds = Number(process.hrtime.bigint() - span.start) / 1e9;
    const seq = this.#append(span.name, data, {span: "end", begin, seconds});
    this.#spans.delete(begin);
    return seq;
  }

  pause() {
    const seq = this.#append("mlv/pause", {});
    this.#isPaused = true;
    return seq;
  }

  resume() {
    const seq = this.#append("mlv/resume", {});
    this.#isPaused = false;
    return seq;
  }

  rewind(to) {
    if (!Number.isInteger(to) || to < 0 || to > this.#seq) throw new Refused(`${to} is no earlier event`);
    const seq = this.#append("mlv/rewind", {to});
    this.#spans.clear();
    return seq;
  }

  /** Records an attached file. */
  file(file) {
    return this.#append("mlv/file", {file});
  }

  /** Seals the stream as paused, or ends it with a status, and closes it. */
  close(status, streams) {
    if (this.#isPaused) this.#seal("mlv/seal", {});
    else this.#seal("mlv/end", {status, ...(streams ? {streams} : {})});
    this.abandon();
  }

  /** Closes the file without a further line. */
  abandon() {
    fs.closeSync(this.#fd);
  }

  #append(name, data, others = {}) {
    const text = (seq) => {
      const members = {seq, time: now(), event: name, data: encode(data), ...others};
      return stringify(new Map(Object.entries(members).filter(([, value]) => value !== undefined)));
    };
    let line = Buffer.from(`${text(this.#seq + 1)}\n`);
    if (line.length > MAX_RECORD || isTooDeep(line)) throw new Refused("the event is larger or deeper than a line may be");
    if (this.#size - this.#place + line.length > MAX_UNSEALED && this.#seq > 0) {
      this.#seal("mlv/seal", {});
      line = Buffer.from(`${text(this.#seq + 1)}\n`);
    }
    this.#write(line);
    this.#hash.update(line);
    return this.#seq;
  }

  #seal(name, data) {
    const members = {seq: this.#seq + 1, time: now(), event: name, data: encode({...data, from: this.#place, sha256: ""})};
    const prefix = Buffer.from(stringify(new Map(Object.entries(members))).slice(0, -3));
    const digest = this.#hash.copy().update(prefix).digest("hex");
    const rest = Buffer.from(`${digest}"}}\n`);
    const place = this.#size + prefix.length;
    this.#write(Buffer.concat([prefix, rest]));
    this.#hash = createHash("sha256").update(rest);
    this.#place = place;
  }

  /** Writes a whole line, or takes it back. */
  #write(line) {
    try {
      for (let count = 0; count < line.length; ) count += fs.writeSync(this.#fd, line, count);
    } catch (error) {
      fs.ftruncateSync(this.#fd, this.#size);
      throw error;
    }
    this.#size += line.length;
    this.#seq++;
  }
}
