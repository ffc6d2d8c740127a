"""Running other programs with a time limit and bounded output."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["Failed", "run"]

_MAX_OUTPUT = 4 * 1024 * 1024  # bytes


class Failed(Exception):
    """The error for a program that failed. The message is the reason: one sentence without a period.

    Attributes:
        code: The exit status, or None if the program didn't end by itself.
    """

    code: int | None = None


def run(
    program: str,
    words: Iterable[str],
    seconds: float,
    cap: int = _MAX_OUTPUT,
    variables: dict[str, str] | None = None,
) -> tuple[bytes, bool]:
    """Run a program, and return the first *cap* bytes of its output, and whether there were more.

    If the program writes more, or the time is over, it is killed with all processes that it started.

    Args:
        program: The name of the program, which is searched for on the PATH.
        words: The arguments.
        seconds: The time limit.
        cap: The maximum number of bytes to read.
        variables: The environment variables; by default those of this process.

    Raises:
        Failed: If the program isn't installed, can't be started, ends with an error, or isn't done in time.
    """
    deadline = time.monotonic() + seconds
    path = shutil.which(program)
    if path is None:
        raise Failed(f"{program} is not installed")
    try:
        process = subprocess.Popen(
            [path, *words],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a separate process group, which can be killed as a whole
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise Failed(f"{program} could not be started: {error.strerror}") from None
    outputs = [b"", b""]  # standard output and standard error

    # Threads, because pipes can't be polled on Windows, and `communicate` doesn't limit the bytes that it reads.
    def read(number: int, pipe: Any) -> None:
        with pipe:
            outputs[number] = pipe.read(cap + 1)

    pipes = (process.stdout, process.stderr)
    readers = [threading.Thread(target=read, args=item, daemon=True) for item in enumerate(pipes)]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
            if len(outputs[0]) > cap:
                return outputs[0][:cap], True
            if reader.is_alive():
                raise subprocess.TimeoutExpired(program, seconds)
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Failed(f"{program} did not finish within {round(seconds, 1):g} seconds") from None
    except RuntimeError as error:  # no further thread can be started
        raise Failed(f"{program} could not be read: {error}") from None
    finally:
        _end(process)
    if code:
        lines = os.fsdecode(outputs[1]).splitlines()
        # Warnings may come before the reason.
        reasons = [line for line in lines if line.startswith("fatal: ")] + lines + [f"{program} ended with code {code}"]
        failure = Failed(reasons[0].removeprefix("fatal: ")[:300])
        failure.code = code
        raise failure
    return outputs[0], False


def _end(process: Any) -> None:
    """Kill *process* and all processes that it started, if it still runs."""
    if process.returncode is not None:  # another process may have its number by now
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(1.0)
    except (OSError, subprocess.TimeoutExpired):  # it ended by itself, or hangs inside the system and cannot be killed
        pass
