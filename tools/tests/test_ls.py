"""`mlv ls`: what ran, and how it went."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ls_output import rows_of, said

import mlvlogger
from mlv_tools._commands._filter import parts
from mlv_tools._commands._metric import Metric, find_metric
from mlv_tools._display.text import ago, sparkline
from mlv_tools._reading.summary import summary
from mlv_tools._reading.tail_reader import TailReader
from mlv_tools._reading.trees import find
from mlvlogger import MAX_RECORD, Exp

HOSTILE = "\x1b[31mred\x1b]0;title\x07[bold]x[/bold]\u202e"


def test_every_experiment_is_a_row_and_a_broken_one_names_the_command_for_details(
    mlv: Callable[..., str], runs: Path
) -> None:
    rows = rows_of(mlv("ls", runs, "--format", "json"))
    assert [(row["name"], row["kind"], row["state"]) for row in rows] == [
        ("broken", None, "broken"),
        ("first", "train", "completed"),
        ("first/squeeze/pruned", "squeeze", "completed"),
        ("second", "train", "failed"),
        ("third", "experiment", "open"),
    ]
    assert f"for details, run: mlv-validate {runs / 'broken'}" in rows[0]["trouble"]
    assert [row["trouble"] for row in rows[1:]] == [""] * 4


def test_the_table_is_a_tree_with_the_params_that_differ_and_the_last_values(
    mlv: Callable[..., str], runs: Path
) -> None:
    lines = mlv("ls", runs).splitlines()
    assert lines[0].split() == ["name", "kind", "state", "last", "event", "lr", "train/batch.loss"]
    assert lines[2].split()[:3] == ["first", "train", "completed"] and lines[2].split()[-1] == "0.1"
    assert lines[3].startswith("  pruned")
    assert lines[5].split()[-1] == "nan"
    assert lines[6].startswith("broken: ")


def test_a_log_that_another_program_changed_is_listed_with_its_continuation(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.warns(RuntimeWarning, match="by another program"), Exp(tmp_path, "e") as exp:
        exp.log.event("train", loss=0.5)
        os.truncate(exp.path / "log.jsonl", 0)
        exp.log.flush()
        exp.log.event("train", loss=0.25)
    (row,) = rows_of(mlv("ls", tmp_path, "--format", "json"))
    assert (row["state"], row["trouble"]) == ("open", "log.jsonl is continued in log/kept-1.jsonl")
    assert "e: log.jsonl is continued in log/kept-1.jsonl" in mlv("ls", tmp_path).splitlines()
    lines = [" ".join(line.split()) for line in mlv("show", exp.path).splitlines()]
    assert any(
        line.startswith("log.jsonl 0 0") and line.endswith("open, continued in log/kept-1.jsonl") for line in lines
    )
    assert any(line.startswith("log/kept-1.jsonl 3 1") and line.endswith("sealed") for line in lines)
    assert any(line.startswith("log.jsonl: another program changed the file") for line in lines)


def test_params_that_differ_do_so_among_experiments_of_a_kind(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, kind, params in [
        ("a", "train", {"lr": 1, "seed": 7}),
        ("b", "train", {"lr": 1, "seed": 7, "warmup": 10}),
        ("c", "squeeze", {"ratio": 0.5, "lr": 2}),
    ]:
        Exp(tmp_path, name, params, kind=kind).close()
    assert mlv("ls").splitlines()[0].split()[5:] == ["warmup"]


def test_metrics_are_those_of_the_reader_with_a_sparkline(mlv: Callable[..., str], runs: Path) -> None:
    lines = mlv("ls", runs, "-m", "loss:min", "-m", "train/batch.loss:first", "-p", "lr").splitlines()
    first, second = lines[2].split(), lines[4].split()
    assert first[-4:] == ["0.1", sparkline([1 / (step + 1) for step in range(10)]), "1", first[-1]]
    assert second[-2] == "2"


def test_a_name_that_two_metrics_have_lists_both(mlv: Callable[..., str], tmp_path: Path) -> None:
    for number in range(2):
        with Exp(tmp_path / "runs", f"e{number}") as exp:
            for step in range(3):
                for event in ("train", "val")[:: 1 if number else -1]:  # the last event must not decide
                    exp.log.event(event, step=step, loss=(10 if event == "train" else 1) + step)
    for option in (["-m", "loss"], ["-m", "loss:min"], ["-s", "loss"], ["-w", "loss < 5"]):
        output = mlv("ls", "runs", *option, exit=2)
        assert "is ambiguous. Choose one of: val.loss, train.loss." in output, option
    rows = rows_of(mlv("ls", "runs", "-m", "train.loss:mean", "-m", "val.loss", "--format", "json"))
    assert [(row["train.loss:mean"], row["val.loss"]) for row in rows] == [(11, 3), (11, 3)]


def test_events_whose_names_look_like_patterns_are_not_merged(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        exp.log.event("a*", loss=1)
        exp.log.event("ab", loss=2)
        exp.log.event("a.b", c=3)
        exp.log.event("a", {"b.c": 4, "loss:min": 5, "loss": 6})
    names = ["a*.loss", "ab.loss", '"a.b".c', "a.b.c", "a.loss:min:last"]
    (row,) = rows_of(mlv("ls", "runs", *(word for name in names for word in ("-m", name)), "--format", "json"))
    assert [row[name] for name in names] == [1, 2, 3, 4, 5]
    assert "0 of 1" in mlv("ls", "runs", "-w", "a*.loss = 2")


def test_a_value_of_a_metric_and_a_metric_of_one_spelling_are_kept_apart(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        exp.log.event("a", {"loss:min": 5, "loss": 6})
    for name in ("a.loss:min", "loss:min"):
        for option in (["-m", name], ["-s", name], ["-w", f"{name} = 6"]):
            said = " ".join(mlv("ls", "runs", *option, exit=2).split())
            assert f"'{name}' is ambiguous. Choose one of: a.loss:min:last, a.\"loss\":min." in said, option
    for name, item in (("a.loss:min:last", 5), ('a."loss:min"', 5), ('a."loss":min', 6), ('"a"."loss":min', 6)):
        for more in ((), ("-s", name), ("-m", name)):
            (row,) = rows_of(mlv("ls", "runs", "-w", f"{name} = {item}", *more, "--format", "json"))
            if not more or more[0] == "-s":  # asking for one of them doesn't change the column of the other
                assert (row["a.loss:min:last"], row["a.loss"]) == (5, 6)
            else:
                assert item in row.values()


def test_columns_never_have_one_title(mlv: Callable[..., str], tmp_path: Path) -> None:
    params = {"metrics": {"t.loss": 1, "t": {"loss": 2}}, "t": {"loss": 3}, "params": {"x": 4}, "x": 5}
    with Exp(tmp_path / "runs", "e", params) as exp:
        exp.log.event("t", loss=6)
        exp.log.event("metrics", {"t.loss": 7, "u": 8})
    names = {
        'params.metrics."t.loss"': 1,
        "params.metrics.t.loss": 2,
        "t.loss": 3,
        "params.params.x": 4,
        "x": 5,
        "metrics.t.loss": 6,
        "metrics.metrics.t.loss": 7,
        "metrics.metrics.u": 8,
    }
    (row,) = rows_of(mlv("ls", "runs", "-p", "metrics,t,params,x", "-m", "t.loss", "--format", "json"))
    assert [row.get(name) for name in names] == [1, 2, 3, 4, 5, 6, None, None]
    (row,) = rows_of(mlv("ls", "runs", "-p", "metrics,t,params,x", "--format", "json"))
    assert {name: row[name] for name in names} == names
    titles = mlv("ls", "runs", "-p", "metrics,t,params,x").splitlines()[0].split()
    assert len(set(titles)) == len(titles) and set(names) <= set(titles)
    for name, item in names.items():
        assert "e  " in mlv("ls", "runs", "-w", f"{name} = {item}"), name
    for name in ("metrics.u", "u", "metrics.metrics.u"):
        (row,) = rows_of(mlv("ls", "runs", "-m", name, "--format", "json"))
        assert row["metrics.metrics.u"] == 8


@pytest.mark.parametrize(
    ("option", "name", "known"),
    [
        ("-s", "", "there is no column ''. Choose one of: name, kind,"),
        ("-p", "", "there is no parameter ''. Choose one of: lr, seed, ratio."),
        ("-p", ",", "there is no parameter ''. Choose one of: lr, seed, ratio."),
        ("-p", "lr,", "there is no parameter ''. Choose one of: lr, seed, ratio."),
        ("-p", "lr,,seed", "there is no parameter ''. Choose one of: lr, seed, ratio."),
        ("-m", "", "there is no metric ''. Choose one of: train/batch.loss."),
    ],
)
def test_an_empty_name_is_an_error_with_those_that_exist(
    mlv: Callable[..., str], runs: Path, option: str, name: str, known: str
) -> None:
    assert known in mlv("ls", runs, option, name, exit=2)


@pytest.mark.parametrize(
    ("to", "metrics"), [("3.0", {"loss": 1}), ("3e0", {"loss": 1}), ("3.5", {"loss": 3}), ("true", {"loss": 3})]
)
def test_a_rewind_goes_to_an_integer_in_any_spelling(tmp_path: Path, to: str, metrics: dict[str, int]) -> None:
    with Exp(tmp_path, "e") as exp:
        for loss in (0, 1, 2, 3):
            exp.log.event("t", loss=loss)
        exp.log.event("u")
    log = exp.path / "log.jsonl"
    log.write_text(re.sub(r'"event":"u","data":{', f'"event":"mlv/rewind","data":{{"to":{to}', log.read_text()))
    (found,) = find(tmp_path)
    assert summary(found).metrics == {("t", name): loss for name, loss in metrics.items()}
    assert list(mlvlogger.read(exp.path).events())[-1].metrics == metrics


def test_the_number_of_a_record_that_is_a_list_is_no_traceback(tmp_path: Path) -> None:
    Exp(tmp_path, "e").close()
    Exp.open(tmp_path / "e", tags=["a"]).close()
    (stream,) = (tmp_path / "e/log").iterdir()
    text = stream.read_text()
    stream.write_text(text.replace('"number":2', '"number":[2]'))
    assert text != stream.read_text()
    (found,) = find(tmp_path)
    assert summary(found).state == "completed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "nosuch"], "-m: there is no metric 'nosuch'. Choose one of: train/batch.loss."),
        (["-m", "train/batch.los"], "Did you mean train/batch.loss?"),
        (
            ["-m", "loss:median"],
            "'loss:median' asks for an unknown value 'median' of train/batch.loss. Choose one of: :last,",
        ),
        (["-p", "lr,nosuch"], "-p: there is no parameter 'nosuch'. Choose one of: lr, seed, ratio."),
        (
            ["-s", "nosuch"],
            "-s: there is no column 'nosuch'. Choose one of: name, kind, state, last, tags, trouble, lr,",
        ),
        (["-s", "loss:median"], "'loss:median' asks for an unknown value 'median'"),
        (["-w", "sed = 7"], "-w: there is no column 'sed'. Did you mean seed?"),
    ],
)
def test_a_name_that_nothing_has_is_an_error_with_those_that_exist(
    mlv: Callable[..., str], runs: Path, arguments: Any, message: str
) -> None:
    assert message in mlv("ls", runs, *arguments, exit=2)


def test_a_metric_is_found_in_the_whole_log_of_each_row(mlv: Callable[..., str], tmp_path: Path) -> None:
    for number in range(2):
        with Exp(tmp_path / "runs", f"e{number}") as exp:
            exp.log.event("val", accuracy=0.5 + number / 10)
            for step in range(1000 * number):  # the end of the log, which is all that the table reads, has no accuracy
                exp.log.event("train", step=step, loss=1)
    rows = rows_of(mlv("ls", "runs", "-w", "val.accuracy > 0.55", "-s", "accuracy", "--format", "json"))
    assert [(row["name"], row["val.accuracy"]) for row in rows] == [("e1", 0.6)]


def shown_at(width: int, *arguments: Any) -> tuple[list[str], list[str]]:
    """Return the titles of the table on a terminal of this width, and those that were left out."""
    program = (
        "import sys; from rich.console import Console; from mlv_tools._commands import ls\n"
        "ls.output = lambda: Console(width=int(sys.argv[1])); ls.command(sys.argv[2:], standalone_mode=False)"
    )
    command = [sys.executable, "-c", program, str(width), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    text = " ".join(done.stdout.split())
    left = text.partition("too narrow: ")[2].partition(" not shown: ")[0]
    return lines[0].split("  "), left.split(", ") if left else []


def test_columns_that_were_asked_for_are_left_out_last(tmp_path: Path) -> None:
    with Exp(tmp_path, "run", {f"parameter_{n}": "value" * 2 for n in range(4)}) as exp:
        exp.log.event("train", loss=0.5, accuracy=0.5)
    asked = ["-m", "train.loss:min", "-m", "train.accuracy"]
    titles, left = shown_at(200, tmp_path, *asked)
    assert left == [] and any("parameter_3" in title for title in titles)
    titles, left = shown_at(90, tmp_path, *asked)
    assert left == ["parameter_1", "parameter_2", "parameter_3"]
    assert {"name", "state", "train.loss:min", "train.accuracy"} <= {title.strip() for title in titles}
    titles, left = shown_at(40, tmp_path, *asked)
    assert [title.strip() for title in titles if title.strip()] == ["name", "train.loss:min", "train.accuracy"]
    assert left == ["kind", "state", "last event", *(f"parameter_{n}" for n in range(4))]
    titles, left = shown_at(20, tmp_path, *asked)
    assert [title.strip() for title in titles if title.strip()] == ["name", "train.loss:min"]
    assert left[-1] == "train.accuracy"
    titles, left = shown_at(45, tmp_path, "-p", "parameter_3,parameter_2")
    assert titles[-1].strip() == "parameter_2" and "train.loss" in left and "parameter_2" not in left


def test_columns_that_nobody_asked_for_are_counted(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e", {f"p{n}": n for n in range(7)}) as exp:
        exp.log.event("train", {f"m{n}": n for n in range(5)})
    last = mlv("ls", "runs").splitlines()[-1]
    assert last == "not shown: 3 parameters that differ (-p), 1 metrics (-m)"
    assert "not shown" not in mlv("ls", "runs", "-p", "p0", "-m", "m0")


def test_an_old_time_says_that_it_is_utc() -> None:
    time, now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    assert ago(time, now) == "2026-01-02 03:04 UTC"


def test_csv_has_the_same_rows(mlv: Callable[..., str], runs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(mlv("ls", runs, "--format", "csv"))))
    assert [row["name"] for row in rows] == [row["name"] for row in rows_of(mlv("ls", runs, "--format", "json"))]


def test_other_programs_get_json_and_csv_that_they_can_read_and_a_terminal_too(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    params = {"state": "CA", "layers": [1, {"a": "x"}], "text": "a\x1b[31m\x9b\u202e", "seed": 2**63, "none": None}
    with Exp(tmp_path, "a", params) as exp:
        exp.log.event("batch", step=1, loss=float("nan"), accuracy=0.1 + 0.2)
    with Exp(os.fsdecode(bytes(tmp_path) + b"/\xff\x1b"), "b"):
        pass
    columns = ["-p", "state,layers,text,seed,none", "-m", "loss", "-m", "accuracy"]
    output = mlv("ls", "--format", "json", *columns)
    assert output.isascii() and output.replace("\n", "").isprintable()

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    one, two = json.loads(output, parse_constant=refuse)
    expected = {"name": "a", "kind": "experiment", "state": "completed", "last": one["last"], "params.state": "CA"}
    expected |= {name: params[name] for name in ("layers", "text", "seed", "none")}
    assert one == {**expected, "batch.loss": "nan", "batch.accuracy": 0.1 + 0.2, "trouble": ""}
    assert two["name"] == "\udcff\x1b/b"
    output = mlv("ls", "--format", "csv", *columns)
    assert output.isascii() and output.replace("\n", "").isprintable()
    one, two = csv.DictReader(io.StringIO(output))
    cells = "{a: x}", "a\\x1b[31m\\x9b\\u202e", str(2**63), "", "nan", "0.30000000000000004"
    assert tuple(one[name] for name in ("text", "seed", "none", "batch.loss", "batch.accuracy")) == cells[1:]
    assert (one["layers"], one["state"], two["name"]) == (f"[1, {cells[0]}]", "completed", "\\udcff\\x1b/b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "nothing"], "there is no column 'nothing'"),
        (["-w", "what"], "'what' isn't a condition. Write COLUMN = VALUE"),
        (["missing"], "Directory 'missing' does not exist"),
    ],
)
def test_wrong_usage_is_answered_with_the_right_usage(
    mlv: Callable[..., str], runs: Path, arguments: Any, message: str
) -> None:
    output = mlv("ls", *([] if arguments == ["missing"] else [runs]), *arguments, exit=2)
    assert message in " ".join(output.replace("│", "").split())


def test_an_empty_directory_says_so(mlv: Callable[..., str], tmp_path: Path) -> None:
    assert mlv("ls") == "no experiments in .\n"


def test_no_terminal_command_of_a_record_is_printed(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path, "e", {HOSTILE: HOSTILE}, tags=[HOSTILE], description=HOSTILE) as exp:
        exp.log.event("red[bold]", {HOSTILE: 1.0, "text": HOSTILE})
    for command in (["ls"], ["show", "e"], ["tail", "e"], ["diff", "--all", "e", "e"]):
        output = mlv(*command, FORCE_COLOR="1")
        assert not {"\x1b]0;title", "\x07", "\u202e"} & set(output) and "title\x07" not in output
        assert "[bold]x[/bold]" in output.replace("…", "[bold]x[/bold]")


def test_a_log_that_is_a_link_is_reported_in_its_row(mlv: Callable[..., str], tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "one").close()
    (tmp_path / "runs/one/log.jsonl").rename(tmp_path / "log.jsonl")
    (tmp_path / "runs/one/log.jsonl").symlink_to("../../log.jsonl")
    assert "log.jsonl is a symbolic link and isn't read" in " ".join(mlv("ls", str(tmp_path / "runs")).split())


def test_a_torn_log_is_reported_in_its_row(mlv: Callable[..., str], tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    exp.close()
    with open(exp.path / "log.jsonl", "ab") as file:
        file.write(b'{"seq":3')
    assert "log.jsonl ends in 8 bytes without a line feed" in mlv("ls")


@pytest.mark.parametrize(
    ("part", "kind", "state", "trouble"),
    [
        ("log.jsonl", "link", "unknown", "log.jsonl is a symbolic link and isn't read"),
        ("log.jsonl", "directory", "unknown", "log.jsonl isn't a regular file and isn't read"),
        ("log", "link", "completed", "log is a symbolic link and isn't read"),
        ("log", "file", "completed", "log isn't a directory and isn't read"),
        ("meta", "link", "completed", "meta is a symbolic link and isn't read"),
        ("meta", "file", "completed", "meta isn't a directory and isn't read"),
        ("log/gpu.jsonl", "link", "completed", "log/gpu.jsonl is a symbolic link and isn't read"),
        ("meta/2.json", "file", "completed", "meta/2.json: was left out, because it cannot be read: "),
    ],
)
def test_a_part_that_is_not_read_is_named(
    mlv: Callable[..., str], tmp_path: Path, part: str, kind: str, state: str, trouble: str
) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        exp.stream("gpu").event("load", percent=50)
    Exp.open(exp.path, tags=["best"]).close()
    os.rename(exp.path / part, tmp_path / "kept")
    if kind == "link":
        (exp.path / part).symlink_to(tmp_path / "kept")
    elif kind == "directory":
        (exp.path / part).mkdir()
    else:
        (exp.path / part).write_text("{")
    (row,) = rows_of(mlv("ls", "runs", "--format", "json"))
    assert row["state"] == state
    assert row["trouble"].startswith(trouble) and "(for details, run: mlv-validate " in row["trouble"]
    names, lines = said(tmp_path, "-w", "name = b")
    hidden = "mlv: warning: 1 of 1 experiments are left out although they aren't read as a whole, such as a: "
    assert names == [] and [line.startswith(hidden + trouble) for line in lines[:-1]] == [True] * (state != "unknown")


def test_a_log_of_a_later_version_is_unknown_and_hides_no_other(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        Exp(tmp_path, name).close()
    log = tmp_path / "a/log.jsonl"
    log.write_text(log.read_text().replace('"mlv":"1.0"', '"mlv":"7.0"'))
    unknown, known = rows_of(mlv("ls", "--format", "json"))
    assert (unknown["state"], known["state"]) == ("unknown", "completed")
    assert "7.0" in unknown["trouble"]


STATES = {
    "completed": lambda exp: exp.close(),
    "failed": lambda exp: exp.close("failed"),
    "interrupted": lambda exp: exp.close("interrupted"),
    "ended": lambda exp: exp.close("ended"),
    "open": lambda exp: exp.flush(),
    "paused": lambda exp: (exp.log.pause(), exp.close()),
    "resumed": lambda exp: (exp.log.pause(), exp.log.resume(), exp.flush()),
    "paused, and events": lambda exp: (exp.log.pause(), [exp.log.event("e", i=i) for i in range(3000)], exp.flush()),
}


@pytest.mark.parametrize("end", STATES)
@pytest.mark.parametrize("count", [0, 5, 5000])
def test_the_state_is_that_of_the_reader(tmp_path: Path, end: str, count: int) -> None:
    exp = Exp(tmp_path, "e")
    for number in range(count):
        exp.log.event("batch", step=number, text="mlv/end \\ x" if number % 7 else "")
    STATES[end](exp)  # type: ignore[no-untyped-call]
    [found] = find(tmp_path)
    assert summary(found).state == mlvlogger.read(tmp_path / "e").state
    exp.close()


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_the_state_of_a_later_session_is_that_of_the_reader(tmp_path: Path, version: str, is_ended: Any) -> None:
    with Exp(tmp_path, "e") as exp:
        exp.log.event("batch", step=1)
    with Exp.resume(exp.path) as exp:
        for number in range(3000):
            exp.log.event("batch", step=number)
    log = exp.path / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"mlv":"1.0"', f'"mlv":"{version}"')
    log.write_text("".join(lines[: None if is_ended else 4]))
    [found] = find(tmp_path)
    expected = "unknown" if version == "2.0" else "completed" if is_ended else "open"
    assert summary(found).state == expected


def test_unreadable_lines_at_the_end_do_not_hide_readable_ones(tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    for number in range(3000):
        exp.log.event("batch", loss=float(number))
    exp.flush()
    with (exp.path / "log.jsonl").open("ab") as file:
        file.write(b"garbled\n" * 10_000)
    *_, last = mlvlogger.read(exp.path).events()
    [found] = find(tmp_path)
    assert (summary(found).last, summary(found).metrics) == (last.time, {("batch", "loss"): 2999.0})
    with pytest.warns(RuntimeWarning, match="was extended by another program"):
        exp.close()


def test_an_old_value_is_not_shown_as_the_last_one(tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    exp.log.event("batch", loss=5.0)
    for _ in range(3000):
        exp.log.event("batch", loss=1.0)
    for _ in range(3000):
        exp.log.event("text", line="x" * 20)
    exp.flush()
    [found] = find(tmp_path)
    assert (summary(found).state, summary(found).metrics) == ("open", {})
    exp.close()


@pytest.mark.parametrize("text", [b"", b"x", b"\n", b"a\nb", b"a\nb\n", b"x" * 70_000, b"ab\n" * 50_000 + b"t"])
@pytest.mark.parametrize("more", [b"", b"y" * 200_000 + b"\n", b"z\n" + b"y" * 65_535 + b"\n"])
def test_blocks_from_the_end_give_every_complete_line_once(text: bytes, more: bytes) -> None:
    end = TailReader(io.BytesIO(more + text))
    blocks = list(end.blocks())
    size = (more + text).rfind(b"\n") + 1
    assert (end.size, end.torn) == (size, len(more + text) - size)
    assert b"".join(reversed(blocks)) == (more + text)[:size]
    assert all(block.endswith(b"\n") for block in blocks)


def test_only_a_line_that_is_too_long_is_skipped() -> None:
    end = TailReader(io.BytesIO(b"a\n" + b"x" * MAX_RECORD + b"\n" + b"b\n" + b"t" * 1_000_000))
    assert (list(end.blocks()), end.torn) == ([b"b\n", b"a\n"], 1_000_000)


def test_only_the_ends_of_logs_that_have_ended_are_read(tmp_path: Path) -> None:
    """By the system's own count of bytes that were read."""
    with Exp(tmp_path, "e") as exp:
        for number in range(30_000):
            exp.log.event("batch", step=number, loss=0.5)
    Exp.open(exp.path, tags=["a note, with a record and a stream"]).close()
    size = (exp.path / "log.jsonl").stat().st_size
    program = (
        "import sys; from mlv_tools._reading.summary import summary; from mlv_tools._reading.trees import find\n"
        "def read(): return int(open('/proc/self/io').read().split()[1])\n"
        "before = read(); [summary(found) for found in find(sys.argv[1])]; print(read() - before)"
    )
    if not os.path.exists("/proc/self/io"):
        pytest.skip("not applicable: this system counts no bytes that a process has read")
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert size > 2_000_000 and int(done.stdout) < 100_000


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([1.0], "▁"),
        ([0, 1], "▁█"),
        ([1, float("nan"), 0], "█ ▁"),
        ([float("inf")] * 3, "   "),
        (list(range(32)), "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"),
    ],
)
def test_a_sparkline_has_the_shape_of_the_values(values: Any, line: str) -> None:
    assert sparkline(values) == line


