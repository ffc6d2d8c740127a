"""What the page shows, as a JSON tree: read once from the directories, and bounded; what a bound leaves out is said."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlv_tools import _charts, connect
from mlv_tools._report._images import Reference, gallery, references
from mlv_tools._rows import shown as as_in_views
from mlv_tools._shown import flat, shown
from mlv_tools._shown import text as _text
from mlv_tools._thin import Curve, curves
from mlv_tools._trees import Found, find
from mlvlogger import MLVError

if TYPE_CHECKING:
    import duckdb

__all__ = ["collect"]

_STRETCHES = 300  # of a curve: a chart is about as many pixels wide
_POINTS = 400_000  # of all curves
_SPANS = 1000  # of an experiment, the longest
_FILES = 300  # of an experiment, the first
_PROBLEMS = 20  # of an experiment
_PICKED = 40  # experiments that are picked at the start

Json = dict[str, Any]


def collect(root: str | os.PathLike[str], *, title: str | None = None, images: int = 20_000_000) -> Json:
    """What `page` shows of the experiments in and below *root*; *images* is how many bytes of images it may hold.

    Raises FileNotFoundError and NotADirectoryError where *root* isn't a directory.
    """
    trees = list(find(root))
    numbers = {"." if found.path == Path(root) else as_in_views(found.name): n for n, found in enumerate(trees)}
    starts = [_start(found) for found in trees]
    experiments = [_experiment(found) for found in trees]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is on the page
        connection = connect(root)
    with connection:
        found_curves = [
            curve for curve in curves(connection, most=_STRETCHES, budget=_POINTS) if curve.experiment in numbers
        ]
        _add_times(connection, experiments, numbers)
        _add_spans(connection, experiments, numbers, starts)
        _add_problems(connection, experiments, numbers)
        files = _references(connection, numbers)
    _add_files(experiments, files)
    shown_images, sources, left = gallery(files, trees, images)
    differing, params = _parameters(experiments)
    broken = sum(experiment["state"] == "broken" for experiment in experiments)
    usable = len(trees) - broken
    picked = [f"At first {_PICKED} of the {usable} experiments are picked."] if usable > _PICKED else []
    return {
        "title": _text(title or Path(root).resolve().name or str(root)),
        "summary": _count(len(trees), "experiment") + (f", {broken} broken" if broken else ""),
        "experiments": experiments,
        "differing": differing,
        "params": params,
        "curves": _curves(found_curves, numbers, starts),
        "images": shown_images,
        "sources": sources,
        "picked": _PICKED,
        "specs": {"curves": _charts.curves(), "spans": _charts.spans()},
        "notes": [*picked, *_thinned(found_curves), *left, f"Written on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC."],
    }


# ---- experiments ----


def _start(found: Found) -> float:
    """When an experiment began, in seconds since 1970: what times on the page count from."""
    return found.experiment.created.timestamp() if found.experiment and found.experiment.created else 0.0


def _experiment(found: Found) -> Json:
    """One experiment by its meta; a broken one as far as it is known."""
    base: Json = {"name": found.name, "depth": found.depth, "kind": "", "state": "broken", "tags": [], "seconds": None}
    base |= {"params": [], "environments": [], "facts": [["directory", found.name]], "problems": [], "spans": []}
    base |= {"spansLeft": 0, "files": [], "filesLeft": 0}
    experiment = found.experiment
    if experiment is None:
        return base
    try:
        state = experiment.state
    except (MLVError, OSError):
        state = "broken"  # the view `problems` says why
    facts = {
        "name": experiment.name,
        "directory": found.name,
        "kind": experiment.kind,
        "state": state,
        "created": f"{experiment.created:%Y-%m-%d %H:%M:%S} UTC" if experiment.created else None,
        "id": experiment.id,
        "tags": ", ".join(map(str, experiment.tags)),
        "description": "\n".join(map(str, experiment.descriptions)),
        "parent": experiment.parent and (experiment.parent.path or experiment.parent.id),
        "streams": ", ".join(experiment.streams),
        "meta records": len(experiment.records),
        **{f"extra.{name}": value for name, value in flat(experiment.extra)},
    }
    return base | {
        "kind": _text(experiment.kind),
        "state": state,
        "tags": [_text(tag) for tag in experiment.tags],
        "params": [[name, value] for name, value in flat(experiment.params)],
        "environments": [_environment(environment) for environment in experiment.environments],
        "facts": [[_text(name), shown(value)] for name, value in facts.items() if value not in (None, "")],
    }


def _environment(environment: Json) -> Json:
    packages: Any = {}
    runtime = environment.get("runtime")
    if isinstance(runtime, dict) and isinstance(runtime.get("packages"), dict):
        packages = runtime["packages"]
        environment = environment | {"runtime": {name: value for name, value in runtime.items() if name != "packages"}}
    command = environment.get("command")
    if isinstance(command, list):
        environment = environment | {"command": shlex.join(map(str, command))}
    return {
        "facts": flat(environment),
        "packages": [[_text(name), shown(version)] for name, version in packages.items()],
    }


def _add_times(connection: duckdb.DuckDBPyConnection, experiments: list[Json], numbers: dict[str, int]) -> None:
    """How long the events of each experiment's main stream go."""
    query = "select experiment, epoch(max(time)) - epoch(min(time)) from events where stream = 'log.jsonl' group by all"
    for number, seconds in _rows(connection, query, numbers):
        experiments[number]["seconds"] = round(seconds, 3)


