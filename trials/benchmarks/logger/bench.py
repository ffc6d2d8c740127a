"""Measure, and write the results and the page: `bench.py`, `bench.py calls --only 'mlv:*'`, `bench.py --peers DIR`.

What is measured takes the place of what results.json had for the same rows; the rest of it stays. Then the page of
the documentation is written from all of it.
"""

import argparse
import datetime
import fnmatch
import json
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

import calls
import floor
import kept
import memory
import page
import peers
import reading
import rows
import slow_disk
import start

__all__: list[str] = []

PARTS = ["calls", "floor", "kept", "start", "import", "memory", "reading", "slow disk"]
PEER_PARTS = ["peers", "kept", "start"]
PEER_ROUNDS = 3


def machine(base: Path | None) -> dict[str, Any]:
    """What the numbers depend on, without names of hosts and users."""
    place = (base or Path("/tmp")).resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if place.is_relative_to(part.mountpoint)]
    return {
        "processors": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "filesystem": max(mounts, key=lambda part: len(part.mountpoint)).fstype,
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def rounded(value: Any) -> Any:
    """With four significant digits: more are noise."""
    if isinstance(value, dict):
        return {name: rounded(member) for name, member in value.items()}
    if isinstance(value, list):
        return [rounded(member) for member in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default: {', '.join(PARTS)}")
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"], help="rows by name, such as 'mlv:*'")
    parser.add_argument("--peers", metavar="DIR", type=Path, help="the peers, not our own rows: their environments")
    parser.add_argument("--rounds", type=int, help="instead of each part's own number; few are noisy")
    parser.add_argument("--directory", metavar="DIR", type=Path, help="where to log, on the disk to be measured")
    parser.add_argument("--results", metavar="FILE", type=Path, default=page.RESULTS)
    arguments = parser.parse_args()
    possible = PEER_PARTS if arguments.peers else PARTS
    parts = arguments.parts or possible
    if unknown := set(parts) - set(possible):
        parser.error(f"no such part here: {', '.join(sorted(unknown))}")
    base = arguments.directory
    file: Path = arguments.results
    results: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}

    def peer_of(row: str) -> str | None:
        name = row.partition(":")[0]
        return name if name in peers.PEERS else None

    def python(row: str) -> Path:
        name = peer_of(row)
        return peers.environment(arguments.peers, name) if name else Path(sys.executable)

    def wanted(names: Iterable[str]) -> list[str]:
        return [row for row in names if any(fnmatch.fnmatchcase(row, pattern) for pattern in arguments.only)]

    def add(part: str, found: dict[str, Any]) -> None:
        when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
        stamp = {"measured": when, "load": round(os.getloadavg()[1], 1)}
        results.setdefault(part, {}).update({name: rounded(row) | stamp for name, row in found.items()})
        results["machine"] = machine(base)
        file.write_text(page.text_of(results), "utf-8")

    def measure(part: str, module: Any, names: Iterable[str]) -> None:
        reasons = {row: peers.failure(arguments.peers, name) for row in wanted(names) if (name := peer_of(row))}
        add(part, {row: {"failed": reason} for row, reason in reasons.items() if reason})
        if chosen := [row for row in wanted(names) if not reasons.get(row)]:
            rounds = arguments.rounds or (PEER_ROUNDS if arguments.peers else module.ROUNDS)
            found = module.measure(chosen, rounds, python, base)
            add(part, {row: found[row] for row in chosen})

    if "calls" in parts:
        measure("calls", calls, calls.ALL)
    if "floor" in parts:
        add("floor", floor.measure(arguments.rounds or floor.ROUNDS, base))
    if "peers" in parts:
        # Our own once more, in turn with theirs: whose slowest calls are compared must meet the same moments.
        measure("peers", calls, [*rows.WRITERS, *rows.PEERS])
    if "kept" in parts:
        measure("kept", kept, rows.PEERS if arguments.peers else kept.ALL)
    if "start" in parts:
        measure("start", start, rows.PEERS if arguments.peers else start.SCRIPTS)
    if "import" in parts:
        add("import", start.measure_imports(arguments.rounds or start.ROUNDS, base))
    if "memory" in parts:
        add("memory", memory.measure(arguments.rounds or memory.ROUNDS, base))
    if "reading" in parts:
        add("reading", reading.measure(arguments.rounds or reading.ROUNDS, base))
    if "slow disk" in parts:
        measure("slow disk", slow_disk, rows.WRITERS)
    page.write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
