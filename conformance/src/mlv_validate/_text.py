"""How data from a directory is put into words: escaped, so that no terminal and no build system obeys it, and short."""

import json
import re

SHOWN = 80
"""A value is shown with at most this many of its characters."""

# What build systems look for anywhere in a line: "##[", "##vso[", "##teamcity[".
_COMMAND = re.compile(r"#(?=#)")


def visible(text: str) -> str:
    """The text with everything that is not printable escaped: controls, line breaks, direction marks, surrogates."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in text)
    return _COMMAND.sub(r"\\x23", text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8, by PEP 383
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def storable(name: str) -> str:
    """A file name as a string that JSON can hold: bytes that are not UTF-8 become `\\xNN`, the rest stays."""
    return "".join(_escape(char) if 0xD800 <= ord(char) <= 0xDFFF else char for char in name)


def show(value: object) -> str:
    """A JSON value in a few words, never with control characters."""
    if isinstance(value, str):
        return f"'{visible(value[:SHOWN])}'" + (f" (of {len(value)} characters)" if len(value) > SHOWN else "")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        kind = value.get("_mlv")
        if isinstance(kind, str):
            return f"a typed value {show(kind)}"
        return "an object" if value else "{}"
    return "an array" if value else "[]"


def dumps(value: object) -> str:
    """A JSON text: ASCII without control characters but line feeds."""
    text = json.dumps(value, indent=2)
    # Only strings hold these: DEL is a control character to a terminal, "##[" a command to a build system.
    return text.replace("\x7f", "\\u007f").replace("##", "#\\u0023")


def count(number: int, noun: str) -> str:
    """The number and the noun, in the plural if needed."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
