"""The example scripts run, what they write is valid, and it is what examples/output holds."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1]
OUTPUT = EXAMPLES / "output" / "my_exp_1"

# How often the validation accuracy improves may differ by a rounding error.
MAY_DIFFER = "epoch/improved"
METRICS = ("loss", "accuracy", "before", "after", "threshold")


def run(*command: Any) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment made by the three scripts, just now."""
    savedir = tmp_path_factory.mktemp("runs")
    experiment = savedir / "my_exp_1"
    run(sys.executable, EXAMPLES / "train.py", "--savedir", savedir)
    run(sys.executable, EXAMPLES / "evaluate.py", experiment)
    run(sys.executable, EXAMPLES / "squeeze.py", experiment / "model_best.joblib")
    return experiment


def files(experiment: Path) -> list[str]:
    return sorted(path.relative_to(experiment).as_posix() for path in experiment.rglob("*") if path.is_file())


def streams(experiment: Path) -> dict[str, list[dict[str, Any]]]:
    """Every stream of the experiment and its sub-experiments: {"log.jsonl": [event, …], …}."""
    return {
        name: [json.loads(line) for line in (experiment / name).read_bytes().splitlines()]
        for name in files(experiment)
        if name.endswith(".jsonl")
    }


def params(experiment: Path) -> dict[str, Any]:
    """The params of every metadata record, without where on which machine the data lay."""
    records = {}
    for name in files(experiment):
        if name.endswith(".json"):
            records[name] = json.loads((experiment / name).read_bytes())["params"]
    for name in ("path", "host", "modified"):
        del records["meta.json"]["data"][name]
    return records


def names(experiment: Path) -> dict[str, Counter[tuple[str | None, ...]]]:
    """How often each event is in each stream, and with which members."""
    return {
        stream: Counter(
            (event["event"], event.get("span"), *sorted(event.get("data", {})))
            for event in events
            if event["event"] != MAY_DIFFER
        )
        for stream, events in streams(experiment).items()
    }


def metrics(experiment: Path) -> dict[str, list[float]]:
    """Every value of every metric, in order: {"log.jsonl epoch/batch loss": [2.3, …], …}."""
    found: dict[str, list[float]] = {}
    for stream, events in streams(experiment).items():
        for event in events:
            for name in METRICS:
                value = event.get("data", {}).get(name)
                if event["event"] != MAY_DIFFER and isinstance(value, float):
                    found.setdefault(f"{stream} {event['event']} {name}", []).append(value)
    return found


def attached(experiment: Path) -> set[tuple[str, str, str]]:
    """The paths of the files that events refer to."""
    return {
        (stream, event["event"], event["data"]["file"]["path"])
        for stream, events in streams(experiment).items()
        for event in events
        if "file" in event.get("data", {})
    }


def test_what_the_scripts_write_is_valid(made: Path) -> None:
    run(Path(sys.executable).with_name("mlv-validate"), "--require-sealed", made)


def test_the_committed_directory_is_valid() -> None:
    run(Path(sys.executable).with_name("mlv-validate"), "--require-sealed", OUTPUT)


@pytest.mark.parametrize("what", [files, params, names, attached], ids=lambda what: what.__name__)
def test_the_committed_directory_is_what_the_scripts_write(made: Path, what: Callable[[Path], Any]) -> None:
    assert what(made) == what(OUTPUT)


def test_the_committed_figures_are_what_the_scripts_find(made: Path) -> None:
    actual, expected = metrics(made), metrics(OUTPUT)
    assert expected and list(actual) == list(expected)
    for series in expected:
        assert actual[series] == pytest.approx(expected[series], abs=0.05), series


@pytest.mark.parametrize("which", ["made", "committed"])
def test_the_model_learns_and_the_files_are_small(made: Path, which: str) -> None:
    experiment = made if which == "made" else OUTPUT
    validation = metrics(experiment)["log.jsonl epoch/validation accuracy"]
    squeezed = metrics(experiment)["squeeze/subexp_1/log.jsonl accuracy after"]
    assert validation[-1] > 0.9 and squeezed[-1] > 0.8
    assert max((experiment / name).stat().st_size for name in files(experiment)) < 100_000
