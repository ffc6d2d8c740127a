"""What tests of values share: values that a program may have, and how they are encoded."""

import enum
import functools
import math
import struct
import types
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlvlogger import External
from mlvlogger._format.encode import encode

DIGEST = "0" * 64
ID = "sha256:" + DIGEST
OUTSIDE = External("/\udcff", "h", 1, DIGEST, "2026-11-20T08:00:00.000000Z")


def tree(value: Any) -> Any:
    return encode(value, path="params.x", depth=3)


def lenient(value: Any, depth: int = 3) -> tuple[Any, list[str]]:
    messages: list[str] = []
    return encode(value, path="data.x", depth=depth, report=messages.append), messages


def typed(kind: str, value: str) -> dict[str, str]:
    return {"_mlv": kind, "value": value}


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types, bit for bit: 1 is not 1.0 or True, 0.0 is not -0.0, and NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, datetime):
        return bool(one == other) and one.utcoffset() == other.utcoffset()
    return bool(one == other)


class Suit(enum.Enum):
    HEARTS = object()


class Level(enum.IntEnum):
    HIGH = 2


class Mode(str, enum.Enum):
    FAST = "fast"


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(str):
    def __str__(self) -> str:
        return "something else"


class Whole(int):
    pass


class Real(float):
    pass


class Stamp(datetime):
    """As pandas' Timestamp, which knows nanoseconds."""

    def isoformat(self, *args: Any, **options: Any) -> str:
        return super().isoformat(timespec="microseconds") + "789"


class NotATime(datetime):
    """As pandas' NaT."""

    def isoformat(self, *args: Any, **options: Any) -> str:
        return "NaT"


class Array:
    """As NumPy's and torch's: what `tolist` gives is what counts."""

    def __init__(self, content: Any, *shape: int) -> None:
        self.content, self.shape = content, shape

    def tolist(self) -> Any:
        return self.content


@dataclass
class Settings:
    lr: float
    inner: Any = None

    @classmethod
    def made(cls) -> "Settings":
        return cls(0.1)


def decorated() -> Callable[[], None]:
    def inner() -> None:
        pass

    @functools.wraps(inner)
    def wrapper() -> None:
        pass

    return wrapper


EXAMPLE = lambda: None  # noqa: E731
Pair = namedtuple("Pair", "a b")
HERE = __name__


def function() -> None:
    pass


@functools.lru_cache
def cached() -> None:
    pass


class Odd(types.SimpleNamespace):
    """A namespace with names that no statement gives it."""

    def __init__(self) -> None:
        vars(self).update({1: "one", None: "none", "a b": 2, "_mlv": 3})  # type: ignore[dict-item]


class Twice(Mapping[Any, Any]):
    """A mapping that has one key twice."""

    def __init__(self) -> None:
        self.values_left = ["second", "first"] * 2

    def __getitem__(self, key: str) -> str:
        return self.values_left.pop() if self.values_left else "more"

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "a"])

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return "<twice>"
