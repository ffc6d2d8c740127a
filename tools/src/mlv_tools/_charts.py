"""The charts, as Vega-Lite specifications: of the report's page, and of `mlv plot`.

The names of fields and datasets are ours, and so is every expression: what comes out of a log goes into a chart as
the values of data, or as the text of a title, and is nothing but text there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlv_tools._thin import Curve

__all__ = ["curves", "lines", "points", "spans"]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing loads it
_PALETTE = (  # the same as on the report's page
    "#4269d0 #e8803a #d6456b #2f9e8f #55a04a #8f5bd6 #a5703f #3b9fd8 #c84fb4 #8a9099".split()
)
_MARKED = 60  # a curve of at most so many points shows each of them; the same as on the page
_LEGEND = 40  # names in a legend; more would be higher than the picture


def curves() -> dict[str, Any]:
    """The chart of one metric on the page, which fills in data, width, colours, and the kind of the scale.

    Datasets: *raw* and *smooth* (x, y or null, e), *dots* (points that no line would show) and *gaps* (x, e: values
    that are not finite, marked at the bottom); e says which curve it is.
    """
    x = {"field": "x", "type": "quantitative", "scale": {"zero": False, "nice": False}}
    y = {"field": "y", "type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 5}}
    line = {"type": "line", "strokeWidth": 1.6, "strokeJoin": "round", "clip": True}
    as_logged = {"value": None}  # or else a line is drawn in the order of x
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
        ],
    }


def points(
    found: Mapping[str, Curve], *, starts: Mapping[str, float] | None = None, log: bool = False, smooth: float = 0.0
) -> dict[str, list[dict[str, Any]]]:
    """The datasets of `curves`, as the page makes them too.

    Args:
        found: The curves by their labels.
        starts: By label, when the time of the curve begins, in seconds since 1970; None for steps instead of time.
        log: Whether values that are not above 0 are left out.
        smooth: The weight of the exponential moving average, 0 for none.
    """
    sets: dict[str, list[dict[str, Any]]] = {"raw": [], "smooth": [], "dots": [], "gaps": []}
    for label, curve in found.items():
        start = None if starts is None else starts[label]
        xs = curve.steps if start is None else [time - start for time in curve.times]
        ys = [None if y is None or (log and y <= 0) else y for y in curve.values]
        for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
            sets["raw"].append({"x": x, "y": y, "e": label})
            alone = (i == 0 or ys[i - 1] is None) and (i + 1 == len(ys) or ys[i + 1] is None)
            if curve.values[i] is None:
                sets["gaps"].append({"x": x, "e": label})
            elif y is not None and (alone or len(ys) <= _MARKED):
                sets["dots"].append({"x": x, "y": y, "e": label})
        if smooth:
            steps, times, means = curve.means or (curve.steps, curve.times, curve.values)
            at = steps if start is None else [time - start for time in times]
            sets["smooth"] += [
                {"x": x, "y": None if y is None or (log and y <= 0) else y, "e": label}
                for x, y in zip(at, _smoothed(means, smooth), strict=True)
            ]
    return sets


def _smoothed(values: list[float | None], weight: float) -> list[float | None]:
    """The exponential moving average, corrected for its start; a value that is missing stays missing."""
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
    """A picture of some curves with a legend, for a file.

    Args:
        datasets: As `points` gives them.
        labels: The names of the curves, in order.
        title, x_title: Texts.
        log: Whether the values are on a log scale.
    """
    spec = curves()
    colours = {"domain": labels, "range": [_PALETTE[i % len(_PALETTE)] for i in range(len(labels))]}
    legend = {"title": None, "labelLimit": 260, "symbolType": "stroke", "symbolStrokeWidth": 3, "symbolOpacity": 1}
    legend |= {"symbolLimit": _LEGEND}
    spec["encoding"]["color"] |= {"scale": colours, "legend": legend if len(labels) > 1 else None}
    spec["encoding"]["x"]["axis"]["title"] = x_title
    for layer in spec["layer"][:3]:
        layer["encoding"]["y"] = layer["encoding"]["y"] | {"scale": {"type": "log"} if log else {"zero": False}}
    if datasets["smooth"]:
        spec["layer"][0]["mark"]["opacity"] = 0.28
    spec["layer"] = [layer for layer in spec["layer"] if datasets[layer["data"]["name"]]]
    axis = {"gridColor": "#e9ecf1", "domainColor": "#c5ccd6", "tickColor": "#c5ccd6", "titleFontWeight": "normal"}
    return spec | {
        "title": {"text": title, "anchor": "start"},
        "datasets": datasets,
        "padding": 12,
        "config": {"background": "#ffffff", "view": {"stroke": None}, "axis": axis},
    }


def spans() -> dict[str, Any]:
    """The timeline of an experiment's spans, a line for each name.

    Dataset *spans*: name, from, to, state, and what the tooltip shows: start, seconds, text.
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
