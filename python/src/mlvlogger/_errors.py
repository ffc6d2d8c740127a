"""Every error that mlvlogger raises about an experiment, a stream or a value; wrong arguments raise the built-in ones.

Each is an `MLVError` and also the built-in error that a caller would expect::

    MLVError(Exception)
    ├── ExperimentExists(MLVError, FileExistsError)    the directory holds an experiment already
    ├── NotAnExperiment(MLVError, FileNotFoundError)   there is no meta.json
    ├── InvalidRecord(MLVError, ValueError)            a meta record or a stream is damaged
    ├── UnsupportedVersion(MLVError, ValueError)       a later major version, or an unknown feature in `requires`
    ├── InvalidName(MLVError, ValueError)              a name that the specification does not allow
    ├── CannotEncode(MLVError, TypeError)              parameters without a form in the record; `.problems` has all
    ├── AlreadyRecorded(MLVError, ValueError)          an addition would overwrite what is there; `.path` says what
    ├── CannotAttach(MLVError, ValueError)             a file that cannot be attached or referred to
    ├── StreamBusy(MLVError, BlockingIOError)          another writer has the stream
    ├── LogClosed(MLVError, RuntimeError)              an event came after the stream was closed
    └── WriteFailed(MLVError, OSError)                 the system refused to write; the cause is in `__cause__`
"""

from __future__ import annotations

__all__ = [
    "AlreadyRecorded",
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
    """Every error about an experiment, a stream or a value is one; catch this."""


class ExperimentExists(MLVError, FileExistsError):
    """The directory holds an experiment already, and nothing was changed in it (`writer.meta-once`)."""


class NotAnExperiment(MLVError, FileNotFoundError):
    """There is no experiment where one was expected: no `meta.json` with a string member `mlv`."""


class InvalidRecord(MLVError, ValueError):
    """A meta record or a stream is damaged, and cannot be continued; run `mlv-validate` for details."""


class UnsupportedVersion(MLVError, ValueError):
    """The record is of an unknown major version, or requires an unknown feature (`reader.major`, `reader.requires`)."""


class InvalidName(MLVError, ValueError):
    """A name of an experiment, a kind, a stream, an attached file or an event that the specification does not allow."""


class CannotEncode(MLVError, TypeError):
    """Values of `params` or `extra` have no form in a record; nothing was written.

    The message lists the first 20 of them, and the `__cause__` is the first exception of `errors`.

    Attributes:
        path: Where the first of them is: ``params.optimizer.fn``.
        problems: The path of each and the reason why it was refused, as a list of tuples. After 1000, the rest isn't
            checked.
        errors: For each of `problems`, the exception that code of the value raised, such as OmegaConf's for a missing
            key; None if it raised none. A pickled error has none of them, for not every exception can be pickled.
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


class AlreadyRecorded(MLVError, ValueError):
    """An addition has a name that the meta holds with another value (`addition.new-names`). `path` says which."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class CannotAttach(MLVError, ValueError):
    """A path that cannot be attached or referred to: not a regular file, or one that changes while it is copied."""


class StreamBusy(MLVError, BlockingIOError):
    """Another writer holds the stream (`writer.one`); the message names its host and process."""


class LogClosed(MLVError, RuntimeError):
    """The stream was closed before; nothing was written."""


class WriteFailed(MLVError, OSError):
    """The system refused to write. What was written before is intact; the system's error is the `__cause__`."""


for _error in (MLVError, *MLVError.__subclasses__()):
    _error.__module__ = "mlvlogger"  # a traceback shows the public name
del _error
