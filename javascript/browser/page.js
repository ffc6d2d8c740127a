/** The page: what the user picks goes to a worker, and what the worker finds is shown. */
import {fromFile, fromFiles, fromHandle} from "../src/browser.js";

const MOST = 1000; // rows of a table

const element = (id) => /** @type {any} */ (document.getElementById(id));
const [result, bar, anchor] = ["result", "bar", "anchor"].map(element);

/** @type {Worker | null} */
let worker = null;

/** A new element with its children. Text is always text, whatever a directory says. */
function make(tag, members = {}, ...children) {
  const node = Object.assign(document.createElement(tag), members);
  node.append(...children);
  return node;
}

const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", {maximumFractionDigits: 1})} MB`;

/** A path or name without control characters. */
const printable = (text) =>
  text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** How the cells of a column are set, if not as text that may break anywhere. */
const CLASSES = {Level: "word", Rule: "word", State: "word", Line: "number", Events: "number"};

/** A table with headings. */
function table(heads, rows) {
  const cell = (content, at) => make("td", {className: CLASSES[heads[at]] ?? ""}, content);
  const body = rows.slice(0, MOST).map((row) => make("tr", {}, ...row.map(cell)));
  const head = make(
    "tr",
    {},
    ...heads.map((title) => make("th", {scope: "col", className: CLASSES[title] ?? ""}, title)),
  );
  const all = make("div", {className: "wide"}, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  if (rows.length > MOST) all.append(make("p", {className: "faint"}, `${counted(rows.length - MOST, "more row")}.`));
  return all;
}

const ruleLink = (rule) => make("a", {href: `${document.body.dataset.rules}#${rule}`, target: "_blank"}, rule);

/**
 * The verdict as a class and a sentence. It never says "valid": no browser shows all of a directory.
 * @param {any} found
 * @param {string | null} unseen why the whole could not be checked in a browser
 */
function verdictOf({findings, unchecked}, unseen) {
  const errors = findings.filter(({level}) => level === "error").length;
  const warnings = findings.length - errors;
  const found = [
    ...(errors > 0 ? [counted(errors, "error")] : []),
    ...(warnings > 0 ? [counted(warnings, "warning")] : []),
  ].join(" and ");
  const rest = unchecked.length > 0 ? ` ${counted(unchecked.length, "part")} could not be checked.` : "";
  if (errors > 0) return ["bad", `Invalid: ${found}.${rest}`];
  if (unchecked.some(({reason}) => reason !== unseen))
    return ["warn", `Not decided: ${found || "no errors found"}.${rest}`];
  const whole = unchecked.length > 0 ? ", as far as a browser can see" : "";
  return [warnings > 0 ? "warn" : "good", `No errors found${whole}${warnings > 0 ? `; ${found}` : ""}.`];
}

function matchSentence({kind, path, line, streams, uncovered}) {
  const where = path === null ? "the files as they are" : `${path}${line === null ? "" : `, line ${line}`}`;
  const covered = streams.map(({path, seq, later}) => {
    const more = later > 0 ? `, ${counted(later, "line")} later` : "";
    return `${path} up to event ${seq ?? "?"}${more}`;
  });
  const rest = uncovered.length > 0 ? ` Not covered: ${uncovered.join(", ")}.` : "";
  return printable(
    `The digest is that of a ${kind} (${where}). It covers ${covered.join("; ") || "no stream"}.${rest}`,
  );
}

function show({name, unseen}, options, found) {
  const {findings, unchecked, experiments, matches} = found;
  const [kind, verdict] = verdictOf(found, unseen);
  const parts = [
    make("h2", {id: "verdict", className: kind, tabIndex: -1}, verdict),
    make("p", {className: "faint"}, printable(name)),
  ];
  if (options.anchor !== null) {
    const none = "No statement and no seal without a finding has the digest that was cited.";
    parts.push(make("h3", {}, "Anchor"));
    for (const match of matches) parts.push(make("p", {}, matchSentence(match)));
    if (matches.length === 0) parts.push(make("p", {className: "bad"}, none));
  }
  if (findings.length > 0) {
    const rows = findings.map(({rule, level, path, line}) => [
      make("span", {className: level === "error" ? "bad" : "warn"}, level),
      ruleLink(rule),
      printable(path),
      line === null ? "" : String(line),
    ]);
    parts.push(make("h3", {}, "Findings"), table(["Level", "Rule", "Path", "Line"], rows));
  }
  if (unchecked.length > 0) {
    const rows = unchecked.map(({path, reason}) => [printable(path), printable(reason)]);
    parts.push(make("h3", {}, "Not checked"), table(["Path", "Reason"], rows));
  }
  if (experiments.length > 0) {
    const rows = experiments.map(({path, id, state, events}) => [
      printable(path),
      printable(state ?? "unknown"),
      events.toLocaleString("en"),
      id ?? "unknown",
    ]);
    parts.push(make("h3", {}, "Experiments"), table(["Path", "State", "Events", "Id"], rows));
  }
  result.replaceChildren(...parts);
  finish();
}

function fail(message) {
  result.replaceChildren(
    make("h2", {id: "verdict", className: "bad", tabIndex: -1}, "Not validated."),
    make("p", {}, printable(message)),
  );
  finish();
}

function finish() {
  worker?.terminate();
  worker = null;
  element("progress").hidden = true;
  result.hidden = false;
  element("verdict").focus();
}

/** The options, or null if the digest isn't one. */
function optionsNow() {
  const text = anchor.value.trim();
  const isRight = text === "" || /^sha256:[0-9a-f]{64}$/.test(text);
  element("anchor-problem").textContent = isRight
    ? ""
    : "This isn't a digest. Enter “sha256:” and 64 digits, or leave the field empty.";
  if (!isRight) anchor.focus();
  return isRight ? {isSealed: element("sealed").checked, anchor: text || null} : null;
}

/**
 * Validates what `collect` returns.
 * @param {() => Promise<import("../src/picked.js").Picked> | import("../src/picked.js").Picked} collect
 */
async function validate(collect) {
  const options = optionsNow();
  if (options === null) return;
  worker?.terminate();
  result.hidden = true;
  element("progress").hidden = false;
  bar.removeAttribute("value");
  element("doing").textContent = "Listing the files…";
  const mine = newWorker();
  worker = mine;
  const isReplaced = () => worker !== mine;
  // At once: the script may fail to load while the files are still being listed.
  mine.onerror = ({message}) => isReplaced() || fail(message || "The validator could not be loaded.");
  try {
    const picked = await collect();
    if (isReplaced()) return;
    const size = picked.entries.reduce((sum, {file}) => sum + (file?.size ?? 0), 0);
    bar.max = size;
    mine.onmessage = ({data}) => {
      if (isReplaced()) return;
      if (data.error !== undefined) fail(data.error);
      else if (data.result !== undefined) show(picked, options, data.result);
      else showProgress(data.progress, size);
    };
    mine.postMessage({picked, options});
  } catch (error) {
    if (!isReplaced()) fail(error instanceof Error ? error.message : String(error));
  }
}

function showProgress({path, bytes}, size) {
  // Sealed lines are read twice, and some files are not read.
  bar.value = Math.min(bytes, size);
  element("doing").textContent = `Read ${megabytes(bytes)}, now ${printable(path)}`;
}

/**
 * A worker that obeys this page's Content Security Policy. A worker with the address of its file wouldn't: its policy
 * comes from the server's headers.
 */
function newWorker() {
  const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
  const url = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
  return new Worker(url, {type: "module"});
}

for (const id of ["directory", "log"]) {
  const input = element(id);
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same directory can be picked again
    if (files.length > 0) validate(() => (id === "log" ? fromFile(files[0]) : fromFiles(files)));
    else if (id === "directory") fail("The browser lists no files in this directory.");
  });
}

if ("showDirectoryPicker" in window) {
  element("pick").hidden = false;
  element("pick-files").hidden = true;
  element("pick").addEventListener("click", async () => {
    let handle;
    try {
      handle = await /** @type {any} */ (window).showDirectoryPicker();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) fail(String(error));
      return;
    }
    validate(() => fromHandle(handle));
  });
}

const drop = element("drop");
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const item = [...(event.dataTransfer?.items ?? [])].find(({kind}) => kind === "file");
  if (item) validate(dropped(/** @type {any} */ (item)));
});

/** How to collect what was dropped; it must be asked for before the event ends. */
function dropped(item) {
  const entry = item.webkitGetAsEntry();
  const file = item.getAsFile();
  if (entry?.isFile) return () => fromFile(file);
  if (!item.getAsFileSystemHandle) {
    return () => {
      throw new Error("This browser doesn't pass a dropped directory to a page. Choose the directory with the button.");
    };
  }
  const asked = item.getAsFileSystemHandle();
  return async () => fromHandle(await asked);
}

element("cancel").addEventListener("click", () => {
  worker?.terminate();
  worker = null;
  element("progress").hidden = true;
});
document.body.dataset.ready = "true";
