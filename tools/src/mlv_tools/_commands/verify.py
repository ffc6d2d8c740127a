"""`mlv verify`: check an experiment against a citation or a signed statement."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlv_tools._citing.signatures import Signature, signatures_of, verify
from mlv_tools._citing.statements import kept_statements
from mlv_tools._commands._help import examples
from mlv_tools._display.text import printable

if TYPE_CHECKING:
    from mlv_validate import Match, Target

__all__ = ["command"]

CHANGED, UNCHECKED, ADDED, BAD_SIGNATURE, UNKNOWN_SIGNER, UNSIGNED = 1, 3, 4, 5, 6, 7
_PRECEDENCE = (UNCHECKED, CHANGED, BAD_SIGNATURE, UNKNOWN_SIGNER, UNSIGNED, ADDED, 0)
_MAX_SHOWN = 20


@click.command(
    epilog=examples(
        "mlv verify runs/demo --anchor sha256:ab12…",
        "mlv verify runs/demo --allowed-signers signers --signer ada@example.org",
    )
)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-a", "--anchor", metavar="DIGEST", help="Digest that was cited.")
@click.option(
    "--statement",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Statement file. [the one in DIRECTORY with the digest, or with the greatest number]",
)
@click.option(
    "--allowed-signers",
    "allowed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of the signers that you trust with their public keys, in the format of ssh-keygen. A signature is"
    " required.",
)
@click.option("--signer", metavar="NAME", help="Name in --allowed-signers that the signer must have.")
def command(directory: Path, anchor: str | None, path: Path | None, allowed: Path | None, signer: str | None) -> None:
    """Check that an experiment is what was cited or signed.

    Pass the digest of a citation, or the signers that you trust, or both. Nothing is changed.

    Exit codes: 0 if everything is unchanged and nothing was added; 1 if something was changed or removed, or is not
    what was cited; 2 on wrong usage; 3 if something could not be checked; 4 if something was added, and everything else
    is unchanged; 5 if a signature is bad or made with a wrong key; 6 if the signer is unknown; 7 if there is no
    signature. Of several, the first of 3, 1, 5, 6, 7, 4 counts.
    """
    if signer is not None and allowed is None:
        raise click.UsageError("--signer needs --allowed-signers: the file that has the public key of the signer.")
    digest = _digest(anchor)
    path = path or _statement(directory, digest)
    raw = path.read_bytes() if path else None
    if raw is not None and digest and hashlib.sha256(raw).hexdigest() != digest:
        _fail(CHANGED, f"{path} isn't the statement that was cited: its digest is {hashlib.sha256(raw).hexdigest()}")
    codes = {0}
    if digest is None or allowed is not None:
        codes.add(_check_signatures(path, raw, allowed, signer))
    if digest is None and raw is None:
        sys.exit(UNSIGNED)
    codes.add(_check_files(directory, digest or hashlib.sha256(raw or b"").hexdigest(), raw))
    sys.exit(next(code for code in _PRECEDENCE if code in codes))


def _digest(anchor: str | None) -> str | None:
    if anchor is None:
        return None
    digest = anchor.strip().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise click.UsageError(
            f"{printable(repr(anchor))} isn't an anchor. Pass the 64 digits of the citation, with or without sha256:."
        )
    return digest


def _statement(directory: Path, digest: str | None) -> Path | None:
    """Return the statement in the directory that has the digest; without one, that with the greatest number."""
    found = [
        path
        for path in kept_statements(directory)
        if digest is None or hashlib.sha256(path.read_bytes()).hexdigest() == digest
    ]
    return found[-1] if found else None


def _fail(code: int, message: str) -> None:
    click.echo(f"mlv: error: {printable(message)}", err=True)
    sys.exit(code)


def _check_signatures(path: Path | None, raw: bytes | None, allowed: Path | None, signer: str | None) -> int:
    """Print the result for each signature, and return the exit code: 0 if one is good."""
    if path is None or raw is None:
        click.echo("no signature: there is no statement. Pass the file with --statement.")
        return UNSIGNED
    found = [verify(raw, signature, allowed, signer) for signature in signatures_of(path)]
    for one in found:
        click.echo(printable(_signature_line(one, allowed)))
    if not found:
        advice = "" if allowed else " To check it against a citation, pass --anchor."
        click.echo(f"no signature: {printable(str(path))} has no .sig file next to it.{advice}")
        return UNSIGNED
    results = {one.result for one in found}
    if "good" in results:
        return 0
    return BAD_SIGNATURE if results & {"bad", "wrong key"} else UNKNOWN_SIGNER


def _signature_line(one: Signature, allowed: Path | None) -> str:
    match one.result:
        case "good":
            return f"good signature: {one.path}: {one.signer}, with {one.key}"
        case "bad":
            return f"bad signature: {one.path} isn't a signature of this statement, or the statement was changed"
        case "wrong key":
            return f"wrong key: {one.path} was made with {one.key}, which isn't a key of {one.signer} in {allowed}"
    who = f"belongs to no signer in {allowed}" if allowed else "is compared with no signers: pass --allowed-signers"
    return f"unknown signer: {one.path} was made with {one.key}, which {who}"


def _check_files(directory: Path, digest: str, raw: bytes | None) -> int:
    """Compare the experiment with the digest, print the result, and return the exit code."""
    from mlv_validate import validate

    try:
        [target] = validate(directory, anchor=digest, statement=raw).targets
    except ValueError:
        click.echo("not a statement: the file doesn't have the form of a statement.")
        return CHANGED
    for entry in target.unchecked:
        click.echo(f"unchecked: {printable(entry.path)}: {printable(entry.reason)}")
    code = _print_changes(target)
    for match in target.matches:
        code = max(code, _print_match(match, is_changed=code == CHANGED), key=_severity)
    return UNCHECKED if target.unchecked else code


def _severity(code: int) -> int:
    return (0, ADDED, CHANGED).index(code)


def _print_changes(target: Target) -> int:
    """Print what isn't as it was cited."""
    code = 0
    is_seal = any(match.kind == "seal" for match in target.matches)
    others = 0
    for finding in target.findings:
        if finding.rule == "statement.files":
            word = "removed" if finding.message.startswith("there is no such file") else "changed"
            click.echo(f"{word}: {printable(finding.path)}: {printable(finding.message)}")
        elif finding.rule == "anchor.match":
            click.echo(f"not the cited experiment: {printable(finding.message)}")
        elif finding.level == "error" and is_seal:
            where = f"{finding.path}:{finding.line}" if finding.line else finding.path
            click.echo(f"changed: {printable(where)}: {printable(finding.message)}")
        else:
            others += finding.level == "error"
            continue
        code = CHANGED
    if others:
        click.echo(f"{others} errors of other rules; for details, run: mlv-validate {printable(target.path)}", err=True)
    return code


def _print_match(match: Match, *, is_changed: bool) -> int:
    """Print what an anchor covers."""
    for stream in match.streams if not match.is_whole else ():
        if stream.later:
            lines = f"{stream.later} later line{'' if stream.later == 1 else 's'}"
            upto = f" up to seq {stream.seq}" if stream.seq is not None else ""
            click.echo(f"continued: {printable(stream.path)}: unchanged{upto}, {lines} not covered")
    for path in match.uncovered[:_MAX_SHOWN]:
        click.echo(f"not covered: {printable(path)}")
    if len(match.uncovered) > _MAX_SHOWN:
        click.echo(f"not covered: {len(match.uncovered) - _MAX_SHOWN} more files")
    if not is_changed:
        seqs = ", ".join(f"{printable(stream.path)} up to seq {stream.seq}" for stream in match.streams)
        click.echo(f"unchanged: everything that the {match.kind} covers{': ' + seqs if seqs else ''}")
    return 0 if match.is_whole else ADDED
