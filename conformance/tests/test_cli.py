"""The command: what it prints, where, and its exit codes."""

import importlib.metadata
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import mlv_validate
from mlv_validate import RULES, Omitted, _cli, validate
from mlv_validate._findings import Findings
from mlv_validate._schema.checks import SCHEMAS

Make = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PACKAGE = Path(mlv_validate.__file__).parent
# ESC, CSI, DEL, a right-to-left override, a zero-width space, a line separator, two bytes that are not UTF-8.
NASTY = "\x1b[31m\x9b2J\x7f\u202e\u200b\u2028\udcff\udcfe"
COMMANDS = ["::error::gotcha", "##vso[task.complete]", "##[error]gotcha", "##teamcity[buildStop]"]


# What is printed.


@pytest.mark.slow
def test_a_finding_is_printed_in_the_form_of_a_compiler_message(experiment: Make, run: Run) -> None:
    x = experiment("runs/x")
    log = x.log().start().event("a")
    log.raw(b'{"seq":3,"time":"2026-11-22 18:24:00","event":"a","data":{}}\n').raw(b"torn")
    experiment("runs/y", name="y").log().start().end()
    done = run("runs")
    assert done.stdout == (
        "runs/x/log.jsonl:3: error: event.time: time is '2026-11-22 18:24:00', not a UTC time with six digits and Z\n"
        "runs/x/log.jsonl:4: warning: log.torn: 4 bytes after the last line feed: not part of the log\n"
        "experiment: runs/x: open, not sealed, 2 events\n"
        "experiment: runs/y: completed, sealed, 2 events\n"
        "invalid: 1 error, 1 warning in 2 experiments, 4 events (MLV 1.0)\n"
    )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.slow
def test_the_text_for_a_valid_experiment(experiment: Make, run: Run) -> None:
    experiment("x").log().start()
    done = run("x", "x/log.jsonl")
    assert done.stdout == (
        "experiment: x: open, not sealed, 1 event\n"
        "valid: x: 1 experiment, 1 event (MLV 1.0)\n"
        "valid: x/log.jsonl: 1 event (MLV 1.0)\n"
    )
    assert done.returncode == 0
    done = run("--require-sealed", ".")
    assert done.stdout == (
        "x/log.jsonl:1: error: seal.last: the last line is 'mlv/start', not a seal\n"
        "experiment: x: open, not sealed, 1 event\n"
        "invalid: 1 error in 1 experiment, 1 event (MLV 1.0, level Sealed)\n"
    )


@pytest.mark.slow
def test_the_json_report_is_valid_by_its_schema_and_deterministic(experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment("runs/x")
    x.log().start().event("a", within=5).raw(b"\xff\n")
    x.add(3 - 1, tags=["a"])
    experiment("runs/new", mlv="2.0")
    (tmp_path / "runs/x/meta/02.json").write_text("{}")
    done = run("--format", "json", "runs", "runs/x/log.jsonl")
    report = json.loads(done.stdout)
    Draft202012Validator(SCHEMAS["report"]).validate(report)
    assert report["totals"] == {"experiments": 2, "events": 4, "errors": 4, "warnings": 1, "unchecked": 1}
    assert report["targets"][0]["experiments"] == [
        {"path": "new", "id": validate(tmp_path / "runs/new").targets[0].experiments[0].id, "name": None, "state": None}
        | {"sealed": None, "events": 0},
        {"path": "x", "id": x.id, "name": "x", "state": "open", "sealed": False, "events": 2},
    ]
    assert run("--format", "json", "runs", "runs/x/log.jsonl").stdout == done.stdout
    assert done.returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [20, 21, 100])
def test_many_findings_are_printed_as_a_number(number: int, experiment: Make, run: Run) -> None:
    experiment("x").log().start().raw(b"\n" * number)
    lines = run("x").stdout.splitlines()
    assert sum("log.blank: the line is blank" in line for line in lines) == 20
    more = [f"x/log.jsonl: error: log.blank: {number - 20} more"] if number > 20 else []
    assert lines[20:-2] == more
    assert len(json.loads(run("x", "--format", "json").stdout)["targets"][0]["findings"]) == number


