"""Round trips: what is logged, as an event or as a parameter, is what `read` gives back, bit for bit.

`MLV_EXAMPLES` says how many values in all.
"""

import copy
import json
import math
import os
import signal
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from mlvlogger import EventRef, Exp, ExperimentRef, External, File, Redacted, Unencodable, read  # noqa: E402
from mlvlogger._format.decode import decode  # noqa: E402
from mlvlogger._format.encode import encode  # noqa: E402
from mlvlogger._format.json import dumps  # noqa: E402

EXAMPLES = int(os.environ.get("MLV_EXAMPLES", "10000"))


def same(one: Any, other: Any) -> bool:
    """Of the same type, and equal to the last bit: 1 is not 1.0 or True, 0.0 is not -0.0, and NaN is NaN."""
    if type(one) is not type(other):
        return False
    if type(one) is float:
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if type(one) is dict:
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) in (datetime, time):
        return bool(one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.utcoffset() == other.utcoffset())
    return bool(one == other)


def comes_back(value: Any) -> Any:
    """What the documentation says comes back: a tuple is a list, and two surrogates that are a pair are a character."""
    if type(value) is str:
        return value.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
    if type(value) in (list, tuple):
        return [comes_back(part) for part in value]
    if type(value) is dict:
        return {key: comes_back(part) for key, part in value.items()}
    return value


def double(sign: int, exponent: int, fraction: int) -> float:
    return float(struct.unpack(">d", struct.pack(">Q", sign << 63 | exponent << 52 | fraction))[0])


FRACTIONS = st.one_of(st.integers(0, 2**52 - 1), st.sampled_from([0, 1, 2**51, 2**52 - 1]))
# Every class of bit patterns: zeros, subnormals, normals of every exponent, infinities, and NaNs of every payload.
FLOATS = st.one_of(
    st.floats(),
    st.builds(double, st.integers(0, 1), st.sampled_from([0, 1, 1022, 1023, 1075, 2046, 2047]), FRACTIONS),
    st.builds(double, st.integers(0, 1), st.integers(0, 2047), FRACTIONS),
)
INTEGERS = st.one_of(
    st.integers(),
    st.builds(lambda power, more: 2**power + more, st.integers(0, 13_000), st.integers(-2, 2)),
    st.builds(lambda power, sign: sign * (10**power - 1), st.integers(0, 4000), st.sampled_from([1, -1])),
    st.sampled_from([2**53 - 1, 2**53, -(2**53) + 1, -(2**53), 2**63, 2**64, 10**3999]),
)
SPECIAL = st.sampled_from(["\ud800", "\udfff", "\ud83d\ude00", "\0", "\x1b[0m", "\u2028", "\x85", "\r\n", "\U0001f600"])
CHARACTERS = st.one_of(st.characters(), st.characters(categories=["Cs", "Cc", "Co", "Cn"]))
TEXTS = st.one_of(st.text(), st.text(CHARACTERS, max_size=20), st.lists(CHARACTERS | SPECIAL, max_size=8).map("".join))
BYTES = st.binary(max_size=200)
OFFSETS = st.one_of(
    st.none(),
    st.just(timezone.utc),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
TIMES = st.one_of(
    st.datetimes(timezones=OFFSETS),
    st.datetimes(datetime(1, 1, 1), datetime(1, 1, 3), timezones=OFFSETS),  # type: ignore[arg-type]
    st.times(timezones=OFFSETS),
    st.dates(),
    st.timedeltas(),
    st.integers(-(10**7), 10**7).map(lambda microseconds: timedelta(microseconds=microseconds)),
    st.sampled_from([datetime.min, datetime.max, date.min, date.max, time.min, time.max, timedelta.min, timedelta.max]),
)
DIGESTS = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
IDS = DIGESTS.map(lambda digest: "sha256:" + digest)
SIZES = st.integers(0, 2**53 - 1)
PLAIN = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10)
REFERENCES = st.one_of(
    st.just(Redacted()),
    st.builds(Unencodable, PLAIN, PLAIN),
    st.builds(File, PLAIN, SIZES, DIGESTS, st.none() | PLAIN, IDS),
    st.builds(External, TEXTS.map(comes_back), PLAIN, SIZES, DIGESTS, st.just("2026-11-20T08:00:00.000000Z")),
    st.builds(ExperimentRef, IDS, st.none() | PLAIN),
    st.builds(EventRef, st.none() | IDS, PLAIN, st.integers(1, 2**53 - 1)),
)
SCALARS = st.one_of(st.none(), st.booleans(), FLOATS, INTEGERS, TEXTS, BYTES, TIMES, REFERENCES)
KEYS = st.one_of(
    st.integers(0, 5).map(lambda number: "_" * number + "mlv"),
    st.sampled_from(
        ["", " ", "seq", "data", "_mlv\n", "__MLV", "_mlvs", "a.b", "[0]", "\0", "\u2028", "\U0001f600", "%"]
    ),
    st.text(max_size=5),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=10,
)


