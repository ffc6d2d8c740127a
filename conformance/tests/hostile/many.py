"""Much of one thing: what is more than linear in time, or holds more than one record, shows here."""

import hashlib
import json
import os
from pathlib import Path

from builder import TIME, Builder, dumps

from hostile._recipe import recipe


def begin(seq: int, **members: object) -> str:
    return dumps({"seq": seq, "time": TIME, "event": "s", "data": {}, **members}) + "\n"


@recipe(many=lambda: [("json.syntax", "log.jsonl", line) for line in range(2, 100_002)])
def bad_lines(at: Path) -> None:
    Builder(at / "top").log().start().raw(b"NaN\n" * 100_000)


@recipe(many=lambda: [("log.blank", "log.jsonl", line) for line in range(1, 100_001)])
def empty_lines(at: Path) -> None:
    Builder(at / "top").log().raw(b"\n" * 100_000)


@recipe()
def files_in_one_folder(at: Path) -> None:
    x = Builder(at / "top")
    (x.path / "mine").mkdir()
    for number in range(20_000):
        os.mknod(x.path / "mine" / str(number))


@recipe()
def sub_experiments(at: Path) -> None:
    x = Builder(at / "top")
    for number in range(2000):
        Builder(x.path / f"sub/{number}", name=f"n{number}", parent={"_mlv": "experiment", "id": x.id})


@recipe(many=lambda: [("layout.strays", f"log/{'x' * 200}{n}.jsonl", None) for n in range(5000)])
def strays(at: Path) -> None:
    x = Builder(at / "top")
    (x.path / "log").mkdir()
    for number in range(5000):
        os.mknod(x.path / f"log/{'x' * 200}{number}.jsonl")


@recipe(many=lambda: [("id.copies", f"{n:04}/meta.json", None) for n in range(1, 2000)])
def copies(at: Path) -> None:
    for number in range(2000):
        Builder(at / f"top/{number:04}")


@recipe()
def streams(at: Path) -> None:
    x = Builder(at / "top")
    for number in range(2000):
        x.log(f"log/s{number}.jsonl").start()


@recipe()
def spans(at: Path) -> None:
    log = Builder(at / "top").log().start()
    log.raw("".join(begin(seq, span="begin") for seq in range(2, 100_002)).encode())


@recipe(many=lambda: [("span.within", "log.jsonl", 3 * n + 4) for n in range(30_000)])
def spans_that_have_ended(at: Path) -> None:
    lines = []
    for seq in range(2, 90_002, 3):
        lines += [
            begin(seq, span="begin"),
            begin(seq + 1, span="end", begin=seq, seconds=0),
            begin(seq + 2, within=seq),
        ]
    Builder(at / "top").log().start().raw("".join(lines).encode())