@pytest.mark.slow
def test_after_a_thousand_findings_of_a_rule_in_a_file_the_rest_is_only_counted(experiment: Make, run: Run) -> None:
    x = experiment("x")
    x.log().start().raw(b"\n" * 2500 + b"{\n" * 3)
    x.log("log/a.jsonl").start().raw(b"\n" * 1000)
    [target] = validate(x.path).targets
    assert target.omitted == (Omitted("log.blank", "error", "log.jsonl", 1500),)
    assert Counter((finding.path, finding.rule) for finding in target.findings) == {
        ("log.jsonl", "log.blank"): 1000,
        ("log.jsonl", "json.syntax"): 3,
        ("log/a.jsonl", "log.blank"): 1000,
    }
    assert (target.errors, target.warnings) == (3503, 0)
    reported = {(one.path, one.line): one.message for one in target.findings if one.rule == "log.blank"}
    assert {place: message for place, message in reported.items() if message != "the line is blank"} == {
        ("log.jsonl", 1001): "the line is blank; 1500 more of this rule in this file are counted, not listed"
    }
    assert "x/log.jsonl: error: log.blank: 2480 more\n" in (printed := run("x").stdout)
    assert "invalid: 3503 errors in 1 experiment, 2 events (MLV 1.0)\n" in printed
    report = validate(x.path).to_json()
    Draft202012Validator(SCHEMAS["report"]).validate(report)
    assert report["totals"]["errors"] == 3503


def test_a_finding_of_the_last_line_that_is_only_counted_still_breaks_seal_last(experiment: Make) -> None:
    x = experiment("x")
    log = x.log().start()
    for _ in range(1002):
        log.event("mlv/seal", {"from": 0, "sha256": "0" * 64})
    [target] = validate(x.path, sealed=True).targets
    assert ("seal.from", 1) in [(entry.rule, entry.number) for entry in target.omitted]
    assert [one.message for one in target.findings if one.rule == "seal.last"] == [
        "the last line is a seal, but there is a finding at it"
    ]


def test_a_finding_that_is_only_counted_is_counted_once() -> None:
    findings = Findings()
    for line in range(1, 1501):
        for _ in range(2):
            findings.add("log.blank", "log.jsonl", line, "the line is blank")
    assert (len(findings.listed), findings.omitted[0].number) == (1000, 500)
    assert (
        findings.has_finding_at("log.jsonl", 1000)
        and findings.has_finding_at("log.jsonl", 1500)
        and not findings.has_finding_at("log.jsonl", 1501)
    )


def test_many_experiments_are_printed_as_a_number(experiment: Make, run: Run) -> None:
    for number in range(25):
        experiment(f"runs/{number}", nonce=f"{number:032}")
    assert run("runs").stdout.splitlines()[-2:] == [
        "experiments: 5 more",
        "valid: 25 experiments, 0 events (MLV 1.0)",
    ]


# What is printed of what a directory says.


def nasty(experiment: Make, tmp_path: Path) -> None:
    """An experiment in which every string that may be shown is made to do harm."""
    for number, command in enumerate([NASTY, *COMMANDS, "new\nline", "--help", "[red]rich[red]:smile:"]):
        text = command.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        x = experiment(f"runs/{command}", name=text, kind=text, tags=[text, text], nonce=f"{number:032}", **{text: 1})
        x.add(2, tags=[text], params={text: 1}, **{text: text})
        x.add(3, params={text: 2})
        log = x.log().start(host=text).event(text, {text: {"_mlv": text}, "file": {"_mlv": "file", "path": text}})
        log.event("a", {"e": {"_mlv": "event", "experiment": x.id, "stream": text, "seq": 1}}, span=text)
        log.event("a", {"f": x.write("files/a", "a") | {"path": f"files/{text}"}}, **{text: text})
        log.event("a", {"f": x.write("other", "a") | {"path": text.replace("\n", "").replace("\x1b", "")}})
        log.event("a", span="begin").event(text.strip("\x1b"), span="end", begin=6, seconds=1)
        log.event("mlv/start", {"mlv": "1.0", "requires": [text], "writer": {}, "pid": text})
        x.log("log/a.jsonl").start().event("mlv/end", {"status": text}).end(streams={text: 1}).raw(text.encode())
        (x.path / f"log/{command}.jsonl").write_bytes(b"")
        (x.path / f"meta/{command}.json").mkdir(parents=True)
        (x.path / command).mkdir()
    os.mkfifo(tmp_path / "runs/2")


CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
@pytest.mark.parametrize("arguments", [("runs",), ("--format", "json", "runs"), (".",), ("--require-sealed", "runs")])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_nothing_printed_is_a_terminal_command(
    arguments: tuple[str, ...], locale: str, experiment: Make, run: Run, tmp_path: Path
) -> None:
    nasty(experiment, tmp_path)
    done = run(*arguments, env={"LC_ALL": locale})
    assert done.returncode == 3 and done.stderr == ""
    printed = done.stdout
    assert not CONTROL.search(printed) and len(printed) > 5000
    for line in printed.splitlines():
        assert not line.lstrip().startswith(("::", "#", "[")) or line.strip() in ("[", "[]", "[],"), line
        assert "##" not in line
    if "json" not in arguments:
        start = re.compile(r"(\./|runs/|experiments?: |unchecked: |valid: |invalid: )")
        assert [line for line in printed.splitlines() if not start.match(line)] == []


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
def test_an_argument_is_escaped_as_well(experiment: Make, run: Run) -> None:
    for command in [NASTY, *COMMANDS]:
        experiment(command, tags=5)
        for arguments in (
            [command],
            [f"gone{command}"],
            [f"--{command}"],
            ["--explain", command],
            ["--format", command],
        ):
            done = run(*arguments)
            printed = done.stdout + done.stderr
            assert done.returncode in (1, 2) and not CONTROL.search(printed), printed
            assert not re.search(r"^\s*::|##", printed, re.MULTILINE)


def test_different_file_names_are_printed_differently(experiment: Make, run: Run) -> None:
    experiment("runs/\udcff", tags=5)
    experiment("runs/\n", tags=5, nonce="1" * 32)
    lines = run("runs").stdout.splitlines()
    message = "error: meta.tags: tags is 5, not an array of different, non-empty strings"
    assert lines[:2] == [f"runs/\\x0a/meta.json: {message}", f"runs/\\xff/meta.json: {message}"]


# Terminals and pipes.


def on_a_terminal(directory: Path, *arguments: str, **env: str) -> str:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlv_validate", *arguments],
        cwd=directory,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color", "COLUMNS": "80", **env},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    printed = b""
    try:
        while part := os.read(leader, 1 << 16):
            printed += part
    except OSError:  # EIO: no one has the terminal open any more
        pass
    finally:
        os.close(leader)
    process.wait(timeout=240)
    return printed.decode().replace("\r\n", "\n")


COLOR = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.slow
def test_a_terminal_gets_colors_unless_they_are_turned_off(experiment: Make, run: Run, tmp_path: Path) -> None:
    experiment("x" * 200, tags=5, name="[red]")
    plain = run(".").stdout
    assert "\x1b" not in plain and "\x1b" not in run(".", env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}).stdout
    colored = on_a_terminal(tmp_path, ".")
    assert COLOR.search(colored) and COLOR.sub("", colored) == plain
    assert on_a_terminal(tmp_path, ".", NO_COLOR="1") == plain


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
def test_a_terminal_gets_no_command_from_a_directory(experiment: Make, tmp_path: Path) -> None:
    nasty(experiment, tmp_path)
    printed = on_a_terminal(tmp_path, "runs")
    assert not CONTROL.search(COLOR.sub("", printed))
    assert {code for code in COLOR.findall(printed)} <= {"\x1b[1;31m", "\x1b[33m", "\x1b[1;32m", "\x1b[1m", "\x1b[0m"}
    assert "[red]rich[red]:smile:" in printed


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error(experiment: Make, tmp_path: Path) -> None:
    x = experiment("x")
    for number in range(3000):
        (x.path / "log").mkdir(exist_ok=True)
        (x.path / f"log/{number} .jsonl").write_bytes(b"")
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    for arguments in (["x"], ["--format", "json", "x"]):
        command = [sys.executable, "-m", "mlv_validate", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1)
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=240) == 0
        process.stderr.close()


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def check(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli, "check_paths", check)
    with pytest.raises(SystemExit) as ended:
        _cli.main(["."])
    assert ended.value.code == 130
    assert "".join(capsys.readouterr()).strip() == ""


# Exit codes.


@pytest.mark.slow
@pytest.mark.rule("validator.exit")
def test_exit_code_3_wins_over_2_and_2_over_1(experiment: Make, run: Run, tmp_path: Path) -> None:
    experiment("valid")
    experiment("warned").log().start().raw(b"torn")
    experiment("invalid", tags=5)
    experiment("unchecked", mlv="2.0")
    (tmp_path / "empty").mkdir()
    codes = {"valid": 0, "warned": 0, "invalid": 1, "gone": 2, "unchecked": 3, "empty": 3}
    for one, code in codes.items():
        assert run(one).returncode == code, one
        for other in codes:
            for options in ([], ["--format", "json"]):
                assert run(*options, one, other).returncode == max(code, codes[other]), (one, other)


