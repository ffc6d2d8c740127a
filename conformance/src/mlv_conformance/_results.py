"""What came out of one test of the suite."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "warned", "unsupported", "omitted"]
"""`warned`: only a SHOULD was not kept. `omitted`: the test cannot be made on this machine."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    The outcome of one test: for which class at which level, its name, the rules it tests, and what was wrong.
    """

    class_: Literal["writer", "reader", "validator"]
    level: Literal["core", "sealed"]
    name: str
    rules: tuple[str, ...]
    outcome: Outcome
    detail: str = ""
