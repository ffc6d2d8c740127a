"""Hostile values: whatever an object does when it is inspected, training continues and the record stays whole."""

import argparse
import collections
import itertools
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotEncode, Exp, File, Logger, Opaque, Unencodable
from mlvlogger._format.decode import decode
from mlvlogger._format.encode import encode

LOG = Path("x.jsonl")


def boom(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("boom")


def made(name: str, *bases: type, **members: Any) -> Any:
    """A class of this name with these members, which are called whatever they are."""
    return type(name, bases, members)


class ClassRaises:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        boom()


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__", "__name__"):
            boom()
        return super().__getattribute__(name)


class NoName(metaclass=Meta):
    pass


class Key(str):
    """A key that is well-behaved until it is in its dict."""

    armed = False

    def __hash__(self) -> int:
        return boom() if self.armed else 1

    def __eq__(self, other: object) -> bool:
        return bool(boom() if self.armed else True)


def armed() -> dict[str, int]:
    mapping = {Key("a"): 1}
    next(iter(mapping)).armed = True
    return mapping  # type: ignore[return-value]


class Endless(dict[str, int]):
    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __getitem__(self, key: str) -> int:
        return 1


class EndlessKeys(Mapping[str, int]):
    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __getitem__(self, key: str) -> int:
        return 1


class EndlessList(list[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(lambda: 0, 1)


class EndlessSet(set[int]):
    def __iter__(self) -> Iterator[int]:
        return itertools.count()


class Growing:
    """Appends to the list that it is in, each time it is inspected."""

    shape = ()

    def __init__(self, home: list[Any]) -> None:
        self.home = home

    def tolist(self) -> int:
        self.home.append(self)
        return 0


def growing() -> list[Any]:
    home: list[Any] = []
    home.append(Growing(home))
    return home


class Recursive:
    shape = ()

    def tolist(self) -> Any:
        return self.tolist()

    def __repr__(self) -> str:
        return repr(self)


class Layers:
    """Each of its lists has a new list in it, without an end."""

    shape = ()

    def tolist(self) -> list["Layers"]:
        return [Layers()]

    def __repr__(self) -> str:
        return "<layers>"


class Zone(tzinfo):
    def utcoffset(self, moment: Any) -> Any:
        return "an hour"


class Shown(dict[str, Any]):
    def items(self) -> Any:
        return [("\ud800", math.nan)]


def exponential() -> Any:
    value: list[Any] = []
    for _ in range(50):
        value = [value, value]
    return value


PATH = made("Path", __fspath__=boom)
RAISING = made("A", shape=(1,), tolist=boom)()
NUMBER = made("Number", __index__=boom, __float__=boom, __int__=boom)

# Each is logged in an event and in params; the text is what the warning or the error says of it, "" where it has a
# form after all.
HOSTILE: dict[str, tuple[Any, str]] = {
    "class-raises": (ClassRaises(), "raises ZeroDivisionError"),
    "class-lies": (made("Liar", __class__=str)(), "raises TypeError"),
    "class-lies-mapping": (made("Liar", __class__=dict)(), "raises TypeError"),
    "repr-raises": (made("R", __repr__=boom)(), "of type R"),
    "repr-is-no-string": (made("R", __repr__=lambda self: 5)(), "of type R"),
    "repr-is-a-string-that-raises": (
        made("R", __repr__=lambda self: made("S", str, __len__=boom, encode=boom, __getitem__=boom)("x"))(),
        "of type R",
    ),
    "repr-is-huge": (made("R", __repr__=lambda self: "x" * 2**26)(), "of type R"),
    "everything-recurses": (Recursive(), "raises RecursionError"),
    "no-name": (NoName(), "of type a type without a name"),
    "module-raises": (made("M", __module__=made("X", __eq__=boom, __format__=boom)())(), "of type M"),
    "module-with-a-surrogate": (made("M", __module__="\udcff")(), "of type M"),
    "path-raises": (PATH(), "of type Path and raises ZeroDivisionError"),
    "path-is-no-string": (made("P", __fspath__=lambda self: 5)(), "raises TypeError"),
    "number-raises": (NUMBER(), "of type Number"),
    "int-raises": (made("I", int, __int__=boom, __index__=boom)(5), "of type I"),
    "float-raises": (made("F", float, __float__=boom)(5), "of type F"),
    "bool-raises": (made("B", __bool__=boom, __len__=boom)(), "of type B"),
    "attribute-raises": (made("A", __getattr__=boom, __getattribute__=boom)(), "raises ZeroDivisionError"),
    "attribute-is-anything": (made("A", __getattr__=lambda self, name: self)(), "of type A"),
    "iter-raises": (made("L", list, __iter__=boom)([1]), "raises ZeroDivisionError"),
    "iter-is-no-iterator": (made("L", list, __iter__=lambda self: 5)([1]), "raises TypeError"),
    "keys-raise": (made("D", dict, keys=boom, items=boom, values=boom, __iter__=boom)(a=1), "raises Zero"),
    "len-raises": (made("L", list, __len__=boom)([1]), ""),
    "len-lies": (made("D", dict, __len__=lambda self: -1)(a=1), ""),
    "hash-and-eq-of-a-key-raise": (armed(), ""),
    "hash-of-an-element-raises": ([made("H", __hash__=boom, __eq__=boom)()], "of type H"),
    "endless-dict": (Endless(), "of more than 100000 parts"),
    "endless-mapping": (EndlessKeys(), "of more than 100000 parts"),
    "endless-list": (EndlessList(), "of more than 100000 parts"),
    "endless-set": (EndlessSet(), "of more than 100000 parts"),
    "endless-layers": (Layers(), "nested deeper than 64 levels"),
    "exponential": (exponential(), "of more than 100000 parts"),
    "list-that-grows": (growing(), ""),
    "array-of-many-empty-lists": (made("A", shape=(10**9, 0), tolist=boom)(), "too large"),
    "array-raises": (made("A", shape=(1,), tolist=boom)(), "raises ZeroDivisionError"),
    "array-of-a-wrong-shape": (made("A", shape="12", tolist=lambda self: 1)(), "raises TypeError"),
    "array-whose-shape-raises": (made("A", shape=property(boom), tolist=boom)(), "raises ZeroDivisionError"),
    "zone-of-a-wrong-type": (datetime(2026, 1, 1, tzinfo=Zone()), "a time without a form"),  # type: ignore[abstract]
    "duration-of-nan": (made("T", timedelta, days=property(lambda self: math.nan))(1), "a time without a form"),
    "duration-of-text": (made("T", timedelta, days=property(lambda self: "1"))(1), "a time without a form"),
    "released-memory": (memoryview(b"x"), ""),
    "opaque-shows-another": (Opaque({"_mlv": "com.example.x", "x": Shown(a=1)}), "an Opaque of a wrong form"),
    "opaque-without-type": (Opaque({"x": 1}), "an Opaque of a wrong form"),
    "opaque-of-no-type-of-this-version": (Opaque({"_mlv": "tensor", "x": 1}), "an Opaque of a wrong form"),
    "file-of-any-type": (File(ClassRaises(), 1, "0"), "a File of a wrong form"),  # type: ignore[arg-type]
    "unencodable-of-any-type": (Unencodable(5, None), "a Unencodable of a wrong form"),  # type: ignore[arg-type]
    "integer-of-100000-digits": (10**100000, "an integer of more than 4000 digits"),
    "text-of-20-MiB": ("x" * 20 * 2**20, "a string of 20971520 characters, too large"),
    "bytes-of-20-MiB": (b"x" * 20 * 2**20, "of 20971520 bytes, too large"),
    "key-of-a-MiB": ({"k" * 2**20: {"x": object()}}, "of type object"),
    "keys-and-keys-of-a-MiB": ({"k" * 2**20: [0] * 50_000}, ""),
    "too-many-keys": ({str(number): 0 for number in range(10**5 + 1)}, "of more than 100000 parts"),
    "keys-with-escapes": ({"\x1b[31m\n": object()}, "\\x1b[31m\\n: the value is of type object"),
    "generator": ((n for n in (1,)), "of type generator"),
}


# Keys of which no name in JSON can be made: the value and its neighbours are kept under another name.
KEYS: dict[str, tuple[Any, str]] = {
    "class-lies": (made("Liar", __class__=str)(), "is of type Liar"),
    "class-raises": (ClassRaises(), "is of type ClassRaises and raises ZeroDivisionError: boom"),
    "repr-raises": (made("K", __repr__=boom)(), "is of type K"),
    "attribute-raises": (made("A", __getattribute__=boom)(), "is of type A and raises ZeroDivisionError: boom"),
    "path-raises": (PATH(), "is of type Path and raises ZeroDivisionError: boom"),
    "array-raises": (made("A", shape=(), tolist=boom)(), "is of type A and raises ZeroDivisionError: boom"),
    "array-of-itself": (made("A", shape=(), tolist=lambda self: self)(), "is of type A"),
    "recursive": (Recursive(), "is of type Recursive and raises RecursionError"),
    "repr-is-huge": (made("R", __repr__=lambda self: "x" * 2**26)(), "is of type R"),
    "repr-with-escapes": (made("R", __repr__=lambda self: "\x1b[31m\n\ud800")(), "is of type R"),
    "surrogate-and-escapes": ("\x1b[31m\n\ud800", "has a lone surrogate"),
    "bytes": (b"a", "is of type bytes"),
    "number-raises": (NUMBER(), "is of type Number"),
}


@pytest.fixture(autouse=True)
def _small(request: pytest.FixtureRequest, constant: Callable[[str, Any], None]) -> None:
    """What has no end is found out sooner than after a million parts, which takes a second each time."""
    if "million" not in request.node.name:
        constant("_format.encode._MAX_PARTS", 10**5)


@pytest.fixture(params=["direct", "process"])
def writer(request: pytest.FixtureRequest) -> Any:
    return request.param


def warned(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [str(warning.message) for warning in caught]


def is_lost(tree: Any) -> bool:
    return isinstance(decode(tree), Unencodable) or any(
        map(is_lost, tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ())
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_loses_neither_the_event_nor_its_other_values(name: str, writer: Any, events: Any) -> None:
    value, what = HOSTILE[name]
    with Logger(LOG, writer=writer) as log:
        assert log.event("before", n=1) == 2
        seq, messages = warned(lambda: log.event("x", first=1, value=value, last=2))
        assert seq == 3
        with log.span("span", value=value) as span:
            pass
        assert span.seq == 4
        assert log.event("after", n=2) == 6
    found = events(LOG)
    assert [event["event"] for event in found] == ["mlv/start", "before", "x", "span", "span", "after", "mlv/end"]
    data = found[2]["data"]
    assert list(data) == ["first", "value", "last"] and (data["first"], data["last"]) == (1, 2)
    other = "were logged in one event", "which isn't a metric"  # it is large, or an array of one number
    messages = [message for message in messages if not any(words in message for words in other)]
    assert is_lost(data["value"]) == bool(what) == bool(messages), messages
    assert all(what in message and message.isprintable() and len(message) < 5000 for message in messages)
    assert list(found[3]["data"]) == ["value"] and (found[1]["data"], found[5]["data"]) == ({"n": 1}, {"n": 2})


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_params_raises_with_its_path_and_creates_nothing(name: str, conforms: Any) -> None:
    value, what = HOSTILE[name]
    if not what:
        Exp("runs", "e", {"a": [value]}).close()
        conforms("runs/e", sealed=True)
        return
    with pytest.raises(CannotEncode) as caught:
        Exp("runs", "e", {"ok": 1, "a": [value]})
    assert caught.value.path.startswith("params.a") and str(caught.value).startswith(caught.value.path)
    assert what in str(caught.value) and str(caught.value).isprintable()
    assert os.listdir() == []


@pytest.mark.parametrize("name", KEYS)
def test_a_hostile_key_loses_no_value_in_an_event_and_is_refused_in_params(name: str, events: Any) -> None:
    key, what = KEYS[name]
    with Logger(LOG) as log:
        seq, messages = warned(lambda: log.event("x", {"first": 1, key: 5, "last": {key: [2]}}))
        assert seq == 2
    data = events(LOG)[1]["data"]
    assert list(data)[0] == "first" and list(data.values())[:2] == [1, 5] and [*data["last"].values()] == [[2]]
    assert len(messages) == 2 and messages[0].startswith("data: the key ") and messages[1].startswith("data.last: the")
    assert all(what in message and message.isprintable() and len(message) < 1000 for message in messages)
    with pytest.raises(CannotEncode) as caught:
        Exp("runs", "e", {"ok": 1, "a": [{key: 1}]})
    assert caught.value.path == "params.a[0]" and what in str(caught.value) and str(caught.value).isprintable()
    assert not Path("runs").exists()


# Flat data of numbers goes another way, on which no code of a value runs; these look as if they could take it.
FLAT: dict[str, dict[Any, Any]] = {
    "integer-of-5000-digits": {"n": 10**5000, "m": 1},
    "smallest-integer-beyond": {"n": -(2**53), "m": 2**53 - 1},
    "integers-that-are-too-large-together": {"n": 2**53 - 1, "m": 2**53 - 1},
    "special-floats": {"n": math.nan, "m": -math.inf, "o": -0.0, "p": 5e-324, "q": 1.7976931348623157e308},
    "booleans": {"n": True, "m": 1},
    "subclasses": {"n": made("I", int, __repr__=boom, __str__=boom)(7), "m": made("F", float, __repr__=boom)(0.5)},
    "keys-with-percents": {"%": 1, "%s%d%a": 2, "%%": 3, "": 4},
    "escaped-keys": {"_mlv": 1, "__mlv": 2, "\u2028\n\0": 3, "\U0001f600": 4},
    "key-of-1000-characters": {"k" * 1000: 1},
    "subclasses-of-keys": armed(),
    "key-of-another-name": {made("K", str, __hash__=lambda self: hash("a"), __eq__=lambda *_: True)("b"): 5},
    "key-that-is-no-string": {1: 2},
    "key-with-a-surrogate": {"\udcff": 1},
    "no-members": {},
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_data_of_numbers_is_encoded_as_it_would_be_next_to_another_value(
    name: str, writer: Any, events: Any
) -> None:
    data = FLAT[name]
    with Logger(LOG, writer=writer) as log:
        log.event("learn", {"a": 1})
        assert warned(lambda: log.event("x", data))[0] == 3
        warned(lambda: log.event("x", data, other=None))
        log.event("after", {"a": 2})
        log.flush()
    _, short, long, after = [event["data"] for event in events(LOG)[1:5]]
    assert long.pop("other", ...) is None and "value" not in long and repr(short) == repr(long)
    assert after == {"a": 2}


MAPPINGS = ["class-lies-mapping", "iter-raises", "keys-raise", "len-lies", "hash-and-eq-of-a-key-raise"]
MAPPINGS += ["endless-dict", "endless-mapping", "key-of-a-MiB", "class-raises", "everything-recurses", "no-name"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MAPPINGS)
def test_a_hostile_mapping_as_the_data_is_acknowledged_or_a_type_error(name: str, events: Any) -> None:
    value, _ = HOSTILE[name]
    with Logger(LOG) as log:
        warnings.simplefilter("ignore")
        for call in (lambda: log.event("x", value), lambda: log.event("x", value, last=2)):
            try:
                assert call() is not None  # type: ignore[no-untyped-call]
            except TypeError as error:
                assert str(error).startswith("data is ") and "give a dict, or name each value" in str(error)
        seq = log.event("after")
    assert events(LOG)[-2]["seq"] == seq


class Stop(BaseException):
    """As a time limit or a task group raises it: to be caught only by its owner."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, Stop])
@pytest.mark.parametrize("where", ["tolist", "repr", "key", "mapping"])
def test_an_exception_that_stops_a_program_passes_and_loses_nothing_else(
    error: type[BaseException], where: str, events: Any
) -> None:
    log = Logger(LOG)

    def stop(*_: Any) -> Any:
        if not log._stream.closed:  # or it would stop pytest, which shows values of a test that failed
            raise error("stop")
        return ""

    values = {
        "tolist": made("A", shape=(), tolist=stop)(),
        "repr": made("A", __repr__=stop)(),
        "key": {made("A", __repr__=stop)(): 1},
        "mapping": made("D", dict, __iter__=stop)(a=1),
    }
    span = log.span("span")
    calls: list[Callable[[], Any]] = [
        lambda: log.event("x", value=values[where]),
        lambda: log.span("x", value=values[where]),
        lambda: span.end(value=values[where]),
    ]
    try:
        for call in calls:
            with pytest.raises(error):
                call()
        assert span.is_open and span.end() == 3 and log.event("after") == 4
        with pytest.raises(error):
            Exp("runs", "e", {"a": values[where]})
    finally:
        log.close()
    assert [event["event"] for event in events(LOG)] == ["mlv/start", "span", "span", "after", "mlv/end"]
    assert not Path("runs").exists()


@pytest.mark.parametrize("call", ["event", "span", "end"])
def test_while_code_of_a_value_hangs_other_threads_log(call: str, writer: Any, events: Any) -> None:
    """Nothing can cut it short, so nothing may wait for it."""
    hangs, proceed = threading.Event(), threading.Event()

    class Slow:
        shape = ()

        def tolist(self) -> int:
            hangs.set()
            assert proceed.wait(120)
            return 7

    log = Logger(LOG, writer=writer)
    span = log.span("outer")
    target = span.end if call == "end" else getattr(log, call)
    arguments = () if call == "end" else ("slow",)
    thread = threading.Thread(target=lambda: target(*arguments, value=Slow()))
    thread.start()
    assert hangs.wait(60)
    other = threading.Thread(target=lambda: [log.event("other", n=n) for n in range(100)])
    other.start()
    other.join(60)
    assert not other.is_alive(), "a thread waits for code of another thread's value"
    log.flush()
    proceed.set()
    thread.join()
    log.close()
    found = events(LOG)
    assert [event["event"] for event in found[2:102]] == ["other"] * 100 and found[102]["data"] == {"value": 7}


def test_a_value_of_a_log_may_log_itself(events: Any) -> None:
    log = Logger(LOG)

    class Chatty:
        shape = ()

        def tolist(self) -> int:
            log.event("inner")
            return 1

    log.event("outer", value=Chatty())
    log.close()
    assert [event["event"] for event in events(LOG)] == ["mlv/start", "inner", "outer", "mlv/end"]


@pytest.mark.slow
def test_a_value_that_another_thread_changes_is_recorded_as_it_was_at_some_moment(events: Any) -> None:
    """Of built-in containers; a mapping of another kind may be reported as changing, and costs nothing but itself."""
    mapping: dict[str, int] = {"a": 0, "b": 0}
    array: list[int] = []
    numbers: set[int] = set()
    queue: collections.deque[int] = collections.deque()
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            number += 1
            mapping[f"k{number % 50}"] = number
            mapping.pop(f"k{(number + 25) % 50}", None)
            array.append(number)
            numbers.add(number % 100)
            numbers.discard((number + 50) % 100)
            queue.append(number)
            if number % 100 == 0:
                array.clear()
                queue.clear()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        warnings.simplefilter("ignore")
        with Logger(LOG) as log:
            begin, count = time.monotonic(), 0
            while count < 3000 and time.monotonic() - begin < 8:
                assert log.event("x", mapping=mapping, array=array, numbers=numbers, queue=queue) is not None
                count += 1
    finally:
        done.set()
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join()
    found = [event["data"] for event in events(LOG)[1:-1]]
    assert len(found) == count and all(list(data) == ["mapping", "array", "numbers", "queue"] for data in found)
    assert not any(is_lost(data[name]) for data in found for name in ("mapping", "array", "numbers"))


def test_numpy_values_are_read_back_equal(events: Any) -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    inner = numpy.empty(1, dtype=object)
    inner[0] = inner
    micro = numpy.datetime64("2026-01-01T00:00:00.000001", "us")
    values = {
        "scalar": numpy.array(3.5),
        "half": numpy.array([0.1, 65504, numpy.inf, numpy.nan, -0.0], dtype=numpy.float16),
        "bool": numpy.array([True, False]),
        "object": numpy.array([1, "a", None, {"b": numpy.int8(3)}], dtype=object),
        "structured": numpy.zeros(1, dtype=[("a", "i4"), ("b", "f8", (2,))]),
        "record": numpy.zeros(1, dtype=[("a", "i4"), ("b", "U3")])[0],
        "empty": numpy.zeros((0, 3)),
        "text": numpy.array(["a", "\ud800"]),
        "bytes": numpy.array([b"a"]),
        "masked": numpy.ma.array([1, 2], mask=[0, 1]),
        "time": micro,
        "times": numpy.array([micro]),
        "read-only": numpy.broadcast_to(numpy.float32(1), (2, 2)),
        "uint64": numpy.array([2**64 - 1, 0], dtype=numpy.uint64),
    }
    lost = {
        "long": numpy.longdouble("0.1"),
        "longs": numpy.array([numpy.longdouble("0.1")]),
        "complex": numpy.array([1j]),
        "nanoseconds": numpy.datetime64("2026-01-01", "ns"),
        "of-nanoseconds": numpy.array([[5]], dtype="timedelta64[ns]"),
        "itself": inner,
        "large": numpy.broadcast_to(numpy.int8(0), (10**5, 10**5)),
        "many-empty": numpy.empty((10**9, 0)),
    }
    with Logger(LOG) as log:
        _, messages = warned(lambda: log.event("x", values))
        assert messages == []
        _, messages = warned(lambda: log.event("x", lost))
        assert len(messages) == len(lost)
    events(LOG)
    from mlvlogger._format.decode import decode_members
    from mlvlogger._format.encode import encode

    data = decode_members(encode(values, path="x", depth=2))
    assert repr(data) == repr(
        {
            "scalar": 3.5,
            "half": [0.0999755859375, 65504.0, math.inf, math.nan, -0.0],
            "bool": [True, False],
            "object": [1, "a", None, {"b": 3}],
            "structured": [[0, [0.0, 0.0]]],
            "record": [0, ""],
            "empty": [],
            "text": ["a", "\ud800"],
            "bytes": [b"a"],
            "masked": [1, None],
            "time": datetime(2026, 1, 1, 0, 0, 0, 1),
            "times": [datetime(2026, 1, 1, 0, 0, 0, 1)],
            "read-only": [[1.0, 1.0], [1.0, 1.0]],
            "uint64": [2**64 - 1, 0],
        }
    )
    for name, value in lost.items():
        with pytest.raises(CannotEncode, match=rf"^params\.{name}"):
            Exp("runs", "e", {name: value})


@pytest.mark.slow
def test_data_that_is_too_large_is_cut_in_an_event_and_refused_in_params(events: Any) -> None:
    parts = {f"p{number}": "x" * 2**20 for number in range(20)}
    with Logger(LOG) as log:
        _, messages = warned(lambda: log.event("x", parts, small=1))
        assert len(messages) == 1 and "larger than a record may be" in messages[0]
    data = events(LOG)[1]["data"]
    assert data["small"] == 1 and all(is_lost(data[name]) for name in parts)
    with pytest.raises(
        CannotEncode, match=r"a metadata record of \d+ bytes is larger than 16777216; most of it is"
    ) as error:
        Exp("runs", "e", {**parts, "large": "x" * 2**21})
    assert error.value.path == "params.large" and not (Path("runs/e/meta.json")).exists()


@pytest.mark.slow
def test_a_million_keys_are_recorded() -> None:
    with Logger(LOG) as log:
        log.event("x", {f"{number:x}": 0 for number in range(10**6)})
    (event,) = [json_event for json_event in LOG.read_bytes().splitlines() if b'"event":"x"' in json_event]
    assert event.count(b":0") >= 10**6


@pytest.mark.slow
def test_close_to_the_recursion_limit_at_most_the_event_is_lost(events: Any) -> None:
    """If the interpreter has no stack left, an event raises as any other call would; what is kept is whole."""
    log = Logger(LOG)
    kept = []

    class Plain:
        def __repr__(self) -> str:
            return self.text(100)

        def text(self, levels: int) -> str:
            return self.text(levels - 1) if levels else "<plain>"

    value: Any = {"a": [1, {"b": [Plain()]}]}
    for _ in range(40):
        value = [value, 1]

    def dive(levels: int) -> None:
        if levels:
            dive(levels - 1)
        else:
            kept.append(log.event("deep", value=value))

    warnings.simplefilter("ignore")
    raised = 0
    limit = sys.getrecursionlimit()
    for levels in range(limit - 400, limit):
        try:
            dive(levels)
        except RecursionError:
            raised += 1
    assert raised and kept and log.event("after") == len(kept) + 2
    log.close()
    plain = {"_mlv": "unencodable", "type": f"{__name__}.{Plain.__qualname__}", "repr": "<plain>"}
    whole: Any = {"a": [1, {"b": [plain]}]}
    for _ in range(40):
        whole = [whole, 1]
    assert [event["data"] for event in events(LOG)[1:-2]] == [{"value": whole}] * len(kept)
    assert [event["event"] for event in events(LOG)[1:-1]] == ["deep"] * len(kept) + ["after"]


def test_close_to_the_recursion_limit_parameters_are_not_refused() -> None:
    def dive(levels: int) -> None:
        if levels:
            dive(levels - 1)
        else:
            encode({"a": [{"b": ({"c": Path("d")},)}]}, path="params", depth=2)

    outcomes = set()
    limit = sys.getrecursionlimit()
    for levels in range(limit - 400, limit):
        try:
            dive(levels)
            outcomes.add("fine")
        except RecursionError:
            outcomes.add("RecursionError")
    assert outcomes == {"fine", "RecursionError"}


def test_an_endlessly_recursing_value_loses_only_itself_at_any_depth(events: Any) -> None:
    value: Any = Recursive()
    for _ in range(50):
        value = [value, 1]
    with Logger(LOG) as log:
        _, messages = warned(lambda: log.event("x", first=1, value=value, last=Recursive()))
    data = events(LOG)[1]["data"]
    left = data["value"]
    for _ in range(50):
        left, one = left
        assert one == 1
    assert is_lost(left) and is_lost(data["last"]) and data["first"] == 1
    assert len(messages) == 2 and all("raises RecursionError" in message for message in messages)
    with pytest.raises(CannotEncode, match="raises RecursionError"):
        Exp("runs", "e", {"a": [Recursive()]})


NO_MEMORY: dict[str, Any] = {
    "tolist": made("A", shape=(1,), tolist=lambda self: no_memory())(),
    "repr": made("A", __repr__=lambda self: no_memory())(),
    "repr-in-a-list": [made("A", __repr__=lambda self: no_memory())()],
    "repr-of-a-key": {made("K", __repr__=lambda self: no_memory())(): 1},
    "key": {made("K", __fspath__=lambda self: no_memory())(): 1},
    "iteration": made("L", list, __iter__=lambda self: no_memory())([1]),
    "item-of-a-mapping": made("D", dict, __getitem__=lambda self, key: no_memory())(a=1),
    "attribute": made("N", argparse.Namespace, __dict__=property(lambda self: no_memory()))(),
    "class": made("C", __class__=property(lambda self: no_memory()))(),
    "zone": datetime(2026, 1, 1, tzinfo=made("Z", tzinfo, utcoffset=lambda self, at: no_memory())()),
    "message-of-an-exception": made(
        "A", shape=(1,), tolist=lambda self: boom_with(made("E", Exception, __str__=lambda self: no_memory())())
    )(),
}


def no_memory() -> Any:
    raise MemoryError("none left")


def boom_with(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize("name", NO_MEMORY)
def test_an_event_that_exhausts_the_memory_is_not_acknowledged(name: str, writer: Any, events: Any) -> None:
    value = NO_MEMORY[name]
    log = Logger(LOG, writer=writer)
    span = log.span("span")
    calls: list[Callable[[], Any]] = [
        lambda: log.event("x", value=value),
        lambda: log.event("x", {"a": 1}, value={"deep": [value]}),
        lambda: log.event("x", {"value": value}),
        lambda: log.span("x", value=value),
        lambda: span.end(value=value),
        lambda: Exp("runs", "e", {"a": value}),
        lambda: Exp("runs", "e", extra={"a": value}),
    ]
    for call in calls:
        with pytest.raises(MemoryError, match="none left"):
            call()
    assert span.is_open and span.end() == 3 and log.event("after", n=1) == 4
    log.close()
    assert [event["event"] for event in events(LOG)] == ["mlv/start", "span", "span", "after", "mlv/end"]
    assert not Path("runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.gettrace() is not None, reason="not applicable: something else traces the lines")
def test_a_memory_error_at_any_line_of_the_encoder_loses_only_that_event(events: Any) -> None:
    from mlvlogger import _messages
    from mlvlogger._format import convert, decode, encode, forms, json, references

    code = [module.__file__ for module in (_messages, convert, decode, encode, forms, json, references)]

    value = {"a": [1, {"b": (object(), {1: 0.5, (2,): "ä"})}], "c": RAISING, "d": {Path("x")}, "e": 2**60}
    count, fails_at = 0, 0

    def trace(frame: Any, what: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in code or frame.f_code.co_name in ("warn", "warn_once"):
            return None
        if what == "line":
            count += 1
            if count == fails_at:
                raise MemoryError("none left")
        return trace

    def event(at: int) -> None:
        nonlocal count, fails_at
        count, fails_at = 0, at
        sys.settrace(trace)
        try:
            log.event("x", value)
        finally:
            sys.settrace(None)

    warnings.simplefilter("ignore")
    log = Logger(LOG)
    log.event("x", value)  # the first one imports and learns
    event(0)
    lines = count
    assert lines > 200
    size = LOG.stat().st_size
    for at in range(1, lines + 1):
        with pytest.raises(MemoryError, match="none left"):
            event(at)
        assert LOG.stat().st_size == size
    assert log.event("after") == 4
    log.close()
    assert [event["event"] for event in events(LOG)] == ["mlv/start", "x", "x", "after", "mlv/end"]
