"""Files and directories that stay open: nothing here blocks or follows a link unasked (specification 1.0, Layout)."""

from __future__ import annotations

import errno
import os
import stat
from io import open as open_file  # while the interpreter ends, the built-in name is gone
from sys import is_finalizing

from .._errors import CannotAttach
from .._messages import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, TypeAlias

    #: Device and inode, which identify a file or directory independently of its name.
    Identity: TypeAlias = tuple[int, int]

__all__ = [
    "TEMPORARY_PREFIX",
    "Directory",
    "Folder",
    "NotAFolder",
    "check_path",
    "identity",
    "open_regular",
    "read_regular",
    "temporary_name",
]

TEMPORARY_PREFIX = ".mlv-"
"""The beginning of the name of a file or directory that a writer hasn't published yet (`writer.publish`)."""

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class NotAFolder(CannotAttach, NotADirectoryError):
    """The error for a folder whose name belongs to something else, such as a symbolic link that leads outside."""


def identity(status: os.stat_result) -> Identity:
    """Return device and inode: equal for two names of one file, and unchanged when the file is renamed."""
    return status.st_dev, status.st_ino


class Directory:
    """A directory that is recognized by its identity: another directory that gets its name isn't the same one.

    Args:
        path: The path that leads to the directory now.

    Raises:
        OSError: If there is no such directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._identify(os.fspath(path), os.stat(os.fspath(path) or os.curdir))

    def _identify(self, path: str, status: os.stat_result) -> None:
        self._given = path
        self._absolute = os.path.abspath(path)
        self._identity = identity(status)

    @property
    def path(self) -> str:
        """A path that leads to the directory now.

        The given path, while it leads to the directory; otherwise the absolute path of the directory when this object
        was made. If the directory was moved and is open, its new path (Linux and macOS).
        """
        if self._is_at(self._given):
            return self._given
        if self._is_at(self._absolute):
            return self._absolute
        return self._moved_path() or self._absolute

    def prefer_path(self, path: str | os.PathLike[str]) -> None:
        """Make *path* the value of `path`, while it leads to the directory."""
        self._given = os.fspath(path)

    def is_same(self, other: Directory) -> bool:
        """Return whether *other* is the same directory; their paths may differ."""
        return self._identity == other._identity

    @property
    def exists(self) -> bool:
        """Whether `path` leads to the directory: False after a removal, and after a move that can't be followed."""
        return self._is_at(self.path)

    def _is_at(self, path: str) -> bool:
        try:
            return identity(os.stat(path or os.curdir)) == self._identity
        except (OSError, ValueError):
            return False

    def _moved_path(self) -> str | None:
        return None


