"""Accelerate: `MLVTracker` logs what ``accelerator.log`` is given.

::

    import os
    from accelerate import Accelerator
    from mlvlogger import Exp
    from mlvlogger.integrations.accelerate import MLVTracker

    main = os.environ.get("RANK", "0") == "0"
    with Exp("runs", "mlp", params, exists="resume") if main else Exp.join("runs/mlp") as exp:
        tracker = MLVTracker(exp)
        accelerator = Accelerator(log_with=tracker)
        accelerator.init_trackers("mlp", config={"lr": 0.1})
        accelerator.register_for_checkpointing(tracker)
        ...
        accelerator.log({"loss": loss}, step=step)
        accelerator.save_state("runs/mlp/state")

    read("runs/mlp").metric("log", "loss")

The events, of the main process alone:

- ``config``, the configuration of ``init_trackers`` as ``params``;
- ``log``, what ``accelerator.log`` was given, with its ``step``.

Registered for checkpointing, the tracker puts a mark into every state that is saved,
and rewinds the log when one is loaded.
Your with block ends the experiment; ``accelerator.end_training`` does not.
"""

# mypy: disable-error-code="import,misc,untyped-decorator"
from __future__ import annotations

from accelerate.tracking import GeneralTracker, on_main_process

from ._checkpoints import go_back, mark
from ._settings import scalars, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["MLVTracker"]


class MLVTracker(GeneralTracker):
    """Logs into *exp*: ``Accelerator(log_with=MLVTracker(exp))``. Each process gives its own."""

    name = "mlv"
    requires_logging_directory = False

    def __init__(self, exp: Exp) -> None:
        super().__init__()
        self._exp = exp

    @property
    def tracker(self) -> Exp:
        """The experiment, also by ``accelerator.get_tracker("mlv", unwrap=True)``."""
        return self._exp

    @on_main_process
    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._exp.log.event("config", params=settings(values, "params"))

    @on_main_process
    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self._exp.log.event("log", scalars(values if step is None else {**values, "step": step}))

    @on_main_process
    def finish(self) -> None:
        self._exp.flush()

    def state_dict(self) -> dict[str, Any]:
        return mark(self._exp)

    @on_main_process
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        go_back(self._exp, state)
