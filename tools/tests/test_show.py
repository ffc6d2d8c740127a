"""`mlv show`, `mlv diff`, `mlv tag` and `mlv note`."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlv_tools import _commands
from mlv_validate import validate
from mlvlogger import Exp


@pytest.fixture
def exp(tmp_path: Path) -> Exp:
    (tmp_path / "data.csv").write_text("x\n")
    params = {"lr": 0.1, "data": mlvlogger.ref(tmp_path / "data.csv")}
    with Exp(tmp_path, "e", params, kind="train", tags=["a"], description="first") as exp:
        for number in range(2):
            with exp.log.span("epoch", n=number) as epoch, epoch.span("validation") as inner:
                inner.event("accuracy", value=0.5)
        exp.log.event("best", file=exp.attach(tmp_path / "data.csv", "kept.csv"))
        (exp.path / "gone.txt").write_text("x")
        exp.log.event("lost", file=exp.ref("gone.txt"))
        (exp.path / "gone.txt").unlink()
        exp.stream("gpu").event("memory", used=5)
    return exp


def test_show_prints_the_facts_of_an_experiment(mlv: Callable[..., str], exp: Exp) -> None:
    lines = [" ".join(line.split()) for line in mlv("show", "e").splitlines()]
    for line in [
        f"id {exp.id}",
        "kind train",
        "state completed",
        "description first",
        "records: 1",
        "streams: 2",
        "log.jsonl 15 1 0 s ago sealed",
        "log/gpu.jsonl 3 1 0 s ago sealed",
        "spans of log.jsonl: 2",
        "files/kept.csv 2 text/csv mlv/file there",
        "gone.txt 1 text/plain lost missing",
    ]:
        assert line.replace(" 0 s ago", "") in [one.replace(" 0 s ago", "").replace(" 1 s ago", "") for one in lines]
    assert [line.split()[0] for line in lines[lines.index("spans of log.jsonl: 2") + 2 :][:4]] == [
        "epoch",
        "epoch/validation",
        "epoch",
        "epoch/validation",
    ]


def test_show_prints_the_effective_values_and_what_changed(mlv: Callable[..., str], exp: Exp) -> None:
    with pytest.warns(RuntimeWarning, match="lr 0.1 -> 0.2"), Exp.resume(exp.path, {"lr": 0.2}) as resumed:
        resumed.add({"found": 1})
    Exp.open(exp.path, {"lr": 0.5}).close()
    lines = [" ".join(line.split()) for line in mlv("show", "e").splitlines()]
    assert "records: 4" in lines and "changes: 2" in lines and "lr 0.2" in lines
    [training, evaluation] = [line for line in lines[lines.index("changes: 2") :] if line.startswith("lr ")]
    assert training.startswith("lr 0.1 0.2 ") and training.endswith(" log.jsonl 2")
    assert evaluation.startswith("lr 0.2 0.5 ") and evaluation.endswith(" log/run-4.jsonl 4")


def test_show_prints_the_problems_of_an_experiment(mlv: Callable[..., str], exp: Exp) -> None:
    with open(exp.path / "log.jsonl", "ab") as file:
        file.write(b"garbled\n{")
    output = mlv("show", "e")
    assert "1 bytes after the last line feed" in output
    assert "log.jsonl:16: the line isn't an event" in output and "for details, run: mlv-validate e" in output


def test_the_state_is_unknown_if_the_log_cannot_be_read(mlv: Callable[..., str], exp: Exp) -> None:
    (exp.path / "log.jsonl").unlink()
    (exp.path / "log.jsonl").mkdir()
    output = mlv("show", "e")
    assert "state unknown" in " ".join(output.split()) and "log.jsonl: it isn't a regular file" in output


def test_show_prints_whether_the_code_was_that_of_the_commit(mlv: Callable[..., str], tmp_path: Path) -> None:
    """In a repository where only a filter could compare a file: the logger runs none, so it doesn't know."""

    def git(*words: Any) -> Any:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    make = "from mlvlogger import Exp; import sys; Exp('runs', sys.argv[1])"
    (tmp_path / "train.py").write_text(make)
    (tmp_path / "x.bin").write_text("one")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "first")

    def shown(name: str) -> Any:
        subprocess.run([sys.executable, "train.py", name], cwd=tmp_path, check=True)
        return " ".join(mlv("show", f"runs/{name}", COLUMNS="200").split())

    assert "and changes" not in shown("clean") and "not known" not in shown("clean2")
    git("config", "filter.x.clean", "cat")
    (tmp_path / ".git/info/attributes").write_text("*.bin filter=x\n")
    (tmp_path / "x.bin").write_text("two")
    assert ", changes not known" in shown("filtered")
    (tmp_path / "train.py").write_text(make + "\n")
    assert " and changes" in shown("changed")


