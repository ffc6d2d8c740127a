"""Sub-experiments, parents, and experiments that were moved or are reached by links."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import (
    Exp,
    Experiment,
    ExperimentRef,
    InvalidName,
    NotAnExperiment,
    read,
)
from oracle import snapshot

HOME = Path("runs/e")


def test_find_returns_the_nearest_enclosing_experiment_and_writes_nothing() -> None:
    with Exp("runs", "e", {"a": 1}, "train") as exp:
        inner = Exp(HOME / "deep/er", "inner")
        inner.close()
        Path(HOME, "model.pt").write_bytes(b"m")
        Path(HOME, "deep/er/inner/x").write_bytes(b"x")
        before = snapshot()
        for path in (HOME, HOME / "model.pt", HOME / "deep", HOME / "log.jsonl", HOME.resolve() / "deep/er"):
            place = Exp.find(path)
            assert (type(place), place.id, place.params, place.kind) == (Experiment, exp.id, {"a": 1}, "train")
            assert place.path.resolve() == HOME.resolve()
        assert Exp.find(HOME / "deep/er/inner/x").id == inner.id
        assert snapshot() == before
    with pytest.raises(NotAnExperiment, match="'runs' is in no experiment: no directory above it has a meta.json"):
        Exp.find("runs")
    with pytest.raises(FileNotFoundError):
        Exp.find("runs/e/missing")


@pytest.mark.rule("writer.sub-place")
def test_a_sub_experiment_can_be_made_from_the_path_of_a_checkpoint_alone(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        Path(HOME, "model.pt").write_bytes(b"m")
    with Exp.find(HOME / "model.pt").sub("sub_1", {"ratio": 0.5}, kind="squeeze", tags=["t"]) as sub:
        assert sub.path.resolve() == HOME.resolve() / "squeeze/sub_1"
        assert (sub.kind, sub.params, sub.tags) == ("squeeze", {"ratio": 0.5}, ["t"])
        parent = sub.parent
        assert parent is not None and parent.id == exp.id
        assert parent.ref() == ExperimentRef(exp.id, "../..")
        sub.log.event("input", exp=parent.ref(), file=parent.ref("model.pt"))
    streams = conforms(HOME / "squeeze/sub_1", sealed=True)
    assert streams["log.jsonl"][1]["data"]["file"]["experiment"] == exp.id
    record = json.loads((HOME / "squeeze/sub_1/meta.json").read_bytes())
    assert record["parent"] == {"_mlv": "experiment", "id": exp.id, "path": "../.."}
    assert [run.id for run in read(HOME).subs()] == [sub.id]
    assert read(HOME / "squeeze/sub_1").parent_ref == ExperimentRef(exp.id, "../..")
    conforms(HOME, sealed=True)


@pytest.mark.rule("writer.sub-place")
@pytest.mark.parametrize("savedir", ["meta", "log", "files", "files/a/b", "log/../files", "link", "link/deep"])
def test_a_sub_experiment_in_a_folder_of_the_record_is_refused(savedir: str) -> None:
    with Exp("runs", "e") as exp:
        (HOME / "files").mkdir()
        (HOME / "link").symlink_to("files")
        before = snapshot()
        with pytest.raises(InvalidName, match="that is for its record"):
            Exp(HOME / savedir, "x")
        for kind in ("meta", "log", "files"):
            with pytest.raises(InvalidName):
                exp.sub("x", kind=kind)
            with pytest.raises(InvalidName):
                Exp(HOME, kind)
        assert snapshot() == before


def test_a_users_link_below_an_experiment_leads_to_an_experiment_elsewhere(conforms: Any) -> None:
    """Large outputs on another disk: the target of the link isn't a sub-experiment, and pathlib raises no error."""
    with Exp("runs", "e") as exp:
        Path("scratch").mkdir()
        (HOME / "sub").symlink_to(Path("scratch").resolve())
        try:
            Exp(HOME / "sub", "x").close()
            Exp(HOME, "sub").close()
        except InvalidName:
            return
        assert exp.id
    conforms("scratch/x")


