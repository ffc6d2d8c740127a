/** Models of the driver protocol (conformance/DRIVER.md): values that no language loses anything of. */
import {Histogram, Table} from "./tables.js";
import {FLOATS, fromUnits, Typed, unitsOf} from "./user.js";

const TEXTS = ["datetime", "datetime-local", "date", "time", "duration"];

/** The model of a user's value. */
export function toModel(value) {
  if (typeof value === "number") {
    if (Number.isNaN(value)) return {float: "nan"};
    if (!Number.isFinite(value)) return {float: value > 0 ? "inf" : "-inf"};
    return {number: Object.is(value, -0) ? "-0" : String(value)};
  }
  if (typeof value === "bigint") {
    const isLarge = value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER);
    return isLarge ? {int: String(value)} : {number: String(value)};
  }
  if (typeof value === "string") return value.isWellFormed() ? value : {string: unitsOf(value)};
  if (value instanceof Uint8Array) return {bytes: Buffer.from(value).toString("hex")};
  if (Array.isArray(value)) return value.map(toModel);
  if (value instanceof Map)
    return {object: Object.fromEntries([...value].map(([name, member]) => [name, toModel(member)]))};
  if (value instanceof Table) return {table: {columns: value.columns, rows: toModel(value.rows)}};
  if (value instanceof Histogram)
    return {histogram: Object.fromEntries(value.members.map(([name, member]) => [name, toBare(member)]))};
  if (!(value instanceof Typed)) return value;
  if (value.isOpaque) return {opaque: {_mlv: value.type, ...toJson(value.members)}};
  if (TEXTS.includes(value.type)) return {[value.type]: value.members.get("value")};
  return {[value.type]: toJson(value.members, true)};
}

/** The model of a member of a histogram: finite numbers are numbers of JSON. */
const toBare = (member) => (Array.isArray(member) || Number.isFinite(member) ? member : toModel(member));

/** A record's value as JSON; at `isMembers` typed values `string` become models. */
function toJson(value, isMembers = false) {
  if (Array.isArray(value)) return value.map((item) => toJson(item, isMembers));
  if (!(value instanceof Map)) return value;
  if (isMembers && value.get("_mlv") === "string") {
    const string = fromUnits(value.get("value"));
    return string.isWellFormed() ? string : {string: value.get("value")};
  }
  return Object.fromEntries([...value].map(([name, member]) => [name, toJson(member, isMembers)]));
}

const isPlain = (member) => Array.isArray(member) || typeof member === "number";

/** The user's value of a model. */
export function fromModel(model) {
  if (model === null || typeof model !== "object") return model;
  if (Array.isArray(model)) return model.map(fromModel);
  const [[kind, value]] = Object.entries(model);
  switch (kind) {
    case "object":
      return new Map(Object.entries(value).map(([name, member]) => [name, fromModel(member)]));
    case "number":
      return Number(value);
    case "int":
      return BigInt(value);
    case "float":
      return FLOATS.get(value);
    case "bytes":
      return new Uint8Array(Buffer.from(value, "hex"));
    case "string":
      return fromUnits(value);
    case "histogram": {
      const members = Object.entries(value).map(([name, member]) => [
        name,
        isPlain(member) ? member : fromModel(member),
      ]);
      const {edges, counts, ...others} = Object.fromEntries(members);
      return new Histogram(edges, counts, others);
    }
    case "table":
      return new Table(value.columns, fromModel(value.rows));
    case "opaque": {
      const {_mlv: type, ...members} = value;
      return new Typed(type, fromJson(members));
    }
    default:
      if (TEXTS.includes(kind)) return new Typed(kind, new Map([["value", value]]));
      return new Typed(kind, fromJson(value, true));
  }
}

function fromJson(value, isMembers = false) {
  if (Array.isArray(value)) return value.map((item) => fromJson(item, isMembers));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value);
  if (isMembers && entries.length === 1 && entries[0][0] === "string")
    return new Map([
      ["_mlv", "string"],
      ["value", entries[0][1]],
    ]);
  return new Map(entries.map(([name, member]) => [name, fromJson(member)]));
}
