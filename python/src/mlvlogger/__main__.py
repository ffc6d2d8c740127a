"""``python -m mlvlogger``: what a bug report should say about this machine, and nothing that is secret.

The file system of a record decides much of what a logger can promise, so its locks, links and syncs are tried,
in a temporary folder that is removed.
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

from ._disk.line_file import LineFile, LocksUnsupported
from ._errors import StreamBusy
from ._version import SPEC_VERSION, __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["main"]

_PACKAGES = (
    *("mlv-validate", "mlvlogger-tools", "numpy", "torch", "transformers", "lightning", "pytorch-lightning"),
    *("accelerate", "xgboost", "lightgbm", "optuna", "keras", "pandas", "polars", "pyarrow", "pillow", "matplotlib"),
)


def main(arguments: list[str] | None = None) -> int:
    """Print the report, and return the exit code: 1 where the directory cannot be logged to.

    Args:
        arguments: Those of the command line, by default those of this process.
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
    place = os.path.realpath(directory)
    _print("directory", place)
    _print("file system", _file_system(place))
    is_fine = _check_directory(place)
    _print("left out", "the host's and the user's name, environment variables, files and what is in them")
    return 0 if is_fine else 1


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


def _file_system(place: str) -> str:
    """Return the kind of the file system of *place*, if the system says it (Linux)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return "unknown"
    found = ("", "unknown")
    for parts in mounts:
        # Octal escapes replace blanks in it. The last mount on a point hides those before it.
        point = parts[4].replace("\\040", " ").rstrip("/")
        if f"{place}/".startswith(f"{point}/") and len(point) >= len(found[0]):
            found = (point, parts[parts.index("-") + 1])
    return found[1]


def _check_directory(place: str) -> bool:
    """Tell what can be done in *place*; whether all that logging needs can."""
    try:
        _print("free space", f"{shutil.disk_usage(place).free // 2**20} MiB")
        folder = tempfile.mkdtemp(prefix=".mlv-", dir=place)
    except OSError as error:
        _print("write", f"no: {_reason(error)}. Give a directory that you may write to: python -m mlvlogger DIRECTORY")
        return False
    try:
        # Without links there is another way to publish a file, and without locks each session has its own stream.
        answers = [
            _check("write and sync", _sync, folder, "choose another directory: nothing can be logged here"),
            _check("sync of folders", _sync_folder, folder, "a power cut may lose names of files"),
            _check("hard links", _link, folder, "files are published by renaming"),
            _check("locks", _lock, folder, "each session takes a separate stream"),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return answers[0]


def _check(what: str, attempt: Callable[[str], None], folder: str, otherwise: str) -> bool:
    try:
        attempt(folder)
    except OSError as error:
        _print(what, f"no: {_reason(error)}; {otherwise}")
        return False
    _print(what, "yes")
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
    """A second name for a file; and a third that is taken is refused, as publishing relies on."""
    old, new = os.path.join(folder, "file"), os.path.join(folder, "link")
    os.link(old, new)
    try:
        os.link(old, new)
    except FileExistsError:
        return
    raise OSError("a name that exists is replaced")


def _lock(folder: str) -> None:
    """The lock that a stream has, and that a second writer does not get it."""
    path = os.path.join(folder, "locked")
    first = LineFile(path, new=True)
    try:
        LineFile(path, new=False).close()
    except StreamBusy:
        return
    except LocksUnsupported as error:
        raise OSError(str(error)) from None
    finally:
        first.close()
    raise OSError("two writers get the same lock")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)  # without the path, which is printed already


def _print(name: str, value: str) -> None:
    home = os.path.expanduser("~")
    if os.path.dirname(home) != home and f"{value}/".startswith(f"{home}/"):
        value = f"~{value[len(home) :]}"  # the name of the user is in it
    print(f"{name + ':':<17}{_printable(value)}")


def _printable(text: str) -> str:
    """*text* for a terminal: without its control characters, and with those alone that the output can take."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


if __name__ == "__main__":
    sys.exit(main())
