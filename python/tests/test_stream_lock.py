"""One writer per stream, whatever language it is written in: the lock files (specification 1.0, Bytes, One writer)."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, StreamBusy
from mlvlogger._disk.folder import Folder
from mlvlogger._disk.stream_lock import LockHeld, StreamLock
from program import program

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/ns/pid"), reason="not applicable: the evidence about processes is Linux's"
)

HOME = Path("runs/e")
LOCKS = HOME / ".mlv-log.jsonl.lock"
BOOT = "/proc/sys/kernel/random/boot_id"
ABSENT = 4_194_305  # more than the largest pid of Linux


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(") ")[2].split()[19]


def plant(folder: Path = LOCKS, **members: Any) -> Path:
    """Write the lock file of another writer, by default one of this system that has ended."""
    lock = {
        "mlv_lock": 1,
        "host": "elsewhere",
        "pid": ABSENT,
        "started": "1",
        "pids": os.readlink("/proc/self/ns/pid"),
        "boot": Path(BOOT).read_text("ascii").strip(),
        "kernel": None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / os.urandom(16).hex()
    path.write_text(json.dumps(lock | members), "ascii")
    return path


def wait_for_locks(number: int) -> list[Path]:
    """Return the lock files of the default stream, as soon as there are so many that are complete."""
    until = time.monotonic() + 60
    while len(found := [path for path in LOCKS.iterdir() if path.stat().st_size]) < number:
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def names(stream: str) -> list[str]:
    return [json.loads(line)["event"] for line in (HOME / stream).read_bytes().splitlines()]


@pytest.fixture
def ended() -> bytes:
    """The log of an experiment that has ended."""
    Exp("runs", "e").close()
    return (HOME / "log.jsonl").read_bytes()


@pytest.fixture
def no_kernel_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks, as for a language without them."""

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def notice(constant: Any) -> float:
    """The time of a notice, short for tests that don't need a writer to notice it."""
    constant("_disk.stream_lock._NOTICE", 0.3)
    return 0.3


@pytest.fixture
def checks(constant: Any) -> None:
    """Each event checks the lock and the file, not only the first one of a second."""
    constant("_write.direct._CHECK_INTERVAL", 0)
    constant("_write.process.client._FILE_CHECK_INTERVAL", 0)
    constant("_write.process.client._PROCESS_CHECK_INTERVAL", 0)


@pytest.fixture
def settled(constant: Any) -> None:
    """A lock file is soon that of a writer, and not of a process that only tries."""
    constant("_disk.stream_lock._SETTLED", 0.05)


@pytest.mark.rule("writer.lock-name")
@pytest.mark.rule("writer.lock")
@pytest.mark.rule("writer.lock-form")
@pytest.mark.rule("writer.lock-end")
@pytest.mark.parametrize(("name", "stream"), [("log.jsonl", "log.jsonl"), ("gpu", "log/gpu.jsonl")])
def test_a_lock_file_exists_while_the_stream_is_written(name: str, stream: str, conforms: Any) -> None:
    """`writer.lock`, `writer.lock-form`, `writer.lock-end`."""
    with Exp("runs", "e") as exp:
        if name == "gpu":
            exp.stream(name).event("a")
        folder = HOME / Path(stream).with_name(f".mlv-{Path(stream).name}.lock")
        [path] = folder.iterdir()
        assert re.fullmatch("[0-9a-f]{32}", path.name)
        assert json.loads(path.read_text("ascii")) == {
            "mlv_lock": 1,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "started": started(os.getpid()),
            "pids": os.readlink("/proc/self/ns/pid"),
            "boot": Path(BOOT).read_text("ascii").strip(),
            "kernel": "flock",
        }
    assert not folder.exists()
    conforms(HOME, sealed=True)


def test_the_lock_file_of_a_bare_log_is_next_to_it() -> None:
    with Logger("train.jsonl") as log:
        log.event("a")
        assert len([*Path(".mlv-train.jsonl.lock").iterdir()]) == 1
    assert [path.name for path in Path().iterdir()] == ["train.jsonl"]


