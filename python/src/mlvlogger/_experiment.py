"""The class `Exp`: creating, resuming, opening, joining and finding an experiment."""

from __future__ import annotations

import os
import time
from functools import wraps
from pathlib import Path

from ._disk.folder import check_path
from ._errors import InvalidName, NotAnExperiment
from ._format.json import MAX_INT
from ._format.names import portable, stream_path
from ._generated_name import check_unnamed, job_name
from ._launcher import RANKS
from ._launcher import rank as launched_rank
from ._messages import a_type, short
from ._open_experiment import OpenExperiment
from ._opening import Opening
from ._options import check_choice
from ._other_trackers import refuse_keywords
from ._read.experiment import Experiment
from ._read.meta import is_experiment
from ._read.nearest import enclosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias, TypeVar

    from ._format.references import ExperimentRef

    F = TypeVar("F", bound=Callable[..., None])
    Self = TypeVar("Self", bound="Exp")  # `typing.Self` needs Python 3.11
    StrPath: TypeAlias = str | os.PathLike[str]

__all__ = ["Exp"]


def _with_known_keywords(init: F) -> F:
    """Let a keyword that *init* doesn't have be an error that names the argument that is meant."""
    code = init.__code__
    known = dict.fromkeys(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])

    @wraps(init)
    def checked(self: Exp, *arguments: Any, **keywords: Any) -> None:
        if not keywords.keys() <= known.keys():
            refuse_keywords(keywords, tuple(known))
        init(self, *arguments, **keywords)

    return checked  # type: ignore[return-value]


