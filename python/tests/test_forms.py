"""Histograms and tables: from arrays, lists and data frames to typed values and attached files, and back."""

import json
import math
import pickle
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import (
    CannotAttach,
    Exp,
    File,
    Histogram,
    InvalidRecord,
    Logger,
    Opaque,
    Table,
    Unencodable,
    portable_name,
    read,
)

INF, NAN = math.inf, math.nan


def logged(tmp_path: Path, value: Any) -> Any:
    """The value as a reader returns it, after it was logged."""
    with Exp(tmp_path, "a") as exp:
        exp.log.event("a", x=value)
    [event] = read(exp.path).events("a")
    return event.data["x"]


def tree(tmp_path: Path) -> Any:
    """The value in the record."""
    lines = (tmp_path / "a" / "log.jsonl").read_bytes().splitlines()
    return next(json.loads(line)["data"]["x"] for line in lines if b'"event":"a"' in line)


def test_a_histogram_is_read_as_it_was_logged(tmp_path: Path) -> None:
    histogram = Histogram([-0.5, 0, 0.5], (310, 202.5), -0.75, INF, 0, NAN, 0, 2, 3)
    found = logged(tmp_path, histogram)
    assert type(found) is Histogram and found.edges == (-0.5, 0, 0.5) and found.counts == (310, 202.5)
    assert (found.min, found.max, found.sum, found.nan, found.below, found.above) == (-0.75, INF, 0, 0, 2, 3)
    assert found.sum_squares is not None and math.isnan(found.sum_squares)
    assert tree(tmp_path)["max"] == {"_mlv": "float", "value": "inf"}
    assert logged(tmp_path / "b", Histogram([0, 1], [1])) == Histogram([0, 1], [1])
    assert tree(tmp_path / "b") == {"_mlv": "histogram", "edges": [0, 1], "counts": [1]}
    assert pickle.loads(pickle.dumps(histogram)).edges == histogram.edges


def test_a_histogram_of_values_counts_all_of_them() -> None:
    histogram = Histogram.of([[0.0, 1.0], [0.25, [1]], NAN, INF, -INF, -INF], bins=2)
    assert (histogram.edges, histogram.counts, histogram.nan, histogram.below, histogram.above) == (
        (0.0, 0.5, 1.0), (2, 2), 1, 2, 1
    )  # fmt: skip
    assert (histogram.min, histogram.max, histogram.sum_squares) == (-INF, INF, INF)
    assert Histogram.of([1, 2, 4], bins=1, range=(1, 3)) == Histogram([1, 3], [2], 1, 4, 7, 21, 0, 0, 1)
    assert Histogram.of([3, 3, 3]) == Histogram([3, 3], [3], 3, 3, 9, 27, 0, 0, 0)
    assert Histogram.of([True, False], bins=[0, 1, 2]) == Histogram([0, 1, 2], [1, 1], 0, 1, 1, 1, 0, 0, 0)
    assert Histogram.of([]) == Histogram([0, 1], [0], nan=0, below=0, above=0)
    assert Histogram.of([NAN]) == Histogram([0, 1], [0], nan=1, below=0, above=0)
    assert Histogram.of(5.0, bins=4).counts == (1,)
    assert sum(Histogram.of([-1.7e308, 1.7e308, 0.0], bins=512).counts) == 3
    assert sum(Histogram.of([1e16, 1e16 + 2], bins=512).counts) == 2


def test_a_histogram_of_an_array_equals_that_of_its_list() -> None:
    numpy = pytest.importorskip("numpy")
    shuffle = numpy.random.default_rng(0)
    values = shuffle.normal(size=(30, 40))
    values[0, :3] = NAN, INF, -INF
    for array in (
        values,
        values[1:].astype("f4"),
        values[1:].astype("f2"),
        (values[1:] * 100).astype("i4"),
        values[1:] > 0,
    ):
        of_array, of_list = Histogram.of(array), Histogram.of(array.tolist())
        assert of_array.counts == of_list.counts and of_array.edges == of_list.edges
        for name in ("nan", "below", "above", "min", "max"):
            assert getattr(of_array, name) == getattr(of_list, name)
        assert sum(of_array.counts) + of_array.nan + of_array.below + of_array.above == array.size  # type: ignore[operator]
    counts, edges = numpy.histogram(shuffle.normal(size=100), bins=7)
    assert Histogram(edges, counts).counts == tuple(counts.tolist())
    with pytest.raises(TypeError, match="complex"):
        Histogram.of(numpy.array([1j]))


