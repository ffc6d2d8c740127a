"""Tests with real frameworks, gigabytes of them: they run where this folder is named, as `tox -e integrations` does."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return None if any(FOLDER in (path.resolve(), *path.resolve().parents) for path in named) else True
