/** The lock of a stream: a lock file for each process that writes it (spec, chapter Bytes, One writer). */

import {execFileSync} from "node:child_process";
import {randomBytes} from "node:crypto";
import * as fs from "node:fs";
import {hostname} from "node:os";
import {basename, dirname, join} from "node:path";
import {codeOf} from "./directory.js";
import {makeFolder} from "./publish.js";
import {Refused} from "./reader.js";

const NOTICE = 5000; // milliseconds for which a writer that may still run can notice that its lock file was removed
const UNREADABLE = 1000; // milliseconds after which a lock file without an object is stale
const SETTLED = 500; // milliseconds after which a lock file isn't that of a process that is only trying
const TRIES = 12; // to acquire a lock for which other processes are trying, too

/**
 * A lock file that is held: its content, its age in milliseconds, and whether its writer can't be examined.
 * @typedef {{content: Record<string, any>, age: number, isUnknown: boolean}} Held
 */

/** The lock of one stream, which this process holds until `release`. */
export class StreamLock {
  #folder;
  #stream;
  #own = ""; // the name of the lock file; empty without the lock

  /**
   * Acquires the lock.
   * @param {string} root the experiment's directory
   * @param {string} stream its path in the experiment
   * @param {boolean} [takeover] whether a writer that can't be examined counts as gone, after it was given notice
   * @throws {Refused} another writer holds the lock
   */
  constructor(root, stream, takeover = false) {
    this.#folder = join(root, dirname(stream), `.mlv-${basename(stream)}.lock`);
    this.#stream = stream;
    this.#acquire(takeover);
  }

