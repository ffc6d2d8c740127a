"""The exceptions that mlvlogger raises about an experiment, a stream or a value. Wrong arguments raise built-in ones.

Each exception is an `MLVError` and also the built-in exception that a caller would expect::

    MLVError(Exception)
    ├── ExperimentExists(MLVError, FileExistsError)    the directory already holds an experiment
    ├── NotAnExperiment(MLVError, FileNotFoundError)   there is no meta.json
    ├── InvalidRecord(MLVError, ValueError)            a metadata record or a stream is damaged
    ├── UnsupportedVersion(MLVError, ValueError)       an unknown major version, or an unknown feature in `requires`
    ├── InvalidName(MLVError, ValueError)              the specification doesn't allow the name
    ├── CannotEncode(MLVError, TypeError)              values of `params` or `extra` can't be recorded
    ├── CannotAttach(MLVError, ValueError)             the file can't be attached or referred to
    ├── StreamBusy(MLVError, BlockingIOError)          another writer has the stream
    ├── LogClosed(MLVError, RuntimeError)              the stream is closed
    └── WriteFailed(MLVError, OSError)                 the system refused to write
"""

from __future__ import annotations

__all__ = [
    "CannotAttach",
    "CannotEncode",
    "ExperimentExists",
    "InvalidName",
    "InvalidRecord",
    "LogClosed",
    "MLVError",
    "NotAnExperiment",
    "StreamBusy",
    "UnsupportedVersion",
    "WriteFailed",
]


class MLVError(Exception):
    """The base class of all errors about an experiment, a stream or a value.

    An argument of a wrong type or value raises `TypeError` or `ValueError`. Each subclass is also the built-in
    exception that a caller would expect.

    Example:
        ```python
        from mlvlogger import MLVError, read

        try:
            read("runs/missing")
        except MLVError as error:
            print(type(error).__name__, isinstance(error, FileNotFoundError))
        ```

        ```text
        NotAnExperiment True
        ```
    """


class ExperimentExists(MLVError, FileExistsError):
    """The error for a directory that already holds an experiment, which wasn't changed (`writer.meta-once`).

    A `FileExistsError`.
    """


class NotAnExperiment(MLVError, FileNotFoundError):
    """The error for a directory without an experiment: it has no `meta.json` with a string member `mlv`.

    A `FileNotFoundError`.
    """


class InvalidRecord(MLVError, ValueError):
    """The error for a damaged metadata record, stream or line, which can't be continued. A `ValueError`."""


class UnsupportedVersion(MLVError, ValueError):
    """The error for an unknown major version (`reader.major`) or an unknown required feature (`reader.requires`).

    A `ValueError`.
    """


class InvalidName(MLVError, ValueError):
    """The error for a name of an experiment, kind, stream, attached file or event that breaks the specification.

    A `ValueError`.
    """


class CannotEncode(MLVError, TypeError):
    """The error for values of `params` or `extra` that have no form in a record; nothing was written.

    A `TypeError`.

    The message lists up to 20 values. The `__cause__` is the first exception of `errors`; the reason of a problem has
    the type and the message of its exception.

    Attributes:
        path (str): The path of the first value, such as `params.optimizer.fn`.
        problems (list[tuple[str, str]]): The path and the reason of each value. After 1,000 problems, the rest isn't
            checked.
        errors (list[Exception | None]): For each of `problems`, the exception that the code of the value raised, such
            as OmegaConf's for a missing key; None if it raised none. A pickled error has None for each, because not
            every exception can be pickled.
    """

    path: str
    problems: list[tuple[str, str]]
    errors: list[Exception | None]

    def __init__(
        self,
        message: str,
        path: str = "",
        problems: list[tuple[str, str]] | None = None,
        errors: list[Exception | None] | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.problems = [(path, message)] if problems is None else problems
        self.errors = [None] * len(self.problems) if errors is None else errors

    def __reduce__(self) -> tuple[object, ...]:
        rest = {name: value for name, value in vars(self).items() if name != "errors"}
        return type(self), (str(self), self.path, self.problems), rest


class CannotAttach(MLVError, ValueError):
    """The error for a file that can't be attached or referred to.

    The file isn't a regular file, or changes while it is read; or a value has no form in a file of this name. A
    `ValueError`.
    """


class StreamBusy(MLVError, BlockingIOError):
    """The error for a stream that another writer has; the message names its host and process (`writer.one`).

    A `BlockingIOError`.
    """


class LogClosed(MLVError, RuntimeError):
    """The error for a call after the stream was closed; nothing was written.

    A `RuntimeError`.
    """


class WriteFailed(MLVError, OSError):
    """The error for a write that the system refused. Earlier events are intact.

    The `__cause__` is the system's error, if there is one. An `OSError`.

    Attributes:
        is_written (bool): Whether the event is in the file all the same: only the sync failed, so that a power cut may
            lose it. Don't log it again.
    """

    is_written = False


for _error in (MLVError, *MLVError.__subclasses__()):
    _error.__module__ = "mlvlogger"  # a traceback shows the public name
del _error
