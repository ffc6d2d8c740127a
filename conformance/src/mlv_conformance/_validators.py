"""Tests of validators: each case of the suite must have exactly the findings that it lists."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer, Driver, Failed, Unsupported
from mlv_conformance._kept import Kept
from mlv_conformance._results import Outcome, Result
from mlv_conformance._suite.cases import Case, Finding, SuiteError, materialize
from mlv_conformance._suite.vectors import StatementVector

_BATCH = 50


def validator_results(driver: Driver, suite: Path, cases: Sequence[Case], kept: Kept | None = None) -> Iterator[Result]:
    """Return the results of all cases; those that fail are kept."""
    for level in ("core", "sealed"):
        of_level = [case for case in cases if case.level == level]
        for anchor in dict.fromkeys(case.anchor for case in of_level):
            command = (
                "validate" + (" --sealed" if level == "sealed" else "") + (f" --anchor {anchor}" if anchor else "")
            )
            for batch in _batches([case for case in of_level if case.anchor == anchor]):
                yield from _run_batch(driver, suite, batch, command, kept)


def statement_results(
    driver: Driver, suite: Path, vectors: Sequence[StatementVector], kept: Kept | None = None
) -> Iterator[Result]:
    """Return the results of the vectors of statements; those that fail are kept."""
    for batch in [vectors[first : first + _BATCH] for first in range(0, len(vectors), _BATCH)]:
        with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
            made = list[tuple[StatementVector, Path]]()
            for number, vector in enumerate(batch):
                try:
                    made.append((vector, materialize(suite, vector.case, Path(folder, str(number)))))
                except SuiteError as error:
                    yield _statement_result(vector, "omitted", str(error))
            for (vector, directory), answer in zip(
                made, driver.ask("statement", [path for _, path in made]), strict=True
            ):
                if isinstance(answer, Unsupported):
                    yield _statement_result(vector, "unsupported")
                    continue
                detail = (
                    str(answer) if isinstance(answer, Failed) else "; ".join(_statement_differences(vector, answer))
                )
                if kept and detail:
                    kept.add("validator", vector.case.id, vector.case, detail, directory)
                yield _statement_result(vector, "failed" if detail else "passed", detail)


def _statement_result(vector: StatementVector, outcome: Outcome, detail: str = "") -> Result:
    return Result("validator", "core", vector.case.id, ("validator.statement",), outcome, detail)


def _statement_differences(vector: StatementVector, answer: Answer) -> Iterator[str]:
    for name, expected in (("statement", vector.statement), ("anchor", vector.anchor)):
        if answer.get(name) != expected:
            yield f"{name} is {answer.get(name)!r} instead of {expected!r}"


def _batches(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    return (cases[first : first + _BATCH] for first in range(0, len(cases), _BATCH))


def _run_batch(driver: Driver, suite: Path, cases: Iterable[Case], command: str, kept: Kept | None) -> Iterator[Result]:
    """Return the results of cases that the driver is asked together."""
    with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
        made = list[tuple[Case, Path, Path, set[Path]]]()
        for number, case in enumerate(cases):
            try:
                directory = Path(folder, str(number))
                target = materialize(suite, case, directory)
                made.append((case, target, directory, set(directory.rglob("*"))))
            except SuiteError as error:
                if not isinstance(error.__cause__, OSError) and not isinstance(error.__context__, OSError):
                    raise
                yield Result("validator", case.level, case.id, case.tested_rules, "omitted", str(error))
        answers = driver.ask(command, [target for _, target, _, _ in made])
        for (case, _, directory, before), answer in zip(made, answers, strict=True):
            result = _result(case, answer, before ^ set(directory.rglob("*")))
            if kept and result.outcome == "failed":
                kept.add("validator", case.id, case, result.detail, directory)
            driver.transcript.begin()
            yield result


def _result(case: Case, answer: Answer | Failed | Unsupported, changed: set[Path]) -> Result:
    if isinstance(answer, Unsupported):
        return Result("validator", case.level, case.id, case.tested_rules, "unsupported")
    problems = [str(answer)] if isinstance(answer, Failed) else [*differences(case, answer)]
    detail = "; ".join(problems + [f"{path.name} was created or removed" for path in sorted(changed)])
    return Result("validator", case.level, case.id, case.tested_rules, "failed" if detail else "passed", detail)


def differences(case: Case, answer: Answer) -> Iterator[str]:
    """Return the missing and the surplus findings of an answer."""
    try:
        listed = [Finding(one["rule"], one["path"], one.get("line")) for one in answer["findings"]]
        unchecked = {one if isinstance(one, str) else one["path"] for one in answer["unchecked"]}
        found = set(listed)
        matches = _comparable(answer["matches"]) if case.matches is not None else None
    except (KeyError, TypeError, AttributeError) as error:
        yield f"the answer doesn't have the form that DRIVER.md describes: {error!r}"
        return
    if len(listed) != len(found):
        yield "a finding is reported twice"
    yield from _described("is not reported", case.findings - found)
    yield from _described("is reported but not expected", found - case.findings)
    yield from (f"{path} is not reported as unchecked" for path in sorted(case.unchecked - unchecked))
    if case.matches is not None and matches != _comparable(case.matches):
        yield f"matches is {json.dumps(answer['matches'])[:500]} instead of {json.dumps(case.matches)[:500]}"
    yield from (f"{path!r} is reported as unchecked" for path in sorted(map(str, unchecked - case.unchecked)))


def _comparable(matches: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return matches in an order that doesn't depend on the validator's."""
    return sorted(
        (
            one["kind"],
            one["path"] or "",
            one["line"] or 0,
            sorted((stream["path"], stream["seq"], stream["later"]) for stream in one["streams"]),
            sorted(one["uncovered"]),
        )
        for one in matches
    )


def _described(what: str, findings: Iterable[Finding]) -> Iterator[str]:
    """Return a description of each finding, which says `what` is wrong with it."""
    for rule, path, line in sorted(findings, key=str):
        yield f"{rule} at {path}{'' if line is None else f':{line}'} {what}"
