/** Histograms and tables as the user's values (spec, chapter Values). */

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isCount = (value) => value === undefined || (Number.isSafeInteger(value) && value >= 0);

/**
 * How often values are in ranges: `counts[i]` of them are between `edges[i]` and `edges[i + 1]`.
 * A member that isn't recorded is undefined.
 */
export class Histogram {
  /**
   * @param {number[]} edges in ascending order, one more than counts
   * @param {number[]} counts
   * @param {{min?: number, max?: number, sum?: number, sum_squares?: number,
   *   nan?: number, below?: number, above?: number}} [others] of the values; those without a bucket
   */
  constructor(edges, counts, {min, max, sum, sum_squares, nan, below, above} = {}) {
    if (counts.length === 0 || edges.length !== counts.length + 1)
      throw new TypeError(`a histogram has ${edges.length} edges and ${counts.length} counts: give one edge more`);
    if (!edges.every((edge, at) => isNumber(edge) && (at === 0 || edges[at - 1] <= edge)))
      throw new TypeError("the edges of a histogram must be finite numbers in ascending order");
    if (!counts.every((count) => isNumber(count) && count >= 0))
      throw new TypeError("the counts of a histogram must be finite numbers of at least 0");
    if (![min, max, sum, sum_squares].every((value) => value === undefined || typeof value === "number"))
      throw new TypeError("min, max, sum and sum_squares of a histogram must be numbers");
    if (![nan, below, above].every(isCount))
      throw new TypeError("nan, below and above of a histogram must be integers of at least 0");
    this.edges = edges;
    this.counts = counts;
    this.min = min;
    this.max = max;
    this.sum = sum;
    this.sum_squares = sum_squares;
    this.nan = nan;
    this.below = below;
    this.above = above;
  }

  /** The members that are recorded, as entries. */
  get members() {
    return Object.entries(this).filter(([, value]) => value !== undefined);
  }
}

/** A table of values, row by row. */
export class Table {
  /**
   * @param {string[]} columns the names, which differ
   * @param {any[][]} rows each with a value for each column
   */
  constructor(columns, rows) {
    if (!columns.every((name) => typeof name === "string" && name.isWellFormed()))
      throw new TypeError("the columns of a table must be strings");
    if (new Set(columns).size < columns.length) throw new TypeError("two columns of a table have one name");
    const wrong = rows.findIndex((row) => row.length !== columns.length);
    if (wrong >= 0)
      throw new TypeError(`row ${wrong} of a table has ${rows[wrong].length} values for ${columns.length} columns`);
    this.columns = columns;
    this.rows = rows;
  }
}
