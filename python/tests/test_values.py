"""Values: what a record holds of anything that Python has, and what comes back (specification 1.0, chapter Values)."""

import argparse
import enum
import functools
import json
import math
import pickle
import random
import struct
import sys
import types
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, List  # noqa: UP035

import pytest

from mlvlogger import CannotEncode, EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable
from mlvlogger._format.decode import decode
from mlvlogger._format.encode import encode
from mlvlogger._format.json import dumps

DIGEST = "0" * 64
ID = "sha256:" + DIGEST
OUTSIDE = External("/\udcff", "h", 1, DIGEST, "2026-11-20T08:00:00.000000Z")
CET = timezone(timedelta(hours=1))


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


# Exact both ways: Python value, JSON tree.
EXACT: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "true": (True, True),
    "zero": (0, 0),
    "negative-zero": (-0.0, -0.0),
    "float-with-integer-value": (1.0, 1.0),
    "large-float": (1e17, 1e17),
    "subnormal": (5e-324, 5e-324),
    "largest-float": (sys.float_info.max, sys.float_info.max),
    "largest-integer": (2**53 - 1, 2**53 - 1),
    "smallest-integer": (-(2**53) + 1, -(2**53) + 1),
    "integer-beyond": (2**53, typed("int", "9007199254740992")),
    "integer-beyond-by-one": (2**53 + 1, typed("int", "9007199254740993")),
    "negative-integer-beyond": (-(2**53), typed("int", "-9007199254740992")),
    "integer-of-64-bits": (2**63, typed("int", "9223372036854775808")),
    "integer-of-4000-digits": (10**4000 - 1, typed("int", "9" * 4000)),
    "smallest-integer-of-4000-digits": (-(10**3999), typed("int", "-1" + "0" * 3999)),
    "nan": (math.nan, typed("float", "nan")),
    "infinity": (math.inf, typed("float", "inf")),
    "negative-infinity": (-math.inf, typed("float", "-inf")),
    "text": ("äöü € \U0001f600 \u2028 \x00\x1b\r\n\ufffe", "äöü € \U0001f600 \u2028 \x00\x1b\r\n\ufffe"),
    "surrogate": ("\ud800", typed("string", "d800")),
    "surrogates-in-the-wrong-order": ("a\udc00\ud800", typed("string", "0061dc00d800")),
    "surrogate-beside-an-emoji": ("\U0001f600\udcff", typed("string", "d83dde00dcff")),
    "bytes": (b"\x00\xff\xfe", typed("bytes", "AP/+")),
    "no-bytes": (b"", typed("bytes", "")),
    "date": (date(1, 1, 1), typed("date", "0001-01-01")),
    "datetime-utc": (
        datetime(2026, 11, 22, 18, 24, tzinfo=timezone.utc),
        typed("datetime", "2026-11-22T18:24:00+00:00"),
    ),
    "datetime-with-offset": (
        datetime(2026, 11, 22, 19, 24, 0, 500000, tzinfo=CET),
        typed("datetime", "2026-11-22T19:24:00.500000+01:00"),
    ),
    "datetime-with-odd-offset": (
        datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=23, minutes=59))),
        typed("datetime", "2026-01-01T00:00:00-23:59"),
    ),
    "datetime-naive": (
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        typed("datetime-local", "9999-12-31T23:59:59.999999"),
    ),
    "time-naive": (time(23, 59, 59, 1), typed("time", "23:59:59.000001")),
    "time-with-offset": (time(1, 2, tzinfo=CET), typed("time", "01:02:00+01:00")),
    "duration": (timedelta(days=1, microseconds=1), typed("duration", "86400.000001")),
    "no-duration": (timedelta(0), typed("duration", "0")),
    "negative-duration": (-timedelta(microseconds=1), typed("duration", "-0.000001")),
    "negative-duration-of-days": (-timedelta(days=2, milliseconds=500), typed("duration", "-172800.5")),
    "longest-duration": (timedelta.max, typed("duration", "86399999999999.999999")),
    "shortest-duration": (timedelta.min, typed("duration", "-86399999913600")),
    "redacted": (Redacted(), {"_mlv": "redacted"}),
    "unencodable": (Unencodable("a.B", "<b>"), {"_mlv": "unencodable", "type": "a.B", "repr": "<b>"}),
    "file": (File("a/b.pt", 3, DIGEST), {"_mlv": "file", "path": "a/b.pt", "size": 3, "sha256": DIGEST}),
    "file-elsewhere": (
        File("files/b.png", 0, DIGEST, "image/png", ID),
        {
            "_mlv": "file",
            "path": "files/b.png",
            "size": 0,
            "sha256": DIGEST,
            "media_type": "image/png",
            "experiment": ID,
        },
    ),
    "external": (
        External("/d/\udcff", "h", 1, DIGEST, "2026-11-20T08:00:00.000000Z"),
        {
            "_mlv": "external",
            "path": typed("string", "002f0064002fdcff"),
            "host": "h",
            "size": 1,
            "sha256": DIGEST,
            "modified": "2026-11-20T08:00:00.000000Z",
        },
    ),
    "experiment": (ExperimentRef(ID), {"_mlv": "experiment", "id": ID}),
    "experiment-with-hint": (ExperimentRef(ID, "../.."), {"_mlv": "experiment", "id": ID, "path": "../.."}),
    "event": (EventRef(ID, "log.jsonl", 7), {"_mlv": "event", "experiment": ID, "stream": "log.jsonl", "seq": 7}),
    "event-of-a-bare-log": (
        EventRef(None, "a.jsonl", 7),
        {"_mlv": "event", "experiment": None, "stream": "a.jsonl", "seq": 7},
    ),
    "nested": ({"a": [1, {"b": [None, math.nan]}]}, {"a": [1, {"b": [None, typed("float", "nan")]}]}),
    "escaped": (
        {"_mlv": {"__mlv": [{"___mlv": 1}]}, "mlv": 1, "_MLV": 2, "_mlvs": 3, "a_mlv": 4},
        {"__mlv": {"___mlv": [{"____mlv": 1}]}, "mlv": 1, "_MLV": 2, "_mlvs": 3, "a_mlv": 4},
    ),
    "empty": ({"": [], "a": {}}, {"": [], "a": {}}),
}


