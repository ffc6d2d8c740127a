import assert from "node:assert/strict";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {validate} from "../src/validator.js";
import {cases, make} from "./suite.js";

const all = cases();

test("the suite is there", () => assert.ok(all.length > 1000));

for (const one of all) {
  test(`${one.rule}: ${one.name}`, (context) => {
    const directory = join(fs.mkdtempSync(join(tmpdir(), "mlv-")), "case");
    context.after(() => fs.rmSync(join(directory, ".."), {recursive: true}));
    make(directory, one);
    const {findings, unchecked} = validate(join(directory, one.target ?? ""), {isSealed: one.level === "sealed"});
    /** @type {(finding: {rule: string, path: string, line?: number | null}) => string} */
    const key = ({rule, path, line = null}) => `${rule} ${path} ${line}`;
    assert.deepEqual(findings.map(key).sort(), one.findings.map(key).sort());
    assert.deepEqual(unchecked.map(({path}) => path).sort(), (one.unchecked ?? []).slice().sort());
  });
}
