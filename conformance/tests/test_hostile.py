"""Directories that were made to harm whoever reads them: judged in bounded time, and nothing outside is touched."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile.entries import SECRET, TIB, endless, fifo, folder, loop, unix_socket

Make = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAMS = Path(__file__).with_name("programs")


def report(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The report of the only target, and that the exit code is the one of the verdict."""
    whole = json.loads(done.stdout)
    assert done.returncode == {"valid": 0, "invalid": 1, "unchecked": 3}[whole["verdict"]]
    target: dict[str, Any]
    [target] = whole["targets"]
    return target


def places(target: dict[str, Any]) -> set[tuple[str, str, int | None]]:
    return {(finding["rule"], finding["path"], finding["line"]) for finding in target["findings"]}


@pytest.fixture
def judge(run: Run) -> Callable[..., tuple[set[tuple[str, str, int | None]], list[str]]]:
    """Runs the command; returns the findings and the paths that could not be checked."""

    def judge(*arguments: object, **options: Any) -> tuple[set[tuple[str, str, int | None]], list[str]]:
        target = report(run("--format", "json", *arguments, **options))
        return places(target), [entry["path"] for entry in target["unchecked"]]

    return judge


# Special files, each where a regular file should be.


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: a file without an end
    except PermissionError:
        pytest.skip("not applicable: making a device needs a superuser who may")


def escape(path: Path) -> None:
    secret = path.parents[2] / "secret"
    secret.write_text(SECRET)
    path.symlink_to(secret)


SPECIAL = [fifo, unix_socket, device, loop, escape, endless, folder]


@pytest.mark.slow
@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("name", ["meta.json", "log.jsonl", "meta/3.json", "log/a.jsonl"])
def test_a_special_file_in_place_of_a_meta_record_or_a_log(
    name: str, make: Callable[[Path], None], experiment: Make, run: Run
) -> None:
    x = experiment("in/x")
    x.add(2)
    (x.path / "log").mkdir()
    (x.path / name).unlink(missing_ok=True)
    make(x.path / name)
    done = run("--format", "json", "in/x")
    target = report(done)
    assert ("layout.types", name, None) in places(target)
    assert done.returncode == 1 and SECRET not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("make", [*SPECIAL, lambda path: None], ids=lambda make: make.__name__)
def test_a_special_file_in_place_of_an_attached_file(
    make: Callable[[Path], None], experiment: Make, judge: Make
) -> None:
    x = experiment("in/x")
    value = x.write("files/a", "content")
    (x.path / "files/a").unlink()
    make(x.path / "files/a")
    x.log().start().event("mlv/file", {"file": value})
    assert judge("in/x") == ({("file.kept", "log.jsonl", 2)}, [])


@pytest.mark.slow
@pytest.mark.parametrize("make", SPECIAL)
def test_a_special_file_of_another_name_is_ignored(make: Callable[[Path], None], experiment: Make, judge: Make) -> None:
    x = experiment("in/x")
    make(x.path / "anything")
    assert judge("in/x") == (set(), [])


@pytest.mark.slow
@pytest.mark.parametrize("make", [fifo, unix_socket, device])
def test_a_special_file_as_the_argument(make: Callable[[Path], None], tmp_path: Path, judge: Make) -> None:
    make(tmp_path / "special")
    assert judge("special") == (set(), ["."])


