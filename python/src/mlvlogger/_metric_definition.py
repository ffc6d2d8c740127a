"""Writing the definition of a metric (specification 1.0, chapter Events, Metric definitions)."""

from __future__ import annotations

from ._errors import InvalidName
from ._format.json import dumps
from ._format.metric_definition import DIRECTIONS, METRIC, MetricDefinition
from ._format.names import DEFAULT_STREAM
from ._messages import short
from ._options import check_choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._write.stream import Stream

__all__ = ["Definitions", "definition"]

_MAX_LENGTH = 10_000  # characters of a name, a unit or a description


def definition(
    metric: str,
    event: str | None,
    direction: str | None = None,
    unit: str | None = None,
    description: str | None = None,
    axis: str | None = None,
) -> MetricDefinition:
    """Return a definition with checked members.

    Raises:
        InvalidName: If `metric` or `axis` isn't the name of a member of data.
        TypeError: If `unit` or `description` isn't a string.
        ValueError: If `direction` isn't one of its values, or a string is too long.
    """
    if direction is not None:
        check_choice("direction", direction, DIRECTIONS)
    for what, name in (("metric", metric), ("axis", axis)):
        if what == "metric" or name is not None:
            _check_member_name(what, name)
    for what, text in (("metric", metric), ("axis", axis), ("unit", unit), ("description", description)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{what} is {short(text)}; it must be a string.")
        if text is not None and len(text) > _MAX_LENGTH:
            raise ValueError(f"{what} has {len(text)} characters; it must have at most {_MAX_LENGTH}. Shorten it.")
    return MetricDefinition(metric, event, direction, _valid(unit), _valid(description), axis)


def _check_member_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidName(f"{what} is {short(name)}; it must be a non-empty string, the name of a member of the data.")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidName(f"{what} is {short(name)}, which has a lone surrogate. Decode it properly first.") from None


def _valid(text: str | None) -> str | None:
    return text if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


class Definitions:
    """The definitions that a process has recorded in a stream.

    In the log, a later definition replaces an earlier one as a whole. So a definition is completed by the members of
    the earlier ones of this process before it is written, and written only if it says something new.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None], dict[str, str]] = {}
        # The stream, the data and the seq of the last `mlv/metric`, by metric and event.
        self._written: dict[tuple[str, str | None], tuple[str, dict[str, str], int | None]] = {}

    def record(self, stream: Stream, given: MetricDefinition, *, is_default: bool = False) -> int | None:
        """Write an `mlv/metric`, unless the stream has it already.

        Threads may do this at once: each writes what all have given so far, until it has written that.

        Args:
            stream: The stream.
            given: The definition.
            is_default: Whether members that are known already stay as they are.

        Returns:
            The seq of the event, or None if it isn't written.
        """
        key = (given.metric, given.event)
        known = self._known.setdefault(key, {})
        for name in MetricDefinition.__match_args__:
            if (value := getattr(given, name)) is not None and not (is_default and name in known):
                known[name] = value
        while True:
            data = dict(known)
            where, written, seq = self._written.get(key, ("", {}, None))
            # A forked child that hasn't logged has no stream yet; definitions in log.jsonl hold for its stream, too.
            if written == data and where == stream.name and (where == DEFAULT_STREAM or not stream.is_inherited):
                return seq
            seq, is_stored = stream.append(METRIC, dumps(data).encode("ascii"))
            self._written[key] = (stream.name, data, seq if is_stored else None)
