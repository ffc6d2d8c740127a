"""Messages: strings for values and exceptions, and warnings that name the line of the caller.

The code of a value, such as its `__repr__`, isn't trusted: it may raise any exception.
"""

from __future__ import annotations

import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

__all__ = [
    "a_type",
    "brief",
    "cut",
    "error_line",
    "message_of",
    "printable",
    "qualname",
    "reraise_exhaustion",
    "short",
    "to_ascii",
    "type_name",
    "warn",
    "warn_once",
]

_MAX_REPR = 1000  # characters
_FREE_CALLS = 150  # nested calls that mlvlogger needs to finish, for any value


class _StackExhausted(RecursionError):
    """The error if the calls before mlvlogger's have used up the interpreter's stack, which no value has caused."""


def reraise_exhaustion(error: Exception) -> None:
    """Raise *error* again if it isn't the fault of the value whose code raised it.

    A MemoryError is raised again, and so is a RecursionError if the stack has no space for `_FREE_CALLS` further calls.
    If it has this space, code of the value had used up the stack, and has returned.
    """
    if isinstance(error, (MemoryError, _StackExhausted)):
        raise error
    if isinstance(error, RecursionError):
        try:
            _dive(_FREE_CALLS)
        except RecursionError:
            # Another class, because the callers of this function have more space and would find that it is enough.
            raise _StackExhausted(f"fewer than {_FREE_CALLS} calls are left to encode a value: {error}") from error


def _dive(levels: int) -> None:
    if levels:
        _dive(levels - 1)


def short(value: Any) -> str:
    """Return the repr of any value, cut to 1000 characters; if the repr raises, a string that says so."""
    kind = type(value)
    try:
        if issubclass(kind, int) and int.bit_length(value) > 2000:
            return f"<{qualname(kind)} of {int.bit_length(value)} bits>"
        if issubclass(kind, (dict, list, tuple, set, frozenset)) or kind.__name__ == "deque":
            import reprlib  # a container's own repr may be exponentially long

            text = reprlib.repr(value)
        else:
            text = repr(value[: _MAX_REPR + 1] if kind in (str, bytes) else value)
        return cut(str.__str__(text))
    except Exception as error:
        reraise_exhaustion(error)
        return f"<{qualname(kind)}, whose repr raises {error_line(error)}>"


def cut(text: str, length: int = _MAX_REPR) -> str:
    """Return *text*, or its first *length* characters and an ellipsis."""
    return text if len(text) <= length else text[:length] + "…"


def brief(value: Any) -> str:
    """Return the repr of a key or name for a message: on one line, cut to 100 characters."""
    return printable(cut(short(value), 100))


def printable(text: str) -> str:
    """Return a string for a message: on one line, with escapes instead of control characters."""
    return text if text.isprintable() else ascii(text)[1:-1]


def qualname(kind: type) -> str:
    """Return the qualified name of a type in ASCII, also if its metaclass raises."""
    try:
        return cut(to_ascii(kind.__qualname__), 200)
    except Exception as error:
        reraise_exhaustion(error)
        return "a type without a name"


def a_type(value: object) -> str:
    """Return the qualified name of the type of a value with its article, such as `an int`."""
    name = qualname(type(value))
    return f"{'an' if name[:1].lower() in ('a', 'e', 'i', 'o') or name.startswith('nd') else 'a'} {name}"


def type_name(kind: type) -> str:
    """Return the qualified name of a type with its module, in ASCII, also if its metaclass raises."""
    try:
        module = kind.__module__
        return qualname(kind) if module == "builtins" else f"{cut(to_ascii(module), 200)}.{qualname(kind)}"
    except Exception as error:
        reraise_exhaustion(error)
        return qualname(kind)


def error_line(error: BaseException) -> str:
    """Return the type and the message of an exception, on one line."""
    try:
        text = " ".join(to_ascii(str.__str__(str(error))[:1000]).split())
    except Exception as other:
        reraise_exhaustion(other)
        text = f"<its message raises {qualname(type(other))}>"
    return f"{qualname(type(error))}: {cut(text, 300)}" if text else qualname(type(error))


def message_of(error: BaseException) -> str:
    """Return the message of an exception, which can be encoded in UTF-8, also if its `__str__` raises."""
    try:
        text = str.__str__(str(error))
    except Exception as other:
        return f"<its message cannot be had: {qualname(type(other))}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_ascii(text: str) -> str:
    """Return *text* with escapes instead of characters that aren't ASCII."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def warn(message: str) -> None:
    """Warn about the line of the user's code that called mlvlogger."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_internal(frame.f_globals.get("__package__")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)


def _is_internal(package: Any) -> bool:
    """Return whether *package* is one of mlvlogger's. Adapters count as the caller's code."""
    return package == __package__ or (isinstance(package, str) and package.startswith(f"{__package__}._"))


_warned: set[str] = set()


def warn_once(message: str, key: str | None = None) -> None:
    """Warn once per *key*, by default the message, in a process: a loop may give one warning in each step."""
    key = message if key is None else key
    if key not in _warned and len(_warned) < 1000:  # a bound for messages that never repeat
        _warned.add(key)
        warn(message)
