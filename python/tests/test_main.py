"""`python -m mlvlogger`: diagnostics for bug reports, without secrets and without leftover files."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mlvlogger
from mlvlogger import __main__ as report


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlvlogger", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, **environment})


def reported(text: str) -> dict[str, str]:
    return dict(re.split(r": +", line, maxsplit=1) for line in text.splitlines())


def test_it_prints_versions_and_the_abilities_of_the_file_system() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    facts = reported(done.stdout)
    assert list(facts) == [
        *("mlvlogger", "installed in", "Python", "system", "processors", "encodings", "packages", "directory"),
        *("file system", "free space", "write and sync", "sync of folders", "hard links", "locks", "left out"),
    ]
    assert facts["mlvlogger"] == f"{mlvlogger.__version__}, MLV {mlvlogger.SPEC_VERSION}"
    assert platform.python_version() in facts["Python"]
    assert facts["write and sync"] == "yes"
    assert list(Path().iterdir()) == []


def test_the_output_contains_no_secret() -> None:
    home = Path("ada-of-nowhere").resolve()
    (home / "work").mkdir(parents=True)
    done = run(str(home / "work"), HOME=str(home), HF_TOKEN="hf_abcdefghijklmnop", USER="ada-of-nowhere")
    assert done.returncode == 0
    assert "ada-of-nowhere" not in done.stdout and "hf_abc" not in done.stdout
    assert platform.node() not in re.sub("system: .*", "", done.stdout) or len(platform.node()) < 4
    assert reported(done.stdout)["directory"] == f"~{os.sep}work"


def test_a_directory_that_cannot_be_written_is_reported_with_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("not applicable: every directory is writable here")
    assert report.main(["/proc"]) == 1
    facts = reported(capsys.readouterr().out)
    assert facts["write"].startswith("no: ") and "python -m mlvlogger DIRECTORY" in facts["write"]
    assert "locks" not in facts


def test_wrong_usage_has_exit_code_2_and_says_what_to_do() -> None:
    done = run("absent\x1b[31m")
    assert (done.returncode, done.stdout) == (2, "")
    assert "isn't a directory. Give the directory where experiments are to go." in done.stderr
    assert "\x1b" not in done.stderr
    assert run("--nonsense").returncode == 2


def test_help_and_version() -> None:
    done = run("--help")
    assert done.returncode == 0 and "exit codes: 0, logging works" in done.stdout
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"mlvlogger {mlvlogger.__version__} (MLV 1.0)\n")


def test_a_name_with_control_characters_and_an_output_of_ascii_do_no_harm() -> None:
    Path("ä\x1b[31m\n").mkdir()
    done = run("ä\x1b[31m\n", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii() and "\x1b" not in done.stdout
    assert reported(done.stdout)["directory"].endswith("\\xe4\\x1b[31m\\n")


def test_a_missing_ability_is_reported_with_its_consequence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert report.main([]) == 0
    facts = reported(capsys.readouterr().out)
    assert facts["hard links"] == "no: Operation not supported; files are published by renaming"
    assert (facts["write and sync"], facts["locks"]) == ("yes", "yes")
    assert list(Path().iterdir()) == []
