"""The command `mlv-validate`."""

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mlv_validate._output.github import annotations
from mlv_validate._output.junit import junit
from mlv_validate._output.progress import on_terminal
from mlv_validate._output.sarif import sarif
from mlv_validate._output.text import ReportLine, match_lines, report_lines, verdict_line
from mlv_validate._report import Report
from mlv_validate._requirements import RULES, Rule, rules_at
from mlv_validate._targets.anchor import Anchor
from mlv_validate._text import count, visible
from mlv_validate._validate import check_paths, may_exist, parse_anchor
from mlv_validate._version import SPEC_VERSION, __version__

_STYLES = {
    "error": "bold red",
    "warning": "yellow",
    "invalid": "bold red",
    "valid": "bold green",
    "passed": "bold green",
}
_USAGE = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path())
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "github", "sarif", "junit"]),
    default="text",
    show_default=True,
    help="Output format: for people, as the specification's report, as GitHub annotations, or as SARIF or JUnit files.",
)
@click.option(
    "--require-sealed",
    is_flag=True,
    help="Check level Sealed: every stream ends with a seal, and every record's digest is stored.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="Exit with 1 if there is a finding of this level or above.",
)
@click.option(
    "--select",
    metavar="RULE[,RULE...]",
    multiple=True,
    help="Report only findings of these rules; 'seal' selects all rules that begin with 'seal.'.",
)
@click.option("--ignore", metavar="RULE[,RULE...]", multiple=True, help="Do not report findings of these rules.")
@click.option(
    "--anchor",
    metavar="DIGEST",
    help="Check that what this anchor covers is unchanged: the digest of a statement, or of a seal of log.jsonl.",
)
@click.option(
    "--statement",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Statement with the digest of --anchor, if it is not in the directory.",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="Print only findings, what could not be checked, and what an anchor covers."
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of processes.",
)
@click.option("--explain", metavar="RULE", help="Explain a rule and exit.")
@click.option("--list-rules", is_flag=True, help="List the rules for directories and exit.")
@click.version_option(__version__, message=f"%(prog)s %(version)s (MLV {SPEC_VERSION})", prog_name="mlv-validate")
def _command(
    paths: tuple[str, ...],
    format_: str,
    require_sealed: bool,
    fail_on: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    anchor: str | None,
    statement: str | None,
    quiet: bool,
    jobs: int,
    explain: str | None,
    list_rules: bool,
) -> int:
    """Validate experiments against the MLV specification.

    PATH is an experiment, a directory that contains experiments at any depth, or a single log file. mlv-validate
    changes nothing and reads nothing outside PATH.

    Exit codes: 0 if everything is valid, warnings allowed; 1 if there is an error; 2 on wrong usage; 3 if something
    could not be checked, whatever else was found.
    """
    if explain is not None:
        return _explain(explain)
    if list_rules:
        return _list_rules()
    if not paths:
        raise click.UsageError("Missing argument 'PATH...'.")
    rules = _selected_rules(select, ignore, "sealed" if require_sealed else "core")
    if rules is not None and format_ == "json":
        raise click.UsageError(
            "--format json reports all rules and cannot be combined with --select or --ignore."
            " Filter its findings by their member 'rule'."
        )
    given = _anchor(anchor, statement)
    existing = [path for path in paths if may_exist(path)]
    missing = [path for path in paths if path not in existing]
    if missing:
        _print_errors(f"{path!r} does not exist." for path in missing)
    if not existing:
        return _USAGE
    with nullcontext() if quiet else on_terminal() as progress:
        report = check_paths(existing, sealed=require_sealed, jobs=jobs, progress=progress, anchor=given)
    if rules is not None:
        report = report.only(rules)
    with _ignore_closed_pipe():
        _print_report(report, format_, quiet=quiet, warnings_fail=fail_on == "warning")
    if report.verdict != "unchecked" and missing:
        return _USAGE
    warnings = sum(target.warnings for target in report.targets)
    if report.exit_code == 0 and warnings and fail_on == "warning":
        if not quiet:
            print(f"mlv-validate: failed because of {count(warnings, 'warning')} (--fail-on warning)", file=sys.stderr)
        return 1
    return report.exit_code


def _anchor(anchor: str | None, statement: str | None) -> Anchor | None:
    """Return what the options about anchors give."""
    try:
        return parse_anchor(anchor, Path(statement).read_bytes() if statement is not None else None)
    except OSError as error:
        raise click.UsageError(f"{statement!r} can't be read: {error.strerror}.") from None
    except ValueError as error:
        raise click.UsageError(f"--anchor: {error}") from None


def _print_report(report: Report, format_: str, *, quiet: bool, warnings_fail: bool) -> None:
    """Print a report in one of the formats."""
    match format_:
        case "json":
            print(report.dumps())
        case "github":
            for annotation in annotations(report):
                print(annotation)
            for target in report.targets:
                for _, line in match_lines(target):
                    print("".join(line))
                if not quiet:
                    print("".join(verdict_line(target, report)))
        case "sarif":
            print(sarif(report))
        case "junit":
            print(junit(report, warnings_fail=warnings_fail))
        case _:
            _print_lines(report_lines(report, quiet=quiet))