@pytest.mark.rule("writer.escape")
@pytest.mark.rule("reader.unescape")
@pytest.mark.parametrize("name", EXACT)
def test_a_value_is_encoded_as_expected_and_read_back_equal(name: str) -> None:
    value, expected = EXACT[name]
    assert same(tree(value), expected)
    text = dumps(expected)
    assert text.isascii() and "\n" not in text
    assert same(decode(json.loads(text)), value)


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


# One way: the form in a record of values for which JSON and the typed values have no type.
CONVERTED = {
    "tuple": ((1, (2,)), [1, [2]]),
    "named-tuple": (Pair(1, 2), [1, 2]),
    "deque": (deque([1, 2]), [1, 2]),
    "range": (range(3), [0, 1, 2]),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "frozen-set-of-several-types": (frozenset({"b", "a", 1}), [1, "a", "b"]),
    "ordered-dict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "user-dict": (UserDict({"_mlv": 1}), {"__mlv": 1}),
    "path": (PurePosixPath("/a/b"), "/a/b"),
    "path-that-is-not-utf-8": (PurePosixPath("\udcff"), typed("string", "dcff")),
    "bytearray": (bytearray(b"a"), typed("bytes", "YQ==")),
    "memoryview": (memoryview(b"abcd")[::2], typed("bytes", "YWM=")),
    "str-subclass": (Text("text"), "text"),
    "int-subclass": (Whole(2**53), typed("int", "9007199254740992")),
    "float-subclass": (Real("inf"), typed("float", "inf")),
    "enum": (Suit.HEARTS, "HEARTS"),
    "int-enum": (Level.HIGH, 2),
    "str-enum": (Mode.FAST, "fast"),
    "int-flag": (Bits.A | Bits.B, 3),
    "dataclass": (Settings(0.5, Settings(1.0)), {"lr": 0.5, "inner": {"lr": 1.0, "inner": None}}),
    "namespace": (argparse.Namespace(lr=0.5, _mlv=1), {"lr": 0.5, "__mlv": 1}),
    "class": (Settings, f"{HERE}.Settings"),
    "class-of-enums": (Mode, f"{HERE}.Mode"),
    "built-in-class": (int, "int"),
    "function": (function, f"{HERE}.function"),
    "built-in-function": (max, "max"),
    "function-of-a-module": (math.sqrt, "math.sqrt"),
    "decorated-function": (cached, f"{HERE}.cached"),
    "lambda": (EXAMPLE, f"{HERE}.<lambda>"),
    "inner-function": (decorated(), f"{HERE}.decorated.<locals>.inner"),
    "method": (Text("a").__str__, f"{HERE}.Text.__str__"),
    "class-method": (Settings.made, f"{HERE}.Settings.made"),
    "method-of-a-built-in": ([].append, "list.append"),
    "method-of-a-built-in-class": (str.lower, "str.lower"),
    "partial": (
        functools.partial(Settings, 0.1, inner={1: function}),
        {"function": f"{HERE}.Settings", "args": [0.1], "keywords": {"inner": {"1": f"{HERE}.function"}}},
    ),
    "partial-with-the-name-of-a-function": (
        functools.update_wrapper(functools.partial(max, 1), function),
        {"function": "max", "args": [1], "keywords": {}},
    ),
    "decimal": (Decimal("0.10"), "0.10"),
    "decimal-nan": (Decimal("NaN"), "NaN"),
    "fraction": (Fraction(1, 3), "1/3"),
    "uuid": (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    "slice": (slice(0, Whole(10)), {"start": 0, "stop": 10, "step": None}),
    "set-of-functions": ({function, Settings, max}, ["max", f"{HERE}.Settings", f"{HERE}.function"]),
    "keys": ({2: 1, 1: 2}.keys(), [2, 1]),
    "items": (OrderedDict({1: 2}).items(), [[1, 2]]),
    "values": ({1: 2}.values(), [2]),
    "default-dict": (defaultdict(int, {1: 2}), {"1": 2}),
    "counter": (Counter("aab"), {"a": 2, "b": 1}),
    "chain-map": (ChainMap[Any, int]({1: 2}, {"a": 1}), {"a": 1, "1": 2}),
    "proxy": (types.MappingProxyType({1: 2}), {"1": 2}),
    "namespace-with-odd-names": (Odd(), {"1": "one", "null": "none", "a b": 2, "__mlv": 3}),
    "nested-keys": ([{1: {None: ({True: 1},)}}], [{"1": {"null": [{"true": 1}]}}]),
    "scalar": (Array(0.5), 0.5),
    "array": (Array([[1, 2], [math.nan, 4]], 2, 2), [[1, 2], [typed("float", "nan"), 4]]),
    "nanoseconds": (Stamp(2026, 1, 1, 0, 0, 0, 123456), typed("datetime-local", "2026-01-01T00:00:00.123456789")),
    "offset-with-seconds": (
        datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1, seconds=30))),
        typed("datetime", "2026-01-01T10:59:30+00:00"),
    ),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_a_value_without_a_type_in_the_format_is_encoded_as_the_nearest_type(name: str) -> None:
    value, expected = CONVERTED[name]
    assert same(tree(value), expected)


