/**
 * Makes directories of cases of the conformance suite in a folder, and prints what the validator finds in Node:
 * `node make_cases.js FOLDER STEP` takes every STEP-th case, and those with entries that a browser doesn't show.
 */
import {join} from "node:path";
import {validate} from "../src/index.js";
import {cases, make} from "./suite.js";

const [folder, step] = process.argv.slice(2);
const operations = ({edit}) => (edit ? [edit].flat().map(({op}) => op) : []);
const isSpecial = (one) => operations(one).some((op) => ["link", "fifo", "mkdir"].includes(op));

const made = cases().flatMap((one, at) => {
  if (at % Number(step) !== 0 && !isSpecial(one)) return [];
  const directory = join(folder, `case-${at}`);
  make(directory, one);
  const {target = "", level, anchor = null} = one;
  const path = join(directory, target);
  const options = {isSealed: level === "sealed", anchor};
  const {findings, unchecked} = validate(path, options);
  return [{name: `${one.rule}: ${one.name}`, path, isSpecial: isSpecial(one), options, findings, unchecked}];
});
console.log(JSON.stringify(made));
