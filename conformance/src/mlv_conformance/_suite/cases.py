"""The cases of the suite, and the directories that they describe.

`conformance/suite/README.md` specifies them. A case is a base, one edit of it, and the expected findings; `load_cases`
reads the cases, `materialize` makes the directory of a case.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mlv_conformance._suite.locks import put_lock
from mlv_validate import RULES

Edit = dict[str, Any]


class SuiteError(Exception):
    """An error: a case can't be read, or its directory can't be made; the message says which and why."""


class NotOnThisMachine(SuiteError):
    """An error: the edit can't be made on this machine, whatever is in the directory."""


class Finding(NamedTuple):
    """A broken rule and where it is broken; the line is None if the path isn't a stream."""

    rule: str
    path: str
    line: int | None


@dataclass(frozen=True)
class Case:
    """A base, the edits of it, and the findings that a validator must report about the result."""

    rule: str
    name: str
    base: str
    edits: tuple[Edit, ...]
    findings: frozenset[Finding]
    level: Literal["core", "sealed"] = "core"
    target: str = "."
    unchecked: frozenset[str] = frozenset()
    anchor: str | None = None
    matches: list[dict[str, Any]] | None = None

    @property
    def id(self) -> str:
        """The name of the case in results: its rule and its name."""
        return f"{self.rule}/{self.name}"

    @property
    def tested_rules(self) -> tuple[str, ...]:
        """The rules that the case tests: that of the directory, and those of a validator that reports it."""
        return (
            self.rule,
            "validator.findings",
            "validator.read-only",
            *(["validator.complete"] if self.unchecked else []),
            *self._tested_of_search(),
            *self._tested_of_masking(),
        )

    def _tested_of_search(self) -> Iterator[str]:
        if self.base == "nested":
            yield "validator.discovery"
        if self.target != ".":
            yield "validator.bare"
        if self.anchor:
            yield "validator.anchor"
        if any(edit["op"] == "link" for edit in self.edits):
            yield "validator.links"
        copies = [str(edit["to"]).split("/")[:-1] for edit in self.edits if edit["op"] == "copy"]
        if any({"meta", "log", "files"} & set(folders) for folders in copies):
            yield "validator.folders"

    def _tested_of_masking(self) -> Iterator[str]:
        phases = {RULES[finding.rule].phase for finding in self.findings if RULES[finding.rule].level == "MUST"}
        if phases & {"bytes", "json", "schema"}:
            yield from ("validator.masked", "validator.unknown")
        if phases & {"bytes", "json"}:
            yield from ("validator.decisive", "validator.json-first")

    @property
    def breaks(self) -> bool:
        """Whether the case breaks its rule. Otherwise it keeps the rule."""
        return any(finding.rule == self.rule for finding in self.findings)


def load_cases(suite: Path) -> list[Case]:
    """Return the cases of a suite, in the order of their files' names."""
    return [case for path in sorted((suite / "cases").glob("*.json")) for case in _load_file(path)]


def materialize(suite: Path, case: Case, directory: Path) -> Path:
    """Make the directory of a case, which must not exist, and return the path to validate."""
    shutil.copytree(suite / "bases" / case.base, directory)
    try:
        for edit in case.edits:
            apply_edit(directory, edit)
    except SuiteError as error:
        raise SuiteError(f"{case.id}: {error}") from error
    return directory / case.target


def edits_of(edit: Edit | list[Edit] | None) -> tuple[Edit, ...]:
    """Return the edits of a case: none, one or several."""
    return () if edit is None else tuple(edit) if isinstance(edit, list) else (edit,)


def apply_edit(directory: Path, edit: Edit) -> None:
    """Apply one edit to a directory."""
    if not isinstance(edit["path"], str):
        edit = {**edit, "path": os.fsdecode(_content(edit["path"]))}
    try:
        _OPERATIONS[edit["op"]](directory, edit)
    except (KeyError, OSError, ValueError) as error:
        raise SuiteError(f"cannot apply {json.dumps(edit)[:500]}: {error!r}") from error


