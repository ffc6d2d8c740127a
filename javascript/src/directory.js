/**
 * What reader and validator need of a directory, wherever its bytes are: on disk (`local.js`) or in files that a user
 * picked in a browser (`picked.js`).
 * Paths are byte strings: one character per byte, so any file name can be said and `<` is byte order.
 */

/** @typedef {"file" | "directory" | "symlink" | "other"} EntryType */

/**
 * A SHA-256 in progress.
 * @typedef {{update: (bytes: Uint8Array) => unknown, digest: (encoding: "hex") => string}} Hash
 */

/**
 * An open file: its bytes from `start` up to `end`, in chunks that are valid until the next, and its size now.
 * @typedef {{chunks: (start: number, end: number) => Iterable<Uint8Array>, sizeNow: () => number,
 *   createHash: () => Hash}} OpenFile
 */

/**
 * A directory; paths are relative to it, and the empty path is its own. No method follows a symbolic link below it.
 * What the system refuses is thrown as an error with a string `code`.
 * @typedef {object} Directory
 * @property {string} name how messages name the directory
 * @property {string | null} unseen what the directory can't show, as a reason why it could not be checked, or null
 * @property {() => Hash} createHash
 * @property {(path: string) => Directory} at the directory at a path
 * @property {(path: string) => EntryType | null} typeAt null if nothing exists there
 * @property {(path: string) => Map<string, EntryType>} list the names in a directory, sorted
 * @property {<T>(path: string, use: (file: OpenFile, size: number) => T) => T | null} withFile opens a regular file,
 *   calls `use`, closes it; null if the file isn't a regular file
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
const AT_ONCE = 8192; // the arguments of a call, far below what overflows a stack

export const join = (...parts) => parts.filter((part) => part !== "").join("/");

/** The byte string of bytes. */
export function fromBytes(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += AT_ONCE)
    parts.push(String.fromCharCode(...bytes.subarray(at, at + AT_ONCE)));
  return parts.join("");
}

/** The bytes of a byte string. */
export function toBytes(path) {
  const bytes = new Uint8Array(path.length);
  for (let at = 0; at < path.length; at++) bytes[at] = path.charCodeAt(at);
  return bytes;
}

/** The byte string of a string. */
export const fromText = (text) => fromBytes(encoder.encode(text));

/** The text of bytes, or null if they aren't UTF-8. */
export function decodeUtf8(bytes) {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/**
 * The code of a system error, for example `ENOENT`; undefined for other errors.
 * @param {unknown} error
 * @returns {string | undefined}
 */
export function codeOf(error) {
  const {code} = /** @type {{code?: unknown}} */ (error);
  return typeof code === "string" ? code : undefined;
}

/** A path for people and reports: UTF-8, other bytes as \xNN. */
export function toText(path) {
  const bytes = toBytes(path);
  const whole = decodeUtf8(bytes);
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const ends = [1, 2, 3, 4].filter((count) => at + count <= bytes.length);
    const [char] = ends.map((count) => decodeUtf8(bytes.subarray(at, at + count))).filter((found) => found !== null);
    text += char ?? `\\x${bytes[at].toString(16).padStart(2, "0")}`;
    at += char === undefined ? 1 : encoder.encode(char).length;
  }
  return text;
}

/**
 * The bytes of an open file from `start` up to `end`; fewer if the file is shorter by now.
 * @param {OpenFile} file
 * @param {number} start
 * @param {number} end
 */
export function bytesOf(file, start, end) {
  const bytes = new Uint8Array(end - start);
  let count = 0;
  for (const chunk of file.chunks(start, end)) {
    bytes.set(chunk, count);
    count += chunk.length;
  }
  return bytes.subarray(0, count);
}

/**
 * The digest of the bytes of an open file from `start` up to `end`.
 * @param {OpenFile} file
 * @param {number} start
 * @param {number} end
 */
export function digestOf(file, start, end) {
  const hash = file.createHash();
  for (const chunk of file.chunks(start, end)) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Size and digest of a regular file in a directory that is reached without links; null if there is none.
 * @param {Directory} directory
 * @param {string} path
 */
export function measure(directory, path) {
  if (!isReached(directory, path)) return null;
  return directory.withFile(path, (file, size) => ({size, sha256: digestOf(file, 0, size)}));
}

/**
 * Whether all folders of a path are directories and no links.
 * @param {Directory} directory
 * @param {string} path
 */
export function isReached(directory, path) {
  const segments = path.split("/");
  return segments.slice(1).every((_, count) => directory.typeAt(join(...segments.slice(0, count + 1))) === "directory");
}
