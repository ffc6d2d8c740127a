"""Histograms and tables in the summaries of TensorBoard."""

from __future__ import annotations

import json
import math
import struct
from itertools import accumulate, pairwise
from typing import Any

from mlvlogger import Histogram, Table

__all__ = ["histogram_of", "histogram_value", "table_value"]

_DOUBLES = {1: ("f", "float_val"), 2: ("d", "double_val")}  # by the DataType of a tensor
_DOUBLE, _STRING = 2, 7


def histogram_of(value: Any) -> Histogram | None:
    """Return the histogram of a value of a summary, as TensorBoard shows it; None if the value isn't one.

    The empty buckets at both ends of a `HistogramProto`, whose edges aren't data, are left out, and its outermost edges
    are the smallest and the largest value.
    """
    try:
        if value.WhichOneof("value") == "histo":
            return _of_proto(value.histo)
        return _of_rows(value.tensor)
    except (ValueError, TypeError, struct.error):
        return None


def _of_proto(proto: Any) -> Histogram | None:
    counts, limits = [*proto.bucket], [*proto.bucket_limit]
    if len(counts) != len(limits):
        return None
    found = [number for number, count in enumerate(counts) if count > 0]
    sums = proto.sum, proto.sum_squares
    if not found:
        return Histogram([0, 0], [0], None, None, *sums)
    if not (math.isfinite(proto.min) and math.isfinite(proto.max)):
        return None
    first, last = found[0], found[-1]
    edges = accumulate([proto.min, *limits[first:last], proto.max], max)  # ascending, also if the smallest value isn't
    return Histogram(edges, counts[first : last + 1], proto.min, proto.max, *sums)


def _of_rows(tensor: Any) -> Histogram | None:
    """Return the histogram of a tensor of the rows (left edge, right edge, count)."""
    code, field = _DOUBLES[tensor.dtype] if tensor.dtype in _DOUBLES else ("", "")
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if not code or len(shape) != 2 or shape[1] != 3:
        return None
    size = math.prod(shape)
    if tensor.tensor_content:
        numbers = [*struct.unpack(f"<{size}{code}", tensor.tensor_content)]
    else:
        numbers = [*getattr(tensor, field)]
        numbers *= size if len(numbers) == 1 else 1  # a tensor of equal numbers has one
    if len(numbers) != size:
        return None
    rows = [numbers[start : start + 3] for start in range(0, size, 3)]
    if not rows:
        return Histogram([0, 0], [0])
    edges, counts = [rows[0][0]], []
    for left, right, count in rows:
        if left != edges[-1]:  # a gap, in which no value is
            edges.append(left)
            counts.append(0)
        edges.append(right)
        counts.append(count)
    return Histogram(edges, [int(count) if count == int(count) else count for count in counts])


def histogram_value(tag: str, histogram: Histogram) -> Any:
    """Return the value of a summary for a histogram: a tensor, which has the exact edges and counts."""
    rows = [
        float(number)
        for (left, right), count in zip(pairwise(histogram.edges), histogram.counts, strict=True)
        for number in (left, right, count)
    ]
    content = struct.pack(f"<{len(rows)}d", *rows)
    return _tensor_value(tag, "histograms", [len(rows) // 3, 3], dtype=_DOUBLE, tensor_content=content)


def table_value(tag: str, table: Table) -> Any:
    """Return the value of a summary for a table: a tensor of texts, which TensorBoard shows as a table."""
    texts = [*table.columns, *(_text(cell) for row in table.rows for cell in row)]
    shape = [len(table.rows) + 1, len(table.columns)]
    encoded = [text.encode("utf-8", "backslashreplace") for text in texts]
    return _tensor_value(tag, "text", shape, dtype=_STRING, string_val=encoded)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)


def _tensor_value(tag: str, plugin: str, shape: list[int], **members: Any) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    dimensions = [TensorShapeProto.Dim(size=size) for size in shape]
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    tensor = TensorProto(tensor_shape=TensorShapeProto(dim=dimensions), **members)
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
