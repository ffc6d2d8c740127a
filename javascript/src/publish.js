/** Giving names to complete files (spec, chapter Layout, Publication). */

import {randomBytes} from "node:crypto";
import * as fs from "node:fs";
import {dirname, join} from "node:path";
import {codeOf} from "./directory.js";

/** Syncs a directory, where the system can. */
function syncDirectory(path) {
  const fd = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    if (codeOf(error) !== "EINVAL") throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes a folder if it doesn't exist. Its parent is never made: it may have been removed. */
export function makeFolder(path) {
  try {
    fs.mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/**
 * Publishes bytes under a name.
 * @param {string} root the experiment's directory, where the temporary name is
 * @param {string} path
 * @param {string | Uint8Array | Iterable<Uint8Array>} bytes all of them, or one chunk after the other
 * @returns {boolean} false where the name is taken; then nothing is changed
 */
export function publish(root, path, bytes) {
  const temporary = join(root, `.mlv-${randomBytes(8).toString("hex")}`);
  const fd = fs.openSync(temporary, "wx");
  try {
    try {
      for (const part of typeof bytes === "string" || bytes instanceof Uint8Array ? [bytes] : bytes)
        fs.writeFileSync(fd, part);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.linkSync(temporary, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    fs.unlinkSync(temporary);
  }
  syncDirectory(dirname(path));
  return true;
}
