import assert from "node:assert/strict";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {toText} from "../src/directory.js";
import {validate} from "../src/index.js";
import {SUITE} from "./suite.js";

test("bytes of a name that are not UTF-8 are spelled", () => assert.equal(toText("a\xff\xc3\xa9"), "a\\xffé"));

test("a directory whose name is not UTF-8 is judged", (context) => {
  const root = fs.mkdtempSync(join(tmpdir(), "mlv-"));
  context.after(() => fs.rmSync(root, {recursive: true}));
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff])]);
  fs.mkdirSync(path);
  fs.writeFileSync(
    Buffer.concat([path, Buffer.from("/meta.json")]),
    fs.readFileSync(join(SUITE, "bases/minimal/meta.json")),
  );
  assert.deepEqual(
    validate(root).experiments.map((one) => one.path),
    ["\\xff"],
  );
});
