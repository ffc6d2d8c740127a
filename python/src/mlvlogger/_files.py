"""Names, publication, attached files and references to files (specification 1.0, Layout and Files).

Files with their final name are complete: they are written under a temporary name, synced and linked.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path

from ._disk import Folder, open_regular
from ._errors import CannotAttach, InvalidName
from ._values import External, File, is_file_path, qualname, short, utc, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import IO, Any

__all__ = [
    "NewFile",
    "NewText",
    "attach",
    "describe",
    "external",
    "portable",
    "portable_path",
    "publish",
]

_CHUNK = 1024 * 1024
_LONGEST = 100  # characters of a portable name
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._~-]{0,98}[A-Za-z0-9_~-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)


def portable(name: str, what: str, pattern: re.Pattern[str] = _NAME) -> str:
    """*name*, if it is a portable name; *what* names it in the message. Raises InvalidName.

    It is the text itself that was looked at: a subclass of str, an enumeration say, may format itself as another one.
    """
    if not issubclass(type(name), str) or not pattern.fullmatch(name) or _DEVICE.fullmatch(name):
        raise InvalidName(
            f"{short(name)} is no name for {what}: {_fault(name, pattern)}. Choose a name of 1 to 100 of the "
            "characters A-Z a-z 0-9 . _ - that begins with a letter or digit, does not end with a dot and is no "
            "device's, such as CON."
        )
    return str.__str__(name)


def _fault(name: object, pattern: re.Pattern[str]) -> str:
    if not issubclass(type(name), str):
        return f"it is a {qualname(type(name))}, not a string"
    name = str.__str__(name)
    bad = [char for char in name if not pattern.fullmatch(f"a{char}a")]
    if bad:
        return f"it has {bad[0]!r} in it"
    if not 1 <= len(name) <= _LONGEST:
        return f"it has {len(name)} characters"
    return "a device has it" if _DEVICE.fullmatch(name) else "its first or last character cannot stand there"


def portable_path(name: str, what: str) -> str:
    """*name*, if it is portable names joined by slashes; as for `portable`. Raises InvalidName."""
    if not issubclass(type(name), str) or not (text := str.__str__(name)):
        raise InvalidName(f"{short(name)} is no name for {what}: give a string such as 'best.pt' or 'samples/9.png'.")
    for segment in text.split("/"):
        portable(segment, f"{what} (in {short(text)})" if segment != text else what, _SEGMENT)
    return text


def publish(folder: Folder, name: str, data: bytes) -> None:
    """Make *name* in *folder* with *data*, in one step (`writer.publish`).

    Raises FileExistsError where it exists, and OSError; then nothing is there but perhaps a temporary name.
    """
    temporary = _temporary()
    try:
        with open(temporary, "xb", opener=folder.opener) as file:
            file.write(data)
            _sync(file)
        _link(folder, temporary, folder, name)
    finally:
        _tidy_up(folder, temporary)


def _temporary() -> str:
    return f".mlv-{os.urandom(8).hex()}"


def _tidy_up(folder: Folder, temporary: str) -> None:
    """Remove a temporary name. What was published is there, with or without it, and what failed has said so."""
    try:
        folder.remove(temporary)
    except OSError as error:
        warn(
            f"{os.path.join(folder.path, temporary)} could not be removed: {error}. Nothing needs it: remove it later."
        )


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _link(source: Folder, temporary: str, target: Folder, final: str) -> None:
    """Give *temporary* its final name; FileExistsError where that exists. The temporary name may stay."""
    old, new = source.at(temporary), target.at(final)
    if os.name == "nt":
        os.rename(old, new)  # refuses an existing target there
        return
    try:
        os.link(old, new, src_dir_fd=source.fd, dst_dir_fd=target.fd)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. A directory is made by one writer only, so it serves as a lock.
        claim = target.at(f".mlv-{final}.claim")
        os.mkdir(claim, dir_fd=target.fd)
        try:
            if _is_there(new, target):
                raise FileExistsError(f"{os.path.join(target.path, final)} exists") from None
            os.rename(old, new, src_dir_fd=source.fd, dst_dir_fd=target.fd)
        finally:
            os.rmdir(claim, dir_fd=target.fd)
    target.sync()


def _is_there(name: str, folder: Folder) -> bool:
    try:
        os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open_source(source: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return open_regular(source, follow=True)
    except OSError as error:
        if error.errno is None:  # ours
            raise CannotAttach(f"{error}. Give a file; of a directory, attach an archive.") from None
        raise


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _digest(file: IO[bytes], name: str) -> tuple[int, str, int]:
    """Size, digest and time of modification (microseconds) of a file. Raises CannotAttach where it changes."""
    digest = hashlib.sha256()
    size = 0
    for chunk in _chunks(file):
        digest.update(chunk)
        size += len(chunk)
    status = os.fstat(file.fileno())
    if status.st_size != size:
        raise CannotAttach(f"{name!r} changed while it was read. Refer to it when it is complete.")
    return size, digest.hexdigest(), status.st_mtime_ns // 1000


def describe(file: str | os.PathLike[str], path: str, experiment: str) -> File:
    """A reference to a file that lies at *path* in an experiment. Raises CannotAttach and OSError."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotAttach(
            f"{path!r} is no path that a reference can hold: it is not UTF-8. Rename the file."
        ) from None
    if not is_file_path(path):
        raise CannotAttach(
            f"{path!r} is no path that a reference can hold: it has control characters, a backslash or a "
            "drive, or is too long. Rename the file."
        )
    if path.startswith("files/"):
        try:
            portable_path(path[len("files/") :], "a file below files/")
        except InvalidName as error:
            raise CannotAttach(f"{error} Or attach it under such a name: exp.attach(path, name).") from None
    with _open_source(file) as source:
        size, sha256, _ = _digest(source, os.fspath(file))
    return File(path, size, sha256, _media_type(path), experiment)


