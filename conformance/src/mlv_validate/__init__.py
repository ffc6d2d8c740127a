"""Check experiment directories against the MLV specification: `validate`, `discover`, or the command `mlv-validate`."""

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._report import Discovery, Experiment, Report, Target, __version__, discover, validate
from mlv_validate._rules import RULES, Rule

__all__ = [
    "RULES",
    "Discovery",
    "Experiment",
    "Finding",
    "Omitted",
    "Report",
    "Rule",
    "Target",
    "Unchecked",
    "__version__",
    "discover",
    "validate",
]
