"""Attached files and references to files: what is published stays, and nothing leaves the experiment."""

import errno
import gc
import hashlib
import os
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotAttach, Exp, External, File, InvalidName, LogClosed, MLVError, NewFile, read, ref
from mlvlogger._disk.folder import Folder
from mlvlogger._disk.publish import publish
from mlvlogger._new_file import NewText
from program import program
from publishing import check_that_one_of_eight_threads_wins

HOME = Path("runs/e")
FILES = HOME / "files"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source(name: str, data: bytes = b"data") -> Path:
    Path(name).write_bytes(data)
    return Path(name)


def tree(root: Path) -> dict[str, bytes | str]:
    """Every entry below *root* with what is in it."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        kind = "->" + os.readlink(path) if path.is_symlink() else "directory" if path.is_dir() else None
        found[path.relative_to(root).as_posix()] = kind or path.read_bytes()
    return found


@pytest.fixture
def exp(conforms: Callable[..., Any]) -> Iterator[Exp]:
    """An experiment that conforms when the test has done with it."""
    with Exp("runs", "e") as experiment:
        yield experiment
    conforms(HOME, sealed=True)


def noted(exp: Exp) -> list[dict[str, Any]]:
    return [event.data for event in read(exp.path).events("mlv/file", lifecycle=True)]


@pytest.mark.rule("writer.attach")
@pytest.mark.parametrize("how", ["copy", "reflink", "hardlink"])
def test_an_attached_file_is_copied_referred_to_and_logged(how: str, exp: Exp) -> None:
    reference = exp.attach(source("cm.png", b"picture"), how=how)
    assert reference == File("files/cm.png", 7, sha256(b"picture"), "image/png", exp.id)
    assert (FILES / "cm.png").read_bytes() == b"picture" and Path("cm.png").read_bytes() == b"picture"
    assert noted(exp) == [{"file": File("files/cm.png", 7, sha256(b"picture"), "image/png")}]
    assert ((FILES / "cm.png").stat().st_ino == Path("cm.png").stat().st_ino) == (how == "hardlink")
    assert os.listdir(FILES) == ["cm.png"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system, /dev/shm")
def test_a_hard_link_to_another_file_system_becomes_a_copy_with_one_warning(exp: Exp) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        other = Path(directory)
        if other.stat().st_dev == HOME.stat().st_dev:
            pytest.skip("/dev/shm and the directory of the tests are on one file system")
        for name in ("1.pt", "2.pt"):
            (other / name).write_bytes(name.encode())
        with pytest.warns(RuntimeWarning) as caught:
            first = exp.attach(other / "1.pt", how="hardlink")
        assert [str(one.message) for one in caught] == [
            f"{os.path.realpath(other)!r}: files of this folder can't be linked into {exp.path}: Invalid cross-device "
            "link. They are copied. Pass how='copy', or save them on the file system of the experiment."
        ]
        second = exp.attach(other / "2.pt", how="hardlink")
        (other / "1.pt").write_bytes(b"changed")
    assert (first, second) == tuple(
        File(f"files/{name}", 4, sha256(name.encode()), None, exp.id) for name in ("1.pt", "2.pt")
    )
    assert {path.name: path.read_bytes() for path in FILES.iterdir()} == {"1.pt": b"1.pt", "2.pt": b"2.pt"}


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EIO], ids=errno.errorcode.get)
def test_a_hard_link_that_the_system_refuses_becomes_a_copy_unless_the_disk_fails(
    refusal: int, exp: Exp, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def refuse(old: Any, new: Any, **options: Any) -> None:
        if os.path.basename(old) == "source":
            raise OSError(refusal, os.strerror(refusal))
        link(old, new, **options)

    monkeypatch.setattr(os, "link", refuse)
    source("source", b"weights")
    if refusal == errno.EIO:
        with pytest.raises(OSError) as caught:
            exp.attach("source", how="hardlink")
        assert caught.value.errno == errno.EIO and os.listdir(FILES) == []
    else:
        with pytest.warns(RuntimeWarning, match="They are copied"):
            exp.attach("source", how="hardlink")
        assert (FILES / "source").read_bytes() == b"weights"
        assert (FILES / "source").stat().st_ino != Path("source").stat().st_ino


@pytest.mark.rule("writer.other-file")
@pytest.mark.rule("writer.same-file")
def test_the_same_bytes_again_give_the_same_reference_and_other_bytes_another_name(exp: Exp) -> None:
    first = exp.attach(source("a", b"1"), "x/cm.png")
    assert exp.attach(source("b", b"1"), "x/cm.png") == first
    names = [exp.attach(source("a", data), "x/cm.png").path for data in (b"2", b"3", b"2", b"1")]
    assert names == ["files/x/cm~2.png", "files/x/cm~3.png", "files/x/cm~2.png", "files/x/cm.png"]
    assert tree(FILES) == {"x": "directory", "x/cm.png": b"1", "x/cm~2.png": b"2", "x/cm~3.png": b"3"}
    assert len(noted(exp)) == 6


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("noext", "noext~2"),
        ("a.tar.gz", "a.tar~2.gz"),
        ("d.d/noext", "d.d/noext~2"),
        ("a~2.b", "a~2~2.b"),
        ("9", "9~2"),
    ],
)
def test_the_number_of_a_name_is_before_the_last_dot(name: str, second: str, exp: Exp) -> None:
    exp.attach(source("a", b"1"), name)
    assert exp.attach(source("b", b"2"), name).path == f"files/{second}"


@pytest.mark.rule("writer.other-name")
def test_the_numbered_name_of_a_long_name_is_portable(exp: Exp) -> None:
    for name in ("a" * 100, "a" * 96 + ".txt", "a" * 50 + "." + "b" * 49, "a." + "b" * 98, "aaa." + "b" * 96):
        paths = [exp.attach(source("a", bytes([number])), name).path for number in range(12)]
        assert len(set(paths)) == 12
        assert all(len(path.removeprefix("files/")) <= 100 for path in paths)


@pytest.mark.rule("writer.other-file")
def test_no_two_attached_names_differ_only_by_case(exp: Exp) -> None:
    exp.attach(source("a", b"1"), "x/cm.png")
    wanted = ["x/CM.png", "X/cm.png", "X/cm.PNG", "X/other.png"]
    paths = [exp.attach(source("a", name.encode()), name).path for name in wanted]
    paths.append(exp.attach(source("a", b"1"), "X/cm.png").path)
    found = {path.relative_to(HOME).as_posix() for path in FILES.rglob("*") if path.is_file()}
    assert len({name.lower() for name in found}) == len(found)
    assert set(paths) <= found
    assert all((HOME / path).read_bytes() == name.encode() for path, name in zip(paths, wanted, strict=False))


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "/x",
    "/etc/passwd",
    "~/x",
    "~",
    "a//b",
    "a/",
    "a\\b",
    "..\\x",
    "C:x",
    "C:\\x",
    "c:/x",
    "//host/share",
    "a\x00b",
    "a\nb",
    "a\x1b[31m",
    "a b",
    "ä",
    "a.",
    "a./b",
    " a",
    "a ",
    ".hidden",
    ".mlv-x",
    "a/.mlv-x",
    "-rf",
    "--help",
    "con",
    "CON",
    "con.txt",
    "a/nul",
    "lpt9.tar.gz",
    "a" * 101,
    "a/" + "b" * 101,
    "a\u0301",
    "a:b",
    "a*",
    "\ud800",
    "a\u202eb",
    None,
    5,
    b"a",
]


def test_a_name_whose_path_would_have_more_than_4096_characters_is_refused(exp: Exp) -> None:
    longest = "/".join(["x" * 90] * 44 + ["x" * 76])
    assert len(longest) == 4080
    with pytest.raises(InvalidName, match="it has 4081 characters. Choose a name of at most 4080"):
        exp.attach(source("x"), longest + "x")
    assert exp.attach("x", longest).path == f"files/{longest}"
    source("x", b"other")
    assert len(exp.attach("x", longest).path) <= 4096


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_a_hostile_name_is_refused_and_nothing_is_made(name: Any, exp: Exp) -> None:
    source("x")
    before = tree(Path())
    for call in (lambda: exp.attach("x", name) if name is not None else exp.attach("x", 5), lambda: exp.create(name)):  # type: ignore[arg-type]
        with pytest.raises(InvalidName, match="isn't a name for"):
            call()
    assert tree(Path()) == before


@pytest.mark.rule("writer.file-event")
@pytest.mark.parametrize(
    ("original", "name", "media_type"),
    [
        ("model best.pt", "model_best-a24a5621515364ba.pt", None),
        ("größe.txt", "gr_e-0b54efeae538dfe4.txt", "text/plain"),
        ("图表.png", "90f94d508982d1e8.png", "image/png"),
        ("数据.tar.gz", "fb7997c8251be33d.tar.gz", "application/gzip"),
        ("aux.pt", "aux-66373fd6b5e773d9.pt", None),
        ("nul.json", "nul-01207fdcec808465.json", "application/json"),
        ("con.图.png", "con-4a254ea6b9a74e8a.png", "image/png"),
        (".hidden", "hidden-1692419006a88aab", None),
        (".png", "png-b98b801d8acac8de", None),
        ("a.", "a-5ab640fad553cbf9", None),
        ("---", "cb3f91d54eee30e5", None),
        ("x" * 150 + ".txt", "x" * 79 + "-a78647c1d0d9bb86.txt", "text/plain"),
        ("new\nline", "new_line-58fb6729e555d21b", None),
        ("~a~", "a-7386a2e1763d382b", None),
    ],
)
def test_the_name_of_a_source_is_made_portable_and_the_log_has_the_original(
    original: str, name: str, media_type: str | None, exp: Exp
) -> None:
    reference = exp.attach(source(original))
    assert (reference.path, reference.media_type) == (f"files/{name}", media_type)
    assert noted(exp)[0]["source"] == original


def test_a_portable_name_of_a_source_stays(exp: Exp) -> None:
    for name in ("a~2.png", "con1.txt", "COM0", "x" * 100):
        assert exp.attach(source(name)).path == f"files/{name}"
    assert all("source" not in data for data in noted(exp))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_source_whose_name_is_not_utf_8_can_be_attached(as_bytes: bool, exp: Exp) -> None:
    Path(os.fsdecode(b"\xff.txt")).write_bytes(b"")
    (entry,) = (entry for entry in os.scandir(b"." if as_bytes else ".") if entry.is_file())
    reference = exp.attach(entry)
    assert (reference.path, reference.media_type) == ("files/95f9c80355a7a39b.txt", "text/plain")
    assert noted(exp)[0]["source"] == "\\udcff.txt"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["copy", "reflink", "hardlink"])
@pytest.mark.parametrize("kind", ["directory", "fifo", "device"])
def test_only_a_regular_file_can_be_attached_or_referred_to(kind: str, how: str, exp: Exp, descriptors: Any) -> None:
    path = Path(os.devnull) if kind == "device" else Path("source")
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    before = descriptors()
    for call in (lambda: exp.attach(path, "x", how=how), lambda: ref(path)):
        with pytest.raises(
            CannotAttach, match="is not a regular file. Pass a file path; to attach a directory, archive it first"
        ):
            call()  # type: ignore[no-untyped-call]
    assert descriptors() <= before, "a descriptor leaked"
    assert not FILES.exists() or os.listdir(FILES) == []


def test_a_missing_source_raises_filenotfounderror(exp: Exp) -> None:
    calls: list[Callable[[], object]] = [
        lambda: exp.attach("missing"),
        lambda: ref("missing"),
        lambda: exp.ref("missing"),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError):
            call()


@pytest.mark.parametrize("how", ["copy", "reflink", "hardlink"])
def test_a_link_as_a_source_is_followed(how: str, exp: Exp) -> None:
    source("target", b"linked")
    for number, target in enumerate(("target", str(Path("target").resolve()))):
        Path(f"link{number}").symlink_to(target)
        kept = HOME / exp.attach(f"link{number}", how=how).path
        assert kept.read_bytes() == b"linked" and not kept.is_symlink()


@pytest.mark.slow
def test_a_source_that_grows_while_it_is_copied_is_refused(exp: Exp) -> None:
    growing = source("growing", b"")
    done = threading.Event()
    os.truncate(growing, 64 * 2**20)

    def grow() -> None:
        with open(growing, "ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"x")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        with pytest.raises(CannotAttach, match="'growing' changed while it was copied"):
            exp.attach("growing")
    finally:
        done.set()
        thread.join()
    assert os.listdir(FILES) == [] and noted(exp) == []


@pytest.mark.parametrize("place", ["files", "files/s", "files/s/t"])
def test_a_planted_link_is_not_followed(place: str, tmp_path: Path) -> None:
    exp = Exp("runs", "e")
    (tmp_path / "outside").mkdir()
    (HOME / place).parent.mkdir(parents=True, exist_ok=True)
    (HOME / place).symlink_to(tmp_path / "outside")
    source("x")
    name = place.removeprefix("files").lstrip("/") + "/x"
    with pytest.raises((CannotAttach, InvalidName)):
        exp.attach("x", name.lstrip("/"))
    with pytest.raises((CannotAttach, InvalidName)), exp.create(name.lstrip("/")) as file:
        file.write(b"x")
    assert os.listdir("outside") == []


@pytest.mark.parametrize("kind", ["link", "link-of-its-size", "dangling", "fifo", "directory"])
def test_a_name_that_exists_as_any_kind_of_entry_is_not_reused(kind: str, exp: Exp) -> None:
    """Also when the link leads to the very same bytes: what is attached is a file, not a link."""
    FILES.mkdir()
    planted = FILES / "x.txt"
    target = "../../../same" if kind == "link-of-its-size" else "nowhere"
    same = b"1" * len(target)  # which is the size of a link to it, too
    source("same", same)
    if kind == "fifo":
        os.mkfifo(planted)
    elif kind == "directory":
        planted.mkdir()
    else:
        planted.symlink_to(Path("same").resolve() if kind == "link" else target)
    assert exp.attach("same", "x.txt").path == "files/x~2.txt"
    assert Path("same").read_bytes() == same and not (FILES / "nowhere").exists()


def test_a_file_in_place_of_a_folder_is_reported(exp: Exp) -> None:
    exp.attach(source("x"), "a")
    with pytest.raises(MLVError, match="'a/b'|files/a"):
        exp.attach("x", "a/b")
    assert exp.attach("x", "b/c").path == "files/b/c"
    assert exp.attach(source("x", b"2"), "b").path == "files/b~2"


def test_a_file_of_the_experiment_can_be_attached_again(exp: Exp) -> None:
    first = exp.attach(source("x"), "a/x")
    assert exp.attach(HOME / "files/a/x", "a/x") == first


@pytest.mark.rule("writer.kept")
@pytest.mark.rule("writer.publish")
def test_publish_refuses_an_existing_target_of_any_kind_and_leaves_no_temporary_file() -> None:
    os.mkfifo("fifo")
    Path("dangling").symlink_to("nowhere")
    Path("file").write_bytes(b"old")
    Path("directory").mkdir()
    before = sorted(os.listdir())
    for name in ("fifo", "dangling", "file", "directory"):
        with pytest.raises(FileExistsError):
            publish(Folder(Path()), name, b"new")
    assert sorted(os.listdir()) == before and Path("file").read_bytes() == b"old"


@pytest.mark.rule("writer.publish")
def test_eight_threads_publish_one_name_and_one_wins() -> None:
    check_that_one_of_eight_threads_wins()


def test_without_hard_links_publishing_refuses_an_existing_target_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT and some network file systems have none; link is made to fail as it does there."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    publish(Folder(Path()), "x", b"1")
    with pytest.raises(FileExistsError):
        publish(Folder(Path()), "x", b"2")
    assert os.listdir() == ["x"] and Path("x").read_bytes() == b"1"


@pytest.mark.rule("writer.temporary")
@pytest.mark.rule("writer.publish")
def test_leftovers_of_a_crash_are_not_read_and_block_nothing(exp: Exp, conforms: Any) -> None:
    FILES.mkdir()
    for place in (HOME, FILES):
        (place / ".mlv-0123456789abcdef").write_bytes(b"half")
    assert exp.attach(source("x")).path == "files/x"
    conforms(HOME)
    assert (FILES / ".mlv-0123456789abcdef").read_bytes() == b"half"


@pytest.mark.rule("writer.attach")
def test_a_created_file_is_published_when_it_is_closed(exp: Exp) -> None:
    with exp.create("samples/9.png") as file:
        assert isinstance(file, NewFile) and file.ref is None
        file.write(b"abc")
        assert os.listdir(FILES / "samples") == [] if (FILES / "samples").exists() else True
        file.seek(1)
        file.write(b"X")
        file.seek(0)
        assert file.read() == b"aXc"
    assert file.ref == File("files/samples/9.png", 3, sha256(b"aXc"), "image/png", exp.id)
    assert tree(FILES) == {"samples": "directory", "samples/9.png": b"aXc"}
    assert noted(exp) == [{"file": File("files/samples/9.png", 3, sha256(b"aXc"), "image/png")}]
    file.close()
    assert len(noted(exp)) == 1


def test_text_is_utf_8_with_line_feeds(exp: Exp) -> None:
    with exp.create("notes.txt", "w") as file:
        file.write("größe\n")
        print("line", file=file)
        assert file.ref is None
    written = "größe\nline\n".encode()
    assert (FILES / "notes.txt").read_bytes() == written
    digest = hashlib.sha256(written).hexdigest()
    assert file.ref == File("files/notes.txt", len(written), digest, "text/plain", exp.id)


def test_libraries_can_write_into_a_created_file(exp: Exp) -> None:
    with exp.create("a.zip") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", "y" * 1000)
    with zipfile.ZipFile(FILES / "a.zip") as archive:
        assert archive.read("x") == b"y" * 1000


def test_a_large_write_is_whole(exp: Exp) -> None:
    data = os.urandom(2**20) * 20
    with exp.create("a") as file:
        assert file.write(data) == len(data)
        file.writelines([b"1", b"2"])
    assert (FILES / "a").read_bytes() == data + b"12"


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_with_block_left_by_an_exception_publishes_nothing(mode: Any, exp: Exp) -> None:
    with pytest.raises(ZeroDivisionError), exp.create("a", mode) as file:
        file.write(b"x" if mode == "wb" else "x")
        raise ZeroDivisionError
    assert os.listdir(FILES) == [] and noted(exp) == []


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_is_forgotten_is_not_published(mode: str, exp: Exp) -> None:
    """What is half written when its function is left by an exception isn't a record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        file = exp.create("a", mode)  # type: ignore[call-overload]
        file.write(b"half" if mode == "wb" else "half")
        del file
        gc.collect()
    assert os.listdir(FILES) == [] and noted(exp) == []


