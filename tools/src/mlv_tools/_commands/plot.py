"""`mlv plot`: an image of one metric of all experiments of a tree."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from mlv_tools._commands._help import examples
from mlv_tools._commands._metric import Metric, find_series
from mlv_tools._commands._target import check_target
from mlv_tools._display.names import listed
from mlv_tools._display.text import printable
from mlv_tools._display.values import shorten
from mlv_tools._exchange.table_files import replace
from mlv_tools._report import charts
from mlv_tools._sql.downsample import Curve, curves
from mlv_tools._sql.views import connect

__all__ = ["command"]


@click.command(
    "plot",
    epilog=examples(
        "mlv plot runs --metric epoch/batch.loss -o loss.png",
        "mlv plot runs --metric train.loss --only 'lr-0.1*' --log --smooth 0.9 -o loss.svg",
    ),
)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-m",
    "--metric",
    required=True,
    metavar="[EVENT.]NAME",
    help="Metric to plot, such as epoch/batch.loss. The event may be left out if only one event has the metric.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Image file to write, .png or .svg; an existing file is replaced.",
)
@click.option("--only", metavar="PATTERN", default="*", help="Experiments to plot, such as 'my_exp_*'. [all]")
@click.option(
    "--by",
    type=click.Choice(["axis", "step", "time"]),
    default="axis",
    help="Horizontal axis; by default the axis that the metric defines, or else the step.",
)
@click.option("--log", is_flag=True, help="Use a logarithmic vertical axis.")
@click.option(
    "--smooth",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Weight of an exponential moving average; the raw curve is shown paler. [0]",
)
@click.option("--width", type=click.IntRange(100, 4000), default=720, help="Plot width in pixels. [720]")
@click.option("--height", type=click.IntRange(50, 4000), default=360, help="Plot height in pixels. [360]")
def command(
    root: Path, metric: str, output: Path, only: str, by: str, log: bool, smooth: float, width: int, height: int
) -> None:
    """Plot a metric of all experiments under ROOT."""
    if smooth != smooth:
        raise click.BadParameter("nan isn't a weight. Pass a number from 0 to below 1.", param_hint="--smooth")
    if output.suffix not in (".png", ".svg"):
        raise click.UsageError(f"{output} must end in .png or .svg.")
    check_target(output)
    import vl_convert

    with connect(root) as connection:
        known = connection.execute("select distinct event, name from metrics order by all").fetchall()
        try:
            series = find_series(metric, known)
        except ValueError as error:
            raise click.BadParameter(printable(str(error)), param_hint="--metric") from None
        every = curves(
            connection, "event = ? and name = ?", (series.event, series.name), most=width, by_axis=by == "axis"
        )
        if not every:
            raise click.ClickException(
                f"no value of {shorten(series, 100)} has a position on the axis that it defines. Pass --by step."
            )
        found = [curve for curve in every if fnmatchcase(curve.experiment, only)]
        if not found:
            raise click.ClickException(_no_match(series, only, [curve.experiment for curve in every]))
        created = dict(connection.execute("select experiment, epoch(created) from experiments").fetchall())
    axes, units = (
        {name for name in names if name} for names in zip(*((one.axis, one.unit) for one in found), strict=True)
    )
    if len(axes) > 1:
        raise click.UsageError(
            printable(f"the experiments define different axes: {listed(sorted(axes))}. Pass --by step.")
        )
    labelled = _labelled(found)
    starts = {label: created[curve.experiment] or curve.times[0] for label, curve in labelled.items()}
    datasets = charts.points(labelled, starts=starts if by == "time" else None, log=log, smooth=smooth)
    x_title = "seconds since start" if by == "time" else shorten(*axes)
    title = shorten(series, 100) + (f" ({shorten(*units)})" if len(units) == 1 else "")
    spec = charts.lines(datasets, list(labelled), title=title, x_title=x_title, log=log)
    spec |= {"width": width, "height": height}
    # The chart loads nothing; this makes sure of it.
    if output.suffix == ".svg":
        image = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    else:
        image = vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[])
    with replace(str(output)) as written:
        Path(written).write_bytes(image)
    click.echo(f"{output}: {_summary(found, datasets)}")


def _labelled(found: list[Curve]) -> dict[str, Curve]:
    """Return the curves by label: the experiment, with the stream if an experiment has several curves."""
    one_stream = len({curve.experiment for curve in found}) == len(found)
    labels = [shorten(curve.experiment if one_stream else f"{curve.experiment} ({curve.stream})") for curve in found]
    unique = [label if labels.count(label) == 1 else f"{label} #{n}" for n, label in enumerate(labels, 1)]
    return dict(zip(unique, found, strict=True))


def _summary(found: list[Curve], datasets: dict[str, list[dict[str, Any]]]) -> str:
    """Describe the curves that were drawn, and the points that were left out."""
    count, bad, drawn = (sum(curve.count for curve in found), sum(curve.bad for curve in found), len(datasets["raw"]))
    parts = [f"{len(found)} curve{'' if len(found) == 1 else 's'}, {count} points"]
    if any(curve.means for curve in found):
        parts.append(f"downsampled to {drawn}: the lowest and the highest of each stretch")
    if left_out := sum(curve.left_out for curve in found):
        parts.append(f"{left_out} more have no {printable(found[0].axis)}, which is the axis: left out")
    if bad:
        parts.append(f"{bad} not finite: crosses at the bottom")
    values = [value for curve in found for value in curve.values if value is not None]
    if far := sum(abs(value) > charts.LARGEST for value in values):
        parts.append(f"{far} of those beyond ±{charts.LARGEST:g}: crosses at the bottom")
    near = sum(0 < abs(value) < charts.SMALLEST for value in values)
    if near:
        parts.append(f"{near} of those nearer to 0 than {charts.SMALLEST:g}: taken for 0")
    if hidden := sum(row["y"] is None for row in datasets["raw"]) - len(datasets["gaps"]):
        parts.append(f"{hidden} of those not above 0: not on a log scale")
    return "; ".join(parts)


def _no_match(series: Metric, only: str, experiments: list[str]) -> str:
    """Return the error that a pattern matches no experiment with the metric."""
    names = list(dict.fromkeys(experiments))
    return (
        f"0 of {len(names)} experiments with the metric {shorten(series, 100)} match --only {printable(only)!r}. Choose"
        f" from: {listed(names)}. A pattern is compared with the whole name: * matches any characters."
    )
