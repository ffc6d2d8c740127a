"""One stream, line by line: its sessions, numbers, spans and seals."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlv_validate._ahead import read
from mlv_validate._directory import Directory, File
from mlv_validate._findings import Findings
from mlv_validate._flaws import Flaw
from mlv_validate._json import MAX_INTEGER, MAX_SIZE, Broken, parse
from mlv_validate._lines import Block, Line
from mlv_validate._records import judge_event, known, refusal, version
from mlv_validate._references import References
from mlv_validate._seals import Seals
from mlv_validate._sequence import Sequence, Spans
from mlv_validate._shapes import Bad, Item, Run, Whole, lesson
from mlv_validate._text import show

_STATES = {"mlv/start": "open", "mlv/resume": "open", "mlv/pause": "paused"}


@dataclass(slots=True)
class Start:
    """What an `mlv/start` says about the experiment it belongs to."""

    line: int
    experiment: str | None
    number: int | None
    digest: str | None


@dataclass(slots=True)
class Stream:
    """What is known of a stream once it was read."""

    path: str
    size: int
    sequence: Sequence = field(default_factory=Sequence)
    starts: list[Start] = field(default_factory=list)
    ends: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    lines: int = 0
    events: int = 0
    may_have_started: bool = False
    """Whether a masked line may have been an `mlv/start`."""
    torn: int = 0
    refused: bool = False
    last: str | None = None
    """What the last line is: an event's name, or None if there is none or it is masked."""
    state: str = "open"


def judge_stream(
    folder: Directory | None,
    file: File,
    path: str,
    base: tuple[int, int] | None,
    findings: Findings,
    references: References | None,
    jobs: int = 1,
) -> Stream:
    """
    Judge a stream by all that its own bytes decide, and collect what other records are needed for.

    `base` is the version of the lines before the first `mlv/start` that can be read; without `references` it is a bare
    log. Up to `jobs` further processes read a long stream.
    """
    return _Judge(file, path, base, findings, references, jobs).run(folder)


