/** Phase `schema`: the rules about a single metadata record or event, as JSON values. */
import * as is from "./forms.js";
import {checkTree} from "./values.js";

const RECORD = ["mlv", "created", "params", "environment", "tags", "description", "extra", "requires"];
const FIRST = [...RECORD, "name", "kind", "nonce", "parent"];
const ADDITION = [...RECORD, "experiment", "previous", "stream", "changes"];
const CHANGED = ["params", "extra"];
const SPAN = ["span", "begin", "seconds", "within"];
const EVENT = ["seq", "time", "event", "data", ...SPAN];

const hasType = (type) => (value) => is.isObject(value) && value.get("_mlv") === type;
const isPlain = (value) => is.isObject(value) && !value.has("_mlv");
const isText = (value) =>
  is.isString(value) || (is.isObject(value) && ["string", "redacted", "unencodable"].includes(value.get("_mlv")));
const isFilled = (value) => is.isString(value) && value !== "";
const isBoolean = (value) => typeof value === "boolean";
const atLeast = (minimum) => (value) => is.isInteger(value, minimum);
const oneOf =
  (...values) =>
  (value) =>
    values.includes(value);
const orNull = (check) => (value) => value === null || check(value);
const arrayOf = (check) => (value) => Array.isArray(value) && value.every(check);
const objectOf = (check) => (value) => is.isObject(value) && [...value.values()].every(check);

/** An object whose members pass their checks if present; `required` members must be present. */
function shape(checks, required = []) {
  return (value) =>
    is.isObject(value) &&
    required.every((name) => value.has(name)) &&
    Object.entries(checks).every(([name, check]) => !value.has(name) || check(value.get(name)));
}

const facts = (checks) =>
  shape(Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, orNull(check)])));
const texts = arrayOf(orNull(isText));
const namedTexts = objectOf(orNull(isText));
const isEnvironment = facts({
  command: texts,
  directory: isText,
  script: isText,
  launcher: isText,
  host: facts({name: isText, system: isText, cpus: atLeast(0), memory: atLeast(0), gpus: arrayOf(is.isObject)}),
  runtime: facts({language: isText, version: isText, executable: isText, packages: namedTexts}),
  variables: namedTexts,
  git: facts({
    source: isText,
    commit: isText,
    branch: isText,
    remote: isText,
    script_untracked: isBoolean,
    dirty: isBoolean,
    changed: texts,
    unchecked: texts,
    missing: namedTexts,
    diff: hasType("file"),
  }),
});

/**
 * The `data` of each lifecycle event: the checks of its members, and the required ones.
 * @type {Map<string, [checks: Record<string, (value: any) => boolean>, required: string[]]>}
 */
const LIFECYCLE = new Map(
  Object.entries({
    "mlv/start": [
      {
        mlv: is.isVersion,
        requires: is.isDistinctStrings,
        experiment: is.isId,
        record: shape({number: atLeast(1), sha256: is.isDigest}, ["number", "sha256"]),
        writer: shape({name: is.isString, version: is.isString}, ["name", "version"]),
        host: isText,
        pid: atLeast(0),
        recovered: shape({size: atLeast(1), sha256: is.isDigest}, ["size", "sha256"]),
        fork_of: hasType("event"),
        replaces: shape({stream: is.isString, last: atLeast(0)}, ["stream", "last"]),
      },
      ["mlv", "writer", "host", "pid"],
    ],
    "mlv/record": [{record: shape({number: atLeast(1), sha256: is.isDigest}, ["number", "sha256"])}, ["record"]],
    "mlv/pause": [{reason: is.isString}, []],
    "mlv/resume": [{reason: is.isString}, []],
    "mlv/rewind": [{to: atLeast(0), reason: is.isString}, ["to"]],
    "mlv/dropped": [{first: atLeast(1), last: atLeast(1), reasons: objectOf(atLeast(1))}, ["first", "last", "reasons"]],
    "mlv/file": [{file: hasType("file"), source: is.isString}, ["file"]],
    "mlv/metric": [
      {
        metric: isFilled,
        event: isEventName,
        direction: oneOf("minimize", "maximize"),
        unit: is.isString,
        description: is.isString,
        axis: isFilled,
      },
      ["metric"],
    ],
    "mlv/seal": [{from: atLeast(0), sha256: is.isDigest}, ["from", "sha256"]],
    "mlv/end": [
      {
        status: oneOf("completed", "failed", "interrupted", "ended"),
        error: shape({type: is.isString, message: is.isString, traceback: is.isString}),
        streams: objectOf(atLeast(1)),
        seals: objectOf(is.isDigest),
        from: atLeast(0),
        sha256: is.isDigest,
      },
      ["status", "from", "sha256"],
    ],
  }),
);

