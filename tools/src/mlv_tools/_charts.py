"""The charts, as Vega-Lite specifications: of the report's page, and of `mlv plot`.

The names of fields and datasets are ours, and no expression is made of them: what comes out of a log goes into a chart as the
values of data, or as a text of a title, and is nothing but text there.
"""

from __future__ import annotations

from typing import Any

__all__ = ["curves", "lines", "spans"]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing loads it
_PALETTE = (  # the same as on the report's page
    "#4269d0 #e8803a #d6456b #2f9e8f #55a04a #8f5bd6 #a5703f #3b9fd8 #c84fb4 #8a9099".split()
)
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
                "mark": {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 46, "opacity": 0.8},
                "encoding": {"y": {"value": {"expr": "height - 4"}}},
            },
        ],
    }


def lines(
    points: dict[str, list[dict[str, Any]]], labels: list[str], *, title: str, x_title: str, log: bool = False
) -> dict[str, Any]:
    """A picture of some curves with a legend, for a file.

    Args:
        points: The datasets of `curves`; e is one of the labels.
        labels: The names of the curves, in order.
        title, x_title: Texts.
        log: Whether the values stand on a log scale.
    """
    spec = curves()
    colours = {"domain": labels, "range": [_PALETTE[i % len(_PALETTE)] for i in range(len(labels))]}
    legend = {"title": None, "labelLimit": 260, "symbolType": "stroke", "symbolStrokeWidth": 3, "symbolLimit": _LEGEND}
    spec["encoding"]["color"] |= {"scale": colours, "legend": legend if len(labels) > 1 else None}
    spec["encoding"]["x"]["axis"]["title"] = x_title
    for layer in spec["layer"][:3]:
        layer["encoding"]["y"] = layer["encoding"]["y"] | {"scale": {"type": "log"} if log else {"zero": False}}
    if points["smooth"]:
        spec["layer"][0]["mark"]["opacity"] = 0.28
    spec["layer"] = [layer for layer in spec["layer"] if points[layer["data"]["name"]]]
    axis = {"gridColor": "#e9ecf1", "domainColor": "#c5ccd6", "tickColor": "#c5ccd6", "titleFontWeight": "normal"}
    return spec | {
        "title": {"text": title, "anchor": "start"},
        "datasets": points,
        "padding": 12,
        "config": {"background": "#ffffff", "view": {"stroke": None}, "axis": axis},
    }


def spans() -> dict[str, Any]:
    """The timeline of an experiment's spans, a line for each name; dataset *spans* (name, start, end, text, state)."""
    return {
        "$schema": _SCHEMA,
        "data": {"name": "spans"},
        "height": 100,
        "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.7}, "stroke": "#ffffff", "strokeWidth": 0.3},
        "encoding": {
            "x": {"field": "start", "type": "quantitative", "title": "seconds since start"},
            "x2": {"field": "end"},
            "y": {"field": "name", "type": "nominal", "title": None, "axis": {"labelLimit": 160, "grid": False}},
            "color": {"field": "name", "type": "nominal", "legend": None, "scale": {"range": _PALETTE}},
            "opacity": {
                "field": "state",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": ["finished", "not finished"], "range": [0.85, 0.35]},
                "sort": None,
            },
            "tooltip": [
                {"field": "name", "type": "nominal"},
                {"field": "text", "type": "nominal", "title": "data"},
                {"field": "start", "type": "quantitative", "title": "begins at (s)", "format": ".3f"},
                {"field": "seconds", "type": "quantitative", "title": "took (s)", "format": ".4g"},
            ],
        },
    }
