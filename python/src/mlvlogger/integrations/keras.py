"""Keras, with any backend: `MLVCallback` logs the metrics that `fit` shows.

::

    import keras
    from mlvlogger import Exp
    from mlvlogger.integrations.keras import MLVCallback

    with Exp("runs", "mlp", params) as exp:
        model.fit(x, y, epochs=10, validation_data=(x2, y2), callbacks=[MLVCallback(exp)])

    read("runs/mlp").metric("epoch/end", "val_loss")

Each epoch is a span `epoch` with its number as `n`. It contains:

- `epoch/end`: the metrics of the epoch, with its number as `step`;
- `epoch/batch`, with the argument `every`: metrics of batches, with the number of batches since the beginning of
  training as `step`.

`evaluate`, outside of `fit`, is an event `test`. The direction of each metric is defined, if Keras itself knows it: of
the loss, and of the metrics of Keras.
"""

# mypy: disable-error-code="import,misc"
from __future__ import annotations

from keras.callbacks import Callback, EarlyStopping

from ._settings import define_direction, scalars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp
    from .._logger import Span

__all__ = ["MLVCallback"]


class MLVCallback(Callback):
    """A callback that logs to an experiment.

    Args:
        exp: The experiment.
        every: The number of batches after which the metrics of batches are logged; by default 0: never. They are means
            since the beginning of the epoch, as in the progress bar.
    """

    def __init__(self, exp: Exp, every: int = 0) -> None:
        super().__init__()
        self._exp = exp
        self._every = every
        self._batches = 0
        self._epoch: Span | None = None  # the span of the current epoch of `fit`
        self._defined: set[str] = set()  # metrics whose direction was asked for

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Start to count batches."""
        self._batches, self._epoch = 0, None
        self._defined.clear()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the span `epoch`."""
        self._epoch = self._exp.log.span("epoch", n=epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the event `epoch/batch` after every `every` batches."""
        self._batches += 1
        if self._every and self._batches % self._every == 0 and self._epoch is not None:
            self._epoch.event("batch", scalars(logs or {}, self._batches))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the event `epoch/end`, and end the span."""
        if self._epoch is not None:
            self._epoch.event("end", scalars(logs or {}, epoch))
            self._epoch.end()
            self._epoch = None
            self._define_directions(logs or {})

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Log the event `test`, unless the evaluation is part of `fit`."""
        if self._epoch is None:
            self._exp.log.event("test", logs or {})

    def _define_directions(self, logs: Mapping[str, Any]) -> None:
        """Define the directions that `EarlyStopping` finds: with its mode `"auto"`, it raises if Keras knows none."""
        for name in logs.keys() - self._defined:
            self._defined.add(name)
            stopping = EarlyStopping(monitor=name)
            if stopping.monitor_op is not None:
                return  # Keras 2 guesses from the name
            stopping.set_model(self.model)
            stopping.on_train_begin()
            try:
                stopping.on_epoch_end(0, {name: 0.0})  # after the first epoch, it never stops the training
            except ValueError:
                continue
            define_direction(self._exp, name, bool(stopping.monitor_op(1.0, 0.0)))
