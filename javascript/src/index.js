/** MLV 1.0: writer, reader and validator. */
export {Experiment} from "./experiment.js";
export {metrics} from "./metrics.js";
export {Refused, read} from "./reader.js";
export {makeStatement} from "./statement.js";
export {Histogram, Table} from "./tables.js";
export {Typed} from "./user.js";
export {validate} from "./validator.js";
