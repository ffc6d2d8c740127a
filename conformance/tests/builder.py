"""Makes experiments for the tests of the validator, from the specification alone."""

import hashlib
import json
from pathlib import Path
from typing import Any

TIME = "2026-11-22T18:24:00.000000Z"


def dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class Stream:
    """Collects the lines of a stream and writes each at once."""

    def __init__(self, experiment: "Builder", path: Path) -> None:
        self.experiment, self.path, self.seq, self.place = experiment, path, 0, 0
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")

    def raw(self, content: bytes) -> "Stream":
        with self.path.open("ab") as file:
            file.write(content)
        return self

    def event(self, name: str, data: Any = None, **members: Any) -> "Stream":
        self.seq += 1
        event = {"seq": self.seq, "time": TIME, "event": name, "data": data or {}, **members}
        return self.raw(dumps(event).encode() + b"\n")

    def start(self, record: int = 1, **data: Any) -> "Stream":
        digest = self.experiment.digest(record)
        whole: dict[str, Any] = {
            "mlv": "1.0",
            "experiment": self.experiment.id,
            "record": {"number": record, "sha256": digest},
        }
        whole |= {"writer": {"name": "tests", "version": "0"}, "host": "here", "pid": 1}
        return self.event("mlv/start", whole | data)

    def seal(self, name: str = "mlv/seal", **data: Any) -> "Stream":
        self.event(name, data | {"from": self.place, "sha256": "0" * 64})
        content = self.path.read_bytes()
        place = len(content) - 68
        digest = hashlib.sha256(content[self.place : place]).hexdigest()
        self.path.write_bytes(content[:place] + digest.encode() + content[-4:])
        self.place = place
        return self

    def end(self, status: str = "completed", **data: Any) -> "Stream":
        return self.seal("mlv/end", status=status, **data)


class Builder:
    """An experiment directory with a good `meta.json`, to which a test adds what it needs."""

    def __init__(self, path: Path, **members: Any) -> None:
        self.path = path
        path.mkdir(parents=True)
        meta = {"mlv": "1.0", "name": "x", "kind": "test", "created": TIME, "nonce": "0" * 32, "params": {}}
        environment = {"command": None, "host": None, "runtime": None}
        self.write("meta.json", dumps(meta | {"environment": environment} | members))

    @property
    def id(self) -> str:
        return f"sha256:{self.digest(1)}"

    def digest(self, record: int) -> str:
        name = "meta.json" if record == 1 else f"meta/{record}.json"
        return hashlib.sha256((self.path / name).read_bytes()).hexdigest()

    def write(self, name: str, content: str | bytes) -> dict[str, Any]:
        """Write a file; returns the typed value that refers to it."""
        raw = content.encode() if isinstance(content, str) else content
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        return {"_mlv": "file", "path": name, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}

    def add(self, number: int, **members: Any) -> None:
        previous = f"sha256:{self.digest(number - 1)}"
        record = {"mlv": "1.0", "experiment": self.id, "previous": previous, "created": TIME}
        environment = {"command": None, "host": None, "runtime": None}
        self.write(f"meta/{number}.json", dumps(record | {"environment": environment} | members))

    def log(self, name: str = "log.jsonl") -> Stream:
        return Stream(self, self.path / name)
