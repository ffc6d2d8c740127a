"""The charts of the report and of `mlv plot`, as Vega-Lite specifications.

All names of fields and datasets and all expressions are constants. Content of a log is used only as values of data or
as the text of a title.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mlv_tools._sql.downsample import Curve

__all__ = ["LARGEST", "SMALLEST", "curves", "lines", "points", "spans"]

#: The largest value that is drawn, and the smallest one that isn't drawn as 0: beyond them, Vega can't compute an axis.
LARGEST, SMALLEST = 1e300, 1e-290

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # only a name: nothing loads this URL
_PALETTE = (  # the same as on the report's page
    "#4269d0 #e8803a #d6456b #2f9e8f #55a04a #8f5bd6 #a5703f #3b9fd8 #c84fb4 #8a9099".split()
)
# The format of an axis with a single value that isn't an integer: Vega would round the label to one.
_SINGLE = ".7~g"
_NARROW = 1e-18  # the range of an axis for whose labels the 20 decimal places of Vega aren't enough
_MARKED = 60  # points: a curve with at most this number shows each of them, as on the page
_LEGEND = 40  # names in a legend; more don't fit


def curves() -> dict[str, Any]:
    """Return the chart of one metric on the page. The page adds data, width, colors and the type of the scale.

    The datasets are *raw* and *smooth* (x, y or null, e), *dots* (points that a line wouldn't show) and *gaps* (x, e:
    values that aren't finite, marked at the bottom); e is the curve. The page also has *best* (x, y, e: the best value
    of a curve, in a ring).
    """
    x = {"field": "x", "type": "quantitative", "scale": {"zero": False, "nice": False}}
    y = {"field": "y", "type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 5}}
    line = {"type": "line", "strokeWidth": 1.6, "strokeJoin": "round", "clip": True}
    as_logged = {"value": None}  # otherwise, a line is drawn in the order of x
    return {
        "$schema": _SCHEMA,
        "height": 240,
        "encoding": {
            "x": {**x, "axis": {"tickCount": 6, "title": "step"}},
            "color": {"field": "e", "type": "nominal", "legend": None},
        },
        "layer": [
            {"data": {"name": "raw"}, "mark": {**line}, "encoding": {"y": y, "order": as_logged}},
            {"data": {"name": "smooth"}, "mark": {**line}, "encoding": {"y": y, "order": as_logged}},
            {"data": {"name": "dots"}, "mark": {"type": "point", "filled": True, "size": 22}, "encoding": {"y": y}},
            {
                "data": {"name": "gaps"},
                "mark": {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 36, "opacity": 0.8},
                "encoding": {"y": {"value": {"expr": "height - 4"}}},
            },
            {
                "data": {"name": "best"},
                "mark": {"type": "point", "shape": "circle", "filled": False, "size": 110, "strokeWidth": 2},
                "encoding": {"y": y},
            },
        ],
    }


def set_format(axis: dict[str, Any], values: Iterable[float | None]) -> None:
    """Give an axis the format that its labels need if all values are the same or very near, as `page.js` does."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    if low == high and low % 1:
        axis["format"] = _SINGLE
    elif 0 < high - low < _NARROW:
        digits = 3 + math.floor(math.log10(max(-low, high) / (high - low)))
        axis["format"] = f".{min(17, digits)}~g"


def points(
    found: Mapping[str, Curve], *, starts: Mapping[str, float] | None = None, log: bool = False, smooth: float = 0.0
) -> dict[str, list[dict[str, Any]]]:
    """Return the datasets of `curves`, as `page.js` does.

    Values beyond `LARGEST` are marked as those that aren't finite, and values nearer to 0 than `SMALLEST` become 0.

    Args:
        found: The curves by label.
        starts: The start time of each curve by label, in seconds since 1970; None to use steps instead of times.
        log: Whether values that aren't above 0 are left out.
        smooth: The weight of the exponential moving average, 0 for none.
    """
    sets: dict[str, list[dict[str, Any]]] = {"raw": [], "smooth": [], "dots": [], "gaps": []}
    for label, curve in found.items():
        start = None if starts is None else starts[label]
        xs = curve.steps if start is None else [time - start for time in curve.times]
        values = list(map(_drawable, curve.values))
        ys = [None if y is None or (log and y <= 0) else y for y in values]
        for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
            sets["raw"].append({"x": x, "y": y, "e": label})
            alone = (i == 0 or ys[i - 1] is None) and (i + 1 == len(ys) or ys[i + 1] is None)
            if values[i] is None:
                sets["gaps"].append({"x": x, "e": label})
            elif y is not None and (alone or len(ys) <= _MARKED):
                sets["dots"].append({"x": x, "y": y, "e": label})
        if smooth:
            steps, times, means = curve.means or (curve.steps, curve.times, curve.values)
            at = steps if start is None else [time - start for time in times]
            sets["smooth"] += [
                {"x": x, "y": None if y is None or (log and y <= 0) else y, "e": label}
                for x, y in zip(at, _smoothed(list(map(_drawable, means)), smooth), strict=True)
            ]
    return sets


