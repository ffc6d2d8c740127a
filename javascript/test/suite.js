/** The cases of the conformance suite, made and read (conformance/suite/README.md). */

import {execFileSync} from "node:child_process";
import * as fs from "node:fs";
import {dirname, join} from "node:path";

export const SUITE = new URL("../../conformance/suite/", import.meta.url).pathname;

/** The bytes of a content. */
export function content(value) {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (Array.isArray(value)) return Buffer.concat(value.map(content));
  if ("hex" in value) return Buffer.from(value.hex, "hex");
  const part = content(value.repeat);
  return value.times === 0 ? Buffer.alloc(0) : Buffer.alloc(part.length * value.times, part);
}

function splitLines(bytes) {
  const found = [];
  for (let from = 0; from < bytes.length; ) {
    const at = bytes.indexOf(0x0a, from);
    const end = at === -1 ? bytes.length : at + 1;
    found.push(bytes.subarray(from, end));
    from = end;
  }
  return found;
}

function replaceOnce(bytes, old, by) {
  const at = bytes.indexOf(old);
  if (at === -1 || bytes.indexOf(old, at + 1) !== -1) throw new Error("`old` does not occur exactly once");
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + old.length)]);
}

function makeRoom(path) {
  fs.rmSync(path, {recursive: true, force: true});
  fs.mkdirSync(typeof path === "string" ? dirname(path) : path.subarray(0, path.lastIndexOf("/")), {recursive: true});
}

/**
 * The path of an edit, as bytes if it isn't UTF-8.
 * @returns {any}
 */
function pathOf(directory, path) {
  return typeof path === "string" ? join(directory, path) : Buffer.concat([content(`${directory}/`), content(path)]);
}

/** Applies an edit to a directory. */
export function apply(directory, edit) {
  const path = pathOf(directory, edit.path);
  const by = "new" in edit ? content(edit.new) : null;
  const changeLines = (change) => {
    const all = splitLines(fs.readFileSync(path));
    change(all, edit.line - 1);
    fs.writeFileSync(path, Buffer.concat(all));
  };
  switch (edit.op) {
    case "replace": {
      const change = (bytes) => ("old" in edit ? replaceOnce(bytes, content(edit.old), by) : by);
      if ("line" in edit) changeLines((all, at) => all.splice(at, 1, change(all[at])));
      else fs.writeFileSync(path, change(fs.readFileSync(path)));
      break;
    }
    case "insert":
      if ("line" in edit) changeLines((all, at) => all.splice(at, 0, by));
      else fs.appendFileSync(path, by);
      break;
    case "delete":
      if ("line" in edit) changeLines((all, at) => all.splice(at, 1));
      else fs.rmSync(path, {recursive: true});
      break;
    case "write":
      makeRoom(path);
      fs.writeFileSync(path, by);
      break;
    case "copy":
      makeRoom(join(directory, edit.to));
      fs.cpSync(path, join(directory, edit.to), {recursive: true});
      break;
    case "link": {
      const to = join(directory, edit.to);
      makeRoom(to);
      if (fs.existsSync(path)) fs.renameSync(path, to);
      makeRoom(path);
      fs.symlinkSync(to, path);
      break;
    }
    case "fifo":
      makeRoom(path);
      execFileSync("mkfifo", [path]);
      break;
    case "mkdir":
      makeRoom(path);
      fs.mkdirSync(path);
      break;
    default:
      throw new Error(`unknown operation ${edit.op}`);
  }
}

/** All cases, each with its rule. */
export function cases() {
  const folder = join(SUITE, "cases");
  return fs
    .readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const {rule, cases} = JSON.parse(fs.readFileSync(join(folder, name), "utf8"));
      return cases.map((one) => ({rule, ...one}));
    });
}

/** Makes the directory of a case. */
export function make(directory, {base, edit}) {
  fs.cpSync(join(SUITE, "bases", base), directory, {recursive: true});
  for (const one of Array.isArray(edit) ? edit : edit ? [edit] : []) apply(directory, one);
}