@pytest.mark.slow
@pytest.mark.rule("validator.exit")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--bogus"],
        ["--format", "xml", "."],
        ["--format"],
        ["gone"],
        ["gone", "--format", "json"],
        ["--explain", "x"],
        ["--select", "seel", "."],
        ["--select", "seal,", "."],
        ["--ignore", "log.tron", "."],
        ["--select", "writer.publish", "."],
        ["--select", "seal.last", "."],
        ["--select", "seal", "--ignore", "seal.*", "."],
        ["--select", "seal", "--format", "json", "."],
        ["--fail-on", "note", "."],
        ["--jobs", "0", "."],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mlv-validate: error: ")


def test_the_hint_to_help_is_printed_once(run: Run) -> None:
    done = run("gone", "away")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "mlv-validate: error: 'gone' does not exist.",
        "mlv-validate: error: 'away' does not exist.",
        "Try 'mlv-validate --help'.",
    ]


@pytest.mark.slow
@pytest.mark.rule("validator.exit")
def test_no_option_turns_unchecked_into_valid(experiment: Make, run: Run) -> None:
    experiment("x", mlv="2.0", tags=5)
    for options in ([], ["--require-sealed"], ["--format", "json"], ["--format", "json", "--require-sealed"]):
        assert run(*options, "x").returncode == 3


@pytest.mark.rule("validator.exit")
def test_a_fault_of_the_validator_is_unchecked(experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> None:
        raise RecursionError("a fault")

    monkeypatch.setattr("mlv_validate._targets.target.check_experiment", check)
    report = validate(experiment("x").path)
    assert (report.verdict, report.exit_code) == ("unchecked", 3)
    assert "RecursionError" in report.targets[0].unchecked[0].reason


# About the rules and itself.


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _cli.main(["--explain", rule])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for part in (rule, RULES[rule].text, RULES[rule].level, RULES[rule].hint, f"{RULES[rule].chapter}.md#{rule}"):
        assert part in printed


@pytest.mark.slow
def test_an_unknown_rule_gets_the_nearest_names(run: Run) -> None:
    done = run("--explain", "seal.frm")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith(
        "mlv-validate: error: rule 'seal.frm' does not exist. Did you mean seal.fr"
    )
    assert "unique-names" in run("--explain", "unique").stderr


@pytest.mark.slow
def test_the_rules_are_listed(run: Run, tmp_path: Path) -> None:
    judged = [rule.id for rule in RULES.values() if rule.class_ == "directory"]
    assert [line.split("\t")[0] for line in run("--list-rules").stdout.splitlines()] == judged
    table = COLOR.sub("", on_a_terminal(tmp_path, "--list-rules"))
    assert all(f"│ {rule} " in table for rule in judged)


@pytest.mark.slow
def test_version_and_help(run: Run) -> None:
    assert importlib.metadata.version("mlv-validate") == mlv_validate.__version__
    assert run("--version").stdout == f"mlv-validate {mlv_validate.__version__} (MLV 1.0)\n"
    assert run("-h").stdout == run("--help").stdout != ""


# The package.


def test_validate_is_for_one_path_or_several(experiment: Make, tmp_path: Path) -> None:
    x = experiment("x")
    assert validate(x.path) == validate(str(x.path)) == validate([x.path])
    assert len(validate([x.path, x.path]).targets) == 2
    assert validate([x.path, x.path]).verdict == "valid"
    with pytest.raises(FileNotFoundError, match="gone"):
        validate([x.path, tmp_path / "gone"])


def test_copies_are_found_across_all_paths_of_one_call(experiment: Make) -> None:
    x, y = experiment("x"), experiment("y")
    first, second = validate([x.path, y.path]).targets
    assert first.findings == ()
    assert [(finding.rule, finding.path) for finding in second.findings] == [("id.copies", "meta.json")]


def test_every_listed_name_is_public() -> None:
    public = {name for name in vars(mlv_validate) if not name.startswith("_")}
    assert sorted(mlv_validate.__all__) == sorted({*public, "__version__"})
    assert all(path.stem.startswith("_") for path in PACKAGE.glob("*.py"))
