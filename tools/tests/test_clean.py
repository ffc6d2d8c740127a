"""`mlv clean` removes what killed writers left, and nothing that anybody uses."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlv_tools._commands.clean import command
from mlv_tools._reading.leftovers import find_leftovers, remove
from mlv_validate import validate
from mlvlogger import Exp, read

OLD = 7200  # seconds
PROGRAMS = Path(__file__).with_name("programs")


def leave(path: Path, data: bytes = b"x" * 1000) -> Path:
    """A temporary file, as a killed writer leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture(autouse=True)
def _hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this process goes ahead: what was changed now counts as old."""
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + OLD)


@pytest.fixture
def clean(tmp_path: Path) -> Callable[..., str]:
    """Runs ``mlv clean`` with a clock that goes ahead by *ahead* seconds; its output."""

    def run(*arguments: Any, exit: int = 0, ahead: float = OLD) -> str:
        command = [sys.executable, str(PROGRAMS / "clean_later.py"), str(ahead), "clean", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == exit, done.stderr or done.stdout
        return done.stdout + done.stderr

    return run


def names(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob(".mlv-*"))


@pytest.fixture
def exp(tmp_path: Path) -> Exp:
    """An experiment that has ended, with what killed writers left in each of its folders, and with other files."""
    with Exp(tmp_path / "runs", "e") as exp:
        exp.attach(b"data", "kept.bin")
        exp.stream("gpu").event("x")
    Exp.open(exp.path, {"a": 1}).close()
    sub = Exp.find(exp.path).sub("small", kind="prune")
    sub.close()
    for place in (
        ".mlv-01",
        "meta/.mlv-02",
        "log/.mlv-03",
        "files/.mlv-04",
        "files/a/b/.mlv-05",
        "prune/small/.mlv-06",
    ):
        leave(exp.path / place)
    (exp.path / "meta/.mlv-2.json.claim").mkdir()
    leave(exp.path / "files/.mlv-kept.bin.claim", b"")
    return exp


LEFT = [
    ".mlv-01",
    "files/.mlv-04",
    "files/.mlv-kept.bin.claim",
    "files/a/b/.mlv-05",
    "log/.mlv-03",
    "meta/.mlv-02",
    "meta/.mlv-2.json.claim",
    "prune/small/.mlv-06",
]


def snapshot(directory: Path) -> dict[str, tuple[int, bytes | bool]]:
    return {
        path.relative_to(directory).as_posix(): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in directory.rglob("*")
    }


def test_without_an_option_leftovers_are_listed_and_not_removed(clean: Callable[..., str], exp: Exp) -> None:
    before = snapshot(exp.path)
    for arguments in (["runs"], ["-n", "runs"], ["--dry-run", "runs/e"]):
        shown = clean(*arguments)
        prefix = "" if arguments[-1] == "runs/e" else "e/"
        assert re.findall(r"(?m)^(\S*\.mlv-\S+) +[\d,]+ +\S+ \S+ ago *$", shown) == [prefix + name for name in LEFT]
        assert "8 temporary files (" in shown and " can be removed\n" in shown
        assert ("mlv clean --yes runs" in shown) == (arguments == ["runs"])
        assert snapshot(exp.path) == before
    assert "cannot be used together" in clean("-n", "-y", "runs", exit=2)
    assert "Usage" in clean("--help") and "does not exist" in clean("nothing", exit=2)


def test_only_leftovers_are_removed(clean: Callable[..., str], exp: Exp) -> None:
    for other in ("mine/.mlv-10", "files.mlv-11", ".mlvx", "log/x.mlv-12"):
        leave(exp.path / other)
    leave(exp.path.parent / ".mlv-13")
    leave(exp.path.parent / "no experiment/.mlv-14")
    leave(exp.path / "files/.mlv-full/inside")
    (exp.path / "files/.mlv-link").symlink_to(exp.path / "files/kept.bin")
    os.mkfifo(exp.path / "files/.mlv-pipe")
    outside = leave(exp.path.parent.parent / "outside/.mlv-15")
    (exp.path / "files/linked").symlink_to(outside.parent)
    (exp.path / "linked").symlink_to(outside.parent)
    before = snapshot(exp.path.parent)
    shown = clean("-y", "runs")
    assert re.search(r"8 temporary files \([\d,]+ bytes\) removed", shown)
    after = snapshot(exp.path.parent)
    assert {f"e/{name}" for name in LEFT} == before.keys() - after.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert all((exp.path.parent / name).is_dir() for name in changed) and outside.exists()
    assert clean("runs") == "no temporary files in runs\n"
    assert validate(exp.path, sealed=True).verdict == "valid"


def test_a_link_as_the_root_is_followed_and_a_linked_folder_is_not(
    clean: Callable[..., str], exp: Exp, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(exp.path)
    os.rename(exp.path / "files", tmp_path / "files")
    (exp.path / "files").symlink_to(tmp_path / "files")
    shown = clean("-y", "link")
    assert "5 temporary files" in shown and names(tmp_path / "files") == [
        ".mlv-04",
        ".mlv-kept.bin.claim",
        "a/b/.mlv-05",
    ]


def test_young_files_are_kept(clean: Callable[..., str], exp: Exp) -> None:
    shown = clean("-y", "runs", ahead=0)
    assert shown.count("changed within the last 60 seconds") == 8 and "removed" not in shown
    os.utime(exp.path / ".mlv-01", (0, 0))  # a hard link to an old file
    assert shown.splitlines()[1].split()[0] == "e/.mlv-01"
    clean("-y", "runs", ahead=0)
    clean("-y", "runs", ahead=-3600)
    assert names(exp.path) == LEFT


LIVING = [  # how writers, which are ways of programs/clean_writers.py, have the experiment
    "the experiment",
    "another process writes",
    "a worker",
    "another script",
    "a stream",
    "a capture that outlives its program",
    "a watch",
    "a forked child with a separate stream",
    "a forked child that has only a file",
]


@pytest.mark.parametrize("how", LIVING)
def test_an_experiment_with_a_running_writer_is_left_alone(clean: Callable[..., str], exp: Exp, how: str) -> None:
    command = [sys.executable, str(PROGRAMS / "clean_writers.py"), str(exp.path), how]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout
    try:
        while b"ready" not in writer.stdout.readline():
            pass
        left = names(exp.path)
        shown = clean("-y", "runs")
        if how == "a forked child that has only a file":
            left = [name for name in left if ".lock" not in name]
            assert len(left) == 9 and "has it open" in shown
            assert set(left) - {f"{name}" for name in LEFT} == {name for name in names(exp.path) if ".lock" not in name}
        else:
            assert "has a writer" in shown
            assert set(left) - set(names(exp.path)) == {"prune/small/.mlv-06"}  # this one is another experiment
    finally:
        writer.communicate(b"\n")
    until = time.monotonic() + 60
    while names(exp.path) and time.monotonic() < until:  # what was forked ends by itself
        clean("-y", "runs")
    assert names(exp.path) == []


def test_a_writer_that_still_drains_is_left_alone(clean: Callable[..., str], exp: Exp) -> None:
    """The program is gone, and another process writes what it has logged."""
    command = [sys.executable, str(PROGRAMS / "clean_drains.py"), str(exp.path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    writer = int(done.stdout)
    try:
        assert "log.jsonl has a writer" in clean("-y", "runs") and "meta/.mlv-02" in names(exp.path)
    finally:
        os.kill(writer, signal.SIGCONT)
    until = time.monotonic() + 60
    while names(exp.path) and time.monotonic() < until:
        clean("-y", "runs")
    assert names(exp.path) == [] and [event.name for event in read(exp.path).events()][-1] == "last"


def test_leftovers_of_a_killed_attach_are_removed(clean: Callable[..., str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(PROGRAMS / "clean_killed.py"), str(tmp_path / "runs")])
    left, lock = names(tmp_path / "runs")[::-1]
    assert lock == "killed/.mlv-log.jsonl.lock"
    assert re.fullmatch("killed/files/.mlv-[0-9a-f]{16}", left)
    shown = clean("--yes", "runs")
    assert (
        f"{left} " in shown
        and "100,000" in shown
        and re.search(r"2 temporary files \(100,\d{3} bytes\) removed", shown)
    )
    assert names(tmp_path / "runs") == [] and validate(tmp_path / "runs/killed").verdict == "valid"
    with Exp.resume(tmp_path / "runs/killed") as exp:
        exp.attach(b"again", "model.bin")


def test_damaged_experiments_and_experiments_without_a_stream_are_cleaned(
    clean: Callable[..., str], exp: Exp, tmp_path: Path
) -> None:
    (exp.path / "meta.json").write_text('{"mlv":')
    bare = tmp_path / "runs/bare"
    leave(bare / ".mlv-07")
    (bare / "meta.json").write_text(json.dumps({"mlv": "1.0", "name": "bare", "params": {}}))
    assert "9 temporary files" in clean("-y", "runs")


def test_entries_that_appear_disappear_or_are_locked_meanwhile_are_not_errors(exp: Exp, tmp_path: Path) -> None:
    def found() -> dict[str, Any]:
        return {one.name: one for one in find_leftovers(exp.path)}

    one, two, three, four = (found()[name] for name in (".mlv-01", "meta/.mlv-02", "log/.mlv-03", "files/a/b/.mlv-05"))
    (exp.path / one.name).unlink()
    leave(exp.path / two.name, b"other bytes").unlink()
    leave(exp.path / two.name, b"other bytes, by another inode, perhaps")
    os.rename(exp.path / "files/a", tmp_path / "a")
    (exp.path / "files/a").symlink_to(tmp_path / "a")
    leave(exp.path / ".mlv-new")
    if (exp.path / two.name).stat().st_ino == two.identity[1]:
        two = None  # the file system has given the number again
    assert [(left.name, kept) for left, kept in remove([one, *([two] if two else []), three, four])] == [
        ("log/.mlv-03", "")
    ]
    assert (tmp_path / "a/b/.mlv-05").exists() and (exp.path / ".mlv-new").exists()
    (exp.path / "files/.mlv-04").unlink()
    leave(exp.path / "meta/.mlv-2.json.claim/a user's file")
    claim = found().get("meta/.mlv-2.json.claim")
    assert claim is None
    with Exp.resume(exp.path):
        rest = find_leftovers(exp.path)
        assert rest and all(left.kept == "log.jsonl has a writer" for left in rest)
        assert {kept for _, kept in remove(rest)} == {"log.jsonl has a writer"}


def test_no_writer_can_start_during_the_removal(exp: Exp) -> None:
    with Exp.open(exp.path):
        pass
    removal = remove(find_leftovers(exp.path))
    next(removal)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mlvlogger import Exp; Exp.resume(sys.argv[1])", exp.path],
        capture_output=True,
        text=True,
    )
    assert "StreamBusy" in done.stderr
    list(removal)
    Exp.resume(exp.path).close()


def test_a_leftover_that_cannot_be_removed_is_an_error(exp: Exp, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(name: str, dir_fd: int) -> None:
        if name == ".mlv-03":
            raise PermissionError(errno.EACCES, "Permission denied")
        real(name, dir_fd=dir_fd)

    real = os.unlink
    monkeypatch.setattr(os, "unlink", unlink)
    done = CliRunner().invoke(command, ["-y", str(exp.path)])
    assert done.exit_code == 1 and "7 temporary files" in done.output
    assert "mlv: error: log/.mlv-03 was not removed: Permission denied" in done.output and names(exp.path) == [
        "log/.mlv-03"
    ]


@pytest.mark.parametrize(("answer", "left"), [("y", []), ("n", LEFT), ("", LEFT)])
def test_on_a_terminal_the_command_asks_first(exp: Exp, tmp_path: Path, answer: str, left: list[str]) -> None:
    import pty

    controller, terminal = pty.openpty()
    command = [sys.executable, str(PROGRAMS / "clean_later.py"), str(OLD), "clean", "runs"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"Remove them? [y/N]" not in shown:
        shown += os.read(controller, 1000)
    assert names(exp.path) == LEFT
    os.write(controller, f"{answer}\n".encode())
    try:
        while data := os.read(controller, 1000):
            shown += data
    except OSError:
        pass
    os.close(controller)
    assert process.wait() == 0 and names(exp.path) == left
    assert (b") removed" in shown) == (answer == "y")


def test_names_with_terminal_commands_are_escaped(clean: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        pass
    leave(exp.path / ".mlv-\x1b[31m")
    assert r"e/.mlv-\x1b[31m" in clean("runs")
    assert Path(exp.path / ".mlv-\x1b[31m").exists()


def test_the_lock_file_of_a_writer_in_another_language_keeps_the_leftovers(clean: Callable[..., str], exp: Exp) -> None:
    """A writer without ``flock``, such as one in Node.js: only its lock file shows it."""
    folder = exp.path / ".mlv-log.jsonl.lock"
    folder.mkdir()
    lock = folder / ("0" * 32)
    for host, pid in (("elsewhere", 1), (os.uname().nodename, os.getpid())):
        lock.write_text(json.dumps({"mlv_lock": 1, "host": host, "pid": pid}))
        assert "log.jsonl has a writer, by its lock files" in clean("-y", "runs")
        assert (exp.path / ".mlv-01").exists() and lock.exists()
    lock.write_text(json.dumps({"mlv_lock": 1, "host": os.uname().nodename, "pid": 4_194_305}))
    clean("-y", "runs")
    assert names(exp.path) == []
