"""Validate experiments against the MLV specification, and make statements to cite and sign.

`validate`, `discover`, `make_statement`, and the command `mlv-validate`.
"""

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._report import CoveredStream, Discovery, Experiment, ListedFile, Match, Report, Statement, Target
from mlv_validate._requirements import RULES, Rule
from mlv_validate._validate import discover, make_statement, validate
from mlv_validate._version import __version__

__all__ = [
    "RULES",
    "CoveredStream",
    "Discovery",
    "Experiment",
    "Finding",
    "ListedFile",
    "Match",
    "Omitted",
    "Report",
    "Rule",
    "Statement",
    "Target",
    "Unchecked",
    "__version__",
    "discover",
    "make_statement",
    "validate",
]
