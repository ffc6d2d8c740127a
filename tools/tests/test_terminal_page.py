"""README and the pages whose commands are mostly `mlv` print what they say."""

import re
from collections.abc import Callable

import pytest
from test_docs import agree, blocks_of, results_of, text_of


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md", "docs/installation.md", "docs/how-to/terminal.md"])
def test_the_code_of_the_page_prints_its_output(page: str) -> None:
    run, results = results_of(page)
    assert [(line, what, actual) for line, what, expected, actual in results if not agree(expected, actual)] == []
    assert run.returncode == 0, run.stderr


def test_the_quickstart_has_the_script_of_the_readme() -> None:
    """Its picture is made by README's script, too (tools/pictures.py)."""
    readme, quickstart = (
        [block.text for block in blocks_of(page) if block.comment == ("file", "train.py")]
        for page in ("README.md", "docs/quickstart.md")
    )
    assert len(readme) == 1
    assert readme == quickstart


def test_the_reference_has_every_command_of_the_terminal_and_no_other(mlv: Callable[..., str]) -> None:
    listed = re.findall(r"(?m)^  ([a-z]+)  ", mlv("--help").partition("Commands:")[2])
    named = re.findall(r"(?m)^\| `mlv ([a-z]+) ", text_of("docs/reference/mlv.md"))
    assert set(named) <= set(listed) and {"ls", "show", "tail", "diff", "tag", "note"} <= set(named)