def _parameters(experiments: list[Json]) -> tuple[list[str], list[str]]:
    """The names of the parameters that differ between experiments, and those of all, as they come first."""
    found = [dict(map(tuple, experiment["params"])) for experiment in experiments if experiment["state"] != "broken"]
    names = list(dict.fromkeys(name for params in found for name in params))
    differing = [name for name in names if len({repr(params.get(name)) for params in found}) > 1]
    if len(found) == 1:  # there is nothing to differ from
        differing = names
    return differing, names


def _add_problems(connection: duckdb.DuckDBPyConnection, experiments: list[Json], numbers: dict[str, int]) -> None:
    """What the views leave out, the first few of each experiment."""
    query = "select experiment, path, line, message from problems order by experiment, path, line"
    for number, path, line, message in _rows(connection, query, numbers):
        problems = experiments[number]["problems"]
        if len(problems) < _PROBLEMS:
            problems.append(_text(f"{path}{'' if line is None else f':{line}'}: {message}"))
        elif len(problems) == _PROBLEMS:
            problems.append("There are more problems: mlv-validate reports them all.")


# ---- curves ----


def _curves(found: list[Curve], numbers: dict[str, int], starts: list[float]) -> list[Json]:
    """The curves as charts: one for each metric of an event of a stream."""
    charts: dict[tuple[str, str, str], list[Json]] = {}
    for curve in found:
        number = numbers[curve.experiment]
        start = starts[number]
        series: Json = {
            "e": number,
            "n": curve.count,
            "bad": curve.bad,
            "min": curve.low,
            "max": curve.high,
            "last": shown(curve.last),
            "x": curve.steps,
            "t": [round(time - start, 3) for time in curve.times],
            "y": [_short(value) for value in curve.values],
        }
        if curve.means:
            steps, times, values = curve.means
            series["mx"] = [round(step, 1) for step in steps]
            series["mt"] = [round(time - start, 3) for time in times]
            series["m"] = [_short(value) for value in values]
        charts.setdefault((curve.stream, curve.event, curve.metric), []).append(series)
    order = sorted(charts, key=lambda names: (names[0] != "log.jsonl", *names))
    return [
        dict(zip(("stream", "event", "metric"), map(_text, names), strict=True), series=charts[names])
        for names in order
    ]


