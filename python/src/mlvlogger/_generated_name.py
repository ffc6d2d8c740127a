"""Names for experiments that are created without one: from the time, or from the job of a scheduler."""

from __future__ import annotations

import os
import sys
import time

from ._format.names import portable_name
from ._launcher import job, rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_unnamed", "generated_names", "job_name"]

# Short words that are easy to say. Each list has 64, so that 6 random bits choose one.
_ADJECTIVES = (
    "able amber ample apt azure blue bold brave brief bright brisk calm civil clean clear clever cosy crisp curly deep "
    "eager early exact fair fast fine firm fleet fond frank fresh gentle glad golden grand green happy humble jolly "
    "keen kind lively loyal lucky mellow merry mild modest neat noble patient polite proud quick quiet rapid ready "
    "silver smart steady sunny tidy vivid warm"
).split()
_NOUNS = (
    "acorn alder badger basil beaver birch bison cedar cherry clover cobra condor coral crane cricket daisy dingo "
    "dolphin eagle egret falcon fennel fern finch gecko ginger hazel heron hornet ibis iris jackal jasper koala lemur "
    "lilac linden lotus lynx magpie maple marten mimosa moose myrtle newt olive orchid osprey otter panda pepper "
    "plover poplar puffin quail raven robin salmon sorrel tulip turtle walnut willow"
).split()


def generated_names() -> Iterator[str]:
    """Yield names such as `20261129-081530-quiet-otter`: the time in UTC, so that names sort by time, and two words.

    The words are random, but don't depend on the seed of `random`, and don't change its state.
    """
    while True:
        first, second = os.urandom(2)
        words = f"{_ADJECTIVES[first % 64]}-{_NOUNS[second % 64]}"
        yield f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{words}"


def check_unnamed() -> None:
    """Check that this process may create an experiment without a name.

    Raises:
        ValueError: If a launcher started the process as a worker whose rank isn't 0.
    """
    number = rank()
    if number:
        raise ValueError(
            f"this process has rank {number}, and a name that it generates differs from that of rank 0. Pass name to "
            "Exp, or create the experiment in rank 0 and log to it with Exp.join(path, rank)."
        )


def job_name() -> str:
    """Return the name for this script in the job of a scheduler, such as `train-slurm-1234_7-3fa1c09b2e57`.

    The name is the same each time that the scheduler starts the script again with the same arguments. Scripts with
    other paths or arguments have other names: the last part is their digest.

    Raises:
        ValueError: If no scheduler set an id of the job.
    """
    number = job()
    if number is None:
        raise ValueError(
            "exists='resume' needs a name, since a generated name is new each time. Pass name to Exp. Only in a job of "
            "Slurm or torchrun with an id, the name can be left out: it then comes from the job."
        )
    import hashlib

    program = os.path.abspath(sys.argv[0] if sys.argv else "")
    folder, last = os.path.split(program)
    stem = os.path.splitext(last if last != "__main__.py" else os.path.basename(folder))[0].strip("-._")
    command = [program, *sys.argv[1:]]
    digest = hashlib.sha256("\0".join(command).encode("utf-8", "surrogatepass")).hexdigest()
    return portable_name(f"{stem or 'script'}-{number}-{digest[:12]}")
