"""The function `validate`."""

import os
from collections.abc import Iterable

from mlv_validate._read.directory import Progress
from mlv_validate._report import Report
from mlv_validate._rules.layout import Copies
from mlv_validate._targets.target import check_target


def validate(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, sealed: bool = False, jobs: int = 1
) -> Report:
    """Validate experiments.

    Nothing is written, locked or fetched, and nothing outside the paths is opened. Symbolic links are followed only if
    they are given paths. Whatever can't be read or checked is listed as `unchecked`, not raised.

    Args:
        paths: One path or several: an experiment, a directory with experiments below it, or a file that is a bare log.
        sealed: Whether to check level Sealed, too: every stream ends with a seal, and every record's digest is stored.
        jobs: The number of processes. The report is the same for any number.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and checked.

    Raises:
        FileNotFoundError: If a path does not exist.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for path in given:
        if not may_exist(path):
            raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    return check_paths(given, sealed=sealed, jobs=jobs)


def check_paths(
    paths: Iterable[str | os.PathLike[str]], *, sealed: bool, jobs: int = 1, progress: Progress | None = None
) -> Report:
    """Validate experiments as `validate` does; a path that does not exist is `unchecked`.

    `progress` is called from time to time while this process reads a file.
    """
    copies = Copies()
    targets = [
        check_target(os.fspath(path), sealed=sealed, copies=copies, jobs=jobs, progress=progress) for path in paths
    ]
    return Report("sealed" if sealed else "core", tuple(targets))


def may_exist(path: str | os.PathLike[str]) -> bool:
    """Return whether a path exists, or may exist because it can't be examined."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True
