"""
What a finding costs, against a `json.loads` that fails: `python trials/benchmarks/validator/findings.py [LINES]`.

For each kind of wrong lines, and for all kinds line by line, a log of that many lines is judged, and as many calls of
`json.loads` fail. Both run in this process, one after the other in each round; a figure is the median over the rounds
of the ratio within a round, by the time of the processor. Nothing is asserted here.

A line that is read for its numbers alone (a session, a rewind, a span) costs more than that, right or wrong. Of these
kinds, what is judged once more is the log of the same lines with right numbers, and the figure is the difference.
"""

import json
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlv_validate import validate
from mlv_validate._rules.bytes import parse
from mlv_validate._rules.events import check_event

TIME = "2026-11-22T18:24:00.000000Z"
SESSION = {"mlv": "1.0", "writer": {"name": "a", "version": "1"}, "host": "here", "pid": 1}
Line = Callable[[int], str]


def event(number: int, **members: Any) -> str:
    """The good event of a line, with other members."""
    data = {"step": number, "loss": number / 7}
    return json.dumps(
        {"seq": number + 2, "time": TIME, "event": "batch", "data": data, **members}, separators=(",", ":")
    )


def without(number: int, member: str) -> str:
    record = json.loads(event(number))
    del record[member]
    return json.dumps(record, separators=(",", ":"))


KINDS: dict[str, Line] = {
    "empty": lambda number: "",
    "blanks": lambda number: "  \t",
    "one letter": lambda number: "x",
    "text": lambda number: f"Epoch {number}: loss 0.25",
    "cut off": lambda number: event(number)[:-1],
    "two on a line": lambda number: event(number) * 2,
    "a carriage return": lambda number: event(number) + "\r",
    "NaN": lambda number: event(number).replace('"loss":', '"loss":NaN,"x":'),
    "a byte order mark": lambda number: "\ufeff" + event(number),
    "a number": str,
    "an array": lambda number: f"[{number}]",
    "no members": lambda number: "{}",
    "other members": lambda number: json.dumps({"step": number, "loss": 0.25}),
    "no time": lambda number: without(number, "time"),
    "no data": lambda number: without(number, "data"),
    "a further member": lambda number: event(number, level="info"),
    "a name twice": lambda number: event(number)[:-1] + ',"seq":1}',
    "seq as a string": lambda number: event(number, seq=str(number)),
    "the same seq": lambda number: event(number, seq=1),
    "every second seq": lambda number: event(number, seq=2 * number + 3),
    "local time": lambda number: event(number, time=f"2026-11-22 18:24:{number % 60:02}"),
    "a time as a number": lambda number: event(number, time=number / 7),
    "no such day": lambda number: event(number, time=f"2026-02-30T18:24:{number % 60:02}.000000Z"),
    "an empty name": lambda number: event(number, event=""),
    "a reserved name": lambda number: event(number, event="mlv/batch"),
    "data as an array": lambda number: event(number, data=[number]),
    "within nothing": lambda number: event(number, within=1),
    "half a span": lambda number: event(number, span="begin", seconds=1.5),
    "a typed value": lambda number: event(number, data={"loss": {"_mlv": "float", "value": "NaN"}, "step": number}),
    "a large integer": lambda number: event(number, data={"seed": 2**64 + number}),
    "half a pair": lambda number: event(number, data={"text": "\ud800", "step": number}),
    "a wrong pause": lambda number: event(number, event="mlv/pause", data={"reason": 1}),
}

SPAN = {"span": "end", "seconds": 1.5}
NUMBERS: dict[str, tuple[Line, Line]] = {
    "a start's seq": (
        lambda number: event(number, event="mlv/start", data=SESSION, seq=1),
        lambda number: event(number, event="mlv/start", data=SESSION),
    ),
    "a pause's seq": (
        lambda number: event(number, event="mlv/pause", data={}, seq=1),
        lambda number: event(number, event="mlv/pause", data={}),
    ),
    "a rewind's to": (
        lambda number: event(number, event="mlv/rewind", data={"to": number + 2}),
        lambda number: event(number, event="mlv/rewind", data={"to": number}),
    ),
    "a begin's seq": (
        lambda number: event(number, span="begin", seq=1),
        lambda number: event(number, span="begin"),
    ),
    "an end's begin": (
        lambda number: event(number, **SPAN, begin=number + 2) if number % 2 else event(number, span="begin"),
        lambda number: event(number, **SPAN, begin=number + 1) if number % 2 else event(number, span="begin"),
    ),
}
"""Lines with a wrong number, and the same lines with the right one."""


