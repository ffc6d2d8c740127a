"""The protocol between the suite and a driver: a program that may crash, hang, or answer nonsense.

`conformance/DRIVER.md` specifies it. Whatever a driver does becomes an answer, a failure or "not supported". No process
is left running.
"""

import json
import os
import select
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlv_conformance._transcript import Transcript

UNSUPPORTED = 64
"""The exit code of a driver that doesn't support a command."""

try:
    import resource
except ImportError:  # on Windows
    pass

MAX_ANSWER = 256 * 1024 * 1024
_MAX_ERRORS = 2000  # bytes of standard error that are shown
MAX_TIMEOUTS = 5
"""The number of timeouts in one command after which its other arguments fail without being tried."""

Answer = dict[str, Any]


class Failed(Exception):
    """An error: the driver violated the protocol, as the message says."""


class Unsupported(Exception):
    """The report of a driver that it doesn't support a command."""


class NoDriver(Exception):
    """An error: the program of the driver doesn't exist, or isn't executable."""


class Driver:
    """A command that runs a driver."""

    def __init__(self, command: Sequence[str], *, seconds: float = 10, transcript: Transcript | None = None) -> None:
        self._command = list(command)
        self._seconds = seconds
        self.transcript = transcript or Transcript()

    def ask(self, command: str, arguments: Sequence[str | Path]) -> Iterator[Answer | Failed | Unsupported]:
        """Return the answers to `id`, `read` or `validate`, one for each argument, in their order."""
        options = command.split()
        waiting = [os.fspath(argument) for argument in arguments]
        timeouts = 0
        while waiting:
            with self._running([*options, *waiting]) as process:
                while waiting:
                    process.number = self.transcript.started([*self._command, *options, waiting[0]], {})
                    try:
                        answer = process.answer()
                    except Unsupported as error:
                        yield from [error] * len(waiting)
                        return
                    except Failed as error:
                        # Only the argument at which the driver fails loses its answer: the others are asked again.
                        timeouts += process.is_timed_out
                        process.kill()
                        yield error
                        waiting.pop(0)
                        break
                    yield answer
                    waiting.pop(0)
                else:
                    process.finish()
            if timeouts >= MAX_TIMEOUTS:
                yield from [Failed(f"not tried: there was no answer within the time limit {timeouts} times")] * len(
                    waiting
                )
                return

    @contextmanager
    def write(
        self, directory: Path, environment: Mapping[str, str], arguments: Sequence[str] = ()
    ) -> Iterator["Process"]:
        """Run `write`, with further arguments. The process is killed at the end of the `with`, whatever happens."""
        with self._running(["write", os.fspath(directory), *arguments], environment) as process:
            yield process

    @contextmanager
    def _running(self, arguments: list[str], environment: Mapping[str, str] | None = None) -> Iterator["Process"]:
        command = [*self._command, *arguments]
        process = Process(command, {**os.environ, **(environment or {})}, self._seconds, self.transcript)
        if environment is not None:  # a process of `write`; `ask` adds a command for each argument
            process.number = self.transcript.started(command, environment)
        try:
            yield process
        finally:
            process.kill()


