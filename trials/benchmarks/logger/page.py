"""Puts the results into the page of the documentation, docs/explanation/performance.md: `page.py`.

The page's sentences are written there; the measured values are between its marks, and no number is typed by hand.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aims import AIMS
from floor import DIRECT, PROCESS, STEPS
from rows import OWN, PEERS, SCALE, SYNCED, WRITERS

__all__ = ["PAGE", "RESULTS", "renewed", "text_of", "write"]

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "performance.md"

Results = dict[str, Any]

SHAPED = {f"{row} {shape}": f"{name}, {shape}" for shape in ("nested", "strings") for row, name in WRITERS.items()}
KEPT = {"plain": "P", "mlv:exp": WRITERS["mlv:direct"], "mlv:exp+process": WRITERS["mlv:process"], **PEERS}
STARTED = {"bare": "nothing", **WRITERS, "mlv:exp": OWN["mlv:exp"], "mlv:exp+process": OWN["mlv:exp+process"]}
READERS = {"json.loads": "a loop of `json.loads`", "events": "`read().events()`", "metric": "`read().metric()`"}
BACK, PACED = "back to back", "paced"
MEASURED = "measured, load"


def number(value: float) -> str:
    """Two significant digits, three from 100 on; never an exponent."""
    if abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.2g}'):f}".rstrip("0").removesuffix(".")


def micro(seconds: float) -> str:
    return number(seconds * 1e6)


def milli(seconds: float) -> str:
    return number(seconds * 1e3)


def mega(size: float) -> str:
    return number(size / 1e6)


def table(head: list[str], lines: list[list[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *(line + [""] * (len(head) - len(line)) for line in lines)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def cells_of(results: Results, part: str, row: str, cells: Callable[[Any], list[str]]) -> list[str]:
    """What a row of a part shows; where it has no result, the reason."""
    result = results.get(part, {}).get(row, {"absent": "not measured"})
    reason = result.get("absent") or result.get("failed")
    return [reason.replace("|", "\\|")] if reason else cells(result)


def lines_of(results: Results, part: str, names: dict[str, str], cells: Callable[[Any], list[str]]) -> list[list[str]]:
    return [[name, *cells_of(results, part, row, cells)] for row, name in names.items()]


def when(row: Any) -> str:
    """The day and the load of a row: only rows that agree in both have comparable seconds."""
    return f"{row['measured'][:10]}, {number(row['load'])}"


def machine(results: Results) -> str:
    what = results["machine"]
    measured = [row for part in results.values() for row in part.values() if isinstance(row, dict)]
    days = sorted(row["measured"][:10] for row in measured)
    return (
        f"Measured on {' to '.join(sorted({days[0], days[-1]}))} with {what['processors']} processors, "
        f"{what['memory'] / 2**30:.0f} GiB, {what['filesystem']}, {what['system']} and {what['python']}, "
        f"at a load of {number(min(row['load'] for row in measured))} to "
        f"{number(max(row['load'] for row in measured))}.\n"
    )


def aims(results: Results) -> str:
    lines = []
    for aim in AIMS:
        goal = f"{number(aim.limit)} {aim.unit}".strip()
        if aim.better is not None:
            goal += f", better {number(aim.better)}"
        try:
            value = aim.measured(results)
            lines.append([aim.what, goal, number(value), "yes" if value <= aim.limit else "**no**"])
        except (KeyError, ValueError):  # no row, or no other logger to be compared with
            lines.append([aim.what, goal, "not measured"])
    return table(["", "at most", "measured", "reached"], lines)


def costs(results: Results, names: dict[str, str]) -> str:
    def cells(row: Any) -> list[str]:
        back, paced = row[BACK], row[PACED]
        times = [micro(back["median"]), number(back["ratio"]), micro(paced["median"]), number(paced["ratio"])]
        tails = [micro(paced["p99"]), micro(paced["p99.9"])]
        cpus = [number(back["cpu ratio"]), number(paced["cpu ratio"])]
        plain = back["median"] / back["ratio"] if back["ratio"] else 0.0
        return [*times, *tails, *cpus, micro(plain), when(row)]

    head = ["", "back to back, µs", "× P", "paced, µs", "× P", "paced p99, µs", "paced p99.9, µs"]
    head += ["CPU, back to back, × P", "CPU, paced, × P", "P in the same rounds, back to back, µs", MEASURED]
    return table(head, lines_of(results, "calls", names, cells))


def floors(results: Results) -> str:
    """The steps of an event, and what they come to for each writer."""
    measured = results["floor"]
    lines = []
    for step, (name, _) in STEPS.items():
        ratio = number(measured[step]["ratio"])
        cells = [ratio if step in writer else "" for writer in (DIRECT, PROCESS)]
        lines.append([name, micro(measured[step]["median"]), *cells, when(measured[step])])
    sums = [number(sum(measured[step]["ratio"] for step in writer)) for writer in (DIRECT, PROCESS)]
    lines.append(["all of them", "", *sums])
    return table(["", "µs", "direct, × P", "process, × P", MEASURED], lines)


def synced(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        return [*(micro(row[mode]["median"]) for mode in (BACK, PACED)), when(row)]

    return table(["", "back to back, µs", "paced, µs", MEASURED], lines_of(results, "calls", SYNCED, cells))


def slow_disk(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        return [*(micro(row[mode][kind]) for mode in (BACK, PACED) for kind in ("median", "p99")), when(row)]

    head = ["", "back to back, µs", "p99, µs", "paced, µs", "p99, µs", MEASURED]
    return table(head, lines_of(results, "slow disk", WRITERS, cells))


def lost(one: Results) -> str:
    wrong = f", and {one['wrong']:,} wrong" if one["wrong"] else ""
    return f"{max(0, one['acknowledged'] - one['kept'] - one['wrong']):,} of {one['acknowledged']:,}{wrong}"


def peers(results: Results) -> str:
    """Our rows and the others', by what a paced call takes compared with P."""

    def cells(row: Any) -> list[str]:
        back, paced = row[BACK], row[PACED]
        times = [micro(back["median"]), number(back["ratio"]), micro(paced["median"]), number(paced["ratio"])]
        return [*times, micro(paced["p99.9"]), number(back["cpu ratio"]), when(row)]

    def ratio(row: str) -> float:
        paced = results.get("peers", {}).get(row, {}).get(PACED)
        return float(paced["ratio"]) if paced else float("inf")

    rows = {**WRITERS, **PEERS}
    head = ["", "back to back, µs", "× P", "paced, µs", "× P", "paced p99.9, µs", "CPU, × P", MEASURED]
    return table(head, lines_of(results, "peers", {row: rows[row] for row in sorted(rows, key=ratio)}, cells))


