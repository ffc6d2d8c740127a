/** Statements: texts that list the records of an experiment with their digests (spec, chapter Citing and signing). */
import {digestOf, fromBytes, fromText, join, toText} from "./directory.js";
import {findExperiments, MAX_BELOW} from "./discovery.js";
import * as is from "./forms.js";
import {ADDITION, FOLDERS} from "./meta.js";
import {Refused} from "./reader.js";

const HEADER = "mlv-statement 1.0\n";
const LINE = /^([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) (.+)$/s;
const CHUNK = 1024 * 1024;

/** The names of statements in the directory of an experiment. */
export const STATEMENT_NAME = /^mlv-statement(?:-(?:[2-9]|[1-9][0-9]+))?[.]txt$/;

/** The size of the largest statement that is considered. */
export const MAX_STATEMENT = 64 * CHUNK;

/**
 * A line of a statement; `path` is a byte string.
 * @typedef {{path: string, sha256: string, size: number}} Entry
 */

const isStream = (path) =>
  path === "log.jsonl" || (/^log[/][^/]+[.]jsonl$/.test(path) && is.isPortable(path.slice(4, -6)));

/**
 * The files that the statement of an experiment lists, in byte order, with whether each is a stream.
 * @param {import("./directory.js").Directory} root
 * @param {{attempt: (path: string, read: () => any) => any, cannot: (path: string, reason: string) => void}} report
 * @returns {Map<string, boolean>}
 */
export function listRecords(root, report) {
  const paths = [];
  const read = (path) => report.attempt(path, () => root.list(path)) ?? new Map();
  const below = (folder, depth = 0) => {
    if (depth > MAX_BELOW) return report.cannot(folder, `deeper than ${MAX_BELOW} directories`);
    for (const [name, type] of read(folder)) {
      if (name.startsWith(".mlv-")) continue;
      if (type === "file") paths.push(join(folder, name));
      else if (type === "directory") below(join(folder, name), depth + 1);
    }
  };
  for (const experiment of new Set(["", ...findExperiments(root, report)])) {
    const top = read(experiment);
    for (const name of ["meta.json", "log.jsonl"]) if (top.get(name) === "file") paths.push(join(experiment, name));
    for (const folder of ["meta", "log"]) {
      for (const [name, type] of top.get(folder) === "directory" ? read(join(experiment, folder)) : []) {
        const isRecord = folder === "meta" ? ADDITION.test(name) : isStream(`log/${name}`);
        if (type === "file" && isRecord) paths.push(join(experiment, folder, name));
      }
    }
    if (top.get("files") === "directory") below(join(experiment, "files"));
  }
  paths.sort((a, b) => (a < b ? -1 : 1));
  const streams = streamsIn(new Set(paths));
  return new Map(paths.map((path) => [path, streams.has(path)]));
}

/** Whether a path, a byte string, can be listed. */
export function canBeListed(path) {
  const text = toText(path);
  return (
    path === fromText(text) &&
    is.isWithin(text, 4096) &&
    !is.hasControls(text) &&
    !text.includes("\\") &&
    !/^[A-Za-z]:/.test(text) &&
    text.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..")
  );
}

/** The number of bytes of a stream up to and including its last LF. */
function committed(file, size) {
  for (let end = size; end > 0; end -= CHUNK) {
    const start = Math.max(0, end - CHUNK);
    let [at, offset] = [-1, start];
    for (const chunk of file.chunks(start, end)) {
      const last = chunk.lastIndexOf(0x0a);
      if (last !== -1) at = offset + last;
      offset += chunk.length;
    }
    if (at !== -1) return at + 1;
  }
  return 0;
}

/**
 * The statement of an experiment as it is.
 * @param {import("./directory.js").Directory} root
 * @param {Map<string, boolean>} records
 * @returns {Uint8Array}
 */
export function writeStatement(root, records) {
  const text = [HEADER];
  for (const [path, isLog] of records) {
    const line = root.withFile(path, (file, size) => {
      const end = isLog ? committed(file, size) : size;
      return `${digestOf(file, 0, end)} ${end} ${toText(path)}\n`;
    });
    if (line === null) throw new Refused(`${toText(path)} was removed meanwhile`);
    text.push(line);
  }
  return new TextEncoder().encode(text.join(""));
}

/**
 * Makes the statement of an experiment: the text whose digest is cited or signed.
 * @param {import("./directory.js").Directory} root
 * @returns {{text: string, anchor: string}}
 * @throws {Refused} it has no statement: a part of it can't be read, or a path can't be listed
 */
export function makeStatement(root) {
  const cannot = (part, reason) => {
    throw new Refused(`${root.name} has no statement: ${toText(part)}: ${reason}`);
  };
  const report = {attempt: (_, read) => read(), cannot};
  if (root.typeAt("meta.json") === null && root.typeAt("log.jsonl") === null) cannot("", "it isn't an experiment");
  const records = listRecords(root, report);
  for (const record of records.keys()) if (!canBeListed(record)) cannot(record, "it isn't a relative path in UTF-8");
  const raw = writeStatement(root, records);
  const hash = root.createHash();
  hash.update(raw);
  return {text: new TextDecoder().decode(raw), anchor: `sha256:${hash.digest("hex")}`};
}

/**
 * The lines of a statement, or null if the bytes don't have the form of one.
 * @param {Uint8Array} raw
 * @returns {Entry[] | null}
 */
export function parseStatement(raw) {
  const text = fromBytes(raw);
  if (!text.startsWith(HEADER) || !text.endsWith("\n")) return null;
  const lines = text.slice(HEADER.length).split("\n").slice(0, -1);
  const entries = [];
  let before = "";
  for (const line of lines) {
    const [, sha256, size, path] = LINE.exec(line) ?? [];
    if (path === undefined || !canBeListed(path) || path <= before) return null;
    entries.push({path, sha256, size: Number(size)});
    before = path;
  }
  return entries;
}

/** Which of the paths of a statement are streams. */
export function streamsIn(paths) {
  const isListed = (path) => {
    for (let where = "", rest = path, isExperiment = true; ; ) {
      const slash = rest.indexOf("/");
      if (isExperiment && (slash === -1 || FOLDERS.includes(rest.slice(0, slash)))) return isStream(rest);
      if (slash === -1) return false;
      where += rest.slice(0, slash + 1);
      rest = rest.slice(slash + 1);
      isExperiment = paths.has(`${where}meta.json`) || paths.has(`${where}log.jsonl`);
    }
  };
  return new Set([...paths].filter(isListed));
}
