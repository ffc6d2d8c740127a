"""Writers that a reviewer planted mistakes in and that the suite passed: `python writers.py ID write DIR < SCENARIO`.

Each is the smallest implementation with one mistake, under the id that the review gave it.
"""

import re
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "drivers"))

import minimal
import wrong_writer
from faulty.planting import Faults, wrapped
from minimal import Stream, Writer

fault = FAULTS = Faults()


def unchecked_members(*names: str) -> None:
    """Members of an event are written without a check."""

    def event(plain: Any, self: Any, name: str, data: Any, **more: Any) -> int:
        self.unchecked = {member: more.pop(member) for member in names if member in more}
        seq: int = plain(self, name, data, **more)
        self.unchecked = {}
        return seq

    wrapped(Stream, "event", event)
    wrapped(Stream, "line", lambda plain, self, *event, **more: plain(self, *event, **more, **self.unchecked))
    Stream.unchecked = {}


# --- spans and rewinds ---


@fault("W16", "writer.refuse", "refusals/*after a rewind", "span.within|was not refused")
def rewind_ends_nothing() -> None:
    """A rewind doesn't end the open spans."""
    Stream.rewind = lambda self, to: self.event("mlv/rewind", {"to": to})


@fault("X07", "writer.refuse", "refusals/the end of a span of an earlier session", "span.end|was not refused")
def spans_survive() -> None:
    """The spans of an earlier session can be ended."""

    def start(plain: Any, self: Any, *arguments: Any) -> None:
        begun = [event for event, _ in minimal.events(self.path.read_bytes()) if event and event.get("span") == "begin"]
        plain(self, *arguments)
        self.spans = {event["seq"]: (event["event"], time.monotonic()) for event in begun}

    wrapped(Stream, "start", start)


@fault("W45", "writer.refuse", "refusals/* within *", "span.within")
def any_within() -> None:
    """`within` may be any number."""
    unchecked_members("within")


@fault("W56", "writer.refuse", "refusals/a rewind to an event that isn't there yet", "rewind.to")
def rewind_forward() -> None:
    """A rewind to a later event is written."""

    def rewind(self: Any, to: int) -> Any:
        self.spans.clear()
        return self.event("mlv/rewind", {"to": to})

    Stream.rewind = rewind


# --- what exists already ---


@fault("W47", "writer.refuse", "continuing/after lost events*", "log.seq")
def counted_lines() -> None:
    """The number of lines is taken for the last seq."""

    def recover(plain: Any, self: Any, committed: bytes) -> None:
        plain(self, committed)
        self.seq = committed.count(b"\n")

    wrapped(Stream, "recover", recover)


@fault("W61", "writer.seal", "continuing/*like*", "seal.from")
def any_digest() -> None:
    """A line that ends as a seal does is taken for a seal."""

    def recover(plain: Any, self: Any, committed: bytes) -> None:
        plain(self, committed)
        digests = re.finditer(rb'"sha256":"([0-9a-f]{64})"}}\n', committed)
        self.place = max((found.start(1) for found in digests), default=0)

    wrapped(Stream, "recover", recover)


@fault("W46", "writer.kept", "continuing/after a garbled last line", "lines that were committed before have changed")
def garbled_is_torn() -> None:
    """A garbled last line is removed with what a crash left."""

    def recover(plain: Any, self: Any, committed: bytes) -> None:
        while committed and [event for event, _ in minimal.events(committed)][-1] is None:
            committed = committed[: committed.rfind(b"\n", 0, -1) + 1]
        plain(self, committed)

    wrapped(Stream, "recover", recover)


@fault("W14", "writer.version", "continuing/a stream with a session of*", "was not refused")
def only_the_version_of_the_meta() -> None:
    """The versions of the sessions in the stream aren't checked."""

    def recover(plain: Any, self: Any, committed: bytes) -> None:
        check, minimal.check_version = minimal.check_version, lambda members: None
        plain(self, committed)
        minimal.check_version = check

    wrapped(Stream, "recover", recover)


@fault("W52", "writer.lock-first", "locks/a stream that another process writes", "metadata records|seal.records")
def record_first() -> None:
    """A metadata record is published before the stream is locked."""
    wrong_writer.FAULTS["record_first"][0]()


