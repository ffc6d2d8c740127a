/** Giving names to complete files, and holding a stream (spec, chapter Layout, Publication). */

import {randomBytes} from "node:crypto";
import * as fs from "node:fs";
import {hostname} from "node:os";
import {basename, dirname, join} from "node:path";
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

/**
 * The facts about a process: `start` distinguishes the process from a later one with its pid. Null if there is no such
 * process, or if /proc does not show it.
 */
function processAt(pid) {
  let stat;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The name of the program may contain blanks and parentheses; the fields after the last parenthesis can't.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, threads, start] = [fields[0], Number(fields[17]), fields[19]];
  // A zombie has ended, and its parent hasn't waited for it yet. If only its main thread has ended, the others may write.
  return {start, hasEnded: ["Z", "X", "x"].includes(state) && threads <= 1};
}

function isAlive({host, pid, start}) {
  if (host !== hostname()) return true; // liveness on another host is unknown
  // Check /proc first: for another user's process, a signal only shows that the pid is in use.
  const found = processAt(pid);
  if (found !== null) return found.start === start && !found.hasEnded;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
  return true;
}

/**
 * Holds a stream for this process; README.md says what that promises.
 * @returns {(() => void) | null} what lets it go; null where another process that may be alive holds it
 */
export function hold(root, stream) {
  const path = join(root, `.mlv-lock-${basename(stream)}`);
  const mine = JSON.stringify({host: hostname(), pid: process.pid, start: processAt(process.pid)?.start ?? ""});
  for (let attempt = 0; attempt < 10; attempt++) {
    if (publish(root, path, mine)) return () => fs.rmSync(path, {force: true});
    const theirs = readHolder(path);
    if (theirs === undefined) continue;
    if (theirs === null || isAlive(JSON.parse(theirs))) return null;
    breakLock(root, path, theirs);
  }
  return null;
}

/** Returns the content of a lock: undefined if it is gone, null if this package didn't write it. */
function readHolder(path) {
  try {
    const text = fs.readFileSync(path, "utf8");
    return typeof JSON.parse(text).pid === "number" ? text : null;
  } catch (error) {
    return codeOf(error) === "ENOENT" ? undefined : null;
  }
}

/** Removes the lock of a dead process; one that another process took meanwhile is put back. */
function breakLock(root, path, dead) {
  const aside = join(root, `.mlv-${randomBytes(8).toString("hex")}`);
  try {
    fs.renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (fs.readFileSync(aside, "utf8") !== dead) fs.linkSync(aside, path);
  fs.unlinkSync(aside);
}
