"""Every error that mlvlogger raises about an experiment, a stream or a value; wrong arguments raise the built-in ones.

Each is an `MLVError` and also the built-in error that a caller would expect::

    MLVError(Exception)
    ├── ExperimentExists(MLVError, FileExistsError)    the directory holds an experiment already
    ├── NotAnExperiment(MLVError, FileNotFoundError)   there is no meta.json
    ├── InvalidRecord(MLVError, ValueError)            a meta record or a stream is damaged
    ├── UnsupportedVersion(MLVError, ValueError)       a later major version, or an unknown feature in `requires`
    ├── InvalidName(MLVError, ValueError)              a name that the specification does not allow
    ├── CannotEncode(MLVError, TypeError)              parameters without a form in the record; `.problems` has all
    ├── AlreadyRecorded(MLVError, ValueError)          an addition would overwrite metadata; `.path` says what
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
    """The directory already holds an experiment, which wasn't changed (`writer.meta-once`). A `FileExistsError`."""


class NotAnExperiment(MLVError, FileNotFoundError):
    """There is no experiment: no `meta.json` with a string member `mlv`. A `FileNotFoundError`."""


class InvalidRecord(MLVError, ValueError):
    """A meta record or a stream is damaged and can't be continued. A `ValueError`."""


class UnsupportedVersion(MLVError, ValueError):
    """The record has an unknown major version (`reader.major`) or requires an unknown feature (`reader.requires`).

    A `ValueError`.
    """


class InvalidName(MLVError, ValueError):
    """A name of an experiment, a kind, a stream, an attached file or an event breaks the specification. A
    `ValueError`."""


class CannotEncode(MLVError, TypeError):
    """Values of `params` or `extra` have no form in a record; nothing was written. A `TypeError`.

    The message lists up to 20 values. The `__cause__` is the first exception of `errors`; the reason of a problem has
    the type and the message of its exception.

    Attributes:
        path (str): The place of the first value, such as `params.optimizer.fn`.
        problems (list[tuple[str, str]]): The place and the reason of each value. After 1,000 problems, the rest isn't
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


class AlreadyRecorded(MLVError, ValueError):
    """An addition has a name that is recorded with another value; nothing was written (`addition.new-names`).

    A `ValueError`.

    Attributes:
        path (str): The name, such as `params.lr`.
    """

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class CannotAttach(MLVError, ValueError):
    """A file can't be attached or referred to. A `ValueError`.

    It isn't a regular file, or changes while it is read; or a value has no form in a file of that name.
    """


class StreamBusy(MLVError, BlockingIOError):
    """Another writer has the stream; the message names its host and process (`writer.one`). A `BlockingIOError`."""


class LogClosed(MLVError, RuntimeError):
    """The stream is closed; nothing was written. A `RuntimeError`."""


class WriteFailed(MLVError, OSError):
    """The system refused to write. The events before are intact, and the `__cause__` is the system's error. An
    `OSError`."""


for _error in (MLVError, *MLVError.__subclasses__()):
    _error.__module__ = "mlvlogger"  # a traceback shows the public name
del _error
