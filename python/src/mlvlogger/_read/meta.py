"""Reading the metadata records of an experiment (specification 1.0, chapter Metadata)."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from functools import partial
from pathlib import Path

from .._disk.folder import Folder, read_regular
from .._errors import InvalidRecord, NotAnExperiment
from .._format.json import MAX_RECORD
from .._format.meta import Meta, fold, next_addition_head, without_environment
from .._format.parse import parse_record
from .._version import SPEC_VERSION, check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["holds_experiment", "is_experiment", "load"]

# The errors of opening a meta.json that isn't a record: missing, a link, a special file, or another user's file. None
# is that of `read_regular` for a file that isn't regular, or is too large.
_NO_RECORD = (None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM)
# The rest of an addition whose only further members are its stream and its environment, which was removed.
_REST = re.compile(rb'[-0-9T:.Z]+"(?:,\n  "stream": "(log/[A-Za-z0-9._-]+)")?\n\}\n')
_ADDITION = re.compile(r"([2-9]|[1-9][0-9]+)\.json", re.ASCII)


def is_experiment(directory: str | os.PathLike[str]) -> bool:
    """Return whether *directory* has a `meta.json` that is a JSON object with a string member `mlv`.

    If the system can't determine it, the result is False.
    """
    try:
        return holds_experiment(directory)
    except OSError:
        return False


def holds_experiment(directory: str | os.PathLike[str]) -> bool:
    """Return whether *directory* has a `meta.json` that is a JSON object with a string member `mlv`.

    A `meta.json` that this user may not read doesn't count.

    Raises:
        OSError: If the system can't determine it, for example because of an I/O error.
    """
    try:
        record = parse_record(read_regular(Path(directory, "meta.json"), MAX_RECORD), unique_names=False)
    except ValueError:
        return False
    except OSError as error:
        if error.errno in _NO_RECORD:
            return False
        raise
    return isinstance(record.get("mlv"), str)


def load(directory: Path | Folder, *, environments: bool = True) -> Meta:
    """Read all metadata records of an experiment.

    If an addition can't be read, or doesn't continue the record before, the result has a problem, and later additions
    are read.

    Args:
        directory: The directory of the experiment.
        environments: Whether to parse the environments of additions. If False, `records` and `environments` of the
            result have only meta.json's, and an addition takes some microseconds.

    Raises:
        NotAnExperiment: If there is no meta.json, or it has no string member `mlv`.
        InvalidRecord: If meta.json is damaged.
        UnsupportedVersion: If a record has an unknown major version or requires an unknown feature.
        OSError: If meta.json can't be opened.
    """
    path = Path(directory.path if isinstance(directory, Folder) else directory)
    is_held = isinstance(directory, Folder) and directory.at(os.curdir) == os.curdir
    fd = directory.fd if isinstance(directory, Folder) else None

    def read(name: str) -> bytes:
        return read_regular(name if is_held else path / name, MAX_RECORD, fd)

    def inspect(name: str) -> os.stat_result:
        return os.stat(name if is_held else path / name, dir_fd=fd, follow_symlinks=False)

    try:
        data = read("meta.json")
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnExperiment(_missing(path)) from None
    record = _first_record(path, data)
    digest = hashlib.sha256(data).hexdigest()
    meta = Meta("sha256:" + digest)
    fold(meta, "meta.json", record, digest)
    for number in _numbers(directory):
        name = f"meta/{number}.json"
        if number != len(meta.digests) + 1:
            meta.problems.append((name, f"was left out, because there is no meta/{len(meta.digests) + 1}.json"))
            _check_left_out(read, name, path)
            continue
        try:
            data = read(name)
            small = data if environments else without_environment(data)
            begin = next_addition_head(meta)
            if not environments and small.startswith(begin) and (rest := _REST.fullmatch(small, len(begin))):
                meta.digests.append(hashlib.sha256(data).hexdigest())
                if rest[1]:
                    meta.streams[len(meta.digests)] = rest[1].decode()
                continue
            record = parse_record(small)
        except OSError as error:
            _leave_out(meta, name, error, environments, partial(inspect, name))
            continue
        except ValueError as error:
            meta.problems.append((name, f"was left out, because it cannot be read: {error}"))
            record = {}
        else:
            _check_addition(record, path / name)
            _report_wrong_links(meta, name, record)
        fold(meta, name, record, hashlib.sha256(data).hexdigest(), environments)
    return meta


def _check_addition(record: dict[str, Any], path: Path) -> None:
    """Raise UnsupportedVersion if this reader must not read an experiment with an addition."""
    version, requires = record.get("mlv"), record.get("requires")
    if version != SPEC_VERSION or requires:
        check_version(version, requires, str(path))


def _check_left_out(read: Callable[[str], bytes], name: str, path: Path) -> None:
    """Raise UnsupportedVersion if this reader must not read an experiment with an addition after a gap."""
    try:
        record = parse_record(read(name))
    except (OSError, ValueError):
        return  # it is left out anyway
    if isinstance(record.get("mlv"), str):  # without a version, it isn't of an unknown one
        _check_addition(record, path / name)


def _leave_out(meta: Meta, name: str, error: OSError, whole: bool, inspect: Callable[[], os.stat_result]) -> None:
    """Report an addition that can't be opened. It keeps its number, unless it isn't a regular file, so not a record."""
    meta.problems.append((name, f"was left out, because it cannot be read: {error}"))
    try:
        is_record = stat.S_ISREG(inspect().st_mode)
    except OSError:
        is_record = error.errno not in (errno.ENOENT, errno.ENOTDIR)
    if is_record:
        meta.digests.append("")
        if whole:
            meta.records.append({})


def _report_wrong_links(meta: Meta, name: str, record: dict[str, Any]) -> None:
    """Report that the next addition doesn't continue the record before."""
    if record.get("previous") != "sha256:" + meta.digests[-1] or record.get("experiment") != meta.id:
        meta.problems.append((name, "does not continue the record before: its previous or its experiment differs"))


