"""What a masked record may have said is unknown: one garbled line, one finding, and no shower of followers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlv_validate import validate
from mlv_validate._rules.events import Ranges, Sequence, Spans

Make = Callable[..., Any]
Place = tuple[str, str, int | None]


def judge(path: Path, *, sealed: bool = False) -> set[Place]:
    [target] = validate(path, sealed=sealed).targets
    assert target.unchecked == ()
    assert len({(f.rule, f.path, f.line) for f in target.findings}) == len(target.findings)
    return {(finding.rule, finding.path, finding.line) for finding in target.findings}


def garble(path: Path, line: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b"{", b"[", 1)
    path.write_bytes(b"".join(lines))


def whole(experiment: Make) -> Any:
    """Everything that one line can say about another, without a finding."""
    x = experiment()
    x.add(2)
    value = x.write("files/a", "a")
    own = {"_mlv": "event", "experiment": x.id}
    gpu = x.log("log/gpu.jsonl").start(2).event("a", {"e": own | {"stream": "log.jsonl", "seq": 2}}).seal()
    log = x.log().start().event("epoch", span="begin").event("batch", within=2)
    log.event("epoch", span="begin", within=2).event("epoch", span="end", begin=4, seconds=0)
    log.event("epoch", span="end", begin=2, seconds=1).seal().event("mlv/file", {"file": value})
    log.seq += 5
    log.event("mlv/dropped", {"first": 9, "last": 13, "reasons": {"a": 5}})
    log.event("mlv/rewind", {"to": 1}).event("a", {"e": own | {"stream": "log.jsonl", "seq": 8}})
    log.end("failed", streams={"log/gpu.jsonl": 3}).start(2).event("epoch", span="begin").event("b", within=19)
    log.event("epoch", {"e": own | {"stream": "log/gpu.jsonl", "seq": 3}}, span="end", begin=19, seconds=0).seal()
    assert gpu.seq == 3 and log.seq == 22
    assert judge(x.path, sealed=True) == set()
    return x


@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("name", ["log.jsonl", "log/gpu.jsonl"])
def test_a_garbled_line_has_one_finding_and_the_seal_over_it_another(name: str, experiment: Make) -> None:
    x = whole(experiment)
    lines = (x.path / name).read_bytes().splitlines(keepends=True)
    seals = [number for number, line in enumerate(lines, 1) if b"mlv/seal" in line or b"mlv/end" in line]
    for number in range(1, len(lines) + 1):
        (x.path / name).write_bytes(b"".join(lines))
        garble(x.path / name, number)
        # The digits of a seal are covered by the next one; the garbled byte of its line by the seal itself, now unread.
        over = [seal for seal in seals if seal > number][: 0 if number in seals else 1]
        assert judge(x.path) == {("json.syntax", name, number)} | {("seal.digest", name, seal) for seal in over}, number


@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("name", ["meta.json", "meta/2.json"])
def test_the_digest_of_a_garbled_record_is_known(name: str, experiment: Make) -> None:
    x = whole(experiment)
    (x.path / name).write_bytes(b"[" + (x.path / name).read_bytes())
    expected: set[Place] = {("json.syntax", name, None)}
    places = [("log.jsonl", 1), ("log.jsonl", 13)] if name == "meta.json" else []
    places += [("log.jsonl", 13), ("log/gpu.jsonl", 1)]
    expected |= {("session.record", path, line) for path, line in places if (name, line) != ("meta.json", 13)}
    if name == "meta.json":
        expected = {("json.syntax", name, None), ("session.record", "log.jsonl", 1)}
        expected |= {("addition.experiment", "meta/2.json", None), ("addition.previous", "meta/2.json", None)}
        for path, line in (("log.jsonl", 1), ("log.jsonl", 13), ("log/gpu.jsonl", 1)):
            expected.add(("session.experiment", path, line))
    assert judge(x.path) == expected


@pytest.mark.parametrize(("seq", "wrong"), [(1, True), (2, True), (3, False), (4, False), (99, False)])
def test_after_a_masked_line_seq_must_only_be_greater(seq: int, wrong: bool, experiment: Make) -> None:
    log = experiment().log().start().event("a").raw(b"rubbish\n")
    log.seq = seq - 1
    log.event("a")
    expected: set[Place] = {("log.seq", "log.jsonl", 4)} if wrong else set()
    assert judge(log.experiment.path) == {("json.syntax", "log.jsonl", 3)} | expected


@pytest.mark.parametrize(("first", "last", "wrong"), [(2, 9, True), (3, 9, False), (4, 9, False), (4, 8, True)])
def test_after_a_masked_line_a_gap_must_only_start_later(first: int, last: int, wrong: bool, experiment: Make) -> None:
    log = experiment().log().start().event("a").raw(b"rubbish\n")
    log.seq = 9
    log.event("mlv/dropped", {"first": first, "last": last, "reasons": {}})
    expected: set[Place] = {("log.dropped", "log.jsonl", 4)} if wrong else set()
    assert judge(log.experiment.path) == {("json.syntax", "log.jsonl", 3)} | expected


def test_a_finding_that_no_masked_line_can_explain_is_reported(experiment: Make) -> None:
    log = experiment().log().start().event("a", span="begin").event("a", span="end", begin=2, seconds=0)
    log.raw(b"rubbish\n")
    log.seq += 1
    log.event("b", within=2)  # ended on a line that can be read
    log.event("b", within=4).event("b", span="end", begin=4, seconds=0)  # may have begun on the masked line
    log.event("b", within=4)  # ended by now
    log.event("b", within=6)  # no begin event
    log.event("mlv/rewind", {"to": 0}).event("b", span="end", begin=4, seconds=0)
    expected = {("json.syntax", "log.jsonl", 4), ("span.within", "log.jsonl", 5), ("span.within", "log.jsonl", 8)}
    expected |= {("span.within", "log.jsonl", 9), ("span.end", "log.jsonl", 11)}
    assert judge(log.experiment.path) == expected


def test_the_version_of_a_session_whose_start_is_masked_is_not_known(experiment: Make) -> None:
    x = experiment()
    log = x.log().start().raw(b"rubbish\n")
    log.seq += 1
    log.event("a", more=1).start().event("a", more=1)
    assert judge(x.path) == {("json.syntax", "log.jsonl", 2), ("event.unknown-members", "log.jsonl", 5)}
    x.log().start().event("a", more=1).event("mlv/new").start().event("mlv/new")
    unknown = {("event.reserved", "log.jsonl", 3), ("event.reserved", "log.jsonl", 5)}
    assert judge(x.path) == {("event.unknown-members", "log.jsonl", 2), *unknown}, "line 2 isn't a start of a session"


def test_a_refused_session_is_not_judged_and_has_no_findings(experiment: Make) -> None:
    x = experiment()
    own = {"_mlv": "event", "experiment": x.id, "stream": "log/a.jsonl", "seq": 50}
    x.log("log/a.jsonl").start().event("a", within=9).start(mlv="2.0", new=1).raw(b"rubbish\nrubbish")
    x.log().start().event("a", {"e": own}).end(streams={"log/a.jsonl": 60})
    for sealed in (False, True):
        [target] = validate(x.path, sealed=sealed).targets
        assert [(f.rule, f.path, f.line) for f in target.findings] == [("span.within", "log/a.jsonl", 2)]
        [entry] = target.unchecked
        assert (entry.path, target.experiments[0].sealed) == ("log/a.jsonl", None)
        assert entry.reason.startswith("from line 3 on: it is of version 2.0")


def test_a_record_of_an_unknown_version_leaves_the_experiment_unchecked_but_not_those_below(experiment: Make) -> None:
    x = experiment(tags=5)
    experiment("x/sub", tags=5)
    x.add(2, mlv="3.7")
    [target] = validate(x.path).targets
    assert [(f.rule, f.path) for f in target.findings] == [("meta.tags", "sub/meta.json")]
    assert [entry.path for entry in target.unchecked] == ["meta/2.json"]


def test_seals_after_one_that_cannot_be_read(experiment: Make) -> None:
    log = experiment().log().start().seal().event("a").seal().event("a").seal()
    content = log.path.read_bytes().splitlines(keepends=True)
    assert judge(log.experiment.path) == set()
    spaced = list(content)
    spaced[1] = content[1].replace(b'"}}\n', b'"}} \n')  # its form is wrong: its place is unknown
    log.path.write_bytes(b"".join(spaced))
    places = {("seal.form", "log.jsonl", 2), ("seal.digest", "log.jsonl", 4), ("seal.from", "log.jsonl", 6)}
    assert judge(log.experiment.path) == places
    wrong = list(content)
    start = json.loads(content[3])["data"]["from"]
    wrong[3] = content[3].replace(b'"from":%d' % start, b'"from":%d' % (start + 1))
    log.path.write_bytes(b"".join(wrong))
    assert judge(log.experiment.path) == {("seal.from", "log.jsonl", 4)}


def test_ranges_are_a_set_of_integers() -> None:
    import random

    rng = random.Random(3)
    for _ in range(300):
        ranges, expected = Ranges(), set[int]()
        for _ in range(rng.randrange(20)):
            first = rng.randrange(60)
            last = first + rng.randrange(-1, 6)
            ranges.add(first, last)
            expected |= set(range(first, last + 1))
            assert [number for number in range(-2, 70) if number in ranges] == sorted(expected)


def test_a_sequence_allows_for_what_a_masked_line_may_have_been() -> None:
    sequence = Sequence()
    for seq in (1, 2, None, 7, 3):
        sequence.add_masked() if seq is None else sequence.add(seq)
    assert [seq for seq in range(10) if seq in sequence] == [1, 2, 3, 4, 5, 6, 7]
    assert (sequence.reaches(7), sequence.reaches(8)) == (True, False)
    sequence.add_masked()
    assert 8 in sequence and 3 in sequence and sequence.reaches(10**15)


def test_a_span_whose_start_may_be_masked_ends_once() -> None:
    spans = Spans()
    spans.add_masked(3, 5)
    assert [spans.is_open(seq) for seq in (2, 3, 5, 6)] == [False, True, True, False]
    assert spans.end(4) is None and not spans.is_open(4)
    spans.clear()
    assert not spans.is_open(3)
