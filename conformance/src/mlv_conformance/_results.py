"""The result of one test of the suite."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "warned", "unsupported", "omitted"]
"""`warned`: only a SHOULD is broken. `omitted`: this machine can't run the test."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one test of a class at a level; `rules` are the tested rules, `detail` says what is wrong."""

    class_: Literal["writer", "reader", "validator"]
    level: Literal["core", "sealed"]
    name: str
    rules: tuple[str, ...]
    outcome: Outcome
    detail: str = ""
