"""Meta records: what they say together (specification 1.0, chapter Meta)."""

from __future__ import annotations

from .._version import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Meta", "are_same", "fold", "next_addition_head", "without_environment"]

_ENVIRONMENT = b',\n  "environment": {'


class Meta:
    """The records of an experiment and their fold, as JSON trees (chapter Meta, effective meta); at first, of none."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.records: list[dict[str, Any]] = []
        #: Digest of the bytes of each record.
        self.digests: list[str] = []
        self.params: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.tags: list[str] = []
        self.descriptions: list[str] = []
        self.environments: list[dict[str, Any]] = []
        #: What was wrong with records that could be read all the same, or could not be read at all: path and message.
        self.problems: list[tuple[str, str]] = []

    @property
    def last(self) -> tuple[int, str]:
        """Number and digest of the last record."""
        return len(self.digests), self.digests[-1]


def fold(meta: Meta, name: str, record: dict[str, Any], digest: str, whole: bool = True) -> None:
    """Add a record to *meta*.

    Args:
        meta: The records before it.
        name: Its path, for problems.
        record: The record, as a JSON tree.
        digest: The digest of its bytes.
        whole: Whether the record itself and its environment are kept.
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
    """How the next addition begins, as `_write.meta` lays it out, up to the value of `created`."""
    return (
        f'{{\n  "mlv": "{SPEC_VERSION}",\n  "experiment": "{meta.id}",\n  "previous": "sha256:{meta.digests[-1]}",'
        '\n  "created": "'
    ).encode()


def without_environment(data: bytes) -> bytes:
    """An addition without its environment, which is most of it; all of it, if it isn't laid out as `_write.meta` does.

    No string has a line feed in it, so a member of the record itself is one that two blanks and a quote begin.
    """
    at = data.find(_ENVIRONMENT)
    if at < 0 or data.rfind(b'\n  "') > at + 1 or not data.endswith(b"\n  }\n}\n"):
        return data
    return data[:at] + b"\n}\n"


def are_same(one: Any, other: Any) -> bool:
    """Are they equal as JSON values, where true is not 1, but 1 is 1.0?"""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_same, one, other))
    return bool(one == other) and (type(one) is type(other) or (_is_number(one) and _is_number(other)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
