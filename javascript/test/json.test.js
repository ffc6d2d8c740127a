import assert from "node:assert/strict";
import {test} from "node:test";
import {parse, stringify} from "../src/json.js";

const rules = (text) => parse(Buffer.from(text, "latin1"), true).rules;

test("the first broken rule of the bytes ends the judging", () => {
  assert.deepEqual(rules("\xff\r"), ["json.utf8"]);
  assert.deepEqual(rules("\xef\xbb\xbf{}\r"), ["json.bom"]);
  assert.deepEqual(rules("{\r"), ["log.cr"]);
  assert.deepEqual(rules(" \t"), ["log.blank"]);
  assert.deepEqual(rules("[".repeat(65)), ["json.depth"]);
  assert.deepEqual(rules("[".repeat(64)), ["json.syntax"]);
});

test("the rules on names, surrogates and numbers are all tried", () => {
  assert.deepEqual(rules(`{"a":"\\ud800","\\u0061":1e999,"b":9007199254740992}`).sort(), [
    "json.finite",
    "json.integers",
    "json.surrogates",
    "json.unique-names",
  ]);
});

test("what stringify writes reads as the same value", () => {
  const value = new Map([["__proto__", [0, -0, 1e17, 2 ** 60, 1e-300, 0.1, "é\u2028\u0000", null, true]]]);
  const {rules: broken, value: back} = parse(Buffer.from(stringify(value)), true);
  assert.deepEqual(broken, []);
  assert.deepEqual(back, value);
});

test("millions of digits or escapes overflow nothing", () => {
  assert.deepEqual(rules(`[0.${"1".repeat(5e6)}]`), []);
  assert.deepEqual(rules(`["${"\\n".repeat(2e6)}"]`), []);
});
