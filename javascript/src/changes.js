/** The values of `params` and `extra` that are in force under a metadata record, and the changes (chapter Metadata). */
import {isObject, isString} from "./forms.js";

const isPlain = (value) => isObject(value) && !value.has("_mlv");
const membersOf = (record, name) => (isPlain(record?.get(name)) ? record.get(name) : new Map());

/** The stream that a record was made for. */
export function streamOf(record) {
  const stream = record?.get("stream");
  return isString(stream) ? stream : "log.jsonl";
}

/** The new values of a member in the `changes` of a record. */
export function changesIn(record, member) {
  return membersOf(membersOf(record, "changes"), member);
}

/**
 * The values in force for a session in a stream, as they are in the records.
 * @param {Map<string, any>[]} records in their order
 * @param {"params" | "extra"} member
 * @param {string} stream
 * @returns {Map<string, any>}
 */
export function inForce(records, member, stream) {
  const [first, changed] = [new Map(), new Map()];
  for (const [index, record] of records.entries()) {
    for (const [name, value] of membersOf(record, member)) if (!first.has(name)) first.set(name, value);
    if (index === 0 || !["log.jsonl", stream].includes(streamOf(record))) continue;
    for (const [name, value] of changesIn(record, member)) changed.set(name, value);
  }
  return new Map([...first, ...changed]);
}

/** Whether two values of records are equal as JSON values. */
export function isEqual(one, other) {
  if (Array.isArray(one))
    return Array.isArray(other) && one.length === other.length && one.every((item, at) => isEqual(item, other[at]));
  if (!isObject(one)) return one === other;
  if (!isObject(other) || one.size !== other.size) return false;
  return [...one].every(([name, value]) => other.has(name) && isEqual(value, other.get(name)));
}
