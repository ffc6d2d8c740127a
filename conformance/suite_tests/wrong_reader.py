"""
Readers that are wrong on purpose: `python wrong_reader.py FAULT read DIR…`.

Each is the Python driver with one fault, by the name of which the suite's own tests ask for it.
"""

import hashlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "drivers"))

import _python_reading as driver
import python_driver

import mlvlogger._format.decode as values
import mlvlogger._format.meta as folded
import mlvlogger._format.metric_definition as definition_format
import mlvlogger._format.parse as parse
import mlvlogger._read.experiment as reading
import mlvlogger._read.fast as fast
import mlvlogger._read.meta as meta
import mlvlogger._read.stream as streams
from mlvlogger import Experiment, MetricDefinition, MetricDefinitions, Opaque

plain_read, plain_stream, plain_meta = driver.read, driver._stream, driver._meta


def changed(name: str, change: Callable[[Any], None]) -> None:
    """The answer of a part of the driver, changed."""
    plain = getattr(driver, name)

    def part(*arguments: Any) -> Any:
        answer = plain(*arguments)
        change(answer)
        return answer

    setattr(driver, name, part)


def by_time() -> None:
    """Events by time."""
    changed("_stream", lambda stream: stream["events"].sort(key=lambda event: event["time"]))


def by_seq() -> None:
    """Events by seq."""
    changed("_stream", lambda stream: stream["events"].sort(key=lambda event: event["seq"]))


def stops() -> None:
    """Nothing after a line that cannot be read."""

    def change(stream: Any) -> None:
        first = min(stream["left_out"], default=10**9)
        stream["events"] = [event for event in stream["events"] if event["line"] < first]

    changed("_stream", change)


def silent() -> None:
    """Lines are left out without a report."""
    changed("_stream", lambda stream: stream.update(left_out=[]))


def without_lifecycle() -> None:
    """Lifecycle events are not presented."""

    def change(stream: Any) -> None:
        stream["events"] = [event for event in stream["events"] if not event["event"].startswith("mlv/")]

    changed("_stream", change)


def lenient(**hooks: Any) -> Callable[[], None]:
    def fault() -> None:
        plain = {"parse_constant": parse._refuse, "parse_float": parse._finite, "parse_int": parse._integer}
        parse._line_decoder = json.JSONDecoder(**{**plain, "object_pairs_hook": parse._object, **hooks})  # type: ignore[arg-type]

    return fault


def surrogates() -> None:
    """Lone surrogates are taken."""
    parse.is_json = lambda tree, levels=64: True


def torn() -> None:
    """The bytes after the last LF are a line."""
    plain = streams.blocks

    def blocks(file: Any, size: int) -> Any:
        yield from plain(file, size)
        file.seek(0)
        if rest := file.read().rpartition(b"\n")[2]:
            yield rest + b"\n", len(rest)

    streams.blocks = blocks


def links() -> None:
    """Streams that are symbolic links are read."""
    reading.is_regular = lambda path: path.is_file()
    reading.open_regular = lambda path: open(path, "rb")


def linked_additions() -> None:
    """Additions that are symbolic links are read."""
    meta.read_regular = lambda path, size, dir_fd=None: Path(path).read_bytes()


def canonical_id() -> None:
    """The id of the JSON value."""

    def read(directory: str) -> Any:
        value = json.loads(Path(directory, "meta.json").read_bytes())
        return plain_read(directory) | {"id": f"sha256:{hashlib.sha256(json.dumps(value).encode()).hexdigest()}"}

    driver.read = python_driver.read = read


def rewind_all() -> None:
    """Lifecycle events are superseded as well."""

    def change(stream: Any) -> None:
        for rewind in stream["events"]:
            if rewind["event"] == "mlv/rewind":
                to = float(rewind["data"]["object"]["to"]["number"])
                for event in stream["events"]:
                    if to < event["seq"] < rewind["seq"]:
                        event["superseded"] = True

    changed("_stream", change)