class Tensor:
    """What `Histogram.of` needs of a torch tensor, on a device whose values `tolist` and `__array__` don't give."""

    def __init__(self, values: list[float], on_cpu: bool = False) -> None:
        self.values, self.on_cpu = values, on_cpu
        self.shape = (len(values),)

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return Tensor(self.values, True)

    def is_floating_point(self) -> bool:
        return True

    def element_size(self) -> int:
        return 4

    def tolist(self) -> list[float]:
        return self.values

    def __array__(self, *_: Any, **__: Any) -> Any:
        assert self.on_cpu
        return sys.modules["numpy"].array(self.values, "f4")


def test_a_tensor_needs_no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor: Any = Tensor([0.0, 0.5, 2.0, NAN])
    expected = Histogram([0, 1, 2], [2, 1], 0, 2, 2.5, 4.25, 1, 0, 0)
    pytest.importorskip("numpy")
    assert Histogram.of(tensor, bins=2) == expected
    monkeypatch.delitem(sys.modules, "numpy")
    assert Histogram.of(tensor, bins=2) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1, 2]), "2 edges and 2 counts: give one edge more"),
        (([0], []), "1 edges and 0 counts"),
        (([0, 2, 1], [1, 1]), r"edges\[2\] of a histogram is 1, less than the edge before, 2"),
        (([0, INF], [1]), r"edges\[1\] of a histogram is inf: give finite"),
        (([0, 1], [-1]), r"counts\[0\] of a histogram is -1"),
        (([0, 1], [1], None, None, None, None, -1), "nan of a histogram is -1"),
        (([0, 1], [1], None, None, None, None, 0, 0.5), "below of a histogram is 0.5"),
    ],
)
def test_a_histogram_of_a_wrong_form_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Histogram(*arguments)


