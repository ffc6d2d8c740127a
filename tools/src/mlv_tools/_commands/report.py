"""`mlv report`: one HTML page about the experiments of a tree."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._commands._help import examples
from mlv_tools._commands._target import check_target
from mlv_tools._display.text import printable
from mlv_tools._exchange.table_files import replace
from mlv_tools._reading.trees import links_outside
from mlv_tools._report.collect import collect
from mlv_tools._report.page import page

__all__ = ["command"]


@click.command("report", epilog=examples("mlv report runs", "mlv report runs -o sweep.html --title 'Learning rates'"))
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    help="HTML file to write; an existing file is replaced. [report.html]",
)
@click.option("--title", help="Page title. [the name of ROOT]")
@click.option("--images", type=click.IntRange(min=0), default=20, help="Maximum size of all images in MB. [20]")
def command(root: Path, output: Path, title: str | None, images: int) -> None:
    """Write an HTML report of all experiments under ROOT.

    Curves, a table of parameters and metrics, attached images, spans, environments, files and problems. The page holds
    all that it shows: it needs no server and no network, and can be sent to others. It says what it leaves out.
    """
    check_target(output)
    data = collect(root, title=title, images=images * 1_000_000)
    text = page(data["title"], data)
    with replace(str(output)) as written:
        Path(written).write_text(text, encoding="utf-8")
    if message := links_outside(root):
        click.echo(f"mlv: warning: {printable(message)}", err=True)
    click.echo(f"{output}: {data['summary']}, {len(text.encode()) / 1e6:.1f} MB")