  #acquire(takeover) {
    /** @type {Held | null} */
    let held = null;
    for (let attempt = 0; attempt < TRIES; ) {
      const own = this.#create();
      const found = this.#look(own, takeover);
      held = found.held;
      if (found.hadNotice) {
        sleep(NOTICE);
        held = this.#look(own, false).held;
      }
      if (held === null && fs.existsSync(join(this.#folder, own))) {
        this.#own = own;
        return;
      }
      this.#remove(own);
      if (held === null || Object.keys(held.content).length > 0) {
        if (found.hadNotice || (held !== null && held.age > SETTLED)) break;
        attempt++;
      }
      // Of several processes that try, one is to come first. A file without an object is stale in a second.
      sleep(Math.random() * 2 ** attempt);
    }
    this.#removeFolder();
    throw new Refused(this.#describe(held));
  }

  #describe(held) {
    const {pid, host} = held?.content ?? {};
    const holder = `the process ${pid ?? "?"} on ${JSON.stringify(host ?? "?")} writes ${this.#stream}`;
    if (!held?.isUnknown) return `${holder}. Wait until it ends.`;
    return `${holder}, says its lock file in ${this.#folder}, and this process can't see whether it still runs. If it has ended, pass {takeover: true}.`;
  }

  /** Creates the lock file of this process, and returns its name. */
  #create() {
    const own = randomBytes(16).toString("hex");
    for (;;) {
      try {
        fs.writeFileSync(join(this.#folder, own), JSON.stringify(content()), {flag: "wx"});
        return own;
      } catch (error) {
        if (codeOf(error) === "ENOTDIR")
          throw new Refused(`${this.#folder} is the lock file of a draft of this format. Delete it if no writer runs.`);
        if (codeOf(error) !== "ENOENT") throw error;
        makeFolder(this.#folder); // another writer may have removed the empty folder
      }
    }
  }

  /** Judges the lock files of other writers. If none of them is held, they are removed. */
  #look(own, takeover) {
    const present = fs.lstatSync(join(this.#folder, own)).mtimeMs; // by the clock of the file system
    const stale = [];
    /** @type {Held | null} */
    let held = null;
    let hadNotice = false;
    for (const name of fs.readdirSync(this.#folder)) {
      if (name.length !== 32 || name === own) continue;
      const path = join(this.#folder, name);
      const theirs = readLock(path);
      if (theirs === null) continue;
      const age = present - theirs.changed;
      const verdict = judge(theirs.content, age);
      if (verdict === "held" || (verdict === "unknown" && !takeover)) {
        if (held === null || age > held.age) held = {content: theirs.content, age, isUnknown: verdict === "unknown"};
      } else {
        stale.push(path);
        hadNotice ||= verdict !== "stale";
      }
    }
    if (held !== null) return {held, hadNotice: false};
    for (const path of stale) fs.rmSync(path, {force: true});
    return {held, hadNotice};
  }

  /** Whether this process has the lock. If its lock file is gone, it tries to get the lock back. */
  check() {
    if (!this.#own || fs.existsSync(join(this.#folder, this.#own))) return true; // or it was released
    try {
      this.#acquire(false);
      return true;
    } catch (error) {
      if (error instanceof Refused) return false; // the next check tries again
      throw error;
    }
  }

  /** Removes the lock file. A second call does nothing. */
  release() {
    if (!this.#own) return;
    this.#remove(this.#own);
    this.#own = "";
    this.#removeFolder();
  }

  #remove(name) {
    fs.rmSync(join(this.#folder, name), {force: true});
  }

  #removeFolder() {
    try {
      fs.rmdirSync(this.#folder);
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(String(codeOf(error)))) throw error;
    }
  }
}

function sleep(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function content() {
  return {
    mlv_lock: 1,
    host: hostname(),
    pid: process.pid,
    started: processAt(process.pid)?.started ?? null,
    pids: PIDS,
    boot: BOOT,
    kernel: null, // Node.js has neither of these locks
  };
}

/** Returns the content of a lock file, {} if it has none, and when it was changed; null if it is gone. */
function readLock(path) {
  let text;
  let changed;
  try {
    changed = fs.lstatSync(path).mtimeMs;
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
  try {
    const found = JSON.parse(text);
    return {content: found !== null && typeof found === "object" && !Array.isArray(found) ? found : {}, changed};
  } catch {
    return {content: {}, changed};
  }
}

/**
 * Judges a lock file of another writer by the table of the specification.
 * @param {Record<string, any>} theirs its content
 * @param {number} age its age in milliseconds
 * @returns {"held" | "unknown" | "stale" | "stale with notice"}
 */
function judge(theirs, age) {
  if (Object.keys(theirs).length === 0) return age > UNREADABLE ? "stale" : "held";
  const {mlv_lock: form, pid, host, boot, pids, started} = theirs;
  if (form !== 1 || !Number.isInteger(pid)) return "unknown";
  if (BOOT !== null && boot === BOOT && pids === PIDS) return hasEnded(pid, started) ? "stale" : "held";
  if (BOOT === null && (boot ?? null) === null && host === hostname() && !exists(pid)) return "stale with notice";
  return "unknown";
}

/** Whether no process of this system has this number and began then. */
function hasEnded(pid, started) {
  if (!exists(pid)) return true;
  const found = processAt(pid);
  return found !== null && (found.hasEnded || (typeof started === "string" && found.started !== started));
}

function exists(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== "ESRCH"; // otherwise it is another user's
  }
}

/** When a process began, and whether it has ended; null if /proc doesn't show it. */
function processAt(pid) {
  let stat;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The name of the program may contain blanks and parentheses; the fields after the last parenthesis can't.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, threads, started] = [fields[0], Number(fields[17]), fields[19]];
  // A zombie has ended, and its parent hasn't waited for it yet. If only its main thread has ended, the others may write.
  return {started, hasEnded: ["Z", "X", "x"].includes(state) && threads <= 1};
}

/** Returns what a function returns, or null if it throws. */
function orNull(read) {
  try {
    return read();
  } catch {
    return null;
  }
}

const PIDS = orNull(() => fs.readlinkSync("/proc/self/ns/pid"));
const BOOT = orNull(() =>
  process.platform === "darwin"
    ? execFileSync("sysctl", ["-n", "kern.bootsessionuuid"], {encoding: "utf8"}).trim()
    : fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
);
