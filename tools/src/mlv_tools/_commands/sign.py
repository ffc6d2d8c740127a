"""`mlv sign`: sign the statement of an experiment."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._commands._citation import cite, statement_options
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.text import printable

__all__ = ["command"]


@click.command(epilog=examples("mlv sign runs/demo", "mlv sign runs/demo --key ~/.ssh/id_ecdsa"))
@click.argument("directory", type=ExperimentPath())
@click.option(
    "-k",
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private SSH key, or a public key whose private key is in ssh-agent. [~/.ssh/id_ed25519]",
)
@statement_options
def command(directory: Path, key: Path | None, output: Path | None, unsealed: bool) -> None:
    """Sign an experiment with an SSH key.

    Makes the same statement as 'mlv cite', and signs it with ssh-keygen. The signature is written next to the
    statement, as a file that ends with .sig; existing signatures stay.
    """
    from mlv_tools._citing.signatures import sign

    if key is None:
        key = Path("~/.ssh/id_ed25519").expanduser()
        if not key.exists():
            raise click.UsageError(f"{printable(str(key))} doesn't exist. Pass your private key with --key.")
    citation, statement = cite(directory, output, unsealed=unsealed)
    signature, is_new = sign(statement, key)
    click.echo(f"{'wrote' if is_new else 'found'} {printable(str(signature))}", err=True)
    click.echo(printable(citation))
