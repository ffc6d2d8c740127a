"""Metadata records from hell."""

from collections.abc import Callable
from pathlib import Path

from builder import Builder

from hostile._recipe import add, place, recipe

# The whole of meta.json, and the rules that it breaks.
METAS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "json.syntax"),
    "brackets by the million": (lambda: b"[" * 10_000_000, "json.depth"),
    "too much": (lambda: b" " * ((16 << 20) + 1), "json.size"),
    "UTF-16": (lambda: "{}".encode("utf-16"), "json.utf8"),
    "a byte order mark": (lambda: b"\xef\xbb\xbf{}", "json.bom"),
    "null": (lambda: b"null", "meta.object"),
    "NULs": (lambda: b"\x00" * 4096, "json.syntax"),
    "empty arrays by the million": (lambda: b"[" + b"[]," * 5_000_000 + b"[]]", "meta.object"),
    "a lone surrogate": (lambda: b'{"a":"\\udc00"}', "json.surrogates"),
    "nested duplicates": (lambda: b'{"a":{"b":1,"\\u0062":2}}', "json.unique-names"),
    "an escape sequence": (lambda: b"\x1b[2J::error::", "json.syntax"),
}


def _whole(raw: Callable[[], bytes]) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        Builder(at / "top").write("meta.json", raw())

    return here


for name, (raw, rules) in METAS.items():
    add(f"meta.json: {name}", _whole(raw), [place(f"{rule} meta.json") for rule in rules.split()])

# Members of an otherwise good meta.json.
MEMBERS: dict[str, tuple[dict[str, object], str]] = {
    "a name of escapes": ({"name": "\x1b[31m\r\n::error::"}, "meta.name"),
    "a name of a megabyte": ({"name": "x" * 1_000_000}, "meta.name"),
    "tags by the hundred thousand, twice": ({"tags": [str(n) for n in range(100_000)] * 2}, "meta.tags"),
    "tags that are objects": ({"tags": [{"a": [1]}] * 1000}, "meta.tags"),
    "params by the hundred thousand": ({"params": {str(n): n for n in range(300_000)}}, ""),
    "params that are a typed value": ({"params": {"_mlv": "int", "value": "1"}}, "meta.params"),
    "a description of bidi": ({"description": "\u202e\x00\x1b" * 100_000}, ""),
    "a parent that is a list": ({"parent": [[[]]]}, "meta.parent"),
    "a member of a build": ({"##[error]\n::error::x": 1}, "meta.unknown-members"),
    "a reference of JSON Schema": (
        {"$schema": "http://localhost/x", "$ref": "file:///etc/passwd"},
        "meta.unknown-members",
    ),
}


def _members(members: dict[str, object]) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        Builder(at / "top", **members)

    return here


for name, (members, rules) in MEMBERS.items():
    add(f"a member: {name}", _members(members), [place(f"{rule} meta.json") for rule in rules.split()])

for version in ("2.0", "0.9"):
    add(f"version {version}", _members({"mlv": version}), unchecked=["meta.json"])
for version in ("9" * 5000 + ".0", "1." + "9" * 5000, "1.0\n", "\u0661.0", "1.00"):
    add(f"version {ascii(version)[:20]}", _members({"mlv": version}), [place("version.form meta.json")])
add(
    "requires a feature of escapes",
    _members({"requires": ["\x1b[31m\n::error::"]}),
    [place("requires.names meta.json")],
)
add("requires an unknown feature", _members({"requires": ["com.example.error"]}), unchecked=["meta.json"])


@recipe("addition.numbers meta/18446744073709551616.json", f"addition.numbers meta/{'9' * 240}.json")
def numbers_of_additions_beyond_any_limit(at: Path) -> None:
    x = Builder(at / "top")
    x.add(2)
    content = (x.path / "meta/2.json").read_bytes()
    (x.path / "meta/2.json").unlink()
    for number in (2**64, int("9" * 240)):
        x.write(f"meta/{number}.json", content)


@recipe("layout.strays meta/02.json", "layout.strays meta/1.json", "layout.strays meta/-2.json")
def numbers_of_additions_spelled_differently(at: Path) -> None:
    x = Builder(at / "top")
    x.add(2)
    for name in ("02", "1", "-2"):
        x.write(f"meta/{name}.json", "{}")


@recipe()
def additions_by_the_thousand(at: Path) -> None:
    x = Builder(at / "top")
    for number in range(2, 5002):
        x.add(number, params={f"p{number}": number}, tags=[f"t{number}"])


@recipe("addition.new-names meta/3.json", "addition.new-tags meta/3.json")
def the_same_names_by_the_hundred_thousand(at: Path) -> None:
    x = Builder(at / "top")
    names = [str(number) for number in range(100_000)]
    for number in (2, 3):
        x.add(number, params=dict.fromkeys(names, 1), tags=names)


def _session_under(at: Path, number: int) -> None:
    log = Builder(at / "top").log().start()
    log.path.write_bytes(log.path.read_bytes().replace(b'"number":1', b'"number":%d' % number))


@recipe("session.record log.jsonl:1")
def a_record_that_does_not_exist(at: Path) -> None:
    _session_under(at, 2**53 - 1)


@recipe("json.integers log.jsonl:1")
def a_record_beyond_64_bits(at: Path) -> None:
    _session_under(at, 2**64)


@recipe("json.integers log.jsonl:1", "json.finite log.jsonl:1")
def a_record_of_4000_digits(at: Path) -> None:
    _session_under(at, int("9" * 4000))


@recipe("environment.types meta.json")
def an_environment_of_nonsense(at: Path) -> None:
    Builder(at / "top", environment={"command": {}, "host": [], "runtime": "\x1b", "git": 1, "variables": [[]]})
