/** Which spans of a stream may be open. */
import {Ranges} from "./ranges.js";

export class Spans {
  #open = new Map();
  #maybe = new Ranges();
  #ended = new Set();

  /** At an mlv/start or mlv/rewind. */
  clear() {
    this.#open.clear();
    this.#ended.clear();
    this.#maybe = new Ranges();
  }

  /** Spans may have begun on masked lines with these numbers. */
  masked(first, last) {
    this.#maybe.add(first, last);
  }

  isOpen(seq) {
    return this.#open.has(seq) || (this.#maybe.has(seq) && !this.#ended.has(seq));
  }

  /** The rules that an unmasked user's event breaks; it begins or ends its span. */
  check(event) {
    const rules = [];
    const [seq, name, begin] = [event.get("seq"), event.get("event"), event.get("begin")];
    if (event.has("within") && !this.isOpen(event.get("within"))) rules.push("span.within");
    if (event.get("span") === "end") {
      if (!this.isOpen(begin)) rules.push("span.end");
      else if (this.#open.has(begin) && this.#open.get(begin) !== name) rules.push("span.name");
      this.#open.delete(begin);
      this.#ended.add(begin);
    }
    if (event.get("span") === "begin") {
      this.#open.set(seq, name);
      this.#ended.delete(seq);
    }
    return rules;
  }
}
