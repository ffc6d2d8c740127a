#!/usr/bin/env python3
"""
Give the real command experiments of the conformance suite that were damaged at random: it must always judge them.

`python trials/fuzz/mutate.py --rounds N --seed S` makes N directories of 100 damaged experiments each, and runs
`mlv-validate` on each directory once. A traceback, a failure of the validator that it reports itself, an exit code that
is none of 0, 1 and 3, control characters in what it prints, and 120 seconds without an answer are failures: the
directory is then kept, and its path printed. The same seed makes the same directories.

The last line counts: directories of experiments, experiments, what they came to, failures. The exit code is 1 if there
was a failure.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

BASES = Path(__file__).parents[2] / "conformance" / "suite" / "bases"
EXPERIMENTS = 100
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")

# What is put into bytes: where parsers, terminals and people trip.
PIECES = [
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"\\",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ),
    *(b"-0", b"1e400", b"NaN", b"9007199254740992", b"9" * 5000, b"1.0", b"true", b"null", b"[]", b"{}", b'""', b"-1"),
    *(b'{"_mlv":"int","value":"1"}', b'{"_mlv":[]}', b'"_mlv":"file",', b'"\\ud800"', b'"\\u0000"', b"[" * 65),
    *(
        b'"2.0"',
        b'"1.7"',
        b'"' + b"9" * 5000 + b'.0"',
        b'"mlv/start"',
        b'"mlv/seal"',
        b'"mlv/dropped"',
        b'"span":"end",',
    ),
]
# Values that members of records have.
PARTS = [
    *("null", "[]", "{}", '""', "0", "1", "1.0", "-1", "9007199254740991", '"log.jsonl"', '"log/gpu.jsonl"', '"1.9"'),
    *('{"_mlv":"float","value":"nan"}', '{"_mlv":"int","value":"7"}', '{"_mlv":"string","value":"d800"}', '["a","a"]'),
    *('{"_mlv":"table","columns":["a"],"rows":[[1]]}', '{"_mlv":"histogram","edges":[0,1],"counts":[-1]}', '["x-y"]'),
    *(
        '{"_mlv":"org.example.x","value":{"_mlv":"no"}}',
        '{"_mlv":"redacted"}',
        '{"__mlv":1}',
        '"a/b"',
        '"A"',
        '"mlv/x"',
    ),
]
SEAL = re.compile(rb'"sha256":"[0-9a-f]{64}"\}\}\n\Z')
VALUE = re.compile(rb'"[^"\\]*"|-?\d[\d.eE+-]*|true|false|null')


def bytes_of(rng: random.Random, raw: bytes) -> bytes:
    """The bytes of a file with one change."""
    if not raw:
        return rng.choice(PIECES)
    at = rng.randrange(len(raw))
    to = min(len(raw), at + rng.choice((1, 1, 2, 8, 64, 500)))
    kind = rng.randrange(7)
    if kind == 0:
        return raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]
    if kind == 1:
        return raw[:at] + rng.choice(PIECES) + raw[at:]
    if kind == 2:
        return raw[:at] + raw[to:]
    if kind == 3:
        return raw[:at] + raw[at:to] * 2 + raw[to:]
    if kind == 4:
        return raw[:at]
    if kind == 5:
        return raw[:at] + bytes(rng.randbytes(to - at)) + raw[to:]
    return values_of(rng, raw)


def values_of(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one JSON value or member name instead of another, or of one of the pieces."""
    places = [match.span() for match in VALUE.finditer(raw)]
    if not places:
        return raw
    (start, end), (first, last) = rng.choice(places), rng.choice(places)
    new = raw[first:last] if rng.randrange(2) else rng.choice(PIECES)
    return raw[:start] + new + raw[end:]


