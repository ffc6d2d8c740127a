/** Finding experiments. */
import {join} from "./directory.js";
import * as is from "./forms.js";
import {parse} from "./json.js";
import {lines} from "./lines.js";
import {FOLDERS, readRecord} from "./meta.js";

/** How many directories deep experiments and attached files are searched for. */
export const MAX_BELOW = 64;

/**
 * The paths of the experiments in and below the root, in byte order.
 * @param {import("./directory.js").Directory} root
 */
export function findExperiments(root, report) {
  const found = [];
  const left = [{path: "", depth: 0}];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const {path, depth} = next;
    if (depth > MAX_BELOW) {
      report.cannot(path, `deeper than ${MAX_BELOW} directories`);
      continue;
    }
    const entries = report.attempt(path, () => root.list(path));
    if (!entries) continue;
    const isExperiment = isTakenFor(root, path, entries, report);
    if (isExperiment) found.push(path);
    for (const [name, type] of entries) {
      if (type === "directory" && !(isExperiment && FOLDERS.includes(name)))
        left.push({path: join(path, name), depth: depth + 1});
    }
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

function isTakenFor(root, path, entries, report) {
  if (path === "" && entries.has("meta.json")) return true;
  const says = (name, check) =>
    entries.get(name) === "file" && report.attempt(join(path, name), () => check(root, join(path, name)));
  return Boolean(says("meta.json", isRecord) || says("log.jsonl", isStarted));
}

function isRecord(root, path) {
  const {value} = readRecord(root, path) ?? {};
  return is.isObject(value) && is.isString(value.get("mlv"));
}

function isStarted(root, path) {
  return root.withFile(path, (file, size) => {
    const {value: line, done} = lines(file, size).next();
    if (done || line.bytes === null) return false;
    const {value} = parse(line.bytes, true);
    const data = is.isObject(value) && value.get("event") === "mlv/start" ? value.get("data") : null;
    return is.isObject(data) && is.isString(data.get("experiment"));
  });
}
