"""Anchors: whether a digest fits a statement or a seal of an experiment, and what it covers."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlv_validate._findings import Findings
from mlv_validate._read.directory import Absent, Directory, Unreadable
from mlv_validate._report import CoveredStream, Match
from mlv_validate._rules.streams import Stream
from mlv_validate._targets.experiment import ExperimentResult, SealCover
from mlv_validate._targets.statement import (
    FILE_NAME,
    MAX_SIZE,
    Entry,
    Listing,
    count_lines,
    digest_of,
    last_seq,
    list_records,
    parse_statement,
    streams_in,
    write_statement,
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the user gave: a digest, and perhaps the statement that has it."""

    digest: str
    statement: bytes | None = None


def check_anchor(
    root: Directory, anchor: Anchor, results: list[ExperimentResult], findings: Findings
) -> tuple[Match, ...]:
    """Check the rules of anchors, and return what the anchor fits."""
    matches = tuple(match for result in results for match in _matches(root, anchor, result, findings))
    unknown = bool(findings.unchecked) or any(result.findings.unchecked or result.may_match for result in results)
    if not matches and not unknown:
        findings.add("anchor.match", ".", None, no_match(anchor, [result.id for result in results]))
    return matches


def match_bare_log(stream: Stream, anchor: Anchor, findings: Findings) -> tuple[Match, ...]:
    """Check the rule of anchors for a bare log, and return the seal that the anchor fits."""
    found = stream.seals.get(anchor.digest)
    if found and not findings.has_finding_at(stream.path, found[0]):
        line, seq = found
        return (Match("seal", ".", line, (CoveredStream(".", seq, stream.lines - line),), ()),)
    if not (stream.is_masked or stream.refused or findings.unchecked):
        findings.add("anchor.match", ".", None, no_match(anchor, []))
    return ()


def no_match(anchor: Anchor, ids: list[str | None]) -> str:
    """Return the message about an anchor that fits nothing."""
    if f"sha256:{anchor.digest}" in ids:
        return "the anchor is the id of an experiment, which covers meta.json only"
    return f"no statement and no seal of log.jsonl has the digest {anchor.digest}"


def _matches(root: Directory, anchor: Anchor, result: ExperimentResult, findings: Findings) -> Iterator[Match]:
    """Yield the statements and the seal of an experiment that have the digest of the anchor."""
    prefix = f"{result.path}/" if result.path else ""
    try:
        directory = _open(root, result.path)
    except (Absent, Unreadable) as error:
        findings.add_unchecked(result.path or ".", str(error))
        return
    with directory:
        try:
            listing = list_records(directory)
            found = list(_statements(directory, anchor, prefix, findings))
            if result.cover:
                yield _seal_match(result.cover, listing, prefix)
            elif not found:
                found = list(_statement_as_it_is(directory, anchor, listing, prefix, findings))
        except Unreadable as error:
            findings.add_unchecked(result.path or ".", str(error))
            return
        for path, entries in found:
            yield _compare(directory, path, entries, listing, prefix, findings)


def _open(root: Directory, path: str) -> Directory:
    here = root.reopened()
    for name in path.split("/") if path else []:
        with here:
            here = here.open_directory(name)
    return here


def _statements(
    directory: Directory, anchor: Anchor, prefix: str, findings: Findings
) -> Iterator[tuple[str | None, tuple[Entry, ...]]]:
    """Yield the statements with the digest that are in the directory, or the one that was given."""
    if anchor.statement is not None and not prefix:  # it is that of the directory that was given
        entries = parse_statement(anchor.statement)
        if entries is not None:
            yield None, entries
            return
    for name, type_ in directory.entries().items():
        if type_ != "file" or not FILE_NAME.fullmatch(name):
            continue
        try:
            with directory.open_file(name) as file:
                raw = file.read(0, MAX_SIZE) if file.size <= MAX_SIZE else b""
        except (Absent, Unreadable) as error:
            findings.add_unchecked(prefix + name, str(error))
            continue
        entries = parse_statement(raw) if digest_of(raw) == anchor.digest else None
        if entries is not None:
            yield prefix + name, entries


def _statement_as_it_is(
    directory: Directory, anchor: Anchor, listing: Listing, prefix: str, findings: Findings
) -> Iterator[tuple[str | None, tuple[Entry, ...]]]:
    """Yield the statement of the experiment as it is, if it has the digest."""
    unreadable = {path: why for path, why in listing.problems.items() if path not in listing.paths}
    for path, reason in unreadable.items():
        findings.add_unchecked(_joined(prefix, path), reason)
    if listing.problems:
        return
    try:
        raw = write_statement(directory, listing)
    except (Absent, Unreadable) as error:
        findings.add_unchecked(prefix.rstrip("/") or ".", str(error))
        return
    entries = parse_statement(raw) if digest_of(raw) == anchor.digest else None
    if entries is not None:
        yield None, entries


def _compare(
    directory: Directory,
    statement: str | None,
    entries: tuple[Entry, ...],
    listing: Listing,
    prefix: str,
    findings: Findings,
) -> Match:
    """Compare the files that a statement lists with what they are."""
    streams = streams_in(frozenset(entry.path for entry in entries))
    covered = []
    for entry in entries:
        try:
            why, stream = _compare_file(directory, entry, entry.path in streams)
        except Absent as error:
            why, stream = str(error), None
        except Unreadable as error:
            findings.add_unchecked(prefix + entry.path, str(error))
            continue
        if why:
            findings.add("statement.files", prefix + entry.path, None, why)
        elif stream:
            covered.append(CoveredStream(prefix + entry.path, *stream))
    listed = {entry.path for entry in entries}
    uncovered = tuple(prefix + path for path in listing.paths if path not in listed)
    return Match("statement", statement, None, tuple(covered), uncovered)


def _compare_file(
    directory: Directory, entry: Entry, is_stream: bool
) -> tuple[str | None, tuple[int | None, int] | None]:
    """Return why a file isn't as listed, or None and, for a stream, the last covered `seq` and later lines."""
    folder, file = directory.open_below(entry.path)
    with folder, file:
        if file.size < entry.size or file.size > entry.size and not is_stream:
            return f"it has {file.size} bytes, but the statement lists {entry.size}", None
        digest = file.digest(0, entry.size)
        if digest is None:
            return "it became shorter while it was read", None
        if digest != entry.digest:
            what = f"of its first {entry.size} bytes" if is_stream else "of its bytes"
            return f"the digest {what} is {digest}, but the statement lists {entry.digest}", None
        return None, (last_seq(file, entry.size), count_lines(file, entry.size)) if is_stream else None


def _seal_match(cover: SealCover, listing: Listing, prefix: str) -> Match:
    covered = tuple(CoveredStream(prefix + path, *stream) for path, stream in cover.streams.items())
    known = cover.streams.keys() | cover.files
    uncovered = tuple(prefix + path for path in listing.paths if path not in known)
    return Match("seal", f"{prefix}log.jsonl", cover.line, covered, uncovered)


def _joined(prefix: str, path: str) -> str:
    return prefix.rstrip("/") or "." if path == "." else prefix + path
