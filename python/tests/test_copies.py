"""A copy of an experiment that is being written, in the order of the specification (`writer.copy-order`)."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, read

HOME, COPY = Path("runs/e"), Path("copy/e")
ORDER = ["log.jsonl", "log", "others", "meta", "meta.json"]
WRITER = """
from mlvlogger import Exp
exp = Exp("runs", "e")
print("ready", flush=True)
n = 0
while True:
    exp.log.event("batch", step=n)
    exp.stream(f"s{n % 7}").event("x", file=exp.attach(__file__, f"a/{n}.py"))
    if n % 20 == 0:
        Exp.open(exp.path, {f"p{n}": n}).close()
    n += 1
"""


def copy(part: str) -> None:
    """Copy a part of the experiment; what is temporary, or is there already, is left out."""
    tops = {"others": [path.name for path in HOME.iterdir() if path.name not in ORDER]}.get(part, [part])
    for top in tops:
        for source in [HOME / top, *(HOME / top).rglob("*")]:
            if source.is_file() and not any(name.startswith(".mlv-") for name in source.relative_to(HOME).parts):
                target = COPY / source.relative_to(HOME)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def errors() -> list[Any]:
    validate = pytest.importorskip("mlv_validate", reason="not applicable: the validator needs Python 3.11").validate
    [target] = validate(COPY).targets
    assert target.unchecked == ()
    return [finding for finding in target.findings if finding.rule != "log.torn"]


def test_a_copy_in_the_order_is_valid_whatever_is_written_between_two_parts() -> None:
    with Exp("runs", "e") as exp:
        for part in ORDER:
            write_something(exp, part)
            copy(part)
    assert errors() == []
    assert {"log/late.jsonl", "log.jsonl"} <= {*read(COPY).streams}


@pytest.mark.parametrize("order", [["others", "log.jsonl", "log"], ["log", "log.jsonl", "others"]], ids=str)
def test_a_copy_in_another_order_can_be_invalid(order: list[str]) -> None:
    """So that the test above can fail: what a line refers to is missing in the copy."""
    with Exp("runs", "e") as exp:
        for part in order[:2]:
            write_something(exp, part)
            copy(part)
        write_something(exp, "last")
    if order[0] == "log":
        copy("log.jsonl")
    for part in (order[2], "meta", "meta.json"):
        copy(part)
    assert {finding.rule for finding in errors()} & {"file.kept", "end.streams"}


def write_something(exp: Exp, part: str) -> None:
    Path("a.txt").write_text(part)
    file = exp.attach("a.txt", f"{part}.txt")
    for log in (exp.log, exp.stream("gpu"), exp.stream("late") if part == "log" else exp.log):
        log.event("x", file=file)
    with Exp.open(exp.path, {part.replace(".", ""): 1}) as further:
        further.log.event("y")


@pytest.mark.slow
@pytest.mark.rule("writer.copy-order")
def test_copies_of_an_experiment_that_another_process_writes_are_valid() -> None:
    Path("writer.py").write_text(WRITER)
    process = subprocess.Popen([sys.executable, "writer.py"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        sizes = []
        for _ in range(20):
            shutil.rmtree("copy", ignore_errors=True)
            for part in ORDER:
                copy(part)
            assert errors() == []
            sizes.append(len([*read(COPY).events()]))
        assert sizes[-1] > sizes[0], "it writes meanwhile"
        assert read(COPY).is_running is False, "a copy has no writer"
    finally:
        process.kill()
        process.communicate()
