"""Lightning: `MLVLogger` is a logger, and as a callback it continues a stopped run without gaps.

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

The events, of the process of rank 0 alone:

- ``hyperparameters``, with what ``self.save_hyperparameters()`` took as ``params``;
- ``metrics``: what ``self.log`` logged, with its names and its ``step``;
- ``checkpoint``, ``path`` and ``step`` of one that was saved; by default in ``checkpoints`` in the experiment;
- ``checkpoints``, when fitting has ended: references to those that are still there.

A module logs more with ``self.logger.experiment``, which is the experiment, on every rank its own.
Your with block ends the experiment; Lightning does not.
"""

# mypy: disable-error-code="assignment,import,misc,untyped-decorator"
from __future__ import annotations

try:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers.logger import Logger
    from lightning.pytorch.utilities import rank_zero_only
except ModuleNotFoundError:  # its older name; where both are there, the trainer of one takes the classes of the other
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.loggers.logger import Logger
    from pytorch_lightning.utilities import rank_zero_only

from ._checkpoints import go_back, log_kept, mark, place
from ._settings import scalars, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["MLVLogger"]


class MLVLogger(Logger, Callback):
    """Logs into *exp*: ``Trainer(logger=mlv, callbacks=[mlv])`` with ``mlv = MLVLogger(exp)``.

    Among the callbacks, it puts a mark into every checkpoint, and rewinds the log when fitting continues from one.

    Args:
        exp: The experiment. Every rank gives its own, rank 0's is written to.
        digests: Refer to the checkpoints that exist when fitting has ended. They are read for that, about a
            gigabyte in a second.
    """

    def __init__(self, exp: Exp, *, digests: bool = True) -> None:
        super().__init__()
        self._exp = exp
        self._digests = digests
        self._saved: set[str] = set()

    # Checkpoints go to save_dir/name/version/checkpoints, and callbacks write into save_dir.
    @property
    def save_dir(self) -> str:
        return str(self._exp.path)

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def experiment(self) -> Exp:
        """The experiment, for what Lightning does not log."""
        return self._exp

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._exp.log.event("hyperparameters", params=settings(params, "params"))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self._exp.log.event("metrics", scalars(metrics if step is None else {**metrics, "step": step}))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        saver = checkpoint_callback
        # What was saved just now has no public name; where the private one is gone, it is one of two.
        path = getattr(saver, "_last_checkpoint_saved", "") or saver.last_model_path or saver.best_model_path
        self._saved |= {path, saver.best_model_path, saver.last_model_path, *saver.best_k_models} - {""}
        data = {"path": place(self._exp, path), "step": getattr(saver, "_last_global_step_saved", None)}
        if saver.monitor is not None:
            data |= {"monitor": saver.monitor, "score": saver.current_score}
        self._exp.log.event("checkpoint", data)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        # Called after each fit, validate and test, at an exception, and before a preempted job saves its last
        # checkpoint: it is not the end of the experiment.
        if status == "success" and self._digests:
            log_kept(self._exp, self._saved)
            self._saved.clear()
        self._exp.flush()

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["mlv"] = mark(self._exp)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        if trainer.is_global_zero and trainer.state.fn == "fit":  # evaluating a checkpoint continues nothing
            go_back(self._exp, checkpoint.get("mlv"))
