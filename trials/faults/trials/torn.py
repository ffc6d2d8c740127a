"""A session begins after a last line that is torn at each of its bytes, or after what a power cut may leave."""

from __future__ import annotations

import copy
import hashlib
import random
import shutil
from collections.abc import Iterator

from judge import judge
from mlvlogger import read
from next_session import log_next_session
from program import Program
from rows import Row, Setting

__all__ = ["run"]


def run(setting: Setting) -> Iterator[Row]:
    program = Program(setting.path, setting.writer, "steps", setting.path / "e", "event")
    program.wait()
    acks, _ = program.end(setting.path)
    whole = (setting.path / "e" / "log.jsonl").read_bytes()
    place = whole.rfind(b"\n", 0, -1) + 1
    last = whole[place:]
    earlier = copy.deepcopy(acks)
    earlier.kept.popitem()
    rng = random.Random(11)
    tails = {
        "torn at every byte of the last record": [last[:size] for size in range(len(last))],
        "zeros after the last line": [bytes(size) for size in (1, 511, 4096, 1_000_000)],
        "random bytes after the last line": [rng.randbytes(size).replace(b"\n", b"\r") for size in (1, 100, 70_000)],
    }
    # With a process to start for each, only the long form has the time for every byte.
    step = 1 if setting.long or setting.writer == "direct" else 8
    for what, torn in tails.items():
        row = Row(what if step == 1 or len(torn) < 8 else what.replace("every byte", "every 8th byte"))
        for tail in torn[:: step if len(torn) > 8 else 1]:
            experiment = setting.path / f"{len(torn)}-{row.rounds}"
            shutil.copytree(setting.path / "e", experiment)
            (experiment / "log.jsonl").write_bytes(whole[:place] + tail)
            known = copy.deepcopy(earlier)
            log_next_session(experiment, setting.writer, known)
            row.add(judge(experiment, known, sealed=True), f"{len(tail)} bytes", new=3)
            start = list(read(experiment).events("mlv/start", lifecycle=True))[-1]
            expected = {"size": len(tail), "sha256": hashlib.sha256(tail).hexdigest()} if tail else None
            row.expect(
                start.data.get("recovered") == expected, f"{len(tail)} bytes: {start.data} instead of {expected}"
            )
            row.rounds += 1
        yield row
