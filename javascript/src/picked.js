/**
 * Directories and files that a user picked in a browser.
 * A page collects what the browser shows (`fromHandle`, `fromFiles`), and passes it to a worker: only there,
 * `PickedDirectory` can read files without waiting for promises.
 */
import {fromText, join, toText} from "./directory.js";
import {Sha256} from "./sha256.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./directory.js").EntryType} EntryType */
/** @typedef {import("./directory.js").OpenFile} OpenFile */

const CHUNK = 4 * 1024 * 1024;

/**
 * An entry of what was picked: a file, a directory, or the reason why the browser can't read one.
 * @typedef {{path: string, type: EntryType, file?: Blob, reason?: string}} PickedEntry
 */

/**
 * What a user picked, as a value that a page can post to a worker. Paths are below what was picked, whose own is empty.
 * `unseen` is what the browser doesn't show, as a reason why it could not be checked.
 * @typedef {{name: string, entries: PickedEntry[], unseen: string | null}} Picked
 */

/**
 * A picked directory, as far as the browser shows it.
 * @param {FileSystemDirectoryHandle} handle
 * @returns {Promise<Picked>}
 */
export async function fromHandle(handle) {
  /** @type {PickedEntry[]} */
  const entries = [];
  /** @type {{handle: any, path: string}[]} */
  const left = [{handle, path: ""}];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    /** @type {PickedEntry} */
    const directory = {path: next.path, type: "directory"};
    entries.push(directory);
    try {
      for await (const [name, child] of next.handle.entries()) {
        const path = join(next.path, name);
        if (name === "") continue; // what Chromium gives for a name that isn't Unicode
        if (child.kind === "directory") left.push({handle: child, path});
        else entries.push({path, type: "file", ...(await readable(child))});
      }
    } catch (error) {
      directory.reason = messageOf(error);
    }
  }
  const unseen = "a browser doesn't show symbolic links, special files such as pipes, and names that aren't Unicode";
  return {name: handle.name, entries, unseen};
}

async function readable(handle) {
  try {
    return {file: await handle.getFile()};
  } catch (error) {
    return {reason: messageOf(error)};
  }
}

/**
 * A directory picked with `<input type="file" webkitdirectory>`: the files in and below it.
 * @param {Iterable<File>} files
 * @returns {Picked}
 */
export function fromFiles(files) {
  /** @type {PickedEntry[]} */
  const entries = [{path: "", type: "directory"}];
  let name = "";
  for (const file of files) {
    const [first, ...segments] = file.webkitRelativePath.split("/");
    name = first;
    entries.push({path: segments.join("/"), type: "file", file});
  }
  const unseen =
    "a browser hides symbolic links or shows what they lead to, and doesn't show special files such as pipes, names that aren't Unicode, and directories that are empty or can't be read";
  return {name, entries, unseen};
}

/**
 * A picked file, which is a bare log. Special files have no size.
 * @param {File} file
 * @returns {Picked}
 */
export function fromFile(file) {
  const unseen = file.size > 0 ? null : "a browser doesn't show whether an empty file is a regular one";
  return {name: file.name, entries: [{path: "", type: "file", file}], unseen};
}

const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Thrown if the browser can't read an entry. */
class Unreadable extends Error {
  code = "EIO";
}

/**
 * A file that a user picked.
 * @implements {OpenFile}
 */
class PickedFile {
  #blob;
  #onRead;

  /**
   * @param {Blob} blob
   * @param {(count: number) => void} onRead
   */
  constructor(blob, onRead) {
    this.#blob = blob;
    this.#onRead = onRead;
  }

  *chunks(start, end) {
    for (let from = start; from < end; from += CHUNK) {
      const bytes = this.#read(from, Math.min(end, from + CHUNK));
      this.#onRead(bytes.length);
      yield bytes;
    }
  }

  #read(start, end) {
    try {
      return new Uint8Array(new FileReaderSync().readAsArrayBuffer(this.#blob.slice(start, end)));
    } catch (error) {
      if (error instanceof DOMException) throw new Unreadable(error.message);
      throw error;
    }
  }

  /** The size when it was picked: a browser refuses to read a file that has changed. */
  sizeNow() {
    return this.#blob.size;
  }

  createHash() {
    return new Sha256();
  }
}

/**
 * What a user picked, as a directory. It works in a worker alone.
 * @implements {Directory}
 */
export class PickedDirectory {
  /** @type {Map<string, {type: EntryType, children: Map<string, EntryType>, file?: Blob, reason?: string}>} */
  #entries = new Map();
  #path = "";
  #onRead;

  /**
   * @param {Picked} picked
   * @param {(path: string, count: number) => void} [onRead] is called with the path and the number of bytes that were read
   */
  constructor({name, entries, unseen}, onRead = () => {}) {
    this.name = name;
    this.unseen = unseen;
    this.#onRead = onRead;
    for (const {path, type, file, reason} of entries) Object.assign(this.#add(fromText(path), type), {file, reason});
  }

  /** @type {Directory["createHash"]} */
  createHash() {
    return new Sha256();
  }

  /** @type {Directory["at"]} */
  at(path) {
    const directory = new PickedDirectory({name: this.name, entries: [], unseen: this.unseen}, this.#onRead);
    directory.#entries = this.#entries;
    directory.#path = join(this.#path, path);
    return directory;
  }

  /** @type {Directory["typeAt"]} */
  typeAt(path) {
    return this.#entries.get(join(this.#path, path))?.type ?? null;
  }

  /** @type {Directory["list"]} */
  list(path) {
    const entry = this.#entries.get(join(this.#path, path));
    if (entry?.type !== "directory") throw new Unreadable("it isn't a directory");
    if (entry.reason !== undefined) throw new Unreadable(entry.reason);
    return new Map([...entry.children].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** @type {Directory["withFile"]} */
  withFile(path, use) {
    const full = join(this.#path, path);
    const entry = this.#entries.get(full);
    if (entry?.type !== "file") return null;
    if (entry.file === undefined) throw new Unreadable(entry.reason);
    return use(new PickedFile(entry.file, (count) => this.#onRead(toText(full), count)), entry.file.size);
  }

  /** Adds an entry, and the directories around it. */
  #add(path, type) {
    const known = this.#entries.get(path);
    if (known) return known;
    const entry = {type, children: new Map()};
    this.#entries.set(path, entry);
    if (path !== "") {
      const slash = path.lastIndexOf("/");
      this.#add(path.slice(0, Math.max(0, slash)), "directory").children.set(path.slice(slash + 1), type);
    }
    return entry;
  }
}
