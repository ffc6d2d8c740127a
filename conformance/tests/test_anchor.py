"""Anchors: every change of a cited record is found, even if the directory was made valid again."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from mlv_validate import Match, Target, make_statement, validate
from mlvlogger import Exp

ROOT = Path(__file__).parents[2]
LAST_SEAL = re.compile(rb'"from":[0-9]+,"sha256":"[0-9a-f]{64}"\}\}\n\Z')


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment with everything that a record has."""
    with Exp(tmp_path, "e", {"lr": 0.25}) as exp:
        (tmp_path / "cm.png").write_bytes(b"picture")
        exp.log.event("batch", loss=0.5)
        exp.stream("gpu").event("memory", used=1)
        exp.attach(tmp_path / "cm.png")
        with exp.sub("pruned", {"ratio": 0.5}) as sub:
            sub.log.event("batch", loss=0.25)
            sub.attach(tmp_path / "cm.png")
    with Exp.open(exp.path, {"split": "test"}, stream="evaluate") as further:
        further.log.event("accuracy", value=0.75)
    return exp.path


def last_seal(path: Path) -> str:
    return str(json.loads((path / "log.jsonl").read_bytes().splitlines()[-1])["data"]["sha256"])


def repair(root: Path) -> None:
    """Compute all digests in a tree again, as someone does who hides a change."""
    before: dict[str, str] = {}
    for path in [root, *(path.parent for path in sorted(root.rglob("*/meta.json")))]:
        _repair_one(path, before)


def _repair_one(path: Path, known: dict[str, str]) -> None:
    """Compute the digests of one experiment again; `known` has the new digest of each old one."""

    def replaced(text: bytes) -> bytes:
        for old, new in known.items():
            text = text.replace(old.encode(), new.encode())
        return text

    for record in [path / "meta.json", *sorted((path / "meta").glob("*.json"))]:
        old = ORIGINAL[record]
        record.write_bytes(replaced(record.read_bytes()))
        known[digest(old)] = digest(record.read_bytes())
    for file in sorted(path.glob("files/*")):
        known[digest(ORIGINAL[file])] = digest(file.read_bytes())
        known[f'"size":{len(ORIGINAL[file])}'] = f'"size":{file.stat().st_size}'
    for stream in [*sorted((path / "log").glob("*.jsonl")), path / "log.jsonl"]:
        out, place = b"", 0
        for line in replaced(stream.read_bytes()).splitlines(keepends=True):
            if seal := LAST_SEAL.search(line):
                head = line[: seal.start()] + b'"from":%d,"sha256":"' % place
                new = digest(out[place:] + head)
                known[line[-68:-4].decode()] = new
                place = len(out) + len(head)
                line = head + new.encode() + b'"}}\n'
            out += line
        stream.write_bytes(out)


ORIGINAL: dict[Path, bytes] = {}


def files(root: Path) -> Iterator[Path]:
    yield from (path for path in sorted(root.rglob("*")) if path.is_file())


def changed(path: Path) -> bytes:
    """The bytes of a file with one changed: in JSON, a digit of a value."""
    raw = path.read_bytes()
    if path.suffix not in (".json", ".jsonl"):
        return raw[:-1] + b"X"
    pattern = {"meta.json": rb'("created": ?"20)[0-9]', "log": rb'("time":"20)[0-9]'}
    key = "log" if path.suffix == ".jsonl" else "meta.json"
    return re.sub(pattern[key], rb"\g<1>1", raw, count=1)


def record_files(experiment: Path) -> list[str]:
    return sorted(path.relative_to(experiment).as_posix() for path in files(experiment))


