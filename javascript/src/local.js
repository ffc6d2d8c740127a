/** Directories on disk, and reader, validator and statements for them. */

import {createHash} from "node:crypto";
import * as fs from "node:fs";
import {codeOf, fromText, join, toText} from "./directory.js";
import {read as readDirectory} from "./reader.js";
import {makeStatement as makeStatementOf} from "./statement.js";
import {validate as validateDirectory} from "./validator.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./directory.js").EntryType} EntryType */
/** @typedef {import("./directory.js").OpenFile} OpenFile */

const {O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0} = fs.constants;
const CHUNK = 1024 * 1024;

/** @returns {EntryType} */
function typeOf(stat) {
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isDirectory()) return "directory";
  return stat.isFile() ? "file" : "other";
}

/**
 * A file of this process that is open.
 * @implements {OpenFile}
 */
export class LocalFile {
  #fd;

  /** @param {number} fd which this object doesn't close */
  constructor(fd) {
    this.#fd = fd;
  }

  *chunks(start, end) {
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, end - start)));
    while (start < end) {
      const count = fs.readSync(this.#fd, buffer, 0, Math.min(buffer.length, end - start), start);
      if (count === 0) return;
      yield buffer.subarray(0, count);
      start += count;
    }
  }

  sizeNow() {
    return fs.fstatSync(this.#fd).size;
  }

  createHash() {
    return createHash("sha256");
  }
}

/**
 * A directory on disk. The path may also be that of a regular file, which then is the entry with the empty path.
 * @implements {Directory}
 */
export class LocalDirectory {
  unseen = null;
  #path;

  /** @param {string} path as a byte string */
  constructor(path) {
    this.#path = path;
  }

  get name() {
    return toText(this.#path);
  }

  createHash() {
    return createHash("sha256");
  }

  at(path) {
    return new LocalDirectory(join(this.#path, path));
  }

  typeAt(path) {
    try {
      return typeOf(fs.lstatSync(this.#bytes(path)));
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
      throw error;
    }
  }

  list(path) {
    const entries = fs.readdirSync(this.#bytes(path), {withFileTypes: true, encoding: "buffer"});
    /** @type {Map<string, EntryType>} */
    const types = new Map(entries.map((entry) => [entry.name.toString("latin1"), typeOf(entry)]));
    return new Map([...types].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  withFile(path, use) {
    if (this.typeAt(path) !== "file") return null;
    const fd = fs.openSync(this.#bytes(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stat = fs.fstatSync(fd);
      return stat.isFile() ? use(new LocalFile(fd), stat.size) : null;
    } finally {
      fs.closeSync(fd);
    }
  }

  #bytes(path) {
    return Buffer.from(join(this.#path, path), "latin1");
  }
}

/**
 * The directory, or the regular file, at a path.
 * @param {string} path
 */
export const localDirectory = (path) => new LocalDirectory(fromText(path));

/**
 * Reads an experiment.
 * @param {string} path of its directory
 * @throws {import("./reader.js").Refused} a version or a feature that is not known, or no experiment
 */
export const read = (path) => readDirectory(localDirectory(path));

/**
 * Checks a directory, or a regular file as a bare log.
 * @param {string} target
 * @param {import("./validator.js").Options} [options]
 */
export function validate(target, options) {
  // A path that the user passes may be a symbolic link; links below the path aren't followed.
  const root = fs.realpathSync(target, {encoding: "buffer"}).toString("latin1");
  return validateDirectory(new LocalDirectory(root), options);
}

/**
 * Makes the statement of an experiment: the text whose digest is cited or signed.
 * @param {string} path of its directory
 * @throws {import("./reader.js").Refused} it has no statement: a part of it can't be read, or a path can't be listed
 */
export const makeStatement = (path) => makeStatementOf(localDirectory(path));
