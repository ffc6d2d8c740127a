"""The command `mlv-conformance`."""

import difflib
import fnmatch
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from mlv_conformance._claim import CLASSES, make_claim, not_covered, not_run
from mlv_conformance._driver import Driver, NoDriver
from mlv_conformance._kept import Kept
from mlv_conformance._readers import reader_results
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import load_cases
from mlv_conformance._suite.coverage import Test, load_tests
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._suite.vectors import load_slot_cases, load_statements
from mlv_conformance._transcript import Transcript
from mlv_conformance._validators import statement_results, validator_results
from mlv_conformance._writers.runs import writer_results
from mlv_validate import __version__
from mlv_validate._text import visible

SUITE = Path(__file__).parent / "suite"
_SHOWN_RULES = 20


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("command", metavar="DRIVER...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--class",
    "classes",
    type=click.Choice(CLASSES),
    multiple=True,
    help="Run only the tests of this class.",
)
@click.option("--only", metavar="PATTERN", help="Run only the tests whose names match, such as 'torn/*'.")
@click.option("--list", "lists", is_flag=True, help="List the topics, or the tests that match --only, and exit.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep each failed test in DIR: its data, directory, transcript and command.",
)
@click.option("--against", metavar="OTHER", help="Run writer scenarios with processes of both DRIVER and OTHER.")
@click.option("--seconds", type=float, default=10, show_default=True, help="Time limit for each answer, in seconds.")
@click.option("--name", default="", help="Name of the product in the claim.")
@click.option("--version", "version_", default="", help="Version of the product in the claim.")
@click.option("--claim", type=click.Path(dir_okay=False, path_type=Path), help="Write the claim to this file.")
@click.option("--suite", type=click.Path(exists=True, file_okay=False, path_type=Path), default=SUITE, hidden=True)
@click.version_option(__version__, "--suite-version", message="%(version)s", help="Show the suite's version and exit.")
def _command(
    command: tuple[str, ...],
    classes: tuple[str, ...],
    only: str | None,
    lists: bool,
    keep: Path | None,
    against: str | None,
    seconds: float,
    name: str,
    version_: str,
    claim: Path | None,
    suite: Path,
) -> int:
    """Test an implementation of MLV against the specification.

    DRIVER is the command that runs the driver, with its arguments, after `--`. A driver is a program through which
    the suite uses the implementation; conformance/DRIVER.md specifies it.

    OTHER is a second driver: its command line in one argument. With --against, only scenarios of several processes
    run. The processes are in turn those of DRIVER and OTHER, then the other way round; at the end, both must read the
    same.

    Exit codes: 0 if no test failed; 1 if a test failed, or nothing was tested; 2 on wrong usage.
    """
    if only and claim:
        raise click.UsageError("--only runs a part of the suite, and a claim is about the whole suite: leave one out.")
    if against is not None:
        if claim or set(classes) - {"writer"}:
            raise click.UsageError("--against tests two writers together: leave out --claim and other classes.")
        classes = ("writer",)
    tests = [test for test in load_tests(suite) if test.class_ in (classes or CLASSES)]
    if only is not None and not any(fnmatch.fnmatchcase(test.name, only) for test in tests):
        raise click.UsageError(_no_match(only, tests))
    if lists:
        _print_tests(tests, only)
        return 0
    if not command:
        raise click.UsageError("DRIVER is missing. Give the command line of a driver after --.")
    transcript = Transcript()
    drivers = [Driver(command, seconds=seconds, transcript=transcript)]
    if against is not None:
        drivers.append(Driver(_split(against), seconds=seconds, transcript=transcript))
    rest = [*([] if against is None else ["--against", against]), "--seconds", f"{seconds:g}", "--", *command]
    kept = Kept(keep, transcript, _rerun(suite), rest) if keep else None
    results = []
    for result in _results(drivers, suite, classes or CLASSES, only, kept):
        results.append(result)
        if result.outcome in ("failed", "warned"):
            print(f"{result.outcome}: {_title(result)}: {visible(result.detail)[:2000]}", flush=True)
            if kept and (folder := kept.folder_of(result)):
                print(f"  kept in {folder}", flush=True)
    _print_summary(results, suite)
    if claim:
        claim.write_text(json.dumps(make_claim(results, suite=suite, name=name, version=version_), indent=2) + "\n")
    outcomes = {result.outcome for result in results}
    return 1 if "failed" in outcomes or not outcomes & {"passed", "warned"} else 0


