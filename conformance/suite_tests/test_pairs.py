"""The other pairs of implementations write the same experiments in turn and at the same time."""

import pytest

from .conftest import RunSuite
from .test_implementations import assert_passed_together


@pytest.mark.parametrize(("name", "other"), [("minimal", "javascript"), ("mlvlogger", "minimal")])
def test_two_implementations_pass_together(name: str, other: str, run_suite: RunSuite) -> None:
    assert_passed_together(run_suite, name, other)
