"""Every way that a training can end, and a full resume cycle after each: checkpoint, mark, rewind, the same curve."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import read
from program import program

HOME = Path("runs/e")

# A regression with momentum, on batches drawn by a generator whose state is in the checkpoint, too.
TRAIN = program("exits_train")

WAYS = [
    # how it ends, inside a with block or not; its exit code; the state that it leaves; who writes
    ("return", "without", 0, "ended", "direct"),
    ("return", "with", 0, "completed", "direct"),
    ("exception", "without", 1, "failed", "direct"),
    ("exception", "with", 1, "failed", "direct"),
    ("sys.exit", "without", 3, "ended", "direct"),
    ("sys.exit", "with", 3, "failed", "direct"),
    ("os._exit", "with", 3, "open", "direct"),
    ("os.abort", "with", -6, "open", "direct"),
    ("SIGINT", "without", -2, "interrupted", "direct"),
    ("SIGINT", "with", -2, "interrupted", "direct"),
    ("SIGTERM", "with", -15, "open", "direct"),
    ("SIGTERM pauses", "without", 143, "paused", "direct"),
    ("SIGTERM pauses", "with", 143, "paused", "direct"),
    ("SIGHUP", "with", -1, "open", "direct"),
    ("SIGKILL", "with", -9, "open", "direct"),
    ("return", "without", 0, "ended", "process"),
    ("exception", "with", 1, "failed", "process"),
    ("os._exit", "with", 3, "open", "process"),
    ("os.abort", "with", -6, "open", "process"),
    ("SIGINT", "without", -2, "interrupted", "process"),
    ("SIGTERM", "with", -15, "open", "process"),
    ("SIGTERM pauses", "with", 143, "paused", "process"),
    ("SIGKILL", "with", -9, "open", "process"),
]


def train(home: str, way: str, last: int, block: str, writer: str = "direct") -> int:
    command = [sys.executable, "-c", TRAIN, home, way, str(last), block, writer]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stderr)
    return done.returncode


def curves(home: Path) -> list[tuple[list[Any], list[Any]]]:
    run = read(home)
    return [run.metric("epoch/batch", "loss"), run.metric("norm", "value", stream="gradients")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The weights and the curves of a training that no one interrupts."""
    pytest.importorskip("numpy")
    os.chdir(tmp_path_factory.mktemp("whole"))
    assert train("e", "", -1, "with") == 0
    return Path("weights.npy").read_bytes(), curves(HOME)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="not applicable: the signals are those of POSIX")
@pytest.mark.parametrize(("how", "block", "code", "state", "writer"), WAYS)
def test_a_training_resumed_from_its_checkpoint_has_the_curve_of_one_that_never_ended(
    how: str, block: str, code: int, state: str, writer: str, whole: Any, conforms: Any
) -> None:
    """It ends in its fourth epoch, of which nothing is in the checkpoint."""
    assert train("e", how, 29, block, writer) == code
    late = time.monotonic() + 60
    while writer == "process" and min(len(steps) for steps, _ in curves(HOME)) < 30 and time.monotonic() < late:
        time.sleep(0.01)  # it writes within some milliseconds, but this machine may be busy
    run = read(HOME)
    assert run.state == state and run.problems == []
    assert [steps for steps, _ in curves(HOME)] == [list(range(30))] * 2, "what was acknowledged is there"
    assert train("e", how, -1, "with", writer) == 0
    assert (Path("weights.npy").read_bytes(), curves(HOME)) == whole
    assert whole[1][0][0] == list(range(48))
    run = read(HOME)
    assert run.state == "completed" and len(run.records) == 2
    assert len([*run.events("epoch/batch", rewound=True)]) == 30 + 48 - 16
    rewind = next(event for event in conforms(HOME, sealed=True)["log.jsonl"] if event["event"] == "mlv/rewind")
    assert rewind["data"]["reason"] == how


