/** Making an experiment, continuing it, and adding to it. */

import {createHash, randomBytes} from "node:crypto";
import * as fs from "node:fs";
import {dirname, extname, join, relative, resolve, sep} from "node:path";
import {inForce, isEqual} from "./changes.js";
import {fromText, measure} from "./directory.js";
import {environment} from "./environment.js";
import {isAttachedName, isObject, isPortable, isString, LONGEST_NAME, VERSION} from "./forms.js";
import {isTooDeep, MAX_RECORD, stringify} from "./json.js";
import {localDirectory, read} from "./local.js";
import {StreamLock} from "./lock.js";
import {FOLDERS, readRecord} from "./meta.js";
import {makeFolder, publish} from "./publish.js";
import {areLeftOut, Refused, readRecords} from "./reader.js";
import {redactTree} from "./secrets.js";
import {encode, Typed} from "./user.js";
import {now, StreamWriter} from "./writer.js";

const MAX_PATH = 4080; // characters: below `files/` and with a number, a path has at most 4096

const STATUSES = ["completed", "failed", "interrupted", "ended"];

/** The experiments that this process has open. */
const opened = new Set();

/**
 * Ends the experiments that the user hasn't ended, when the process exits.
 * @param {number} code the exit code
 */
function endAll(code) {
  for (const experiment of opened) {
    try {
      experiment.close(code === 0 ? "completed" : "failed");
    } catch (error) {
      // Warnings are printed too late here.
      console.error(`${experiment.path} could not be ended: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/**
 * The part of a metadata record that describes a script.
 * @typedef {{params?: Map<string, any> | object, extra?: Map<string, any> | object, tags?: string[], description?: string}} Metadata
 */

/** An experiment that this process writes to; `log` is its open stream. */
export class Experiment {
  #stream; // in which the session began

  /** @internal Use create(), resume() or open(). */
  constructor(path, id, log) {
    this.path = path;
    this.id = id;
    this.log = log;
    if (opened.size === 0) process.once("exit", endAll);
    opened.add(this);
    this.#stream = log.stream;
    log.attachTable = (name, content) => this.attach(name, content, {mediaType: "application/x-ndjson"});
  }

  /** The path in the experiment of the stream that is written: a `log/kept-K.jsonl` once another program took the first one. */
  get stream() {
    return this.log.stream;
  }

  /**
   * Makes the experiment `savedir`/`name` and opens its default stream.
   * @param {string} savedir
   * @param {string} name a portable name
   * @param {Metadata & {kind: string}} metadata
   * @throws {Refused} the name is taken or not portable, or the place is inside a folder of an experiment
   */
  static create(savedir, name, {kind, params = {}, ...metadata}) {
    for (const word of [name, kind])
      if (!isPortable(word)) throw new Refused(`${JSON.stringify(word)} isn't a portable name`);
    const path = resolve(savedir, name);
    const parent = enclosing(path);
    const record = {
      mlv: VERSION,
      name,
      kind,
      created: now(),
      nonce: randomBytes(16).toString("hex"),
      ...members({params, ...metadata}),
      environment: encode(environment()),
      ...(parent ? {parent} : {}),
    };
    const bytes = bytesOf(record);
    if (fs.lstatSync(join(path, "log.jsonl"), {throwIfNoEntry: false}))
      throw new Refused(`${path} has a log.jsonl that belongs to no experiment. Choose another name.`);
    fs.mkdirSync(path, {recursive: true});
    if (!publish(path, join(path, "meta.json"), bytes)) throw new Refused(`${path} is an experiment already`);
    return begin(path, "log.jsonl", {number: 1, bytes}, new StreamLock(path, "log.jsonl"));
  }

  /**
   * Continues an experiment: a metadata record, and a session in its default stream.
   * @param {string} path
   * @param {Metadata} [metadata]
   * @param {{takeover?: boolean}} [options] `takeover`: whether to take the stream from a writer that this process can't
   *   examine; if it still runs, it notices within 5 seconds, for which this call waits
   * @throws {Refused} another process writes the stream, or a version is not known
   */
  static resume(path, metadata = {}, {takeover = false} = {}) {
    path = resolve(path);
    readRecords(localDirectory(path));
    const lock = new StreamLock(path, "log.jsonl", takeover);
    try {
      read(path); // throws if the experiment must be refused
      if (![null, "file"].includes(localDirectory(path).typeAt("log.jsonl")))
        throw new Refused(`${path}: log.jsonl isn't a regular file. Put a regular file in its place.`);
      return begin(
        path,
        "log.jsonl",
        add(path, metadata, () => "log.jsonl"),
        lock,
      );
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * Works on an experiment as a further script: a metadata record, and a session in a separate stream. Other values of
   * recorded parameters hold for that stream alone.
   * @param {string} path
   * @param {Metadata} [metadata]
   * @throws {Refused} a version is not known
   */
  static open(path, metadata = {}) {
    path = resolve(path);
    const record = add(path, metadata, (number) => {
      for (let count = 1; ; count++) {
        const stream = `log/run-${number}${count === 1 ? "" : `-${count}`}.jsonl`;
        if (localDirectory(path).typeAt(fromText(stream)) === null) return stream;
      }
    });
    ensureFolder(path, "log");
    if (record === null) throw new Error("an addition of a further script is always published");
    return begin(path, record.stream, record, new StreamLock(path, record.stream), true);
  }

  /**
   * Adds to the metadata while the experiment is open: a metadata record, and an `mlv/record`. Other values of recorded
   * names are recorded as changes. If everything is recorded already, nothing is written.
   * @param {Metadata} metadata
   */
  add(metadata) {
    this.log.check();
    const added = add(this.path, metadata, () => this.#stream, true);
    if (added) this.log.record(referenceTo(added));
  }

  /**
   * Attaches a file: copies bytes to `files`, and records their typed value.
   * @param {string} name a path of portable names, which may contain `~`
   * @param {Uint8Array} bytes
   * @param {{mediaType?: string}} [options] `mediaType`: what the bytes are, such as `image/png`
   * @returns {Typed} the reference
   */
  attach(name, bytes, {mediaType} = {}) {
    if (!isString(name) || name.length > MAX_PATH || !name.split("/").every(isAttachedName))
      throw new Refused(`${JSON.stringify(name)} isn't a valid name for an attached file`);
    this.log.check();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const path = this.#place(name, bytes, sha256);
    const type = mediaType === undefined ? {} : {media_type: mediaType};
    const file = new Typed("file", new Map(Object.entries({path, size: bytes.length, sha256, ...type})));
    this.log.file(file);
    return file;
  }

  /**
   * @param {string} name
   * @param {Uint8Array} bytes
   * @param {string} sha256
   */
  #place(name, bytes, sha256) {
    ensureFolder(this.path, "files");
    for (let count = 1; ; count++) {
      const path = `files/${numbered(name, count)}`;
      const taken = takenAs(this.path, path);
      if (taken === null) {
        const folders = path.split("/").slice(0, -1);
        for (const index of folders.keys()) ensureFolder(this.path, folders.slice(0, index + 1).join("/"));
        if (publish(this.path, join(this.path, path), bytes)) return path;
      }
      const found = taken === null || taken === path ? measure(localDirectory(this.path), fromText(path)) : null;
      if (found?.size === bytes.length && found.sha256 === sha256) return path;
    }
  }

  /**
   * Closes: ends with a status or, while paused, seals. When the process exits, experiments that are open are closed as
   * completed if the exit code is 0, and as failed otherwise.
   * @param {"completed" | "failed" | "interrupted" | "ended"} status
   */
  close(status) {
    if (!STATUSES.includes(status)) throw new Refused(`${JSON.stringify(status)} isn't a valid status`);
    this.log.check();
    this.log.close(status, this.stream === "log.jsonl" ? this.#otherStreams() : {});
    opened.delete(this);
    if (opened.size === 0) process.removeListener("exit", endAll);
  }

  /** The last seq of each other stream, and the digest of its last line if that is a seal. */
  #otherStreams() {
    const streams = new Map();
    const seals = new Map();
    for (const [name, {events, leftOut}] of read(this.path).streams) {
      const last = events[events.length - 1];
      if (name === "log.jsonl" || !last) continue;
      streams.set(name, last.seq);
      const isLast = leftOut.every((line) => line < last.line);
      if (isLast && ["mlv/seal", "mlv/end"].includes(last.event)) seals.set(name, last.data.get("sha256"));
    }
    return {streams, ...(seals.size > 0 ? {seals} : {})};
  }
}

/** The number and the digest of a metadata record, as events name it. */
function referenceTo({number, bytes}) {
  return {number, sha256: createHash("sha256").update(bytes).digest("hex")};
}

function begin(path, stream, written, lock, isNew = false) {
  const record = referenceTo(written);
  try {
    const first = readRecord(localDirectory(path), "meta.json");
    if (first === null)
      throw new Refused(`${path}: meta.json was removed. Make a new experiment in another directory.`);
    const id = `sha256:${first.sha256}`;
    return new Experiment(path, id, new StreamWriter(path, stream, {experiment: id, record}, lock, isNew));
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * The members of a metadata record.
 * @param {Metadata} metadata
 */
function members({params, extra, tags, description}) {
  const isText = (value) => isString(value) && value.isWellFormed();
  if (tags && !(Array.isArray(tags) && tags.every(isText)))
    throw new Refused("tags must be an array of strings without lone surrogates");
  if (description !== undefined && !isText(description))
    throw new Refused("description must be a string without lone surrogates");
  if (tags && new Set(tags).size < tags.length) throw new Refused("a tag is given twice");
  if (tags?.includes("")) throw new Refused("a tag is an empty string");
  return {
    ...(params === undefined ? {} : {params: objectOf(params)}),
    ...(tags ? {tags} : {}),
    ...(description === undefined ? {} : {description}),
    ...(extra === undefined ? {} : {extra: objectOf(extra)}),
  };
}

/** The form of params or extra in a record, without what looks like a secret. */
function objectOf(value) {
  const encoded = encode(redactTree(value));
  if (!isObject(encoded) || encoded.has("_mlv")) throw new Refused("params and extra are objects");
  return encoded;
}

function bytesOf(record) {
  const bytes = Buffer.from(
    stringify(
      new Map(Object.entries(record).map(([name, value]) => [name, value instanceof Typed ? encode(value) : value])),
    ),
  );
  if (bytes.length > MAX_RECORD || isTooDeep(bytes))
    throw new Refused("the metadata record is larger or deeper than a record may be");
  return bytes;
}

/**
 * Publishes the next addition; a process that loses the race for a number reads the new records and tries again.
 * @param {string} path
 * @param {Metadata} metadata
 * @param {(number: number) => string} streamFor the stream that the addition with this number is made for
 * @param {boolean} [isOpen] whether the experiment is open: then the addition has no environment, and one without
 *   anything new is not published
 */
function add(path, metadata, streamFor, isOpen = false) {
  const given = members(metadata);
  for (;;) {
    const records = readRecords(localDirectory(path));
    const leftOut = records[areLeftOut(records).indexOf(true)];
    if (leftOut)
      throw new Refused(
        `${path}: metadata record ${leftOut.number} can't be read or follows a gap. Nothing can be added to damaged records. Restore them from a copy; run mlv-validate for details.`,
      );
    const last = records[records.length - 1];
    const number = Number(last.number) + 1;
    const stream = streamFor(number);
    const fresh = unrecorded(
      records.map(({value}) => value),
      given,
      stream,
    );
    if (isOpen && Object.keys(fresh).length === 0) return null;
    const bytes = bytesOf({
      mlv: VERSION,
      experiment: `sha256:${records[0].sha256}`,
      previous: `sha256:${last.sha256}`,
      created: now(),
      ...(stream === "log.jsonl" ? {} : {stream}),
      ...fresh,
      ...(isOpen ? {} : {environment: encode(environment())}),
    });
    ensureFolder(path, "meta");
    if (publish(path, join(path, "meta", `${number}.json`), bytes)) return {number, bytes, stream};
  }
}

/** The members of an addition for a stream: what is not recorded, and the values that differ from those in force. */
function unrecorded(records, given, stream) {
  /** @type {Record<string, any>} */
  const fresh = {};
  const changes = new Map();
  for (const member of /** @type {const} */ (["params", "extra"])) {
    const present = inForce(records, member, stream);
    const all = [...(given[member] ?? [])];
    const added = new Map(all.filter(([name]) => !present.has(name)));
    const changed = new Map(all.filter(([name, value]) => present.has(name) && !isEqual(present.get(name), value)));
    if (added.size > 0) fresh[member] = added;
    if (changed.size > 0) changes.set(member, changed);
  }
  if (changes.size > 0) fresh.changes = changes;
  const tags = given.tags?.filter((tag) => !records.some((record) => record.get("tags")?.includes?.(tag)));
  if (tags?.length) fresh.tags = tags;
  const {description} = given;
  if (description !== undefined && !records.some((record) => record.get("description") === description))
    fresh.description = description;
  return fresh;
}

function ensureFolder(path, name) {
  makeFolder(join(path, name));
  if (localDirectory(path).typeAt(fromText(name)) !== "directory")
    throw new Refused(`${join(path, name)} isn't a directory`);
}

/** A reference to the nearest experiment that encloses a path, or null. */
function enclosing(path) {
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
    const directory = localDirectory(above);
    const record = directory.typeAt("meta.json") === "file" ? readRecord(directory, "meta.json") : null;
    if (!isObject(record?.value) || !isString(record.value.get("mlv"))) continue;
    const [folder] = relative(above, path).split(sep);
    if (FOLDERS.includes(folder))
      throw new Refused(`${folder} of the experiment ${above} can't contain a sub-experiment`);
    return new Typed(
      "experiment",
      new Map([
        ["id", `sha256:${record.sha256}`],
        ["path", relative(path, above).split(sep).join("/")],
      ]),
    );
  }
  return null;
}

/** The name as it is, then with ~2, ~3, … before its last dot, and cut if it would be too long. */
function numbered(name, count) {
  if (count === 1) return name;
  const last = name.slice(name.lastIndexOf("/") + 1);
  const isShort = `~${count}${extname(last)}`.length < LONGEST_NAME;
  const extension = isShort ? extname(last) : "";
  const stem = last.slice(0, last.length - extension.length).slice(0, LONGEST_NAME - `~${count}${extension}`.length);
  return `${name.slice(0, name.length - last.length)}${stem}~${count}${extension}`;
}

/** The path below `files` that differs only by case from this one, or null. */
function takenAs(root, path) {
  const names = fs
    .readdirSync(join(root, "files"), {recursive: true})
    .map((name) => `files/${name.split(sep).join("/")}`);
  if (names.includes(path)) return path;
  return names.find((name) => name.toLowerCase() === path.toLowerCase()) ?? null;
}
