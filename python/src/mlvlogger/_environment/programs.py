"""Other programs: run within a bounded time, and with a bounded output, whatever they do."""

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
    """A program didn't give its output. The text is the reason: one sentence without a full stop.

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
    """Return the first *cap* bytes that a program writes, and whether there were more.

    The program is killed, with all that it started, when it has written more or when *seconds* are over.

    Args:
        program: The name of the program, which is searched for on the PATH.
        words: Its arguments.
        seconds: The time that it may take.
        cap: The number of bytes to read.
        variables: Its environment variables; those of this process by default.

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
            start_new_session=True,  # a separate process group, to be killed with all it started
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise Failed(f"{program} could not be started: {error.strerror}") from None
    texts = [b"", b""]

    # Threads, because pipes cannot be polled on Windows, and `communicate` has no bound for what it reads.
    def read(number: int, pipe: Any) -> None:
        with pipe:
            texts[number] = pipe.read(cap + 1)

    pipes = (process.stdout, process.stderr)
    readers = [threading.Thread(target=read, args=item, daemon=True) for item in enumerate(pipes)]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
            if len(texts[0]) > cap:
                return texts[0][:cap], True
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
        lines = os.fsdecode(texts[1]).splitlines()
        # Warnings may come before the reason.
        reasons = [line for line in lines if line.startswith("fatal: ")] + lines + [f"{program} ended with code {code}"]
        failure = Failed(reasons[0].removeprefix("fatal: ")[:300])
        failure.code = code
        raise failure
    return texts[0], False


def _end(process: Any) -> None:
    """Kill *process* and all that it started, if it still runs."""
    if process.returncode is not None:  # its number may be another's by now
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(1.0)
    except (OSError, subprocess.TimeoutExpired):  # it ended by itself, or hangs inside the system and cannot be killed
        pass
