"""What is found fast is what the full path finds: the same findings, on everything that one can think of."""

import itertools
import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlv_conformance._suite.cases import Case, load_cases, materialize
from mlv_validate import _findings, _jobs, validate
from mlv_validate._fast import invalid as _invalid
from mlv_validate._fast import parallel as _parallel
from mlv_validate._fast import shapes as _shapes
from mlv_validate._fast.items import InvalidLines, Item, Run, UnknownLine, ValidLine
from mlv_validate._fast.patterns import NAMED, NUMBER
from mlv_validate._fast.shapes import Shapes, check_block
from mlv_validate._report import Report
from mlv_validate._rules.bytes import parse
from mlv_validate._rules.events import check_event
from mlv_validate._targets import stream as _stream
from mlv_validate._targets import target as _target

Make = Callable[..., Any]
SEED = 1
SUITE = Path(__file__).parents[1] / "suite"


def whole(block: bytes) -> Iterator[Item]:
    """What `check_block` would say if it knew nothing: every line takes the full path."""
    start = 0
    for line in block[:-1].split(b"\n"):
        yield UnknownLine(start, start + len(line) + 1)
        start += len(line) + 1


def slow(monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> Report:
    with monkeypatch.context() as patch:
        patch.setattr(_parallel, "check_block", whole)
        return validate(path, **options)


def fast(monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> Report:
    """By shapes that are learned from the very first line on, and of these lines alone."""
    shapes = Shapes()
    with monkeypatch.context() as patch:
        learn(patch, shapes)
        validate(path, **options)  # learns from the lines
        return validate(path, **options)


def learn(patch: pytest.MonkeyPatch, shapes: Shapes) -> None:
    """Every line is a sample to learn from, for these shapes alone."""
    patch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    patch.setattr(_invalid, "_SAMPLE_EVERY", 1)
    patch.setattr(_parallel, "check_block", lambda block: check_block(block, shapes))
    patch.setattr(_stream, "learn_from", lambda line, *found: shapes.invalid.learn_from_event(line[:-1], *found))


def rules_of(line: bytes) -> list[str]:
    """The rules of the first phases that a line breaks, by the full path."""
    parsed = parse(line[:-1], line=True)
    broken = parsed.broken or check_event(parsed.value, is_known=True, typed=True).broken
    return [rule for rule, _ in broken]


def is_right(item: Item, line: bytes) -> bool:
    """Whether what was found fast of one line is what the full path finds."""
    if isinstance(item, InvalidLines):
        [(broken, lines, size)] = item.runs
        rules = broken.if_known
        return (lines, size) == (1, len(line)) and (rules is None or sorted(rules) == sorted(rules_of(line)))
    event = parse(line[:-1], line=True).value
    if isinstance(item, Run):
        right = Run(event["seq"], 1, ((event.get("within", 0), 1),), 0, 0, len(line))
        return not rules_of(line) and item == right
    return isinstance(item, ValidLine) and not rules_of(line) and item.event == event


# --- generated lines ---


def stamp(rng: random.Random) -> str:
    day, hour = f"{rng.randint(1, 12):02}-{rng.randint(1, 28):02}", rng.randint(0, 23)
    return f"2026-{day}T{hour:02}:00:59.{rng.randint(0, 999999):06}Z"


def number(rng: random.Random) -> float:
    return rng.choice((0, -0.0, 1e-7, 1e300, 5e-324, 2**53 - 1, -3, rng.random(), -rng.random() * 1e9))


def kinds(rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """An event of each kind that a script may write."""
    return [
        ("epoch/batch", {"step": rng.randint(0, 9999), "loss": number(rng), "lr": number(rng), "ok": True}),
        ("epoch/batch", {"step": rng.randint(0, 9999), "loss": number(rng), "note": "caf\u00e9 \u2028"}),
        ("validation", {"top": {"1": number(rng), "5": number(rng)}, "list": [number(rng) for _ in range(4)]}),
        ("typed", {"worst": {"_mlv": "float", "value": "nan"}, "seed": {"_mlv": "int", "value": str(-(2**70))}}),
        ("typed", {"at": {"_mlv": "datetime", "value": stamp(rng)}, "on": {"_mlv": "date", "value": "2026-02-28"}}),
        ("typed", {"for": {"_mlv": "duration", "value": "-0.5"}, "x": {"_mlv": "com.example.x", "value": [{}]}}),
        ("text", {"message": 'a "quoted" line\n with \u0001 and \\', "none": None, "empty": {}, "nothing": []}),
        ("g\u00e9n\u00e9ral", {"k\u00e9y": "v", "deep": [[[{"a": [1, "x", None, {"b": number(rng)}]}]]]}),
    ]


def log(x: Any, rng: random.Random, blanks: bool) -> list[bytes]:
    """The lines of a log with spans, after an `mlv/start`."""
    x.log().start()
    lines = [(x.path / "log.jsonl").read_bytes()]
    begin = None
    for seq in range(2, 260):
        members: dict[str, Any] = {"seq": seq, "time": stamp(rng)}
        if seq % 40 == 2:
            begin = seq
            members |= {"event": "epoch", "data": {"n": seq}, "span": "begin"}
        elif seq % 40 == 39:
            members |= {"event": "epoch", "data": {}, "span": "end", "begin": begin, "seconds": 0.5}
            begin = None
        else:
            members["event"], members["data"] = rng.choice(kinds(rng)[: 8 if seq % 3 else 2])
            if begin:
                members["within"] = begin
        separators = (", ", ": ") if blanks else (",", ":")
        lines.append(json.dumps(members, separators=separators, ensure_ascii=rng.random() < 0.1).encode() + b"\n")
    return lines


TOKENS = [
    b"0", b"-0", b"01", b"1.", b".5", b"1e5", b"1E+05", b"1e999", b"-1e400", b"9007199254740991", b"9007199254740992",
    b"1" * 15, b"1" * 16, b"NaN", b"-Infinity", b"null", b"true", b'""', b'"\\u0041"', b'"\\ud800"', b'"\\/"', b'"\t"',
    b"[]", b"{}", b'{"a":1,"a":2}', b'{"_mlv":"float","value":"nan"}', b'{"_mlv":"float","value":"NaN"}', b"[[[1]]]",
    b'{"_mlv":"date","value":"2026-02-29"}', b'{"_mlv":"int","value":"-0"}', b'"2026-02-29T00:00:00.000000Z"', b"1e05",
    b'{"_mlv":"datetime","value":"2026-02-28T24:00:00Z"}', b'"0000-01-01T00:00:00.000000Z"', b"1.0", b"-1", b"13.0",
    b'"2024-02-29T00:00:00.000000Z"', b'"2026-04-31T00:00:00.000000Z"', b'"mlv"', b'"mlv/x"', b'"mlvx"', b'"a//b"',
    b'"2026-11-22T18:24:00.123456z"', b'"/a"', b'"a/"', b'"\x7f"', b'"\xc2\x80"', b'"\xff"', b'"a\rb"', b'"begin"',
]  # fmt: skip
VALUE = re.compile(rb'"[^"\\]*"|-?[0-9][0-9.eE+-]*|true|false|null')


def mutated(lines: list[bytes], rng: random.Random) -> list[bytes]:
    """The lines with one change."""
    lines = list(lines)
    at = rng.randrange(len(lines))
    line = lines[at]
    values = [match.span() for match in VALUE.finditer(line)]
    begin, end = rng.choice(values)
    other = rng.choice([match[0] for match in VALUE.finditer(rng.choice(lines))])
    byte = rng.randrange(len(line))
    match rng.randrange(13):
        case 0:
            line = line[:byte] + bytes([rng.randrange(256)]) + line[byte + 1 :]
        case 1:
            line = line[:byte] + line[byte + 1 :]
        case 2:
            colons = [match.start() for match in re.finditer(rb":", line)]
            byte = rng.choice([byte, *colons])
            line = line[:byte] + bytes([rng.choice(b'"\\{}[],: \t\r\n\x000123eE.-_\xc3\xa9')]) + line[byte:]
        case 3:
            line = line[:byte] + b"\n"
        case 4 | 5 | 6:
            line = line[:begin] + rng.choice(TOKENS) + line[end:]
        case 7:
            line = line[:begin] + other + line[end:]
        case 8:
            line = line[:begin] + line[begin:end] + b" " * rng.randrange(3) + line[end:]
        case 9:
            members = [line[match.start() : match.end()] for match in re.finditer(rb'"[a-z]+" ?: ?[^,{}\[\]]+', line)]
            place = rng.choice([i.start() + 1 for i in re.finditer(rb"\{", line)] or [1])
            line = line[:place] + (rng.choice(members) if members else b'"a":1') + b"," + line[place:]
        case 10:
            swapped = rng.randrange(len(lines))
            line, lines[swapped] = lines[swapped], line
        case 11:
            line = b""
        case _:
            line = line + lines[rng.randrange(len(lines))]
    lines[at] = line
    return lines


# --- the same findings ---


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("blanks", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_changed_logs_have_the_same_findings(
    seed: int, blanks: bool, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(SEED + seed)
    x = experiment()
    lines = log(x, rng, blanks)
    path = x.path / "log.jsonl"
    shapes = Shapes()
    monkeypatch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    path.write_bytes(b"".join(lines))
    with monkeypatch.context() as patch:
        patch.setattr(_parallel, "check_block", lambda block: check_block(block, shapes))
        assert validate(x.path).verdict == validate(x.path).verdict == "valid"
    for _ in range(25):
        changed = lines
        for _ in range(rng.randint(1, 3)):
            changed = mutated(changed, rng)
        path.write_bytes(b"".join(changed))
        with monkeypatch.context() as patch:
            patch.setattr(_parallel, "check_block", lambda block: check_block(block, shapes))
            found = validate(x.path)
        assert found == slow(monkeypatch, x.path), changed


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("blanks", [False, True])
def test_the_fast_path_reports_the_same_for_a_line_as_the_full_path(
    blanks: bool, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(SEED)
    lines = log(experiment(), rng, blanks)
    shapes = Shapes()
    monkeypatch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    for _ in range(3):
        list(check_block(b"".join(lines), shapes))
    accepted = refused = 0
    for _ in range(8000):
        [line] = mutated([rng.choice(lines)], rng)
        if not line.endswith(b"\n") or line.count(b"\n") != 1:
            continue
        [item] = check_block(line, shapes)
        if isinstance(item, UnknownLine):
            continue
        accepted += not isinstance(item, InvalidLines)
        refused += isinstance(item, InvalidLines)
        assert is_right(item, line), line
    assert accepted > 800 and refused > 800


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("blanks", [False, True])
def test_no_value_is_accepted_in_place_of_another_that_the_full_path_refuses(
    blanks: bool, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = log(experiment(), random.Random(SEED), blanks)
    shapes = Shapes()
    monkeypatch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    for _ in range(3):
        list(check_block(b"".join(lines), shapes))
    kinds_of = {re.sub(rb"[0-9]+", b"0", line): line for line in lines[1:] if b"seconds" not in line}
    chosen = list({VALUE.sub(b"", line): line for line in kinds_of.values()}.values())
    accepted = 0
    for line in chosen:
        for match in VALUE.finditer(line):
            for token in TOKENS:
                changed = line[: match.start()] + token + line[match.end() :]
                if changed.count(b"\n") == 1:
                    [item] = check_block(changed, shapes)
                    assert isinstance(item, UnknownLine) or is_right(item, changed), changed
                    accepted += isinstance(item, Run | ValidLine)
    assert len(chosen) > 8 and accepted > 500


NUMBERS = [b"0", b"-1", b"1", b"7", b"13.0", b"1.5", b"9007199254740992", b"1e999", b"123456789012345678"]
NAMES = [b"level", b"more", b"other", b"seq", b"data", b"Seq", b"caf\xc3\xa9"]
KINDS = [
    b'"event":"a","data":{"x":{"_mlv":"float","value":"NaN"},"n":1}',
    b'"event":"a","data":{"x":{"_mlv":"tensor","value":1}}',
    b'"event":"a","data":{"x":{"_mlv":"file","path":"files/a","size":1}}',
    b'"event":"a","data":{"x":{"_mlv":"histogram","edges":[0,1],"counts":[1,2]}}',
    b'"event":"a","data":{"x":{"_mlv":"table","columns":["a"],"rows":[[1],[1,2]]}}',
    b'"event":"mlv/x","data":{"n":1}',
    b'"event":"mlv/pause","data":{"reason":1}',
    b'"event":"mlv/pause","data":{"until":1}',
    b'"event":"mlv/dropped","data":{"first":0,"last":7,"reasons":{}}',
    b'"event":"a","data":{},"span":"begin","LEVEL":1',
    b'"event":"a","data":{"n":1},"within":2.0,"LEVEL":1',
    b'"event":"mlv/start","data":{"mlv":"1.0","host":"h","pid":1}',
    b'"event":"mlv/start","data":{"mlv":"1.9","host":"h","pid":1}',
    b'"event":"a","data":{"n":1},"LEVEL":7',
    b'"event":"a","data":{"n":1,"m":2,"n":"x"}',
    b'"event":"a","data":{"n":1,"text":"\\ud800"}',
    b'"event":"a","data":{"n":123456789012345678,"m":"x"}',
    b'"event":"a","data":' + b'{"n":' * 64 + b"1" + b"}" * 64,
    b'"event":"a","data":{"n":1},"LEVEL":7,"MORE":{"a":[1,2]}',
    b'"event":"a","data":{},"span":"begin","begin":1',
    b'"event":"a","data":[1,2,3]',
    b'"event":5,"data":{"n":1}',
    b'"event":"a","data":{"n":1},"within":"1"',
    b'"event":"a","data":{"n":1,"loss":NaN}',
    b'"event":"a","data":{"n":1,}',
    b'"event":"a","data":{"n":1}}{"seq":7,"time":"","data":{}',
    b'"event":"a\r","data":{"n":1}',
]
TEXTS = [
    b"",
    b" \t",
    b"[1,2]",
    b"[123]",
    b"17",
    b'"x"',
    b"{}",
    b'{"n":1}',
    b'{"n":1',
    b"\xef\xbb\xbf{}",
    b'{"n":12}\r',
    b"x 1}",
]
"""Lines without an event."""


def flawed(lines: list[bytes], rng: random.Random) -> list[bytes]:
    """Some lines of one kind: with other numbers and names in them, and sometimes with another value."""
    if rng.random() < 0.4:
        [line] = mutated([rng.choice(lines)], rng)
    else:
        time = rng.choice((stamp(rng), stamp(rng), "2026-02-30T00:00:00.000000Z", "2026-11-22 18:24:00"))
        seq = rng.choice([b"%d" % rng.randrange(300)] * 3 + NUMBERS)
        line = b'{"seq":%s,"time":"%s",%s}\n' % (seq, time.encode(), rng.choice(KINDS))
    if rng.random() < 0.2:
        line = rng.choice(TEXTS) + b"\n"
    found = []
    for _ in range(rng.randint(2, 9)):
        part = re.sub(b"LEVEL|MORE", lambda _: rng.choice(NAMES[: rng.choice((2, 7))]), line)
        if rng.random() < 0.5:
            part = re.sub(rb"(?<=[0-9])[0-9]", lambda _: b"%d" % rng.randrange(10), part)
        numbers = list(re.finditer(rb"(?<=:)[0-9]+(?=[,}])", part))
        if numbers and rng.random() < 0.4:
            match = rng.choice(numbers)
            part = part[: match.start()] + rng.choice(NUMBERS) + part[match.end() :]
        values = list(VALUE.finditer(part))
        if values and rng.random() < 0.2:
            match = rng.choice(values)
            part = part[: match.start()] + rng.choice(TOKENS) + part[match.end() :]
        found.append(b" " * (rng.random() < 0.05) + part)
    return found


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("kept", [1, 3])
@pytest.mark.parametrize("blanks", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_findings_that_are_only_counted_are_the_same(
    seed: int, blanks: bool, kept: int, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(SEED + seed)
    x = experiment()
    lines = log(x, rng, blanks)
    monkeypatch.setattr(_findings, "MAX_LISTED", kept)
    learned = 0
    for number in range(8):
        changed = lines[:1] + lines[1:60] * (number % 2)
        for _ in range(40):
            changed += flawed(lines, rng)
        for _ in range(number):
            at = rng.randrange(1, len(changed))
            changed[at:at] = [lines[0].replace(b'"1.0"', rng.choice((b'"1.0"', b'"1.0"', b'"1.9"')))]
        (x.path / "log.jsonl").write_bytes(b"".join(changed))
        shapes = Shapes()
        with monkeypatch.context() as patch:
            learn(patch, shapes)
            validate(x.path)
            found = validate(x.path)
        learned += len(shapes.invalid._branches)
        assert found == slow(monkeypatch, x.path), (number, changed)
    assert learned > 20


@pytest.mark.rule("validator.findings")
def test_after_a_line_that_may_have_been_a_start_no_version_is_known(
    experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = experiment()
    x.log().start()
    path = x.path / "log.jsonl"
    start = path.read_bytes()
    line = b'{"seq":9,"time":"2026-11-22T18:24:00.000000Z","event":%s}\n'
    no_name, odd = line % b'5,"data":{}', line % b'"a","data":{},"more":1'
    path.write_bytes(start + no_name * 4 + start + no_name + odd * 2 + start + odd * 4 + no_name + odd)
    monkeypatch.setattr(_findings, "MAX_LISTED", 1)
    report = fast(monkeypatch, x.path)
    assert report == slow(monkeypatch, x.path)
    assert [(one.rule, one.number) for one in report.targets[0].omitted if "seq" not in one.rule] == [
        ("event.unknown-members", 3),
        ("event.name", 5),
    ]


@pytest.mark.rule("validator.findings")
def test_a_reserved_name_of_an_unknown_version_is_learned(experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    x = experiment()
    x.log().start()
    path = x.path / "log.jsonl"
    start = path.read_bytes()
    line = b'{"seq":%d,"time":"2026-11-22T18:24:00.000000Z","event":"mlv/new","data":{"n":%d}}\n'
    lines = b"".join(line % (number, number) for number in range(2, 9))
    path.write_bytes(start.replace(b'"1.0"', b'"1.9"') + lines + start + lines)
    shapes = Shapes()
    with monkeypatch.context() as patch:
        learn(patch, shapes)
        validate(x.path)
    assert [found.if_unknown for found in shapes.invalid._rules] == [()]
    monkeypatch.setattr(_findings, "MAX_LISTED", 1)
    report = fast(monkeypatch, x.path)
    assert report == slow(monkeypatch, x.path)
    assert [(one.rule, one.number) for one in report.targets[0].omitted] == [("event.reserved", 6)]


def compare(cases: list[Case], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cases
    for number, case in enumerate(cases):
        target = materialize(SUITE, case, folder / str(number))
        sealed = case.level == "sealed"
        assert fast(monkeypatch, target, sealed=sealed) == slow(monkeypatch, target, sealed=sealed), case


@pytest.mark.rule("validator.findings")
def test_some_cases_of_the_suite_have_the_same_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(sorted(load_cases(SUITE), key=lambda case: case.base)[::15], tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("base", sorted(path.name for path in (SUITE / "bases").iterdir()))
def test_every_case_of_the_suite_has_the_same_findings(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare([case for case in load_cases(SUITE) if case.base == base], tmp_path, monkeypatch)


def test_most_lines_of_training_code_are_accepted_in_runs(experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = log(experiment(), random.Random(SEED), False)
    shapes = Shapes()
    monkeypatch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    for _ in range(2):
        list(check_block(b"".join(lines), shapes))
    items = list(check_block(b"".join(lines), shapes))
    assert sum(item.lines for item in items if isinstance(item, Run)) > 200
    assert {type(item) for item in items} == {Run, ValidLine, UnknownLine}
    assert [items[0].start, items[-1].end] == [0, len(b"".join(lines))]
    assert all(before.end == after.start for before, after in zip(items, items[1:], strict=False))
    monkeypatch.setattr(_shapes, "check_line", lambda *_, **__: None)
    alone = [item for item in check_block(b"".join(lines), shapes) if isinstance(item, Run)]
    assert sum(item.lines for item in alone) > 100, "the shapes accept none by themselves"


# --- several processes ---


@pytest.fixture
def ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short streams are read by several processes as well, in ranges that begin anywhere."""
    monkeypatch.setattr(_parallel, "_LONG", 0)
    monkeypatch.setattr(_parallel, "_RANGE", 777)


@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize(
    ("jobs", "rounds"), [(2, 2), (3, 2), *(pytest.param(jobs, 12, marks=pytest.mark.slow) for jobs in (2, 3))]
)
def test_the_report_is_the_same_for_any_number_of_processes(
    jobs: int, rounds: int, ranges: None, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(SEED)
    x = experiment()
    lines = log(x, rng, False)
    lines.insert(100, b'{"long":"' + b"x" * 5000 + b'"}\n')
    for _ in range(rounds):
        lines = mutated(lines, rng)
        (x.path / "log.jsonl").write_bytes(b"".join(lines) + b"torn" * rng.randrange(2))
        for sealed in (False, True):
            assert validate(x.path, sealed=sealed, jobs=jobs) == validate(x.path, sealed=sealed)


@pytest.mark.rule("validator.complete")
def test_a_process_that_dies_leaves_what_it_read_unchecked(
    ranges: None, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = experiment()
    log, parent = x.log().start(), os.getpid()
    for _ in range(20):
        log.event("a")

    def dies(block: bytes) -> Iterator[Item]:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from check_block(block)

    monkeypatch.setattr(_parallel, "check_block", dies)
    report = validate(x.path, jobs=2)
    assert report.exit_code == 3
    assert [entry.path for entry in report.targets[0].unchecked] == ["log.jsonl"]


@pytest.mark.rule("validator.complete")
def test_a_process_that_fails_leaves_what_it_read_unchecked(
    ranges: None, experiment: Make, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log, parent = experiment().log().start(), os.getpid()
    for _ in range(20):
        log.event("a")
    monkeypatch.setattr(_parallel, "check_block", lambda block: check_block(block) if os.getpid() == parent else 1 // 0)
    [target] = validate(log.experiment.path, jobs=2).targets
    assert [entry.path for entry in target.unchecked] == ["log.jsonl"]
    assert "ZeroDivisionError" in target.unchecked[0].reason
    assert capfd.readouterr() == ("", "")


def test_no_process_is_left_running() -> None:
    def work(number: int) -> Iterator[int]:
        while True:
            yield os.getpid()

    with _jobs.workers(2, work) as found:
        pids = [next(one) for one in found]
    assert len(set(pids)) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def tree(experiment: Make) -> Path:
    """Experiments in and next to each other, good and bad ones."""
    for number in range(12):
        x = experiment(f"top/{number}", name="a", params={"n": number})
        x.log().start().event("a").raw(b"rubbish\n" * (number % 3)).event("a").end()
        inner = experiment(f"top/{number}/inner/{number}")
        inner.log("log/a.jsonl").start().event("b", within=number + 1)
    (x.path.parent / "copy").mkdir()
    (x.path.parent / "copy/meta.json").write_bytes((x.path / "meta.json").read_bytes())
    return Path(x.path.parent)


@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("jobs", [2, 3, 7])
def test_the_report_of_many_experiments_is_the_same_for_any_number_of_processes(jobs: int, experiment: Make) -> None:
    top = tree(experiment)
    alone = validate([top, top / "1"], jobs=1)
    assert len(alone.targets[0].experiments) == 25 and {f.rule for f in alone.targets[0].findings} >= {"id.copies"}
    assert validate([top, top / "1"], jobs=jobs) == alone


@pytest.mark.rule("validator.complete")
def test_experiments_of_a_process_that_dies_are_unchecked(experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tree(experiment)
    alone, parent = validate(top), os.getpid()
    check_experiment: Any = vars(_target)["check_experiment"]

    def dies(*arguments: Any, **options: Any) -> Any:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return check_experiment(*arguments, **options)

    monkeypatch.setattr(_target, "check_experiment", dies)
    [target] = validate(top, jobs=2).targets
    judged = {experiment.path for experiment in target.experiments}
    lost = {entry.path for entry in target.unchecked}
    assert judged and lost and target.verdict == "unchecked"
    assert judged | lost == {experiment.path for experiment in alone.targets[0].experiments}


HEAD = b'{"seq":2,"time":"2026-11-22T18:24:00.123456Z","event":"a","data":'


@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize(
    ("rest", "good"),
    [
        (b'{"a":1}}', True),
        (b'{"a":1},"within":1}', True),
        (b'{"a":1},"within":0}', False),
        (b'{"a":1},"within":1,"within":1}', False),
        (b'{"a":1,"a":1}}', False),
        (b'{"a":1,"\\u0061":1}}', False),
        (b'{"a":{"b":1,"b":1}}}', False),
        (b'{"a":1,"a" :1}}', False),
        (b'{"a":1,"a"\t:1}}', False),
        (b'{"a":1,"a" :1,"b":":"}}', False),
        (b'{"a":1,"b" :1}}', True),
        (b'{"a":":","b":":"}}', True),
        (b'{"a":"x",":b":1}}', True),
        (b'{"_mlv":"float","value":"nan"}}', False),
        (b'{"a":1,"_mlv":2}}', False),
        (b'{"__mlv":1}}', True),
        (b'{"a":{"_mlv":"x"}}}', False),
        (b'{"a":{"\\u005fmlv":"x"}}}', False),
        (b'{},"span":"begin"}', True),
        (b'{},"span":"begin","seconds":1}', False),
        (b'{},"span":"end","begin":1,"seconds":0}', True),
        (b'{},"span":"end","begin":0,"seconds":0}', False),
        (b'{},"span":"end","begin":1,"seconds":-1}', False),
        (b'{},"span":"end","begin":1,"seconds":true}', False),
        (b'{},"span":"end","begin":1,"seconds":0,"within":1}', False),
        (b'{},"more":1}', False),
        (b'{"a":' + b"[" * 62 + b"]" * 62 + b"}}", True),
        (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}}", False),
        (b'{"a":1}} ', True),
        (b'{"a":1}}}', False),
    ],
)
def test_the_fast_path_accepts_exactly_the_valid_lines(
    rest: bytes, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shapes, "_SAMPLE_EVERY", 1)
    shapes = Shapes()
    for _ in range(3):
        list(check_block(HEAD + b'{"a":1}}\n' + HEAD + b'{"b":1}}\n', shapes))
    parsed = parse(HEAD + rest, line=True)
    assert (not parsed.broken and not check_event(parsed.value, is_known=True, typed=True).broken) == good
    for learned in (Shapes(), shapes):
        [item] = check_block(HEAD + rest + b"\n", learned)
        assert isinstance(item, Run | ValidLine) == good
        assert isinstance(item, UnknownLine) or is_right(item, HEAD + rest + b"\n")


def test_the_pattern_of_a_number_matches_no_other_text() -> None:
    """Of all short texts: `json.syntax` decides what is a number, and no version of `re` may find more."""
    numbers = 0
    for size in range(1, 6):
        for characters in itertools.product("01.e+-", repeat=size):
            text = "".join(characters)
            if re.fullmatch(NUMBER, text):
                assert not parse(text.encode(), line=False).broken, text
                numbers += 1
    assert numbers > 100


def test_the_pattern_of_a_name_matches_no_name_that_breaks_its_rule() -> None:
    """`event.name`, of all short texts."""
    for size in range(7):
        for characters in itertools.product("a/ m", repeat=size):
            name = "".join(characters)
            if re.fullmatch(NAMED, f'"{name}"'):
                event = {"seq": 1, "time": "2026-11-22T18:24:00.000000Z", "event": name, "data": {}}
                assert not check_event(event, is_known=True, typed=False).broken, name
