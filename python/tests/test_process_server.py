"""The writer process at moments that only a test can choose: it does the work of the process, which is stopped."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from mlvlogger import Logger
from mlvlogger._disk.line_file import LineFile
from mlvlogger._write.process.ring import TAIL, Ring
from mlvlogger._write.process.server import _Server
from mlvlogger._write.unsealed_hash import UnsealedHash
from writer_process import wait_for_writer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="not applicable: Windows has no posix_spawn")


@pytest.mark.rule("writer.file-check")
def test_a_large_event_after_the_size_was_read_is_not_taken_for_a_change_by_another_program(
    monkeypatch: pytest.MonkeyPatch, events: Callable[..., Any]
) -> None:
    """The logger process writes a large line itself, just after the writer process has read the size of the log."""
    log = Logger("a.jsonl", writer="process")
    writer = wait_for_writer(log)
    pid, lock = writer._process.pid, writer.file.lock
    assert lock is not None
    os.kill(pid, signal.SIGSTOP)  # the test does its work
    try:
        log.event("small", n=1)
        file = LineFile.from_descriptor(os.open("a.jsonl", os.O_RDWR | os.O_APPEND), "a.jsonl")
        server = _Server(writer._ring, UnsealedHash(file, 0), os.open(os.devnull, os.O_RDONLY), lock)
        server._tail = writer._ring.words[TAIL]
        while server._write():
            pass
        records_from = Ring.records_from

        def late(ring: Ring, tail: int) -> Any:
            monkeypatch.setattr(Ring, "records_from", records_from)
            log.event("large", text="x" * 200_000)
            log.event("small", n=2)
            return records_from(ring, tail)

        monkeypatch.setattr(Ring, "records_from", late)
        while server._write() or Ring.records_from is late:
            pass
        file.close()
    finally:
        os.kill(pid, signal.SIGKILL)
    with pytest.warns(RuntimeWarning, match="SIGKILL"):
        log.close()
    written = [event["event"] for event in events("a.jsonl")]
    assert written == ["mlv/start", "small", "large", "small", "mlv/end"]
