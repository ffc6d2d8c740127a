"""How parameters and metrics are called in every command, on pages and in exports.

A nested parameter is called by its path, joined by dots: ``optimizer.lr``. A metric is called by its event and its
name: ``epoch/batch.loss``. A part that could be misread, such as a key with a dot, is a JSON string: ``"optimizer.lr"``
is the parameter whose only key has a dot. Different parameters never have the same name, and neither have metrics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mlv_tools._display.text import printable

__all__ = ["differing", "flatten", "identity", "joined", "listed", "metric_label", "unknown"]

_NAMED = 20  # names in a message
_QUOTED = re.compile(r'(?:(?<=\.)|\A)"(?:[^"\\]|\\.)*"(?=\.|\Z)', re.DOTALL)


def flatten(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dicts with their names. None and an empty dict are values, too."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            for below, item in flatten(value):
                yield f"{_part(key)}.{below}", item
        else:
            yield _part(key), value


def metric_label(event: str, name: str, *, is_quoted: bool = False) -> str:
    """Return the name of a metric. A dot in its own name isn't quoted: the event ends at the first dot.

    Args:
        event: The name of the event.
        name: The name of the metric in the event.
        is_quoted: Whether to quote the name of the metric in any case.
    """
    is_clear = name.isprintable() and name and not name.startswith('"') and not is_quoted
    return f"{_part(event)}.{name if is_clear else json.dumps(name)}"


def joined(name: str) -> str:
    """Return a name without the quotes, which is what most people write: `optimizer.lr` for `"optimizer.lr"`."""
    return _QUOTED.sub(lambda match: _unquoted(match[0]), name)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message that there is nothing called *name*, with the names that there are.

    Args:
        what: The kind of thing, such as "metric".
        name: The name that was given.
        known: The names of all things of this kind.
    """
    known = list(known)
    if not known:
        return f"there is no {what} {name!r}. There are none at all."
    close = get_close_matches(name, known, 3)
    hint = f" Did you mean {' or '.join(map(printable, close))}?" if close else ""
    return f"there is no {what} {name!r}.{hint} Choose one of: {listed(known)}."


def listed(names: Sequence[str]) -> str:
    """Return the first names for a message, and the number of all others."""
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(printable, names[:_NAMED])) + more


def differing(trees: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names whose values differ between flat dicts, or that some of them lack, in order."""
    names = dict.fromkeys(name for tree in trees for name in tree)
    return [name for name in names if len({identity(tree[name]) if name in tree else None for tree in trees}) > 1]


def identity(value: Any) -> object:
    """Return an object that is equal for equal values only: 1 is 1.0, but neither is "1" or true; NaN is NaN."""
    if isinstance(value, (list, tuple)):
        return ("list", *map(identity, value))
    if isinstance(value, dict):
        return ("dict", *((name, identity(value[name])) for name in sorted(value)))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return repr(value)
    return value


def _part(text: str) -> str:
    return text if text and text.isprintable() and not {".", '"'} & set(text) else json.dumps(text)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text