@pytest.mark.slow
@pytest.mark.rule("writer.line")
@pytest.mark.rule("writer.seal")
def test_sigterm_at_any_moment_leaves_a_paused_log_that_can_be_resumed(run: Callable[..., Any]) -> None:
    """The line of the documentation, run at each place inside the logger where Python would run a handler."""
    code = program("exits_sigterm_pauses")
    run(code)


@pytest.mark.slow
@pytest.mark.rule("writer.line")
@pytest.mark.parametrize("act", ["epoch.end()", "log._stream.rewind(1)"])
def test_a_signal_handler_that_ends_a_span_comes_before_or_after_the_event_that_it_interrupts(
    act: str, run: Callable[..., Any]
) -> None:
    code = program("exits_handler_ends_span")
    run(code, act)


# The end of the interpreter: what runs there still logs, or fails at once; nothing hangs.

LATE = {
    "an exit handler that is older than the logger": ["mlv/end", "mlv/start", "late", "mlv/end"],
    "an exit handler that is younger": ["late", "mlv/end"],
    "an exit handler that closes": ["mlv/end"],
    "a thread that outlives the script": ["late", "mlv/end"],
    "tasks of a pool of threads": ["late"] * 20 + ["mlv/end"],
    "a generator that holds a with block": ["x", "mlv/end"],
    "an object that holds the logger": ["mlv/end", "mlv/start", "late", "mlv/end"],
    "an object that logs in another second": ["mlv/end", "mlv/start", "late", "mlv/end"],
    "an object that outlives the modules": ["mlv/end", "mlv/start", "late", "mlv/end"],
}
BY_USER = ("an exit handler that closes", "a thread that outlives the script")


@pytest.mark.rule("writer.end")
@pytest.mark.parametrize("way", LATE)
def test_code_that_runs_at_interpreter_exit_can_log(way: str, run: Callable[..., Any], events: Any) -> None:
    """What comes after the end of the stream is a session that ends in the same way."""
    assert run(program("exits_late"), way).stderr == ""
    written = events("a.jsonl")
    assert [event["event"] for event in written] == ["mlv/start", *LATE[way]]
    statuses = {event["data"]["status"] for event in written if event["event"] == "mlv/end"}
    assert statuses == {"completed" if way in BY_USER else "ended"}


def test_an_object_that_uses_a_logger_of_the_module_logs_at_interpreter_exit(
    run: Callable[..., Any], events: Any
) -> None:
    """Python runs the finalizers of all unreachable objects first, in any order."""
    code = program("exits_finalizers")
    assert run(code).stderr == ""
    late = ["mlv/start", "late", "mlv/end"]
    assert [event["event"] for event in events("a.jsonl")] == ["mlv/start", "mlv/end", *late, *late]


@pytest.mark.slow
@pytest.mark.parametrize("late", [("event", "late"), ("close",), ("flush",)], ids=["event", "close", "flush"])
def test_an_object_that_logs_after_the_daemon_threads_have_stopped_does_not_hang(
    late: tuple[str, ...], events: Any
) -> None:
    """Like a trainer that closes its experiment while a thread logs the memory of the GPU."""
    for _ in range(3):
        Path("a.jsonl").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", program("exits_daemon_threads"), *late], timeout=240, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        written = [event["event"] for event in events("a.jsonl")]
        assert written[1] == "x" and written.count("x") > 10


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_program_that_is_interrupted_ends_by_the_signal(writer: str, events: Any) -> None:
    """As it does without us: shells and schedulers tell an interrupt from an error by that."""
    done = subprocess.run([sys.executable, "-c", program("exits_interrupted"), writer], stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGINT
    assert [event["event"] for event in events("a.jsonl")] == ["mlv/start", "x", "mlv/end"]
    end = events("a.jsonl")[-1]["data"]
    assert (end["status"], end["error"]) == ("interrupted", {"type": "KeyboardInterrupt"})