def test_a_path_that_is_not_an_experiment_is_refused_with_the_reason(mlv: Callable[..., str], tmp_path: Path) -> None:
    assert "mlv: error: " in mlv("show", ".", exit=1)
    assert "does not exist" in mlv("show", "nothing", exit=2)
    (tmp_path / "red\x1b[31m").mkdir()
    assert mlv("show", "red\x1b[31m", exit=1).startswith(r"mlv: error: red\x1b[31m isn't an experiment")
    assert "contains no experiment that can be read. Pass the directory of an experiment." in mlv("show", ".", exit=1)


@pytest.mark.parametrize("command", ["show", "tail", "diff", "tag", "note"])
def test_a_directory_of_experiments_is_refused_with_one_of_them_and_the_commands_for_it(
    mlv: Callable[..., str], runs: Path, command: str
) -> None:
    arguments = {"diff": ["runs/first"], "tag": ["x"], "note": ["x"]}.get(command, [])
    assert mlv(command, "runs", *arguments, exit=1) == (
        "mlv: error: runs isn't an experiment, but a directory of experiments. Pass one of them, such as runs/first. "
        "To list them, run: mlv ls runs. The commands ls, sql, plot, report, clean and export (parquet, csv, "
        "tensorboard) take runs, too.\n"
    )


def test_a_seal_from_a_boolean_does_not_match(mlv: Callable[..., str], exp: Exp) -> None:
    log = exp.path / "log.jsonl"
    text = log.read_text()
    log.write_text(text.replace('"from":0', '"from":false'))
    assert text != log.read_text() and "not sealed" in mlv("show", "e")


