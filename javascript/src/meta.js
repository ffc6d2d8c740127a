/** Metadata records: their paths and their bytes. */

import {bytesOf, digestOf} from "./directory.js";
import {MAX_RECORD, parse} from "./json.js";

export const FOLDERS = ["meta", "log", "files"];
export const ADDITION = /^(?:[2-9]|[1-9][0-9]+)[.]json$/;

/**
 * Reads a metadata record: its digest and its content; null if there is no regular file.
 * @param {import("./directory.js").Directory} directory
 * @param {string} path
 * @returns {{sha256: string, rules: string[], value: any} | null}
 */
export function readRecord(directory, path) {
  return directory.withFile(path, (file, size) => {
    if (size > MAX_RECORD) return {sha256: digestOf(file, 0, size), rules: ["json.size"], value: undefined};
    const bytes = bytesOf(file, 0, size);
    const hash = file.createHash();
    hash.update(bytes);
    return {sha256: hash.digest("hex"), ...parse(bytes)};
  });
}
