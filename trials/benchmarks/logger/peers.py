"""Environments for the peers: `peers.py --setup DIR [NAME …]`, and `peers.py --remove DIR` when all is measured.

Each peer of peers.toml gets a separate virtual environment, DIR/NAME. One that cannot be installed is said with the
last line of pip's error, and DIR/NAME.failed holds all of it; the results then say so in its row.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

__all__ = ["PEERS", "environment", "failure"]

PEERS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def environment(directory: Path, peer: str) -> Path:
    """The interpreter of a peer's environment."""
    return directory / peer / "bin" / "python"


def failure(directory: Path, peer: str) -> str | None:
    """Why a peer has no environment: what pip said last; None where it has one."""
    report = directory / f"{peer}.failed"
    if report.exists():
        return report.read_text("utf-8").strip().splitlines()[-1]
    return None if environment(directory, peer).exists() else "not set up"


def set_up(directory: Path, peer: str) -> None:
    report = directory / f"{peer}.failed"
    report.unlink(missing_ok=True)
    venv.create(directory / peer, with_pip=True, clear=True)
    command = [str(environment(directory, peer)), "-m", "pip", "install", "--quiet", "--no-cache-dir", *PEERS[peer]]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    if run.returncode:
        shutil.rmtree(directory / peer)
        report.write_text(run.stdout or f"pip ended with {run.returncode}", "utf-8")


def remove(directory: Path) -> None:
    for peer in PEERS:
        shutil.rmtree(directory / peer, ignore_errors=True)
        (directory / f"{peer}.failed").unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--setup", metavar="DIR", type=Path)
    group.add_argument("--remove", metavar="DIR", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these peers; all by default")
    arguments = parser.parse_args()
    if arguments.remove:
        remove(arguments.remove)
        return 0
    arguments.setup.mkdir(parents=True, exist_ok=True)
    failures = 0
    for peer in arguments.names or PEERS:
        set_up(arguments.setup, peer)
        reason = failure(arguments.setup, peer)
        print(f"{peer}: {reason or 'installed'}", flush=True)
        failures += reason is not None
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
