"""Readers: what they make of the directories of the suite is exactly what the suite says."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from mlv_conformance._driver import Answer, Driver, Failed, Unsupported
from mlv_conformance._models import equal
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import SuiteError, apply
from mlv_conformance._suite.vectors import Read, differ, find, load_reads

_BATCH = 50


def reader_results(driver: Driver, suite: Path, wanted: Callable[[str], bool]) -> Iterator[Result]:
    """The results of all reads and vectors whose names are `wanted`."""
    reads = [read for read in load_reads(suite) if wanted(read.name)]
    for command, of_command in groupby(sorted(reads, key=lambda read: read.command), lambda read: read.command):
        for batch in _batches(list(of_command)):
            yield from _batch(driver, suite, batch, command)


def _batches(reads: list[Read]) -> Iterator[list[Read]]:
    return (reads[first : first + _BATCH] for first in range(0, len(reads), _BATCH))


def _batch(driver: Driver, suite: Path, reads: Iterable[Read], command: str) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
        made = list[tuple[Read, Path]]()
        for number, read in enumerate(reads):
            directory = Path(folder, str(number))
            try:
                shutil.copytree(suite / "bases" / read.base, directory)
                for edit in read.edits:
                    apply(directory, edit)
                made.append((read, directory / read.target))
            except SuiteError as error:
                if not isinstance(error.__cause__, OSError):
                    raise
                yield Result("reader", "core", read.name, read.rules, "omitted", str(error))
        answers = driver.ask(command, [target for _, target in made])
        for (read, _), answer in zip(made, answers, strict=True):
            yield _result(read, answer)


def _result(read: Read, answer: Answer | Failed | Unsupported) -> Result:
    if isinstance(answer, Unsupported):
        return Result("reader", "core", read.name, read.rules, "unsupported")
    detail = str(answer) if isinstance(answer, Failed) else "; ".join(differences(read, answer))
    return Result("reader", "core", read.name, read.rules, "failed" if detail else "passed", detail)


def differences(read: Read, answer: Answer) -> Iterator[str]:
    """Where an answer is not what is expected."""
    try:
        for place, expected in read.expected:
            if not place:
                yield from differ(expected, answer)
            elif not equal(expected, given := find(answer, place)):
                where = " ".join(map(str, place))
                yield f"{where} is {json.dumps(given)[:300]} instead of {json.dumps(expected)[:300]}"
    except (AttributeError, KeyError, LookupError, TypeError) as error:
        yield f"the answer lacks something that DRIVER.md describes: {error!r}"
