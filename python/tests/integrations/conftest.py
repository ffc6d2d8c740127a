"""Tests with real frameworks, gigabytes of them: they run where this folder is named, as `tox -e integrations` does."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return None if any(FOLDER in (path.resolve(), *path.resolve().parents) for path in named) else True


@pytest.fixture(autouse=True)
def _in_more_time(_in_time: None) -> None:
    """Frameworks take seconds to be imported, in each process again; `_in_time` puts the alarm off."""
    signal.alarm(300)
