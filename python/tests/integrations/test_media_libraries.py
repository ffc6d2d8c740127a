"""Media of real libraries: what `Exp.attach` writes, the library reads back equal."""

import io
import json
import math
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotAttach, Exp, File, Histogram, Table, read

np: Any = pytest.importorskip("numpy", reason="NumPy is not installed")


@pytest.fixture
def exp(tmp_path: Path) -> Iterator[Exp]:
    with Exp(tmp_path, "e") as experiment:
        yield experiment


@pytest.fixture
def kept(exp: Exp) -> Callable[[File], Path]:
    return lambda file: exp.path / file.path


def library(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library says when it is imported is its own
        return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1), (300, 200, 3)], ids=str)
def test_pil_reads_an_array_back_equal(shape: Any, exp: Exp, kept: Any) -> None:
    image = library("PIL.Image")
    array = np.random.default_rng(0).integers(0, 256, shape, "u1")
    with image.open(kept(exp.attach(array, "a.png"))) as read:
        read.load()
        assert (read.format, np.asarray(read).tolist()) == ("PNG", array.reshape(np.asarray(read).shape).tolist())


def test_pil_reads_sixteen_bits_back_equal(exp: Exp, kept: Any) -> None:
    image = library("PIL.Image")
    array = np.random.default_rng(0).integers(0, 65536, (5, 7), "u2")
    with image.open(kept(exp.attach(array, "a.png"))) as read:
        assert np.asarray(read).tolist() == array.tolist()