class _Judge:
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
        self._stream = Stream(path, file.size)
        self._spans = Spans()
        self._seals = Seals(file)
        self._after_end = True  # also before the first line
        self._last = b""  # the last line, if its name wasn't checked

    def run(self, folder: Directory | None) -> Stream:
        end = 0
        for block, items in read(self._file, self._jobs):
            end = block.end
            if any(self._item(item, block) for item in items):
                self._stream.refused = True
                break
        if self._last:
            self._stream.last = parse(self._last[:-1], line=True).value["event"]
        if end < self._file.size and not self._stream.refused:
            self._stream.torn = self._file.size - end
            shown = f"{self._stream.torn} bytes after the last line feed: not part of the log"
            self._findings.add("log.torn", self._path, self._stream.lines + 1, shown)
        changed = self._file.changed(folder)
        if changed:
            self._findings.unchecked(self._path, changed)
        return self._stream

    def _item(self, item: Item, block: Block) -> bool:
        """Judge a line, or a run of them; True means that the stream cannot be judged from here on."""
        if isinstance(item, Run):
            return self._run(item, block)
        if isinstance(item, Bad):
            return self._bad(item, block)
        raw = self._raw(block, item.start, item.end) if isinstance(item, Whole) else None
        line = Line(self._stream.lines + 1, block.start + item.start, block.start + item.end, raw)
        if isinstance(item, Whole):
            return self._line(line)
        self._stream.lines += 1
        self._event(line, item.event, item.event["event"], item.event["seq"])
        if item.typed and self._references:
            self._references.see(self._path, line.number, item.typed)
        return False

    def _run(self, run: Run, block: Block) -> bool:
        """Judge lines of which only their numbers and their `within` are left to be judged."""
        stream, sequence, spans = self._stream, self._stream.sequence, self._spans
        if self._after_end:
            return any(map(self._line, self._each(run, block)))
        if sequence.masked or run.first != sequence.last + 1:
            self._number(stream.lines + 1, run.first)
        line = stream.lines
        for within, lines in run.withins:
            if within and not spans.is_open(within):
                for number in range(line + 1, line + lines + 1):
                    self._findings.add("span.within", self._path, number, _no_span("within", within))
            line += lines
        sequence.run(run.first, run.first + run.lines - 1)
        stream.lines += run.lines
        stream.events += run.lines
        self._last = self._raw(block, run.last, run.end) or b""
        return False

    def _bad(self, bad: Bad, block: Block) -> bool:
        """Judge lines of which the rules that they break are known; what is listed is said by the full path."""
        if self._counted(bad.flaw, bad.lines, block.start + bad.start, block.start + bad.end):
            return False
        left = bad.lines
        for line in self._each(bad, block):
            if self._counted(bad.flaw, left, line.start, block.start + bad.end):
                return False
            if bad.flaw.unknown == () and not known(self._version):
                self._stream.lines += 1
                event = parse((line.raw or b"")[:-1], line=True).value
                self._event(line, event, event["event"], int(event["seq"]))
            elif self._line(line):
                return True
            left -= 1
        return False

    def _counted(self, flaw: Flaw, lines: int, start: int, end: int) -> bool:
        """Judge lines with a flaw between these offsets, if their findings are only to be counted."""
        rules = flaw.known if known(self._version) else flaw.unknown
        if not rules or not self._findings.count(self._path, rules, lines, self._stream.lines + lines):
            return False
        self._stream.lines += lines
        self._masked(start, end, flaw.may_start)
        return True

    def _each(self, item: Run | Bad, block: Block) -> Iterator[Line]:
        """The lines of an item, of which none is counted yet."""
        raw = self._raw(block, item.start, item.end) or b""
        start, offset = 0, block.start + item.start
        while start < len(raw):
            end = raw.index(b"\n", start) + 1
            yield Line(self._stream.lines + 1, offset + start, offset + end, raw[start:end])
            start = end

    def _number(self, line: int, seq: int) -> None:
        """Judge the `seq` of a line that does not follow on the one before, or may not."""
        before, after_masked = self._stream.sequence.last, self._stream.sequence.masked
        if seq <= before or seq > before + 1 and not after_masked:
            expected = "1" if line == 1 else f"greater than {before}" if after_masked else str(before + 1)
            self._findings.add("log.seq", self._path, line, f"seq is {seq}, not {expected}")
        if after_masked:
            self._spans.masked(before + 1, min(seq - 1, MAX_INTEGER))
        self._stream.sequence.add(seq)

    def _raw(self, block: Block, start: int, end: int) -> bytes | None:
        """Bytes of a block; None if they are too many, or if the file does not have them any more."""
        if block.raw is not None:
            return block.raw[start:end]
        raw = self._file.read(block.start + start, end - start) if end - start <= MAX_SIZE else b""
        return raw if len(raw) == end - start else None

    def _line(self, line: Line) -> bool:
        """Judge the next line; True means that the stream cannot be judged from here on."""
        self._stream.lines += 1
        if line.raw is None:
            size = line.end - line.start
            return self._mask(line, [("json.size", f"{size} bytes, more than 16777216")])
        parsed = parse(line.raw[:-1], line=True)
        if parsed.broken:
            return self._mask(line, parsed.broken)
        event, own = parsed.value, self._version
        data = event.get("data") if isinstance(event, dict) else None
        if isinstance(event, dict) and event.get("event") == "mlv/start":
            data = data if isinstance(data, dict) else {}
            refused = refusal(data)
            if refused:
                self._findings.unchecked(self._path, f"from line {line.number} on: {refused}")
                return True
            own = version(data.get("mlv"))
        typed = b"_mlv" in line.raw or b"\\u" in line.raw
        judged = judge_event(event, is_known=known(own), typed=typed, quiet=self._is_quiet)
        if judged.broken or not known(own):
            lesson(line.raw, event, judged.broken, known(own))
        if judged.masked:
            name = event.get("event") if isinstance(event, dict) else None
            return self._mask(line, judged.broken, may_start=name == "mlv/start" or not isinstance(name, str))
        self._version = own
        self._report(line, judged.broken)
        self._event(line, event, event["event"], int(event["seq"]))
        if judged.typed and self._references:
            self._references.see(self._path, line.number, judged.typed)
        return False

    def _mask(self, line: Line, broken: list[Broken], may_start: bool = True) -> bool:
        self._report(line, broken)
        self._masked(line.start, line.end, may_start)
        return False

    def _masked(self, start: int, end: int, may_start: bool) -> None:
        """Take note of masked lines, by their offsets."""
        self._last = b""
        self._stream.last = None
        if may_start:
            self._stream.may_have_started = True
            self._version = None  # it may have begun a session of a newer version
        self._stream.sequence.mask()
        self._seals.masked(start, end)
        self._after_end = False

    def _is_quiet(self, rule: str) -> bool:
        """Whether further findings of a rule are only counted, so that their messages aren't needed."""
        return self._findings.is_full(self._path, rule)

    def _report(self, line: Line, broken: list[Broken]) -> None:
        for rule, message in broken:
            self._findings.add(rule, self._path, line.number, message)

    def _event(self, line: Line, event: dict[str, Any], name: str, seq: int) -> None:
        stream, data, broken = self._stream, event["data"], list[Broken]()
        stream.events += 1
        stream.last = name
        self._last = b""
        if self._after_end and name != "mlv/start":
            where = "the first line" if line.number == 1 else "the line after an mlv/end"
            broken.append(("session.start", f"{where} is {show(name)}, not an mlv/start"))
        self._after_end = name == "mlv/end"
        if name == "mlv/dropped" and line.number > 1:
            before, after_masked = stream.sequence.last, stream.sequence.masked
            broken += _dropped(data, seq, before, after_masked)
            if after_masked:
                self._spans.masked(before + 1, min(seq - 1, MAX_INTEGER))
            stream.sequence.add(seq)
        else:
            self._number(line.number, seq)
        broken += self._span(event, name, seq)
        if name.startswith("mlv/"):
            broken += self._lifecycle(line, name, seq, data)
        self._report(line, broken)

    def _span(self, event: dict[str, Any], name: str, seq: int) -> list[Broken]:
        broken = []
        within = event.get("within")
        if within is not None and not self._spans.is_open(int(within)):
            broken.append(("span.within", _no_span("within", within)))
        if event.get("span") == "begin":
            self._spans.begin(seq, name)
        elif event.get("span") == "end":
            begin = int(event["begin"])
            if not self._spans.is_open(begin):
                return [*broken, ("span.end", _no_span("begin", begin))]
            begun = self._spans.end(begin)
            if begun is not None and begun != name:
                broken.append(("span.name", f"the span began as {show(begun)} and ends as {show(name)}"))
        return broken

    def _lifecycle(self, line: Line, name: str, seq: int, data: dict[str, Any]) -> list[Broken]:
        stream = self._stream
        stream.state = _STATES.get(name, stream.state)
        match name:
            case "mlv/start":
                self._spans.clear()
                record = data.get("record", {})
                number = int(record["number"]) if record else None
                stream.starts.append(Start(line.number, data.get("experiment"), number, record.get("sha256")))
            case "mlv/rewind":
                self._spans.clear()
                if data["to"] >= seq:
                    return [("rewind.to", f"to is {data['to']}, not smaller than the event's own seq {seq}")]
            case "mlv/end":
                stream.state = data["status"]
                if data.get("streams"):
                    stream.ends.append((line.number, data["streams"]))
        return self._seals.judge(line, data) if name in ("mlv/seal", "mlv/end") else []


def _no_span(member: str, seq: object) -> str:
    return f"{member} is {seq}, where no span is open that began there"


def _dropped(data: dict[str, Any], seq: int, before: int, after_masked: bool) -> list[Broken]:
    first, last = int(data["first"]), int(data["last"])
    follows = first > before if after_masked else first == before + 1
    if follows and first <= last == seq - 1:
        return []
    expected = f"after {before}" if after_masked else f"{before + 1}"
    return [
        ("log.dropped", f"first is {first} and last is {last}; missing are the numbers from {expected} to {seq - 1}")
    ]
