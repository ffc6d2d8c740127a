"""Programs under test: real processes, with the side channel, that can be killed alone or with all their children."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

from acks import Acks, Channel

__all__ = ["Program", "holders", "is_released", "kill_all"]

_PATIENCE = 5.0  # seconds after which what should have ended counts as hung


@functools.cache
def _scripts() -> Path:
    """The programs, in the trial's directory: a git repository, where they are, is inspected at every start."""
    here = Path(__file__).parent
    copy = Path(tempfile.mkdtemp(prefix="programs-", dir="."))
    for script in (here / "events.py", *(here / "programs").glob("*.py")):
        shutil.copy(script, copy)
    return copy.resolve()


class Program:
    """A script of `programs/`, started.

    Args:
        directory: Where it runs.
        writer: "direct" or "process".
        name: The script, without ``.py``.
        arguments: For the script.
        before: Words before the interpreter, such as strace and its options.
        environment: Variables besides this process's.
        is_asked: Does it answer lines on its stdin? Then see `ask`.

    Attributes:
        process: The `subprocess.Popen`; its pid is that of the first word of *before*, where there are any.
        channel: What it says.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        name: str,
        *arguments: object,
        before: Iterable[str] = (),
        environment: dict[str, str] | None = None,
        is_asked: bool = False,
    ) -> None:
        self._directory = directory
        self.channel = Channel(directory / f".acks-{time.monotonic_ns()}")
        command = [*before, sys.executable, str(_scripts() / f"{name}.py"), *map(str, arguments)]
        variables = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "MLV_FAULTS_ACKS": str(self.channel.path),
            "MLV_FAULTS_WRITER": writer,
            **(environment or {}),
        }
        self._errors = (directory / ".stderr").open("w+b")
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env=variables,
            stdin=subprocess.PIPE if is_asked else subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_asked else subprocess.DEVNULL,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        _started.add(self)

    def ask(self, line: str) -> str:
        """The line that it answers to *line*; empty where it has died."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def dismiss(self) -> int | None:
        """Tell it that nothing more will be asked; what `wait` returns."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.wait()

    def kill(self, tree: bool = False) -> None:
        """SIGKILL for the program alone, or for all that came from it."""
        for pid in [self.process.pid, *(_descendants(self.process.pid) if tree else ())]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def request_end(self) -> None:
        """Let an endless program end."""
        (self._directory / "end").touch()

    def children(self) -> list[int]:
        """The processes that came from it and are there, except itself."""
        return list(_descendants(self.process.pid))

    def wait_for_children(self) -> None:
        """Return when each process that came from it has written something: an interpreter takes a while to start."""
        deadline = time.monotonic() + 20
        for pid in self.children():
            while "wchar: 0\n" in Path(f"/proc/{pid}/io").read_text() and time.monotonic() < deadline:
                time.sleep(0.001)

    def wait(self, seconds: float = 60.0) -> int | None:
        """Its exit code, negative for a signal; None where it has not ended in time, and is killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(tree=True)
            return None

    def end(self, directory: Path) -> tuple[Acks, bool]:
        """Return its output, once no process has a file below *directory* open; and whether that took too long."""
        hangs = not is_released(directory)
        return self.channel.close(), hangs

    @property
    def errors(self) -> str:
        """What it wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")


_started: weakref.WeakSet[Program] = weakref.WeakSet()


def kill_all() -> None:
    """Kill the programs that a failed trial has started."""
    for program in list(_started):
        if program.process.poll() is None:
            program.kill(tree=True)


def _descendants(pid: int) -> Iterator[int]:
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _descendants(int(child))
                yield int(child)
    except OSError:
        return


def is_released(directory: Path) -> bool:
    """Wait until no process has a file below *directory* open; return False after a timeout."""
    deadline = time.monotonic() + _PATIENCE
    while holders(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def holders(directory: Path) -> list[int]:
    """The processes that have a file below *directory* open, other than this one."""
    below = f"{os.path.realpath(directory)}/"
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdecimal() or int(pid) == os.getpid():
            continue
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith(below):
                    found.append(int(pid))
                    break
            except OSError:
                continue
    return found
