"""The chapter Layout: the entries of an experiment directory, sub-experiments and copies."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from mlv_validate._findings import Findings, path_order
from mlv_validate._schema.checks import SCHEMAS, Check, definition
from mlv_validate._schema.predicates import predicate
from mlv_validate._text import show

_TYPES = Check("layout.types", SCHEMAS["layout"]["$defs"]["layout.types"])
_STRAYS = Check("layout.strays", SCHEMAS["layout"]["$defs"]["layout.strays"])
_DEFINED = ("meta.json", "log.jsonl", "meta", "log", "files")
_is_portable = predicate(definition("portable-name"))
_RECORD = re.compile(r"meta/([2-9]|[1-9][0-9]+)\.json")

FOLDERS = ("meta", "log", "files")


def record_number(path: str) -> int | None:
    """Return the number of the addition with this path; None if the path isn't that of an addition."""
    match = _RECORD.fullmatch(path)
    return int(match[1]) if match else None


def is_stream(path: str) -> bool:
    """Return whether a stream may have this path."""
    folder, _, name = path.rpartition("/")
    return path == "log.jsonl" or folder == "log" and name.endswith(".jsonl") and _is_portable(name[:-6])


def check_listing(listing: Iterable[tuple[str, str]], findings: Findings) -> None:
    """Check entries of an experiment directory, of `meta` or of `log`, each a path and a type."""
    streams = []
    for path, type_ in listing:
        if not (path in _DEFINED or path.startswith("meta/") and path.endswith(".json") or path.startswith("log/")):
            continue
        entry = [{"path": path, "type": type_}]
        if not _TYPES.holds(entry):
            wanted = "directory" if path in FOLDERS else "regular file"
            findings.add("layout.types", path, None, f"it is {_ARTICLES[type_]}, not a {wanted}")
        if not _STRAYS.holds(entry):
            findings.add("layout.strays", path, None, "the format does not define this name: it is ignored")
        if type_ == "file" and is_stream(path):
            streams.append(path)
    for path, first in twins(streams):
        findings.add("layout.twins", path, None, f"differs only by case from {show(first)}")


_ARTICLES = {"file": "a file", "directory": "a directory", "symlink": "a symbolic link", "other": "a special file"}


def twins(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the paths that differ only by case from an earlier one in byte order, with the earlier one."""
    same = defaultdict(list)
    for path in sorted(paths, key=path_order):
        same[path.lower()].append(path)
    for first, *others in same.values():
        yield from ((other, first) for other in others)


def check_parent(parent: object, enclosing: str, findings: Findings) -> None:
    """Check that the `parent` of an experiment is the nearest experiment that encloses it, by its id."""
    members = parent if isinstance(parent, dict) else {}
    if members.get("id") != enclosing:
        text = f"parent is {members.get('id', 'missing')}, but the experiment that encloses it has the id {enclosing}"
        findings.add("parent.enclosing", "meta.json", None, text)


class Copies:
    """The ids of all experiments that are checked together. The same directory twice isn't a copy."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, tuple[int, int]]] = {}

    def check(self, id_: str, path: str, identity: tuple[int, int], findings: Findings | None) -> None:
        """Check that no earlier directory has the same id.

        Args:
            id_: The id of the experiment.
            path: The path of its directory.
            identity: What distinguishes the directory from all others on this machine.
            findings: Takes the finding; None only adds the id.
        """
        first_path, first = self._seen.setdefault(id_, (path, identity))
        if identity != first and findings:
            findings.add("id.copies", "meta.json", None, f"it has the same id as {ascii(first_path)[1:-1]}")
