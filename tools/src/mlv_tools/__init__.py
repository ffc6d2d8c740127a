"""mlv_tools: list, follow, compare, query, plot and exchange experiments in the MLV format."""

from ._views import connect

__all__ = ["__version__", "connect"]

#: The version of mlvlogger-tools.
__version__ = "0.1.0"
