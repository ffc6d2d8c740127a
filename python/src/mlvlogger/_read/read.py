"""The function `read`, which also has the functions `read.all` and `read.event`."""

from __future__ import annotations

import os
from pathlib import Path

from .._disk.folder import check_path
from .._errors import InvalidRecord
from .events import NOT_AN_EVENT, read_event, why_not_an_event
from .experiment import Experiment, readable_experiments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .events import Event

__all__ = ["read"]


class _Read:
    """A function with two further functions.

    `read(path)` reads an experiment, `read.all(root)` all experiments of a directory, and `read.event(line)` one line.
    """

    def __call__(self, path: str | os.PathLike[str]) -> Experiment:
        """Read the experiment at `path`.

        Reading takes no locks, writes nothing, follows no symbolic links below the directory, and works while the
        experiment is being written.

        Args:
            path: The directory of the experiment.

        Raises:
            NotAnExperiment: If `path` doesn't exist, or isn't the directory of an experiment.
            InvalidRecord: If `meta.json` is damaged.
            UnsupportedVersion: If a metadata record has an unknown major version or requires an unknown feature
                (`reader.major`, `reader.requires`).
            OSError: If `meta.json` can't be opened.
        """
        return Experiment(path)

    def event(self, line: bytes) -> Event:
        """Parse one line of a stream, for other readers that should agree with this one.

        Args:
            line: The bytes of the line, without its line feed.

        Returns:
            The event, with an empty `stream` and the `line` 0.

        Raises:
            InvalidRecord: If a reader must skip the line; the message gives the reason (`reader.garbled`).
        """
        try:
            return read_event("", 0, line)
        except NOT_AN_EVENT as error:
            raise InvalidRecord(why_not_an_event(error)) from None

    def all(self, root: str | os.PathLike[str]) -> Iterator[Experiment]:
        """Iterate over the experiments in and below a directory, in the order of their paths.

        Sub-experiments are included. An experiment that can't be read, for example because its `meta.json` is damaged,
        and a directory that can't be searched, are skipped with a warning. Symbolic links below the directory aren't
        followed; at the end, a warning counts those that lead outside of it.

        Args:
            root: The directory.

        Raises:
            FileNotFoundError: If `root` isn't a directory.
        """
        check_path(root, "Pass an existing directory.")
        if not os.path.exists(root):
            raise FileNotFoundError(f"{os.fspath(root)!r} does not exist. Pass an existing directory.")
        if not os.path.isdir(root):
            raise FileNotFoundError(f"{os.fspath(root)!r} isn't a directory. Pass the directory that contains it.")
        yield from readable_experiments(Path(root))


read: _Read = _Read()
