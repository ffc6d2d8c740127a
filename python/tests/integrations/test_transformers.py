"""Hugging Face transformers: a `Trainer` trains a GPT-2 of two layers, and the log says what its own history says."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from mlvlogger import Exp, File, read  # noqa: E402
from mlvlogger.integrations.transformers import MLVCallback  # noqa: E402

HOME = Path("runs/gpt")
CHECKPOINTS = "runs/gpt/checkpoints"


class Stop(Exception):
    """What ends a training in its middle."""


class StopAt(transformers.TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise Stop(f"at step {self.step}")


def arguments(folder: str = CHECKPOINTS, **options: Any) -> Any:
    """Eight steps of four examples, in two epochs, each of which is logged."""
    given: dict[str, Any] = {"per_device_train_batch_size": 4, "num_train_epochs": 2, "logging_steps": 1}
    given |= {"use_cpu": True, "report_to": "none", "disable_tqdm": True, "save_strategy": "no"} | options
    return transformers.TrainingArguments(folder, **given)


def trainer(args: Any, *callbacks: Any, vocabulary: int = 32) -> Any:
    """A model of random weights and examples of random tokens, the same ones each time."""
    torch.manual_seed(0)
    tokens = [torch.randint(0, 32, (8,)) for _ in range(16)]
    examples = [{"input_ids": row, "labels": row} for row in tokens]
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=8, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    return transformers.Trainer(
        model, args, train_dataset=examples, eval_dataset=examples[:4], callbacks=list(callbacks)
    )


def logged(path: Path = HOME) -> list[dict[str, Any]]:
    """What the log has of ``trainer.state.log_history``."""
    events = read(path).events()
    return [dict(event.data) for event in events if event.name in ("train", "eval")]


def same(one: Any, other: Any) -> bool:
    """Equal, where NaN is NaN."""
    return repr(one) == repr(other)


def test_the_log_is_the_history_of_the_trainer_with_what_happened_in_between(conforms: Any) -> None:
    args = arguments(eval_strategy="epoch", save_strategy="steps", save_steps=3, save_total_limit=1)
    with Exp("runs", "gpt", args) as exp:
        training = trainer(args, MLVCallback(exp))
        training.train()
        prediction = training.predict(training.eval_dataset)
    assert logged() == training.state.log_history and len(logged()) == 8 + 2 + 1

    events = list(read(HOME).events())
    steps = [(event.name, event.span, event.data.get("step", event.data.get("n"))) for event in events]
    train = [("train", None, step) for step in range(1, 9)]
    assert steps == [
        ("trainer", None, None),
        ("epoch", "begin", 0),
        *train[:3],
        ("checkpoint", None, 3),
        train[3],
        ("epoch", "end", None),
        ("eval", None, 4),
        ("epoch", "begin", 1),
        *train[4:6],
        ("checkpoint", None, 6),
        *train[6:],
        ("checkpoint", None, 8),
        ("epoch", "end", None),
        ("eval", None, 8),
        ("train", None, 8),
        ("checkpoints", None, None),
        ("predict", None, 8),
    ]
    assert events[-1].data == {**prediction.metrics, "step": 8}

    settings = events[0].data
    assert settings["arguments"] == {**args.to_dict(), "hub_token": settings["arguments"]["hub_token"]}
    assert settings["model"]["n_layer"] == 2 and settings["model"]["id2label"] == {"0": "LABEL_0", "1": "LABEL_1"}
    assert read(HOME).params["learning_rate"] == args.learning_rate

    saved = [event.data["path"] for event in events if event.name == "checkpoint"]
    assert saved == [f"checkpoints/checkpoint-{step}" for step in (3, 6, 8)]
    existing = sorted(path.relative_to(HOME).as_posix() for path in (HOME / saved[-1]).iterdir())
    kept = events[-2].data["files"]
    assert [file.path for file in kept] == existing and all(type(file) is File for file in kept)
    conforms(HOME, sealed=True)


def test_a_loss_that_became_nan_is_on_the_curve(conforms: Any) -> None:
    args = arguments(logging_nan_inf_filter=False, learning_rate=1e30, max_grad_norm=0)
    with Exp("runs", "gpt", args) as exp:
        training = trainer(args, MLVCallback(exp))
        training.train()
    steps, losses = read(HOME).metric("train", "loss")
    assert steps == list(range(1, 9)) and "nan" in map(str, losses)
    assert same(logged(), training.state.log_history)
    conforms(HOME, sealed=True)


@pytest.mark.parametrize("stop", [5, 7], ids=["after a checkpoint", "an epoch later"])
def test_a_run_resumed_from_a_checkpoint_has_the_curve_of_one_that_was_never_stopped(stop: int, conforms: Any) -> None:
    options = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 3}
    args = arguments("elsewhere", **options)
    with Exp("runs", "whole", args) as exp:
        trainer(args, MLVCallback(exp)).train()

    args = arguments(**options)
    with pytest.raises(Stop), Exp("runs", "gpt", args) as exp:
        exp.stream("own").event("mine", n=0)
        trainer(args, MLVCallback(exp), StopAt(stop)).train()
    assert read(HOME).state == "failed"
    end = [event.data for event in read(HOME).events(lifecycle=True)][-1]
    assert end["error"]["message"] == f"at step {stop}"

    last = transformers.trainer_utils.get_last_checkpoint(CHECKPOINTS)
    assert last == f"{CHECKPOINTS}/checkpoint-{stop // 3 * 3}"
    with Exp("runs", "gpt", args, exists="resume") as exp:
        exp.stream("own").event("mine", n=1)
        training = trainer(args, MLVCallback(exp))
        training.train(resume_from_checkpoint=last)
        exp.stream("own").event("mine", n=2)
    assert logged() == training.state.log_history
    for name, member in (("train", "loss"), ("train", "learning_rate"), ("eval", "eval_loss")):
        assert read(HOME).metric(name, member) == read("runs/whole").metric(name, member)
    assert [event.data["n"] for event in read(HOME).events(stream="own")] == [0, 2]
    assert read(HOME).state == "completed"

    checkpoints = [event.data for event in read(HOME).events("checkpoint")]
    assert [data["step"] for data in checkpoints] == [3, 6, 8]
    (kept,) = read(HOME).events("checkpoints")
    assert {str(Path(file.path).parent) for file in kept.data["files"]} == {data["path"] for data in checkpoints}
    conforms(HOME, sealed=True)


def test_a_checkpoint_of_another_experiment_rewinds_nothing(conforms: Any) -> None:
    args = arguments(save_strategy="epoch", num_train_epochs=1)
    with Exp("runs", "gpt") as exp:
        trainer(args, MLVCallback(exp)).train()
    args = arguments(num_train_epochs=2)
    with Exp("runs", "longer") as exp:
        exp.log.event("before")
        trainer(args, MLVCallback(exp)).train(resume_from_checkpoint=f"{CHECKPOINTS}/checkpoint-4")
    longer = read("runs/longer")
    assert longer.metric("train", "loss")[0] == [5, 6, 7, 8]
    assert [event.name for event in longer.events()][:3] == ["before", "trainer", "epoch"]
    assert "mlv/rewind" not in [event.name for event in longer.events(lifecycle=True)]
    conforms("runs/longer", sealed=True)


def test_only_the_first_process_of_the_world_logs() -> None:
    args = arguments(save_strategy="epoch", eval_strategy="epoch")
    with Exp("runs", "gpt") as exp:
        training = trainer(args, MLVCallback(exp))
        training.is_world_process_zero = lambda: False
        training.train()
    assert [event.name for event in read(HOME).events()] == []


def test_an_interrupted_training_is_interrupted() -> None:
    class Interrupt(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

    args = arguments()
    with pytest.raises(KeyboardInterrupt), Exp("runs", "gpt") as exp:
        trainer(args, MLVCallback(exp), Interrupt()).train()
    assert read(HOME).state == "interrupted"


def test_trouble_with_the_log_and_with_checkpoints_does_not_stop_training(conforms: Any) -> None:
    class Trouble(transformers.TrainerCallback):
        """From the second step to the sixth nothing can be written, and existing is a file that none can refer to."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            full = 2 <= state.global_step < 6
            largest = os.path.getsize(HOME / "log.jsonl") if full else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = Path(CHECKPOINTS, "checkpoint-8")
            (folder / os.fsdecode(b"not\xffUTF-8")).touch()
            (folder / "link").symlink_to("config.json")
            (folder / "model.safetensors").unlink()

    args = arguments(save_strategy="steps", save_steps=8)
    with pytest.warns(RuntimeWarning) as warned, Exp("runs", "gpt", args) as exp:
        training = trainer(args, Trouble(), MLVCallback(exp))
        training.train()
    messages = [str(warning.message) for warning in warned]
    assert len(messages) == 2 and "log.jsonl: File too large" in messages[0], messages
    assert "no reference to the checkpoint" in messages[1] and "UTF-8" in messages[1]
    assert logged() == training.state.log_history and len(logged()) == 9
    (kept,) = read(HOME).events("checkpoints")
    names = {Path(file.path).name for file in kept.data["files"]}
    assert "config.json" in names and not {"link", "model.safetensors"} & names
    conforms(HOME)


@pytest.mark.parametrize("greater", [True, False])
@pytest.mark.parametrize("name", ["loss", "eval_loss"])
def test_the_direction_of_the_best_model_is_defined(name: str, greater: bool) -> None:
    args = arguments(eval_strategy="epoch", metric_for_best_model=name, greater_is_better=greater)
    with Exp("runs", "gpt") as exp:
        training = trainer(args, MLVCallback(exp))
        training.train()
    best = read(HOME).best("eval", "eval_loss")
    found = [entry["eval_loss"] for entry in training.state.log_history if "eval_loss" in entry]
    assert best is not None and best.data["eval_loss"] == (max if greater else min)(found) and len(found) == 2


def test_without_a_best_model_there_is_no_direction() -> None:
    with Exp("runs", "gpt") as exp:
        trainer(arguments(max_steps=1), MLVCallback(exp)).train()
    assert not read(HOME).metric_definitions()
