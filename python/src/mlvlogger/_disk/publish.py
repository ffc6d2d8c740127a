"""Publication: a file with its final name is complete (specification 1.0, `writer.publish`).

A file is written under a temporary name, synced, and gets its final name in one step, which fails if the name exists.
No step needs a lock that a killed process could leave.
"""

from __future__ import annotations

import errno
import os
import sys

from .._messages import warn
from .claims import Claim
from .folder import TEMPORARY_PREFIX, temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .folder import Folder

__all__ = ["link", "publish", "remove_temporary", "sync"]

# The errors of file systems that can't sync at all: some network and FUSE file systems.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def publish(folder: Folder, name: str, data: bytes) -> None:
    """Create the file *name* with the content *data* in *folder*, in one step (`writer.publish`).

    Raises:
        FileExistsError: If the file exists.
        OSError: If the system refuses. At most a file with a temporary name remains.
    """
    temporary = temporary_name()
    try:
        with open(temporary, "xb", opener=folder.opener) as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        link(folder, temporary, folder, name)
    finally:
        remove_temporary(folder, temporary)


def remove_temporary(folder: Folder, temporary: str) -> None:
    """Remove a temporary name if it exists. If that fails, warn: a published file has another name, too."""
    try:
        folder.remove(temporary)
    except OSError as error:
        warn(
            f"{os.path.join(folder.path, temporary)} could not be removed: {error}. Nothing needs it: remove it later."
        )


def sync(fd: int) -> None:
    """Return when a file is on the disk, if its file system can sync.

    Raises:
        OSError: If the file may not be on the disk.
    """
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def link(source: Folder, temporary: str, target: Folder, final: str) -> None:
    """Give a file its final name. The temporary name may remain.

    Args:
        source: The folder of the file.
        temporary: The temporary name.
        target: The folder of the final name, on the same file system.
        final: The final name.

    Raises:
        FileExistsError: If the final name exists.
        OSError: If the system refuses.
    """
    old, new = source.at(temporary), target.at(final)
    if os.name == "nt":
        os.rename(old, new)  # on Windows, it fails if the target exists
        return
    try:
        os.link(old, new, src_dir_fd=source.fd, dst_dir_fd=target.fd)
    except FileExistsError:
        raise
    except OSError as error:
        # A file system without hard links, such as exFAT and some FUSE file systems.
        if target.has(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.path.join(target.path, final)) from None
        if not _rename_exclusively(source, temporary, target, final):
            _rename_under_claim(source, temporary, target, final, error)
    target.sync()


def _rename_exclusively(source: Folder, temporary: str, target: Folder, final: str) -> bool:
    """Rename the file unless the final name exists.

    Returns:
        Whether the file was renamed: False if the system has no call for that.

    Raises:
        OSError: As for `link`.
    """
    call = _rename_call()
    if call is None or source.fd is None or target.fd is None:
        return False
    if call(source.fd, os.fsencode(temporary), target.fd, os.fsencode(final)) == 0:
        return True
    import ctypes

    number = ctypes.get_errno()
    if number in (errno.EEXIST, errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        raise OSError(number, os.strerror(number), os.path.join(target.path, final))
    return False


def _rename_call() -> Callable[[int, bytes, int, bytes], int] | None:
    try:
        import ctypes

        library: Any = ctypes.CDLL(None, use_errno=True)
        call, flag = (library.renameatx_np, 4) if sys.platform == "darwin" else (library.renameat2, 1)
    except (ImportError, OSError, AttributeError):
        return None
    return lambda *names: int(call(*names, flag))


def _rename_under_claim(source: Folder, temporary: str, target: Folder, final: str, reason: OSError) -> None:
    """Rename the file while this process holds a claim on the final name.

    Raises:
        OSError: As for `link`, and as for `Claim`.
    """
    with Claim(target, f"{TEMPORARY_PREFIX}{final}.claim"):
        if target.has(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.path.join(target.path, final)) from reason
        os.rename(source.at(temporary), target.at(final), src_dir_fd=source.fd, dst_dir_fd=target.fd)
