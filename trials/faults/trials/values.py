"""Values from a seeded generator: what is read is what was logged, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator

import values
from rows import Row, Setting

__all__ = ["run"]


def run(setting: Setting) -> Iterator[Row]:
    row = Row("values from a seed, read back and compared")
    count = 2_000_000 if setting.long else 30_000
    done, seed = 0, 1 if setting.writer == "direct" else 1_000_001
    while done < count:
        outcome = values.trial(seed + row.rounds, setting.writer, setting.path)
        done += outcome.values
        row.problems += outcome.problems
        row.acknowledged += outcome.events
        row.rounds += 1
    row.note = f"{done} values"
    yield row
