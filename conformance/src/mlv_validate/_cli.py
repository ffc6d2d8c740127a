"""The command `mlv-validate`."""

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlv_validate._github import annotations
from mlv_validate._junit import junit
from mlv_validate._print import Line, lines, verdict
from mlv_validate._progress import on_terminal
from mlv_validate._report import Report, __version__, exists, judge
from mlv_validate._rules import RULES, VERSION, Rule, judged_at
from mlv_validate._sarif import sarif
from mlv_validate._text import count, visible

_VERSION = f"{VERSION[0]}.{VERSION[1]}"
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
    help="How to report: for people, as the report of the specification, as annotations of GitHub, or as a file for"
    " other tools. [text]",
)
@click.option(
    "--require-sealed",
    is_flag=True,
    help="Judge level Sealed: any later change of one bit of the record would be an error.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    help="From which level on to exit with 1. [error]",
)
@click.option(
    "--select",
    metavar="RULE[,RULE...]",
    multiple=True,
    help="Report and count the findings of these rules alone; 'seal' is all rules that begin with 'seal.'.",
)
@click.option(
    "--ignore", metavar="RULE[,RULE...]", multiple=True, help="Do not report and count the findings of these rules."
)
@click.option("-q", "--quiet", is_flag=True, help="Print what is wrong and nothing else.")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="Judge with N processes; the report is the same. [1]",
)
@click.option("--explain", metavar="RULE", help="Say what a rule asks for and what to do when it is broken, and exit.")
@click.option("--list-rules", is_flag=True, help="List the rules that a directory is judged by, and exit.")
@click.version_option(__version__, message=f"%(prog)s %(version)s (MLV {_VERSION})", prog_name="mlv-validate")
def _command(
    paths: tuple[str, ...],
    format_: str,
    require_sealed: bool,
    fail_on: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    quiet: bool,
    jobs: int,
    explain: str | None,
    list_rules: bool,
) -> int:
    """
    Check experiments against the MLV specification.

    PATH is an experiment, a directory with experiments anywhere below it, or a single log file. Nothing is changed, and
    nothing outside PATH is read.

    The exit code is 0 if everything is valid, warnings allowed; 1 if there is an error; 2 for wrong usage; 3 if
    something could not be checked, whatever else was found.
    """
    if explain is not None:
        return _explain(explain)
    if list_rules:
        return _list_rules()
    if not paths:
        raise click.UsageError("Missing argument 'PATH...'.")
    rules = _chosen(select, ignore, "sealed" if require_sealed else "core")
    if rules is not None and format_ == "json":
        raise click.UsageError(
            "--format json is the report of all rules, so it takes no --select and no --ignore."
            " Filter its findings by their member 'rule'."
        )
    there = [path for path in paths if exists(path)]
    for path in paths:
        if path not in there:
            _complain(f"{path!r} does not exist")
    if not there:
        return _USAGE
    with nullcontext() if quiet else on_terminal() as progress:
        report = judge(there, sealed=require_sealed, jobs=jobs, progress=progress)
    if rules is not None:
        report = report.only(rules)
    with _reader_may_leave():
        _report(report, format_, quiet=quiet, warnings_fail=fail_on == "warning")
    if report.verdict != "unchecked" and len(there) < len(paths):
        return _USAGE
    warnings = sum(target.warnings for target in report.targets)
    if report.exit_code == 0 and warnings and fail_on == "warning":
        if not quiet:
            print(f"mlv-validate: {count(warnings, 'warning')}, which --fail-on warning makes fail", file=sys.stderr)
        return 1
    return report.exit_code


def _report(report: Report, format_: str, *, quiet: bool, warnings_fail: bool) -> None:
    match format_:
        case "json":
            print(report.dumps())
        case "github":
            for line in annotations(report):
                print(line)
            for target in () if quiet else report.targets:
                print("".join(verdict(target, report)))
        case "sarif":
            print(sarif(report))
        case "junit":
            print(junit(report, warnings_fail=warnings_fail))
        case _:
            _print(lines(report, quiet=quiet))