class Folder(Directory):
    """An open directory: every call works on this directory, also if its name meanwhile leads to another one.

    If the system can't open directories (Windows), each call uses the path, after a check that the path leads to the
    same directory.

    Args:
        root: The path of a directory, or a `Folder`, which stays open. Only in a path are links followed.
        names: The folders that lead from *root* to this one. Missing folders are created.

    Raises:
        NotAFolder: If something else has the name of one of *names*.
        FileNotFoundError: If *root* doesn't exist (any more).
        OSError: If the system refuses.
    """

    def __init__(self, root: str | os.PathLike[str] | Folder, *names: str) -> None:
        self._fd: int | None = None
        path = root.path if isinstance(root, Folder) else os.fspath(root)
        inner = None
        try:
            self._open(root.at(os.curdir) if isinstance(root, Folder) else path or os.curdir, root, follow=True)
            for inner in names:
                path = os.path.join(path, inner)
                name = inner if self._fd is not None else path
                try:
                    os.mkdir(name, dir_fd=self._fd)
                    self.sync()  # files that are published in the new folder are durable, so its name must be, too
                except FileExistsError:
                    pass
                self._open(name, self, follow=False)
            self._identify(path, os.stat(path or os.curdir) if self._fd is None else os.fstat(self._fd))
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR) and inner is not None:
                raise NotAFolder(
                    f"{path} isn't a directory (a symbolic link isn't one either). Move it away, or choose another "
                    "name."
                ) from None
            raise

    @classmethod
    def from_descriptor(cls, fd: int, path: str) -> Folder:
        """Return the folder of an open descriptor.

        Args:
            fd: The descriptor, which `close` closes.
            path: The path that led to the directory.

        Raises:
            OSError: If the system refuses.
        """
        folder = cls.__new__(cls)
        folder._fd = fd
        folder._identify(path, os.fstat(fd))
        return folder

    def _open(self, name: str, outer: object, follow: bool) -> None:
        if os.mkdir not in os.supports_dir_fd:  # Windows
            if not stat.S_ISDIR(os.stat(name, follow_symlinks=follow).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        fd = os.open(name, flags, dir_fd=outer._fd if isinstance(outer, Folder) else None)
        self.close()
        self._fd = fd

    @property
    def fd(self) -> int | None:
        """The descriptor for the argument `dir_fd` of functions of `os`. Call `at` first. None if it isn't open."""
        return self._fd

    def _owns_descriptor(self) -> bool:
        """Return whether the descriptor is this directory's: a program may close descriptors that it didn't open."""
        try:
            return self._fd is not None and identity(os.fstat(self._fd)) == self._identity
        except OSError as error:
            return error.errno != errno.EBADF  # other errors are of the disk, not of the descriptor

    def at(self, name: str) -> str:
        """Return the path of *name* in this folder, for a function that also gets `fd`.

        Raises:
            FileNotFoundError: If the folder isn't open, and its path doesn't lead to it any more.
        """
        if self._owns_descriptor():
            return name
        self._fd = None
        if not self._is_at(self._absolute):
            raise FileNotFoundError(errno.ENOENT, "The directory was moved or removed", self._absolute)
        return os.path.join(self._absolute, name)

    def opener(self, name: str, flags: int) -> int:
        """Open *name* in this folder and return the descriptor: the argument `opener` of `open`.

        Raises:
            OSError: If the system refuses.
        """
        return os.open(self.at(name), flags, 0o666, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result:
        """Return the status of an entry, without following a link.

        Raises:
            OSError: If there is no such entry, or the system refuses.
        """
        return os.stat(self.at(name), dir_fd=self._fd, follow_symlinks=False)

    def has(self, name: str) -> bool:
        """Return whether an entry of this name exists, a dangling link included.

        Raises:
            OSError: If the system can't determine it.
        """
        try:
            self.stat(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def names(self) -> list[str]:
        """Return the names of the entries, in any order.

        Raises:
            OSError: If the system refuses.
        """
        here = self.at(os.curdir)
        return os.listdir(here if self._fd is None else self._fd)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a regular file in this folder, as `read_regular` does. *name* may be a path.

        Raises:
            OSError: As for `read_regular`.
        """
        return read_regular(self.at(name), limit, self._fd)

    @property
    def is_removed(self) -> bool:
        """Whether the directory itself was removed, so that nothing can be created in it any more."""
        if not self._owns_descriptor() or self._fd is None:
            return not self._is_at(self._absolute)
        try:
            return not os.fstat(self._fd).st_nlink
        except OSError as error:
            return error.errno == errno.ESTALE  # on a network file system; other errors don't say that it was removed

    def _moved_path(self) -> str | None:
        if self._fd is None or not self._owns_descriptor() or self.is_removed:
            return None
        try:
            if os.path.isdir("/proc/self/fd"):
                path = os.readlink(f"/proc/self/fd/{self._fd}")
            else:
                from fcntl import F_GETPATH, fcntl  # type: ignore[attr-defined, unused-ignore]  # macOS

                path = os.fsdecode(fcntl(self._fd, F_GETPATH, bytes(1024)).rstrip(b"\0"))
        except (ImportError, OSError):
            return None
        return path if self._is_at(path) else None

    def remove(self, name: str) -> None:
        """Remove an entry that this process made, if it still exists."""
        try:
            os.unlink(self.at(name), dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def sync(self) -> None:
        """Return when the names of the entries are on the disk, if the file system can sync a directory."""
        if self._fd is not None:
            try:
                os.fsync(self._fd)
            except OSError:
                pass

    def close(self) -> None:
        """Close the descriptor. A second call does nothing."""
        is_own = not hasattr(self, "_identity") or self._owns_descriptor()
        fd, self._fd = self._fd, None
        if fd is not None and is_own:
            try:
                os.close(fd)
            except OSError:
                pass  # nothing was written through the descriptor, so the error doesn't matter

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # While the interpreter ends, the functions of this module may be gone; the system closes the descriptor.
        if getattr(self, "_fd", None) is not None and not is_finalizing():
            self.close()


def check_path(
    path: str | os.PathLike[str],
    advice: str,
    error: type[OSError] = FileNotFoundError,
    given: str | os.PathLike[str] | None = None,
) -> None:
    """Check whether a file can have a path, whether or not there is one.

    Args:
        path: The path.
        advice: What the user can do, for the message.
        error: The class of the error.
        given: The path that the user passed, if *path* is another one.

    Raises:
        OSError: Of the class *error*, if *path* has a NUL character or a lone surrogate, or is longer than the system
            allows.
    """
    try:
        os.lstat(path)
        return
    except ValueError as reason:
        fault = "has a lone surrogate" if isinstance(reason, UnicodeError) else "has a NUL character"
    except OSError as reason:
        if reason.errno != errno.ENAMETOOLONG:
            return
        fault = "is longer than the system allows"
    raise error(f"{brief(os.fspath(path if given is None else given))}: the path {fault}. {advice}")


def temporary_name() -> str:
    """Return a unique name for a file that isn't published yet."""
    return f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"


def open_regular(path: str | os.PathLike[str], follow: bool = False, dir_fd: int | None = None) -> IO[bytes]:
    """Open a regular file for reading.

    A pipe under this name doesn't block.

    Args:
        path: The file.
        follow: Whether to follow a symbolic link.
        dir_fd: The descriptor of the directory that *path* is relative to.

    Raises:
        OSError: If the file can't be opened; without an `errno` if it isn't a regular file.
    """
    fd = _open_regular(path, follow, dir_fd)[0]
    try:
        return open_file(fd, "rb")  # noqa: UP020
    except BaseException:
        os.close(fd)
        raise


def _open_regular(path: str | os.PathLike[str], follow: bool, dir_fd: int | None) -> tuple[int, int]:
    """Return the descriptor of a regular file, and its size."""
    fd = os.open(path, _READ if follow else _READ | getattr(os, "O_NOFOLLOW", 0), dir_fd=dir_fd)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{os.fspath(path)!r} is not a regular file")
        return fd, status.st_size
    except BaseException:
        os.close(fd)
        raise


def read_regular(path: str | os.PathLike[str], limit: int, dir_fd: int | None = None) -> bytes:
    """Return the bytes of a regular file, without following a link.

    Args:
        path: The file.
        limit: The most bytes that the file may have.
        dir_fd: The descriptor of the directory that *path* is relative to.

    Raises:
        OSError: As for `open_regular`, and if the file has more than *limit* bytes.
    """
    fd, size = _open_regular(path, False, dir_fd)
    try:
        data = os.read(fd, min(size, limit) + 1)
        while len(data) != size and len(data) <= limit and (more := os.read(fd, 65536)):  # it grows, or reads are short
            data += more
    finally:
        os.close(fd)
    if len(data) > limit:
        raise OSError(f"{path} has more than {limit} bytes")
    return data
