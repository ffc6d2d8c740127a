"""Millions of values from a seeded generator: written, read back, and compared with what they were.

    python trials/faults/values.py [--count N] [--seed N] [--writer direct|process|both] [--jobs N]

Each of the experiments that it makes has its own seed, which is printed where a value differs, and is judged by
mlv-validate. A value is one number, text, time or the like; the lists and mappings around them are not counted.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import math
import random
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from pathlib import Path
from typing import Any

from mlvlogger import Exp, Redacted, read

__all__ = ["Outcome", "trial"]

_EVENTS = 4000  # in one experiment
_SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan]
_SPECIAL += [0.1, 1e16, 1e17, 1e22, 1e23, 123456789012345680.0, 2.0**53, 2.0**63]
_NAMES = [
    "loss",
    "accuracy",
    "lr",
    "step",
    "_mlv",
    "__mlv",
    "___mlv",
    "mlv",
    "",
    " ",
    "%",
    "%s",
    "seq",
    "a.b",
    "é",
    "\0",
]
_CHARACTERS = ["\0", "\x1b", "\r", "\n", '"', "\\", "/", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff", "\U0001f600"]


@dataclass
class Outcome:
    """What one experiment came to: how many values and events, and what was wrong, as sentences."""

    values: int = 0
    events: int = 0
    problems: list[str] = field(default_factory=list)


def _float(source: random.Random) -> float:
    if source.random() < 0.1:
        return source.choice(_SPECIAL)
    if source.random() < 0.3:
        return source.gauss(0, 10.0 ** source.randrange(-10, 11))
    bits = source.getrandbits(64)
    if source.random() < 0.1:
        bits &= 0x800FFFFFFFFFFFFF  # subnormal
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def _integer(source: random.Random) -> int:
    if source.random() < 0.6:
        return source.randrange(-1000, 100_000)
    size = source.choice([53, 54, 63, 64, 65, 128, source.randrange(1, 1000)])
    if source.random() < 0.005:
        size = 13_287  # of 4000 digits
    number = source.choice([source.getrandbits(size), 2**size, 2**size - 1])
    return -number if source.random() < 0.5 else number


def _text(source: random.Random) -> str:
    if source.random() < 0.5:
        return "".join(source.choices("abcdefghij klmnopqrstuvwxyz", k=source.randrange(20)))
    parts = [
        chr(source.randrange(0x110000)) if source.random() < 0.6 else source.choice(_CHARACTERS)
        for _ in range(source.randrange(6))
    ]
    return "".join(parts)


def _bytes(source: random.Random) -> bytes:
    return source.randbytes(source.randrange(20))


def _zone(source: random.Random) -> timezone | None:
    minutes = source.choice([None, 0, source.randint(-1439, 1439)])
    return None if minutes is None else timezone(timedelta(minutes=minutes))


def _moment(source: random.Random) -> datetime:
    moment = datetime.min + timedelta(microseconds=source.randrange(315_537_897_600_000_000))
    return moment.replace(tzinfo=_zone(source))


def _duration(source: random.Random) -> timedelta:
    return timedelta(microseconds=source.randint(-(10 ** source.randrange(1, 20)), 10 ** source.randrange(1, 20)))


def _day(source: random.Random) -> date:
    return date.fromordinal(source.randint(1, date.max.toordinal()))


def _hour(source: random.Random) -> clock:
    at = clock(source.randrange(24), source.randrange(60), source.randrange(60), source.randrange(10**6))
    return at.replace(tzinfo=_zone(source))


def _constant(source: random.Random) -> Any:
    return source.choice([None, True, False, Redacted()])


_KINDS: list[Callable[[random.Random], Any]] = [_float, _float, _integer, _integer, _text, _text, _text]
_KINDS += [_bytes, _moment, _duration, _day, _hour, _constant]


def _value(source: random.Random, levels: int, outcome: Outcome) -> Any:
    if levels and source.random() < 0.2:
        parts = [_value(source, levels - 1, outcome) for _ in range(source.randrange(4))]
        if source.random() < 0.5:
            return parts if source.random() < 0.7 else tuple(parts)
        return {_name(source): part for part in parts}
    outcome.values += 1
    return source.choice(_KINDS)(source)


def _name(source: random.Random) -> str:
    return source.choice(_NAMES) if source.random() < 0.8 else f"m{source.randrange(100)}"


def _data(source: random.Random, outcome: Outcome) -> dict[str, Any]:
    """Half of them are flat and have only numbers: for those the logger has a shorter way."""
    data: dict[str, Any] = {}
    is_flat = source.random() < 0.5
    for _ in range(source.randrange(1, 8)):
        name = _name(source)
        if name in data:
            continue
        if is_flat:
            outcome.values += 1
            data[name] = _float(source) if source.random() < 0.6 else _integer(source)
        else:
            data[name] = _value(source, 4, outcome)
    return data


def _same(one: Any, other: Any) -> bool:
    """Return whether *other*, which was read, equals *one*, which was written, in type and to the last bit."""
    kind = type(one)
    if kind is tuple:
        return type(other) is list and _same(list(one), other)
    if kind is not type(other):
        return False
    if kind is float:
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if kind is str:  # two surrogates that are a pair are one character
        return one == other or one.encode("utf-16", "surrogatepass") == other.encode("utf-16", "surrogatepass")
    if kind is dict:
        return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
    if kind is list:
        return len(one) == len(other) and all(map(_same, one, other))
    if kind is datetime or kind is clock:
        return one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.utcoffset() == other.utcoffset()
    return bool(one == other)


def trial(seed: int, writer: str, directory: Path, events: int = _EVENTS) -> Outcome:
    """Make one experiment of *events* events in *directory*, read and judge it."""
    from mlv_validate import validate

    outcome = Outcome()
    source = random.Random(seed)
    params = {f"p{number}": _value(source, 4, outcome) for number in range(200)}
    given = [_data(source, outcome) for _ in range(events)]
    outcome.events = events
    options: dict[str, Any] = {} if writer == "direct" else {"writer": writer}
    with Exp(directory, f"e{seed}", params, redact=False, **options) as exp:
        for number, data in enumerate(given):
            if number % 3 == 0 and all(name.isidentifier() for name in data):
                exp.log.event("x", **data)
            else:
                exp.log.event("x", data)
    run = read(exp.path)
    if not _same(params, copy.deepcopy(run.params)):
        outcome.problems += [
            f"seed {seed}: params.{name} was {value!r} and is {run.params.get(name)!r}"
            for name, value in params.items()
            if not _same(value, copy.deepcopy(run.params.get(name)))
        ][:3]
    found = [event.data for event in run.events("x")]
    if len(found) != len(given):
        outcome.problems.append(f"seed {seed}: {len(given)} events were logged, {len(found)} are there")
    for number, (data, back) in enumerate(zip(given, found, strict=False)):
        if not _same(data, back):
            outcome.problems.append(f"seed {seed}: event {number} was {data!r} and is {back!r}")
            break
    log = (exp.path / "log.jsonl").read_bytes()
    if not log.isascii() or b"\r" in log or any(byte in log for byte in range(32) if byte != 10):
        outcome.problems.append(f"seed {seed}: the log has bytes other than printable ASCII and line feeds")
    report = validate(exp.path, sealed=True)
    outcome.problems += [f"seed {seed}: {finding.rule}: {finding.message}" for finding in report.targets[0].findings][
        :3
    ]
    if report.verdict != "valid":
        outcome.problems.append(f"seed {seed}: mlv-validate says {report.verdict}")
    if not outcome.problems:
        shutil.rmtree(exp.path)
    return outcome


def _outcomes(count: int, seed: int, writers: list[str], jobs: int, directory: Path) -> Iterator[Outcome]:
    """The outcomes of as many experiments as have *count* values together."""
    done = 0
    with ProcessPoolExecutor(jobs) as pool:
        waiting: set[Any] = set()
        while done < count:
            while len(waiting) < 2 * jobs:
                waiting.add(pool.submit(trial, seed, writers[seed % len(writers)], directory))
                seed += 1
            finished = next(as_completed(waiting))
            waiting.discard(finished)
            done += finished.result().values
            yield finished.result()
        pool.shutdown(cancel_futures=True)


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000_000, help="values in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="that of the first experiment (default: %(default)s)")
    parser.add_argument("--writer", choices=("direct", "process", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    arguments = parser.parse_args()
    writers = ["direct", "process"] if arguments.writer == "both" else [arguments.writer]
    if "writer" not in inspect.signature(Exp).parameters:
        writers = ["direct"]
        print("this mlvlogger has no process writer: the direct one alone is tried", file=sys.stderr)
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="mlv-values-"))
    values = experiments = 0
    problems: list[str] = []
    for outcome in _outcomes(arguments.count, arguments.seed, writers, arguments.jobs, directory):
        values += outcome.values
        experiments += 1
        problems += outcome.problems
        for problem in outcome.problems:
            print(ascii(problem)[1:1000])
    seconds = time.monotonic() - began
    print(f"{values} values in {experiments} experiments, {len(problems)} problems, in {seconds:.0f} s")
    if not problems:
        shutil.rmtree(directory)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
