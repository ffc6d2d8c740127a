"""Media: `Exp.attach` makes files of values; what has no form in a file is refused, and leaves no file."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotAttach, Exp, File, InvalidName, LogClosed, read
from mlvlogger._media import png
from program import program

np: Any = pytest.importorskip("numpy", reason="NumPy is not installed")
HOME = Path("runs/e")


@pytest.fixture
def exp(conforms: Callable[..., Any]) -> Iterator[Exp]:
    """An experiment that conforms when the test has done with it."""
    with Exp("runs", "e") as experiment:
        yield experiment
    conforms(HOME, sealed=True)


def pixels(data: bytes) -> tuple[int, int, int, int, bytes]:
    """Width, height, depth, colour type and values of a PNG without filters, of which every checksum holds."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert data[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(kind + content))
        chunks[kind] = content
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [0, 0, 0]
    lines = zlib.decompress(chunks[b"IDAT"])
    row = len(lines) // height
    assert {lines[at] for at in range(0, len(lines), row)} == {0}
    return width, height, depth, colour, b"".join(lines[at + 1 : at + row] for at in range(0, len(lines), row))


def kept(file: File) -> bytes:
    return (HOME / file.path).read_bytes()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 1, 2], [3, 4, 255]], "u1"), (3, 2, 8, 0, b"\0\1\2\3\4\xff")),
        (np.array([[[1], [2]]], "u1"), (2, 1, 8, 0, b"\1\2")),
        (np.arange(12, dtype="u1").reshape(2, 2, 3), (2, 2, 8, 2, bytes(range(12)))),
        (np.arange(16, dtype="u1").reshape(2, 2, 4), (2, 2, 8, 6, bytes(range(16)))),
        (np.array([[0, 258, 65535]], "u2"), (3, 1, 16, 0, b"\0\0\1\2\xff\xff")),
        (np.array([[0, 258, 65535]], ">u2"), (3, 1, 16, 0, b"\0\0\1\2\xff\xff")),
        (np.array([[0, 0.5, 1]]), (3, 1, 8, 0, b"\0\x80\xff")),
        (np.array([[0, 0.5, 1]], "f2"), (3, 1, 8, 0, b"\0\x80\xff")),
        (np.array([[True, False]]), (2, 1, 8, 0, b"\xff\0")),
        (np.arange(6, dtype="u1").reshape(2, 3).T, (2, 3, 8, 0, b"\0\3\1\4\2\5")),
        (np.arange(6, dtype="u1").reshape(2, 3)[:, ::-2], (2, 2, 8, 0, b"\2\0\5\3")),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if hasattr(value, "dtype") else "",
)
def test_an_array_is_written_as_an_image_of_its_type(array: Any, expected: Any, exp: Exp) -> None:
    before = array.copy()
    assert pixels(kept(exp.attach(array, "a.png"))) == expected
    assert (array == before).all()


def test_an_image_is_in_the_event_with_its_step(exp: Exp) -> None:
    array = np.zeros((2, 2), "u1")
    for step in (3, 4):
        exp.log.event("sample", step=step, image=exp.attach(array + step, "sample.png"))
    (three, four) = [event.data for event in read(HOME).events("sample")]
    assert (three["step"], three["image"].path, three["image"].media_type) == (3, "files/sample.png", "image/png")
    assert (four["step"], four["image"].path, four["image"].media_type) == (4, "files/sample~2.png", "image/png")
    noted = [event.data for event in read(HOME).events("mlv/file", lifecycle=True)]
    assert noted == [{"file": three["image"]}, {"file": four["image"]}]


def test_the_same_array_under_the_same_name_is_the_same_file(exp: Exp) -> None:
    array = np.zeros((2, 2), "u1")
    assert exp.attach(array) == exp.attach(array.copy()) == exp.attach(array, "image.png")
    assert exp.attach(array + 1).path == "files/image~2.png"


