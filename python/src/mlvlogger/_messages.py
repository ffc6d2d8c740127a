"""Messages: values and exceptions in them, and warnings that name the line of the caller.

A value is anybody's: code of it runs when it is shown, and may raise.
"""

from __future__ import annotations

import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

__all__ = [
    "brief",
    "cut",
    "pass_on",
    "qualname",
    "said",
    "short",
    "shown",
    "text_of",
    "to_ascii",
    "type_name",
    "warn",
    "warn_once",
]

_MAX_REPR = 1000
_FREE_CALLS = 150  # calls: what the code here needs to finish, whatever the value


class _StackExhausted(RecursionError):
    """The calls that led to the encoder have used up the interpreter's stack: no fault of a value."""


def pass_on(error: Exception) -> None:
    """Raise *error* again if it isn't the fault of the value whose code raised it.

    That is a MemoryError, and a RecursionError if the stack has no space for `_FREE_CALLS` further ones. If it has, the
    stack was used up by code of the value, which has returned.
    """
    if isinstance(error, (MemoryError, _StackExhausted)):
        raise error
    if isinstance(error, RecursionError):
        try:
            _dive(_FREE_CALLS)
        except RecursionError:
            # Of another class: the callers of this call have more space, and would find that there is enough.
            raise _StackExhausted(f"fewer than {_FREE_CALLS} calls are left to encode a value: {error}") from error


def _dive(levels: int) -> None:
    if levels:
        _dive(levels - 1)


def short(value: Any) -> str:
    """The repr of anything, cut; of an object whose repr fails, that it does."""
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
        pass_on(error)
        return f"<{qualname(kind)}, whose repr raises {said(error)}>"


def cut(text: str, length: int = _MAX_REPR) -> str:
    return text if len(text) <= length else text[:length] + "…"


def brief(value: Any) -> str:
    """Return the form of a key or a name in a message."""
    return shown(cut(short(value), 100))


def shown(text: str) -> str:
    """Return the form of a string in a message: on one line, and without a command for the terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def qualname(kind: type) -> str:
    """The name of a type for people, whatever its metaclass does."""
    try:
        return cut(to_ascii(kind.__qualname__), 200)
    except Exception as error:
        pass_on(error)
        return "a type without a name"


def type_name(kind: type) -> str:
    try:
        module = kind.__module__
        return qualname(kind) if module == "builtins" else f"{cut(to_ascii(module), 200)}.{qualname(kind)}"
    except Exception as error:
        pass_on(error)
        return qualname(kind)


def said(error: BaseException) -> str:
    """Type and message of an exception, on one line."""
    try:
        text = " ".join(to_ascii(str.__str__(str(error))[:1000]).split())
    except Exception as other:
        pass_on(other)
        text = f"<its message raises {qualname(type(other))}>"
    return f"{qualname(type(error))}: {cut(text, 300)}" if text else qualname(type(error))


def text_of(error: BaseException) -> str:
    """The message of an exception, valid UTF-8, whatever its `__str__` does."""
    try:
        text = str.__str__(str(error))
    except Exception as other:
        return f"<its message cannot be had: {qualname(type(other))}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def warn(message: str) -> None:
    """Warn, pointing at the line of the user's that called us."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_globals.get("__package__")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)


def _is_ours(package: Any) -> bool:
    """Whether a module of *package* is one of mlvlogger; the adapters count as the caller's."""
    return package == __package__ or (isinstance(package, str) and package.startswith(f"{__package__}._"))


_warned: set[str] = set()


def warn_once(message: str, key: str | None = None) -> None:
    """Warn, once per *key* in a process, by default the message: a loop of a million steps has one trouble in each."""
    key = message if key is None else key
    if key not in _warned and len(_warned) < 1000:  # a bound for messages that never repeat
        _warned.add(key)
        warn(message)
