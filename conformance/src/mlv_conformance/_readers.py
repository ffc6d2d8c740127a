"""Tests of readers: for each read of the suite, the answer must be the expected one."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer, Driver, Failed, Unsupported
from mlv_conformance._kept import Kept
from mlv_conformance._models import Model, equal
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import SuiteError, apply_edit
from mlv_conformance._suite.vectors import Read, load_reads

_BATCH = 50


def reader_results(
    driver: Driver, suite: Path, wanted: Callable[[str], bool], kept: Kept | None = None
) -> Iterator[Result]:
    """Return the results of all reads and vectors whose names are `wanted`; those that fail are kept."""
    reads = [read for read in load_reads(suite) if wanted(read.name)]
    for command, of_command in groupby(sorted(reads, key=lambda read: read.command), lambda read: read.command):
        for batch in _batches(list(of_command)):
            yield from _run_batch(driver, suite, batch, command, kept)


def _batches(reads: list[Read]) -> Iterator[list[Read]]:
    return (reads[first : first + _BATCH] for first in range(0, len(reads), _BATCH))


def _run_batch(driver: Driver, suite: Path, reads: Iterable[Read], command: str, kept: Kept | None) -> Iterator[Result]:
    """Return the results of reads that the driver is asked together."""
    with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
        made = list[tuple[Read, Path, set[Path]]]()
        for number, read in enumerate(reads):
            directory = Path(folder, str(number))
            try:
                shutil.copytree(suite / "bases" / read.base, directory)
                for edit in read.edits:
                    apply_edit(directory, edit)
                made.append((read, directory, set(directory.rglob("*"))))
            except SuiteError as error:
                if not isinstance(error.__cause__, OSError):
                    raise
                yield Result("reader", "core", read.name, read.rules, "omitted", str(error))
        answers = driver.ask(command, [directory / read.target for read, directory, _ in made])
        for (read, directory, before), answer in zip(made, answers, strict=True):
            result = _result(read, answer, before ^ set(directory.rglob("*")))
            if kept and result.outcome == "failed":
                kept.add("reader", read.id, read, result.detail, directory)
            driver.transcript.begin()
            yield result


def _result(read: Read, answer: Answer | Failed | Unsupported, changed: set[Path]) -> Result:
    if isinstance(answer, Unsupported):
        return Result("reader", "core", read.name, read.rules, "unsupported")
    problems = [str(answer)] if isinstance(answer, Failed) else [*differences(read, answer)]
    detail = "; ".join(problems + [f"{path.name} was created or removed" for path in sorted(changed)])
    return Result("reader", "core", read.name, read.rules, "failed" if detail else "passed", detail)


def differences(read: Read, answer: Answer) -> Iterator[str]:
    """Return where an answer differs from the expected one."""
    try:
        for place, expected in read.expected:
            if not place:
                yield from _differences(expected, answer)
            elif not equal(expected, given := _part_at(answer, place)):
                where = " ".join(map(str, place))
                yield f"{where} is {json.dumps(given)[:300]} instead of {json.dumps(expected)[:300]}"
    except (AttributeError, KeyError, LookupError, TypeError) as error:
        yield f"the answer lacks something that DRIVER.md describes: {error!r}"


def answer_differences(one: Answer, other: Answer) -> Iterator[str]:
    """Return where the answers of two readers about the same directory differ."""
    try:
        yield from _differences(one, other)
    except (AttributeError, LookupError, TypeError) as error:
        yield f"an answer lacks something that DRIVER.md describes: {error!r}"


def _differences(expected: Any, answer: Answer) -> Iterator[str]:
    """Return the differences between the whole expected answer and the driver's answer."""
    if expected.keys() != answer.keys():
        yield f"it has the members {sorted(answer)} instead of {sorted(expected)}"
        return
    for name in ("id", "state", "refused"):
        yield from _compare(name, expected.get(name), answer.get(name))
    for name, value in expected.get("meta", {}).items():
        yield from _compare(f"meta {name}", value, answer["meta"].get(name))
    streams, others = expected.get("streams", {}), answer.get("streams", {})
    yield from _compare("the streams", sorted(streams), sorted(others))
    for path in streams.keys() & others.keys():
        one, other = streams[path], others[path]
        yield from _compare(f"{path}: left_out", one["left_out"], other["left_out"])
        yield from _compare(f"{path}: refused", one["refused"], other.get("refused"))
        lines = [[event["line"] for event in stream["events"]] for stream in (one, other)]
        yield from _compare(f"{path}: the lines of the events", *lines)
        for event, given in zip(one["events"], other["events"], strict=False):
            for name in sorted(event.keys() | given.keys()):
                yield from _compare(f"{path}:{event['line']}: {name}", event.get(name), given.get(name))


def _part_at(answer: Any, place: tuple[str | int, ...]) -> Any:
    """Return the part of an answer at a place.

    Raises:
        LookupError: If the answer has no such part.
    """
    for step in place:
        if step == "count":
            answer = len(answer)
        elif isinstance(step, int):
            answer = next((event for event in answer if event["line"] == step), None)
            if answer is None:
                raise LookupError(f"there is no event of line {step}")
        else:
            answer = answer.get(step, False) if step == "superseded" else answer[step]
    return answer


def _compare(what: str, one: Model, other: Model) -> Iterator[str]:
    if not equal(one, other):
        yield f"{what} is {json.dumps(other)[:200]} instead of {json.dumps(one)[:200]}"
