"""The directory of `--keep`: for each test that failed or warned, everything that shows why."""

import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Sequence
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import Any

from mlv_conformance._results import Result
from mlv_conformance._transcript import Transcript

_LONGEST_NAME = 80


class Kept:
    """A directory with a folder for each test that didn't pass."""

    def __init__(self, folder: Path, transcript: Transcript, command: Sequence[str], driver: Sequence[str]) -> None:
        """Make the directory.

        Args:
            folder: The directory, which is empty or doesn't exist.
            transcript: The transcript of the drivers.
            command: The command that runs tests, up to the name of the test.
            driver: The rest of the command, after the name.

        Raises:
            OSError: If the directory can't be made, or isn't empty.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{str(folder)!r} isn't empty. Give --keep an empty directory, or a new one.")
        self.transcript = transcript
        self._folder = folder
        self._command = command
        self._driver = driver
        self._names: dict[tuple[str, str], Path] = {}

    def add(self, class_: str, name: str, test: Any, detail: str, directory: Path) -> None:
        """Keep a test.

        Args:
            class_: The class that it tests.
            name: Its name.
            test: Its data, a dataclass with the member `id`.
            detail: What is wrong.
            directory: The directory as the test left it, which is copied.
        """
        folder = self._new_folder(class_, name)
        self._names[class_, name] = folder
        folder.joinpath("result.txt").write_text(f"{class_}: {name}\n\n{detail}\n", "utf-8")
        folder.joinpath("test.json").write_text(json.dumps(asdict(test), indent=2, default=_plain) + "\n", "utf-8")
        transcript = self.transcript.text().replace(str(directory), str(folder.resolve() / "directory"))
        folder.joinpath("transcript.txt").write_text(transcript, "utf-8", errors="backslashreplace")
        rerun = folder / "rerun.sh"
        rerun.write_text(f"#!/bin/sh\ncd {shlex.quote(os.getcwd())} || exit\n{self._rerun(class_, test.id)}\n", "utf-8")
        rerun.chmod(0o755)
        shutil.copytree(directory, folder / "directory", symlinks=True, copy_function=_copy)

    def folder_of(self, result: Result) -> Path | None:
        """Return where the test of a result was kept; None if it wasn't."""
        return self._names.get((result.class_, result.name))

    def _new_folder(self, class_: str, name: str) -> Path:
        plain = "/".join(
            re.sub("[^A-Za-z0-9.]+", "-", part).strip("-.")[:_LONGEST_NAME] or "-" for part in name.split("/")
        )
        for number in range(1, len(self._names) + 2):
            folder = self._folder / class_ / (plain if number == 1 else f"{plain}-{number}")
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                continue
        return folder

    def _rerun(self, class_: str, name: str) -> str:
        return shlex.join([*self._command, "--class", class_, "--only", escape(name), *self._driver])


def _plain(value: Any) -> Any:
    """Return a set, of paths or findings, as a list, and a path as text."""
    if isinstance(value, Path):
        return str(value)
    return [one if isinstance(one, str) else one._asdict() for one in sorted(value, key=str)]


def _copy(source: str, target: str) -> None:
    if stat.S_ISFIFO(os.lstat(source).st_mode):
        os.mkfifo(target)
    else:
        shutil.copy2(source, target)
