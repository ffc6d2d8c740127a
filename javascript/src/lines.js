/** The lines of a stream, with bounded memory. */
import {MAX_RECORD} from "./json.js";

/**
 * The lines of an open file.
 * @param {import("./directory.js").OpenFile} file
 * @param {number} size
 * @returns {Generator<{number: number, start: number, end: number, bytes: Uint8Array | null}, {lines: number, end: number}>}
 *   `bytes` are without the LF and valid until the next line, null where the line is longer than a record may be;
 *   returned is where the last line ends
 */
export function* lines(file, size) {
  let [number, start, offset] = [0, 0, 0];
  let parts = [];
  for (const chunk of file.chunks(0, size)) {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
      const end = offset + at + 1;
      parts.push(chunk.subarray(from, at));
      const bytes = end - start > MAX_RECORD ? null : joined(parts);
      yield {number: ++number, start, end, bytes};
      start = end;
      parts = [];
      from = at + 1;
    }
    offset += chunk.length;
    if (offset - start > MAX_RECORD) parts = [];
    else if (from < chunk.length) parts.push(new Uint8Array(chunk.subarray(from)));
  }
  return {lines: number, end: start};
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
