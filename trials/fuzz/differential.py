#!/usr/bin/env python3
"""
Compare the two implementations of this repository on experiments that were damaged at random.

`python trials/fuzz/differential.py --rounds N --seed S` makes N times 100 damaged experiments, of the suite's bases and
of new ones, and asks both drivers about each: what the validator finds, at levels Core and Sealed alternately, and what
it reports about the experiments; what an anchor of the undamaged experiment matches; the statement; what the reader
reads; and the metrics. The two share no line of code and no language, so where they answer the same about thousands of
directories made at random, the specification leaves no doubt about them; where they do not, the text is unclear or one
of them is wrong. What they differ in is printed, and the directory kept. The same seed damages in the same way; the
new experiments have other times and ids in each run.

What a reader makes of lines and records that break a rule of phase `schema` is left open by the specification, so
directories with a finding of this phase are compared without `read` and `metrics`.

The exit code is 1 if there was a difference.
"""

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fresh
import mutate
from mlv_conformance._driver import Driver
from mlv_validate import make_statement

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, str(ROOT / "conformance" / "drivers" / "python_driver.py")]
JAVASCRIPT = ["node", str(ROOT / "javascript" / "bin" / "driver.js")]
SCHEMA = {
    rule["id"]
    for rule in json.loads((ROOT / "spec" / "1.0" / "requirements.json").read_text("utf-8"))
    if rule.get("phase") == "schema"
}
SEAL = re.compile(rb'"sha256":"([0-9a-f]{64})"\}\}$', re.MULTILINE)


def said(answer: Any) -> dict[str, Any]:
    """An answer in a form that compares: sets for what has no order; or what was wrong with the driver."""
    if not isinstance(answer, dict):
        return {"failed": str(answer)}
    said = dict(answer)
    if "findings" in said:
        said["findings"] = {(one["rule"], one["path"], one.get("line")) for one in said["findings"]}
        said["unchecked"] = set(said["unchecked"])
        said["matches"] = sorted(json.dumps(one, sort_keys=True) for one in said["matches"] or [])
    return said


def without_free(value: Any) -> Any:
    """An answer to `read` or `metrics`, in which what a driver may write in several ways is written in one."""
    if isinstance(value, list):
        return [without_free(part) for part in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["number"] and isinstance(value["number"], str):
        return {"number": float(value["number"])}
    if len(value) == 1 and isinstance(text := next(iter(value.values())), str):
        name = next(iter(value))
        if name in ("datetime", "datetime-local", "time", "duration"):
            text = re.sub(r"(\.\d{6})\d+", r"\1", text)
            text = re.sub(r"\.0+(?=\D|$)|(\.\d*?[1-9])0+(?=\D|$)", r"\1", text)
            return {name: text.replace("+00:00", "Z")}
    return {name: without_free(part) for name, part in value.items()}


def compare(targets: Sequence[Path], command: str) -> dict[Path, tuple[dict[str, Any], str | None]]:
    """For each target what Python answers and, if JavaScript answers something else, what each answers alone."""
    answers = [Driver(driver, seconds=60).ask(command, targets) for driver in (PYTHON, JAVASCRIPT)]
    compared = {}
    for target, *both in zip(targets, *answers, strict=True):
        python, javascript = map(said, both)
        if command in ("read", "metrics"):
            python, javascript = map(without_free, (python, javascript))
        equal = python == javascript and "failed" not in python
        compared[target] = python, None if equal else "; ".join(differences("", python, javascript))
    return compared


def differences(where: str, python: Any, javascript: Any) -> list[str]:
    """What differs in two answers, innermost."""
    if isinstance(python, dict) and isinstance(javascript, dict):
        return [
            found
            for name in sorted({*python, *javascript})
            if python.get(name, ...) != javascript.get(name, ...)
            for found in differences(f"{where}.{name}", python.get(name, ...), javascript.get(name, ...))
        ]
    if isinstance(python, set) and isinstance(javascript, set):
        alone = (sorted(map(str, python - javascript)), sorted(map(str, javascript - python)))
        return [f"{where}: only Python: {alone[0]}, only JavaScript: {alone[1]}"]
    if isinstance(python, list) and isinstance(javascript, list) and len(python) == len(javascript):
        pairs = enumerate(zip(python, javascript, strict=True))
        return [one for at, (a, b) in pairs if a != b for one in differences(f"{where}[{at}]", a, b)]
    return [f"{where}: Python: {python!r:.400}, JavaScript: {javascript!r:.400}"]


def anchor_of(rng: random.Random, base: Path) -> str:
    """The anchor of a directory before it was damaged: a kept statement, the one of now, or a seal."""
    kept = [hashlib.sha256(path.read_bytes()).hexdigest() for path in base.glob("mlv-statement*.txt")]
    seals = [digest.decode() for log in base.glob("*.jsonl") for digest in SEAL.findall(log.read_bytes())]
    try:
        own = [make_statement(base).anchor.removeprefix("sha256:")]
    except ValueError:
        own = []
    digest: str = rng.choice([*kept * 3, *own, *seals] or ["0" * 64])
    return f"sha256:{digest}"


def is_clear(answer: dict[str, Any]) -> bool:
    """Whether the specification says what a reader reads: no record breaks a rule of phase `schema`."""
    return not any(rule in SCHEMA for rule, _, _ in answer.get("findings", ()))


def compare_all(rng: random.Random, directory: Path, bases: Sequence[Path], level: str) -> dict[Path, list[str]]:
    """What the two say differently about each of the damaged experiments in a directory."""
    before = dict(zip(map(str, range(mutate.EXPERIMENTS)), mutate.make(rng, directory, bases), strict=True))
    targets = sorted(directory.iterdir(), key=lambda path: int(path.name))
    different: dict[Path, list[str]] = {target: [] for target in targets}

    def note(answers: dict[Path, tuple[dict[str, Any], str | None]], command: str) -> None:
        for target, (_, what) in answers.items():
            if what is not None:
                different[target].append(f"{command}: {what}")

    found = compare(targets, level)
    note(found, level)
    for base in sorted(set(before.values())):
        command = f"validate --anchor {anchor_of(rng, base)}"
        note(compare([target for target in targets if before[target.name] == base], command), command)
    note(compare(targets, "statement"), "statement")
    clear = [target for target in targets if is_clear(found[target][0])]
    for command in ("read", "metrics"):
        note(compare(clear, command), command)
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="so many times 100 experiments [5]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the new experiments record changes
        bases = fresh.make(Path(name))
        for round_ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder:
                rng = random.Random(f"{arguments.seed} {round_}")
                level = "validate --sealed" if round_ % 2 else "validate"
                different = compare_all(rng, Path(folder, "damaged"), bases, level)
                counts.update("different" if what else "same" for what in different.values())
                for target, what in different.items():
                    if what:
                        kept = Path(tempfile.mkdtemp()) / f"{arguments.seed}-{round_}-{target.name}"
                        subprocess.run(["cp", "-a", target, kept], check=True)  # pipes, too
                        print(f"{kept}: {' | '.join(what)}", flush=True)
    print(f"{counts.total()} experiments: the same about {counts['same']}, different about {counts['different']}")
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
