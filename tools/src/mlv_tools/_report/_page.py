"""The page as text: one file, with everything in it, in which nothing that a log says can run.

Data is in a JSON script element that no browser runs, without a `<`, and the policy in the page's head lets run
the two scripts that are named by their digest and nothing else, and allows no connection at all. Charts are drawn by
Vega with its own interpreter of expressions, so that the policy need not allow `eval`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from string import Template
from typing import Any

__all__ = ["page"]


def page(title: str, data: dict[str, Any]) -> str:
    """The report's page: *data* is what `page.js` shows; a JSON tree without NaN."""
    import vl_convert

    library = _harmless(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # the stub lacks the default
    script, style = _harmless(_part("page.js")), _part("page.css")
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"script-src {_digest(library)} {_digest(script)}; style-src {_digest(style)}"
    )
    return Template(_part("page.html")).substitute(
        policy=policy, title=html.escape(title), style=style, library=library, script=script, data=_escaped(data)
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _escaped(data: dict[str, Any]) -> str:
    """JSON that is safe in a script element: `<` could end it; U+2028 and U+2029 are line ends to some readers."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate is written as JSON writes it


def _harmless(script: str) -> str:
    """A script that is safe in a script element: what would end or hide one can only be in texts and patterns."""
    return re.sub("</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", r"\x3c!--")


def _digest(text: str) -> str:
    """How a policy names a script or a style by its content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
