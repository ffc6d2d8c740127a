/** One stream that is written: a session from its mlv/start to its close. */

import {createHash} from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import {dirname, join} from "node:path";
import {codeOf, digestOf} from "./directory.js";
import {isLifecycle, VERSION} from "./forms.js";
import {isTooDeep, MAX_RECORD, stringify} from "./json.js";
import {lines} from "./lines.js";
import {LocalFile} from "./local.js";
import {StreamLock} from "./lock.js";
import {makeFolder, publish} from "./publish.js";
import {Refused, readStream} from "./reader.js";
import {isDefinition, isEventName} from "./schema.js";
import {hasSealForm, placeOf} from "./seals.js";
import {withTableFiles} from "./table_files.js";
import {encode} from "./user.js";

const {O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0} = fs.constants;
const MAX_UNSEALED = 64 * 1024 * 1024;
const MAX_COPY = 1024 * 1024 * 1024; // of a log whose file another program removed or replaced
const MIN_NUMBERS = 2 ** 32; // that a stream must have left for a session
const MAX_AGE = 1000; // milliseconds until the stream's path is checked again
export const WRITER = {name: "mlv-js", version: "0.1.0"};

/** Now, as the specification writes times. */
export const now = () => new Date().toISOString().replace("Z", "000Z");

/** Returns the status of a path, without following a link, or null if nothing exists there. */
function statAt(path) {
  try {
    return fs.lstatSync(path, {bigint: true});
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  }
}

/**
 * Whether both are the same file or directory.
 * @param {fs.BigIntStats | null} one
 * @param {fs.BigIntStats | null} other
 * @returns {one is fs.BigIntStats}
 */
function isSame(one, other) {
  return one !== null && other !== null && one.dev === other.dev && one.ino === other.ino;
}

/** Opens the file of a stream, which must not be a symbolic link. */
function openFile(path, flags) {
  try {
    return fs.openSync(path, O_RDWR | O_APPEND | O_NOFOLLOW | flags, 0o666);
  } catch (error) {
    if (codeOf(error) === "ELOOP") throw new Refused(`${path} is a symbolic link. Put a regular file in its place.`);
    throw error;
  }
}

