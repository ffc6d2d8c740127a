"""XGBoost: `MLVCallback` logs the evaluations of every round.

::

    import xgboost
    from mlvlogger import Exp
    from mlvlogger.integrations.xgboost import MLVCallback

    with Exp("runs", "trees", params) as exp:
        xgboost.train(params, train, evals=[(valid, "valid")], callbacks=[MLVCallback(exp)])

    read("runs/trees").metric("round", "valid-rmse")

Each round is an event `round` with its number as `step`. The metrics have the names that XGBoost prints; `xgboost.cv`
also gives standard deviations, such as `test-rmse-std`.
"""

# mypy: disable-error-code="import,misc,unused-ignore"
from __future__ import annotations

from xgboost.callback import TrainingCallback

from ._settings import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["MLVCallback"]


class MLVCallback(TrainingCallback):
    """A callback that logs to an experiment: `callbacks=[MLVCallback(exp)]`, also for scikit-learn estimators.

    Args:
        exp: The experiment.
    """

    def __init__(self, exp: Exp) -> None:
        super().__init__()
        self._exp = exp

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        """Log the event `round`. Return False, so that training continues."""
        data: dict[str, Any] = {"step": epoch}
        for dataset, metrics in evals_log.items():
            for metric, values in metrics.items():
                value = values[-1]
                if isinstance(value, tuple):
                    value, deviation = value
                    put(data, f"{dataset}-{metric}-std", deviation)
                put(data, f"{dataset}-{metric}", value)
        self._exp.log.event("round", data)
        return False
