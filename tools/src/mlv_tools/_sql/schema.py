"""The columns of the views of `mlv_tools.connect`."""

from __future__ import annotations

__all__ = ["VIEWS", "describe"]

#: The columns of each view: name, type in DuckDB, description. Some names, such as "begin", are keywords of SQL.
VIEWS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "experiments": (
        ("experiment", "VARCHAR", "its path relative to the root, with slashes; `.` for the root itself"),
        ("id", "VARCHAR", "its id, `sha256:` and 64 digits; NULL if it cannot be read"),
        ("parent", "VARCHAR", "the id of the experiment that it belongs to or continues, or NULL"),
        ("name", "VARCHAR", "as in meta.json"),
        ("kind", "VARCHAR", "as in meta.json"),
        ("created", "TIMESTAMP", "when it was created, in UTC"),
        (
            "state",
            "VARCHAR",
            "`open`, `paused`, `completed`, `failed`, `interrupted` or `ended`; NULL if it is unknown",
        ),
        ("params", "JSON", "the effective parameters, as in the records"),
        (
            "changes",
            "JSON",
            "an array of the values that later sessions changed, each an object: `record`, its number; `stream`, for "
            "which it holds; `member`, `params` or `extra`; `name`; `old` and `new`, as in the records",
        ),
        ("tags", "VARCHAR[]", "the effective tags"),
        ("descriptions", "VARCHAR[]", "the descriptions, one for each record that has one"),
        ("environments", "JSON", "an array with the environment of each record that has one, as in the record"),
        ("extra", "JSON", "the effective extra, as in the records"),
        ("error", "VARCHAR", "why it or its `log.jsonl` cannot be read, and the command for details; otherwise NULL"),
    ),
    "events": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("id", "VARCHAR", "the id of the experiment"),
        ("stream", "VARCHAR", "the path of the stream in the experiment, `log.jsonl`"),
        ("seq", "BIGINT", "the number of the event in its stream"),
        ("time", "TIMESTAMP", "when it was logged, in UTC"),
        ("event", "VARCHAR", "its name, `epoch/batch`; lifecycle events begin with `mlv/`"),
        ("step", "BIGINT", "the integer member `step` of its data (10 and 10.0 are one step), or NULL"),
        ("data", "JSON", "the logged data, as in the record"),
        ("span", "VARCHAR", "`begin` or `end` of a span, or NULL"),
        ("begin", "BIGINT", "for an end event, the `seq` of the begin event"),
        ("within", "BIGINT", "the `seq` of the begin event of the enclosing span"),
        ("seconds", "DOUBLE", "for an end event, the duration of the span"),
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
            "the integer member `step` of the event; if there is none, the number of the event among those of its "
            "name in its stream that have the metric, from 0",
        ),
        ("name", "VARCHAR", "the name of the metric, a member of `data`"),
        ("value", "DOUBLE", "its value, NaN and infinities included"),
    ),
    "definitions": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("id", "VARCHAR", "the id of the experiment"),
        ("stream", "VARCHAR", "as in `events`"),
        ("event", "VARCHAR", "the name of the events that have the metric"),
        ("name", "VARCHAR", "the name of the metric"),
        ("direction", "VARCHAR", "`minimize` or `maximize`, or NULL"),
        ("unit", "VARCHAR", "the unit of the values, or NULL"),
        ("description", "VARCHAR", "the meaning, or NULL"),
        ("axis", "VARCHAR", "the member of `data` that gives the positions; NULL for `step`"),
    ),
    "best": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("id", "VARCHAR", "the id of the experiment"),
        ("stream", "VARCHAR", "as in `events`"),
        ("event", "VARCHAR", "as in `events`"),
        ("name", "VARCHAR", "the name of a metric that is defined with a direction"),
        ("direction", "VARCHAR", "`minimize` or `maximize`"),
        ("value", "DOUBLE", "the best finite value; NULL if it is beyond all doubles"),
        ("seq", "BIGINT", "the event that has the value: of equal values, the first"),
        ("step", "BIGINT", "the step of the value, as in `metrics`"),
    ),
    "problems": (
        ("experiment", "VARCHAR", "as in `experiments`"),
        ("path", "VARCHAR", "the path of the file in the experiment"),
        ("line", "BIGINT", "the line, counted from 1; NULL for the whole file"),
        ("message", "VARCHAR", "the data that was left out of the other views, and why"),
    ),
}


def describe() -> str:
    """Return the views with the names of their columns, one line per view."""
    return "\n".join(f"  {view}({', '.join(name for name, _, _ in columns)})" for view, columns in VIEWS.items())
