"""Lightning: `MLVLogger` is a logger, and as a callback it rewinds the log when training resumes from a checkpoint.

::

    import lightning as L
    from lightning.pytorch.utilities import rank_zero_only
    from mlvlogger import Exp
    from mlvlogger.integrations.lightning import MLVLogger

    rank = rank_zero_only.rank
    with Exp("runs", "mlp", params, exists="resume") if rank == 0 else Exp.join("runs/mlp", rank) as exp:
        mlv = MLVLogger(exp)
        trainer = L.Trainer(logger=mlv, callbacks=[mlv])
        trainer.fit(model, data, ckpt_path="last")

    read("runs/mlp").metric("metrics", "train_loss")

Only the process of rank 0 logs events:

- `hyperparameters`: the arguments of `self.save_hyperparameters()`, as `params`;
- `metrics`: the metrics of `self.log`, with their names and `step`;
- `checkpoint`: `path` and `step` of a saved checkpoint, by default in the folder `checkpoints` of the experiment;
- `checkpoints`: after fitting, references to the checkpoints that still exist.

The direction of a metric that `ModelCheckpoint` or `EarlyStopping` monitors is defined, as their `mode` says.

To log more from a module, use `self.logger.experiment`, which is the `Exp` of this rank. Your `with` block ends the
experiment; Lightning doesn't.
"""

# mypy: disable-error-code="assignment,import,misc,untyped-decorator"
from __future__ import annotations

try:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers.logger import Logger
    from lightning.pytorch.utilities import rank_zero_only
except ModuleNotFoundError:  # the older name; if both are installed, each trainer accepts the other's classes
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.loggers.logger import Logger
    from pytorch_lightning.utilities import rank_zero_only

from ._checkpoints import log_remaining, mark, place, rewind_to
from ._settings import define_direction, scalars, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["MLVLogger"]


class MLVLogger(Logger, Callback):
    """A logger and callback that logs to an experiment: `Trainer(logger=mlv, callbacks=[mlv])`.

    As a callback, it saves the log position in every checkpoint, and rewinds the log when fitting resumes from one.

    Args:
        exp: The experiment. Every rank passes its own `Exp`; only rank 0 logs.
        digests: Whether to log references to the checkpoints that exist after fitting. For their digests, the
            checkpoints are read, about a gigabyte per second.
    """

    def __init__(self, exp: Exp, *, digests: bool = True) -> None:
        super().__init__()
        self._exp = exp
        self._digests = digests
        self._saved: set[str] = set()

    # Lightning writes checkpoints to save_dir/name/version/checkpoints, and callbacks write to save_dir.
    @property
    def save_dir(self) -> str:
        """The directory of the experiment."""
        return str(self._exp.path)

    @property
    def name(self) -> str:
        """Empty: `save_dir` is the directory."""
        return ""

    @property
    def version(self) -> str:
        """Empty: `save_dir` is the directory."""
        return ""

    @property
    def experiment(self) -> Exp:
        """The experiment, to log further events."""
        return self._exp

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log the event `hyperparameters`."""
        self._exp.log.event("hyperparameters", params=settings(params, "params"))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log the event `metrics`."""
        self._exp.log.event("metrics", scalars(metrics, step))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Log the event `checkpoint`."""
        saver = checkpoint_callback
        # The path of the saved checkpoint is a private attribute. If it doesn't exist, the path is one of two others.
        path = getattr(saver, "_last_checkpoint_saved", "") or saver.last_model_path or saver.best_model_path
        self._saved |= {path, saver.best_model_path, saver.last_model_path, *saver.best_k_models} - {""}
        self._define_monitored(saver)
        data = {"path": place(self._exp, path), "step": getattr(saver, "_last_global_step_saved", None)}
        if saver.monitor is not None:
            data |= {"monitor": saver.monitor, "score": saver.current_score}
        self._exp.log.event("checkpoint", data)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Log the event `checkpoints` after a success, and flush the log. The experiment stays open."""
        # Lightning calls this method after each fit, validate and test, at an exception, and before a preempted job
        # saves its last checkpoint.
        if status == "success" and self._digests:
            log_remaining(self._exp, self._saved)
            self._saved.clear()
        self._exp.flush()

    @rank_zero_only
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Define the directions of the metrics that callbacks monitor."""
        for callback in trainer.callbacks:
            self._define_monitored(callback)

    def _define_monitored(self, callback: Any) -> None:
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
        if isinstance(monitor, str) and mode in ("min", "max"):
            define_direction(self._exp, monitor, mode == "max")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Save the log position in the checkpoint."""
        checkpoint["mlv"] = mark(self._exp)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Rewind the log to the checkpoint from which fitting resumes."""
        if trainer.is_global_zero and trainer.state.fn == "fit":  # not for an evaluation of the checkpoint
            rewind_to(self._exp, checkpoint.get("mlv"))