def _drawable(value: float | None) -> float | None:
    if value is None or abs(value) > LARGEST:
        return None
    return value if abs(value) >= SMALLEST else 0.0


def _smoothed(values: list[float | None], weight: float) -> list[float | None]:
    """Return the exponential moving average with bias correction; a missing value stays missing."""
    total = share = 0.0
    means: list[float | None] = []
    for value in values:
        if value is None:
            means.append(None)
            continue
        total = total * weight + (1 - weight) * value
        share = share * weight + (1 - weight)
        means.append(total / share)
    return means


def lines(
    datasets: dict[str, list[dict[str, Any]]], labels: list[str], *, title: str, x_title: str, log: bool = False
) -> dict[str, Any]:
    """Return a chart of several curves with a legend, for an image file.

    Args:
        datasets: The datasets that `points` returned.
        labels: The names of the curves, in order.
        title: The title of the chart.
        x_title: The title of the horizontal axis.
        log: Whether the vertical axis is logarithmic.
    """
    spec = curves()
    colors = {"domain": labels, "range": [_PALETTE[i % len(_PALETTE)] for i in range(len(labels))]}
    legend = {"title": None, "labelLimit": 260, "symbolType": "stroke", "symbolStrokeWidth": 3, "symbolOpacity": 1}
    legend |= {"symbolLimit": _LEGEND}
    spec["encoding"]["color"] |= {"scale": colors, "legend": legend if len(labels) > 1 else None}
    spec["encoding"]["x"]["axis"]["title"] = x_title
    rows = [row for name in ("raw", "smooth") for row in datasets[name]]
    set_format(spec["encoding"]["x"]["axis"], (row["x"] for row in (*rows, *datasets["gaps"])))
    set_format(spec["layer"][0]["encoding"]["y"]["axis"], (row["y"] for row in rows))  # all layers have the same axis
    for layer in spec["layer"][:3]:
        layer["encoding"]["y"] = layer["encoding"]["y"] | {"scale": {"type": "log"} if log else {"zero": False}}
    if datasets["smooth"]:
        spec["layer"][0]["mark"]["opacity"] = 0.28
    spec["layer"] = [layer for layer in spec["layer"] if datasets.get(layer["data"]["name"])]
    axis = {"gridColor": "#e9ecf1", "domainColor": "#c5ccd6", "tickColor": "#c5ccd6", "titleFontWeight": "normal"}
    return spec | {
        "title": {"text": title, "anchor": "start"},
        "datasets": datasets,
        "padding": 12,
        "config": {"background": "#ffffff", "view": {"stroke": None}, "axis": axis},
    }


def spans() -> dict[str, Any]:
    """Return the timeline of an experiment's spans, with a row for each name.

    The dataset is *spans*: name, from, to, state, and for the tooltip start, seconds and text.
    """
    return {
        "$schema": _SCHEMA,
        "data": {"name": "spans"},
        "height": 100,
        "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.7}},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "title": "seconds since start", "axis": {"tickCount": 6}},
            "x2": {"field": "to"},
            "y": {"field": "name", "type": "nominal", "title": None, "axis": {"labelLimit": 160, "grid": False}},
            "color": {"field": "name", "type": "nominal", "legend": None, "scale": {"range": _PALETTE}},
            "opacity": {
                "field": "state",
                "type": "ordinal",
                "legend": None,
                "scale": {"domain": ["finished", "not finished"], "range": [0.85, 0.35]},
            },
            "tooltip": [
                {"field": "name", "type": "nominal"},
                {"field": "text", "type": "nominal", "title": "data"},
                {"field": "start", "type": "quantitative", "title": "begins at (s)", "format": ".3f"},
                {"field": "seconds", "type": "quantitative", "title": "took (s)", "format": ".4g"},
            ],
        },
    }
