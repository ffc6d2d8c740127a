"""The ways to an experiment: making, resuming, opening, joining and finding one."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ._errors import NotAnExperiment
from ._format.json import MAX_INT
from ._format.names import portable, stream_path
from ._messages import short
from ._open_experiment import OpenExperiment
from ._opening import Opening
from ._options import choice
from ._read.experiment import Experiment
from ._read.meta import is_experiment
from ._read.nearest import enclosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias, TypeVar

    from ._format.references import ExperimentRef

    _E = TypeVar("_E", bound="Exp")
    _Path: TypeAlias = str | os.PathLike[str]

__all__ = ["Exp"]

# Where launchers say which worker a process is; the first that is there counts. Slurm's comes last: its batch script
# has one, 0, and what mpirun starts there inherits it.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")


class Exp(OpenExperiment):
    """An experiment to write to: ``Exp(savedir, name, params, kind=…)`` makes one.

    Use it in a with block, which ends it: completed at a clean exit (or ``SystemExit(0)``), interrupted at
    KeyboardInterrupt, an exit in the handling of one, or the exit codes 130 and 143, failed otherwise. Closed while
    paused, it is sealed and stays so.
    A script that ends without with and without `close` leaves it open: what was logged is there.

    Args:
        savedir: The directory that it goes into; made if it is missing. Where it lies inside another experiment, that
            one becomes the parent.
        name: Its name, and its directory's: up to 100 of ``A-Z a-z 0-9 . _ -``.
        params: Its parameters: a mapping, a dataclass, an argparse namespace, a pydantic model, an attrs object, or a
            configuration of OmegaConf or ml_collections, nested as you like. Numbers (NaN and large integers too),
            strings, booleans, None, datetimes, dates, durations, bytes, paths, enums, lists, sets, NumPy and torch
            values, and references to files and experiments are recorded as what they are; classes, functions, devices
            and dtypes by name. Arrays have up to 1,000 elements.
        kind: What kind of experiment: "train", "evaluate", …
        exists: When the directory holds an experiment: "error" (default) raises, "number" takes the first of
            ``name_1``, ``name_2``, … that *savedir* doesn't have, "resume" goes on with it as `Exp.resume` does.
        tags: Words to find it by.
        description: A text for people.
        extra: Anything else of yours, like *params*.
        parent: The experiment that it continues or belongs to: an `Exp`, what `Exp.find` or `read` returns, or an
            `ExperimentRef`.
        variables: Names of environment variables, or patterns such as ``"HF_*"``, to record besides the usual ones.
        redact: Keep values back that look like secrets, in *params*, *extra*, *tags*, *description*, the command line,
            the environment and the *diff*.
        diff: Attach the uncommitted changes of the git repository, as ``files/uncommitted.diff``; at most 1 MB.
        on_error, writer, durability: As for `Logger`, for all streams of this experiment.

    Attributes:
        log: The root `Logger` of its stream.
        path: The directory, wherever it is now: as given, while that leads there; otherwise absolute. After a move
            of the directory, its new path (Linux and macOS).
        id, name, kind, params, extra, tags, parent_ref: As for `Experiment`.

    Raises:
        ExperimentExists: the directory holds one, with ``exists="error"``.
        InvalidName: *name* or *kind* isn't a portable name, or the directory lies in a folder of another experiment.
        CannotEncode: If values of *params* or *extra* have no form in a record; `problems` lists all of them.
        AlreadyRecorded: with ``exists="resume"``, a parameter is recorded with another value.
        OSError: the system refused. No experiment was made, unless there is a meta.json.
    """

    def __init__(
        self,
        savedir: _Path,
        name: str,
        params: Any = None,
        kind: str = "experiment",
        *,
        exists: str = "error",
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        parent: Exp | Experiment | ExperimentRef | None = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> None:
        choice("exists", exists, ("error", "number", "resume"))
        name, kind = portable(name, "an experiment"), portable(kind, "a kind")
        with Opening(on_error, writer, durability) as opening:
            opening.record(params, extra, tags, description, variables, redact, diff)
            opening.create(savedir, name, kind, exists, parent)
            self._begin(opening)

    @classmethod
    def resume(
        cls: type[_E],
        path: _Path,
        params: Any = None,
        *,
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> _E:
        """Go on with the main work of an experiment: adds a meta record, and a session to ``log.jsonl``.

        Arguments as for `Exp`, for what is new: parameters that are recorded with equal values are fine.

        Raises:
            NotAnExperiment: there is none at *path*.
            StreamBusy: another writer has log.jsonl.
            AlreadyRecorded: a name of *params* or *extra* is recorded with another value. Nothing was written.
            InvalidRecord, UnsupportedVersion: it cannot be gone on with.
            CannotEncode, OSError: as for `Exp`.
        """
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability) as opening:
            opening.record(params, extra, tags, description, variables, redact, diff)
            opening.resume(path)
            exp._begin(opening)
        return exp

    @classmethod
    def open(
        cls: type[_E],
        path: _Path,
        params: Any = None,
        *,
        stream: str | None = None,
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> _E:
        """Add to an experiment from a complementary script: adds a meta record, and a stream of the script's own.

        Args:
            stream: Its name; by default ``run-N``, for meta record N. Where it exists, a session is added to it.

        The other arguments and the errors as for `resume`.
        """
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability) as opening:
            opening.record(params, extra, tags, description, variables, redact, diff)
            if stream is None:
                opening.add(path)
            else:
                opening.resume(path, stream_path(portable(stream, "a stream")))
            exp._begin(opening)
        return exp

    @classmethod
    def join(
        cls: type[_E],
        path: _Path,
        rank: int | None = None,
        *,
        timeout: float = 60,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> _E:
        """Take part in an experiment as one of its workers: adds nothing to the meta, logs to the stream ``rank-R``.

        Args:
            rank: The number of the worker. By default it is read, now, from the environment: the first that is there of
                RANK (torchrun and the like), OMPI_COMM_WORLD_RANK, PMI_RANK, JSM_NAMESPACE_RANK (MPI) and SLURM_PROCID.
            timeout: Seconds to wait for meta.json, which the main worker makes.

        Raises:
            ValueError: no rank is given, and the environment has none, or one that isn't a number.
            NotAnExperiment: there is none at *path* in time.
            StreamBusy, InvalidRecord, UnsupportedVersion, OSError: as for `resume`.
        """
        if rank is None:
            rank = _rank()
        if type(rank) is not int or not 0 <= rank <= MAX_INT:
            raise ValueError(f"rank is {short(rank)}: give the number of this worker, an integer of at least 0.")
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability) as opening:
            _wait_for(path, timeout)
            opening.join(path, stream_path(f"rank-{rank}"))
            exp._begin(opening)
        return exp

    @staticmethod
    def find(path: _Path) -> Experiment:
        """The nearest experiment that *path* (a checkpoint, say) is or lies in. Nothing is written.

        Raises:
            FileNotFoundError: *path* does not exist.
            NotAnExperiment: it lies in no experiment.
            OSError: the system fails to tell.
        """
        os.stat(path)
        directory = enclosing(Path(path))
        if directory is None:
            raise NotAnExperiment(
                f"{os.fspath(path)!r} lies in no experiment: no directory above it has a meta.json of MLV."
            )
        return Experiment(directory)


def _rank() -> int:
    for name in _RANKS:
        text = os.environ.get(name)
        if text is not None:
            if text.isascii() and text.isdecimal() and len(text) < 20:
                return int(text)
            raise ValueError(
                f"the environment's {name} is {short(text)}, no number: give this worker's, join(path, rank)."
            )
    raise ValueError(f"no rank: give the number of this worker, join(path, rank), or set one of {', '.join(_RANKS)}.")


def _wait_for(path: _Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not is_experiment(path):
        if time.monotonic() >= deadline:
            raise NotAnExperiment(
                f"{os.fspath(path)} holds no experiment after {timeout} seconds. Is the main worker running, "
                "with the same path?"
            )
        time.sleep(0.05)
