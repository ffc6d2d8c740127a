"""The images among the files that events refer to, for the page."""

from __future__ import annotations

import base64
from collections import Counter
from itertools import chain
from typing import Any

from mlv_tools._display.values import shorten
from mlv_tools._reading.trees import Found
from mlv_tools._report.attached import Reference, content_of

__all__ = ["gallery"]

# A browser shows these in an <img>, in which an SVG neither runs scripts nor loads other files.
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml")
_MAX_IMAGE = 4_000_000  # bytes


def gallery(
    files: list[tuple[int, Reference]], trees: list[Found], budget: int
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the images among *files*, their sources as `data:` URLs, and notes about images that were left out.

    If the images exceed the budget, each series (a member of an event's data in one experiment) keeps its last image,
    then its first, then those in the middle.

    Args:
        files: The files, each with the number of the experiment whose event refers to it.
        trees: The experiments.
        budget: The most bytes of all images.
    """
    series: dict[tuple[int, str, str], list[Reference]] = {}
    for number, reference in files:
        if reference.media_type in _IMAGES:
            series.setdefault((number, reference.event, reference.key), []).append(reference)
    order = sorted(
        ((rank, key, position) for key, group in series.items() for rank, position in enumerate(_spread(len(group)))),
        key=lambda item: item[0],
    )
    sources: dict[tuple[str, str | None], str] = {}
    images, left = [], Counter[str]()
    for _, key, position in order:
        reference = series[key][position]
        source = reference.sha256, reference.media_type
        try:
            if source not in sources:
                content = content_of(reference, key[0], trees, _MAX_IMAGE, "image")
                if len(content) > budget:
                    raise ValueError("the images on the page reached the maximum size (see --images)")
                budget -= len(content)
                sources[source] = f"data:{reference.media_type};base64,{base64.b64encode(content).decode()}"
        except ValueError as error:
            left[str(error)] += 1
            continue
        step = position if reference.step is None else reference.step
        images.append(
            {
                "e": key[0],
                "event": shorten(reference.event, 200),
                "key": shorten(reference.key, 200),
                "step": step,
                "counted": reference.step is None,
                "path": shorten(reference.path, 200),
                "source": list(sources).index(source),
            }
        )
    return images, list(sources.values()), [f"Images left out because {why}: {n}." for why, n in left.items()]


def _spread(count: int) -> list[int]:
    """Return the numbers below *count* so that every prefix is spread out: the last, the first, the middle, …"""
    halves = (range(width, count, width) for width in (count >> bit for bit in range(1, count.bit_length())) if width)
    return list(dict.fromkeys([count - 1, 0, *chain.from_iterable(halves)]))