def test_wrong_arguments_of_a_histogram_are_refused() -> None:
    with pytest.raises(TypeError, match="edges of a histogram has '0', a str"):
        Histogram(["0", 1], [1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="values of a histogram has 'a', a str"):
        Histogram.of(["a"])
    for bins in (0, 513):
        with pytest.raises(ValueError, match=f"bins is {bins}: give a number of buckets from 1 to 512"):
            Histogram.of([1, 2], bins=bins)
    with pytest.raises(ValueError, match=r"range is \(2\.0, 1\.0\)"):
        Histogram.of([1, 2], range=(2, 1))


def test_a_table_is_read_as_it_was_logged(tmp_path: Path) -> None:
    cells: list[Any] = ["text", 0.5, NAN, None, {"_mlv": 1}, [b"x"], File("files/a", 1, "0" * 64), 2**70]
    found = logged(tmp_path, Table([f"c{i}" for i in range(len(cells))], [cells]))
    assert type(found) is Table and found.rows[0][:2] == ("text", 0.5) and found.rows[0][3:] == tuple(cells[3:])
    assert tree(tmp_path)["rows"][0][4] == {"__mlv": 1}


def test_a_cell_that_cannot_be_encoded_is_recorded_as_its_repr(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"data\.x\[1\]\[0\]: the value is of type object"):
        found = logged(tmp_path, Table(["a"], [[1], [object()]]))
    assert found.rows[0] == (1,) and isinstance(found.rows[1][0], Unencodable)


def test_a_table_in_params_is_read_only(tmp_path: Path) -> None:
    with Exp(tmp_path, "a", {"grid": Table(["lr"], [[0.1], [{"a": 1}]])}) as exp:
        pass
    table = read(exp.path).params["grid"]
    assert table == Table(["lr"], [[0.1], [{"a": 1}]])
    with pytest.raises(TypeError, match="read-only"):
        table.rows[1][0]["a"] = 2


@pytest.mark.parametrize(
    ("columns", "rows", "error", "message"),
    [
        (["a", "a"], [], ValueError, "the column 'a' twice"),
        (["a"], [[1], [1, 2]], ValueError, "row 1 of a table has 2 values for 1 columns"),
        ([1], [], TypeError, "a column of a table is named 1, an int"),
        (["\ud800"], [], ValueError, "lone surrogate"),
    ],
)
def test_a_table_of_a_wrong_form_is_refused(columns: Any, rows: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Table(columns, rows)


def test_a_table_is_made_of_dicts_and_columns() -> None:
    expected = Table(["a", "b"], [[1, None], [2, "x"]])
    assert Table.of([{"a": 1}, {"a": 2, "b": "x"}]) == expected
    assert Table.of({"a": [1, 2], "b": [None, "x"]}) == expected
    assert Table.of([{1: 2}]) == Table(["1"], [[2]])
    assert Table.of([]) == Table([], [])
    with pytest.raises(ValueError, match="different lengths: {'a': 1, 'b': 2}"):
        Table.of({"a": [1], "b": [1, 2]})
    for wrong in (5, "text", [[1]], [5]):
        with pytest.raises(TypeError, match=r"isn't a table: give a data frame|a row is a"):
            Table.of(wrong)


class NaTType:
    """A missing time of pandas."""


class Frame:
    """What `Table.of` needs of a data frame of pandas."""

    def __init__(self, name: str | None) -> None:
        self.columns: list[Any] = ["a", 0]
        self.dtypes = [types.SimpleNamespace(kind=kind) for kind in "Of"]
        kind = type("Index" if name else "RangeIndex", (types.SimpleNamespace,), {})
        self.index = kind(name=name, start=0, step=1)

    def reset_index(self) -> "Frame":
        frame = Frame(None)
        frame.columns = ["i", *self.columns]
        frame.dtypes = [types.SimpleNamespace(kind="i"), *self.dtypes]
        return frame

    def itertuples(self, *, index: bool, name: None) -> Any:
        return iter([("x", NaTType(), 1)[-len(self.columns) :], (NAN, 0.5, 2)[-len(self.columns) :]])


def test_a_table_is_made_of_a_data_frame() -> None:
    assert Table.of(Frame(None)).columns == ("a", "0")
    assert Table.of(Frame("i")).columns == ("i", "a", "0")
    assert Table.of(Frame("i")).rows[0] == ("x", None, 1)
    assert Table.of(Frame(None)).rows[1] == (0.5, 2)
    assert Table.of(Frame("i")).rows[1][1:] == (0.5, 2) and Table.of(Frame("i")).rows[1][0] is None


def test_a_table_of_many_rows_becomes_an_attached_file(tmp_path: Path) -> None:
    rows = [[n, {"_mlv": NAN}] for n in range(1001)]
    with Exp(tmp_path, "a") as exp, exp.log.span("epoch") as epoch:
        epoch.event("validation", step=1, predictions=Table(["n", "_mlv"], rows))
        epoch.event("validation", step=2, inner={"a b": [Table(["n"], [[n] for n in range(1000)])]})
        exp.stream("samples").event("s", table=Table(["text"], [["x" * 2000]] * 600))
        epoch.event("validation", step=3, predictions=Table(["n", "_mlv"], rows))
    experiment = read(exp.path)
    first, second, third = experiment.events("epoch/validation")
    file = first.data["predictions"]
    assert isinstance(file, File) and (file.path, file.media_type) == (
        "files/epoch/validation/predictions.ndjson",
        "application/x-ndjson",
    )
    assert (exp.path / file.path).read_text("utf-8").startswith('{"n":0,"__mlv":{"__mlv":{"_mlv":"float"')
    table = experiment.table(file)
    assert table.columns == ("n", "_mlv") and len(table.rows) == 1001 and math.isnan(table.rows[1000][1]["_mlv"])
    assert third.data["predictions"] == file  # the same bytes are one file
    assert isinstance(second.data["inner"]["a b"][0], Table)
    [sample] = experiment.events("s", stream="log/samples.jsonl")
    assert experiment.table(sample.data["table"]).rows[599] == ("x" * 2000,)
    attached = [line for line in (exp.path / "log.jsonl").read_text("utf-8").splitlines() if '"mlv/file"' in line]
    assert ["files/s/table.ndjson" in line for line in attached] == [False, True, False]


def test_a_large_table_of_a_bare_log_stays_in_the_event(tmp_path: Path) -> None:
    with Logger(tmp_path / "a.jsonl") as log:
        log.event("a", x=Table(["n"], [[n] for n in range(1001)]))
    assert len(json.loads((tmp_path / "a.jsonl").read_bytes().splitlines()[1])["data"]["x"]["rows"]) == 1001


def test_a_table_of_more_parts_than_a_record_may_have_is_attached(tmp_path: Path) -> None:
    found = logged(tmp_path, Table(["a", "b"], [[n, n] for n in range(600_000)]))
    assert isinstance(found, File) and found.size > 10_000_000


def test_a_large_table_that_cannot_be_attached_stays_in_the_event(tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp:
        (exp.path / "files").write_bytes(b"in the way")
        with pytest.warns(RuntimeWarning, match=r"data\.x: the rows of a large table can't be written to a/x\.ndjson"):
            exp.log.event("a", x=Table(["n"], [[n] for n in range(1001)]))
    assert len(tree(tmp_path)["rows"]) == 1001


def test_a_table_is_attached_as_rows_or_csv(tmp_path: Path) -> None:
    table = Table(["a", "b"], [[1, "x,\n"], [None, [1, "é"]]])
    with Exp(tmp_path, "a") as exp:
        rows, csv = exp.attach(table, "t.ndjson"), exp.attach(table, "t.csv")
        assert exp.attach(table).path == "files/table.ndjson"
        with pytest.raises(CannotAttach, match=r"ends with \.ndjson or \.csv"):
            exp.attach(table, "t.parquet")
        assert exp.table(rows) == Table(["a", "b"], [[1, "x,\n"], [None, [1, "é"]]])
        assert exp.table(csv) == Table(["a", "b"], [["1", "x,\n"], ["", '[1,"\\u00e9"]']])
        assert exp.table(table) is table


def test_a_table_file_that_was_changed_or_is_no_table_is_refused(tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp:
        file = exp.attach(Table(["a"], [[1]]), "t.ndjson")
        wrong = exp.attach(b"[1]\n", "wrong.ndjson")
        other = exp.attach(b"PAR1", "t.parquet")
    experiment = read(exp.path)
    with pytest.raises(InvalidRecord, match="isn't a table"):
        experiment.table(wrong)
    with pytest.raises(ValueError, match="media type 'application/vnd.apache.parquet'"):
        experiment.table(other)
    with pytest.raises(TypeError, match="a str isn't a table"):
        experiment.table("files/t.ndjson")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a file of another experiment"):
        experiment.table(File(file.path, file.size, file.sha256, file.media_type, "sha256:" + "0" * 64))
    (exp.path / file.path).chmod(0o644)
    (exp.path / file.path).write_bytes(b'{"a":2}\n')
    with pytest.raises(InvalidRecord, match="its size or digest differs"):
        experiment.table(file)
    (exp.path / file.path).unlink()
    (exp.path / file.path).symlink_to(tmp_path / "a" / "files" / "wrong.ndjson")
    with pytest.raises(InvalidRecord, match="symbolic link"):
        experiment.table(file)


@pytest.mark.parametrize(
    "value",
    [
        {"_mlv": "histogram", "edges": [0, 1], "counts": [1, 2]},
        {"_mlv": "histogram", "edges": "01", "counts": [1]},
        {"_mlv": "histogram", "edges": [0, 1], "counts": [True]},
        {"_mlv": "histogram", "edges": [0, 1], "counts": [1], "more": 1},
        {"_mlv": "table", "columns": ["a"], "rows": [[1, 2]]},
        {"_mlv": "table", "columns": "a", "rows": [[1]]},
        {"_mlv": "table", "columns": ["a"], "rows": ["x"]},
    ],
)
def test_a_reader_keeps_a_value_of_a_wrong_form_as_it_is(value: Any, tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp:
        exp.log.event("a", x=Opaque(value))
    [event] = read(exp.path).events("a")
    assert event.data["x"] == Opaque(value)


def test_neither_form_is_a_metric(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Exp(tmp_path, "a") as exp:
            exp.log.event("a", step=1, h=Histogram.of([1.0]), t=Table(["loss"], [[0.5]]), loss=1.0)
    assert read(exp.path).metric_names() == [("a", "loss")]


def test_names_of_files_of_tables_are_portable(tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp:
        exp.log.event("größe/x", {"CON": Table(["n"], [[n] for n in range(1001)])})
    [event] = read(exp.path).events("größe/x")
    assert event.data["CON"].path.startswith(f"files/{portable_name('größe')}/x/{portable_name('CON')}")