def test_diff_prints_only_the_differences(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, lr in (("a", 0.1), ("b", 0.2)):
        with Exp(tmp_path, name, {"lr": lr, "seed": 1, "opt": {"name": "adam", "eps": lr}}) as exp:
            for step in range(3):
                exp.log.event("batch", step=step, loss=lr * step)
    words = [line.split() for line in mlv("diff", "a", "b").splitlines()]
    assert words[:3] == [["params", "a", "b"], ["lr", "0.1", "0.2"], ["opt.eps", "0.1", "0.2"]]
    assert words[-1] == "batch.loss 0.2 (min 0, max 0.2) 0.4 (min 0, max 0.4)".split()
    assert "seed" in mlv("diff", "--all", "a", "b")
    assert mlv("diff", "a", "a") == "nothing differs\n"
    mlv("diff", "a", "b", "--exit-code", exit=1)
    mlv("diff", "a", "b", "--exit-code", "--only", "git")
    assert "two or more experiments" in mlv("diff", "a", exit=2)


def test_diff_keeps_parameters_of_one_spelling_apart(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, lr in (("a", 0.1), ("b", 0.9)):
        with Exp(tmp_path, name, {"optimizer.lr": lr, "optimizer": {"lr": 0.2}}) as exp:
            exp.log.event("a.b", c=1)
            exp.log.event("a", {"b.c": lr})
    words = [line.split() for line in mlv("diff", "a", "b", "--exit-code", exit=1).splitlines()]
    assert ['"optimizer.lr"', "0.1", "0.9"] in words and not [one for one in words if one[:1] == ["optimizer.lr"]]
    assert [one[0] for one in words if "(min" in one] == ["a.b.c"]
    words = [line.split() for line in mlv("diff", "--all", "a", "b").splitlines()]
    assert ["optimizer.lr", "0.2", "0.2"] in words and ['"a.b".c', *["1", "(min", "1,", "max", "1)"] * 2] in words


@pytest.mark.parametrize(
    ("one", "two", "cells"),
    [
        (0.1, 0.1000001, ["0.1", "0.1000001"]),
        (1234567890, 1234567891, ["1234567890", "1234567891"]),
        (1, "1", ["1", '"1"']),
        (True, "true", ["true", '"true"']),
        (None, {}, ["null", "{}"]),
        ([1], [1.0], None),
        (1, 1.0, None),
        (float("nan"), float("nan"), None),
    ],
)
def test_diff_shows_every_difference_and_no_other(
    mlv: Callable[..., str], tmp_path: Path, one: Any, two: Any, cells: Any
) -> None:
    for name, item in (("a", one), ("b", two)):
        Exp(tmp_path, name, {"x": item}).close()
    lines = mlv("diff", "a", "b", "--only", "params").splitlines()
    assert lines == ["nothing differs in params"] if cells is None else lines[1].split() == ["x", *cells]


def test_diff_shows_two_of_three_values_with_the_digits_that_differ(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, item in (("a", 0.1), ("b", 0.1000001), ("c", 0.2)):
        Exp(tmp_path, name, {"x": item}).close()
    assert mlv("diff", "a", "b", "c", "--only", "params").splitlines()[1].split() == ["x", "0.1", "0.1000001", "0.2"]


def test_diff_shows_a_parameter_that_is_null_or_empty_in_one(mlv: Callable[..., str], tmp_path: Path) -> None:
    Exp(tmp_path, "a", {"x": None, "y": {}}).close()
    Exp(tmp_path, "b").close()
    words = [line.split() for line in mlv("diff", "a", "b", "--only", "params").splitlines()]
    assert words[1:] == [["x", "null", "–"], ["y", "{}", "–"]]


def test_diff_shows_a_parameter_that_looks_like_a_missing_one(mlv: Callable[..., str], tmp_path: Path) -> None:
    Exp(tmp_path, "a", {"x": "–"}).close()
    Exp(tmp_path, "b").close()
    words = [line.split() for line in mlv("diff", "a", "b", "--only", "params").splitlines()]
    assert words[1:] == [["x", r'"\u2013"', "–"]]


def test_diff_ignores_nan_for_the_smallest_and_the_largest_value(mlv: Callable[..., str], tmp_path: Path) -> None:
    nan = float("nan")
    for name, values in (
        ("a", [1.0, nan, 3.0, 2.0]),
        ("b", [9.0, nan, 3.0, 2.0]),
        ("c", [nan, nan]),
        ("d", [nan, 1.0]),
    ):
        with Exp(tmp_path, name) as exp:
            for value in values:
                exp.log.event("t", x=value)
    (_, line) = mlv("diff", "a", "b", "c", "d", "--only", "metrics").splitlines()
    assert [word.strip() for word in line.split("  ") if word] == [
        "t.x",
        "2 (min 1, max 3)",
        "2 (min 2, max 9)",
        "nan (min nan, max nan)",
        "1 (min 1, max 1)",
    ]


def test_diff_compares_the_metrics_of_all_streams(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, accuracy in (("a", 0.1), ("b", 0.9), ("c", None)):
        with Exp(tmp_path, name) as exp:
            exp.log.event("val", accuracy=0.5)
            if accuracy:
                exp.stream("eval").event("val", accuracy=accuracy)
    words = [
        line.split() for line in mlv("diff", "a", "b", "c", "--exit-code", "--only", "metrics", exit=1).splitlines()
    ]
    assert words == [
        ["metrics", "of", "log/eval.jsonl", "a", "b", "c"],
        ["val.accuracy", *"0.1 (min 0.1, max 0.1) 0.9 (min 0.9, max 0.9) –".split()],
    ]
    mlv("diff", "a", "b", "--exit-code", "--only", "params")


def test_show_checks_the_seals(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path, "e") as exp:
        for step in range(3):
            exp.log.event("b", step=step)
    with Exp.resume(exp.path) as exp:
        exp.log.event("c", x=1)
    log, meta = exp.path / "log.jsonl", exp.path / "meta.json"
    text = log.read_text()

    def end() -> str:
        (line,) = [line for line in mlv("show", "e").splitlines() if line.startswith("  log.jsonl  ")]
        return re.sub(r".* ago +", "", line).strip()

    assert end() == "sealed"
    for old, new, line in (('"step":1', '"step":8', 5), ('"x":1', '"x":2', 8), ('"from":0', '"from":1', 5)):
        assert old in text
        log.write_text(text.replace(old, new, 1))
        assert end() == f"not sealed: the seal on line {line} doesn't match the bytes before it"
        assert "for details, run: mlv-validate e" in mlv("show", "e")
    log.write_text(text)
    meta.chmod(0o644)
    meta.write_text(meta.read_text().replace('"kind": "experiment"', '"kind": "experimenT"'))
    assert end() == "not sealed: meta.json isn't the record that line 1 names"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lss"], "there is no command 'lss'. Did you mean ls? Choose one of: ls, show, tail,"),
        (["export", "cvs"], "there is no command 'cvs'. Did you mean csv? Choose one of: parquet, csv,"),
        (["import", "tensorbord"], "there is no command 'tensorbord'. Did you mean tensorboard?"),
    ],
)
def test_a_mistyped_command_is_an_error_with_the_commands(
    mlv: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in mlv(*arguments, exit=2)


def test_a_tag_and_a_note_are_added_and_the_experiment_stays_sealed(mlv: Callable[..., str], exp: Exp) -> None:
    assert mlv("tag", "e", "best", "a") == "added e/meta/2.json\n"
    assert mlv("tag", "e", "best") == "e has this tag already\n"
    assert mlv("note", "e", "-", stdin="looks\nright\n") == "added e/meta/3.json\n"
    assert "The note is empty" in mlv("note", "e", "", exit=2)
    run = mlvlogger.read(exp.path)
    assert (run.tags, run.descriptions) == (["a", "best"], ["first", "looks\nright"])
    assert run.state == "completed"
    report = validate(exp.path, sealed=True)
    assert {finding.rule for target in report.targets for finding in target.findings} == {"file.changed"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_experiments(
    mlv: Callable[..., str], exp: Exp, tmp_path: Path, shell: str
) -> None:
    assert "_MLV_COMPLETE" in mlv(_MLV_COMPLETE=f"{shell}_source")
    if shell == "bash":
        words = {"COMP_WORDS": "mlv show ", "COMP_CWORD": "2", "_MLV_COMPLETE": "bash_complete"}
        assert mlv(**words).split() == ["plain,e"]
        words = {"COMP_WORDS": "mlv sh", "COMP_CWORD": "1", "_MLV_COMPLETE": "bash_complete"}
        assert "plain,show" in mlv(**words).split()


def test_experiments_in_a_directory_are_completed_through_it(mlv: Callable[..., str], tmp_path: Path) -> None:
    for path in ("runs/first", "runs/second", "older/2025/third"):
        Exp((tmp_path / path).parent, (tmp_path / path).name).close()

    def completed(word: str) -> Any:
        words = {"COMP_WORDS": f"mlv show {word}", "COMP_CWORD": "2", "_MLV_COMPLETE": "bash_complete"}
        return [line.removeprefix("plain,") for line in mlv(**words).splitlines() if line]

    assert completed("") == ["runs/first", "runs/second"]
    assert completed("runs/f") == ["runs/first"]
    assert completed("o") == ["older/"]
    assert completed("older/") == ["older/2025/third"]
    assert completed("nothing/") == []


def test_every_command_has_a_help_text(mlv: Callable[..., str]) -> None:
    listed = mlv("--help")
    for command in ("ls", "show", "tail", "diff", "tag", "note"):
        assert f"  {command} " in listed
        assert "Usage: mlv " in mlv(command, "--help")
    for module in sorted(Path(_commands.__file__).parent.glob("[a-z]*.py")):
        words = [word.replace("_", "-") for word in module.stem.split("_", 1)]
        assert f"  Examples:\n\n    mlv {' '.join(words)}" in mlv(*words, "--help")
    assert mlv("--version").startswith("mlv ")


def test_the_definitions_of_metrics_are_shown_also_without_values(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        exp.define_metric("loss", direction="minimize", unit="nat", description="Cross\x1bentropy.")
        exp.define_metric("accuracy", event="val", direction="maximize", axis="epoch")
        exp.stream("gpu").define_metric("power", unit="W")
    lines = [line.split() for line in mlv("show", "runs/e").splitlines()]
    at = lines.index(["definitions", "of", "metrics:", "3"])
    assert lines[at + 1 : at + 5] == [
        ["metric", "event", "direction", "unit", "axis", "description"],
        ["loss", "minimize", "nat", "Cross\\x1bentropy."],
        ["accuracy", "val", "maximize", "epoch"],
        ["power", "W"],
    ]
