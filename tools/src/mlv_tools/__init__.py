"""mlv_tools: list, follow, compare, query, plot and exchange experiments in the MLV format."""

from ._notebook import Experiments, experiments
from ._views import connect

__all__ = ["Experiments", "__version__", "connect", "experiments"]

#: The version of mlvlogger-tools.
__version__ = "0.1.0"
