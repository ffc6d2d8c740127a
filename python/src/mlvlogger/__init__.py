"""mlvlogger: the reference logger and reader of MLV, an open format for the record of an experiment.

::

    from mlvlogger import Exp, read

    with Exp("runs", "my_exp_1", {"lr": 3e-4}, kind="train") as exp:
        for step in range(3):
            exp.log.event("batch", step=step, loss=1 / (step + 1))

    read("runs/my_exp_1").metric("batch", "loss")  # ([0, 1, 2], [1.0, 0.5, 0.333…])

The MLV specification describes the directory that this code creates. Any program that parses JSON can read it, and
`mlv-validate` checks it. mlvlogger imports only the standard library, and each of its modules when a name of the module
is first used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._disk.folder import TEMPORARY_PREFIX
    from ._disk.lock_holders import LockHolder, lock_holders
    from ._errors import (
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
    from ._experiment import Exp
    from ._format.histogram import Histogram
    from ._format.json import MAX_RECORD
    from ._format.lifecycle import may_be_lifecycle
    from ._format.metric_definition import MetricDefinition, MetricDefinitions
    from ._format.names import FOLDERS, portable_name
    from ._format.plain import PLAIN_LINE
    from ._format.references import EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable
    from ._format.table import Table
    from ._logger import Logger, Span
    from ._new_file import NewFile, NewText
    from ._read.changes import Change
    from ._read.events import Event
    from ._read.experiment import Experiment
    from ._read.file_reference import ref
    from ._read.find import Found, find, unfollowed_links
    from ._read.problems import Problem
    from ._read.read import read
    from ._read.spans import SpanTree
    from ._read.summaries import MetricSummary
    from ._version import SPEC_VERSION, __version__

__all__ = [
    "FOLDERS",
    "MAX_RECORD",
    "PLAIN_LINE",
    "SPEC_VERSION",
    "TEMPORARY_PREFIX",
    "CannotAttach",
    "CannotEncode",
    "Change",
    "Event",
    "EventRef",
    "Exp",
    "Experiment",
    "ExperimentExists",
    "ExperimentRef",
    "External",
    "File",
    "Found",
    "Histogram",
    "InvalidName",
    "InvalidRecord",
    "LockHolder",
    "LogClosed",
    "Logger",
    "MLVError",
    "MetricDefinition",
    "MetricDefinitions",
    "MetricSummary",
    "NewFile",
    "NewText",
    "NotAnExperiment",
    "Opaque",
    "Problem",
    "Redacted",
    "Span",
    "SpanTree",
    "StreamBusy",
    "Table",
    "Unencodable",
    "UnsupportedVersion",
    "WriteFailed",
    "__version__",
    "find",
    "lock_holders",
    "may_be_lifecycle",
    "portable_name",
    "read",
    "ref",
    "unfollowed_links",
]

# The modules of the public names; for type checkers, the imports above are the same. A module is imported when one of
# its names is used: a program that only logs doesn't load the reader, and a program that only reads not the logger.
_HOMES = {
    "_disk.folder": "TEMPORARY_PREFIX",
    "_disk.lock_holders": "LockHolder lock_holders",
    "_errors": (
        "CannotAttach CannotEncode ExperimentExists InvalidName InvalidRecord LogClosed MLVError "
        "NotAnExperiment StreamBusy UnsupportedVersion WriteFailed"
    ),
    "_experiment": "Exp",
    "_new_file": "NewFile NewText",
    "_format.histogram": "Histogram",
    "_format.json": "MAX_RECORD",
    "_format.lifecycle": "may_be_lifecycle",
    "_format.metric_definition": "MetricDefinition MetricDefinitions",
    "_format.names": "FOLDERS portable_name",
    "_format.plain": "PLAIN_LINE",
    "_format.references": "EventRef ExperimentRef External File Opaque Redacted Unencodable",
    "_format.table": "Table",
    "_logger": "Logger Span",
    "_read.changes": "Change",
    "_read.events": "Event",
    "_read.experiment": "Experiment",
    "_read.file_reference": "ref",
    "_read.find": "Found find unfollowed_links",
    "_read.problems": "Problem",
    "_read.read": "read",
    "_read.spans": "SpanTree",
    "_read.summaries": "MetricSummary",
    "_version": "SPEC_VERSION __version__",
}


if not TYPE_CHECKING:  # otherwise, a type checker would accept any name

    def __getattr__(name):
        for home, names in _HOMES.items():
            if name in names.split():
                value = getattr(__import__(f"{__name__}.{home}", fromlist=[name]), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
