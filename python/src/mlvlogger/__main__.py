"""The command `python -m mlvlogger`, which prints diagnostics for a bug report, without secrets.

The guarantees of a logger depend on the file system, so the command tries locks, links and syncs in a temporary folder,
which it removes.
"""

from __future__ import annotations

import argparse
import errno
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata

from ._disk.line_file import LineFile
from ._errors import StreamBusy
from ._version import SPEC_VERSION, __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["main"]

# Packages whose versions are printed.
_PACKAGES = (
    *("mlv-validate", "mlvlogger-tools", "numpy", "torch", "transformers", "lightning", "pytorch-lightning"),
    *("accelerate", "xgboost", "lightgbm", "optuna", "keras", "pandas", "polars", "pyarrow", "pillow", "matplotlib"),
)


def main(arguments: list[str] | None = None) -> int:
    """Print the diagnostics, and return the exit code: 1 if experiments can't be logged to the directory.

    Args:
        arguments: The command-line arguments; by default those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m mlvlogger",
        description="Print what a bug report needs: versions, system, and what the file system of DIRECTORY can do. "
        "That is tried in a temporary folder in it, which is removed.",
        epilog="exit codes: 0, logging works in DIRECTORY; 1, it does not; 2, wrong usage",
    )
    parser.add_argument(
        "directory", nargs="?", default=".", metavar="DIRECTORY", help="where experiments are to go (default: here)"
    )
    parser.add_argument("--version", action="version", version=f"mlvlogger {__version__} (MLV {SPEC_VERSION})")
    directory = parser.parse_args(arguments).directory
    if not os.path.isdir(directory):
        parser.error(f"{_printable(directory)!r} isn't a directory. Give the directory where experiments are to go.")
    for name, value in _versions():
        _print(name, value)
    real = os.path.realpath(directory)
    _print("directory", real)
    _print("file system", _file_system(real))
    is_usable = _check_directory(real)
    _print("left out", "the host's and the user's name, environment variables, files and what is in them")
    return 0 if is_usable else 1


def _versions() -> Iterator[tuple[str, str]]:
    yield "mlvlogger", f"{__version__}, MLV {SPEC_VERSION}"
    yield "installed in", os.path.dirname(os.path.abspath(__file__))
    yield "Python", f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "processors", str(os.cpu_count())
    encodings = f"{sys.getfilesystemencoding()} for names, {sys.stdout.encoding} for output"
    yield "encodings", encodings
    yield "packages", ", ".join(_installed()) or "none of those that it works with"


def _installed() -> Iterator[str]:
    for name in _PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            pass


def _file_system(directory: str) -> str:
    """Return the type of the file system of a directory on Linux, otherwise `"unknown"`."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return "unknown"
    found = ("", "unknown")
    for parts in mounts:
        # Spaces in a mount point are octal escapes. The last mount on a point hides the earlier ones.
        point = parts[4].replace("\\040", " ").rstrip("/")
        if f"{directory}/".startswith(f"{point}/") and len(point) >= len(found[0]):
            found = (point, parts[parts.index("-") + 1])
    return found[1]


def _check_directory(directory: str) -> bool:
    """Print which operations the file system of a directory supports, and return whether experiments can be logged."""
    try:
        _print("free space", f"{shutil.disk_usage(directory).free // 2**20} MiB")
        folder = tempfile.mkdtemp(prefix=".mlv-", dir=directory)
    except OSError as error:
        _print("write", f"no: {_reason(error)}. Give a directory that you may write to: python -m mlvlogger DIRECTORY")
        return False
    try:
        # Only the first operation is required. Without links, files are published by renaming, and without locks, each
        # session has its own stream.
        results = [
            _check("write and sync", _sync, folder, "choose another directory: nothing can be logged here"),
            _check("sync of folders", _sync_folder, folder, "a power cut may lose names of files"),
            _check("hard links", _link, folder, "files are published by renaming"),
            _check("locks", _lock, folder, "each session takes a separate stream"),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results[0]


def _check(name: str, operation: Callable[[str], None], folder: str, consequence: str) -> bool:
    try:
        operation(folder)
    except OSError as error:
        _print(name, f"no: {_reason(error)}; {consequence}")
        return False
    _print(name, "yes")
    return True


def _sync(folder: str) -> None:
    with open(os.path.join(folder, "file"), "xb") as file:
        file.write(b"mlv\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    if os.name == "nt":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _link(folder: str) -> None:
    """Create a hard link, and check that a second one of the same name fails, on which publishing relies."""
    old, new = os.path.join(folder, "file"), os.path.join(folder, "link")
    os.link(old, new)
    try:
        os.link(old, new)
    except FileExistsError:
        return
    raise OSError("a name that exists is replaced")


def _lock(folder: str) -> None:
    """Lock a file as a stream is locked, and check that a second writer doesn't get the lock."""
    path = os.path.join(folder, "locked")
    first = LineFile(path, new=True)
    if first.kernel_lock is None:
        first.close()
        raise OSError("the file system has no locks")
    try:
        LineFile(path, new=False).close()
    except StreamBusy:
        return
    finally:
        first.close()
    raise OSError("two writers get the same lock")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)  # without the path, which was printed before


def _print(name: str, value: str) -> None:
    home = os.path.expanduser("~")
    if os.path.dirname(home) != home and f"{value}/".startswith(f"{home}/"):
        value = f"~{value[len(home) :]}"  # the path contains the name of the user
    print(f"{name + ':':<17}{_printable(value)}")


def _printable(text: str) -> str:
    """Return *text* with escapes instead of control characters and characters that the output can't encode."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


if __name__ == "__main__":
    sys.exit(main())