def lines_of(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one line gone, twice, moved, or shared with another."""
    lines = raw.splitlines(keepends=True) or [b""]
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[one]
    elif kind == 1:
        lines.insert(other, lines[one])
    elif kind == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = lines[one].rstrip(b"\n") + lines[other]
    return b"".join(lines)


def member_of(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one member of an object on one line removed, repeated elsewhere, or with the value of another."""
    lines = raw.splitlines(keepends=True) or [b""]
    one = rng.randrange(len(lines))
    try:
        record, other = json.loads(lines[one]), json.loads(rng.choice(lines))
    except (ValueError, RecursionError):
        return raw
    objects, others = list(objects_in(record)), list(objects_in(other))
    if not any(objects) or not any(others):
        return raw
    changed, source = rng.choice([one for one in objects if one]), rng.choice([one for one in others if one])
    name, (new, value) = rng.choice(list(changed)), rng.choice(list(source.items()))
    kind = rng.randrange(4)
    if kind == 0:
        del changed[name]
    elif kind == 1:
        changed[new] = value
    elif kind == 2:
        changed[name] = value
    elif isinstance(changed[name], int | float) and not isinstance(changed[name], bool):
        changed[name] += rng.choice((-1, 1, 0.5, 100))
    else:
        changed[name] = json.loads(rng.choice(PARTS))
    lines[one] = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a JSON value, the outer before the inner."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(part)


def sealed_again(raw: bytes) -> bytes:
    """The bytes with the right `from` and digest in each line that has the form of a seal."""
    sealed, place = b"", 0
    for line in raw.splitlines(keepends=True):
        if not SEAL.search(line):
            sealed += line
            continue
        sealed += re.sub(rb'"from":\d+', b'"from":%d' % place, line)[:-68]
        digest = hashlib.sha256(sealed[place:]).hexdigest().encode()
        place = len(sealed)
        sealed += digest + line[-4:]
    return sealed


def entry_of(rng: random.Random, experiment: Path, path: Path) -> None:
    """Make something else of an entry."""
    others = sorted(experiment.rglob("*"))
    kind = rng.randrange(7)
    if kind == 0:
        remove(path)
    elif kind == 1:
        remove(path)
        path.mkdir()
    elif kind == 2:
        remove(path)
        os.mkfifo(path)
    elif kind == 3:
        remove(path)
        path.symlink_to(rng.choice([*others, Path("/dev/zero"), Path("..")]))
    elif kind == 4 and path.is_file():
        remove(path)
        path.symlink_to(path.name)
    elif kind == 5 and path.is_file():
        name = rng.choice(["meta.json", "log.jsonl", "meta/2.json", "meta/9.json", "log/z.jsonl", "log/\x1b.jsonl"])
        to = experiment / name
        if to != path and not to.is_dir() and (to.parent.is_dir() or not os.path.lexists(to.parent)):
            to.parent.mkdir(exist_ok=True)
            to.unlink(missing_ok=True)
            shutil.copyfile(path, to)
    elif path.is_file():
        other = rng.choice([other for other in others if other.is_file()])
        path.write_bytes(other.read_bytes())


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


CHANGES: list[Callable[[random.Random, bytes], bytes]] = [bytes_of, bytes_of, values_of, lines_of, member_of, member_of]


def damage(rng: random.Random, experiment: Path) -> None:
    """Change an experiment at one to four places."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        entries = sorted(path for path in experiment.rglob("*") if not path.is_symlink())
        if not entries:
            return
        path = rng.choice(entries)
        if path.is_file() and rng.randrange(8):
            raw = rng.choice(CHANGES)(rng, path.read_bytes())
            path.write_bytes(sealed_again(raw) if path.suffix == ".jsonl" and rng.randrange(2) else raw)
        else:
            entry_of(rng, experiment, path)


def make(rng: random.Random, directory: Path, fresh: Sequence[Path] = ()) -> list[Path]:
    """Make a directory of damaged experiments; return the directory that each was before."""
    bases = [*sorted(BASES.iterdir()), *fresh]
    chosen = [rng.choice(bases) for _ in range(EXPERIMENTS)]
    for number, base in enumerate(chosen):
        experiment = directory / str(number)
        shutil.copytree(base, experiment)
        damage(rng, experiment)
    return chosen


def judge(directory: Path, options: list[str]) -> tuple[str | None, Counter[str]]:
    """Run the command; returns what is wrong with how it ended, and the verdict's numbers."""
    command = [sys.executable, "-m", "mlv_validate", *options, directory.name]
    try:
        done = subprocess.run(
            command, cwd=directory.parent, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return "it hangs", Counter()
    wrong = None
    if done.returncode not in (0, 1, 3) or done.stderr:
        wrong = f"exit code {done.returncode}: {done.stderr[-500:]!r}"
    elif CONTROL.search(done.stdout):
        wrong = "control characters in the output"
    elif b"the validator failed" in done.stdout:
        wrong = next(line for line in done.stdout.decode().splitlines() if "the validator failed" in line)
    counts: Counter[str] = Counter()
    if not wrong and "json" in options:
        counts.update(json.loads(done.stdout)["totals"])
    return wrong, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="so many directories of 100 experiments [5]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        for round_ in range(arguments.rounds):
            directory = Path(name) / f"{arguments.seed}-{round_}"
            make(random.Random(f"{arguments.seed} {round_}"), directory)
            options = [["--format", "json"], ["--format", "json", "--require-sealed"], ["--require-sealed"]][round_ % 3]
            wrong, found = judge(directory, options)
            counts += found
            if wrong:
                failures += 1
                kept = Path(tempfile.mkdtemp()) / directory.name
                subprocess.run(["cp", "-a", directory, kept], check=True)  # pipes, too
                print(f"{kept}: {wrong}")
            shutil.rmtree(directory)
    findings = f"{counts['errors']} errors, {counts['warnings']} warnings, {counts['unchecked']} not checked"
    print(
        f"{arguments.rounds} directories, {arguments.rounds * EXPERIMENTS} experiments: {findings}, {failures} failures"
    )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