def external(file: str | os.PathLike[str], host: str) -> External:
    """A statement about a file outside of every experiment. Raises CannotAttach and OSError."""
    with _open_source(file) as source:
        size, sha256, modified = _digest(source, os.fspath(file))
    seconds, microseconds = divmod(modified, 1_000_000)
    return External(os.path.abspath(os.fspath(file)), host, size, sha256, f"{utc(seconds)}.{microseconds:06}Z")


def attach(source: str | os.PathLike[str], root: Path, name: str, how: str) -> File:
    """Copy or link *source* to *name* below ``files`` of *root*; its reference, with the name that it got.

    The same bytes under one name are one file (`writer.same-file`). Raises CannotAttach and OSError.
    """
    with Folder(root, "files") as folder:
        temporary = _temporary()
        try:
            if how == "hardlink":
                _open_source(source).close()
                os.link(os.path.realpath(source), folder.at(temporary), dst_dir_fd=folder.fd)
                with open(temporary, "rb", opener=folder.opener) as file:
                    size, sha256, _ = _digest(file, os.fspath(source))
            else:
                with open(temporary, "x+b", opener=folder.opener) as file:
                    size, sha256 = _copy(source, file, how)
            return _settle(folder, temporary, root, name, size, sha256)
        finally:
            _tidy_up(folder, temporary)


def _copy(source: str | os.PathLike[str], new: IO[bytes], how: str) -> tuple[int, str]:
    with _open_source(source) as old:
        before = os.fstat(old.fileno())
        digest = hashlib.sha256()
        if how == "reflink" and _reflink(old, new):
            for chunk in _chunks(new):
                digest.update(chunk)
        else:
            for chunk in _chunks(old):
                digest.update(chunk)
                new.write(chunk)
        _sync(new)
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


def _settle(folder: Folder, temporary: str, root: Path, name: str, size: int, sha256: str) -> File:
    files = root / "files"
    for number in range(1, 2**31):
        wanted = name if number == 1 else _numbered(name, number)
        twin = _twin(files, wanted)
        if twin is None:
            *folders, last = wanted.split("/")
            with Folder(root, "files", *folders) as target:
                try:
                    _link(folder, temporary, target, last)
                except FileExistsError:
                    twin = wanted
        if twin is None or (twin == wanted and _is(files / wanted, size, sha256)):
            return File(f"files/{wanted}", size, sha256, _media_type(wanted))
    raise FileExistsError(files / name)


def _numbered(name: str, number: int) -> str:
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    if not stem:
        stem, dot, suffix = last, "", ""
    mark = f"~{number}{dot}{suffix}"
    return f"{folder}{slash}{stem[: _LONGEST - len(mark)]}{mark}"


