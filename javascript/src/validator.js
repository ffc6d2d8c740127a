/** The validator: what breaks the specification in and below a directory, or in a bare log. */

import {checkAnchor} from "./anchor.js";
import {changesIn} from "./changes.js";
import {codeOf, fromText, join, measure, toText} from "./directory.js";
import {findExperiments} from "./discovery.js";
import * as is from "./forms.js";
import {ADDITION, FOLDERS, readRecord} from "./meta.js";
import {checkMeta, metaTrees} from "./schema.js";
import {Stream} from "./stream.js";
import {walk} from "./values.js";

const WARNINGS = new Set([
  "layout.strays",
  "parent.enclosing",
  "id.copies",
  "log.torn",
  "environment.facts",
  "file.changed",
]);

/**
 * What breaks a rule; `line` is null if it concerns a whole file or directory.
 * @typedef {{rule: string, level: "warning" | "error", path: string, line: number | null}} Finding
 */

/**
 * What could not be checked.
 * @typedef {{path: string, reason: string}} Unchecked
 */

/**
 * One experiment of a target; what could not be determined is null.
 * @typedef {{path: string, id: string | null, name: string | null, state: string | null, sealed: boolean | null,
 *   events: number}} Summary
 */

/** @typedef {import("./anchor.js").Match} Match */

/** What has been found in one target: findings and what could not be checked, each once. */
class Report {
  /** @type {Map<string, Finding>} */
  findings = new Map();
  /** @type {Map<string, Unchecked>} */
  unchecked = new Map();

  /**
   * @param {string} rule
   * @param {string} path
   * @param {number | null} [line]
   */
  find(rule, path, line = null) {
    /** @type {Finding} */
    const finding = {rule, level: WARNINGS.has(rule) ? "warning" : "error", path: toText(path) || ".", line};
    this.findings.set(JSON.stringify([rule, finding.path, line]), finding);
  }

  cannot(path, reason) {
    const text = toText(path) || ".";
    if (!this.unchecked.has(text)) this.unchecked.set(text, {path: text, reason});
  }

  hasFinding(path, line) {
    return [...this.findings.values()].some((found) => found.path === (toText(path) || ".") && found.line === line);
  }

  merge(other) {
    for (const [key, finding] of other.findings) this.findings.set(key, finding);
    for (const [key, reason] of other.unchecked) if (!this.unchecked.has(key)) this.unchecked.set(key, reason);
  }

  /**
   * Calls `read`, and reports that a path could not be checked if the system refuses.
   * @template T
   * @param {string} path
   * @param {() => T} read
   * @returns {T | undefined}
   */
  attempt(path, read) {
    try {
      return read();
    } catch (error) {
      if (!codeOf(error)) throw error;
      this.cannot(path, /** @type {Error} */ (error).message);
      return undefined;
    }
  }
}

/**
 * `isSealed`: whether level Sealed is checked; `anchor`: the digest that was cited, of a statement or a seal, as
 * `sha256:` and 64 digits.
 * @typedef {{isSealed?: boolean, anchor?: string | null}} Options
 */

/**
 * Checks a directory, or a regular file as a bare log.
 * @param {import("./directory.js").Directory} root whose empty path is the directory or the regular file
 * @param {Options} [options]
 * @returns {{findings: Finding[], unchecked: Unchecked[], experiments: Summary[], matches: Match[]}}
 */
export function validate(root, {isSealed = false, anchor = null} = {}) {
  if (anchor !== null && !is.isId(anchor)) throw new TypeError(`${JSON.stringify(anchor)} isn't an anchor`);
  const report = new Report();
  const experiments = [];
  /** @type {Match[]} */
  let matches = [];
  if (root.typeAt("") === "directory") {
    for (const path of findExperiments(root, report)) experiments.push(new Experiment(root, path, isSealed));
    if (experiments.length === 0) report.cannot("", "there is no experiment");
    for (const experiment of experiments) experiment.check();
    for (const experiment of experiments) report.merge(experiment.report);
    checkTogether(experiments, report);
    if (anchor) matches = checkAnchor(root, anchor, experiments, report);
  } else matches = checkBare(root, report, isSealed, anchor);
  if (root.unseen !== null) report.cannot("", root.unseen);
  return {
    findings: [...report.findings.values()],
    unchecked: [...report.unchecked.values()],
    experiments: experiments.map((experiment) => experiment.summary()),
    matches,
  };
}

