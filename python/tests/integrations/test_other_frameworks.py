"""The page about XGBoost, LightGBM, Optuna, Keras, Hydra and Ray Tune runs, and prints what it says."""

import pytest
from test_docs import agree, masked, results_of

PAGE = "docs/how-to/other-frameworks.md"


def test_the_page_about_other_frameworks_runs_and_prints_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # without it, Keras cannot be imported here
    for name in ("xgboost", "lightgbm", "optuna", "keras", "torch", "hydra", "ray.tune"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # of a machine that has other things to do
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    run, results = results_of(PAGE)
    wrong = [
        f"{PAGE}:{line}: {what}\n--- the page says\n{masked(expected)}\n--- it printed\n{masked(actual)}\n"
        for line, what, expected, actual in results
        if not agree(expected, actual)
    ]
    assert not wrong, "\n".join(wrong)
    assert run.returncode == 0 and len(results) >= 8, run.stderr
