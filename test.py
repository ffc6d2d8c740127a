#!/usr/bin/env python3
"""
Run the tests: `python3 test.py` all of them, `python3 test.py py311 lint` some of tox's environments,
`python3 test.py py311 -- -k seal` with arguments for pytest.

Any Python from 3.8 on can start this, in a virtual environment or not. It makes its own environment in `.venv-test/`,
runs what the interpreters on this machine allow, and says at the end what it did not run. Nothing outside this
directory is changed; the packages come from wherever pip is set up to look.

`python3 test.py --develop` runs nothing: it makes `.venv/`, an environment to work in, from the environment dev.

With MLV_REQUIRE_ALL=1 whatever did not run counts as failed: a missing interpreter, a missing tool, a skipped test
(unless its reason begins with "not applicable:").

The last line is `N passed, N failed, N skipped`. It counts the tests of all environments together; an environment
without tests of its own (lint, types, docs, dist, precommit) counts as one test, and so does one that did not run.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv-test"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
TOX = ROOT / ".tox"
TESTED = [(3, 10), (3, 11), (3, 12), (3, 13)]
TOOLS = [
    "lint",
    "types",
    "docs",
    "examples",
    "dist",
    "precommit",
    "suite",
    "process",
    "faults",
    "mutants",
    "tools",
    "browser",
    "exchange",
    "spark",
]
HEAVY = ["integrations"]  # gigabytes to install: run when it is named, or all is required
REQUIRE_ALL = os.environ.get("MLV_REQUIRE_ALL", "") not in ("", "0")

# What an interpreter is asked, to learn whether it runs and what it is.
PROBE = """
import importlib.util, json, sys
print(json.dumps({
    "path": getattr(sys, "_base_executable", None) or sys.executable,
    "version": sys.version_info[:2],
    "cpython": sys.implementation.name == "cpython",
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
}))
"""


class CannotStart(Exception):
    """The tests cannot start; the message says what to do."""


def clean_environment():
    """This process's environment without what a user's shell, virtual environment or pip could leak into ours."""
    leaks = ("PYTHON", "VIRTUAL", "TOX", "PYTEST_", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    environment["PIP_USER"] = "0"
    return environment


def run(*command, **options):
    """Run a command without standard input, away from the user's Python settings; returns what subprocess does."""
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, env=clean_environment(), **options)


