"""
The smallest implementation of MLV that the suite passes as a writer: one file, the standard library, and its driver.

It is an example to begin with, and what deliberately wrong writers are made of in the suite's own tests; for use, take
`mlvlogger`. Durability is that of the kernel. Its locks need `flock` and `/proc`: it is for Linux.
"""

import base64
import fcntl
import hashlib
import json
import os
import platform
import re
import secrets
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

SEAL_EVERY = 64 * 1024 * 1024
MAX_RECORD = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_PATH = 4096
MAX_INTEGER = 2**53 - 1
PORTABLE = re.compile(r"(?!(?i:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])(?:\.|\Z))[A-Za-z0-9][A-Za-z0-9._~-]{0,99}(?<!\.)")
NAME = re.compile(r"(?:[^/\x00-\x1f\x7f-\x9f]+/)*[^/\x00-\x1f\x7f-\x9f]+")
ESCAPED = re.compile(r"_+mlv")
SECRET = re.compile(r"(?:.*[_-])?(?:password|secret|(?:api|access)[_-]key|(?:access|auth|hf)[_-]token)", re.IGNORECASE)
REPORTED = []  # messages to the user about a stream; the driver's next answer contains them


class Refused(Exception):
    """What was asked for cannot be done; nothing was written."""


# Values.


def dumps(value):
    """The JSON text of a record: ASCII, so it has no line break, and no lone surrogate; and no NaN."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def depth(value):
    """How deep arrays and objects are nested in a value, the outermost counting as 1."""
    if isinstance(value, (dict, list)):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def record(value):
    """The bytes of a record."""
    content = dumps(value).encode()
    if len(content) >= MAX_RECORD or depth(value) > MAX_DEPTH:
        raise Refused("a record has less than 16 MiB, and is nested at most 64 deep")
    return content


def encode(model):
    """The JSON value for a model of DRIVER.md."""
    if isinstance(model, list):
        return [encode(part) for part in model]
    if not isinstance(model, dict):
        return model
    [(kind, inner)] = model.items()
    if kind == "object":
        return {escape(name): encode(part) for name, part in inner.items()}
    if kind == "number":
        return number(inner)
    if kind == "bytes":
        return {"_mlv": "bytes", "value": base64.b64encode(bytes.fromhex(inner)).decode()}
    if kind == "opaque":
        return inner
    if isinstance(inner, dict):  # file, external, experiment, event, histogram, table, unencodable, redacted
        return {"_mlv": kind, **{name: encode(part) for name, part in inner.items()}}
    return {"_mlv": kind, "value": inner}  # int, float, string and the times


def escape(name):
    return "_" + name if ESCAPED.fullmatch(name) else name


def number(text):
    value = float(text)
    is_integer = re.fullmatch(r"-?[0-9]+", text) and text != "-0" and abs(value) <= MAX_INTEGER
    return int(text) if is_integer else value


def utc():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# Files.


def portable(name):
    if not PORTABLE.fullmatch(name) or name.endswith("."):
        raise Refused(f"{name!r} isn't a portable name")
    return name


def refuse_links(experiment, name):
    """Refuse what would be written through a symbolic link below an experiment."""
    path = experiment
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            raise Refused(f"{path} is a symbolic link")


def refuse_existing(path):
    if os.path.lexists(path):
        raise Refused(f"{path} exists")


def publish(path, content):
    """Write a file under a temporary name and give it its own in one step, which fails where that exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".mlv-{secrets.token_hex(8)}"
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()


def digest(content):
    return hashlib.sha256(content).hexdigest()


# Meta.


def environment():
    return {
        "command": None,  # it may hold secrets
        "host": {"name": platform.node(), "system": platform.system()},
        "runtime": {"language": "Python", "version": platform.python_version()},
        "variables": {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "RANK") if name in os.environ},
    }


def redacted(value, name=""):
    if isinstance(value, str):
        return {"_mlv": "redacted"} if SECRET.fullmatch(name) else re.sub(r"://[^/\s@]+@", "://", value)
    if isinstance(value, dict):
        return {member: redacted(part, member) for member, part in value.items()}
    return [redacted(part) for part in value] if isinstance(value, list) else value