ROWS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "2: this writer has the lock of the holder": ({"kernel": "flock", "pids": "pid:[1]"}, "flock", "stale"),
    "2 without that lock": ({"kernel": "flock", "pids": "pid:[1]"}, None, "unknown"),
    "2 with a lock that the holder hadn't": ({"pids": "pid:[1]"}, "flock", "unknown"),
    "3: the process has ended": ({}, None, "stale"),
    "3: another process has the pid": ({"pid": os.getpid(), "started": "1"}, None, "stale"),
    "4: the process lives": ({"pid": os.getppid()}, None, "held"),
    "4: the process lives, and nothing says when it began": ({"pid": 1, "started": None}, None, "held"),
    "5: another start of the system": ({"boot": "other", "kernel": "flock"}, "flock", "notice"),
    "5: no start of the system": ({"boot": None, "kernel": "flock"}, "flock", "notice"),
    "5 without that lock": ({"boot": "other", "kernel": "flock"}, None, "unknown"),
    "6 on a system that has a start": ({"boot": None, "host": os.uname().nodename}, None, "unknown"),
    "9: another PID namespace": ({"pids": "pid:[1]"}, None, "unknown"),
    "9: another start of the system": ({"boot": "other"}, None, "unknown"),
    "9: a later form": ({"mlv_lock": 2}, "flock", "unknown"),
    "9: no process": ({"pid": "4711"}, "flock", "unknown"),
}


