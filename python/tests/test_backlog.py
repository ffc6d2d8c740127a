"""What waits in memory while the system refuses to write, and moves to another file."""

import json
from pathlib import Path

from mlvlogger import Logger
from mlvlogger._format.lifecycle import dropped_data, dropped_reasons, first_dropped
from mlvlogger._format.line import Pending
from mlvlogger._write.backlog import Backlog

FULL, CHANGED = "No space left on device", "Input/output error"


def test_events_that_another_process_dropped_keep_their_reasons() -> None:
    log = Logger("a.jsonl")
    writer = log._stream._destination.writer
    backlog = Backlog()
    backlog.drop(3, FULL)
    data = json.dumps({"first": 5, "last": 7, "reasons": {FULL: 1, CHANGED: 2}}).encode()
    waiting = [(4, 0, Pending(b'"x"', b"{}")), (5, 0, Pending(b'"mlv/dropped"', data))]
    backlog.insert(waiting, writer.seq)
    backlog.flush(writer)
    x, dropped = map(json.loads, Path("a.jsonl").read_text().splitlines()[1:])
    assert (x["seq"], x["event"]) == (2, "x")
    assert dropped["data"] == {"first": 3, "last": 8, "reasons": {FULL: 4, CHANGED: 2}}
    log.close()


def test_events_that_are_written_already_take_no_space_after_a_move() -> None:
    backlog = Backlog()
    for number in range(3):
        backlog.keep(Pending(b'"x"', b"{}"), number, FULL)
    one = backlog._size // 3
    backlog.move(2, 10)
    assert [seq for seq, _, _ in backlog._waiting] == [11] and one <= backlog._size <= one + 1


def test_the_data_of_a_dropped_event_can_be_read_from_its_text() -> None:
    data = dropped_data(15, 17, {FULL: 1, CHANGED: 2})
    assert json.loads(data) == {"first": 15, "last": 17, "reasons": {FULL: 1, CHANGED: 2}}
    assert first_dropped(data) == 15
    assert dropped_reasons(data) == {FULL: 1, CHANGED: 2}
