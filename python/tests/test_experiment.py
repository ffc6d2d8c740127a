"""Experiments: made once, found, continued, added to, joined, and never in one another's way."""

import copy
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import (
    CannotEncode,
    Exp,
    ExperimentExists,
    InvalidName,
    InvalidRecord,
    LogClosed,
    NotAnExperiment,
    StreamBusy,
    WriteFailed,
    read,
)
from mlvlogger._opening import Opening
from mlvlogger._write.process.client import ProcessWriter
from oracle import snapshot
from program import program
from writer_process import wait_for_writer

HOME = Path("runs/e")


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_an_experiment_from_start_to_end(conforms: Callable[..., Any]) -> None:
    with Exp("runs", "e", {"lr": 1}, "train", tags=["t"], extra={"x": 2}) as exp:
        assert (exp.path, exp.name, exp.kind, exp.params) == (HOME, "e", "train", {"lr": 1})
        assert (exp.tags, exp.extra, str(exp), repr(exp)) == (["t"], {"x": 2}, "runs/e", "<Exp 'runs/e'>")
        exp.log.event("x")
        exp.stream("gpu").event("memory", used_mib=1)
        assert exp.stream("gpu") is exp.stream("gpu")
    streams = conforms(HOME, sealed=True)
    assert {name: names(events) for name, events in streams.items()} == {
        "log.jsonl": ["mlv/start", "x", "mlv/end"],
        "log/gpu.jsonl": ["mlv/start", "memory", "mlv/end"],
    }
    assert streams["log.jsonl"][-1]["data"]["streams"] == {"log/gpu.jsonl": 3}
    seals = {name: events[-1]["data"]["sha256"] for name, events in streams.items() if name != "log.jsonl"}
    assert streams["log.jsonl"][-1]["data"]["seals"] == seals
    assert streams["log.jsonl"][0]["data"]["record"]["number"] == 1
    assert sorted(os.listdir(HOME)) == ["log", "log.jsonl", "meta.json"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".",
        "a/b",
        "/a",
        "a\\b",
        "a b",
        "ä",
        "a.",
        ".a",
        "-a",
        "con",
        "NUL.x",
        "a" * 101,
        "\ud800",
        "a\n",
        5,
    ],
)
def test_a_bad_name_or_kind_is_refused_and_nothing_is_made(name: Any) -> None:
    with pytest.raises(
        InvalidName, match="isn't a name for an experiment: .+. (Choose a name of 1 to 100 of|Pass the parameters by)"
    ):
        Exp("runs", name)
    with pytest.raises(InvalidName, match="isn't a name for a kind"):
        Exp("runs", "e", kind=name)
    assert os.listdir() == []
    with Exp("runs", "e") as exp, pytest.raises(InvalidName, match="isn't a name for a stream"):
        exp.stream(name)
    assert sorted(os.listdir(HOME)) == ["log.jsonl", "meta.json"]


@pytest.mark.rule("writer.meta-once")
def test_an_experiment_that_exists_is_refused_as_it_is() -> None:
    Exp("runs", "e", {"a": 1}).close()
    before = snapshot()
    with pytest.raises(ExperimentExists) as caught:
        Exp("runs", "e", {"b": 2})
    assert str(caught.value) == (
        "runs/e holds an experiment already. Choose another name, or exists='number'; "
        "to continue it use Exp.resume(path) or exists='resume', to add to it Exp.open(path)."
    )
    assert snapshot() == before


@pytest.mark.rule("writer.meta-once")
@pytest.mark.parametrize("kind", ["foreign", "directory", "dangling", "log"])
def test_a_directory_with_a_foreign_meta_json_or_log_is_refused(kind: str) -> None:
    HOME.mkdir(parents=True)
    if kind == "foreign":
        (HOME / "meta.json").write_text("{}")
    elif kind == "directory":
        (HOME / "meta.json").mkdir()
    elif kind == "dangling":
        (HOME / "meta.json").symlink_to("nowhere")
    else:
        (HOME / "log.jsonl").write_text("mine\n")
    before = snapshot()
    with pytest.raises(ExperimentExists, match="runs/e"):
        Exp("runs", "e")
    assert snapshot() == before


