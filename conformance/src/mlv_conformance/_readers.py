"""Readers: what they make of the directories of the suite is exactly what the suite says."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mlv_conformance._driver import Driver
from mlv_conformance._results import Result


def reader_results(driver: Driver, suite: Path, wanted: Callable[[str], bool]) -> Iterator[Result]:
    """The results of all reads and vectors whose names are `wanted`."""
    yield from ()
