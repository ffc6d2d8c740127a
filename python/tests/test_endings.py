"""How programs end that don't close their experiment, and which status their writer gives them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, read

BEGIN = "import sys; from mlvlogger import Exp, Logger, read; exp = Exp('runs', 'e', writer=sys.argv[1])\n"
WAYS = {
    # what the program does; its exit code; the state that it leaves
    "a normal end": ("exp.log.event('x')", 0, "ended"),
    "sys.exit(0)": ("sys.exit(0)", 0, "ended"),
    "sys.exit(1)": ("sys.exit(1)", 1, "ended"),
    "an exception": ("1 / 0", 1, "failed"),
    "an exception in a function": ("def main():\n exp.log.event('x')\n 1 / 0\nsys.exit(main())", 1, "failed"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", -signal.SIGINT, "interrupted"),
    "an exception that was caught": ("try:\n 1 / 0\nexcept ZeroDivisionError: pass", 0, "ended"),
    "an exception in a cell": ("sys.ps1 = 'In: '\n1 / 0", 1, "ended"),
    "an exception that a test runner keeps": (
        "def test(): 1 / 0\ntry: test()\nexcept Exception as error:\n"
        " sys.last_value, sys.last_traceback = error, error.__traceback__.tb_next",
        0,
        "ended",
    ),
    "a hook for exceptions": ("sys.excepthook = lambda *_: None\n1 / 0", 1, "failed"),
    "a pause": ("exp.log.pause('wait')", 0, "paused"),
    "a pause that is over": ("exp.log.pause(); exp.log.resume()", 0, "ended"),
    "a close before": ("exp.close('interrupted'); 1 / 0", 1, "interrupted"),
    "a block that was left before": ("with exp: pass\nsys.exit(1)", 1, "completed"),
    "os._exit": ("import os; os._exit(0)", 0, "open"),
    "SIGTERM": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -signal.SIGTERM, "open"),
    "an experiment of a function": ("del exp\ndef main(): Exp('runs', 'f')\nmain()", 0, "ended"),
    "an experiment that was dropped": ("del exp\nassert read('runs/e').state == 'ended'", 0, "ended"),
    "an experiment that was dropped while it was paused": ("exp.log.pause()\ndel exp", 0, "paused"),
    "a forked child that ends": (
        "import os\nif not os.fork(): sys.exit(0)\nos.wait()\nassert read('runs/e').state == 'open'",
        0,
        "ended",
    ),
    "a forked child that fails": ("import os\nif not os.fork(): 1 / 0\nos.wait()\nexp.close()", 0, "completed"),
    "a worker": (
        "import multiprocessing as mp\nworker = mp.get_context('fork').Process(target=exp.log.event, args=('x',))\n"
        "worker.start(); worker.join()\nassert worker.exitcode == 0 and read('runs/e').state == 'open'",
        0,
        "ended",
    ),
}


@pytest.mark.rule("writer.status")
@pytest.mark.rule("writer.paused")
@pytest.mark.slow
@pytest.mark.rule("writer.completed")
@pytest.mark.rule("writer.end")
@pytest.mark.skipif(os.name == "nt", reason="not applicable: the signals are those of POSIX")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_does_not_close_leaves_what_its_writer_knows(way: str, writer: str, conforms: Any) -> None:
    act, code, state = WAYS[way]
    Path("script.py").write_text(BEGIN + act)
    done = subprocess.run([sys.executable, "-W", "error", "script.py", writer], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "mlvlogger" not in done.stderr.replace("import Exp", ""), done.stderr
    run = read("runs/e")
    assert (run.state, run.problems) == (state, [])
    conforms(run.path, sealed=state != "open" and "worker" not in way)
    if state == "failed":
        error = [*run.events(lifecycle=True)][-1].data["error"]
        assert error["type"] == "ZeroDivisionError" and "1 / 0" in error["traceback"]
    if state != "open":
        assert not list(run.path.glob(".mlv-*"))


@pytest.mark.rule("writer.end-streams")
@pytest.mark.slow
@pytest.mark.rule("writer.end")
@pytest.mark.parametrize(
    ("act", "state"), [("", "ended"), ("1 / 0", "failed"), ("raise KeyboardInterrupt", "interrupted")]
)
def test_all_streams_and_experiments_are_ended_and_listed(act: str, state: str, conforms: Any) -> None:
    code = (
        "from mlvlogger import Exp, Logger\nexp = Exp('runs', 'e'); sub = Exp(exp.path, 's'); log = Logger('a.jsonl')\n"
        f"for name in ('b', 'a'):\n exp.stream(name).event('x')\nlog.event('y')\n{act}"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    assert done.returncode == {"ended": 0, "failed": 1}.get(state, -signal.SIGINT)
    streams = conforms("runs/e", sealed=True)
    assert {stream[-1]["data"]["status"] for stream in streams.values()} == {state}
    assert streams["log.jsonl"][-1]["data"]["streams"] == {"log/a.jsonl": 3, "log/b.jsonl": 3}
    assert read("runs/e/s").state == state
    assert b'"mlv/end"' in Path("a.jsonl").read_bytes().splitlines()[-1]


@pytest.mark.rule("writer.end")
def test_a_dropped_logger_ends_its_stream_and_a_paused_one_seals_it(events: Callable[..., Any]) -> None:
    log = Logger("a.jsonl")
    log.event("x")
    del log
    assert events("a.jsonl")[-1]["data"]["status"] == "ended"
    log = Logger("a.jsonl")
    log.pause()
    del log
    assert events("a.jsonl")[-1]["event"] == "mlv/seal"


def test_an_experiment_can_be_closed_as_ended(conforms: Any) -> None:
    Exp("runs", "e").close("ended")
    assert read("runs/e").state == "ended"
    conforms("runs/e", sealed=True)


@pytest.mark.rule("writer.seal")
def test_each_session_begins_unpaused(conforms: Any) -> None:
    exp = Exp("runs", "e")
    exp.log.pause()
    exp.close()
    with Exp.resume("runs/e") as exp:
        assert read("runs/e").state == "open"
        exp.log.resume()
    assert read("runs/e").state == "completed"
    conforms("runs/e", sealed=True)
