"""What a writer left in a directory: judged by `mlv_validate`, and compared with what was asked and acknowledged."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer
from mlv_conformance._models import equal, events, integer, model, read_line
from mlv_conformance._suite import Edit, apply
from mlv_validate import Target, validate

_SEAL_AT_LEAST = 64 * 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024
_USERS = ("event", "end")
"""Operations that leave an event of the user's."""
_Entry = tuple[int, str, bytes]
"""What is at a path: its inode, its kind, and the bytes of a file or where a link leads."""


class Left:
    """A savedir, before and after a run."""

    def __init__(self, savedir: Path) -> None:
        self._savedir = savedir
        self._before: dict[str, bytes] = {}
        self._counts: Counter[str] = Counter()
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._report: Target | None = None
        self._foreign: dict[str, _Entry] = {}
        self._edited: set[str] = set()
        self._gone: set[str] = set()
        self._scattered = False
        self._continued: tuple[str, str, bytes, int] | None = None

    def begin(self) -> None:
        """Remember what is published now: none of it may change."""
        self._before = dict(self._published())
        self._counts = Counter({path: self._users(path) for path in self._before if path.endswith(".jsonl")})

    def exists(self, path: str) -> bool:
        return (self._savedir / path / "meta.json").exists()

    def judge(self, *, sealed: bool = False, killed: bool = False) -> list[str]:
        """What a validator finds; a torn tail is in order where the writer was `killed`."""
        self._events.clear()
        if not any(self._savedir.rglob("meta.json")):
            return []
        [self._report] = validate(self._savedir, sealed=sealed).targets
        allowed = ("log.torn",) if killed else ()
        problems = [
            f"{finding.path}{'' if finding.line is None else f':{finding.line}'}: {finding.rule}: {finding.message}"
            for finding in self._report.findings
            if finding.level == "error" or finding.rule == "log.torn" and finding.rule not in allowed
            if not self._is_foreign(finding.path)
        ]
        unchecked = [entry for entry in self._report.unchecked if not self._is_foreign(entry.path)]
        return problems[:5] + [f"{entry.path}: {entry.reason}" for entry in unchecked]

    def disturb(self, edits: Sequence[Edit], *, scattered: bool) -> None:
        """
        Make edits as another program does; what they change belongs to that program from then on.

        `scattered` says that the writer may continue in any stream.
        """
        self._scattered |= scattered
        before = self._entries()
        for edit in edits:
            apply(self._savedir, edit)
        after = self._entries()
        self._edited |= {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        self._foreign = {path: after[path] for path in self._edited if path in after}
        self._gone |= {path for path in before if f"{path}/meta.json" in before} - after.keys()

    def content(self, stream: str) -> bytes:
        """The bytes of a stream, none if it is not there."""
        path = self._savedir / stream
        return path.read_bytes() if path.is_file() else b""

    def is_gone(self, stream: str) -> bool:
        """Whether another program removed the directory of the stream's experiment."""
        return _experiment(stream) in self._gone

    def continues(self, stream: str, before: str, content: bytes, seq: int, *, begins: str) -> None:
        """Expect that a writer continues in a stream; `content` and `seq` are what it had written before."""
        committed = content[: content.rfind(b"\n") + 1]
        begin = committed if begins == "bytes" else b""
        self._continued = stream, before, begin, max(seq, _last_seq(committed))
        self._edited.discard(stream)
        if stream != before:
            self._counts[stream] = _count(begin)

    def continued(self) -> Iterator[str]:
        """How a writer has not continued since the last edits as it was expected."""
        continued, self._continued = self._continued, None
        if continued:
            stream, before, begin, last = continued
            content = self.content(stream)
            if not content:
                yield f"{stream}, in which the writer should have continued, is not there"
            elif not content.startswith(begin):
                yield f"{stream} does not begin with the bytes that the writer had written to {before}"
            elif stream != before:
                found = _of_start(content[len(begin) :], "replaces")
                wanted = {"stream": before.removeprefix(f"{_experiment(before)}/"), "last": last}
                try:
                    is_right = {"stream": found["stream"], "last": integer(found["last"])} == wanted
                except (KeyError, TypeError, ValueError):
                    is_right = False
                if not is_right:
                    yield f"{stream}: replaces is {found!r}, not {wanted!r}"

    def changed(self) -> Iterator[str]:
        """What was published before and is not any more what it was."""
        now = dict(self._published())
        entries = self._entries()
        for path, entry in self._foreign.items():
            if entries.get(path) != entry:
                yield f"{path} is not as another program left it"
        for path in self._gone:
            if path in entries:
                yield f"the directory {path}, which another program removed, is there again"
        for path, content in self._before.items():
            if path in self._edited:
                continue
            found = now.get(path, b"")
            if path.endswith(".jsonl"):
                committed = content[: content.rfind(b"\n") + 1]
                if not found.startswith(committed):
                    yield f"{path}: lines that were committed before are not there as they were"
                yield from _recovery(path, content[len(committed) :], found[len(committed) :])
            elif found != content:
                yield f"{path} is not what it was"

    def surplus(
        self, sessions: list[list[tuple[str, dict[str, Any], Answer]]], killed_after: int | None
    ) -> Iterator[str]:
        """Streams with more events of the user's than were asked for."""
        if self._scattered:
            return
        asked = Counter(stream for session in sessions for stream, operation, _ in session if operation["op"] in _USERS)
        for path, _ in self._published():
            if path.endswith(".jsonl") and path not in self._foreign:
                new = self._users(path) - self._counts[path]
                if new > asked[path] + (killed_after is not None):
                    yield f"{path} has {new} new events of the user's, where {asked[path]} were logged"

    def somewhere(self, experiment: str) -> list[str]:
        """The streams of an experiment that no other program changed."""
        return [path for path in self._streams(experiment) if path not in self._foreign]

    def lacks_meta(self, stream: str, operation: dict[str, Any], answer: Answer, *, strict: bool) -> Iterator[str]:
        """What an operation that opened an experiment should have left in its meta records."""
        experiment = self._savedir / _experiment(stream)
        raw = (experiment / "meta.json").read_bytes()
        id_ = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if operation["op"] in ("create", "resume") and answer.get("id") != id_:
            yield f"the id is {id_}, not {answer.get('id')!r}"
        records = [read_line(raw)]
        for number in range(2, 1000):
            path = experiment / "meta" / f"{number}.json"
            if not path.exists():
                break
            records.append(read_line(path.read_bytes()))
        if operation["op"] == "create":
            records = records[:1]
            for member in ("name", "kind"):
                if records[0].get(member) != operation[member]:
                    yield f"{member} is {records[0].get(member)!r}, not {operation[member]!r}"
        for member in ("params", "extra") if strict else ():
            for name, wanted in operation.get(member, {"object": {}})["object"].items():
                found = [model(record.get(member, {}))["object"].get(name) for record in records]
                if not any(equal(one, wanted) for one in found):
                    yield f"{member} has {name!r} as {str(found)[:200]}, not as {str(wanted)[:200]}"
        for tag in operation.get("tags", []):
            if not any(tag in record.get("tags", []) for record in records):
                yield f"the tag {tag!r} is not there"
        if "description" in operation and not any(
            record.get("description") == operation["description"] for record in records
        ):
            yield "the description is not there"

    def lacks_event(self, stream: str, operation: dict[str, Any], seq: int, period: tuple[str, str]) -> Iterator[str]:
        """How the event that was acknowledged with a `seq` is not what was logged."""
        where = f"the event {seq} of {stream}"
        event = next((event for event in self._of(stream) if integer(event["seq"]) == seq), None)
        if event is None:
            yield f"{where} was acknowledged and is not there"
            return
        wanted = {
            "event": {"span": operation.get("span"), "within": operation.get("within")},
            "end": {"span": "end", "begin": operation.get("begin")},
        }.get(operation["op"], {})
        for member, value in wanted.items():
            found = event.get(member)
            if (integer(found) if isinstance(value, int) and found is not None else found) != value:
                yield f"{where}: {member} is {found!r}, not {value!r}"
        name = operation.get("event") if operation["op"] in _USERS else operation["op"]
        if name is not None and event["event"] != name:
            yield f"{where} is {event['event']!r}, not {name!r}"
        if operation["op"] in _USERS and not equal(model(event["data"]), operation["data"]):
            yield f"{where}: data is {str(model(event['data']))[:300]}, not {str(operation['data'])[:300]}"
        if operation["op"] == "mlv/rewind" and integer(event["data"]["to"]) != operation["to"]:
            yield f"{where}: to is {event['data']['to']}, not {operation['to']}"
        if not period[0] <= event["time"] <= period[1]:
            yield f"{where}: time is {event['time']}, but it was logged between {period[0]} and {period[1]}"

    def lacks_file(self, stream: str, path: Any, content: bytes) -> Iterator[str]:
        """How an attached file is not there, or no event refers to it."""
        experiment = _experiment(stream)
        if not isinstance(path, str) or not path.startswith("files/"):
            yield f"attach was answered with the path {path!r}, not with one below files/"
            return
        file = self._savedir / experiment / path
        if not file.is_file() or file.read_bytes() != content:
            yield f"{experiment}/{path} is not the file that was attached"
        wanted = hashlib.sha256(content).hexdigest()
        if not any(
            value.get("path") == path and value.get("sha256") == wanted
            for name in self.somewhere(experiment)
            for event in self._of(name)
            for value in _files(event["data"])
        ):
            yield f"no event refers to {path}"

    def equal_nonces(self) -> Iterator[str]:
        """Nonces that two experiments have."""
        nonces = Counter(read_line((path / "meta.json").read_bytes())["nonce"] for path in self.experiments())
        yield from (f"the nonce {nonce} occurs {times} times" for nonce, times in nonces.items() if times > 1)

    def experiments(self) -> list[Path]:
        return [path.parent for path in self._savedir.rglob("meta.json")]

    def outside(self) -> list[str]:
        """The paths next to the savedir."""
        return [str(path.name) for path in self._savedir.parent.iterdir() if path != self._savedir]

    def state(self, path: str) -> str | None:
        """The state of an experiment, as the validator found it last."""
        report = self._report.experiments if self._report else ()
        return next((one.state for one in report if one.path == path), None)

    def holding(self, text: str) -> Iterator[str]:
        """The files that hold a string."""
        for path in self._savedir.rglob("*"):
            if path.is_file() and text.encode() in path.read_bytes():
                yield path.relative_to(self._savedir).as_posix()

    def seldom_sealed(self) -> Iterator[str]:
        """Streams with more bytes without a seal than a writer should let come together."""
        for path, content in self._published():
            if path.endswith(".jsonl") and len(content) > _SEAL_AT_LEAST:
                last = offset = 0
                for line in content.splitlines(keepends=True):
                    offset += len(line)
                    if b'"event":"mlv/seal"' in line or b'"event":"mlv/end"' in line:
                        if offset - last > _SEAL_AT_LEAST + _MAX_LINE:
                            yield f"{path} has {offset - last} bytes between two seals"
                        last = offset

    def _of(self, stream: str) -> list[dict[str, Any]]:
        if stream not in self._events:
            path = self._savedir / stream
            self._events[stream] = events(path) if path.exists() else []
        return self._events[stream]

    def _users(self, stream: str) -> int:
        """How many events of the user's a stream has; lines that cannot be read do not count."""
        return _count((self._savedir / stream).read_bytes())

    def _streams(self, experiment: str) -> list[str]:
        return [path for path, _ in self._published() if path.startswith(f"{experiment}/") and path.endswith(".jsonl")]

    def _published(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self._savedir.rglob("*")):
            if path.is_file() and not path.name.startswith(".mlv-"):
                yield path.relative_to(self._savedir).as_posix(), path.read_bytes()

    def _is_foreign(self, path: str) -> bool:
        """Whether what is at a path, or that nothing is there, is another program's doing."""
        return path in self._edited and (path in self._foreign or not (self._savedir / path).exists())

    def _entries(self) -> dict[str, _Entry]:
        """All that is in the savedir but temporary names, by its path."""
        return {
            path.relative_to(self._savedir).as_posix(): _entry(path)
            for path in self._savedir.rglob("*")
            if not path.name.startswith(".mlv-")
        }


def _count(content: bytes) -> int:
    return sum(b'"event":"mlv/' not in line for line in content[: content.rfind(b"\n") + 1].splitlines())


def _entry(path: Path) -> _Entry:
    inode = path.lstat().st_ino
    if path.is_symlink():
        return inode, "link", os.fsencode(os.readlink(path))
    if path.is_file():
        return inode, "file", path.read_bytes()
    return inode, "directory" if path.is_dir() else "other", b""


def _last_seq(committed: bytes) -> int:
    """The `seq` of the last line; 0 if there is none that can be read."""
    try:
        return integer(read_line(committed.splitlines()[-1])["seq"])
    except (IndexError, ValueError, KeyError, TypeError):
        return 0


def _of_start(content: bytes, member: str) -> Any:
    """A member of the `mlv/start` with which bytes begin; None if there is none."""
    try:
        return read_line(content.partition(b"\n")[0])["data"].get(member)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _recovery(path: str, lost: bytes, added: bytes) -> Iterator[str]:
    """How a session that follows bytes without an LF does not tell of them."""
    if lost and added != lost:
        found = _of_start(added, "recovered")
        wanted = {"size": len(lost), "sha256": hashlib.sha256(lost).hexdigest()}
        if found is None or integer(found["size"]) != wanted["size"] or found["sha256"] != wanted["sha256"]:
            yield f"{path}: recovered is {found!r}, but {wanted!r} was left"


def _experiment(stream: str) -> str:
    """That of a stream, or of what is in no stream that is known."""
    folder = stream.rpartition("/")[0] if stream.endswith(".jsonl") else stream
    return folder.removesuffix("/log")


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """The typed values `file` in a JSON value."""
    if isinstance(value, dict):
        if value.get("_mlv") == "file":
            yield value
        for part in value.values():
            yield from _files(part)
    elif isinstance(value, list):
        for part in value:
            yield from _files(part)