def test_every_change_is_found_by_the_anchor_and_not_without_it(experiment: Path, tmp_path: Path) -> None:
    names = record_files(experiment)
    assert len(names) == 9, names
    statement = make_statement(experiment)
    assert [file.path for file in statement.files] == names
    missed = {}
    for name in names:
        copy = tmp_path / "copy"
        shutil.copytree(experiment, copy)
        ORIGINAL.clear()
        ORIGINAL.update({path: path.read_bytes() for path in files(copy)})
        new = changed(copy / name)
        assert new != ORIGINAL[copy / name] and len(new) == len(ORIGINAL[copy / name])
        (copy / name).write_bytes(new)
        repair(copy)
        assert (found := validate(copy, sealed=True).targets[0]).verdict == "valid", (name, found.findings)
        for given in (statement.raw, None):
            [target] = validate(copy, anchor=statement.anchor, statement=given).targets
            rules = {finding.rule for finding in target.findings}
            if target.verdict != "invalid" or rules != {"statement.files" if given else "anchor.match"}:
                missed[name] = target.findings
        assert any(
            f.path == name for f in validate(copy, anchor=statement.anchor, statement=statement.raw).targets[0].findings
        )
        shutil.rmtree(copy)
    assert missed == {}


def match(target: Target) -> Match:
    [found] = target.matches
    return found


def test_a_seal_covers_the_other_streams_that_were_sealed_and_lists_the_rest(experiment: Path) -> None:
    [target] = validate(experiment, anchor=last_seal(experiment)).targets
    assert target.verdict == "valid" and match(target).kind == "seal"
    assert [(stream.path, stream.later) for stream in match(target).streams] == [("log.jsonl", 0), ("log/gpu.jsonl", 0)]
    uncovered = match(target).uncovered
    assert [path for path in uncovered if "pruned" not in path] == ["log/evaluate.jsonl", "meta/2.json"]
    assert sum("pruned" in path for path in uncovered) == 3 and not match(target).is_whole


def test_the_last_seal_after_a_resume_covers_the_streams_of_further_scripts(experiment: Path) -> None:
    Exp.resume(experiment).close()
    [target] = validate(experiment, anchor=last_seal(experiment)).targets
    assert [path for path in match(target).uncovered if "pruned" not in path] == []


def test_a_stream_that_is_sealed_again_is_found_by_the_seal_of_log_jsonl(experiment: Path) -> None:
    gpu = experiment / "log/gpu.jsonl"
    ORIGINAL.clear()
    ORIGINAL.update({path: path.read_bytes() for path in files(experiment)})
    log = (experiment / "log.jsonl").read_bytes()
    gpu.write_bytes(gpu.read_bytes().replace(b'"used":1', b'"used":2'))
    repair(experiment)
    (experiment / "log.jsonl").write_bytes(log)
    [target] = validate(experiment).targets
    assert [(finding.rule, finding.path) for finding in target.findings] == [("end.seals", "log.jsonl")]


def test_a_continued_experiment_is_unchanged_up_to_a_seq(experiment: Path) -> None:
    statement = make_statement(experiment)
    (experiment / "mlv-statement.txt").write_bytes(statement.raw)
    with Exp.resume(experiment) as exp:
        exp.log.event("batch", loss=0.125)
    [target] = validate(experiment, anchor=statement.anchor).targets
    assert target.verdict == "valid" and match(target).path == "mlv-statement.txt"
    [main] = [stream for stream in match(target).streams if stream.path == "log.jsonl"]
    assert (main.seq, main.later) == (4, 3) and match(target).uncovered == ("meta/3.json",)
    (experiment / "mlv-statement.txt").unlink()
    assert validate(experiment, anchor=statement.anchor).verdict == "invalid"
    assert validate(experiment, anchor=statement.anchor, statement=statement.raw).verdict == "valid"


