"""Reading metrics: their names, curves, definitions and best values (specification 1.0, chapter Events)."""

from __future__ import annotations

import math

from .._errors import UnsupportedVersion
from .._format.lifecycle import lifecycle_lines, superseded
from .._format.metric_definition import DIRECTIONS, MetricDefinitions
from .._format.metrics import is_metric
from .._format.names import DEFAULT_STREAM
from .._messages import brief, warn
from .._options import check_choice
from .fast import Series, quick_events
from .frames import LAYOUTS, long_columns, pandas_frame, polars_frame, wide_columns
from .patterns import matcher
from .summaries import summaries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any, TypeAlias

    from .events import Event
    from .frames import Columns
    from .summaries import MetricSummary

    # A function of a stream's path, the number of a line, and the block of lines that begins with that line. It yields
    # events, and numbered lines that `read_event` must read.
    BlockReader: TypeAlias = Callable[[str, int, bytes], Iterator[Event | tuple[int, bytes]]]

__all__ = ["MetricReader"]

_LISTED = 5  # metrics in a warning


class MetricReader:
    """The methods of an experiment that read its metrics."""

    if TYPE_CHECKING:
        path: Path

        def events(self, pattern: str = "**", *, stream: str | None = None) -> Iterator[Event]: ...

        def _stream_to_read(self, stream: str | None) -> str: ...

        def _read(self, path: str, read_block: BlockReader = quick_events) -> Iterator[Event]: ...

    def metric(
        self, pattern: str, name: str, *, stream: str | None = None, axis: str | None = None
    ) -> tuple[list[float], list[float]]:
        """Return the positions and the values of one metric, as two lists. Rewound events are skipped.

        The positions are steps, unless the metric is defined with another axis (`reader.axis`). If values have no
        position on this axis, they are left out, with a warning (`reader.position`).

        If the stream has metrics but not this one, both lists are empty and there is a warning with the names of those
        it has. The exceptions are those of `events`.

        Args:
            pattern: As for `events`.
            name: The member of the data. A value is a float or an integer, NaN and infinities included; events without
                this member are skipped.
            stream: As for `events`.
            axis: The member of the data that gives the positions, such as `"epoch"`; by default that of the
                [definition](#mlvlogger.Exp.define_metric), and without one, `"step"`.

        Returns:
            The positions and the values. A step is the integer member `step` of the event; if an event has none, its
                number among the events of its name that have the metric, from 0.
        """
        matches = matcher(pattern)
        path = self._stream_to_read(stream)
        definitions = self._definitions(path)

        def axis_of(event: str) -> str:
            defined = definitions.of(event, name)
            return axis or (defined.axis if defined else None) or "step"

        series = Series(name, matches, None, axis_of)
        for event in self._read(path, series.read_block):
            series.add(event)
            if event.name == "mlv/rewind":
                break
        else:
            if not series.values and series.names:
                self._warn_of_no_value(series, pattern, name, path, list(series.names))
            return self._positions_and_values(series, name, path)
        # Few streams have a rewind. They are read again, without the superseded events.
        series = Series(name, matches, self._superseded(path), axis_of)
        for event in self._read(path, series.read_block):
            series.add(event)
        if not series.values and (names := self.metric_names(stream=stream)):
            self._warn_of_no_value(series, pattern, name, path, names)
        return self._positions_and_values(series, name, path)

    def _positions_and_values(self, series: Series, name: str, path: str) -> tuple[list[float], list[float]]:
        if series.left_out:
            count = sum(series.left_out.values())
            what = "1 value was" if count == 1 else f"{count} values were"
            members = ", ".join(map(brief, sorted(series.left_out)))
            warn(
                f"{self.path}: of the metric {brief(name)} in {path}, {what} left out: the event has no number "
                f'{members}, which is the axis. For another axis, pass axis, such as axis="step".'
            )
        return series.positions, series.values

    def metric_names(self, *, stream: str | None = None) -> list[tuple[str, str]]:
        """Return the metrics of a stream: the name of the event and of the metric, in the order of their first values.

        Rewound events are skipped. The exceptions are those of `events`.

        Args:
            stream: As for `events`.
        """
        path = self._stream_to_read(stream)
        series = Series("", lambda name: False, None)
        for event in self._read(path, series.read_block):
            series.add(event)
            if event.name == "mlv/rewind":
                break
        else:
            return list(series.names)
        return list(dict.fromkeys((event.name, name) for event in self.events(stream=stream) for name in event.metrics))

    def metrics(self, pattern: str = "**", *, stream: str | None = None) -> list[MetricSummary]:
        """Return a summary of each metric of a stream, in the order of their first values.

        Rewound events are skipped. The exceptions are those of `events`.

        Args:
            pattern: As for `events`.
            stream: As for `events`.

        Example:
            ```python
            from mlvlogger import Exp, read

            with Exp("runs", "summed") as exp:
                exp.define_metric("loss", direction="minimize", unit="nat")
                for step, loss in enumerate([0.9, 0.4, 0.5]):
                    exp.log.event("train", step=step, loss=loss)

            for found in read("runs/summed").metrics():
                print(found.event, found.metric, found.count, found.last, found.best, found.best_at, found.unit)
            ```

            ```text
            train loss 3 0.5 0.4 1 nat
            ```
        """
        return summaries(self.events(pattern, stream=stream), self._definitions(self._stream_to_read(stream)))

    def to_pandas(
        self, pattern: str = "**", *, layout: str = "wide", stream: str | None = None, axis: str = "step"
    ) -> Any:
        """Return the metrics of a stream as a `pandas.DataFrame`. Rewound events are skipped.

        Values that have no position on the axis are left out, with a warning. The exceptions are those of `events`, and
        the ones below.

        Args:
            pattern: As for `events`.
            layout: `"wide"` for a row per position and a column per metric, named `event.metric`; if a metric has
                several values at a position, the further ones are in further rows. `"long"` for a row per value, in the
                order of the log, with the columns `event`, `metric`, `step`, `value`, `seq` and `time`.
            stream: As for `events`.
            axis: The member of the data that gives the positions, and the name of their column; `position` if another
                column has this name. Positions are those of `metric`.

        Returns:
            The table. Integers stay integers (int64; with missing values, Int64). A column with floats is
                float64, with NaN for a missing value. Columns with integers that these can't hold exactly are
                object, with int and float. Times are in UTC.

        Raises:
            ModuleNotFoundError: If pandas isn't installed.
            ValueError: If `layout` isn't one of its values.
        """
        return pandas_frame(self._columns(pattern, layout, stream, axis))

    def to_polars(
        self, pattern: str = "**", *, layout: str = "wide", stream: str | None = None, axis: str = "step"
    ) -> Any:
        """Return the metrics of a stream as a `polars.DataFrame`.

        The exceptions are those of `to_pandas`, with polars.

        Args:
            pattern: As for `events`.
            layout: As for `to_pandas`.
            stream: As for `events`.
            axis: As for `to_pandas`.

        Returns:
            The table. Integers stay integers (Int64), and a missing value is null in each column. Columns with
                integers that Int64 or Float64 can't hold exactly are Object, with int and float.

        Raises:
            ModuleNotFoundError: If polars isn't installed.
        """
        return polars_frame(self._columns(pattern, layout, stream, axis))

    def _columns(self, pattern: str, layout: str, stream: str | None, axis: str) -> Columns:
        """Return the columns of a table of metrics. The arguments and exceptions are those of `to_pandas`."""
        check_choice("layout", layout, LAYOUTS)
        make = wide_columns if layout == "wide" else long_columns
        columns, left_out = make(self.events(pattern, stream=stream), axis)
        if left_out:
            what = "1 value was" if left_out == 1 else f"{left_out} values were"
            warn(
                f"{self.path}: {what} left out: the event has no number {brief(axis)}, which is the axis. For another "
                'axis, pass axis, such as axis="step".'
            )
        return columns

    def metric_definitions(self, *, stream: str | None = None) -> MetricDefinitions:
        """Return the definitions of metrics that hold in a stream, as `Exp.define_metric` records them.

        The exceptions are those of `events`.

        Args:
            stream: As for `events`.
        """
        return self._definitions(self._stream_to_read(stream))

    def best(self, pattern: str, name: str, *, direction: str | None = None, stream: str | None = None) -> Event | None:
        """Return the event with the best value of a metric (`reader.best-value`).

        NaN, infinities and rewound events don't count; of equal values, the first is the best.

        Args:
            pattern: As for `events`.
            name: As for `metric`.
            direction: `"minimize"` if lower values are better, `"maximize"` if higher values are better; by default
                that of the [definition](#mlvlogger.Exp.define_metric).
            stream: As for `events`.

        Returns:
            The event, whose value is `event.metrics[name]`; None if there is no finite value.

        Raises:
            ValueError: If `direction` isn't one of its values; or without `direction`, if the metric is defined
                without a direction, or in matching events with different ones (`reader.best`).
            FileNotFoundError: As for `events`.
            UnsupportedVersion: As for `events`.
        """
        if direction is not None and direction not in DIRECTIONS:
            raise ValueError(f"direction is {direction!r}; it must be one of {', '.join(map(repr, DIRECTIONS))}.")
        definitions = self.metric_definitions(stream=stream)
        wanted = direction
        best: Event | None = None
        least: float = math.inf  # of the values, negated if the greatest one is the best
        for event in self.events(pattern, stream=stream):
            value = event.data.get(name)
            if not is_metric(value):
                continue
            defined = definitions.of(event.name, name)
            given = direction or (defined.direction if defined else None)
            if given is None or given != (wanted or given):
                raise ValueError(self._no_direction(event.name, name, given))
            wanted = given
            if isinstance(value, float) and not math.isfinite(value):
                continue
            signed = value if given == "minimize" else -value
            if best is None or signed < least:
                best, least = event, signed
        return best

    def _no_direction(self, event: str, name: str, direction: str | None) -> str:
        """Return the message of the ValueError of `best`."""
        what = "no direction" if direction is None else "another direction than other events that match"
        return (
            f"{self.path}: the metric {brief(name)} of the event {brief(event)} has {what}, so its best value isn't "
            'known. Pass direction="minimize" or direction="maximize".'
        )

    def _definitions(self, path: str) -> MetricDefinitions:
        """Return the definitions that hold in the stream with this path."""
        definitions = MetricDefinitions()
        if path != DEFAULT_STREAM:
            try:
                for event in self._read(DEFAULT_STREAM, lifecycle_lines):
                    if event.name == "mlv/metric":
                        definitions.add(event.data, is_default=True)
            except UnsupportedVersion:
                pass  # reading that stream raises the error
        for event in self._read(path, lifecycle_lines):
            if event.name == "mlv/metric":
                definitions.add(event.data)
        return definitions

    def _superseded(self, path: str) -> Callable[[int], bool] | None:
        """Return a function that returns whether the user's event of a seq is superseded; None without a rewind."""
        events = self._read(path, lifecycle_lines)
        return superseded((event.seq, event.data) for event in events if event.name == "mlv/rewind")

    def _warn_of_no_value(
        self, series: Series, pattern: str, name: str, path: str, names: list[tuple[str, str]]
    ) -> None:
        """Warn that no event has a metric. A member of that name whose values aren't numbers is reported, too."""
        if series.left_out:
            return  # the events have the metric, but no position
        where = f"{self.path}: no event of {path} that matches {pattern!r} has a metric {brief(name)}."
        for event in self.events(pattern, stream=path):
            if name in event.data:
                warn(f"{where} The member has other values, such as {brief(event.data[name])}. Log numbers.")
                return
        known = ", ".join(map(brief, names[:_LISTED]))
        more = f", and {len(names) - _LISTED} more: see metric_names()" if len(names) > _LISTED else ""
        warn(f"{where} Choose one of the events and metrics: {known}{more}.")
