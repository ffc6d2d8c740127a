"""The module `logging` of the standard library: `MLVHandler` logs the records of all loggers.

::

    import logging
    from mlvlogger import Exp
    from mlvlogger.integrations.logging import MLVHandler

    with Exp("runs", "mlp", params) as exp:
        logging.getLogger().addHandler(MLVHandler(exp))
        logging.getLogger("data").warning("%d rows are empty", 3, extra={"file": "train.csv"})

Each record is an event `record` of the stream `logging`, with the members:

- `logger`, `level` (`"WARNING"`), `message` and `where` (`"train.py:12"`);
- `exception`, with `type`, `message` and `traceback`, if the record has one, and `stack` if the call requested it;
- `extra`: the argument `extra` of the call.

Lines that look like secrets are replaced by `<redacted>`, as in a diff.
"""

from __future__ import annotations

import logging
import threading

from .._errors import LogClosed
from .._secrets import redact_lines
from .._write.exceptions import with_traceback
from ._settings import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import Exp

__all__ = ["MLVHandler"]

# The attributes of every record; all others are from `extra`. Formatters set `message` and `asctime`.
_USUAL = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"}


class MLVHandler(logging.Handler):
    """A handler that logs records to an experiment.

    Records after the end of the experiment are ignored. With `logging.captureWarnings`, so are warnings that mlvlogger
    itself gives while it logs a record. Errors are passed to `handleError`, as in every handler.

    Args:
        exp: The experiment.
        level: The minimum level of logged records.
        stream: The name of the stream; by default `logging`, or `rank-3-logging` for the stream `rank-3`. The
            exceptions are those of `Exp.stream`.
    """

    def __init__(self, exp: Exp, level: int | str = logging.NOTSET, stream: str | None = None) -> None:
        super().__init__(level)
        self._log = exp.stream(exp._stream_name_for("logging", stream))
        self._now = threading.local()

    def handle(self, record: logging.LogRecord) -> Any:
        """Handle *record* as every handler does, but without the handler's lock, which events don't need.

        With this lock, there could be a deadlock: a thread that holds the lock of a stream may warn, and a thread that
        holds the lock of the handler waits for the stream.
        """
        found = self.filter(record)
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Log *record*."""
        if getattr(self._now, "is_logging", False):
            return
        self._now.is_logging = True
        try:
            self._log.event("record", _data(record))
        except LogClosed:
            pass
        except RecursionError:  # as the handlers of the standard library do: reporting it would recurse again
            raise
        except Exception:
            self.handleError(record)
        finally:
            self._now.is_logging = False

    def flush(self) -> None:
        """Flush the stream, as `Logger.flush` does."""
        self._log.flush()


def _data(record: logging.LogRecord) -> dict[str, Any]:
    data: dict[str, Any] = {
        "logger": record.name,
        "level": record.levelname,
        "message": redact_lines(record.getMessage())[0],
        "where": f"{record.filename}:{record.lineno}",
    }
    if record.exc_info and record.exc_info[1] is not None:
        data["exception"] = with_traceback(record.exc_info[1])
    elif record.exc_text:  # in a record from another process
        data["exception"] = {"traceback": redact_lines(record.exc_text)[0]}
    if record.stack_info:
        data["stack"] = redact_lines(record.stack_info)[0]
    if extra := {name: value for name, value in vars(record).items() if name not in _USUAL}:
        data["extra"] = settings(extra, "extra")
    return data
