"""Makes the claims of the implementations in this repository, and the page and badges of all claims: `claims.py`.

It runs the suite on each implementation, which takes minutes, and writes `conformance/claims/NAME/VERSION.json`. With
`--page` it writes only the page and the badges, from the claims that exist. Tests compare all files with what this
makes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CLAIMS", "OWN", "Own", "command", "committed", "files", "same"]

ROOT = Path(__file__).parents[1]
CLAIMS = ROOT / "conformance" / "claims"
PAGE = ROOT / "docs" / "reference" / "implementations.md"
_CLASSES = ("writer", "reader", "validator")
_COLORS = {"sealed": ("brightgreen", "#4c1"), "core": ("green", "#97ca00")}

HEAD = """# Implementations

Find an implementation of [MLV](../spec/1.0/index.md), with what the conformance suite found about it.

{table}

A class is at level [Core or Sealed](../spec/1.0/conformance.md); the suite has no tests of readers at level Sealed.
"–" is a class for which the claim has no level.
Each version links to its *claim*, the result of a run of the [suite](../how-to/implement.md) as JSON; \
anyone who runs the same suite gets the same claim.
The claims of the implementations in this repository are compared with a fresh run by each run of CI.

## Badges

Each class of the last version has a badge, `conformance/claims/NAME/badges/CLASS.svg`:

{badges}

`CLASS.json` next to it is the same badge for [shields.io](https://shields.io/badges/endpoint-badge): \
give the address of the file in a public clone as `url`.

## Submit a claim

1. Run the suite on a released version of your implementation:

    <!-- not run: it needs an implementation -->
    ```console
    $ mlv-conformance --name my-mlv --version 0.3 --claim claim.json -- ./my-driver
    ```

2. Save the claim as `conformance/claims/my-mlv/0.3.json`.
3. Add the implementation, or the version, to `conformance/claims/implementations.json`. \
Its `url` is a page that says how others can run the driver; the last of its `versions` is the one with badges.
4. Run `python conformance/claims.py --page`, and open a pull request with the result.

This page is made from `conformance/claims/`, by `python conformance/claims.py`.
"""


class Own(NamedTuple):
    """An implementation in this repository: its name in `claims/`, its product, version, classes and driver."""

    name: str
    product: str
    version: str
    classes: tuple[str, ...]
    driver: tuple[str, ...]


def _version(path: str) -> str:
    match = re.search('(?:__version__ = |"version": )"(.*)"', (ROOT / path).read_text("utf-8"))
    assert match, f"{path} has no version"
    return match[1]


_PYTHON = (sys.executable, str(ROOT / "conformance" / "drivers" / "python_driver.py"))
_VALIDATOR_VERSION = _version("conformance/src/mlv_validate/_version.py")
OWN = (
    Own("mlvlogger", "mlvlogger", _version("python/src/mlvlogger/_version.py"), ("writer", "reader"), _PYTHON),
    Own("mlv-validate", "mlv-validate", _VALIDATOR_VERSION, ("validator",), _PYTHON),
    Own(
        "javascript",
        "mlv for JavaScript",
        _version("javascript/package.json"),
        (),
        ("node", str(ROOT / "javascript" / "bin" / "driver.js")),
    ),
    Own(
        "minimal",
        "minimal.py",
        _VALIDATOR_VERSION,
        ("writer",),
        (sys.executable, str(ROOT / "conformance" / "drivers" / "minimal.py")),
    ),
)


def command(own: Own) -> list[str]:
    """Return the arguments of `mlv-conformance` for the claim of an implementation, but for the file of the claim."""
    classes = [part for class_ in own.classes for part in ("--class", class_)]
    return [*classes, "--name", own.product, "--version", own.version, "--", *own.driver]


def committed(own: Own) -> Any:
    """Return the claim of an implementation in `claims/`; None if its version has none."""
    path = CLAIMS / own.name / f"{own.version}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def same(one: Any, other: Any) -> bool:
    """Return whether two claims say the same; the machines may be different."""
    return bool(one and other) and {**one, "platform": ""} == {**other, "platform": ""}


def files() -> Iterator[tuple[Path, str]]:
    """Yield the files that are made from the claims, with their content."""
    rows, badges = [], []
    for one in _implementations():
        for last in one["versions"]:
            claim = json.loads((CLAIMS / one["name"] / f"{last['version']}.json").read_text("utf-8"))
            rows.append(_row(one, last, claim))
        for class_, level in claim["classes"].items():
            if level:
                label = f"MLV {claim['spec']} {class_}"
                folder = CLAIMS / one["name"] / "badges"
                color, hexadecimal = _COLORS[level]
                badge = {"schemaVersion": 1, "label": label, "message": level.capitalize(), "color": color}
                yield folder / f"{class_}.json", json.dumps(badge) + "\n"
                yield folder / f"{class_}.svg", _svg(label, level.capitalize(), hexadecimal)
                picture = f"../claims/{one['name']}/badges/{class_}.svg"
                badges.append(f"| {one['title']} | ![{label}: {level.capitalize()}]({picture}) |")
    head = "| implementation | version | writer | reader | validator | suite | date |\n" + "| --- " * 7 + "|\n"
    pictures = "| implementation | badge |\n| --- | --- |\n" + "\n".join(badges)
    yield PAGE, HEAD.format(table=head + "\n".join(rows), badges=pictures)


def _implementations() -> list[Any]:
    listed: list[Any] = json.loads((CLAIMS / "implementations.json").read_text("utf-8"))
    return listed


def _row(one: Any, last: Any, claim: Any) -> str:
    title = f"[{one['title']}]({one['url']})" if "url" in one else one["title"]
    version = f"[{last['version']}](../claims/{one['name']}/{last['version']}.json)"
    levels = [(claim["classes"][class_] or "–").capitalize() for class_ in _CLASSES]
    suite = f"{claim['suite']['version']} (`{claim['suite']['sha256'][:8]}`)"
    cells = [f"{title} ({one['language']})", version, *levels, suite, last["date"]]
    return f"| {' | '.join(cells)} |"


def _svg(label: str, message: str, color: str) -> str:
    """Return a badge in the form of shields.io's, without any font or request."""
    left, right = (round(6.6 * len(text)) + 10 for text in (label, message))
    texts = f'<text x="{left / 2}" y="14">{escape(label)}</text><text x="{left + right / 2}" y="14">{message}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
        f' aria-label="{escape(label)}: {message}">\n'
        f'<rect width="{left}" height="20" fill="#555"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{color}"/>\n'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g>\n'
        "</svg>\n"
    )


def _run(own: Own) -> None:
    """Run the suite and write the claim; the date changes only with the claim."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder, "claim.json")
        arguments = ["--claim", str(new), *command(own)]
        subprocess.run([sys.executable, "-m", "mlv_conformance", *arguments], check=True)
        claim = new.read_text("utf-8")
    if same(committed(own), json.loads(claim)):
        return
    _write(CLAIMS / own.name / f"{own.version}.json", claim)
    listed = _implementations()
    [one] = [one for one in listed if one["name"] == own.name]
    others = [each for each in one["versions"] if each["version"] != own.version]
    one["versions"] = [*others, {"version": own.version, "date": datetime.now(UTC).date().isoformat()}]
    _write(CLAIMS / "implementations.json", json.dumps(listed, indent=2) + "\n")


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the claims of this repository, their page and badges.")
    parser.add_argument("--page", action="store_true", help="Make only the page and the badges.")
    if not parser.parse_args().page:
        for each in OWN:
            _run(each)
    for made, text in files():
        _write(made, text)