def test_a_value_can_be_changed_after_the_call(exp: Exp) -> None:
    array = np.zeros((1, 1), "u1")
    file = exp.attach(array)
    array[:] = 9
    assert pixels(kept(file))[-1] == b"\0"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_attached_under_the_name_they_are_given(kind: Any, exp: Exp) -> None:
    file = exp.attach(kind(b"RIFF"), "sounds/a.wav")
    assert (file.path, file.size, file.media_type, kept(file)) == ("files/sounds/a.wav", 4, "audio/x-wav", b"RIFF")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        *(("a.mp3", "audio/mpeg"), ("a.flac", "audio/flac"), ("a.ogg", "audio/ogg"), ("a.m4a", "audio/mp4")),
        *(("a.mp4", "video/mp4"), ("a.webm", "video/webm"), ("a.mkv", "video/x-matroska"), ("a.webp", "image/webp")),
        *(("a.svg", "image/svg+xml"), ("a.parquet", "application/vnd.apache.parquet"), ("a.csv", "text/csv")),
        *(("a.html", "text/html"), ("a.json", "application/json"), ("a.avif", "image/avif"), ("a.unheard", None)),
    ],
)
def test_audio_video_and_tables_have_the_same_media_type_on_every_python(name: str, media_type: str, exp: Exp) -> None:
    Path(name).write_bytes(b"x")
    assert exp.attach(name).media_type == media_type


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "bytes without a name": (b"x", None, "1 bytes have no name. Give one: exp.attach(data, 'sample.png')"),
    "a row": (np.zeros(3), "a.png", "of shape (3,) isn't an image. Give height x width"),
    "a batch": (np.zeros((2, 3, 4, 4)), "a.png", "batch[0]"),
    "channels first": (np.zeros((3, 4, 5)), "a.png", "array.transpose(1, 2, 0)"),
    "five channels": (np.zeros((4, 4, 5)), "a.png", "of shape (4, 4, 5) isn't an image"),
    "nothing": (np.zeros((0, 4)), "a.png", "of shape (0, 4) isn't an image"),
    "above": (np.array([[0, 2.5]]), "a.png", "values from 0 to 2.5, and floats are from 0 to 1"),
    "below": (np.array([[-1, 0.5]]), "a.png", "values from -1 to 0.5"),
    "nan": (np.array([[0, np.nan]]), "a.png", "values from nan to nan"),
    "infinite": (np.array([[0, np.inf]]), "a.png", "values from 0 to inf"),
    "integers": (np.array([[0, 1]]), "a.png", "of int64 isn't an image. Give uint8"),
    "complex": (np.array([[0, 1j]]), "a.png", "of complex128 isn't an image"),
    "objects": (np.array([[None]]), "a.png", "of object isn't an image"),
    "texts": (np.array([["x"]]), "a.png", "of <U1 isn't an image"),
    "another ending": (np.zeros((2, 2)), "a.jpg", "cannot be written as '.jpg'. Give a name that ends with .png"),
    "no ending": (np.zeros((2, 2)), "a", "cannot be written as '.'. Give a name that ends with .png"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_without_a_file_format_is_refused_and_leaves_nothing(case: str, exp: Exp) -> None:
    value, name, message = REFUSED[case]
    log = (HOME / "log.jsonl").read_bytes()
    with pytest.raises(CannotAttach) as caught:
        exp.attach(value, name)
    assert message in str(caught.value) and str(caught.value).isprintable()
    assert not (HOME / "files").exists() and (HOME / "log.jsonl").read_bytes() == log


class Hostile:
    """Says that it is an array, and fails with a command for a terminal."""

    shape, dtype = (2, 2), "u1"

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("\x1b[31mboom")


def test_an_error_of_the_value_is_reported_without_its_control_characters(exp: Exp) -> None:
    with pytest.raises(CannotAttach, match=r"the Hostile has no form as 'image.png': RuntimeError: ") as caught:
        exp.attach(Hostile())
    assert str(caught.value).isprintable() and isinstance(caught.value.__cause__, RuntimeError)
    assert not (HOME / "files").exists()


@pytest.mark.parametrize("value", [None, 5, 1.5, {"a": 1}, ["x.png"], object()], ids=lambda value: type(value).__name__)
def test_a_value_that_cannot_be_a_file_is_a_type_error(value: Any, exp: Exp) -> None:
    with pytest.raises(TypeError, match=f"an? {type(value).__name__} cannot be attached: .* Give a path, bytes with"):
        exp.attach(value)
    assert not (HOME / "files").exists()


def test_the_rules_for_names_hold_for_values_too(exp: Exp) -> None:
    for name in ("../x.png", "x/../y.png", "", "CON.png", "\x1b.png"):
        with pytest.raises(InvalidName):
            exp.attach(np.zeros((2, 2)), name)
    with pytest.raises(CannotAttach, match="how='hardlink' is for the path of a file, not for an ndarray"):
        exp.attach(np.zeros((2, 2)), how="hardlink")
    assert not (HOME / "files").exists()


def test_after_close_nothing_is_attached() -> None:
    with Exp("runs", "e") as exp:
        pass
    with pytest.raises(LogClosed):
        exp.attach(b"x", "x.bin")
    assert not (HOME / "files").exists()


def test_a_png_has_the_smallest_and_a_wide_size() -> None:
    assert pixels(png(1, 1, 1, b"\7")) == (1, 1, 8, 0, b"\7")
    assert pixels(png(70000, 1, 3, bytes(210000))) == (70000, 1, 8, 2, bytes(210000))


def test_nothing_is_imported_for_a_value() -> None:
    code = program("media_imports")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
