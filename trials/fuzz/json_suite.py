#!/usr/bin/env python3
"""
Compare the strict reader with JSONTestSuite, the public collection of cases for JSON parsers by Nicolas Seriot.

`python trials/fuzz/json_suite.py` gets the cases from the source distribution of `pyjson5`, which holds them, with
pip. Cases named y_ must be accepted and those named n_ refused; json_suite.json lists those y_ that break a rule of
the specification beyond RFC 8259, with the rules, and for each i_, which parsers may decide, the rules that it breaks.
The exit code is 1 for a difference, and 2 if the cases could not be downloaded.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from mlv_validate._rules.bytes import parse

PACKAGE = "pyjson5==2.0.1"
EXPECTED = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
CASES = 318


def fetch(directory: Path) -> dict[str, bytes]:
    """The cases by their names."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pyjson5", PACKAGE]
    subprocess.run([*command, "--dest", str(directory)], check=True)
    [archive] = directory.glob("*.tar.gz")
    with tarfile.open(archive) as members:
        return {
            Path(member.name).name: content.read()
            for member in members
            if "/test_parsing/" in member.name and (content := members.extractfile(member))
        }


def expected(name: str) -> list[str] | None:
    """The rules that a case must break; None for any, but at least one."""
    return None if name.startswith("n_") else EXPECTED.get(name.removesuffix(".json"), [])


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        try:
            cases = fetch(Path(directory))
        except (subprocess.CalledProcessError, ValueError, tarfile.TarError) as error:
            print(f"not run: the cases could not be had: {error}")
            return 2
    different = 0
    for name, raw in sorted(cases.items()):
        found = sorted(rule for rule, _ in parse(raw, line=False).broken)
        wanted = expected(name)
        if not found if wanted is None else found != wanted:
            print(f"{name}: breaks {found}, not {'anything' if wanted is None else wanted}")
            different += 1
    unknown = sorted(EXPECTED.keys() - {name.removesuffix(".json") for name in cases})
    print(f"{len(cases)} cases, {different} differences; in the table but not among the cases: {unknown}")
    return int(different > 0 or len(cases) != CASES or bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
