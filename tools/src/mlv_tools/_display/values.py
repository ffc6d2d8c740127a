"""Values of parameters and environments for pages and notebooks: numbers stay numbers, all else becomes short text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from mlv_tools._display.text import printable
from mlv_tools._display.text import value as text
from mlvlogger import EventRef, ExperimentRef, External, File, Histogram, Opaque, Redacted, Table, Unencodable

__all__ = ["display", "shorten"]

_EXACT = 2**53  # beyond this, JavaScript has no exact integers
_MAX_LENGTH = 1000  # characters


def display(value: Any) -> float | str:
    """Return a value as a number, if JSON and JavaScript represent it exactly, otherwise as short text."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    formatted = next((form(value) for kind, form in _FORMS if isinstance(value, kind)), value)
    return shorten(formatted)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda item: str(display(item)))


_FORMS: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (File | External, lambda value: value.path),
    (ExperimentRef, lambda value: value.path or value.id),
    (EventRef, lambda value: f"event {value.seq} of {value.stream}"),
    (Redacted, lambda value: "(redacted)"),
    (Unencodable, lambda value: value.repr),
    (Opaque, lambda value: json.dumps(value.json)),
    (datetime | date | time, lambda value: value.isoformat()),
    (Histogram | Table, text),
    (bytes, lambda value: f"({len(value)} bytes)"),
    (list | dict, _json),
)


def shorten(value: object, limit: int = _MAX_LENGTH) -> str:
    """Return text of at most *limit* characters, with control characters escaped except line feeds."""
    text = str(value)
    return printable(text if len(text) <= limit else text[: limit - 1] + "…", keep="\n")
