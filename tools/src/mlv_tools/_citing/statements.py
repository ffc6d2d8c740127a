"""The statements that are kept in an experiment, and the files that no statement covers."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["keep", "kept_statements", "other_files"]

_NAME = re.compile(r"mlv-statement(?:-([2-9]|[1-9][0-9]+))?\.txt")
_MAX_SIZE = 64 * 1024 * 1024  # of a statement, by the specification
_OF_STATEMENTS = re.compile(r"mlv-statement(?:-(?:[2-9]|[1-9][0-9]+))?\.txt(?:(?:\.[0-9]+)?\.sig)?")


def kept_statements(directory: Path) -> list[Path]:
    """Return the statements in the directory of an experiment, the one with the greatest number last."""
    found = []
    for entry in directory.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match and entry.is_file() and not entry.is_symlink() and entry.stat().st_size <= _MAX_SIZE:
            found.append((int(match[1] or 1), entry))
    return [path for _, path in sorted(found)]


def keep(raw: bytes, directory: Path, output: Path | None = None) -> tuple[Path, bool]:
    """Keep a statement, and return its path and whether the file is new. No existing file is changed.

    Args:
        raw: The statement.
        directory: The directory of the experiment.
        output: The file to write; by default, the next `mlv-statement-N.txt`, or one that has these bytes.

    Raises:
        FileExistsError: If `output` exists with other bytes.
        OSError: If the file can't be written.
    """
    if output is not None:
        if output.exists() and output.read_bytes() == raw:
            return output, False
        _write(output, raw)
        return output, True
    kept = kept_statements(directory)
    for path in kept:
        if path.read_bytes() == raw:
            return path, False
    number = 1
    while True:
        path = directory / ("mlv-statement.txt" if number == 1 else f"mlv-statement-{number}.txt")
        try:
            _write(path, raw)
        except FileExistsError:
            number += 1
        else:
            return path, True


def _write(path: Path, raw: bytes) -> None:
    """Create a file, whole or not at all."""
    with path.open("xb") as file:
        try:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise


def other_files(directory: Path, listed: Collection[str]) -> Iterator[str]:
    """Yield the paths of the files in and below an experiment that its statement doesn't list, without temporary ones.

    Args:
        directory: The directory of the experiment.
        listed: The paths that the statement lists.
    """
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith(".mlv-"))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            path = os.path.relpath(os.path.join(folder, name), directory).replace(os.sep, "/")
            is_kept = folder == os.fspath(directory) and _OF_STATEMENTS.fullmatch(name)
            if path not in listed and not name.startswith(".mlv-") and not is_kept:
                yield path
