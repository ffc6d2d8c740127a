"""mlv_tools: list, follow, compare, query, plot and exchange experiments in the MLV format.

::

    from mlv_tools import connect, experiments

    query = "SELECT experiment, min(value) FROM metrics WHERE event = 'val' AND name = 'loss' GROUP BY ALL"
    connect("runs").sql(query).df()
    experiments("runs")  # in a notebook: a table

The modules of these names are imported when the names are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlv_tools._notebook import Experiments, experiments
    from mlv_tools._sql.views import connect

__all__ = ["Experiments", "__version__", "connect", "experiments"]

#: The version of mlvlogger-tools.
__version__ = "0.1.0"

_HOMES = {"Experiments": "_notebook", "connect": "_sql.views", "experiments": "_notebook"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"mlv_tools.{_HOMES[name]}"), name)