def _rerun(suite: Path) -> list[str]:
    """Return the beginning of the command that runs a test of the suite again."""
    return [sys.executable, "-m", "mlv_conformance", *([] if suite == SUITE else ["--suite", str(suite.resolve())])]


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--against {command!r} isn't a command line: {error}.") from error
    if not words:
        raise click.UsageError("--against is empty. Give the command line of a driver.")
    return words


def _results(
    drivers: list[Driver], suite: Path, classes: Iterable[str], only: str | None, kept: Kept | None
) -> Iterator[Result]:
    def wanted(name: str) -> bool:
        return only is None or fnmatch.fnmatchcase(name, only)

    if "writer" in classes:
        yield from writer_results(drivers, [one for one in load_scenarios(suite) if wanted(one.id)], kept)
    if "reader" in classes:
        yield from reader_results(drivers[0], suite, wanted, kept)
    if "validator" in classes:
        cases = [one for one in load_cases(suite) + load_slot_cases(suite) if wanted(one.id)]
        yield from validator_results(drivers[0], suite, cases, kept)
        yield from statement_results(
            drivers[0], suite, [one for one in load_statements(suite) if wanted(one.case.id)], kept
        )


def _print_tests(tests: list[Test], only: str | None) -> None:
    """Print the topics with the numbers of their tests; with a pattern, the names of the tests that match."""
    if only is not None:
        for test in tests:
            if fnmatch.fnmatchcase(test.name, only):
                print(f"{test.class_:<9}  {visible(test.name)}")
        return
    for (class_, topic), number in Counter((test.class_, test.topic) for test in tests).items():
        print(f"{class_:<9}  {number:>4}  {topic}/*")


def _no_match(only: str, tests: list[Test]) -> str:
    """Return the message for a pattern that matches no name, with the patterns and names that are most like it."""
    names = [test.name for test in tests]
    groups = list(dict.fromkeys(f"{test.topic}/*" for test in tests))
    similar = difflib.get_close_matches(only, groups + names, n=3)
    word = only.strip("*")
    similar = similar or [name for name in groups + names if word and word in name][:3]
    if similar:
        advice = f"Did you mean {' or '.join(map(repr, similar))}?"
    else:
        advice = f"Choose one of {len(names)} names, which --list shows, such as {', '.join(map(repr, groups[:5]))}."
    return f"--only {only!r} matches no test. {advice}"


def _title(result: Result) -> str:
    return f"{result.class_} at level {result.level.capitalize()}: {result.name}"


def _print_summary(results: list[Result], suite: Path) -> None:
    counts = Counter((result.class_, result.level, result.outcome) for result in results)
    for class_, level in dict.fromkeys((class_, level) for class_, level, _ in counts):
        parts = [f"{counts[key]} {key[2]}" for key in sorted(counts, key=_outcome_order) if key[:2] == (class_, level)]
        print(f"{class_} at level {level.capitalize()}: {', '.join(parts)}")
    for result in results:
        if result.outcome == "omitted":
            print(f"omitted: {_title(result)}: {visible(result.detail)[:300]}")
    if not any(result.outcome in ("passed", "failed", "warned") for result in results):
        outcomes = {result.outcome for result in results}
        if "unsupported" in outcomes:
            why = "the driver supports none of the commands"
        else:
            why = "this machine can make none of the tests" if outcomes else "no matching test has several processes"
        print(f"nothing was tested: {why}")
        return
    for what, rules in (
        ("not tested in this run", not_run(results, suite)),
        ("not covered by the suite", not_covered(results, suite)),
    ):
        if rules:
            print(f"{what}: {', '.join(rules) if len(rules) <= _SHOWN_RULES else f'{len(rules)} rules'}")


def _outcome_order(key: tuple[str, str, str]) -> int:
    return ("passed", "failed", "warned", "unsupported", "omitted").index(key[2])


def main() -> None:
    """Run the command and exit with its code."""
    try:
        code = _command.main(prog_name="mlv-conformance", standalone_mode=False)
    except click.ClickException as error:
        print(f"mlv-conformance: error: {error.format_message()}", file=sys.stderr)
        print("Try 'mlv-conformance --help'.", file=sys.stderr)
        code = error.exit_code
    except (NoDriver, OSError) as error:  # an OSError of the file of the claim
        print(f"mlv-conformance: error: {visible(str(error))}", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(code)
