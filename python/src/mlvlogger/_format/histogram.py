"""Histograms (specification 1.0, chapter Values). No library is imported to read the values of an array or tensor."""

from __future__ import annotations

import sys
from math import isfinite, isnan

from .._messages import a_type
from .immutable import Immutable
from .json import MAX_INT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["Histogram"]

_MAX_BINS = 512
_MEMBERS = ("min", "max", "sum", "sum_squares")  # numbers, also infinite ones
_OUTSIDE = ("nan", "below", "above")  # numbers of values without a bucket


class Histogram(Immutable):
    """How often values are in ranges (`value.histogram`). It is immutable.

    To make one from values, such as the weights of a layer, call `Histogram.of`. To log buckets that another function
    has counted, such as `numpy.histogram`, pass them to the constructor.

    Args:
        edges: The edges of the buckets, in ascending order: one more than there are counts.
        counts: The number, or the weight, of the values between two edges, for each bucket.
        min: The smallest value; None if it isn't recorded.
        max: The largest value.
        sum: The sum of the values.
        sum_squares: The sum of the squares of the values.
        nan: The number of values that are NaN.
        below: The number of values below the first edge, -infinity included.
        above: The number of values above the last edge, infinity included.

    Raises:
        ValueError: If the number of edges isn't that of the counts plus one, the edges aren't in ascending order, or a
            number isn't finite or is negative where it must not be.
        TypeError: If a value isn't a number.

    Example:
        ```python
        from mlvlogger import Exp, Histogram, read

        with Exp("runs", "my_exp_1") as exp:
            exp.log.event("weights", step=0, fc1=Histogram.of([-0.5, 0.1, 0.2, 0.5], bins=2))

        [event] = read("runs/my_exp_1").events("weights")
        print(event.data["fc1"].edges, event.data["fc1"].counts)
        ```

        ```text
        (-0.5, 0.0, 0.5) (1, 3)
        ```
    """

    __slots__ = __match_args__ = (
        "edges",
        "counts",
        "min",
        "max",
        "sum",
        "sum_squares",
        "nan",
        "below",
        "above",
    )

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    min: float | None
    max: float | None
    sum: float | None
    sum_squares: float | None
    nan: int | None
    below: int | None
    above: int | None

    def __init__(
        self,
        edges: Iterable[float],
        counts: Iterable[float],
        min: float | None = None,
        max: float | None = None,
        sum: float | None = None,
        sum_squares: float | None = None,
        nan: int | None = None,
        below: int | None = None,
        above: int | None = None,
    ) -> None:
        edges, counts = _numbers("edges", edges), _numbers("counts", counts)
        if not counts or len(edges) != len(counts) + 1:
            raise ValueError(
                f"a histogram has {len(edges)} edges and {len(counts)} counts: give one edge more than counts, and at "
                "least one count. numpy.histogram returns the counts first."
            )
        for number, (one, other) in enumerate(zip(edges, edges[1:])):  # noqa: B905 (one shorter)
            if one > other:
                raise ValueError(
                    f"edges[{number + 1}] of a histogram is {other!r}, less than the edge before, {one!r}: give the "
                    "edges in ascending order."
                )
        for number, count in enumerate(counts):
            if count < 0:
                raise ValueError(f"counts[{number}] of a histogram is {count!r}: give a number of at least 0.")
        members = (min, max, sum, sum_squares)
        found = [None if value is None else _number(name, value) for name, value in zip(_MEMBERS, members, strict=True)]
        outside = [_count(name, value) for name, value in zip(_OUTSIDE, (nan, below, above), strict=True)]
        self._set(edges, counts, *found, *outside)

    @classmethod
    def of(cls, values: Any, bins: int | Iterable[float] = 64, range: tuple[float, float] | None = None) -> Histogram:
        """Return the histogram of values, which are counted in buckets of equal width.

        NaN, infinities and values outside of the buckets are counted in `nan`, `below` and `above`.

        Args:
            values: The numbers: a NumPy array, a torch tensor on any device, another array, or nested lists.
            bins: The number of buckets, at most 512, or their edges.
            range: The first and the last edge. By default, the smallest and the largest finite value.

        Raises:
            ValueError: If `bins` or `range` are wrong.
            TypeError: If a value isn't a number.
        """
        counted = _Counted(values)
        if not isinstance(bins, int):
            edges = _numbers("bins", bins)
        elif not 1 <= bins <= _MAX_BINS:
            raise ValueError(f"bins is {bins!r}: give a number of buckets from 1 to {_MAX_BINS}, or the edges.")
        else:
            low, high = (counted.low, counted.high) if range is None else map(float, _numbers("range", range))
            if low > high:
                raise ValueError(f"range is ({low!r}, {high!r}): give the smaller edge first.")
            is_single = range is None and (low == high or counted.is_empty)
            edges = tuple(_edges(low, high, 1 if is_single else bins))
        counts = counted.count(cls(edges, [0] * (len(edges) - 1)).edges)
        below, above = counted.outside(edges[0], edges[-1])
        least, most, total, squares = counted.sums() if counted.has_values else (None, None, None, None)
        return cls(edges, counts, least, most, total, squares, counted.nan, below, above)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    numbers = tuple(_number(name, value) for value in (values.tolist() if hasattr(values, "tolist") else values))
    for number, value in enumerate(numbers):
        if not isfinite(value):
            raise ValueError(
                f"{name}[{number}] of a histogram is {value!r}: give finite numbers, and count other values in nan, "
                "below and above."
            )
    return numbers


