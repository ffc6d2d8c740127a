"""Names of files from hell, and references that lead outside."""

import os
from collections.abc import Callable
from pathlib import Path

from builder import Builder

from hostile._recipe import add, place, recipe
from hostile.entries import SECRET

NAMES = {
    "a line feed": b"a\n::error::pwned",
    "an escape sequence": b"\x1b]0;pwned\x07\x1b[31m",
    "a direction mark": "\u202egnp.exe".encode(),
    "a command for a build": b"::error file=a::pwned",
    "another command for a build": b"##[error]pwned",
    "an option": b"--help",
    "not UTF-8": b"\xff\xfe\x80",
    "a surrogate in UTF-8": b"\xed\xa0\x80",
    "255 controls": b"\x01" * 255,
    "a blank": b" ",
    "a backslash": b"..\\..\\a",
    "markup": b"[bold red]<script>",
    "a reserved name": b"CON",
}


def shown(raw: bytes) -> str:
    """A name as a report has it: what is not UTF-8 becomes `\\xNN`."""
    return raw.decode("utf-8", "backslashreplace")


def _named(raw: bytes) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        x = Builder(at / "top")
        (x.path / "log").mkdir()
        for folder, end in (("", b""), ("log", b".jsonl")):
            with open(os.path.join(os.fsencode(x.path / folder), raw[: 255 - len(end)] + end), "xb"):
                pass
        os.mkdir(os.path.join(os.fsencode(x.path), b"d" + raw[:254]))
        Builder(Path(os.fsdecode(os.path.join(os.fsencode(x.path), b"d" + raw[:254]))) / "inner", name="\x1b")

    return here


for name, raw in NAMES.items():
    stray = f"log/{shown(raw[:249])}.jsonl"
    inner = f"d{shown(raw[:254])}/inner/meta.json"
    findings = [("meta.name", inner, None)]
    if not raw.startswith(b"."):  # the rule of this entry ignores such names in log/
        findings.append(("layout.strays", stray, None))
    add(f"a name: {name}", _named(raw), findings)

PATHS = ["../secret", "/etc/passwd", "files/../../secret", "files/./a", "files//a", "", "C:\\a", "~root", "files/a/"]
PATHS += ["file:///etc/passwd", "\\\\host\\share", "a\x00b", "a/" * 300_000 + "a", "x" * 1_000_000]


def _path(path: str) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        (at / "secret").write_text(SECRET)
        value = {"_mlv": "file", "path": path, "size": len(SECRET), "sha256": "0" * 64}
        Builder(at / "top").log().start().event("a", {"b": value})

    return here


for path in PATHS:
    broken = [place("file.changed log.jsonl:2" if path == "~root" else "file.path log.jsonl:2")]
    if path.startswith("files/"):
        broken.append(place("file.name log.jsonl:2"))
    add(f"a reference to {ascii(path)[:30]}", _path(path), broken)


def _stream(name: str) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        x = Builder(at / "top")
        other = {"_mlv": "event", "experiment": x.id, "stream": name, "seq": 1}
        x.log().start().event("a", {"b": other}).end(streams={name: 1})

    return here


for name in ("../x/log.jsonl", "log/../log.jsonl", "/dev/zero", "log.jsonl/", "log/CON.jsonl", "\x1b[31m\n::error::"):
    dangling = [place("event.exists log.jsonl:2"), place("end.streams log.jsonl:3")]
    add(f"a stream named {ascii(name)}", _stream(name), dangling)


@recipe("layout.twins log/a.jsonl")
def streams_that_are_twins(at: Path) -> None:
    x = Builder(at / "top")
    for name in ("a", "A"):
        x.log(f"log/{name}.jsonl").start()
