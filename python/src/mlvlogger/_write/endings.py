"""How a session ends: the data of an ``mlv/end``, without the seal (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .._options import check_choice
from .exceptions import with_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ending", "outcome"]


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
    check_choice("status", status, ("completed", "failed", "interrupted"))
    if error is None:
        return {"status": status}
    return {"status": status, "error": with_traceback(error)}
