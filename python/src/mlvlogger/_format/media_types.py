"""The media type of a file, guessed from its name (specification 1.0, `value.file`)."""

from __future__ import annotations

import mimetypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["media_type"]

_types: Any = None
_MEDIA = {  # types that the table of some Python versions lacks, or names differently
    "avif": "image/avif",
    "webp": "image/webp",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "wav": "audio/x-wav",
    "mkv": "video/x-matroska",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def media_type(name: str) -> str | None:
    """Return the media type that the suffix of *name* suggests, such as `image/png`, or None."""
    global _types
    if _types is None:
        _types = mimetypes.MimeTypes()  # only the built-in table, which is the same on every machine
        for suffix, kind in _MEDIA.items():
            _types.add_type(kind, f".{suffix}")
    kind, compression = _types.guess_type(name)
    return _COMPRESSED.get(compression) if compression else kind  # a compressed table isn't a table
