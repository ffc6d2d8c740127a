"""LightGBM: every iteration is an event, with the numbers that LightGBM has itself."""

from collections.abc import Callable
from typing import Any

import pytest

lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
numpy = pytest.importorskip("numpy", reason="numpy is not installed")

from mlvlogger import Exp, read  # noqa: E402
from mlvlogger.integrations.lightgbm import MLVCallback  # noqa: E402

PARAMS = {"objective": "regression", "num_threads": 1, "verbose": -1, "seed": 0, "metric": ["l2", "l1"]}


def data() -> Any:
    x = numpy.random.default_rng(0).normal(size=(200, 3))
    return x, x[:, 0] - 2 * x[:, 1]


def sets() -> Any:
    x, y = data()
    train = lightgbm.Dataset(x[:150], y[:150])
    return train, lightgbm.Dataset(x[150:], y[150:], reference=train)


def test_train_is_logged_iteration_by_iteration(conforms: Callable[..., Any]) -> None:
    train, valid = sets()
    result: dict[str, Any] = {}
    with Exp("runs", "e", PARAMS) as exp:
        lightgbm.train(
            PARAMS,
            train,
            5,
            valid_sets=[valid],
            valid_names=["valid"],
            callbacks=[MLVCallback(exp), lightgbm.record_evaluation(result)],
        )
    run = read("runs/e")
    for metric in ("l2", "l1"):
        assert run.metric("iteration", f"valid-{metric}") == ([0, 1, 2, 3, 4], result["valid"][metric])
    conforms("runs/e", sealed=True)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")  # the new name is not there in older versions
def test_the_iteration_that_early_stopping_stops_at_is_logged() -> None:
    x, y = data()
    y[:150] = 0  # nothing that helps with the others
    y[0] = 1
    with Exp("runs", "e") as exp:
        model = lightgbm.LGBMRegressor(n_estimators=500, n_jobs=1, verbose=-1)
        stop = lightgbm.early_stopping(2, verbose=False)
        model.fit(x[:150], y[:150], eval_set=[(x[150:], y[150:])], callbacks=[stop, MLVCallback(exp)])
    steps, values = read("runs/e").metric("iteration", "valid_0-l2")
    assert values == model.evals_result_["valid_0"]["l2"]
    assert steps == list(range(model.best_iteration_ + 2)) and len(steps) < 500


def test_cross_validation_is_logged_with_its_deviations() -> None:
    with Exp("runs", "e") as exp:
        table = lightgbm.cv(PARAMS, sets()[0], 3, nfold=3, stratified=False, callbacks=[MLVCallback(exp)])
    run = read("runs/e")
    assert run.metric("iteration", "valid-l2") == ([0, 1, 2], table["valid l2-mean"])
    assert run.metric("iteration", "valid-l2-std") == ([0, 1, 2], table["valid l2-stdv"])


def test_two_metrics_of_one_name_are_both_logged_with_a_warning() -> None:
    (train, valid) = sets()
    with Exp("runs", "e") as exp, pytest.warns(RuntimeWarning, match="two metrics have the name 'valid-l[12]'"):
        lightgbm.train(
            PARAMS, train, 2, valid_sets=[valid, valid], valid_names=["valid", "valid"], callbacks=[MLVCallback(exp)]
        )
    logged = list(read("runs/e").events("iteration"))
    assert len(logged) == 2
    for event in logged:
        assert event.data["valid-l2"] == event.data["valid-l2~2"] and event.data["valid-l1"] == event.data["valid-l1~2"]


def test_without_evaluations_iterations_are_counted() -> None:
    with Exp("runs", "e") as exp:
        lightgbm.train(PARAMS, sets()[0], 2, callbacks=[MLVCallback(exp)])
    assert [event.data for event in read("runs/e").events("iteration")] == [{"step": 0}, {"step": 1}]


def test_the_directions_are_those_of_lightgbm() -> None:
    x, y = data()
    train = lightgbm.Dataset(x, y > 0)
    with Exp("runs", "e") as exp:
        exp.define_metric("train-auc", direction="minimize", unit="1")  # the user's stays
        lightgbm.train(
            {**PARAMS, "objective": "binary", "metric": ["auc", "binary_logloss"]},
            train,
            3,
            valid_sets=[train],
            valid_names=["train"],
            callbacks=[MLVCallback(exp)],
        )
    run = read("runs/e")
    definitions = {one.metric: one.direction for one in run.metric_definitions()}
    assert definitions == {"train-auc": "minimize", "train-binary_logloss": "minimize"}
    best = run.best("iteration", "train-binary_logloss")
    assert best is not None and best.step == 2
    assert len(list(run.events("mlv/metric", lifecycle=True))) == 2