def members(operation):
    found = {name: encode(operation[name]) for name in ("params", "extra") if name in operation}
    found |= {name: operation[name] for name in ("tags", "description") if name in operation}
    tags = found.get("tags", [])
    if not all(isinstance(text, str) for text in [*tags, found.get("description", "")]):
        raise Refused("tags and description are strings")
    if "" in tags or len(set(tags)) < len(tags):
        raise Refused(f"{tags} are not different, non-empty tags")
    found |= {name: redacted(found[name]) for name in ("params", "extra") if name in found}
    return found


def records(experiment):
    """The bytes of all metadata records, checked as far as a writer must check them."""
    paths = [experiment / "meta.json"]
    while (following := experiment / "meta" / f"{len(paths) + 1}.json").exists():
        paths.append(following)
    if len(list(experiment.glob("meta/*.json"))) != len(paths) - 1 or any(path.is_symlink() for path in paths):
        raise Refused("a metadata record is missing, or is a link")
    contents = [path.read_bytes() for path in paths]
    for content in contents:
        try:
            check_version(json.loads(content))
        except (ValueError, TypeError, KeyError):
            raise Refused("a metadata record is damaged") from None
    return contents


def check_version(members):
    if members["mlv"].split(".")[0] != "1" or members.get("requires"):
        raise Refused("a record is of a version, or requires a feature, that is not known here")


def add(experiment, operation, stream):
    """Add a metadata record under the next number that is free; returns that number and its bytes.

    The record is made for the stream, or for log/run-N.jsonl if that is None. While the experiment is open, it has no
    environment, and is added only if it has something new.
    """
    given = members(operation)
    refuse_links(experiment, "meta")
    while True:
        before = records(experiment)
        number = len(before) + 1
        made_for = stream or f"log/run-{number}.jsonl"
        new = unrecorded(list(map(json.loads, before)), given, made_for)
        if operation["op"] != "add":
            new["environment"] = environment()
        elif not new:
            return None
        meta = {"mlv": "1.0", "experiment": f"sha256:{digest(before[0])}", "previous": f"sha256:{digest(before[-1])}"}
        meta |= {"created": utc()} | ({} if made_for == "log.jsonl" else {"stream": made_for})
        content = record(meta | new)
        try:
            publish(experiment / "meta" / f"{number}.json", content)
            return number, content
        except FileExistsError:
            continue


def unrecorded(before, given, stream):
    """The members of an addition for a stream: what no record has, and the values that differ from those in force."""
    new, changes = {}, {}
    for member in ("params", "extra"):
        present = in_force(before, member, stream)
        values = {name: part for name, part in given.get(member, {}).items() if name not in present}
        changed = {
            name: part
            for name, part in given.get(member, {}).items()
            if name in present and dumps(present[name]) != dumps(part)  # True == 1, but they differ in JSON
        }
        new |= {member: values} if values else {}
        changes |= {member: changed} if changed else {}
    tags = [tag for tag in given.get("tags", []) if not any(tag in record.get("tags", []) for record in before)]
    described = any(record.get("description") == given.get("description") for record in before)
    new |= {"changes": changes} if changes else {}
    new |= {"tags": tags} if tags else {}
    return new | ({} if "description" not in given or described else {"description": given["description"]})


def in_force(before, member, stream):
    """The values that are in force for a session in a stream."""
    values = {}
    for record in before:
        values = record.get(member, {}) | values
        if record.get("stream") in (None, stream):
            values |= record.get("changes", {}).get(member, {})
    return values


def enclosing(path):
    """The nearest experiment above a path."""
    for above in path.parents:
        if (above / "meta.json").exists():
            return above
    return None


# Locks.

BOOT, PIDS = Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")


