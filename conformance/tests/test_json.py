"""The strict JSON profile, from bytes to the rules that they break."""

import json
import random
import sys

import pytest

from mlv_validate._read.lines import MAX_SIZE
from mlv_validate._rules.bytes import parse, too_deep

NOTHING: list[str] = []


def rules(raw: bytes, line: bool = True) -> list[str]:
    return sorted(rule for rule, _ in parse(raw, line=line).broken)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"{}", NOTHING),
        (b' \t{"a" : [1, -0, 1.5, 1e-400, true, null]} ', NOTHING),
        (b"\xff", ["json.utf8"]),
        (b'"\xed\xa0\x80"', ["json.utf8"]),
        (b'"\xc0\x80"', ["json.utf8"]),
        (b"\xef\xbb\xbf{}", ["json.bom"]),
        (b"\xef\xbb\xbf\r", ["json.bom"]),
        ("{}".encode("utf-16"), ["json.utf8"]),
        ("{}".encode("utf-16-le"), ["json.syntax"]),
        ("{}".encode("utf-32-be"), ["json.syntax"]),
        (b"{}\r", ["log.cr"]),
        (b"\r", ["log.cr"]),
        (b"", ["log.blank"]),
        (b" \t ", ["log.blank"]),
        (b"\x0b", ["json.syntax"]),
        (b"NaN", ["json.syntax"]),
        (b"[Infinity]", ["json.syntax"]),
        (b"-Infinity", ["json.syntax"]),
        (b"[1,]", ["json.syntax"]),
        (b"[01]", ["json.syntax"]),
        (b"[+1]", ["json.syntax"]),
        (b"[.5]", ["json.syntax"]),
        (b"[5.]", ["json.syntax"]),
        ("[\u0661]".encode(), ["json.syntax"]),
        ("[1\u0661]".encode(), ["json.syntax"]),
        ("[1.\u0661]".encode(), ["json.syntax"]),
        ("[1e\u0661]".encode(), ["json.syntax"]),
        ("\u00a0{}".encode(), ["json.syntax"]),
        (b'"\x01"', ["json.syntax"]),
        (b'"\\u12g4"', ["json.syntax"]),
        (b'"\\u 123"', ["json.syntax"]),
        (b'"\\x41"', ["json.syntax"]),
        (b"{} {}", ["json.syntax"]),
        (b"{}\x00", ["json.syntax"]),
        (b"'a'", ["json.syntax"]),
        (b"{1:2}", ["json.syntax"]),
        (b'{"a":1,"a":1}', ["json.unique-names"]),
        (b'{"k":1,"\\u006b":2}', ["json.unique-names"]),
        (b'[{"a":{"b":1,"b":2}}]', ["json.unique-names"]),
        (b'"\\ud800"', ["json.surrogates"]),
        (b'"\\udc00\\ud800"', ["json.surrogates"]),
        (b'"\\ud800\\ud800\\udc00"', ["json.surrogates"]),
        (b'{"\\uDFFF":1}', ["json.surrogates"]),
        (b'"\\ud83d\\ude00"', NOTHING),
        (b'"\\\\ud800"', NOTHING),
        (b'"\\\\\\ud800"', ["json.surrogates"]),
        (b'{"a":"\\ud800","a":1}', ["json.surrogates", "json.unique-names"]),
        (b"1e400", ["json.finite"]),
        (b"-1E+309", ["json.finite"]),
        (b"1.7976931348623157e308", NOTHING),
        (b"1.7976931348623158e308", NOTHING),
        (b"1.7976931348623159e308", ["json.finite"]),
        (b"9007199254740991", NOTHING),
        (b"-9007199254740991", NOTHING),
        (b"9007199254740992", ["json.integers"]),
        (b"-9007199254740992", ["json.integers"]),
        (b"9007199254740992.0", NOTHING),
        (b"1e17", NOTHING),
        (b"1" * 5000, ["json.finite", "json.integers"]),
        (b"-" + b"1" * 5000 + b".5", ["json.finite"]),
        (b"0." + b"1" * 5000, NOTHING),
        (b"[" * 64 + b"]" * 64, NOTHING),
        (b"[" * 65 + b"]" * 65, ["json.depth"]),
        (b"[" * 100_000, ["json.depth"]),
        (b'{"a":' * 65, ["json.depth"]),
        (b"]" * 10 + b"[" * 64, ["json.syntax"]),
        (b"]" * 10 + b"[" * 65, ["json.depth"]),
        (b'"' + b"[" * 100, ["json.syntax"]),
        (b'\\"' + b"[" * 100, ["json.syntax"]),
        (b'"\\"' + b"[" * 100 + b'"', NOTHING),
        (b'"\\\\"' + b"[" * 100, ["json.depth"]),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_line_breaks_just_these_rules(raw: bytes, expected: list[str]) -> None:
    assert rules(raw) == expected