class Exp(OpenExperiment):
    """An experiment to write to.

    `Exp(savedir, name, params)` creates the directory `savedir/name` and starts to log.
    Use it in a `with` block. The end of the block ends the experiment as:

    - `completed`, if the block ends without an exception or with a `SystemExit` of None or 0;
    - `interrupted`, at `KeyboardInterrupt`, at `SystemExit` with 130 or 143, or at a `SystemExit` while a
      `KeyboardInterrupt` is handled;
    - `failed`, at any other exception.

    If a program ends without `with` and without `close`, the experiment has `ended`: no one recorded whether the work
    succeeded. If an exception that nothing catches ends the program, it has `failed`, or at `KeyboardInterrupt` is
    `interrupted`. If the program is killed, the experiment stays `open`. In each case, the logged events are preserved.
    `str(exp)` is its path. An `Exp` can't be pickled: send its path, and use `Exp.join` or `Exp.open` there.

    Args:
        savedir: The directory for the experiment; created if it doesn't exist. If it is inside another experiment, that
            experiment becomes the parent.
        name: The name of the experiment and of its directory: a portable name, which is 1 to 100 of
            `A-Z a-z 0-9 . _ -` (`meta.name`). By default, a new name is generated from the time in UTC and two words,
            such as `20261129-081530-quiet-otter`. With `exists="resume"`, the default comes from the job of Slurm or
            torchrun, the script and its arguments, such as
            `train-slurm-1234_7-3fa1c09b2e57`.
        params: The parameters: a mapping, a dataclass, an argparse namespace, a pydantic model, an attrs object, or a
            configuration of OmegaConf or ml_collections, of [values](#values).
        kind: The kind of experiment, such as `"train"`: a portable name.
        exists: If the directory already holds an experiment, `"error"` raises `ExperimentExists`, `"number"` uses
            the first of `name_1`, `name_2`, … that `savedir` doesn't have, and `"resume"` continues the experiment as
            `Exp.resume` does.
        tags: Words to find the experiment by: an iterable of strings, or one string.
        description: A description of the experiment.
        extra: Any other metadata, in the forms of `params`.
        parent: The experiment that this one continues or belongs to: an `Exp`, an `Experiment` or an
            `ExperimentRef`.
        variables: Environment variables to record in addition to the default ones: an iterable of names, or of patterns
            such as `"HF_*"`.
        redact: Whether values that look like secrets are redacted in `params`, `extra`, `tags`, `description`, the
            command line, the environment and the diff.
        diff: Whether the uncommitted changes of the git repository are attached as `files/uncommitted.diff`, at most
            1 MB.
        on_error: As for `Logger`, for all streams of the experiment.
        writer: As for `Logger`, for all streams of the experiment.
        durability: As for `Logger`, for all streams of the experiment.
        takeover: As for `Logger`, for all streams of the experiment.

    Attributes:
        log (Logger): The root logger of the stream `log.jsonl`, or of the stream that `open` or `join` opened.

    Raises:
        ExperimentExists: If the directory already holds an experiment, with `exists="error"` (`writer.meta-once`).
        InvalidName: If `name` or `kind` isn't a portable name, or if the directory is in a folder `meta`, `log` or
            `files` of another experiment.
        CannotEncode: If values of `params` or `extra` have no form in a record; `problems` lists all of them.
        StreamBusy: If another writer has `log.jsonl`, with `exists="resume"`.
        InvalidRecord: If the experiment is damaged, with `exists="resume"`.
        UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature, with
            `exists="resume"`.
        TypeError: If `params` or `extra` isn't one of the listed objects, or `parent`, `tags`, `description` or
            `variables` has another type.
        ValueError: If there is no `name`, and either this is a worker whose rank isn't 0, or `exists="resume"` and no
            scheduler set an id of the job; if `exists`, `on_error`, `writer` or `durability` isn't one of its values,
            a tag isn't a non-empty string, or a tag or `description` has a lone surrogate.
        OSError: If the system refuses. Unless there is a `meta.json`, no experiment was created.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1", {"lr": 3e-4}, kind="train", tags=["baseline"]) as exp:
            for step in range(3):
                exp.log.event("batch", step=step, loss=1 / (step + 1))

        print(read("runs/my_exp_1").state)
        ```

        ```text
        completed
        ```
    """

    @_with_known_keywords
    def __init__(
        self,
        savedir: StrPath,
        name: str | None = None,
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
        takeover: bool = False,
    ) -> None:
        check_choice("exists", exists, ("error", "number", "resume"))
        kind = portable(kind, "a kind")
        if name is None:
            check_unnamed()
            name = job_name() if exists == "resume" else None
        elif not isinstance(name, str):
            raise InvalidName(
                f"{short(name)} isn't a name for an experiment: it is {a_type(name)}, not a string. Pass the "
                "parameters by keyword, Exp(savedir, name, params=…); name can be left out."
            )
        else:
            name = portable(name, "an experiment")
        with Opening(on_error, writer, durability, takeover) as opening:
            opening.prepare_record(params, extra, tags, description, variables, redact, diff)
            opening.create(savedir, name, kind, exists, parent)
            self._adopt(opening)

    @classmethod
    def resume(
        cls: type[Self],
        path: StrPath,
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
        takeover: bool = False,
    ) -> Self:
        """Continue the main work of an experiment: add a metadata record, and a session to `log.jsonl`.

        The arguments are those of `Exp`, for the new metadata.

        Args:
            path: The directory of the experiment.
            params: New parameters, and new values of recorded ones, which are recorded as changes, with one warning.
                Recorded parameters that aren't passed keep their values.
            tags: New tags.
            description: A further description.
            extra: New members of `extra`, and new values.
            variables: As for `Exp`.
            redact: As for `Exp`.
            diff: As for `Exp`; the file is `files/uncommitted-N.diff` for metadata record N.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.
            takeover: As for `Logger`.

        Raises:
            NotAnExperiment: If there is no experiment at `path`.
            StreamBusy: If another writer has `log.jsonl` (`writer.one`).
            InvalidRecord: If a metadata record or `log.jsonl` is damaged.
            UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature.
            CannotEncode: If values of `params` or `extra` have no form in a record.
            TypeError: As for `Exp`.
            ValueError: If `on_error`, `writer` or `durability` isn't one of its values, or as for `Exp`.
            OSError: If the system refuses.
        """
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability, takeover) as opening:
            opening.prepare_record(params, extra, tags, description, variables, redact, diff)
            opening.resume(path)
            exp._adopt(opening)
        return exp

    @classmethod
    def open(
        cls: type[Self],
        path: StrPath,
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
        takeover: bool = False,
    ) -> Self:
        """Add to an experiment from another script: add a metadata record, and a separate stream for this script.

        If a parameter is recorded with another value, the new value holds for this script alone.

        The exceptions are those of `Exp.resume`, and the one below.

        Args:
            path: The directory of the experiment.
            params: As for `Exp.resume`.
            stream: The name of the stream; by default `run-N` for metadata record N. If the stream exists, a session is
                added to it.
            tags: As for `Exp.resume`.
            description: As for `Exp.resume`.
            extra: As for `Exp.resume`.
            variables: As for `Exp.resume`.
            redact: As for `Exp.resume`.
            diff: As for `Exp.resume`.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.
            takeover: As for `Logger`.

        Raises:
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
        """
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability, takeover) as opening:
            opening.prepare_record(params, extra, tags, description, variables, redact, diff)
            if stream is None:
                opening.add(path)
            else:
                opening.resume(path, stream_path(portable(stream, "a stream")))
            exp._adopt(opening)
        return exp

    @classmethod
    def join(
        cls: type[Self],
        path: StrPath,
        rank: int | None = None,
        *,
        timeout: float = 60,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
        takeover: bool = False,
    ) -> Self:
        """Join an experiment as one of its workers: log to the stream `rank-R` and add nothing to the metadata.

        Args:
            path: The directory of the experiment.
            rank: The number of the worker. By default, the first of these environment variables that is set: `RANK`
                (torchrun), `OMPI_COMM_WORLD_RANK`, `PMI_RANK`, `JSM_NAMESPACE_RANK` (MPI), `SLURM_PROCID`.
            timeout: The longest time to wait for `meta.json`, which the main worker creates, in seconds.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.
            takeover: As for `Logger`.

        Raises:
            ValueError: If `rank` isn't a number of at least 0, or if no rank is given and the environment has none or
                one that isn't a number.
            NotAnExperiment: If there is no experiment at `path` within `timeout`.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If a metadata record or the stream is damaged.
            UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature.
            OSError: If the system refuses.
        """
        if rank is None:
            rank = launched_rank()
        if rank is None:
            raise ValueError(
                f"no rank: give the number of this worker, join(path, rank), or set one of {', '.join(RANKS)}."
            )
        if type(rank) is not int or not 0 <= rank <= MAX_INT:
            raise ValueError(f"rank is {short(rank)}: give the number of this worker, an integer of at least 0.")
        exp = cls.__new__(cls)
        with Opening(on_error, writer, durability, takeover) as opening:
            _wait_for(path, timeout)
            opening.join(path, stream_path(f"rank-{rank}"))
            exp._adopt(opening)
        return exp

    @staticmethod
    def find(path: StrPath) -> Experiment:
        """Return the experiment at `path`, or the nearest one that contains `path`. Nothing is written.

        Args:
            path: The directory of an experiment, or a file or directory in one, such as a checkpoint.

        Raises:
            FileNotFoundError: If `path` does not exist.
            NotAnExperiment: If `path` is in no experiment.
            InvalidRecord: If `meta.json` is damaged.
            UnsupportedVersion: If a metadata record has an unknown major version or requires an unknown feature.
            OSError: If the system can't inspect `path`.
        """
        check_path(path, "Pass a path in an experiment.")
        os.stat(path)
        directory = enclosing(Path(path))
        if directory is None:
            raise NotAnExperiment(
                f"{os.fspath(path)!r} is in no experiment: no directory above it has a meta.json of MLV."
            )
        return Experiment(directory)


def _wait_for(path: StrPath, timeout: float) -> None:
    check_path(Path(path, "meta.json"), "Pass the path that the main worker uses.", NotAnExperiment, path)
    deadline = time.monotonic() + timeout
    while not is_experiment(path):
        if time.monotonic() >= deadline:
            raise NotAnExperiment(
                f"{os.fspath(path)} holds no experiment after {timeout} seconds. Is the main worker running, "
                "with the same path?"
            )
        time.sleep(0.05)
