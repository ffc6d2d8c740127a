"""The error that lists the values that can't be recorded."""

from __future__ import annotations

from .._errors import CannotEncode
from .._messages import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    #: A value that can't be recorded: its path, the reason, advice (or "" for the general advice), and the exception
    #: that the code of the value raised, or None.
    Problem: TypeAlias = tuple[str, str, str, Exception | None]

__all__ = ["MAX_REFUSED", "refusal"]

MAX_REFUSED = 1000  #: values that one error lists in `problems`
_MAX_LINES = 20  # and in its message
_INSTEAD = "Pass a number, a string, a list or dict of these, or the name or the settings of an object."


def refusal(problems: list[Problem]) -> CannotEncode:
    """Return the error that lists *problems*; its `__cause__` is the first of their exceptions."""
    if len(problems) == 1:
        path, reason, advice, _ = problems[0]
        message = f"{path}: {reason} {advice or _INSTEAD}"
    else:
        names = " and ".join(dict.fromkeys(path.partition(".")[0] for path, _, _, _ in problems))
        count = f"at least {MAX_REFUSED}" if len(problems) >= MAX_REFUSED else str(len(problems))
        lines = [
            "  " + cut(f"{path}: {reason} {advice}".rstrip(), 500) for path, reason, advice, _ in problems[:_MAX_LINES]
        ]
        if more := len(problems) - len(lines):
            lines.append(f"  and {more} more")
        message = "\n".join([f"{names}: {count} values can't be recorded. {_INSTEAD}", *lines])
    errors = [error for _, _, _, error in problems]
    refused = CannotEncode(message, problems[0][0], [(path, reason) for path, reason, _, _ in problems], errors)
    refused.__cause__ = next((error for error in errors if error is not None), None)
    return refused
