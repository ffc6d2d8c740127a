"""Values of a record for which Python has no type: references, and replacements of values."""

from __future__ import annotations

from .immutable import Immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "EventRef",
    "ExperimentRef",
    "External",
    "File",
    "Opaque",
    "Redacted",
    "Unencodable",
    "is_file_path",
]

# Not allowed in a `file.path`: empty segments, dots, control characters, backslashes, a drive letter.
_NO_PATH = r"(?:^|/)\.{0,2}(?:/|\Z)|[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:"


class File(Immutable):
    """A reference to a file of an experiment (`value.file`). It is immutable.

    Args:
        path: The path relative to the experiment directory, with forward slashes.
        size: The size in bytes.
        sha256: The SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
        media_type: The media type, such as `image/png`, guessed by the name.
        experiment: The id of the experiment that the file is in; None is the experiment that contains the reference.
    """

    __slots__ = __match_args__ = ("path", "size", "sha256", "media_type", "experiment")

    path: str
    size: int
    sha256: str
    media_type: str | None
    experiment: str | None

    def __init__(
        self, path: str, size: int, sha256: str, media_type: str | None = None, experiment: str | None = None
    ) -> None:
        self._set(path, size, sha256, media_type, experiment)


class External(Immutable):
    """A reference to a file outside of every experiment (`value.external`). It is immutable.

    Args:
        path: The absolute path.
        host: The name of the host.
        size: The size in bytes.
        sha256: The SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
        modified: The time of the last modification, as in the record: `2026-11-20T08:00:00.000000Z`, in UTC.
    """

    __slots__ = __match_args__ = ("path", "host", "size", "sha256", "modified")

    path: str
    host: str
    size: int
    sha256: str
    modified: str

    def __init__(self, path: str, host: str, size: int, sha256: str, modified: str) -> None:
        self._set(path, host, size, sha256, modified)


class ExperimentRef(Immutable):
    """A reference to an experiment (`value.experiment`). It is immutable.

    Args:
        id: The id of the experiment: `sha256:` and 64 hexadecimal digits.
        path: The path of the experiment when the reference was made, relative to the experiment that contains the
            reference; None if it isn't recorded. The experiment may have been moved since.
    """

    __slots__ = __match_args__ = ("id", "path")

    id: str
    path: str | None

    def __init__(self, id: str, path: str | None = None) -> None:
        self._set(id, path)


class EventRef(Immutable):
    """A reference to an event (`value.event`). It is immutable.

    Args:
        experiment: The id of the experiment, None in a bare log.
        stream: The path of the stream.
        seq: The `seq` of the event.
    """

    __slots__ = __match_args__ = ("experiment", "stream", "seq")

    experiment: str | None
    stream: str
    seq: int

    def __init__(self, experiment: str | None, stream: str, seq: int) -> None:
        self._set(experiment, stream, seq)


class Redacted(Immutable):
    """The replacement of a value that was redacted because it looks like a secret (`writer.secrets`)."""

    __slots__ = __match_args__ = ()


class Unencodable(Immutable):
    """The replacement of a value that couldn't be encoded (`value.unencodable`). It is immutable.

    Args:
        type: The name of the value's type.
        repr: The repr of the value, or a message.
    """

    __slots__ = __match_args__ = ("type", "repr")

    type: str
    repr: str

    def __init__(self, type: str, repr: str) -> None:
        self._set(type, repr)


class Opaque(Immutable):
    """A typed value of a type that this version doesn't know (`reader.opaque`). It is immutable.

    Args:
        json: The JSON object of the record.
    """

    __slots__ = __match_args__ = ("json",)

    json: dict[str, Any]

    def __init__(self, json: dict[str, Any]) -> None:
        self._set(json)


def is_file_path(path: str) -> bool:
    """Return whether *path* may be the path of a typed value `file` (`file.path`).

    The names of a path below `files/` aren't checked.
    """
    import re

    return len(path) <= 4096 and not re.search(_NO_PATH, path)