@pytest.mark.rule("writer.lock-held")
@pytest.mark.rule("writer.lock-remove")
@pytest.mark.parametrize(("members", "kernel", "verdict"), ROWS.values(), ids=ROWS)
def test_the_evidence_decides(
    members: dict[str, Any],
    kernel: str | None,
    verdict: str,
    tmp_path: Path,
    notice: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`writer.lock-held`, `writer.lock-remove`: the table, for a writer with and without the lock of the system."""
    if members.get("pid") == os.getppid():
        members = {**members, "started": started(os.getppid())}
    theirs = plant(tmp_path / ".mlv-log.jsonl.lock", **members)
    os.utime(theirs, (time.time() - 60,) * 2)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    if verdict in ("held", "unknown"):
        with pytest.raises(LockHeld) as caught:
            StreamLock(Folder(tmp_path), "log.jsonl", kernel)
        assert caught.value.is_unknown is (verdict == "unknown")
        assert [*theirs.parent.iterdir()] == [theirs]
    else:
        lock = StreamLock(Folder(tmp_path), "log.jsonl", kernel)
        assert not theirs.exists()
        lock.release()
    assert (notice in slept) is (verdict == "notice")


def test_an_operating_system_that_tells_nothing_leaves_host_and_pid(
    constant: Any, tmp_path: Path, notice: float
) -> None:
    """Row 6, as on Windows."""
    constant("_disk.lock_file.system", lambda: (None, None))
    nothing = {"boot": None, "pids": None, "started": None}
    theirs = plant(tmp_path / ".mlv-log.jsonl.lock", **nothing, host=os.uname().nodename)
    StreamLock(Folder(tmp_path), "log.jsonl", None).release()
    assert not theirs.exists()
    for members in ({"pid": os.getpid(), "host": os.uname().nodename}, {}):
        theirs = plant(tmp_path / ".mlv-log.jsonl.lock", **nothing, **members)
        os.utime(theirs, (time.time() - 60,) * 2)
        with pytest.raises(LockHeld):
            StreamLock(Folder(tmp_path), "log.jsonl", None)
        theirs.unlink()


@pytest.mark.parametrize(("content", "seconds"), [("", 1.0), ('{"mlv_lock":1,"pi', 0.2), ("[1]", 0.2)])
def test_a_lock_file_without_an_object_is_held_for_a_second(
    content: str, seconds: float, ended: bytes, no_kernel_locks: None, constant: Any
) -> None:
    """Row 7: it may be one that is being written, or one that a power cut left."""
    if seconds < 1:
        constant("_disk.lock_file._UNREADABLE", seconds)
    torn = plant()
    begin = time.monotonic()
    torn.write_text(content)
    Exp.resume(HOME).close()
    assert time.monotonic() - begin > 0.9 * seconds
    assert not LOCKS.exists()
    torn = plant()
    torn.write_text(content)
    os.utime(torn, (time.time() - 60,) * 2)
    Exp.resume(HOME).close()
    assert not LOCKS.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a moment later
def test_an_exception_of_a_signal_handler_while_the_lock_is_acquired_leaves_no_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock file of a process that lives would keep the stream busy until its end."""

    class Stop(BaseException):
        pass

    left = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith(("stream_lock.py", "lock_file.py")):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise Stop

    for number in range(1, 10_000):
        left = number
        sys.setprofile(profile)
        try:
            lock = StreamLock(Folder(tmp_path), "log.jsonl", None)
        except Stop:
            assert [*tmp_path.rglob("*")] == [], number
            continue
        finally:
            sys.setprofile(None)
        break
    assert number > 20
    lock.release()


@pytest.mark.rule("writer.lock-notice")
@pytest.mark.rule("writer.lock-first")
def test_a_writer_that_cannot_be_examined_is_named_and_can_be_taken_over(
    ended: bytes, no_kernel_locks: None, notice: float, conforms: Any
) -> None:
    """Row 8, `writer.lock-notice`, `writer.lock-first`."""
    theirs = plant(boot="other")
    os.utime(theirs, (time.time() - 60,) * 2)
    with pytest.raises(StreamBusy, match=f"process {ABSENT} on 'elsewhere'.*takeover=True"):
        Exp.resume(HOME)
    assert ((HOME / "log.jsonl").read_bytes(), (HOME / "meta").exists()) == (ended, False)
    begin = time.monotonic()
    Exp.resume(HOME, takeover=True).close()
    assert time.monotonic() - begin >= notice
    conforms(HOME, sealed=True)


def test_a_writer_that_lives_cannot_be_taken_over(ended: bytes, no_kernel_locks: None, constant: Any) -> None:
    constant("_write.session._LOCK_TIMEOUT", 0.0)
    theirs = plant(pid=os.getppid(), started=started(os.getppid()))
    os.utime(theirs, (time.time() - 60,) * 2)
    with pytest.raises(StreamBusy, match="Wait until it ends"):
        Exp.resume(HOME, takeover=True)
    assert theirs.exists()


@pytest.mark.rule("writer.lock-check")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_writer_whose_stream_was_taken_over_continues_in_a_kept_stream(
    writer: str, no_kernel_locks: None, notice: float, checks: None, conforms: Any
) -> None:
    """`writer.lock-check`, `writer.lock-lost`: a living writer that others can't see loses no event."""
    with Exp("runs", "e", writer=writer) as first:
        first.log.event("a")
        first.flush()
        for path in wait_for_locks(1 if writer == "direct" else 2):  # as if they were of another node
            path.write_text(json.dumps(json.loads(path.read_text("ascii")) | {"boot": "other"}), "ascii")
        second = Exp.resume(HOME, takeover=True)
        second.log.event("b")
        with pytest.warns(RuntimeWarning, match="(taken over|extended) by another program"):
            first.log.event("c")
            first.flush()
        second.close()
    assert names("log.jsonl") == ["mlv/start", "a", "mlv/start", "b", "mlv/end"]
    assert names("log/kept-1.jsonl") == ["mlv/start", "c", "mlv/end"]
    conforms(HOME, sealed=True)


@pytest.mark.rule("writer.lock-lost")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_writer_whose_lock_file_was_removed_continues(writer: str, checks: None, conforms: Any) -> None:
    with Exp("runs", "e", writer=writer) as exp:
        exp.log.event("a")
        exp.flush()
        wait_for_locks(1 if writer == "direct" else 2)
        shutil.rmtree(LOCKS)
        exp.log.event("b")
        exp.flush()
        until = time.monotonic() + 60
        while len([*LOCKS.glob("*")]) < (1 if writer == "direct" else 2):  # the writer process looks once in 0.9 s
            exp.log.event("c")
            exp.flush()
            assert time.monotonic() < until
            time.sleep(0.05)
        if writer == "process":
            assert {json.loads(path.read_text("ascii"))["pid"] for path in wait_for_locks(2)} > {os.getpid()}
        exp.log.event("d")
        exp.flush()
    written = names("log.jsonl")
    assert [written[0], *written[-2:]] == ["mlv/start", "d", "mlv/end"]
    assert set(written[3:-2]) <= {"c"}
    assert [path.name for path in HOME.iterdir()].count("log") == 0
    conforms(HOME, sealed=True)


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_writer_whose_lock_another_one_has_writes_no_more_to_the_stream(
    writer: str, checks: None, settled: None, conforms: Any
) -> None:
    """`writer.lock-held`: every check finds the other writer, not only the first one."""
    with Exp("runs", "e", writer=writer) as exp:
        exp.log.event("a")
        exp.flush()
        shutil.rmtree(LOCKS)
        plant(pid=os.getppid(), started=started(os.getppid()))
        with pytest.warns(RuntimeWarning, match="taken over by another program"):
            exp.log.event("b")
            exp.flush()
    assert names("log.jsonl") == ["mlv/start", "a"]
    assert names("log/kept-1.jsonl") == ["mlv/start", "b", "mlv/end"]
    conforms(HOME)


def test_the_lock_of_a_writer_of_the_draft_is_respected(ended: bytes, no_kernel_locks: None) -> None:
    LOCKS.write_text('{"host":"here","pid":1,"start":"1"}')
    with pytest.raises(StreamBusy, match=r"\.mlv-log\.jsonl\.lock"):
        Exp.resume(HOME)


def test_without_locks_of_the_operating_system_a_log_is_continued(
    ended: bytes, no_kernel_locks: None, settled: None, conforms: Any
) -> None:
    with Exp.resume(HOME) as exp:
        with pytest.raises(StreamBusy, match="this process"):
            Exp.resume(HOME)
        exp.log.event("a")
    assert not (HOME / "log").exists()
    conforms(HOME, sealed=True)


@pytest.mark.rule("writer.lock-kernel")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_the_lock_of_the_operating_system_is_held_as_well(writer: str) -> None:
    """`writer.lock-kernel`: it shows on every node that shares it whether the writer still runs."""
    with Exp("runs", "e", writer=writer) as exp:
        exp.log.event("a")
        fd = os.open(HOME / "log.jsonl", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


@pytest.fixture
def holder() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that writes `runs/e` and waits."""
    processes: list[subprocess.Popen[str]] = []

    def start(writer: str) -> subprocess.Popen[str]:
        text = (
            f"from mlvlogger import Exp; exp = Exp('runs', 'e', writer={writer!r}); exp.log.event('a'); exp.flush(); "
            "print('ready', flush=True); input()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_killed_writer_leaves_no_lock(
    writer: str, holder: Any, no_kernel_locks: None, settled: None, conforms: Any
) -> None:
    """For a writer without `flock`, which sees only the lock files; a stopped process still has its lock."""
    process = holder(writer)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(StreamBusy):
        Exp.resume(HOME)
    process.kill()
    process.wait()
    until = time.monotonic() + 60  # the writer process ends by itself
    while True:
        try:
            Exp.resume(HOME).close()
            break
        except StreamBusy:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert not LOCKS.exists()
    conforms(HOME, sealed=True)


@pytest.mark.rule("writer.lock-process")
def test_the_writer_process_has_a_lock_file(conforms: Any) -> None:
    """`writer.lock-process`: after the death of the logger process, the writer process still writes."""
    with Exp("runs", "e", writer="process") as exp:
        exp.log.event("a")
        assert os.getpid() in {json.loads(path.read_text("ascii"))["pid"] for path in wait_for_locks(2)}
    assert not LOCKS.exists()
    conforms(HOME, sealed=True)


def test_a_forked_child_leaves_the_lock_of_its_parent() -> None:
    with Exp("runs", "e") as exp:
        before = [*LOCKS.iterdir()]
        pid = os.fork()
        if pid == 0:
            exp.log.event("a")
            exp.close()
            os._exit(0)
        os.waitpid(pid, 0)
        assert [*LOCKS.iterdir()] == before


@pytest.mark.rule("writer.lock-order")
@pytest.mark.slow
def test_of_eight_contenders_that_are_killed_at_random_one_at_most_has_the_lock(run: Any, tmp_path: Path) -> None:
    """A real SIGKILL at any moment, also while a lock is acquired. Longer: run the program with more seconds."""
    folder = tmp_path / "contended"
    folder.mkdir()
    command = [sys.executable, "-c", program("stream_lock_contenders"), str(folder), "8"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    held = [int(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert not (folder / "two-holders").exists(), (folder / "two-holders").read_text()
    assert sum(held) >= 8
