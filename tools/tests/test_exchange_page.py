"""The page about handing experiments on is true."""

import pytest
from test_docs import agree, results_of

pytest.importorskip("tensorboard", reason="needs the extra tensorboard: pip install 'mlvlogger-tools[tensorboard]'")
pytest.importorskip("rocrate", reason="needs the extra ro-crate: pip install 'mlvlogger-tools[ro-crate]'")


def test_the_page_prints_what_it_says():
    _, results = results_of("docs/how-to/exchange.md")
    assert [(line, what, actual) for line, what, expected, actual in results if not agree(expected, actual)] == []
