#!/usr/bin/env python3
"""
Train, evaluate and squeeze a model, each a separate script, and check what they logged: `python3 examples/run.py`.

Needs Python 3.11 or later, in a virtual environment or not, and a connection to a package index at the first run. It
makes its own environment in `.venv-example/`, and a new experiment in `runs/` under the current directory.
"""

import argparse
import hashlib
import importlib.util
import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
VENV = ROOT / ".venv-example"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
NEEDED = (3, 11)


def run(*command):
    """Run a command away from the user's Python settings; stop if it fails."""
    leaks = ("PYTHON", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    environment["PIP_USER"] = "0"
    environment.setdefault("MPLCONFIGDIR", str(VENV / "matplotlib"))  # its cache of fonts belongs in here too
    words = [str(part) for part in command]
    print("$", " ".join(map(shlex.quote, words)), flush=True)
    code = subprocess.run(words, stdin=subprocess.DEVNULL, env=environment).returncode
    if code:
        sys.exit("examples/run.py: this command failed with exit code {}: {}".format(code, " ".join(words)))


def make_venv():
    """Make `.venv-example/`, unless it is there and of this directory, this Python and these requirements."""
    digest = hashlib.sha256(f"{ROOT} {sys.version}".encode("utf-8", "surrogateescape"))
    for name in ("python/pyproject.toml", "conformance/pyproject.toml", "examples/requirements.txt"):
        digest.update((ROOT / name).read_bytes())
    marker = VENV / "made-of"
    if (BIN / "python").exists() and marker.exists() and marker.read_text() == digest.hexdigest():
        return
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        sys.exit(
            "examples/run.py: this Python cannot make a virtual environment: venv or ensurepip is missing.\n"
            "On Debian and Ubuntu: apt install python3-venv"
        )
    run(getattr(sys, "_base_executable", None) or sys.executable, "-m", "venv", "--clear", VENV)
    packages = ["-e", ROOT / "python", "-e", ROOT / "conformance", "-r", EXAMPLES / "requirements.txt"]
    run(BIN / "python", "-m", "pip", "install", "--quiet", *packages)
    marker.write_text(digest.hexdigest())


def main():
    if sys.version_info < NEEDED:
        have, need = (".".join(map(str, version[:2])) for version in (sys.version_info, NEEDED))
        sys.exit(f"examples/run.py needs Python {need} or later; {sys.executable} is {have}.")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--savedir", type=Path, default=Path("runs"), help="where experiments go (default: runs)")
    savedir = parser.parse_args().savedir

    try:
        savedir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"examples/run.py: cannot make the directory for experiments: {error}. Choose another with --savedir.")
    make_venv()
    name = next(name for name in map("my_exp_{}".format, itertools.count(1)) if not (savedir / name).exists())
    experiment = savedir / name
    run(BIN / "python", EXAMPLES / "train.py", "--savedir", savedir, "--name", name)
    run(BIN / "python", EXAMPLES / "evaluate.py", experiment)
    run(BIN / "python", EXAMPLES / "squeeze.py", experiment / "model_best.joblib")
    run(BIN / "mlv-validate", "--require-sealed", experiment)
    print("\nThe experiment is in", experiment.resolve())


if __name__ == "__main__":
    main()
