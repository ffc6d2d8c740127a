"""Finding experiments in a tree."""

import os
from pathlib import Path

import pytest

from mlv_tools._reading.trees import find
from mlvlogger import Exp


def test_experiments_are_found_in_order_and_a_sub_experiment_after_its_parent(tmp_path: Path) -> None:
    with Exp(tmp_path, "b"), Exp(tmp_path / "a", "z"):
        Exp.find(tmp_path / "b").sub("child", kind="part").close()
    assert [(found.name, found.depth, found.error) for found in find(tmp_path)] == [
        ("a/z", 0, ""),
        ("b", 0, ""),
        ("b/part/child", 1, ""),
    ]


def test_a_broken_experiment_is_found_as_broken_and_hides_no_other(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        Exp(tmp_path, name).close()
    (tmp_path / "two/meta.json").chmod(0o644)
    (tmp_path / "two/meta.json").write_text('{"mlv": "1.0"')
    one, three, two = find(tmp_path)
    assert (one.error, three.error, two.experiment) == ("", "", None)
    assert f"mlv-validate {tmp_path / 'two'}" in two.error


def test_links_below_the_root_are_not_followed(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "one").close()
    os.symlink(tmp_path / "runs", tmp_path / "runs/loop")
    os.symlink(tmp_path / "runs", tmp_path / "link")
    assert [found.name for found in find(tmp_path / "link")] == ["one"]


def test_a_path_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(find(tmp_path / "nothing"))
