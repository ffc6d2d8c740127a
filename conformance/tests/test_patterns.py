"""The patterns of the schemas mean the same in every regular-expression engine: Python, ECMAScript and RE2."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).parents[2] / "spec" / "1.0" / "schemas"
SUITE = Path(__file__).parents[1] / "suite"
FILES = sorted([*SPEC.glob("*.json"), *SUITE.glob("*.schema.json")])
STRING_KEYWORDS = {"type", "const", "enum", "pattern", "minLength", "maxLength", "not", "anyOf", "allOf", "if", "then"}
STRINGS = 1000
"""The number of strings for the patterns of each file."""

Search = Callable[[str, str], bool]

# Strings that a pattern accepts, or nearly. Each occurs with a trailing line feed, too.
SEEDS = [
    "",
    "mlv",
    "mlv/start",
    "mlvx/a",
    "loss",
    "a/b",
    "a//b",
    "/a",
    "a/",
    ".",
    "..",
    "a/../b",
    "a/.",
    "C:/a",
    "a\\b",
]
SEEDS += [
    "con",
    "CON.txt",
    "Nul",
    "com1.a",
    "lpt9",
    "lpt0",
    "console",
    "a.",
    "x" * 100,
    "x" * 101,
    "a/con",
    "~a",
    "é/ü",
]
SEEDS += ["meta.json", "meta/2.json", "meta/1.json", "meta/02.json", "meta/.a.json", "log.jsonl", "log/run-2.jsonl"]
SEEDS += ["log/con.jsonl", "log/con.a.jsonl", "log/cons.jsonl", "log/my stream.jsonl", "log/a/b.jsonl", "log/a..jsonl"]
SEEDS += [
    "files",
    "files/a.png",
    "files/a/b~2.bin",
    "files/nul",
    "files/a/aux.txt",
    "files/a/aux/b",
    "files/a.",
    "files/",
]
SEEDS += ["sha256:" + "0a" * 32, "0a" * 32, "0A" * 32, "0a" * 16, "1.0", "1.10", "01.0", "1.99999", "1.0.0", "0.0"]
SEEDS += ["0", "-0", "-7", "9" * 4000, "9" * 4001, "-" + "9" * 4000, "-" + "9" * 4001, "00", "0.5", "-0.25", ".5", "1."]
SEEDS += ["2026-11-22T18:24:00.000000Z", "2026-11-22T18:24:00Z", "2026-11-22T18:24:00.5+01:00", "2026-11-22T18:24:00"]
SEEDS += [
    "2026-11-22",
    "2026-13-22",
    "18:24:00",
    "18:24:00.5Z",
    "24:00:00",
    "AAA=",
    "AA==",
    "AAAA",
    "AAA",
    "d800",
    "d80",
]
SEEDS += ["com.example.a", "com", "a..b", "log.seq", "writer.one", "reader.id", "event.unknown-members", "reader core"]
SEEDS += [
    "a\u0000",
    "a\u001f",
    "a\u007f",
    "a\u0085",
    "a\u2028b",
    "a\u00a0b",
    "\n",
    "a\nb",
    "a\r",
    "a\n/",
    "a/\n",
    "/\n",
]
PARTS = [
    "\n",
    "\r",
    "/",
    ".",
    "..",
    "~",
    "-",
    "_",
    "a",
    "Z",
    "0",
    "9",
    ":",
    "+",
    "=",
    "con",
    "LPT1",
    "\u0085",
    "é",
    " ",
]


def string_schemas(schema: object, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the outermost subschemas with patterns that say nothing of other values than strings."""
    if isinstance(schema, dict):
        if own_patterns(schema):
            yield where, schema
            return
        for name, part in schema.items():
            yield from string_schemas(part, f"{where}/{name}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from string_schemas(part, f"{where}/{number}")


def own_patterns(schema: object) -> list[str]:
    """The patterns for a value itself; none if the subschema has a keyword that isn't for strings."""
    if isinstance(schema, list):
        return [pattern for part in schema for pattern in own_patterns(part)]
    if not isinstance(schema, dict) or not schema.keys() <= STRING_KEYWORDS | {"description"}:
        return []
    found = [schema["pattern"]] if "pattern" in schema else []
    return found + [
        pattern for name in ("not", "anyOf", "allOf", "if", "then") for pattern in own_patterns(schema.get(name))
    ]


def is_valid(schema: dict[str, Any], text: str, search: Search) -> bool:
    """Whether a string is valid, with the patterns as an engine searches for them."""
    if "if" in schema and is_valid(schema["if"], text, search) and not is_valid(schema["then"], text, search):
        return False
    return (
        schema.get("type", "string") == "string"
        and schema.get("const", text) == text
        and text in schema.get("enum", [text])
        and schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and ("pattern" not in schema or search(schema["pattern"], text))
        and ("not" not in schema or not is_valid(schema["not"], text, search))
        and ("anyOf" not in schema or any(is_valid(part, text, search) for part in schema["anyOf"]))
        and all(is_valid(part, text, search) for part in schema.get("allOf", []))
    )


@cache
def texts(seed: str) -> list[str]:
    """Seeds, changed seeds and random strings, half of them with a line feed at the end."""
    rng = random.Random(seed)
    found = dict.fromkeys(SEEDS)
    while len(found) < STRINGS // 2:
        text = rng.choice(SEEDS)[:200]
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(PARTS) + text[at + rng.randint(0, 2) :]
        found[text] = None
    return [*found, *(text + "\n" for text in found)]


def in_python(patterns: list[str], strings: list[str]) -> list[list[bool]]:
    return [[re.search(pattern, text) is not None for text in strings] for pattern in patterns]


def in_re2(patterns: list[str], strings: list[str]) -> list[list[bool]]:
    re2 = pytest.importorskip("re2", reason="google-re2 is not installed")
    return [[compiled.search(text) is not None for text in strings] for compiled in map(re2.compile, patterns)]


def in_ecmascript(patterns: list[str], strings: list[str]) -> list[list[bool]]:
    node = shutil.which("node")
    if not node:
        pytest.skip("node was not found: get Node 20 or later")
    program = """
        const [patterns, strings] = JSON.parse(require("fs").readFileSync(0, "utf8"));
        const all = patterns.map(pattern => new RegExp(pattern, "u")).map(each => strings.map(text => each.test(text)));
        process.stdout.write(JSON.stringify(all));
    """
    done = subprocess.run([node, "-e", program], input=json.dumps([patterns, strings]), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    matches: list[list[bool]] = json.loads(done.stdout)
    return matches


def schema_of(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def verdicts(path: Path, engine: Callable[[list[str], list[str]], list[list[bool]]]) -> dict[str, dict[str, bool]]:
    """For each subschema with patterns, the verdict about each string."""
    schemas = dict(string_schemas(schema_of(path), "#"))
    patterns = sorted({pattern for schema in schemas.values() for pattern in own_patterns(schema)})
    strings = texts(path.name)
    matches = {
        pattern: dict(zip(strings, row, strict=True))
        for pattern, row in zip(patterns, engine(patterns, strings), strict=True)
    }
    return {
        where: {text: is_valid(schema, text, lambda pattern, text: matches[pattern][text]) for text in strings}
        for where, schema in schemas.items()
    }


def all_patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        if isinstance(schema.get("patternProperties"), dict):
            yield from schema["patternProperties"]
        for part in schema.values():
            yield from all_patterns(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from all_patterns(part)


WITH_PATTERNS = [path for path in FILES if next(all_patterns(schema_of(path)), None)]


@pytest.mark.parametrize("path", WITH_PATTERNS, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("engine", [in_ecmascript, in_re2])
def test_an_engine_judges_every_string_as_python_does(path: Path, engine: Any) -> None:
    wanted, found = verdicts(path, in_python), verdicts(path, engine)
    assert len(texts(path.name)) >= STRINGS
    differences = {
        where: [text for text in one if found[where][text] is not one[text]] for where, one in wanted.items()
    }
    assert {where: some[:5] for where, some in differences.items() if some} == {}
    for where, one in wanted.items():
        assert not all(one.values()), f"{where} accepts every string: the test says nothing"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_every_pattern_is_tested_and_has_nothing_that_an_engine_lacks(path: Path) -> None:
    found = set(all_patterns(schema_of(path)))
    assert found == {pattern for _, schema in string_schemas(schema_of(path), "#") for pattern in own_patterns(schema)}
    for pattern in found:
        assert not re.search(r"\(\?(?!:)", pattern), f"{pattern}: RE2 has no look-around"
        assert not re.search(r"\\[1-9kuUpP]", pattern), f"{pattern}: not every engine has this escape"
        assert not re.search(r"\\[dwsb]", pattern, re.IGNORECASE), f"{pattern}: the class means Unicode in some engines"
        assert all(int(n) <= 1000 for n in re.findall(r"[{,]([0-9]+)", pattern)), f"{pattern}: RE2 repeats 1000 times"
