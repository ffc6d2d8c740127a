"""The effective metadata of an experiment, combined from its meta records (specification 1.0, chapter Meta)."""

from __future__ import annotations

from .._version import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Meta", "are_same", "fold", "next_addition_head", "without_environment"]

_ENVIRONMENT = b',\n  "environment": {'


class Meta:
    """The meta records of an experiment and its effective metadata, as JSON trees. New objects have no records."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.records: list[dict[str, Any]] = []
        #: The SHA-256 of the bytes of each record, as hexadecimal digits.
        self.digests: list[str] = []
        self.params: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.tags: list[str] = []
        self.descriptions: list[str] = []
        self.environments: list[dict[str, Any]] = []
        #: Problems of records, also of those that can't be read: path and message.
        self.problems: list[tuple[str, str]] = []

    @property
    def last(self) -> tuple[int, str]:
        """The number and the digest of the last record."""
        return len(self.digests), self.digests[-1]


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
        environment = record.get("environment")
        meta.environments.append(environment if isinstance(environment, dict) else {})
    for member, effective in (("params", meta.params), ("extra", meta.extra)):
        if type(new := record.get(member)) is not dict:
            continue
        for key, value in new.items():
            if key in effective:
                meta.problems.append((name, f"{member} has the name {key!r} again; the earlier value holds"))
            else:
                effective[key] = value
    if type(tags := record.get("tags")) is list:
        for tag in tags:
            if type(tag) is str and tag not in meta.tags:
                meta.tags.append(tag)
    if type(description := record.get("description")) is str:
        meta.descriptions.append(description)


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