def test_an_existing_directory_without_an_experiment_is_used_and_its_content_stays() -> None:
    HOME.mkdir(parents=True)
    (HOME / "slurm.out").write_text("mine")
    Exp("runs", "e").close()
    assert (HOME / "slurm.out").read_text() == "mine"


def test_exists_number_takes_the_next_name() -> None:
    exps = [Exp("runs", "e", exists="number") for _ in range(3)]
    assert [(exp.name, str(exp.path)) for exp in exps] == [("e", "runs/e"), ("e_1", "runs/e_1"), ("e_2", "runs/e_2")]
    assert json.loads(Path("runs/e_2/meta.json").read_bytes())["name"] == "e_2"
    for exp in exps:
        exp.close()


@pytest.mark.parametrize("is_sub", [False, True])
def test_exists_number_tries_two_names_however_many_are_taken(monkeypatch: pytest.MonkeyPatch, is_sub: bool) -> None:
    home = Path("runs/study/trial" if is_sub else "runs")
    savedir = Exp("runs", "study") if is_sub else None

    def make() -> Exp:
        return savedir.sub("e", kind="trial", exists="number") if savedir else Exp("runs", "e", exists="number")

    make().close()
    for number in (*range(1, 200), 201):
        shutil.copytree(home / "e", home / f"e_{number}")
    tried = []
    create = Opening._create

    def count(self: Opening, savedir: Any, name: str, *rest: Any) -> None:
        tried.append(name)
        create(self, savedir, name, *rest)

    monkeypatch.setattr(Opening, "_create", count)
    for names in (["e", "e_200"], ["e", "e_202"]):
        with make() as exp:
            assert (tried, exp.path) == (names, home / names[1])
        tried.clear()


