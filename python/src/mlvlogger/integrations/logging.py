"""The `logging` of the standard library: `MLVHandler` logs what any module says by it.

::

    import logging
    from mlvlogger import Exp
    from mlvlogger.integrations.logging import MLVHandler

    with Exp("runs", "mlp", params) as exp:
        logging.getLogger().addHandler(MLVHandler(exp))
        logging.getLogger("data").warning("%d rows are empty", 3, extra={"file": "train.csv"})

Each record is an event ``record`` of the stream ``logging``:

- ``logger``, ``level`` (``"WARNING"``), ``message`` and ``where`` (``"train.py:12"``);
- ``exception``, with ``type``, ``message`` and ``traceback``, where there is one, and ``stack`` where it was asked for;
- ``extra``, what the call gave as that.

Lines that look like secrets are ``<redacted>``, as in a diff.
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

# What every record has; all else was given as extra. The last two are set by formatters.
_USUAL = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"}


class MLVHandler(logging.Handler):
    """Logs records into *exp*.

    What comes after the end of *exp* is left to the other handlers. So is, with ``logging.captureWarnings``, what the
    logger of *exp* itself warns of while it logs a record: it would be about itself.
    An error goes to `handleError`, as with every handler.

    Args:
        exp: The experiment.
        level: Records below it are left out.
        stream: The name of the stream.

    Raises as ``exp.stream(name)``.
    """

    def __init__(self, exp: Exp, level: int | str = logging.NOTSET, stream: str | None = None) -> None:
        super().__init__(level)
        self._log = exp.stream(exp._stream_name_for("logging", stream))
        self._now = threading.local()

    def handle(self, record: logging.LogRecord) -> Any:
        """As that of every handler, without its lock: events need none.

        A thread that holds the lock of a stream may warn, and a thread that holds ours waits for that stream.
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
        """As ``exp.flush()``, for this stream."""
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
    elif record.exc_text:  # of a record that came from another process
        data["exception"] = {"traceback": redact_lines(record.exc_text)[0]}
    if record.stack_info:
        data["stack"] = redact_lines(record.stack_info)[0]
    if extra := {name: value for name, value in vars(record).items() if name not in _USUAL}:
        data["extra"] = settings(extra, "extra")
    return data