/** @returns {Match[]} */
function checkBare(root, report, isSealed, anchor) {
  const stream = new Stream(null, (rule, line) => report.find(rule, "", line));
  const isRead = report.attempt("", () =>
    root.withFile("", (file, size) => {
      stream.check(file, size);
      return true;
    }),
  );
  if (isRead === null) report.cannot("", "not a regular file");
  if (stream.refused !== null) report.cannot("", stream.refused);
  if (isSealed && isRead && stream.isChecked) checkLast("", stream, report, report);
  if (!anchor) return [];
  const seal = stream.seals.get(anchor.slice("sha256:".length));
  if (seal && !report.hasFinding("", seal.line)) {
    const later = (stream.last?.number ?? 0) - seal.line;
    return [{kind: "seal", path: ".", line: seal.line, streams: [{path: ".", seq: seal.seq, later}], uncovered: []}];
  }
  if (!stream.hasMaskedLines && report.unchecked.size === 0) report.find("anchor.match", "");
  return [];
}

/** Checks `seal.last`. */
function checkLast(path, stream, report, into) {
  if (!stream?.last) into.find("seal.last", path);
  else if (
    !stream.last.isMasked &&
    (!stream.last.isSeal || stream.torn || report.hasFinding(path, stream.last.number))
  ) {
    into.find("seal.last", path, stream.last.number);
  }
}

/** Checks what holds between experiments. */
function checkTogether(experiments, report) {
  const seen = new Set();
  const byPath = new Map(experiments.map((experiment) => [experiment.path, experiment]));
  for (const experiment of experiments) {
    if (!experiment.isChecked || experiment.id === null) continue;
    const path = join(experiment.path, "meta.json");
    const first = experiment.records.get("1");
    if (seen.has(experiment.id) && !first.isMasked) report.find("id.copies", path);
    seen.add(experiment.id);
    const around = enclosing(experiment.path, byPath);
    if (first.isMasked || !around || !around.isChecked || around.id === null) continue;
    if (first.value.get("parent")?.get("id") !== around.id) report.find("parent.enclosing", path);
  }
}

/** The nearest experiment around a path, or undefined. */
function enclosing(path, byPath) {
  while (path !== "") {
    path = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (byPath.has(path)) return byPath.get(path);
  }
  return undefined;
}

/**
 * A metadata record; `rules` are those of the phases bytes and json that it breaks. If `isUnread`, only its path is known;
 * if `isMasked`, its value breaks a rule.
 * @typedef {{path: string, sha256: string | null, value?: any, rules?: string[], isMasked: boolean, isUnread?: boolean}} MetaRecord
 */

/** One experiment, checked by itself. */
class Experiment {
  report = new Report();
  /** @type {string | null} */
  id = null;
  /** @type {[number: string, path: string][]} */
  recordPaths = [];
  /** @type {string[]} */
  streamPaths = [];
  /** @type {Map<string, MetaRecord>} */
  records = new Map(); // by number, as text
  /** @type {Map<string, Stream>} */
  streams = new Map(); // by path in the experiment
  grew = new Set(); // the paths of the streams that another process wrote meanwhile
  isChecked = true;
  /** @type {boolean | null} */
  isSealed = null;

  constructor(root, path, isSealed) {
    this.root = root;
    this.path = path;
    this.asksSealed = isSealed;
  }

  /**
   * @param {string} rule
   * @param {string} path
   * @param {number | null} [line]
   */
  find(rule, path, line) {
    this.report.find(rule, join(this.path, path), line);
  }

  check() {
    this.#layout();
    this.#readRecords();
    if (!this.isChecked) {
      this.report.findings.clear();
      return;
    }
    this.#checkRecords();
    this.#checkStreams();
    this.#checkReferences();
    this.#checkSealed();
  }

  summary() {
    const first = this.records.get("1");
    const name =
      this.isChecked && first?.rules?.length === 0 && is.isObject(first.value) ? first.value.get("name") : null;
    const log = this.streams.get("log.jsonl");
    const isStateKnown = this.isChecked && (log?.isChecked ?? true);
    return {
      path: toText(this.path) || ".",
      id: this.id,
      name: is.isString(name) ? name : null,
      state: isStateKnown ? (log?.state ?? "open") : null,
      sealed: this.isSealed,
      events: [...this.streams.values()].reduce((sum, stream) => sum + stream.events, 0),
    };
  }

