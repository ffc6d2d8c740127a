"""Files and folders, held open: nothing here waits, or follows a link unasked (specification 1.0, Layout)."""

from __future__ import annotations

import errno
import os
import stat

from ._errors import CannotAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = ["Folder", "open_regular", "read_regular"]


class Folder:
    """A folder of an experiment, held open: what is done in it is done there, whatever its name leads to meanwhile.

    Where the system cannot hold folders (Windows), it goes by their paths.

    Args:
        root: The experiment's directory. Here, and nowhere below it, links are followed.
        names: The folders that lead from there to this one. They are made where they are missing.

    Raises:
        CannotAttach: something else has the name of one: also a symbolic link, which would lead outside.
        FileNotFoundError: *root* is not there, or not any more.
        OSError: the system refused.
    """

    def __init__(self, root: str | os.PathLike[str], *names: str) -> None:
        self.path = inner = top = os.fspath(root)
        self._fd: int | None = None
        try:
            self._enter(top, top, follow=True)
            for name in names:
                inner = os.path.join(self.path, name)
                try:
                    os.mkdir(self.at(name), dir_fd=self._fd)
                except FileExistsError:
                    pass
                self._enter(inner, name, follow=False)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR) and inner != top:
                raise CannotAttach(
                    f"{inner} is no directory (a link is none). Move it away, or choose another name."
                ) from None
            raise

    def _enter(self, inner: str, name: str, follow: bool) -> None:
        if os.open in os.supports_dir_fd:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
            outer, self._fd = self._fd, os.open(name, flags, dir_fd=self._fd)
            if outer is not None:
                _let_go(outer)
        elif not stat.S_ISDIR(os.stat(inner, follow_symlinks=follow).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), inner)
        self.path = inner

    @property
    def fd(self) -> int | None:
        """For the arguments `dir_fd` of the functions of `os`, with `at`."""
        return self._fd

    def at(self, name: str) -> str:
        """*name* in this folder, for a function that is given `fd` as well."""
        return name if self._fd is not None else os.path.join(self.path, name)

    def opener(self, name: str, flags: int) -> int:
        """For the argument of that name of `open`, with a name in this folder."""
        return os.open(self.at(name), flags, 0o666, dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove an entry that is ours, where it is still there."""
        try:
            os.unlink(self.at(name), dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def sync(self) -> None:
        """Return when the names in it are on the disk, where its file system can do that."""
        if self._fd is not None:
            try:
                os.fsync(self._fd)
            except OSError:
                pass

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            _let_go(fd)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _let_go(fd: int) -> None:
    """Close the descriptor of a folder. Nothing is written through it, so that an error of this says nothing."""
    try:
        os.close(fd)
    except OSError:
        pass


def open_regular(path: str | os.PathLike[str], follow: bool = False) -> IO[bytes]:
    """Open a regular file for reading; a pipe does not block, and by default a symbolic link is not followed.

    Raises OSError, also for what is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{os.fspath(path)!r} is no regular file")
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file; no links are followed. Raises OSError, also for more than *limit* bytes."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"{path} has more than {limit} bytes")
    return data
