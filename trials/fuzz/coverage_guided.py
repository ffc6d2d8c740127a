#!/usr/bin/env python3
"""
Fuzz the validator's readers, guided by coverage, with atheris: `pip install atheris`, Python 3.11.

`python trials/fuzz/coverage_guided.py log` makes the bytes of a stream, `meta` those of a meta.json, from the
bases of the conformance suite on, and judges each. Whatever libFuzzer takes can follow, `-max_total_time=120` for one.
A crash is an exception, a failure that the validator reports itself, or a record for which the strict reader and an
independent check disagree: the json module of the standard library with separate hooks, and the schemas of the
specification as they are, applied whole.
"""

import io
import json
import math
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import atheris

with atheris.instrument_imports(include=["mlv_validate"]):
    from mlv_validate import validate
    from mlv_validate._rules.bytes import parse
    from mlv_validate._rules.meta import check_meta

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
SCHEMAS = [json.loads(path.read_text("utf-8")) for path in (ROOT / "spec/1.0/schemas").iterdir()]
REGISTRY: Registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in SCHEMAS)
META = Draft202012Validator({"$ref": "urn:mlv:1.0:meta"}, registry=REGISTRY)


class Refused(ValueError):
    """The independent check refuses the record."""


def check(raw: bytes, line: bool) -> Any:
    """The value of a record by the profile of the specification, read another way than the validator's."""
    text = raw.decode("utf-8")
    if text.startswith("\ufeff") or line and "\r" in text or not text.strip(" \t\r\n"):
        raise Refused
    if deep(text):
        raise Refused
    # The grammar of RFC 8259 has these digits and blanks alone.
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text, flags=re.DOTALL)
    if not outside.isascii() or re.search(r"\\u(?![0-9a-fA-F]{4})", text.replace("\\\\", "")):
        raise Refused
    value = json.loads(text, object_pairs_hook=unique, parse_int=integer, parse_float=finite, parse_constant=constant)
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates cannot be encoded
    return value


def deep(text: str) -> bool:
    depth, string, escaped = 0, False, False
    for character in text:
        if string:
            string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            string = True
        elif character in "[{":
            depth += 1
            if depth > 64:
                return True
        elif character in "]}":
            depth = max(0, depth - 1)
    return False


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused
    return dict(pairs)


def integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) >= 2**53:
        raise Refused
    return int(digits)


def finite(digits: str) -> float:
    if math.isinf(float(digits)):
        raise Refused
    return float(digits)


def constant(name: str) -> NoReturn:
    raise Refused


def compare(raw: bytes, line: bool) -> Any:
    """Read a record both ways; returns its value, or None where both refuse it."""
    parsed = parse(raw, line=line)
    try:
        wanted = check(raw, line)
    except ValueError:
        assert parsed.broken, "the strict reader accepts what the independent check refuses"
        return None
    assert not parsed.broken, f"the strict reader refuses it: {parsed.broken}"
    assert json.dumps(parsed.value) == json.dumps(wanted), "the strict reader reads something else"
    return wanted


def judge(experiment: Path) -> None:
    for sealed in (False, True):
        report = validate(experiment, sealed=sealed)
        [target] = report.targets
        assert not any("the validator failed" in entry.reason for entry in target.unchecked), target.unchecked
        io.StringIO().write(report.dumps())


def meta(raw: bytes) -> None:
    value = compare(raw, line=False)
    if isinstance(value, dict) and value.get("mlv") == "1.0":
        broken = [rule for rule, _ in check_meta(value, 1).broken if rule not in ("time.exists", "environment.facts")]
        assert bool(broken) != META.is_valid(value), f"the schemas disagree: {broken}"
    (EXPERIMENT / "meta.json").write_bytes(raw)
    judge(EXPERIMENT)


def log(raw: bytes) -> None:
    for line in raw.split(b"\n")[:-1]:
        compare(line, line=True)
    (EXPERIMENT / "log.jsonl").write_bytes(raw)
    judge(EXPERIMENT)


def seeds(corpus: Path, name: str) -> None:
    for number, path in enumerate(sorted((ROOT / "conformance/suite/bases").rglob("*.json*"))):
        if (path.suffix == ".json") == (name == "meta"):
            (corpus / str(number)).write_bytes(path.read_bytes())


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("meta", "log"):
        sys.exit(__doc__)
    target = {"meta": meta, "log": log}[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        EXPERIMENT, CORPUS = Path(directory) / "x", Path(directory) / "corpus"
        EXPERIMENT.mkdir()
        CORPUS.mkdir()
        seeds(CORPUS, target.__name__)
        minimal = ROOT / "conformance/suite/bases/minimal/meta.json"
        (EXPERIMENT / "meta.json").write_bytes(minimal.read_bytes())
        atheris.Setup([*sys.argv, str(CORPUS), "-max_len=8192", "-timeout=20"], target)
        atheris.Fuzz()