@fault("W60", "writer.meta-once", "continuing/another program's log.jsonl in*", "was not refused")
def over_a_log() -> None:
    """An experiment is made where another program has a log.jsonl."""
    minimal.refuse_existing = lambda path: None


@fault("W55", "writer.links", "links/log.jsonl is a symbolic link", "was not refused")
def through_a_linked_log() -> None:
    """A log that is a symbolic link is written."""
    wrapped(minimal, "refuse_links", lambda plain, experiment, name: name == "log.jsonl" or plain(experiment, name))


@fault("W58", "writer.links", "links/the folder files*", "was not refused")
def through_linked_files() -> None:
    """A file is attached below a folder that is a symbolic link."""
    wrapped(minimal, "refuse_links", lambda plain, experiment, name: name[:6] == "files/" or plain(experiment, name))


@fault("W13", "writer.recovered", "continuing/after 1 MiB without an LF", "recovered is")
def digest_of_the_end() -> None:
    """`recovered` has the digest of the last 256 KiB alone."""

    def event(plain: Any, self: Any, name: str, data: Any, **more: Any) -> Any:
        if "recovered" in data:
            data["recovered"]["sha256"] = minimal.digest(self.torn[-256 * 1024 :])
        return plain(self, name, data, **more)

    def start(plain: Any, self: Any, *arguments: Any) -> None:
        self.torn = self.path.read_bytes()[self.size :]
        plain(self, *arguments)

    wrapped(Stream, "event", event)
    wrapped(Stream, "start", start)


@fault("X08", "writer.recovered", "continuing/after a whole line, nothing is recovered", "nothing was left")
def recovers_nothing() -> None:
    """Every session says that it has recovered something."""

    def event(plain: Any, self: Any, name: str, data: Any, **more: Any) -> Any:
        invented = {"recovered": {"size": 1, "sha256": minimal.digest(b"{")}} if name == "mlv/start" else {}
        return plain(self, name, invented | data, **more)

    wrapped(Stream, "event", event)


# --- records ---


@fault("W34", "writer.refuse", "refusals/an event of more than 16 MiB", "json.size")
def any_size() -> None:
    """Records may have any size."""
    minimal.MAX_RECORD = 1 << 40


@fault("W35", "writer.refuse", "refusals/an event that is nested*", "json.depth")
def any_depth_of_events() -> None:
    """Events may be nested more than 64 deep."""
    wrapped(minimal, "record", lambda plain, value: minimal.dumps(value).encode() if "seq" in value else plain(value))


@fault("W36", "writer.refuse", "refusals/params *nested*", "json.depth")
def any_depth_of_meta() -> None:
    """Metadata records may be nested more than 64 deep."""
    wrapped(minimal, "record", lambda plain, value: plain(value) if "seq" in value else minimal.dumps(value).encode())


@fault("W32", "writer.refuse", "refusals/floats beyond*", "json.integers")
def long_integers() -> None:
    """A float without a fraction is written as an integer, however large it is."""
    minimal.MAX_INTEGER = 2**60


@fault("W68", "writer.refuse", "refusals/control characters*", "json.syntax")
def raw_tabs() -> None:
    """A tab in a string isn't escaped."""
    wrapped(minimal, "dumps", lambda plain, value: plain(value).replace("\\t", "\t"))


@fault("W43", "writer.refuse", "refusals/an event named*", "event.name")
def c1_in_names() -> None:
    """The control characters from U+0080 on are taken for letters."""
    minimal.NAME = re.compile(r"(?:[^/\x00-\x1f\x7f]+/)*[^/\x00-\x1f\x7f]+")


@fault("W69", "writer.refuse", "refusals/a kind*", "meta.kind|was not refused")
def any_kind() -> None:
    """A kind may be any string."""

    def create(plain: Any, self: Any, operation: Any) -> Any:
        wrapped(minimal, "portable", lambda inner, name: name if name == operation["kind"] else inner(name))
        return plain(self, operation)

    wrapped(minimal, "portable", lambda plain, name: plain(name))
    minimal.OPERATIONS["create"] = lambda self, operation: create(Writer.create, self, operation)


