"""The whole specification as one page of the site: a hook of MkDocs, which adds spec/1.0/whole.md to its files.

The chapters are those of spec/1.0/index.md, in its order. Headings are one level deeper, and links between chapters
lead to their place on the page.
"""

import re
from pathlib import Path
from typing import Any

__all__ = ["on_files", "whole"]

_SPEC = Path(__file__).parents[1] / "spec" / "1.0"
_PAGE = "spec/1.0/whole.md"
_LISTED = re.compile(r"^\|(?: [0-9]+ \|)? \[[^]]+\]\((\w+)\.md\)", re.MULTILINE)
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)
_LINK = re.compile(r"\]\((\w+)\.md(#[^)]*)?\)")


def whole() -> str:
    """Return the text of the page."""
    index = (_SPEC / "index.md").read_text("utf-8")
    names = ["index", *_LISTED.findall(index)]

    def link(match: re.Match[str]) -> str:
        name, place = match[1], match[2]
        return f"]({place or f'#chapter-{name}'})" if name in names else match[0]

    def chapter(name: str) -> str:
        text = _LINK.sub(link, (_SPEC / f"{name}.md").read_text("utf-8"))
        outside = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)  # blocks at odd places
        outside[::2] = [_HEADING.sub(r"#\1", part) for part in outside[::2]]
        return f'<a id="chapter-{name}"></a>\n\n{"".join(outside)}'

    return "# MLV 1.0 on one page\n\n" + "\n".join(map(chapter, names))


def on_files(files: Any, config: Any) -> Any:
    """Add the page to the files of the site."""
    from mkdocs.structure.files import File  # only MkDocs itself calls this

    files.append(File.generated(config, _PAGE, content=whole()))
    return files