@pytest.mark.parametrize("name", [None, "a.png", "a.webp", "a.bmp", "a.tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
def test_a_pil_image_is_read_back_equal(name: Any, mode: str, exp: Exp, kept: Any) -> None:
    image = library("PIL.Image")
    picture = image.new("RGB", (4, 3), (10, 200, 30)).convert(mode)
    file = exp.attach(picture, name) if name != "a.webp" else exp.attach(picture.convert("RGB"), "a.png")
    with image.open(kept(file)) as read:
        assert read.convert("RGB").tobytes() == picture.convert("RGB").tobytes()
    assert file.path == f"files/{(name or 'image.png').replace('webp', 'png')}"


def test_a_pil_image_that_a_format_cannot_hold_leaves_nothing(exp: Exp) -> None:
    image = library("PIL.Image")
    with pytest.raises(CannotAttach, match="the Image has no form as 'a.jpg': OSError: .*RGBA"):
        exp.attach(image.new("RGBA", (2, 2)), "a.jpg")
    with pytest.raises(CannotAttach, match="cannot be written as '.nope'. Give a name that ends with .png, .jpg"):
        exp.attach(image.new("RGB", (2, 2)), "a.nope")
    assert not (exp.path / "files").exists()


def test_a_tensor_is_an_image_with_its_channels_first_or_last(exp: Exp, kept: Any) -> None:
    torch, image = library("torch"), library("PIL.Image")
    tensor = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    for value in (tensor, tensor.permute(1, 2, 0), tensor.permute(1, 2, 0).contiguous()):
        with image.open(kept(exp.attach(value, "a.png"))) as read:
            assert np.asarray(read).tolist() == tensor.permute(1, 2, 0).tolist()
    assert [path.name for path in (exp.path / "files").iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_a_tensor_of_floats_and_with_a_gradient_is_an_image(kind: str, exp: Exp, kept: Any) -> None:
    torch, image = library("torch"), library("PIL.Image")
    tensor = torch.tensor([[0, 0.5, 1]], dtype=getattr(torch, kind), requires_grad=True)
    with image.open(kept(exp.attach(tensor, "a.png"))) as read:
        assert np.asarray(read).tolist() == [[0, 128, 255]]


def test_a_batch_of_tensors_is_refused(exp: Exp) -> None:
    torch = library("torch")
    with pytest.raises(CannotAttach, match=r"of shape \(8, 3, 5, 7\) isn't an image.*batch\[0\]"):
        exp.attach(torch.zeros(8, 3, 5, 7), "a.png")


@pytest.mark.parametrize(("name", "start"), [(None, b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_a_matplotlib_figure_is_written_by_its_ending(name: Any, start: bytes, exp: Exp, kept: Any) -> None:
    figures = library("matplotlib.figure")
    figure = figures.Figure()
    figure.subplots().plot([1, 2, 3])
    file = exp.attach(figure, name)
    assert kept(file).read_bytes().startswith(start)
    assert file.path == f"files/{name or 'figure.png'}"
    with pytest.raises(CannotAttach, match=r"the Figure cannot be written as '.nope'. .* .pdf, .*.png, .*.svg"):
        exp.attach(figure, "a.nope")


def test_a_plotly_figure_is_json_that_plotly_reads_or_a_page_that_needs_no_network(exp: Exp, kept: Any) -> None:
    graph = library("plotly.graph_objects")
    figure = graph.Figure(graph.Scatter(x=[1, 2], y=[3, 4]))
    file = exp.attach(figure)
    assert (file.path, file.media_type) == ("files/figure.json", "application/json")
    assert graph.Figure(json.loads(kept(file).read_bytes())) == figure
    page = exp.attach(figure, "a.html")
    assert page.media_type == "text/html" and b"<script src=" not in kept(page).read_bytes()
    with pytest.raises(CannotAttach, match=r"Give a name that ends with .json or .html; a picture is made by"):
        exp.attach(figure, "a.png")


def test_a_pandas_frame_keeps_an_index_with_information(exp: Exp, kept: Any) -> None:
    pandas = library("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "ä,\n"]})
    assert kept(exp.attach(frame)).read_bytes() == 'a,b\n1,x\n2,"ä,\n"\n'.encode()
    named = frame.set_index("b")
    assert kept(exp.attach(named, "named.csv")).read_bytes() == 'b,a\nx,1\n"ä,\n",2\n'.encode()
    assert kept(exp.attach(frame[1:], "cut.csv")).read_bytes() == ',a,b\n1,2,"ä,\n"\n'.encode()
    assert kept(exp.attach(frame["a"], "series.csv")).read_bytes() == b"a\n1\n2\n"


def test_a_pandas_frame_is_kept_whole_in_parquet(exp: Exp, kept: Any) -> None:
    pandas = library("pandas")
    library("pyarrow")
    when = pandas.to_datetime(["2026-01-02", None], utc=True)
    frame = pandas.DataFrame({"when": when, "kind": pandas.Categorical(["x", "y"])}, index=["r", "s"])
    file = exp.attach(frame, "a.parquet")
    assert file.media_type == "application/vnd.apache.parquet"
    pandas.testing.assert_frame_equal(pandas.read_parquet(kept(file)), frame)


def test_a_polars_frame_is_csv_or_parquet(exp: Exp, kept: Any) -> None:
    polars = library("polars")
    frame = polars.DataFrame({"a": [1, None], "b": ["x", "y"]})
    assert kept(exp.attach(frame)).read_bytes() == b"a,b\n1,x\n,y\n"
    assert polars.read_parquet(kept(exp.attach(frame, "a.parquet"))).equals(frame)
    with pytest.raises(CannotAttach, match="the DataFrame has no form as 'nested.csv': ComputeError"):
        exp.attach(polars.DataFrame({"a": [[1, 2]]}), "nested.csv")
    with pytest.raises(TypeError, match=r"exp.attach\(frame.collect\(\)\)"):
        exp.attach(frame.lazy())
    assert not (exp.path / "files" / "nested.csv").exists()


def test_an_arrow_table_is_csv_or_parquet(exp: Exp, kept: Any) -> None:
    arrow = library("pyarrow")
    parquet = library("pyarrow.parquet")
    table = arrow.table({"a": [1, 2]})
    assert kept(exp.attach(table)).read_bytes() == b'"a"\n1\n2\n'
    assert parquet.read_table(kept(exp.attach(table, "a.parquet"))).equals(table)


def test_a_library_can_write_into_a_new_file_itself(exp: Exp, kept: Any) -> None:
    array = np.arange(6).reshape(2, 3)
    with exp.create("array.npy") as file:
        np.save(file, array)
    assert file.ref is not None
    assert np.load(io.BytesIO(kept(file.ref).read_bytes())).tolist() == array.tolist()


def test_a_table_is_made_of_frames_of_each_library(exp: Exp) -> None:
    pandas, polars, pyarrow = library("pandas"), library("polars"), library("pyarrow")
    frame = pandas.DataFrame(
        {
            "n": [1, 2],
            "text": ["x", None],
            "p": [math.nan, 0.5],
            "when": pandas.to_datetime(["2026-01-01", None]),
            "kind": pandas.Categorical(["u", "v"]),
            "count": pandas.array([1, None], "Int64"),
        }
    )
    exp.log.event("a", table=Table.of(frame))
    [event] = read(exp.path).events("a")
    first, second = event.data["table"].rows
    assert first[:2] == (1, "x") and math.isnan(first[2]) and first[3:] == (datetime(2026, 1, 1), "u", 1)
    assert second == (2, None, 0.5, None, "v", None)
    assert Table.of(frame.set_index("n")).columns == ("n", "text", "p", "when", "kind", "count")
    assert Table.of(frame.iloc[1:]).columns[0] == "index"
    expected = Table(["a", "b"], [[1, "x"], [None, "y"]])
    assert Table.of(polars.DataFrame({"a": [1, None], "b": ["x", "y"]})) == expected
    assert Table.of(pyarrow.table({"a": [1, None], "b": ["x", "y"]})) == expected


def test_a_histogram_is_made_of_tensors_of_each_type() -> None:
    torch = library("torch")
    values = torch.tensor([0.0, 0.5, 2.0, math.nan, math.inf], requires_grad=True)
    expected = Histogram([0, 1, 2], [2, 1], 0, math.inf, math.inf, math.inf, 1, 0, 1)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        assert Histogram.of(values.to(dtype), bins=2) == expected
    assert Histogram.of(torch.tensor([[1, 2], [3, 5]]), bins=2).counts == (2, 2)
    assert Histogram.of(torch.tensor([True, False]), bins=2).counts == (1, 1)
    assert Histogram.of(values[:3], bins=2).counts == Histogram.of(values[:3].tolist(), bins=2).counts