def find_pythons():
    """The interpreters on this machine that really run, one of each version: {(3, 11): {"path": …, "venv": True}}."""
    names = [f"python{major}.{minor}" for major, minor in TESTED] + ["python3", "python"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    paths = [sys.executable, *map(shutil.which, names), *sorted(pyenv.glob("versions/*/bin/python3"), reverse=True)]
    found = {}
    for path in filter(None, paths):
        try:
            python = json.loads(run(path, "-I", "-c", PROBE, capture_output=True, timeout=30).stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue  # a pyenv shim without a version behind it, a broken link
        version = tuple(python["version"])
        if python["cpython"] and (version not in found or python["venv"] and not found[version]["venv"]):
            found[version] = python
    return found


def choose_python(pythons):
    """The version for tox and the tools: this one if it was tested, else the newest that was, else the newest."""
    recent = [version for version in pythons if version >= (3, 10)]
    able = [version for version in recent if pythons[version]["venv"]]
    if not recent:
        raise CannotStart("this machine has no Python 3.10 or later. Get one from python.org or pyenv.")
    if not able:
        raise CannotStart(
            "no Python 3.10 or later on this machine can make a virtual environment: venv or ensurepip is missing.\n"
            "On Debian and Ubuntu: apt install python3-venv"
        )

    def rank(version):
        this = version == tuple(sys.version_info[:2])
        return version >= (3, 11), version in TESTED, this, version

    return max(able, key=rank)


def plan(wanted, pythons, chosen):
    """Which environments to run, and why the others cannot: (["py311", …], {"py312": reason})."""
    if not wanted:
        wanted = [name_of(version) for version in TESTED] + TOOLS + (HEAVY if REQUIRE_ALL else [])
        if not any(version in pythons for version in TESTED):
            wanted.insert(0, name_of(chosen))  # the core runs anywhere, also where only a newer Python is
    names, omitted = [], {}
    for name in wanted:
        is_tool = name in TOOLS + HEAVY
        major, minor = (3, 11) if is_tool else (3, int(name[3:]))
        if is_tool and chosen < (3, 11):
            omitted[name] = "it needs Python 3.11 or later, with venv."
        elif name == "precommit" and not shutil.which("git"):
            omitted[name] = "it needs git."
        elif name in ("faults", "mutants") and sys.platform != "linux":
            omitted[name] = "it needs Linux."
        elif name == "browser" and not (shutil.which("chromium") and shutil.which("chromedriver")):
            omitted[name] = "it needs chromium and chromedriver. Debian has them as chromium and chromium-driver."
        elif name == "spark" and not shutil.which("java"):
            omitted[name] = "it needs Java 17 or later. Get it from your system's packages."
        elif not is_tool and (major, minor) not in pythons:
            get = f"Get it from python.org, your system's packages, or `pyenv install {major}.{minor}`."
            omitted[name] = f"Python {major}.{minor} was not found. {get}"
        else:
            names.append(name)
    if not shutil.which("git"):
        omitted["git"] = "it was not found; tests that need it are skipped. Get it from your system's packages."
    return names, omitted


def name_of(version):
    return f"py{version[0]}{version[1]}"


def make_venv(python):
    """Make `.venv-test/` with tox in it, unless a working one is there."""
    check = f"import sys, tox; sys.exit(sys.version_info[:2] != {tuple(python['version'])})"
    if VENV_PYTHON.exists() and not run(VENV_PYTHON, "-c", check, stderr=subprocess.DEVNULL).returncode:
        return
    print("Making .venv-test/ with", python["path"], flush=True)
    if run(python["path"], "-m", "venv", "--clear", VENV).returncode:
        raise CannotStart(f"{python['path']} could not make a virtual environment in {VENV}; its message is above.")
    if run(VENV_PYTHON, "-m", "pip", "install", "--quiet", "tox>=4.30").returncode:
        raise CannotStart("pip could not install tox; its message is above. A connection to a package index is needed.")


def develop():
    """Make `.venv/` to work in, or bring it up to date; returns the exit code."""
    try:
        pythons = find_pythons()
        chosen = choose_python(pythons)
        make_venv(pythons[chosen])
    except CannotStart as error:
        print(f"test.py: {error}")
        return 1
    command = [VENV_PYTHON, "-m", "tox", "devenv", ROOT / ".venv", "-e", "dev", "--discover", pythons[chosen]["path"]]
    if run(*command, cwd=ROOT).returncode:
        print("test.py: .venv/ could not be made; the message is above.")
        return 1
    activate = ".venv\\Scripts\\activate" if os.name == "nt" else ". .venv/bin/activate"
    print(f"Now: {activate}, then: pytest")
    return 0


def run_tox(names, pythons, pytest_arguments):
    """Run tox on some environments; returns which succeeded: {"py311": True, …}."""
    report = TOX / "report.json"
    for path in [report, *map(junit, names)]:
        if path.exists():
            path.unlink()
    # tox does not notice when these change, so the environment is made anew here.
    wanted = dependencies()
    markers = [TOX / name / "dependencies" for name in names]
    for marker in markers:
        if not marker.exists() or marker.read_text() != wanted:
            shutil.rmtree(marker.parent, ignore_errors=True)

    parallel = ["run-parallel", "--parallel", "2", "--parallel-no-spinner"]  # each one's output in one piece
    command = [VENV_PYTHON, "-m", "tox", *(parallel if len(names) > 1 else ["run"])]
    command += ["-e", ",".join(names), "--result-json", report]
    command += ["--discover", *(python["path"] for python in pythons.values())]
    command += ["--", *pytest_arguments] if pytest_arguments else []
    TOX.mkdir(exist_ok=True)
    run(*command, cwd=ROOT)

    for marker in markers:
        if marker.parent.exists():
            marker.write_text(wanted)
    try:
        results = json.loads(report.read_text(encoding="utf-8"))["testenvs"]
    except (OSError, ValueError, KeyError):
        results = {}
    return {name: results.get(name, {}).get("result", {}).get("success", False) for name in names}


def dependencies():
    """A digest of what the environments depend on: this directory's place, and the files that say what to install."""
    digest = hashlib.sha256(os.fsencode(ROOT))
    files = ("python/pyproject.toml", "conformance/pyproject.toml", "tools/pyproject.toml", "examples/requirements.txt")
    for name in files:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def junit(name):
    return TOX / name / "junit.xml"


def count(name, succeeded):
    """Count the tests of an environment that ran: how many passed, failed, skipped; and why they were skipped."""
    counts, reasons = Counter(), Counter()
    try:
        cases = list(ElementTree.parse(junit(name)).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif skipped is None:
            counts["passed"] += 1
        else:
            counts["skipped"] += 1
            if skipped.get("type") != "pytest.xfail":
                reasons[skipped.get("message", "")] += 1
    if succeeded and not cases:
        counts["passed"] += 1
    if not succeeded and not counts["failed"]:
        counts["failed"] += 1
    return counts, reasons


def show(names, succeeded, omitted):
    """Print what ran and what did not, and return the total."""
    total = Counter()
    not_run = [f"{name}: {reason}" for name, reason in omitted.items()]
    print(f"\n{'Result ':-<80}")
    for name in names:
        counts, reasons = count(name, succeeded[name])
        total.update(counts)
        numbers = ", ".join(f"{counts[key]} {key}" for key in ("passed", "failed", "skipped") if counts[key])
        print(f"{name:10}{'passed' if succeeded[name] else 'FAILED':10}{numbers}")
        for reason, number in reasons.items():
            not_run.append(f"{name}: {number} skipped: {reason}")
            if REQUIRE_ALL and not reason.startswith("not applicable:"):
                total.update(failed=number, skipped=-number)
    for name in omitted:
        print(f"{name:10}not run")
    total["failed" if REQUIRE_ALL else "skipped"] += len(omitted)

    print("\nNot run:" if not_run else "\nOf what was asked for, nothing was left out.")
    for line in not_run:
        print("  " + line)
    if not_run and REQUIRE_ALL:
        print("MLV_REQUIRE_ALL is set: all of this counts as failed, but for what is not applicable.")
    return total


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        print(__doc__.strip())
        return 0
    if arguments == ["--develop"]:
        return develop()
    at = arguments.index("--") if "--" in arguments else len(arguments)
    wanted, pytest_arguments = arguments[:at], arguments[at + 1 :]
    for name in wanted:
        if name not in TOOLS + HEAVY and not re.fullmatch("py3[0-9]+", name):
            known = " ".join([*map(name_of, TESTED), *TOOLS, *HEAVY])
            print(f"test.py: there is no environment {name!r}. There are: {known}", file=sys.stderr)
            return 2
    try:
        pythons = find_pythons()
        chosen = choose_python(pythons)
        names, omitted = plan(wanted, pythons, chosen)
        make_venv(pythons[chosen])
    except CannotStart as error:
        print(f"test.py: {error}")
        total = Counter(failed=1)
    else:
        print("Running", ", ".join(names) or "nothing", flush=True)
        succeeded = run_tox(names, pythons, pytest_arguments) if names else {}
        total = show(names, succeeded, omitted)
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
