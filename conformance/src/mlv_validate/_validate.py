"""The functions `validate`, `discover` and `make_statement`."""

import os
import re
from collections.abc import Iterable

from mlv_validate._read.directory import Absent, File, Progress, Unreadable, open_target
from mlv_validate._report import Discovery, ListedFile, Report, Statement
from mlv_validate._rules.layout import Copies
from mlv_validate._targets.anchor import Anchor
from mlv_validate._targets.statement import digest_of, list_records, parse_statement, write_statement
from mlv_validate._targets.target import check_target, find_experiments


def validate(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    sealed: bool = False,
    jobs: int = 1,
    anchor: str | None = None,
    statement: bytes | None = None,
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
        anchor: The digest that was cited, of a statement or of a seal of `log.jsonl`: 64 digits, with or without
            `sha256:`. Each path must have it.
        statement: The statement with this digest, if it isn't in the directory. Then the path must be the experiment
            of the statement.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and checked.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If `anchor` isn't a digest, or `statement` isn't a statement with this digest.

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
    return check_paths(given, sealed=sealed, jobs=jobs, anchor=parse_anchor(anchor, statement))


def make_statement(path: str | os.PathLike[str]) -> Statement:
    """Return the statement of an experiment as it is: the text whose digest is cited or signed.

    Args:
        path: The directory of the experiment.

    Raises:
        FileNotFoundError: If the path does not exist.
        ValueError: If the directory has no statement: it isn't an experiment, a part of it can't be read, or a path
            can't be listed.

    Example:
        ```python
        from mlv_validate import make_statement
        from mlvlogger import Exp

        with Exp("runs", "my_exp_1") as exp:
            exp.log.event("batch", loss=0.5)

        statement = make_statement("runs/my_exp_1")
        print(statement.anchor[:7], len(statement.files))
        ```

        ```text
        sha256: 2
        ```
    """
    if not may_exist(path):
        raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    name = repr(os.fspath(path))
    try:
        opened = open_target(os.fspath(path))
        with opened:
            if isinstance(opened, File) or not opened.entries().keys() & {"meta.json", "log.jsonl"}:
                raise ValueError(f"{name} has no statement: it isn't an experiment. Pass the directory of one.")
            listing = list_records(opened)
            for problem, reason in listing.problems.items():
                raise ValueError(f"{name} has no statement: {problem!r}: {reason}. Rename it, or make it readable.")
            raw = write_statement(opened, listing)
    except (Absent, Unreadable) as error:
        raise ValueError(f"{name} has no statement: {error}. Make all files readable, and try again.") from None
    entries = parse_statement(raw) or ()
    return Statement(raw, tuple(ListedFile(entry.path, entry.digest, entry.size) for entry in entries))


def parse_anchor(anchor: str | None, statement: bytes | None) -> Anchor | None:
    """Return what the user gave as an anchor.

    Raises:
        ValueError: If `anchor` isn't a digest, or `statement` isn't a statement with this digest.
    """
    if anchor is None:
        if statement is not None:
            raise ValueError("a statement needs the anchor that it belongs to. Pass its digest, too.")
        return None
    digest = anchor.removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"{anchor!r} isn't an anchor. Pass the 64 digits of the citation, with or without sha256:.")
    if statement is not None and (digest_of(statement) != digest or parse_statement(statement) is None):
        raise ValueError(f"the statement isn't the one with the digest {digest}. Pass the statement that was cited.")
    return Anchor(digest, statement)


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
    paths: Iterable[str | os.PathLike[str]],
    *,
    sealed: bool,
    jobs: int = 1,
    progress: Progress | None = None,
    anchor: Anchor | None = None,
) -> Report:
    """Validate experiments as `validate` does; a path that does not exist is `unchecked`.

    `progress` is called from time to time while this process reads a file.
    """
    copies = Copies()
    targets = [
        check_target(os.fspath(path), sealed=sealed, copies=copies, jobs=jobs, progress=progress, anchor=anchor)
        for path in paths
    ]
    shown = f"sha256:{anchor.digest}" if anchor else None
    return Report("sealed" if sealed else "core", tuple(targets), anchor=shown)


def may_exist(path: str | os.PathLike[str]) -> bool:
    """Return whether a path exists, or may exist because it can't be examined."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True
