"""Attached files that a program writes itself (specification 1.0, chapter Files)."""

from __future__ import annotations

import hashlib
import io
import os

from ._disk.folder import Folder, temporary_name
from ._disk.publish import remove_temporary, sync
from ._files import Files
from ._format.references import File
from ._read.file_reference import chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["NewFile", "NewText", "attach_bytes"]


def _discard_dropped(file: NewFile | NewText) -> None:
    """Discard a file that is dropped without `close`."""
    try:
        if not file.closed:
            file.discard()
    except (AttributeError, ValueError):
        pass  # __init__ failed, so there is nothing to close


class NewFile(io.BufferedRandom):
    """A new file below `files/`, as returned by `Exp.create`.

    You can write, read and seek in it, so that any library can write into it. The file is published when it is closed.
    It is discarded if an exception leaves its `with` block, if a write fails, or if it is dropped without `close`.

    Attributes:
        ref (File | None): The reference to the published file, None before.

    Example:
        ```python
        from mlvlogger import Exp

        with Exp("runs", "my_exp_1") as exp:
            with exp.create("model.bin") as file:
                file.write(b"weights")
            exp.log.event("saved", model=file.ref)
            print(file.ref.path, file.ref.size)
        ```

        ```text
        files/model.bin 7
        ```
    """

    def __init__(self, files: Files, name: str, check: Callable[[], None], published: Callable[[File], File]) -> None:
        self.ref: File | None = None
        self._folder = Folder(files.root, "files")
        self._temporary = temporary_name()
        self._files = files
        self._name = name
        self._check = check  # raises an exception if the experiment is closed
        self._published = published
        self._discard = False
        self._process = os.getpid()
        try:
            super().__init__(io.FileIO(self._temporary, "x+b", opener=self._folder.opener))
        except BaseException:
            self._folder.close()
            raise

    def discard(self) -> None:
        """Close the file without publishing it."""
        self._discard = True
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard = self._discard or error is not None
        self.close()

    __del__ = _discard_dropped

    def close(self) -> None:
        """Publish the file under its name, and log it. A second call does nothing.

        Raises:
            LogClosed: If the experiment is closed.
            OSError: If the system refuses.
        """
        if self.closed:
            return
        if self._process != os.getpid():
            self.raw.close()  # in a forked child: the parent publishes the file, with the bytes that aren't flushed yet
            self._folder.close()
            return
        try:
            if not self._discard:
                self._publish()
        finally:
            try:
                super().close()
            finally:
                remove_temporary(self._folder, self._temporary)
                self._folder.close()

    def _publish(self) -> None:
        self._check()
        self.flush()
        sync(self.fileno())
        self.seek(0)
        digest = hashlib.sha256()
        size = 0
        for chunk in chunks(self):
            digest.update(chunk)
            size += len(chunk)
        file = self._files.publish_as(self._folder, self._temporary, self._name, size, digest.hexdigest())
        self.ref = self._published(file)


class NewText(io.TextIOWrapper):
    """A new text file below `files/`, UTF-8 with LF, as returned by `Exp.create` for mode `"w"`.

    It is published and discarded as a `NewFile` is.
    """

    def __init__(self, file: NewFile) -> None:
        self._file = file
        super().__init__(file, encoding="utf-8", newline="\n")

    @property
    def ref(self) -> File | None:
        """The reference to the published file, None before."""
        return self._file.ref

    def discard(self) -> None:
        """Close the file without publishing it."""
        self._file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
        self.close()

    __del__ = _discard_dropped

    def close(self) -> None:
        """Publish the file under its name, and log it. A second call does nothing.

        Raises:
            LogClosed: If the experiment is closed.
            OSError: If the system refuses.
        """
        if self.closed:
            return
        try:
            self.flush()
        except BaseException:
            self.discard()
            raise
        super().close()


def attach_bytes(files: Files, name: str, data: bytes) -> File:
    """Attach bytes, and return the reference to the file. The log doesn't have the file yet.

    Raises:
        CannotAttach: If a folder of the path isn't a directory.
        OSError: If the system refuses.
    """
    with NewFile(files, name, lambda: None, lambda file: file) as new:
        new.write(data)
    assert new.ref is not None
    return new.ref