/** The broken rules of a metadata record; `environment.facts` among them is a warning. */
export function checkMeta(record, isFirst) {
  if (!is.isObject(record)) return new Set(["meta.object"]);
  const rules = new Set();
  const report = (rule) => rules.add(rule);
  const isKnown = is.isKnown(record.get("mlv"));
  const check = (name, rule, isRight) => record.has(name) && !isRight(record.get(name)) && report(rule);

  if (isFirst) {
    if (!["mlv", "name", "kind", "created", "nonce", "params", "environment"].every((name) => record.has(name)))
      report("meta.members");
    check("name", "meta.name", is.isPortable);
    check("kind", "meta.kind", is.isPortable);
    check("nonce", "meta.nonce", is.isNonce);
    check("parent", "meta.parent", hasType("experiment"));
  } else {
    if (!["mlv", "experiment", "previous", "created"].every((name) => record.has(name))) report("addition.members");
    check("changes", "addition.changes", isChanges);
    check("stream", "addition.stream", isFurtherStream);
    check("experiment", "addition.digests", is.isId);
    check("previous", "addition.digests", is.isId);
  }
  const members = isFirst ? FIRST : ADDITION;
  if (isKnown && [...record.keys()].some((name) => !members.includes(name))) report("meta.unknown-members");
  const changes = isFirst ? undefined : record.get("changes");
  if (isKnown && is.isObject(changes) && [...changes.keys()].some((name) => !CHANGED.includes(name)))
    report("meta.unknown-members");
  check("mlv", "version.form", is.isVersion);
  check("created", "meta.created", is.isUtc);
  check("created", "time.exists", (value) => !is.isUtc(value) || is.dateExists(value));
  for (const name of ["params", "environment", "extra"]) check(name, `meta.${name}`, isPlain);
  check("tags", "meta.tags", is.isDistinctStrings);
  check("description", "meta.description", is.isString);
  check("requires", "meta.requires", is.isDistinctStrings);
  check("requires", "requires.names", is.hasFeatureNames);
  const environment = record.get("environment");
  if (isPlain(environment)) {
    if (!isEnvironment(environment)) report("environment.types");
    if (!["command", "host", "runtime"].every((name) => environment.has(name))) report("environment.facts");
  }
  for (const tree of metaTrees(record)) checkTree(tree, isKnown, report);
  return rules;
}

const isChanges = (value) => isPlain(value) && CHANGED.every((name) => !value.has(name) || isPlain(value.get(name)));
const isFurtherStream = (value) =>
  is.isString(value) && value.startsWith("log/") && value.endsWith(".jsonl") && is.isPortable(value.slice(4, -6));

/** The values of a metadata record that may contain typed values. */
export function metaTrees(record) {
  const changes = isPlain(record.get("changes")) ? record.get("changes") : new Map();
  const trees = [
    ...["params", "environment", "extra"].map((name) => record.get(name)),
    ...CHANGED.map((name) => changes.get(name)),
  ];
  return [...trees.filter(isPlain), record.get("parent")];
}

/** Whether the `data` of an `mlv/metric` has the form that `metric.data` requires. */
export function isDefinition(data) {
  const [checks, required] = /** @type {any} */ (LIFECYCLE.get("mlv/metric"));
  return shape(checks, required)(data);
}

/** The broken rules of an event. */
export function checkEvent(event, isKnown) {
  if (!is.isObject(event)) return new Set(["event.object"]);
  const rules = new Set();
  const report = (rule) => rules.add(rule);
  const check = (name, rule, isRight) => event.has(name) && !isRight(event.get(name)) && report(rule);
  const [name, data] = [event.get("event"), event.get("data")];
  const [checks] = LIFECYCLE.get(name) ?? [];

  if (!["seq", "time", "event", "data"].every((member) => event.has(member))) report("event.members");
  if (isKnown && [...event.keys()].some((member) => !EVENT.includes(member))) report("event.unknown-members");
  check("seq", "event.seq", (value) => is.isInteger(value, 1) && value <= Number.MAX_SAFE_INTEGER);
  check("time", "event.time", is.isUtc);
  check("time", "time.exists", (value) => !is.isUtc(value) || is.dateExists(value));
  check("event", "event.name", isEventName);
  if (isKnown && is.isLifecycle(name) && !checks) report("event.reserved");
  check("data", "event.data", isPlain);
  check("span", "event.span", oneOf("begin", "end"));
  check("begin", "event.begin", atLeast(1));
  check("seconds", "event.seconds", (value) => typeof value === "number" && value >= 0);
  check("within", "event.within", atLeast(1));
  const isEnd = event.get("span") === "end";
  if (event.has("begin") !== isEnd || event.has("seconds") !== isEnd) report("span.members");
  if (isEnd && event.has("within")) report("span.end-within");
  if (is.isLifecycle(name) && SPAN.some((member) => event.has(member))) report("span.lifecycle");
  if (checks && is.isObject(data)) {
    if (isKnown && [...data.keys()].some((member) => !Object.hasOwn(checks, member))) report("event.unknown-members");
    checkLifecycle(name, data, report);
    if (name === "mlv/start" && !is.hasFeatureNames(data.get("requires"))) report("requires.names");
  }
  if (isPlain(data)) checkTree(data, isKnown, report);
  return rules;
}

/** The rules of the members of `data` that aren't those of `NAME.data`; of a missing member, `start.members`. */
const DATA_RULES = {
  status: "end.status",
  error: "end.error",
  streams: "end.streams-form",
  seals: "end.seals-form",
  from: "seal.data",
  sha256: "seal.data",
};

function checkLifecycle(name, data, report) {
  const [checks, required] = /** @type {any} */ (LIFECYCLE.get(name));
  const rule = `${name.slice(4)}.data`;
  for (const [member, isRight] of Object.entries(checks)) {
    if (data.has(member)) isRight(data.get(member)) || report(DATA_RULES[member] ?? rule);
    else if (required.includes(member)) report(name === "mlv/start" ? "start.members" : (DATA_RULES[member] ?? rule));
  }
}

/** Whether a name can be that of an event. */
export function isEventName(name) {
  return (
    is.isString(name) &&
    name.split("/").every((segment) => segment !== "") &&
    is.isWithin(name, 1024) &&
    !is.hasControls(name)
  );
}
