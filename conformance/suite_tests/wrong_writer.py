"""
Writers that are wrong on purpose: `python wrong_writer.py FAULT write DIR < SCENARIO`.

Each is the smallest implementation with one fault, by the name of which the suite's own tests ask for it.
"""

import hashlib
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "drivers"))

import minimal
from minimal import Stream, Writer

plain_write, plain_line, plain_encode, plain_start = Stream.write, Stream.line, minimal.encode, Stream.start


def unlooked(*arguments: Any) -> None:
    """Nothing is done."""


def bare_nan() -> None:
    """NaN as JSON does not have it."""
    minimal.dumps = lambda value: json.dumps(value, separators=(",", ":"))

    def encode(model: Any) -> Any:
        special = isinstance(model, dict) and "float" in model
        return float(model["float"]) if special else plain_encode(model)

    minimal.encode = encode


def bare_integers() -> None:
    """Large integers as JSON numbers."""
    minimal.encode = lambda model: (
        int(model["int"]) if isinstance(model, dict) and "int" in model else plain_encode(model)
    )


def six_digits() -> None:
    """Floats with six digits."""
    minimal.number = lambda text: float(f"{float(text):g}") if "." in text or "e" in text else int(text)


def positive_zero() -> None:
    """Negative zero loses its sign."""
    minimal.number = lambda text: int(text) if re.fullmatch("-?[0-9]+", text) else float(text)


def unescaped() -> None:
    """A user's key `_mlv` as it is."""
    minimal.escape = lambda name: name


def escaped_once() -> None:
    """Only the key `_mlv` is escaped, and not `__mlv`."""
    minimal.escape = lambda name: "__mlv" if name == "_mlv" else name


def no_surrogates() -> None:
    """Lone surrogates are replaced."""
    minimal.encode = lambda model: "?" if isinstance(model, dict) and "string" in model else plain_encode(model)


def local_time() -> None:
    """Local time with a Z."""
    time.tzset()
    minimal.utc = lambda: datetime.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def milliseconds() -> None:
    """Three digits of a second."""
    minimal.utc = lambda: datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def two_writes() -> None:
    """The line in one write, its LF in another, and the event acknowledged in between."""

    def write(self: Any, line: bytes) -> None:
        self.file.write(getattr(self, "owed", b"") + line[:-1])
        self.owed = b"\n"
        self.size += len(line)
        self.seq += 1

    Stream.write = write
    close = Stream.close

    def closed(self: Any, status: str) -> None:
        self.file, file = open(os.dup(self.file.fileno()), "a+b", buffering=0), self.file
        close(self, status)
        file.write(b"\n")

    Stream.close, Stream.look = closed, unlooked


def buffered() -> None:
    """Lines wait in a buffer."""

    def start(self: Any, *arguments: Any) -> None:
        self.waiting = []
        plain_start(self, *arguments)

    def write(self: Any, line: bytes) -> None:
        self.waiting.append(line)
        self.size += len(line)
        self.seq += 1
        if len(self.waiting) == 8:
            self.flush()

    def flush(self: Any) -> None:
        self.file.write(b"".join(self.waiting))
        self.waiting.clear()

    seal = Stream.seal
    Stream.start, Stream.write, Stream.flush, Stream.look = start, write, flush, unlooked
    Stream.seal = lambda self, *arguments: (self.flush(), seal(self, *arguments), self.flush())


def naive_append() -> None:
    """What a crash left stays before the next line."""

    def start(self: Any, *arguments: Any) -> None:
        torn = self.path.read_bytes().rpartition(b"\n")[2] if self.path.exists() else b""
        plain_start(self, *arguments)
        if torn:
            content = self.path.read_bytes()
            at = content.rfind(b"\n", 0, len(content) - 1) + 1
            self.path.write_bytes(content[:at] + torn + content[at:])

    Stream.start = start


def adopts() -> None:
    """A whole line without an LF is taken for a line."""

    def start(self: Any, *arguments: Any) -> None:
        if self.path.exists() and self.path.read_bytes().endswith(b"}"):
            with self.path.open("ab") as file:
                file.write(b"\n")
        plain_start(self, *arguments)

    Stream.start = start