def test_a_text_file_object_that_was_not_initialized_is_dropped_silently(
    exp: Exp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may run out while it is made: Python then finalizes an object that was never initialized."""
    raised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    with exp.create("a") as file:
        file.write(b"x")
    for make in (lambda: NewText(file), lambda: NewText.__new__(NewText).read()):
        with pytest.raises(ValueError, match="closed|uninitialized"):
            make()
        gc.collect()
    assert raised == []
    assert os.listdir(FILES) == ["a"]


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_could_not_be_written_whole_is_not_published(mode: str, run: Callable[..., Any]) -> None:
    """A system may write a part of what it is given and say so only in the number of bytes."""
    code = program("files_not_whole")
    assert run(code, mode).stdout == "File too large\n[]\n"


def test_two_files_of_one_name_at_once_are_two_files(exp: Exp) -> None:
    with exp.create("a.txt") as one, exp.create("a.txt") as other:
        one.write(b"1")
        other.write(b"2")
    assert {one.ref.path: b"1", other.ref.path: b"2"} == {  # type: ignore[union-attr]
        f"files/{name}": data for name, data in tree(FILES).items()
    }


def test_an_unknown_mode_or_way_is_refused(exp: Exp) -> None:
    source("x")
    with pytest.raises(ValueError, match="mode is 'ab'"):
        exp.create("a", "ab")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="how is 'move'"):
        exp.attach("x", how="move")
    assert not FILES.exists()


@pytest.mark.rule("writer.attach")
def test_after_close_nothing_is_attached() -> None:
    with Exp("runs", "e") as exp:
        pending = exp.create("late")
    source("x")
    before = {name: data for name, data in tree(HOME).items() if ".mlv-" not in name}
    with pytest.raises(LogClosed):
        exp.attach("x")
    with pytest.raises(LogClosed):
        exp.create("y")
    with pytest.raises(LogClosed):
        pending.close()
    assert tree(HOME) == before


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.txt", "text/plain"),
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.csv.xz", "application/x-xz"),
        ("a", None),
        ("a.unknown-thing", None),
    ],
)
def test_media_types_are_guessed_by_the_name(name: str, media_type: str | None, exp: Exp) -> None:
    assert exp.attach(source("x"), name).media_type == media_type


def test_a_file_outside_is_described_with_the_time_to_the_microsecond() -> None:
    file = source("train.csv", b"1,2\n")
    for nanoseconds in (0, 1, 999, 1_700_000_000_123_457_000, 1_700_000_000_999_999_999, 4_102_444_800_000_001_000):
        os.utime(file, ns=(0, nanoseconds))
        stored = file.stat().st_mtime_ns
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stored // 10**9))
        expected = f"{clock}.{stored % 10**9 // 1000:06}Z"
        assert ref("train.csv") == External(str(file.resolve()), os.uname().nodename, 4, sha256(b"1,2\n"), expected)


def test_a_file_of_an_experiment_is_referred_to_from_anywhere(exp: Exp) -> None:
    (HOME / "sub").mkdir()
    source("runs/e/sub/model best.pt", b"m")
    expected = File("sub/model best.pt", 1, sha256(b"m"), None, exp.id)
    assert ref("runs/e/sub/model best.pt") == expected
    assert exp.ref("sub/model best.pt") == expected
    assert exp.ref((HOME / "sub/model best.pt").resolve()) == expected
    Path("elsewhere").symlink_to("runs/e/sub")
    assert ref("elsewhere/model best.pt") == expected
    exp.log.event("x", file=expected)


def test_a_path_that_cannot_be_referred_to_is_reported(exp: Exp) -> None:
    source("outside")
    Path(HOME, "s").mkdir()
    Exp(HOME / "s", "inner").close()
    source("runs/e/s/inner/x")
    source("runs/e/back\\slash")
    Path(HOME, "link").symlink_to(Path("outside").resolve())
    with pytest.raises(InvalidName, match="is outside of runs/e"):
        exp.ref("../../outside")
    with pytest.raises(InvalidName, match="is outside of runs/e"):
        exp.ref("link")
    with pytest.raises(InvalidName, match="is in a sub-experiment of runs/e"):
        exp.ref("s/inner/x")
    with pytest.raises(CannotAttach, match="isn't a path that a reference can hold"):
        exp.ref("back\\slash")
    FILES.mkdir()
    source("runs/e/files/my pic.png")
    with pytest.raises((CannotAttach, InvalidName)):
        exp.ref("files/my pic.png")
    for directory in (HOME, HOME / "s"):
        with pytest.raises(CannotAttach, match="is a directory|is not a regular file"):
            ref(directory)


def test_folders_that_cannot_be_kept_open_are_used_by_path(conforms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: the same is made, and a link that exists is refused."""
    monkeypatch.setattr(os, "supports_dir_fd", set())
    Path("outside").mkdir()
    with Exp("runs", "e", {"a": 1}) as exp:
        exp.log.event("x")
        exp.stream("gpu").event("x")
        names = [exp.attach(source("x", data), "a/b/x").path for data in (b"1", b"2")]
        with exp.create("a/y", "w") as file:
            file.write("y")
        (FILES / "link").symlink_to(Path("outside").resolve())
        with pytest.raises(CannotAttach, match="runs/e/files/link isn't a directory"):
            exp.attach("x", "link/x")
    Exp.open(HOME, {"b": 2}).close()
    conforms(HOME, sealed=True)
    assert names == ["files/a/b/x", "files/a/b/x~2"] and read(HOME).params == {"a": 1, "b": 2}
    assert os.listdir("outside") == [] and sorted(os.listdir(HOME)) == [
        "files",
        "log",
        "log.jsonl",
        "meta",
        "meta.json",
    ]
