"""The commands of the Python driver that only read, done with `mlvlogger` and `mlv_validate`."""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_validate import make_statement, validate
from mlvlogger import MLVError, UnsupportedVersion

_SAFE = 2**53 - 1


def answer_each(answer: Callable[[str], dict[str, Any]], arguments: Iterable[str]) -> int:
    """Print the answer to each argument; returns the exit code."""
    for argument in arguments:
        print(json.dumps(answer(argument)), flush=True)
    return 0


def identify(file: str) -> dict[str, Any]:
    """The id of an experiment of which `meta.json` is a file."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(file, Path(folder, "meta.json"))
        return {"id": mlvlogger.read(folder).id}


def judge(directory: str, *, sealed: bool = False, anchor: str | None = None) -> dict[str, Any]:
    """What the validator finds."""
    report = validate(directory, sealed=sealed, anchor=anchor)
    [target] = report.targets
    in_report = report.to_json()["targets"][0]
    return {
        "matches": in_report.get("matches"),
        "experiments": in_report["experiments"],
        "findings": [{"rule": one.rule, "path": _storable(one.path), "line": one.line} for one in target.findings],
        "unchecked": [_storable(one.path) for one in target.unchecked],
    }


def _storable(path: str) -> str:
    """A path as in a report: bytes that aren't UTF-8 are written `\\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def state(directory: str) -> dict[str, Any]:
    """The statement of an experiment, and its anchor."""
    try:
        statement = make_statement(directory)
    except ValueError:
        return {"statement": None, "anchor": None}
    return {"statement": statement.raw.decode(), "anchor": statement.anchor}


def read(directory: str) -> dict[str, Any]:
    """What the reader makes of an experiment."""
    try:
        exp = mlvlogger.read(directory)
    except (MLVError, OSError):
        return {"refused": True}
    streams = {path: _stream(exp, path) for path in exp.streams}
    try:
        state = exp.state
    except UnsupportedVersion:
        state = None
    return {"id": exp.id, "state": state, "meta": _meta(exp), "streams": streams}


def metrics(directory: str) -> dict[str, Any]:
    """What the reader makes of the metrics of an experiment."""
    try:
        exp = mlvlogger.read(directory)
        return {"streams": {path: _metrics(exp, path) for path in exp.streams}}
    except (MLVError, OSError):
        return {"refused": True}


