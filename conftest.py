"""What every run of pytest in this repository shares: the number of workers, and skipped tests that fail in CI."""

import os
from collections.abc import Generator
from typing import Any

import pytest

REQUIRE_ALL = os.environ.get("MLV_REQUIRE_ALL", "") not in ("", "0")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each processor: the tests wait for disks and child processes half of the time."""
    return 2 * (os.cpu_count() or 1)


def _require(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With MLV_REQUIRE_ALL, let a skipped test fail unless its reason begins with `not applicable:`."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if REQUIRE_ALL and report.skipped and reason and not reason.startswith("Skipped: not applicable:"):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nMLV_REQUIRE_ALL is set, so this counts as failed: install what is missing."


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _require(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _require(report)
    return report
