"""The text streams of Python and C while output is captured: they write each line immediately, as on a terminal."""

from __future__ import annotations

import os
import sys
from functools import partial
from threading import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["StreamPatches", "flush_buffers", "replaced_streams"]

# The objects that replaced `sys.stdout` and `sys.stderr`. They are never freed: `print` of CPython holds no reference
# to the stream that it prints to, and another thread may replace this stream meanwhile.
_replacements: list[Any] = []

_LINE_BUFFERED, _FULLY_BUFFERED = 1, 0  # _IOLBF and _IOFBF of the GNU C library
_C_BUFFER = 4096  # bytes
_c_buffer: int | None = None


def replaced_streams() -> dict[str, Any]:
    """Return `sys.stdout` and `sys.stderr` by name, if they don't write to the descriptors 1 and 2.

    A notebook replaces the streams, and so do some programs.
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    return {
        name: stream for name, stream in streams.items() if hasattr(stream, "write") and not _is_on_descriptor(stream)
    }


class StreamPatches:
    """Changes the text streams of this process, until `restore`, so that they write each line immediately.

    Then a killed program loses no complete line, and each line has its own time.

    Args:
        others: The streams from `replaced_streams`.
        log: Called with the name of one of these streams and a string that was written to it. It must not raise.
    """

    def __init__(self, others: dict[str, Any], log: Callable[[str, str], None]) -> None:
        self._undo: list[Callable[[], object]] = []
        self._log: Callable[[str, str], None] | None = log
        self._thread = local()  # its `is_captured`: whether the last text of this thread is captured already
        for name, stream in others.items():
            self._replace_stream(name, _StreamProxy(stream, partial(self._logging, name)))
        on_descriptors: list[Any] = []
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if _is_on_descriptor(stream) and not any(stream is other for other in on_descriptors):
                on_descriptors.append(stream)
        for stream in on_descriptors:
            has_lines = self._buffer_by_line(stream)
            if others or not has_lines:
                self._replace_write(stream, self._marking_captured(None if has_lines else stream, stream.write))
        if (undo := _buffer_c_by_line()) is not None:
            self._undo.append(undo)

    def restore(self) -> None:
        """Undo all changes. A second call does nothing."""
        self._log = None
        while self._undo:
            try:
                self._undo[-1]()
            except (OSError, ValueError):
                pass  # the stream was closed
            self._undo.pop()  # afterwards, so that a call after an exception of a signal handler repeats it

    def _buffer_by_line(self, stream: Any) -> bool:
        """Make a stream write each line immediately. Return False if it isn't a stream of Python that can do so."""
        try:
            if not stream.line_buffering:
                stream.reconfigure(line_buffering=True)
                self._undo.append(lambda: stream.reconfigure(line_buffering=False))
            return True
        except (AttributeError, TypeError, OSError, ValueError):
            return False

    def _replace_stream(self, name: str, replacement: Any) -> None:
        """Replace `sys.stdout` or `sys.stderr`."""
        before = getattr(sys, name)
        _replacements.append(replacement)

        def undo() -> None:
            if getattr(sys, name) is replacement:  # the program hasn't replaced it since then
                setattr(sys, name, before)

        self._undo.append(undo)
        setattr(sys, name, replacement)

    def _replace_write(self, stream: Any, write: Callable[..., Any]) -> None:
        """Replace the method `write` of *stream*, if possible."""
        try:
            stream.write = write
        except (AttributeError, TypeError):
            return

        def undo() -> None:
            if vars(stream).get("write") is write:
                del stream.write

        self._undo.append(undo)

    def _logging(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls *write*, and logs the text if the call didn't capture it.

        *write* may itself write the text to a stream on a descriptor, or to a stream that logs it. These set
        `is_captured`, and the text must not be logged twice.
        """
        was_captured = False  # whether the previous text was captured during the call

        def write_and_log(text: str, *more: Any) -> Any:
            nonlocal was_captured
            self._thread.is_captured = False
            result = write(text, *more)
            log = self._log
            if log is not None and isinstance(text, str):
                # `print` writes a string, and then its line feed. An object that passes on whole lines, for example to
                # `logging`, drops this line feed: it counts as captured if the text before it was captured.
                was_captured = self._thread.is_captured or (was_captured and text.isspace())
                if not was_captured:
                    log(name, text)
            self._thread.is_captured = True
            return result

        return write_and_log

    def _marking_captured(self, to_flush: Any, write: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls *write* of a stream on a descriptor, and marks the text as captured.

        Args:
            to_flush: A stream to flush at the end of each line, or None.
            write: The method.
        """

        def write_and_mark(text: str, *more: Any) -> Any:
            result = write(text, *more)
            self._thread.is_captured = True
            if to_flush is not None and isinstance(text, str) and ("\n" in text or "\r" in text):
                to_flush.flush()
            return result

        return write_and_mark


class _StreamProxy:
    """A stream that replaces another one, and differs from it only in `write`.

    Args:
        stream: The other stream.
        wrap: Returns the new `write` for the old one.
    """

    def __init__(self, stream: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        # Look up `stream.write` at each call: IPython replaces this method for each cell.
        write = wrap(lambda *arguments: stream.write(*arguments))
        vars(self).update(_stream=stream, write=write)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # IPython and other libraries check the class of a notebook's stream
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


def flush_buffers() -> None:
    """Write the buffers of Python's and C's text streams."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is no stream, or it is closed
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except (ImportError, OSError, AttributeError):
        pass


def _is_on_descriptor(stream: Any) -> bool:
    """Return whether a stream writes to descriptor 1 or 2."""
    try:
        return stream.fileno() in (1, 2)
    except Exception:  # an object of another library may raise anything
        return False


def _buffer_c_by_line() -> Callable[[], object] | None:
    """Make C's standard output write each line immediately. Return a function that undoes it, or None if it can't.

    It is only known of the GNU C library that this works in the middle of the output. It needs a separate buffer, which
    is never freed: the library writes its content when the process exits, after Python.
    """
    global _c_buffer
    try:
        import ctypes

        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - raises AttributeError in other libraries
        stdout = ctypes.c_void_p.in_dll(library, "stdout")
        if library.__flbf(stdout) or library.__fbufsize(stdout) == 1:  # line buffered, or unbuffered
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