@recipe(many=lambda: [("json.syntax", "log.jsonl", line) for line in range(2, 10_002, 2)])
def alternating_good_and_bad_lines(at: Path) -> None:
    """Each good line is in a span that may have begun on any bad line before it."""
    lines = ["!\n" + begin(seq + 1, within=2 + seq // 4 * 2) for seq in range(2, 10_002, 2)]
    Builder(at / "top").log().start().raw("".join(lines).encode())


@recipe(many=lambda: [("json.syntax", "log.jsonl", line) for line in range(2, 10_002, 2)])
def alternating_gaps(at: Path) -> None:
    """Each bad line may have had any of a range of numbers, and no two ranges touch."""
    lines = ["!\n" + begin(10 * seq) for seq in range(2, 10_002, 2)]
    log = Builder(at / "top").log().start()
    log.raw("".join(lines).encode())


@recipe(many=lambda: [("log.seq", "log.jsonl", line) for line in range(2, 20_002)])
def numbers_that_run_backwards(at: Path) -> None:
    lines = [begin(2 * seq) for seq in range(200_000, 180_000, -1)]
    Builder(at / "top").log().start().raw("".join(lines).encode())


@recipe("seal.from log.jsonl:3", many=lambda: [("seal.from", "log.jsonl", line) for line in range(4, 5_003)])
def seals_that_all_start_at_0(at: Path) -> None:
    log = Builder(at / "top").log().start().seal()
    data = '"data":{"from":0,"sha256":"' + "0" * 64 + '"}}\n'
    lines = [f'{{"seq":{seq},"time":"{TIME}","event":"mlv/seal",{data}' for seq in range(3, 5_003)]
    log.raw("".join(lines).encode())


@recipe(
    "json.syntax log.jsonl:2",
    "seal.digest log.jsonl:3",
    many=lambda: [("seal.from", "log.jsonl", n) for n in range(4, 5_003)],
)
def seals_after_a_long_bad_line(at: Path) -> None:
    """Only the seal after the bad line may begin anywhere on it."""
    log = Builder(at / "top").log().start().raw(b"!" * 10_000_000 + b"\n")
    data = '"data":{"from":1000,"sha256":"' + "0" * 64 + '"}}\n'
    lines = [f'{{"seq":{seq},"time":"{TIME}","event":"mlv/seal",{data}' for seq in range(3, 5_003)]
    log.raw("".join(lines).encode())


@recipe(
    many=lambda: (
        [("json.syntax", "log.jsonl", 2 * n + 2) for n in range(2000)]
        + [("seal.digest", "log.jsonl", 2 * n + 3) for n in range(2000)]
    )
)
def alternating_seals_and_bad_lines(at: Path) -> None:
    """Each seal may begin on the bad line before it, so each is hashed; the lines before that are not hashed again."""
    log = Builder(at / "top").log().start()
    place = (log.path).stat().st_size
    parts = []
    for number in range(2000):
        bad = "!" * 2000 + "\n"
        seal = begin(number + 2).replace('"s"', '"mlv/seal"').replace("{}", "%s")
        seal %= dumps({"from": place, "sha256": "0" * 64})
        parts += [bad, seal]
        place += len(bad) + len(seal)
    log.raw("".join(parts).encode())


@recipe(many=lambda: [("seal.digest", "log.jsonl", line) for line in range(2, 5_002)])
def seals_one_after_another(at: Path) -> None:
    log = Builder(at / "top").log().start()
    place, size, parts = 0, log.path.stat().st_size, []
    for seq in range(2, 5_002):
        seal = begin(seq).replace('"s"', '"mlv/seal"').replace("{}", dumps({"from": place, "sha256": "0" * 64}))
        parts.append(seal)
        size += len(seal)
        place = size - len("0" * 64 + '"}}\n')
    log.raw("".join(parts).encode())


@recipe()
def sessions(at: Path) -> None:
    x = Builder(at / "top")
    log = x.log().start()
    line = json.loads(log.path.read_bytes())
    lines = []
    for seq in range(2, 5_002):
        line["seq"] = seq
        lines.append(dumps(line) + "\n")
    log.raw("".join(lines).encode())


@recipe()
def references_to_one_file(at: Path) -> None:
    x = Builder(at / "top")
    value = x.write("files/a", "x" * 1_000_000)
    x.log().start().event("a", {"b": [value] * 20_000})


@recipe("file.kept log.jsonl:2")
def references_to_one_pipe(at: Path) -> None:
    x = Builder(at / "top")
    value = x.write("files/a", "x")
    (x.path / "files/a").unlink()
    (x.path / "files/a").symlink_to("/dev/zero")
    x.log().start().event("a", {"b": [value] * 20_000})


@recipe("file.kept log.jsonl:2")
def references_that_disagree_about_one_file(at: Path) -> None:
    """A file is hashed once, whatever digests and sizes are said to be its own."""
    x = Builder(at / "top")
    value = x.write("files/a", "x" * 10_000_000)
    other = [
        value | {"sha256": hashlib.sha256(b"%d" % n).hexdigest(), "size": 10_000_000 - n % 2} for n in range(10_000)
    ]
    x.log().start().event("a", {"b": other})


@recipe("file.kept log.jsonl:2")
def references_to_missing_files(at: Path) -> None:
    x = Builder(at / "top")
    value = {"_mlv": "file", "size": 1, "sha256": "0" * 64}
    x.log().start().event("a", {"b": [value | {"path": f"files/{n}"} for n in range(20_000)]})


@recipe("file.kept log.jsonl:2")
def files_under_many_folders(at: Path) -> None:
    x = Builder(at / "top")
    value = {"_mlv": "file", "size": 1, "sha256": "0" * 64}
    folder = "files/" + "a/" * 100
    (x.path / folder).mkdir(parents=True)
    x.log().start().event("a", {"b": [value | {"path": f"{folder}{n}"} for n in range(2_000)]})


@recipe("event.exists log.jsonl:2")
def references_to_events(at: Path) -> None:
    x = Builder(at / "top")
    value = {"_mlv": "event", "experiment": x.id, "stream": "log.jsonl"}
    x.log().start().event("a", {"b": [value | {"seq": n} for n in range(1, 30_000)]})


@recipe("event.exists log.jsonl:2")
def references_to_missing_streams(at: Path) -> None:
    x = Builder(at / "top")
    value = {"_mlv": "event", "experiment": x.id, "seq": 1}
    x.log().start().event("a", {"b": [value | {"stream": f"log/{n}.jsonl"} for n in range(20_000)]})


@recipe("end.streams log.jsonl:2")
def an_end_of_many_streams(at: Path) -> None:
    Builder(at / "top").log().start().end(streams={f"log/{n}.jsonl": 1 for n in range(100_000)})
