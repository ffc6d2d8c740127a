"""The process writer of a log, as tests inspect it."""

import time

from mlvlogger import Logger
from mlvlogger._write.process.client import ProcessWriter
from mlvlogger._write.process.ring import READY


def writer_of(log: Logger) -> ProcessWriter:
    """Return the writer of a log that was opened with `writer="process"`."""
    writer = log._stream._destination.writer
    assert isinstance(writer, ProcessWriter)
    return writer


def wait_for_writer(log: Logger) -> ProcessWriter:
    """Return the writer as soon as the writer process writes: until then, the logger process does."""
    writer = writer_of(log)
    while not writer._ring.words[READY]:
        time.sleep(0.001)
    return writer