def deep(wraps: list[str], inner: Any) -> Any:
    for wrap in wraps:
        inner = [inner] if wrap == "[" else {wrap: inner}
    return inner


STRATEGIES: dict[str, Any] = {
    "floats": FLOATS,
    "integers": INTEGERS,
    "texts": TEXTS,
    "bytes-times-and-references": st.one_of(BYTES, TIMES, REFERENCES),
    "nested": NESTED,
    "deep": st.builds(deep, st.lists(st.sampled_from(["[", "_mlv", "__mlv", "", "a"]), max_size=55), SCALARS),
}
SHARES = {"floats": 3, "integers": 2, "texts": 2, "bytes-times-and-references": 2, "nested": 2, "deep": 1}
# Flat data of numbers has a separate code path to its line.
NUMBERS = st.lists(st.tuples(KEYS, st.one_of(FLOATS, INTEGERS)), min_size=1, max_size=4).map(dict)


@pytest.fixture(autouse=True)
def _more_time(_in_time: None) -> None:
    if hasattr(signal, "SIGALRM"):
        signal.alarm(20 + EXAMPLES // 100)


def examples(strategy: Any, share: int, take: Callable[[Any], Any]) -> None:
    # Ten values at a time: most of the time goes into each call.
    @settings(
        max_examples=max(1, EXAMPLES * share // 140),
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(strategy, min_size=10, max_size=10))
    def run(values: list[Any]) -> None:
        for value in values:
            take(value)

    run()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*which isn't a metric:RuntimeWarning")
@pytest.mark.parametrize("name", STRATEGIES)
def test_logged_values_are_read_back_equal(name: str, strict: Any, conforms: Any) -> None:
    values: list[Any] = []
    exp = Exp("runs", "e")

    def take(value: Any) -> None:
        # At once and in memory, so that hypothesis can show the smallest value that fails; then from the disk.
        text = dumps(encode(value, path="x", depth=3))
        assert text.isascii() and text.isprintable()
        assert same(decode(json.loads(text)), comes_back(value))
        values.append(value)
        assert exp.log.event("x", {"value": value}) == len(values) + 1

    examples(STRATEGIES[name], SHARES[name], take)
    exp.close()
    with Exp("runs", "p", {f"p{number}": value for number, value in enumerate(values[:2000])}, redact=False):
        pass
    for event, value in zip(read("runs/e").events("x"), values, strict=True):
        assert same(event.data, {"value": comes_back(value)})
    for (key, found), (number, value) in zip(read("runs/p").params.items(), enumerate(values[:2000]), strict=True):
        assert key == f"p{number}" and same(copy.deepcopy(found), comes_back(value))  # ordinary dicts and lists
    for line in Path("runs/e/log.jsonl").read_bytes().split(b"\n")[:-1]:
        strict(line)
    strict(Path("runs/p/meta.json").read_bytes())
    conforms("runs/e", sealed=True)
    conforms("runs/p", sealed=True)


@pytest.mark.slow
def test_flat_numbers_are_read_back_equal(strict: Any, conforms: Any) -> None:
    values: list[Any] = []
    exp = Exp("runs", "e")

    def take(value: dict[str, Any]) -> None:
        names = {"event": value} if any(not key.isidentifier() for key in value) else value
        exp.log.event("x", value)
        exp.log.event("x", **names)
        values.extend((value, names))

    examples(NUMBERS, 2, take)
    exp.close()
    for event, value in zip(read("runs/e").events("x"), values, strict=True):
        assert same(event.data, value)
    for line in Path("runs/e/log.jsonl").read_bytes().split(b"\n")[:-1]:
        strict(line)
    conforms("runs/e", sealed=True)