def _load_file(path: Path) -> list[Case]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return [_load_case(content["rule"], case) for case in content["cases"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SuiteError(f"{path}: not a case file as in suite.schema.json: {error!r}") from error


def _load_case(rule: str, case: dict[str, Any]) -> Case:
    return Case(
        rule=rule,
        name=case["name"],
        base=case["base"],
        edits=edits_of(case["edit"]),
        findings=frozenset(Finding(f["rule"], f["path"], f.get("line")) for f in case["findings"]),
        level=case.get("level", "core"),
        target=case.get("target", "."),
        unchecked=frozenset(case.get("unchecked", [])),
        anchor=case.get("anchor"),
        matches=case.get("matches"),
    )


def _content(content: Any) -> bytes:
    """Return the bytes of a string, `{"hex": …}`, `{"repeat": content, "times": n}` or an array of contents."""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, list):
        return b"".join(map(_content, content))
    if "hex" in content:
        return bytes.fromhex(content["hex"])
    return _content(content["repeat"]) * int(content["times"])


def _replace(directory: Path, edit: Edit) -> None:
    path = directory / edit["path"]
    lines = _lines(path) if "line" in edit else [path.read_bytes()]
    index = _index(edit, lines) if "line" in edit else 0
    old = _content(edit["old"]) if "old" in edit else lines[index]
    times = lines[index].count(old)
    if times != 1:
        raise ValueError(f"`old` occurs {times} times instead of once")
    lines[index] = lines[index].replace(old, _content(edit["new"]))
    path.write_bytes(b"".join(lines))


def _insert(directory: Path, edit: Edit) -> None:
    path = directory / edit["path"]
    lines = _lines(path)
    lines.insert(_index(edit, lines) if "line" in edit else len(lines), _content(edit["new"]))
    path.write_bytes(b"".join(lines))


def _delete(directory: Path, edit: Edit) -> None:
    path = directory / edit["path"]
    if "line" in edit:
        lines = _lines(path)
        del lines[_index(edit, lines)]
        path.write_bytes(b"".join(lines))
    elif not path.exists():
        raise ValueError("`path` doesn't exist")
    else:
        _clear(path)


def _write(directory: Path, edit: Edit) -> None:
    path = directory / edit["path"]
    _clear(path)
    path.write_bytes(_content(edit["new"]))


def _copy(directory: Path, edit: Edit) -> None:
    path, to = directory / edit["path"], directory / edit["to"]
    _clear(to)
    if path.is_dir():
        shutil.copytree(path, to)
    else:
        shutil.copyfile(path, to)


def _move(directory: Path, edit: Edit) -> None:
    to = directory / edit["to"]
    if not to.is_file():  # an existing file is replaced in one step
        _clear(to)
    (directory / edit["path"]).rename(to)


def _truncate(directory: Path, edit: Edit) -> None:
    path = directory / edit["path"]
    if path.stat().st_size < edit["size"]:
        raise ValueError("the file is shorter than `size`")
    os.truncate(path, edit["size"])


def _lock(directory: Path, edit: Edit) -> None:
    try:
        put_lock(directory / edit["path"], edit["of"], edit.get("but", {}), edit.get("age", 0))
    except OSError as error:
        raise NotOnThisMachine(f"cannot make a lock file: {error}") from error


def _link(directory: Path, edit: Edit) -> None:
    path, to = directory / edit["path"], directory / edit["to"]
    if path.exists():
        _clear(to)
        path.rename(to)
    _clear(path)
    path.symlink_to(os.path.relpath(to, path.parent))


def _fifo(directory: Path, edit: Edit) -> None:
    _clear(directory / edit["path"])
    os.mkfifo(directory / edit["path"])


def _mkdir(directory: Path, edit: Edit) -> None:
    _clear(directory / edit["path"])
    (directory / edit["path"]).mkdir()


_OPERATIONS: dict[str, Callable[[Path, Edit], None]] = {
    "replace": _replace,
    "insert": _insert,
    "delete": _delete,
    "write": _write,
    "copy": _copy,
    "move": _move,
    "truncate": _truncate,
    "lock": _lock,
    "link": _link,
    "fifo": _fifo,
    "mkdir": _mkdir,
}


def _lines(path: Path) -> list[bytes]:
    """Return the lines of a file with their line feeds; bytes after the last line feed are a line, too."""
    *lines, rest = path.read_bytes().split(b"\n")
    return [line + b"\n" for line in lines] + ([rest] if rest else [])


def _index(edit: Edit, lines: list[bytes]) -> int:
    if not 1 <= edit["line"] <= len(lines):
        raise ValueError(f"line {edit['line']} doesn't exist: the file has {len(lines)} lines")
    return int(edit["line"]) - 1


def _clear(path: Path) -> None:
    """Remove whatever is at a path, and make the folders above it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
