/** Seals (spec, chapter Lifecycle): the place and the digest of the next one. */
import {digestOf, fromBytes} from "./directory.js";
import {Ranges} from "./ranges.js";

/** The bytes after the digits of a seal: `"}}` and LF. */
const AFTER = 4;
const END = /"sha256":"[0-9a-f]{64}"\}\}$/;

/** Whether the line, given without its LF, has the form of a seal. */
export const hasSealForm = (bytes) => END.test(fromBytes(bytes.subarray(Math.max(0, bytes.length - 77))));

/** The place of the seal on a line that ends, LF included, at the offset `end`. */
export const placeOf = (end) => end - AFTER - 64;

/** Follows the seals of one stream. */
export class Seals {
  #froms = new Ranges();

  constructor() {
    this.#froms.add(0);
  }

  /** A masked line: the next seal may begin anywhere on it. */
  masked(line) {
    this.#froms.add(line.start, line.end - 1);
  }

  /** The rule that the seal on an unmasked line breaks, or null. */
  check(file, line, data) {
    const froms = this.#froms;
    this.#froms = new Ranges();
    if (!hasSealForm(line.bytes)) {
      this.#froms.add(line.start, line.end - 1);
      return "seal.form";
    }
    const place = placeOf(line.end);
    this.#froms.add(place);
    if (!froms.has(data.get("from"))) return "seal.from";
    return digestOf(file, data.get("from"), place) === data.get("sha256") ? null : "seal.digest";
  }
}
