"""Writes the pages of the rules: `python conformance/rules_page.py`.

These are docs/reference/rules.md, from the specification and the suite, and spec/1.0/rules.md, the index by class and
phase. Nothing of them is written by hand: a rule's words, reason and remedy are those of requirements.json, and what
breaks it is a case of the suite. A test compares the pages with what this makes.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

__all__ = ["INDEX", "PAGE", "index", "page"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "rules.md"
SUITE = ROOT / "conformance" / "suite"
SPEC = ROOT / "spec" / "1.0"
INDEX = SPEC / "rules.md"

HEAD = """# Rules

Every rule of [MLV 1.0](../spec/1.0/index.md) by its name, which is also what `mlv-validate` reports.
Each has its sentence, the reason, what breaks it, and the remedy.
What breaks it is the smallest change of a valid directory among the [cases of the suite]({suite}).
`mlv-validate --explain RULE` says the same in a terminal.

This page is made from `spec/1.0/requirements.json` and the suite, by `python conformance/rules_page.py`.
"""

INDEX_HEAD = """# Index of rules

All {count} rules, by class and, for directories, by [phase](validation.md#phases).
`SHOULD` and *Sealed* mark the rules that aren't a MUST at level Core.
This page is made from [requirements.json](requirements.json).
"""

SUITE_PAGE = "../how-to/implement.md"
_LONGEST = 160  # characters of an example's line
_SHOWN = 5  # names of scenarios and reads


def page() -> str:
    """Return the expected text of the page."""
    rules = json.loads((SPEC / "requirements.json").read_text("utf-8"))
    parts = [HEAD.format(suite=SUITE_PAGE)]
    for chapter, members in groupby(rules, key=lambda rule: rule["chapter"]):
        parts.append(f"\n## {chapter.capitalize()}\n")
        parts += [_rule(rule) for rule in members]
    return "".join(parts)


def index() -> str:
    """Return the expected text of the index in the specification."""
    rules = json.loads((SPEC / "requirements.json").read_text("utf-8"))
    groups: dict[str, list[dict[str, Any]]] = {}
    for phase in ("layout", "bytes", "json", "schema", "records", "integrity", "references"):
        groups[f"Directory, phase `{phase}`"] = [rule for rule in rules if rule["phase"] == phase]
    for name in ("writer", "reader", "validator"):
        groups[name.capitalize()] = [rule for rule in rules if rule["class"] == name]
    parts = [INDEX_HEAD.format(count=len(rules))]
    for title, members in groups.items():
        parts.append(f"\n## {title}\n\n| rule | in | |\n| --- | --- | --- |\n")
        parts += [_entry(rule) for rule in members]
    return "".join(parts)


def _entry(rule: dict[str, Any]) -> str:
    marks = [*(["`SHOULD`"] if rule["level"] == "SHOULD" else []), *(["*Sealed*"] if rule["at"] == "sealed" else [])]
    address = f"{rule['chapter']}.md#{rule['id']}"
    return f"| [`{rule['id']}`]({address}) | {rule['chapter'].capitalize()} | {', '.join(marks)} |\n"


def _rule(rule: dict[str, Any]) -> str:
    level = "an error" if rule["level"] == "MUST" else "a warning"
    level = f" Breaking it is {level}{', at level Sealed' if rule['at'] == 'sealed' else ''}." if rule["phase"] else ""
    lines = [
        f"\n### `{rule['id']}`\n",
        f"[For a {rule['class']}](../spec/1.0/{rule['chapter']}.md#{rule['id']}), since {rule['since']}.{level}\n",
        f"> {rule['text']}\n",
        f"**Why.** {rule['why']}\n",
        *([_breaking(rule["id"])] if rule["class"] == "directory" else _held(rule["id"])),
        f"**What to do.** {rule['hint']}\n",
    ]
    return "\n".join(lines)


def _breaking(rule: str) -> str:
    """The smallest edit among the cases that break this rule and no other."""
    cases = json.loads((SUITE / "cases" / f"{rule}.json").read_text("utf-8"))["cases"]
    breaking = [case for case in cases if any(finding["rule"] == rule for finding in case["findings"])]
    alone = [case for case in breaking if len(case["findings"]) == 1] or breaking
    case = min(alone, key=lambda case: (isinstance(case["edit"], list), len(json.dumps(case["edit"]))))
    edit, base = case["edit"], case["base"]
    changes = "\n".join(_changes(edit)) if edit is not None else f"  the base {base} as it is"
    return f"**What breaks it:** {case['name']}.\n\n```diff\n{changes}\n```\n"


def _changes(edit: dict[str, Any]) -> Iterator[str]:
    yield f"  {edit['path']}" + (f", line {edit['line']}" if "line" in edit else "")
    operation = edit["op"]
    if operation in ("replace", "insert", "write"):
        if "old" in edit:
            yield from _lines("-", edit["old"])
        yield from _lines("+", edit["new"])
    elif operation == "delete":
        yield "- the line" if "line" in edit else "- all of it"
    elif operation in ("link", "copy"):
        yield f"+ {'a symbolic link to' if operation == 'link' else 'a copy at'} {edit['to']}"
    else:
        yield f"+ {'a named pipe' if operation == 'fifo' else 'a directory'}"


def _lines(sign: str, content: Any) -> Iterator[str]:
    for line in (_text(content).removesuffix("\n") or ("an empty line" if content else "nothing")).split("\n"):
        yield f"{sign} {line if len(line) <= _LONGEST else line[:_LONGEST] + ' …'}"


def _text(content: Any) -> str:
    """A content of an edit for people: what is not printable is escaped."""
    if isinstance(content, list):
        return "".join(map(_text, content))
    if isinstance(content, dict) and "hex" in content:
        return "".join(f"\\x{byte:02x}" for byte in bytes.fromhex(content["hex"]))
    if isinstance(content, dict):
        return f"{_text(content['repeat'])} … ({content['times']:,} times)"
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in content)


def _held(rule: str) -> list[str]:
    """What of the suite holds a writer or reader to a rule that no directory shows."""
    names = []
    for folder in ("scenarios", "reads"):
        for file in sorted((SUITE / folder).glob("*.json")):
            names += [one["name"] for one in json.loads(file.read_text("utf-8"))[folder] if rule in one["rules"]]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return [f"**What of the suite shows it:** {shown}{more}.\n"] if names else []


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    INDEX.write_text(index(), "utf-8")
