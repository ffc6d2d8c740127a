"""mlvlogger: the reference logger and reader of MLV, an open format for the record of an experiment.

::

    from mlvlogger import Exp, read

    with Exp("runs", "my_exp_1", {"lr": 3e-4}, kind="train") as exp:
        for step in range(3):
            exp.log.event("batch", step=step, loss=1 / (step + 1))

    read("runs/my_exp_1").metric("batch", "loss")  # ([0, 1, 2], [1.0, 0.5, 0.333…])

The directory that this makes is described by the MLV specification, needs nothing to be read, and is checked by
``mlv-validate``. Only the standard library is imported, and importing does nothing else.
"""

from ._errors import (
    AlreadyRecorded,
    CannotAttach,
    CannotEncode,
    ExperimentExists,
    InvalidName,
    InvalidRecord,
    LogClosed,
    MLVError,
    NotAnExperiment,
    StreamBusy,
    UnsupportedVersion,
    WriteFailed,
)
from ._experiment import Exp, Place, ref
from ._files import NewFile, NewText
from ._logger import Logger, Span
from ._reading import Event, Experiment, Problem, SpanTree, read
from ._streams import VERSION as __version__
from ._tails import SPEC_VERSION
from ._values import EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable

__all__ = [
    "SPEC_VERSION",
    "AlreadyRecorded",
    "CannotAttach",
    "CannotEncode",
    "Event",
    "EventRef",
    "Exp",
    "Experiment",
    "ExperimentExists",
    "ExperimentRef",
    "External",
    "File",
    "InvalidName",
    "InvalidRecord",
    "LogClosed",
    "Logger",
    "MLVError",
    "NewFile",
    "NewText",
    "NotAnExperiment",
    "Opaque",
    "Place",
    "Problem",
    "Redacted",
    "Span",
    "SpanTree",
    "StreamBusy",
    "Unencodable",
    "UnsupportedVersion",
    "WriteFailed",
    "__version__",
    "read",
    "ref",
]