def test_exists_number_works_in_a_directory_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    Exp("runs", "e").close()
    Exp("runs", "e_1").close()
    listdir = os.listdir

    def refuse(path: Any) -> list[str]:
        if path == Path("runs"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with Exp("runs", "e", exists="number") as exp:
        assert exp.name == "e_2"


def test_processes_that_number_the_same_name_make_one_experiment_for_each_call(begin: Any) -> None:
    code = """
        from mlvlogger import Exp
        print("ready", flush=True)
        input()
        print(*(Exp("runs", "e", exists="number").name for _ in range(10)))
    """
    scripts = [begin(code) for _ in range(3)]
    for script in scripts:
        assert script.stdout.readline() == "ready\n"
    for script in scripts:
        print(file=script.stdin, flush=True)
    made = [name for script in scripts for name in script.stdout.readline().split()]
    assert len(made) == 30 and sorted(made) == sorted(os.listdir("runs"))
    assert sorted(made) == sorted(path.parent.name for path in Path("runs").glob("*/meta.json"))


def test_exists_resume_creates_or_resumes(conforms: Any) -> None:
    for number in range(3):
        with Exp("runs", "e", {"lr": 1}, exists="resume") as exp:
            exp.log.event("x", number=number)
    streams = conforms(HOME, sealed=True)
    assert names(streams["log.jsonl"]) == ["mlv/start", "x", "mlv/end"] * 3
    assert [e["data"]["record"]["number"] for e in streams["log.jsonl"] if e["event"] == "mlv/start"] == [1, 2, 3]
    with pytest.raises(ValueError, match="exists is 'maybe'"):
        Exp("runs", "e", exists="maybe")


@pytest.mark.rule("writer.meta-once")
def test_of_processes_that_make_the_same_experiment_exactly_one_wins(begin: Any, conforms: Any) -> None:
    code = program("experiment_race")
    scripts = [begin(code, number) for number in range(3)]
    for number in range(10):
        for script in scripts:
            assert script.stdout.readline() == "ready\n"
        for script in scripts:
            print(file=script.stdin, flush=True)
        results = [script.stdout.readline() for script in scripts]
        assert sorted(results) == ["lost\n", "lost\n", "won\n"]
        winner = str(results.index("won\n"))
        streams = conforms(Path(f"runs/e{number}"), sealed=True)
        assert streams["log.jsonl"][1]["data"] == {"who": winner} == read(f"runs/e{number}").params
        assert sorted(os.listdir(f"runs/e{number}")) == ["log.jsonl", "meta.json"]


@pytest.mark.parametrize("call", [Exp.resume, Exp.open, read, lambda path: Exp.join(path, 0, timeout=0)])
def test_a_missing_experiment_is_reported_and_not_created(call: Callable[[Any], Any]) -> None:
    Path("empty").mkdir()
    Path("foreign").mkdir()
    Path("foreign/meta.json").write_text("{}")
    before = snapshot()
    for path in ("missing", "empty", "foreign"):
        with pytest.raises(NotAnExperiment, match=f"^{path} (holds no|isn't an) experiment|^missing does not exist"):
            call(path)
    assert snapshot() == before


def test_resume_continues_the_log_and_adds_its_own_record(conforms: Any) -> None:
    with Exp("runs", "e", {"lr": 1}) as exp:
        exp.log.event("x")
        exp.log.pause("preempted")
    assert read(HOME).state == "paused"
    with Exp.resume(HOME, {"more": 2}) as exp:
        assert read(HOME).state == "open"
        assert exp.params == {"lr": 1, "more": 2} and exp.log.event("y") == 6
    streams = conforms(HOME, sealed=True)
    expected = ["mlv/start", "x", "mlv/pause", "mlv/seal", "mlv/start", "y", "mlv/end"]
    assert names(streams["log.jsonl"]) == expected and read(HOME).state == "completed"


def test_an_experiment_without_a_log_is_resumed(conforms: Any) -> None:
    Exp("runs", "e").close()
    (HOME / "log.jsonl").unlink()
    Exp.resume(HOME).close()
    assert names(conforms(HOME, sealed=True)["log.jsonl"]) == ["mlv/start", "mlv/end"]


@pytest.mark.rule("writer.one")
def test_a_script_that_cannot_have_the_stream_leaves_nothing_behind() -> None:
    with Exp("runs", "e") as exp:
        exp.stream("evaluate")
        exp.stream("gpu")
        for log in (exp.log, exp.stream("evaluate"), exp.stream("gpu")):
            if isinstance(log._stream._destination.writer, ProcessWriter):
                wait_for_writer(log)  # which has created its lock file then
        before = snapshot()
        with pytest.raises(
            StreamBusy, match=rf"this process \({os.getpid()}\) has the log open already.*call close\(\)"
        ):
            Exp.resume(HOME, {"a": 1})
        with pytest.raises(StreamBusy):
            Exp.open(HOME, {"a": 1}, stream="evaluate")
        with pytest.raises(StreamBusy):
            Exp("runs", "e", {"a": 1}, exists="resume")
        with pytest.raises(InvalidName, match="differs only by case from the stream"):
            Exp.open(HOME, {"a": 1}, stream="GPU")
        with pytest.raises(InvalidName, match="isn't a name for a stream"):
            Exp.open(HOME, {"a": 1}, stream="../x")
        with pytest.raises(ValueError, match="on_error is 'maybe'"):
            Exp.open(HOME, on_error="maybe")
        assert snapshot() == before


@pytest.mark.rule("writer.kept")
@pytest.mark.parametrize("tail", [b"", b'{"seq":4,"ti'])
@pytest.mark.parametrize("log", [True, False])
def test_a_parameter_that_cannot_be_recorded_changes_nothing(tail: bytes, log: bool) -> None:
    Exp("runs", "e", {"a": 1}).close()
    if log:
        with open(HOME / "log.jsonl", "ab") as file:
            file.write(tail)
    else:
        (HOME / "log.jsonl").unlink()
    before = snapshot()
    calls: list[Callable[[], Any]] = [
        lambda: Exp.resume(HOME, {"b": 1, "a": {1, object()}}),
        lambda: Exp.open(HOME, {"a": object()}),
        lambda: Exp("runs", "e", {"a": object()}, exists="resume"),
    ]
    for call in calls:
        with pytest.raises(CannotEncode):
            call()
        assert {name: data for name, data in snapshot().items() if name not in ("runs/e/meta", "runs/e/log")} == before
    Exp.resume(HOME, {"a": 1}).close()  # and the lock was released


def test_open_adds_its_own_record_and_stream(conforms: Any) -> None:
    Exp("runs", "e").close()
    with Exp.open(HOME, {"split": "test"}) as exp:
        exp.log.event("accuracy", value=0.5)
    with Exp.open(HOME, stream="evaluate") as exp:
        exp.log.event("accuracy", value=0.6)
    with Exp.open(HOME, stream="evaluate") as exp:
        assert exp.log.event("accuracy", value=0.7) == 5
    streams = conforms(HOME, sealed=True)
    assert sorted(streams) == ["log.jsonl", "log/evaluate.jsonl", "log/run-2.jsonl"]
    starts = [e["data"]["record"]["number"] for e in streams["log/evaluate.jsonl"] if e["event"] == "mlv/start"]
    assert starts == [3, 4] and read(HOME).state == "completed"
    assert "streams" not in streams["log/run-2.jsonl"][-1]["data"]


def test_a_file_that_is_not_a_stream_is_refused_before_a_record_is_added() -> None:
    Exp("runs", "e").close()
    (HOME / "log").mkdir()
    (HOME / "log/evaluate.jsonl").write_text("mine\n")
    before = snapshot()
    with pytest.raises(InvalidRecord, match=r"log/evaluate\.jsonl is not an MLV stream"):
        Exp.open(HOME, stream="evaluate")
    assert snapshot() == before


def test_workers_join_and_wait_for_the_main_process(begin: Any, conforms: Any) -> None:
    code = program("experiment_workers")
    workers = [begin(code, rank) for rank in range(3)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    with Exp("runs", "e"):
        assert [worker.wait() for worker in workers] == [0, 0, 0]
    streams = conforms(HOME, sealed=True)
    assert sorted(streams) == ["log.jsonl", *(f"log/rank-{rank}.jsonl" for rank in range(3))]
    assert not (HOME / "meta").exists()
    assert all(len(streams[f"log/rank-{rank}.jsonl"]) == 22 for rank in range(3))
    assert streams["log.jsonl"][-1]["data"]["streams"] == {f"log/rank-{rank}.jsonl": 22 for rank in range(3)}


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"])
def test_the_rank_comes_from_the_launcher(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Exp("runs", "e").close()
    monkeypatch.setenv(variable, "7")
    Exp.join(HOME).close()
    assert os.listdir(HOME / "log") == ["rank-7.jsonl"]
    monkeypatch.setenv(variable, "²")
    with pytest.raises(ValueError, match=f"the environment's {variable} is '²', not a number. Pass this worker's"):
        Exp.join(HOME)
    for rank in (-1, "3", True):
        with pytest.raises(ValueError, match="give the number of this worker, an integer of at least 0"):
            Exp.join(HOME, rank)  # type: ignore[arg-type]
    monkeypatch.delenv(variable)
    with pytest.raises(ValueError, match="no rank: .* or set one of RANK, OMPI_COMM_WORLD_RANK"):
        Exp.join(HOME)


def test_a_worker_whose_wait_times_out_says_for_what_it_waited() -> None:
    with pytest.raises(NotAnExperiment) as caught:
        Exp.join("runs/e", 0, timeout=0.06)
    assert str(caught.value) == (
        "runs/e holds no experiment after 0.06 seconds. Is the main worker running, with the same path?"
    )


def test_flush_syncs_every_stream_even_if_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    exp = Exp("runs", "e", on_error="raise", durability="disk")
    exp.stream("gpu").event("x")
    synced = []

    def sync(fd: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        if synced[-1] == "log.jsonl":
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(WriteFailed, match="log.jsonl"):
        patch.setattr(os, "fdatasync", sync)
        exp.flush()
    assert synced == ["log.jsonl", "gpu.jsonl"]
    with pytest.raises(WriteFailed, match="log.jsonl"):  # what was not on the disk once, may never be
        exp.close()


def test_work_continues_in_an_experiment_that_is_moved_while_it_is_written(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        Path("model.pt").write_bytes(b"weights")
        os.rename(HOME, "elsewhere")
        moved = Path("elsewhere").resolve()
        assert exp.path == moved and str(exp) == str(moved)
        assert exp.attach("model.pt").path == "files/model.pt"
        with exp.create("made.bin") as made:
            made.write(b"made")
        assert exp.stream("gpu").event("used", mib=1) == 2
        exp.sub("small", kind="squeeze").close()
        assert exp.log.event("x") == 4
        with pytest.raises(NotAnExperiment, match="there is no such directory"):
            Exp.open(HOME)
    assert list(Path("runs").iterdir()) == []
    assert (moved / "squeeze/small/meta.json").exists()
    streams = conforms("elsewhere", sealed=True)
    assert [event["event"] for event in streams["log.jsonl"]] == ["mlv/start", "mlv/file", "mlv/file", "x", "mlv/end"]
    assert [event["event"] for event in streams["log/gpu.jsonl"]] == ["mlv/start", "used", "mlv/end"]


def test_threads_that_ask_for_one_stream_get_one_logger(conforms: Any) -> None:
    start = threading.Barrier(8)
    found, failed = [], []

    def work(exp: Exp) -> None:
        start.wait()
        try:
            for number in range(20):
                found.append((number, exp.stream(f"s{number}")))
                found[-1][1].event("x")
        except Exception as error:
            failed.append(error)

    with Exp("runs", "e") as exp:
        threads = [threading.Thread(target=work, args=(exp,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == [] and len(set(found)) == 20
    streams = conforms(HOME, sealed=True)
    assert [len(streams[f"log/s{number}.jsonl"]) for number in range(20)] == [10] * 20


def test_no_two_streams_differ_only_by_case(child: Any, conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu")
        with pytest.raises(
            InvalidName, match=r"'GPU.jsonl' differs only by case from the stream 'gpu.jsonl', which exists"
        ):
            exp.stream("GPU")
        exp.stream("Fork-1")
        child(lambda: exp.log.event("x"))
    conforms(HOME)
    found = os.listdir(HOME / "log")
    assert len({name.lower() for name in found}) == len(found) == 3


@pytest.mark.rule("reader.superseded")
def test_mark_and_rewind(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        span = exp.log.span("epoch")
        exp.stream("gpu").event("x", number=1)
        mark = json.loads(json.dumps(exp.mark()))
        assert mark == {"log.jsonl": 2, "log/gpu.jsonl": 2}
        exp.log.event("y", number=1)
        exp.stream("gpu").event("x", number=2)
        exp.rewind(mark, "preempted")
        assert not span.is_open and span.end() is None
        span.event("z")
        exp.log.event("y", number=2)
    streams = conforms(HOME, sealed=True)
    assert names(streams["log.jsonl"]) == ["mlv/start", "epoch", "y", "mlv/rewind", "epoch/z", "y", "mlv/end"]
    assert streams["log.jsonl"][3]["data"] == {"to": 2, "reason": "preempted"}
    assert [event.data["number"] for event in read(HOME).events("y")] == [2]
    assert [event.data["number"] for event in read(HOME).events("x", stream="gpu")] == [1]


def test_a_mark_from_a_checkpoint_rewinds_all_its_streams_in_a_later_script(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu").event("x")
        mark = exp.mark()
        exp.stream("gpu").event("x")
        exp.log.event("y")
    with Exp.resume(HOME) as exp:
        exp.rewind(mark)
    streams = conforms(HOME, sealed=True)
    assert names(streams["log/gpu.jsonl"])[-3:] == ["mlv/start", "mlv/rewind", "mlv/end"]
    assert list(read(HOME).events("y")) == []


@pytest.mark.parametrize(
    "mark",
    [
        {"log.jsonl": 99},
        {"log.jsonl": -1},
        {"log.jsonl": "2"},
        {"log.jsonl": 2.0},
        {"log.jsonl": True},
        {"log/missing.jsonl": 1},
        {"log/../../x.jsonl": 1},
        {"/etc/passwd": 1},
        {"log.jsonl": 1, "log/missing.jsonl": 1},
        {"log.jsonl": 1, "log/gpu.jsonl": 99},
        {5: 1},
    ],
    ids=str,
)
def test_a_mark_that_does_not_fit_is_refused_and_nothing_is_written(mark: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu")
        before = snapshot()
        with pytest.raises(ValueError):
            exp.rewind(mark)
        assert snapshot() == before


def test_a_script_that_does_not_write_the_log_cannot_rewind_it() -> None:
    with Exp("runs", "e") as exp:
        mark = exp.mark()
        with Exp.open(HOME) as other, pytest.raises(ValueError, match=r"does not write log\.jsonl, so it cannot"):
            other.rewind(mark)


@pytest.mark.rule("writer.fork")
def test_forked_children_write_their_own_streams_and_add_no_record(child: Callable[..., int], conforms: Any) -> None:
    Exp("runs", "e").close()
    with Exp.resume(HOME, {"a": 1}) as exp:
        exp.log.event("parent")
        exp.stream("gpu").event("parent")

        def work() -> None:
            for number in range(3):
                exp.log.event("child", number=number)
                exp.stream("gpu").event("child", number=number)
            assert sorted(exp.mark()) in (
                ["log/fork-1.jsonl", "log/fork-2.jsonl"],
                ["log/fork-3.jsonl", "log/fork-4.jsonl"],
            )
            exp.close()

        pids = [child(work), child(work)]
    streams = conforms(HOME)
    assert os.listdir(HOME / "meta") == ["2.json"]
    forks = {name: events for name, events in streams.items() if "fork" in name}
    assert sorted(forks) == [f"log/fork-{number}.jsonl" for number in range(1, 5)]
    assert sorted(events[0]["data"]["pid"] for events in forks.values()) == sorted(pids * 2)
    assert {events[0]["data"]["fork_of"]["stream"] for events in forks.values()} == {"log.jsonl", "log/gpu.jsonl"}
    assert all(names(events)[1:-1] == ["child"] * 3 for events in forks.values())
    assert names(streams["log.jsonl"])[-2:] == ["parent", "mlv/end"]


@pytest.mark.rule("writer.fork")
def test_a_forked_child_that_leaves_the_with_block_ends_no_stream_of_its_parent(child: Any, conforms: Any) -> None:
    def leave(exp: Exp) -> None:
        exp.__exit__(None, None, None)

    with Exp("runs", "e") as exp:
        pending = exp.create("file")
        pending.write(b"parent")
        child(lambda: leave(exp))
        child(lambda: pending.__exit__(SystemExit, SystemExit(), None))
        assert exp.log.event("x") == 2
        pending.close()
    streams = conforms(HOME, sealed=True)
    assert names(streams["log.jsonl"]) == ["mlv/start", "x", "mlv/file", "mlv/end"] and list(streams) == ["log.jsonl"]
    assert (HOME / "files/file").read_bytes() == b"parent"


def test_a_forked_child_cannot_rewind_its_parents_streams(child: Any, conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        for _ in range(9):
            exp.log.event("x")
        mark = exp.mark()

        def work() -> None:
            with pytest.raises(ValueError):
                exp.rewind(mark)
            exp.log.event("y")
            with pytest.raises(ValueError):
                exp.rewind(mark)

        child(work)
    conforms(HOME)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_join_by_the_path(method: str, conforms: Any) -> None:
    Path("train.py").write_text(program("experiment_multiprocessing"))
    subprocess.run([sys.executable, "train.py", method], check=True)
    streams = conforms(HOME, sealed=True)
    assert sum(names(events).count("x") for events in streams.values()) == 4


def test_an_experiment_is_not_pickled_or_copied() -> None:
    with Exp("runs", "e") as exp:
        for refuse in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError) as caught:
                refuse(exp)
            assert str(caught.value) == (
                "<Exp 'runs/e'> cannot be sent to another process. "
                "Send its path, and there use Exp.join(path, rank) or Exp.open(path)."
            )
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            pickle.dumps(exp.log)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "completed"),
        (SystemExit(0), "completed"),
        (SystemExit(2), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (ValueError("x"), "failed"),
    ],
)
def test_the_exit_of_the_with_block_determines_the_state(error: Any, state: str, conforms: Any) -> None:
    try:
        with Exp("runs", "e") as exp:
            exp.stream("gpu")
            if error:
                raise error
    except BaseException as caught:
        assert caught is error
    assert read(HOME).state == state
    streams = conforms(HOME, sealed=True)
    assert {events[-1]["data"]["status"] for events in streams.values()} == {state}


@pytest.mark.rule("writer.seal")
def test_an_experiment_closed_while_paused_is_sealed_and_stays_paused(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu").event("x")
        exp.log.pause("preempted")
    assert read(HOME).state == "paused"
    streams = conforms(HOME, sealed=True)
    assert {names(events)[-1] for events in streams.values()} == {"mlv/seal"}


def test_closing_twice_does_nothing_and_afterwards_nothing_can_be_opened() -> None:
    exp = Exp("runs", "e")
    exp.close("failed", ValueError("x"))
    before = snapshot()
    exp.close()
    with pytest.raises(LogClosed):
        exp.log.event("x")
    with pytest.raises(LogClosed):
        exp.stream("late")
    assert snapshot() == before and read(HOME).state == "failed"


def test_a_script_that_ends_without_close_has_ended(run: Any, conforms: Any) -> None:
    run("from mlvlogger import Exp; Exp('runs', 'e').log.event('x')")
    run("from mlvlogger import Exp\nexp = Exp('runs', 'f')\nexp.log.event('x')\nraise SystemExit(3)", status=3)
    for name in ("e", "f"):
        assert (
            names(conforms(f"runs/{name}", sealed=True)["log.jsonl"]) == ["mlv/start", "x", "mlv/end"]
            and read(f"runs/{name}").state == "ended"
        )


@pytest.mark.rule("writer.end-seals")
@pytest.mark.rule("writer.end-last")
def test_the_end_gives_the_seals_of_the_streams_that_end_with_one(conforms: Any) -> None:
    exp, late = Exp("runs", "e"), Exp.open(HOME, stream="late")
    late.log.event("x")
    late.flush()
    exp.stream("gpu").event("x")
    exp.close()
    late.close()
    Exp.resume(HOME).close()
    streams = conforms(HOME, sealed=True)
    first, last = (event["data"] for event in streams["log.jsonl"] if event["event"] == "mlv/end")
    seals = {name: events[-1]["data"]["sha256"] for name, events in streams.items() if name != "log.jsonl"}
    assert first["streams"] == {"log/gpu.jsonl": 3, "log/late.jsonl": 2}
    assert first["seals"] == {"log/gpu.jsonl": seals["log/gpu.jsonl"]}
    assert (last["streams"], last["seals"]) == ({"log/gpu.jsonl": 3, "log/late.jsonl": 3}, seals)


def test_the_end_names_no_digest_that_is_none(conforms: Any) -> None:
    """The last line of a stream of another writer looks like a seal, and isn't one."""
    Exp("runs", "e").close()
    with Exp.open(HOME, stream="odd") as odd:
        odd.log.event("x")
    path = HOME / "log/odd.jsonl"
    path.write_bytes(path.read_bytes()[:-68] + b"X" * 64 + b'"}}\n')
    Exp.resume(HOME).close()
    end = json.loads((HOME / "log.jsonl").read_bytes().splitlines()[-1])["data"]
    assert end["streams"] == {"log/odd.jsonl": 3} and "seals" not in end


def test_special_files_next_to_the_streams_do_not_stop_close(conforms: Any) -> None:
    """A pipe that the user put next to the streams must not make the end of a training hang."""
    with Exp("runs", "e") as exp:
        exp.stream("gpu").event("x")
        os.mkfifo(HOME / "log/notes.jsonl")
        (HOME / "log/dir.jsonl").mkdir()
        (HOME / "log/x.jsonl").symlink_to("/dev/zero")
        (HOME / "log/my notes.txt").write_text("mine")
    end = json.loads((HOME / "log.jsonl").read_bytes().splitlines()[-1])
    assert end["data"]["streams"] == {"log/gpu.jsonl": 3}


def test_a_stream_that_fails_to_close_does_not_keep_the_others_open(run: Any) -> None:
    code = program("experiment_close_fails")
    assert run(code).stdout == "True\ncompleted 1\n"


def test_a_savedir_that_cannot_be_written_is_refused_with_an_action() -> None:
    Path("taken").write_text("a file")
    with pytest.raises(NotADirectoryError, match="Give Exp a savedir in which you may make directories: 'taken/e'"):
        Exp("taken", "e")
    assert Path("taken").read_text() == "a file"
