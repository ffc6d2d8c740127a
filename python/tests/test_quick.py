"""The quick way to read says what the full way says, of forty thousand lines that were tampered with."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Event, Exp, Experiment, UnsupportedVersion, read
from mlvlogger._read.fast import Series, quick_events

LOG = Path("runs/e/log.jsonl")

LINES = [
    '{"seq":3,"time":"2026-11-30T18:24:00.000000Z","event":"x","data":{"step":7,"loss":0.53125,"lr":3e-4},"within":2}',
    '{"seq":4,"time":"2026-11-30T18:24:00.010000Z","event":"x","data":{"step":8,"loss":1,"lr":-1.5e-05}}',
    '{"seq":5,"time":"2026-11-30T18:24:00.020000Z","event":"x","data":{"loss":2.5,"step":8.0}}',
    '{"seq":6,"time":"2026-11-30T23:59:59.999999Z","event":"x/y","data":{"loss":-3}}',
    '{"seq":7,"time":"2026-12-01T00:00:00.000000Z","event":"x/y","data":{"loss":0.125,"text":"a: b","b":true}}',
    '{"seq":8,"time":"2026-12-01T00:00:01.000000Z","event":"x","data":{"loss":{"_mlv":"float","value":"nan"},"step":1}}',
    '{"seq":9,"time":"2026-12-01T00:00:02.000000Z","event":"x","data":{"loss":4,"a":{"b":[1,{"c":2.5}]},"step":2}}',
    '{"seq":10,"time":"2026-12-01T00:00:03.000000Z","event":"epoch","data":{"n":1},"span":"begin","within":2}',
    '{"seq":11,"time":"2026-12-01T00:00:04.000000Z","event":"epoch","data":{},"span":"end","begin":10,"seconds":1.5}',
    '{"seq":12,"time":"2026-12-01T00:00:05.000000Z","event":"mlv/pause","data":{"reason":"x"}}',
    '{"seq":13,"time":"2026-12-01T00:00:06.000000Z","event":"mlv/rewind","data":{"to":11}}',
    '{"seq":14,"time":"2026-12-01T00:00:07.000000Z","event":"x","data":{"__mlv":2,"loss":0.5}}',
    '{"seq":15,"time":"0000-12-01T00:00:07.000000Z","event":"x","data":{"loss":0.5}}',
    '{"seq": 16, "time": "2026-12-01T00:00:07.000000Z", "event": "x", "data": {"loss": 1}}',
]
# What is inserted, or replaces something.
PARTS = (
    """
