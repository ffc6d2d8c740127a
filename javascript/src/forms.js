/** The forms of single strings and numbers: names, digests, versions, times. */

export const VERSION = "1.0";

/** The most characters of a portable name. */
export const LONGEST_NAME = 100;

const DEVICE = "(?!(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[.]|$))";
const PORTABLE = new RegExp(`^${DEVICE}[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9_-])?$`, "i");
const ATTACHED = new RegExp(`^${DEVICE}[a-z0-9](?:[a-z0-9._~-]{0,98}[a-z0-9_~-])?$`, "i");
const DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])";
const CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
const OFFSET = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const UTC = new RegExp(`^${DAY}T${CLOCK}[.][0-9]{6}Z$`);

const string = (pattern) => (value) => typeof value === "string" && pattern.test(value);

export const isString = (value) => typeof value === "string";
export const isObject = (value) => value instanceof Map;
export const isPortable = string(PORTABLE);
export const isAttachedName = string(ATTACHED);
export const isDigest = string(/^[0-9a-f]{64}$/);
export const isId = string(/^sha256:[0-9a-f]{64}$/);
export const isNonce = string(/^[0-9a-f]{32}$/);
export const isVersion = string(/^(?:0|[1-9][0-9]{0,3})[.](?:0|[1-9][0-9]{0,3})$/);
export const isUtc = string(UTC);
export const isDate = string(new RegExp(`^${DAY}$`));
export const isDateTime = string(new RegExp(`^${DAY}T${CLOCK}(?:[.][0-9]{1,9})?${OFFSET}$`));
export const isLocalDateTime = string(new RegExp(`^${DAY}T${CLOCK}(?:[.][0-9]{1,9})?$`));
export const isTime = string(new RegExp(`^${CLOCK}(?:[.][0-9]{1,9})?${OFFSET}?$`));
export const isInt = (value) => isString(value) && value.length <= 4001 && /^(?:0|-?[1-9][0-9]{0,3999})$/.test(value);
// biome-ignore lint/suspicious/noControlCharactersInRegex: The function looks for control characters.
export const hasControls = (text) => /[\u0000-\u001f\u007f-\u009f]/.test(text);
export const isLifecycle = (name) => isString(name) && (name === "mlv" || name.startsWith("mlv/"));

/** An integer however it is spelled, at least `minimum`. */
export const isInteger = (value, minimum) => Number.isInteger(value) && value >= minimum;

export const isDistinctStrings = (value) =>
  Array.isArray(value) && value.every((item) => isString(item) && item !== "") && new Set(value).size === value.length;

const FEATURE = /^(?:[A-Za-z0-9-]+|[a-z0-9-]+(?:[.][a-z0-9-]+)+)$/;

/** Whether the non-empty strings among the items are names of features; another value has none. */
export const hasFeatureNames = (value) =>
  !Array.isArray(value) || value.every((item) => !isString(item) || item === "" || FEATURE.test(item));

/** Returns whether a string has at most `limit` characters (code points). */
export function isWithin(text, limit) {
  return text.length <= limit || (text.length <= 2 * limit && [...text].length <= limit);
}

/** Returns whether the date at the start of a well-formed string exists in the calendar. */
export function dateExists(text) {
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return year >= 1 && day <= [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
}

/** Whether this version of MLV knows a version: major 1, minor not later. */
export function isKnown(version) {
  return isVersion(version) && version === VERSION;
}

/** Returns why a reader must refuse these `mlv` and `requires`, or null. */
export function refusal(mlv, requires) {
  if (isVersion(mlv) && !mlv.startsWith("1.")) return `version ${mlv} is not supported`;
  const isNamed = isDistinctStrings(requires) && hasFeatureNames(requires);
  if (isNamed && requires.length > 0) return `requires unknown features: ${requires.join(", ")}`;
  return null;
}