def _number(name: str, value: Any) -> float:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} of a histogram has {value!r}, {a_type(value)}: give numbers.")
    if isinstance(value, int):
        return int(value) if abs(value) <= MAX_INT else float(value)
    return float(value)


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    number = _number(name, value)
    if not isfinite(number) or number < 0 or number != int(number) or number > MAX_INT:
        raise ValueError(f"{name} of a histogram is {value!r}: give an integer of at least 0.")
    return int(number)


def _edges(low: float, high: float, bins: int) -> Iterator[float]:
    """Yield the edges of buckets of equal width; those of one value are this value twice."""
    last = low
    for number in range(bins):
        part = number / bins
        last = max(last, min(low * (1 - part) + high * part, high))  # the difference could overflow
        yield last
    yield high


class _Counted:
    """Values to be counted: the finite ones, and the numbers of all others.

    Attributes:
        nan: The number of values that are NaN.
        low: The smallest finite value; 0 if there is none.
        high: The largest finite value; 1 if there is none.
        is_empty: Whether no value is finite.
        has_values: Whether a value isn't NaN.
    """

    def __init__(self, values: Any) -> None:
        array = _array(values)
        self._numpy: Any = None
        if array is not None:
            self._numpy = numpy = sys.modules["numpy"]
            finite = numpy.isfinite(array)
            self._finite: Any = array if finite.all() else array[finite]
            self.nan = int(numpy.isnan(array).sum())
            self._infinities = int((array == -numpy.inf).sum()), int((array == numpy.inf).sum())
        else:
            numbers = [float(_number("values", value)) for value in _flat(values)]
            self._finite = [number for number in numbers if isfinite(number)]
            self.nan = sum(map(isnan, numbers))
            self._infinities = numbers.count(float("-inf")), numbers.count(float("inf"))
        self.is_empty = len(self._finite) == 0
        self.has_values = not self.is_empty or any(self._infinities)
        self.low = 0.0 if self.is_empty else float(self._finite.min() if self._numpy else min(self._finite))
        self.high = 1.0 if self.is_empty else float(self._finite.max() if self._numpy else max(self._finite))

    def count(self, edges: tuple[float, ...]) -> list[int]:
        """Return the number of values in each bucket; a value on an edge is in the bucket after it, or the last one."""
        if self._numpy:
            counts: list[int] = self._numpy.histogram(self._finite, bins=self._numpy.array(edges, "f8"))[0].tolist()
            return counts
        from bisect import bisect_right

        counts = [0] * (len(edges) - 1)
        for value in self._finite:
            if edges[0] <= value <= edges[-1]:
                counts[min(bisect_right(edges, value), len(counts)) - 1] += 1
        return counts

    def outside(self, low: float, high: float) -> tuple[int, int]:
        """Return the numbers of values below *low* and above *high*, with the infinities."""
        if self._numpy:
            below, above = int((self._finite < low).sum()), int((self._finite > high).sum())
        else:
            below, above = sum(value < low for value in self._finite), sum(value > high for value in self._finite)
        return below + self._infinities[0], above + self._infinities[1]

    def sums(self) -> tuple[float, float, float, float]:
        """Return the smallest value, the largest one, the sum and the sum of the squares, of all values but NaN."""
        infinities = [float("-inf")] * bool(self._infinities[0]) + [float("inf")] * bool(self._infinities[1])
        ends = [] if self.is_empty else [self.low, self.high]
        if self._numpy:
            with self._numpy.errstate(all="ignore"):
                total = float(self._finite.sum(dtype="f8"))
                squares = float((self._finite.astype("f8") ** 2).sum())
        else:
            total = float(sum(self._finite))
            squares = float(sum(value * value for value in self._finite))
        return (
            min(ends + infinities),
            max(ends + infinities),
            sum(infinities, total),
            squares + sum(abs(value) for value in infinities),
        )


def _array(values: Any) -> Any:
    """Return the values as a flat NumPy array of floats, or None if they aren't an array or NumPy isn't imported."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(values, "__array__"):
        return None
    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu()
        if values.is_floating_point() and values.element_size() < 4:
            values = values.float()  # NumPy has no bfloat16
    array = numpy.asarray(values).ravel()
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array
    return array.astype("f8") if array.dtype.kind in "biuf" else None


def _flat(values: Any) -> Iterator[Any]:
    """Yield the numbers of an array or of nested lists, which may have any depth."""
    stack = [iter([values])]
    while stack:
        for value in stack[-1]:
            if hasattr(value, "detach"):
                value = value.detach()
            if hasattr(value, "tolist"):
                value = value.tolist()
            if not isinstance(value, (int, float, str, bytes)) and hasattr(value, "__iter__"):
                stack.append(iter(value))
                break
            yield int(value) if isinstance(value, bool) else value
        else:
            stack.pop()
