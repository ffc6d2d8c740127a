"""`mlv ls`: columns of parameters, conditions and the order of rows."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ls_output import rows_of, said

import mlvlogger
from mlv_tools._commands._filter import Condition
from mlv_tools._commands.ls import _Row
from mlv_tools._reading.summary import summary
from mlv_tools._reading.trees import find
from mlvlogger import Exp


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


def test_rows_without_a_value_are_counted(runs: Path, tmp_path: Path) -> None:
    Exp(runs, "null", {"lr": None}).close()
    without = "mlv: warning: {} of 6 experiments have no value for {} (1 broken or unknown{}) and are left out by {!r}"
    names, lines = said(tmp_path, "-w", "lr > 0.05")
    assert names == ["first", "third"]
    assert lines == [without.format(3, "lr", ", 1 null", "lr > 0.05")]
    names, lines = said(tmp_path, "-w", "train/batch.loss ~ *")
    assert names == ["first", "second", "third"]
    assert lines == [without.format(3, "train/batch.loss", "", "train/batch.loss ~ *")]
    names, lines = said(tmp_path, "-w", "loss < 1")
    assert names == ["first"]
    assert lines == [without.format(4, "train/batch.loss", ", 1 NaN", "loss < 1")]
    # Rows that another condition leaves out aren't counted, nor are those without null if null was excluded.
    assert said(tmp_path, "-w", "kind = train", "-w", "lr = 0.1") == (
        ["first"],
        [without.format(1, "kind", "", "kind = train"), without.format(1, "lr", "", "lr = 0.1")],
    )
    assert said(tmp_path, "-w", "name = second", "-w", "lr > 0") == (["second"], [])
    assert said(tmp_path, "-w", "name ~ [fns]*", "-w", "lr != null")[1] == []
    assert said(tmp_path, "-w", "lr != 0.1")[0] == ["broken", "first/squeeze/pruned", "null", "second", "third"]


@pytest.mark.parametrize("number", ["1e399", "-1e399", "1e-400", "[1, 1e399]", "9" * 5000])
def test_a_number_that_no_float_is_close_to_is_an_error(mlv: Callable[..., str], tmp_path: Path, number: str) -> None:
    Exp(tmp_path / "runs", "e", {"v": 1.0, "text": "1e399"}).close()
    assert "is beyond all floats" in mlv("ls", "runs", "-w", f"v > {number}", exit=2)
    assert "'1e399' isn't a number" in mlv("ls", "runs", "-w", "text > 1", exit=2)
    for condition in ("v < inf", "v > 0e-400", "v > 5e-324", "name != 1e399"):
        assert "e  " in mlv("ls", "runs", "-w", condition)


def test_a_filter_that_nothing_matches_says_so(mlv: Callable[..., str], runs: Path) -> None:
    assert mlv("ls", runs, "-w", "lr > 5") == "0 of 5 experiments match 'lr > 5'.\n"
    assert "0 of 5 experiments match 'lr = 1' and 'lr = 2'" in mlv("ls", runs, "-w", "lr = 1", "-w", "lr = 2")
    assert "write ~ *ir*" in mlv("ls", runs, "-w", "name ~ ir")
    assert json.loads(mlv("ls", runs, "-w", "lr > 5", "--format", "json")) == []


PARAMS = {"optimizer.lr": 0.1, "optimizer": {"lr": 0.2, "name": "adam"}, "a=b": 1, "state": "CA", "trouble": 1}
PARAMS |= {"train": {"loss": "mse"}, "params": {"a=b": 2}, "x,y": 3, "none": None}


def test_every_column_has_a_name_of_its_own(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e", PARAMS) as exp:
        exp.log.event("train", loss=0.5, **{"huber[delta=1.3]": 7})
    every = {
        "name": "e",
        "kind": "experiment",
        "state": "completed",
        '"optimizer.lr"': 0.1,
        "optimizer.lr": 0.2,
        "optimizer.name": "adam",
        "a=b": 1,
        "params.state": "CA",
        "params.trouble": 1,
        "train.loss": "mse",
        "params.params.a=b": 2,
        "x,y": 3,
        "none": None,
        "metrics.train.loss": 0.5,
        "train.huber[delta=1.3]": 7,
        "trouble": "",
    }
    params = ['"optimizer.lr"', "optimizer.lr,optimizer.name", "a=b", "params.state", "params.trouble", "train.loss"]
    params += ["params.params.a=b", "x,y", "none"]
    names = [word for name in params for word in ("-p", name)]
    metrics = ["-m", "metrics.train.loss", "-m", "train.huber[delta=1.3]"]
    (row,) = rows_of(mlv("ls", "runs", *names, *metrics, "--format", "json"))
    assert {name: item for name, item in row.items() if name != "last"} == every
    for name, item in every.items():
        if item is not None and item != "":
            (row,) = rows_of(mlv("ls", "runs", "-w", f"{name} = {item}", "--format", "json"))
            assert "0 of 1" in mlv("ls", "runs", "-w", f"{name} != {item}")
            assert "e  " in mlv("ls", "runs", "-s", name)
    for condition in ('"train.huber[delta=1.3]" > 6', '"a=b" < 2', '"x,y" = 3', "huber[delta=1.3] = 7", "none = null"):
        assert "e  " in mlv("ls", "runs", "-w", condition)
    (row,) = rows_of(mlv("ls", "runs", "-p", "optimizer", "-p", '"x,y",none', "--format", "json"))
    assert list(row)[4:8] == ["optimizer.lr", "optimizer.name", "x,y", "none"]


def test_a_condition_with_two_readings_is_an_error(mlv: Callable[..., str], tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "e", {"a": "b=c", "a=b": "c"}).close()
    assert "'a=b=c' is ambiguous. Write the column in double quotes" in mlv("ls", "runs", "-w", "a=b=c", exit=2)
    for condition in ('"a" = b=c', '"a=b" = c'):
        assert "e  " in mlv("ls", "runs", "-w", condition)


def test_nested_parameters_are_columns(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, width in (("a", 64), ("b", 128)):
        Exp(tmp_path / "runs", name, {"model": {"width": width, "depth": 2}, "lr": 0.1}).close()
    assert mlv("ls", "runs").splitlines()[0].split()[5:] == ["model.width"]
    assert [row["name"] for row in rows_of(mlv("ls", "runs", "-w", "model.width = 64", "--format", "json"))] == ["a"]
    words = [line.split() for line in mlv("ls", "runs", "-p", "model").splitlines()]
    assert (words[0][5:], words[1][-2:]) == (["model.width", "model.depth"], ["64", "2"])
    assert "model.width  64" in mlv("show", "runs/a")
    assert "model.width  64      128" in mlv("diff", "runs/a", "runs/b")


def test_parameters_that_differ_in_a_late_digit_differ(mlv: Callable[..., str], tmp_path: Path) -> None:
    for name, seed, lr, flag in (("a", 1234567890, 0.1, True), ("b", 1234567891, 0.1000001, "true")):
        Exp(tmp_path / "runs", name, {"seed": seed, "lr": lr, "flag": flag, "same": 1, "nan": float("nan")}).close()
    lines = mlv("ls", "runs").splitlines()
    assert lines[0].split()[5:] == ["seed", "lr", "flag"] and "1234567891" in lines[2]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("alpha > 0.3", ["b", "c"]),
        ("alpha <= .5", ["a", "b"]),
        ("alpha = 0.50", ["b"]),
        ("alpha != 0.5", ["a", "c"]),
        ("layers = 64", ["a"]),
        ("layers = [64, 2]", ["a"]),
        ("last > 2020-01-01", ["a", "b", "c"]),
        ("last < 2020-01-01T10:00", []),
        ("name > a", ["b", "c"]),
        ("flag = true", ["a"]),
        ("flag = 1", []),
    ],
)
def test_values_are_compared_as_what_they_are(
    mlv: Callable[..., str], tmp_path: Path, condition: str, expected: list[str]
) -> None:
    for name, params in (("a", {"alpha": "0.3", "layers": [64, 2], "flag": True}), ("b", {"alpha": "0.5"})):
        Exp(tmp_path / "runs", name, params).close()
    Exp(tmp_path / "runs", "c", {"alpha": 0.6}).close()
    rows = rows_of(mlv("ls", "runs", "-w", condition, "--format", "json"))
    assert [row["name"] for row in rows] == expected


HOURS = timedelta(hours=1)
TYPED: dict[str, list[Any]] = {
    "a": [10 * HOURS, datetime(2026, 1, 2), datetime(1, 1, 1, tzinfo=timezone(23 * HOURS)), date(2026, 1, 2), [10, 2]],
    "b": [9 * HOURS, datetime(1, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 1), [9, 3]],
    "c": [50 * HOURS, datetime(2026, 1, 3, 4, 5), datetime(2026, 1, 1, tzinfo=UTC), date(2025, 12, 31), ["x"]],
}


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    """Experiments with parameters of many types, `x` among them, which is of another type in each."""
    (tmp_path / "data.csv").write_text("x")
    mixed = [None, "null", True, "1", [True], [1], mlvlogger.ref(tmp_path / "data.csv"), time(9, 30)]
    for name, other in zip("abcdefgh", mixed, strict=True):
        params = dict(zip(("took", "local", "utc", "day", "layers"), TYPED.get(name, []), strict=False))
        Exp(tmp_path / "runs", name, {**params, "x": other}).close()
    return tmp_path


def test_values_are_sorted_as_what_they_are(typed: Path) -> None:
    for column, order in {"took": "bac", "local": "bac", "utc": "acb", "day": "cba", "layers": "bac"}.items():
        assert "".join(said(typed, "-s", column)[0][:3]) == order, column
    assert said(typed, "-s", "x")[0][-1] == "a"


def test_typed_values_are_compared_as_what_they_are(typed: Path) -> None:
    rows = [row.cells for row in map(_Row, map(summary, find(typed / "runs")))]
    for column, condition, names in (
        ("took", "> 36000", "c"),
        ("took", ">= 10:00:00", "ac"),
        ("took", "< 2 days, 2:00:00", "ab"),
        ("took", "= 10:00:00", "a"),
        ("took", "= 32400", "b"),
        ("local", "> 2026-01-02", "c"),
        ("local", "= 2026-01-02", "a"),
        ("local", "< 2026-01-02", "b"),
        ("utc", "> 2026-01-01", "b"),
        ("utc", "= 2026-01-02T01:00+01:00", "b"),
        ("day", "> 2025-12-31", "ab"),
        ("x", "= null", "a"),
        ("x", "!= null", "bcdefgh"),
        ("x", '= "null"', "b"),
        ("x", "= [true]", "e"),
        ("x", "= [1]", "f"),
        ("x", "~ true", "ce"),
        ("x", "~ *data.csv", "g"),
        ("x", f"= {typed / 'data.csv'}", "g"),
    ):
        operator, _, text = condition.partition(" ")
        holds = Condition(operator, text).holds
        column = f"params.{column}"
        assert "".join(row["name"] for row in rows if column in row and holds(row[column])) == names, condition


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("took > fast", "'fast' isn't a duration. Write one such as 90, in seconds, or 0:01:30."),
        ("took > nan", "'nan' isn't a duration"),
        ("took > 1e300", "'1e300' isn't a duration"),
        ("local > 2026-01-01T00:00Z", "isn't a time without a time zone. Write one such as 2026-11-28 or"),
        ("day > 2026", "'2026' isn't a date. Write one such as 2026-11-28."),
    ],
)
def test_a_text_of_another_type_is_an_error(mlv: Callable[..., str], typed: Path, condition: str, message: str) -> None:
    assert message in mlv("ls", "runs", "-w", condition, exit=2)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("name2 > 3", "'adam' isn't a number, and has no order with 3."),
        ("layers < 3", "[64, 2] isn't a number, and has no order with 3."),
        ("flag > 0", "True isn't a number"),
        ("alpha < fast", "'fast' isn't a number, and has no order with 0.3."),
        ("alpha > nan", "NaN is neither larger nor smaller than a number. To find NaN, write = nan."),
        ("last > yesterday", "'yesterday' isn't a time. Write one such as 2026-11-28"),
    ],
)
def test_a_comparison_that_is_impossible_is_an_error(
    mlv: Callable[..., str], tmp_path: Path, condition: str, message: str
) -> None:
    Exp(tmp_path / "runs", "a", {"alpha": 0.3, "layers": [64, 2], "name2": "adam", "flag": True}).close()
    assert f"can't be compared: {message}" in mlv("ls", "runs", "-w", condition, exit=2)


def test_values_that_cannot_be_compared_are_counted(tmp_path: Path) -> None:
    for name, lr in (("a", 0.3), ("b", "auto"), ("c", "auto")):
        Exp(tmp_path / "runs", name, {"lr": lr}).close()
    command = [sys.executable, "-m", "mlv_tools", "ls", "runs", "-w", "lr > 0.1", "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert [row["name"] for row in rows_of(done.stdout)] == ["a"]
    assert done.stderr == (
        "mlv: warning: 2 of 3 experiments are left out by 'lr > 0.1': "
        "'auto' isn't a number, and has no order with 0.1.\n"
    )


def test_numbers_in_strings_are_sorted_as_numbers_and_nan_does_not_disturb_the_order(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    for name, size in (("a", "9"), ("b", "nan"), ("c", 10), ("d", "x"), ("e", 1.5), ("f", None)):
        Exp(tmp_path / "runs", name, {"size": size}).close()
    for reverse, names in (([], "eacdbf"), (["-r"], "dcaebf")):
        rows = rows_of(mlv("ls", "runs", "-s", "size", *reverse, "--format", "json"))
        assert [row["name"] for row in rows] == list(names)


def test_a_number_that_no_float_holds_is_shown(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e", {"big": 10**400}) as exp:
        exp.log.event("t", loss=-(10**400))
    output = mlv("ls", "runs", "-m", "loss:mean", "-p", "big")
    assert " 1.00000e+400" in output and "-1.00000e+400" in output and "inf" not in output
    assert "big=" not in mlv("tail", "runs/e") and "loss=-1.00000e+400" in mlv("tail", "runs/e")


def test_rows_are_sorted_by_a_column_and_those_without_a_value_come_last(mlv: Callable[..., str], runs: Path) -> None:
    rows = rows_of(mlv("ls", runs, "--sort", "lr", "-r", "--format", "json"))
    assert [row["name"] for row in rows] == ["third", "first", "second", "broken", "first/squeeze/pruned"]
    assert len(rows_of(mlv("ls", runs, "-n", "2", "--format", "json"))) == 2


@pytest.mark.parametrize("operator", ["==", "=<", "=>", "<>", "=~"])
def test_what_is_not_an_operator_is_an_error(mlv: Callable[..., str], runs: Path, operator: str) -> None:
    assert f"'{operator}' isn't an operator. Write one of = !=" in mlv("ls", "runs", "-w", f"lr {operator} 0.1", exit=2)


def test_an_empty_tag_is_an_error(mlv: Callable[..., str], runs: Path) -> None:
    assert "A tag is empty" in mlv("tag", "runs/first", "", exit=2)
