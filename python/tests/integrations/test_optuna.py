"""Optuna: each trial is a sub-experiment that says how it ended, and the study's log has them all."""

from collections.abc import Callable
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="optuna is not installed")

from mlvlogger import Exp, read  # noqa: E402
from mlvlogger.integrations.optuna import MLVTrials  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def search(exp: Exp, objective: Callable[..., Any], **options: Any) -> Any:
    trials = MLVTrials(exp)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    study.optimize(lambda trial: objective(trials, trial), callbacks=[trials], **options)
    return study


def test_trials_that_succeed_fail_and_are_pruned_are_recorded(conforms: Callable[..., Any]) -> None:
    def objective(trials: MLVTrials, trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        with trials.sub(trial) as sub:
            for step in range(3):
                sub.log.event("step", step=step, loss=x**2)
                if trial.number == 1 and step == 1:
                    raise optuna.TrialPruned
                if trial.number == 2:
                    raise ValueError("it failed")
        trial.suggest_int("late", 0, 9)
        return float(x**2)

    with Exp("runs", "e") as exp:
        study = search(exp, objective, n_trials=4, catch=(ValueError,))
    run = read("runs/e")
    events = [event.data for event in run.events("trial")]
    assert [(data["step"], data["state"]) for data in events] == [
        (0, "COMPLETE"),
        (1, "PRUNED"),
        (2, "FAIL"),
        (3, "COMPLETE"),
    ]
    assert [data["params"] for data in events] == [trial.params for trial in study.trials]
    assert run.metric("trial", "value") == ([0, 3], [study.trials[0].value, study.trials[3].value])
    subs = {sub.path.name: sub for sub in run.subs()}
    assert {name: sub.state for name, sub in subs.items()} == {
        "0": "completed",
        "1": "interrupted",
        "2": "failed",
        "3": "completed",
    }
    assert [data["exp"].id for data in events] == [subs[name].id for name in "0123"]
    assert [subs[name].params for name in "0123"] == [{"x": trial.params["x"]} for trial in study.trials]
    assert [len(list(subs[name].events("step"))) for name in "0123"] == [3, 2, 1, 3]
    for sub in subs.values():
        conforms(sub.path, sealed=True)
    conforms("runs/e", sealed=True)


def test_trials_in_threads_do_not_mix() -> None:
    def objective(trials: MLVTrials, trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        with trials.sub(trial) as sub:
            sub.log.event("loss", loss=x)
        return float(x)

    with Exp("runs", "e") as exp:
        study = search(exp, objective, n_trials=12, n_jobs=4)
    run = read("runs/e")
    events = sorted((event.data for event in run.events("trial")), key=lambda data: data["step"])
    subs = {sub.id: sub for sub in run.subs()}
    assert len(subs) == 12
    for data, trial in zip(events, study.trials, strict=True):
        assert data["value"] == trial.value == subs[data["exp"].id].metric("loss", "loss")[1][0]


def test_a_trial_without_a_sub_experiment_is_in_the_log() -> None:
    with Exp("runs", "e") as exp:
        search(exp, lambda trials, trial: trial.suggest_float("hf_token", 0, 1) * 0, n_trials=1)
    (event,) = read("runs/e").events("trial")
    assert (event.data["value"], "exp" in event.data) == (0.0, False)


def test_a_study_of_several_objectives_has_values() -> None:
    with Exp("runs", "e") as exp:
        trials = MLVTrials(exp)
        study = optuna.create_study(directions=["minimize", "maximize"])
        study.optimize(lambda trial: (1.0, 2.0), n_trials=1, callbacks=[trials])
    (event,) = read("runs/e").events("trial")
    assert event.data["values"] == [1.0, 2.0] and "value" not in event.data


def test_an_interrupt_leaves_the_trial_interrupted() -> None:
    def objective(trials: MLVTrials, trial: Any) -> float:
        with trials.sub(trial):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Exp("runs", "e") as exp:
        search(exp, objective, n_trials=1)
    assert [read("runs/e").state, read("runs/e/trial/0").state] == ["interrupted", "interrupted"]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_direction_of_the_study_is_that_of_the_value(direction: str) -> None:
    with Exp("runs", "e") as exp:
        study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(0))
        study.optimize(lambda trial: trial.suggest_float("x", -1, 1), n_trials=5, callbacks=[MLVTrials(exp)])
    best = read("runs/e").best("trial", "value")
    assert best is not None and (best.data["step"], best.data["value"]) == (study.best_trial.number, study.best_value)


def test_a_study_of_several_objectives_has_no_direction() -> None:
    with Exp("runs", "e") as exp:
        study = optuna.create_study(directions=["minimize", "maximize"])
        study.optimize(lambda trial: (1.0, 2.0), n_trials=1, callbacks=[MLVTrials(exp)])
    assert not read("runs/e").metric_definitions()
