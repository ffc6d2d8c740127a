"""`mlv ls`: what ran, and how it went."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlv_tools._commands._filter import Condition
from mlv_tools._commands._metric import Metric
from mlv_tools._display.text import ago, sparkline
from mlv_tools._reading.summary import summary
from mlv_tools._reading.tail_reader import TailReader
from mlv_tools._reading.trees import find
from mlvlogger import MAX_RECORD, Exp

HOSTILE = "\x1b[31mred\x1b]0;title\x07[bold]x[/bold]\u202e"


def rows_of(text: str) -> Any:
    return json.loads(text)


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


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("lr < 0.05", ["second"]),
        ("lr >= 0.1", ["first", "third"]),
        ("state = completed", ["first", "first/squeeze/pruned"]),
        ("kind != train", ["broken", "first/squeeze/pruned", "third"]),
        ("name ~ *d", ["first/squeeze/pruned", "second", "third"]),
        ("tags = baseline", ["first"]),
        ("train/batch.loss < 1", ["first"]),
    ],
)
def test_rows_are_chosen_by_a_condition(mlv: Callable[..., str], runs: Path, where: Any, names: Any) -> None:
    assert [row["name"] for row in rows_of(mlv("ls", runs, "-w", where, "--format", "json"))] == names


def test_rows_are_sorted_by_a_column_and_those_without_a_value_come_last(mlv: Callable[..., str], runs: Path) -> None:
    rows = rows_of(mlv("ls", runs, "--sort", "lr", "-r", "--format", "json"))
    assert [row["name"] for row in rows] == ["third", "first", "second", "broken", "first/squeeze/pruned"]
    assert len(rows_of(mlv("ls", runs, "-n", "2", "--format", "json"))) == 2


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
    assert one == {**expected, "loss": "nan", "accuracy": 0.1 + 0.2, "trouble": ""}
    assert two["name"] == "\udcff\x1b/b"
    output = mlv("ls", "--format", "csv", *columns)
    assert output.isascii() and output.replace("\n", "").isprintable()
    one, two = csv.DictReader(io.StringIO(output))
    cells = "{a: x}", "a\\x1b[31m\\x9b\\u202e", str(2**63), "", "nan", "0.30000000000000004"
    assert tuple(one[name] for name in ("text", "seed", "none", "loss", "accuracy")) == cells[1:]
    assert (one["layers"], one["state"], two["name"]) == (f"[1, {cells[0]}]", "completed", "\\udcff\\x1b/b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "nothing"], "there is no column 'nothing'"),
        (["-w", "what"], "'what' isn't a condition. Write COLUMN = VALUE"),
        (["-m", ".x"], "'.x' isn't the name of a metric"),
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


def test_a_torn_log_is_reported_in_its_row(mlv: Callable[..., str], tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    exp.close()
    with open(exp.path / "log.jsonl", "ab") as file:
        file.write(b'{"seq":3')
    assert "log.jsonl ends in 8 bytes without a line feed" in mlv("ls")


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
    assert Metric.of("epoch/batch.loss:min") == Metric("epoch/batch", "loss", "min")
    assert Metric.of("loss") == Metric("**", "loss", "last") and str(Metric.of("a.b:mean")) == "a.b:mean"
    assert Metric.of("x:y") == Metric("**", "x:y", "last")
    assert Condition.of("lr>=1e-3") == Condition("lr", ">=", 0.001)
    assert Condition.of("name = a b") == Condition("name", "=", "a b")
    assert ago(None) == ""


def test_an_old_event_has_its_date_with_the_time_zone() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    tokyo = timezone(timedelta(hours=9))
    assert ago(datetime(2026, 1, 2, 3, 4, tzinfo=tokyo), now) == "2026-01-01 18:04 UTC"
    assert ago(datetime(2026, 3, 1, 0, 1, tzinfo=UTC), now) == "2026-03-01 00:01 UTC"
