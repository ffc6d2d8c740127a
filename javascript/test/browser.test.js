import assert from "node:assert/strict";
import * as fs from "node:fs";
import {dirname, join, relative} from "node:path";
import {test} from "node:test";

const ROOT = new URL("..", import.meta.url).pathname;

/** The modules that a module imports, itself included, and what they import that isn't a path. */
function imports(start) {
  const [modules, others] = [new Set(), new Set()];
  const left = [join(ROOT, start)];
  for (let module = left.pop(); module !== undefined; module = left.pop()) {
    if (modules.has(module)) continue;
    modules.add(module);
    // Comments with types import modules, too, which a browser doesn't load.
    const code = fs.readFileSync(module, "utf8").replace(/[/][*].*?[*][/]/gs, "");
    const found = code.matchAll(/^(?:import|export)\b(?:[^;"]*?\bfrom)?\s*"([^"]+)";|\bimport\s*\(([^)]*)/gm);
    for (const [, path = "", expression = ""] of found) {
      const name = path || expression;
      if (name.startsWith(".")) left.push(join(dirname(module), name));
      else others.add(`${relative(ROOT, module)}: ${name}`);
    }
  }
  return {modules: [...modules].map((path) => relative(ROOT, path)), others: [...others]};
}

for (const start of ["src/browser.js", "browser/page.js", "browser/worker.js"]) {
  test(`a browser can load every module that ${start} imports`, () => {
    const {modules, others} = imports(start);
    assert.deepEqual(others, []);
    for (const path of ["src/validator.js", "src/reader.js", "src/picked.js"]) assert.ok(modules.includes(path), path);
    assert.ok(!modules.includes("src/local.js"));
  });
}

test("the search for imports finds those of Node", () => {
  const {others} = imports("src/index.js");
  assert.ok(others.includes("src/local.js: node:fs"));
});
