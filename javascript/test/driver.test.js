import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {fromModel} from "../src/models.js";

const DRIVER = fileURLToPath(new URL("../bin/driver.js", import.meta.url));

function write(context, ...steps) {
  const path = fs.mkdtempSync(join(tmpdir(), "mlv-"));
  context.after(() => fs.rmSync(path, {recursive: true}));
  const input = steps.map((step) => `${JSON.stringify(step)}\n`).join("");
  return spawnSync(process.execPath, [DRIVER, "write", path], {input, encoding: "utf8"});
}

test("an unknown operation is unsupported, also if an object of JavaScript has a member of its name", (context) => {
  for (const op of ["toString", "constructor", "__proto__", "hasOwnProperty", "unknown", null]) {
    const {status, stdout, stderr} = write(context, {op});
    assert.deepEqual([status, stdout, stderr], [64, "", ""], String(op));
  }
});

test("a known operation with a name that an object of JavaScript has is unsupported, too", (context) => {
  const create = {op: "create", name: "a", kind: "train", params: {object: {}}};
  assert.equal(write(context, create).status, 0);
  assert.equal(write(context, {...create, toString: 1}).status, 64);
});

test("a float of an unknown name isn't a function", () => {
  assert.deepEqual([fromModel({float: "inf"}), fromModel({float: "toString"})], [Infinity, undefined]);
});
