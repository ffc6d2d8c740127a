/** Sets of integers as ranges: memory grows with the gaps, not with the numbers. */
export class Ranges {
  #ranges = [];
  #isSorted = true; // wrong numbers come in any order

  /** Adds the numbers from `first` to `last`, both included. */
  add(first, last = first) {
    if (first > last) return;
    const end = this.#ranges.at(-1);
    if (end && end[1] + 1 === first) end[1] = last;
    else {
      this.#isSorted &&= !end || end[1] < first;
      this.#ranges.push([first, last]);
    }
  }

  has(number) {
    if (!this.#isSorted) return this.#ranges.some(([first, last]) => first <= number && number <= last);
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle][1] < number) low = middle + 1;
      else high = middle;
    }
    return low < this.#ranges.length && this.#ranges[low][0] <= number;
  }

  get max() {
    return this.#ranges.reduce((max, [, last]) => Math.max(max, last), -1);
  }
}