@pytest.mark.slow
@pytest.mark.rule("validator.contained")
@pytest.mark.parametrize("name", ["meta", "log", "files", "files/sub"])
def test_a_folder_that_leads_outside(name: str, experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment("in/x")
    outside = tmp_path / "outside"
    outside.mkdir()
    for file in ("2.json", "a.jsonl", "secret"):
        (outside / file).write_text(SECRET)
    value = {"_mlv": "file", "path": "files/sub/secret", "size": len(SECRET), "sha256": "0" * 64}
    x.log().start().event("mlv/file", {"file": value})
    (x.path / name).parent.mkdir(exist_ok=True)
    (x.path / name).symlink_to(outside)
    done = run("--format", "json", "in/x")
    expected = {("file.kept", "log.jsonl", 2)} | (set() if "/" in name else {("layout.types", name, None)})
    assert places(report(done)) == expected
    assert SECRET not in done.stdout


@pytest.mark.slow
@pytest.mark.rule("validator.contained")
@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "files/../../secret", "files/./a", "C:\\a", "files//a", ""]
)
def test_a_reference_that_leads_outside(path: str, experiment: Make, judge: Make, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    x = experiment()
    value = {"_mlv": "file", "path": path, "size": len(SECRET), "sha256": "0" * 64}
    x.log().start().event("a", {"b": value})
    findings, unchecked = judge("x")
    assert ("file.path", "log.jsonl", 2) in findings and not unchecked
    assert {rule for rule, _, _ in findings} <= {"file.path", "file.name"}


@pytest.mark.slow
def test_a_stream_name_in_an_event_is_not_opened_as_a_path(experiment: Make, judge: Make) -> None:
    x = experiment()
    for name in ("../x/log.jsonl", "log/../log.jsonl", "/dev/zero", "log", "log.jsonl/", "log/CON.jsonl", "\x1b[31m"):
        other = {"_mlv": "event", "experiment": x.id, "stream": name, "seq": 1}
        x.log().start().event("a", {"b": other}).end(streams={name: 1})
        assert judge("x") == ({("event.exists", "log.jsonl", 2), ("end.streams", "log.jsonl", 3)}, [])


# Sizes.


def sparse(path: Path, size: int, begin: bytes = b"", end: bytes = b"") -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(begin)
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("not applicable: this file system has no file of 1 TiB")
        file.seek(0, os.SEEK_END)
        file.write(end)


@pytest.mark.slow
def test_sparse_files_of_a_tebibyte(experiment: Make, judge: Make) -> None:
    x = experiment()
    x.log().start()
    begin = (x.path / "log.jsonl").read_bytes()
    sparse(x.path / "log.jsonl", TIB, begin)
    assert judge("x") == ({("log.torn", "log.jsonl", 2)}, [])
    sparse(x.path / "log.jsonl", TIB, begin, b"\n")
    assert judge("x") == ({("json.size", "log.jsonl", 2)}, [])
    sparse(x.path / "log/a.jsonl", TIB)
    sparse(x.path / "meta/2.json", TIB)
    sparse(x.path / "model.bin", TIB)
    assert judge("x") == (
        {("json.size", "log.jsonl", 2), ("log.torn", "log/a.jsonl", 1), ("json.size", "meta/2.json", None)},
        ["meta/2.json"],
    )


@pytest.mark.slow
def test_a_sparse_file_is_not_hashed_for_hours(experiment: Make, judge: Make) -> None:
    x = experiment()
    sparse(x.path / "files/a", TIB)
    value = {"_mlv": "file", "path": "files/a", "size": 1, "sha256": "0" * 64}
    x.log().start().event("mlv/file", {"file": value})
    assert judge("x") == ({("file.kept", "log.jsonl", 2)}, [])
    x.log().start().event("mlv/file", {"file": value | {"size": TIB}})
    assert judge("x") == (set(), ["files/a"])


@pytest.mark.slow
def test_lines_beyond_the_limit(experiment: Make, judge: Make) -> None:
    """A line that is too long is passed over, also several, and what follows is judged."""
    x = experiment()
    long = b'{"a":"' + b"x" * (40 << 20) + b'"}\n'
    log = x.log().start().raw(long).raw(long)
    log.seq = 3
    log.event("a").raw(b"x" * (17 << 20))
    findings, unchecked = judge("x")
    assert unchecked == []
    assert findings == {
        ("json.size", "log.jsonl", 2),
        ("json.size", "log.jsonl", 3),
        ("log.torn", "log.jsonl", 5),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"[" * 10_000_000, "json.depth"),
        (b'{"a":' * 3_000_000, "json.depth"),
        (b"[" + b"[],{}," * 2_500_000 + b"1]", "event.object"),
        (b'{"seq":' + b"1" * 5000 + b"}", "json.integers"),
        (b'{"seq":' + b"1" * 10_000_000 + b"}", "json.integers"),
        (b'{"seq":1e' + b"9" * 1_000_000 + b"}", "json.finite"),
        (b'{"seq":2,"\\u0073eq":3}', "json.unique-names"),
        (b'{"a":"' + b"\\" * 9_999_999 + b'"}', "json.syntax"),
        (b'{"a":"' + b"\\ud800" * 2_000_000 + b'"}', "json.surrogates"),
        (b"NaN", "json.syntax"),
        (b"\xff\xfe{\x00}\x00", "json.utf8"),
        (b"\xef\xbb\xbf{}", "json.bom"),
        (b"{}\r", "log.cr"),
        (b"", "log.blank"),
        (b"\x00" * 1000, "json.syntax"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_hostile_line(line: bytes, rule: str, experiment: Make, judge: Make) -> None:
    x = experiment()
    log = x.log().start().raw(line + b"\n")
    log.seq += 1
    log.event("after").seal()
    findings, unchecked = judge("x")
    assert (rule, "log.jsonl", 2) in findings and unchecked == []
    assert {number for _, _, number in findings} == {2}


@pytest.mark.slow
def test_values_that_are_slow_to_judge(experiment: Make, judge: Make) -> None:
    x = experiment()
    log = x.log().start()
    log.event("a", {"a": [{"_mlv": "x"}] * 300_000})
    log.event("a", {"a": {"_mlv": "bytes", "value": "AAAA" * 1_000_000 + "A"}})
    log.event("a", {"a": {"_mlv": "a." * 1_000_000 + "!"}})
    log.event("a/" * 1_000_000)
    x.add(2, tags=[str(number) for number in range(300_000)] * 2)
    rules = ["value.type", "value.bytes", "value.type", "event.name"]
    expected = {(rule, "log.jsonl", line) for line, rule in enumerate(rules, 2)}
    assert judge("x") == (expected | {("meta.tags", "meta/2.json", None)}, [])


@pytest.mark.slow
def test_a_million_findings_are_few_lines(experiment: Make, run: Run) -> None:
    x = experiment()
    x.log().start().raw(b"NaN\n" * 200_000)
    done = run("x")
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and len(lines) == 23
    assert lines[20] == "x/log.jsonl: error: json.syntax: 199980 more"
    assert lines[22] == "invalid: 200000 errors in 1 experiment, 1 event (MLV 1.0)"


# Trees.


@pytest.mark.slow
def test_a_tree_of_1500_levels(experiment: Make, judge: Make, tmp_path: Path) -> None:
    experiment("tree/x")
    descriptor = os.open(tmp_path / "tree", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 20, dir_fd=descriptor)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    try:
        assert judge("tree") == (set(), ["/".join(["d" * 20] * 65)])
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "tree"], check=True)  # shutil.rmtree is recursive


