"""Python's and C's text streams while output is captured: a line leaves their buffers at its end, as on a terminal."""

from __future__ import annotations

import os
import sys
from functools import partial
from threading import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["Printing", "elsewhere", "flush"]

# `print` of CPython does not hold the stream that it prints to: one that another thread replaces meanwhile must stay.
_immortal: list[Any] = []

_LINE_BUFFERED, _FULLY_BUFFERED = 1, 0  # of C: _IOLBF and _IOFBF, by the C library of GNU
_C_BUFFER = 4096  # bytes


def elsewhere() -> dict[str, Any]:
    """Return `sys.stdout` and `sys.stderr` by name, if they do not write to the descriptors 1 and 2.

    A notebook has such streams, and so has a program that has put its own object there.
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    return {name: stream for name, stream in streams.items() if hasattr(stream, "write") and not _on_descriptor(stream)}


class Printing:
    """Changes the text streams of this process until `restore`: they write each line at once.

    Whoever kills the program then loses no line that was complete, and each line has its own time.

    Args:
        others: What `elsewhere` returned.
        send: Called with the name of one of these and a string that was written to it. It must not raise.
    """

    def __init__(self, others: dict[str, Any], send: Callable[[str, str], None]) -> None:
        self._undo: list[Callable[[], object]] = []
        self._send: Callable[[str, str], None] | None = send
        self._seen = local()  # its `it`: what this thread has written last came to a descriptor, or was sent
        for name, stream in others.items():
            self._put(name, _Copy(stream, partial(self._copying, name)))
        on_descriptors: list[Any] = []
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if _on_descriptor(stream) and not any(stream is other for other in on_descriptors):
                on_descriptors.append(stream)
        for stream in on_descriptors:
            has_lines = self._buffer_by_line(stream)
            if others or not has_lines:
                self._replace(stream, self._marking(None if has_lines else stream, stream.write))
        if (undo := _buffer_c_by_line()) is not None:
            self._undo.append(undo)

    def restore(self) -> None:
        """Give the streams back what they were. A second call does nothing."""
        self._send = None
        while self._undo:
            try:
                self._undo.pop()()
            except (OSError, ValueError):
                pass  # it was closed

    def _buffer_by_line(self, stream: Any) -> bool:
        """Let a stream write each line at once; False if it isn't one of Python's streams that can do so."""
        try:
            if not stream.line_buffering:
                stream.reconfigure(line_buffering=True)
                self._undo.append(lambda: stream.reconfigure(line_buffering=False))
            return True
        except (AttributeError, TypeError, OSError, ValueError):
            return False

    def _put(self, name: str, ours: Any) -> None:
        before = getattr(sys, name)
        _immortal.append(ours)

        def undo() -> None:
            if getattr(sys, name) is ours:  # it wasn't replaced after us
                setattr(sys, name, before)

        self._undo.append(undo)
        setattr(sys, name, ours)

    def _replace(self, stream: Any, write: Callable[..., Any]) -> None:
        """Replace the method `write` of *stream*, if it lets us."""
        try:
            stream.write = write
        except (AttributeError, TypeError):
            return

        def undo() -> None:
            if vars(stream).get("write") is write:
                del stream.write

        self._undo.append(undo)

    def _copying(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        """As *write*, and send the text: unless it reached a descriptor, where it is captured already."""

        went_on = False

        def copy(text: str, *more: Any) -> Any:
            nonlocal went_on
            self._seen.it = False
            result = write(text, *more)
            send = self._send
            if send is not None and isinstance(text, str):
                # What logs the lines that it is given makes no line of the end of one.
                went_on = self._seen.it or (went_on and text.isspace())
                if not went_on:
                    send(name, text)
            self._seen.it = True
            return result

        return copy

    def _marking(self, to_flush: Any, write: Callable[..., Any]) -> Callable[..., Any]:
        """As *write* of a stream on a descriptor, which is flushed at the end of a line, if it is given."""

        def mark(text: str, *more: Any) -> Any:
            result = write(text, *more)
            self._seen.it = True
            if to_flush is not None and isinstance(text, str) and ("\n" in text or "\r" in text):
                to_flush.flush()
            return result

        return mark


class _Copy:
    """A stream that replaces another one, and differs from it only in `write`."""

    def __init__(self, stream: Any, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        # IPython replaces `write` for each cell, of the stream itself too: so that one is looked up at each call.
        write = make(lambda *arguments: stream.write(*arguments))
        vars(self).update(_stream=stream, write=write)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # IPython and others ask for the class of a notebook's stream
        return type(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "write":
            vars(self)[name] = value
        else:
            setattr(self._stream, name, value)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def flush() -> None:
    """Write what is in buffers, Python's and C's."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it is closed
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except (ImportError, OSError, AttributeError):
        pass


def _on_descriptor(stream: Any) -> bool:
    try:
        return stream.fileno() in (1, 2)
    except Exception:  # an object of another library
        return False


def _buffer_c_by_line() -> Callable[[], object] | None:
    """Let C's standard output write each line at once, and return what undoes it; None if that is not possible.

    Only of the C library of GNU is it known that this works in the middle of the output. It needs a separate buffer
    for that, which outlives Python: the library writes what is in it when the process ends.
    """
    global _c_buffer
    try:
        import ctypes

        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - there is no other
        stdout = ctypes.c_void_p.in_dll(library, "stdout")
        if library.__flbf(stdout) or library.__fbufsize(stdout) == 1:  # by line, or not buffered
            return None
        size = ctypes.c_size_t(_C_BUFFER)
        if _c_buffer is None:
            library.malloc.restype = ctypes.c_void_p
            _c_buffer = library.malloc(size)
        buffer = ctypes.c_void_p(_c_buffer)
    except (ImportError, OSError, AttributeError, ValueError):
        return None
    library.setvbuf(stdout, buffer, _LINE_BUFFERED, size)
    return lambda: os.isatty(1) or library.setvbuf(stdout, buffer, _FULLY_BUFFERED, size)


_c_buffer: int | None = None
