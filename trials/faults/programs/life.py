"""A whole life of an experiment, again and again: each in a forked child of this warm interpreter.

It is asked by lines, ``live|resume EXPERIMENT CHANNEL ON_ERROR DURABILITY``, and answers with the child's exit code.
"""

import atexit
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from events import data
from mlvlogger import Exp, Logger
from reporting import Source, attempt, report, report_warnings, writer

_PATIENCE = 5  # seconds for a life; the usual one takes some hundredths


def log(exp: Exp, logger: Logger | None = None, name: str = "", events: int = 2) -> None:
    """Log some events."""
    source = Source(exp, logger, name)
    for _ in range(events):
        attempt("event", source.event)


def span(exp: Exp) -> None:
    """Log some events in a span, whose begin and end aren't acknowledged."""
    report("begin span")
    report("refused span 0")
    span = exp.log.span("epoch", data("span", 0))
    log(exp, span, ".span")
    report("refused span 1")
    span.end(data("span", 1))


def attach(exp: Exp, source: Path) -> None:
    """Attach a file, and write another."""

    def create() -> Any:
        with exp.create("made.bin") as file:
            file.write(b"made\n" * 3000)
        return file.ref

    for reference in (attempt("attach", lambda: exp.attach(source, "copied.bin")), attempt("create", create)):
        if reference is not None:
            report(f"attached {reference.path} {reference.size} {reference.sha256}")


def finish(exp: Exp) -> None:
    """Close an experiment."""
    attempt("close", exp.close)


def live(path: Path, options: dict[str, Any]) -> None:
    """Everything that a program can do to an experiment."""
    exp = attempt("Exp", lambda: Exp(path.parent, path.name, {"lr": 0.1}, **options))
    if exp is None:
        return
    report("made")
    log(exp)
    mark = attempt("mark", exp.mark)
    if (gpu := attempt("stream", lambda: exp.stream("gpu"))) is not None:
        log(exp, gpu, ".gpu")
    attach(exp, Path(__file__))
    attempt("pause", lambda: exp.log.pause("a while"))
    attempt("resume", exp.log.resume)
    if mark is not None:
        attempt("rewind", lambda: exp.rewind(mark))
    attempt("span", lambda: span(exp))
    options.pop("writer", None)  # a writer's process for each of these would show nothing new, and take its time
    if (below := attempt("sub", lambda: Exp.find(path).sub("sub", {"ratio": 0.5}, kind="part", **options))) is not None:
        report("made sub")
        log(below, name=".sub")
        finish(below)
    if (script := attempt("open", lambda: Exp.open(path, {"more": 1}, **options))) is not None:
        report("opened")
        log(script, name=".open")
        finish(script)
    attempt("flush", exp.flush)
    log(exp, name=".last")
    finish(exp)


def resume(path: Path, options: dict[str, Any]) -> None:
    """Continue with what a fault has left, without a fault."""
    for home in (path, path / "part/sub"):
        if home == path or home.joinpath("meta.json").exists():
            with Exp(home.parent, home.name, exists="resume", **options) as exp:
                log(exp, name=".resumed" if home == path else ".sub-resumed")
                for stream in exp.path.glob("log/*.jsonl"):
                    exp.stream(stream.stem)


def child(action: str, path: Path, channel: str, options: dict[str, Any]) -> int:
    """What the forked child does; its exit code."""
    os.environ["MLV_FAULTS_ACKS"] = channel
    signal.alarm(_PATIENCE)
    try:
        {"live": live, "resume": resume}[action](path, options)
        atexit._run_exitfuncs()
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith(f"{path}/"):
                report(f"left open: {target}")
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


report_warnings()
Exp(sys.argv[1], "warm", **writer()).close()  # checks the machine once, for all children
for line in sys.stdin:
    action, path, channel, on_error, durability = line.split()
    if (pid := os.fork()) == 0:
        os._exit(child(action, Path(path), channel, {"on_error": on_error, "durability": durability, **writer()}))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