def silent_recovery() -> None:
    """What a crash left is removed without a word."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        data.pop("recovered", None)
        return plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def gap() -> None:
    """A number is left out when a stream is opened again."""

    def start(self: Any, *arguments: Any) -> None:
        self.again = self.path.exists() and self.path.stat().st_size > 0
        plain_start(self, *arguments)

    def line(self: Any, name: str, data: Any, **more: Any) -> bytes:
        if self.again:
            self.seq, self.again = self.seq + 1, False
        return plain_line(self, name, data, **more)

    Stream.start, Stream.line = start, line


def from_one() -> None:
    """Numbers begin at 1 in each session."""

    def line(self: Any, name: str, data: Any, **more: Any) -> bytes:
        if name == "mlv/start":
            self.seq = 0
        return plain_line(self, name, data, **more)

    Stream.line = line


def no_start() -> None:
    """A second session begins without an `mlv/start`."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        return self.seq if name == "mlv/start" and self.seq else plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def overwrites() -> None:
    """Publishing replaces an existing file."""

    def publish(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    minimal.publish = publish


def in_place() -> None:
    """What a later script adds goes into `meta.json`."""

    def add(experiment: Path, operation: Any, stream: str | None) -> tuple[int, bytes]:
        meta = json.loads((experiment / "meta.json").read_bytes())
        meta["params"] |= minimal.members(operation).get("params", {})
        content = minimal.dumps(meta | {"created": minimal.utc()}).encode()
        (experiment / "meta.json").write_bytes(content)
        return 1, content

    minimal.add = add


def no_seal() -> None:
    """A stream that is closed is not sealed."""
    Stream.close = lambda self, status: self.event("mlv/pause", {})


def no_seal_paused() -> None:
    """A stream that is closed while paused is not sealed."""
    close = Stream.close
    Stream.close = lambda self, status: None if self.paused else close(self, status)


def unlisted() -> None:
    """The end of an experiment lists no other streams."""
    Stream.others = lambda self: {}


def first_seqs() -> None:
    """The end of an experiment gives 1 for each other stream."""
    others = Stream.others

    def ones(self: Any) -> dict[str, Any]:
        found = others(self)
        return found | {"streams": dict.fromkeys(found["streams"], 1)} if found else {}

    Stream.others = ones


def no_seals() -> None:
    """The end of an experiment doesn't give the seals of the other streams."""
    others = Stream.others
    Stream.others = lambda self: {name: part for name, part in others(self).items() if name != "seals"}


def seal_from_zero() -> None:
    """Every seal begins at 0."""

    def seal(self: Any, name: str, data: Any) -> None:
        self.place = 0
        plain_seal(self, name, data)

    plain_seal, Stream.seal = Stream.seal, seal


def seal_of_lines() -> None:
    """A seal covers the lines before it, and not its own."""

    def seal(self: Any, name: str, data: Any) -> None:
        self.file.seek(self.place)
        covered = hashlib.sha256(self.file.read(self.size - self.place)).hexdigest()
        self.place = self.size + len(self.line(name, data | {"from": self.place, "sha256": covered})) - 68
        self.event(name, data | {"from": 0, "sha256": covered})

    Stream.seal = seal


def one_nonce() -> None:
    """The nonce is always the same."""
    token = secrets.token_hex
    minimal.secrets.token_hex = lambda size: "0" * 32 if size == 16 else token(size)


def all_variables() -> None:
    """The whole environment is recorded."""
    plain = minimal.environment
    minimal.environment = lambda: plain() | {"variables": dict(os.environ)}


def open_secrets() -> None:
    """Parameters are recorded whatever they are called."""
    minimal.redacted = lambda params: params


def inside_log() -> None:
    """A sub-experiment may be in the folder `log`."""
    minimal.enclosing = lambda path: None


def any_name() -> None:
    """Names are taken as they are."""
    minimal.PORTABLE = minimal.NAME = re.compile(".*", re.DOTALL)


def any_version() -> None:
    """Any existing directory is continued."""

    def records(experiment: Path) -> list[bytes]:
        paths = [experiment / "meta.json"]
        while (following := experiment / "meta" / f"{len(paths) + 1}.json").exists():
            paths.append(following)
        return [path.read_bytes() for path in paths]

    minimal.records = records


def last_wins() -> None:
    """A parameter that is recorded may be recorded again."""
    plain = minimal.members
    records = minimal.records

    def members(operation: Any) -> Any:
        minimal.records = lambda experiment: [
            json.dumps(json.loads(content) | {"params": {}}).encode() if number else content
            for number, content in enumerate(records(experiment))
        ]
        return plain(operation)

    minimal.members = members
    publish = minimal.publish

    def add(experiment: Path, operation: Any, stream: str | None) -> tuple[int, bytes]:
        before = records(experiment)
        record = {"mlv": "1.0", "experiment": f"sha256:{minimal.digest(before[0])}"}
        record |= {"previous": f"sha256:{minimal.digest(before[-1])}", "created": minimal.utc()}
        content = minimal.dumps(record | {"environment": minimal.environment()} | plain(operation)).encode()
        publish(experiment / "meta" / f"{len(before) + 1}.json", content)
        return len(before) + 1, content

    minimal.add = add


def unlocked() -> None:
    """A second writer may open a stream that is being written."""
    minimal.fcntl.flock = lambda file, how: None
    never_looks()


def announced(self: Any) -> None:
    """Create the lock file of a stream."""
    self.lock = minimal.announce(self.path.with_name(f".mlv-{self.path.name}.lock"))


def never_looks() -> None:
    """A writer creates its lock file, and looks for no other one."""
    Stream.acquire = announced


def looks_first() -> None:
    """A writer looks for other lock files before it creates its own."""
    minimal.fcntl.flock = lambda file, how: None

    def acquire(self: Any) -> None:
        if list(self.path.parent.glob(f".mlv-{self.path.name}.lock/*")):
            raise minimal.Refused("another process writes")
        time.sleep(0.5)
        announced(self)

    Stream.acquire = acquire


def no_lock_file() -> None:
    """A writer has only the lock of the operating system."""

    def acquire(self: Any) -> None:
        self.lock = self.path

    Stream.acquire, Stream.release = acquire, unlooked


def announced_otherwise(pattern: str, replacement: str) -> None:
    """A lock file has another content."""
    announce = minimal.announce

    def changed(folder: Path) -> Path:
        own = announce(folder)
        own.write_text(re.sub(pattern, replacement, own.read_text()))
        return own

    minimal.announce = changed


def own_form() -> None:
    """A lock file doesn't contain the version of its form."""
    announced_otherwise('"mlv_lock":1,', "")


def no_start_time() -> None:
    """A lock file doesn't contain when its process started."""
    announced_otherwise('"started":"[0-9]+"', '"started":null')


def never_released() -> None:
    """A lock file stays after the end."""
    Stream.release = unlooked


def stays_open() -> None:
    """A stream that is closed stays locked until its process ends."""
    close = Stream.close

    def closed(self: Any, status: str) -> None:
        self.left_open = os.dup(self.file.fileno())
        close(self, status)

    Stream.close = closed


def never_misses_its_lock() -> None:
    """A writer doesn't notice that its lock file is gone."""
    Stream.has_lock = lambda self: True


def locks_again_anyway() -> None:
    """A writer whose lock file is gone creates another one, and doesn't look for that of another writer."""

    def has_lock(self: Any) -> bool:
        if not self.lock.exists():
            announced(self)
        return True

    Stream.has_lock = has_lock


def record_first() -> None:
    """A metadata record is added before the stream is locked."""

    def resume(self: Any, operation: Any) -> Any:
        added = minimal.add(self.directory / operation["path"], operation, "log.jsonl")
        minimal.add = lambda *arguments: added
        return Writer.resume(self, operation)

    minimal.OPERATIONS["resume"] = resume


def judged(change: Callable[[Any], None]) -> None:
    """Lock files are judged after a change of their content."""
    plain, loads = minimal.stale, json.loads

    def stale(lock: Path, present: float) -> bool:
        def changed(content: bytes) -> Any:
            theirs = loads(content)
            change(theirs)
            return theirs

        minimal.json.loads = changed
        try:
            return plain(lock, present)
        finally:
            minimal.json.loads = loads

    minimal.stale = stale


def held_forever() -> None:
    """A lock file is held, whatever has become of its writer."""
    minimal.stale = lambda lock, present: False


def never_old() -> None:
    """A lock file without content is held, however old it is."""
    plain = minimal.stale
    minimal.stale = lambda lock, present: lock.stat().st_size > 0 and plain(lock, present)


def any_process() -> None:
    """A pid that is in use is that of the writer."""
    judged(lambda theirs: theirs.update(started=None))


def any_boot() -> None:
    """A pid of another start of the system is looked for in this one."""
    judged(lambda theirs: theirs.update(boot=minimal.BOOT))


def any_namespace() -> None:
    """A pid of another namespace is looked for in this one."""
    judged(lambda theirs: theirs.update(pids=minimal.PIDS))


def any_form() -> None:
    """A lock file of a later form is judged as one of this form."""
    judged(lambda theirs: theirs.update(mlv_lock=1))


def removes_what_is_held() -> None:
    """A writer that is refused removes the lock files of others."""
    plain = Stream.acquire

    def acquire(self: Any) -> None:
        try:
            plain(self)
        except minimal.Refused:
            for file in self.lock.parent.glob("*"):
                file.unlink()
            self.release()
            raise

    Stream.acquire = acquire


def unreferenced() -> None:
    """An attached file is mentioned nowhere."""

    def attach(self: Any, operation: Any) -> Any:
        return {"path": "files/" + self.place(operation["name"], bytes.fromhex(operation["hex"]))}

    minimal.OPERATIONS["attach"] = attach


def replaced_file() -> None:
    """Other bytes under the same name replace the file."""

    def place(self: Any, name: str, content: bytes) -> str:
        path = self.experiment / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    Writer.place = place


def repeated() -> None:
    """Every event is written twice."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        plain_event(self, name, data, **more)
        return self.seq if name == "mlv/start" or more else plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def renamed() -> None:
    """The names of events are spelt otherwise."""
    minimal.OPERATIONS["event"] = lambda self, operation: Writer.event(
        self, operation | {"event": operation["event"].title()}
    )


def no_within() -> None:
    """Events lack the span that they are in."""
    minimal.OPERATIONS["event"] = lambda self, operation: Writer.event(
        self, {name: part for name, part in operation.items() if name != "within"}
    )


def large_unsealed() -> None:
    """No seal is written before the end."""
    minimal.SEAL_EVERY = 1 << 60


def hangs() -> None:
    """The third event is never answered."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        if self.seq == 3:
            time.sleep(3600)
        return plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def crashes() -> None:
    """The process ends by a signal at the third event."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        if self.seq == 3:
            os.abort()
        return plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def checks_only_the_end() -> None:
    """What is at the path of the stream is checked before it is closed, and never before."""
    event, close = Stream.event, Stream.close
    look = Stream.look

    def unlooked_event(self: Any, *arguments: Any, **more: Any) -> int:
        Stream.look = unlooked
        return event(self, *arguments, **more)

    def closed(self: Any, status: str) -> None:
        Stream.look = look
        close(self, status)

    Stream.event, Stream.close = unlooked_event, closed


def never_checks() -> None:
    """What is at the path of the stream is never checked."""
    Stream.look = unlooked


def any_file() -> None:
    """Whatever has the name is taken for the stream."""
    Stream.there = lambda self: os.fstat(self.file.fileno()) if self.path.exists() else None


def any_size() -> None:
    """The stream's file may have any size."""
    look = Stream.look

    def lenient(self: Any) -> None:
        there = self.there()
        if not (there and os.path.samestat(there, os.fstat(self.file.fileno()))):
            look(self)

    Stream.look = lenient


def any_identity() -> None:
    """A file of the right size is taken for the stream."""
    look = Stream.look

    def lenient(self: Any) -> None:
        there = self.there()
        if not (there and there.st_size == self.size):
            look(self)

    Stream.look = lenient


def follows_links() -> None:
    """A symbolic link to the stream is taken for the stream."""
    minimal.os.lstat = os.stat


def into_the_other_file() -> None:
    """Events go into the file that took the name."""

    def keep(self: Any, content: bytes | None) -> None:
        self.open()
        self.size = self.path.stat().st_size
        self.tell("continuing in the file that exists")

    Stream.keep = keep


def over_the_other_file() -> None:
    """The bytes of the stream replace the file that took its name."""

    def keep(self: Any, content: bytes | None) -> None:
        self.path.unlink()
        self.path.write_bytes(content or b"")
        self.open()
        self.size = len(content or b"")
        self.tell("the stream is as it was")

    Stream.keep = keep


def no_warning() -> None:
    """The user isn't warned that the stream continues elsewhere."""
    Stream.tell = unlooked


def gives_up() -> None:
    """A writer whose file is not there any more stops."""

    def keep(self: Any, content: bytes | None) -> None:
        raise minimal.Refused("the log was replaced")

    Stream.keep = keep


def never_again() -> None:
    """A file that was removed is not published again: the events go into a kept stream."""
    Stream.removed = lambda self, there, content: False


def always_again() -> None:
    """A file is published again however often it is removed."""
    removed = Stream.removed

    def again(self: Any, *arguments: Any) -> bool:
        self.again = False
        return removed(self, *arguments)

    Stream.removed = again


def again_empty() -> None:
    """A file that was removed begins again, without what was logged before."""

    def removed(self: Any, there: object, content: bytes | None) -> bool:
        if not there:
            self.path.touch()
            self.open()
            self.seq = self.size = self.place = 0
            self.event("mlv/start", self.session)
        return not there

    Stream.removed = removed


def changed_replaces(change: Callable[[Any], Any]) -> None:
    """The `replaces` of a kept stream is another, or none."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        if "replaces" in data:
            data = {**data, "replaces": change(data["replaces"])}
            if data["replaces"] is None:
                del data["replaces"]
        return plain_event(self, name, data, **more)

    plain_event, Stream.event = Stream.event, event


def no_replaces() -> None:
    """A kept stream does not say which one it replaces."""
    changed_replaces(lambda replaces: None)


def wrong_last() -> None:
    """A kept stream counts its own `mlv/start` as acknowledged in the one that it replaces."""
    changed_replaces(lambda replaces: {**replaces, "last": replaces["last"] + 1})


def wrong_stream() -> None:
    """A kept stream names the file, not the path in the experiment."""
    changed_replaces(lambda replaces: {**replaces, "stream": f"my_exp_1/{replaces['stream']}"})


def kept_empty() -> None:
    """A kept stream always begins empty."""
    keep = Stream.keep
    Stream.keep = lambda self, content: keep(self, None)


def kept_rest() -> None:
    """A kept stream begins with what another program left of the stream."""
    keep = Stream.keep

    def rest(self: Any, content: bytes | None) -> None:
        self.file.seek(0)
        left = self.file.read().rpartition(b"\n")
        content = left[0] + left[1]
        self.recover(content)
        keep(self, content)

    Stream.keep = rest


def over_a_kept_stream() -> None:
    """A kept stream takes the first number, whatever is there."""
    keep = Stream.keep

    def over(self: Any, content: bytes | None) -> None:
        (self.experiment / "log" / "kept-1.jsonl").unlink(missing_ok=True)
        keep(self, content)

    Stream.keep = over


def makes_the_directory() -> None:
    """The directory of an experiment that was removed is made again."""
    look = Stream.look

    def made(self: Any) -> None:
        self.experiment.mkdir(parents=True, exist_ok=True)
        look(self)

    Stream.look = made


def attaches_anyway() -> None:
    """A file is attached without a check of the experiment's directory."""
    attach, look = Writer.attach, Stream.look

    def attached(self: Any, operation: Any) -> Any:
        Stream.look = unlooked
        self.place("/".join(map(minimal.portable, operation["name"].split("/"))), bytes.fromhex(operation["hex"]))
        Stream.look = look
        return attach(self, operation)

    minimal.OPERATIONS["attach"] = attached


def babbles() -> None:
    """It prints something else than answers."""
    print("Welcome!", flush=True)


def completed_at_exit() -> None:
    """A program that ends has always completed."""
    plain_exit = Writer.exit
    Writer.exit = lambda self, status: plain_exit(self, "completed")


def never_ended() -> None:
    """A program that ends writes no end."""
    Writer.exit = unlooked


def ended_while_paused() -> None:
    """A program that ends while it is paused has ended."""
    plain_exit = Writer.exit

    def exit(self: Writer, status: str) -> None:
        if self.stream:
            self.stream.paused = False
        plain_exit(self, status)

    Writer.exit = exit


def paused_for_ever() -> None:
    """A session is paused if the one before it was."""

    def start(self: Stream, *arguments: Any) -> None:
        plain_start(self, *arguments)
        names = [json.loads(line)["event"] for line in self.path.read_bytes().splitlines()]
        pauses = [name for name in names if name in ("mlv/pause", "mlv/resume")]
        self.paused = pauses[-1:] == ["mlv/pause"]

    Stream.start = start  # type: ignore[method-assign]


def first_values() -> None:
    """Other values of recorded parameters are left out."""
    plain = minimal.unrecorded

    def unrecorded(*arguments: Any) -> Any:
        return {name: part for name, part in plain(*arguments).items() if name != "changes"}

    minimal.unrecorded = unrecorded


def compared_with_the_first() -> None:
    """Values are compared with the first ones, not with those in force."""
    plain = minimal.in_force
    minimal.in_force = lambda before, member, stream: plain(
        [{**record, "changes": {}} for record in before], member, stream
    )


def for_everybody() -> None:
    """The values of a further script are recorded as those of the experiment."""
    plain = minimal.add

    def add(experiment: Path, operation: Any, stream: str | None) -> Any:
        return plain(experiment, operation, "log.jsonl")

    minimal.add = add


def not_named() -> None:
    """What is added while the experiment is open has no `mlv/record`."""
    minimal.OPERATIONS["add"] = lambda self, operation: (
        minimal.add(self.experiment, operation, self.stream.first) and {} or {}
    )


def under_the_first() -> None:
    """Each session names `meta.json`."""

    def start(self: Any, number: int, record: bytes, id_: str) -> Any:
        return plain_start(self, 1, (self.experiment / "meta.json").read_bytes(), id_)

    Stream.start = start


def first_again() -> None:
    """After a last line that can't be read, numbers begin at 1."""
    plain = Stream.recover

    def recover(self: Any, committed: bytes) -> None:
        plain(self, committed)
        *_, (last, _) = [*minimal.events(committed)] or [({}, 0)]
        self.seq = 0 if last is None else self.seq

    Stream.recover = recover


def counts_refused() -> None:
    """An event that is refused takes a number."""
    plain = Writer.event

    def event(self: Any, operation: Any) -> Any:
        try:
            return plain(self, operation)
        except minimal.Refused:
            self.stream.seq += 1
            raise

    minimal.OPERATIONS["event"] = event


def next_number_only() -> None:
    """An addition whose number is taken gets the next one, after the record that was the last one before."""

    def add(experiment: Path, operation: Any, stream: str | None) -> tuple[int, bytes]:
        before = minimal.records(experiment)
        time.sleep(0.5)
        for number in range(len(before) + 1, 1000):
            made_for = stream or f"log/run-{number}.jsonl"
            record = {"mlv": "1.0", "experiment": f"sha256:{minimal.digest(before[0])}", "created": minimal.utc()}
            record |= {"previous": f"sha256:{minimal.digest(before[-1])}", "environment": minimal.environment()}
            content = minimal.dumps(record | ({} if made_for == "log.jsonl" else {"stream": made_for})).encode()
            try:
                minimal.publish(experiment / "meta" / f"{number}.json", content)
                break
            except FileExistsError:
                continue
        return number, content

    minimal.add = add


def refuses_changes() -> None:
    """A session with another value of a recorded parameter is refused."""
    plain = minimal.unrecorded

    def unrecorded(*arguments: Any) -> Any:
        new = plain(*arguments)
        if "changes" in new:
            raise minimal.Refused("the parameter has another value")
        return new

    minimal.unrecorded = unrecorded


def no_environment() -> None:
    """A session of another program adds a record only if the user gives new values, and without its environment."""
    plain = minimal.add

    def add(experiment: Path, operation: Any, stream: str | None) -> tuple[int, bytes]:
        before = minimal.records(experiment)
        return plain(experiment, operation | {"op": "add"}, stream) or (len(before), before[-1])

    minimal.add = add


def other_suffix() -> None:
    """Another name is formed with `-2`."""
    place = Writer.place

    def placed(self: Any, name: str, content: bytes) -> str:
        path = self.experiment / "files" / name
        if path.exists() and path.read_bytes() != content:
            stem, dot, suffix = name.rpartition(".")
            name = f"{stem}-2{dot}{suffix}"
        return place(self, name, content)

    Writer.place = placed


def event_of_its_own() -> None:
    """A file that is attached without an event is recorded in an event `file`."""

    def event(self: Any, name: str, data: Any, **more: Any) -> int:
        return plain_event(self, name.removeprefix("mlv/") if name == "mlv/file" else name, data, **more)

    plain_event, Stream.event = Stream.event, event


def another_copy() -> None:
    """The same bytes under the same name become a second file."""
    place = Writer.place

    def placed(self: Any, name: str, content: bytes) -> str:
        stem, dot, suffix = name.rpartition(".")
        is_taken = (self.experiment / "files" / name).exists()
        return place(self, f"{stem}~2{dot}{suffix}" if is_taken else name, content)

    Writer.place = placed


def in_two_steps() -> None:
    """A file that is complete under its temporary name is copied to its final name."""

    def publish(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / ".mlv-copied"
        temporary.write_bytes(content)
        with path.open("xb") as file:
            file.write(temporary.read_bytes())
        temporary.unlink()

    minimal.publish = publish


def after_a_gap() -> None:
    """Records are counted up to the first that is missing."""
    any_version()


def named_by_process() -> None:
    """A lock file has the number of its process as its name."""
    plain = minimal.announce

    def announce(folder: Path) -> Path:
        own = plain(folder)
        return own.rename(own.with_name(str(os.getpid())))

    minimal.announce = announce


def failed_at_exit() -> None:
    """A program that ends has always failed."""
    plain_exit = Writer.exit
    Writer.exit = lambda self, status: plain_exit(self, "failed")


def refuses_silently() -> None:
    """What is refused is answered like what was done."""
    plain = minimal.dumps
    minimal.dumps = lambda tree: plain({} if isinstance(tree, dict) and [*tree] == ["refused"] else tree)


FAULTS: dict[str, tuple[Callable[[], None], str | None, str]] = {
    fault.__name__: (fault, rule, topics)
    for (rule, topics), faults in {
        ("writer.file-check", "interference/the log is removed: the user*"): [never_checks],
        ("writer.file-age", "interference/the log is truncated to nothing: the user*"): [checks_only_the_end],
        ("writer.file-own", "interference/the log is replaced: the user*"): [
            any_file,
            into_the_other_file,
            over_the_other_file,
        ],
        ("writer.file-told", "interference/the log is replaced: the user*"): [no_warning],
        ("writer.file-check", "interference/the log is appended to, without an LF: the user*"): [any_size],
        ("writer.file-check", "interference/the log is replaced by a copy of the same size before*"): [any_identity],
        ("writer.kept-stream", "interference/a symbolic link*"): [follows_links],
        ("writer.file-again", "interference/the log is renamed: its bytes*"): [never_again, again_empty],
        ("writer.kept-stream", "interference/the log is removed twice*"): [always_again],
        ("writer.kept-stream", "interference/another file takes the name: *"): [
            gives_up,
            no_replaces,
            wrong_last,
            wrong_stream,
        ],
        ("writer.kept-bytes", "interference/another file takes the name: *"): [kept_empty],
        ("writer.kept-empty", "interference/the log is truncated in the middle: a kept*"): [kept_rest],
        ("writer.new-stream", "interference/a stream kept-1 is there*"): [over_a_kept_stream],
        ("writer.no-directory", "interference/the directory is removed: the user*"): [makes_the_directory],
        ("writer.no-directory", "interference/the directory is removed before a file*"): [attaches_anyway],
        (None, "values/*"): [bare_nan, no_surrogates],
        ("writer.large-int", "values/*"): [bare_integers],
        ("writer.float", "values/*"): [six_digits],
        ("writer.fraction", "values/*"): [positive_zero],
        ("writer.escape", "values/*"): [unescaped, escaped_once],
        (None, "spans/*"): [local_time, milliseconds, repeated, renamed, no_within],
        ("writer.line", "kills/killed after*"): [two_writes, buffered],
        ("writer.torn", "torn/*"): [naive_append, adopts, silent_recovery],
        ("writer.seal", "sessions/*"): [no_seal, no_seal_paused, seal_from_zero, seal_of_lines],
        (None, "sessions/*"): [gap, from_one, no_start, hangs, crashes],
        ("writer.next-seq", "continuing/after a * last line"): [first_again],
        ("writer.meta-once", "continuing/an experiment whose log*"): [overwrites],
        ("writer.end-streams", "ends/the streams*"): [unlisted, first_seqs],
        ("writer.end-seals", "ends/the seal of*"): [no_seals],
        ("writer.completed", "exits/*is not completed"): [completed_at_exit],
        ("writer.end", "exits/a normal end"): [never_ended],
        ("writer.paused", "exits/a paused program*"): [ended_while_paused],
        ("writer.status", "exits/a normal end"): [failed_at_exit],
        ("writer.seal", "exits/a pause ends*"): [paused_for_ever],
        ("writer.sub-place", "names/*"): [inside_log],
        ("writer.refuse", "names/*"): [any_name],
        ("writer.refused-told", "refusals/an event named*"): [refuses_silently],
        ("writer.nonce", "names/*"): [one_nonce],
        ("writer.refused-number", "names/an event named*"): [counts_refused],
        (None, "names/*"): [babbles],
        ("writer.kept", "additions/*"): [in_place],
        ("writer.changes", "additions/*"): [last_wins],
        ("writer.one", "additions/*"): [unlocked],
        ("writer.number", "additions/several scripts at once"): [next_number_only],
        ("writer.damaged-records", "additions/*an addition that is missing"): [after_a_gap],
        ("writer.changes", "changes/changed, and changed back"): [compared_with_the_first],
        ("writer.changes", "changes/*"): [first_values],
        ("writer.changes-allowed", "changes/requeued with another value"): [refuses_changes],
        ("writer.changes-stream", "changes/*"): [for_everybody],
        ("writer.environment", "changes/requeued with*"): [no_environment],
        ("writer.record", "changes/*"): [not_named],
        ("writer.session-record", "changes/*"): [under_the_first],
        ("writer.lock", "locks/an open stream*"): [no_lock_file],
        ("writer.lock-form", "locks/an open stream*"): [own_form, no_start_time],
        ("writer.lock-name", "locks/an open stream*"): [named_by_process],
        ("writer.lock-end", "locks/a stream that was closed*"): [never_released],
        ("writer.lock-first", "locks/a stream that another process writes"): [record_first],
        ("writer.lock-end", "locks/a stream that another process has closed"): [stays_open],
        ("writer.lock-order", "locks/several*"): [looks_first],
        ("writer.lock", "locks/a writer that was killed"): [held_forever],
        ("writer.lock", "locks/a lock file of an earlier*"): [any_process],
        ("writer.lock-held", "locks/a lock file of a living*"): [never_looks],
        ("writer.lock-remove", "locks/a lock file of a living*"): [removes_what_is_held],
        ("writer.lock-held", "locks/a lock file of a process of another boot"): [any_boot],
        ("writer.lock-held", "locks/a lock file of a process of another PID*"): [any_namespace],
        ("writer.lock-held", "locks/a lock file of another form"): [any_form],
        ("writer.lock", "locks/an empty*"): [never_old],
        ("writer.lock-check", "locks/the lock folder*"): [never_misses_its_lock],
        ("writer.lock-lost", "locks/another writer*"): [locks_again_anyway],
        ("writer.variables", "secrets/*"): [all_variables],
        ("writer.secrets", "secrets/*"): [open_secrets],
        ("writer.version", "versions/*"): [any_version],
        ("writer.attach", "files/*"): [unreferenced],
        ("writer.other-file", "files/*"): [replaced_file],
        ("writer.same-file", "files/*"): [another_copy],
        ("writer.publish", "observed/*while it is*"): [in_two_steps],
        ("writer.other-name", "files/the names of other bytes"): [other_suffix],
        ("writer.file-event", "files/a file"): [event_of_its_own],
        ("writer.seal-often", "large/*"): [large_unsealed],
    }.items()
    for fault in faults
}
"""Each fault, the rule that it breaks, and the scenarios that must notice it.

The rule is None if the fault breaks no rule of a writer, but the directory's, the protocol, or the events themselves.
"""


if __name__ == "__main__":
    FAULTS[sys.argv[1]][0]()
    sys.exit(minimal.main(*sys.argv[2:]))
