"""The spans of a stream, as trees (specification 1.0, chapter Events)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, ClassVar

    from .events import Event

__all__ = ["SpanTree", "span_trees"]


class SpanTree:
    """A span with the events and spans in it.

    Attributes:
        begin (Event): The begin event.
        end (Event | None): The end event, None if the span was never finished.
        children (list[Event | SpanTree]): The events and inner spans, in order.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1") as exp:
            with exp.log.span("epoch") as epoch:
                epoch.event("batch", loss=0.5)

        (tree,) = read("runs/my_exp_1").spans("epoch")
        print(tree.name, [child.data for child in tree.children])
        ```

        ```text
        epoch [{'loss': 0.5}]
        ```
    """

    def __init__(self, begin: Event) -> None:
        self.begin = begin
        self.end: Event | None = None
        self.children: list[Event | SpanTree] = []

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpanTree):
            return NotImplemented
        return (self.begin, self.end, self.children) == (other.begin, other.end, other.children)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SpanTree(begin={self.begin!r}, end={self.end!r}, children={self.children!r})"

    @property
    def name(self) -> str:
        """The name of the begin and end events."""
        return self.begin.name

    @property
    def data(self) -> dict[str, Any]:
        """The data of the begin event, and the members of the end event that the begin event lacks."""
        return {**(self.end.data if self.end else {}), **self.begin.data}

    @property
    def seconds(self) -> float | None:
        """The duration in seconds, None if the span was never finished."""
        return self.end.seconds if self.end else None


def span_trees(events: Iterable[Event]) -> Iterable[SpanTree]:
    """Return the spans among *events*, inner spans included, in the order of their begin events."""
    trees: dict[int, SpanTree] = {}
    for event in events:
        outer = trees.get(event.within) if event.within is not None else None
        if event.span == "begin":
            tree = trees[event.seq] = SpanTree(event)
            if outer:
                outer.children.append(tree)
        elif event.span == "end" and event.begin in trees:
            trees[event.begin].end = event
        elif outer:
            outer.children.append(event)
    return trees.values()