def write(path: Path, kinds: list[Line], lines: int) -> None:
    """A bare log with so many lines, of the kinds in turn."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(event(-1, event="mlv/start", data=SESSION) + "\n")
        for number in range(lines):
            file.write(kinds[number % len(kinds)](number) + "\n")


def fail(times: int) -> None:
    """So many calls of `json.loads` that fail."""
    for _ in range(times):
        try:
            json.loads("x")
        except ValueError:
            pass


def busy(task: Callable[[], object]) -> float:
    """The processor's seconds that a task takes."""
    began = time.process_time()
    task()
    return time.process_time() - began


def ratio(path: Path, kinds: list[Line], lines: int, rounds: int) -> float:
    """What a finding costs, in calls of `json.loads` that fail."""
    write(path, kinds, lines)
    [target] = validate(path).targets
    findings = len(target.findings) + sum(one.number for one in target.omitted)
    assert findings >= lines * 0.7, f"{findings} findings of {lines} lines"  # of an unknown version, some are none
    return statistics.median(busy(lambda: validate(path)) / busy(lambda: fail(findings)) for _ in range(rounds))


def difference(path: Path, wrong: Line, right: Line, lines: int, rounds: int) -> float:
    """What a finding costs more than the same line without it, in calls of `json.loads` that fail."""
    good = path.with_name("good.jsonl")
    write(path, [wrong], lines)
    write(good, [right], lines)
    [target], [none] = validate(path).targets, validate(good).targets
    findings = len(target.findings) + sum(one.number for one in target.omitted)
    assert findings >= lines // 2 and not none.findings, f"{findings} findings of {lines} lines; {none.findings[:1]}"
    return statistics.median(
        (busy(lambda: validate(path)) - busy(lambda: validate(good))) / busy(lambda: fail(findings))
        for _ in range(rounds)
    )


def growth(path: Path, few: int, many: int, rounds: int) -> float:
    """What a finding that is only counted costs in a log with all kinds in turn: what more lines cost."""
    longer = path.with_name("longer.jsonl")
    write(path, list(KINDS.values()), few)
    write(longer, list(KINDS.values()), many)
    [short], [long] = validate(path).targets, validate(longer).targets
    assert len(long.findings) == len(short.findings) > 10_000, "only counted findings were added"
    findings = sum(one.number for one in long.omitted) - sum(one.number for one in short.omitted)
    tasks: list[Callable[[], object]] = [lambda: validate(longer), lambda: validate(path), lambda: fail(findings)]
    times = [[busy(task) for task in tasks] for _ in range(rounds)]
    most, least, failing = (min(round_[task] for round_ in times) for task in range(len(tasks)))
    return (most - least) / failing  # of the least times: a difference of medians would be mostly noise


def listed(lines: int, rounds: int) -> Iterator[tuple[str, float]]:
    """What each step takes for a finding that is listed, over all kinds, in calls of `json.loads` that fail.

    The first two steps decide which rules a line breaks, so they are the least that a listed finding can cost.
    """
    raw = [line(number).encode("utf-8", "surrogatepass") for number in range(lines) for line in KINDS.values()]
    events = [parsed.value for parsed in (parse(line, line=True) for line in raw) if not parsed.broken]
    steps: dict[str, Callable[[], object]] = {
        "parse": lambda: deque((parse(line, line=True) for line in raw), 0),
        "rules": lambda: deque((check_event(e, is_known=True, typed=True, quiet=lambda _: True) for e in events), 0),
        "rules and messages": lambda: deque((check_event(e, is_known=True, typed=True) for e in events), 0),
    }
    for name, step in steps.items():
        found = statistics.median(busy(step) / busy(lambda: fail(len(raw))) for _ in range(rounds))
        yield f"... listed: {name}", found


def all_ratios(lines: int, rounds: int) -> Iterator[tuple[str, float]]:
    """The ratio for each kind, and for all kinds in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        for name, line in KINDS.items():
            yield name, ratio(path, [line], lines, rounds)
        for name, (wrong, right) in NUMBERS.items():
            yield name, difference(path, wrong, right, lines, rounds)
        yield "all kinds in turn", ratio(path, list(KINDS.values()), lines, rounds)
        yield "... only counted", growth(path, lines, 3 * lines, rounds)
    yield from listed(1000, rounds)


if __name__ == "__main__":
    for name, found in all_ratios(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 5):
        print(f"{name:30} {found:5.2f}", flush=True)
