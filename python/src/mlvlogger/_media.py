"""Media: the bytes of an image, a figure or a table, for an attached file (specification 1.0, Files).

No library is imported to recognize a value: it can be an instance of a library's class only if the program has imported
the library.
"""

from __future__ import annotations

import csv
import io
import struct
import sys
import zlib
from importlib import import_module

from ._errors import CannotAttach
from ._format.convert import is_of
from ._format.encode import encode
from ._format.json import dumps
from ._format.table import Table
from ._format.tabular import row_lines
from ._messages import a_type, qualname, short, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["encode_file", "png"]

_COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # channels → color type of PNG: gray, RGB, RGBA
_ACCEPTED = (
    "Give a path, bytes with a name, a PIL image, an array or tensor as an image, a matplotlib or plotly figure, "
    "a Table, or a pandas, polars or pyarrow table; for anything else write the file yourself: exp.create(name)."
)


def encode_file(value: Any, name: str | None) -> tuple[str, bytes]:
    """Return the name and the bytes of the file for a value.

    The bytes are made in memory, so that a value that can't be encoded leaves no file.

    Args:
        value: The value, as for `Exp.attach`.
        name: The name of the file, whose suffix determines the format; by default depends on the type.

    Raises:
        CannotAttach: If the value can't be encoded in this format, or if bytes have no name.
        TypeError: If values of this type can't be attached.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        if name is None:
            raise CannotAttach(
                f"{len(value)} bytes have no name. Give one: exp.attach(data, 'sample.png'). "
                "A path is given as a string or a pathlib.Path."
            )
        return name, bytes(value)
    default, write = _default_and_writer(value)
    name = default if name is None else name
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    try:
        return name, write(value, suffix.lower() if dot else "")
    except (CannotAttach, MemoryError):
        raise
    except Exception as error:  # libraries raise any exception for a value that can't be encoded
        raise CannotAttach(
            f"the {qualname(type(value))} has no form as {short(name)}: {type(error).__name__}: {short(str(error))}. "
            "Give a name with another ending, or write the file yourself: exp.create(name)."
        ) from error


def _default_and_writer(value: Any) -> tuple[str, Callable[[Any, str], bytes]]:
    """Return the name for a value that has none, and the function that returns the bytes for a value and a suffix."""
    if isinstance(value, Table):
        return "table.ndjson", _table
    if is_of(value, "PIL.Image", "Image"):
        return "image.png", _image
    if is_of(value, "matplotlib.figure", "Figure"):
        return "figure.png", _matplotlib
    if is_of(value, "plotly.basedatatypes", "BaseFigure"):
        return "figure.json", _plotly
    if is_of(value, "pandas", "DataFrame", "Series") or is_of(value, "polars", "DataFrame", "Series"):
        return "table.csv", _frame
    if is_of(value, "pyarrow", "Table"):
        return "table.csv", _arrow
    if is_of(value, "polars", "LazyFrame"):
        raise TypeError("a LazyFrame has no rows yet. Attach what it gives: exp.attach(frame.collect()).")
    if all(hasattr(value, part) for part in ("shape", "dtype", "__array__")):
        return "image.png", _array
    raise TypeError(f"{a_type(value)} cannot be attached: {short(value)}. {_ACCEPTED}")


def png(width: int, height: int, channels: int, pixels: bytes) -> bytes:
    """Return a PNG file.

    Args:
        width: The width in pixels.
        height: The height in pixels.
        channels: 1 for gray, 3 for RGB, 4 for RGBA.
        pixels: `width * height * channels` values, row by row from the top: of one byte each, or of two bytes in
            big-endian order.
    """
    row = len(pixels) // height
    depth = 8 * row // (width * channels)
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row))  # 0: no filter
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _refusal(value: Any, why: str) -> CannotAttach:
    return CannotAttach(f"the {qualname(type(value))} {why}")


def _wrong_suffix(value: Any, suffix: str, endings: str) -> CannotAttach:
    return _refusal(value, f"cannot be written as {short('.' + suffix)}. Give a name that ends with {endings}.")


def _image(value: Any, suffix: str) -> bytes:
    kind = sys.modules["PIL.Image"].registered_extensions().get(f".{suffix}")
    if kind is None:
        raise _wrong_suffix(value, suffix, ".png, .jpg, .webp or another format of PIL's")
    file = io.BytesIO()
    value.save(file, format=kind)
    return file.getvalue()


def _array(value: Any, suffix: str) -> bytes:
    if suffix != "png":
        raise _wrong_suffix(value, suffix, ".png; an array that isn't an image is written with exp.create(name)")
    is_torch = is_of(value, "torch", "Tensor")
    numpy = sys.modules.get("numpy")
    if numpy is None:
        raise _refusal(value, "needs NumPy to be read, and the program has not imported it. Import numpy before.")
    if is_torch:
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.float()  # NumPy has no bfloat16
        value = value.resolve_conj().resolve_neg()
    array = numpy.asarray(value)
    shape = tuple(array.shape)
    if is_torch and len(shape) == 3 and shape[0] in _COLOR_TYPES:
        array = array.transpose(1, 2, 0)
    elif len(shape) == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _COLOR_TYPES or 0 in shape:
        hint = (
            "array.transpose(1, 2, 0)"
            if len(shape) == 3 and shape[0] in _COLOR_TYPES
            else "batch[0] for one of a batch"
        )
        raise _refusal(
            value,
            f"of shape {shape} isn't an image. Give height x width, or height x width x 1, 3 or 4 channels "
            f"(of a torch tensor, the channels may come first): {hint}.",
        )
    array = _levels(numpy, value, array)
    height, width, channels = array.shape
    return png(width, height, channels, array.tobytes())


def _levels(numpy: Any, value: Any, array: Any) -> Any:
    """Return the array as uint8, or as big-endian uint16, for a PNG file."""
    kind = array.dtype.kind
    if kind == "b":
        return array.astype("u1") * 255
    if kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(">u2" if array.dtype.itemsize == 2 else "u1")
    if kind != "f":
        raise _refusal(
            value,
            f"of {array.dtype} isn't an image. Give uint8 from 0 to 255, uint16 from 0 to 65535, bool, "
            "or floats from 0 to 1: array.astype('uint8').",
        )
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 1:  # also for NaN
        raise _refusal(
            value,
            f"has values from {low:g} to {high:g}, and floats are from 0 to 1. Scale them, or cut them: "
            "array.clip(0, 1); of a picture from 0 to 255, array / 255.",
        )
    return (array.astype("f8") * 255 + 0.5).astype("u1")


def _matplotlib(value: Any, suffix: str) -> bytes:
    if suffix not in (kinds := value.canvas.get_supported_filetypes()):
        raise _wrong_suffix(value, suffix, ", ".join(f".{kind}" for kind in sorted(kinds)))
    file = io.BytesIO()
    value.savefig(file, format=suffix)
    return file.getvalue()


def _plotly(value: Any, suffix: str) -> bytes:
    if suffix == "json":
        return str(value.to_json()).encode()
    if suffix in ("html", "htm"):
        return str(value.to_html(include_plotlyjs=True)).encode()  # the script is included, so no network is needed
    raise _wrong_suffix(value, suffix, ".json or .html; a picture is made by fig.to_image('png')")


def _table(value: Table, suffix: str) -> bytes:
    rows = ([encode(cell, path="table", depth=2, report=warn_once) for cell in row] for row in value.rows)
    if suffix == "ndjson":
        return row_lines(value, lambda _, row: next(rows))
    if suffix != "csv":
        raise _wrong_suffix(value, suffix, ".ndjson or .csv")
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(value.columns)
    writer.writerows([dumps(cell) if type(cell) in (dict, list) else cell for cell in row] for row in rows)
    return file.getvalue().encode()


def _frame(value: Any, suffix: str) -> bytes:
    is_pandas = not is_of(value, "polars", "DataFrame", "Series")
    frame = value.to_frame() if type(value).__name__ == "Series" else value
    file = io.BytesIO()
    if suffix == "csv" and is_pandas:
        return str(frame.to_csv(index=not _is_plain(frame.index))).encode()
    if suffix == "csv":
        frame.write_csv(file)
    elif suffix == "parquet" and is_pandas:
        data = frame.to_parquet()  # bytes; some engines would close an open file
        return bytes(data)
    elif suffix == "parquet":
        frame.write_parquet(file)
    else:
        raise _wrong_suffix(value, suffix, ".csv or .parquet")
    return file.getvalue()


def _is_plain(index: Any) -> bool:
    """Return whether the index of a pandas frame only counts the rows from 0."""
    plain = is_of(index, "pandas", "RangeIndex") and index.name is None
    return bool(plain and index.start == 0 and index.step == 1)


def _arrow(value: Any, suffix: str) -> bytes:
    file = io.BytesIO()
    if suffix == "csv":
        import_module("pyarrow.csv").write_csv(value, file)
    elif suffix == "parquet":
        import_module("pyarrow.parquet").write_table(value, file)
    else:
        raise _wrong_suffix(value, suffix, ".csv or .parquet")
    return file.getvalue()
