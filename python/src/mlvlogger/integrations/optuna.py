"""Optuna: with `MLVTrials`, each trial of a study is a sub-experiment.

::

    import optuna
    from mlvlogger import Exp
    from mlvlogger.integrations.optuna import MLVTrials

    with Exp("runs", "search") as exp:
        trials = MLVTrials(exp)

        def objective(trial):
            lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
            with trials.sub(trial) as sub:  # runs/search/trial/0, with the parameters so far
                ...
                sub.log.event("epoch", step=step, loss=loss)
            return loss

        study.optimize(objective, n_trials=20, callbacks=[trials])

    read("runs/search").metric("trial", "value")

The sub-experiment of a pruned trial is interrupted, that of a failed trial has failed. As a callback of the study,
`MLVTrials` logs an event `trial` for each trial: its number as `step`, `state`, all `params`, `value` (or `values`),
`seconds`, and as `exp` the reference to its sub-experiment. The direction of the study is that of the metric `value`.
"""

# mypy: disable-error-code="import,misc"
from __future__ import annotations

from contextlib import contextmanager

from optuna import TrialPruned

from .._write.endings import outcome
from ._settings import define_direction, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .. import Exp
    from .._format.references import ExperimentRef

__all__ = ["MLVTrials"]


class MLVTrials:
    """A callback of a study that logs the results of trials, and creates their sub-experiments.

    Threads (`n_jobs`) share one object. If several processes work on a study, each opens the experiment with `Exp.open`
    and has its own object.

    Args:
        exp: The experiment of the study.
    """

    def __init__(self, exp: Exp) -> None:
        self._exp = exp
        self._refs: dict[int, ExperimentRef] = {}

    @contextmanager
    def sub(self, trial: Any, params: Any = None, **options: Any) -> Iterator[Exp]:
        """Return a context manager that creates a sub-experiment for *trial* in `trial/<number>`, and ends it.

        Args:
            trial: The trial that Optuna passes to the objective.
            params: The parameters; by default those that the trial has already suggested.
            options: Keyword arguments of `Exp`.

        Raises:
            ExperimentExists: If a trial of another study has the same number. Other exceptions are those of `Exp`.
        """
        given = trial.params if params is None else params
        sub = self._exp.sub(str(trial.number), given, kind="trial", **options)
        self._refs[trial.number] = sub.ref()
        try:
            yield sub
        except TrialPruned as error:
            sub.close("interrupted", error)
            raise
        except BaseException as error:
            sub.close(*outcome(error))
            raise
        else:
            sub.close()

    def __call__(self, study: Any, trial: Any) -> None:
        """Log the event `trial`; the direction of a study with one objective is that of the metric `value`."""
        if len(study.directions) == 1 and study.direction.name in ("MINIMIZE", "MAXIMIZE"):
            define_direction(self._exp, "value", study.direction.name == "MAXIMIZE", event="trial")
        data: dict[str, Any] = {
            "step": trial.number,
            "state": trial.state.name,
            "params": settings(trial.params, "params"),
        }
        if trial.values is not None:
            data.update({"value": trial.values[0]} if len(trial.values) == 1 else {"values": trial.values})
        if trial.duration is not None:
            data["seconds"] = trial.duration.total_seconds()
        if (ref := self._refs.pop(trial.number, None)) is not None:
            data["exp"] = ref
        self._exp.log.event("trial", data)
