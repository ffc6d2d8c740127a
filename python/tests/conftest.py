"""What the tests share: a strict reader of what was written, other processes, and the validator where it installs."""

import gc
import hashlib
import importlib
import json
import math
import os
import re
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

# A constant that `constant` changes must be in place before a module takes it from another.
_SOURCE = Path(mlvlogger.__file__).parents[1]
for _path in Path(mlvlogger.__file__).parent.rglob("[a-z_]*.py"):
    _parts = _path.relative_to(_SOURCE).with_suffix("").parts
    if "__main__" not in _parts and "integrations" not in _parts:
        importlib.import_module(".".join(_parts).removesuffix(".__init__"))

TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z", re.ASCII)
SEAL = re.compile(rb'"from":([0-9]+),"sha256":"([0-9a-f]{64})"\}\}\n')


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--writer", choices=["direct", "process"], default="direct", help="who writes where a test does not say it"
    )


@pytest.fixture(autouse=True)
def _writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--writer process`, another process writes what a test logs; each call returns when it is in the file."""
    if request.config.getoption("--writer") == "direct":
        return
    for call in (Logger.__init__, Exp.__init__, Exp.resume.__func__, Exp.open.__func__, Exp.join.__func__):
        monkeypatch.setitem(call.__kwdefaults__, "writer", "process")
    put = ProcessWriter.put

    def put_and_drain(self: Any, *arguments: Any) -> int:
        seq = put(self, *arguments)
        self.drain()
        return seq

    monkeypatch.setattr(ProcessWriter, "put", put_and_drain)


@pytest.fixture(autouse=True)
def _in_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """What hangs, fails after a minute; few take two seconds. Where each event is waited for, after two minutes."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: Any) -> None:
        pytest.fail("the test hangs")  # a BaseException, which no code under test takes for its own

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60 if request.config.getoption("--writer") == "direct" else 120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def constant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """`constant(name, value)`: give a module-level name of mlvlogger another value, wherever it is."""

    def change(name: str, value: Any) -> None:
        homes = [
            module for key, module in sys.modules.items() if key.startswith("mlvlogger.") and hasattr(module, name)
        ]
        assert homes, f"no module of mlvlogger has {name}"
        for home in homes:
            monkeypatch.setattr(home, name, value)

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
    """Each test in an empty directory, with no warning given before, and as no worker of anything."""
    assert mlvlogger.__version__
    monkeypatch.chdir(tmp_path)
    constant("_warned", set())
    for name in ("RANK", "SLURM_PROCID", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)


def strict(record: bytes) -> Any:
    """A record as JSON by a parser that forgives nothing that the chapter Bytes forbids, and wants ASCII besides."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), f"a name twice: {pairs}"
        return dict(pairs)

    def integer(digits: str) -> int:
        assert abs(int(digits)) < 2**53, digits
        return int(digits)

    def number(digits: str) -> float:
        assert math.isfinite(float(digits)), digits
        return float(digits)

    def refuse(token: str) -> None:
        raise AssertionError(token)

    assert len(record) <= 16 * 1024 * 1024
    assert record.isascii() and b"\r" not in record
    bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", record)
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", bare):
        depth += 1 if bracket in b"[{" else -1
        assert depth <= 64, "nested deeper than 64"
    tree = json.loads(
        record.decode("ascii"),
        object_pairs_hook=members,
        parse_int=integer,
        parse_float=number,
        parse_constant=refuse,
    )
    json.dumps(tree, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    return tree


def check_stream(path: Path) -> list[dict[str, Any]]:
    """The events of a stream that keeps every rule that its bytes alone can show; AssertionError otherwise."""
    data = path.read_bytes()
    assert data.endswith(b"\n"), f"{path} has bytes after its last line feed"
    events: list[dict[str, Any]] = []
    open_spans: dict[int, str] = {}
    place = offset = seq = 0
    ended = True
    for line in data.splitlines(keepends=True):
        event = strict(line)
        name, content = event["event"], event["data"]
        assert set(event) <= {"seq", "time", "event", "data", "span", "begin", "seconds", "within"}, event
        assert TIME.fullmatch(event["time"]) and isinstance(content, dict) and "_mlv" not in content, event
        if name == "mlv/dropped":
            missing = {"first": content["first"], "last": content["last"]}
            assert missing == {"first": seq + 1, "last": event["seq"] - 1}, event
            assert sum(content["reasons"].values()) == event["seq"] - 1 - seq > 0, event
        else:
            assert event["seq"] == seq + 1, f"{path}: {event} after {seq}"
        seq = event["seq"]
        assert not ended or name == "mlv/start", f"{event} in no session"
        ended = name == "mlv/end"
        if name in ("mlv/start", "mlv/rewind"):
            open_spans.clear()
        if name == "mlv/rewind":
            assert 0 <= content["to"] < seq, event
        if "within" in event:
            assert event["within"] in open_spans, f"{path}: {event} is in no open span"
        if event.get("span") == "begin":
            assert set(event) <= {"seq", "time", "event", "data", "span", "within"}
            open_spans[seq] = name
        elif event.get("span") == "end":
            assert "within" not in event and event["seconds"] >= 0
            assert open_spans.pop(event["begin"], None) == name, f"{path}: {event} ends no open span"
        else:
            assert not {"span", "begin", "seconds"} & set(event)
        if name in ("mlv/seal", "mlv/end"):
            match = SEAL.search(line)
            assert match and line.endswith(match[0]), line
            digits = offset + len(line) - 68
            assert int(match[1]) == place, f"{path}: a seal from {int(match[1])}, the one before is at {place}"
            assert match[2].decode() == hashlib.sha256(data[place:digits]).hexdigest(), f"{path}: a seal is broken"
            place = digits
        offset += len(line)
        events.append(event)
    return events


def references(tree: Any) -> Iterator[dict[str, Any]]:
    """The typed values `file` in a record."""
    if isinstance(tree, dict) and tree.get("_mlv") == "file":
        yield tree
    elif isinstance(tree, (dict, list)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from references(part)


def check_experiment(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The streams of an experiment of which records, streams and attached files fit together."""
    records = [(path / "meta.json").read_bytes()]
    while (path / f"meta/{len(records) + 1}.json").exists():
        records.append((path / f"meta/{len(records) + 1}.json").read_bytes())
    digests = [hashlib.sha256(record).hexdigest() for record in records]
    for number, record in enumerate(records[1:], 1):
        tree = strict(record)
        assert tree["previous"] == "sha256:" + digests[number - 1] and tree["experiment"] == "sha256:" + digests[0]
    streams = {}
    for file in [path / "log.jsonl", *sorted((path / "log").glob("*.jsonl"))]:
        if file.exists():
            streams[file.relative_to(path).as_posix()] = check_stream(file)
    for name, events in streams.items():
        for event in events:
            if event["event"] == "mlv/start":
                record = event["data"]["record"]
                assert event["data"]["experiment"] == "sha256:" + digests[0], name
                assert record["sha256"] == digests[record["number"] - 1], name
            if event["event"] == "mlv/end":
                for other, seq in event["data"].get("streams", {}).items():
                    assert streams[other][-1]["seq"] >= seq
    for tree in [*map(strict, records), *(event for events in streams.values() for event in events)]:
        for file in references(tree):
            if "experiment" not in file and file["path"].startswith("files/"):
                kept = path / file["path"]
                assert kept.is_file() and not kept.is_symlink(), file
                assert kept.resolve() == path.resolve() / file["path"], file
                data = kept.read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (file["size"], file["sha256"]), file
    return streams


@pytest.fixture(name="strict")
def _strict() -> Callable[[bytes], Any]:
    """`strict(record)`: a record as JSON, by a parser that forgives nothing."""
    return strict


def check_with_validator(path: Path, sealed: bool = False) -> None:
    """Ask mlv-validate, which shares no code with mlvlogger; it installs on Python 3.11 and later only."""
    try:
        from mlv_validate import validate
    except ImportError:
        return
    report = validate(path, sealed=sealed)
    assert [(finding.path, finding.line, finding.rule) for finding in report.targets[0].findings] == []
    assert report.verdict == "valid"


@pytest.fixture
def events() -> Callable[..., list[dict[str, Any]]]:
    """`events(path)`: the events of a stream as JSON, after every rule that its bytes can break was checked.

    The first ones that a test asks for are judged by mlv-validate, too; a bare log is judged as one.
    """
    asked: list[Path] = []

    def judge(path: Any) -> list[dict[str, Any]]:
        events = check_stream(Path(path))
        asked.append(path)
        if len(asked) <= 3:
            check_with_validator(Path(path))
        return events

    return judge


@pytest.fixture
def conforms() -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """`conforms(path)`: the streams of an experiment directory, after it was judged by this file and by mlv-validate.

    With `sealed=True`, at level Sealed. Where mlv-validate does not install, only this file judges;
    `test_promises.py` says so.
    """

    def judge(path: Any, sealed: bool = False) -> dict[str, list[dict[str, Any]]]:
        streams = check_experiment(Path(path))
        check_with_validator(Path(path), sealed)
        if sealed:
            assert {events[-1]["event"] for events in streams.values()} <= {"mlv/seal", "mlv/end"}
        return streams

    return judge


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`run(code, *arguments)`: a Python script in a separate process, which must succeed within a minute."""

    def start(code: str, *arguments: Any, status: int = 0) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return start


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`begin(code, *arguments)`: the same, running next to the test; it has a line-wise stdin and stdout."""
    started = []

    def start(code: str, *arguments: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=tmp_path, text=True, bufsize=1, **pipes)
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
                signal.alarm(10)  # the parent's does not continue in a child
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
