"""Entries that are not what they should be: pipes, sockets, devices, links, sparse files, trees without an end."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from builder import Builder

from hostile._recipe import add, place, recipe

SECRET = "the secret outside"
TIB = 1 << 40


class NotHere(Exception):
    """This machine cannot make the directory; the message says why."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    short = path.parent / "s"  # the address of a socket may be too short for the whole path
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)
    short.rename(path)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: a file without an end
    except PermissionError as error:
        raise NotHere("making a device needs a superuser who may") from error


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def escape(path: Path) -> None:
    top = next(parent for parent in path.parents if parent.name == "top")
    secret = top.parent / "secret"
    secret.write_text(SECRET)
    path.symlink_to(secret)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


SPECIAL = [fifo, unix_socket, device, loop, escape, endless, folder]


def _instead(make: Callable[[Path], None], name: str) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        x = Builder(at / "top")
        x.add(2)
        (x.path / "log").mkdir()
        (x.path / name).unlink(missing_ok=True)
        make(x.path / name)

    return here


for special in SPECIAL:
    for name in ("meta.json", "log.jsonl", "meta/3.json", "log/a.jsonl"):
        broken = [place(f"layout.types {name}")]
        if name == "meta.json":
            broken.append(place("addition.numbers meta/2.json"))
        add(f"{special.__name__} for {name}", _instead(special, name), broken)


def _attached(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        x = Builder(at / "top")
        value = x.write("files/a", "content")
        (x.path / "files/a").unlink()
        make(x.path / "files/a")
        x.log().start().event("mlv/file", {"file": value})

    return here


for special in SPECIAL:
    add(f"{special.__name__} for files/a", _attached(special), [place("file.kept log.jsonl:2")])


@recipe()
def strays_of_all_kinds(at: Path) -> None:
    x = Builder(at / "top")
    for make in SPECIAL:
        make(x.path / make.__name__)


def sparse(path: Path, begin: bytes = b"", end: bytes = b"") -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(begin)
        try:
            file.truncate(TIB)
        except OSError as error:
            raise NotHere("this file system has no file of 1 TiB") from error
        file.seek(0, os.SEEK_END)
        file.write(end)


@recipe("log.torn log.jsonl:1")
def sparse_log(at: Path) -> None:
    x = Builder(at / "top")
    sparse(x.path / "log.jsonl")


@recipe("json.size log.jsonl:1")
def sparse_line(at: Path) -> None:
    x = Builder(at / "top")
    sparse(x.path / "log.jsonl", end=b"\n")


@recipe("json.size meta/2.json", unchecked=["meta/2.json"])
def sparse_addition(at: Path) -> None:
    x = Builder(at / "top")
    sparse(x.path / "meta/2.json")


@recipe("json.size meta.json", unchecked=["meta.json"])
def sparse_meta(at: Path) -> None:
    (at / "top").mkdir()
    sparse(at / "top/meta.json")


@recipe(unchecked=["files/a"])
def sparse_attached(at: Path) -> None:
    x = Builder(at / "top")
    sparse(x.path / "files/a")
    value = {"_mlv": "file", "path": "files/a", "size": TIB, "sha256": "0" * 64}
    x.log().start().event("mlv/file", {"file": value})


@recipe("json.size log.jsonl:1")
def log_linked_to_something_huge(at: Path) -> None:
    x = Builder(at / "top")
    sparse(at / "huge", end=b"\n")
    os.link(at / "huge", x.path / "log.jsonl")


@recipe()
def links_everywhere(at: Path) -> None:
    x = Builder(at / "top/x")
    Builder(at / "outside/y", name="outside")
    for name, target in {"loop": "..", "root": "/", "out": str(at / "outside"), "gone": "nowhere"}.items():
        (x.path / name).symlink_to(target)
        (x.path.parent / name).symlink_to(target)


def _outside(name: str) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        x = Builder(at / "top")
        outside = at / "outside"
        outside.mkdir()
        for file in ("2.json", "a.jsonl", "secret"):
            (outside / file).write_text(SECRET)
        value = {"_mlv": "file", "path": "files/sub/secret", "size": len(SECRET), "sha256": "0" * 64}
        x.log().start().event("mlv/file", {"file": value})
        (x.path / name).parent.mkdir(exist_ok=True)
        (x.path / name).symlink_to(outside)

    return here


for name in ("meta", "log", "files", "files/sub"):
    types = [] if "/" in name else [place(f"layout.types {name}")]
    add(f"{name} leads outside", _outside(name), [place("file.kept log.jsonl:2"), *types])


@recipe(unchecked=["/".join(["d" * 20] * 65)])
def tree_of_1500_levels(at: Path) -> None:
    Builder(at / "top/x")
    descriptor = os.open(at / "top", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 20, dir_fd=descriptor)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)


@recipe()
def empty_folders_for_all(at: Path) -> None:
    x = Builder(at / "top")
    for name in ("meta", "log", "files", "other"):
        (x.path / name).mkdir()


@recipe("layout.types meta", "layout.types log", "layout.types files")
def files_for_folders(at: Path) -> None:
    x = Builder(at / "top")
    for name in ("meta", "log", "files"):
        (x.path / name).write_bytes(b"\x00")


@recipe(unchecked=["."])
def nothing_at_all(at: Path) -> None:
    (at / "top").mkdir()


@recipe(unchecked=["."])
def a_pipe_as_the_argument(at: Path) -> None:
    os.mkfifo(at / "top")


@recipe(unchecked=["."])
def a_device_as_the_argument(at: Path) -> None:
    device(at / "top")


@recipe("log.torn .:1")
def a_sparse_file_as_the_argument(at: Path) -> None:
    sparse(at / "top")
