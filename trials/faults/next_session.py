"""The session after a fault, in the process of the trial."""

from __future__ import annotations

import os
import time
from pathlib import Path

from acks import Acks
from events import data
from mlvlogger import Exp

__all__ = ["log_next_session"]


def log_next_session(experiment: Path, writer: str, acks: Acks) -> None:
    """Open the experiment as a requeued script would, log three events, and close it; add the events to *acks*."""
    with Exp(experiment.parent, experiment.name, exists="resume", writer=writer) as exp:
        source = f"again.{os.getpid()}.{time.monotonic_ns()}"
        acks.sources.add(source)
        for number in range(3):
            seq = exp.log.event("again", data(source, number))
            assert seq is not None
            acks.kept[source, number] = ("log.jsonl", seq)