def rewind_none() -> None:
    """A rewind changes nothing."""
    Experiment._superseded = lambda self, path: None  # type: ignore[method-assign]


def inside_opaque() -> None:
    """Names are unescaped within a type that is not known."""
    driver._MODELS[Opaque] = lambda value: {"opaque": {name.replace("__", "_"): v for name, v in value.json.items()}}


def never_unescaped() -> None:
    """Names aren't unescaped."""
    reading.decode_members = values.decode_members = lambda tree: {k: values.decode(v) for k, v in tree.items()}


def unescaped_once_more() -> None:
    """All underscores but one are taken off."""

    def members(tree: Any) -> Any:
        return {"_mlv" if values.is_escaped(name) else name: values.decode(part) for name, part in tree.items()}

    reading.decode_members = values.decode_members = members


def checked(check: Callable[[Any, Any], bool]) -> Callable[[], None]:
    def fault() -> None:
        def check_version(version: Any, requires: Any, where: str) -> None:
            if not check(version, requires):
                raise driver.UnsupportedVersion(where)

        streams.check_version = meta.check_version = check_version

    return fault


def state_of_last_line() -> None:
    """The state is that of the last line alone."""

    def state(self: Any) -> str:
        last = [event.name for event in self.events(lifecycle=True, rewound=True)][-1:]
        return "paused" if last == ["mlv/pause"] else "open"

    Experiment.state = property(state)  # type: ignore[assignment,method-assign]


def clears_locks() -> None:
    """Lock files are removed from an experiment that is read."""

    def read(directory: str) -> Any:
        for path in Path(directory).glob(".mlv-*.lock/*"):
            path.unlink()
        return plain_read(directory)

    python_driver.read = read


def of_definitions(choose: Callable[[MetricDefinitions, str, str], Any]) -> Callable[[], None]:
    def fault() -> None:
        MetricDefinitions.of = choose  # type: ignore[method-assign]

    return fault


def own_first(self: MetricDefinitions, event: str, metric: str) -> Any:
    """A stream's own definitions come before all of log.jsonl."""
    kinds = (self._own, self._default)
    return next((one[metric, name] for one in kinds for name in (event, None) if (metric, name) in one), None)


def merged(self: MetricDefinitions, event: str, metric: str) -> Any:
    """The members of all definitions of a metric."""
    found = [one[metric, name] for name in (None, event) for one in (self._default, self._own) if (metric, name) in one]
    members = [{name: text for name in one.__match_args__ if (text := getattr(one, name))} for one in found]
    return MetricDefinition(**{name: text for one in members for name, text in one.items()}) if found else None


def first_defined() -> None:
    """The first definition of a metric holds."""
    plain = MetricDefinitions.add

    def add(self: MetricDefinitions, data: Any, *, is_default: bool = False) -> None:
        if (data.get("metric"), data.get("event")) not in (self._default if is_default else self._own):
            plain(self, data, is_default=is_default)

    MetricDefinitions.add = add  # type: ignore[method-assign]


def any_definition() -> None:
    """Definitions of any form."""
    definition_format.is_definition = lambda data: "metric" in data


def always_steps() -> None:
    """The axis is always the step."""
    fast.position = lambda data, axis: fast.step(data)
    plain = Experiment.metric
    Experiment.metric = lambda self, *names, stream=None: plain(self, *names, stream=stream, axis="step")  # type: ignore[assignment,method-assign,misc]


def counted_positions() -> None:
    """A value without a position is at its count."""
    plain = fast.position
    counts = iter(range(10**9))

    def position(data: Any, axis: str) -> Any:
        found = plain(data, axis)
        return next(counts) if found is None else found

    fast.position = position