class Process:
    """A running driver."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], seconds: float, transcript: Transcript
    ) -> None:
        self.is_timed_out = False
        self.number = 0
        """The number in the transcript."""
        self._transcript = transcript
        self._seconds = seconds
        self._rest = b""
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                start_new_session=True,  # so that its children can be killed with it
                restore_signals=False,  # SIGXFSZ stays ignored: a write beyond a limit fails, and ends no process
            )
        except OSError as error:
            self._errors.close()
            raise NoDriver(f"{command[0]!r} cannot be run: {error.strerror}") from error

    @property
    def id(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, operation: Mapping[str, Any]) -> None:
        """Send an operation, without waiting for its answer."""
        assert self._process.stdin
        line = json.dumps(operation)
        self._transcript.add(self.number, ">", line)
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the process has ended, which the missing answer will show

    def has_answer(self) -> bool:
        """Return whether the driver has begun to answer, or has ended."""
        assert self._process.stdout
        return bool(self._rest or select.select([self._process.stdout], [], [], 0)[0])

    def stop(self) -> None:
        """Stop the process and its children with SIGSTOP."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the stopped processes continue."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def limit_files(self, size: int | None) -> None:
        """Let the process write no file beyond a size, or any size again.

        Raises:
            OSError: If this system has no such limit.
        """
        try:
            prlimit = resource.prlimit
        except (AttributeError, NameError):
            raise OSError("only Linux can change the limits of another process") from None
        _, hard = prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        prlimit(self._process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    def answer(self) -> Answer:
        """Return the next answer.

        Raises:
            Failed: If the driver violates the protocol.
            Unsupported: If the driver doesn't support the command.
        """
        line = self._read_line()
        self._transcript.add(self.number, "<", line.decode("utf-8", "backslashreplace"))
        try:
            answer = json.loads(line, parse_constant=_refuse_constant)
        except ValueError:
            raise Failed(f"its answer is not JSON: {ascii(line[:200].decode('utf-8', 'replace'))}") from None
        if not isinstance(answer, dict):
            raise Failed(f"its answer isn't a JSON object: {ascii(line[:200].decode('utf-8', 'replace'))}")
        return answer

    def finish(self, code: int | None = 0) -> None:
        """Close the standard input, and wait for the process to end.

        Args:
            code: The exit code that it must end with; None for any.

        Raises:
            Failed: If the process doesn't end, or ends with another exit code.
            Unsupported: If the driver doesn't support the command.
        """
        assert self._process.stdin
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._wait(code, is_answer_due=False)

    def kill(self) -> None:
        """Kill the process and its children with SIGKILL, if they still run."""
        if self._process.poll() is None:
            self._transcript.add(self.number, "!", "killed with SIGKILL")
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self._errors.close()

    def _read_line(self) -> bytes:
        """Return the next line of the standard output, without its LF."""
        assert self._process.stdout
        deadline = time.monotonic() + self._seconds
        parts = [self._rest]
        size = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in parts[-1]:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.is_timed_out = True
                    self._transcript.add(self.number, "!", f"no answer within {self._seconds:g} seconds")
                    raise Failed(f"there was no answer within {self._seconds:g} seconds")
                part = os.read(self._process.stdout.fileno(), 1 << 20)
                size += len(part)
                if not part:
                    self._wait(None)
                if size > MAX_ANSWER:
                    raise Failed(f"its answer is longer than {MAX_ANSWER} bytes")
                parts.append(part)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _wait(self, wanted: int | None, *, is_answer_due: bool = True) -> None:
        """Wait for the process to end, and raise an error unless it ends with the exit code `wanted`.

        Args:
            wanted: The exit code; None for any.
            is_answer_due: Whether each exit code is an error, because there is no answer.
        """
        try:
            code = self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self.is_timed_out = True
            raise Failed(f"it did not end within {self._seconds:g} seconds") from None
        self._transcript.add(self.number, "!", f"ended by signal {-code}" if code < 0 else f"exit code {code}")
        if tail := self._stderr_tail():
            self._transcript.add(self.number, "2", tail)
        if code == UNSUPPORTED:
            raise Unsupported("not supported")
        if is_answer_due or code != (code if wanted is None else wanted):
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            said = f"; standard error ends with {ascii(tail[-500:])}" if tail else ""
            raise Failed(f"it {how}{' instead of an answer' if is_answer_due else ''}{said}")

    def _stderr_tail(self) -> str:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _MAX_ERRORS))
        return self._errors.read().decode("utf-8", "replace").strip()


def _refuse_constant(token: str) -> None:
    """Raise an error for NaN and Infinity, which Python's parser accepts and JSON doesn't."""
    raise ValueError(token)
