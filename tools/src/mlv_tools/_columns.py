"""The views that `mlv_tools.connect` makes: their columns, and what is in them."""

from __future__ import annotations

__all__ = ["VIEWS", "describe"]

#: Of each view, its columns: name, type in DuckDB, what it is. Names that SQL knows as words are among them: "begin".
VIEWS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "experiments": (
        ("experiment", "VARCHAR", "its path relative to the root, with slashes; `.` for the root itself"),
        ("id", "VARCHAR", "its id, `sha256:` and 64 digits; NULL where it cannot be read"),
        ("parent", "VARCHAR", "the id of the experiment that it belongs to or continues, or NULL"),
        ("name", "VARCHAR", "as in meta.json"),
        ("kind", "VARCHAR", "as in meta.json"),
        ("created", "TIMESTAMP", "when it was made, in UTC"),
        ("state", "VARCHAR", "`open`, `paused`, `completed`, `failed` or `interrupted`; NULL where it is not known"),
        ("params", "JSON", "the effective parameters, as the record has them"),
        ("tags", "VARCHAR[]", "the effective tags"),
        ("descriptions", "VARCHAR[]", "the descriptions, one for each record that has one"),
        ("environments", "JSON", "an array with the environment of each record, as the record has it"),
        ("extra", "JSON", "the effective extra, as the record has it"),
        ("error", "VARCHAR", "why it cannot be read, or not all of it, and the command for details; mostly NULL"),
    ),
    "events": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("id", "VARCHAR", "the id of the experiment"),
        ("stream", "VARCHAR", "the path of the stream in the experiment, `log.jsonl`"),
        ("seq", "BIGINT", "the number of the event in its stream"),
        ("time", "TIMESTAMP", "when it was logged, in UTC"),
        ("event", "VARCHAR", "its name, `epoch/batch`; lifecycle events begin with `mlv/`"),
        ("step", "BIGINT", "the integer member `step` of its data; NULL where there is none"),
        ("data", "JSON", "what was logged, as the record has it"),
        ("span", "VARCHAR", "`begin` or `end` of a span, or NULL"),
        ("begin", "BIGINT", "of an end event: the `seq` of the begin event"),
        ("within", "BIGINT", "the `seq` of the begin event of the span that it is in"),
        ("seconds", "DOUBLE", "of an end event: how long the span took"),
    ),
    "metrics": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("id", "VARCHAR", "the id of the experiment"),
        ("stream", "VARCHAR", "as in `events`"),
        ("seq", "BIGINT", "as in `events`"),
        ("time", "TIMESTAMP", "as in `events`"),
        ("event", "VARCHAR", "as in `events`"),
        (
            "step",
            "BIGINT",
            "the integer member `step` of the event; where there is none, the number of the event among those of its "
            "name in its stream that have the metric, from 0",
        ),
        ("name", "VARCHAR", "the name of the metric, a member of `data`"),
        ("value", "DOUBLE", "its value, NaN and infinities included"),
    ),
    "problems": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("path", "VARCHAR", "of the file in the experiment"),
        ("line", "BIGINT", "where in it, counted from 1; NULL for the whole file"),
        ("message", "VARCHAR", "what was left out of the other views, and why"),
    ),
}


def describe() -> str:
    """The views and the names of their columns, a line for each view."""
    return "\n".join(f"  {view}({', '.join(name for name, _, _ in columns)})" for view, columns in VIEWS.items())
