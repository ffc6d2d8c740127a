"""The data of the page as a JSON tree, with bounds; the page reports all that a bound leaves out."""

from __future__ import annotations

import math
import os
import shlex
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlv_tools import connect
from mlv_tools._display.names import differing, flatten
from mlv_tools._display.values import display, shorten
from mlv_tools._reading.trees import Found, find, links_outside, state_of
from mlv_tools._report import charts
from mlv_tools._report.attached import Reference, references
from mlv_tools._report.forms import attached_table, forms, shown_forms
from mlv_tools._report.images import gallery
from mlv_tools._sql.downsample import Curve, curves
from mlv_tools._sql.rows import experiment_name
from mlv_tools._sql.rules import IS_DEFAULT_STREAM
from mlvlogger import Change, Experiment, MLVError

if TYPE_CHECKING:
    import duckdb

__all__ = ["collect"]

_STRETCHES = 300  # of a curve: a chart is about this number of pixels wide
_POINTS = 400_000  # of all curves
_SPANS = 1000  # of an experiment, the longest
_FILES = 300  # of an experiment, the first
_PROBLEMS = 20  # of an experiment
_EXACT = 17  # significant digits, which every float has at most
_PICKED = 40  # experiments that are selected at first

Json = dict[str, Any]


def collect(root: str | os.PathLike[str], *, title: str | None = None, images: int = 20_000_000) -> Json:
    """Return the data of the page about the experiments in and below *root*.

    Args:
        root: The directory.
        title: The title of the page. Default: the name of *root*.
        images: The most bytes of images. Default: 20 MB.

    Raises:
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
    """
    trees = list(find(root))
    numbers = {experiment_name(Path(root), found.path): n for n, found in enumerate(trees)}
    starts = [_start(found) for found in trees]
    experiments = [_experiment(found) for found in trees]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page lists the problems that it warns of
        connection = connect(root)
    with connection:
        found_curves = [
            curve for curve in curves(connection, most=_STRETCHES, budget=_POINTS) if curve.experiment in numbers
        ]
        _add_times(connection, experiments, numbers)
        _add_spans(connection, experiments, numbers, starts)
        _add_problems(connection, experiments, numbers)
        files = _references(connection, numbers)
        found_forms = _forms(connection, numbers, files)
    _add_files(experiments, files)
    shown_images, sources, left = gallery(files, trees, images)
    shown, fewer = shown_forms(found_forms, trees)
    differ, params = _parameters(trees, experiments)
    broken = sum(experiment["state"] == "broken" for experiment in experiments)
    usable = len(trees) - broken
    picked = [f"At first, {_PICKED} of the {usable} experiments are selected."] if usable > _PICKED else []
    links = links_outside(root)
    written = f"Written on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC."
    return {
        "title": shorten(title or Path(root).resolve().name or str(root)),
        "summary": _count(len(trees), "experiment") + (f", {broken} broken" if broken else ""),
        "experiments": experiments,
        "differing": differ,
        "params": params,
        "curves": _curves(found_curves, numbers, starts),
        "images": shown_images,
        "sources": sources,
        "forms": shown,
        "picked": _PICKED,
        "specs": {"curves": charts.curves(), "spans": charts.spans()},
        "notes": [*picked, *_downsampled(found_curves), *left, *fewer, *([f"{links}."] if links else []), written],
    }


# ---- experiments ----


def _start(found: Found) -> float:
    """Return the start of an experiment in seconds since 1970: times on the page are relative to it."""
    return found.experiment.created.timestamp() if found.experiment and found.experiment.created else 0.0


def _experiment(found: Found) -> Json:
    """Return the metadata of an experiment; a broken experiment has a name and a state only."""
    base: Json = {"name": found.name, "depth": found.depth, "kind": "", "state": "broken", "tags": [], "seconds": None}
    base |= {"params": [], "environments": [], "facts": [["directory", found.name]], "problems": [], "spans": []}
    base |= {"spansLeft": 0, "files": [], "filesLeft": 0}
    experiment = found.experiment
    if experiment is None:
        return base
    try:
        state = state_of(experiment)
    except (MLVError, OSError):
        state = "broken"  # the reason is in the view `problems`
    facts = {
        "name": experiment.name,
        "directory": found.name,
        "kind": experiment.kind,
        "state": state,
        "created": f"{experiment.created:%Y-%m-%d %H:%M:%S} UTC" if experiment.created else None,
        "id": experiment.id,
        "tags": ", ".join(map(str, experiment.tags)),
        "description": "\n".join(map(str, experiment.descriptions)),
        "parent": experiment.parent_ref and (experiment.parent_ref.path or experiment.parent_ref.id),
        "streams": ", ".join(experiment.streams),
        "metadata records": len(experiment.records),
        "changes": "\n".join(map(_change, experiment.changes)),
        **{f"extra.{name}": value for name, value in flatten(experiment.extra)},
    }
    return base | {
        "kind": shorten(experiment.kind),
        "state": state,
        "tags": [shorten(tag) for tag in experiment.tags],
        "params": _flat(experiment.params),
        "environments": [_environment(environment) for environment in experiment.environments],
        "facts": [[shorten(name), display(value)] for name, value in facts.items() if value not in (None, "")],
    }


