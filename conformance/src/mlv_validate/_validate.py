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
    """Judge experiments.

    Args:
        paths: One path or several: an experiment, a directory with experiments below it, or a file that is a bare log.
        sealed: Judge level Sealed as well: every stream ends with a seal, and every record's digest is given.
        jobs: How many processes may share the work. The report is the same for any number.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and judged.

    Raises:
        FileNotFoundError: A path does not exist.

    Nothing is written, locked or fetched, and nothing outside the paths is opened; symbolic links are followed only
    where they are paths that were given. Whatever the directories hold, there is no other exception: what cannot be
    read or judged is listed as `unchecked`.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for path in given:
        if not may_exist(path):
            raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    return check_paths(given, sealed=sealed, jobs=jobs)


def check_paths(
    paths: Iterable[str | os.PathLike[str]], *, sealed: bool, jobs: int = 1, progress: Progress | None = None
) -> Report:
    """`validate` without its exception: a path that does not exist is one that could not be checked.

    `progress` is called now and then while this process reads a file.
    """
    copies = Copies()
    targets = [
        check_target(os.fspath(path), sealed=sealed, copies=copies, jobs=jobs, progress=progress) for path in paths
    ]
    return Report("sealed" if sealed else "core", tuple(targets))


def may_exist(path: str | os.PathLike[str]) -> bool:
    """Whether there is something at a path, as far as can be known: what cannot be looked at may be there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True