def _missing(path: Path) -> str:
    """Return the message about a path without a meta.json."""
    if not os.path.lexists(path):
        return f"{path} does not exist. Pass the directory of an experiment; Exp(savedir, name, params) creates one."
    if not path.is_dir():
        return f"{path} isn't a directory. Pass the directory of an experiment."
    return (
        f"{path} isn't an experiment: it has no meta.json. Pass the directory of an experiment. To read experiments "
        "in the directories below, use read.all(path); to create one, use Exp(savedir, name, params)."
    )


def _first_record(path: Path, data: bytes) -> dict[str, Any]:
    """Return the record in the bytes of the meta.json in *path*. The exceptions are those of `load`."""
    try:
        record = parse_record(data)
    except ValueError as error:
        raise InvalidRecord(
            f"{path / 'meta.json'} is damaged: {error}. Restore it from a copy; run mlv-validate for details."
        ) from None
    if not isinstance(record.get("mlv"), str):
        raise NotAnExperiment(
            f"{path} holds no experiment: its meta.json is something else's, without a member mlv. "
            "Choose another directory."
        )
    check_version(record["mlv"], record.get("requires"), str(path / "meta.json"))
    if not isinstance(record.get("params"), dict) or not isinstance(record.get("name"), str):
        raise InvalidRecord(
            f"{path / 'meta.json'} is damaged: it has no name, or no params. Run mlv-validate for details."
        )
    return record


def _numbers(directory: Path | Folder) -> list[int]:
    try:
        if isinstance(directory, Folder):
            if not directory.has("meta") or not stat.S_ISDIR(directory.stat("meta").st_mode):
                return []
            with Folder(directory, "meta") as folder:
                names = folder.names()
        else:
            folder_path = directory / "meta"
            names = os.listdir(folder_path) if stat.S_ISDIR(os.lstat(folder_path).st_mode) else []
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for match in map(_ADDITION.fullmatch, names) if match)
