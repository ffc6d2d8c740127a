/**
 * Conversion between the user's values and the values of a record.
 * null, booleans, strings, arrays and Maps stay the same; a number is a float or an integer within ±2^53−1, a BigInt any
 * integer, a Uint8Array bytes, a Histogram and a Table what they are named; every other typed value is a Typed.
 */
import {fromBytes, toBytes} from "./directory.js";
import {isInt, isObject} from "./forms.js";
import {parse, stringify} from "./json.js";
import {Histogram, Table} from "./tables.js";
import {checkTree, hasForm, isType} from "./values.js";

export const MAX_DEPTH = 64;
export const FLOATS = new Map([
  ["nan", NaN],
  ["inf", Infinity],
  ["-inf", -Infinity],
]);

/** A typed value without an equivalent in JavaScript; `members` are as they are in the record, without `_mlv`. */
export class Typed {
  constructor(type, members) {
    this.type = type;
    this.members = members;
  }

  /** Whether the type isn't known, or the members don't have its form. */
  get isOpaque() {
    return !isType(this.type) || !hasForm(new Map([["_mlv", this.type], ...this.members]));
  }
}

const typed = (type, members) => new Map(Object.entries({_mlv: type, ...members}));
const unencodable = (value, repr) => typed("unencodable", {type: typeof value, repr});

/** The UTF-16BE code units of a string, in hexadecimal. */
export const unitsOf = (string) =>
  Array.from({length: string.length}, (_, at) => string.charCodeAt(at).toString(16).padStart(4, "0")).join("");

/** The string of UTF-16BE code units in hexadecimal. */
export const fromUnits = (units) =>
  (units.match(/.{4}/g) ?? []).map((unit) => String.fromCharCode(parseInt(unit, 16))).join("");

/**
 * A user's value as it is written. What cannot be encoded becomes `unencodable`.
 * @param {any} value a plain object counts as a Map
 * @param {number} depth of the value in the record, the outermost counting as 1
 */
export function encode(value, depth = 2) {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return value.isWellFormed() ? value : typed("string", {value: unitsOf(value)});
  if (typeof value === "number") {
    if (Number.isFinite(value)) return value;
    return typed("float", {value: Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"});
  }
  if (typeof value === "bigint") {
    if (BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    return isInt(String(value)) ? typed("int", {value: String(value)}) : unencodable(value, "more than 4000 digits");
  }
  if (value instanceof Typed) return encodeTyped(value);
  if (value instanceof Histogram || value instanceof Table) return encodeForm(value, depth);
  if (value instanceof Uint8Array) return typed("bytes", {value: btoa(fromBytes(value))});
  if (value instanceof Date && isInYears(value)) return typed("datetime", {value: value.toISOString()});
  const members = Array.isArray(value) ? [] : membersOf(value);
  if (!members) return unencodable(value, wellFormed(String(value)));
  if (depth >= MAX_DEPTH) return unencodable(value, "nested too deep");
  if (Array.isArray(value)) return value.map((item) => encode(item, depth + 1));
  if (!members.every(([name]) => typeof name === "string" && name.isWellFormed()))
    return unencodable(value, "a name that isn't a string");
  return new Map(
    members.map(([name, member]) => [/^_+mlv$/.test(name) ? `_${name}` : name, encode(member, depth + 1)]),
  );
}

/** The names and values of a Map or a plain object; null for anything else. */
export function membersOf(value) {
  if (value instanceof Map) return [...value];
  const isPlain =
    typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  return isPlain ? Object.entries(value) : null;
}

/** A typed value, or `unencodable` if it has a wrong form or the type is none of this version. */
function encodeTyped(value) {
  const members = new Map([["_mlv", value.type], ...value.members]);
  const broken = new Set();
  checkTree(members, true, (rule) => broken.add(rule));
  for (const rule of parse(new TextEncoder().encode(stringify(members))).rules) broken.add(rule);
  if (broken.size === 0) return members;
  return typed("unencodable", {
    type: wellFormed(`Typed ${value.type}`),
    repr: `a typed value that breaks ${[...broken].join(", ")}`,
  });
}

/** Whether a date is in the years 1 to 9999. */
const isInYears = (date) => date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999;

function encodeForm(value, depth) {
  if (depth + 2 >= MAX_DEPTH) return unencodable(value, "nested too deep");
  if (value instanceof Histogram)
    return typed(
      "histogram",
      Object.fromEntries(value.members.map(([name, member]) => [name, encode(member, depth + 1)])),
    );
  const rows = value.rows.map((row) => row.map((cell) => encode(cell, depth + 3)));
  return typed("table", {columns: value.columns, rows});
}

const wellFormed = (text) => text.toWellFormed().slice(0, 1000);

/** Returns the user's value for a value of a record. */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (!isObject(value)) return value;
  if (!value.has("_mlv"))
    return new Map([...value].map(([name, member]) => [/^__+mlv$/.test(name) ? name.slice(1) : name, decode(member)]));
  const [type, text] = [value.get("_mlv"), value.get("value")];
  if (type === "float" && FLOATS.has(text)) return FLOATS.get(text);
  if (type === "int" && isInt(text)) return BigInt(text);
  if (type === "bytes" && hasForm(value)) return toBytes(atob(text));
  if (type === "string" && hasForm(value)) return fromUnits(text);
  if ((type === "histogram" || type === "table") && hasForm(value)) return decodeForm(value);
  return new Typed(type, new Map([...value].filter(([name]) => name !== "_mlv")));
}

function decodeForm(value) {
  const members = Object.fromEntries([...value].map(([name, member]) => [name, decode(member)]));
  if (value.get("_mlv") === "table") return new Table(members.columns, members.rows);
  return new Histogram(members.edges, members.counts, members);
}
