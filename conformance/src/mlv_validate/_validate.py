"""The functions `validate` and `discover`."""

import os
from collections.abc import Iterable

from mlv_validate._read.directory import Progress
from mlv_validate._report import Discovery, Report
from mlv_validate._rules.layout import Copies
from mlv_validate._targets.target import check_target, find_experiments


def validate(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, sealed: bool = False, jobs: int = 1
) -> Report:
    """Validate experiments against the specification.

    Nothing is written, locked or downloaded, and nothing outside of the paths is opened (`validator.read-only`,
    `validator.contained`). A symbolic link is followed only if you pass it as a path. Whatever the directories contain,
    there is no other exception: an unreadable path is listed in `unchecked`.

    Args:
        paths: One path or several: an experiment, a directory with experiments below it, or a file that is a bare log.
        sealed: Whether to check level Sealed as well: every stream ends with a seal, and every record's digest is
            stored.
        jobs: The number of processes. The report doesn't depend on it.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and checked.

    Raises:
        FileNotFoundError: If a path does not exist.

    Example:
        ```python
        from mlv_validate import validate
        from mlvlogger import Exp

        with Exp("runs", "my_exp_1") as exp:
            exp.log.event("batch", loss=0.5)

        report = validate("runs", sealed=True)
        print(report.verdict, report.targets[0].experiments[0].events)
        ```

        ```text
        valid 3
        ```
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for path in given:
        if not may_exist(path):
            raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    return check_paths(given, sealed=sealed, jobs=jobs)


def discover(path: str | os.PathLike[str], *, nested: bool = True) -> Discovery:
    """Find the experiments that `validate` checks in and below a directory, without checking them.

    A directory is an experiment if its `meta.json` has a string member `mlv`, or if the first line of its `log.jsonl`
    begins the session of an experiment; the directory at `path` itself also if it has any `meta.json`. The search is
    that of the specification (`validator.findings`): 64 directories deep, without the folders of an experiment's
    record, and without symbolic links.

    Args:
        path: The directory.
        nested: Whether to find experiments inside of experiments.

    Returns:
        The experiments, and what can't be searched.

    Raises:
        FileNotFoundError: If `path` does not exist.
        NotADirectoryError: If `path` is a file.
    """
    if not may_exist(path):
        raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    experiments, unchecked = find_experiments(os.fspath(path), nested=nested)
    return Discovery(tuple(experiments), tuple(unchecked))


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
