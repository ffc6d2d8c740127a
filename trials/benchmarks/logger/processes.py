"""Trials and scripts seen from outside: what all their processes cost, what they leave, and how they are killed."""

import contextlib
import ctypes
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

__all__ = ["kill", "script", "trial", "workplace"]

TRIAL = Path(__file__).with_name("trial.py")
_PR_SET_CHILD_SUBREAPER = 36

# Every process that a trial leaves becomes our child: none is missed in the CPU time, none escapes a kill.
ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextlib.contextmanager
def workplace(base: Path | None) -> Iterator[Path]:
    """A directory for one trial: ``log/`` is the subject's, ``home/`` its home, the rest ours. Removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="mlv-bench-", dir=base))
    try:
        (place / "log").mkdir()
        (place / "home").mkdir()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _start(command: list[Any], place: Path, variables: dict[str, str] | None) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    environment.update(HOME=str(place / "home"), **variables or {})
    with open(place / "output", "ab") as output:
        return subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=place, env=environment
        )


def _descendants() -> list[int]:
    return [process.pid for process in psutil.Process().children(recursive=True)]


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(process: subprocess.Popen[bytes], timeout: float, grace: float) -> dict[str, Any]:
    """Wait for a process, and for its remaining children; the CPU time of all, and how much is left and how long."""
    overdue = threading.Timer(timeout, lambda: _kill(_descendants()))
    overdue.start()
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.perf_counter()
    overdue.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    left = len(_descendants())
    overdue = threading.Timer(grace, lambda: _kill(_descendants()))
    overdue.start()
    with contextlib.suppress(ChildProcessError):
        while True:
            _, _, usage = os.wait4(-1, 0)
            cpu += usage.ru_utime + usage.ru_stime
    overdue.cancel()
    return {"cpu": cpu, "ended": ended, "left": left, "left_seconds": time.perf_counter() - ended if left else 0.0}


def _last_line(place: Path) -> str:
    lines = [line for line in (place / "output").read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it ended without a word"


def trial(
    python: Path | str,
    subject: str,
    place: Path,
    *,
    do: str = "log",
    variables: dict[str, str] | None = None,
    timeout: float = 300,
    **spec: Any,
) -> dict[str, Any]:
    """Run one trial to its end; what it says, and ``others_cpu``, the CPU seconds of all processes but its first.

    Where it fails, {"failed": the last line of its output}; where the subject is not there, {"absent": why}.
    """
    settings = {"shape": "scalars", "events": 1, "seconds": 3600, "paced": False, "acknowledged": None, **spec}
    settings.update(do=do, subject=subject, directory=str(place / "log"), result=str(place / "result"))
    process = _start([python, TRIAL, json.dumps(settings)], place, variables)
    outside = _reap(process, timeout, grace=10)
    try:
        result: dict[str, Any] = json.loads((place / "result").read_text("utf-8"))
    except FileNotFoundError:
        return {"failed": _last_line(place)}
    (place / "result").unlink()
    return {**result, "others_cpu": outside["cpu"] - result["total_cpu"]}


def kill(python: Path | str, subject: str, place: Path, *, tree: bool, seconds: float, paced: bool) -> dict[str, Any]:
    """SIGKILL a trial that has logged for some seconds, alone or with all its processes, and read what it left.

    With *tree* the helpers go first, so that none can save what the trainer handed over in between; without, they
    have ten seconds to end by themselves.
    """
    (place / "count").write_bytes(bytes(8))
    spec = {"shape": "scalars", "events": 2**31, "seconds": 3600, "paced": paced, "acknowledged": str(place / "count")}
    spec.update(do="log", subject=subject, directory=str(place / "log"), result=str(place / "result"))
    process = _start([python, TRIAL, json.dumps(spec)], place, None)
    with open(place / "count", "rb") as file:
        count = memoryview(mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)).cast("q")
    overdue = time.monotonic() + 120
    while not count[0] and psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < overdue:
        time.sleep(0.01)
    time.sleep(seconds)
    helpers = [pid for pid in _descendants() if pid != process.pid]
    _kill([*helpers, process.pid] if tree else [process.pid])
    _reap(process, timeout=60, grace=10)
    if not count[0]:
        if (place / "result").exists():
            said: dict[str, Any] = json.loads((place / "result").read_text("utf-8"))
            return said
        return {"failed": _last_line(place)}
    found = trial(python, subject, place, do="read", count=count[0])
    return {"acknowledged": count[0], "helpers": len(helpers), **found}


def script(
    text: str, place: Path, *arguments: Any, python: Path | str = sys.executable, flags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run a script to its end: seconds by the clock, CPU seconds of all processes, and what it prints after "result:".

    That is JSON, on a separate line; others print too. ``started`` is CLOCK_MONOTONIC, which the script can read.
    """
    (place / "output").write_bytes(b"")
    started, begin = time.clock_gettime(time.CLOCK_MONOTONIC), time.perf_counter()
    process = _start([python, *flags, "-c", text, *arguments], place, None)
    outside = _reap(process, timeout=600, grace=10)
    if process.returncode:
        raise RuntimeError(f"{text}\nended with {process.returncode}: {_last_line(place)}")
    lines = (place / "output").read_text("utf-8", "replace").splitlines()
    printed = [json.loads(line.removeprefix("result:")) for line in lines if line.startswith("result:")]
    outside["wall"] = outside.pop("ended") - begin
    return {**outside, "started": started, "printed": printed[-1] if printed else None}
