"""Names in an experiment directory: portable names, folders and the paths of streams (specification 1.0, Layout)."""

from __future__ import annotations

import re

from .._errors import InvalidName
from .._messages import a_type, short

__all__ = [
    "DEFAULT_STREAM",
    "FOLDERS",
    "is_stream_file",
    "is_stream_path",
    "numbered",
    "portable",
    "portable_name",
    "portable_path",
    "stream_name",
    "stream_path",
]

FOLDERS = ("meta", "log", "files")
"""The folders of an experiment's directory that belong to its record: no experiment is in them."""

#: The path of the default stream.
DEFAULT_STREAM = "log.jsonl"

_MAX_LENGTH = 100  # characters of a portable name
_MAX_PATH = 4080  # characters of a file's name: with `files/` and a number, 4096 or fewer (`file.path`)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._~-]{0,98}[A-Za-z0-9_~-])?")
_OTHER = re.compile(r"[^A-Za-z0-9._-]")
_MAX_SUFFIX = 24  # characters: more than the longest one that has a media type
_PACKED = ("bz2", "gz", "xz", "zst")  # suffixes that follow another one: .tar.gz, .csv.zst
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)


def portable(name: str, purpose: str, pattern: re.Pattern[str] = _NAME) -> str:
    """Return *name* as a string, if it is a portable name.

    The characters of the string are checked: for a subclass of str, such as an enumeration, `format` may give others.

    Args:
        name: The name.
        purpose: The use of the name, for the message, such as `"a stream"`.
        pattern: The regular expression for the name.

    Raises:
        InvalidName: If *name* isn't a portable name.
    """
    if not issubclass(type(name), str) or not pattern.fullmatch(name) or _DEVICE.fullmatch(name):
        raise InvalidName(
            f"{short(name)} isn't a name for {purpose}: {_fault(name, pattern)}. Choose a name of 1 to 100 of the "
            "characters A-Z a-z 0-9 . _ - that begins with a letter or digit, does not end with a dot and isn't a "
            f"device's, such as CON.{_similar(name, pattern)}"
        )
    return str.__str__(name)


def _fault(name: object, pattern: re.Pattern[str]) -> str:
    if not issubclass(type(name), str):
        return f"it is {a_type(name)}, not a string"
    name = str.__str__(name)
    bad = [char for char in name if not pattern.fullmatch(f"a{char}a")]
    if bad:
        return f"it has {bad[0]!r} in it"
    if not 1 <= len(name) <= _MAX_LENGTH:
        return f"it has {len(name)} characters"
    return "a device has it" if _DEVICE.fullmatch(name) else "its first or last character isn't allowed there"


def _similar(name: object, pattern: re.Pattern[str]) -> str:
    """Return the end of a message that suggests a similar portable name; empty if there is none."""
    if not issubclass(type(name), str):
        return ""
    similar = re.sub(r"[^A-Za-z0-9._-]+", "_", str.__str__(name)).strip("._-")[:_MAX_LENGTH]
    return f" A similar name is {similar!r}." if pattern.fullmatch(similar) and not _DEVICE.fullmatch(similar) else ""


def portable_path(name: str, purpose: str) -> str:
    """Return *name* as a string, if it consists of portable names joined by slashes.

    Args:
        name: The path.
        purpose: The use of the path, for the message, such as `"a new file"`.

    Raises:
        InvalidName: If *name* isn't a path of portable names.
    """
    if not issubclass(type(name), str) or not (text := str.__str__(name)):
        raise InvalidName(
            f"{short(name)} isn't a name for {purpose}: give a string such as 'best.pt' or 'samples/9.png'."
        )
    if len(text) > _MAX_PATH:
        raise InvalidName(
            f"{short(text)} isn't a name for {purpose}: it has {len(text)} characters. Choose a name of at most "
            f"{_MAX_PATH} characters, with fewer folders."
        )
    for segment in text.split("/"):
        portable(segment, f"{purpose} (in {short(text)})" if segment != text else purpose, _SEGMENT)
    return text