def _chosen(select: Iterable[str], ignore: Iterable[str], level: str) -> frozenset[str] | None:
    """The names of the rules whose findings are reported; None for all."""
    selected, ignored = _named(select), _named(ignore)
    if not selected and not ignored:
        return None
    judged = judged_at(level)
    rules = (selected or judged) - ignored
    if not rules & judged:
        more = " Some are judged with --require-sealed." if rules & judged_at("sealed") else ""
        raise click.UsageError(
            f"--select and --ignore leave no rule that is judged at level {level.capitalize()}.{more}"
        )
    return rules


def _named(lists: Iterable[str]) -> frozenset[str]:
    """The rules that are named in lists such as `log.seq,seal`, each by its name or by the part before the dot."""
    rules = judged_at("sealed")
    found = set[str]()
    for name in (name.strip() for names in lists for name in names.split(",")):
        prefix = name.removesuffix("*").removesuffix(".") + "."
        matching = {rule for rule in rules if rule == name or rule.startswith(prefix)}
        if not matching:
            prefixes = dict.fromkeys(rule.partition(".")[0] for rule in sorted(rules))
            if name in RULES:
                raise click.UsageError(
                    f"no directory is judged by the rule {name!r}: it is for a {RULES[name].class_}."
                )
            raise click.UsageError(f"there is no rule {name!r}.{_near(name, [*prefixes, *sorted(rules)])}")
        found |= matching
    return frozenset(found)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit with its code."""
    # What is printed is escaped for people; this is for terminals that cannot show all of Unicode.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = _USAGE
    try:
        with _reader_may_leave():
            code = _command.main(arguments, prog_name="mlv-validate", standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message())
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(code)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Ignore EPIPE if the reader closes early, as in `mlv-validate runs | head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # also for what is flushed at the exit


def _complain(message: str) -> None:
    print(f"mlv-validate: error: {visible(message)}", file=sys.stderr)
    print("Try 'mlv-validate --help'.", file=sys.stderr)


def _console() -> Console:
    return Console(soft_wrap=True, markup=False, emoji=False, highlight=False, force_terminal=sys.stdout.isatty())


def _print(lines: Iterable[Line]) -> None:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        sys.stdout.writelines(f"{before}{word}{after}\n" for before, word, after in lines)
        return
    console = _console()
    for line in lines:
        console.print(_styled(line))


def _styled(line: Line) -> Text:
    before, word, after = line
    return Text.assemble(before, (word, _STYLES.get(word, "bold")), after)


def _explain(name: str) -> int:
    rule = RULES.get(name)
    if rule is None:
        _complain(f"there is no rule {name!r}.{_near(name, list(RULES))}")
        return _USAGE
    who = f"a {rule.class_}" + (", judged in phase " + rule.phase if rule.phase else "")
    print(rule.id)
    print(f"  {rule.text}")
    print()
    print(f"  level    {rule.level}" + (f", a finding is {_article(rule)}" if rule.phase else ""))
    print(f"  for      {who}, from level {rule.at.capitalize()} on, since version {rule.since}")
    print(f"  chapter  spec/{_VERSION}/{rule.chapter}.md#{rule.id}")
    print(f"  why      {rule.why}")
    print(f"  hint     {rule.hint}")
    return 0


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3) or [known for known in names if name and name in known][:3]
    return f" Did you mean {' or '.join(near)}?" if near else " See --list-rules."


def _article(rule: Rule) -> str:
    return "an error" if rule.severity == "error" else "a warning"


def _list_rules() -> int:
    judged = [rule for rule in RULES.values() if rule.class_ == "directory"]
    if sys.stdout.isatty():
        _console().print(_table(judged), soft_wrap=False)
    else:
        sys.stdout.writelines(f"{rule.id}\t{rule.severity}\t{rule.phase}\t{rule.at}\t{rule.text}\n" for rule in judged)
    return 0


def _table(rules: Iterable[Rule]) -> Table:
    table = Table("rule", "finding", "phase", "level", "what it asks for")
    for rule in rules:
        style = _STYLES[rule.severity]
        table.add_row(Text(rule.id), Text(rule.severity, style), Text(rule.phase or ""), Text(rule.at), Text(rule.text))
    return table
