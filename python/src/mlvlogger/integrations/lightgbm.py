"""LightGBM: `MLVCallback` logs the evaluations of every iteration.

::

    import lightgbm
    from mlvlogger import Exp
    from mlvlogger.integrations.lightgbm import MLVCallback

    with Exp("runs", "trees", params) as exp:
        lightgbm.train(params, train, valid_sets=[valid], valid_names=["valid"], callbacks=[MLVCallback(exp)])

    read("runs/trees").metric("iteration", "valid-l2")

Each iteration is an event `iteration` with its number as `step`. The names of the metrics consist of dataset and
metric; `lightgbm.cv` also gives standard deviations, such as `valid-l2-std`. The direction of each metric is defined.
LightGBM accepts any callable, so this module doesn't import it.
"""

from __future__ import annotations

from ._settings import define_direction, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import Exp

__all__ = ["MLVCallback"]


class MLVCallback:
    """A callback that logs to an experiment: `callbacks=[MLVCallback(exp)]`, also for scikit-learn estimators.

    Args:
        exp: The experiment.
    """

    before_iteration = False
    order = 25  # before early_stopping, which has 30 and ends the iteration by an exception

    def __init__(self, exp: Exp) -> None:
        self._exp = exp

    def __call__(self, env: Any) -> None:
        """Log the event `iteration`."""
        data: dict[str, Any] = {"step": env.iteration}
        for dataset, metric, value, is_higher_better, *deviation in env.evaluation_result_list or ():
            define_direction(self._exp, f"{dataset}-{metric}", is_higher_better)
            put(data, f"{dataset}-{metric}", value)
            if deviation and deviation[0] is not None:
                put(data, f"{dataset}-{metric}-std", deviation[0])
        self._exp.log.event("iteration", data)
