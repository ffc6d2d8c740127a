"""Remove the refusals of an implementation, one at a time, and list those that no test of the suite needs.

    python trials/faults/guards.py [--list] [--invert] [--first N] [--only TEXT] [--topics A,B]
        {minimal,mlvlogger,reader,validator}

A guard is an `if` that raises an exception, or names a rule. It is removed in a copy of the source, by making its
condition false; with `--invert`, the condition is negated instead. The tests of the rules that its body names run
first, then those of the topics near it, then all. A guard without which every test passes is a survivor: the suite
demands it from no implementation, or another guard does the same.

`guards_reasons.py` lists the guards that no test of the suite can notice, with the reasons. Those that
no driver reaches are skipped; the others are tried, and must survive.
Exits with 1 if the unchanged copy fails, if a guard survives without a reason, or if a reason is out of date.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from guards_reasons import INVERTED_SURVIVORS, SURVIVORS, UNREACHED
from mlv_conformance._cli import SUITE
from mlv_conformance._driver import Driver
from mlv_conformance._readers import differences
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import apply_edit, load_cases
from mlv_conformance._suite.scenarios import Scenario, load_scenarios
from mlv_conformance._suite.vectors import Read, load_reads, load_slot_cases
from mlv_conformance._validators import validator_results
from mlv_conformance._writers.runs import writer_results
from mlv_validate import RULES

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = "python/src/mlvlogger"
_JOBS = 4  # scenarios at once; they wait for most of their time
_SLOW = ("kills", "locks", "large", "observed", "interference")
"""Topics with scenarios of many seconds, in the order in which they run after all others."""


@dataclass(frozen=True)
class Part:
    """A part of an implementation: its files, its driver, the class of its tests, and the topics that run first."""

    files: tuple[str, ...]
    driver: str
    class_: str
    near: tuple[str, ...] = ()


_WRITER = (
    "_write/*.py",
    "_files.py",
    "_new_directory.py",
    "_format/names.py",
    "_disk/*.py",
    "_event_data.py",
    "_event_name.py",
    "_format/encode.py",
    "_metric_definition.py",
    "_open_experiment.py",
    "_open_streams.py",
    "_opening.py",
    "_version.py",
)
_READER = ("_read/*.py", "_format/parse.py", "_format/decode.py", "_format/forms.py", "_version.py")
PARTS = {
    "minimal": Part(("conformance/drivers/minimal.py",), "minimal.py", "writer", ("refusals", "continuing", "names")),
    "mlvlogger": Part(
        tuple(f"{_PACKAGE}/{name}" for name in _WRITER),
        "python_driver.py",
        "writer",
        ("refusals", "continuing", "names", "files", "additions"),
    ),
    "reader": Part(tuple(f"{_PACKAGE}/{name}" for name in _READER), "python_driver.py", "reader"),
    "validator": Part(("conformance/src/mlv_validate/_rules/*.py",), "python_driver.py", "validator"),
}


@dataclass(frozen=True)
class Guard:
    """An `if` of a file that refuses something."""

    file: str
    node: ast.If
    rules: frozenset[str]

    def __str__(self) -> str:
        return f"{self.file}:{self.node.lineno}: if {ast.unparse(self.node.test)}"

    @property
    def key(self) -> str:
        """The name of the guard in lists: the end of its file and its condition."""
        return f"{self.file.rpartition('/')[2]}: if {ast.unparse(self.node.test)}"

    def removed(self, source: str) -> str:
        """Return the source without the guard."""
        return self._changed(source, "False")

    def inverted(self, source: str) -> str:
        """Return the source in which the guard refuses the opposite."""
        return self._changed(source, f"not ({ast.unparse(self.node.test)})")

    def _changed(self, source: str, condition: str) -> str:
        test = self.node.test
        assert test.end_lineno is not None and test.end_col_offset is not None
        lines = source.encode().splitlines(keepends=True)
        before = b"".join(lines[: test.lineno - 1]) + lines[test.lineno - 1][: test.col_offset]
        after = lines[test.end_lineno - 1][test.end_col_offset :] + b"".join(lines[test.end_lineno :])
        return (before + condition.encode() + after).decode()


def guards(part: Part) -> Iterator[Guard]:
    """Yield the guards of a part, in the order of its files."""
    for file in (path for pattern in part.files for path in sorted(_ROOT.glob(pattern))):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.If):
                inner = [below for statement in node.body for below in ast.walk(statement)]
                names = frozenset(
                    below.value for below in inner if isinstance(below, ast.Constant) and isinstance(below.value, str)
                )
                raises = any(isinstance(statement, ast.Raise) for statement in node.body)
                if raises or names & RULES.keys():
                    yield Guard(file.relative_to(_ROOT).as_posix(), node, names & RULES.keys())


class Tests:
    """The tests of a part. The directories of the reads are made once, as a reader only reads them."""

    def __init__(self, part: Part, command: list[str], folder: Path, topics: frozenset[str]) -> None:
        self._part = part
        self._topics = topics
        self._command = command
        self._reads: dict[str, list[tuple[Read, Path]]] = {}
        for number, read in enumerate(load_reads(SUITE) if part.class_ == "reader" else ()):
            directory = folder / str(number)
            shutil.copytree(SUITE / "bases" / read.base, directory)
            for edit in read.edits:
                apply_edit(directory, edit)
            self._reads.setdefault(read.command, []).append((read, directory / read.target))

    def first_failure(self, rules: frozenset[str]) -> str | None:
        """Return the name of the first test that fails and the reason, or None. The ones near the rules run first."""
        if self._part.class_ == "reader":
            failures = self._failed_reads()
        elif self._part.class_ == "writer":
            failures = self._failed_scenarios()
        else:
            failures = _failed(self._case_results(rules))
        with closing(failures):
            return next(failures, None)

    def _driver(self) -> Driver:
        return Driver(self._command, seconds=60)

    def _failed_reads(self) -> Generator[str]:
        for command, reads in self._reads.items():
            answers = self._driver().ask(command, [directory for _, directory in reads])
            with closing(answers):  # type: ignore[type-var]
                for (read, _), answer in zip(reads, answers, strict=True):
                    if problems := [*differences(read, answer)] if isinstance(answer, dict) else [str(answer)]:
                        yield f"{read.name}: {problems[0]}"

    def _failed_scenarios(self) -> Generator[str]:
        # A stable sort: topics in their order.
        near = self._part.near
        scenarios = sorted(
            (one for one in load_scenarios(SUITE) if not self._topics or one.topic in self._topics),
            key=lambda one: (one.topic not in near, _SLOW.index(one.topic) + 1 if one.topic in _SLOW else 0),
        )
        with ThreadPoolExecutor(_JOBS) as pool:
            running = [pool.submit(self._scenario_results, scenario) for scenario in scenarios]
            try:
                for done in as_completed(running):
                    yield from _failed(done.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def _scenario_results(self, scenario: Scenario) -> list[Result]:
        return list(writer_results([self._driver()], [scenario]))

    def _case_results(self, rules: frozenset[str]) -> Iterator[Result]:
        cases = sorted(load_cases(SUITE) + load_slot_cases(SUITE), key=lambda case: case.rule not in rules)
        near = sum(case.rule in rules for case in cases)
        yield from validator_results(self._driver(), SUITE, cases[:near])
        yield from validator_results(self._driver(), SUITE, cases[near:])


def _failed(results: Iterable[Result]) -> Generator[str]:
    """Yield the names and reasons of the tests that fail."""
    for one in results:
        if one.outcome in ("failed", "warned"):
            yield f"{one.name}: {one.detail}"


def copy(folder: Path) -> None:
    """Copy the sources, and let drivers use the copy."""
    for name in ("python/src", "conformance/src", "conformance/drivers"):
        shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    os.environ["PYTHONPATH"] = f"{folder / 'python/src'}{os.pathsep}{folder / 'conformance/src'}"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def run(part: Part, found: list[Guard], is_inverted: bool, topics: frozenset[str]) -> int:
    """Remove or invert the guards, print what notices each of them, and return the exit code."""
    reasons = INVERTED_SURVIVORS if is_inverted else SURVIVORS
    skipped = [guard for guard in found if guard.key in UNREACHED]
    for guard in skipped:
        print(f"{guard}: skipped, {UNREACHED[guard.key]}")
    survivors = unexplained = 0
    with tempfile.TemporaryDirectory(prefix="mlv-guards-") as name:
        folder = Path(name)
        copy(folder)
        tests = Tests(
            part, [sys.executable, str(folder / "conformance/drivers" / part.driver)], folder / "reads", topics
        )
        if failure := tests.first_failure(frozenset()):
            print(f"The unchanged copy fails {failure[:500]}")
            return 1
        for guard in found:
            if guard in skipped:
                continue
            source = (_ROOT / guard.file).read_text("utf-8")
            begin = time.monotonic()
            changed = guard.inverted(source) if is_inverted else guard.removed(source)
            (folder / guard.file).write_text(changed, "utf-8")
            failure = tests.first_failure(guard.rules)
            (folder / guard.file).write_text(source, "utf-8")
            reason = reasons.get(guard.key)
            survivors += failure is None
            unexplained += (failure is None) != (reason is not None)
            verdict = f"fails {failure[:150]}" if failure else f"SURVIVES, {reason or 'without a reason'}"
            if failure and reason:
                verdict += f" (it shouldn't be noticed: {reason})"
            print(f"{guard}: {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
    count = len(found) - len(skipped)
    print(f"{count} guards: {count - survivors} noticed, {survivors} survive; {len(skipped)} skipped")
    return int(unexplained > 0)


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--list", action="store_true", help="List the guards and exit.")
    parser.add_argument("--invert", action="store_true", help="Negate the conditions instead of making them false.")
    parser.add_argument("--first", type=int, metavar="N", help="Remove only the first N guards.")
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="Remove only guards whose line has this text, or of several texts joined by |, one.",
    )
    parser.add_argument(
        "--topics", default="", metavar="A,B", help="Of the scenarios, run only those of these topics: a first look."
    )
    options = parser.parse_args()
    part = PARTS[options.part]
    found = [guard for guard in guards(part) if any(text in str(guard) for text in options.only.split("|"))][
        : options.first
    ]
    if options.list:
        print(*found, sep="\n")
        return 0
    return run(part, found, options.invert, frozenset(filter(None, options.topics.split(","))))


if __name__ == "__main__":
    sys.exit(main())