@pytest.mark.slow
def test_experiments_down_to_a_depth_of_64(experiment: Make, run: Run) -> None:
    experiment("top/" + "/".join("d" * 64))
    assert len(report(run("--format", "json", "top"))["experiments"]) == 1
    experiment("top/" + "/".join("d" * 65))
    target = report(run("--format", "json", "top"))
    assert len(target["experiments"]) == 1 and len(target["unchecked"]) == 1


@pytest.mark.slow
def test_links_in_a_tree_are_not_followed(experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment("top/x")
    experiment("outside/y")
    for name, target in {"loop": "..", "root": "/", "out": tmp_path / "outside", "gone": "nowhere"}.items():
        (x.path / name).symlink_to(target)
        (x.path.parent / name).symlink_to(target)
    target = report(run("--format", "json", "top"))
    assert [one["path"] for one in target["experiments"]] == ["x"] and target["unchecked"] == []


@pytest.mark.slow
def test_a_link_as_the_argument_is_followed(experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment("x")
    x.log().start().end()
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "file").symlink_to("x/log.jsonl")
    assert run("link", "file").returncode == 0
    (tmp_path / "nowhere").symlink_to("gone")
    assert run("nowhere").returncode == 2


# What cannot be read.


@pytest.fixture
def unprivileged() -> list[str]:
    """What goes before a command so that permissions matter to it."""
    if os.geteuid() != 0:
        return []
    before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if not shutil.which("setpriv"):
        pytest.skip("setpriv was not found: a superuser reads everything, and cannot run as someone else without it")
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    try_it = [*before, sys.executable, "-c", "import mlv_validate"]
    if subprocess.run(try_it, env=environment, cwd="/", capture_output=True).returncode:
        pytest.skip("not applicable: a superuser reads everything, and no one else may run this interpreter")
    return before


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may search; those above `tmp_path` are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.rule("validator.complete")
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, 0o000)
        for name in ("meta.json", "log.jsonl", "meta", "meta/2.json", "log", "log/a.jsonl", "files", "other")
    ]
    + [(name, 0o400) for name in ("meta", "log", "files")],  # the names can be listed, but nothing can be opened
)
def test_an_unreadable_entry_makes_the_result_unchecked(
    name: str, mode: int, experiment: Make, run: Run, unprivileged: list[str], public: Path
) -> None:
    x = experiment(public / "top/x")
    x.add(2)
    value = x.write("files/a", "content")
    x.log("log/a.jsonl").start(2).event("mlv/file", {"file": value}).seal()
    x.log().start().end(streams={"log/a.jsonl": 3})
    (x.path / "other").mkdir()
    path = x.path / name
    if unprivileged:
        os.chown(path, 65534, -1)
    path.chmod(mode)
    try:
        target = report(run("--format", "json", "top", before=unprivileged, cwd=public))
    finally:
        path.chmod(0o700)
    assert target["verdict"] == "unchecked" and target["findings"] == []
    assert all(entry["path"].startswith(f"x/{name}") for entry in target["unchecked"]), target["unchecked"]