def test_workers_find_the_same(experiment: Path) -> None:
    statement, seal = make_statement(experiment).anchor, last_seal(experiment)
    for anchor in (statement, seal, last_seal(next(experiment.rglob("pruned"))), "0" * 64):
        assert validate(experiment, anchor=anchor, jobs=3) == validate(experiment, anchor=anchor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anchor": "sha256:12"}, "isn't an anchor"),
        ({"anchor": "0" * 64, "statement": b"mlv-statement 1.0\n"}, "isn't the one with the digest"),
        ({"statement": b"mlv-statement 1.0\n"}, "needs the anchor"),
        ({"anchor": digest(b"x"), "statement": b"x"}, "isn't the one with the digest"),
    ],
)
def test_a_wrong_anchor_is_an_error_with_advice(options: dict[str, Any], message: str, experiment: Path) -> None:
    with pytest.raises(ValueError, match=message):
        validate(experiment, **options)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_what_is_no_experiment_has_no_statement(make: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_statement(tmp_path / "x")
    make(tmp_path / "x")
    with pytest.raises(ValueError, match="has no statement: it isn't an experiment"):
        make_statement(tmp_path / "x")


def test_a_statement_leads_to_no_file_outside_and_through_no_link(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("x")
    (experiment / "link").symlink_to(tmp_path / "outside")
    for path, rule in (("../outside/x", "anchor.match"), ("link/x", "statement.files")):
        raw = f"mlv-statement 1.0\n{digest(b'x')} 1 {path}\n".encode()
        (experiment / "mlv-statement-2.txt").write_bytes(raw)
        [target] = validate(experiment, anchor=digest(raw)).targets
        assert [finding.rule for finding in target.findings] == [rule]


def test_hostile_statements_and_files_are_bounded(experiment: Path) -> None:
    """Neither a pipe nor a huge file is read, whatever a statement says."""
    os.mkfifo(experiment / "mlv-statement.txt")
    with (experiment / "mlv-statement-2.txt").open("wb") as huge:
        huge.truncate(1 << 40)
    os.mkfifo(experiment / "files/pipe")
    with (experiment / "files/huge").open("wb") as huge:
        huge.truncate(1 << 40)
    lines = [f"{'0' * 64} {9 * 10**18} files/{name}\n" for name in ("absent", "huge", "pipe")]
    raw = "".join(["mlv-statement 1.0\n", *lines]).encode()
    (experiment / "mlv-statement-3.txt").write_bytes(raw)
    [target] = validate(experiment, anchor=digest(raw)).targets
    assert [(f.rule, f.path) for f in target.findings] == [
        ("statement.files", f"files/{name}") for name in ("absent", "huge", "pipe")
    ]
    [target] = validate(experiment, anchor="0" * 64).targets
    assert target.verdict == "unchecked" and "sparse file" in target.unchecked[0].reason
    with pytest.raises(ValueError, match="has no statement: .*sparse file"):
        make_statement(experiment)


def test_files_too_deep_to_search_leave_no_statement(experiment: Path) -> None:
    deep = experiment.joinpath("files", *["d"] * 64)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    assert any(file.path.endswith("d/d/x") for file in make_statement(experiment).files)
    (deep / "d").mkdir()
    with pytest.raises(ValueError, match="more than 64 directories deep"):
        make_statement(experiment)


def test_the_report_shows_no_control_characters(experiment: Path, capfd: pytest.CaptureFixture[str]) -> None:
    statement = make_statement(experiment)
    (experiment / "mlv-statement.txt").write_bytes(statement.raw)
    (experiment / "files/\x1b[2J.txt").write_text("x")
    command = [sys.executable, "-m", "mlv_validate", "--anchor", statement.anchor, str(experiment)]
    subprocess.run(command, check=True)
    printed = capfd.readouterr().out
    assert f"anchor: fits {experiment}/mlv-statement.txt\n" in printed
    assert f"unchanged: {experiment}/log.jsonl up to seq 4\n" in printed
    assert f"not covered: {experiment}/files/\\x1b[2J.txt\n" in printed
    subprocess.run([*command, "--format", "json"], check=True)
    report = json.loads(capfd.readouterr().out)
    schema = json.loads((ROOT / "spec/1.0/schemas/report.schema.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(report)] == []
    assert report["anchor"] == statement.anchor
    [found] = report["targets"][0]["matches"]
    assert found["kind"] == "statement" and found["uncovered"] == ["files/\x1b[2J.txt"]


def test_the_command_has_an_exit_code_for_each_result(experiment: Path, tmp_path: Path) -> None:
    statement = make_statement(experiment)
    kept, other = tmp_path / "statement.txt", tmp_path / "other.txt"
    kept.write_bytes(statement.raw)
    other.write_bytes(statement.raw[:-1])
    gpu = experiment / "log/gpu.jsonl"

    def run(*options: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "mlv_validate", *map(str, options), str(experiment)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, printed = run("--anchor", statement.anchor, "--format", "github")
    assert code == 0 and "anchor: fits the statement of the files as they are\n" in printed
    code, printed = run("--anchor", statement.anchor.removeprefix("sha256:"), "--statement", kept)
    assert code == 0 and "unchanged: " in printed
    code, printed = run("--anchor", "0" * 64)
    assert code == 1 and "error: anchor.match: no statement and no seal of log.jsonl has the digest 000" in printed
    code, printed = run("--anchor", "sha256:12")
    assert code == 2 and "--anchor: 'sha256:12' isn't an anchor. Pass the 64 digits of the citation" in printed
    code, printed = run("--anchor", statement.anchor, "--statement", other)
    assert code == 2 and "Pass the statement that was cited." in printed
    code, printed = run("--statement", kept)
    assert code == 2 and "a statement needs the anchor" in printed
    with gpu.open("ab") as file:
        file.write(b"x")
    code, printed = run("--anchor", statement.anchor, "--statement", kept, "-q")
    torn = f"{gpu}:4: warning: log.torn: 1 bytes after the last line feed: not part of the log\n"
    assert code == 0 and printed.startswith(f"{torn}anchor: fits the statement of the files as they are\n")
    gpu.write_bytes(gpu.read_bytes()[:-2])
    code, printed = run("--anchor", statement.anchor, "--statement", kept)
    assert code == 1 and f"{gpu}: error: statement.files: it has " in printed


@pytest.mark.parametrize("options", [("-q",), ("--format", "github", "-q")])
def test_what_an_anchor_covers_is_printed_with_quiet(experiment: Path, options: tuple[str, ...]) -> None:
    seal = last_seal(experiment)
    with Exp.resume(experiment, {"more": 1}) as exp:
        exp.log.event("later", loss=0.5)
    command = [sys.executable, "-m", "mlv_validate", "--anchor", seal, *options, str(experiment)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[:2] == [
        f"anchor: fits {experiment}/log.jsonl:4",
        f"unchanged: {experiment}/log.jsonl up to seq 4; 3 later lines not covered",
    ]
    assert f"not covered: {experiment}/meta/3.json" in lines
    assert {line.partition(":")[0] for line in lines} == {"anchor", "unchanged", "not covered"}


def test_sarif_and_junit_have_what_an_anchor_covers(experiment: Path) -> None:
    statement = make_statement(experiment)
    (experiment / "mlv-statement.txt").write_bytes(statement.raw)
    (experiment / "files/[x](y) \x1b.txt").write_text("x")
    with Exp.resume(experiment / "experiment/pruned") as sub:
        sub.log.event("later", loss=0.5)
    command = [sys.executable, "-m", "mlv_validate", "--anchor", statement.anchor, str(experiment.parent)]

    def printed(*options: str) -> str:
        done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
        return done.stdout

    lines = [line for line in printed("-q").splitlines() if line.startswith(("anchor", "unchanged", "not covered"))]
    pruned = f"{experiment}/experiment/pruned"
    assert f"anchor: fits {experiment}/mlv-statement.txt" in lines
    assert f"unchanged: {pruned}/log.jsonl up to seq 4; 3 later lines not covered" in lines
    assert f"not covered: {experiment}/files/[x](y) \\x1b.txt" in lines
    log = json.loads(printed("--format", "sarif"))
    schema = json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_text("utf-8"))
    Draft4Validator(schema).validate(log)
    notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert {note["level"] for note in notes} == {"note"}
    assert [note["message"]["text"].replace("]\\x28", "](") for note in notes] == lines
    places = [note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for note in notes]
    assert f"file://{pruned}/log.jsonl" in places and f"file://{experiment}/mlv-statement.txt" in places
    suites = ElementTree.fromstring(printed("--format", "junit"))
    cases = {case.get("name"): case.findtext("system-out", "").split("\n")[1:-1] for case in suites.iter("testcase")}
    assert list(cases) == [str(experiment), pruned]
    assert sorted(cases[str(experiment)] + cases[pruned]) == sorted(lines)
    assert f"unchanged: {pruned}/log.jsonl up to seq 4; 3 later lines not covered" in cases[pruned]
    assert {suite.get("failures") for suite in suites.iter("testsuite")} == {"0"}
