"""What a trial reports: rows, of which each says what was done and how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from judge import Judgement

__all__ = ["Row", "Setting"]


@dataclass
class Setting:
    """What a trial is given.

    Attributes:
        writer: "direct" or "process".
        long: Run the long form?
        path: A separate empty directory; removed when all went well.
    """

    writer: str
    long: bool
    path: Path


@dataclass
class Row:
    """One line of the table.

    Attributes:
        what: What was done.
        rounds: How often.
        acknowledged, lost, wrong, duplicated, invented: Events, as in `Judgement`.
        hangs: How often something did not end in time.
        problems: Other faults, as sentences.
        control: Of a negative control: which of the numbers above must not be 0, or the harness sees nothing.
        not_run: Why this machine could not run it.
        note: What a reader of the table should know.
    """

    what: str
    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    duplicated: int = 0
    invented: int = 0
    hangs: int = 0
    problems: list[str] = field(default_factory=list)
    control: str = ""
    not_run: str = ""
    note: str = ""

    def add(self, judgement: Judgement, label: object = "", *, new: int | None = None) -> None:
        """Count a judgement.

        Args:
            label: Which one it is, for its problems.
            new: How many acknowledged events were not in a judgement before, where an experiment is judged repeatedly.
        """
        self.acknowledged += judgement.acknowledged if new is None else new
        self.lost += judgement.lost
        self.wrong += judgement.wrong
        self.duplicated += judgement.duplicated
        self.invented += judgement.invented
        self.problems += [f"{label}: {problem}" for problem in judgement.problems]

    def expect(self, is_so: bool, problem: str) -> None:
        """Fail the row with *problem* unless the condition is true."""
        if not is_so:
            self.problems.append(problem)

    @property
    def verdict(self) -> str:
        """ "passed", "failed" or "not run"."""
        if self.not_run:
            return "not run"
        if self.control:
            good = bool(getattr(self, self.control))
        else:
            good = not (self.lost or self.wrong or self.duplicated or self.invented or self.hangs or self.problems)
        return "passed" if good and self.rounds else "failed"
