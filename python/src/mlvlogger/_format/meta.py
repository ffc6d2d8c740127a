"""The effective metadata of an experiment, combined from its metadata records (specification 1.0, chapter Metadata)."""

from __future__ import annotations

from .._version import SPEC_VERSION
from .names import DEFAULT_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Meta", "NewValue", "are_same", "fold", "next_addition_head", "without_environment"]

_ENVIRONMENT = b',\n  "environment": {'


class Meta:
    """The metadata records of an experiment and its effective metadata, as JSON trees. New objects have no records."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.records: list[dict[str, Any]] = []
        #: The SHA-256 of the bytes of each record, as hexadecimal digits.
        self.digests: list[str] = []
        #: The stream of each record that was made for another stream than the default one, by number.
        self.streams: dict[int, str] = {}
        #: For each member, the first values and the numbers of their records, by name.
        self.first: dict[str, dict[str, tuple[int, Any]]] = {"params": {}, "extra": {}}
        #: The values in `changes`, in order.
        self.changes: list[NewValue] = []
        self.tags: list[str] = []
        self.descriptions: list[str] = []
        self.environments: list[dict[str, Any]] = []
        #: Problems of records, also of those that can't be read: path and message.
        self.problems: list[tuple[str, str]] = []

    @property
    def last(self) -> tuple[int, str]:
        """The number and the digest of the last record."""
        return len(self.digests), self.digests[-1]

    @property
    def last_of_default_stream(self) -> tuple[int, str]:
        """The number and the digest of the last record that was made for the default stream."""
        number = len(self.digests)
        while number in self.streams:
            number -= 1
        return number, self.digests[number - 1]

    def in_force(self, member: str, number: int, stream: str | None) -> dict[str, Any]:
        """Return the values of a member that are in force under a record.

        Args:
            member: `params` or `extra`.
            number: The number of the record.
            stream: The stream that the record is made for, None for the default stream.
        """
        values = {name: value for name, (first, value) in self.first[member].items() if first <= number}
        for change in self.changes:
            if change.member == member and change.number <= number and change.stream in (None, stream):
                values[change.name] = change.new
        return values

    def effective(self, member: str) -> dict[str, Any]:
        """Return the effective values of a member."""
        return self.in_force(member, len(self.digests), None)


class NewValue:
    """A value in the `changes` of a record, as a JSON tree, and the one that was in force before.

    Args:
        number: The number of the record.
        created: The member `created` of the record.
        stream: The stream that the record was made for, None for the default stream.
        member: `params` or `extra`.
        name: The name.
        old: The value before; None if there was none.
        new: The value.
    """

    __slots__ = ("created", "member", "name", "new", "number", "old", "stream")

    def __init__(
        self, number: int, created: Any, stream: str | None, member: str, name: str, old: Any, new: Any
    ) -> None:
        self.number = number
        self.created = created
        self.stream = stream
        self.member = member
        self.name = name
        self.old = old
        self.new = new


def fold(meta: Meta, name: str, record: dict[str, Any], digest: str, whole: bool = True) -> None:
    """Add a record to *meta*, and update the effective metadata.

    Args:
        meta: The earlier records.
        name: The path of the record, for problems.
        record: The record, as a JSON tree.
        digest: The digest of the bytes of the record.
        whole: Whether to add the record itself and its environment, too.
    """
    meta.digests.append(digest)
    if whole:
        meta.records.append(record)
        if "environment" in record:
            environment = record["environment"]
            meta.environments.append(environment if isinstance(environment, dict) else {})
    number, stream = len(meta.digests), record.get("stream")
    if type(stream) is str and number > 1 and stream != DEFAULT_STREAM:
        meta.streams[number] = stream
    for member, first in meta.first.items():
        for key, value in _members(record, member).items():
            if key in first:
                meta.problems.append((name, f"{member} has the name {key!r} again; the earlier value holds"))
            else:
                first[key] = number, value
    if number > 1:
        _fold_changes(meta, record)
    if type(tags := record.get("tags")) is list:
        for tag in tags:
            if type(tag) is str and tag not in meta.tags:
                meta.tags.append(tag)
    if type(description := record.get("description")) is str:
        meta.descriptions.append(description)


def _fold_changes(meta: Meta, record: dict[str, Any]) -> None:
    """Add the `changes` of the last record to *meta*."""
    changes, number = _members(record, "changes"), len(meta.digests)
    stream = meta.streams.get(number)
    for member in meta.first:
        if new := _members(changes, member):
            old = meta.in_force(member, number, stream)
            meta.changes += (
                NewValue(number, record.get("created"), stream, member, key, old.get(key), value)
                for key, value in new.items()
            )


def _members(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a member that is an object and not a typed value; {} if it is something else."""
    value = record.get(name)
    return value if type(value) is dict and "_mlv" not in value else {}


def next_addition_head(meta: Meta) -> bytes:
    """Return the beginning of the next addition up to the value of `created`, in the layout of `_write.meta`."""
    return (
        f'{{\n  "mlv": "{SPEC_VERSION}",\n  "experiment": "{meta.id}",\n  "previous": "sha256:{meta.digests[-1]}",'
        '\n  "created": "'
    ).encode()


def without_environment(data: bytes) -> bytes:
    """Return the bytes of an addition without its environment, which is its largest member.

    If the addition doesn't have the layout of `_write.meta`, it is returned unchanged. A member of the record itself is
    on a line that begins with two spaces and a quote; no string contains a line feed.
    """
    at = data.find(_ENVIRONMENT)
    if at < 0 or data.rfind(b'\n  "') > at + 1 or not data.endswith(b"\n  }\n}\n"):
        return data
    return data[:at] + b"\n}\n"


def are_same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: 1 equals 1.0, but not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_same, one, other))
    return bool(one == other) and (type(one) is type(other) or (_is_number(one) and _is_number(other)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
