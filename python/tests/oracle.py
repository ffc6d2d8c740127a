"""An oracle for what mlvlogger writes: the rules of the specification again, written for these tests alone.

It is a third validator on purpose. `mlv_validate` and `javascript/` judge any directory and explain their findings.
The oracle knows only what mlvlogger may write, and stops at the first broken rule with AssertionError.
The three share no code, so a misread rule must be misread three times to stay unnoticed.
The oracle also runs on Python 3.10, where mlv-validate doesn't install. It checks:

- records: strict JSON in ASCII, its limits, and the chain of digests from `meta.json` over its additions;
- streams: numbers, sessions, spans, dropped events, rewinds, and each seal against the bytes before it;
- attached files: size and digest of each `file` that a record names.

Names, typed values and the data of `mlv/` events are left to mlv-validate: see `check_with_validator`.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z", re.ASCII)
SEAL = re.compile(rb'"from":([0-9]+),"sha256":"([0-9a-f]{64})"\}\}\n')
LOCK = re.compile(r"\.mlv-.+\.lock")  # the folder of a stream's lock files


def strict(record: bytes) -> Any:
    """A record as JSON by a parser that forgives nothing that the chapter Bytes forbids, and wants ASCII besides."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), f"a name twice: {pairs}"
        return dict(pairs)

    def integer(digits: str) -> int:
        assert abs(int(digits)) < 2**53, digits
        return int(digits)

    def number(digits: str) -> float:
        assert math.isfinite(float(digits)), digits
        return float(digits)

    def refuse(token: str) -> None:
        raise AssertionError(token)

    assert len(record) <= 16 * 1024 * 1024
    assert record.isascii() and b"\r" not in record
    bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", record)
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", bare):
        depth += 1 if bracket in b"[{" else -1
        assert depth <= 64, "nested deeper than 64"
    tree = json.loads(
        record.decode("ascii"),
        object_pairs_hook=members,
        parse_int=integer,
        parse_float=number,
        parse_constant=refuse,
    )
    json.dumps(tree, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    return tree


def check_stream(path: Path) -> list[dict[str, Any]]:
    """The events of a stream that keeps every rule that its bytes alone can show; AssertionError otherwise."""
    data = path.read_bytes()
    assert data.endswith(b"\n"), f"{path} has bytes after its last line feed"
    events: list[dict[str, Any]] = []
    open_spans: dict[int, str] = {}
    place = offset = seq = 0
    ended = True
    for line in data.splitlines(keepends=True):
        event = strict(line)
        name, content = event["event"], event["data"]
        assert set(event) <= {"seq", "time", "event", "data", "span", "begin", "seconds", "within"}, event
        assert TIME.fullmatch(event["time"]) and isinstance(content, dict) and "_mlv" not in content, event
        if name == "mlv/dropped":
            missing = {"first": content["first"], "last": content["last"]}
            assert missing == {"first": seq + 1, "last": event["seq"] - 1}, event
            assert sum(content["reasons"].values()) == event["seq"] - 1 - seq > 0, event
        else:
            assert event["seq"] == seq + 1, f"{path}: {event} after {seq}"
        seq = event["seq"]
        assert not ended or name == "mlv/start", f"{event} in no session"
        ended = name == "mlv/end"
        if name in ("mlv/start", "mlv/rewind"):
            open_spans.clear()
        if name == "mlv/rewind":
            assert 0 <= content["to"] < seq, event
        if "within" in event:
            assert event["within"] in open_spans, f"{path}: {event} is in no open span"
        if event.get("span") == "begin":
            assert set(event) <= {"seq", "time", "event", "data", "span", "within"}
            open_spans[seq] = name
        elif event.get("span") == "end":
            assert "within" not in event and event["seconds"] >= 0
            assert open_spans.pop(event["begin"], None) == name, f"{path}: {event} ends no open span"
        else:
            assert not {"span", "begin", "seconds"} & set(event)
        if name in ("mlv/seal", "mlv/end"):
            match = SEAL.search(line)
            assert match and line.endswith(match[0]), line
            digits = offset + len(line) - 68
            assert int(match[1]) == place, f"{path}: a seal from {int(match[1])}, the one before is at {place}"
            assert match[2].decode() == hashlib.sha256(data[place:digits]).hexdigest(), f"{path}: a seal is broken"
            place = digits
        offset += len(line)
        events.append(event)
    return events


def references(tree: Any) -> Iterator[dict[str, Any]]:
    """The typed values `file` in a record."""
    if isinstance(tree, dict) and tree.get("_mlv") == "file":
        yield tree
    elif isinstance(tree, (dict, list)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from references(part)


def check_experiment(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The streams of an experiment of which records, streams and attached files fit together."""
    records = [(path / "meta.json").read_bytes()]
    while (path / f"meta/{len(records) + 1}.json").exists():
        records.append((path / f"meta/{len(records) + 1}.json").read_bytes())
    digests = [hashlib.sha256(record).hexdigest() for record in records]
    for number, record in enumerate(records[1:], 1):
        tree = strict(record)
        assert tree["previous"] == "sha256:" + digests[number - 1] and tree["experiment"] == "sha256:" + digests[0]
    streams = {}
    for file in [path / "log.jsonl", *sorted((path / "log").glob("*.jsonl"))]:
        if file.exists():
            streams[file.relative_to(path).as_posix()] = check_stream(file)
    for name, events in streams.items():
        for event in events:
            if event["event"] == "mlv/start":
                record = event["data"]["record"]
                assert event["data"]["experiment"] == "sha256:" + digests[0], name
                assert record["sha256"] == digests[record["number"] - 1], name
            if event["event"] == "mlv/end":
                for other, seq in event["data"].get("streams", {}).items():
                    assert streams[other][-1]["seq"] >= seq
    for tree in [*map(strict, records), *(event for events in streams.values() for event in events)]:
        for reference in references(tree):
            if "experiment" not in reference and reference["path"].startswith("files/"):
                kept = path / reference["path"]
                assert kept.is_file() and not kept.is_symlink(), reference
                assert kept.resolve() == path.resolve() / reference["path"], reference
                data = kept.read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (reference["size"], reference["sha256"]), (
                    reference
                )
    return streams


def check_with_validator(path: Path, sealed: bool = False) -> None:
    """Ask mlv-validate, which shares no code with mlvlogger, unless this Python is too old for it.

    `test_promises.py` proves that it's asked, and its skipped test reports where it isn't.
    """
    if sys.version_info < (3, 11):
        return
    from mlv_validate import validate

    report = validate(path, sealed=sealed)
    assert [(finding.path, finding.line, finding.rule) for finding in report.targets[0].findings] == []
    assert report.verdict == "valid"


def snapshot(root: Path = Path()) -> dict[str, Any]:
    """Every entry below *root* with its bytes: what is the same before and after was not touched.

    Lock files are left out: a writer process, for example, creates its own at any moment.
    """
    entries = [path for path in root.rglob("*") if not any(LOCK.fullmatch(part) for part in path.parts)]
    return {path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in entries}
