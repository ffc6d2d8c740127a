"""The values in the summaries of TensorBoard, as Python values."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

from mlv_tools._exchange.summary_forms import histogram_of

__all__ = ["content", "hparams", "is_utf8"]

# The numbers of a tensor by its DataType: the format if they are packed, and the field if they aren't. The half_val of
# a half or a bfloat16 has its bits. tensorboardX doesn't have the fields uint32_val and uint64_val.
_NUMBERS = {
    1: ("f", "float_val"),
    2: ("d", "double_val"),
    3: ("i", "int_val"),
    4: ("B", "int_val"),
    5: ("h", "int_val"),
    6: ("b", "int_val"),
    9: ("q", "int64_val"),
    10: ("?", "bool_val"),
    14: ("H", "half_val"),
    17: ("H", "int_val"),
    19: ("e", "half_val"),
    22: ("I", "uint32_val"),
    23: ("Q", "uint64_val"),
}
_UNKNOWN = {"uint32_val": 16, "uint64_val": 17}  # the numbers of the fields that tensorboardX doesn't have
_BFLOAT16 = 14


def content(value: Any, plugin: str) -> tuple[str | None, Any]:
    """Return the kind of a value and its content.

    Args:
        value: A value of a summary.
        plugin: The plugin that the first value of the tag names.

    Returns:
        "scalars" and a number, "images" and a list of images, "histograms" and a histogram, or "texts" and a string or
        nested lists of strings.
        If the value cannot be converted, None and the name of its type.
    """
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return "scalars", value.simple_value
    if kind == "image":
        return "images", [value.image.encoded_image_string]
    if (kind == "histo" or (kind == "tensor" and plugin == "histograms")) and (histogram := histogram_of(value)):
        return "histograms", histogram
    if kind == "tensor":
        tensor = value.tensor
        if plugin == "scalars" and (number := _number(tensor)) is not None:
            return "scalars", number
        if plugin == "images" and len(tensor.string_val) >= 2:  # width, height and the images
            return "images", list(tensor.string_val[2:])
        if plugin == "text" and tensor.string_val:
            shape = [dimension.size for dimension in tensor.tensor_shape.dim]
            texts = [text.decode("utf-8", "backslashreplace") for text in tensor.string_val]
            if len(texts) == math.prod(shape):
                return "texts", texts[0] if len(texts) == 1 else _nested(texts, shape)
    return None, plugin or kind or "values without content"


def is_utf8(value: Any) -> bool:
    """Whether the text of a value is UTF-8. Other bytes are escaped in what `content` returns."""
    try:
        for text in value.tensor.string_val:
            text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def hparams(value: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return the hyperparameters of a value of the plugin hparams, its other contents, and what cannot be converted."""
    from google.protobuf.json_format import Error, MessageToDict
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    try:
        data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
    except DecodeError:
        return {}, {}, ["damaged hyperparameters"]
    params: dict[str, Any] = {}
    left_out: list[str] = []
    for name, param in sorted(data.session_start_info.hparams.items()):
        kind = param.WhichOneof("kind")
        try:
            if kind is not None:
                params[name] = param.number_value if kind == "number_value" else MessageToDict(param)
                continue
        except (Error, ValueError):  # a list has NaN or an infinity
            pass
        left_out.append("hyperparameters without a JSON value")
    if data.HasField("session_start_info"):  # to touch it would set it, and clear the others
        data.session_start_info.hparams.clear()
    try:
        others = MessageToDict(data, preserving_proto_field_name=True)
    except (Error, ValueError):
        return params, {}, [*left_out, "descriptions of hyperparameters without a JSON value"]
    others.pop("version", None)
    return params, {name: item for name, item in others.items() if item}, left_out


def _number(tensor: Any) -> int | float | None:
    """Return the number of a tensor that has exactly one."""
    code, field = _NUMBERS.get(tensor.dtype, ("", ""))
    if not code or math.prod(dimension.size for dimension in tensor.tensor_shape.dim) != 1:
        return None
    values = list(_unsigned(tensor, _UNKNOWN[field]) if field in _UNKNOWN else getattr(tensor, field))
    if len(tensor.tensor_content) == struct.calcsize(f"<{code}"):
        content = tensor.tensor_content
    elif len(values) == 1 and not tensor.tensor_content:
        if field != "half_val":
            number: int | float = values[0] + 0  # an integer for a boolean, as on TensorBoard's curve
            return number
        content = struct.pack("<H", values[0] & 0xFFFF)
    else:
        return None
    if tensor.dtype == _BFLOAT16:
        code, content = "f", b"\0\0" + content
    (number,) = struct.unpack(f"<{code}", content)
    return number + 0


def _unsigned(tensor: Any, number: int) -> Iterator[int]:
    """Yield the integers of a field that the message of tensorboardX doesn't have, packed or not."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    for field in UnknownFieldSet(tensor):
        if field.field_number == number and isinstance(field.data, int):
            yield field.data
        elif field.field_number == number and isinstance(field.data, bytes):
            value = shift = 0
            for byte in field.data:  # integers of seven bits a byte, the last one below 128
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    yield value
                    value = shift = 0


def _nested(items: list[Any], shape: list[int]) -> Any:
    """Return *items* as nested lists of a shape."""
    for size in reversed(shape[1:]):
        items = [items[start : start + size] for start in range(0, len(items), size)]
    return items