def test_a_flag_keeps_its_names_in_every_python() -> None:
    """In Python 3.10, the name of a combination is None: silence would be a loss."""

    class Color(enum.Flag):
        RED = 1
        BLUE = 2

    encoded, _ = lenient(Color.RED | Color.BLUE)
    assert encoded is not None and "RED" in str(encoded) and "BLUE" in str(encoded)


def test_numpy_values_are_their_python_values() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    values = [numpy.float32(0.5), numpy.float64("nan"), numpy.int8(-1), numpy.uint64(2**64 - 1), numpy.bool_(True)]
    expected = [0.5, typed("float", "nan"), -1, typed("int", "18446744073709551615"), True, [[0, 1]]]
    assert same(tree([*values, numpy.arange(2).reshape(1, 2)]), expected)


class Raises:
    """An object whose code raises, whatever it is asked."""

    shape = ()

    def tolist(self) -> Any:
        raise ZeroDivisionError("tolist")

    def __repr__(self) -> str:
        raise ZeroDivisionError("repr")


class RaisingMapping(Mapping[Any, Any]):
    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError("item")

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "<mapping>"


class RaisingPath:
    def __fspath__(self) -> str:
        raise ZeroDivisionError("path")

    def __repr__(self) -> str:
        return "<path>"


class Itself:
    """An array that gives itself: no progress, ever."""

    shape = ()

    def tolist(self) -> "Itself":
        return self

    def __repr__(self) -> str:
        return "<itself>"


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


class BadZone(tzinfo):
    def utcoffset(self, moment: Any) -> timedelta:
        raise ZeroDivisionError("zone")

    def __repr__(self) -> str:
        return "BadZone()"


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append({"again": value})
    return value


