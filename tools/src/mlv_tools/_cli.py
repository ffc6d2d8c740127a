"""The command `mlv`: a group whose subcommands are imported when they are used.

`mlv --help` imports all modules of `_commands`. Therefore they import slow libraries, such as DuckDB, in functions.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from mlv_tools import __version__
from mlv_tools._display.names import unknown
from mlv_tools._display.text import printable
from mlvlogger import MLVError

__all__ = ["main"]


class _Lazy(click.Group):
    """A group of the commands in the modules `mlv_tools._commands.…`."""

    def __init__(self, name: str, modules: dict[str, str], **options: Any) -> None:
        super().__init__(name, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._modules, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"mlv_tools._commands.{self._modules[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            ctx.fail(printable(unknown("command", name, names)))
        return super().resolve_command(ctx, args)


_GROUP = _Lazy(
    "mlv",
    {
        "ls": "ls",
        "show": "show",
        "tail": "tail",
        "diff": "diff",
        "tag": "tag",
        "note": "note",
        "cite": "cite",
        "sign": "sign",
        "verify": "verify",
        "clean": "clean",
        "sql": "sql",
        "plot": "plot",
        "report": "report",
        "lnav": "lnav",
    },
    help="Explore MLV experiments: list, follow, compare, query, plot, export.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUP.add_command(
    _Lazy(
        "export",
        {
            "parquet": "export_parquet",
            "csv": "export_csv",
            "tensorboard": "export_tensorboard",
            "ro-crate": "export_ro_crate",
        },
        help="Export experiments to other formats.",
    )
)
_GROUP.add_command(_Lazy("import", {"tensorboard": "import_tensorboard"}, help="Import from other formats."))
click.version_option(__version__, message="%(prog)s %(version)s", prog_name="mlv")(_GROUP)


def main() -> None:
    """Run the command; exit with 0, 1 on failure or if a problem was found, or with 2 for wrong usage."""
    warnings.formatwarning = lambda message, *_: f"mlv: warning: {printable(str(message))}\n"
    try:
        _GROUP(prog_name="mlv")
    except (MLVError, OSError) as error:
        sys.exit(f"mlv: error: {printable(str(error))}")
