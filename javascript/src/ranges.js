/** Sets of integers as ranges: memory grows with the gaps, not with the numbers. */
export class Ranges {
  #ranges = [];

  /** Adds the numbers from `first` to `last`, both included. */
  add(first, last = first) {
    if (first > last) return;
    const end = this.#ranges.at(-1);
    if (end && end[1] + 1 === first) end[1] = last;
    else this.#ranges.push([first, last]);
  }

  has(number) {
    return this.#ranges.some(([first, last]) => first <= number && number <= last);
  }

  get max() {
    return this.#ranges.reduce((max, [, last]) => Math.max(max, last), -1);
  }

  get isEmpty() {
    return this.#ranges.length === 0;
  }
}
