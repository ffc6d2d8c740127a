"""The page as text: one self-contained file in which no content of a log can run.

The data is in a JSON script element, which browsers don't run, without a `<`. The Content Security Policy of the page
allows only the two scripts with the given digests, and no connection. Vega draws the charts with its own interpreter
of expressions, so that the policy needn't allow `eval`.
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
    """Return the HTML of the page.

    Args:
        title: The title of the page.
        data: The data for `page.js`: a JSON tree without NaN, as `collect` returns it.
    """
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
    """Return JSON for a script element: a `<` could end the element; U+2028 and U+2029 end a line in some browsers."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes an escape of JSON


def _harmless(script: str) -> str:
    """Escape a script for a script element. Text that ends or hides an element occurs in strings and patterns only."""
    return re.sub("</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", r"\x3c!--")


def _digest(text: str) -> str:
    """Return the source expression of a policy for a script or a style with this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