def test_metrics_and_conditions_are_parsed() -> None:
    known = [("epoch/batch", "loss"), ("a", "b"), ("c", "x:y")]
    assert find_metric("epoch/batch.loss:min", known) == Metric("epoch/batch", "loss", "min")
    assert find_metric("loss", known) == Metric("epoch/batch", "loss", "last")
    assert str(find_metric("a.b:mean", known)) == "a.b:mean"
    assert find_metric("x:y", known) == Metric("c", "x:y", "last")
    assert parts("lr>=1e-3") == [("lr", ">=", "1e-3")]
    assert parts("a = b = c") == [("a", "=", "b = c"), ("a = b", "=", "c")]
    assert ago(None) == ""


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000000+23:00", "9999-12-31T23:59:59.000000-23:00"])
def test_a_time_that_is_none_in_utc_has_its_own_time_zone(mlv: Callable[..., str], tmp_path: Path, text: str) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        exp.log.event("t")
    log = exp.path / "log.jsonl"
    line = json.dumps({"seq": 2, "time": text, "event": "t", "data": {}})
    log.write_text(f"{log.read_text().splitlines()[0]}\n{line}\n")
    shown = text[:16].replace("T", " ") + text[-6:]
    assert shown in mlv("ls", "runs") and shown in mlv("show", "runs/a")
    assert f"{text[:23]}{text[-6:]} log:2 t" in mlv("tail", "runs/a")