def _selected_rules(select: Iterable[str], ignore: Iterable[str], level: str) -> frozenset[str] | None:
    """Return the names of the rules whose findings are reported; None for all."""
    selected, ignored = _rules_in(select), _rules_in(ignore)
    if not selected and not ignored:
        return None
    checked = rules_at(level)
    rules = (selected or checked) - ignored
    if not rules & checked:
        more = " Add --require-sealed for those of level Sealed." if rules & rules_at("sealed") else ""
        raise click.UsageError(f"--select and --ignore leave no rule of level {level.capitalize()}.{more}")
    return rules


def _rules_in(lists: Iterable[str]) -> frozenset[str]:
    """Return the rules in lists such as `log.seq,seal`: a name, or the part of names before the dot."""
    rules = rules_at("sealed")
    found = set[str]()
    for name in (name.strip() for names in lists for name in names.split(",")):
        prefix = name.removesuffix("*").removesuffix(".") + "."
        matching = {rule for rule in rules if rule == name or rule.startswith(prefix)}
        if not matching:
            prefixes = dict.fromkeys(rule.partition(".")[0] for rule in sorted(rules))
            if name in RULES:
                raise click.UsageError(f"rule {name!r} is for a {RULES[name].class_}, not for directories.")
            raise click.UsageError(f"rule {name!r} does not exist.{_suggestion(name, [*prefixes, *sorted(rules)])}")
        found |= matching
    return frozenset(found)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit with its code."""
    # All output is escaped already; this is for terminals that cannot show all of Unicode.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = _USAGE
    try:
        with _ignore_closed_pipe():
            code = _command.main(arguments, prog_name="mlv-validate", standalone_mode=False)
    except click.ClickException as error:
        _print_errors([error.format_message()])
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(code)


@contextmanager
def _ignore_closed_pipe() -> Iterator[None]:
    """Ignore EPIPE if the reader closes early, as in `mlv-validate runs | head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # also for output that is flushed at exit


def _print_errors(messages: Iterable[str]) -> None:
    """Print the messages of errors in the usage, and after them, once, how to get help."""
    for message in messages:
        print(f"mlv-validate: error: {visible(message)}", file=sys.stderr)
    print("Try 'mlv-validate --help'.", file=sys.stderr)


def _console() -> Console:
    return Console(soft_wrap=True, markup=False, emoji=False, highlight=False, force_terminal=sys.stdout.isatty())


def _print_lines(lines: Iterable[ReportLine]) -> None:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        sys.stdout.writelines(f"{before}{word}{after}\n" for before, word, after in lines)
        return
    console = _console()
    for line in lines:
        console.print(_styled(line))


def _styled(line: ReportLine) -> Text:
    before, word, after = line
    return Text.assemble(before, (word, _STYLES.get(word, "bold")), after)


def _explain(name: str) -> int:
    """Print a rule with its reason and hint, and return the exit code."""
    rule = RULES.get(name)
    if rule is None:
        raise click.UsageError(f"rule {name!r} does not exist.{_suggestion(name, list(RULES))}")
    who = f"a {rule.class_}" + (", checked in phase " + rule.phase if rule.phase else "")
    print(rule.id)
    print(f"  {rule.text}")
    print()
    print(f"  level    {rule.level}" + (f", a finding is {_severity(rule)}" if rule.phase else ""))
    print(f"  for      {who}, at level {rule.at.capitalize()} and above, since version {rule.since}")
    print(f"  chapter  spec/{SPEC_VERSION}/{rule.chapter}.md#{rule.id}")
    print(f"  why      {rule.why}")
    print(f"  hint     {rule.hint}")
    return 0


def _suggestion(name: str, names: list[str]) -> str:
    """Return a sentence that suggests names similar to an unknown one."""
    similar = difflib.get_close_matches(name, names, n=3) or [known for known in names if name and name in known][:3]
    return f" Did you mean {' or '.join(similar)}?" if similar else " See --list-rules."


def _severity(rule: Rule) -> str:
    """Return the severity of a rule with its article."""
    return "an error" if rule.severity == "error" else "a warning"


def _list_rules() -> int:
    listed = [rule for rule in RULES.values() if rule.class_ == "directory"]
    if sys.stdout.isatty():
        _console().print(_table(listed), soft_wrap=False)
    else:
        sys.stdout.writelines(f"{rule.id}\t{rule.severity}\t{rule.phase}\t{rule.at}\t{rule.text}\n" for rule in listed)
    return 0


def _table(rules: Iterable[Rule]) -> Table:
    table = Table(Column("rule", no_wrap=True), "finding", "phase", "level", "text")
    for rule in rules:
        style = _STYLES[rule.severity]
        table.add_row(Text(rule.id), Text(rule.severity, style), Text(rule.phase or ""), Text(rule.at), Text(rule.text))
    return table
