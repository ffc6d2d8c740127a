/** Typed values (spec, chapter Values): their required forms. */
import * as is from "./forms.js";

const isDecimal = (value) => is.isString(value) && /^-?(?:0|[1-9])/.test(value) && decimalEnds(value);
const isBase64 = (value) => is.isString(value) && value.length % 4 === 0 && base64Ends(value);
const isUnits = (value) => is.isString(value) && value.length % 4 === 0 && !/[^0-9a-f]/.test(value);
const isSize = (value) => is.isInteger(value, 0);
const isNumber = (value) => typeof value === "number";
const isNumberValue = (value) => isNumber(value) || (is.isObject(value) && value.get("_mlv") === "float");
const isTextValue = (value) => is.isString(value) || (is.isObject(value) && value.get("_mlv") === "string");

// The searches below are for one wrong character, as repeated groups overflow the stack at millions of characters.
function decimalEnds(value) {
  const digits = value.startsWith("-") ? value.slice(1) : value;
  const [whole, fraction, ...more] = digits.split(".", 3);
  const isDigits = (text) => text !== "" && !/[^0-9]/.test(text);
  return (
    more.length === 0 &&
    isDigits(whole) &&
    (whole === "0" || whole[0] !== "0") &&
    (fraction === undefined || isDigits(fraction))
  );
}

function base64Ends(value) {
  const end = value.endsWith("==") ? 2 : value.endsWith("=") ? 1 : 0;
  return !/[^A-Za-z0-9+/]/.test(value.slice(0, value.length - end));
}

function isEdges(value) {
  const isRight = (edge, at) => isNumber(edge) && (at === 0 || value[at - 1] <= edge);
  return Array.isArray(value) && value.length >= 2 && value.every(isRight);
}

/** Reports the rule of the lengths of a histogram or a table. */
function checkLengths(typed, report) {
  const [edges, counts, columns, rows] = ["edges", "counts", "columns", "rows"].map((name) => typed.get(name));
  if (typed.get("_mlv") === "histogram") {
    if (Array.isArray(edges) && Array.isArray(counts) && edges.length !== counts.length + 1)
      report("histogram.buckets");
  } else if (Array.isArray(columns) && Array.isArray(rows)) {
    if (rows.some((row) => Array.isArray(row) && row.length !== columns.length)) report("table.cells");
  }
}

/**
 * The check of a member; `optional` where the member need not be there.
 * @typedef {((value: any) => boolean) & {optional?: boolean}} Check
 */

/** @type {(check: (value: any) => boolean) => Check} */
const optional = (check) => Object.assign((value) => check(value), {optional: true});

/**
 * For each type its members: a check each.
 * @type {Record<string, Record<string, Check>>}
 */
const MEMBERS = {
  float: {value: (value) => ["nan", "inf", "-inf"].includes(value)},
  int: {value: is.isInt},
  datetime: {value: is.isDateTime},
  "datetime-local": {value: is.isLocalDateTime},
  date: {value: is.isDate},
  time: {value: is.isTime},
  duration: {value: isDecimal},
  bytes: {value: isBase64},
  string: {value: isUnits},
  file: {
    path: is.isString,
    size: isSize,
    sha256: is.isDigest,
    media_type: optional(is.isString),
    experiment: optional(is.isId),
  },
  external: {path: isTextValue, host: isTextValue, size: isSize, sha256: is.isDigest, modified: is.isUtc},
  experiment: {id: is.isId, path: optional(is.isString)},
  event: {
    experiment: (value) => value === null || is.isId(value),
    stream: (value) => is.isString(value) && value !== "",
    seq: (value) => is.isInteger(value, 1),
  },
  histogram: {
    edges: isEdges,
    counts: (value) => Array.isArray(value) && value.every((count) => isNumber(count) && count >= 0),
    min: optional(isNumberValue),
    max: optional(isNumberValue),
    sum: optional(isNumberValue),
    sum_squares: optional(isNumberValue),
    nan: optional(isSize),
    below: optional(isSize),
    above: optional(isSize),
  },
  table: {
    columns: (value) => Array.isArray(value) && value.every(is.isString) && new Set(value).size === value.length,
    rows: (value) => Array.isArray(value) && value.every((row) => Array.isArray(row)),
  },
  redacted: {},
  unencodable: {type: is.isString, repr: is.isString},
};
const TYPES = new Map(Object.entries(MEMBERS));