@fault("W29", "writer.refuse", "refusals/a tag of an earlier record", "addition.new-tags")
def tags_again() -> None:
    """A tag of an earlier record is written again."""
    given = list[Any]()

    def members(plain: Any, operation: Any) -> Any:
        found = plain(operation)
        given[:] = found.get("tags", [])
        return found

    def record(plain: Any, value: Any) -> Any:
        return plain(value | {"tags": given} if "previous" in value and given else value)

    wrapped(minimal, "members", members)
    wrapped(minimal, "record", record)


@fault("W20", "writer.other-file", "files/other bytes under the longest name", "file.name")
def long_names() -> None:
    """A name with `~2` may be longer than 100 characters."""

    def place(self: Any, name: str, content: bytes) -> str:
        for count in range(1, 9):
            path = name if count == 1 else f"{name[: len(name) - 4]}~{count}{name[-4:]}"
            try:
                minimal.publish(self.experiment / "files" / path, content)
            except FileExistsError:
                continue
            break
        return path

    Writer.place = place


@fault("W38", "writer.sub-place", "ends/three experiments inside one another", "parent.enclosing")
def outermost() -> None:
    """The parent is the outermost experiment, not the nearest one."""
    minimal.enclosing = lambda path: next((up for up in [*path.parents][::-1] if (up / "meta.json").exists()), None)


# --- the end ---


@fault("W63", "writer.seal", "exits/a pause ends*", "the state is")
def paused_for_ever() -> None:
    """A session begins paused if the one before it was."""
    wrong_writer.FAULTS["paused_for_ever"][0]()


@fault("W24", "writer.end-streams", "ends/an end lists*", "streams has")
def no_streams() -> None:
    """An end lists no other streams."""
    Stream.others = lambda self: {}


@fault("W66", "writer.end-streams", "ends/an end lists a stream with lost events*", "streams has")
def numbers_of_lines() -> None:
    """An end lists how many lines the other streams have."""

    def others(plain: Any, self: Any) -> Any:
        found = plain(self)
        return found | {
            "streams": {path: (self.experiment / path).read_bytes().count(b"\n") for path in found.get("streams", {})}
        }

    wrapped(Stream, "others", others)


# --- at one moment ---


@fault("W06", "writer.temporary", "observed/*while it is*", "had its name before it was complete")
def under_the_final_name() -> None:
    """A file is written under its final name."""

    def publish(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)

    minimal.publish = publish


@fault("W19", "writer.attach", "observed/a file while it is attached", "before the file was published")
def event_before_its_file() -> None:
    """The event of an attached file is written before the file."""

    def attach(self: Any, operation: Any) -> Any:
        content = bytes.fromhex(operation["hex"])
        path = f"files/{operation['name']}"
        value = {"_mlv": "file", "path": path, "size": len(content), "sha256": minimal.digest(content)}
        self.stream.event("mlv/file", {"file": value})
        minimal.publish(self.experiment / path, content)
        return {"path": path}

    minimal.OPERATIONS["attach"] = attach


@fault("W21", "writer.one-call", "observed/lines while they are written", "without an LF")
def two_calls() -> None:
    """A line and its LF are written in two calls."""

    def write(self: Any, line: bytes) -> None:
        self.file.write(line[:-1])
        self.file.write(b"\n")
        self.size += len(line)
        self.seq += 1

    Stream.write = write


@fault("W48", "writer.line", "observed/a disk that is full*", "json.syntax|log.torn")
def torn_by_a_full_disk() -> None:
    """What was written of a line isn't taken back."""

    def take_back(self: Any) -> None:
        self.size = self.path.stat().st_size

    Stream.take_back = take_back


@fault("W49", "writer.dropped", "observed/a disk that is full*", "log.seq")
def silent_loss() -> None:
    """An event that could not be kept has a number, and no `mlv/dropped` says so."""

    def take_back(plain: Any, self: Any) -> None:
        plain(self)
        self.seq += 1

    wrapped(Stream, "take_back", take_back)


@fault("W41", "writer.secrets", "arguments/*", "contains 'c4n4ry")
def whole_command_line() -> None:
    """The command line is recorded with its secrets."""
    wrapped(minimal, "environment", lambda plain: plain() | {"command": sys.argv})


if __name__ == "__main__":
    FAULTS[sys.argv[1]].plant()
    sys.exit(minimal.main(*sys.argv[2:]))