def status(pid):
    """The fields after the name of the program in /proc/PID/stat: the state, …, the number of threads, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def announce(folder):
    """Create a lock file of this process."""
    own = folder / secrets.token_hex(16)
    content = {"mlv_lock": 1, "host": platform.node(), "pid": os.getpid(), "started": status(os.getpid())[19]}
    content |= {"pids": PIDS, "boot": BOOT, "kernel": "flock"}
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            own.write_text(dumps(content))
            return own
        except FileNotFoundError:  # another writer has just removed the empty folder
            continue


def stale(lock, present):
    """Judge the lock file of another writer by rows 2, 3, 4, 7 and 9; this writer has the lock `flock`."""
    try:
        age = present - lock.stat().st_mtime
        theirs = json.loads(lock.read_bytes())
        form, boot, pids = theirs["mlv_lock"], theirs["boot"], theirs["pids"]
        pid, started, kernel = theirs["pid"], theirs["started"], theirs["kernel"]
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return age > 1
    if form != 1 or boot != BOOT:
        return False
    return kernel == "flock" or (pids == PIDS and ended(pid, started))


def ended(pid, started):
    """Whether no process has had this number since then."""
    try:
        os.kill(pid, 0)
        now = status(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return (now[0] in "ZX" and now[17] == "1") or now[19] != (started or now[19])


# Streams.


def events(committed):
    """The event of each line, or None, and the offset where the line ends."""
    offset = 0
    for line in committed.split(b"\n")[:-1]:
        offset += len(line) + 1
        try:
            event = json.loads(line)
            yield event if isinstance(event["seq"], int) and isinstance(event["data"], dict) else None, offset
        except (ValueError, KeyError, TypeError, RecursionError):
            yield None, offset


class Stream:
    """A stream of an experiment that is open, and locked, for one session."""

    def __init__(self, experiment, name):
        self.experiment = experiment
        self.first = name
        self.place_at(name)
        content = self.path.read_bytes()
        try:
            self.recover(content[: content.rfind(b"\n") + 1])
        except Refused:
            self.release()
            raise

    def place_at(self, name):
        """Open the file of a stream."""
        self.name, self.path, self.again = name, self.experiment / name, False
        refuse_links(self.experiment, name)
        self.path.parent.mkdir(exist_ok=True)
        self.open()
        self.acquire()

    def open(self):
        self.file = self.path.open("a+b", buffering=0)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{self.path} is being written by another process") from None

    def acquire(self):
        """Get the lock: announce this process, then look for others; if two find each other, both try again."""
        for attempt in range(10):
            self.lock = announce(self.path.with_name(f".mlv-{self.path.name}.lock"))
            present = self.lock.stat().st_mtime
            others = [file for file in self.lock.parent.iterdir() if file != self.lock]
            if all(stale(file, present) for file in others):
                for file in others:
                    file.unlink(missing_ok=True)
                if self.lock.exists():
                    return
            self.release()
            time.sleep(secrets.randbelow(2**attempt) / 1000)
        raise Refused(f"{self.path} is being written by another process, says a lock file in {self.lock.parent}")

    def release(self):
        self.lock.unlink(missing_ok=True)
        try:
            self.lock.parent.rmdir()
        except OSError:
            pass  # it has lock files of others, or is gone

    def has_lock(self):
        """Whether this process has the lock, which it tries to get back if its lock file was removed."""
        try:
            self.lock.exists() or self.acquire()
        except Refused:
            return False
        return True

    def start(self, number, record, id_):
        """Begin a session: remove what a crash left after the last LF, and say so."""
        self.spans = {}
        self.paused = False
        start = {"mlv": "1.0", "experiment": id_, "record": {"number": number, "sha256": digest(record)}}
        start |= {"writer": {"name": "minimal", "version": "1"}, "host": platform.node(), "pid": os.getpid()}
        self.session = dict(start)
        if torn := self.path.read_bytes()[self.size :]:
            start["recovered"] = {"size": len(torn), "sha256": digest(torn)}
            self.file.truncate(self.size)
        self.event("mlv/start", start)

    def recover(self, committed):
        """Find the last seq and the place of the last seal; a line that can't be read takes a seq, too."""
        self.seq = self.place = self.size = 0
        for event, offset in events(committed):
            self.seq, self.size = event["seq"] if event else self.seq + 1, offset
            name = event and event["event"]
            if name == "mlv/start":
                check_version(event["data"])
            if name in ("mlv/seal", "mlv/end"):
                self.place = offset - 68

    def event(self, name, data, **more):
        """Write an event; returns its seq once the kernel has it."""
        self.look()
        if more.get("within", more.get("begin", None)) not in {None, *self.spans}:
            raise Refused("no such span is open")
        line = self.line(name, data, **more)
        if self.size + len(line) - self.place > SEAL_EVERY:
            self.seal("mlv/seal", {})
            line = self.line(name, data, **more)
        self.write(line)
        return self.seq

    def look(self):
        """Look for the lock file, and compare the file at the path with the open one: others may change both."""
        if not self.experiment.is_dir():
            raise Refused(f"{self.experiment} was removed")
        has_lock, there, mine = self.has_lock(), self.there(), os.fstat(self.file.fileno())
        if has_lock and there and os.path.samestat(there, mine) and there.st_size == self.size:
            return
        content = None
        if mine.st_size == self.size and not (there and os.path.samestat(there, mine)):
            self.file.seek(0)
            content = self.file.read(self.size)
        if not (has_lock and self.removed(there, content)):
            self.keep(content)

    def there(self):
        try:
            return os.lstat(self.path)
        except FileNotFoundError:
            return None

    def removed(self, there, content):
        """Publish the committed bytes again if the file was removed for the first time; returns whether it did."""
        if there or content is None or self.again:
            return False
        try:
            publish(self.path, content)
        except FileExistsError:
            return False
        self.open()
        self.again = True
        self.tell(f"{self.path} was removed: it is there again")
        return True

    def keep(self, content):
        """Continue in a new stream, which begins with these bytes or, if they are None, empty."""
        replaces = {"stream": self.name, "last": self.seq}
        lost = self.path
        self.release()
        for number in range(1, 1000):
            name = f"log/kept-{number}.jsonl"
            try:
                publish(self.experiment / name, content or b"")
                break
            except FileExistsError:
                continue
        self.place_at(name)
        if content is None:
            self.seq = self.size = self.place = 0
        self.spans = {}
        self.tell(f"{lost} was replaced or changed by another program: the events continue in {self.path}")
        self.event("mlv/start", self.session | {"replaces": replaces})

    def tell(self, message):
        print(f"minimal.py: {message}", file=sys.stderr)
        REPORTED.append(message)

    def line(self, name, data, **more):
        event = {"seq": self.seq + 1, "time": utc(), "event": name, "data": data, **more}
        return record(event) + b"\n"

    def write(self, line):
        try:
            written = self.file.write(line)
        except OSError:
            written = 0
        if written != len(line):  # a full disk: the line is taken back
            self.take_back()
            raise Refused("the line could not be written whole")
        self.size += len(line)
        self.seq += 1

    def take_back(self):
        self.file.truncate(self.size)

    def begin(self, name, data, **more):
        seq = self.event(name, data, **more, span="begin")
        self.spans[seq] = name, time.monotonic()
        return seq

    def end(self, begin, data):
        name, clock = self.spans.get(begin, ("", 0))
        seq = self.event(name, data, span="end", begin=begin, seconds=time.monotonic() - clock)
        del self.spans[begin]
        return seq

    def rewind(self, to):
        self.look()
        if to > self.seq:
            raise Refused(f"there is no event {to} yet")
        seq = self.event("mlv/rewind", {"to": to})
        self.spans.clear()
        return seq

    def seal(self, name, data):
        """Write a seal: the digest of all bytes from the place of the seal before up to its own."""
        line = self.line(name, data | {"from": self.place, "sha256": "0" * 64})
        place = self.size + len(line) - 68
        self.file.seek(self.place)
        covered = self.file.read(self.size - self.place) + line[:-68]
        self.write(line[:-68] + digest(covered).encode() + line[-4:])
        self.place = place

    def others(self):
        """The last `seq` and the last seal of each other stream, for the end of `log.jsonl`."""
        streams, seals = {}, {}
        for path in sorted(self.experiment.glob("log/*.jsonl")) if self.name == "log.jsonl" else []:
            if not PORTABLE.fullmatch(path.name[: -len(".jsonl")]) or path.is_symlink():
                continue
            try:
                content = path.read_bytes()
            except OSError:
                continue
            name, found = f"log/{path.name}", [event for event, _ in events(content[: content.rfind(b"\n") + 1])]
            seqs = [event["seq"] for event in found if event]
            streams |= {name: seqs[-1]} if seqs else {}
            if found and found[-1] and found[-1]["event"] in ("mlv/seal", "mlv/end"):
                seals[name] = found[-1]["data"]["sha256"]
        return ({"streams": streams} if streams else {}) | ({"seals": seals} if seals else {})

    def close(self, status):
        self.look()
        if self.paused:
            self.seal("mlv/seal", {})
        else:
            self.seal("mlv/end", {"status": status} | self.others())
        self.release()
        self.file.close()


