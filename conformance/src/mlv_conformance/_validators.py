"""Tests of validators: each case of the suite must have exactly the findings that it lists."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlv_conformance._driver import Answer, Driver, Failed, Unsupported
from mlv_conformance._kept import Kept
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import Case, Finding, SuiteError, materialize

_BATCH = 50


def validator_results(driver: Driver, suite: Path, cases: Sequence[Case], kept: Kept | None = None) -> Iterator[Result]:
    """Return the results of all cases; those that fail are kept."""
    for level in ("core", "sealed"):
        of_level = [case for case in cases if case.level == level]
        for batch in _batches(of_level):
            command = "validate --sealed" if level == "sealed" else "validate"
            yield from _run_batch(driver, suite, batch, command, kept)


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
    except (KeyError, TypeError, AttributeError) as error:
        yield f"the answer doesn't have the form that DRIVER.md describes: {error!r}"
        return
    if len(listed) != len(found):
        yield "a finding is reported twice"
    yield from _described("is not reported", case.findings - found)
    yield from _described("is reported but not expected", found - case.findings)
    yield from (f"{path} is not reported as unchecked" for path in sorted(case.unchecked - unchecked))
    yield from (f"{path!r} is reported as unchecked" for path in sorted(map(str, unchecked - case.unchecked)))


def _described(what: str, findings: Iterable[Finding]) -> Iterator[str]:
    """Return a description of each finding, which says `what` is wrong with it."""
    for rule, path, line in sorted(findings, key=str):
        yield f"{rule} at {path}{'' if line is None else f':{line}'} {what}"
