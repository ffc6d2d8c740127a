/** Tables that are too large for an event, as attached files (spec, chapter Values). */

import {createHash} from "node:crypto";
import {isAttachedName, isPortable} from "./forms.js";
import {stringify} from "./json.js";
import {Table} from "./tables.js";
import {encode, MAX_DEPTH, membersOf} from "./user.js";

const MAX_ROWS = 1000;
const MAX_CHARACTERS = 1024 * 1024; // of the rows as JSON

/**
 * The data of an event, in which each large table is the reference to a file with its rows. A table that can't be
 * attached stays, with a warning.
 * @param {string} event its name
 * @param {any} data
 * @param {(name: string, content: Uint8Array) => import("./user.js").Typed} attach attaches a file
 */
export function withTableFiles(event, data, attach) {
  return replaced(data, event.split("/"), 2, attach);
}

function replaced(value, keys, depth, attach) {
  if (value instanceof Table) return isLarge(value, depth) ? attached(value, keys, attach) : value;
  if (depth >= MAX_DEPTH) return value;
  const replace = (member, key) => replaced(member, [...keys, key], depth + 1, attach);
  if (Array.isArray(value)) {
    const items = value.map((item, at) => replace(item, `${at}`));
    return items.every((item, at) => Object.is(item, value[at])) ? value : items;
  }
  const members = membersOf(value);
  if (!members) return value;
  const items = new Map(members.map(([name, member]) => [name, replace(member, name)]));
  return members.every(([name, member]) => Object.is(items.get(name), member)) ? value : items;
}

const isLarge = (table, depth) =>
  table.rows.length > MAX_ROWS || stringify(encode(table.rows, depth + 1)).length > MAX_CHARACTERS;

function attached(table, keys, attach) {
  const words = keys.map((key) => (isPortable(key) ? key : digestOf(key)));
  const last = `${words.pop()}.ndjson`;
  const name = [...words, isAttachedName(last) ? last : `${digestOf(last)}.ndjson`].join("/");
  const objects = table.rows.map((row) => new Map(row.map((cell, at) => [table.columns[at], cell])));
  const lines = objects.map((object) => `${stringify(encode(object))}\n`);
  try {
    return attach(name, Buffer.from(lines.join("")));
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    process.emitWarning(
      `data.${keys.at(-1)}: the rows of a large table can't be written to ${name}: ${reason}. They are recorded in the event, which makes the log slow to read.`,
      {code: "MLV_TABLE"},
    );
    return table;
  }
}

/** A portable name for any key: 16 digits of its digest. */
const digestOf = (key) => createHash("sha256").update(`${key}`).digest("hex").slice(0, 16);
