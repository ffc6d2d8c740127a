"""Fixtures: an empty directory for each test, judges of what was written, constants, and other processes."""

import gc
import importlib
import inspect
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger import Exp, Logger
from mlvlogger._write.process.client import ProcessWriter

pytest.register_assert_rewrite("oracle", "publishing")
import oracle  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--writer", choices=["direct", "process"], default="direct", help="who writes where a test does not say it"
    )


@pytest.fixture(autouse=True)
def _writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--writer process`, a writer process writes what a test logs; each call returns when it is in the file."""
    if request.config.getoption("--writer") == "direct":
        return
    calls: Any = (Logger.__init__, Exp.__init__, Exp.resume, Exp.open, Exp.join)
    for call in calls:
        monkeypatch.setitem(inspect.unwrap(getattr(call, "__func__", call)).__kwdefaults__, "writer", "process")
    put = ProcessWriter.put

    def put_and_drain(self: Any, *arguments: Any) -> int:
        seq = put(self, *arguments)
        self.drain()
        return seq

    monkeypatch.setattr(ProcessWriter, "put", put_and_drain)


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """Let a test that hangs fail after five minutes, so that tests can wait for a state without a deadline.

    Few tests take two seconds, but the machine may be busy with others.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: Any) -> None:
        pytest.fail("the test hangs")  # a BaseException, which no code under test takes for its own

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def constant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """`constant("_output._STOP_TIMEOUT", 0.3)`: give a name of one module of mlvlogger another value.

    A module or a name that doesn't exist is an error.
    """

    def change(place: str, value: Any) -> None:
        module, _, name = place.rpartition(".")
        monkeypatch.setattr(importlib.import_module(f"mlvlogger.{module}"), name, value)

    return change


@pytest.fixture
def descriptors() -> Callable[[], set[tuple[int, int, int]]]:
    """`descriptors()`: what this process has open, each with the identity of its file.

    Compare two answers with `<=`: what an earlier test or a library left may be closed at any time.
    """

    def describe() -> set[tuple[int, int, int]]:
        gc.collect()
        found = set()
        for name in os.listdir("/dev/fd"):
            try:
                status = os.fstat(int(name))
            except OSError:
                continue  # the listing's own descriptor
            found.add((int(name), status.st_dev, status.st_ino))
        return found

    return describe


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: Callable[[str, Any], None]) -> None:
    """Each test in an empty directory, with no warning and no event before, and as no worker of anything."""
    assert mlvlogger.__version__
    monkeypatch.chdir(tmp_path)
    constant("_messages._warned", set())
    constant("_format.line._templates", {})
    constant("_format.line._number_names", set())
    for name in ("RANK", "SLURM_PROCID", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(name="strict")
def _strict() -> Callable[[bytes], Any]:
    """`strict(record)`: a record as JSON, by a parser that forgives nothing."""
    return oracle.strict


@pytest.fixture
def events() -> Callable[..., list[dict[str, Any]]]:
    """`events(path)`: the events of a stream as JSON, after oracle.py and mlv-validate have judged it as a bare log."""

    def judge(path: str | Path) -> list[dict[str, Any]]:
        events = oracle.check_stream(Path(path))
        oracle.check_with_validator(Path(path))
        return events

    return judge


@pytest.fixture
def conforms() -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """`conforms(path)`: the streams of an experiment directory, after oracle.py and mlv-validate have judged it.

    With `sealed=True`, at level Sealed.
    """

    def judge(path: str | Path, sealed: bool = False) -> dict[str, list[dict[str, Any]]]:
        streams = oracle.check_experiment(Path(path))
        oracle.check_with_validator(Path(path), sealed)
        if sealed:
            assert {events[-1]["event"] for events in streams.values()} <= {"mlv/seal", "mlv/end"}
        return streams

    return judge


@pytest.fixture
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings of the developer and of the machine."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def _with_programs() -> dict[str, str]:
    """The environment of a program of `programs/`, which imports `programs.limits` and the like."""
    path = [os.fspath(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`run(code, *arguments)`: a Python script in a separate process, which must succeed within four minutes."""

    def start(code: str, *arguments: Any, status: int = 0) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=_with_programs(), capture_output=True, text=True, timeout=240)
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return start


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`begin(code, *arguments)`: the same, running next to the test; it has a line-wise stdin and stdout."""
    started = []

    def start(code: str, *arguments: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=_with_programs(),
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def child() -> Iterator[Callable[[Callable[[], Any]], int]]:
    """`child(function)`: call it in a forked child, which must return from it; the pid, when the child has ended."""
    if not hasattr(os, "fork"):
        pytest.skip("not applicable: this system has no fork")

    def fork(function: Callable[[], Any]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                signal.alarm(240)  # the parent's alarm does not continue in a child
                function()
                os._exit(0)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the forked child failed; its traceback is above"
        return pid

    yield fork


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make *path* below tmp_path the main script."""

    def become(path: str = "repository/train.py") -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(file), raising=False)
        return file

    return become


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Call the real git in the repository of the test."""

    def call(*words: str, at: str = "repository") -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]
        command = ["git", *identity, "-C", str(tmp_path / at), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return call


@pytest.fixture
def repository(tmp_path: Path, script: Callable[..., Path], git: Callable[..., str]) -> Path:
    """A repository of one commit with the files train.py (the main script), model.py and data.txt."""
    folder = script().parent
    git("init", "--quiet", "--initial-branch=main")
    for name in ("train.py", "model.py", "data.txt"):
        (folder / name).write_text("".join(f"line {number}\n" for number in range(5)))
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a shell script on the PATH, before or (alone) instead of all others."""

    def make(name: str, text: str, alone: bool = False) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder) if alone else f"{folder}{os.pathsep}{os.environ['PATH']}")

    return make