def _change(change: Change) -> str:
    where = "" if change.stream == Experiment.default_stream else f", for {change.stream} alone"
    name = change.name if change.member == "params" else f"{change.member}.{change.name}"
    return f"{name}: {display(change.old)} -> {display(change.new)} (record {change.record}{where})"


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
        "facts": _flat(environment),
        "packages": [[shorten(name), display(version)] for name, version in packages.items()],
    }


def _flat(tree: Json) -> list[list[float | str]]:
    return [[shorten(name), display(value)] for name, value in flatten(tree)]


def _add_times(connection: duckdb.DuckDBPyConnection, experiments: list[Json], numbers: dict[str, int]) -> None:
    """Add the time between the first and the last event of each experiment's default stream."""
    query = f"""
        select experiment, epoch(max(time)) - epoch(min(time)) from events where {IS_DEFAULT_STREAM} group by all
    """
    for number, seconds in _rows(connection, query, numbers):
        experiments[number]["seconds"] = round(seconds, 3)


def _parameters(trees: list[Found], experiments: list[Json]) -> tuple[list[str], list[str]]:
    """Return the names of the parameters that differ between experiments, and of all parameters, in order."""
    found = [
        {shorten(name): value for name, value in flatten(tree.experiment.params)}
        for tree, experiment in zip(trees, experiments, strict=True)
        if tree.experiment and experiment["state"] != "broken"
    ]
    names = list(dict.fromkeys(name for params in found for name in params))
    # If there is one experiment, there is no other one to compare with.
    return (names if len(found) == 1 else differing(found)), names


def _add_problems(connection: duckdb.DuckDBPyConnection, experiments: list[Json], numbers: dict[str, int]) -> None:
    """Add the first problems of each experiment."""
    query = "select experiment, path, line, message from problems order by experiment, path, line"
    for number, path, line, message in _rows(connection, query, numbers):
        problems = experiments[number]["problems"]
        if len(problems) < _PROBLEMS:
            problems.append(shorten(f"{path}{'' if line is None else f':{line}'}: {message}"))
        elif len(problems) == _PROBLEMS:
            problems.append("There are more problems. To list them all, run mlv-validate.")


# ---- curves ----


def _curves(found: list[Curve], numbers: dict[str, int], starts: list[float]) -> list[Json]:
    """Return the curves as charts: one for each metric of an event of a stream, with one axis and one unit."""
    charts: dict[tuple[str, ...], list[Json]] = {}
    digits = _digits(found)
    for curve in found:
        names = curve.stream, curve.event, curve.metric
        number = numbers[curve.experiment]
        start = starts[number]
        series: Json = {
            "e": number,
            "n": curve.count,
            "bad": curve.bad,
            "min": curve.low,
            "max": curve.high,
            "last": display(curve.last),
            "x": curve.steps,
            "t": [round(time - start, 3) for time in curve.times],
            "y": [_short(value, digits[names]) for value in curve.values],
        }
        if curve.best:
            time = None if curve.best.time is None else round(curve.best.time - start, 3)
            series["best"] = [curve.best.direction, curve.best.value, curve.best.step, time]
        if curve.means:
            steps, times, values = curve.means
            series["mx"] = [round(step, 1) for step in steps]
            series["mt"] = [round(time - start, 3) for time in times]
            series["m"] = [_short(value, digits[names]) for value in values]
        charts.setdefault((*names, curve.axis, curve.unit), []).append(series)
    order = sorted(charts, key=lambda names: (names[0] != Experiment.default_stream, *names))
    return [
        dict(zip(("stream", "event", "metric", "axis", "unit"), map(shorten, names), strict=True), series=charts[names])
        for names in order
    ]


def _downsampled(found: list[Curve]) -> list[str]:
    """Return notes about the points that the curves leave out."""
    notes = []
    fewer = [curve for curve in found if curve.means]
    if fewer:
        kept, all_ = (sum(map(len, (curve.steps for curve in fewer))), sum(curve.count for curve in fewer))
        stretches = sorted({len(curve.means[0]) for curve in fewer if curve.means})
        notes.append(
            f"{len(fewer)} of {_count(len(found), 'curve')} are downsampled, from {all_:,} to {kept:,} points. Each"
            f" curve is cut into {stretches[-1]} stretches with equal numbers of points. A stretch keeps its lowest and"
            " its highest point, and the first that is not finite. Smoothing uses the means of the stretches. The"
            " numbers in the table are of all points."
        )
    if left_out := sum(curve.left_out for curve in found):
        notes.append(
            f"{_count(left_out, 'value')} without a position on the axis that the metric defines are left out."
        )
    notes.append(
        "Curves have seven significant digits of the range of their chart; the table shows the logged values with six."
    )
    return notes


