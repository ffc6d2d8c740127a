"""Lines from hell: in a stream between good ones, and at its end."""

from collections.abc import Callable
from pathlib import Path

from builder import TIME, Builder, dumps

from hostile._recipe import add, place

DEEP = b"[" * 65 + b"]" * 65

# What is in line 2, without its LF, and the rules that it breaks.
LINES: dict[str, tuple[Callable[[], bytes], str]] = {
    "brackets by the million": (lambda: b"[" * 10_000_000, "json.depth"),
    "objects by the million": (lambda: b'{"a":' * 3_000_000, "json.depth"),
    "closed brackets by the million": (lambda: b"]" * 16_000_000, "json.syntax"),
    "65 deep": (lambda: DEEP, "json.depth"),
    "empty arrays by the million": (lambda: b"[" + b"[]," * 5_000_000 + b"1]", "event.object"),
    "empty objects by the million": (lambda: b"[" + b"{}," * 5_000_000 + b"1]", "event.object"),
    "numbers by the million": (lambda: b"[" + b"1," * 8_000_000 + b"1]", "event.object"),
    "members by the million": (
        lambda: b"{" + b",".join(b'"%d":0' % n for n in range(1_000_000)) + b"}",
        "event.members event.unknown-members",
    ),
    "the same member by the million": (lambda: b"{" + b'"a":0,' * 2_000_000 + b'"a":0}', "json.unique-names"),
    "a string of 16 MB": (lambda: b'"' + b"x" * 16_000_000 + b'"', "event.object"),
    "quotes by the million": (lambda: b'"' * 15_999_999, "json.syntax"),
    "backslashes by the million": (lambda: b'{"a":"' + b"\\" * 9_999_999 + b'"}', "json.syntax"),
    "surrogates by the million": (lambda: b'{"a":"' + b"\\ud800" * 2_000_000 + b'"}', "json.surrogates"),
    "5000 digits": (lambda: b'{"seq":' + b"1" * 5000 + b"}", "json.integers json.finite"),
    "ten million digits": (lambda: b'{"seq":' + b"1" * 10_000_000 + b"}", "json.integers json.finite"),
    "an exponent of a million digits": (lambda: b'{"seq":1e' + b"9" * 1_000_000 + b"}", "json.finite"),
    "1e400": (lambda: b'{"a":1e400}', "json.finite"),
    "duplicates after escapes": (lambda: b'{"seq":2,"\\u0073eq":3}', "json.unique-names"),
    "NaN": (lambda: b"NaN", "json.syntax"),
    "-Infinity": (lambda: b"-Infinity", "json.syntax"),
    "a byte order mark": (lambda: b"\xef\xbb\xbf{}", "json.bom"),
    "UTF-16 with a mark": (lambda: "{}".encode("utf-16"), "json.utf8"),
    "UTF-16": (lambda: "{}".encode("utf-16-be"), "json.syntax"),
    "UTF-32": (lambda: "{}".encode("utf-32-be"), "json.syntax"),
    "CESU-8": (lambda: b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}', "json.utf8"),
    "an overlong form": (lambda: b'{"a":"\xc0\xaf"}', "json.utf8"),
    "beyond Unicode": (lambda: b'{"a":"\xf4\x90\x80\x80"}', "json.utf8"),
    "a lone continuation": (lambda: b"\x80", "json.utf8"),
    "a carriage return": (lambda: b"{}\r", "log.cr"),
    "nothing": (lambda: b"", "log.blank"),
    "blanks by the million": (lambda: b" " * 10_000_000, "log.blank"),
    "NUL bytes": (lambda: b"\x00" * 1000, "json.syntax"),
    "a form feed": (lambda: b"{}\x0c", "json.syntax"),
    "U+2028 between tokens": (lambda: "{\u2028}".encode(), "json.syntax"),
    "digits of another script": (lambda: "[1\u0661]".encode(), "json.syntax"),
    "a pickle": (lambda: b"\x80\x04cos\nsystem\n"[:-8], "json.utf8"),
    "a command for a build": (lambda: b"::error::pwned ##[error]pwned", "json.syntax"),
    "an escape sequence": (lambda: b"\x1b]0;pwned\x07\x1b[31m", "json.syntax"),
}


