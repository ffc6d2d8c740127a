"""Whether a writer is running, by the lock files of a stream."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, LockHolder, Logger, lock_holders, read

HOME = Path("runs/e")
FOLDER = HOME / ".mlv-log.jsonl.lock"
WRITER = """
import sys, time
from mlvlogger import Exp
exp = Exp("runs", "e", writer=sys.argv[1])
exp.stream("gpu").event("x")
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.rule("reader.lock")
@pytest.mark.parametrize(("writer", "count"), [("direct", 1), ("process", 2)])
def test_a_running_writer_is_found_and_a_killed_one_is_not_running(writer: str, count: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, writer], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while len([holder for holder in lock_holders(HOME) if holder.pid]) < count:
            pass  # the writer process starts
        while not all(holder.pid for holder in lock_holders(HOME, "log/gpu.jsonl")):
            pass  # a lock file is created before it is written
        before = sorted(path.name for path in FOLDER.iterdir())
        for stream in ("log.jsonl", "log/gpu.jsonl"):
            holders = lock_holders(HOME, stream)
            assert process.pid in [holder.pid for holder in holders]
            assert {(holder.host, holder.is_running) for holder in holders} == {(os.uname().nodename, True)}
        assert read(HOME).is_running is True
    finally:
        process.kill()
        process.communicate()
    assert sorted(path.name for path in FOLDER.iterdir())[0] in before, "an observer removes no lock file"
    while read(HOME).is_running:
        pass  # the writer process writes what is left, and ends
    assert read(HOME).state == "open" and read(HOME).is_running is False
    assert process.pid in [holder.pid for holder in lock_holders(HOME)]


def test_no_lock_file_means_that_nobody_writes() -> None:
    with Exp("runs", "e"):
        assert read(HOME).is_running is True
        assert lock_holders(HOME, "log/other.jsonl") == []
    assert lock_holders(HOME) == [] and read(HOME).is_running is False
    log = Logger("a.jsonl")
    assert lock_holders(".", "a.jsonl") == [LockHolder(os.uname().nodename, os.getpid(), True)]
    log.close()
    with pytest.raises(FileNotFoundError):
        lock_holders("nowhere")


CHANGES: dict[str, Any] = {
    "another boot": {"boot": "00000000-0000-0000-0000-000000000000"},
    "no boot": {"boot": None},
    "another PID namespace": {"pids": "pid:[1]"},
    "a later form": {"mlv_lock": 2},
    "no process": {"pid": "x"},
}


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/pid"), reason="not applicable: it needs /proc")
@pytest.mark.parametrize("change", CHANGES)
def test_a_lock_file_that_cannot_be_examined_is_not_known(change: str) -> None:
    with Exp("runs", "e"):
        [file] = FOLDER.iterdir()
        content = json.loads(file.read_text()) | CHANGES[change]
        (FOLDER / ("0" * 32)).write_text(json.dumps(content))
        assert sorted(str(holder.is_running) for holder in lock_holders(HOME)) == ["None", "True"]
        assert read(HOME).is_running is True, "one is running"
        file.unlink()
        assert read(HOME).is_running is None
        (FOLDER / ("0" * 32)).write_text('{"mlv_lock"')
        assert read(HOME).is_running is None
        (FOLDER / ("0" * 32)).unlink()


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/pid"), reason="not applicable: it needs /proc")
def test_a_process_that_has_the_number_of_an_earlier_one_is_another_one() -> None:
    with Exp("runs", "e"):
        [file] = FOLDER.iterdir()
        (FOLDER / ("0" * 32)).write_text(json.dumps(json.loads(file.read_text()) | {"started": "1"}))
        file.rename("lock")
        assert [holder.is_running for holder in lock_holders(HOME)] == [False]
        Path("lock").rename(file)
        (FOLDER / ("0" * 32)).unlink()


@pytest.mark.rule("reader.links")
def test_a_lock_folder_that_is_a_link_or_a_file_is_not_followed() -> None:
    with Exp("runs", "e"):
        pass
    Path("elsewhere").mkdir()
    FOLDER.symlink_to(Path("elsewhere").resolve())
    assert read(HOME).is_running is None
    FOLDER.unlink()
    FOLDER.write_text("")  # as writers of a draft did
    assert read(HOME).is_running is None
