"""The chapter Lifecycle: sessions, rewinds, dropped events, ends and seals, and level Sealed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlv_validate._findings import Broken, Findings
from mlv_validate._read.directory import File
from mlv_validate._read.lines import Line
from mlv_validate._rules.events import Sequence
from mlv_validate._rules.meta import Chain
from mlv_validate._rules.streams import Stream, Streams
from mlv_validate._text import show

_SEAL_END = re.compile(rb'"sha256":"([0-9a-f]{64})"\}\}\n\Z')
_AFTER_OFFSET = 64 + len('"}}\n')

# --- one stream, line by line ---


def check_session_start(line: int, name: str) -> list[Broken]:
    """Check the first line of a stream, or the line after an `mlv/end`."""
    if name == "mlv/start":
        return []
    where = "the first line" if line == 1 else "the line after an mlv/end"
    return [("session.start", f"{where} is {show(name)}, not an mlv/start")]


def check_rewind(data: dict[str, Any], seq: int) -> list[Broken]:
    """Check that an `mlv/rewind` refers to an earlier event."""
    if data["to"] >= seq:
        return [("rewind.to", f"to is {data['to']}, not smaller than the event's own seq {seq}")]
    return []


def check_dropped(data: dict[str, Any], seq: int, sequence: Sequence) -> list[Broken]:
    """Check that an `mlv/dropped` names the numbers that are missing before it."""
    first, last, before = int(data["first"]), int(data["last"]), sequence.last
    follows = first > before if sequence.after_masked else first == before + 1
    if follows and first <= last == seq - 1:
        return []
    expected = f"after {before}" if sequence.after_masked else f"{before + 1}"
    return [
        ("log.dropped", f"first is {first} and last is {last}; missing are the numbers from {expected} to {seq - 1}")
    ]


class Seals:
    """The seals of a stream, in the order of their lines."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._offset: int | None = 0  # of the digest in the seal before; None if that is not known
        # Byte ranges of lines that could not be read: the seal before may be in one of them.
        self._possible: list[tuple[int, int]] = []

    def add_masked(self, start: int, end: int) -> None:
        """Add masked lines between these offsets, which may be seals."""
        if self._possible and self._possible[-1][1] == start:
            start = self._possible.pop()[0]
        self._possible.append((start, end))

    def check(self, line: Line, data: dict[str, Any]) -> list[Broken]:
        """Check the form of a seal, the offset at which it begins, and its digest."""
        end = _SEAL_END.search(line.raw or b"", max(0, len(line.raw or b"") - 100))
        if not end or end[1].decode() != data["sha256"]:
            self._offset, self._possible = None, [(line.start, line.end)]
            return [("seal.form", 'the line does not end with "sha256":"…"}} and LF')]
        offset = line.end - _AFTER_OFFSET
        start = int(data["from"])
        before, follows = self._offset, self._follows(start)
        self._offset, self._possible = offset, []
        if not follows:
            expected = "in the line of the seal before" if before is None else f"at {before}"
            return [("seal.from", f"from is {start}, but the first byte without a seal is {expected}")]
        found = self._file.digest(start, offset)
        if found is not None and found != data["sha256"]:  # None: the file has become shorter, which is reported
            return [("seal.digest", f"the digest of bytes {start} to {offset} is {found}, not {data['sha256']}")]
        return []

    def _follows(self, start: int) -> bool:
        """Return whether a seal that begins at this offset follows the seal before, or may follow a masked one."""
        return start == self._offset or any(first <= start < end for first, end in self._possible)


# --- all streams, after they were read ---


def check_sessions(streams: Streams, chain: Chain, id_: str | None, findings: Findings) -> None:
    """Check that each session belongs to this experiment and to one of its metadata records."""
    for stream in streams:
        for start in stream.starts:
            why = None
            if start.event == "mlv/record":
                pass
            elif start.experiment is None:
                why = "the mlv/start does not name its experiment"
            elif id_ and start.experiment != id_:
                why = f"experiment is {start.experiment}, but the id is {id_}"
            if why:
                findings.add("session.experiment", stream.path, start.line, why)
            why = _why_no_record(start.number, start.digest, chain, are_known="meta" not in streams.unknown)
            if why:
                findings.add("session.record", stream.path, start.line, why)


