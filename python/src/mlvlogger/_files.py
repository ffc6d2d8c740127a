"""Attached files (specification 1.0, chapter Files)."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time

from ._disk.folder import Folder, open_regular, temporary_name
from ._disk.publish import link, remove_temporary, sync
from ._errors import CannotAttach
from ._format.media_types import media_type
from ._format.names import numbered
from ._format.references import File
from ._messages import warn_once
from ._read.file_reference import chunks, digest_of, open_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = ["Files"]

# What a system says that can't link one file: another file system, one without hard links, a file of another user, or
# one with the greatest number of links. Nothing is wrong with a copy then.
_NO_LINK = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
)


class Files:
    """The attached files of an experiment, in the folder `files`.

    Every attached file has its own name; the same bytes under one name are one file (`writer.same-file`).

    Args:
        root: The open directory of the experiment.
    """

    def __init__(self, root: Folder) -> None:
        self.root = root
        #: Path of a folder below `files` → when it was listed, how long that took, and its entries by lower-case name.
        self._listings: dict[str, tuple[float, float, dict[str, list[str]]]] = {}
        self._versions: dict[str, _NameVersions] = {}

    def attach(self, source: str | os.PathLike[str], name: str, how: str) -> File:
        """Attach a file, and return the reference to it. The log doesn't have the file yet.

        Args:
            source: The path of the file.
            name: The path below `files`; if other bytes have it, `~2`, `~3`, … is added.
            how: `"copy"`, `"reflink"` or `"hardlink"`, as for `Exp.attach`.

        Raises:
            CannotAttach: If it isn't a regular file, or changes while it is copied.
            OSError: If the system refuses.
        """
        with Folder(self.root, "files") as folder:
            temporary = temporary_name()
            try:
                if how == "hardlink" and self._link(source, folder, temporary):
                    with open(temporary, "rb", opener=folder.opener) as file:
                        size, sha256, _ = digest_of(file, os.fspath(source))
                else:
                    with open(temporary, "x+b", opener=folder.opener) as file:
                        size, sha256 = _copy(source, file, how)
                return self.publish_as(folder, temporary, name, size, sha256)
            finally:
                remove_temporary(folder, temporary)

    def _link(self, source: str | os.PathLike[str], folder: Folder, temporary: str) -> bool:
        """Make *temporary* a hard link to *source*. Returns False, with a warning, if the system can't do that."""
        open_source(source).close()
        real = os.path.realpath(source)
        try:
            os.link(real, folder.at(temporary), dst_dir_fd=folder.fd)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            warn_once(
                f"{os.path.dirname(real)!r}: files of this folder can't be linked into {self.root.path}: "
                f"{error.strerror}. They are copied. Pass how='copy', or save them on the file system of the "
                "experiment."
            )
            return False
        return True

    def publish_as(self, folder: Folder, temporary: str, name: str, size: int, sha256: str) -> File:
        """Publish a temporary file, and return the reference to it.

        Args:
            folder: The folder of the temporary file.
            temporary: The name of the temporary file.
            name: The path below `files`; if other bytes have it, `~2`, `~3`, … is added.
            size: The size of the file in bytes.
            sha256: The SHA-256 of the file.

        Raises:
            CannotAttach: If a folder of the path isn't a directory.
            OSError: If the system refuses.
        """
        path = self._publish(folder, temporary, name)
        if path is None:
            versions = self._versions.setdefault(name, _NameVersions())
            while path is None:
                path = versions.find(self.root, size, sha256)
                if path is None:
                    path = self._publish(folder, temporary, versions.candidate(name))
                    # If the name was taken, maybe by another process, its file may have the same bytes.
                    versions.add_candidate(self.root, versions.candidate(name), None if path is None else sha256)
        return File(f"files/{path}", size, sha256, media_type(path))

    def _publish(self, folder: Folder, temporary: str, path: str) -> str | None:
        """Publish a temporary file at *path*, unless this path or one that differs only by case exists (`file.twins`).

        Returns:
            The path, or None if it is taken.
        """
        if self._has_twin(path):
            return None
        *folders, last = path.split("/")
        with Folder(self.root, "files", *folders) as target:
            try:
                link(folder, temporary, target, last)
            except FileExistsError:
                return None
        for number, segment in enumerate((*folders, last)):
            same = self._listing("/".join(folders[:number])).setdefault(segment.lower(), [])
            if segment not in same:
                same.append(segment)
        return path

    def _has_twin(self, path: str) -> bool:
        found = [""]
        for segment in path.split("/"):
            found = [
                f"{folder}/{entry}".lstrip("/")
                for folder in found
                for entry in self._listing(folder).get(segment.lower(), ())
            ]
        return bool(found)

    def _listing(self, folder: str) -> dict[str, list[str]]:
        """Return the entries of a folder by their lower-case names.

        A listing is reused for 20 times as long as it took, so that listing takes at most 5 % of the time if many files
        are attached. If a listing misses an entry of the same name, publishing fails.
        """
        read_at, seconds, entries = self._listings.get(folder, (0.0, 0.0, {}))
        begin = time.monotonic()
        if begin - read_at > 20 * seconds:
            entries = {}
            for entry in self._names(folder):
                entries.setdefault(entry.lower(), []).append(entry)
            self._listings[folder] = (begin, time.monotonic() - begin, entries)
        return entries

    def _names(self, folder: str) -> list[str]:
        path = f"files/{folder}".rstrip("/")
        try:
            if not stat.S_ISDIR(self.root.stat(path).st_mode):
                return []
            with Folder(self.root, *path.split("/")) as inner:
                return inner.names()
        except FileNotFoundError:
            return []


