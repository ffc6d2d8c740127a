"""Finding experiments in a tree."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mlvlogger
from mlv_tools import connect, experiments
from mlv_tools._reading.trees import find, links_outside
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


def test_every_command_reports_links_that_lead_outside(tmp_path: Path, mlv: Callable[..., str]) -> None:
    for name in ("a", "b"):
        with Exp(tmp_path / "other", name) as exp:
            exp.log.event("batch", step=1, loss=0.5)
        (tmp_path / "runs" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "runs" / name).symlink_to(exp.path)
    Exp(tmp_path / "runs", "c").close()
    (tmp_path / "runs/latest").symlink_to("c")
    said = "2 symbolic links aren't followed and may lead to experiments outside of 'runs', such as 'runs/a'"
    assert links_outside(tmp_path / "runs").replace(f"{tmp_path}/", "") == said
    command = [sys.executable, "-m", "mlv_tools"]
    listings = [["ls", "runs", "--format", "csv"], ["ls", "runs", "--format", "json"], ["ls", "runs", "-w", "name=x"]]
    for arguments in (*listings, ["report", "runs"]):
        done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, f"mlv: warning: {said}\n")
    assert f"{said}." in (tmp_path / "report.html").read_text()
    message = "it is a symbolic link that leads outside of the root, and isn't followed"
    with pytest.warns(UserWarning, match=f"2 problems, such as ./a: {message}"):
        connection = connect(tmp_path / "runs")
    rows = connection.execute("FROM problems").fetchall()
    assert rows == [(".", name, None, message) for name in ("a", "b")]
    assert mlv("sql", "runs", "SELECT count(*) AS n FROM problems", "--format", "csv") == "n\n2\n"
    assert "2 problems, such as ./a" in experiments(tmp_path / "runs")._repr_html_()
    with pytest.warns(RuntimeWarning, match="^2 symbolic links aren't followed"):
        assert [one.name for one in mlvlogger.read.all(tmp_path / "runs")] == ["c"]