def best_of(value: Callable[[float], bool], *, is_last: bool = False) -> Callable[[], None]:
    """The best of the values for which a function is true."""

    def fault() -> None:
        def best(self: Experiment, pattern: str, name: str, *, stream: str | None = None) -> Any:
            definition = self.metric_definitions(stream=stream).of(pattern, name)
            sign = -1 if definition and definition.direction == "maximize" else 1
            found = [
                one for one in self.events(pattern, stream=stream) if name in one.metrics and value(one.data[name])
            ]
            found = found[::-1] if is_last else found
            return min(found, key=lambda one: sign * one.data[name], default=None)

        Experiment.best = best  # type: ignore[assignment,method-assign]

    return fault


def guesses_directions() -> None:
    """Lower values of a metric without a direction are better."""

    def change(streams: Any) -> None:
        for metrics in streams.values():
            for metric in metrics.values():
                metric["best"] = metric["best"] or 2

    changed("_metrics", change)


def unchanged() -> None:
    """The first values are the effective ones."""
    folded.Meta.effective = lambda self, member: {name: value for name, (_, value) in self.first[member].items()}
    in_force = folded.Meta.in_force
    folded.Meta.in_force = lambda self, member, number, stream: (
        folded.Meta.effective(self, member) if stream is None else in_force(self, member, number, stream)
    )


def changed_for_all() -> None:
    """A change for one stream holds for all."""
    plain = folded.Meta.in_force

    def in_force(self: Any, member: str, number: int, stream: str | None) -> Any:
        values = plain(self, member, number, stream)
        return values | {one.name: one.new for one in self.changes if one.member == member and one.number <= number}

    folded.Meta.in_force = in_force


def without_history() -> None:
    """Changes are not reported."""
    changed("_meta", lambda meta: meta["changes"].clear())


def silent_additions() -> None:
    """Additions that are left out are not reported."""
    changed("_meta", lambda meta: meta["left_out"].clear())


def under_the_session() -> None:
    """An event is under the record of its session, whatever an `mlv/record` says."""

    def records(stream: Any) -> None:
        last = None
        for place, event in enumerate(stream["events"]):
            if event["event"] == "mlv/start":
                last = stream["records"][place]
            stream["records"][place] = last

    changed("_stream", records)


def any_additions() -> None:
    """Additions that break the rules of JSON are taken."""
    meta.parse_record = json.loads


def finite_only() -> None:
    """Values that aren't finite aren't metrics."""

    def change(streams: Any) -> None:
        for metrics in streams.values():
            for metric in metrics.values():
                metric["points"] = [point for point in metric["points"] if "float" not in point[1]]

    changed("_metrics", change)


def parts_of_a_wrong_form() -> None:
    """Of a typed value of a known type without its form, only the type is kept."""

    def model(value: Opaque) -> Any:
        name = value.json["_mlv"]
        return {"opaque": {"_mlv": name} if name in values._DECODERS else value.json}

    driver._MODELS[Opaque] = model


def known_members_only() -> None:
    """A metadata record with another member than those of this version counts as damaged."""
    names = "mlv name kind created nonce description tags params environment extra parent experiment previous changes"
    plain = meta.parse_record

    def parse_record(data: bytes) -> Any:
        record = plain(data)
        if unknown := set(record) - {*names.split(), "stream", "requires"}:
            raise ValueError(f"unknown members {unknown}")
        return record

    meta.parse_record = parse_record


def refuses_silently() -> None:
    """An experiment that is refused is presented as an empty one."""

    def read(directory: str) -> Any:
        answer = plain_read(directory)
        return {"streams": {}} if answer.get("refused") else answer

    python_driver.read = read