def _digits(found: list[Curve]) -> dict[tuple[str, str, str], int]:
    """Return how many significant digits the values of each chart need, to have seven digits of their range."""
    ranges: dict[tuple[str, str, str], list[float]] = {}
    for curve in found:
        if curve.low is not None and curve.high is not None:
            ranges.setdefault((curve.stream, curve.event, curve.metric), []).extend((curve.low, curve.high))
    digits = {(curve.stream, curve.event, curve.metric): _EXACT for curve in found}
    for names, ends in ranges.items():
        low, high = min(ends), max(ends)
        size = max(-low, high) / 2  # halves, because the range may be beyond all floats
        if high / 2 > low / 2 and (ratio := size / (high / 2 - low / 2)) < 1e10:
            digits[names] = min(_EXACT, 7 + max(0, math.floor(math.log10(ratio))))
    return digits


def _short(value: float | None, digits: int) -> float | None:
    if value is None:
        return None
    short = float(f"{value:.{digits}g}")
    return short if math.isfinite(short) else value  # the largest floats may be rounded to infinity


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
    """Add the longest spans of each experiment, by start; a span that never ended lasts until the last event."""
    totals: dict[int, int] = {}
    for number, stream, event, data, start, seconds, length, total in _rows(connection, _SPANS_OF, numbers, _SPANS):
        begin = round(start - starts[number], 6)
        experiments[number]["spans"].append(
            {
                "name": shorten(event if stream == Experiment.default_stream else f"{event} ({stream})", 100),
                "start": begin,
                "end": round(begin + length, 6),
                "seconds": seconds,
                "open": seconds is None,
                "text": shorten(data, 200),
            }
        )
        totals[number] = total
    for number, total in totals.items():
        experiments[number]["spansLeft"] = total - len(experiments[number]["spans"])


# ---- files and images ----


def _references(connection: duckdb.DuckDBPyConnection, numbers: dict[str, int]) -> list[tuple[int, Reference]]:
    """Return the files that events refer to, in the order of the log, each with the number of the experiment.

    An `mlv/file` event, which records that a file was attached, is left out if another event refers to the same file.
    """
    query = """
        select experiment, event, stream, seq, step, data::varchar from events
        where data::varchar like '%"_mlv"%"file"%' order by experiment, stream, seq
    """
    found = [
        (number, reference)
        for number, event, stream, seq, step, data in _rows(connection, query, numbers)
        for reference in references(event, stream, seq, step, data)
    ]
    mentioned = {(number, reference.path) for number, reference in found if reference.event != "mlv/file"}
    return [item for item in found if item[1].event != "mlv/file" or (item[0], item[1].path) not in mentioned]


def _forms(
    connection: duckdb.DuckDBPyConnection, numbers: dict[str, int], files: list[tuple[int, Reference]]
) -> list[tuple[int, Json]]:
    """Return the histograms and tables of all events, in the order of the log, with the number of the experiment.

    The tables in attached files are among them.
    """
    query = """
        select experiment, event, stream, seq, step, data::varchar from events
        where data::varchar like '%"_mlv"%"histogram"%' or data::varchar like '%"_mlv"%"table"%'
        order by experiment, stream, seq
    """
    found = [
        ((number, stream, seq or 0), form)
        for number, event, stream, seq, step, data in _rows(connection, query, numbers)
        for form in forms(event, step, data)
    ]
    attached = [((number, one.stream, one.seq or 0), attached_table(one)) for number, one in files]
    found += [(place, form) for place, form in attached if form]
    found.sort(key=lambda item: item[0])
    return [(number, form) for (number, _, _), form in found]


def _add_files(experiments: list[Json], files: list[tuple[int, Reference]]) -> None:
    """Add each file of each experiment once, with the first event that refers to it."""
    seen: dict[tuple[int, str, str], Reference] = {}
    for number, reference in files:
        seen.setdefault((number, reference.path, reference.sha256), reference)
    for (number, path, sha256), reference in seen.items():
        experiment = experiments[number]
        if len(experiment["files"]) < _FILES:
            other = "of another experiment" if reference.experiment else ""
            row = [shorten(path), reference.size, shorten(reference.media_type or ""), shorten(reference.event)]
            experiment["files"].append([*row, shorten(sha256, 64), other])
        else:
            experiment["filesLeft"] += 1


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, numbers: dict[str, int], *parameters: object
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query whose first column is the experiment, with the number instead of the experiment."""
    for name, *rest in connection.execute(query, parameters).fetchall():
        if name in numbers:  # an experiment may have been added in the meantime
            yield numbers[name], *rest
