"""The formats for other tools, the options that choose what is reported, and the bar on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator

from mlv_validate import RULES, Finding, Report, Target, Unchecked, validate
from mlv_validate._cli import main
from mlv_validate._output.github import annotations
from mlv_validate._output.junit import junit
from mlv_validate._output.sarif import sarif
from mlv_validate._read import directory
from mlv_validate._validate import check_paths

Make = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAMS = Path(__file__).with_name("programs")

# The schema of SARIF 2.1.0 as SchemaStore published it, from the npm package @microsoft/jest-sarif 1.0.0-beta.0 (MIT).
# No package for Python has it.
SARIF = Draft4Validator(json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_text("utf-8")))
FORMATS = ["text", "github", "sarif", "junit"]
HOSTILE = [
    "new\nline",
    "\r::error::gotcha",
    "::error file=a,line=1::gotcha",
    "##[error]gotcha",
    "]]><failure/>",
    "<!-- & \"'",
    "\x1b[31mred",
    "\udcff\udcfe",
    "100%0A::error::gotcha, a:b,c",
    "[gotcha](http:/example.org)".replace("/", "\\"),
    "{0}",
    "\ufffe\uffff\u202e",
]


@pytest.fixture
def mixed(experiment: Make) -> None:
    """An experiment with two errors and a warning, one that is valid, and one that cannot be checked."""
    x = experiment("runs/a x")
    x.log().start().raw(b"\n\n").raw(b"torn")
    experiment("runs/a x/sub", tags=5, nonce="1" * 32, parent=None)
    experiment("runs/new", mlv="2.0")
    experiment("runs/y", nonce="2" * 32).log().start().end()


# GitHub.


@pytest.mark.slow
def test_github_gets_an_annotation_for_each_finding_and_for_what_was_not_checked(mixed: None, run: Run) -> None:
    done = run("--format", "github", "runs")
    *annotations, verdict = done.stdout.splitlines()
    log = "file=runs/a x/log.jsonl,line"
    assert annotations == [
        f"::error {log}=2,title=log.blank::the line is blank",
        f"::error {log}=3,title=log.blank::the line is blank",
        f"::warning {log}=4,title=log.torn::4 bytes after the last line feed: not part of the log",
        *[line for line in annotations if "a x/sub" in line],
        "::error file=runs/new/meta.json,title=unchecked::it is of version 2.0; known is version 1 up to 1.0",
    ]
    assert verdict == run("runs").stdout.splitlines()[-1]
    assert (done.returncode, done.stderr) == (3, "")
    assert run("--format", "github", "--quiet", "runs").stdout.splitlines() == annotations


@pytest.mark.slow
def test_github_gets_the_number_of_many(experiment: Make, run: Run) -> None:
    experiment("x").log().start().raw(b"\n" * 1234)
    lines = run("--format", "github", "x").stdout.splitlines()
    assert lines[20:] == [
        "::error file=x/log.jsonl,title=log.blank::1214 more",
        "invalid: 1234 errors in 1 experiment, 1 event (MLV 1.0)",
    ]


def hostile(experiment: Make) -> None:
    for number, text in enumerate(HOSTILE):
        stored = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        x = experiment(f"runs/{text.replace('/', '')}", nonce=f"{number:032}", name=stored, **{stored: 1})
        x.log().start().event("a", {"file": {"_mlv": "file", "path": stored}}).event(stored, span=stored)
        (x.path / f"log/{text.replace('/', '')}.jsonl").parent.mkdir(exist_ok=True)
        (x.path / f"log/{text.replace('/', '')}.jsonl").write_bytes(b"")
        experiment(f"runs/new {text.replace('/', '')}", mlv="2.0", requires=[stored])


PROPERTY = r"(?:[^%:,\r\n]|%25|%0D|%0A|%3A|%2C)+"
ANNOTATION = re.compile(rf"::(error|warning) file={PROPERTY}(,line=\d+)?,title={PROPERTY}::(?:[^%\r\n]|%25|%0D|%0A)+")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_github_gets_no_command_from_a_directory(locale: str, experiment: Make, run: Run) -> None:
    hostile(experiment)
    printed = run("--format", "github", "runs", env={"LC_ALL": locale}).stdout
    *annotations, verdict = printed.splitlines()
    assert [line for line in annotations if not ANNOTATION.fullmatch(line)] == []
    assert len(annotations) > 2 * len(HOSTILE) and verdict.startswith("unchecked: ")
    assert not CONTROL.search(printed) and "##" not in printed
    assert "100%250A%3A%3Aerror%3A%3Agotcha%2C a%3Ab%2Cc" in printed


# SARIF.


@pytest.mark.slow
def test_sarif_is_valid_by_its_schema_and_deterministic(mixed: None, run: Run, tmp_path: Path) -> None:
    done = run("--format", "sarif", "runs", tmp_path / "runs/y")
    SARIF.validate(log := json.loads(done.stdout))
    [result] = log["runs"]
    rules = result["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule for rule in RULES if rule in {one["id"] for one in rules}]
    blank = next(rule for rule in rules if rule["id"] == "log.blank")
    assert blank == {
        "id": "log.blank",
        "shortDescription": {"text": RULES["log.blank"].text},
        "help": {"text": RULES["log.blank"].hint},
        "defaultConfiguration": {"level": "error"},
    }
    assert result["results"][0] == {
        "ruleId": "log.blank",
        "ruleIndex": rules.index(blank),
        "level": "error",
        "message": {"text": "the line is blank"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "runs/a%20x/log.jsonl"},
                    "region": {"startLine": 2},
                }
            }
        ],
    }
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in result["results"])
    tags = [one["locations"][0]["physicalLocation"] for one in result["results"] if one["ruleId"] == "meta.tags"]
    assert tags == [{"artifactLocation": {"uri": "runs/a%20x/sub/meta.json"}}]
    assert {one["level"] for one in result["results"]} == {"error", "warning"}
    assert result["invocations"] == [
        {
            "executionSuccessful": False,
            "toolExecutionNotifications": [
                {
                    "level": "error",
                    "message": {"text": "it is of version 2.0; known is version 1 up to 1.0"},
                    "locations": [{"physicalLocation": {"artifactLocation": {"uri": "runs/new/meta.json"}}}],
                }
            ],
        }
    ]
    assert run("--format", "sarif", "runs", tmp_path / "runs/y").stdout == done.stdout
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.slow
def test_the_sarif_of_a_valid_experiment(experiment: Make, run: Run) -> None:
    experiment("x")
    SARIF.validate(log := json.loads(run("--format", "sarif", "x").stdout))
    assert log["runs"][0]["results"] == log["runs"][0]["tool"]["driver"]["rules"] == []
    assert log["runs"][0]["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_the_schema_of_sarif_refuses_a_wrong_document() -> None:
    assert not SARIF.is_valid({"version": "2.1.0", "runs": [{"tool": {}}]})


@pytest.mark.slow
def test_an_address_in_sarif_is_that_of_the_file(experiment: Make, run: Run, tmp_path: Path) -> None:
    experiment("a/\udcff%:#?", tags=5)
    for target, before in (("a", b"a"), (".", b"a"), ("./a/", b"a"), (tmp_path / "a", bytes(tmp_path / "a"))):
        log = json.loads(run("--format", "sarif", target).stdout)
        uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote_to_bytes(uri.removeprefix("file://")) == before + b"/\xff%:#?/meta.json"
        assert uri.startswith("file:///") == os.path.isabs(target)


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
def test_a_directory_puts_only_text_into_sarif(experiment: Make, run: Run) -> None:
    hostile(experiment)
    printed = run("--format", "sarif", "runs").stdout
    SARIF.validate(log := json.loads(printed))
    assert printed.isascii() and not CONTROL.search(printed) and "##" not in printed
    messages = [one["message"]["text"] for one in log["runs"][0]["results"]]
    messages += [one["message"]["text"] for one in log["runs"][0]["invocations"][0]["toolExecutionNotifications"]]
    assert [text for text in messages if CONTROL.search(text) or re.search(r"\]\(|\{\d", text)] == []
    assert any("[gotcha]\\x28" in text for text in messages) and any("\\x7b0}" in text for text in messages)
    assert re.findall(r'(?m)^\s*(?!["{}\[\]]|\d|true|false)\S', printed) == []


# JUnit.


@pytest.mark.slow
def test_junit_has_a_suite_for_each_target_and_a_case_for_each_experiment(mixed: None, run: Run) -> None:
    done = run("--format", "junit", "runs", "runs/y/log.jsonl")
    first, second = ElementTree.fromstring(done.stdout)
    assert first.attrib == {"name": "runs", "tests": "4", "failures": "2", "errors": "1"}
    assert second.attrib == {"name": "runs/y/log.jsonl", "tests": "1", "failures": "0", "errors": "0"}
    a, sub, new, y = first
    assert [case.attrib["name"] for case in first] == ["runs/a x", "runs/a x/sub", "runs/new", "runs/y"]
    failure, output = a
    assert (failure.tag, failure.attrib) == ("failure", {"message": "2 errors"})
    assert failure.text == (
        "\nruns/a x/log.jsonl:2: error: log.blank: the line is blank"
        "\nruns/a x/log.jsonl:3: error: log.blank: the line is blank\n"
    )
    assert (output.tag, (output.text or "").split(": ")[1]) == ("system-out", "warning")
    assert [child.tag for child in sub] == ["failure"] and "runs/a x/sub/meta.json" in (sub[0].text or "")
    assert [(child.tag, child.attrib) for child in new] == [("error", {"message": "1 not checked"})]
    assert list(y) == list(second[0]) == []
    assert run("--format", "junit", "runs", "runs/y/log.jsonl").stdout == done.stdout
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.slow
def test_junit_of_a_directory_without_experiments_has_a_case_for_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    [suite] = ElementTree.fromstring(run("--format", "junit", "empty").stdout)
    assert [(case.attrib["name"], case[0].tag) for case in suite] == [("empty", "error")]
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("1", "1")


@pytest.mark.slow
def test_junit_counts_what_it_does_not_list(experiment: Make, run: Run) -> None:
    experiment("x").log().start().raw(b"\n" * 1234)
    [suite] = ElementTree.fromstring(run("--format", "junit", "x").stdout)
    assert suite[0][0].attrib == {"message": "1234 errors"}
    assert (suite[0][0].text or "").count("\n") == 22


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_directory_puts_only_text_into_junit(locale: str, experiment: Make, run: Run) -> None:
    hostile(experiment)
    printed = run("--format", "junit", "runs", env={"LC_ALL": locale}).stdout
    [suite] = ElementTree.fromstring(printed)
    assert len(suite) == 2 * len(HOSTILE)
    assert {child.tag for case in suite for child in case} == {"failure", "error", "system-out"}
    assert printed.isascii() and not CONTROL.search("".join(suite.itertext())) and "##" not in printed
    assert "]]>" not in printed and not re.search(r"(?m)^\s*::", printed)


# What a message holds is escaped where it is made; the formats do not count on that.


@pytest.mark.rule("validator.terminal")
@pytest.mark.parametrize(
    "format_", [lambda report: "\n".join(annotations(report)), sarif, partial(junit, warnings_fail=True)]
)
def test_a_format_escapes_every_message_and_path_itself(format_: Callable[[Report], str]) -> None:
    for text in HOSTILE:
        findings = (Finding("log.blank", "error", text, 1, text), Finding("log.torn", "warning", ".", 2, text))
        target = Target(text, (), findings, (), (Unchecked(text, text),), 0)
        printed = format_(Report("core", (target,)))
        assert not CONTROL.search(printed) and "##" not in printed
        for line in printed.splitlines():
            assert not line.lstrip().startswith("::") or ANNOTATION.fullmatch(line), line


# What is reported, and what fails.


@pytest.mark.slow
@pytest.mark.rule("validator.exit")
@pytest.mark.parametrize("format_", ["text", "json", "github", "sarif", "junit"])
def test_a_warning_fails_if_an_option_says_so(format_: str, experiment: Make, run: Run) -> None:
    experiment("warned").log().start().raw(b"torn")
    experiment("valid")
    experiment("new", mlv="2.0")
    done = run("--format", format_, "warned")
    assert (done.returncode, done.stderr) == (0, "")
    strict = run("--format", format_, "--fail-on", "warning", "warned")
    assert strict.returncode == 1
    assert strict.stderr == "mlv-validate: failed because of 1 warning (--fail-on warning)\n"
    if format_ == "junit":
        [suite] = ElementTree.fromstring(strict.stdout)
        assert suite[0][0].tag == "failure" and suite[0][0].attrib == {"message": "1 warning"}
    else:
        assert strict.stdout == done.stdout
    assert run("--format", format_, "--fail-on", "warning", "valid").returncode == 0
    assert run("--format", format_, "--fail-on", "warning", "warned", "new").returncode == 3
    assert run("--format", format_, "--fail-on", "warning", "warned", "gone").returncode == 2


@pytest.mark.slow
def test_findings_are_selected_and_ignored_by_rule_or_by_chapter(experiment: Make, run: Run) -> None:
    x = experiment("x", tags=5)
    x.log().start().raw(b"\n").raw(b"torn")
    rules = {"log.blank", "log.torn", "meta.tags"}
    for options, shown, code in (
        (["--select", "log"], {"log.blank", "log.torn"}, 1),
        (["--select", "log.*"], {"log.blank", "log.torn"}, 1),
        (["--select", "log.torn"], {"log.torn"}, 0),
        (["--select", "log.torn", "--fail-on", "warning"], {"log.torn"}, 1),
        (["--select", "log.torn, meta.tags"], {"log.torn", "meta.tags"}, 1),
        (["--select", "log.torn", "--select", "meta.tags"], {"log.torn", "meta.tags"}, 1),
        (["--ignore", "log"], {"meta.tags"}, 1),
        (["--select", "log", "--ignore", "log.blank"], {"log.torn"}, 0),
        (["--ignore", "log.blank,meta"], {"log.torn"}, 0),
        (["--select", "span"], set(), 0),
    ):
        for format_ in FORMATS:
            done = run("--format", format_, *options, "x")
            assert {rule for rule in rules if rule in done.stdout} == shown, (options, format_)
            assert done.returncode == code, (options, format_)


@pytest.mark.slow
def test_a_filtered_report_is_marked_and_calls_nothing_valid(experiment: Make, run: Run) -> None:
    experiment("x", tags=5)
    judged = sum(rule.class_ == "directory" and rule.at == "core" for rule in RULES.values())
    part = f"{judged - 1} of the {judged} rules of level Core"
    filtered = ["--ignore", "meta.tags", "x"]
    assert run(*filtered).stdout.splitlines()[-1] == f"passed: 1 experiment, 0 events (MLV 1.0, {part})"
    assert run("--format", "github", *filtered).stdout == f"passed: 1 experiment, 0 events (MLV 1.0, {part})\n"
    log = json.loads(run("--format", "sarif", *filtered).stdout)
    SARIF.validate(log)
    assert log["runs"][0]["invocations"][0]["toolExecutionNotifications"] == [
        {"level": "note", "message": {"text": f"only some rules were checked: {part}"}}
    ]
    [suite] = ElementTree.fromstring(run("--format", "junit", *filtered).stdout)
    assert suite[0][0].attrib == {"name": "rules", "value": part}
    last = run("--require-sealed", "--select", "seal", "x").stdout.splitlines()[-1]
    assert last.startswith("invalid: ") and last.endswith(f"{judged + 2} rules of level Sealed)")


@pytest.mark.slow
@pytest.mark.rule("validator.exit")
def test_no_filter_turns_unchecked_into_valid(experiment: Make, run: Run) -> None:
    experiment("new", mlv="2.0")
    for format_ in FORMATS:
        for options in (["--select", "span"], ["--ignore", "meta,version"], ["--quiet"], ["--fail-on", "warning"]):
            assert run("--format", format_, *options, "new").returncode == 3, (format_, options)


@pytest.mark.slow
def test_quiet_prints_only_the_findings(mixed: None, run: Run) -> None:
    loud = run("runs").stdout.splitlines()
    quiet = run("--quiet", "runs").stdout.splitlines()
    assert quiet == [line for line in loud if not line.startswith(("experiment: ", "unchecked: "))]
    assert len(quiet) == len(loud) - 5
    assert (run("-q", "runs/y").stdout, run("-q", "runs/y").returncode) == ("", 0)


@pytest.mark.slow
def test_a_wrong_rule_name_is_answered_with_the_nearest_names(run: Run) -> None:
    error = "mlv-validate: error: "
    assert run("--select", "seel", ".").stderr.startswith(f"{error}rule 'seel' does not exist. Did you mean seal?\n")
    assert run("--ignore", "log.tron", ".").stderr.startswith(
        f"{error}rule 'log.tron' does not exist. Did you mean log."
    )
    assert run("--ignore", "validator.exit", ".").stderr.startswith(
        f"{error}rule 'validator.exit' is for a validator, not for directories.\n"
    )
    assert "--require-sealed" in run("--select", "seal.last", ".").stderr


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_number_of_processes_changes_no_report(jobs: int, mixed: None, run: Run) -> None:
    assert run("--jobs", jobs, "--format", "json", "runs").stdout == run("--format", "json", "runs").stdout


# The bar on a terminal.

BAR = "━"
AT_ONCE = (str(PROGRAMS / "progress_at_once.py"),)


def on_terminal(
    directory: Path, *arguments: str, program: tuple[str, ...] = AT_ONCE, **env: str
) -> tuple[str, str, int]:
    """What the command prints to a pipe as standard output and to a terminal as standard error, and its exit code."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=directory,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color", "COLUMNS": "120", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    printed: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(leader, 1 << 16):
                printed.append(part)
        except OSError:  # EIO: no one has the terminal open any more
            pass

    reader = threading.Thread(target=read)
    reader.start()
    output, _ = process.communicate(timeout=240)
    reader.join()
    os.close(leader)
    return output.decode(), b"".join(printed).decode(), process.returncode


