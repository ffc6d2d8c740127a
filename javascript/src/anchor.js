/** Anchors: whether a digest fits a statement or a seal, and what it covers (spec, chapter Citing and signing). */
import {bytesOf, digestOf, fromText, isReached, join, toText} from "./directory.js";
import * as is from "./forms.js";
import {parse} from "./json.js";
import {metaTrees} from "./schema.js";
import {
  canBeListed,
  listRecords,
  MAX_STATEMENT,
  parseStatement,
  STATEMENT_NAME,
  streamsIn,
  writeStatement,
} from "./statement.js";
import {walk} from "./values.js";

/**
 * A statement or a seal with the digest of the anchor. `path` is null for the statement of the files as they are;
 * `streams` are covered up to `seq`, and `later` lines follow; `uncovered` are records and files that aren't covered.
 * @typedef {{kind: "statement" | "seal", path: string | null, line: number | null,
 *   streams: {path: string, seq: number | null, later: number}[], uncovered: string[]}} Match
 */

/**
 * Checks the rules of anchors.
 * @returns {Match[]} what the anchor fits
 */
export function checkAnchor(root, anchor, experiments, report) {
  const sha256 = anchor.slice("sha256:".length);
  const matches = experiments.flatMap((experiment) => matchesOf(root, sha256, experiment, report));
  const isUnknown =
    report.unchecked.size > 0 || experiments.some(({streams}) => streams.get("log.jsonl")?.hasMaskedLines);
  if (matches.length === 0 && !isUnknown) report.find("anchor.match", "");
  return matches;
}

function matchesOf(root, sha256, experiment, report) {
  const directory = root.at(experiment.path);
  const records = listRecords(directory, {
    attempt: (path, read) => report.attempt(join(experiment.path, path), read),
    cannot: (path, reason) => report.cannot(join(experiment.path, path), reason),
  });
  const kept = keptStatements(directory, sha256);
  const seal = sealMatch(experiment, sha256, records);
  const found = kept.length > 0 || seal ? kept : statementAsItIs(directory, records, sha256);
  const compared = found.map(({name, entries}) => compare(experiment, directory, name, entries, records, report));
  return seal ? [seal, ...compared] : compared;
}

function digest(directory, raw) {
  const hash = directory.createHash();
  hash.update(raw);
  return hash.digest("hex");
}

function keptStatements(directory, sha256) {
  const found = [];
  for (const [name, type] of directory.list("")) {
    if (type !== "file" || !STATEMENT_NAME.test(name)) continue;
    const raw = directory.withFile(name, (file, size) => bytesOf(file, 0, size > MAX_STATEMENT ? 0 : size));
    const entries = raw && digest(directory, raw) === sha256 ? parseStatement(raw) : null;
    if (entries) found.push({name, entries});
  }
  return found;
}

function statementAsItIs(directory, records, sha256) {
  if (![...records.keys()].every(canBeListed)) return [];
  const raw = writeStatement(directory, records);
  const entries = digest(directory, raw) === sha256 ? parseStatement(raw) : null;
  return entries ? [{name: null, entries}] : [];
}

/** Compares the files that a statement lists with what they are. */
function compare(experiment, directory, name, entries, records, report) {
  const streams = streamsIn(new Set(entries.map(({path}) => path)));
  const covered = [];
  for (const {path, sha256, size} of entries) {
    const full = join(experiment.path, path);
    const isStream = streams.has(path);
    const found = report.attempt(full, () => {
      if (!isReached(directory, path)) return null;
      return directory.withFile(path, (file, now) => {
        if (now < size || (now > size && !isStream) || digestOf(file, 0, size) !== sha256) return null;
        return isStream ? {seq: lastSeq(file, size), later: countLines(file, size, now)} : {};
      });
    });
    if (found === null) report.find("statement.files", full);
    else if (found && isStream) covered.push({path: toText(full), ...found});
  }
  const listed = new Set(entries.map(({path}) => path));
  return {
    kind: "statement",
    path: name === null ? null : toText(join(experiment.path, name)),
    line: null,
    streams: covered,
    uncovered: uncovered(experiment, records, listed),
  };
}

