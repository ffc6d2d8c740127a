"""Data that is too large for a record, or large enough for a warning (specification 1.0, `json.size`)."""

from __future__ import annotations

from .._format.encode import encode
from .._format.json import MAX_RECORD, dumps
from .._format.references import Unencodable
from .._messages import printable, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MANY", "MAX_DATA", "shortened", "warn_if_large"]

#: The most characters of data as JSON text. They leave space for a name of up to 12 KiB and the rest of the line.
MAX_DATA = MAX_RECORD - 16 * 1024

#: A member with more numbers than this causes a warning. Each number takes two characters or more.
MANY = 10_000

_LARGE_MEMBER = 64 * 1024
_LARGE = 1024 * 1024  # characters of a member that cause a warning


def shortened(tree: dict[str, Any]) -> str:
    """Return the JSON text of data that fits into a record: large members are replaced by the beginning of theirs."""
    warn_once(
        "data is larger than a record may be (16 MiB); its large members were recorded as the beginning of "
        "their JSON text"
    )
    small: dict[str, Any] = {}
    for name, value in tree.items():
        text = dumps(value)
        small[name] = (
            value
            if len(text) <= _LARGE_MEMBER
            else {"_mlv": "unencodable", "type": type(value).__name__, "repr": text[:1000]}
        )
    text = dumps(small)
    if len(text) < MAX_DATA:
        return text
    return dumps(encode({"value": Unencodable("dict", text[:1000])}, path="data", depth=2))


def warn_if_large(tree: dict[str, Any], length: int) -> None:
    """Warn once about the first member that should be in a file.

    Args:
        tree: The data.
        length: The number of characters of the data as JSON text.
    """
    for name, value in tree.items():
        if _count(value) > MANY or (length > _LARGE and len(dumps(value)) > _LARGE):
            warn_once(
                f"data.{printable(name[:100])}: more than {MANY} numbers or 1 MiB of text were logged in one event, "
                "which makes the log large and slow to read. Save the value to a file and attach the file: "
                "numpy.save(path, array), exp.attach(path). Or log a summary: numpy.histogram(array)."
            )
            return


def _count(tree: Any) -> int:
    parts = tree.values() if type(tree) is dict else tree if type(tree) is list else ()
    return len(parts) + sum(_count(part) for part in parts if type(part) in (dict, list))
