"""What a record says of an exception (specification 1.0, chapter Lifecycle): its type, message and traceback.

The user didn't choose to record these: a message may quote an address with a password, a traceback the line with a key.
"""

from __future__ import annotations

from .._messages import message_of, qualname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["preload", "summary", "with_traceback"]

_MAX_TEXT = 10_000  # characters, the last
_MAX_BRIEF = 1000

_traceback: Any = None
_redact_lines: Any = None


def preload() -> None:
    """Import what is needed here, which most programs never need. As the interpreter ends, it is too late for that."""
    global _traceback, _redact_lines
    if _traceback is None:
        import traceback

        from .._secrets import redact_lines

        _traceback, _redact_lines = traceback, redact_lines


def summary(error: BaseException) -> dict[str, str]:
    """Type and message."""
    return {"type": qualname(type(error)), "message": _without_secrets(message_of(error)[:_MAX_BRIEF])}


def with_traceback(error: BaseException) -> dict[str, str]:
    """Type, message and traceback."""
    preload()
    try:
        trace = "".join(_traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # of an exception that cannot be shown
        trace = "".join(_traceback.format_tb(error.__traceback__))
    texts = {"type": qualname(type(error)), "message": message_of(error), "traceback": trace}
    return {name: _without_secrets(_shortened(text)) for name, text in texts.items()}


def _shortened(text: str) -> str:
    return text[-_MAX_TEXT:].encode("utf-8", "backslashreplace").decode("utf-8")


def _without_secrets(text: str) -> str:
    preload()
    return _redact_lines(text)[0]  # type: ignore[no-any-return]
