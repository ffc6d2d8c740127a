"""Level Sealed: the rules beyond the others, so that one changed bit of the record is an error."""

from collections.abc import Iterable, Iterator

from mlv_validate._findings import Findings
from mlv_validate._meta import Chain
from mlv_validate._stream import Stream
from mlv_validate._text import show

Place = tuple[str, str, int | None, str]
"""A rule, a path, a line and a message."""


def last_lines(streams: Iterable[Stream], findings: Findings) -> Iterator[Place]:
    """The streams that do not end with a seal; `findings` already holds what the other rules found."""
    for stream in streams:
        if stream.refused:
            continue
        if not stream.lines:
            yield "seal.last", stream.path, None, "the stream has no lines"
        elif stream.last is not None:  # a masked one is not judged
            line, why = stream.lines, None
            if stream.last not in ("mlv/seal", "mlv/end"):
                why = f"the last line is {show(stream.last)}, not a seal"
            elif findings.at(stream.path, line):
                why = "the last line is a seal, but there is a finding at it"
            elif stream.torn:
                why = f"the seal is followed by {stream.torn} bytes"
            if why:
                yield "seal.last", stream.path, line, why


def records(streams: Iterable[Stream], chain: Chain, id_: str | None) -> Iterator[Place]:
    """The meta records whose digest is given nowhere. What could not be read may give any."""
    given = set()
    for stream in streams:
        if stream.may_have_started or stream.refused:
            return
        for start in stream.starts:
            if start.number is not None and start.digest == chain.digests.get(start.number, ""):
                given.add(start.number)
            if id_ and start.experiment == id_:
                given.add(1)
    possible = set[int]()  # what only a masked addition may give
    for number in sorted(chain.digests, reverse=True):
        if number in given | possible:
            if number in chain.masked:
                possible.add(number - 1)
            elif chain.previous.get(number) == chain.digests.get(number - 1, ""):
                (given if number in given else possible).add(number - 1)
    for number, digest in sorted(chain.digests.items()):
        if digest and number not in given | possible | chain.masked:
            path = "meta.json" if number == 1 else f"meta/{number}.json"
            yield "seal.records", path, None, "no mlv/start and no addition that counts gives its digest"
