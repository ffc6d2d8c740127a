"""The pages about the terminal are true."""

import re
from collections.abc import Callable

from test_docs import agree, results_of, text_of


def test_the_code_of_the_page_prints_its_output() -> None:
    _, results = results_of("docs/how-to/terminal.md")
    assert [(line, what, actual) for line, what, expected, actual in results if not agree(expected, actual)] == []


def test_the_reference_has_every_command_of_the_terminal_and_no_other(mlv: Callable[..., str]) -> None:
    listed = re.findall(r"(?m)^  ([a-z]+)  ", mlv("--help").partition("Commands:")[2])
    named = re.findall(r"(?m)^\| `mlv ([a-z]+) ", text_of("docs/reference/mlv.md"))
    assert set(named) <= set(listed) and {"ls", "show", "tail", "diff", "tag", "note"} <= set(named)
