"""Keys of mappings that aren't strings, and keys with one name (specification 1.0, chapter Values)."""

import enum
import json
import math
import types
from collections import OrderedDict, UserDict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest

from encoding import HERE, Level, Mode, Real, Settings, Suit, Text, Twice, Whole, lenient, tree
from mlvlogger import CannotEncode
from mlvlogger._format.decode import decode
from mlvlogger._format.json import dumps

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
