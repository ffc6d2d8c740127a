"""Writes the chapter spec/1.0/example.md from example_page.md: `python conformance/example_page.py`.

The experiment is made here from bytes alone, without any implementation, and its digests are computed. A test compares
the chapter with what this makes, and validates the experiment at level Sealed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "experiment", "page"]

PAGE = Path(__file__).parents[1] / "spec" / "1.0" / "example.md"

_WRITER = {"name": "mlvlogger", "version": "1.0.0"}
_ENVIRONMENT = {"command": ["python", "train.py"], "host": {"name": "gpu-7"}, "runtime": {"language": "Python"}}
_CONFUSION = b"cat 9 1\ndog 2 8\n"
_TORN = b'{"seq":8,"time":"2026-11-22T18:2'

_TEXT = (Path(__file__).parent / "example_page.md").read_text("utf-8")


def experiment() -> dict[str, bytes]:
    """Return the files of the experiment: bytes by path."""
    meta = _pretty(
        {
            "mlv": "1.0",
            "name": "digits_1",
            "kind": "train",
            "created": "2026-11-22T18:24:00.000000Z",
            "nonce": "6f1ed002ab5595859014ebf0951522d9",
            "params": {"lr": 0.0003, "epochs": 1, "seed": {"_mlv": "int", "value": "9223372036854775808"}},
            "environment": _ENVIRONMENT,
        }
    )
    identifier = f"sha256:{_digest(meta)}"
    addition = _pretty(
        {
            "mlv": "1.0",
            "experiment": identifier,
            "previous": identifier,
            "created": "2026-11-23T09:26:00.000000Z",
            "params": {"split": "test"},
            "environment": _ENVIRONMENT | {"command": ["python", "evaluate.py"]},
            "tags": ["evaluated"],
        }
    )

    def start(record: int, content: bytes, **more: Any) -> dict[str, Any]:
        named = {"number": record, "sha256": _digest(content)}
        place = {"writer": _WRITER, "host": "gpu-7", "pid": 4711}
        return {"mlv": "1.0", "experiment": identifier, "record": named, **place, **more}

    file = {"_mlv": "file", "path": "files/confusion.txt", "size": len(_CONFUSION), "sha256": _digest(_CONFUSION)}
    gpu = _Stream()
    gpu.event("22T18:24:00.1", "mlv/start", start(1, meta))
    gpu.event("22T18:24:01.0", "gpu", {"step": 0, "utilization": 0.93})
    gpu.seal("22T18:24:03.0", "mlv/seal", {})
    log = _Stream()
    log.event("22T18:24:00.1", "mlv/start", start(1, meta))
    log.event("22T18:24:00.2", "epoch", {"n": 0}, span="begin")
    log.event("22T18:24:01.0", "epoch/batch", {"step": 0, "loss": 0.5}, within=2)
    log.event("22T18:24:02.0", "epoch/batch", {"step": 1, "loss": {"_mlv": "float", "value": "nan"}}, within=2)
    log.event("22T18:24:02.5", "epoch", {}, span="end", begin=2, seconds=2.3)
    log.event("22T18:24:02.7", "mlv/file", {"file": file})
    log.seal("22T18:24:03.0", "mlv/seal", {})
    recovered = {"size": len(_TORN), "sha256": _digest(_TORN)}
    log.event("23T09:26:00.0", "mlv/start", start(2, addition, recovered=recovered))
    log.event("23T09:26:00.5", "mlv/rewind", {"to": 3, "reason": "from checkpoint 1"})
    log.event("23T09:26:01.0", "epoch/batch", {"step": 1, "loss": 0.25})
    log.seal("23T09:26:02.0", "mlv/end", {"status": "completed", "streams": {"log/gpu.jsonl": 3}})
    return {
        "meta.json": meta,
        "meta/2.json": addition,
        "log.jsonl": log.content,
        "log/gpu.jsonl": gpu.content,
        "files/confusion.txt": _CONFUSION,
    }


def page() -> str:
    """Return the expected text of the chapter."""
    files = experiment()
    lines = files["log.jsonl"].decode().splitlines()
    seals = [
        json.loads(line)["data"] for line in lines if '"sha256":"' in line.split('"data"')[1] and '"from":' in line
    ]
    places = [files["log.jsonl"].index(seal["sha256"].encode()) for seal in seals]
    values = {
        "tree": "\n".join(f"{len(content):>6}  {path}" for path, content in sorted(files.items())),
        "meta": files["meta.json"].decode(),
        "id": _digest(files["meta.json"]),
        "addition": files["meta/2.json"].decode(),
        "addition_digest": _digest(files["meta/2.json"]),
        "session_1": "\n".join(lines[:7]),
        "session_2": "\n".join(lines[7:]),
        "gpu": files["log/gpu.jsonl"].decode(),
        "confusion": files["files/confusion.txt"].decode(),
        "confusion_digest": _digest(_CONFUSION),
        "torn": _TORN.decode(),
        "torn_size": len(_TORN),
        "torn_digest": _digest(_TORN),
        "seal_1": seals[0]["sha256"],
        "place_1": places[0],
        "seal_2": seals[1]["sha256"],
        "place_2": places[1],
        "covered": places[1] - places[0],
    }
    text = _TEXT
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


class _Stream:
    """The bytes of a stream, and the place of its last seal."""

    def __init__(self) -> None:
        self.content = b""
        self._lines = 0
        self._place = 0

    def event(self, time: str, event: str, data: dict[str, Any], **span: Any) -> None:
        self._lines += 1
        at = f"2026-11-{time}".ljust(len("2026-11-22T18:24:00.000000"), "0") + "Z"
        line = {"seq": self._lines, "time": at, "event": event, "data": data, **span}
        self.content += json.dumps(line, separators=(",", ":")).encode() + b"\n"

    def seal(self, time: str, event: str, data: dict[str, Any]) -> None:
        self.event(time, event, data | {"from": self._place, "sha256": "?"})
        head = self.content.removesuffix(b'?"}}\n')
        self.content = head + _digest(head[self._place :]).encode() + b'"}}\n'
        self._place = len(head)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _pretty(record: dict[str, Any]) -> bytes:
    members = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in record.items())
    return ("{\n" + ",\n".join(members) + "\n}\n").encode()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
