"""Remove the refusals of an implementation, one at a time, and list those that no test of the suite needs.

    python trials/faults/guards.py [--list] [--first N] {minimal,mlvlogger,reader,validator}

A guard is an `if` that raises an exception, or names a rule. It is removed in a copy of the source, by making its
condition false. The tests of the rules that its body names run first, then those of the topics near it, then all. A
guard without which every test passes is a survivor: the suite demands it from no implementation, or another guard does
the same.
Exits with 1 if the unchanged copy fails.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
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
from mlv_conformance._suite.vectors import load_reads, load_slot_cases
from mlv_conformance._validators import validator_results
from mlv_conformance._writers.runs import writer_results
from mlv_validate import RULES

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = "python/src/mlvlogger"


@dataclass(frozen=True)
class Part:
    """A part of an implementation: its files, its driver, the class of its tests, and the topics that run first."""

    files: tuple[str, ...]
    driver: str
    class_: str
    near: tuple[str, ...] = ()


PARTS = {
    "minimal": Part(("conformance/drivers/minimal.py",), "minimal.py", "writer", ("refusals", "continuing", "names")),
    "mlvlogger": Part(
        tuple(f"{_PACKAGE}/{name}" for name in ("_write/*.py", "_files.py", "_new_directory.py", "_format/names.py")),
        "python_driver.py",
        "writer",
        ("refusals", "continuing", "names", "files", "additions"),
    ),
    "reader": Part((f"{_PACKAGE}/_read/*.py", f"{_PACKAGE}/_format/parse.py"), "python_driver.py", "reader"),
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

    def removed(self, source: str) -> str:
        """Return the source without the guard."""
        test = self.node.test
        assert test.end_lineno is not None and test.end_col_offset is not None
        lines = source.encode().splitlines(keepends=True)
        before = b"".join(lines[: test.lineno - 1]) + lines[test.lineno - 1][: test.col_offset]
        after = lines[test.end_lineno - 1][test.end_col_offset :] + b"".join(lines[test.end_lineno :])
        return (before + b"False" + after).decode()


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


def results(part: Part, driver: Driver, rules: frozenset[str]) -> Iterator[Result]:
    """Yield the results of all tests of a part, the ones near the rules first."""
    if part.class_ == "writer":
        scenarios = load_scenarios(SUITE)
        # A stable sort: topics in their order, and scenarios of many seconds last.
        scenarios.sort(key=lambda one: (one.topic not in part.near, one.topic in ("observed", "large", "interference")))
        yield from writer_results([driver], scenarios)
    elif part.class_ == "reader":
        topics = dict.fromkeys(read.name.rpartition("/")[0] for read in load_reads(SUITE))
        for topic in topics:
            yield from reader_results(driver, SUITE, lambda name, topic=topic: name.rpartition("/")[0] == topic)  # type: ignore[misc]
    else:
        cases = sorted(load_cases(SUITE) + load_slot_cases(SUITE), key=lambda case: case.rule not in rules)
        near = sum(case.rule in rules for case in cases)
        yield from validator_results(driver, SUITE, cases[:near])
        yield from validator_results(driver, SUITE, cases[near:])


def first_failure(found: Iterable[Result]) -> Result | None:
    """Return the first test that fails, or None."""
    return next((one for one in found if one.outcome in ("failed", "warned")), None)


def copy(folder: Path) -> None:
    """Copy the sources, and let drivers use the copy."""
    for name in ("python/src", "conformance/src", "conformance/drivers"):
        shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    os.environ["PYTHONPATH"] = f"{folder / 'python/src'}{os.pathsep}{folder / 'conformance/src'}"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--list", action="store_true", help="List the guards and exit.")
    parser.add_argument("--first", type=int, metavar="N", help="Remove only the first N guards.")
    options = parser.parse_args()
    part = PARTS[options.part]
    found = list(guards(part))[: options.first]
    if options.list:
        print(*found, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="mlv-guards-") as name:
        folder = Path(name)
        copy(folder)
        driver = Driver([sys.executable, str(folder / "conformance" / "drivers" / part.driver)], seconds=60)
        survivors = 0
        if failure := first_failure(results(part, driver, frozenset())):
            print(f"The unchanged copy fails {failure.name}: {failure.detail[:500]}")
            return 1
        for guard in found:
            source = (_ROOT / guard.file).read_text("utf-8")
            begin = time.monotonic()
            (folder / guard.file).write_text(guard.removed(source), "utf-8")
            failure = first_failure(results(part, driver, guard.rules))
            (folder / guard.file).write_text(source, "utf-8")
            survivors += failure is None
            verdict = f"fails {failure.name}" if failure else "SURVIVES"
            print(f"{guard}: {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
        print(f"{len(found)} guards: {len(found) - survivors} noticed, {survivors} survive")
    return 0


if __name__ == "__main__":
    sys.exit(main())
