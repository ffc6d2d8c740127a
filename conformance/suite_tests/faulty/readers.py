"""Readers that a reviewer planted mistakes in and that the suite passed: `python readers.py ID read DIR…`.

Each is the Python driver with one mistake, under the id that the review gave it.
"""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "drivers"))

import python_driver
from faulty.planting import Faults, wrapped

import mlvlogger._disk.blocks as blocks
import mlvlogger._read.events as events
import mlvlogger._read.experiment as reading
import mlvlogger._read.meta as meta

fault = FAULTS = Faults()


@fault("R04", "reader.garbled", "vectors/json/a line of *", "left_out is")
def any_size() -> None:
    """A line may have any size."""
    blocks.MAX_RECORD = 1 << 40


@fault("R05", "reader.garbled", "vectors/json/a line of *", "left_out is")
def without_its_lf() -> None:
    """The limit of a line doesn't count its LF."""
    blocks.MAX_RECORD += 1


@fault("X02", "reader.garbled", "vectors/json/a line of *", "left_out is")
def one_too_small() -> None:
    """The limit of a line is one byte too small."""
    blocks.MAX_RECORD -= 1


@fault("R34", "reader.strays", "reads/strays/meta*", "meta")
def leading_zeros() -> None:
    """`meta/02.json` is read as another record."""

    def numbers(plain: Any, directory: Any) -> Any:
        found = plain(directory)
        return [*found, len(found) + 2] if (Path(directory) / "meta/02.json").exists() else found

    def read_regular(plain: Any, path: Any, *arguments: Any) -> Any:
        try:
            return plain(path, *arguments)
        except FileNotFoundError:
            return plain(re.sub(r"[0-9]+\.json$", "02.json", str(path)), *arguments)

    wrapped(meta, "_numbers", numbers)
    wrapped(meta, "read_regular", read_regular)


@fault("R35", "reader.strays", "reads/strays/log*", "the streams")
def any_stream() -> None:
    """Whatever ends with `.jsonl` is a stream."""
    reading.is_stream_file = lambda name: name.endswith(".jsonl")


@fault("R37", "reader.rewind", "vectors/rewinds/*user*", "superseded")
def any_mlv() -> None:
    """An event whose name begins with `mlv` is a lifecycle event."""
    events.is_lifecycle = lambda name: name.startswith("mlv")


if __name__ == "__main__":
    FAULTS[sys.argv[1]].plant()
    sys.exit(python_driver.main(*sys.argv[2:]))
