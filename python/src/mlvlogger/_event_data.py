"""The data of an event as JSON, from a mapping and keyword arguments (specification 1.0, chapter Events)."""

from __future__ import annotations

from ._format.convert import free_name, is_mapping
from ._format.decode import decode
from ._format.encode import encode
from ._format.json import dumps
from ._format.line import note_number, numbers, was_number
from ._format.metrics import is_metric, step
from ._messages import a_type, brief, qualname, reraise_exhaustion, short, warn_once
from ._write.large import MANY, MAX_DATA, shortened, warn_if_large

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

    from ._format.encode import AttachTable
    from ._format.line import Numbers
    from ._format.references import File

__all__ = ["check_step", "data_json"]

_FIRST_OF_NUMBER = "0123456789+-.nNiI"  # the first characters of strings that `float` takes


def data_json(
    name: bytes,
    data: Mapping[str, Any] | list[Any] | None,
    members: dict[str, Any],
    experiment: str | None,
    attach_table: Callable[[bytes, tuple[Any, ...], bytes], File | None] | None = None,
) -> tuple[bytes, Numbers | None]:
    """Return the JSON of an event's data as bytes, or the template and values of `numbers`.

    Args:
        name: The name of the event as JSON, for warnings.
        data: As for `Logger.event`; a list of several values is an error.
        members: As for `Logger.event`.
        experiment: The id of the experiment, None for a bare log.
        attach_table: A function that writes the rows of a large table to an attached file; None for a bare log. Its
            arguments are *name*, the keys that lead to the table, and the content of the file.

    Raises:
        TypeError: As for `Logger.event`.
    """
    if type(data) is dict and not members:
        copy = data.copy()
        for key in copy:
            if type(key) is not str:
                break
        else:
            if plain := numbers(copy):
                check_step(name, copy)
                return plain
    attach = None if attach_table is None else lambda keys, content: attach_table(name, keys, content)
    tree = _tree(members, experiment, attach) if members else {}
    if data is not None:
        if not is_mapping(data):
            raise TypeError(
                f"data is {short(data)}, {a_type(data)}: give a dict, or name each value: event(name, step=…, value=…)."
            )
        given = _tree(data, experiment, attach, tree)
        names: dict[str, int] = {}
        for key in [key for key in tree if key in given]:
            if _is_given_twice(key, data, members):
                raise TypeError(f"data has {key!r} twice, in the mapping and by keyword. Give it once.")
            second = free_name(key, {**given, **tree}, names)
            tree[second] = tree.pop(key)
            warn_once(
                f"data: a key of the mapping and the keyword {brief(key)} have the same name in JSON. The value of "
                f"the keyword was recorded under the name {brief(second)}. Rename one of them."
            )
        tree = {**given, **tree}
    check_step(name, tree)
    _check_metrics(name, tree, data, members)
    text = dumps(tree)
    if len(text) >= MAX_DATA:
        text = shortened(tree)
    elif len(text) > 2 * MANY:
        warn_if_large(tree, len(text))
    return text.encode("ascii"), None


def _tree(
    mapping: Any, experiment: str | None, attach: AttachTable | None, taken: Container[str] = ()
) -> dict[str, Any]:
    tree = encode(mapping, path="data", depth=2, experiment_id=experiment, report=warn_once, attach=attach)
    if type(tree) is dict and "_mlv" not in tree:
        return tree
    # The mapping as a whole can't be encoded, and data can't be a typed value itself.
    return {"value" if "value" not in taken else free_name("value", taken, {}): tree}


def _is_given_twice(name: str, data: Any, members: dict[str, Any]) -> bool:
    """Return whether two members of this name in JSON come from one key, and not from two keys such as 1 and "1"."""
    keys = {name, name[1:]} if name[:1] == "_" else {name}  # the name may be escaped
    if not any(key in members for key in keys):
        return False
    try:
        return not hasattr(type(data), "keys") or any(key in data for key in keys)
    except Exception as error:  # from code of the mapping
        reraise_exhaustion(error)
        return True


def check_step(name: bytes, data: dict[str, Any]) -> None:
    """Warn, once for each name of an event, if the member `step` of encoded data can't be the axis of its metrics."""
    if "step" in data and step({"step": (value := decode(data["step"]))}) is None:
        warn_once(
            f"data.step of the event {name.decode()} is {short(value)}, which isn't an integer of 64 bits, so it isn't "
            "the axis of the metrics: readers count the events instead. Pass an integer of 64 bits as step, and "
            "another value under another name, such as epoch.",
            key=f"data.step of {name.decode()}",
        )


def _check_metrics(event: bytes, tree: dict[str, Any], data: Any, members: dict[str, Any]) -> None:
    """Warn, once for each name, about members that are meant as metrics, but aren't recorded as numbers.

    These are an array of one number, a `Decimal`, a `Fraction`, and a string that reads as a number if another event
    has a number of this name, or if the event has a step and the string has a point or an exponent.

    Args:
        event: The name of the event as JSON.
        tree: The encoded data.
        data: As for `Logger.event`.
        members: As for `Logger.event`.
    """
    for name, value in tree.items():
        kind = type(value)
        if kind is float or kind is int:
            note_number(name)
        elif name == "step":
            continue  # `check_step` warns
        elif kind is list:
            if len(value) == 1 and _is_one_number(value):
                shape = _shape(_given(name, data, members))
                what = "an array of one number" if shape is None else f"an array of shape {shape}"
                instead = "the number itself" if shape is None else "the value of its item()"
                _warn_of_no_metric(event, name, what, "an array", instead)
        elif kind is str and value[:1] in _FIRST_OF_NUMBER:
            given = qualname(type(_given(name, data, members)))
            if given in ("Decimal", "Fraction"):
                _warn_of_no_metric(event, name, f"a {given}", "a string", "float(value)")
            elif _reads_as_number(value) and (
                was_number(name) or ("step" in tree and ("." in value or "e" in value.lower()))
            ):
                _warn_of_no_metric(event, name, f"the string {brief(value)}", "a string", "a number: float(value)")


def _given(name: str, data: Any, members: dict[str, Any]) -> Any:
    """Return the value of a member as it was given, or None if that would run code of the mapping."""
    return members.get(name, data.get(name) if type(data) is dict else None)


def _shape(value: Any) -> tuple[Any, ...] | None:
    """Return the shape of an array, or None for a value without one."""
    try:
        return tuple(value.shape)
    except Exception as error:  # from code of the value
        reraise_exhaustion(error)
        return None


def _is_one_number(tree: Any) -> bool:
    while type(tree) is list and len(tree) == 1:
        tree = tree[0]
    return is_metric(decode(tree))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _warn_of_no_metric(event: bytes, name: str, what: str, recorded: str, instead: str) -> None:
    warn_once(
        f"data.{brief(name)} of the event {event.decode()} is {what}: it is recorded as {recorded}, which isn't a "
        f"metric. To log a metric, pass {instead}.",
        key=f"data.{name}, which isn't a metric",
    )
