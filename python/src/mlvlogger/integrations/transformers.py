"""Hugging Face transformers: `MLVCallback` logs the entries of a `Trainer`'s log.

::

    import os
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_utils import get_last_checkpoint
    from mlvlogger import Exp
    from mlvlogger.integrations.transformers import MLVCallback

    args = TrainingArguments("runs/gpt/checkpoints", num_train_epochs=3, save_strategy="epoch")
    os.makedirs(args.output_dir, exist_ok=True)  # the trainer creates it only on rank 0
    main = args.process_index == 0
    with Exp("runs", "gpt", args, kind="train", exists="resume") if main else Exp.join("runs/gpt") as exp:
        trainer = Trainer(model, args, train_dataset=dataset, callbacks=[MLVCallback(exp)])
        trainer.train(resume_from_checkpoint=get_last_checkpoint(args.output_dir))

    read("runs/gpt").metric("train", "loss")

Only the process of rank 0 logs events:

- `trainer`: at the beginning of training, `arguments` and the model's configuration as `model`;
- `train` and `eval`: one for each entry of `trainer.state.log_history`, with its names and `step`;
- `predict`: the metrics of `trainer.predict`;
- a span `epoch` for each epoch;
- `checkpoint`: `step` and `path` of a saved checkpoint; the log is rewound to this event if training resumes from it;
- `checkpoints`: after training, references to the files of the checkpoints that still exist.

The direction of `metric_for_best_model` is defined, as `greater_is_better` says.
"""

# mypy: disable-error-code="import,misc"
from __future__ import annotations

from pathlib import Path

from transformers import TrainerCallback

from .. import read
from ._checkpoints import log_remaining, place
from ._settings import define_direction, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import Exp, Span

__all__ = ["MLVCallback"]


class MLVCallback(TrainerCallback):
    """A callback that logs to an experiment: `Trainer(callbacks=[MLVCallback(exp)])`.

    Args:
        exp: The experiment. Every rank passes its own `Exp`; only rank 0 logs.
        digests: Whether to log references to the checkpoints that exist after training. For their digests, the
            checkpoints are read, about a gigabyte per second.
    """

    def __init__(self, exp: Exp, *, digests: bool = True) -> None:
        self._exp = exp
        self._digests = digests
        self._saved: list[Path] = []
        self._epoch: Span | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Log the event `trainer`; if training resumes from a checkpoint, rewind the log before."""
        if state.is_world_process_zero:
            if state.global_step:
                self._rewind_to_step(state.global_step)
            best = args.metric_for_best_model
            if best is not None and args.greater_is_better is not None:
                name = best if best.startswith("eval_") else f"eval_{best}"  # as the trainer does
                define_direction(self._exp, name, args.greater_is_better)
            config: Any = getattr(model, "config", None)
            if hasattr(config, "to_dict"):
                config = config.to_dict()
            self._exp.log.event(
                "trainer", arguments=settings(args.to_dict(), "arguments"), model=settings(config, "model")
            )

    def _rewind_to_step(self, step: int) -> None:
        # A callback doesn't get the path of the checkpoint, but the step. The log position is in the log, not in the
        # checkpoint: the trainer saves the states of callbacks only to construct new callbacks from them. If a
        # checkpoint has no event, the process was killed while it was saved, and nothing was logged afterwards.
        log = self._exp.log.file.relative_to(self._exp.path).as_posix()
        saved = [event for event in read(self._exp.path).events("checkpoint", stream=log) if "streams" in event.data]
        self._saved = [self._exp.path / event.data["path"] for event in saved]
        for event in reversed(saved):
            if event.data["step"] == step:
                self._exp.rewind(
                    {**event.data["streams"], log: event.seq}, f"resumed from the checkpoint of step {step}"
                )
                return

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the span `epoch`."""
        if state.is_world_process_zero:
            self._epoch = self._exp.log.span("epoch", n=int(state.epoch))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the span `epoch`."""
        if self._epoch is not None:
            self._epoch.end()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Log the event `train` or `eval`."""
        if state.is_world_process_zero:
            # An evaluation has a member `…_runtime` with any prefix; the end of training has `train_runtime`.
            is_eval = any(name.endswith("_runtime") for name in logs if name != "train_runtime")
            self._exp.log.event("eval" if is_eval else "train", {**logs, "step": state.global_step})

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Log the event `predict`."""
        if state.is_world_process_zero:
            self._exp.log.event("predict", {**metrics, "step": state.global_step})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the event `checkpoint`."""
        path = Path(args.output_dir, f"checkpoint-{state.global_step}")
        if state.is_world_process_zero and path.is_dir():  # trials of a hyperparameter search save to other directories
            self._saved.append(path)
            streams = self._exp.mark()
            self._exp.log.event("checkpoint", step=state.global_step, path=place(self._exp, path), streams=streams)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the event `checkpoints`."""
        if state.is_world_process_zero and self._digests:
            log_remaining(self._exp, self._saved)
