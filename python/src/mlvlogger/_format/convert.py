"""Values of other libraries, as dicts, lists and strings (specification 1.0, chapter Values).

No library is imported here: a value can be an instance of a library's class only if the program has imported it.
"""

from __future__ import annotations

import os
import sys

from .._messages import reraise_exhaustion
from .forms import LARGEST_INT, decimal
from .json import is_text
from .references import EventRef, ExperimentRef, External, File, Redacted, Unencodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from typing import Any

__all__ = [
    "Failed",
    "as_text",
    "count_elements",
    "free_name",
    "is_finer_than_microseconds",
    "is_mapping",
    "is_of",
    "key_name",
    "leaf_type",
    "members_of",
    "plain_mapping",
    "reference_tree",
    "stdlib_types",
    "string_value",
    "without_omegaconf",
]

_FINE_TIMES = r"(?:datetime|timedelta)64\[[0-9]*[npfa]s\]"  # NumPy's `tolist` gives integers for them
#: Classes whose `str` is recorded, by their module.
_TEXTS = {
    "torch": ("device", "dtype", "layout", "memory_format"),
    "numpy": ("dtype",),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
}
_FLOAT_KEYS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as the json module writes them


class Failed:
    """The replacement of a member that couldn't be read from its mapping or object.

    Attributes:
        error: The exception that reading the member raised.
    """

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def members_of(keys: Iterable[Any], get: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the members of a mapping or an object; a member that can't be read is `Failed`.

    Args:
        keys: The keys or names of the members.
        get: A function that returns the member of a key.
    """
    for key in keys:
        try:
            item = get(key)
        except Exception as error:
            reraise_exhaustion(error)
            item = Failed(error)
        yield key, item


def key_name(key: Any) -> str | None:
    """Return the name of a key in JSON, or None if it has none.

    The name is the one that the json module writes, or the string that is recorded for an equal value.
    """
    kind = type(key)
    if issubclass(kind, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if kind is bool:
        return "true" if key else "false"
    if issubclass(kind, int):
        return decimal(int.__int__(key)) if abs(int.__int__(key)) < LARGEST_INT else None
    if issubclass(kind, float):
        text = float.__repr__(key)
        return _FLOAT_KEYS.get(text, text)
    if issubclass(kind, stdlib_types()[0]):  # an Enum
        return key.name or str(key)
    if hasattr(key, "tolist") and tuple(getattr(key, "shape", (0,))) == ():  # a scalar of NumPy
        listed = key.tolist()
        return key_name(listed) if listed is None or type(listed) in (str, bool, int, float) else None
    return as_text(key)


def as_text(value: Any) -> str | None:
    """Return the string that represents a path, a class, a function, or one of `_TEXTS`; None for any other value."""
    if issubclass(type(value), type):
        return _qualified(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    for module, names in _TEXTS.items():
        if is_of(value, module, *names):
            return str(value)
    if is_of(value, "tensorflow", "DType"):  # whose str is `<dtype: 'float32'>`
        return str(value.name)
    # Functions of libraries have many types: built-in, jitted, dispatched, bound. An alias such as list[int] isn't one.
    if callable(value) and type(getattr(value, "__qualname__", None)) is str and not hasattr(value, "__origin__"):
        return _qualified(value)
    return None


def _qualified(value: Any) -> str:
    """Return the qualified name of a class or function: `torch.optim.adam.Adam`; for a built-in, without the module."""
    module = getattr(value, "__module__", None)
    return f"{module}.{value.__qualname__}" if module not in (None, "builtins") else str(value.__qualname__)


def is_of(value: Any, module: str, *names: str) -> bool:
    """Return whether *value* is an instance of one of these classes of a module, without importing the module."""
    found = sys.modules.get(module)
    if found is not None:
        for name in names:
            kind = getattr(found, name, None)
            if isinstance(kind, type) and isinstance(value, kind):
                return True
    return False


def count_elements(shape: Any) -> int:
    """Return the number of elements that an array of this shape has as nested lists.

    The shape (2, 0, 3) gives two empty lists.
    """
    count = 1
    for length in shape:
        if length == 0:
            break
        count *= length
    return count


def stdlib_types() -> tuple[Any, Any, Any, Any, Any]:
    """Return `Enum`, the classes of times, `Mapping`, its views, and the sequences.

    The first call imports them: most programs never log a value of these classes.
    """
    global _loaded
    if _loaded is None:
        from collections import deque
        from collections.abc import ItemsView, KeysView, Mapping, ValuesView
        from datetime import date, datetime, time, timedelta
        from enum import Enum

        views = (KeysView, ItemsView, ValuesView)
        _loaded = (Enum, (datetime, date, time, timedelta), Mapping, views, (list, tuple, deque, range))
    return _loaded


_loaded: tuple[Any, Any, Any, Any, Any] | None = None


def is_finer_than_microseconds(dtype: Any) -> bool:
    """Return whether *dtype* is NumPy's for times with a unit below a microsecond."""
    if "64[" not in (name := str(dtype)):
        return False
    import re

    return re.match(_FINE_TIMES, name) is not None


def is_mapping(value: Any) -> bool:
    """Return whether *value* is a mapping or an object of named members, as `params` and an event's data must be."""
    try:
        return (
            type(value) is dict
            or isinstance(value, stdlib_types()[2])
            or is_of(value, "ml_collections", "ConfigDict")
            or plain_mapping(value) is not None
        )
    except Exception as error:  # `__class__` may run the value's code
        reraise_exhaustion(error)
        return False


def plain_mapping(value: Any) -> dict[str, Any] | None:
    """Return the members of an object that consists of named members, or None for any other object.

    Such objects are instances of a dataclass, an attrs class or a pydantic model (without excluded fields, with extra
    ones), argparse namespaces, and `types.SimpleNamespace`.
    """
    kind = type(value)

    def get(name: str) -> Any:
        return getattr(value, name)

    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields

        names = [field.name for field in fields(value)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif hasattr(kind, "__pydantic_fields__"):
        names = [name for name, field in kind.__pydantic_fields__.items() if not field.exclude]
        return {**dict(members_of(names, get)), **(value.__pydantic_extra__ or {})}
    elif isinstance(value, type(sys.implementation)) or is_of(value, "argparse", "Namespace"):  # types.SimpleNamespace
        return dict(vars(value))
    else:
        return None
    return dict(members_of(names, get))


def without_omegaconf(value: Any) -> Any:
    """Return a configuration of OmegaConf as dicts and lists, and any other value unchanged.

    Interpolations are resolved, and missing values are `???`. A value that can't be resolved is `Failed`.
    """
    if not is_of(value, "omegaconf", "Container"):
        return value
    OmegaConf = sys.modules["omegaconf"].OmegaConf
    try:
        return OmegaConf.to_container(value, resolve=True)
    except Exception as error:
        reraise_exhaustion(error)

        def get(key: Any) -> Any:
            return "???" if OmegaConf.is_missing(value, key) else value[key]

        if OmegaConf.is_dict(value):
            return dict(members_of(value, get))
        return [item for _, item in members_of(range(len(value)), get)]


def leaf_type(listed: Any) -> type:
    """Return the type of the first element of nested lists that isn't a list itself, or `list` if there is none."""
    while type(listed) is list and listed:
        listed = listed[0]
    return type(listed)


def free_name(name: str, taken: Container[str], numbers: dict[str, int]) -> str:
    """Return the first of `name~2`, `name~3`, … that isn't taken.

    Args:
        name: The name.
        taken: The names that are taken.
        numbers: The last number of each name; it is updated, so that the next call continues after it.
    """
    while True:
        numbers[name] = number = numbers.get(name, 1) + 1
        if (free := f"{name}~{number}") not in taken:
            return free


def string_value(text: str) -> Any:
    """Return the JSON of a string: the string itself, or a typed value if it has lone surrogates."""
    if is_text(text):
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    text = units.decode("utf-16-be", "surrogatepass")  # two surrogates that are a pair are one character
    return text if is_text(text) else {"_mlv": "string", "value": units.hex()}


def reference_tree(value: Any, experiment_id: str | None) -> dict[str, Any]:
    """Return the typed value of a reference or a replacement.

    Args:
        value: A `File`, `External`, `ExperimentRef`, `EventRef`, `Redacted` or `Unencodable`.
        experiment_id: The id of the experiment that the record belongs to.
    """
    if isinstance(value, File):
        tree: dict[str, Any] = {"_mlv": "file", "path": value.path, "size": value.size, "sha256": value.sha256}
        if value.media_type is not None:
            tree["media_type"] = value.media_type
        if value.experiment is not None and value.experiment != experiment_id:
            tree["experiment"] = value.experiment
    elif isinstance(value, ExperimentRef):
        tree = {"_mlv": "experiment", "id": value.id, **({} if value.path is None else {"path": value.path})}
    else:
        type_names = {External: "external", EventRef: "event", Redacted: "redacted", Unencodable: "unencodable"}
        members = {name: getattr(value, name) for name in value.__match_args__}
        # Strings from the system may have lone surrogates; such strings become typed values themselves.
        texts = {name: string_value(text) if type(text) is str else text for name, text in members.items()}
        tree = {"_mlv": type_names[type(value)], **texts}
    return tree