FAULTS: dict[str, tuple[Callable[[], None], str, str]] = {
    "by_time": (by_time, "reader.order", "reads/order/*"),
    "by_seq": (by_seq, "reader.order", "reads/order/*"),
    "stops": (stops, "reader.garbled", "reads/garbled/*"),
    "silent": (silent, "reader.garbled-told", "reads/garbled/*"),
    "without_lifecycle": (without_lifecycle, "reader.order", "reads/order/*"),
    "nan": (lenient(parse_constant=float), "reader.garbled", "reads/garbled/*"),
    "infinite": (lenient(parse_float=float), "reader.garbled", "reads/garbled/*"),
    "large": (lenient(parse_int=int), "reader.garbled", "reads/garbled/*"),
    "twice": (lenient(object_pairs_hook=dict), "reader.garbled", "reads/garbled/*"),
    "surrogates": (surrogates, "reader.garbled", "reads/garbled/*"),
    "torn": (torn, "reader.torn", "reads/torn/*"),
    "links": (links, "reader.links", "reads/links/*"),
    "linked_additions": (linked_additions, "reader.links", "reads/links/*"),
    "canonical_id": (canonical_id, "reader.id", "reads/id/*"),
    "rewind_all": (rewind_all, "reader.superseded", "reads/rewind/*"),
    "rewind_none": (rewind_none, "reader.rewind", "reads/rewind/*"),
    "parts_of_a_wrong_form": (parts_of_a_wrong_form, "reader.wrong-form", "reads/opaque/*"),
    "known_members_only": (known_members_only, "reader.unknown", "reads/newer/*"),
    "refuses_silently": (refuses_silently, "reader.refused-told", "reads/major/*"),
    "inside_opaque": (inside_opaque, "reader.opaque", "reads/opaque/*"),
    "never_unescaped": (never_unescaped, "reader.unescape", "reads/unescape/*"),
    "unescaped_once_more": (unescaped_once_more, "reader.unescape", "reads/unescape/*"),
    "newer_refused": (
        checked(lambda version, requires: version == "1.0" and not requires),
        "reader.newer",
        "reads/newer/*",
    ),
    "major_read": (checked(lambda version, requires: not requires), "reader.major", "reads/major/*says*"),
    "major_by_letter": (
        checked(lambda version, requires: version[0] == "1" and not requires),
        "reader.major",
        "reads/major/*",
    ),
    "requires_read": (
        checked(lambda version, requires: version.startswith("1.")),
        "reader.requires",
        "reads/requires/*",
    ),
    "own_first": (of_definitions(own_first), "reader.definition", "vectors/definitions/*"),
    "merged": (of_definitions(merged), "reader.definition", "vectors/definitions/*"),
    "first_defined": (first_defined, "reader.definition", "vectors/definitions/*"),
    "any_definition": (any_definition, "reader.definition", "vectors/definitions/*"),
    "always_steps": (always_steps, "reader.axis", "vectors/definitions/*"),
    "counted_positions": (counted_positions, "reader.position", "vectors/definitions/*position*"),
    "best_of_all": (best_of(lambda value: value == value), "reader.best-value", "vectors/definitions/*infinities*"),
    "best_of_floats": (
        best_of(lambda value: isinstance(value, float) and math.isfinite(value)),
        "reader.best-value",
        "vectors/definitions/*",
    ),
    "last_best": (
        best_of(lambda value: abs(value) < math.inf, is_last=True),
        "reader.best-value",
        "vectors/definitions/*",
    ),
    "guesses_directions": (guesses_directions, "reader.best", "vectors/metrics/*"),
    "clears_locks": (clears_locks, "reader.lock", "reads/locks/*"),
    "unchanged": (unchanged, "reader.meta", "vectors/changes/*"),
    "changed_for_all": (changed_for_all, "reader.in-force", "vectors/changes/*"),
    "without_history": (without_history, "reader.changes", "vectors/changes/*"),
    "any_additions": (any_additions, "reader.additions", "reads/additions/an addition with a name twice"),
    "finite_only": (finite_only, "reader.metrics", "vectors/metrics/*"),
    "silent_additions": (silent_additions, "reader.additions-told", "reads/additions/*"),
    "under_the_session": (under_the_session, "reader.in-force", "vectors/changes/*"),
    "state_of_last_line": (state_of_last_line, "reader.state", "vectors/states/*"),
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]][0]()
    sys.exit(python_driver.main(*sys.argv[2:]))
