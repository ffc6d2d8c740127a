#!/usr/bin/env python3
"""
Compare the two validators of this repository on experiments that were damaged at random.

`python trials/fuzz/differential.py --rounds N --seed S` makes N times 100 damaged experiments of the suite's
bases, and asks both drivers about each, at levels Core and Sealed alternately. They share no line of code and no
language, so where they say the same about thousands of directories made at random, the specification leaves no
doubt about them; where they do not, the text is unclear or one of them is wrong. What they differ in is printed, and
the directory kept. The same seed makes the same directories.

The exit code is 1 if there was a difference.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import mutate
from mlv_conformance._driver import Driver

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, str(ROOT / "conformance" / "drivers" / "python_driver.py")]
JAVASCRIPT = ["node", str(ROOT / "javascript" / "bin" / "driver.js")]


def said(answer: Any) -> tuple[set[tuple[str, str, int | None]], set[str]] | str:
    """The findings and what was not checked, in a form that compares; or what was wrong with the driver."""
    if not isinstance(answer, dict):
        return str(answer)
    findings = {(one["rule"], one["path"], one.get("line")) for one in answer["findings"]}
    return findings, {one if isinstance(one, str) else one["path"] for one in answer["unchecked"]}


def compare(targets: list[Path], command: str) -> dict[Path, str]:
    """The targets that the two say different things about, and what each says alone."""
    answers = [Driver(driver, seconds=60).ask(command, targets) for driver in (PYTHON, JAVASCRIPT)]
    different = {}
    for target, *both in zip(targets, *answers, strict=True):
        python, javascript = map(said, both)
        if python == javascript and not isinstance(python, str):
            continue
        if isinstance(python, str) or isinstance(javascript, str):
            different[target] = f"Python: {python}; JavaScript: {javascript}"
        else:
            alone = [
                sorted(map(str, (one[n] - other[n])))
                for one, other in ((python, javascript), (javascript, python))
                for n in (0, 1)
            ]
            different[target] = f"only Python: {alone[0] + alone[1]}; only JavaScript: {alone[2] + alone[3]}"
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="so many times 100 experiments [5]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for round_ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder, "damaged")
            mutate.make(random.Random(f"{arguments.seed} {round_}"), directory)
            targets = sorted(directory.iterdir(), key=lambda path: int(path.name))
            different = compare(targets, "validate --sealed" if round_ % 2 else "validate")
            counts.update(same=len(targets) - len(different), different=len(different))
            for target, what in different.items():
                kept = Path(tempfile.mkdtemp()) / f"{arguments.seed}-{round_}-{target.name}"
                subprocess.run(["cp", "-a", target, kept], check=True)  # pipes, too
                print(f"{kept}: {what}")
    print(f"{counts.total()} experiments: the same about {counts['same']}, different about {counts['different']}")
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