0 00 01 -0 -1 1.0 .5 5. 1e5 1E+2 1e-400 1e400 1e99 1e100 e5 .5e400 123456789012345 1234567890123456 9007199254740991
9007199254740992 -9007199254740992 0.1234567890123456789012345678901 NaN Infinity -Infinity nan true false null + - _
" \\ / { } [ ] , : {} [] [[]] "a":1, "loss":2, ,"loss":2 "step":5, "seq":3, ,"within":2 ,"data":{} ,"time":"x" ,"new":1
"\\u006coss":2, \\u0041 \\ud800 \\n _mlv "_mlv":1, "__mlv":1, "_mlv":"float", {"_mlv":"int","value":"5"}
{"_mlv":"float","value":"inf"} loss step x mlv/ mlv span ,"span":"begin" ,"span":"end" ,"begin":3 ,"seconds":0 é ÿ
\U0001f600 2026-02-28 2026-02-29 2028-02-29 2026-11-31 0000-01-01 T24:00:00.000000Z T23:59:60.000000Z +00:00 Z T
""".split()
    + [" ", "\t", "\r", "\x00", "\x1f", "\x7f", "\x85", "\u2028", "", "[" * 62 + "]" * 62, "[" * 63 + "]" * 63]
)
NAMES = ["_mlv", "__mlv", "___mlv", "step", "loss", "data"]
NUMBER = r"(?<=:)-?[0-9][^,}]*"
NAME = r'(?<=")[a-z_]+(?=":)'
RAW = [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\x80"]


def tampered(rng: random.Random) -> bytes:
    line = rng.choice(LINES).encode()
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3))):
        part = rng.choice(RAW) if rng.random() < 0.05 else rng.choice(PARTS).encode()
        # Most faults are made where one token ends and another begins, since these are the harder to see.
        ends = [at for at, char in enumerate(line) if char in b'{}[]:,"-.T']
        begin = rng.choice(ends) + rng.randrange(2) if ends and rng.random() < 0.7 else rng.randrange(len(line) + 1)
        end = begin + rng.choice((0, 0, 1, 1, 2, rng.randrange(30)))
        line = line[:begin] + (part if rng.random() < 0.8 else b"") + line[end:]
    return line.replace(b"\n", b"") + b"\n"


def replaced() -> Iterator[bytes]:
    """Each number and each name of each line, replaced by each."""
    for line in LINES:
        for pattern, others in ((NUMBER, PARTS), (NAME, NAMES)):
            for match in re.finditer(pattern, line):
                yield from (f"{line[: match.start()]}{other}{line[match.end() :]}\n".encode() for other in others)


def in_full(stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    yield from enumerate(block.split(b"\n")[:-1], number)


def metric(events: list[Event], name: str) -> tuple[list[int], list[Any]]:
    """As the chapter Metrics says it, of a list of events."""
    steps, values, counts = list[int](), list[Any](), dict[str, int]()
    for event in events:
        value, step = event.data.get(name), event.data.get("step")
        if type(value) in (int, float):
            counts[event.name] = counts.get(event.name, -1) + 1
            whole = type(step) is int or (type(step) is float and step.is_integer())
            steps.append(int(step) if whole else counts[event.name])  # type: ignore[arg-type]
            values.append(value)
    return steps, values


def reported(run: Experiment) -> list[str]:
    return sorted(map(str, run.problems))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_tampered_lines_are_read_equally_by_both_readers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    Exp("runs", "e").close()
    start = b'{"seq":1,"time":"2026-11-30T18:24:00.000000Z","event":"mlv/start","data":{"mlv":"1.0"}}\n'
    # More than a block of good ones, so that their shapes are known.
    lines = [start, *(f"{line}\n".encode() for line in LINES * 60)]
    lines += replaced() if seed == 0 else (tampered(rng) for _ in range(5000))
    if seed % 2:
        lines = [line for line in lines if b"rewind" not in line]
    LOG.write_bytes(b"".join(lines))

    full, quick = read("runs/e"), read("runs/e")
    expected = list(full._read("log.jsonl", in_full))
    events = list(quick._read("log.jsonl"))
    assert [*map(repr, events)] == [*map(repr, expected)]
    assert reported(quick) == reported(full)
    assert len(expected) > 1500 and len(full.problems) > 1000

    is_superseded = full._superseded("log.jsonl")
    counted = [
        event
        for event in expected
        if not event.name.startswith("mlv/") and not (is_superseded and is_superseded(event.seq))
    ]
    assert (is_superseded is None) == bool(seed % 2)
    for pattern, name in (("**", "loss"), ("x", "loss"), ("**", "step"), ("x", "lr")):
        chosen = [event for event in counted if pattern in ("**", event.name)]
        again = read("runs/e")
        assert repr(again.metric(pattern, name)) == repr(metric(chosen, name))
        assert reported(again) == reported(full)


def test_a_refused_session_is_noticed_by_the_fast_reader() -> None:
    Exp("runs", "e").close()
    LOG.write_bytes(b'{"seq":1,"time":"2026-11-30T18:24:00.000000Z","event":"mlv/start","data":{"mlv":"2.0"}}\n')
    run = read("runs/e")
    with pytest.raises(UnsupportedVersion):
        list(run._read("log.jsonl"))
    with pytest.raises(UnsupportedVersion):
        run.metric("x", "loss")


@pytest.mark.slow
def test_most_lines_are_read_by_the_fast_reader() -> None:
    """Otherwise the comparison above would say little."""
    with Exp("runs", "e") as exp:
        for step in range(3000):
            with exp.log.span("epoch", n=step) as epoch:
                epoch.event("batch", step=step, loss=step / 7, text="a", flag=True)
    block = b"".join(LOG.read_bytes().splitlines(True)[1:-1])
    assert {type(found) for found in quick_events("log.jsonl", 2, block)} == {Event}
    series = Series("loss", lambda name: True, None)
    for event in read("runs/e")._read("log.jsonl", series.read_block):
        series.add(event)
    half = len(series.positions)
    assert list(series.read_block("log.jsonl", 2, block)) == [] and len(series.positions) == 2 * half == 6000
