"""Every hostile directory of the corpus: judged as expected, in bounded time and memory, and nothing is changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile import RECIPES, Recipe
from hostile._recipe import Place
from hostile.entries import SECRET, NotHere

MIB = 1 << 20
MAX_SECONDS = 10
MAX_MEMORY = 512 * MIB
MAX_OUTPUT = MIB
LISTED = 1000

CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
COMMAND_OF_CI = re.compile(rb"^(::|##\[)|##\[", re.MULTILINE)

FORMATS = ("json", "text")
PROGRAMS = Path(__file__).with_name("programs")


@dataclass
class Done:
    """How the command ended: its exit codes and outputs by format, its errors, its greatest memory in bytes."""

    codes: dict[str, int]
    outs: dict[str, bytes]
    errors: bytes
    memory: int


def run(at: Path) -> Done:
    """Run the command; it is killed when it takes more than `MAX_SECONDS` of a processor in a format, or hangs."""
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-I", "-S", str(PROGRAMS / "corpus_measure.py")]
    command += [sys.executable, str(PROGRAMS / "corpus_command.py"), str(MAX_SECONDS), *FORMATS]
    done = subprocess.run(
        command,
        cwd=at,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=12 * MAX_SECONDS,  # on a machine that is busy with other things
        check=True,
    )
    code, memory = json.loads((at / "measured").read_text())
    assert code == 0, (code, done.stderr[:2000])
    codes = {format_: json.loads((at / f"{format_}.code").read_text()) for format_ in FORMATS}
    return Done(codes, {format_: (at / f"{format_}.out").read_bytes() for format_ in FORMATS}, done.stderr, memory)


def tree(path: Path) -> bytes:
    """The state of everything at and below a path, whatever its names and however deep."""
    command = ["find", str(path), "-printf", r"%P %i %n %s %m %T@ %l\0"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def listed(findings: set[Place]) -> tuple[set[Place], dict[tuple[str, str], int]]:
    """What a report lists of these findings, and how many more it counts of one rule at one path."""
    places = defaultdict[tuple[str, str], list[int | None]](list)
    for rule, path, line in findings:
        places[rule, path].append(line)
    first = {(*key, line) for key, lines in places.items() for line in sorted(lines, key=lambda n: n or 0)[:LISTED]}
    return first, {key: len(lines) - LISTED for key, lines in places.items() if len(lines) > LISTED}


@pytest.fixture
def at() -> Iterator[Path]:
    """An empty directory; pytest's own cannot be removed when it has become too deep."""
    directory = Path(tempfile.mkdtemp())
    yield directory
    subprocess.run(["rm", "-rf", directory], check=True)


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.rule("validator.read-only")
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_hostile_directory(recipe: Recipe, at: Path) -> None:
    try:
        recipe.make(at)
    except NotHere as error:
        pytest.skip(f"not applicable: {error}")
    before = tree(at / "top")
    done = run(at)
    assert done.codes == dict.fromkeys(FORMATS, recipe.exit_code), (done.errors + done.outs["text"])[:2000]
    assert done.errors == b""
    for out in done.outs.values():
        assert not CONTROL.search(out) and not COMMAND_OF_CI.search(out)
        assert SECRET.encode() not in out
    assert len(done.outs["text"]) <= MAX_OUTPUT
    assert done.memory <= MAX_MEMORY
    assert tree(at / "top") == before
    [target] = json.loads(done.outs["json"])["targets"]
    found = [(finding["rule"], finding["path"], finding["line"]) for finding in target["findings"]]
    assert len(found) == len(set(found))
    wanted, omitted = listed(recipe.findings())
    assert {(one["rule"], one["path"]): one["number"] for one in target.get("omitted", [])} == omitted
    # Sets of so many are not to be compared by pytest, which would show them for hours.
    assert (sorted(wanted - set(found), key=str)[:5], sorted(set(found) - wanted, key=str)[:5]) == ([], [])
    assert {entry["path"] for entry in target["unchecked"]} == recipe.unchecked


@pytest.mark.slow
@pytest.mark.rule("validator.read-only")
@pytest.mark.rule("validator.contained")
def test_the_system_calls_for_the_whole_corpus(at: Path) -> None:
    """All but those of much of one thing, in one process: files are opened for reading alone, one name at a time."""
    if not shutil.which("strace"):
        pytest.skip("strace was not found")
    names = []
    for number, (name, recipe) in enumerate(RECIPES.items()):
        if recipe.make.__module__ == "hostile.many" or "million" in name:
            continue
        here = at / str(number)
        here.mkdir()
        try:
            recipe.make(here)
        except NotHere:
            continue
        names.append(f"{number}/top")
    assert len(names) >= 100
    before = [tree(at / name) for name in names]
    trace = at / "trace"
    command: list[str | Path] = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-xx",
        "-o",
        trace,
        "-e",
        "trace=%file,%network,flock,fcntl",
    ]
    command += [sys.executable, "-m", "mlv_validate", *names]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, timeout=300, check=False)
    if done.returncode == 1 and not done.stdout:
        pytest.skip("not applicable: strace may not trace here; the audit hook's test checks the same")
    assert done.returncode == 3 and done.stderr == b""
    calls = trace.read_text().splitlines()
    # From the first argument on: before it the interpreter loads itself.
    hexadecimal = "".join(f"\\x{byte:02x}" for byte in names[0].encode())
    begin = next(number for number, call in enumerate(calls) if hexadecimal in call and "execve(" not in call)
    arguments = {"".join(f"\\x{byte:02x}" for byte in name.encode()) for name in names}
    outside = []
    for call in calls[begin:]:
        name = call.split(maxsplit=1)[1].partition("(")[0]
        path = (re.findall(r'"([^"]*)"', call) or [""])[0]
        if name in ("openat", "open"):
            given = "openat(AT_FDCWD" in call and path in arguments
            inside = "AT_FDCWD" not in call and "O_NOFOLLOW" in call and "\\x2f" not in path
            if "O_RDONLY" not in call or not (given or inside):
                outside.append(call)
        elif name in ("stat", "lstat", "newfstatat", "fstatat64", "statx", "access", "faccessat", "faccessat2"):
            if path not in arguments and ("AT_FDCWD" in call or "\\x2f" in path):
                outside.append(call)
        elif name != "fcntl" or "F_SETLK" in call:
            outside.append(call)
    assert outside == []
    assert [tree(at / name) for name in names] == before


def test_the_corpus_is_large() -> None:
    assert len(RECIPES) >= 100
