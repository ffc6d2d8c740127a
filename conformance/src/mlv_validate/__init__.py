"""Validate experiments against the MLV specification: `validate`, `discover`, and the command `mlv-validate`."""

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._report import Discovery, Experiment, Report, Target
from mlv_validate._requirements import RULES, Rule
from mlv_validate._validate import discover, validate
from mlv_validate._version import __version__

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
