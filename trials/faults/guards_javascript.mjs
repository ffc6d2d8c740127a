/**
 * Lists the guards of files in JavaScript, parsed by the compiler of TypeScript: one JSON object on a line for each.
 *
 *     node trials/faults/guards_javascript.mjs FILE…
 *
 * `start` and `end` are the place of its condition in bytes, `strings` the strings in its body.
 */
import {createRequire} from "node:module";
import {resolve} from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

const package_ = fileURLToPath(new URL("../../javascript/", import.meta.url));
const {resolve: found} = createRequire(`${package_}package.json`);
const {API} = await import(pathToFileURL(found("typescript/unstable/sync")));
const {SyntaxKind} = await import(pathToFileURL(found("typescript/unstable/ast")));

function* below(node) {
  yield node;
  const children = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) yield* below(child);
}

/** Whether a statement throws, returns why something is refused, or reports a finding or that a part can't be checked. */
function isRefusal(statement) {
  if (statement.kind === SyntaxKind.ThrowStatement) return true;
  const nodes = [...below(statement)];
  if (statement.kind === SyntaxKind.ReturnStatement)
    return nodes.some(({kind, text}) => kind === SyntaxKind.Identifier && /refus|cannot/i.test(text));
  const called = nodes.filter(({kind}) => kind === SyntaxKind.CallExpression).map(({expression}) => expression);
  return (
    statement.kind === SyntaxKind.ExpressionStatement &&
    called.some((callee) => ["cannot", "find", "report"].includes((callee.name ?? callee).text))
  );
}

const api = new API({cwd: package_});
const {program} = api.updateSnapshot({openProject: `${package_}tsconfig.json`}).getProjects()[0];
for (const file of process.argv.slice(2)) {
  const source = program.getSourceFile(resolve(file));
  const bytes = (end) => Buffer.byteLength(source.text.slice(0, end));
  for (const node of below(source)) {
    if (node.kind !== SyntaxKind.IfStatement) continue;
    const {expression, thenStatement: body} = node;
    const [start, end] = [expression.getStart(source), expression.end];
    const strings = [...below(body)].filter(({kind}) => kind === SyntaxKind.StringLiteral).map(({text}) => text);
    const statements = body.kind === SyntaxKind.Block ? [...body.statements] : [body];
    const guard = {
      file,
      line: source.text.slice(0, start).split("\n").length,
      condition: source.text.slice(start, end).replace(/\s+/g, " "),
      start: bytes(start),
      end: bytes(end),
      strings,
      refuses: statements.some(isRefusal),
    };
    console.log(JSON.stringify(guard));
  }
}
api.close();
