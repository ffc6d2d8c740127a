"""`discover` finds the experiments that `validate` judges, and judges none."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlv_validate
from mlv_validate import Discovery, Unchecked, discover, validate

Make = Callable[..., Any]


@pytest.fixture
def tree(experiment: Make, tmp_path: Path) -> Path:
    """Experiments in experiments and in folders of records, broken ones, and what is not an experiment."""
    for path in ("runs/a", "runs/a/eval/b", "runs/a/eval/b/eval/c", "runs/a/files/hidden", "runs/group/d"):
        experiment(path)
    logs = experiment("runs/log-only")
    logs.log().start().end()
    (logs.path / "meta.json").unlink()
    for name, text in (
        ("damaged", "{"),
        ("foreign", '{"name": "a web page"}'),
        ("newer", '{"mlv": "2.0"}'),
        ("twice", '{"mlv": "1.0", "mlv": "1.0"}'),
        ("deep", '{"mlv": "1.0", "params": ' + "[" * 70 + "]" * 70 + "}"),
    ):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "meta.json").write_text(text)
    (tmp_path / "runs/link").symlink_to("a", target_is_directory=True)
    (tmp_path / "runs" / os.fsdecode(b"\xff")).mkdir()
    experiment(os.path.join("runs", os.fsdecode(b"\xff"), "e"))
    return tmp_path / "runs"


def test_discover_finds_the_experiments_that_validate_judges(tree: Path) -> None:
    (target,) = validate(tree).targets
    found = discover(tree)
    assert found.experiments == tuple(one.path for one in target.experiments)
    assert {"a", "a/eval/b", "a/eval/b/eval/c", "group/d", "log-only", "newer"} <= {*found.experiments}
    assert "a/files/hidden" not in found.experiments and "foreign" not in found.experiments
    assert found.unchecked == ()  # the version of an experiment matters to its judge alone
    assert [one.path for one in target.unchecked] == ["newer/meta.json"]


def test_without_nested_experiments_the_outermost_are_found(tree: Path) -> None:
    everything = discover(tree).experiments
    outermost = tuple(path for path in everything if not path.startswith("a/"))
    assert discover(str(tree), nested=False) == Discovery(outermost, ())


def test_the_given_directory_is_an_experiment_if_it_has_any_meta_json(tree: Path) -> None:
    for name in ("a", "damaged", "foreign"):
        assert discover(tree / name, nested=False).experiments == (".",)
        assert discover(tree / name).experiments == tuple(
            one.path for one in validate(tree / name).targets[0].experiments
        )
    assert discover(tree / "group").experiments == ("d",)


def test_a_directory_that_cannot_be_searched_is_unchecked_as_in_a_report(tmp_path: Path, experiment: Make) -> None:
    experiment("runs/a")
    deep = tmp_path / "runs" / "/".join("d" * 66)
    deep.mkdir(parents=True)
    found = discover(tmp_path / "runs")
    assert found == Discovery(("a",), validate(tmp_path / "runs").targets[0].unchecked)
    assert found.unchecked == (Unchecked("/".join("d" * 65), "it is more than 64 directories deep"),)
    assert discover(tmp_path / "runs/d/d") == Discovery((), ())


def test_a_path_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(NotADirectoryError, match="log.jsonl"):
        discover(tmp_path / "log.jsonl")
    with pytest.raises(FileNotFoundError, match="gone"):
        discover(tmp_path / "gone")
    assert {"discover", "Discovery"} <= {*mlv_validate.__all__}
