"""References to files in place (specification 1.0, chapter Files)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .._disk.blocks import CHUNK
from .._disk.folder import check_path, open_regular
from .._disk.host import host
from .._errors import CannotAttach, InvalidName
from .._format.forms import utc
from .._format.media_types import media_type
from .._format.names import portable_path
from .._format.references import External, File, is_file_path
from .meta import load
from .nearest import enclosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

__all__ = ["chunks", "digest_of", "file_in", "open_source", "ref"]

_ADVICE = "Pass the path of a file."


def ref(path: str | os.PathLike[str]) -> File | External:
    """Return a reference to a file in place, for `params`, `extra` or the data of an event.

    The reference has the size and the SHA-256 of the file, so that you can later check whether it is the same file.

    Args:
        path: The file.

    Returns:
        Inside an experiment, a `File` with the id of the experiment (`value.file`). Outside of every experiment, an
            `External` with the absolute path and the host (`value.external`).

    Raises:
        FileNotFoundError: If `path` does not exist.
        CannotAttach: If `path` isn't a regular file, changes while it is read, or has a name that isn't UTF-8.
        InvalidRecord: If the experiment that contains the file is damaged.
        UnsupportedVersion: If that experiment has an unknown major version or requires an unknown feature.
        OSError: If the system refuses.

    Example:
        ```python
        from pathlib import Path

        from mlvlogger import Exp, ref

        Path("images.npz").write_bytes(b"abc")
        with Exp("runs", "my_exp_1", {"data": ref("images.npz")}) as exp:
            print(exp.params["data"].size)
        ```

        ```text
        3
        ```
    """
    check_path(path, _ADVICE)
    _refuse_directory(path, path)
    home = enclosing(Path(path))
    if home is None:
        return _external(path)
    return file_in(home, load(home, environments=False).id, Path(path).resolve())


def file_in(home: Path, experiment: str, path: str | os.PathLike[str]) -> File:
    """Return a reference to a file of an experiment.

    Args:
        home: The directory of the experiment.
        experiment: The id of the experiment.
        path: The file, relative to the directory of the experiment or absolute.

    Raises:
        FileNotFoundError: If the file does not exist.
        CannotAttach: If it isn't a regular file, changes while it is read, or has a name that isn't UTF-8.
        InvalidName: If it is outside of the experiment, or in a sub-experiment.
        OSError: If the system refuses.
    """
    real = home.resolve()
    check_path(real / path, _ADVICE, given=path)
    file = Path(os.path.realpath(real / path))
    _refuse_directory(file, path)
    if real not in file.parents:
        raise InvalidName(f"{os.fspath(path)!r} is outside of {home}. Refer to it with mlvlogger.ref(path).")
    if (nearest := enclosing(file.parent)) is None or nearest.resolve() != real:
        raise InvalidName(
            f"{os.fspath(path)!r} is in a sub-experiment of {home}. Refer to it with mlvlogger.ref(path)."
        )
    return _describe(file, file.relative_to(real).as_posix(), experiment)


def _refuse_directory(file: str | os.PathLike[str], given: str | os.PathLike[str]) -> None:
    if os.path.isdir(file):
        raise CannotAttach(
            f"{os.fspath(given)!r} is not a regular file. Pass a file path; to attach a directory, archive it first."
        )


def open_source(source: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file that the user names, for reading.

    Raises:
        FileNotFoundError: If there is no such file.
        CannotAttach: If it isn't a regular file.
        OSError: If the system refuses.
    """
    check_path(source, _ADVICE)
    try:
        return open_regular(source, follow=True)
    except OSError as error:
        if error.errno is None:  # raised by `open_regular`, not by the system
            raise CannotAttach(f"{error}. Pass a file path; to attach a directory, archive it first.") from None
        raise


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes from the position of the file to its end, in parts."""
    while chunk := file.read(CHUNK):
        yield chunk


def digest_of(file: IO[bytes], name: str) -> tuple[int, str, int]:
    """Return the size, the SHA-256 and the time of modification of a file, in microseconds since 1970.

    Args:
        file: The file, open for reading at its beginning.
        name: The name of the file, for the message.

    Raises:
        CannotAttach: If the file changes while it is read.
        OSError: If the system refuses.
    """
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks(file):
        digest.update(chunk)
        size += len(chunk)
    status = os.fstat(file.fileno())
    if status.st_size != size:
        raise CannotAttach(f"{name!r} changed while it was read. Refer to it when it is complete.")
    return size, digest.hexdigest(), status.st_mtime_ns // 1000


def _describe(file: str | os.PathLike[str], path: str, experiment: str) -> File:
    """Return a reference to the file at *path* in an experiment. The exceptions are those of `file_in`."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotAttach(
            f"{path!r} isn't a path that a reference can hold: it is not UTF-8. Rename the file."
        ) from None
    if not is_file_path(path):
        raise CannotAttach(
            f"{path!r} isn't a path that a reference can hold: it has control characters, a backslash or a "
            "drive, or is too long. Rename the file."
        )
    if path.startswith("files/"):
        try:
            portable_path(path[len("files/") :], "a file below files/")
        except InvalidName as error:
            raise CannotAttach(f"{error} Or attach it under a portable name: exp.attach(path, name).") from None
    with open_source(file) as source:
        size, sha256, _ = digest_of(source, os.fspath(file))
    return File(path, size, sha256, media_type(path), experiment)


def _external(file: str | os.PathLike[str]) -> External:
    """Return a reference to a file outside of every experiment. The exceptions are those of `ref`."""
    with open_source(file) as source:
        size, sha256, modified = digest_of(source, os.fspath(file))
    seconds, microseconds = divmod(modified, 1_000_000)
    return External(os.path.abspath(os.fspath(file)), host(), size, sha256, f"{utc(seconds)}.{microseconds:06}Z")
