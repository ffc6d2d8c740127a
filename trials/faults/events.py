"""What the programs under test log: data that anybody can make again who knows the caller and the number."""

from __future__ import annotations

from typing import Any

__all__ = ["data"]


def data(source: str, number: int) -> dict[str, Any]:
    """The data of event *number* of the caller *source*: floats, text beyond ASCII, a large integer, a nested list."""
    return {
        "source": source,
        "number": number,
        "loss": number / 7,
        "text": "é\n" * (number % 40),
        "seed": 2**63 + number,
        "sizes": [number, [-number, None, number % 2 == 0]],
    }
