"""The experiment is its directory, not the name of it: after chdir, and when it is moved, replaced or removed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, NotAnExperiment, read
from program import program

HOME = Path("runs/demo")


def use_everything(exp: Exp, child: Callable[[Callable[[], Any]], int]) -> None:
    """Everything that opens something in the experiment, from a script that continues."""
    exp.stream("gpu").event("used", mib=1)
    child(lambda: exp.log.event("loaded", i=1))
    Path("model.pt").write_bytes(b"weights")
    exp.attach("model.pt")
    exp.attach(b"bytes", "sample.bin")
    with exp.create("notes.txt", "w") as file:
        file.write("made")
    exp.watch(seconds=0.1).stop()
    with exp.capture():
        os.write(1, b"captured\n")
    exp.sub("small", {"a": 1}, kind="squeeze").close()
    assert exp.ref(exp.path / "files/model.pt").path == "files/model.pt"
    with Exp.join(exp.path, 3) as worker:
        worker.log.event("x")
    exp.rewind(exp.mark())


def check_everything(path: Path, conforms: Any) -> None:
    streams = conforms(path, sealed=True)
    assert set(streams) == {
        "log.jsonl",
        *(f"log/{name}.jsonl" for name in ("fork-1", "gpu", "output", "rank-3", "system")),
    }
    assert [event["event"] for event in streams["log/fork-1.jsonl"]][:2] == ["mlv/start", "loaded"]
    assert streams["log/output.jsonl"][1]["data"] == {"text": "captured"}
    assert {file.name for file in (path / "files").iterdir()} == {"model.pt", "sample.bin", "notes.txt"}
    sub = read(path / "squeeze/small")
    assert sub.parent is not None and sub.parent.id == read(path).id


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_after_chdir_a_relative_savedir_leads_to_the_same_experiment(
    writer: str, conforms: Any, child: Callable[[Callable[[], Any]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Path.cwd()
    exp = Exp("runs", "demo", writer=writer)
    assert (exp.path, str(exp), str(exp.log.file)) == (HOME, "runs/demo", "runs/demo/log.jsonl")
    Path("work").mkdir()
    monkeypatch.chdir("work")
    assert (exp.path, str(exp)) == (start / HOME, str(start / HOME))
    assert exp.log.file == start / HOME / "log.jsonl"
    use_everything(exp, child)
    exp.close()
    assert sorted(os.listdir()) == ["model.pt"]
    monkeypatch.chdir(start)
    shutil.rmtree("work")
    end_forks(HOME)
    check_everything(HOME, conforms)


def end_forks(path: Path) -> None:
    """A forked child that ends by os._exit leaves its stream without an end."""
    with Exp.open(path, stream="fork-1"):
        pass


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("successor", ["none", "experiment", "link"])
def test_a_script_continues_to_write_into_its_moved_experiment(
    writer: str, successor: str, conforms: Any, child: Callable[[Callable[[], Any]], int]
) -> None:
    """Whatever takes the old name is left alone."""
    exp = Exp("runs", "demo", writer=writer)
    os.rename(HOME, "elsewhere")
    if successor == "experiment":
        Exp("runs", "demo").close()
    elif successor == "link":
        Path("outside").mkdir()
        HOME.symlink_to(Path("outside").resolve())
    assert exp.path == Path("elsewhere").resolve()
    use_everything(exp, child)
    exp.close()
    end_forks(Path("elsewhere"))
    check_everything(Path("elsewhere"), conforms)
    if successor == "experiment":
        assert set(conforms(HOME, sealed=True)) == {"log.jsonl"}
    elif successor == "link":
        assert os.listdir("outside") == []


def test_a_spawned_worker_joins_by_the_path_after_chdir(run: Callable[..., Any]) -> None:
    Path("script.py").write_text(program("place_spawned_worker"))
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=240)
    assert (done.stdout, done.stderr) == ("['x']\n", "")


def test_a_spawned_worker_joins_by_the_path_after_a_move() -> None:
    """Pass the path when the worker starts: whatever has the old name by then is left alone."""
    Path("script.py").write_text(program("place_spawned_worker_moved"))
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=240)
    assert (done.stdout, done.stderr) == ("['x']\n", "")
    assert not Path("runs/demo/log").exists()


@pytest.fixture
def _not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which can't hold directories open."""
    monkeypatch.setattr(os, "supports_dir_fd", set())


