/** MLV 1.0 in a browser: reader and validator of what a user picked. No module from here on imports one of Node. */
export {fromFile, fromFiles, fromHandle, PickedDirectory} from "./picked.js";
export {Refused, read} from "./reader.js";
export {makeStatement} from "./statement.js";
export {Histogram, Table} from "./tables.js";
export {Typed} from "./user.js";
export {validate} from "./validator.js";