@pytest.mark.slow
def test_a_terminal_gets_a_bar_with_the_file_and_its_bytes(experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment("runs/x")
    x.log().start().event("a", {"text": "x" * 3 * 1024 * 1024})
    output, bar, code = on_terminal(tmp_path, "runs")
    assert (output, code) == (run("runs").stdout, 0)
    assert BAR in bar and "runs/x/log.jsonl" in bar and "/3.0 MiB" in bar
    assert bar.endswith(("\x1b[2K", "\x1b[?25h")) or "\x1b[?25h" in bar  # the cursor is there again


@pytest.mark.slow
def test_the_bar_is_for_long_work_on_a_terminal_that_can_show_it(experiment: Make, tmp_path: Path) -> None:
    experiment("x").log().start()
    assert on_terminal(tmp_path, "--quiet", "x") == ("", "", 0)
    assert on_terminal(tmp_path, "x", TERM="dumb")[1] == ""
    assert on_terminal(tmp_path, "x", program=("-m", "mlv_validate"))[1] == ""
    assert BAR in on_terminal(tmp_path, "--format", "json", "x")[1]


@pytest.mark.slow
def test_only_the_process_that_has_the_terminal_draws_the_bar(tmp_path: Path) -> None:
    _, bar, code = on_terminal(tmp_path, program=(str(PROGRAMS / "progress_forked.py"),))
    assert (code, "parent" in bar, "child" in bar) == (0, True, False)


@pytest.mark.slow
@pytest.mark.rule("validator.terminal")
def test_the_bar_has_no_command_from_the_name_of_a_file(experiment: Make, tmp_path: Path) -> None:
    name = "\x1b]0;gotcha\x07[red]\udcff"
    experiment(name).log().start()
    _, bar, _ = on_terminal(tmp_path, ".")
    assert "\\x1b]0;gotcha\\x07[red]\\xff" in bar
    assert "\x1b]" not in bar and "\x07" not in bar


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.2, 0])
def test_progress_is_reported_a_few_times_for_each_file_and_never_beyond_its_size(
    pause: float, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PROGRESS_INTERVAL", pause)
    x = experiment("x")
    x.log().start().raw(b"x" * 5_000_000 + b"\n").seal().seal()
    reported: list[tuple[str, int, int]] = []
    started = time.monotonic()
    report = check_paths([x.path], sealed=False, progress=lambda *what: reported.append(what))
    assert report == validate(x.path)
    assert {path for path, _, _ in reported} == {f"{x.path}/meta.json", f"{x.path}/log.jsonl"}
    assert all(0 < read <= size for _, read, size in reported)
    if pause:
        assert len(reported) <= 4 + 2 * (time.monotonic() - started) / pause  # each of the two files is opened twice
    else:
        assert (f"{x.path}/log.jsonl", size := (x.path / "log.jsonl").stat().st_size, size) in reported


def test_the_command_raises_systemexit(capsys: pytest.CaptureFixture[str], experiment: Make) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--quiet", "--jobs", "3", str(experiment("x").path)])
    assert (ended.value.code, "".join(capsys.readouterr())) == (0, "")


@pytest.mark.slow
def test_findings_at_very_many_paths_are_few_lines(experiment: Make, run: Run) -> None:
    x = experiment()
    (x.path / "log").mkdir()
    for number in range(250):
        (x.path / "log" / f"{number:03} stray.jsonl").touch()
    lines = run("x").stdout.splitlines()
    assert len(lines) == 103
    assert lines[99].startswith("x/log/099 stray.jsonl: warning: layout.strays: ")
    assert lines[100] == "x: warning: layout.strays: 150 more at other paths"
    assert lines[102] == "valid: 250 warnings in 1 experiment, 0 events (MLV 1.0)"
