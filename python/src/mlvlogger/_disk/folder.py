"""Files and directories, held open: nothing here waits, or follows a link unasked (specification 1.0, Layout)."""

from __future__ import annotations

import errno
import os
import stat

from .._errors import CannotAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, TypeAlias

    #: Device and inode: what a file or directory is, whatever its name.
    Identity: TypeAlias = tuple[int, int]

__all__ = [
    "TEMPORARY_PREFIX",
    "Directory",
    "Folder",
    "NotAFolder",
    "identity",
    "open_regular",
    "read_regular",
    "temporary_name",
]

TEMPORARY_PREFIX = ".mlv-"
"""The beginning of the name of a file or directory that a writer hasn't published yet (`writer.publish`)."""

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class NotAFolder(CannotAttach, NotADirectoryError):
    """Something else has the name of a folder: also a symbolic link, which would lead outside."""


def identity(status: os.stat_result) -> Identity:
    """Return device and inode: equal for two names of one file, and kept when the file is renamed."""
    return status.st_dev, status.st_ino


class Directory:
    """A directory that is known by its identity, so that it isn't taken for another one that gets its name.

    Args:
        path: The path that leads to it now.

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

        The path as given, as long as it leads there; otherwise the absolute path from the beginning. If the directory
        was moved and is held open, its new path (Linux and macOS).
        """
        if self._is_at(self._given):
            return self._given
        if self._is_at(self._absolute):
            return self._absolute
        return self._moved_path() or self._absolute

    def prefer_path(self, path: str | os.PathLike[str]) -> None:
        """Let `path` be *path*, as long as that leads to it."""
        self._given = os.fspath(path)

    def is_same(self, other: Directory) -> bool:
        """Whether *other* is the same directory, whatever their paths."""
        return self._identity == other._identity

    @property
    def exists(self) -> bool:
        """Whether `path` leads to it: not after it was removed, and not after a move that can't be followed."""
        return self._is_at(self.path)

    def _is_at(self, path: str) -> bool:
        try:
            return identity(os.stat(path or os.curdir)) == self._identity
        except (OSError, ValueError):
            return False

    def _moved_path(self) -> str | None:
        return None


class Folder(Directory):
    """A directory held open: work goes to this directory, wherever its name leads meanwhile.

    If the system can't hold directories open (Windows), each call goes through the path, after a check that the path
    leads to the same directory.

    Args:
        root: The path of a directory, or a `Folder`, which stays open. Links are followed in a path, and nowhere else.
        names: The folders that lead from there to this one. The ones that are missing are made.

    Raises:
        NotAFolder: If something else has the name of one of *names*.
        FileNotFoundError: If *root* doesn't exist, or doesn't exist any more.
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
                    self.sync()  # what is published in it is on the disk, and so has its name to be
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
        """Return the folder of a descriptor, which is closed with it. *path* led there."""
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
        """For the arguments `dir_fd` of the functions of `os`, after `at`. None if it isn't held open."""
        return self._fd

    def _owns_descriptor(self) -> bool:
        """Whether the descriptor leads here: a program may close descriptors that it doesn't know."""
        try:
            return self._fd is not None and identity(os.fstat(self._fd)) == self._identity
        except OSError as error:
            return error.errno != errno.EBADF  # the disk may be in trouble

    def at(self, name: str) -> str:
        """Return *name* in this folder, for a function that gets `fd` as well.

        Raises:
            FileNotFoundError: If the folder isn't held open, and its path doesn't lead to it any more.
        """
        if self._owns_descriptor():
            return name
        self._fd = None
        if not self._is_at(self._absolute):
            raise FileNotFoundError(errno.ENOENT, "The directory was moved or removed", self._absolute)
        return os.path.join(self._absolute, name)

    def opener(self, name: str, flags: int) -> int:
        """Open *name* in this folder: for the argument `opener` of `open`, with a name in this folder."""
        return os.open(self.at(name), flags, 0o666, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result:
        """Return the status of an entry, no link followed. Raises OSError."""
        return os.stat(self.at(name), dir_fd=self._fd, follow_symlinks=False)

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name, a dangling link included. Raises OSError if the system can't tell."""
        try:
            self.stat(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def names(self) -> list[str]:
        """Return the names of the entries. Raises OSError."""
        here = self.at(os.curdir)
        return os.listdir(here if self._fd is None else self._fd)

    def read(self, name: str, limit: int) -> bytes:
        """As `read_regular`, in this folder. *name* may have folders in it."""
        return read_regular(self.at(name), limit, self._fd)

    @property
    def is_removed(self) -> bool:
        """Whether the directory itself was removed, so that nothing can be made in it any more."""
        if not self._owns_descriptor() or self._fd is None:
            return not self._is_at(self._absolute)
        try:
            return not os.fstat(self._fd).st_nlink
        except OSError as error:
            return error.errno == errno.ESTALE  # on a network file system; otherwise the disk is in trouble

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
        """Remove an entry that is ours, if it still exists."""
        try:
            os.unlink(self.at(name), dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def sync(self) -> None:
        """Return when the names in it are on the disk, if its file system can do that."""
        if self._fd is not None:
            try:
                os.fsync(self._fd)
            except OSError:
                pass

    def close(self) -> None:
        """Close it. A second call does nothing."""
        is_ours = not hasattr(self, "_identity") or self._owns_descriptor()
        fd, self._fd = self._fd, None
        if fd is not None and is_ours:
            try:
                os.close(fd)
            except OSError:
                pass  # nothing is written through it, so the error says nothing

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.close()


def temporary_name() -> str:
    """Return a name that nothing has, for what isn't published yet."""
    return f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"


def open_regular(path: str | os.PathLike[str], follow: bool = False, dir_fd: int | None = None) -> IO[bytes]:
    """Open a regular file for reading; a pipe doesn't block, and by default a symbolic link isn't followed.

    Raises:
        OSError: If it can't be opened, or isn't a regular file; then without an `errno`.
    """
    fd = _open_regular(path, follow, dir_fd)[0]
    try:
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _open_regular(path: str | os.PathLike[str], follow: bool, dir_fd: int | None) -> tuple[int, int]:
    """The descriptor of a regular file, and its size."""
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
    """Return the bytes of a regular file, in as much memory as it has bytes; no links are followed.

    Raises:
        OSError: As `open_regular`, and if it has more than *limit* bytes.
    """
    fd, size = _open_regular(path, False, dir_fd)
    try:
        data = os.read(fd, min(size, limit) + 1)
        while len(data) != size and len(data) <= limit and (more := os.read(fd, 65536)):  # it grows, or comes in pieces
            data += more
    finally:
        os.close(fd)
    if len(data) > limit:
        raise OSError(f"{path} has more than {limit} bytes")
    return data
