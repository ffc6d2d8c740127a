"""Values: what a record holds of anything that Python has, and what comes back (specification 1.0, chapter Values)."""

import argparse
import enum
import functools
import json
import math
import random
import struct
import sys
import types
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import pytest

from encoding import (
    DIGEST,
    EXAMPLE,
    HERE,
    ID,
    Array,
    Bits,
    Level,
    Mode,
    Odd,
    Pair,
    Real,
    Settings,
    Stamp,
    Suit,
    Text,
    Whole,
    cached,
    decorated,
    function,
    lenient,
    same,
    tree,
    typed,
)
from mlvlogger import CannotEncode, EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable
from mlvlogger._format.decode import decode
from mlvlogger._format.encode import encode
from mlvlogger._format.json import dumps

CET = timezone(timedelta(hours=1))


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


@pytest.mark.rule("writer.large-int")
@pytest.mark.rule("writer.fraction")
@pytest.mark.rule("writer.escape")
@pytest.mark.rule("reader.unescape")
@pytest.mark.parametrize("name", EXACT)
def test_a_value_is_encoded_as_expected_and_read_back_equal(name: str) -> None:
    value, expected = EXACT[name]
    assert same(tree(value), expected)
    text = dumps(expected)
    assert text.isascii() and "\n" not in text
    assert same(decode(json.loads(text)), value)


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
    "set-of-functions": ({function, Settings, max}, [f"{HERE}.Settings", f"{HERE}.function", "max"]),
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


@pytest.mark.rule("reader.wrong-form")
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


@pytest.mark.rule("writer.float")
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