def portable_name(name: str, *, is_file: bool = False) -> str:
    """Return a portable name for any string: the string itself if it is one, otherwise a similar name with a digest.

    A new name has the characters of `name` that a portable name can have, with `_` for the others, and the first 16
    hexadecimal digits of the SHA-256 of `name` in UTF-8. Names that are changed stay different, also where upper and
    lower case are the same: of a million names, two become one with a probability of less than 1 in 30 million.
    A new name is portable: if you pass it again, it stays the same.

    Args:
        name: Any string, such as the name of a file, which may be empty, too long or undecodable.
        is_file: Whether the name is for an [attached file](#mlvlogger.Exp.attach). If it is, a new name keeps the
            suffix of `name`, such as `.png` or `.tar.gz`, and a name with `~` needs no new one.

    Example:
        ```python
        from mlvlogger import portable_name

        print(portable_name("run-7"), portable_name("lr=0.1, bs=32"))
        print(portable_name("图表.png", is_file=True), portable_name("aux.pt", is_file=True))
        ```

        ```text
        run-7 lr_0.1_bs_32-db7b0a503c31c7c7
        90f94d508982d1e8.png aux-66373fd6b5e773d9.pt
        ```
    """
    name = str.__str__(name)
    if (_SEGMENT if is_file else _NAME).fullmatch(name) and not _DEVICE.fullmatch(name):
        return name
    import hashlib

    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    stem, suffix = _split(name) if is_file else (name, "")
    suffix = _OTHER.sub("_", suffix)
    stem = re.sub("_+", "_", _OTHER.sub("_", stem)).strip("._-")[: _MAX_LENGTH - len(f"-{digest}{suffix}")]
    if _DEVICE.fullmatch(stem):  # with a dot in it: the digest comes too late to make it another name
        stem = stem.replace(".", "_")
    return f"{stem}-{digest}{suffix}" if stem else f"{digest}{suffix}"


def _split(name: str) -> tuple[str, str]:
    """Return the stem and the suffix of the name of a file; dots at the beginning belong to the stem."""
    stem, _, suffix = name.rpartition(".")
    if not stem.strip(".") or not 1 <= len(suffix) <= _MAX_SUFFIX:
        return name, ""
    if suffix in _PACKED:
        inner, _, second = stem.rpartition(".")
        if inner.strip(".") and 1 <= len(second) <= _MAX_SUFFIX:
            return inner, f".{second}.{suffix}"
    return stem, f".{suffix}"


def numbered(name: str, number: int) -> str:
    """Return *name* with `~2` or another *number* before its suffix, cut to the length of a portable name."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    if not stem:
        stem, dot, suffix = last, "", ""
    mark = f"~{number}{dot}{suffix}"
    if len(mark) >= _MAX_LENGTH:  # the suffix leaves no space for the number and for a stem
        stem, mark = last, f"~{number}"
    return f"{folder}{slash}{stem[: _MAX_LENGTH - len(mark)]}{mark}"


def stream_path(name: str) -> str:
    """Return the path of the stream *name*, such as `log/gpu.jsonl`."""
    return f"log/{name}.jsonl"


def stream_name(path: str) -> str:
    """Return the name of the stream at *path*, which is not the default stream."""
    return path[len("log/") : -len(".jsonl")]


def is_stream_path(path: str) -> bool:
    """Return whether *path* is the path of the default stream, or has the form of another stream's path."""
    return path == DEFAULT_STREAM or (path.startswith("log/") and path.endswith(".jsonl"))


def is_stream_file(name: str) -> bool:
    """Return whether *name*, of an entry of the folder `log`, is the name of a stream's file."""
    try:
        return portable(name.removesuffix(".jsonl"), "a stream") + ".jsonl" == name
    except InvalidName:
        return False
