"""An exception in a record: its type, message and traceback, without secrets (specification 1.0, chapter Lifecycle).

The user didn't choose what is in them: a message may quote an address with a password, a traceback a line with a key.
"""

from __future__ import annotations

from .._messages import message_of, qualname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["preload", "summary", "with_traceback"]

_MAX_TEXT = 10_000  # characters; of a longer text, the last ones are recorded
_MAX_SUMMARY = 1000  # characters of a message in `summary`

_traceback: Any = None
_redact_lines: Any = None


def preload() -> None:
    """Import what this module needs, but most programs don't. When the interpreter exits, it is too late to import."""
    global _traceback, _redact_lines
    if _traceback is None:
        import traceback

        from .._secrets import redact_lines

        _traceback, _redact_lines = traceback, redact_lines


def summary(error: BaseException) -> dict[str, str]:
    """Return the type and the message."""
    return {"type": qualname(type(error)), "message": _without_secrets(message_of(error)[:_MAX_SUMMARY])}


def with_traceback(error: BaseException) -> dict[str, str]:
    """Return the type, the message and the traceback."""
    preload()
    try:
        trace = "".join(_traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # the exception can't be formatted
        trace = "".join(_traceback.format_tb(error.__traceback__))
    texts = {"type": qualname(type(error)), "message": message_of(error), "traceback": trace}
    return {name: _without_secrets(_shorten(text)) for name, text in texts.items()}


def _shorten(text: str) -> str:
    return text[-_MAX_TEXT:].encode("utf-8", "backslashreplace").decode("utf-8")


def _without_secrets(text: str) -> str:
    preload()
    return _redact_lines(text)[0]  # type: ignore[no-any-return]
