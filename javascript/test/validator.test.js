import assert from "node:assert/strict";
import * as fs from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {makeStatement, validate} from "../src/index.js";
import {cases, make, SUITE} from "./suite.js";

const all = cases();

test("the suite is there", () => assert.ok(all.length > 1000));

for (const one of all) {
  test(`${one.rule}: ${one.name}`, (context) => {
    const directory = join(fs.mkdtempSync(join(tmpdir(), "mlv-")), "case");
    context.after(() => fs.rmSync(join(directory, ".."), {recursive: true}));
    make(directory, one);
    const {findings, unchecked} = validate(join(directory, one.target ?? ""), {
      isSealed: one.level === "sealed",
      anchor: one.anchor ?? null,
    });
    /** @type {(finding: {rule: string, path: string, line?: number | null}) => string} */
    const key = ({rule, path, line = null}) => `${rule} ${path} ${line}`;
    assert.deepEqual(findings.map(key).sort(), one.findings.map(key).sort());
    assert.deepEqual(unchecked.map(({path}) => path).sort(), (one.unchecked ?? []).slice().sort());
  });
}

const {vectors} = JSON.parse(fs.readFileSync(join(SUITE, "vectors/statements.json"), "utf8"));

for (const one of vectors) {
  test(`statement: ${one.name}`, (context) => {
    const directory = join(fs.mkdtempSync(join(tmpdir(), "mlv-")), "case");
    context.after(() => fs.rmSync(join(directory, ".."), {recursive: true}));
    make(directory, one);
    if (one.statement === null) assert.throws(() => makeStatement(directory), /has no statement/);
    else assert.deepEqual(makeStatement(directory), {text: one.statement, anchor: one.anchor});
  });
}

test("an anchor covers a continued experiment up to a seq, and the rest is listed", (context) => {
  const directory = join(fs.mkdtempSync(join(tmpdir(), "mlv-")), "case");
  context.after(() => fs.rmSync(join(directory, ".."), {recursive: true}));
  make(directory, {base: "cited", edit: null});
  const [first] = all.filter(({rule, name}) => rule === "anchor.match" && name === "a kept statement");
  const [last] = all.filter(({rule, name}) => rule === "anchor.match" && name === "an earlier seal");
  const streams = [
    {path: "log.jsonl", seq: 5, later: 3},
    {path: "log/gpu.jsonl", seq: 3, later: 0},
    {path: "log/run-2.jsonl", seq: 3, later: 3},
  ];
  const inner = {path: "test  set/subexp_1/log.jsonl", seq: 3, later: 0};
  assert.deepEqual(validate(directory, {anchor: first.anchor}).matches, [
    {
      kind: "statement",
      path: "mlv-statement.txt",
      line: null,
      streams: [...streams, inner],
      uncovered: ["meta/3.json"],
    },
  ]);
  const uncovered = ["files/raw data.txt", "meta/3.json", inner.path, "test  set/subexp_1/meta.json"];
  assert.deepEqual(validate(directory, {anchor: last.anchor}).matches, [
    {kind: "seal", path: "log.jsonl", line: 5, streams, uncovered},
  ]);
});
