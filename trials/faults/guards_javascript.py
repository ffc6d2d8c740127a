"""Remove the refusals of the implementation in JavaScript, one at a time, as `guards.py` does in Python.

    python trials/faults/guards_javascript.py [--list] [--only TEXT] {writer,reader,validator}

A guard is an `if` that throws, returns or reports why something is refused, reports a finding, or names a rule;
`guards_javascript.mjs` finds them with the compiler of TypeScript, which `npm ci` in `javascript/` installs. A guard is
removed in a copy of the source: its condition is evaluated, and is false. The tests of its rules and of its topics run
first. `REASONS` has those that no test of the suite can notice: they must survive, and no others may.
Exits with 1 if a guard survives without a reason, if one with a reason is noticed, or if the unchanged copy fails.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlv_conformance._cli import SUITE
from mlv_conformance._driver import Driver
from mlv_conformance._readers import reader_results
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import load_cases
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._suite.vectors import load_slot_cases, load_statements
from mlv_conformance._validators import statement_results, validator_results
from mlv_conformance._writers.runs import writer_results
from mlv_validate import RULES

_ROOT = Path(__file__).resolve().parents[2]

FILES = {
    "writer": ("writer", "experiment", "lock", "publish", "changes", "user", "tables", "secrets", "environment"),
    "reader": ("reader", "meta", "lines", "json", "metrics", "user", "local", "directory", "forms"),
    "validator": (
        *("validator", "schema", "values", "seals", "spans", "discovery", "anchor", "statement", "forms", "json"),
        *("stream", "directory", "local"),
    ),
}
"""The files of each class. What reads a directory is in the last two."""

_FIRST = ("refusals", "names", "definitions", "files", "versions", "links", "continuing", "additions", "ends", "values")
_LAST = ("kills", "locks", "large", "observed", "interference")
_NEAR = {"lock": ("locks",), "publish": ("additions", "files", "names")}
"""Topics of scenarios: those that run first and last, because they take long, and those that are near a file."""

_TWICE = "another guard refuses the same: with both removed, a test fails"
_ARGUMENT = "an argument that a driver doesn't pass"
_OBJECT = "a driver makes only histograms and tables of the right form; tests of the implementation make others"
_REFUSED = "the system refuses the call in any case; only the message differs"
_SYSTEM = "an error of the system that the suite can't cause"
_REMOVED = "a file that can't be read or is removed meanwhile, which the suite doesn't have"

REASONS: dict[str, dict[str, str]] = {
    "writer": {
        'writer.js: codeOf(error) === "ELOOP"': _REFUSED,
        'writer.js: span !== undefined && span !== "begin"': _ARGUMENT,
        "experiment.js: record === null": "it would be a fault of this implementation",
        "experiment.js: first === null": _REMOVED,
        'experiment.js: !isObject(encoded) || encoded.has("_mlv")': _ARGUMENT,
        'lock.js: codeOf(error) === "ENOTDIR"': _REFUSED,
        'lock.js: codeOf(error) !== "ENOENT"': _SYSTEM,
        'lock.js: !["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(String(codeOf(error)))': _SYSTEM,
        'publish.js: codeOf(error) !== "EINVAL"': _SYSTEM,
        'publish.js: codeOf(error) !== "EEXIST"': _SYSTEM,
        "tables.js: counts.length === 0 || edges.length !== counts.length + 1": _OBJECT,
        "tables.js: !edges.every((edge, at) => isNumber(edge) && (at === 0 || edges[at - 1] <= edge))": _OBJECT,
        "tables.js: !counts.every((count) => isNumber(count) && count >= 0)": _OBJECT,
        'tables.js: ![min, max, sum, sum_squares].every((value) => value === undefined || typeof value === "number")': (
            _OBJECT
        ),
        "tables.js: ![nan, below, above].every(isCount)": _OBJECT,
        'tables.js: !columns.every((name) => typeof name === "string" && name.isWellFormed())': _OBJECT,
        "tables.js: new Set(columns).size < columns.length": _OBJECT,
        "tables.js: wrong >= 0": _OBJECT,
    },
    "reader": {
        "meta.js: size > MAX_RECORD": _TWICE,
        "json.js: bytes.length + (isLine ? 1 : 0) > MAX_RECORD": _TWICE,
        "json.js: bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf": "the parser refuses it as a token",
        "json.js: isLine && bytes.every((byte) => byte === 0x20 || byte === 0x09)": "the parser refuses an empty text",
    },
    "validator": {
        "validator.js: !codeOf(error)": "it would be a fault of this implementation",
        "validator.js: anchor !== null && !is.isId(anchor)": _ARGUMENT,
        "validator.js: root.unseen !== null": "a directory in a browser, for which there are tests in a browser",
        "validator.js: !record": _REMOVED,
        "validator.js: !isRead": _REMOVED,
        "validator.js: found === undefined": _REMOVED,
        "statement.js: line === null": _REMOVED,
        "json.js: bytes.length + (isLine ? 1 : 0) > MAX_RECORD": _TWICE,
    },
}
"""Guards of each class, by their file and condition, that no test of a driver can notice."""


@dataclass(frozen=True)
class Guard:
    """An `if` that refuses something; `start` and `end` are the place of its condition, in bytes."""

    file: str
    line: int
    condition: str
    start: int
    end: int
    rules: frozenset[str]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: if ({self.condition})"

    @property
    def stem(self) -> str:
        """The name of its file."""
        return Path(self.file).stem

    @property
    def key(self) -> str:
        """Its name in `REASONS`."""
        return f"{self.stem}.js: {self.condition}"

    def removed(self, source: str) -> str:
        """Return the source without the guard. The condition is evaluated: it may do something."""
        raw = source.encode()
        condition = raw[self.start : self.end]
        return (raw[: self.start] + b"((" + condition + b"), false)" + raw[self.end :]).decode()


def guards(class_: str) -> Iterator[Guard]:
    """Yield the guards of a class, in the order of its files."""
    files = [f"javascript/src/{name}.js" for name in FILES[class_]]
    command = ["node", str(Path(__file__).with_suffix(".mjs")), *files]
    listed = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for found in map(json.loads, listed.splitlines()):
        rules = frozenset(found.pop("strings")) & RULES.keys()
        if found.pop("refuses") or rules:
            yield Guard(**found, rules=rules)


def results(class_: str, driver: Driver, guard: Guard | None) -> Iterator[Result]:
    """Yield the results of all tests of a class, the ones near a guard first."""
    rules = guard.rules if guard else frozenset()
    if class_ == "reader":
        yield from reader_results(driver, SUITE, lambda name: not name.startswith("vectors/prefixes/"))
        yield from reader_results(driver, SUITE, lambda name: name.startswith("vectors/prefixes/"))
    elif class_ == "writer":
        order = [*_NEAR.get(guard.stem if guard else "", ()), *_FIRST, "", *_LAST]
        scenarios = load_scenarios(SUITE)
        scenarios.sort(key=lambda one: order.index(one.topic if one.topic in order else ""))
        yield from writer_results([driver], scenarios)
    else:
        cases = sorted(load_cases(SUITE) + load_slot_cases(SUITE), key=lambda case: case.rule not in rules)
        near = sum(case.rule in rules for case in cases)
        yield from validator_results(driver, SUITE, cases[:near])
        yield from statement_results(driver, SUITE, load_statements(SUITE))
        yield from validator_results(driver, SUITE, cases[near:])


def first_failure(found: Iterable[Result]) -> str | None:
    """Return the name of the first test that fails, or None."""
    return next((one.name for one in found if one.outcome in ("failed", "warned")), None)


def run(class_: str, found: list[Guard]) -> int:
    """Remove the guards, print what notices each of them, and return the exit code."""
    survivors = unexplained = 0
    with tempfile.TemporaryDirectory(prefix="mlv-guards-") as name:
        folder = Path(name)
        for part in ("src", "bin"):
            shutil.copytree(_ROOT / "javascript" / part, folder / "javascript" / part)
        shutil.copy(_ROOT / "javascript" / "package.json", folder / "javascript")
        driver = Driver(["node", str(folder / "javascript" / "bin" / "driver.js")], seconds=60)
        if failure := first_failure(results(class_, driver, None)):
            print(f"The unchanged copy fails {failure}")
            return 1
        for guard in found:
            source = (folder / guard.file).read_text("utf-8")
            begin = time.monotonic()
            (folder / guard.file).write_text(guard.removed(source), "utf-8")
            failure = first_failure(results(class_, driver, guard))
            (folder / guard.file).write_text(source, "utf-8")
            reason = REASONS[class_].get(guard.key)
            survivors += failure is None
            unexplained += (failure is None) != (reason is not None)
            verdict = f"fails {failure}" if failure else f"SURVIVES, {reason or 'without a reason'}"
            print(f"{guard}: {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
    print(f"{len(found)} guards: {len(found) - survivors} noticed, {survivors} survive")
    return int(unexplained > 0)


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("class_", choices=FILES, metavar="{writer,reader,validator}")
    parser.add_argument("--list", action="store_true", help="List the guards and exit.")
    parser.add_argument("--only", default="", metavar="TEXT", help="Remove only guards whose line has this text.")
    options = parser.parse_args()
    found = [guard for guard in guards(options.class_) if options.only in str(guard)]
    if options.list:
        print(*found, sep="\n")
        return 0
    return run(options.class_, found)


if __name__ == "__main__":
    sys.exit(main())
