"""The report: one page that shows the experiments of a tree."""

from mlv_tools._report._collect import collect
from mlv_tools._report._page import page

__all__ = ["collect", "page"]