def _why_no_record(number: int | None, digest: str | None, chain: Chain, *, are_known: bool) -> str | None:
    if number is None:
        return "the mlv/start does not name its metadata record"
    if number not in chain.digests:
        return f"there is no metadata record {number}" if number <= 1 or are_known else None
    found = chain.digests[number]
    if found and found != digest:
        return f"record {number} has the digest {found}, not {digest}"
    return None


def check_ends(streams: Streams, findings: Findings) -> None:
    """Check that the streams that an `mlv/end` of the default stream lists have the listed `seq` and seal."""
    for line, listed, seals in streams.default.ends if streams.default else []:
        for path, seq in listed.items():
            why = streams.why_missing(path, int(seq), reach=True)
            if why:
                findings.add("end.streams", "log.jsonl", line, why)
        for path, digest in seals.items():
            why = streams.why_no_seal(path, digest)
            if why:
                findings.add("end.seals", "log.jsonl", line, why)


def covered_lines(main: Stream, streams: Mapping[str, Stream], digest: str) -> dict[str, tuple[int, int]]:
    """Return the last line that a seal of `log.jsonl` covers in each stream, and the `seq` of that line.

    Args:
        main: The stream `log.jsonl`, which has the seal.
        streams: All streams by path.
        digest: The digest of the seal.
    """
    covered = {"log.jsonl": main.seals[digest]}
    for line, _, seals in main.ends:
        for path, sealed in seals.items() if line <= main.seals[digest][0] else ():
            found = streams[path].seals.get(sealed) if path in streams and path != "log.jsonl" else None
            if found:
                covered[path] = max(found, covered.get(path, found))
    return covered


def covered_records(streams: Iterable[Stream], lines: Mapping[str, int], chain: Chain, id_: str | None) -> set[int]:
    """Return the metadata records of which covered sessions and records have the digest.

    Args:
        streams: The covered streams.
        lines: The last covered line of each stream.
        chain: The metadata records.
        id_: The id of the experiment.
    """
    covered = set[int]()
    for stream in streams:
        for start in stream.starts:
            if start.line <= lines[stream.path]:
                if start.number is not None and start.digest == chain.digests.get(start.number, ""):
                    covered.add(start.number)
                if id_ and start.experiment == id_:
                    covered.add(1)
    for number in sorted(chain.digests, reverse=True):
        if number in covered and chain.previous.get(number) == chain.digests.get(number - 1, ""):
            covered.add(number - 1)
    return covered


# --- level Sealed: one changed bit of the experiment must be an error ---

Located = tuple[str, str, int | None, str]
"""A rule that is broken, with path, line and message."""


def unsealed_streams(streams: Iterable[Stream], findings: Findings) -> Iterator[Located]:
    """Return the streams that don't end with a valid seal.

    Args:
        streams: The streams.
        findings: The findings of all other rules.
    """
    for stream in streams:
        if stream.refused:
            continue
        if not stream.lines:
            yield "seal.last", stream.path, None, "the stream has no lines"
        elif stream.last is not None:  # a masked line is not checked
            line, why = stream.lines, None
            if stream.last not in ("mlv/seal", "mlv/end"):
                why = f"the last line is {show(stream.last)}, not a seal"
            elif findings.has_finding_at(stream.path, line):
                why = "the last line is a seal, but there is a finding at it"
            elif stream.torn:
                why = f"the seal is followed by {stream.torn} bytes"
            if why:
                yield "seal.last", stream.path, line, why


def unsealed_records(streams: Iterable[Stream], chain: Chain, id_: str | None) -> Iterator[Located]:
    """Return the metadata records whose digest isn't stored in another record. A masked line may store any digest."""
    stored = set()
    for stream in streams:
        if stream.may_name_record or stream.refused:
            return
        for start in stream.starts:
            if start.number is not None and start.digest == chain.digests.get(start.number, ""):
                stored.add(start.number)
            if id_ and start.experiment == id_:
                stored.add(1)
    possible = set[int]()  # records whose digest only a masked addition may store
    for number in sorted(chain.digests, reverse=True):
        if number in stored | possible:
            if number in chain.masked:
                possible.add(number - 1)
            elif chain.previous.get(number) == chain.digests.get(number - 1, ""):
                (stored if number in stored else possible).add(number - 1)
    for number, digest in sorted(chain.digests.items()):
        if digest and number not in stored | possible | chain.masked:
            path = "meta.json" if number == 1 else f"meta/{number}.json"
            yield "seal.records", path, None, "no valid mlv/start, mlv/record or addition has its digest"
