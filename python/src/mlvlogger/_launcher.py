"""What launchers and schedulers say about this process: its rank, and the job that started it."""

from __future__ import annotations

import os

from ._messages import short

__all__ = ["RANKS", "job", "rank"]

#: The environment variables in which launchers set the rank of a process; the first one that is set counts. Slurm's is
#: the last: Slurm sets it to 0 for a batch script, and processes that mpirun starts there inherit it.
RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")


def rank() -> int | None:
    """Return the rank of this process; None if no launcher set one.

    Raises:
        ValueError: If the environment has a rank that isn't a number.
    """
    for name in RANKS:
        text = os.environ.get(name)
        if text is not None:
            if text.isascii() and text.isdecimal() and len(text) < 20:
                return int(text)
            raise ValueError(
                f"the environment's {name} is {short(text)}, not a number. Pass this worker's: join(path, rank)."
            )
    return None


def job() -> str | None:
    """Return the id of this job, which stays the same if the scheduler starts it again; None if no scheduler set one.

    It comes from `SLURM_ARRAY_JOB_ID` and `SLURM_ARRAY_TASK_ID`, `SLURM_JOB_ID`, or `TORCHELASTIC_RUN_ID` (torchrun),
    unless that is `none`.
    """
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"slurm-{array}_{task}"
    if number := os.environ.get("SLURM_JOB_ID"):
        return f"slurm-{number}"
    run = os.environ.get("TORCHELASTIC_RUN_ID")
    return f"torchrun-{run}" if run and run != "none" else None