class _NameVersions:
    """The files that have one name, or the same name with `~2`, `~3`, …. Each file is inspected once."""

    def __init__(self) -> None:
        self._number = 1
        self._known: dict[tuple[int, str], tuple[str, tuple[int, ...]]] = {}  # by size and digest
        self._unknown: dict[int, list[str]] = {}  # by size: files that aren't hashed yet

    def candidate(self, name: str) -> str:
        """Return the next name that may be free."""
        return name if self._number == 1 else numbered(name, self._number)

    def add_candidate(self, root: Folder, path: str, sha256: str | None) -> None:
        """Add the file that has the candidate's name, and continue with the next candidate.

        Args:
            root: The open directory of the experiment.
            path: The path of the file below `files`.
            sha256: The SHA-256 of the file, if this process made it.
        """
        self._number += 1
        try:
            status = root.stat(f"files/{path}")
        except OSError:
            return  # the name of the existing file differs by case
        if sha256 is not None:
            self._known[status.st_size, sha256] = (path, _file_state(status))
        elif stat.S_ISREG(status.st_mode):
            self._unknown.setdefault(status.st_size, []).append(path)

    def find(self, root: Folder, size: int, sha256: str) -> str | None:
        """Return the path of a file with this size and SHA-256, or None."""
        for path in self._unknown.pop(size, ()):
            try:
                with open_regular(root.at(f"files/{path}"), dir_fd=root.fd) as file:
                    state, found = _file_state(os.fstat(file.fileno())), digest_of(file, path)
                self._known.setdefault(found[:2], (path, state))
            except (OSError, CannotAttach):
                continue
        path, state = self._known.get((size, sha256), ("", ()))
        try:
            if path and _file_state(root.stat(f"files/{path}")) == state:
                return path
        except OSError:
            pass  # it was removed
        return None


def _file_state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _copy(source: str | os.PathLike[str], new: IO[bytes], how: str) -> tuple[int, str]:
    with open_source(source) as old:
        before = os.fstat(old.fileno())
        digest = hashlib.sha256()
        if how == "reflink" and _reflink(old, new):
            for chunk in chunks(new):
                digest.update(chunk)
        else:
            for chunk in chunks(old):
                digest.update(chunk)
                new.write(chunk)
        new.flush()
        sync(new.fileno())
        after = os.fstat(old.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CannotAttach(f"{os.fspath(source)!r} changed while it was copied. Attach it when it is complete.")
        return os.fstat(new.fileno()).st_size, digest.hexdigest()


def _reflink(old: IO[bytes], new: IO[bytes]) -> bool:
    try:
        import fcntl

        fcntl.ioctl(new.fileno(), 0x40049409, old.fileno())  # FICLONE of Linux: Btrfs, XFS and others
    except (ImportError, OSError):
        return False
    return True
