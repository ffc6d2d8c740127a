"""The streams of an experiment, after they were read."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mlv_validate._read.directory import Absent, Directory, Unreadable
from mlv_validate._rules.events import Sequence
from mlv_validate._rules.layout import is_stream
from mlv_validate._text import show


@dataclass(slots=True)
class Start:
    """The members of an `mlv/start` that name its experiment, or those of an `mlv/record`, which names none."""

    line: int
    event: str
    experiment: str | None
    number: int | None
    digest: str | None


@dataclass(slots=True)
class Stream:
    """The contents of a stream as far as further checks need them."""

    path: str
    size: int
    sequence: Sequence = field(default_factory=Sequence)
    starts: list[Start] = field(default_factory=list)
    ends: list[tuple[int, dict[str, int], dict[str, str]]] = field(default_factory=list)
    """The lines of the `mlv/end` events that name streams, with their `streams` and `seals`."""
    wanted: Collection[str] = ()
    """The digests of the seals to find."""
    seals: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The line and `seq` of each seal that was to be found, by its digest."""
    lines: int = 0
    events: int = 0
    is_masked: bool = False
    """Whether there are masked lines."""
    may_name_record: bool = False
    """Whether a masked line may have been an `mlv/start` or an `mlv/record`."""
    torn: int = 0
    refused: bool = False
    last: str | None = None
    """The name of the last line's event; None if there are no lines or if the last line is masked."""
    state: str = "open"


class Streams:
    """The streams of an experiment.

    Args:
        root: The directory of the experiment.
        streams: The streams that were read, by path.
        unknown: The paths that could not be read: streams, and the folders `log` and `meta`.
    """

    def __init__(self, root: Directory, streams: Mapping[str, Stream], unknown: Collection[str]) -> None:
        self._root = root
        self._streams = streams
        self.unknown = unknown

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    @property
    def default(self) -> Stream | None:
        """The stream `log.jsonl`; None if it was not read."""
        return self._streams.get("log.jsonl")

    def why_missing(self, path: str, seq: int, *, reach: bool) -> str | None:
        """Return why a stream has no line with a `seq`; None if it has one, or if that isn't known.

        Args:
            path: The path of the stream.
            seq: The `seq`.
            reach: Whether a line with a greater `seq` is enough.
        """
        if path in self.unknown or path.startswith("log/") and "log" in self.unknown:
            return None
        stream = self._streams.get(path)
        if stream is None:
            return f"there is no stream {show(path)}" if self._size(path) < 0 else None
        if stream.refused or (stream.sequence.reaches(seq) if reach else seq in stream.sequence):
            return None
        if self._size(path) > stream.size:
            return None
        if reach:
            return f"the stream {show(path)} ends with seq {stream.sequence.greatest}, before {seq}"
        return f"the stream {show(path)} has no event {seq}"

    def why_no_seal(self, path: str, digest: str) -> str | None:
        """Return why a stream has no seal with a digest; None if it has one, or if that isn't known."""
        stream = self._streams.get(path)
        if stream is None or path == "log.jsonl":
            return self.why_missing(path, 1, reach=True) if stream is None else f"{show(path)} isn't another stream"
        if digest in stream.seals or stream.refused or stream.is_masked or self._size(path) > stream.size:
            return None
        return f"the stream {show(path)} has no seal with the digest {digest}"

    def _size(self, path: str) -> int:
        """Return the current size of a stream, which may have grown since it was read; -1 if it doesn't exist."""
        if not is_stream(path):
            return -1
        try:
            folder, file = self._root.open_below(path)
            with folder, file:
                return file.size
        except Absent:
            return -1
        except Unreadable:
            return 0
