"""Print a Markdown page of results that run.py has written: python trials/faults/page.py RESULTS.json …

docs/explanation/faults.md is the page of results.json, next to this file.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from rows import Row

_COLUMNS = ("rounds", "acknowledged", "lost", "wrong", "duplicated", "invented", "hangs", "verdict")


_HEAD = """\
# What the fault trials found

The fault trials show how many acknowledged events were lost in each kind of crash, and in how many rounds.
The programs are real processes, and so are their ends; `trials/faults/README.md` says what each trial does and needs.
The results are made by `python trials/faults/run.py --long --output results.json`, which needs root, and \
the page by `python trials/faults/page.py results.json`.
The long form has fewer rounds since: on 2026-11-28 it ran 7,715 rounds in 37 minutes, and no event was lost, as \
`trials/README.md` records.

An event counts as acknowledged when `event()` has returned its seq; it is *lost* when it cannot be read \
afterwards, *wrong* when it has another value, *duplicated* when it is there twice, and *invented* when no program \
logged it.
If a disk refuses every write until the program ends, the events that are still in memory are lost, and a warning \
names them; [Several processes, preemption and crashes](../how-to/processes.md) says how many this can be.
Rows of the writer `-` and those that end in "as expected" are controls: writers known to be wrong, in \
which the judge must find it.
"""


def main() -> None:
    """The command. Several files, as of two branches or machines, make one page; each has its own part."""
    reports = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    for report in reports:
        report["rows"] = [asdict(Row("")) | row for row in report["rows"]]
    print(_HEAD)
    for report in reports:
        machine = report["machine"]
        rows = report["rows"]
        events = sum(row["acknowledged"] for row in rows if not row["control"])
        print(
            f"- The {report['form']} form on {machine['system']}, Python {machine['python']}, {machine['cpus']} CPUs: "
            f"{sum(row['rounds'] for row in rows):,} rounds, {events:,} acknowledged events, "
            f"{sum(row['verdict'] == 'failed' for row in rows)} rows failed, "
            f"{sum(row['verdict'] == 'not run' for row in rows)} not run; {report['seconds'] / 60:.0f} minutes."
        )
        if report.get("since"):  # what was measured again by hand
            print(f"- {report['since']}")
    for trial, rows in groupby(sorted(_rows(reports), key=lambda row: row["trial"]), key=lambda row: row["trial"]):
        documentation = (importlib.import_module(f"trials.{trial}").__doc__ or "").partition("\n\n")[0]
        print(f"\n## {trial}\n\n{' '.join(documentation.split())}\n")
        _table(list(rows))


def _rows(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for report in reports for row in report["rows"]]


def _table(rows: list[dict[str, Any]]) -> None:
    print("| what was done | writer | " + " | ".join(_COLUMNS) + " |")
    print("| --- | --- |" + " ---: |" * (len(_COLUMNS) - 1) + " --- |")
    for row in rows:
        cells = [row[name] for name in _COLUMNS[:-1]]
        verdict = f"not run: {row['not_run']}" if row["not_run"] else row["verdict"]
        if row["control"]:
            verdict = f"{row['control']}, as expected" if row["verdict"] == "passed" else "failed: not noticed"
        if row["note"]:
            verdict += f" ({row['note']})"
        print(f"| {row['what']} | {row['writer']} | " + " | ".join(f"{cell:,}" for cell in cells) + f" | {verdict} |")


if __name__ == "__main__":
    main()