def test_an_old_event_has_its_date_with_the_time_zone() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    tokyo = timezone(timedelta(hours=9))
    assert ago(datetime(2026, 1, 2, 3, 4, tzinfo=tokyo), now) == "2026-01-01 18:04 UTC"
    assert ago(datetime(2026, 3, 1, 0, 1, tzinfo=UTC), now) == "2026-03-01 00:01 UTC"


def test_lines_that_were_left_out_are_reported(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        for step in range(3):
            exp.log.event("t", step=step, loss=step)
    log = exp.path / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[3] = b"garbage\n"
    log.write_bytes(b"".join(lines))
    for arguments in ((), ("-m", "t.loss"), ("-w", "t.loss > 0"), ("--format", "json")):
        said = mlv("ls", "runs", *arguments)
        assert "aren't events and were left out" in " ".join(said.split()) or "was left out" in said, arguments
    done = subprocess.run(
        [sys.executable, "-m", "mlv_tools", "diff", "runs/a", "runs/a"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.count("log.jsonl:4: ") == 2


def test_a_stream_that_is_a_link_hides_no_line_that_was_left_out(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        for step in range(500):
            exp.log.event("t", step=step, loss=step)
        exp.stream("gpu").event("x")
    log = exp.path / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[1] = b"garbage\n"
    log.write_bytes(b"".join(lines))
    (exp.path / "log/link.jsonl").symlink_to("gpu.jsonl")
    said = " ".join(mlv("ls", "runs", "-m", "t.loss").split())
    assert "log.jsonl:2 was left out" in said and "log/link.jsonl is a symbolic link" in said


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5e308] * 3, 1.5e308),
        ([float("inf"), float("-inf"), 1.0], "nan"),
        ([1.5e308, 1.5e308, float("inf")], "inf"),
        ([10**400, 10**400 + 2], 10**400 + 1),
        ([10**400, -(10**400), 1.5], 0.5),
        ([0.1] * 10, 0.1),
        ([1, 2, float("nan")], 1.5),
    ],
)
def test_the_mean_of_any_values_is_shown(mlv: Callable[..., str], tmp_path: Path, values: Any, expected: Any) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        for value in values:
            exp.log.event("t", y=value)
    (row,) = rows_of(mlv("ls", "runs", "-m", "t.y:mean", "-s", "t.y:mean", "--format", "json"))
    assert row["t.y:mean"] == expected


