"""The media type of a file, by its name (specification 1.0, `value.file`)."""

from __future__ import annotations

import mimetypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["media_type"]

_types: Any = None
_MEDIA = {  # what that table of some Python lacks, or names in another way
    "avif": "image/avif",
    "webp": "image/webp",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "wav": "audio/x-wav",
    "mkv": "video/x-matroska",
    "parquet": "application/vnd.apache.parquet",
}
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def media_type(name: str) -> str | None:
    """Return a guess, or None if the name gives none."""
    global _types
    if _types is None:
        _types = mimetypes.MimeTypes()  # the built-in table alone: the same on every machine
        for suffix, kind in _MEDIA.items():
            _types.add_type(kind, f".{suffix}")
    kind, packed = _types.guess_type(name)
    return _PACKED.get(packed) if packed else kind  # a packed table is not a table