# The driver.


class Writer:
    def __init__(self, directory):
        self.directory = directory
        self.stream = None

    def start(self, experiment, stream, number, content):
        id_ = f"sha256:{digest((experiment / 'meta.json').read_bytes())}"
        stream.start(number, content, id_)
        self.experiment, self.stream = experiment, stream
        return id_

    def create(self, operation):
        experiment = self.directory / operation.get("in", "") / portable(operation["name"])
        meta = {"mlv": "1.0", "name": operation["name"], "kind": portable(operation["kind"]), "created": utc()}
        meta |= {"nonce": secrets.token_hex(16), "environment": environment()}
        above = enclosing(experiment)
        if above:
            if experiment.relative_to(above).parts[0] in ("meta", "log", "files"):
                raise Refused(f"{experiment} is in a folder of {above}")
            meta["parent"] = {"_mlv": "experiment", "id": f"sha256:{digest((above / 'meta.json').read_bytes())}"}
        content = record(meta | members(operation))
        refuse_existing(experiment / "log.jsonl")
        try:
            publish(experiment / "meta.json", content)
        except FileExistsError:
            raise Refused(f"{experiment} holds an experiment") from None
        return {"id": self.start(experiment, Stream(experiment, "log.jsonl"), 1, content)}

    def resume(self, operation):
        experiment = self.directory / operation["path"]
        records(experiment)
        stream = Stream(experiment, "log.jsonl")  # locked before anything is added
        return {"id": self.start(experiment, stream, *add(experiment, operation, "log.jsonl"))}

    def open(self, operation):
        experiment = self.directory / operation["path"]
        refuse_links(experiment, "log")
        number, content = add(experiment, operation, None)
        name = f"log/run-{number}.jsonl"
        self.start(experiment, Stream(experiment, name), number, content)
        return {"stream": name}

    def add(self, operation):
        self.stream.look()
        added = add(self.experiment, operation, self.stream.first)
        if added:
            self.stream.session["record"] = {"number": added[0], "sha256": digest(added[1])}
            self.stream.event("mlv/record", {"record": self.stream.session["record"]})
        return {}

    def event(self, operation):
        name = operation["event"]
        if not NAME.fullmatch(name) or len(name) > 1024 or name.split("/")[0] == "mlv":
            raise Refused(f"{name!r} isn't a name for an event")
        more = {"within": operation["within"]} if "within" in operation else {}
        log = self.stream.begin if operation.get("span") else self.stream.event
        return {"seq": log(name, encode(operation["data"]), **more)}

    def end(self, operation):
        return {"seq": self.stream.end(operation["begin"], encode(operation["data"]))}

    def pause(self, operation):
        self.stream.paused = True
        return {"seq": self.stream.event("mlv/pause", {})}

    def unpause(self, operation):
        self.stream.paused = False
        return {"seq": self.stream.event("mlv/resume", {})}

    def rewind(self, operation):
        return {"seq": self.stream.rewind(operation["to"])}

    def define(self, operation):
        data = {name: text for name, text in operation.items() if name != "op"}
        if data.get("direction", "minimize") not in ("minimize", "maximize") or not data["metric"]:
            raise Refused(f"{data} isn't the definition of a metric")
        return {"seq": self.stream.event("mlv/metric", data)}

    def attach(self, operation):
        content = bytes.fromhex(operation["hex"])
        self.stream.look()
        path = self.place("/".join(map(portable, operation["name"].split("/"))), content)
        value = {"_mlv": "file", "path": f"files/{path}", "size": len(content), "sha256": digest(content)}
        self.stream.event("mlv/file", {"file": value, "source": operation["name"]})
        return {"path": value["path"]}

    def place(self, name, content):
        """Publish a file under its name or, where other bytes have it, under the next: a~2.txt, a~3.txt, …"""
        folder, slash, last = name.rpartition("/")
        stem, dot, suffix = last.rpartition(".")
        for count in range(1, 1000):
            before, mark = (stem, f"~{count}{dot}{suffix}") if stem else (last, f"~{count}")
            if len(mark) >= 100:
                before, mark = last, f"~{count}"
            path = name if count == 1 else f"{folder}{slash}{before[: 100 - len(mark)]}{mark}"
            if len(f"files/{path}") > MAX_PATH:
                raise Refused(f"the path of {name[:100]!r}… is too long")
            refuse_links(self.experiment, f"files/{path}")
            file = self.experiment / "files" / path
            if not self.twin(file):
                try:
                    publish(file, content)
                    return path
                except FileExistsError:
                    if file.read_bytes() == content:
                        return path
        raise Refused(f"the name {name!r} is taken a thousand times")

    @staticmethod
    def twin(file):
        names = os.listdir(file.parent) if file.parent.exists() else []
        return file.name not in names and file.name.lower() in map(str.lower, names)

    def close(self, operation):
        if operation["status"] not in ("completed", "failed", "interrupted", "ended"):
            raise Refused(f"{operation['status']!r} isn't a status")
        self.stream.close(operation["status"])
        self.stream = None
        return {}

    def exit(self, status):
        """Close what the user has not closed, as the program ends."""
        if self.stream and not self.stream.file.closed:
            try:
                self.stream.close(status)
            except (Refused, OSError) as error:
                print(f"no end could be written: {error}", file=sys.stderr)


