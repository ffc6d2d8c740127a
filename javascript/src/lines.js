/** The lines of a stream, with bounded memory. */
import {chunks} from "./directory.js";
import {MAX_RECORD} from "./json.js";

/**
 * The lines of an open file.
 * @returns {Generator<{number: number, start: number, end: number, bytes: Buffer | null}, {lines: number, end: number}>}
 *   `bytes` are without the LF, null where the line is longer than a record may be; returned is where the last line ends
 */
export function* lines(fd, size) {
  let [number, start, offset] = [0, 0, 0];
  let parts = [];
  for (const chunk of chunks(fd, 0, size)) {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
      const end = offset + at + 1;
      parts.push(chunk.subarray(from, at));
      const bytes = end - start > MAX_RECORD ? null : parts.length === 1 ? Buffer.from(parts[0]) : Buffer.concat(parts);
      yield {number: ++number, start, end, bytes};
      start = end;
      parts = [];
      from = at + 1;
    }
    offset += chunk.length;
    if (offset - start > MAX_RECORD) parts = [];
    else if (from < chunk.length) parts.push(Buffer.from(chunk.subarray(from)));
  }
  return {lines: number, end: start};
}
