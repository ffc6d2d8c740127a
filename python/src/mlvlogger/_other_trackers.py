"""Errors for the names that other trackers use, with the right call instead."""

from __future__ import annotations

from ._messages import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["missing_attribute", "refuse_call", "refuse_keywords"]

# Arguments of W&B, trackio, MLflow, Aim and Lightning for a new run.
_KEYWORDS = {
    "config": "params",
    "hparams": "params",
    "hyperparameters": "params",
    "project": "savedir, the first argument, such as 'runs'",
    "entity": "nothing: an experiment belongs to no account",
    "experiment": "savedir, the first argument, or tags",
    "experiment_name": "savedir, the first argument, or tags",
    "group": "tags",
    "job_type": "kind",
    "type": "kind",
    "notes": "description",
    "dir": "savedir",
    "log_dir": "savedir",
    "logdir": "savedir",
    "save_dir": "savedir",
    "root_dir": "savedir",
    "id": "name",
    "run_id": "name",
    "run_name": "name",
    "display_name": "name",
    "version": "name",
    "resume": "exists='resume'",
    "mode": "nothing: an experiment is always a local directory",
    "reinit": "nothing: close the other experiment first, or write to both",
    "save_code": "diff=True, which attaches the uncommitted changes",
    "sync_tensorboard": "nothing: import the files with mlv import tensorboard",
}
_EVENT = "exp.log.event('train', step=step, loss=loss)"
# Attributes and methods of runs in other trackers.
_ATTRIBUTES = {
    "event": f"Events are logged by a logger: {_EVENT}",
    "log_metric": f"Log an event: {_EVENT}",
    "log_metrics": f"Log an event: {_EVENT}",
    "log_dict": f"Log an event: {_EVENT}",
    "add_scalar": f"Log an event: {_EVENT}",
    "add_scalars": f"Log an event: {_EVENT}",
    "track": f"Log an event: {_EVENT}",
    "config": "The parameters are exp.params; to add some, call exp.add(params={'lr': 0.1})",
    "hparams": "The parameters are exp.params; to add some, call exp.add(params={'lr': 0.1})",
    "log_param": "Add parameters with exp.add(params={'lr': 0.1})",
    "log_params": "Add parameters with exp.add(params={'lr': 0.1})",
    "log_hyperparams": "Add parameters with exp.add(params={'lr': 0.1})",
    "set_tag": "Add tags with exp.add(tags=['baseline'])",
    "set_tags": "Add tags with exp.add(tags=['baseline'])",
    "add_tags": "Add tags with exp.add(tags=['baseline'])",
    "add_tag": "Add tags with exp.add(tags=['baseline'])",
    "notes": "The description is exp.description; to add one, call exp.add(description='…')",
    "summary": "Log a last event, exp.log.event('final', accuracy=0.9); readers also find the last and best values",
    "finish": "End the experiment with exp.close(), or use Exp in a with block",
    "end": "End the experiment with exp.close(), or use Exp in a with block",
    "end_run": "End the experiment with exp.close(), or use Exp in a with block",
    "stop": "End the experiment with exp.close(), or use Exp in a with block",
    "log_artifact": "Attach a file with exp.attach('model.pt')",
    "log_image": "Attach an image with exp.attach(array, 'sample.png')",
    "log_figure": "Attach a figure with exp.attach(figure, 'curve.png')",
    "log_code": "The git commit is recorded; to attach uncommitted changes, pass diff=True to Exp",
    "save": "Attach a file with exp.attach('model.pt')",
    "use_artifact": "Refer to a file with exp.ref('data.csv')",
    "url": "The directory of the experiment is exp.path",
    "dir": "The directory of the experiment is exp.path",
    "run_id": "The id of the experiment is exp.id",
}


def refuse_keywords(keywords: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raise TypeError for the first keyword that `Exp` doesn't have, with the argument that is meant.

    Args:
        keywords: The keywords of a call of `Exp`.
        known: The arguments of `Exp`.
    """
    import difflib

    for keyword in keywords:
        if keyword in known:
            continue
        meant = _KEYWORDS.get(keyword) or next(iter(difflib.get_close_matches(keyword, known, 1)), None)
        advice = f"Use {meant}" if meant else f"The arguments are {', '.join(known)}"
        if meant and meant.startswith("nothing: "):
            advice = f"Leave it out{meant[len('nothing') :]}"
        raise TypeError(f"Exp has no argument {keyword!r}. {advice}.")


def missing_attribute(owner: object, name: str) -> AttributeError:
    """Return the error for an attribute that `Exp` doesn't have, with the right call if another tracker has it."""
    advice = _ATTRIBUTES.get(name)
    return AttributeError(
        f"{type(owner).__name__} has no attribute {name!r}." + (f" {advice}." if advice else ""), name=name, obj=owner
    )


def refuse_call(values: tuple[object, ...], members: dict[str, Any]) -> NoReturn:
    """Raise TypeError for a call of `exp.log`, with the call of `exp.log.event` that is meant."""
    given = {**members, **values[0]} if values and isinstance(values[0], dict) else members
    if all(str(name).isidentifier() for name in given):
        text = ", ".join(f"{name}={short(given[name])}" for name in given)
    else:
        text = short(given)
    raise TypeError(
        "exp.log isn't a function, but a logger. Log an event, which has a name: "
        f"exp.log.event('train', {text or 'loss=0.5'})."
    )