OPERATIONS = {
    "create": Writer.create,
    "resume": Writer.resume,
    "open": Writer.open,
    "add": Writer.add,
    "event": Writer.event,
    "end": Writer.end,
    "mlv/pause": Writer.pause,
    "mlv/resume": Writer.unpause,
    "mlv/rewind": Writer.rewind,
    "mlv/metric": Writer.define,
    "attach": Writer.attach,
    "close": Writer.close,
}


def leave(how):
    """End as the operation `exit` says, or return the exit code."""
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(60)
    if how == "_exit":
        os._exit(1)
    if how == "exception":
        raise RuntimeError("nothing catches this")
    return int(how == "code")


def main(command, *arguments):
    if command != "write":
        return 64
    writer = Writer(Path(arguments[0]))
    status = "failed"
    try:
        code = work(writer)
        status = "failed" if code else "completed"
        return code
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        writer.exit(status)


def work(writer):
    """Do the operations; returns the exit code."""
    for line in sys.stdin.buffer:
        operation = json.loads(line)
        if operation["op"] == "exit":
            return leave(operation["how"])
        if operation["op"] not in OPERATIONS:
            return 64
        try:
            if writer.stream is None and operation["op"] not in ("create", "resume", "open"):
                raise Refused("nothing is open")
            answer = OPERATIONS[operation["op"]](writer, operation)
        except Refused as error:
            answer = {"refused": str(error)}
        if REPORTED:
            answer["told"] = REPORTED[:]
            REPORTED.clear()
        print(dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
