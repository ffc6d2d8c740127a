"""How a session ends: the data of an ``mlv/end``, without the seal (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

import sys

from .._options import check_choice
from .exceptions import with_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ENDED", "STATUSES", "ending", "ending_at_exit", "outcome"]

STATUSES = ("completed", "failed", "interrupted", "ended")

#: The end of a stream whose user hasn't ended it, if nothing else is known (`writer.completed`).
ENDED = {"status": "ended"}


def outcome(error: BaseException | None) -> tuple[str, BaseException | None]:
    """Return the status for the end of a with block, and its exception."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "completed", None
    if isinstance(error, SystemExit):
        # Signal handlers exit with 128 + SIGINT or 128 + SIGTERM. Other code catches a KeyboardInterrupt and exits
        # with 1.
        interrupted = error.code in (130, 143) or isinstance(error.__context__, KeyboardInterrupt)
    else:
        interrupted = isinstance(error, KeyboardInterrupt)
    if interrupted:
        return "interrupted", error
    return "failed", error


def ending(status: str, error: BaseException | None) -> dict[str, Any]:
    """Return the data of an ``mlv/end``, without the members of a seal."""
    check_choice("status", status, STATUSES)
    if error is None:
        return {"status": status}
    return {"status": status, "error": with_traceback(error)}


def ending_at_exit() -> dict[str, Any]:
    """Return the data of the end of a stream whose user hasn't ended it, while the program ends.

    Python doesn't tell its exit handlers the exit code: `sys.exit(1)` and a normal end look alike. Only the exception
    that ended the program is known.
    """
    error = _fatal_error()
    if error is None:
        return ENDED
    if isinstance(error, KeyboardInterrupt):
        # Its traceback isn't recorded: formatting it imports modules that evaluate source text, and then CPython would
        # exit with code 1 instead of ending by the signal.
        return {"status": "interrupted", "error": {"type": "KeyboardInterrupt"}}
    return ending("failed", error)


def _fatal_error() -> BaseException | None:
    """Return the exception that ends the program, if there is one."""
    error = getattr(sys, "last_value", None)
    trace = getattr(sys, "last_traceback", None)
    # Interactive shells and notebooks set `sys.last_value`, too, and continue. So do debuggers and test runners, but
    # their tracebacks don't begin in the main module.
    if not isinstance(error, BaseException) or trace is None or hasattr(sys, "ps1"):
        return None
    frame = trace.tb_frame
    module = frame.f_globals.get("__name__")
    is_top_level = module == "runpy" or (module == "__main__" and frame.f_code.co_name == "<module>")
    return error if is_top_level else None
