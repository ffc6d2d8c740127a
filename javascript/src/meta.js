/** Meta records: their paths and their bytes. */

import {createHash} from "node:crypto";
import {readSync} from "node:fs";
import {digestOf, withFile} from "./directory.js";
import {MAX_RECORD, parse} from "./json.js";

export const FOLDERS = ["meta", "log", "files"];
export const ADDITION = /^(?:[2-9]|[1-9][0-9]+)[.]json$/;

/**
 * Reads a meta record: its digest and its content; null if there is no regular file.
 * @param {string} path
 * @returns {{sha256: string, rules: string[], value: any} | null}
 */
export function readRecord(path) {
  return withFile(path, (fd, size) => {
    if (size > MAX_RECORD) return {sha256: digestOf(fd, 0, size), rules: ["json.size"], value: undefined};
    const buffer = Buffer.alloc(size);
    let count = 0;
    while (count < size) {
      const more = readSync(fd, buffer, count, size - count, count);
      if (more === 0) break;
      count += more;
    }
    const bytes = buffer.subarray(0, count);
    return {sha256: createHash("sha256").update(bytes).digest("hex"), ...parse(bytes)};
  });
}
