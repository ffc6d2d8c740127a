"""Values that cannot be encoded: refused with an action in parameters, and kept as far as possible in events."""

import functools
import json
import math
import pickle
import sys
from collections import UserDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Any, List  # noqa: UP035

import pytest

from encoding import (
    DIGEST,
    ID,
    OUTSIDE,
    Array,
    NotATime,
    Whole,
    function,
    lenient,
    same,
    tree,
    typed,
)
from mlvlogger import CannotEncode, EventRef, ExperimentRef, File, Opaque, Unencodable
from mlvlogger._format.decode import decode
from mlvlogger._format.encode import encode
from mlvlogger._format.json import dumps


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


def test_an_array_of_more_than_a_thousand_elements_is_refused_as_a_parameter() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    for fine in (numpy.zeros(1000), numpy.zeros((10, 100)), numpy.zeros((0, 5000)), [numpy.zeros(1000)] * 3):
        assert tree(fine) == lenient(fine)[0]
    for large in (numpy.zeros(1001), numpy.zeros((11, 100)), numpy.zeros((1001, 0))):
        with pytest.raises(CannotEncode, match=r"more than 1000 elements.* pass mlvlogger.ref\(path\)"):
            tree(large)
        assert lenient(large) == (large.tolist(), [])


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
