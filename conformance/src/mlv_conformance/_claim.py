"""The conformance claim: the results of the suite as JSON. The same results give the same claim."""

import hashlib
import platform
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from mlv_conformance._results import Result
from mlv_conformance._suite.coverage import rules_of, untested_rules
from mlv_validate import RULES, __version__

CLASSES = ("writer", "reader", "validator")
_OUTCOMES = ("passed", "failed", "warned", "unsupported", "omitted")


def suite_digest(suite: Path) -> str:
    """Return the digest of the suite: of the lines that `sha256sum` prints for its data, sorted by path.

    In a shell, in the folder of the suite:
    `find . -type f ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`.
    """
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(suite).as_posix()}\n"
        for path in suite.rglob("*")
        if path.is_file() and path.suffix != ".md"
    ]
    lines.sort(key=lambda line: line[66:].encode())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def reached_level(class_: str, results: Iterable[Result]) -> str | None:
    """Return the level at which the results support a claim of a class: `sealed`, `core` or None."""
    reached = None
    for at in ("core", "sealed"):
        outcomes = {
            result.outcome
            for result in results
            if (result.class_, result.level) == (class_, at)
            # A machine that can't test a SHOULD prevents no claim.
            if result.outcome != "omitted" or any(RULES[rule].level == "MUST" for rule in result.rules)
        }
        # All tests of readers are at level Core: a reader that checks level Sealed is a validator.
        if "passed" not in outcomes or outcomes & {"failed", "unsupported", "omitted"}:
            break
        reached = at
    return reached


def make_claim(results: Sequence[Result], *, suite: Path, name: str, version: str) -> dict[str, Any]:
    """Return the claim that `claim.schema.json` describes."""
    return {
        "mlv_claim": "1.0",
        "spec": "1.0",
        "product": {"name": name, "version": version},
        "suite": {"version": __version__, "sha256": suite_digest(suite)},
        "platform": f"{platform.system()} {platform.machine()}",
        "classes": {class_: reached_level(class_, results) for class_ in CLASSES},
        "totals": {
            f"{class_} {at}": {outcome: counted[outcome] for outcome in _OUTCOMES}
            for class_ in CLASSES
            for at in ("core", "sealed")
            if (counted := _count(results, class_, at))
        },
        "not_passed": [
            {"class": one.class_, "level": one.level, "test": one.name, "outcome": one.outcome}
            for one in results
            if one.outcome != "passed"
        ],
        "untested": [rule for rule in untested_rules(suite) if rule in _concerned(results)],
    }


def not_run(results: Sequence[Result], suite: Path) -> list[str]:
    """Return the rules of the tested classes that the suite tests, but no test that was made."""
    done = {rule for one in results if one.outcome in ("passed", "failed", "warned") for rule in one.rules}
    whole = {rule for rule, part in untested_rules(suite).items() if part is None}
    return [rule for rule in _concerned(results) if rule not in done | whole]


def not_covered(results: Sequence[Result], suite: Path) -> list[str]:
    """Return the rules of the tested classes that the suite doesn't test, or not wholly, for people."""
    concerned = _concerned(results)
    return [
        rule if part is None else f"{rule} ({part})"
        for rule, part in untested_rules(suite).items()
        if rule in concerned
    ]


def _concerned(results: Sequence[Result]) -> Collection[str]:
    classes = {result.class_ for result in results}
    return [rule for class_ in CLASSES if class_ in classes for rule in rules_of(class_)]


def _count(results: Iterable[Result], class_: str, at: str) -> Counter[str]:
    return Counter(result.outcome for result in results if (result.class_, result.level) == (class_, at))