@pytest.mark.usefixtures("_not_held")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_chdir_changes_nothing_if_directories_cannot_be_kept_open(
    writer: str, conforms: Any, child: Callable[[Callable[[], Any]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Path.cwd()
    exp = Exp("runs", "demo", writer=writer)
    assert exp._folder.fd is None
    Path("work").mkdir()
    monkeypatch.chdir("work")
    assert exp.path == start / HOME
    exp.stream("gpu").event("used", mib=1)
    child(lambda: exp.log.event("loaded", i=1))
    exp.attach(b"bytes", "sample.bin")
    with exp.create("notes.txt", "w") as file:
        file.write("made")
    exp.watch(seconds=0.1).stop()
    exp.sub("small").close()
    with Exp.join(exp.path, 3) as worker:
        worker.log.event("x")
    exp.rewind(exp.mark())
    exp.close()
    assert os.listdir() == []
    monkeypatch.chdir(start)
    end_forks(HOME)
    streams = conforms(HOME, sealed=True)
    assert set(streams) == {"log.jsonl", *(f"log/{name}.jsonl" for name in ("fork-1", "gpu", "rank-3", "system"))}
    assert {file.name for file in (HOME / "files").iterdir()} == {"sample.bin", "notes.txt"}


@pytest.mark.usefixtures("_not_held")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("successor", ["none", "experiment", "link"])
def test_nothing_is_written_elsewhere_after_a_move_if_directories_cannot_be_kept_open(
    writer: str, successor: str, child: Callable[[Callable[[], Any]], int], conforms: Any
) -> None:
    """The experiment can't be followed then: every call says so, and whatever has the old name is left alone."""
    exp = Exp("runs", "demo", writer=writer)
    exp.log.event("x", step=0)
    exp.flush()
    os.rename(HOME, "elsewhere")
    if successor == "experiment":
        Exp("runs", "demo").close()
    elif successor == "link":
        Path("outside").mkdir()
        HOME.symlink_to(Path("outside").resolve())

    def found() -> list[Path]:
        return sorted(path for path in Path().rglob("*") if not any(part.endswith(".lock") for part in path.parts))

    before = found()
    for call in (
        lambda: exp.stream("gpu"),
        lambda: exp.attach(b"bytes", "sample.bin"),
        lambda: exp.create("notes.txt"),
        lambda: exp.sub("small"),
        lambda: exp.watch(seconds=0.1),
    ):
        with pytest.raises(FileNotFoundError, match="was moved or removed"):
            call()

    def work() -> None:
        with pytest.warns(RuntimeWarning, match="was moved or removed"):
            assert exp.log.event("loaded") is None

    child(work)
    with pytest.warns(RuntimeWarning, match="moved|removed"):
        exp.flush()
        assert exp.log.event("x", step=1) is None
        exp.close()
    assert found() == before
    steps = [event.data["step"] for event in read("elsewhere").events("x")]
    assert steps == [0]
    if successor == "experiment":
        assert set(conforms(HOME, sealed=True)) == {"log.jsonl"}


def test_a_found_experiment_makes_its_subs_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Path.cwd()
    Exp("runs", "demo").close()
    place = Exp.find(HOME)
    Path("work").mkdir()
    monkeypatch.chdir("work")
    with place.sub("small") as sub:
        assert sub.parent is not None and sub.parent.id == place.id
        assert sub.path == start / HOME / "experiment/small"
    assert os.listdir() == []


def test_after_chdir_an_experiment_is_read_from_the_same_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in (".", "work"):
        with Exp(f"{directory}/runs", "demo") as exp:
            exp.log.event("x", where=directory)
            exp.sub("small").close()
    experiment = read(HOME)
    monkeypatch.chdir("work")
    assert [event.data["where"] for event in experiment.events("x")] == ["."]
    assert experiment.state == "completed" and [sub.path for sub in experiment.subs()] == [
        Path.cwd().parent / HOME / "experiment/small"
    ]


def test_a_removed_directory_is_not_created_again() -> None:
    exp = Exp("runs", "demo")
    place = Exp.find(HOME)
    shutil.rmtree(HOME)
    for home in (exp, place):
        with pytest.raises(NotAnExperiment, match="was moved or removed"):
            home.sub("small")
    for call in (lambda: exp.attach(b"x", "x"), lambda: exp.create("x"), lambda: exp.stream("gpu")):
        with pytest.raises(FileNotFoundError):
            call()
    with pytest.warns(RuntimeWarning, match="the directory was removed by another program"):
        exp.close()
    assert os.listdir("runs") == []


def test_a_bare_log_is_written_in_its_directory_after_chdir(
    child: Callable[[Callable[[], Any]], int], events: Any
) -> None:
    Path("logs").mkdir()
    log = Logger("logs/a.jsonl")
    Path("work").mkdir()
    os.chdir("work")
    child(lambda: log.event("loaded"))
    log.event("x")
    log.close()
    os.chdir("..")
    assert os.listdir("work") == []
    assert sorted(os.listdir("logs")) == ["a.fork-1.jsonl", "a.jsonl"]
    assert [event["event"] for event in events("logs/a.fork-1.jsonl")] == ["mlv/start", "loaded"]


def test_descriptors_are_closed() -> None:
    if sys.platform != "linux":
        pytest.skip("not applicable: descriptors are counted in /proc")
    with Exp("runs", "first"):  # what is imported once
        pass
    before = sorted(os.listdir("/proc/self/fd"))
    exp = Exp("runs", "demo")
    exp.stream("gpu")
    exp.sub("small").close()
    exp.attach(b"x", "a/b/c")
    exp.close()
    del exp
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_sub_experiment_is_made_through_the_directory_and_not_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread changes the working directory, and moves the experiment, in the middle of the call."""
    from mlvlogger._write import meta

    start = Path.cwd()
    exp = Exp("runs", "demo")
    Path("work").mkdir()
    members = meta.members

    def meanwhile(*arguments: Any) -> Any:
        os.chdir(start / "work")
        (start / HOME).rename(start / "elsewhere")
        return members(*arguments)

    monkeypatch.setattr(meta, "members", meanwhile)
    with exp.sub("small", kind="squeeze") as sub:
        assert sub.parent is not None and sub.parent.id == exp.id
    monkeypatch.setattr(meta, "members", members)
    assert (start / "elsewhere/squeeze/small/meta.json").exists()
    assert os.listdir(start / "runs") == [] and os.listdir(start / "work") == []
    exp.close()
