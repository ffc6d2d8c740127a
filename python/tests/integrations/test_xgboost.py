"""XGBoost: every round is an event, with the numbers that XGBoost has itself."""

from collections.abc import Callable
from typing import Any

import pytest

xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
numpy = pytest.importorskip("numpy", reason="numpy is not installed")

from mlvlogger import Exp, read  # noqa: E402
from mlvlogger.integrations.xgboost import MLVCallback  # noqa: E402

PARAMS = {"max_depth": 2, "eta": 0.5, "nthread": 1, "seed": 0}


def data() -> Any:
    x = numpy.random.default_rng(0).normal(size=(200, 3))
    return x, x[:, 0] - 2 * x[:, 1]


def matrices() -> Any:
    x, y = data()
    return xgboost.DMatrix(x[:150], y[:150]), xgboost.DMatrix(x[150:], y[150:])


def test_train_is_logged_round_by_round(conforms: Callable[..., Any]) -> None:
    train, valid = matrices()
    result: dict[str, Any] = {}
    with Exp("runs", "e", PARAMS) as exp:
        evals = [(train, "train"), (valid, "valid")]
        xgboost.train(
            {**PARAMS, "eval_metric": ["rmse", "mae"]},
            train,
            5,
            evals=evals,
            evals_result=result,
            verbose_eval=False,
            callbacks=[MLVCallback(exp)],
        )
    run = read("runs/e")
    for dataset in ("train", "valid"):
        for metric in ("rmse", "mae"):
            expected = ([0, 1, 2, 3, 4], result[dataset][metric])
            assert run.metric("round", f"{dataset}-{metric}") == expected
    conforms("runs/e", sealed=True)


def test_early_stopping_and_the_estimator_are_logged_too() -> None:
    x, y = data()
    with Exp("runs", "e") as exp:
        model = xgboost.XGBRegressor(
            n_estimators=500, n_jobs=1, early_stopping_rounds=2, eval_metric="rmse", callbacks=[MLVCallback(exp)]
        )
        model.fit(x[:150], y[:150], eval_set=[(x[150:], y[150:])], verbose=False)
    steps, values = read("runs/e").metric("round", "validation_0-rmse")
    assert values == model.evals_result()["validation_0"]["rmse"]
    assert len(steps) == model.best_iteration + 3 < 500


def test_cross_validation_is_logged_with_its_deviations() -> None:
    with Exp("runs", "e") as exp:
        table = xgboost.cv(PARAMS, matrices()[0], 3, nfold=3, as_pandas=False, callbacks=[MLVCallback(exp)])
    run = read("runs/e")
    assert run.metric("round", "test-rmse") == ([0, 1, 2], table["test-rmse-mean"])
    assert run.metric("round", "test-rmse-std") == ([0, 1, 2], table["test-rmse-std"])


def test_two_metrics_of_one_name_are_both_logged_with_a_warning() -> None:
    with Exp("runs", "e") as exp, pytest.warns(RuntimeWarning, match="two metrics have the name 'a-b-c'"):
        MLVCallback(exp).after_iteration(None, 0, {"a-b": {"c": [0.5]}, "a": {"b-c": [(0.25, 0.1)]}})
    (event,) = read("runs/e").events("round")
    assert event.data == {"step": 0, "a-b-c": 0.5, "a-b-c~2": 0.25, "a-b-c-std": 0.1}


def test_without_evaluations_rounds_are_counted() -> None:
    with Exp("runs", "e") as exp:
        xgboost.train(PARAMS, matrices()[0], 2, callbacks=[MLVCallback(exp)])
    assert [event.data for event in read("runs/e").events("round")] == [{"step": 0}, {"step": 1}]