def _twin(files: Path, name: str) -> str | None:
    """A path below *files* that differs from *name* only by case (`file.twins`), else *name* where it exists."""
    found = [""]
    for segment in name.split("/"):
        found = [
            f"{folder}/{entry}".lstrip("/")
            for folder in found
            if os.path.isdir(files / folder)
            for entry in os.listdir(files / folder)
            if entry.lower() == segment.lower()
        ]
    return min(found, key=lambda path: path == name, default=None)


def _is(path: Path, size: int, sha256: str) -> bool:
    try:
        with open_regular(path) as file:
            return os.fstat(file.fileno()).st_size == size and _digest(file, "")[:2] == (size, sha256)
    except (OSError, CannotAttach):
        return False


_types: Any = None
_MEDIA = {  # what that table of some Python lacks, or names in another way
    "avif": "image/avif",
    "webp": "image/webp",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "wav": "audio/x-wav",
    "mkv": "video/x-matroska",
    "parquet": "application/vnd.apache.parquet",
}
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def _media_type(name: str) -> str | None:
    global _types
    if _types is None:
        import mimetypes

        _types = mimetypes.MimeTypes()  # the built-in table alone: the same on every machine
        for suffix, media_type in _MEDIA.items():
            _types.add_type(media_type, f".{suffix}")
    kind, packed = _types.guess_type(name)
    return _PACKED.get(packed) if packed else kind  # a packed table is not a table


class NewFile(io.BufferedRandom):
    """A file below ``files/`` that is being written: what `Exp.create` returns.

    It is published when it is closed. It is discarded when its with block is left by an exception, when a write failed,
    or when it is dropped without having been closed. `ref` is its reference once it is published. It can be read and
    sought in, so that any library can write into it.
    """

    def __init__(self, root: Path, name: str, check: Callable[[], None], published: Callable[[File], File]) -> None:
        self.ref: File | None = None
        self._folder = Folder(root, "files")
        self._temporary = _temporary()
        self._root = root
        self._name = name
        self._check = check  # raises where nothing may be published any more
        self._published = published
        self._discard = False
        self._process = os.getpid()
        try:
            super().__init__(io.FileIO(self._temporary, "x+b", opener=self._folder.opener))
        except BaseException:
            self._folder.close()
            raise

    def discard(self) -> None:
        """Close it without publishing it."""
        self._discard = True
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard = self._discard or error is not None
        self.close()

    def __del__(self) -> None:
        try:
            if not self.closed:
                self.discard()
        except ValueError:
            pass  # where __init__ failed, there is nothing to close

    def close(self) -> None:
        """Publish the file under its name, and log it. A second call does nothing."""
        if self.closed:
            return
        if self._process != os.getpid():
            self.raw.close()  # a forked child: what was written, and what is still to be, is the parent's
            self._folder.close()
            return
        try:
            if not self._discard:
                self._publish()
        finally:
            try:
                super().close()
            finally:
                _tidy_up(self._folder, self._temporary)
                self._folder.close()

    def _publish(self) -> None:
        self._check()
        self.flush()
        os.fsync(self.fileno())
        self.seek(0)
        digest = hashlib.sha256()
        size = 0
        for chunk in _chunks(self):
            digest.update(chunk)
            size += len(chunk)
        file = _settle(self._folder, self._temporary, self._root, self._name, size, digest.hexdigest())
        self.ref = self._published(file)


class NewText(io.TextIOWrapper):
    """A text file below ``files/`` that is being written, UTF-8 with LF: what `Exp.create` returns for mode "w".

    It is published and discarded as a `NewFile` is.
    """

    def __init__(self, file: NewFile) -> None:
        self._file = file
        super().__init__(file, encoding="utf-8", newline="\n")

    @property
    def ref(self) -> File | None:
        """Its reference, once it is published."""
        return self._file.ref

    def discard(self) -> None:
        """Close it without publishing it."""
        self._file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        if not self.closed:
            self.discard()

    def close(self) -> None:
        """Publish the file under its name, and log it. A second call does nothing."""
        if self.closed:
            return
        try:
            self.flush()
        except BaseException:
            self.discard()
            raise
        super().close()
