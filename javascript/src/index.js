/** MLV 1.0: writer, reader and validator. */
export {Experiment} from "./experiment.js";
export {makeStatement, read, validate} from "./local.js";
export {metrics} from "./metrics.js";
export {Refused} from "./reader.js";
export {Histogram, Table} from "./tables.js";
export {Typed} from "./user.js";