HOPELESS = {
    "callable-object": (
        functools.singledispatchmethod(function),
        "singledispatchmethod",
        "of type singledispatchmethod",
    ),
    "alias": (List[int], "_GenericAlias", "of type _GenericAlias"),  # noqa: UP006
    "alias-of-a-class": (list[int], "GenericAlias", "of type GenericAlias"),
    "complex": (1j, "complex", "of type complex"),
    "object": (object(), "object", "of type object"),
    "generator": ((n for n in "a"), "generator", "of type generator"),
    "integer-of-4001-digits": (10**4000, "int", "an integer of more than 4000 digits"),
    "integer-of-5001-digits": (-(10**5000), "int", "an integer of more than 4000 digits"),
    "cycle": (cycle(), "list", "a container that contains itself"),
    "everything-raises": (Raises(), "Raises", "of type Raises and raises ZeroDivisionError: tolist"),
    "mapping-raises": (RaisingMapping(), "ZeroDivisionError", "raises ZeroDivisionError: item"),
    "path-raises": (RaisingPath(), "RaisingPath", "raises ZeroDivisionError: path"),
    "zone-raises": (datetime(2026, 1, 1, tzinfo=BadZone()), "datetime.datetime", "raises ZeroDivisionError: zone"),  # type: ignore[abstract]
    "not-a-time": (NotATime(2026, 1, 1), "NotATime", "a time without a form in RFC 3339"),
    "time-with-seconds-in-its-offset": (
        time(1, tzinfo=timezone(timedelta(seconds=30))),
        "datetime.time",
        "a time without a form in RFC 3339",
    ),
    "time-that-utc-does-not-have": (
        datetime(1, 1, 1, tzinfo=timezone(timedelta(seconds=30))),
        "datetime.datetime",
        "a time without a form in RFC 3339",
    ),
    "array-of-many": (Array([], 10**4, 10**4), "Array", "too large"),
    "array-of-itself": (Itself(), "Itself", "of type Itself"),
    "range-of-many": (range(10**12), "range", "of more than"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_an_unencodable_value_raises_with_its_path_and_in_an_event_becomes_its_type_and_repr(name: str) -> None:
    value, kind, what = HOPELESS[name]
    with pytest.raises(CannotEncode) as caught:
        tree({"a": [0, value]})
    assert caught.value.path.startswith("params.x.a[1]")
    assert str(caught.value).startswith(caught.value.path) and what in str(caught.value)

    encoded, messages = lenient([value, 1])
    assert encoded[1] == 1
    left = encoded[0]
    while isinstance(left, (list, dict)) and "_mlv" not in left:  # a cycle is cut where it closes
        left = next(iter(left.values() if isinstance(left, dict) else left))
    assert set(left) == {"_mlv", "type", "repr"} and left["_mlv"] == "unencodable"
    assert left["type"].split(".")[-1] == kind.split(".")[-1] and len(left["repr"]) <= 1100
    assert len(messages) == 1 and messages[0].startswith("data.x[0]") and what in messages[0]
    assert dumps(encoded).isascii()


def test_the_message_gives_the_path_the_value_and_an_action() -> None:
    with pytest.raises(CannotEncode) as caught:
        encode({"optimizer": {"fn": 1j}}, path="params", depth=2)
    assert caught.value.path == "params.optimizer.fn"
    assert str(caught.value) == (
        "params.optimizer.fn: the value is of type complex, which a record can't hold: 1j. "
        "Pass a number, a string, a list or dict of these, or the name or the settings of an object."
    )


def test_all_values_that_are_refused_are_in_one_error_with_their_exceptions() -> None:
    value = {"a": 1j, "fine": 1, "b": [Raises(), {(0, 1): 2, "c": RaisingMapping()}], "d": {1: 2, "1": 3}}
    with pytest.raises(CannotEncode) as caught:
        encode(value, path="params", depth=2)
    error = caught.value
    assert error.path == "params.a"
    assert error.problems == [
        ("params.a", "the value is of type complex, which a record can't hold: 1j."),
        (
            "params.b[0]",
            "the value is of type Raises and raises ZeroDivisionError: tolist, which a record can't hold: "
            "<Raises, whose repr raises ZeroDivisionError: repr>.",
        ),
        ("params.b[1]", "the key (0, 1) is of type tuple, and a name in JSON can't be that."),
        ("params.b[1].c.a", "reading the value raises ZeroDivisionError: item."),
        ("params.d", "the keys 1 and '1' have the same name in JSON, '1'."),
    ]
    assert [(type(own), own and own.args) for own in error.errors] == [
        (type(None), None),
        (ZeroDivisionError, ("tolist",)),
        (type(None), None),
        (ZeroDivisionError, ("item",)),
        (type(None), None),
    ]
    assert error.__cause__ is error.errors[1]
    first, *lines = str(error).split("\n")
    assert first.startswith("params: 5 values can't be recorded. Pass a number, ")
    assert len(lines) == 5
    for line, (path, reason) in zip(lines, error.problems, strict=True):
        assert line.startswith(f"  {path}: {reason}")
    error.errors[1] = error.__cause__ = type("Local", (Exception,), {})()  # a class that pickle can't find
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.problems) == (str(error), error.path, error.problems)
    assert again.errors == [None] * 5


def test_the_error_for_many_values_is_short() -> None:
    with pytest.raises(CannotEncode) as caught:
        encode([1j] * 33, path="params", depth=2)
    assert len(caught.value.problems) == 33
    assert len(str(caught.value).split("\n")) == 22 and str(caught.value).endswith("\n  and 13 more")
    with pytest.raises(CannotEncode, match="at least 1000 values") as caught:
        encode([1j] * 10**5, path="params", depth=2)
    assert len(caught.value.problems) == len(caught.value.errors) == 1000


SPELLED = [
    0,
    -1,
    2**53,
    10**30,
    True,
    False,
    None,
    0.5,
    1.0,
    -0.0,
    1e16,
    1e-7,
    math.inf,
    -math.inf,
    math.nan,
    Level.HIGH,
]


@pytest.mark.parametrize("key", SPELLED, ids=repr)
def test_a_key_that_is_not_a_string_is_spelled_as_json_spells_it(key: Any) -> None:
    (spelled,) = json.loads(json.dumps({key: 0}))
    for value in ({key: 0}, UserDict({key: 0}), OrderedDict({key: 0})):
        assert tree([value]) == [{spelled: 0}]
        assert lenient([value]) == ([{spelled: 0}], [])


def test_a_key_that_is_a_string_as_a_value_is_that_string() -> None:
    class Color(enum.Enum):
        RED = 1

    keys = {Color.RED: "RED", Mode.FAST: "fast", PurePosixPath("a/b"): "a/b", Settings: f"{HERE}.Settings"}
    keys |= {Whole(3): "3", Real(0.5): "0.5", Text("text"): "text", Decimal("0.1"): "0.1", max: "max"}
    assert tree(dict.fromkeys(keys, 0)) == dict.fromkeys(keys.values(), 0)


def test_keys_of_numpy_are_spelled_as_their_python_values() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    keys = {numpy.int64(3): "3", numpy.float32(0.5): "0.5", numpy.float64(1.5): "1.5", numpy.str_("a"): "a"}
    keys |= {numpy.bool_(True): "true", numpy.array(7).item(): "7", numpy.float64("nan"): "NaN"}
    assert tree(dict.fromkeys(keys, 0)) == dict.fromkeys(keys.values(), 0)


# Two keys, and the name that both have.
COLLIDING: dict[str, tuple[Any, str, Any, Any]] = {
    "integer": ({1: "first", "1": "second"}, "1", 1, "1"),
    "string-first": ({"1": "first", 1: "second"}, "1", "1", 1),
    "boolean": ({True: "first", "true": "second"}, "true", True, "true"),
    "none": ({"null": "first", None: "second"}, "null", "null", None),
    "float": ({0.5: "first", "0.5": "second"}, "0.5", 0.5, "0.5"),
    "nan": ({math.nan: "first", float("nan"): "second"}, "NaN", math.nan, math.nan),
    "enum": ({Suit.HEARTS: "first", "HEARTS": "second"}, "HEARTS", Suit.HEARTS, "HEARTS"),
    "path": ({PurePosixPath("a"): "first", "a": "second"}, "a", PurePosixPath("a"), "a"),
    "class": ({int: "first", "int": "second"}, "int", int, "int"),
    "mapping-with-a-key-twice": (Twice(), "a", "a", "a"),
    "namespace": (types.SimpleNamespace(**{"1": "first"}), "1", "1", 1),
    "escaped": ({"_mlv": "first", PurePosixPath("_mlv"): "second"}, "_mlv", "_mlv", PurePosixPath("_mlv")),
}
vars(COLLIDING["namespace"][0])[1] = "second"


@pytest.mark.parametrize("name", COLLIDING)
def test_two_keys_with_one_name_are_refused_and_in_an_event_the_second_has_another_name(name: str, strict: Any) -> None:
    value, spelled, first, second = COLLIDING[name]
    what = f"the keys {first!r} and {second!r} have the same name in JSON, {spelled!r}."
    with pytest.raises(CannotEncode) as caught:
        tree({"a": [value]})
    assert caught.value.problems == [("params.x.a[0]", what)]

    encoded, messages = lenient({"a": [value]})
    strict(dumps(encoded).encode("ascii"))
    assert decode(encoded) == {"a": [{spelled: "first", f"{spelled}~2": "second"}]}
    assert messages == [
        f"data.x.a[0]: {what} The value of the second was recorded under the name '{spelled}~2'. Rename one of them."
    ]


def test_the_name_of_a_second_key_is_not_the_name_of_another() -> None:
    encoded, messages = lenient({"1~2": "a", "1": "b", 1: "c", PurePosixPath("1"): "d", "1~3": "e"})
    assert encoded == {"1~2": "a", "1": "b", "1~3": "c", "1~4": "d", "1~3~2": "e"}
    assert len(messages) == 3


@pytest.mark.slow
def test_a_mapping_that_repeats_one_key_endlessly_is_given_up(constant: Any) -> None:
    constant("_format.encode._MAX_PARTS", 10**5)

    class Same(Twice):
        def __iter__(self) -> Iterator[str]:
            return iter(lambda: "a", None)

    encoded, messages = lenient({"x": Same()}, depth=2)
    assert encoded["x"]["_mlv"] == "unencodable" and len(messages) == 11
    with pytest.raises(CannotEncode):
        tree(Same())


UNNAMED: dict[str, tuple[Any, str, str]] = {
    "tuple": ((0, 1), "(0, 1)", "is of type tuple"),
    "bytes": (b"a", "b'a'", "is of type bytes"),
    "date": (date(2026, 1, 1), "datetime.date(2026, 1, 1)", "is of type date"),
    "complex": (1j, "1j", "is of type complex"),
    "surrogate": ("a\ud800", "a\\ud800", "has a lone surrogate"),
    "integer-of-4001-digits": (10**4000, "<int of 13288 bits>", "is of type int"),
}


@pytest.mark.parametrize("name", UNNAMED)
def test_a_key_without_a_name_is_refused_and_in_an_event_loses_no_value(name: str) -> None:
    key, written, fault = UNNAMED[name]
    with pytest.raises(CannotEncode) as caught:
        tree({"a": {"fine": 1, key: 2}})
    assert caught.value.path == "params.x.a" and fault in str(caught.value)
    encoded, messages = lenient({"a": {"fine": 1, key: 2}})
    assert encoded == {"a": {"fine": 1, written: 2}}
    assert len(messages) == 1 and messages[0].startswith("data.x.a: the key ") and fault in messages[0]


def test_an_array_of_more_than_a_thousand_elements_is_refused_as_a_parameter() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    for fine in (numpy.zeros(1000), numpy.zeros((10, 100)), numpy.zeros((0, 5000)), [numpy.zeros(1000)] * 3):
        assert tree(fine) == lenient(fine)[0]
    for large in (numpy.zeros(1001), numpy.zeros((11, 100)), numpy.zeros((1001, 0))):
        with pytest.raises(CannotEncode, match=r"more than 1000 elements.* pass mlvlogger.ref\(path\)"):
            tree(large)
        assert lenient(large) == (large.tolist(), [])


def test_types_of_libraries_are_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of libraries that these tests do not install; `test_torch` has the real ones of PyTorch."""
    torch, tensorflow = types.ModuleType("torch"), types.ModuleType("tensorflow")
    for name in ("device", "dtype", "layout", "memory_format"):
        setattr(torch, name, type(name, (), {"__str__": lambda self: f"torch.{type(self).__name__}"}))
    tensorflow.DType = type("DType", (), {"name": "float32"})  # type: ignore[attr-defined]
    values = [getattr(torch, name)() for name in ("device", "dtype", "layout", "memory_format")]
    values.append(tensorflow.DType())
    with pytest.raises(CannotEncode):
        tree(values)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    names = ["torch.device", "torch.dtype", "torch.layout", "torch.memory_format", "float32"]
    assert tree(values) == names and tree(dict.fromkeys(values, 0)) == dict.fromkeys(names, 0)


def test_a_module_that_only_has_the_name_of_a_library_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    from unittest.mock import MagicMock

    for name in ("torch", "numpy", "tensorflow", "omegaconf", "ml_collections", "argparse", "functools"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    assert tree([Decimal(1), function, {1: Settings(0.5)}]) == [
        "1",
        f"{HERE}.function",
        {"1": {"lr": 0.5, "inner": None}},
    ]


def test_types_of_numpy_are_their_names() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    values = [numpy.dtype("float32"), numpy.float32, numpy.float32(1).dtype, numpy.mean, numpy.exp]
    assert tree(values) == ["float32", "numpy.float32", "float32", "numpy.mean", "numpy.exp"]
    with pytest.raises(CannotEncode):
        tree(numpy.random.default_rng(0))


def test_a_member_that_raises_loses_no_other() -> None:
    @dataclass
    class Late:
        lr: float
        later: int = field(init=False)

    encoded, messages = lenient(Late(0.5))
    assert encoded["lr"] == 0.5 and encoded["later"]["_mlv"] == "unencodable"
    assert encoded["later"]["type"] == "AttributeError" and "later" in encoded["later"]["repr"]
    assert len(messages) == 1 and messages[0].startswith("data.x.later: reading the value raises AttributeError: ")
    with pytest.raises(CannotEncode) as caught:
        tree({"a": Late(0.5)})
    assert caught.value.path == "params.x.a.later" and isinstance(caught.value.__cause__, AttributeError)


def test_an_object_whose_repr_raises_is_recorded_with_that_fact() -> None:
    encoded, _ = lenient(Raises())
    assert encoded["repr"] == "<Raises, whose repr raises ZeroDivisionError: repr>"


def test_the_repr_of_what_cannot_be_encoded_is_cut_and_ascii() -> None:
    class Long:
        def __repr__(self) -> str:
            return "ä\ud800" * 10**5

    encoded, _ = lenient(Long())
    assert (
        encoded["repr"].startswith("\\xe4\\ud800\\xe4") and encoded["repr"].isascii() and len(encoded["repr"]) < 10**4
    )


def depth(encoded: Any) -> int:
    below = encoded.values() if isinstance(encoded, dict) else encoded if isinstance(encoded, list) else ()
    return (1 if isinstance(encoded, (dict, list)) else 0) + max(map(depth, below), default=0)


def nested(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize("inner", [1, math.nan, {"a": 1}, OUTSIDE], ids=["integer", "nan", "dict", "external"])
def test_no_record_is_nested_deeper_than_64_and_what_fits_is_kept(inner: Any) -> None:
    """A value starts at level 3 of a line: the line, its data, the value."""
    for levels in (50, 58, 59, 60, 61, 62, 63, 64, 65, 200):
        encoded, messages = lenient(nested(levels, inner))
        assert 2 + depth(encoded) <= 64
        assert bool(messages) == ("unencodable" in dumps(encoded))
        if levels <= 58:
            assert same(decode(encoded), nested(levels, inner))


def test_a_value_that_is_too_deep_is_refused_in_params() -> None:
    assert tree(nested(60, 1)) == nested(60, 1)
    with pytest.raises(CannotEncode, match=r"^params\.x(\[0\])+: the value is nested deeper than 64 levels"):
        tree(nested(63, 1))
    with pytest.raises(CannotEncode, match="is nested deeper than 64 levels"):
        tree(nested(5000, 1))


def test_an_opaque_value_is_not_nested_deeper_than_a_record_may_be() -> None:
    opaque = Opaque({"_mlv": "com.example.x", "x": nested(55, 1)})
    encoded, messages = lenient(nested(10, opaque))
    assert 2 + depth(encoded) <= 64 and len(messages) == 1
    assert tree(opaque) == opaque.json


@pytest.mark.slow
def test_a_shared_structure_that_would_explode_is_given_up() -> None:
    """60 lists that hold one another twice are 2**60 values: refused, with a short message."""
    value: list[Any] = []
    for _ in range(40):
        value = [value, value]
    with pytest.raises(CannotEncode, match="more than 1000000 parts"):
        tree(value)
    encoded, messages = lenient(value)
    assert messages and len(dumps(encoded)) < 100 * 2**20


@pytest.mark.slow
def test_a_large_flat_list_is_encoded_as_a_list() -> None:
    assert tree([0] * 900_000 + [{}])[-2:] == [0, {}]


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_a_dict_that_changes_while_it_is_encoded_does_not_raise_in_an_event(kind: Any) -> None:
    """A dict is recorded as it was; of another mapping there is nothing that could be relied on."""
    changing: Any = kind()

    class Meddler:
        shape = ()

        def tolist(self) -> int:
            changing[str(len(changing))] = 1
            return 0

    changing["a"] = Meddler()
    encoded, messages = lenient({"x": changing})
    if kind is dict:
        assert encoded == {"x": {"a": 0}} and messages == []
    else:
        assert set(encoded["x"]) == {"_mlv", "type", "repr"} and "raises RuntimeError" in messages[0]


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="not applicable: this Python has no such limit")
def test_the_digit_limit_of_the_interpreter_has_no_effect() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        encoded, messages = lenient([10**1000])
        assert messages or encoded == [typed("int", "1" + "0" * 1000)]
    finally:
        sys.set_int_max_str_digits(before)


FORGED = {
    "file-size-of-numpy": File("a", Whole(4), DIGEST),
    "file-path-outside": File("../a", 1, DIGEST),
    "file-size-text": File("a", "4", DIGEST),  # type: ignore[arg-type]
    "file-digest": File("a", 1, "no"),
    "experiment-id": ExperimentRef("my_exp"),
    "experiment-path-surrogate": ExperimentRef(ID, "\ud800"),
    "event-seq": EventRef(ID, "log.jsonl", 0),
    "opaque-nan": Opaque({"_mlv": "com.example.x", "x": math.nan}),
    "opaque-object": Opaque({"_mlv": "com.example.x", "x": object()}),
    "unencodable-surrogate": Unencodable("\ud800", "x"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_made_up_typed_value_neither_raises_in_an_event_nor_breaks_the_line(name: str) -> None:
    """Either it can be put right, or it is unencodable; the strict way raises, and nothing else."""
    encoded, messages = lenient([FORGED[name]])
    text = dumps(encoded)
    text.encode("ascii").decode("ascii")
    json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    assert messages or name == "file-size-of-numpy"
    if messages:
        with pytest.raises(CannotEncode):
            tree([FORGED[name]])


def test_a_reference_into_the_same_experiment_omits_the_id() -> None:
    file = File("a", 1, DIGEST, None, ID)
    assert encode(file, path="x", depth=3, experiment_id=ID) == {
        "_mlv": "file",
        "path": "a",
        "size": 1,
        "sha256": DIGEST,
    }
    assert encode(file, path="x", depth=3, experiment_id="sha256:" + "1" * 64)["experiment"] == ID


@pytest.mark.rule("reader.opaque")
@pytest.mark.rule("reader.unescape")
def test_a_typed_value_of_an_unknown_type_is_preserved_completely() -> None:
    inside = {"_mlv": "com.example.tensor", "__mlv": [{"_mlv": "float", "value": "nan"}], "x": {"___mlv": 1}}
    decoded = decode({"a": inside, "__mlv": 1})
    assert decoded == {"a": Opaque(inside), "_mlv": 1}
    assert tree(decoded) == {"a": inside, "__mlv": 1}


BROKEN = [
    typed("float", "NaN"),
    typed("float", "1.5"),
    typed("int", "1_0"),
    typed("int", " 7"),
    typed("int", "007"),
    typed("int", "+7"),
    typed("int", "٣"),
    typed("int", "1" * 5001),
    {"_mlv": "int", "value": 7},
    typed("datetime", "2026-11-22 18:24:00Z"),
    typed("datetime", "2026-11-22T18:24:00"),
    typed("datetime", "2026-02-30T18:24:00Z"),
    typed("datetime", "2026-11-22T24:00:00Z"),
    typed("datetime", "2026-11-22T18:24:60Z"),
    typed("datetime", "2026-11-22T18:24Z"),
    typed("datetime-local", "2026-11-22T18:24:00Z"),
    typed("date", "20261122"),
    typed("date", "2026-W01-1"),
    typed("date", "2026-11-22\n"),
    typed("time", "1:02:03"),
    typed("duration", "--5"),
    typed("duration", "1e3"),
    typed("duration", ".5"),
    typed("duration", "5."),
    typed("duration", "9" * 30),
    typed("bytes", "A"),
    typed("bytes", "AA==\n"),
    typed("string", "00 41"),
    typed("string", "004"),
    {"_mlv": "file", "path": 5, "size": 1, "sha256": DIGEST},
    {"_mlv": "file", "path": "a", "size": "1", "sha256": DIGEST},
    {"_mlv": "file", "path": "a", "size": 1},
    {"_mlv": "experiment", "id": 5},
    {"_mlv": "event", "experiment": ID, "stream": "log.jsonl", "seq": "7"},
    {"_mlv": "unencodable", "type": 1, "repr": 2},
    {"_mlv": "float"},
    {"_mlv": None},
    {"_mlv": ["float"]},
    {"_mlv": "tensor"},
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: str(broken)[:50])
def test_a_malformed_typed_value_is_preserved_unchanged(broken: dict[str, Any]) -> None:
    """The same in every Python: `date.fromisoformat` and `int` accept more in some than in others."""
    assert decode([broken]) == [Opaque(broken)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T18:24:00Z", datetime(2026, 11, 22, 18, 24, tzinfo=timezone.utc)),
        ("2026-11-22T18:24:00.1Z", datetime(2026, 11, 22, 18, 24, 0, 100000, tzinfo=timezone.utc)),
        ("2026-11-22T18:24:00.123456789+01:00", datetime(2026, 11, 22, 18, 24, 0, 123456, tzinfo=CET)),
        ("0001-01-01T00:00:00-00:30", datetime(1, 1, 1, tzinfo=timezone(-timedelta(minutes=30)))),
    ],
)
def test_every_spelling_of_a_point_in_time_is_read(text: str, expected: datetime) -> None:
    assert same(decode(typed("datetime", text)), expected)


def anything(random: random.Random, levels: int) -> Any:
    """A value that comes back exactly, nested at most *levels* deep."""
    kind = random.randrange(14 if levels else 11)
    if kind == 0:
        return random.choice([None, True, False, "", 0, -0.0, math.nan, math.inf, -math.inf, b"", Redacted()])
    if kind == 1:
        return random.randint(-10, 10)
    if kind == 2:
        return random.randint(-(2 ** random.randint(1, 200)), 2 ** random.randint(1, 200))
    if kind == 3:
        return struct.unpack("d", random.randbytes(8))[0]
    if kind == 4:
        return random.random()
    if kind == 5:
        return "".join(chr(random.choice([random.randrange(0x110000), random.randrange(128)])) for _ in range(5))
    if kind == 6:
        return random.randbytes(random.randrange(8))
    if kind == 7:
        moment = datetime(1, 1, 3) + timedelta(microseconds=random.randrange(10**17))
        minutes = random.choice([None, 0, random.randint(-1439, 1439)])
        return moment if minutes is None else moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    if kind == 8:
        return timedelta(microseconds=random.randint(-(10**16), 10**16))
    if kind == 9:
        return date.fromordinal(random.randint(1, date.max.toordinal()))
    if kind == 10:
        return time(random.randrange(24), random.randrange(60), random.randrange(60), random.randrange(10**6))
    if kind == 11:
        return [anything(random, levels - 1) for _ in range(random.randrange(4))]
    names = ["_mlv", "__mlv", "mlv", "", "a", "ä", "seq", "_mlv\n", "\x00"]
    return {random.choice(names): anything(random, levels - 1) for _ in range(random.randrange(4))}


@pytest.mark.slow
def test_twenty_thousand_random_values_are_read_back_equal(request: pytest.FixtureRequest) -> None:
    numbers = random.Random(20261122)
    for _ in range(20_000):
        value = anything(numbers, 4)
        encoded = tree(value)
        text = dumps(encoded)
        assert text.isascii() and text.isprintable(), value
        assert "NaN" not in text.replace("\\", "") or "NaN" in str(value)
        assert same(decode(json.loads(text)), value), value


def test_every_encoded_value_is_strict_json(strict: Any) -> None:
    numbers = random.Random(41)
    for _ in range(2000):
        value = anything(numbers, 4)
        strict(dumps([tree(value)]).encode("ascii"))
