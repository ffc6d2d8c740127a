"""
How fast mlv-validate is, against a loop that only parses: `for line in file: json.loads(line)`.

    python trials/benchmarks/validator/speed.py 1000000

Both read the same bytes, in separate processes, one after the other in each round; a figure is the median over the
rounds of the ratio within a round, so that a busy machine is busy for both. Nothing is asserted.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mlv_validate import validate

SEED = 1
Task = Callable[[], object]


def stamp(number: int) -> str:
    """A time, some milliseconds after that of the number before."""
    seconds, micros = divmod(number * 7321, 1_000_000)
    clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}"
    return f"2026-11-{1 + seconds // 86400:02}T{clock}Z"


def line(seq: int, event: str, data: dict[str, Any], **members: Any) -> str:
    record = {"seq": seq, "time": stamp(seq), "event": event, "data": data, **members}
    return json.dumps(record, separators=(",", ":"))


def training(events: int, rng: random.Random) -> Iterator[str]:
    """A training script: epochs of a thousand events, every twentieth nested and with typed values."""
    epoch, seq = 0, 1
    while seq < events - 1:
        seq += 1
        begin, epoch = seq, epoch + 1
        yield line(seq, "train/epoch", {"n": epoch}, span="begin")
        while seq < min(begin + 1000, events - 2):
            seq += 1
            if seq % 20:
                data = {
                    "step": seq,
                    "loss": rng.random() * 3,
                    "accuracy": rng.random(),
                    "lr": 3e-4 * rng.random(),
                }
                yield line(seq, "train/epoch/batch", data, within=begin)
            else:
                at = {"_mlv": "datetime", "value": stamp(seq)[:-1] + "+01:00"}
                data = {"scores": {"top1": rng.random(), "top5": rng.random()}, "split": "val", "at": at}
                data |= {"worst": {"_mlv": "float", "value": "nan"}, "samples": seq * 64}
                yield line(seq, "train/epoch/validation", data, within=begin)
        seq += 1
        yield line(seq, "train/epoch", {}, span="end", begin=begin, seconds=rng.random() * 60)


def different(events: int, rng: random.Random) -> Iterator[str]:
    """Events of which no two have the same members."""
    for seq in range(2, events + 1):
        data = {f"{rng.choice(('loss', 'score', 'rate'))}_{seq}_{n}": rng.random() for n in range(4)}
        yield line(seq, f"train/part-{seq % 1000}/batch", data)


def write(path: Path, lines: Iterator[str]) -> None:
    """An experiment at level Sealed, with a seal at least every 64 MiB."""
    path.mkdir()
    meta = {"mlv": "1.0", "name": path.name, "kind": "train", "created": stamp(0), "nonce": "0" * 32, "params": {}}
    raw = json.dumps(meta | {"environment": {"command": None, "host": None, "runtime": None}}).encode()
    (path / "meta.json").write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    start = {"mlv": "1.0", "experiment": f"sha256:{digest}", "record": {"number": 1, "sha256": digest}}
    start |= {"writer": {"name": "speed", "version": "1"}, "host": "here", "pid": 1}
    seq = 1
    with (path / "log.jsonl").open("wb") as file:
        hashed = hashlib.sha256()

        def put(text: str) -> None:
            part = text.encode() + b"\n"
            file.write(part)
            hashed.update(part)

        put(line(1, "mlv/start", start))
        for text in lines:
            put(text)
            seq += 1
        last = line(seq + 1, "mlv/end", {"status": "completed", "from": 0, "sha256": ""})[:-3]
        hashed.update(last.encode())
        file.write(f'{last}{hashed.hexdigest()}"}}}}\n'.encode())


def parse(path: Path) -> None:
    """The loop that everything is compared with."""
    with path.open("rb") as file:
        for text in file:
            json.loads(text)


def judge(path: Path, jobs: int = 1) -> None:
    report = validate(path, sealed=True, jobs=jobs)
    assert report.verdict == "valid", report.to_json()["targets"][0]["findings"][:3]


def measure(task: Task) -> tuple[float, float, int]:
    """Seconds by the clock, seconds of the processors, and the greatest resident size in bytes, in a fresh process."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            began = time.perf_counter()
            task()
            seconds = time.perf_counter() - began
            used = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            busy = sum(one.ru_utime + one.ru_stime for one in used)
            os.write(writer, json.dumps([seconds, busy, max(one.ru_maxrss for one in used)]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    seconds, busy, size = json.loads(answer)
    return seconds, busy, size * (1 if sys.platform == "darwin" else 1024)


def compare(title: str, things: int, rounds: int, base: Task, *others: tuple[str, Task]) -> None:
    """Print how many times as fast as the base each of the others is: by the clock, and by the time of processors."""
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name, _ in others}
    for _ in range(rounds):
        clock, busy, _ = measure(base)
        for name, task in others:
            own_clock, own_busy, size = measure(task)
            taken[name].append((clock / own_clock, busy / own_busy, own_clock, size))
    for name, rows in taken.items():
        ratio, of_busy, clock, size = (statistics.median(column) for column in zip(*rows, strict=True))
        between = f"({min(row[0] for row in rows):.2f} to {max(row[0] for row in rows):.2f})"
        each = f"{clock * 1e6 / things:9.2f} us  {size / 1e6:4.0f} MB"
        print(f"{title:32} {name:15} {ratio:6.2f} {between:16} {of_busy:6.2f}  {each}", flush=True)


def small(place: Path, number: int, rng: random.Random) -> Path:
    """Experiments of twenty events each."""
    top = place / f"small-{number}"
    top.mkdir()
    for one in range(number):
        write(top / f"x{one}", training(20, rng))
    return top


def attached(place: Path, number: int, size: int) -> tuple[Path, list[Path]]:
    """An experiment with attached files, and these."""
    path, rng = place / f"attached-{number}", random.Random(SEED)
    files = []

    def lines() -> Iterator[str]:
        (path / "files").mkdir()
        for one in range(number):
            content, name = rng.randbytes(size), f"files/{one}"
            (path / name).write_bytes(content)
            files.append(path / name)
            value = {"_mlv": "file", "path": name, "size": size, "sha256": hashlib.sha256(content).hexdigest()}
            yield line(one + 2, "mlv/file", {"file": value})

    write(path, lines())
    return path, files


def digest(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=int, nargs="?", default=200_000, help="of the longest log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=10_000, help="how many small experiments")
    settings = parser.parse_args()
    events, rounds = settings.events, settings.rounds
    print(f"{'':48} clock (range){'':9}  busy     one each  resident")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, lines, number in (
            ("training", training, events),
            ("training", training, events // 10),
            ("all lines different", different, events // 4),
        ):
            path = place / f"{name.replace(' ', '-')}-{number}"
            write(path, lines(number, random.Random(SEED)))
            log = path / "log.jsonl"
            compare(
                f"{name}, {number:,} events",
                number,
                rounds,
                partial(parse, log),
                ("floor: lines", partial(iterate, log)),
                ("floor: SHA-256", partial(digest, [log])),
                ("one process", partial(judge, path)),
                ("two processes", partial(judge, path, 2)),
            )
        for number in (settings.small // 10, settings.small):
            path = small(place, number, random.Random(SEED))
            logs = sorted(path.glob("*/*.json*"))
            name = f"{number:,} small experiments"
            base = partial(parse_all, logs)
            compare(
                name, number, 3, base, ("one process", partial(judge, path)), ("two processes", partial(judge, path, 2))
            )
        for number, size in ((8, 32 * 1024**2), (2000, 4096)):
            path, files = attached(place, number, size)
            base = partial(digest, files)
            compare(f"{number:,} files of {size:,} bytes", number, rounds, base, ("one process", partial(judge, path)))


def iterate(path: Path) -> None:
    with path.open("rb") as file:
        for _ in file:
            pass


def parse_all(paths: list[Path]) -> None:
    for path in paths:
        if path.name == "log.jsonl":
            parse(path)
        else:
            json.loads(path.read_bytes())


if __name__ == "__main__":
    main()
