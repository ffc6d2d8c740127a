"""Accelerate: `MLVTracker` logs the values that you pass to `accelerator.log`.

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

Only the main process logs events:

- `config`: the configuration that `init_trackers` got, as `params`;
- `log`: the values that `accelerator.log` got, with `step`.

If you register the tracker for checkpointing, each saved state contains a log position, and the log is rewound to it
when the state is loaded. Your `with` block ends the experiment; `accelerator.end_training` doesn't.
"""

# mypy: disable-error-code="import,misc,untyped-decorator"
from __future__ import annotations

from accelerate.tracking import GeneralTracker, on_main_process

from ._checkpoints import mark, rewind_to
from ._settings import scalars, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["MLVTracker"]


class MLVTracker(GeneralTracker):
    """A tracker that logs to an experiment: `Accelerator(log_with=MLVTracker(exp))`.

    Args:
        exp: The experiment. Each process passes its own `Exp`.
    """

    name = "mlv"
    requires_logging_directory = False

    def __init__(self, exp: Exp) -> None:
        super().__init__()
        self._exp = exp

    @property
    def tracker(self) -> Exp:
        """The experiment. `accelerator.get_tracker("mlv", unwrap=True)` returns it, too."""
        return self._exp

    @on_main_process
    def store_init_configuration(self, values: dict[str, Any]) -> None:
        """Log the event `config`."""
        self._exp.log.event("config", params=settings(values, "params"))

    @on_main_process
    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Log the event `log`."""
        self._exp.log.event("log", scalars(values, step))

    @on_main_process
    def finish(self) -> None:
        """Flush the log. The experiment stays open."""
        self._exp.flush()

    def state_dict(self) -> dict[str, Any]:
        """Return the log position, for a checkpoint."""
        return mark(self._exp)

    @on_main_process
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Rewind the log to the position of a checkpoint."""
        rewind_to(self._exp, state)
