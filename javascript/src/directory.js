/**
 * Reading below a directory, without following links.
 * Paths are byte strings: one character per byte, so any file name can be said and `<` is byte order.
 */

import {isUtf8} from "node:buffer";
import {createHash} from "node:crypto";
import * as fs from "node:fs";

const {O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0} = fs.constants;
const CHUNK = 1024 * 1024;

export const toBytes = (path) => Buffer.from(path, "latin1");
export const fromText = (text) => Buffer.from(text, "utf8").toString("latin1");
export const join = (...parts) => parts.filter((part) => part !== "").join("/");

/**
 * The code of a system error, for example `ENOENT`; undefined for other errors.
 * @param {unknown} error
 */
export const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;

/** A path for people and reports: UTF-8, other bytes as \xNN. */
export function toText(path) {
  const bytes = toBytes(path);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    text += length ? bytes.toString("utf8", at, at + length) : `\\x${bytes[at].toString(16).padStart(2, "0")}`;
    at += length ?? 1;
  }
  return text;
}

function typeOf(stat) {
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isDirectory()) return "directory";
  return stat.isFile() ? "file" : "other";
}

/** Returns the type of the entry at a path, or null if nothing exists there. */
export function typeAt(path) {
  try {
    return typeOf(fs.lstatSync(toBytes(path)));
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** The names in a directory, sorted, with their types. */
export function list(path) {
  const entries = fs.readdirSync(toBytes(path), {withFileTypes: true, encoding: "buffer"});
  const types = new Map(entries.map((entry) => [entry.name.toString("latin1"), typeOf(entry)]));
  return new Map([...types].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Opens a regular file, calls `use(fd, size)`, closes it. Throws if it cannot; returns null if it isn't a regular file.
 * @template T
 * @param {string} path
 * @param {(fd: number, size: number) => T} use
 * @returns {T | null}
 */
export function withFile(path, use) {
  if (typeAt(path) !== "file") return null;
  const fd = fs.openSync(toBytes(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    return stat.isFile() ? use(fd, stat.size) : null;
  } finally {
    fs.closeSync(fd);
  }
}

/** The bytes of an open file from `start` up to `end`, in chunks that are valid until the next. */
export function* chunks(fd, start, end) {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, end - start)));
  while (start < end) {
    const count = fs.readSync(fd, buffer, 0, Math.min(buffer.length, end - start), start);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    start += count;
  }
}

/** The digest of the bytes of an open file from `start` up to `end`. */
export function digestOf(fd, start, end) {
  const hash = createHash("sha256");
  for (const chunk of chunks(fd, start, end)) hash.update(chunk);
  return hash.digest("hex");
}

/** Size and digest of a regular file below `root` that is reached without links; null if there is none. */
export function measure(root, path) {
  const segments = path.split("/");
  for (let count = 1; count < segments.length; count++) {
    if (typeAt(join(root, ...segments.slice(0, count))) !== "directory") return null;
  }
  return withFile(join(root, path), (fd, size) => ({size, sha256: digestOf(fd, 0, size)}));
}
