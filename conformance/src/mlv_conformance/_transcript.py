"""What a driver was asked and what it answered, in the words that it was asked in."""

import shlex
from collections.abc import Mapping, Sequence

_LONGEST = 4000  # characters of a line; some answers have millions


class Transcript:
    """The processes of the driver in one test, with their input, answers and ends, one line for each."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._processes = 0

    def begin(self) -> None:
        """Forget the test before."""
        self._lines.clear()
        self._processes = 0

    def started(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Add the start of a process, and return its number."""
        self._processes += 1
        variables = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
        self.add(self._processes, "$", " ".join([*variables, shlex.join(command)]))
        return self._processes

    def add(self, process: int, mark: str, text: str) -> None:
        """Add a line: `>` is input, `<` an answer, `!` an end or a failure, `2` standard error."""
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text)} characters)"
        self._lines += [f"[{process}] {mark} {line}" for line in shown.splitlines() or [""]]

    def text(self) -> str:
        """Return all lines."""
        return "".join(f"{line}\n" for line in self._lines)
