"""The suite's data for readers: reads, and vectors, some of which are cases for validators, too.

`conformance/suite/README.md` specifies both.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlv_conformance._suite.cases import Case, Edit, Finding, edits_of
from mlv_validate import RULES

_MAX_SAFE_INTEGER = 2**53 - 1
_UNREADABLE_PHASES = ("json", "bytes")


@dataclass(frozen=True)
class Read:
    """A base with edits, and the expected answer of a reader.

    `expected` lists places in the answer with their values. A place is the names and numbers that lead to the value;
    the number of an event is that of its line. The place `()` is the whole answer.
    """

    name: str
    rules: tuple[str, ...]
    base: str
    edits: list[Edit]
    expected: tuple[tuple[tuple[str | int, ...], Any], ...]
    target: str = "."
    command: str = "read"

    @property
    def id(self) -> str:
        """The name of the read in results."""
        return self.name


@dataclass(frozen=True)
class StatementVector:
    """A directory, and its statement with the anchor of it; both are None if it has none."""

    case: Case
    statement: str | None
    anchor: str | None


def load_statements(suite: Path) -> list[StatementVector]:
    """Return the vectors of statements."""
    return [
        StatementVector(
            Case("vectors/statements", vector["name"], vector["base"], edits_of(vector.get("edit")), frozenset()),
            vector["statement"],
            vector.get("anchor"),
        )
        for file in _files(suite, "vectors")
        if file["topic"] == "statements"
        for vector in file["vectors"]
    ]


def load_reads(suite: Path) -> list[Read]:
    """Return the reads of a suite and of its vectors, in the order of the files' names."""
    reads = [_read(file["topic"], read) for file in _files(suite, "reads") for read in file["reads"]]
    for file in _files(suite, "vectors"):
        reads_in = _READS.get(file["topic"], _slot_reads)
        reads += reads_in(f"vectors/{file['topic']}", file)
    return reads


def load_slot_cases(suite: Path) -> list[Case]:
    """Return the cases for validators in the vectors."""
    cases = []
    for file in _files(suite, "vectors"):
        topic = f"vectors/{file['topic']}"
        if "slot" in file:
            cases += _slot_cases(topic, file)
        elif file["topic"] == "seals":
            cases += _seal_cases(topic, file)
    return cases


def _files(suite: Path, folder: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in sorted((suite / folder).glob("*.json"))]


def _read(topic: str, read: dict[str, Any]) -> Read:
    return Read(
        f"reads/{topic}/{read['name']}",
        tuple(read["rules"]),
        read["base"],
        [*edits_of(read["edit"])],
        (((), read["model"]),),
        read.get("target", "."),
    )


def _slot_edit(slot: dict[str, Any], text: Any) -> Edit:
    return {"op": "replace", "path": slot["path"], "line": slot["line"], "old": slot["old"], "new": text}


def _slot_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for each vector, whose text is put into the slot of a base."""
    slot = file["slot"]
    stream = ("streams", slot["path"])
    reads = []
    for vector in file["vectors"]:
        expected: tuple[tuple[tuple[str | int, ...], Any], ...]
        if "model" in vector:
            member = tuple(part for name in slot["member"].split(".") for part in _IN_MODEL.get(name, (name,)))
            expected = (
                ((*stream, "left_out"), []),
                ((*stream, "events", slot["line"], *member), vector["model"]),
            )
        elif any(RULES[rule].phase in _UNREADABLE_PHASES for rule in vector["breaks"]):
            expected = (((*stream, "left_out"), [slot["line"]]),)
        else:
            continue
        edit = _slot_edit(slot, vector["text"])
        reads.append(Read(f"{topic}/{vector['name']}", ("reader.garbled",), slot["base"], [edit], expected))
    return reads


_IN_MODEL: dict[str, tuple[str, ...]] = {"x": ("object", "x")}  # a member of data is in the model of an object


def _slot_cases(topic: str, file: dict[str, Any]) -> list[Case]:
    slot = file["slot"]
    return [
        Case(
            rule=topic,
            name=vector["name"],
            base=slot["base"],
            edits=(_slot_edit(slot, vector["text"]),),
            findings=frozenset(Finding(rule, slot["path"], slot["line"]) for rule in vector.get("breaks", ())),
        )
        for vector in file["vectors"]
    ]


def _id_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    return [
        Read(
            f"{topic}/{vector['name']}",
            ("reader.id",),
            "minimal",
            [{"op": "write", "path": "meta.json", "new": vector["content"]}],
            ((("id",), vector["id"]),),
            "meta.json",
            "id",
        )
        for vector in file["vectors"]
    ]


def _log_read(vector: dict[str, Any], rules: tuple[str, ...], expected: Any, topic: str, content: Any) -> Read:
    edit = {"op": "write", "path": "log.jsonl", "new": content}
    return Read(f"{topic}/{vector['name']}", rules, "minimal", [edit], expected)


def _state_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    return [
        _log_read(vector, ("reader.state",), ((("state",), vector["state"]),), topic, vector["log"])
        for vector in file["vectors"]
    ]


def _rewind_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    reads = []
    for vector in file["vectors"]:
        superseded = {
            ("streams", "log.jsonl", "events", number): number in vector["superseded"]
            for number in range(1, len(_bytes(vector["log"]).split(b"\n")))
        }
        expected = tuple(((*place, "superseded"), value) for place, value in superseded.items())
        rules = ("reader.superseded", "reader.rewind")
        reads.append(_log_read(vector, rules, expected, topic, vector["log"]))
    return reads


def _bytes(content: Any) -> bytes:
    return "".join(content).encode()


def _prefix_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for each prefix of the log, by its length in bytes."""
    log = _bytes(file["log"])
    reads = []
    for part in file["ranges"]:
        for length in range(part["from"], part["to"] + 1):
            edit = {"op": "write", "path": "log.jsonl", "new": {"hex": log[:length].hex()} if length else ""}
            expected: tuple[tuple[tuple[str | int, ...], Any], ...] = (
                (("state",), part["state"]),
                (("streams", "log.jsonl", "left_out"), []),
                (("streams", "log.jsonl", "events", "count"), part["lines"]),
            )
            reads.append(Read(f"{topic}/{length} bytes", ("reader.torn",), "minimal", [edit], expected))
    return reads