def _metrics(exp: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    definitions = exp.metric_definitions(stream=path)
    for event, name in exp.metric_names(stream=path):
        positions, values = exp.metric(event, name, stream=path)
        definition = definitions.of(event, name)
        best = exp.best(event, name, stream=path) if definition and definition.direction else None
        found.setdefault(event, {})[name] = {
            "definition": definition and _definition(definition),
            "points": [[_model(at), _model(value)] for at, value in zip(positions, values, strict=True)],
            "best": best and best.line,
        }
    return found


def _definition(definition: Any) -> dict[str, str]:
    members = ("direction", "unit", "description", "axis")
    return {name: text for name in members if (text := getattr(definition, name)) is not None}


def _meta(exp: Any) -> dict[str, Any]:
    # The reader says in words alone what it has left out.
    problems = [
        problem for problem in exp.problems if problem.path.startswith("meta/") and "was left out" in problem.message
    ]
    left_out = sorted(int(Path(problem.path).stem) for problem in problems)
    return {
        "name": exp.name,
        "kind": exp.kind,
        "created": exp.created and _utc(exp.created),
        "nonce": exp.records[0].get("nonce"),
        "parent": _model(exp.parent_ref),
        "params": _model(exp.params),
        "extra": _model(exp.extra),
        "tags": exp.tags,
        "descriptions": exp.descriptions,
        "environments": [_model(environment) for environment in exp.environments],
        "changes": _changes(exp),
        "in_force": {
            str(number): {"params": _model(exp.params_at(number)), "extra": _model(exp.extra_at(number))}
            for number in range(1, len(exp.records) + 1)
            if number not in left_out
        },
        "left_out": left_out,
    }


def _changes(exp: Any) -> list[Any]:
    found: dict[int, Any] = {}
    for change in exp.changes:
        empty: dict[str, Any] = {"params": {}, "extra": {}}
        of_record = found.setdefault(change.record, {"number": change.record, "stream": change.stream, **empty})
        of_record[change.member][change.name] = _model(change.new)
    return [{**one, **{name: {"object": one[name]} for name in ("params", "extra")}} for one in found.values()]


def _stream(exp: Any, path: str) -> dict[str, Any]:
    events = list[Any]()
    refused = None
    try:
        for event in exp.events(stream=path, rewound=True, lifecycle=True):
            events.append(event)
        kept = {event.line for event in exp.events(stream=path, lifecycle=True)}
    except UnsupportedVersion as error:
        # The reader says where in words alone.
        refused = int(str(error).split("the session on line ")[1].split()[0])
        kept = {event.line for event in events}
    left_out = sorted(problem.line for problem in exp.problems if problem.path == path and problem.line)
    return {
        "events": [_event(event, event.line in kept) for event in events],
        "records": [exp.record_at(event) for event in events],
        "left_out": left_out,
        "refused": refused,
    }


def _event(event: Any, kept: bool) -> dict[str, Any]:
    members = {
        "line": event.line,
        "seq": event.seq,
        "time": _utc(event.time),
        "event": event.name,
        "data": _model(event.data),
    }
    for name in ("span", "begin", "seconds", "within"):
        if getattr(event, name) is not None:
            members[name] = getattr(event, name)
    return members if kept else members | {"superseded": True}


def _utc(value: datetime) -> str:
    return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _model(value: Any) -> Any:
    """The model of a Python value as the reader gives it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [_model(part) for part in value]
    kind = dict if isinstance(value, dict) else list if isinstance(value, list) else type(value)  # read-only ones, too
    return _MODELS[kind](value)


def _float(value: float) -> Any:
    return {"number": repr(value)} if math.isfinite(value) else {"float": str(value)}


def _int(value: int) -> Any:
    # `str` refuses long integers, because their text is slow to make; those of a record have at most 4000 digits.
    return {"number": str(value)} if abs(value) <= _SAFE else {"int": str(value)}


def _str(value: str) -> Any:
    lone = any(0xD800 <= ord(char) <= 0xDFFF for char in value)
    return {"string": value.encode("utf-16-be", "surrogatepass").hex()} if lone else value


def _duration(value: timedelta) -> Any:
    microseconds = value // timedelta(microseconds=1)
    whole, rest = divmod(abs(microseconds), 1_000_000)
    return {"duration": f"{'-' if microseconds < 0 else ''}{whole}.{rest:06}"}


def _opaque(value: Any) -> Any:
    # Of a duration that Python has no value for, as it is too long, the reader gives the typed value.
    if value.json["_mlv"] == "duration" and isinstance(value.json.get("value"), str):
        return {"duration": value.json["value"]}
    return {"opaque": value.json}


def _histogram(value: mlvlogger.Histogram) -> Any:
    members = {name: getattr(value, name) for name in value.__match_args__}
    return {
        "histogram": {
            name: list(part) if isinstance(part, tuple) else part if math.isfinite(part) else _float(part)
            for name, part in members.items()
            if part is not None
        }
    }


def _table(value: mlvlogger.Table) -> Any:
    return {"table": {"columns": list(value.columns), "rows": [[_model(cell) for cell in row] for row in value.rows]}}


def _typed(kind: str, *optional: str) -> Callable[[Any], Any]:
    def model(value: Any) -> Any:
        members = {name: getattr(value, name) for name in value.__match_args__}
        return {
            kind: {
                name: _model(part) if isinstance(part, str) else part
                for name, part in members.items()
                if part is not None or name not in optional
            }
        }

    return model


_MODELS: dict[type, Callable[[Any], Any]] = {
    dict: lambda value: {"object": {name: _model(part) for name, part in value.items()}},
    str: _str,
    int: _int,
    float: _float,
    datetime: lambda value: {"datetime" if value.tzinfo else "datetime-local": value.isoformat()},
    date: lambda value: {"date": value.isoformat()},
    time: lambda value: {"time": value.isoformat()},
    timedelta: _duration,
    bytes: lambda value: {"bytes": value.hex()},
    mlvlogger.File: _typed("file", "media_type", "experiment"),
    mlvlogger.External: _typed("external"),
    mlvlogger.ExperimentRef: _typed("experiment", "path"),
    mlvlogger.EventRef: _typed("event"),
    mlvlogger.Histogram: _histogram,
    mlvlogger.Table: _table,
    mlvlogger.Unencodable: _typed("unencodable"),
    mlvlogger.Redacted: _typed("redacted"),
    mlvlogger.Opaque: _opaque,
}
