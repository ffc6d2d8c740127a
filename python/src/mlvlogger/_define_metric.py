"""The methods of a logger that define metrics (specification 1.0, chapter Events, Metric definitions)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._format.metric_definition import MetricDefinition
    from ._logger import Logger
    from ._write.stream import Stream

__all__ = ["MetricDefiner"]


class MetricDefiner:
    """The methods of a logger that define metrics."""

    if TYPE_CHECKING:
        _prefix: str
        _stream: Stream

        @property
        def root(self) -> Logger: ...

        def _name(self, name: str) -> bytes: ...

    def define_metric(
        self,
        metric: str,
        *,
        event: str | None = None,
        direction: str | None = None,
        unit: str | None = None,
        description: str | None = None,
        axis: str | None = None,
    ) -> int | None:
        """Record what a metric means: which direction is better, its unit, and its axis (`mlv/metric`).

        Readers use the definition for all values of the metric in this stream, before and after this call: for best
        values, labels and positions. The definitions of `log.jsonl` also hold in streams that don't define the metric.

        Later calls for the same metric and event add to the definition, or replace what they give; a call that gives
        nothing new writes nothing. After a resume, the calls of the script that continues hold.

        Args:
            metric: The name of the metric: a member of the data, such as `"loss"`.
            event: The name of the events that have the metric, below the path of this logger. For these events, a
                definition without `event` no longer holds. By default, the definition holds for all events of the
                stream that have the metric, not only for those below the path of this logger.
            direction: `"minimize"` if lower values are better, `"maximize"` if higher values are better. Without it,
                no reader shows a best value.
            unit: The unit of the values, preferably a [UCUM](https://ucum.org) code: `"s"`, `"%"`, `"By"`, `"W"`.
            description: The meaning, for people.
            axis: The member of the data that gives the positions of the values, such as `"epoch"` or `"tokens"`; by
                default `step`.

        Returns:
            The `seq` of the event `mlv/metric`; None if it is buffered in memory after a failed write, or was dropped.

        Raises:
            InvalidName: If `metric` or `axis` is empty or not a string, or `event` isn't valid for `event`.
            ValueError: If `direction` isn't one of its values, or a string has more than 10,000 characters.
            TypeError: If `unit` or `description` isn't a string.
            LogClosed: If the stream is closed.
            WriteFailed: If writing fails, with `on_error="raise"`.
        """
        from ._metric_definition import definition

        if event is not None:
            self._name(event)
            event = self._prefix + str.__str__(event)
        given = definition(metric, event, direction, unit, description, axis)
        return self._define(given)

    def _define(self, given: MetricDefinition, *, is_default: bool = False) -> int | None:
        """Record a definition; with *is_default*, members that this process has recorded stay as they are."""
        from ._metric_definition import Definitions  # here, because few loggers define metrics

        root = self.root
        definitions = vars(root).setdefault("_definitions", Definitions())  # one, also if threads do this at once
        recorded: int | None = definitions.record(self._stream, given, is_default=is_default)
        return recorded
