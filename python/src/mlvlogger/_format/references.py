"""The values of a record that Python has no type for: references, and what stands in the place of a value."""

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

# What a `file.path` may not have: empty segments, dots, control characters, backslashes, a drive letter.
_NO_PATH = r"(?:^|/)\.{0,2}(?:/|\Z)|[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:"


class File(Immutable):
    """A reference to a file of an experiment (`value.file`).

    Args:
        path: Relative to the experiment directory, with forward slashes.
        size: In bytes.
        sha256: The digest of its bytes, 64 lower-case hexadecimal digits.
        media_type: Such as ``image/png``; a guess by the name.
        experiment: The id of the experiment it lies in; None means the one that the reference stands in.
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
    """A statement about a file outside of every experiment (`value.external`).

    Args:
        path: The absolute path.
        host: Where it is.
        size: In bytes.
        sha256: The digest of its bytes, 64 lower-case hexadecimal digits.
        modified: The time of its last modification (UTC, ``2026-11-20T08:00:00.000000Z``).
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
    """A reference to an experiment.

    Args:
        id: Its id.
        path: A hint where it was, relative to the experiment that refers.
    """

    __slots__ = __match_args__ = ("id", "path")

    id: str
    path: str | None

    def __init__(self, id: str, path: str | None = None) -> None:
        self._set(id, path)


class EventRef(Immutable):
    """A reference to an event.

    Args:
        experiment: The id of its experiment, None in a bare log.
        stream: The path of its stream.
        seq: Its seq.
    """

    __slots__ = __match_args__ = ("experiment", "stream", "seq")

    experiment: str | None
    stream: str
    seq: int

    def __init__(self, experiment: str | None, stream: str, seq: int) -> None:
        self._set(experiment, stream, seq)


class Redacted(Immutable):
    """In the place of a value that was kept back because it looks like a secret (`value.redacted`)."""

    __slots__ = __match_args__ = ()


class Unencodable(Immutable):
    """In the place of a value that could not be encoded (`value.unencodable`).

    Args:
        type: The name of its type.
        repr: A text for people.
    """

    __slots__ = __match_args__ = ("type", "repr")

    type: str
    repr: str

    def __init__(self, type: str, repr: str) -> None:
        self._set(type, repr)


class Opaque(Immutable):
    """A typed value of a type that this version does not know (`reader.opaque`).

    Args:
        json: The object that stood in the record.
    """

    __slots__ = __match_args__ = ("json",)

    json: dict[str, Any]

    def __init__(self, json: dict[str, Any]) -> None:
        self._set(json)


def is_file_path(path: str) -> bool:
    """May it be the path of a typed value `file` (`file.path`)? Names below ``files/`` are another question."""
    import re

    return len(path) <= 4096 and not re.search(_NO_PATH, path)
