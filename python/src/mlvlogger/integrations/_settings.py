"""Data of events, for the adapters: a framework's settings, and metrics with composed names."""

from __future__ import annotations

from .._format.decode import decode
from .._format.encode import encode, free_name
from .._messages import warn_once
from .._secrets import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["put", "settings"]


def settings(values: Any, name: str) -> Any:
    """Return *values* as `Exp` records `params`, for the member *name* of an event.

    Values that look like secrets are redacted, at any depth. Values that can't be encoded give a warning, as in every
    event.
    """
    return decode(redact(encode(values, path=f"data.{name}", depth=3, lenient=warn_once)))


def put(data: dict[str, Any], name: str, value: Any) -> None:
    """Add a member to *data*. If *name* is taken, warn, and use the first free name `name~2`, `name~3`, …."""
    if name in data:
        second = free_name(name, data, {})
        warn_once(f"data: two metrics have the name {name!r}. The second was recorded under the name {second!r}.")
        name = second
    data[name] = value
