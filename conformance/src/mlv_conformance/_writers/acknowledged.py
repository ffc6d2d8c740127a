"""Whether the writer stored what it acknowledged. Only valid directories are compared."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer
from mlv_conformance._models import equal, integer, model, read_line
from mlv_conformance._writers.savedir import Savedir, experiment_of

USER_OPERATIONS = ("event", "end")
"""Operations that log an event of the user."""


def missing_meta(
    savedir: Savedir, stream: str, operation: dict[str, Any], answer: Answer, *, strict: bool
) -> Iterator[str]:
    """Return what an operation that opened an experiment didn't store in its metadata records.

    Args:
        savedir: The directory that was written.
        stream: The stream that the operation opened.
        operation: The operation.
        answer: The writer's answer.
        strict: Whether parameters must be stored exactly as they were given.
    """
    path = experiment_of(stream)
    if not savedir.has_experiment(path):
        yield f"the experiment {path} was acknowledged and has no meta.json"
        return
    experiment = savedir.path / path
    raw = (experiment / "meta.json").read_bytes()
    id_ = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if operation["op"] in ("create", "resume") and answer.get("id") != id_:
        yield f"the id is {id_}, not {answer.get('id')!r}"
    records = [read_line(raw)]
    if operation["op"] == "create":
        for member in ("name", "kind"):
            if records[0].get(member) != operation[member]:
                yield f"{member} is {records[0].get(member)!r}, not {operation[member]!r}"
    else:
        records += _additions(experiment)
    if strict:
        yield from _missing_parameters(records, operation, stream.removeprefix(f"{experiment_of(stream)}/"))
    for tag in operation.get("tags", []):
        if not any(tag in record.get("tags", []) for record in records):
            yield f"the tag {tag!r} is missing"
    if "description" in operation:
        if not any(record.get("description") == operation["description"] for record in records):
            yield "the description is missing"


def _additions(experiment: Path) -> Iterator[Any]:
    for number in range(2, 1000):
        path = experiment / "meta" / f"{number}.json"
        if not path.exists():
            return
        yield read_line(path.read_bytes())


def _missing_parameters(records: list[Any], operation: dict[str, Any], stream: str) -> Iterator[str]:
    """Return the given values that aren't in force under any of the records that were made for the stream."""
    kept = stream.startswith("log/kept-")
    own = [n for n, record in enumerate(records, 1) if record.get("stream", "log.jsonl") == stream or kept]
    for member in ("params", "extra"):
        for name, wanted in operation.get(member, {"object": {}})["object"].items():
            found = [in_force(records, number, member).get(name) for number in own]
            if not any(equal(one, wanted) for one in found):
                yield f"{member} has {name!r} as {str(found)[:200]}, not as {str(wanted)[:200]}"


def in_force(records: list[Any], number: int, member: str) -> dict[str, Any]:
    """Return the models of the values of a member that are in force under a record."""
    stream = records[number - 1].get("stream")
    values: dict[str, Any] = {}
    for record in records[:number]:
        for name, value in model(record.get(member, {}))["object"].items():
            values.setdefault(name, value)
        if record.get("stream") in (None, stream):
            values |= model(record.get("changes", {}).get(member, {}))["object"]
    return values


def wrong_values(savedir: Savedir, stream: str, seq: int, given: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Return the values that were given before an event and aren't in force for it.

    Args:
        savedir: The directory that was written.
        stream: The stream of the event.
        seq: The `seq` of the event.
        given: The models of the last given values by name, for `params` and `extra`.
    """
    experiment = savedir.path / experiment_of(stream)
    records = [read_line((experiment / "meta.json").read_bytes()), *_additions(experiment)]
    number = None
    for event in savedir.events(stream):
        if event["event"] in ("mlv/start", "mlv/record"):
            number = integer(event["data"]["record"]["number"])
        if integer(event["seq"]) == seq:
            break
    for member, values in given.items():
        found = in_force(records, number, member) if number else {}
        for name, value in values.items():
            if not equal(found.get(name), value):
                yield (
                    f"{member}.{name} is {str(found.get(name))[:200]} for the event {seq} of {stream}, under record "
                    f"{number}, not {str(value)[:200]}, which was given before"
                )


def missing_event(
    savedir: Savedir, stream: str, operation: dict[str, Any], seq: int, period: tuple[str, str]
) -> Iterator[str]:
    """Return how the event that was acknowledged with a `seq` differs from the event that was logged.

    Args:
        savedir: The directory that was written.
        stream: The stream of the event.
        operation: The operation that logged the event.
        seq: The acknowledged `seq`.
        period: The times between which the event was logged.
    """
    where = f"the event {seq} of {stream}"
    event = next((event for event in savedir.events(stream) if integer(event["seq"]) == seq), None)
    if event is None:
        yield f"{where} was acknowledged and is missing"
        return
    wanted = {
        "event": {"span": operation.get("span"), "within": operation.get("within")},
        "end": {"span": "end", "begin": operation.get("begin")},
    }.get(operation["op"], {})
    for member, value in wanted.items():
        found = event.get(member)
        if (integer(found) if isinstance(value, int) and found is not None else found) != value:
            yield f"{where}: {member} is {found!r}, not {value!r}"
    name = operation.get("event") if operation["op"] in USER_OPERATIONS else operation["op"]
    if name is not None and event["event"] != name:
        yield f"{where} is {event['event']!r}, not {name!r}"
    if operation["op"] in USER_OPERATIONS and not equal(model(event["data"]), operation["data"]):
        yield f"{where}: data is {str(model(event['data']))[:300]}, not {str(operation['data'])[:300]}"
    if operation["op"] == "mlv/rewind" and integer(event["data"]["to"]) != operation["to"]:
        yield f"{where}: to is {event['data']['to']}, not {operation['to']}"
    if operation["op"] == "mlv/metric":
        # An earlier event may define all of it already, and may have more members.
        data = model(event["data"])["object"]
        wanted = {name: operation[name] for name in operation if name != "op"}
        if {name: data.get(name) for name in {**wanted, "event": None}} != {"event": None, **wanted}:
            yield f"{where} is the definition {str(data)[:300]}, not {str(wanted)[:300]}"
    elif not period[0] <= event["time"] <= period[1]:
        yield f"{where}: time is {event['time']}, but it was logged between {period[0]} and {period[1]}"


def missing_file(savedir: Savedir, experiment: str, streams: Iterable[str], path: Any, content: bytes) -> Iterator[str]:
    """Return why an attached file isn't stored, or that no event refers to it.

    Args:
        savedir: The directory that was written.
        experiment: The path of the experiment.
        streams: The streams of the experiment whose events may refer to the file.
        path: The path that the writer answered.
        content: The bytes that were attached.
    """
    if not isinstance(path, str) or not path.startswith("files/"):
        yield f"attach was answered with the path {path!r}, not with one below files/"
        return
    file = savedir.path / experiment / path
    if not file.is_file() or file.read_bytes() != content:
        yield f"{experiment}/{path} is not the file that was attached"
    wanted = hashlib.sha256(content).hexdigest()
    if not any(
        value.get("path") == path and value.get("sha256") == wanted
        for name in streams
        for event in savedir.events(name)
        for value in _files(event["data"])
    ):
        yield f"no event refers to {path}"


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Return the typed values `file` in a JSON value."""
    if isinstance(value, dict):
        if value.get("_mlv") == "file":
            yield value
        for part in value.values():
            yield from _files(part)
    elif isinstance(value, list):
        for part in value:
            yield from _files(part)
