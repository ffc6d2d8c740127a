"""The effective `params` and `extra`, and their changes, as in the records: those of `Experiment` are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlvlogger import Experiment

__all__ = ["changes", "effective"]

_Values = dict[str, Any]


def effective(experiment: Experiment, member: str) -> _Values:
    """Return the effective values of `params` or `extra` as in the records."""
    return _in_force(experiment, member, len(experiment.records), None)


def changes(experiment: Experiment) -> Iterator[_Values]:
    """Yield the changed values as in the records, in order."""
    for number, record in enumerate(experiment.records[1:], 2):
        for member in ("params", "extra"):
            old = _in_force(experiment, member, number - 1, record.get("stream"))
            for name, new in _members(_members(record, "changes"), member).items():
                stream = record.get("stream", experiment.default_stream)
                yield {"record": number, "stream": stream, "member": member, "name": name} | {
                    "old": old.get(name),
                    "new": new,
                }


def _in_force(experiment: Experiment, member: str, number: int, stream: str | None) -> _Values:
    """Return the values that are in force for a session in a stream, None for the default one, under a record."""
    first: _Values = {}
    changed: _Values = {}
    for index, record in enumerate(experiment.records[:number]):
        first |= {name: value for name, value in _members(record, member).items() if name not in first}
        if index and record.get("stream") in (None, stream):
            changed |= _members(_members(record, "changes"), member)
    return first | changed


def _members(record: _Values, name: str) -> _Values:
    members = record.get(name)
    return members if isinstance(members, dict) and "_mlv" not in members else {}