@pytest.mark.rule("validator.complete")
def test_a_directory_without_an_experiment_is_not_valid(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("empty")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "empty: unchecked: there is no experiment in it"


@pytest.mark.rule("validator.complete")
@pytest.mark.parametrize("members", [{"mlv": "2.0"}, {"mlv": "1.1", "requires": ["a"]}])
def test_an_unknown_version_makes_the_result_unchecked(members: dict[str, Any], experiment: Make, judge: Make) -> None:
    x = experiment("top/x", **members, unknown=1)
    x.log().raw(b"rubbish\n")
    assert judge("top") == (set(), ["x/meta.json"])


# What changes while it is read.


@pytest.mark.slow
def test_a_running_writer_causes_no_finding_but_a_torn_line(experiment: Make, run: Run, tmp_path: Path) -> None:
    x = experiment()
    done = experiment("done").log().start()
    reference = {"_mlv": "event", "experiment": x.id, "stream": "log/b.jsonl"}
    for number in range(2, 400):
        done.event("a", {"a": [0] * 200, "b": reference | {"seq": number - 1}})
    lines = done.path.read_bytes().replace(done.experiment.id.encode(), x.id.encode())
    (tmp_path / "lines").write_bytes(lines)
    for name in ("a", "b"):
        x.log(f"log/{name}.jsonl")
    writers = [
        subprocess.Popen(
            [sys.executable, PROGRAMS / "hostile_writer.py", x.path / f"log/{name}.jsonl", tmp_path / "lines"]
        )
        for name in ("b", "a")
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        target = report(run("--format", "json", "x"))
        seen |= {rule for rule, _, _ in places(target)}
        assert target["unchecked"] == []
    assert seen <= {"log.torn"}
    assert [writer.wait() for writer in writers] == [0, 0]
    assert run("x").returncode == 0


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Callable[[Path, Path], None]]:
    """Exchanges two paths again and again while the test continues."""
    stop = threading.Event()
    threads = []

    def swap(one: Path, two: Path) -> None:
        spare = one.with_name(".mlv-spare")

        def work() -> None:
            while not stop.is_set():
                one.rename(spare)
                two.rename(one)
                spare.rename(two)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield swap
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.rule("validator.contained")
@pytest.mark.parametrize("name", ["log.jsonl", "log", "files", "meta.json", "meta", "inner", "files/a"])
def test_entries_that_are_swapped_for_links_lead_nowhere(
    name: str, experiment: Make, run: Run, tmp_path: Path, swapping: Callable[[Path, Path], None]
) -> None:
    outside = experiment("outside/x", name="OUTSIDE")
    outside.log().raw(f"{SECRET}\n".encode())
    outside.log("log/a.jsonl").raw(f"{SECRET}\n".encode())
    outside.write("files/a", SECRET)
    outside.write("meta/2.json", SECRET)
    experiment("outside/x/inner/y", name="OUTSIDE")
    x = experiment("in/x", name="inside")
    experiment("in/x/inner/y", name="inside", parent={"_mlv": "experiment", "id": x.id})
    x.add(2)
    value = x.write("files/a", "x" * len(SECRET))
    x.log("log/a.jsonl").start(2).seal()
    x.log().start().event("mlv/file", {"file": value}).seal()
    link = x.path / ".mlv-link"
    link.symlink_to(outside.path / name)
    swapping(x.path / name, link)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        done = run("--format", "json", "in/x")
        assert done.returncode in (0, 1, 3)
        assert SECRET not in done.stdout and "OUTSIDE" not in done.stdout
        # What a secret would break if it were read.
        assert not {rule for rule, _, _ in places(report(done))} & {"json.syntax", "addition.previous"}


def test_a_file_that_shrinks_is_not_called_valid(experiment: Make, tmp_path: Path) -> None:
    from mlv_validate._read.directory import Directory

    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    with Directory(os.open(tmp_path, os.O_RDONLY)) as parent, parent.open_file("a") as file:
        path.write_bytes(b"x" * 20)
        assert file.how_changed(parent) is None and file.read(0, 100) == b"x" * 10
        path.write_bytes(b"x" * 5)
        assert file.how_changed(parent) == "it became shorter while it was read"
        assert file.digest(0, 10) is None
        path.unlink()
        path.write_bytes(b"x" * 10)
        assert "was" in (file.how_changed(parent) or "")


# What the command does to the machine.


def tree(path: Path) -> dict[str, tuple[int, int, int]]:
    everything = [path, *path.rglob("*")]
    return {str(p): ((s := p.lstat()).st_mtime_ns, s.st_size, s.st_mode) for p in everything}


@pytest.mark.rule("validator.read-only")
@pytest.mark.rule("validator.contained")
def test_the_validator_only_reads_and_only_inside_the_directory(experiment: Make, tmp_path: Path) -> None:
    x = experiment("top/x")
    x.add(2)
    value = x.write("files/a", "content")
    x.log("log/a.jsonl").start(2).event("mlv/file", {"file": value | {"path": "../secret"}}).raw(b"rubbish\n").seal()
    x.log().start().event("mlv/file", {"file": value}).end(streams={"log/a.jsonl": 3, "../../a": 1})
    (x.path / "log/b.jsonl").symlink_to(tmp_path / "secret")
    before = tree(tmp_path / "top")
    done = subprocess.run(
        [sys.executable, PROGRAMS / "hostile_audited.py", tmp_path / "top"],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.split() == ["invalid", "invalid"], done.stderr
    opened = done.stderr.splitlines()
    # The one absolute path is the argument; everything else is one name, opened relative to an open directory.
    names = {f"open False {name!r}" for name in map(os.fsencode, ("x", "meta.json", "log.jsonl", "log", "a.jsonl"))}
    names |= {f"open False {name!r}" for name in map(os.fsencode, ("meta", "2.json", "files", "a"))}
    assert set(opened) == names | {f"open False {str(tmp_path / 'top')!r}"}
    assert tree(tmp_path / "top") == before


@pytest.mark.slow
@pytest.mark.rule("validator.read-only")
@pytest.mark.rule("validator.contained")
def test_the_whole_command_under_strace(experiment: Make, run: Run, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace was not found")
    x = experiment("top/x")
    value = x.write("files/a", "content")
    x.log().start().event("mlv/file", {"file": value}).end()
    trace = tmp_path / "trace"
    done = run("top", before=["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=%file,%network,flock,fcntl"])
    if done.returncode == 1 and not done.stdout:
        pytest.skip("not applicable: strace may not trace here; the audit hook's test checks the same")
    assert done.returncode == 0
    calls = trace.read_text("utf-8", "replace").splitlines()
    # From the argument on: before it the interpreter loads itself.
    begin = next(number for number, call in enumerate(calls) if "openat(AT_FDCWD" in call and '"top"' in call)
    opened = [call for call in calls[begin + 1 :] if "openat(" in call and "ENOENT" not in call]
    relative = [call for call in opened if "openat(AT_FDCWD" not in call]
    assert len(relative) >= 5 and all("O_RDONLY" in call and "O_NOFOLLOW" in call for call in relative)
    forbidden = ("socket(", "connect(", "flock(", "F_SETLK")
    assert [call for call in calls[begin:] if any(word in call for word in forbidden)] == []
    written = ("O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "unlink", "rename", "chmod", "symlink(", "utime")
    assert [call for call in calls[begin:] if any(word in call for word in written)] == []
