"""Data from a directory in messages: short, and escaped so that no terminal or build system executes it."""

import json
import re

_MAX_SHOWN = 80  # characters of a value in a message

# What build systems look for anywhere in a line: "##[", "##vso[", "##teamcity[".
_COMMAND = re.compile(r"#(?=#)")


def visible(text: str) -> str:
    """Return a string with escapes for what isn't printable: controls, line breaks, direction marks, surrogates."""
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
    r"""Return a file name as a JSON string: bytes that aren't UTF-8 become `\xNN`."""
    return "".join(_escape(char) if 0xD800 <= ord(char) <= 0xDFFF else char for char in name)


def show(value: object) -> str:
    """Return a short description of a JSON value, without control characters."""
    if isinstance(value, str):
        return f"'{visible(value[:_MAX_SHOWN])}'" + (
            f" (of {len(value)} characters)" if len(value) > _MAX_SHOWN else ""
        )
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
    """Return a value as JSON: ASCII without control characters except line feeds."""
    text = json.dumps(value, indent=2)
    # Only strings contain these: DEL is a control character for a terminal, "##[" a command to a build system.
    return text.replace("\x7f", "\\u007f").replace("##", "#\\u0023")


def count(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural if necessary."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
