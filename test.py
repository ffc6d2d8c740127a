#!/usr/bin/env python3
"""
Run the tests with tox, in environments below `.tox/`; the packages come from wherever pip is set up to look.

    python3 test.py                      the tier full, on the Pythons that this machine has: 8 to 11 minutes on 2 cores
    python3 test.py py311 lint           these environments of tox.ini
    python3 test.py -m ci                the tier with this label of tox.ini: ci or long
    python3 test.py py311 -- -k seal     with arguments for pytest

Python 3.8 or later can start this. MLV_REQUIRE_ALL=1 lets a missing interpreter fail, and each skipped test whose
reason isn't "not applicable: …". The last line is `N passed, N failed, N skipped`; an environment without tests is one.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOX = ROOT / ".tox"
TESTED = [(3, 10), (3, 11), (3, 12), (3, 13)]
PACKAGES = ["python", "conformance", "tools"]
REQUIRE_ALL = os.environ.get("MLV_REQUIRE_ALL", "") not in ("", "0")
PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))"


def run(*command, **options):
    """Run a command in the repository, without what a shell, a virtual environment or pip could leak into it."""
    leaks = ("PYTHON", "VIRTUAL", "TOX", "PYTEST_", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    variables["PIP_USER"] = "0"
    return subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, env=variables, cwd=str(ROOT), **options)


def find_pythons():
    """Return the tested Pythons on this machine that can make environments, this one first: {(3, 11): path}."""
    names = [f"python{major}.{minor}" for major, minor in TESTED]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob("versions/*/bin/python3")
    found = {}
    for path in filter(None, [sys.executable, *map(shutil.which, names), *sorted(pyenv, reverse=True)]):
        done = run(path, "-I", "-c", PROBE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if not done.returncode:
            major, minor, base = done.stdout.decode().strip().split(" ", 2)
            found.setdefault((int(major), int(minor)), base)
    return {version: path for version, path in found.items() if version in TESTED}


def count(name, succeeded):
    """Count the tests of an environment, and print a line about them and one about each test that failed."""
    path, counts = TOX / name / "junit.xml", Counter()
    report = ElementTree.parse(str(path)) if path.exists() else ElementTree.Element("none")
    for suite in report.iter("testsuite"):
        tests, *failed, skipped = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
        counts.update(passed=tests - sum(failed) - skipped, failed=sum(failed), skipped=skipped)
    if not counts["passed"] or not succeeded and not counts["failed"]:
        counts["passed" if succeeded else "failed"] += 1
    numbers = ", ".join(f"{counts[one]} {one}" for one in sorted(counts))
    print(f"{name:14}{'passed' if succeeded else 'FAILED':8}{numbers}")
    for test in report.iter("testcase"):
        for problem in [*test.iter("failure"), *test.iter("error")]:
            print(f"    {test.get('classname')}::{test.get('name')}: {problem.get('message', '')[:150]!r}")
    return counts


def main(arguments):
    if {"-h", "--help"} & {*arguments}:
        return print(__doc__.strip())
    pythons = find_pythons()
    python = next((path for version, path in pythons.items() if version >= (3, 11)), None)
    if not python:
        return "test.py: there is no Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip. Install one."
    tox = ROOT / ".venv-test" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not tox.exists() or run(tox, "-m", "tox", "--version", stdout=subprocess.DEVNULL).returncode:
        run(python, "-m", "venv", "--clear", ROOT / ".venv-test", check=True)
        run(tox, "-m", "pip", "install", "--quiet", "tox>=4.30", check=True)
    at = arguments.index("--") if "--" in arguments else len(arguments)
    wanted = ["-e", ",".join(arguments[:at])] if at and arguments[0][0] != "-" else arguments[:at]
    needed = [os.fsencode(ROOT), *((ROOT / one / "pyproject.toml").read_bytes() for one in PACKAGES)]
    marker, report = TOX / hashlib.sha256(b"".join(needed)).hexdigest(), TOX / "report.json"
    if not marker.exists():  # tox doesn't see that a package needs something else now
        shutil.rmtree(str(TOX), ignore_errors=True)
        TOX.mkdir()
        marker.touch()
    for path in TOX.glob("*/junit.xml"):
        path.unlink()
    options = ["--parallel", "2", "--parallel-no-spinner", "--result-json", report, "--discover", *pythons.values()]
    options += ["--skip-missing-interpreters", "false" if REQUIRE_ALL else "true"]
    status = run(tox, "-m", "tox", "run-parallel", *options, *wanted, *arguments[at:]).returncode
    results = json.loads(report.read_text())["testenvs"] if report.exists() else {}
    print(f"\n{'Result ':-<80}")
    counts = [count(name, one["result"]["success"]) for name, one in results.items() if "result" in one]
    total = sum(counts, Counter())
    total["failed"] += status != 0 and not total["failed"]
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
