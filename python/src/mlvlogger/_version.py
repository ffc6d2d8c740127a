"""The versions of mlvlogger and of the specification, and the check of a record's version."""

from __future__ import annotations

from ._errors import UnsupportedVersion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["SPEC_VERSION", "__version__", "check_version"]

__version__ = "0.1.0"
"""The version of mlvlogger."""

SPEC_VERSION = "1.0"
"""The version of the specification that mlvlogger writes."""


def check_version(version: Any, requires: Any, record: str) -> None:
    """Raise UnsupportedVersion if this reader must not read a record (`reader.major`, `reader.requires`).

    Args:
        version: The member `mlv` of the record.
        requires: The member `requires` of the record, or None.
        record: The record, for the message.
    """
    if not isinstance(version, str) or version.partition(".")[0] != SPEC_VERSION.partition(".")[0]:
        raise UnsupportedVersion(
            f"{record} is of MLV version {version!r}; this mlvlogger knows {SPEC_VERSION[:2]}x. Use a later mlvlogger."
        )
    if requires:
        raise UnsupportedVersion(
            f"{record} requires {requires!r}, which this mlvlogger does not know. Use a later mlvlogger."
        )
