"""What the adapters have in common: the settings of a framework, and metrics that join several names into one."""

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
    """Return *values* as `Exp` records its params, for the member *name* of an event.

    What looks like a secret is redacted, at any depth. What can't be encoded warns, as in any event.
    """
    return decode(redact(encode(values, path=f"data.{name}", depth=3, lenient=warn_once)))


def put(data: dict[str, Any], name: str, value: Any) -> None:
    """Add a member; if *name* is taken, under ``name~2``, with a warning."""
    if name in data:
        second = free_name(name, data, {})
        warn_once(f"data: two metrics have the name {name!r}. The second was recorded under the name {second!r}.")
        name = second
    data[name] = value