def _thinned(found: list[Curve]) -> list[str]:
    """What was left out of curves, in words."""
    notes = []
    thinned = [curve for curve in found if curve.means]
    if thinned:
        kept, all_ = (sum(map(len, (curve.steps for curve in thinned))), sum(curve.count for curve in thinned))
        stretches = sorted({len(curve.means[0]) for curve in thinned if curve.means})
        notes.append(
            f"{len(thinned)} of {_count(len(found), 'curve')} are thinned, from {all_:,} to {kept:,} points: each is"
            f" cut into {stretches[-1]} stretches of as many points, and of each the lowest and the highest are kept,"
            " and the first that is not finite. Smoothing works on the means of the stretches. The numbers in the table"
            " are those of all points."
        )
    notes.append("Curves have seven significant digits; the table has what was logged, at six.")
    return notes


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


# ---- spans ----


_SPANS_OF = """
with begun as (select * exclude (seconds) from events where span = 'begin'),
ended as (select experiment, stream, "begin" as seq, seconds from events where span = 'end'),
latest as (select experiment, stream, max(time) as time from events group by all),
all_spans as (
    select begun.experiment, begun.stream, begun.event, begun.data, epoch(begun.time) as start, seconds,
        coalesce(seconds, epoch(latest.time) - epoch(begun.time)) as length
    from begun left join ended using (experiment, stream, seq) join latest using (experiment, stream)
)
select experiment, stream, event, left(data::varchar, 200), start, seconds, length,
    count(*) over (partition by experiment)
from all_spans
qualify row_number() over (partition by experiment order by length desc, start) <= ?
order by experiment, start, length desc
"""


def _add_spans(
    connection: duckdb.DuckDBPyConnection, experiments: list[Json], numbers: dict[str, int], starts: list[float]
) -> None:
    """The longest spans of each experiment, by their begin; one that never ended continues to the last event."""
    totals: dict[int, int] = {}
    for number, stream, event, data, start, seconds, length, total in _rows(connection, _SPANS_OF, numbers, _SPANS):
        begin = round(start - starts[number], 6)
        experiments[number]["spans"].append(
            {
                "name": _text(event if stream == "log.jsonl" else f"{event} ({stream})", 100),
                "start": begin,
                "end": round(begin + length, 6),
                "seconds": seconds,
                "open": seconds is None,
                "text": _text(data, 200),
            }
        )
        totals[number] = total
    for number, total in totals.items():
        experiments[number]["spansLeft"] = total - len(experiments[number]["spans"])


# ---- files and images ----


def _references(connection: duckdb.DuckDBPyConnection, numbers: dict[str, int]) -> list[tuple[int, Reference]]:
    """The files that events refer to, each with the number of the experiment of the event, in the order of the log.

    That a file was attached (`mlv/file`) is left out if another event refers to the same file.
    """
    query = """
        select experiment, event, stream, seq, data::varchar from events
        where data::varchar like '%"_mlv"%"file"%' order by experiment, stream, seq
    """
    found = [
        (number, reference)
        for number, event, stream, seq, data in _rows(connection, query, numbers)
        for reference in references(event, stream, seq, data)
    ]
    referred = {(number, reference.path) for number, reference in found if reference.event != "mlv/file"}
    return [item for item in found if item[1].event != "mlv/file" or (item[0], item[1].path) not in referred]


def _add_files(experiments: list[Json], files: list[tuple[int, Reference]]) -> None:
    """Each file of each experiment once: where it is mentioned first."""
    seen: dict[tuple[int, str, str], Reference] = {}
    for number, reference in files:
        seen.setdefault((number, reference.path, reference.sha256), reference)
    for (number, path, sha256), reference in seen.items():
        experiment = experiments[number]
        if len(experiment["files"]) < _FILES:
            other = "of another experiment" if reference.experiment else ""
            row = [_text(path), reference.size, _text(reference.media_type or ""), _text(reference.event)]
            experiment["files"].append([*row, _text(sha256, 64), other])
        else:
            experiment["filesLeft"] += 1


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, numbers: dict[str, int], *parameters: object
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose first column is the experiment, with its number instead of its name."""
    for name, *rest in connection.execute(query, parameters).fetchall():
        if name in numbers:  # an experiment may have come since
            yield numbers[name], *rest