def _inside(line: Callable[[], bytes]) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        log = Builder(at / "top").log().start().raw(line() + b"\n")
        log.seq += 1
        log.event("after").seal()

    return here


for name, (line, rules) in LINES.items():
    add(f"a line: {name}", _inside(line), [place(f"{rule} log.jsonl:2") for rule in rules.split()])


def event(**members: object) -> bytes:
    return dumps({"seq": 2, "time": TIME, "event": "a", "data": {}, **members}).encode()


# Good JSON, bad events.
EVENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "seq is true": (lambda: event(seq=True), "event.seq"),
    "seq is -0": (lambda: event(seq=0).replace(b'"seq":0', b'"seq":-0'), "event.seq"),
    "seq is a fraction": (lambda: event(seq=2.5), "event.seq"),
    "seq is an object": (lambda: event(seq={"_mlv": "int", "value": "2"}), "event.seq"),
    "a name of a million segments": (lambda: event(event="a/" * 1_000_000), "event.name"),
    "a name with an escape sequence": (lambda: event(event="\x1b[31m"), "event.name"),
    "a name for a build": (lambda: event(event="##[error]\n::error::"), "event.name"),
    "a time of digits": (lambda: event(time="9" * 1_000_000), "event.time"),
    "a day that is none": (lambda: event(time="2026-02-30T00:00:00.000000Z"), "time.exists"),
    "the year 0": (lambda: event(time="0000-01-01T00:00:00.000000Z"), "time.exists"),
    "an unknown lifecycle event": (lambda: event(event="mlv/boom"), "event.reserved"),
    "bare types by the hundred thousand": (lambda: event(data={"a": [{"_mlv": "x"}] * 300_000}), "value.type"),
    "bytes that do not end well": (
        lambda: event(data={"a": {"_mlv": "bytes", "value": "AAAA" * 10**6 + "A"}}),
        "value.bytes",
    ),
    "labels by the million": (lambda: event(data={"a": {"_mlv": "a." * 1_000_000 + "!"}}), "value.type"),
    "a type that is a list": (lambda: event(data={"a": {"_mlv": [{"_mlv": []}]}}), "value.type"),
    "4001 digits": (lambda: event(data={"a": {"_mlv": "int", "value": "1" * 4001}}), "value.int"),
    "a million digits": (lambda: event(data={"a": {"_mlv": "int", "value": "1" * 1_000_000}}), "value.int"),
    "a duration of digits": (
        lambda: event(data={"a": {"_mlv": "duration", "value": "1" * 10**6 + "."}}),
        "value.duration",
    ),
    "4000 digits": (lambda: event(data={"a": {"_mlv": "int", "value": "1" * 4000}}), ""),
    "1e-400 and -0": (lambda: event(data={"a": 0}).replace(b'"a":0', b'"a":[1e-400,-0,-0.0,0e999999999]'), ""),
    "U+2028, NEL and bidi in a string": (lambda: event(data={"a": "\u2028\x85\u202e\U000e0001"}), ""),
}

for name, (line, rules) in EVENTS.items():
    add(f"an event: {name}", _inside(line), [place(f"{rule} log.jsonl:2") for rule in rules.split()])

TAILS: dict[str, Callable[[], bytes]] = {
    "half an event": lambda: event()[:20],
    "an event without its LF": lambda: event(),
    "half a character": lambda: b'{"a":"\xe2\x82',
    "a carriage return": lambda: b"\r",
    "a NUL": lambda: b"\x00",
    "NULs by the million": lambda: b"\x00" * 20_000_000,
    "a line without an end": lambda: b"x" * (17 << 20),
    "exactly the limit": lambda: b"x" * (16 << 20),
}


def _torn(tail: Callable[[], bytes]) -> Callable[[Path], None]:
    def here(at: Path) -> None:
        Builder(at / "top").log().start().raw(tail())

    return here


for name, tail in TAILS.items():
    add(f"a torn tail: {name}", _torn(tail), [place("log.torn log.jsonl:2")])