  #layout() {
    const at = (path) => join(this.path, path);
    const read = (path) => this.report.attempt(join(this.path, path), () => this.root.list(at(path))) ?? new Map();
    const top = read("");
    const expect = (path, type, wanted) => {
      if (type === wanted) return true;
      if (type !== undefined) this.find("layout.types", path);
      return false;
    };
    if (!top.has("meta.json")) this.find("layout.meta", "meta.json");
    if (expect("meta.json", top.get("meta.json"), "file")) this.recordPaths.push(["1", "meta.json"]);
    if (expect("log.jsonl", top.get("log.jsonl"), "file")) this.streamPaths.push("log.jsonl");
    const isFolder = Object.fromEntries(FOLDERS.map((name) => [name, expect(name, top.get(name), "directory")]));
    for (const [name, type] of isFolder.meta ? read("meta") : []) {
      const path = `meta/${name}`;
      if (ADDITION.test(name)) expect(path, type, "file") && this.recordPaths.push([name.slice(0, -5), path]);
      else if (name.endsWith(".json") && !name.startsWith(".")) this.find("layout.strays", path);
    }
    for (const [name, type] of isFolder.log ? read("log") : []) {
      const path = `log/${name}`;
      if (name.endsWith(".jsonl") && is.isPortable(name.slice(0, -6)))
        expect(path, type, "file") && this.streamPaths.push(path);
      else if (name.endsWith(".jsonl") && !name.startsWith(".")) this.find("layout.strays", path);
    }
    this.recordPaths.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
    this.streamPaths.sort((a, b) => (a < b ? -1 : 1));
    for (const path of laterTwins(this.streamPaths)) this.find("layout.twins", path);
  }

  #readRecords() {
    for (const [number, path] of this.recordPaths) {
      const full = join(this.path, path);
      const record = this.report.attempt(full, () => readRecord(this.root, full));
      if (!record) {
        this.report.cannot(full, "it could not be read");
        this.records.set(number, {path, sha256: null, isMasked: true, isUnread: true});
        continue;
      }
      if (number === "1") this.id = `sha256:${record.sha256}`;
      const isObject = record.rules.length === 0 && is.isObject(record.value);
      const reason = isObject ? is.refusal(record.value.get("mlv"), record.value.get("requires")) : null;
      if (reason !== null) {
        this.report.cannot(full, reason);
        this.isChecked = false;
        if (number === "1") return;
      }
      const rules = record.rules.length > 0 ? record.rules : [...checkMeta(record.value, number === "1")];
      for (const rule of rules) this.find(rule, path);
      this.records.set(number, {...record, path, isMasked: rules.some((rule) => !WARNINGS.has(rule))});
    }
  }

  #checkRecords() {
    const names = {params: new Set(), extra: new Set()};
    const tags = new Set();
    /** Whether the names in all records before this one are known. */
    const areKnown = (number) => {
      const before = [...this.records].filter(([other]) => BigInt(other) < BigInt(number));
      return number !== "1" && before.length === Number(number) - 1 && before.every(([, record]) => !record.isMasked);
    };
    for (const [number, record] of this.records) {
      if (record.isMasked) continue;
      const {value, path} = record;
      if (number !== "1") {
        const before = this.records.get(String(BigInt(number) - 1n));
        if (!before) this.find("addition.numbers", path);
        else if (!before.isUnread && value.get("previous") !== `sha256:${before.sha256}`)
          this.find("addition.previous", path);
        if (this.id !== null && value.get("experiment") !== this.id) this.find("addition.experiment", path);
      }
      for (const member of ["params", "extra"]) {
        for (const name of areKnown(number) ? changesIn(value, member).keys() : [])
          if (!names[member].has(name)) this.find("addition.changed-names", path);
      }
      for (const member of ["params", "extra"]) {
        for (const name of value.get(member)?.keys() ?? []) {
          if (names[member].has(name)) this.find("addition.new-names", path);
          names[member].add(name);
        }
      }
      for (const tag of value.get("tags") ?? []) {
        if (tags.has(tag)) this.find("addition.new-tags", path);
        tags.add(tag);
      }
    }
  }

  #checkStreams() {
    const first = this.records.get("1");
    const digests = new Map([...this.records].map(([number, record]) => [number, record.sha256]));
    const version = first ? (first.isMasked ? null : first.value.get("mlv")) : is.VERSION;
    for (const path of this.streamPaths) {
      const full = join(this.path, path);
      const stream = new Stream({id: this.id, version, records: digests}, (rule, line) => this.find(rule, path, line));
      this.streams.set(path, stream);
      const isRead = this.report.attempt(full, () =>
        this.root.withFile(full, (file, size) => {
          stream.check(file, size);
          if (file.sizeNow() !== size) this.grew.add(path);
          return true;
        }),
      );
      if (stream.refused !== null) this.report.cannot(full, stream.refused);
      else if (!isRead) this.report.cannot(full, "it could not be read");
      if (!isRead) stream.isChecked = false;
    }
  }

  #checkReferences() {
    const attached = new Set();
    const measured = new Map();
    const check = (typed, path, line) => {
      if (typed.get("_mlv") === "file" && [undefined, this.id].includes(typed.get("experiment"))) {
        if (typed.get("path").startsWith("files/")) attached.add(fromText(typed.get("path")));
        this.#checkFile(typed, measured, path, line);
      } else if (typed.get("_mlv") === "event" && this.id !== null && typed.get("experiment") === this.id) {
        const name = fromText(typed.get("stream"));
        const stream = this.streams.get(name);
        const isMissing = !stream || (stream.isChecked && !this.grew.has(name) && !stream.mayHave(typed.get("seq")));
        if (isMissing) this.find("event.exists", path, line);
      }
    };
    for (const {value, path, isMasked} of this.records.values()) {
      if (!isMasked) for (const tree of metaTrees(value)) walk(tree, (typed) => check(typed, path, null));
    }
    for (const [path, stream] of this.streams) {
      for (const {typed, line} of stream.references) check(typed, path, line);
    }
    for (const path of laterTwins([...attached].sort((a, b) => (a < b ? -1 : 1)))) this.find("file.twins", path);
    for (const {streams, seals, line} of this.streams.get("log.jsonl")?.ends ?? []) {
      for (const [name, seq] of streams) {
        const path = fromText(name);
        const stream = this.streams.get(path);
        const isMissing = !stream || (stream.isChecked && !this.grew.has(path) && !stream.mayReach(seq));
        if (isMissing) this.find("end.streams", "log.jsonl", line);
      }
      for (const [name, sha256] of seals) {
        const path = fromText(name);
        const stream = path === "log.jsonl" ? undefined : this.streams.get(path);
        const isUnknown = stream && (!stream.isChecked || stream.hasMaskedLines || this.grew.has(path));
        if (!isUnknown && !stream?.seals.has(sha256)) this.find("end.seals", "log.jsonl", line);
      }
    }
  }

  #checkFile(typed, measured, path, line) {
    const name = fromText(typed.get("path"));
    if (!measured.has(name)) {
      measured.set(
        name,
        this.report.attempt(join(this.path, path), () => measure(this.root.at(this.path), name)),
      );
    }
    const found = measured.get(name);
    if (found === undefined) this.report.cannot(join(this.path, path), `${toText(name)} could not be read`);
    else if (found?.size !== typed.get("size") || found.sha256 !== typed.get("sha256")) {
      this.find(name.startsWith("files/") ? "file.kept" : "file.changed", path, line);
    }
  }

  #checkSealed() {
    const sealed = new Report();
    for (const path of new Set(["log.jsonl", ...this.streamPaths])) {
      const stream = this.streams.get(path);
      if (!stream || stream.isChecked) checkLast(join(this.path, path), stream, this.report, sealed);
    }
    const streams = [...this.streams.values()];
    if (!streams.some((stream) => stream.isMasked || !stream.isChecked)) this.#checkGiven(streams, sealed);
    const isValid = [...this.report.findings.values(), ...sealed.findings.values()].every(
      ({level}) => level !== "error",
    );
    this.isSealed = this.report.unchecked.size > 0 || this.root.unseen !== null ? null : isValid;
    if (this.asksSealed) this.report.merge(sealed);
  }

  /** Checks `seal.records`, from the last record back, as each may be given by the one after it. */
  #checkGiven(streams, sealed) {
    /** @type {{number: bigint, record: MetaRecord, isGiven: boolean} | null} */
    let after = null;
    for (const [number, record] of [...this.records].reverse()) {
      const next = after;
      const isNextGiven = next !== null && next.number === BigInt(number) + 1n && next.isGiven;
      const isGiven =
        streams.some(({given}) => given.records.has(number) || (number === "1" && given.ids.size > 0)) ||
        (isNextGiven && (next.record.isMasked || next.record.value.get("previous") === `sha256:${record.sha256}`));
      if (!isGiven && !record.isMasked) sealed.find("seal.records", join(this.path, record.path));
      after = {number: BigInt(number), record, isGiven};
    }
  }
}

/** Of sorted ASCII paths those that differ from an earlier one by case alone. */
function laterTwins(paths) {
  const seen = new Set();
  return paths.filter((path) => {
    const isTwin = seen.has(path.toLowerCase());
    seen.add(path.toLowerCase());
    return isTwin;
  });
}