@pytest.mark.parametrize("values", [(1.7e308, -1.7e308), (1e-320, 2e-320), (5e-324, 0.0), (sys.float_info.max,) * 48])
def test_a_curve_of_any_finite_values_is_drawn(mlv: Callable[..., str], tmp_path: Path, values: Any) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        for value in values:
            exp.log.event("t", y=value)
    assert "t.y" in mlv("ls", "runs", "-m", "t.y")


def test_a_name_that_is_a_group_in_some_experiments_means_both(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, optimizer in (("a", {"lr": 0.1}), ("b", "sgd")):
        Exp(tmp_path / "runs", name, {"optimizer": optimizer}).close()
    said = mlv("ls", "runs", "-p", "optimizer")
    assert "optimizer.lr" in said and "0.1" in said and "sgd" in said


def test_a_metric_of_another_stream_is_named_as_such(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        exp.log.event("t", loss=1)
        exp.stream("gpu").event("load", percent=50)
    for option in (
        ("-m", "load.percent"),
        ("-s", "load.percent:min"),
        ("-w", "load.percent < 60"),
        ("-w", "percent>1"),
    ):
        said = " ".join(mlv("ls", "runs", *option, exit=2).replace("│", " ").split())
        assert "is a metric of log/gpu.jsonl, and mlv ls shows only those of log.jsonl" in said, option


def test_experiments_that_have_a_metric_only_in_another_stream_are_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        with Exp(tmp_path / "runs", name) as exp:
            exp.log.event("t", y=1)
            if name == "a":
                exp.log.event("val", x=0.5)
            if name != "c":
                exp.stream("eval").event("val", x=0.25)
    note = (
        "mlv: warning: metrics of other streams than log.jsonl aren't shown, sorted or compared: "
        "val.x of b (log/eval.jsonl). Run: mlv plot, or mlv sql."
    )
    for option in (("-m", "val.x"), ("-s", "x:min", "-m", "val.x"), ("-w", "val.x != 0.4")):
        assert said(tmp_path, *option)[1] == [note], option
    assert said(tmp_path, "-w", "val.x < 0.4")[1][0] == note
    assert said(tmp_path, "-m", "t.y")[1] == []


def test_a_log_that_is_read_as_a_whole_is_counted_as_a_whole(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        for step in range(2000):
            exp.log.event("t", step=step, loss=step)
    log = exp.path / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[3] = lines[4] = lines[-3] = b"garbage\n"
    log.write_bytes(b"".join(lines))
    (row,) = rows_of(mlv("ls", "runs", "--format", "json"))
    assert row["trouble"].startswith("at least 1 lines of log.jsonl aren't events and were left out")
    (row,) = rows_of(mlv("ls", "runs", "-m", "t.loss", "--format", "json"))
    assert (
        row["trouble"].startswith("log.jsonl:4 was left out, and 2 more lines: ") and "at least" not in row["trouble"]
    )


def test_a_table_that_is_piped_is_whole_and_has_one_title_for_each_column(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        Exp(tmp_path / "runs", name, {"last event": name * 20_000, "lr": 0.1}).close()
    title, one, two = mlv("ls", "runs").splitlines()
    assert title.split() == ["name", "kind", "state", "last", "event", "params.last", "event"]
    assert one.split()[-1] == "a" * 20_000 and two.split()[-1] == "b" * 20_000
    assert "a  " in mlv("ls", "runs", "-w", f"last event = {'a' * 20_000}")
    assert "aaa…" in mlv("ls", "runs", FORCE_COLOR="1", COLUMNS="120")


def test_links_that_lead_elsewhere_are_counted(mlv: Callable[..., str], tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "a").close()
    Exp(tmp_path / "other", "b").close()
    (tmp_path / "runs" / "latest").symlink_to("a")
    assert "symbolic links" not in mlv("ls", "runs")
    (tmp_path / "runs" / "b").symlink_to(tmp_path / "other" / "b")
    assert "not shown: 1 symbolic links to other directories" in mlv("ls", "runs")
    (tmp_path / "selected").mkdir()
    (tmp_path / "selected" / "b").symlink_to(tmp_path / "other" / "b")
    assert mlv("ls", "selected") == "no experiments in selected; 1 symbolic links to directories aren't followed\n"


def runs_with_accuracies(folder: Path) -> Path:
    """Three experiments that define a direction of the accuracy, and one that doesn't."""
    for name, values in {"a": (1, 7, 2), "b": (math.nan, 9, math.inf), "c": (3,), "d": (4,)}.items():
        with Exp(folder / "runs", name) as exp:
            if name != "d":
                exp.define_metric("accuracy", direction="maximize", axis="epoch")
            for value in values:
                exp.log.event("val", accuracy=value)
    return folder / "runs"


def test_the_best_value_is_that_of_the_defined_direction(mlv: Callable[..., str], tmp_path: Path) -> None:
    runs = runs_with_accuracies(tmp_path)
    rows = rows_of(mlv("ls", runs, "-m", "val.accuracy:best", "-s", "accuracy:best", "--format", "json"))
    assert [(row["name"], row["val.accuracy:best"]) for row in rows] == [("b", 9), ("a", 7), ("c", 3), ("d", None)]
    rows = rows_of(mlv("ls", runs, "-s", "accuracy:best", "-r", "--format", "json"))
    assert [row["name"] for row in rows] == ["c", "a", "b", "d"]
    rows = rows_of(mlv("ls", runs, "-m", "accuracy:max", "-w", "accuracy:best > 5", "--format", "json"))
    assert [(row["name"], row["val.accuracy:max"]) for row in rows] == [("a", 7), ("b", "inf")]


def test_a_column_has_the_unit_that_all_its_experiments_define(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, unit in (("a", "s"), ("b", "ms")):
        with Exp(tmp_path, name) as exp:
            exp.define_metric("loss", unit="nat")
            exp.define_metric("took", unit=unit)
            if name == "a":
                exp.define_metric("size", unit="By")
            exp.log.event("t", loss=1.5, took=2, size=3)
    with Exp(tmp_path, "c") as exp:
        exp.log.event("u", x=1)  # without the metric, so that its unit doesn't count
    columns = ["-m", "loss", "-m", "loss:min", "-m", "took", "-m", "size"]
    head = mlv("ls", tmp_path, *columns).splitlines()[0].split("last event")[1]
    assert head.split("  ")[1:] and " ".join(head.split()) == "t.loss (nat) t.loss:min (nat) t.took t.size"
    head = mlv("ls", tmp_path, *columns, "-w", "name = a").splitlines()[0].split("last event")[1]
    assert " ".join(head.split()) == "t.loss (nat) t.loss:min (nat) t.took (s) t.size (By)"
    assert "t.loss" in rows_of(mlv("ls", tmp_path, "-m", "loss", "--format", "json"))[0]


def test_an_experiment_without_a_direction_has_no_best_value(mlv: Callable[..., str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlv_tools", "ls", str(runs_with_accuracies(tmp_path)), "-m", "accuracy:best"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == (
        "mlv: warning: 1 of 4 experiments define no direction of val.accuracy, such as d, so they have no best value. "
        "Choose val.accuracy:min or val.accuracy:max.\n"
    )
    says = "no experiment defines a direction of val.accuracy. Choose val.accuracy:min or val.accuracy:max."
    assert says in " ".join(mlv("ls", "runs/d", "-m", "accuracy:best", exit=2).split())


def test_experiments_of_different_directions_are_not_sorted_by_their_best(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    for direction in ("minimize", "maximize"):
        with Exp(tmp_path / "runs", direction) as exp:
            exp.define_metric("x", direction=direction)
            exp.log.event("val", x=1)
    assert "different directions of val.x. Choose val.x:min or val.x:max" in mlv("ls", "runs", "-s", "x:best", exit=2)
