"""Streams against meta records and against one another, once all of an experiment was read."""

from collections.abc import Collection, Mapping

from mlv_validate._findings import Findings
from mlv_validate._read.directory import Absent, Directory, Unreadable
from mlv_validate._rules.layout import is_stream
from mlv_validate._rules.meta import Chain
from mlv_validate._rules.streams import Stream
from mlv_validate._text import show


class Links:
    """
    Judges what the streams of an experiment say about it.

    `unknown` are the paths of what could not be read, streams and the folders `log` and `meta`; nothing is said about
    them.
    """

    def __init__(
        self, root: Directory, streams: Mapping[str, Stream], unknown: Collection[str], findings: Findings
    ) -> None:
        self._root = root
        self._streams = streams
        self._unknown = unknown
        self._findings = findings

    def starts(self, chain: Chain, id_: str | None) -> None:
        """Each session belongs to this experiment and to one of its meta records."""
        for stream in self._streams.values():
            for start in stream.starts:
                why = None
                if start.experiment is None:
                    why = "the mlv/start does not say which experiment it belongs to"
                elif id_ and start.experiment != id_:
                    why = f"experiment is {start.experiment}, but the id is {id_}"
                if why:
                    self._findings.add("session.experiment", stream.path, start.line, why)
                why = self._record(start.number, start.digest, chain)
                if why:
                    self._findings.add("session.record", stream.path, start.line, why)

    def _record(self, number: int | None, digest: str | None, chain: Chain) -> str | None:
        if number is None:
            return "the mlv/start does not say which meta record it runs under"
        if number not in chain.digests:
            return None if number > 1 and "meta" in self._unknown else f"there is no meta record {number}"
        found = chain.digests[number]
        if found and found != digest:
            return f"record {number} has the digest {found}, not {digest}"
        return None

    def ends(self) -> None:
        """The streams that an `mlv/end` of the default stream lists are there, and as long as it says."""
        main = self._streams.get("log.jsonl")
        for line, listed in main.ends if main else []:
            for path, seq in listed.items():
                why = self._lacks(path, int(seq), reach=True)
                if why:
                    self._findings.add("end.streams", "log.jsonl", line, why)

    def events(self, references: list[tuple[str, int | None, str, int]]) -> None:
        """The events of this experiment that typed values name are there."""
        for path, line, stream, seq in references:
            why = self._lacks(stream, seq, reach=False)
            if why:
                self._findings.add("event.exists", path, line, why)

    def _lacks(self, path: str, seq: int, *, reach: bool) -> str | None:
        """Why a stream has no line with a `seq`, or none that reaches it; None if it has or if that is not known."""
        if path in self._unknown or path.startswith("log/") and "log" in self._unknown:
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

    def _size(self, path: str) -> int:
        """The size a stream has by now, -1 if there is none: it may have grown since it was read."""
        if not is_stream(path):
            return -1
        try:
            folder, file = self._root.below(path)
            with folder, file:
                return file.size
        except Absent:
            return -1
        except Unreadable:
            return 0
