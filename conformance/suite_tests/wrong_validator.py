"""
Validators that are wrong on purpose: `python wrong_validator.py FAULT validate DIR…`.

Each is the Python driver with one fault, by the name of which the suite's own tests ask for it. A validator that never
reports a rule of a directory isn't here: `test_wrong_drivers.py` leaves its findings out of the expected ones.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "drivers"))

import python_driver

from mlv_validate import RULES
from mlv_validate._read import directory
from mlv_validate._rules.events import Spans
from mlv_validate._targets import target as _target

target: Any = _target


def changed(name: str, change: Callable[[Any, Path], object]) -> Callable[[], None]:
    """Return a fault: the answer of a command of the driver is changed."""

    def fault() -> None:
        plain = getattr(python_driver, name)

        def command(path: str, **options: Any) -> Any:
            answer = plain(path, **options)
            change(answer, Path(path))
            return answer

        setattr(python_driver, name, command)

    return fault


def also(phase: str, rule: str) -> Callable[[], None]:
    """Return a fault: where a rule of a phase is broken, another one is reported, too."""

    def change(answer: Any, path: Path) -> None:
        broken = [one for one in answer["findings"] if RULES[one["rule"]].phase == phase]
        answer["findings"] += [one | {"rule": rule} for one in broken if one["rule"] != rule]

    return changed("judge", change)


def shortened(answer: Any, path: Path) -> None:
    """Leave the last line out of a statement."""
    if answer["statement"]:
        answer["statement"] = "".join(answer["statement"].splitlines(keepends=True)[:-1])


def everything_covered(answer: Any, path: Path) -> None:
    """Report that an anchor covers every record and file."""
    for match in answer["matches"] or []:
        match["uncovered"] = []


def leaves_a_lock(answer: Any, path: Path) -> None:
    """Leave a lock folder in the directory."""
    (path if path.is_dir() else path.parent).joinpath(".mlv-log.jsonl.lock").mkdir(exist_ok=True)


def only_the_first() -> None:
    """Directories below the given one are not searched."""
    plain = target.walk

    def walk(root: Any, visit: Any, *rest: Any) -> None:
        def first(folder: Any, path: str, entries: Any) -> Any:
            visit(folder, path, entries)
            return entries

        plain(root, first, *rest)

    target.walk = walk


def everywhere() -> None:
    """The folders meta, log and files of an experiment are searched for experiments."""
    target.FOLDERS = frozenset()


def through_links() -> None:
    """Symbolic links are followed."""

    def type_of_entry(entry: Any) -> str:
        return "directory" if entry.is_dir() else "file" if entry.is_file() else "other"

    def status(self: Any, name: str) -> os.stat_result:
        try:
            return os.stat(os.fsencode(name), dir_fd=self._descriptor)
        except OSError as error:
            raise directory._failure(error) from error

    directory._type = type_of_entry
    directory.Directory.status = status  # type: ignore[method-assign]
    vars(os)["O_NOFOLLOW"] = 0


def ended_and_open() -> None:
    """A span that a masked line may have begun stays open after its end."""
    Spans.is_open = lambda self, seq: seq in self._open or seq in self._possible  # type: ignore[method-assign]


FAULTS: dict[str, tuple[Callable[[], None], str, str]] = {
    "shortened": (changed("state", shortened), "validator.statement", "vectors/statements/*"),
    "everything_covered": (changed("judge", everything_covered), "validator.anchor", "anchor.match/*"),
    "reports_twice": (
        changed("judge", lambda answer, path: answer["findings"].extend(answer["findings"])),
        "validator.findings",
        "log.blank/*",
    ),
    "all_checked": (
        changed("judge", lambda answer, path: answer["unchecked"].clear()),
        "validator.complete",
        "event.time/*",
    ),
    "leaves_a_lock": (changed("judge", leaves_a_lock), "validator.read-only", "log.blank/*"),
    "only_the_first": (only_the_first, "validator.discovery", "id.copies/*"),
    "everywhere": (everywhere, "validator.folders", "id.copies/*"),
    "through_links": (through_links, "validator.links", "file.kept/*"),
    "no_bare_logs": (
        changed("judge", lambda answer, path: path.is_file() and answer["findings"].clear()),
        "validator.bare",
        "event.data/*",
    ),
    "syntax_as_well": (also("bytes", "json.syntax"), "validator.decisive", "json.bom/*"),
    "schema_as_well": (also("json", "event.members"), "validator.json-first", "json.integers/*"),
    "seq_as_well": (also("schema", "log.seq"), "validator.masked", "event.time/*"),
    "ended_and_open": (ended_and_open, "validator.unknown", "span.within/*"),
}
"""Each fault, the rule that it breaks, and the cases that must notice it."""


if __name__ == "__main__":
    FAULTS[sys.argv[1]][0]()
    sys.exit(python_driver.main(*sys.argv[2:]))
