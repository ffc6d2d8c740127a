"""File systems for the trials: small ones, real ones, full ones. They need root, or a user namespace that gives it."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "NotHere",
    "btrfs_quota",
    "do",
    "fill",
    "fresh",
    "loop",
    "make_image",
    "mount",
    "own_mounts",
    "tmpfs",
    "unmount",
]

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_REC_PRIVATE = 0x4000 | 0x40000


class NotHere(Exception):
    """This machine cannot do it; the message says what it lacks."""


def own_mounts() -> None:
    """Give this process separate mounts, so that none is seen outside or outlives it; a user becomes root in them.

    Raises NotHere where the system does not let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNS if user == 0 else _CLONE_NEWNS | _CLONE_NEWUSER
    if libc.unshare(flags):
        raise NotHere(f"neither root nor a separate user namespace: {os.strerror(ctypes.get_errno())}")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None):
        raise NotHere(f"mounts cannot be made private: {os.strerror(ctypes.get_errno())}")


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[Path]:
    """A file system in memory at *path*, such as ``size=64k,nr_inodes=20``."""
    path.mkdir()
    do("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)
    try:
        yield path
    finally:
        do("umount", "-l", path)


@contextmanager
def loop(path: Path, kind: str, size: str, options: str = "") -> Iterator[Path]:
    """A real file system, ext4, xfs or btrfs, at *path*, on a loop device over an image of so many bytes (``4M``)."""
    image = make_image(path.with_name(f"{path.name}.{kind}"), kind, size)
    path.mkdir()
    mount(image, path, options)
    try:
        yield path
    finally:
        do("umount", "-l", path)
        image.unlink()


@contextmanager
def btrfs_quota(path: Path) -> Iterator[Path]:
    """A subvolume of btrfs with a quota of 1 MB, which says EDQUOT where others say ENOSPC."""
    with loop(path.with_name(f"{path.name}-whole"), "btrfs", "200M") as whole:
        do("btrfs", "quota", "enable", whole)
        do("btrfs", "subvolume", "create", whole / "limited")
        do("btrfs", "qgroup", "limit", "1M", whole / "limited")
        yield whole / "limited"


def make_image(image: Path, kind: str, size: str) -> Path:
    """An image with an empty file system."""
    do("truncate", "-s", size, image)
    do(f"mkfs.{kind}", "-F" if kind == "ext4" else "-f", "-q", image)
    return image


def fresh(image: Path) -> Path:
    """Move an image into a new file, which has the next number for a suffix. Use it before each further mount.

    While another program inspects all loop devices, the device of an image stays after the image is unmounted. The next
    mount of the same file takes this device, with the blocks that it remembers.
    """
    number = int(image.suffix[1:]) + 1 if image.suffix[1:].isdecimal() else 1
    copy = image.with_suffix(f".{number}")
    do("cp", "--sparse=always", image, copy)
    image.unlink()
    return copy


def mount(image: Path, path: Path, options: str = "") -> None:
    """Mount an image by a loop device, which the kernel removes when it is unmounted and unused."""
    do("mount", "-o", f"loop,{options}" if options else "loop", image, path)


def unmount(path: Path) -> None:
    """Unmount a file system that is no longer used. The kernel may need a moment longer than its last user."""
    deadline = time.monotonic() + 5
    while True:
        try:
            do("umount", path)
            return
        except NotHere:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def do(*command: object) -> None:
    """Run a command for which one must be root. Raises NotHere where it is missing, or fails."""
    try:
        subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotHere(f"there is no {command[0]}") from None
    except subprocess.CalledProcessError as error:
        raise NotHere(f"{command[0]} failed: {error.stderr.strip()}") from None


def fill(directory: Path) -> Path:
    """Take all space of the file system, byte by byte at the end; the file that has it."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                size //= 2
    return filler
