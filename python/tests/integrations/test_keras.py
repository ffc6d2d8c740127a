"""Keras: what `fit` shows is in the log, epoch by epoch."""

import math
import os
from collections.abc import Callable
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="torch is not installed")
keras = pytest.importorskip("keras", reason="keras is not installed")
numpy = pytest.importorskip("numpy", reason="numpy is not installed")

from mlvlogger import Exp, read  # noqa: E402
from mlvlogger.integrations.keras import MLVCallback  # noqa: E402


def compiled() -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def data() -> Any:
    x = numpy.random.default_rng(0).normal(size=(32, 3))
    return x, x[:, :1]


def test_fit_is_logged_epoch_by_epoch(conforms: Callable[..., Any]) -> None:
    x, y = data()
    model = compiled()
    with Exp("runs", "e") as exp:
        history = model.fit(
            x, y, batch_size=8, epochs=3, validation_split=0.25, verbose=0, callbacks=[MLVCallback(exp, every=2)]
        ).history
        model.evaluate(x, y, verbose=0, callbacks=[callback := MLVCallback(exp)])
        model.evaluate(x, y, verbose=0, callbacks=[callback])
    run = read("runs/e")
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}
    for name, values in history.items():
        steps, logged = run.metric("epoch/end", name)
        assert steps == [0, 1, 2] and logged == pytest.approx([float(value) for value in values])
    assert run.metric("epoch/batch", "loss")[0] == [2, 4, 6, 8]
    assert [span.begin.data["n"] for span in run.spans()] == [0, 1, 2]
    assert [set(event.data) for event in run.events("test")] == [{"loss", "mae"}] * 2
    conforms("runs/e", sealed=True)


def test_a_second_fit_is_logged_after_an_aborted_one() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    x, y = data()
    model = compiled()
    with Exp("runs", "e") as exp:
        callback = MLVCallback(exp)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, verbose=0, callbacks=[callback, Stop()])
        model.fit(x, y, verbose=0, callbacks=[callback])
    assert len(list(read("runs/e").events("epoch/end"))) == 1


def test_a_loss_that_became_nan_is_in_the_log() -> None:
    x, y = data()
    with Exp("runs", "e") as exp:
        compiled().fit(x * math.inf, y, verbose=0, callbacks=[MLVCallback(exp)])
    assert math.isnan(read("runs/e").metric("epoch/end", "loss")[1][0])


def test_the_directions_that_keras_knows_are_defined() -> None:
    x, y = data()

    def own(truth: Any, guess: Any) -> Any:
        return keras.ops.mean(guess - truth)

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", keras.metrics.R2Score(), own])
    with Exp("runs", "e") as exp:
        exp.define_metric("val_mae", direction="maximize")  # what the user defines stays
        for _ in range(2):
            history = model.fit(
                x, y, epochs=3, validation_split=0.25, verbose=0, callbacks=[callback := MLVCallback(exp)]
            ).history
    assert len(history["loss"]) == 3, "the training was stopped"
    assert callback.model is model
    found = {one.metric: one.direction for one in read("runs/e").metric_definitions()}
    known = {"loss": "minimize", "val_loss": "minimize", "mae": "minimize", "val_mae": "maximize"}
    assert set(history) == {*known, "r2_score", "val_r2_score", "own", "val_own"}
    assert found == {**known, "r2_score": "maximize", "val_r2_score": "maximize"}
    assert len(list(read("runs/e").events("mlv/metric", lifecycle=True))) == len(found)
