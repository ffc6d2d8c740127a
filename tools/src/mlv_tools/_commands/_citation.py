"""The statement of an experiment, made and checked before it is cited or signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlv_tools._citing.statements import keep, other_files
from mlv_tools._display.text import printable

if TYPE_CHECKING:
    from mlv_validate import Report, Statement

__all__ = ["cite", "statement_options"]

_MAX_SHOWN = 20
_UNSEALED = {"seal.last", "seal.records", "log.torn"}  # a statement covers the committed lines all the same


def statement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for making a statement to a command."""
    command = click.option(
        "--unsealed", is_flag=True, help="Accept open and unsealed experiments; later lines will not be covered."
    )(command)
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Statement file to write. [mlv-statement.txt in DIRECTORY, or the next mlv-statement-N.txt]",
    )(command)


def cite(directory: Path, output: Path | None, *, unsealed: bool) -> tuple[str, Path]:
    """Make the statement of an experiment, keep it, and report what it doesn't cover.

    Args:
        directory: The directory of the experiment.
        output: The file for the statement; by default, the next one in the directory.
        unsealed: Whether to accept what is open or unsealed.

    Returns:
        The citation, and the path of the statement.

    Raises:
        ClickException: If the experiment can't be cited.
    """
    from mlv_validate import make_statement, validate

    try:
        statement = make_statement(directory)
    except ValueError as error:
        raise click.ClickException(printable(str(error))) from None
    report = validate(directory, sealed=True, anchor=statement.anchor, statement=statement.raw)
    _check(directory, report, unsealed=unsealed)
    try:
        path, is_new = keep(statement.raw, directory, output)
    except FileExistsError:
        raise click.ClickException(
            f"{printable(str(output))} exists and has other bytes. Choose another --output."
        ) from None
    except OSError as error:
        raise click.ClickException(
            f"the statement can't be written: {printable(str(error))}. Choose a file with --output."
        ) from None
    _report_coverage(directory, report, statement, path, is_new=is_new)
    return _citation(directory, report, statement), path


def _check(directory: Path, report: Report, *, unsealed: bool) -> None:
    """Raise an error if the experiment can't be cited.

    Raises:
        ClickException: If the experiment can't be checked, is invalid or was changed meanwhile, or is unsealed without
            `unsealed`.
    """
    [target] = report.targets
    shown = printable(str(directory))
    for entry in target.unchecked:
        raise click.ClickException(f"{shown} can't be cited: {printable(entry.path)} can't be checked: {entry.reason}.")
    errors = [finding for finding in target.findings if finding.level == "error"]
    is_whole = unsealed or all(match.is_whole for match in target.matches)
    if not is_whole or any(finding.rule in ("anchor.match", "statement.files") for finding in errors):
        raise click.ClickException(
            f"{shown} was changed while it was read. Wait until its programs end, and try again."
        )
    problems = [f"{one.path}: {one.rule}: {one.message}" for one in errors if one.rule not in _UNSEALED]
    if problems:
        raise click.ClickException(
            f"{shown} can't be cited, because it isn't valid:\n{_lines(problems)}\n"
            f"For details, run: mlv-validate {shown}"
        )
    problems = [f"{one.path}: {one.message}" for one in target.findings if one.rule in _UNSEALED] + [
        f"{one.path}: the experiment is open" for one in target.experiments if one.state == "open"
    ]
    if problems and not unsealed:
        raise click.ClickException(
            f"{shown} can't be cited, because a part of it isn't sealed:\n{_lines(problems)}\n"
            "Wait until its programs end. If they have ended, seal it with Exp.resume(path).close(), or pass"
            " --unsealed to cite the lines so far."
        )
    for problem in problems:
        click.echo(f"mlv: warning: not sealed: {printable(problem)}", err=True)


def _lines(problems: list[str]) -> str:
    shown = [f"  {printable(problem)}" for problem in problems[:_MAX_SHOWN]]
    return "\n".join([*shown, *([f"  {len(problems) - _MAX_SHOWN} more"] if len(problems) > _MAX_SHOWN else [])])


def _report_coverage(directory: Path, report: Report, statement: Statement, path: Path, *, is_new: bool) -> None:
    """Print on standard error what the statement covers, and the files that it doesn't."""
    size = sum(file.size for file in statement.files)
    word = "wrote" if is_new else "found"
    files = f"{len(statement.files):,} file{'' if len(statement.files) == 1 else 's'}, {size:,} bytes"
    click.echo(f"{word} {printable(str(path))}: covers {files}", err=True)
    others = list(other_files(directory, {file.path for file in statement.files}))
    if others:
        click.echo("not covered, because they are not attached files:", err=True)
        click.echo(_lines(others), err=True)


def _citation(directory: Path, report: Report, statement: Statement) -> str:
    """Return the text to cite."""
    import mlvlogger

    experiments = report.targets[0].experiments
    [own] = [one for one in experiments if one.path == "."]
    created = mlvlogger.read(directory).created
    parts = [statement.anchor, f"{created:%Y-%m-%d}" if created else "", own.state or "", f"{own.events} events"]
    inner = len(experiments) - 1
    if inner:
        parts.append(f"{inner} sub-experiment{'' if inner == 1 else 's'}")
    return f"{own.name or directory.name} (MLV {', '.join(part for part in parts if part)})"
