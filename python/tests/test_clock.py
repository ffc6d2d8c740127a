"""Clocks jump: times stay valid, spans are measured by another clock, and the order is that of `seq`."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, read, ref

SECOND = 10**9
DAY = 86_400 * SECOND
NOW = 1_800_000_000 * SECOND
# The wall clock's time, and the time in the record.
TIMES = {
    NOW: "2027-01-15T08:00:00.000000Z",
    NOW + 999_999_999: "2027-01-15T08:00:00.999999Z",
    0: "1970-01-01T00:00:00.000000Z",
    1: "1970-01-01T00:00:00.000000Z",
    123_456_789: "1970-01-01T00:00:00.123456Z",
    -1: "1969-12-31T23:59:59.999999Z",
    -SECOND: "1969-12-31T23:59:59.000000Z",
    -(2**63): "1677-09-21T00:12:43.145224Z",
    2**63 - 1: "2262-04-11T23:47:16.854775Z",
    951_782_400 * SECOND: "2000-02-29T00:00:00.000000Z",
    253_402_300_799 * SECOND + 999_999_999: "9999-12-31T23:59:59.999999Z",
    253_402_300_800 * SECOND: "9999-12-31T23:59:59.000000Z",
    10**30: "9999-12-31T23:59:59.000000Z",
    -62_135_596_800 * SECOND: "0001-01-01T00:00:00.000000Z",
    -62_135_596_801 * SECOND: "0001-01-01T00:00:00.000000Z",
    -30_000_000_000 * SECOND: "1019-05-04T18:40:00.000000Z",
    -60_000_000_000 * SECOND: "0068-09-03T13:20:00.000000Z",
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`clock(nanoseconds)`: the wall clock stays at this time."""
    at = [NOW]
    monkeypatch.setattr(time, "time_ns", lambda: at[0])
    monkeypatch.setattr(time, "time", lambda: at[0] / SECOND)
    return lambda nanoseconds: at.__setitem__(0, nanoseconds)


def test_every_time_of_a_clock_is_written_in_the_form_of_the_specification(clock: Any, events: Any) -> None:
    """Later than the year 9999, and before the year 1, there is no time in a record: it is the last, or the first."""
    with Logger("x.jsonl") as log:
        for nanoseconds in TIMES:
            clock(nanoseconds)
            log.event("x")
            log.event("y", text="on the general way")
        clock(NOW)
    found = [event["time"] for event in events("x.jsonl")[1:-1]]
    assert found[::2] == found[1::2]
    assert found[::2] == list(TIMES.values())


@pytest.mark.rule("writer.seconds")
def test_a_clock_that_jumps_changes_neither_order_nor_spans(clock: Any, conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        for number, jump in enumerate((0, -DAY, 400 * DAY, -20_000 * DAY, 1)):
            clock(NOW + jump)
            with exp.log.span("epoch", n=number):
                clock(NOW - jump)
                exp.log.event("x", n=number)
                time.sleep(0.01)
        clock(NOW - 3 * DAY)
        exp.log.pause()
    clock(NOW - 5 * DAY)
    Exp.resume("runs/e").close()
    Exp.open("runs/e", {"later": 1}).close()
    streams = conforms("runs/e", sealed=True)
    events = streams["log.jsonl"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert any(one["time"] > other["time"] for one, other in zip(events, events[1:], strict=False))
    assert [event["data"]["n"] for event in events if event["event"] == "x"] == [0, 1, 2, 3, 4]
    assert all(0.01 <= event["seconds"] < 60 for event in events if event.get("span") == "end")
    run = read("runs/e")
    assert [event.data["n"] for event in run.events("x")] == [0, 1, 2, 3, 4]
    assert run.state == "completed" and run.problems == []


def test_a_worker_waits_by_the_monotonic_clock(clock: Any) -> None:
    from mlvlogger import NotAnExperiment

    begin = time.monotonic()
    with pytest.raises(NotAnExperiment):
        Exp.join("missing", 0, timeout=0.2)
    assert 0.2 <= time.monotonic() - begin < 60


@pytest.mark.parametrize(
    ("seconds", "modified"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.000000Z"),
        (2**40, "9999-12-31T23:59:59.000000Z"),
        (-(2**40), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_a_file_of_any_age_can_be_referred_to(
    seconds: int, modified: str, monkeypatch: pytest.MonkeyPatch, conforms: Any
) -> None:
    """Some file systems hold times of the year 36812, and before Christ."""
    Path("data").write_text("x")
    fstat = os.fstat

    class Old:
        st_mtime_ns = seconds * SECOND

        def __init__(self, fd: int) -> None:
            self.status = fstat(fd)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.status, name)

    with monkeypatch.context() as context:
        context.setattr(os, "fstat", Old)
        reference = ref("data")
    assert reference.modified == modified  # type: ignore[union-attr]
    with Exp("runs", "e", {"data": reference}):
        pass
    conforms("runs/e", sealed=True)