/**
 * The rules of the members of types whose rule `value.TYPE` only says which members must be present.
 * @type {Record<string, Record<string, string>>}
 */
const MEMBER_RULES = {
  histogram: {
    edges: "histogram.edges",
    counts: "histogram.counts",
    ...Object.fromEntries(["min", "max", "sum", "sum_squares"].map((name) => [name, "histogram.moments"])),
    ...Object.fromEntries(["nan", "below", "above"].map((name) => [name, "histogram.outside"])),
  },
  table: {columns: "table.columns", rows: "table.rows"},
};

export const isType = (name) => TYPES.has(name);
const isForeign = (name) =>
  is.isString(name) &&
  name.includes(".") &&
  name.split(".").every((label) => label !== "" && !/[^a-z0-9-]/.test(label));

/**
 * Calls `visit(typed)` for each typed value in a tree, the outer before the inner; the content of unknown types is skipped.
 * @param {any} tree
 * @param {(typed: Map<string, any>) => void} visit
 */
export function walk(tree, visit) {
  if (is.isObject(tree)) {
    if (tree.has("_mlv")) {
      visit(tree);
      if (!isType(tree.get("_mlv"))) return;
    }
    for (const member of tree.values()) walk(member, visit);
  } else if (Array.isArray(tree)) for (const item of tree) walk(item, visit);
}

/**
 * The rules of phase `schema` that the typed values of a tree break.
 * @param {boolean} isKnown whether the version of the record is known
 * @param {(rule: string) => void} report
 */
export function checkTree(tree, isKnown, report) {
  walk(tree, (typed) => checkTyped(typed, isKnown, report));
}

function checkTyped(typed, isKnown, report) {
  const type = typed.get("_mlv");
  const members = TYPES.get(type);
  if (members === undefined) {
    const isNewer = !isKnown && is.isString(type) && !type.includes(".");
    if (!isNewer && !isForeign(type)) report("value.type");
    return;
  }
  if (isKnown && [...typed.keys()].some((name) => name !== "_mlv" && !Object.hasOwn(members, name)))
    report("value.unknown-members");
  checkForm(typed, report);
  checkDate(type, members, typed, report);
  if (type === "file" && is.isString(typed.get("path"))) checkPath(typed.get("path"), report);
}

/** Reports the rules of its form that a typed value of a known type breaks, apart from the typed values inside it. */
function checkForm(typed, report) {
  const type = typed.get("_mlv");
  for (const [name, check] of Object.entries(/** @type {any} */ (TYPES.get(type)))) {
    if (!typed.has(name)) check.optional || report(`value.${type}`);
    else if (!check(typed.get(name))) report(MEMBER_RULES[type]?.[name] ?? `value.${type}`);
  }
  if (Object.hasOwn(MEMBER_RULES, type)) checkLengths(typed, report);
}

/** Whether a typed value of a known type, apart from the typed values inside it, has the form of its type. */
export function hasForm(typed) {
  let has = true;
  checkForm(typed, () => {
    has = false;
  });
  return has;
}

function checkDate(type, members, typed, report) {
  const name = type === "external" ? "modified" : "value";
  if (!["external", "datetime", "datetime-local", "date"].includes(type)) return;
  if (members[name](typed.get(name)) && !is.dateExists(typed.get(name))) report("time.exists");
}

function checkPath(path, report) {
  const segments = path.split("/");
  const isClean =
    !segments.some((segment) => ["", ".", ".."].includes(segment)) && !is.hasControls(path) && !path.includes("\\");
  if (!isClean || !is.isWithin(path, 4096) || /^[A-Za-z]:/.test(path)) report("file.path");
  if (path.startsWith("files/") && !segments.slice(1).every(is.isAttachedName)) report("file.name");
}
