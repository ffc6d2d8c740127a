"""Checks of a stream, line by line: its sessions, numbers, spans and seals."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from mlv_validate._fast import (
    BrokenRules,
    InvalidLines,
    Item,
    Run,
    UnknownLine,
    learn_from,
    may_name_record,
    may_start,
    read,
)
from mlv_validate._findings import Broken, Findings, RuleFindings
from mlv_validate._read.directory import Directory, File
from mlv_validate._read.lines import MAX_SIZE, Block, Line
from mlv_validate._rules.bytes import MAX_INTEGER, parse, too_long, torn
from mlv_validate._rules.events import Spans, check_event, no_span_message
from mlv_validate._rules.files import References
from mlv_validate._rules.lifecycle import Seals, check_dropped, check_rewind, check_session_start
from mlv_validate._rules.streams import Start, Stream
from mlv_validate._rules.versions import is_known, parse_version, why_refused

_STATES = {"mlv/start": "open", "mlv/resume": "open", "mlv/pause": "paused"}


def check_stream(
    folder: Directory | None,
    file: File,
    path: str,
    base: tuple[int, int] | None,
    findings: Findings,
    references: References | None,
    jobs: int = 1,
    wanted: Collection[str] = (),
) -> Stream:
    """Check a stream by itself, and return what must be compared with other records.

    Args:
        folder: The directory of the stream, None for a bare log.
        file: The open stream.
        path: The path for findings.
        base: The version of the lines before the first `mlv/start` that can be read; None if it isn't known.
        findings: Takes the findings.
        references: Takes the typed values, None for a bare log.
        jobs: How many worker processes may read a long stream.
        wanted: The digests of the seals to find.
    """
    checker = _StreamChecker(file, path, base, findings, references, jobs)
    checker.stream.wanted = wanted
    return checker.check(folder)


class _StreamChecker:
    """A check of one stream, from its first line to its last."""

    def __init__(
        self,
        file: File,
        path: str,
        base: tuple[int, int] | None,
        findings: Findings,
        references: References | None,
        jobs: int,
    ) -> None:
        self._jobs = jobs
        self._file = file
        self._path = path
        self._version = base
        self._findings = findings
        self._references = references
        self.stream = Stream(path, file.size)
        self._spans = Spans()
        self._seals = Seals(file)
        self._after_end = True  # also before the first line
        self._counters: dict[tuple[str, ...], list[RuleFindings]] = {}
        self._last = b""  # the last line, if it is that of a run: its name is parsed at the end

    def check(self, folder: Directory | None) -> Stream:
        """Check all lines, and that the file has stayed the same."""
        end = 0
        for block, items in read(self._file, self._jobs):
            end = block.end
            if any(self._check_item(item, block) for item in items):
                self.stream.refused = True
                break
        if self._last:
            self.stream.last = parse(self._last[:-1], line=True).value["event"]
        if end < self._file.size and not self.stream.refused:
            self.stream.torn = self._file.size - end
            rule, message = torn(self.stream.torn)
            self._findings.add(rule, self._path, self.stream.lines + 1, message)
        changed = self._file.how_changed(folder)
        if changed:
            self._findings.add_unchecked(self._path, changed)
        return self.stream

    def _check_item(self, item: Item, block: Block) -> bool:
        """Check lines by the result of the fast path. True means that the rest of the stream can't be checked."""
        if isinstance(item, Run):
            return self._check_run(item, block)
        if isinstance(item, InvalidLines):
            return self._count_invalid(item, block)
        raw = self._bytes(block, item.start, item.end) if isinstance(item, UnknownLine) else None
        line = Line(self.stream.lines + 1, block.start + item.start, block.start + item.end, raw)
        if isinstance(item, UnknownLine):
            return self._check_line(line)
        self.stream.lines += 1
        self._check_event(line, item.event, item.event["event"], item.event["seq"])
        if item.typed and self._references:
            self._references.check(self._path, line.number, item.typed)
        return False

    def _check_run(self, run: Run, block: Block) -> bool:
        """Check the numbers and the `within` of lines that keep all other rules."""
        stream, sequence, spans = self.stream, self.stream.sequence, self._spans
        if self._after_end:
            # The first line after an `mlv/end` must be an `mlv/start`: the full path reports that.
            return any(map(self._check_line, self._lines(run.start, run.end, block)))
        if sequence.after_masked or run.first != sequence.last + 1:
            self._check_seq(stream.lines + 1, run.first)
        line = stream.lines
        for within, lines in run.withins:
            if within and not spans.is_open(within):
                self._report_no_span(within, line + 1, line + lines)
            line += lines
        sequence.add_run(run.first, run.first + run.lines - 1)
        stream.lines += run.lines
        stream.events += run.lines
        self._last = self._bytes(block, run.last, run.end) or b""
        return False

    def _report_no_span(self, within: int, first: int, last: int) -> None:
        """Report the lines from `first` to `last`, whose `within` names no open span."""
        for line in range(first, last + 1):
            counters = self._only_counted(("span.within",))
            if counters:
                counters[0].count(last + 1 - line, last)
                break
            self._findings.add("span.within", self._path, line, no_span_message("within", within))

    def _count_invalid(self, invalid: InvalidLines, block: Block) -> bool:
        """Count the findings of lines that break known rules; the full path makes those that are listed."""
        at, start = self._count(invalid.runs, 0, block.start + invalid.start)
        while at < len(invalid.runs):
            broken, left, size = invalid.runs[at]
            end = start + size
            for line in self._lines(start - block.start, end - block.start, block):
                if self._count(((broken, left, end - line.start),), 0, line.start)[0]:
                    break
                if broken.if_unknown == () and not is_known(self._version):
                    self.stream.lines += 1
                    event = json.loads(line.raw or b"")  # the line breaks no rule
                    self._check_event(line, event, event["event"], int(event["seq"]))
                elif self._check_line(line):
                    return True
                left -= 1
            at, start = self._count(invalid.runs, at + 1, end)
        return False

    def _count(self, runs: tuple[tuple[BrokenRules, int, int], ...], at: int, start: int) -> tuple[int, int]:
        """Count the findings of invalid lines, up to the first one that must be listed.

        Args:
            runs: The runs of `InvalidLines`.
            at: The index of the first run to count.
            start: The offset of its first line.

        Returns:
            The index of the first run that isn't counted, and the offset of its first line.
        """
        in_known, starts, names_record = is_known(self._version), False, False
        lines, end = self.stream.lines, start
        for broken, number, size in runs[at:] if at else runs:
            rules = broken.if_known if in_known else broken.if_unknown
            counters = self._counters.get(rules) or self._only_counted(rules) if rules else None
            if not counters:
                break
            at += 1
            lines += number
            end += size
            for counter in counters:
                counter.count(number, lines)
            names_record = names_record or broken.may_name_record
            if broken.may_start:
                in_known, starts = False, True
        if end > start:
            self.stream.lines = lines
            self._add_masked(start, end, starts, names_record)
        return at, end

    def _only_counted(self, rules: tuple[str, ...]) -> list[RuleFindings] | None:
        """Return the findings of each rule; None if a further finding of one of them must be listed."""
        counters = self._counters.get(rules)
        if counters is None:
            counters = self._findings.only_counted(self._path, rules)
            if counters is not None:
                self._counters[rules] = counters
        return counters

    def _lines(self, start: int, end: int, block: Block) -> Iterator[Line]:
        """Yield the lines between these offsets of a block, none of which is counted yet."""
        raw = self._bytes(block, start, end) or b""
        start, offset = 0, block.start + start
        while start < len(raw):
            end = raw.index(b"\n", start) + 1
            yield Line(self.stream.lines + 1, offset + start, offset + end, raw[start:end])
            start = end

    def _check_seq(self, line: int, seq: int) -> None:
        """Check the `seq` of a line that may not be the next number."""
        for rule, message in self.stream.sequence.check(line, seq):
            self._findings.add(rule, self._path, line, message)
        self._add_seq(seq)

    def _add_seq(self, seq: int) -> None:
        """Add the `seq` of a line, and the masked lines before it."""
        sequence = self.stream.sequence
        if sequence.after_masked:
            self._spans.add_masked(sequence.last + 1, min(seq - 1, MAX_INTEGER))
        sequence.add(seq)

    def _bytes(self, block: Block, start: int, end: int) -> bytes | None:
        """Return bytes of a block; None if they are too many, or if the file became too short."""
        if block.raw is not None:
            return block.raw[start:end]
        raw = self._file.read(block.start + start, end - start) if end - start <= MAX_SIZE else b""
        return raw if len(raw) == end - start else None

    def _check_line(self, line: Line) -> bool:
        """Check the next line by all rules. True means that the rest of the stream can't be checked."""
        self.stream.lines += 1
        if line.raw is None:
            return self._report_masked(line, [too_long(line.end - line.start)])
        parsed = parse(line.raw[:-1], line=True)
        if parsed.broken:
            return self._report_masked(line, parsed.broken)
        event, own = parsed.value, self._version
        data = event.get("data") if isinstance(event, dict) else None
        if isinstance(event, dict) and event.get("event") == "mlv/start":
            data = data if isinstance(data, dict) else {}
            refused = why_refused(data)
            if refused:
                self._findings.add_unchecked(self._path, f"from line {line.number} on: {refused}")
                return True
            own = parse_version(data.get("mlv"))
        typed = b"_mlv" in line.raw or b"\\u" in line.raw
        checked = check_event(event, is_known=is_known(own), typed=typed, quiet=self._is_quiet)
        if checked.broken or not is_known(own):
            learn_from(line.raw, event, checked.broken, is_known(own))
        if checked.masked:
            name = event.get("event") if isinstance(event, dict) else None
            return self._report_masked(line, checked.broken, name if isinstance(name, str) else None)
        self._version = own
        self._report(line, checked.broken)
        self._check_event(line, event, event["event"], int(event["seq"]))
        if checked.typed and self._references:
            self._references.check(self._path, line.number, checked.typed)
        return False

    def _report_masked(self, line: Line, broken: list[Broken], name: str | None = None) -> bool:
        """Report the rules for which a line is masked, and return False: the next line can be checked.

        Args:
            line: The line.
            broken: The rules that it breaks.
            name: The name of its event, if that is known.
        """
        self._report(line, broken)
        self._add_masked(line.start, line.end, may_start(name), may_name_record(name))
        return False

    def _add_masked(self, start: int, end: int, starts: bool, names_record: bool) -> None:
        """Add masked lines between these offsets, which may have begun a session or named a metadata record."""
        self._last = b""
        self.stream.last = None
        self.stream.is_masked = True
        if starts:
            self._version = None  # it may have begun a session of a newer version
        if names_record:
            self.stream.may_name_record = True
        self.stream.sequence.add_masked()
        self._seals.add_masked(start, end)
        self._after_end = False

    def _is_quiet(self, rule: str) -> bool:
        """Return whether further findings of a rule are only counted, so that their messages may be left out."""
        return self._only_counted((rule,)) is not None

    def _report(self, line: Line, broken: list[Broken]) -> None:
        """Report the rules that a line breaks."""
        for rule, message in broken:
            self._findings.add(rule, self._path, line.number, message)

    def _check_event(self, line: Line, event: dict[str, Any], name: str, seq: int) -> None:
        """Check the next event, which isn't masked, by the rules about the lines before it."""
        stream, data, broken = self.stream, event["data"], list[Broken]()
        stream.events += 1
        stream.last = name
        self._last = b""
        if self._after_end:
            broken += check_session_start(line.number, name)
        self._after_end = name == "mlv/end"
        if name == "mlv/dropped" and line.number > 1:
            broken += check_dropped(data, seq, stream.sequence)
            self._add_seq(seq)
        else:
            self._check_seq(line.number, seq)
        broken += self._spans.check(event, name, seq)
        if name.startswith("mlv/"):
            broken += self._check_lifecycle(line, name, seq, data)
        self._report(line, broken)

    def _check_lifecycle(self, line: Line, name: str, seq: int, data: dict[str, Any]) -> list[Broken]:
        """Check a lifecycle event, and change the state of the stream."""
        stream = self.stream
        stream.state = _STATES.get(name, stream.state)
        match name:
            case "mlv/start" | "mlv/record":
                if name == "mlv/start":
                    self._spans.clear()
                record = data.get("record", {})
                number = int(record["number"]) if record else None
                experiment = data.get("experiment") if name == "mlv/start" else None
                stream.starts.append(Start(line.number, name, experiment, number, record.get("sha256")))
            case "mlv/rewind":
                self._spans.clear()
                return check_rewind(data, seq)
            case "mlv/end":
                stream.state = data["status"]
                if data.get("streams") or data.get("seals"):
                    stream.ends.append((line.number, data.get("streams", {}), data.get("seals", {})))
        if name not in ("mlv/seal", "mlv/end"):
            return []
        if data["sha256"] in stream.wanted:
            stream.seals.setdefault(data["sha256"], (line.number, seq))
        return self._seals.check(line, data)