const uncovered = (experiment, records, covered) =>
  [...records.keys()].filter((path) => !covered.has(path)).map((path) => toText(join(experiment.path, path)));

function lastSeq(file, size) {
  if (size === 0) return 0;
  const start = Math.max(0, size - 16 * 1024 * 1024);
  const bytes = bytesOf(file, start, size);
  const {value} = parse(bytes.subarray(bytes.lastIndexOf(0x0a, bytes.length - 2) + 1, -1), true);
  const seq = is.isObject(value) ? value.get("seq") : null;
  return is.isInteger(seq, 0) ? seq : null;
}

function countLines(file, start, end) {
  let count = 0;
  for (const chunk of file.chunks(start, end)) for (const byte of chunk) if (byte === 0x0a) count++;
  return count;
}

/** What a seal of `log.jsonl` covers, or null if there is no such seal without a finding. */
function sealMatch(experiment, sha256, records) {
  const main = experiment.streams.get("log.jsonl");
  const seal = main?.seals.get(sha256);
  if (!seal || experiment.report.hasFinding(join(experiment.path, "log.jsonl"), seal.line)) return null;
  const covered = new Map([["log.jsonl", seal]]);
  for (const {seals, line} of main.ends) {
    for (const [name, digits] of line <= seal.line ? seals : []) {
      const path = fromText(name);
      const found = path === "log.jsonl" ? null : experiment.streams.get(path)?.seals.get(digits);
      if (found && found.line >= (covered.get(path)?.line ?? 0)) covered.set(path, found);
    }
  }
  const streams = [...covered].map(([path, {line, seq}]) => ({
    path: toText(join(experiment.path, path)),
    seq,
    later: experiment.streams.get(path).last.number - line,
  }));
  const numbers = coveredRecords(experiment, covered);
  const files = coveredFiles(experiment, covered, numbers);
  const paths = [...numbers].map((number) => experiment.records.get(number).path);
  const all = new Set([...covered.keys(), ...paths, ...files]);
  const path = toText(join(experiment.path, "log.jsonl"));
  return {kind: "seal", path, line: seal.line, streams, uncovered: uncovered(experiment, records, all)};
}

function coveredRecords(experiment, covered) {
  const numbers = new Set();
  for (const [path, {line: last}] of covered) {
    for (const {id, record, line} of experiment.streams.get(path).starts) {
      if (line > last) continue;
      const number = record && String(BigInt(record.get("number")));
      if (record && experiment.records.get(number)?.sha256 === record.get("sha256")) numbers.add(number);
      if (id === experiment.id) numbers.add("1");
    }
  }
  for (const [number, {value, isMasked}] of [...experiment.records].reverse()) {
    const before = String(BigInt(number) - 1n);
    const given = numbers.has(number) && !isMasked ? value.get("previous") : null;
    if (given && given === `sha256:${experiment.records.get(before)?.sha256}`) numbers.add(before);
  }
  return numbers;
}

function coveredFiles(experiment, covered, numbers) {
  const files = new Set();
  const add = (typed) => {
    const isOwn = typed.get("_mlv") === "file" && (typed.get("experiment") ?? experiment.id) === experiment.id;
    if (isOwn) files.add(fromText(typed.get("path")));
  };
  for (const [path, {line: last}] of covered) {
    for (const {typed, line} of experiment.streams.get(path).references) if (line <= last) add(typed);
  }
  for (const number of numbers) {
    const {value, isMasked} = experiment.records.get(number);
    if (!isMasked) for (const tree of metaTrees(value)) walk(tree, add);
  }
  return [...files].filter((path) => path.startsWith("files/"));
}