/** The lock of a stream, or null if another process holds it. */
function lockUnlessHeld(root, stream) {
  try {
    return new StreamLock(root, stream);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

/** A stream with a session that this process writes. */
export class StreamWriter {
  #root; // of the experiment
  #lock; // of the stream
  #home; // the status of the path when the stream was opened
  #start; // the members of the mlv/start
  #checkedAt = -Infinity; // when the file at the path was last seen to be the one that is open
  #isAgain = false; // whether the file was published again
  #lost = new Set(); // the begins of spans that were open when a kept stream began
  #fd;
  /** @type {LocalFile} */
  #file; // the same, for reading
  #size = 0;
  #seq = 0;
  #place = 0; // of the last seal, or 0
  #hash = createHash("sha256"); // of the bytes from there on
  #spans = new Map();
  #isPaused = false;

  /**
   * Attaches the rows of a large table; the experiment sets it.
   * @internal
   * @type {((name: string, content: Uint8Array) => import("./user.js").Typed) | null}
   */
  attachTable = null;

  /**
   * Opens a stream and begins a session.
   * @param {string} root the experiment's directory
   * @param {string} stream its path in the experiment
   * @param {{experiment: string, record: object}} start the members of its mlv/start about the experiment
   * @param {StreamLock} lock the lock of the stream, which the writer releases when it is closed
   * @param {boolean} isNew whether the stream must not exist yet
   * @throws {Refused} the stream is of an unknown version or feature
   */
  constructor(root, stream, start, lock, isNew) {
    this.#root = root;
    this.#lock = lock;
    this.#home = statAt(root);
    /** The path in the experiment of the stream that is written. */
    this.stream = stream;
    this.#start = {mlv: VERSION, ...start, writer: WRITER, host: os.hostname(), pid: process.pid};
    this.#fd = openFile(join(root, stream), O_CREAT | (isNew ? O_EXCL : 0));
    this.#file = new LocalFile(this.#fd);
    try {
      const recovered = this.#recover();
      this.#append("mlv/start", {...this.#start, ...recovered});
    } catch (error) {
      fs.closeSync(this.#fd);
      throw error;
    }
  }

  /** Reads the state of the stream, and removes the bytes that a crash left after the last LF. */
  #recover() {
    const {size} = fs.fstatSync(this.#fd);
    const {events, leftOut, refused} = readStream(this.#file, size);
    if (refused !== null)
      throw new Refused(`line ${refused} of the stream begins a session of an unknown version or feature`);
    this.#seq = (events.at(-1)?.seq ?? 0) + ((leftOut.at(-1) ?? 0) > (events.at(-1)?.line ?? 0) ? leftOut.length : 0);
    if (this.#seq > Number.MAX_SAFE_INTEGER - MIN_NUMBERS)
      throw new Refused(
        `${this.stream}: the last seq is ${this.#seq}, and a stream has none above 2**53 - 1. Use Experiment.open().`,
      );
    const sealed = new Set(
      events.filter(({event}) => event === "mlv/seal" || event === "mlv/end").map(({line}) => line),
    );
    for (const line of lines(this.#file, size)) {
      if (sealed.has(line.number) && hasSealForm(line.bytes)) this.#place = placeOf(line.end);
      this.#size = line.end;
    }
    for (const chunk of this.#file.chunks(this.#place, this.#size)) this.#hash.update(chunk);
    if (this.#size === size) return {};
    const recovered = {size: size - this.#size, sha256: digestOf(this.#file, this.#size, size)};
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
   * Logs a user's event; when this returns, its line is in the kernel. A table of more than 1000 rows, or of more than
   * 1 MiB of JSON, is attached as a file, and the event refers to it.
   * @param {string} name
   * @param {Map<string, any> | object} data
   * @param {{span?: "begin", within?: number}} [options]
   * @returns {number} its seq
   * @throws {Refused} the name isn't valid or is reserved, or `within` isn't an open span
   */
  event(name, data, {span, within} = {}) {
    if (!isEventName(name) || !name.isWellFormed() || isLifecycle(name))
      throw new Refused(`${JSON.stringify(name)} isn't a valid name for an event`);
    if (span !== undefined && span !== "begin") throw new Refused("a span is ended by end()");
    const seq = this.#append(name, data, {span, within});
    if (span) this.#spans.set(seq, {name, start: process.hrtime.bigint()});
    return seq;
  }

  /** Ends the span that began at `begin`. */
  end(begin, data) {
    if (!this.#spans.has(begin)) throw new Refused(`${begin} isn't an open span`);
    const span = this.#spans.get(begin);
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
    this.check();
    if (!Number.isInteger(to) || to < 0 || to > this.#seq) throw new Refused(`${to} isn't an earlier event`);
    const seq = this.#append("mlv/rewind", {to});
    this.#spans.clear();
    return seq;
  }

  /**
   * Defines a metric: which direction is better, its unit, its meaning, and its axis. A later definition of the metric
   * and event replaces this one.
   * @param {string} metric its name
   * @param {import("./metrics.js").Definition & {event?: string}} [definition] `event`: the name of the events that have
   *   the metric; without it, all events
   * @returns {number} the seq of the mlv/metric
   * @throws {Refused} the definition doesn't have the form that the specification requires
   */
  defineMetric(metric, definition = {}) {
    const data = new Map(Object.entries({metric, ...definition}).filter(([, value]) => value !== undefined));
    const names = ["metric", "event", "direction", "unit", "description", "axis"];
    const isWellFormed = [...data].every(([name, value]) => names.includes(name) && String(value).isWellFormed());
    if (!isWellFormed || !isDefinition(data))
      throw new Refused(
        `${JSON.stringify(Object.fromEntries(data))} isn't a definition of a metric: it must have strings metric and, if given, event, direction ("minimize" or "maximize"), unit, description and axis`,
      );
    return this.#append("mlv/metric", data);
  }

  /** Continues under another metadata record. */
  record(record) {
    this.#start = {...this.#start, record};
    return this.#append("mlv/record", {record});
  }

  /** Records an attached file. */
  file(file) {
    return this.#append("mlv/file", {file});
  }

  /** Seals the stream as paused, or ends it with a status, and closes it. */
  close(status, others) {
    this.check();
    if (this.#isPaused) this.#seal("mlv/seal", {});
    else this.#seal("mlv/end", {status, ...others});
    this.abandon();
  }

  /** Closes the file without a further line. */
  abandon() {
    fs.closeSync(this.#fd);
    this.#lock.release();
  }

  /**
   * Compares the file at the stream's path with the one that is open. If another program removed, replaced or changed
   * it, the writer continues as the specification says ("The file of a stream"), and a warning says so.
   * @throws {Refused} the experiment's directory is not there any more
   */
  check() {
    const [path, now] = [join(this.#root, this.stream), performance.now()];
    this.#checkedAt = -Infinity; // until a check succeeds, nothing must be written
    if (!isSame(statAt(this.#root), this.#home))
      throw new Refused(
        `${this.#root}: the directory of the experiment was removed or replaced. Make a new experiment in another directory.`,
      );
    const [there, mine] = [statAt(path), fs.fstatSync(this.#fd, {bigint: true})];
    const isMine = isSame(there, mine);
    makeFolder(dirname(path)); // another program may have removed it with the lock folder
    const isTakenOver = !this.#lock.check();
    if (isTakenOver || !isMine || there.size !== BigInt(this.#size)) {
      const isWhole = !isMine && mine.size === BigInt(this.#size) && this.#size <= MAX_COPY;
      const isFree = there === null && !isTakenOver && !this.#isAgain;
      if (!isWhole || !isFree || !this.#publish(this.stream, this.#file.chunks(0, this.#size))) this.#keep(isWhole);
      else {
        this.#isAgain = true;
        process.emitWarning(`${path}: another program removed this log. It was published again, with all its events.`, {
          code: "MLV_FILE",
        });
      }
    }
    this.#checkedAt = now;
  }

  /** Publishes bytes as a stream and opens it; false where the name is taken. */
  #publish(stream, bytes) {
    const path = join(this.#root, stream);
    makeFolder(dirname(path));
    if (!publish(this.#root, path, bytes)) return false;
    const fd = fs.openSync(path, O_RDWR | O_APPEND | O_NOFOLLOW);
    fs.closeSync(this.#fd);
    this.#fd = fd;
    this.#file = new LocalFile(fd);
    return true;
  }

  /** Continues in a kept stream, which begins with the bytes of this one if they are whole, or else empty. */
  #keep(isWhole) {
    const replaces = {stream: this.stream, last: this.#seq};
    for (let count = 1; this.stream === replaces.stream; count++) {
      const kept = `log/kept-${count}.jsonl`;
      makeFolder(join(this.#root, "log"));
      if (statAt(join(this.#root, kept)) !== null) continue; // it may be the stream that this process has locked
      const lock = lockUnlessHeld(this.#root, kept);
      if (lock === null) continue; // another process is about to make it
      if (this.#publish(kept, isWhole ? this.#file.chunks(0, this.#size) : [])) {
        this.#lock.release();
        [this.#lock, this.stream] = [lock, kept];
      } else lock.release();
    }
    this.#isAgain = false;
    if (!isWhole) {
      [this.#seq, this.#size, this.#place] = [0, 0, 0];
      this.#hash = createHash("sha256");
    }
    for (const begin of this.#spans.keys()) this.#lost.add(begin);
    this.#spans.clear();
    this.#checkedAt = performance.now();
    this.#append("mlv/start", {...this.#start, replaces});
    const [from, to] = [replaces.stream, this.stream].map((stream) => join(this.#root, stream));
    const rest = isWhole ? "" : ` The first ${replaces.last} events may be lost.`;
    process.emitWarning(
      `${from}: another program removed, replaced or changed this log. Its events continue in ${to}.${rest}`,
      {code: "MLV_FILE"},
    );
  }

  #append(name, data, others = {}) {
    if (performance.now() - this.#checkedAt > MAX_AGE) this.check();
    if (this.#lost.has(others.within) && !this.#spans.has(others.within)) others = {...others, within: undefined};
    for (const span of [others.within, others.begin]) {
      if (span !== undefined && !this.#spans.has(span)) throw new Refused(`${span} isn't an open span`);
    }
    if (this.attachTable !== null && !isLifecycle(name)) data = withTableFiles(name, data, this.attachTable);
    const members = {seq: this.#seq + 1, time: now(), event: name, data: encode(data), ...others};
    const line = Buffer.from(
      `${stringify(new Map(Object.entries(members).filter(([, value]) => value !== undefined)))}\n`,
    );
    if (line.length > MAX_RECORD || isTooDeep(line))
      throw new Refused("the event is larger or deeper than a line may be");
    const isUnsealed = () => this.#size - this.#place + line.length > MAX_UNSEALED && this.#seq > 0;
    if (isUnsealed()) {
      this.check();
      if (isUnsealed()) this.#seal("mlv/seal", {});
      return this.#append(name, data, others);
    }
    this.#write(line);
    this.#hash.update(line);
    return this.#seq;
  }

  #seal(name, data) {
    const members = {
      seq: this.#seq + 1,
      time: now(),
      event: name,
      data: encode({...data, from: this.#place, sha256: ""}),
    };
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
      if (fs.fstatSync(this.#fd).size > this.#size) fs.ftruncateSync(this.#fd, this.#size);
      throw error;
    }
    this.#size += line.length;
    this.#seq++;
  }
}