def kept(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        counts = [lost(row[mode][victim]) for mode in (PACED, BACK) for victim in ("tree", "trainer")]
        return [*counts, when(row)]

    head = ["", "paced, all processes", "paced, the script", "back to back, all processes", "back to back, the script"]
    return table([*head, MEASURED], lines_of(results, "kept", KEPT, cells))


def peer_starts(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        return [milli(row["import"]) if "import" in row else "", milli(row["first"]), when(row)]

    head = ["", "import, ms", "start to first event, ms", MEASURED]
    return table(head, lines_of(results, "start", {**WRITERS, **PEERS}, cells))


def imports(results: Results) -> str:
    lines = []
    for flags in ("as installed", "-I -S"):
        for name in ("json", "mlvlogger"):
            rows = results["import"][flags]
            row = rows[name]
            cells = [f"`import {name}`, {flags}", milli(row["wall"]), number(row["wall ratio"])]
            lines.append([*cells, milli(row["cpu"]), number(row["cpu ratio"]), when(rows)])
    return table(["", "ms", "× json", "CPU, ms", "× json", MEASURED], lines)


def start(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        left = f"{number(row['left'])} for {milli(row['left_seconds'])} ms" if row["left"] else "none"
        return [milli(row["first"]), number(row["first ratio"]), milli(row["wall"]), left, when(row)]

    head = ["", "start to first event, ms", "× P", "start to end, ms", "processes that outlive the script"]
    return table([*head, MEASURED], lines_of(results, "start", STARTED, cells))


def memory(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        sizes = [mega(row[events]["rss"]) for events in ("1000", "100000", "1000000")]
        return [*sizes, mega(row["1000000"]["tree pss"]), when(row)]

    head = ["", "RSS after 1,000 events, MB", "after 100,000", "after 1,000,000", "PSS of all processes, MB"]
    return table([*head, MEASURED], lines_of(results, "memory", WRITERS, cells))


def reading(results: Results) -> str:
    def cells(row: Any) -> list[str]:
        return [number(row["wall"]), number(row["cpu"]), number(row["cpu ratio"]), mega(row["peak"]), when(row)]

    head = ["1,000,000 events", "s", "CPU, s", "× the loop", "peak memory, MB", MEASURED]
    return table(head, lines_of(results, "reading", READERS, cells))


# The text of the page between `<!-- measured: NAME -->` and `<!-- end -->`.
PARTS: dict[str, Callable[[Results], str]] = {
    "machine": machine,
    "aims": aims,
    "calls": lambda results: costs(results, {**OWN, **SCALE}),
    "floor": floors,
    "shapes": lambda results: costs(results, SHAPED),
    "synced": synced,
    "slow disk": slow_disk,
    "peers": peers,
    "kept": kept,
    "peer starts": peer_starts,
    "imports": imports,
    "start": start,
    "memory": memory,
    "reading": reading,
}


def text_of(results: Results) -> str:
    """The text of RESULTS: JSON with a line for each row."""
    parts = []
    for part, rows in sorted(results.items()):
        lines = ",\n".join(f" {json.dumps(row)}: {json.dumps(rows[row], sort_keys=True)}" for row in sorted(rows))
        parts.append(f"{json.dumps(part)}: {{\n{lines}\n}}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def renewed(page: str, results: Results) -> str:
    """The page with these results in it."""

    def part(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{PARTS[match[2]](results)}\n<!-- end -->"

    return re.sub(r"(?s)(<!-- measured: ([a-z ]+) -->).*?<!-- end -->", part, page)


def write(results: Results) -> None:
    """Write the results into the page."""
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), results), "utf-8")


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text("utf-8")))
