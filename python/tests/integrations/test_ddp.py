"""PyTorch's own loop with ranks: the program of the documentation under torchrun, with gloo; and that whole page."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_docs import agree, blocks_of, masked, results_of

from mlvlogger import read

pytest.importorskip("torch", reason="torch is not installed")

PAGE = "docs/how-to/frameworks.md"
HOME = Path("runs/ddp")
STREAMS = ["log.jsonl", "log/rank-1.jsonl"]


def torchrun(program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Two ranks of *program*, a string."""
    Path("train.py").write_text(program)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [*options, "train.py"]
    # Without the second, a rank that torchrun has restarted may look for the others where they were before they died.
    # Without the third, Accelerate on a machine without GPU takes each rank for the only one.
    options_of_torch = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "ACCELERATE_USE_CPU": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **options_of_torch}, **pipes) as launcher:
        try:
            stdout, stderr = launcher.communicate()
        except BaseException:
            launcher.terminate()  # killed, the ranks would stay alive
            raise
    return subprocess.CompletedProcess(command, launcher.returncode, stdout, stderr)


def to_the_end(program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """The same, and once more where a thread of gloo has aborted a rank: it sometimes does, with a log or without."""
    done = torchrun(program, *options)
    for _ in range(2):
        if done.returncode == 0 or "terminate called without an active exception" not in done.stderr:
            break
        done = torchrun(program)  # continues from the checkpoint
    return done


def program(name: str = "ddp.py") -> str:
    """One of the page."""
    return next(block.text for block in blocks_of(PAGE) if block.comment == ("file", name))


def curves() -> list[Any]:
    return [read(HOME).metric("batch", "loss", stream=stream) for stream in STREAMS]


@pytest.mark.parametrize("death", ["os.abort()", "raise ValueError('bad')"])
def test_ranks_resumed_from_a_checkpoint_have_the_curves_of_ranks_that_were_never_stopped(
    death: str, conforms: Any
) -> None:
    whole = to_the_end(program())
    assert whole.returncode == 0, whole.stderr
    expected = curves()
    assert [steps for steps, _ in expected] == [list(range(20))] * 2 and expected[0][1] != expected[1][1]
    HOME.rename("runs/whole")

    # Rank 1 dies two steps after a checkpoint, once; torchrun starts both again, as a user might.
    line = "        step += 1\n"
    deadly = program().replace(
        line,
        f"""{line}
        if rank == 1 and step == 12 and not os.path.exists("dead"):
            open("dead", "w").close()
            {death}
""",
    )
    deadly = f"import os\n{deadly}"
    if death == "os.abort()":
        done = to_the_end(deadly, "--max-restarts=1")
    else:
        assert torchrun(deadly).returncode == 1 and Path("dead").exists()
        done = to_the_end(deadly)
    assert done.returncode == 0 and Path("dead").exists(), done.stderr
    assert curves() == expected
    for stream in STREAMS:
        (rewind,) = read(HOME).events("mlv/rewind", stream=stream, lifecycle=True)
        kept = [event.data["step"] for event in read(HOME).events(stream=stream) if event.seq <= rewind.data["to"]]
        assert kept == list(range(10))
    assert read(HOME).state == "completed"
    assert sorted(conforms(HOME, sealed=True)) == STREAMS


@pytest.mark.parametrize(
    ("name", "home", "series"),
    [("gpt.py", "runs/gpt", ("train", "loss")), ("loop.py", "runs/loop", ("log", "loss"))],
    ids=["transformers", "accelerate"],
)
def test_the_programs_of_the_page_train_on_two_ranks_too_and_rank_0_logs(
    name: str, home: str, series: tuple[str, str], conforms: Any
) -> None:
    for module in ("transformers", "accelerate"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    for _ in range(2):  # the second time there is nothing left to do
        done = torchrun(program(name))
        assert done.returncode == 0, done.stderr
        assert read(home).state == "completed"
    assert read(home).metric(*series)[0] == {"gpt.py": [2, 4], "loop.py": list(range(10))}[name]
    assert sorted(conforms(home, sealed=True)) == STREAMS
    assert list(read(home).events(stream="rank-1")) == []


def test_the_page_about_frameworks_runs_and_prints_its_output() -> None:
    for name in ("transformers", "lightning", "accelerate"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    run, results = results_of(PAGE)
    wrong = [
        f"{PAGE}:{line}: {what}\n--- the page says\n{masked(expected)}\n--- it printed\n{masked(actual)}\n"
        for line, what, expected, actual in results
        if not agree(expected, actual)
    ]
    assert not wrong, "\n".join(wrong)
    assert run.returncode == 0 and len(results) >= 10, run.stderr
