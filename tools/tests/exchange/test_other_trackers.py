"""The recipes for other trackers work with these trackers: MLflow, W&B, and trackio by TensorBoard's files."""

import os
import subprocess
import sys

import pytest
from test_docs import agree, results_of

from mlvlogger import Exp, read

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow, W&B and what they import


def test_the_page_prints_what_it_says():
    pytest.importorskip("mlflow", reason="needs mlflow-skinny, sqlalchemy and alembic")
    pytest.importorskip("wandb", reason="needs wandb")
    _, results = results_of("docs/how-to/other-trackers.md")
    assert [(line, what, actual) for line, what, expected, actual in results if not agree(expected, actual)] == []


def test_trackio_imports_what_is_exported_for_tensorboard(tmp_path):
    pytest.importorskip("trackio", reason="needs trackio and tbparse")
    for name in ("one", "two"):
        with Exp(tmp_path / "runs", name, {"lr": 0.1}) as exp:
            for step in range(20):
                exp.log.event("train/batch", step=step, loss=1 / (step + 1))
    command = [sys.executable, "-m", "mlv_tools", "export", "tensorboard", "runs", "tb"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    program = (
        "import sqlite3, sys, trackio, pathlib\n"
        "trackio.import_tf_events('tb', project='mlv')\n"
        "[database] = pathlib.Path(sys.argv[1]).rglob('mlv.db')\n"
        "rows = sqlite3.connect(database).execute('SELECT run_name, count(*) FROM metrics GROUP BY 1').fetchall()\n"
        "print(sorted(rows))"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "runs/one").metric("train/batch", "loss")[0]) == 20
    assert done.stdout.splitlines()[-1] == "[('one', 20), ('two', 20)]"
