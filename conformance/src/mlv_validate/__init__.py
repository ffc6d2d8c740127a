"""Validate experiments against the MLV specification: the function `validate`, the command `mlv-validate`."""

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._report import Experiment, Report, Target
from mlv_validate._requirements import RULES, Rule
from mlv_validate._validate import validate
from mlv_validate._version import __version__

__all__ = [
    "RULES",
    "Experiment",
    "Finding",
    "Omitted",
    "Report",
    "Rule",
    "Target",
    "Unchecked",
    "__version__",
    "validate",
]