def test_a_meta_record_may_hold_carriage_returns_and_must_not_be_empty() -> None:
    assert rules(b"{\r\n}\r\n", line=False) == []
    assert rules(b"\r\n \t", line=False) == ["json.syntax"]
    assert rules(b"", line=False) == ["json.syntax"]


@pytest.mark.slow
def test_size_counts_the_line_feed() -> None:
    raw = b'"' + b"x" * (MAX_SIZE - 3) + b'"'
    assert len(raw) == MAX_SIZE - 1
    assert rules(raw) == []
    assert rules(raw + b" ") == ["json.size"]
    assert rules(raw + b" ", line=False) == []


def test_limits_of_the_interpreter_have_no_influence() -> None:
    deep, digits = b"[" * 64 + b"]" * 64, b"1" * 5000
    before = [rules(deep), rules(digits)]
    recursion, limit = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(0)
        sys.setrecursionlimit(10_000)
        assert [rules(deep), rules(digits)] == before
    finally:
        sys.setrecursionlimit(recursion)
        sys.set_int_max_str_digits(limit)


def depth_by_the_words_of_the_specification(raw: bytes) -> bool:
    depth, string, escaped = 0, False, False
    for byte in raw:
        if string:
            string = escaped or byte != ord('"')
            escaped = not escaped and byte == ord("\\")
        elif byte == ord('"'):
            string = True
        elif byte in b"[{":
            depth += 1
            if depth > 64:
                return True
        elif byte in b"]}":
            depth = max(0, depth - 1)
    return False


def test_the_scan_of_depth_is_the_one_of_the_specification() -> None:
    rng = random.Random(1)
    deep = 0
    for _ in range(3000):
        weights = [scale * rng.random() for scale in (6, 6, 2, 2, 0.5, 1, 1)]
        raw = bytes(rng.choices(b'[{]}"\\a', weights, k=rng.randrange(60, 500)))
        assert too_deep(raw) == depth_by_the_words_of_the_specification(raw), raw
        deep += too_deep(raw)
    assert 200 < deep < 2800


def test_what_other_writers_write_is_read_as_it_is() -> None:
    rng = random.Random(2)

    def value(depth: int) -> object:
        kind = rng.randrange(8 if depth else 5)
        if kind == 0:
            return rng.choice([None, True, False])
        if kind == 1:
            return rng.randrange(-(2**53) + 1, 2**53)
        if kind == 2:
            return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300)
        if kind < 5:
            return "".join(map(chr, rng.choices([0, 10, 34, 92, 127, 233, 0x2028, 0x1F600], k=5)))
        if kind == 5:
            return [value(depth - 1) for _ in range(3)]
        return {str(name): value(depth - 1) for name in range(3)}

    for _ in range(500):
        wanted = value(4)
        for text in (json.dumps(wanted), json.dumps(wanted, ensure_ascii=False)):
            parsed = parse(text.encode(), line=True)
            assert (parsed.value, parsed.broken) == (wanted, [])
