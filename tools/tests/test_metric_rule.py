"""The metrics and steps of the suite's vectors are the same in SQL, in the files of an export, and in TensorBoard."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlv_tools import connect
from mlvlogger import Exp, read

VECTORS = json.loads(
    (Path(__file__).parents[2] / "conformance" / "suite" / "vectors" / "metrics.json").read_text("utf-8")
)["vectors"]


@pytest.fixture
def run_of_vectors(tmp_path: Path) -> Path:
    """An experiment with an event for each vector, each with another name, and each twice."""
    exp = Exp(tmp_path / "runs", "a")
    exp.close()
    path = exp.path / "log.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)[:1]
    for _ in range(2):
        for number, vector in enumerate(VECTORS):
            event = f'"time":"2026-11-22T18:24:00.000000Z","event":"v/{number}","data":{vector["data"]}'
            lines.append(f'{{"seq":{len(lines) + 1},{event}}}\n')
    path.write_text("".join(lines), encoding="utf-8")
    return exp.path


def expected(path: Path) -> dict[tuple[str, str], list[float]]:
    """The steps of each metric, by the reader, which python/tests compares with the vectors."""
    found: dict[tuple[str, str], list[float]] = {}
    for number, vector in enumerate(VECTORS):
        for name in vector["metrics"]:
            found[f"v/{number}", name] = read(path).metric(f"v/{number}", name)[0]
    assert len(found) > 15
    return found


def test_in_sql(run_of_vectors: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connection = connect(run_of_vectors)
    rows = connection.execute("select event, name, step from metrics order by seq").fetchall()
    found: dict[tuple[str, str], list[int]] = {}
    for event, name, step in rows:
        found.setdefault((event, name), []).append(step)
    assert found == expected(run_of_vectors)
    steps = dict(connection.execute("select event, step from events where event like 'v/%'").fetchall())
    assert steps == {
        f"v/{number}": None if vector["step"] is None else int(vector["step"]) for number, vector in enumerate(VECTORS)
    }


def test_in_tensorboard(run_of_vectors: Path, mlv: Callable[..., str], tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    mlv("export", "tensorboard", tmp_path / "runs", tmp_path / "tb")
    scalars: Any = accumulator.EventAccumulator(str(tmp_path / "tb" / "a"), size_guidance={"scalars": 0}).Reload()
    wanted = expected(run_of_vectors)
    assert {tag: [point.step for point in scalars.Scalars(tag)] for tag in scalars.Tags()["scalars"]} == {
        f"{event}/{name}": steps for (event, name), steps in wanted.items()
    }