def test_experiments_nest(conforms: Any) -> None:
    with Exp("runs", "e") as outer, Exp(HOME, "a") as inner, Exp(HOME / "a/b", "c") as innermost:
        for exp in (outer, inner, innermost):
            exp.log.event("x", own=exp.ref(), parent=exp.parent and exp.parent.ref())
        assert inner.parent is not None and inner.parent.id == outer.id
        assert innermost.parent is not None and innermost.parent.id == inner.id and outer.parent is None
    for path in (HOME, HOME / "a", HOME / "a/b/c"):
        conforms(path, sealed=True)
    assert [run.name for run in read.all("runs")] == ["e", "a", "c"]


def test_an_experiment_is_not_made_without_its_parent_because_of_an_io_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Exp("runs", "e"):
        real = os.open

        def fail(path: Any, *arguments: Any, **options: Any) -> int:
            if Path(path) == HOME.resolve() / "meta.json":
                raise OSError(errno.EIO, "Input/output error")
            return real(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", fail)
            with pytest.raises(OSError, match="Input/output error"):
                Exp(HOME / "squeeze", "sub_1")
            with pytest.raises(OSError, match="Input/output error"):
                Exp.find(HOME)
        assert not (HOME / "squeeze").exists()
        with Exp(HOME / "squeeze", "sub_1") as sub:
            assert sub.parent is not None


@pytest.mark.parametrize("parent", [3, "runs/other", Path("runs/other"), {}])
def test_a_parent_of_another_type_is_an_error_and_nothing_is_created(parent: Any) -> None:
    with pytest.raises(TypeError, match="parent is .*Pass an Exp, what read"):
        Exp("runs", "a", parent=parent)
    assert not Path("runs").exists()


def test_a_parent_may_be_an_experiment_elsewhere(conforms: Any) -> None:
    with (
        Exp("runs", "one") as one,
        Exp("runs", "two", parent=one) as two,
        Exp("runs", "three", parent=two.ref()) as three,
    ):
        assert two.parent is not None and two.parent.id == one.id
        assert three.parent is None  # no hint where it is
    with Exp("runs", "four", parent=read("runs/one")) as four:
        assert four.parent is not None and four.parent.ref() == ExperimentRef(one.id, "../one")
    for name in ("two", "three", "four"):
        conforms(f"runs/{name}")


def test_a_moved_experiment_is_the_same_and_can_be_resumed(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        Path("x").write_bytes(b"x")
        exp.attach("x")
        Exp(HOME / "sub", "s").close()
    Path("archive").mkdir()
    shutil.move(HOME, "archive/renamed")
    moved = Path("archive/renamed")
    assert read(moved).id == exp.id == Exp.find(moved / "files/x").id
    with Exp.resume(moved) as again:
        assert again.id == exp.id and again.name == "e"
    sub = Exp.find(moved / "sub/s")
    assert sub.parent is not None and sub.parent.id == exp.id
    conforms(moved, sealed=True)


def test_the_savedir_and_the_experiment_may_be_given_as_links(conforms: Any) -> None:
    Path("disk").mkdir()
    Path("runs").symlink_to("disk")
    with Exp("runs", "e") as exp:
        exp.log.event("x")
    Path("latest").symlink_to("runs/e")
    with Exp.resume("latest") as again:
        assert again.id == exp.id
    assert read("latest").state == "completed" and [run.id for run in read.all("latest")] == [exp.id]
    assert Exp.find("latest/log.jsonl").path.resolve() == Path("disk/e").resolve()
    conforms("disk/e", sealed=True)


@pytest.mark.parametrize("folder", ["log", "meta", "files"])
def test_a_planted_link_instead_of_a_folder_is_not_followed(folder: str) -> None:
    Path("outside").mkdir()
    Exp("runs", "e").close()
    (HOME / folder).symlink_to(Path("outside").resolve())
    Path("x").write_bytes(b"x")

    def try_all() -> None:
        with Exp.resume(HOME) as exp:
            exp.stream("gpu").event("x")
            exp.attach("x")

    with pytest.raises((ValueError, OSError)):
        try_all()
    with pytest.raises((ValueError, OSError)):
        if folder == "files":
            Exp.resume(HOME).create("y").close()
        else:
            Exp.open(HOME, stream="y")
    assert os.listdir("outside") == []
