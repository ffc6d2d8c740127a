"""Make the fixtures of the drafts of MLV 1.0 again, from the history of the repository: `python make.py [DRAFT…]`.

For each draft, its own implementations write the experiments: `mlvlogger` by `write.py`, and the drivers of JavaScript
and of `minimal.py` by `scenario.jsonl`. `then.json` has the answers of the draft's own reader and validator, and
`readers.zip` its readers. Ids and times are new each time. It needs git, its whole history, and Node.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DRAFTS = {"2026-11-27": "128bae6", "2026-11-28": "38f8da6"}
READERS = ("conformance/drivers", "javascript/src", "javascript/bin", "javascript/package.json", "python/src/mlvlogger")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PEOPLE = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def make(draft: str, commit: str, work: Path) -> None:
    """Write the fixture of one draft."""
    code, fixture = work / "code", HERE / draft
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    code.mkdir()
    subprocess.run(["tar", "x", "-C", code], check=True, input=archive)
    shutil.rmtree(fixture, ignore_errors=True)
    fixture.mkdir()
    zipped = ["git", "archive", "--format=zip", "-9", f"--output={fixture / 'readers.zip'}", commit, "--", *READERS]
    subprocess.run([*zipped, ":(exclude)python/src/mlvlogger/integrations"], cwd=ROOT, check=True)
    written = work / "written"  # not in the repository, whose path would be recorded
    written.mkdir()
    write_with_logger(code, work, written / "python")
    for name, command in (
        ("javascript", ["node", str(code / "javascript/bin/driver.js")]),
        ("minimal", [sys.executable, "-S", str(code / "conformance/drivers/minimal.py")]),
    ):
        (written / name).mkdir()
        with open(HERE / "scenario.jsonl", "rb") as scenario:
            subprocess.run([*command, "write", "."], cwd=written / name, check=True, stdin=scenario, **QUIET)
        write_until_killed([*command, "write", "."], written / name)
    shutil.copytree(written, fixture, dirs_exist_ok=True)
    experiments = sorted(str(path.parent.relative_to(fixture)) for path in fixture.rglob("meta.json"))
    read, findings = (answers(code, command, fixture, experiments) for command in ("read", "validate"))
    then = {name: {"read": read[name], **findings[name]} for name in experiments}
    lines = [f"{json.dumps(name)}: {json.dumps(then[name], sort_keys=True)}" for name in experiments]
    (fixture / "then.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def write_until_killed(command: list[str], folder: Path) -> None:
    """Do the first operations in an experiment `killed`, and kill the driver, whose lock file stays if it has one."""
    lines = (HERE / "scenario.jsonl").read_bytes().replace(b'"name":"experiment"', b'"name":"killed"').splitlines(True)
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdin is not None and driver.stdout is not None
        for line in lines[:3]:
            driver.stdin.write(line)
            driver.stdin.flush()
            assert b"refused" not in driver.stdout.readline()
        driver.kill()


def write_with_logger(code: Path, work: Path, folder: Path) -> None:
    """Run `write.py` in a repository, and in one that git can't read. The interpreter has no packages to record."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/root",
        "PYTHONPATH": str(code / "python/src"),
        "LC_ALL": "C.UTF-8",
    }
    folder.mkdir()
    interpreter = work / "bin/python"  # a path without the place where the interpreter is installed
    interpreter.parent.mkdir()
    interpreter.symlink_to(os.path.realpath(sys.executable))
    for name, arguments in (("script", []), ("broken", ["broken"])):
        script = work / name
        script.mkdir()
        shutil.copy(HERE / "write.py", script / "train.py")
        if name == "broken":
            (script / ".git").write_text("gitdir: /missing\n")
        else:
            for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "first"]):
                subprocess.run(["git", *PEOPLE, *words], cwd=script, check=True)
        command = [str(interpreter), "-S", str(script / "train.py"), *arguments]
        subprocess.run(command, cwd=folder, check=True, env=environment, **QUIET)


def answers(code: Path, command: str, fixture: Path, experiments: list[str]) -> dict[str, Any]:
    """Return what the driver of a draft answers."""
    path = os.pathsep.join([str(code / "python/src"), str(code / "conformance/src")])
    driver = [sys.executable, str(code / "conformance/drivers/python_driver.py"), command, *experiments]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(driver, cwd=fixture, check=True, env=environment, capture_output=True)
    return dict(zip(experiments, map(json.loads, done.stdout.splitlines()), strict=True))


if __name__ == "__main__":
    for name in sys.argv[1:] or DRAFTS:
        with tempfile.TemporaryDirectory(prefix="mlv-draft-") as made:
            make(name, DRAFTS[name], Path(made))