def _no_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    return []


def _seal_cases(topic: str, file: dict[str, Any]) -> list[Case]:
    return [
        Case(
            rule=topic,
            name=vector["name"],
            base="bare",
            edits=({"op": "write", "path": "train.jsonl", "new": vector["log"]},),
            findings=frozenset(Finding(rule, ".", line) for rule, line in vector.get("findings", ())),
            target="train.jsonl",
        )
        for vector in file["vectors"]
    ]


def _fold_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for each list of metadata records, with the effective metadata that results."""
    reads = []
    for vector in file["vectors"]:
        first, *additions = vector["records"]
        content = json.dumps(first)
        edits: list[Edit] = [{"op": "write", "path": "meta.json", "new": content}]
        id_ = previous = _digest(content)
        for number, addition in enumerate(additions, 2):
            content = json.dumps({**addition, "experiment": id_, "previous": previous})
            edits.append({"op": "write", "path": f"meta/{number}.json", "new": content})
            previous = _digest(content)
        expected = tuple((("meta", name), value) for name, value in vector["meta"].items())
        reads.append(Read(f"{topic}/{vector['name']}", ("reader.meta",), "minimal", edits, expected))
    return reads


def _change_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for each list of metadata records, with the changes, and the values and records of events."""
    reads = []
    for vector, fold in zip(file["vectors"], _fold_reads(topic, file), strict=True):
        edits = [{"op": "write", "path": path, "new": log} for path, log in vector.get("logs", {}).items()]
        records = tuple((("streams", path, "records"), value) for path, value in vector.get("records_of", {}).items())
        rules = ("reader.meta", "reader.changes", "reader.in-force")
        reads.append(Read(fold.name, rules, fold.base, fold.edits + edits, fold.expected + records))
    return reads


def _digest(content: str) -> str:
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def _metric_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for the data of each event, which has no definitions of its metrics."""
    reads = []
    for vector in file["vectors"]:
        step = _number_model(vector["step"] or "0")
        expected = {
            name: {"definition": None, "points": [[step, _number_model(text)]], "best": None}
            for name, text in vector["metrics"].items()
        }
        head = '{"seq":1,"time":"2026-11-22T18:24:01.000000Z","event":"e","data":'
        edits: list[Edit] = [{"op": "write", "path": "log.jsonl", "new": f"{head}{vector['data']}}}\n"}]
        answer = ((("streams",), {"log.jsonl": {"e": expected} if expected else {}}),)
        name = f"{topic}/{vector['name']}"
        reads.append(Read(name, ("reader.metrics", "reader.best"), "minimal", edits, answer, command="metrics"))
    return reads


def _number_model(text: str) -> dict[str, str]:
    """Return the model of a number from Python's repr of it."""
    if text in ("nan", "inf", "-inf"):
        return {"float": text}
    is_large = text.lstrip("-").isdigit() and abs(int(text)) > _MAX_SAFE_INTEGER
    return {"int" if is_large else "number": text}


def _definition_reads(topic: str, file: dict[str, Any]) -> list[Read]:
    """Return a read for each set of streams, with their metrics."""
    return [
        Read(
            f"{topic}/{vector['name']}",
            tuple(vector["rules"]),
            "minimal",
            [{"op": "write", "path": path, "new": lines} for path, lines in vector["streams"].items()],
            ((("streams",), vector["metrics"]),),
            command="metrics",
        )
        for vector in file["vectors"]
    ]


_READS = {
    "folds": _fold_reads,
    "changes": _change_reads,
    "ids": _id_reads,
    "states": _state_reads,
    "rewinds": _rewind_reads,
    "prefixes": _prefix_reads,
    "seals": _no_reads,
    "metrics": _metric_reads,
    "definitions": _definition_reads,
    "statements": _no_reads,
}
