"""mlv_tools: list, follow, compare, query, plot and exchange experiments in the MLV format."""

__all__ = ["__version__"]

#: The version of mlvlogger-tools.
__version__ = "0.1.0"
