"""
Use the pre-commit hook of this repository as a user does: `tox -e precommit`.

A copy of what the hook needs becomes a separate repository, so that what is not committed yet is tested as well. Then
pre-commit installs the hook from there into another repository, in which experiments are valid, broken and removed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = [".pre-commit-hooks.yaml", "pyproject.toml", "conformance", "spec"]
LEFT_OUT = shutil.ignore_patterns("tests", "suite", "dist", "__pycache__", "*.egg-info")
CONFIGURATION = (ROOT / "docs/how-to/ci.md").read_text("utf-8").partition("```yaml\nrepos:")[2].partition("```")[0]
CONFIGURATION = f"repos:{CONFIGURATION}"  # as the documentation says it
META = {
    "mlv": "1.0",
    "name": "demo",
    "kind": "train",
    "created": "2026-11-22T18:24:00.000000Z",
    "nonce": "0" * 32,
    "params": {},
    "environment": {"command": None, "host": None, "runtime": None},
}


def run(*command: object, cwd: Path) -> tuple[int, str]:
    """Run a command, away from this repository's git and Python settings; returns its exit code and what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHON", "PRE_"))}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "tests", f"GIT_{who}_EMAIL": "tests@example.org"}
    environment["PRE_COMMIT_HOME"] = str(cwd.parent / "cache")
    # A validator that happens to be installed here must not replace one that the hook failed to install.
    places = environment["PATH"].split(os.pathsep)
    environment["PATH"] = os.pathsep.join(place for place in places if not (Path(place) / "mlv-validate").exists())
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def git(*arguments: object, cwd: Path) -> str:
    code, printed = run("git", *arguments, cwd=cwd)
    if code:
        sys.exit(f"git {' '.join(map(str, arguments))}\nexit code {code}\n{printed}")
    return printed.strip()


def commit(folder: Path) -> str:
    """Commit everything in a folder; returns the commit."""
    git("add", "--all", "--force", cwd=folder)
    git("commit", "--quiet", "--no-verify", "--message", "tests", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder)


def publish(folder: Path) -> str:
    """Make a repository of what the hook needs; returns its commit."""
    folder.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=LEFT_OUT)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    git("init", "--quiet", cwd=folder)
    return commit(folder)


def hook(user: Path) -> tuple[int, str]:
    """Try to commit everything, as the user would."""
    git("add", "--all", cwd=user)
    return run("git", "commit", "--quiet", "--message", "a run", cwd=user)


def check(what: str, code: int, part: str, result: tuple[int, str]) -> None:
    if result[0] != code or part not in result[1]:
        sys.exit(f"{what}: expected exit code {code} and {part!r}\nexit code {result[0]}\n{result[1]}")
    print("ok:", what)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        revision = publish(folder / "mlv")
        user = folder / "user"
        experiment = user / "runs/demo"
        experiment.mkdir(parents=True)
        (experiment / "meta.json").write_text(json.dumps(META))
        configuration = CONFIGURATION.replace("ADDRESS", str(folder / "mlv")).replace("COMMIT", revision)
        (user / ".pre-commit-config.yaml").write_text(configuration)
        git("init", "--quiet", cwd=user)
        code, printed = run(sys.executable, "-m", "pre_commit", "install", cwd=user)
        if code:
            sys.exit(printed)
        check("a valid run is committed", 0, "Passed", hook(user))

        (experiment / "log.jsonl").write_text("\n")
        broken = "runs/demo/log.jsonl:1: error: log.blank: the line is blank"
        check("a broken log is refused, with the finding", 1, broken, hook(user))

        (experiment / "log.jsonl").unlink()
        (user / "notes.txt").write_text("nothing of an experiment")
        check("with the log away another file is committed", 0, "Passed", hook(user))

        (experiment / "meta.json").unlink()
        missing = "runs: unchecked: there is no experiment in it"
        check("a removed experiment is refused, though no file of it is left", 1, missing, hook(user))


if __name__ == "__main__":
    main()
