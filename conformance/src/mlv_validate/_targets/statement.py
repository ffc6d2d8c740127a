"""Statements: texts that list the records and attached files of an experiment with their digests and sizes."""

import hashlib
import re
from dataclasses import dataclass

from mlv_validate._findings import Findings, path_order
from mlv_validate._read.directory import Absent, Directory, File, Unreadable, walk
from mlv_validate._read.lines import MAX_SIZE as MAX_LINE
from mlv_validate._rules.bytes import parse as parse_line
from mlv_validate._rules.layout import FOLDERS, is_stream, record_number
from mlv_validate._targets.discovery import is_experiment

MAX_SIZE = 64 * 1024 * 1024
"""The size in bytes of the largest statement that is considered."""

FILE_NAME = re.compile(r"mlv-statement(?:-(?:[2-9]|[1-9][0-9]+))?\.txt")
"""The names of statements in the directory of an experiment."""

_HEADER = b"mlv-statement 1.0\n"
_ENTRY = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) (.+)")
_RELATIVE = re.compile(
    r"(?![A-Za-z]:)(?!\.\.?(?:/|\Z))[^/\\\x00-\x1f\x7f-\x9f]+(?:/(?!\.\.?(?:/|\Z))[^/\\\x00-\x1f\x7f-\x9f]+)*"
)
_MAX_PATH = 4096
_CHUNK = 1024 * 1024
_MAX_SPARSE = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a statement."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that the statement of an experiment lists.

    `paths` has the paths in byte order and whether each is a stream; `problems` says by path why there is no statement.
    """

    paths: dict[str, bool]
    problems: dict[str, str]


def list_records(root: Directory) -> Listing:
    """Find the metadata records, streams and files below `files` of an experiment and its sub-experiments."""
    found, paths = Findings(), dict[str, bool]()

    def visit(directory: Directory, where: str, entries: dict[str, str]) -> tuple[str, ...]:
        if where and not is_experiment(directory, where, entries, found):
            return ()
        prefix = f"{where}/" if where else ""
        for name in ("meta.json", "log.jsonl"):
            if entries.get(name) == "file":
                paths[prefix + name] = name == "log.jsonl"
        for folder in ("meta", "log"):
            if entries.get(folder) == "directory":
                names = (f"{folder}/{name}" for name in _files_in(directory, folder, prefix, found))
                paths.update(
                    (prefix + name, folder == "log") for name in names if is_stream(name) or record_number(name)
                )
        if entries.get("files") == "directory":
            paths.update(dict.fromkeys(_files_below(directory, "files", prefix, found), False))
        return FOLDERS

    walk(root.reopened(), visit, found.add_unchecked)
    problems = {entry.path: entry.reason for entry in found.unchecked}
    problems.update((path, "it isn't a relative path in UTF-8") for path in paths if not _is_relative(path))
    return Listing({path: paths[path] for path in sorted(paths, key=path_order)}, problems)


def _files_in(directory: Directory, folder: str, prefix: str, found: Findings) -> list[str]:
    """Return the names of the regular files in a folder."""
    try:
        with directory.open_directory(folder) as opened:
            return [name for name, type_ in opened.entries().items() if type_ == "file"]
    except (Absent, Unreadable) as error:
        found.add_unchecked(prefix + folder, str(error))
        return []


def _files_below(directory: Directory, folder: str, prefix: str, found: Findings) -> list[str]:
    """Return the paths of the regular files below a folder, without temporary ones."""
    paths = list[str]()

    def visit(_: Directory, where: str, entries: dict[str, str]) -> list[str]:
        inner = f"{prefix}{folder}/{where}/" if where else f"{prefix}{folder}/"
        temporary = [name for name in entries if name.startswith(".mlv-")]
        paths.extend(inner + name for name, type_ in entries.items() if type_ == "file" and name not in temporary)
        return temporary

    try:
        opened = directory.open_directory(folder)
    except (Absent, Unreadable) as error:
        found.add_unchecked(prefix + folder, str(error))
        return []
    walk(opened, visit, lambda path, reason: found.add_unchecked(f"{prefix}{folder}/{path}", reason))
    return paths


def _is_relative(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return len(path) <= _MAX_PATH and _RELATIVE.fullmatch(path) is not None


def write_statement(root: Directory, listing: Listing) -> bytes:
    """Return the statement of an experiment as it is.

    Raises:
        Absent: If a listed file was removed meanwhile.
        Unreadable: If a listed file can't be read.
    """
    lines = [_HEADER]
    for path, is_stream_ in listing.paths.items():
        folder, file = root.open_below(path)
        with folder, file:
            size = committed_size(file) if is_stream_ else file.size
            digest = file.digest(0, size)
        if digest is None:
            raise Unreadable(f"{path!r} became shorter while it was read")
        lines.append(f"{digest} {size} {path}\n".encode())
    return b"".join(lines)


def parse_statement(raw: bytes) -> tuple[Entry, ...] | None:
    """Return the entries of a statement; None if the bytes don't have the form of one."""
    if not raw.startswith(_HEADER) or not raw.endswith(b"\n"):
        return None
    try:
        lines = raw[len(_HEADER) : -1].decode("utf-8").split("\n") if len(raw) > len(_HEADER) else []
    except UnicodeDecodeError:
        return None
    matches = [_ENTRY.fullmatch(line) for line in lines]
    entries = tuple(Entry(match[3], match[1], int(match[2])) for match in matches if match and _is_relative(match[3]))
    keys = [path_order(entry.path) for entry in entries]
    in_order = all(one < other for one, other in zip(keys, keys[1:], strict=False))
    return entries if len(entries) == len(lines) and in_order else None


def streams_in(paths: frozenset[str]) -> frozenset[str]:
    """Return which of the paths of a statement are streams."""
    return frozenset(path for path in paths if _is_listed_stream(path, paths))


def _is_listed_stream(path: str, paths: frozenset[str]) -> bool:
    rest, experiment = path, True
    where = ""
    while True:
        first, _, below = rest.partition("/")
        if experiment and (not below or first in FOLDERS):
            return is_stream(rest)
        if not below:
            return False
        where, rest = f"{where}{first}/", below
        experiment = f"{where}meta.json" in paths or f"{where}log.jsonl" in paths


def digest_of(raw: bytes) -> str:
    """Return the digest of bytes."""
    return hashlib.sha256(raw).hexdigest()


def committed_size(file: File) -> int:
    """Return the size of a stream up to and including its last LF."""
    if file.size > _MAX_SPARSE and file.is_sparse:
        raise Unreadable(f"it is a sparse file of {file.size} bytes")
    end = file.size
    while end:
        start = max(0, end - _CHUNK)
        at = file.read(start, end - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def last_seq(file: File, size: int) -> int | None:
    """Return the `seq` of the last line of the first `size` bytes of a stream, 0 if there is none."""
    if not size:
        return 0
    start = max(0, size - MAX_LINE)
    line = file.read(start, size - start)[:-1].rpartition(b"\n")[2]
    event = parse_line(line, line=True).value
    seq = event.get("seq") if isinstance(event, dict) else None
    return int(seq) if isinstance(seq, int | float) and not isinstance(seq, bool) else None


def count_lines(file: File, start: int) -> int:
    """Return the number of line feeds from an offset on. Holes of a sparse file are skipped."""
    lines, offset = 0, file.find(b"\n", start)
    while offset is not None:
        part = file.read(offset, _CHUNK)
        lines += part.count(b"\n")
        offset = file.find(b"\n", offset + len(part)) if part else None
    return lines
