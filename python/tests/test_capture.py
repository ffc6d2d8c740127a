"""Capture: what a program puts out is shown and logged, whoever puts it out and however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import read
from mlvlogger._capture import _MAX_LINE, Lines

BEGIN = """
import os, signal, subprocess, sys, time, warnings
from mlvlogger import Exp, StreamBusy, read
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="not applicable: capture needs POSIX")


def output(stream: str = "output") -> list[tuple[str, str]]:
    return [(event.name, event.data["text"]) for event in read("runs/e").events(stream=stream)]


def cut(*pieces: bytes) -> list[tuple[bytes, bool]]:
    lines = Lines()
    return [line for piece in pieces for line in lines.take(piece)] + list(lines.end())


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\n\nc"], [b"ab", b"", b"c"]),
        ([b"a\r\nb\r", b"\nc\r\n"], [b"a", b"b", b"c"]),
        ([b"\r 1%", b"\r 2%\r", b" 3%", b"\n"], [b" 3%"]),
        ([b"\r50%\r     \r", b"\n", b"done\n"], [b"done"]),
        ([b"50%\r"], [b"50%"]),
        ([b"outer\n\rinner 1%\x1b[A", b"\n\rinner 2%\x1b[A\n\rinner 3%\n"], [b"outer", b"inner 3%"]),
        ([b""], []),
    ],
)
def test_a_line_is_what_stood_there_in_the_end(pieces: list[bytes], lines: list[bytes]) -> None:
    assert cut(*pieces) == [(line, False) for line in lines]


def test_a_long_line_is_cut_between_characters_and_says_that_it_goes_on() -> None:
    text = "x" + "ä" * _MAX_LINE
    for end in (b"", b"\n"):
        pieces = cut(text.encode() + end)
        assert "".join(piece.decode() for piece, _ in pieces) == text
        assert [goes_on for _, goes_on in pieces] == [True, True, False]
        assert max(len(piece) for piece, _ in pieces) <= _MAX_LINE


def test_what_python_c_code_and_children_put_out_is_shown_and_logged(
    conforms: Callable[..., Any],
) -> None:
    code = (
        BEGIN
        + """
import ctypes
print("before")
with Exp("runs", "e") as exp:
    with exp.capture():
        print("python", flush=True)
        print("error", file=sys.stderr)
        ctypes.CDLL(None).puts(b"c code")
        ctypes.CDLL(None).fflush(None)
        subprocess.run(["echo", "child"])
        os.write(1, b"caf\\xe9\\n")
        if os.fork() == 0:
            print("forked")
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        print("no end", end="")
    print(" after")
print("last")
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    shown = [b"before", b"python", b"c code", b"child", b"caf\xe9", b"forked", b"no end after", b"last"]
    assert (sorted(done.stdout.splitlines()), done.stderr, done.returncode) == (sorted(shown), b"error\n", 0)
    logged = output()
    assert [text for name, text in logged if name == "stderr"] == ["error"]
    texts = [text for name, text in logged if name == "stdout"]
    assert sorted(texts) == sorted(["python", "c code", "child", "caf\\xe9", "forked", "no end"])
    assert texts[-1] == "no end"
    streams = conforms("runs/e", sealed=True)
    assert streams["log.jsonl"][-1]["data"]["streams"] == {"log/output.jsonl": streams["log/output.jsonl"][-1]["seq"]}


def test_of_a_progress_bar_the_last_state_is_logged(run: Callable[..., Any]) -> None:
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    run(
        BEGIN
        + """
from tqdm import tqdm
with Exp("runs", "e") as exp, exp.capture():
    for _ in tqdm(range(50), mininterval=0, desc="train"):
        pass
    for _ in tqdm(range(50), mininterval=0, leave=False):
        pass
    print("done")
"""
    )
    (bar,) = [text for name, text in output() if name == "stderr"]
    assert bar.startswith("train: 100%|") and "50/50" in bar
    assert ("stdout", "done") in output()


def test_the_end_of_the_experiment_ends_capture_with_its_status(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    done = run(
        BEGIN
        + """
with Exp("runs", "e") as exp:
    exp.capture()
    print("in")
    raise SystemExit(3)
""",
        status=3,
    )
    assert (done.stdout, output()) == ("in\n", [("stdout", "in")])
    ends = [events[-1] for events in conforms("runs/e", sealed=True).values()]
    assert [(end["event"], end["data"]["status"]) for end in ends] == [("mlv/end", "failed")] * 2


def test_a_program_that_ends_without_a_word_leaves_all_its_output_and_an_open_stream(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    done = run(BEGIN + 'Exp("runs", "e").capture()\nfor n in range(5000): print(n)\n')
    assert done.stdout.split() == [str(n) for n in range(5000)]
    assert [text for _, text in output()] == done.stdout.split()
    assert conforms("runs/e")["log/output.jsonl"][-1]["event"] == "stdout"


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()", "os._exit(1)"])
def test_what_was_put_out_before_a_crash_is_shown_and_logged(
    end: str, tmp_path: Path, conforms: Callable[..., Any]
) -> None:
    code = BEGIN + f'Exp("runs", "e").capture()\nprint("a")\nprint("bc", end="", flush=True)\n{end}\n'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and done.stdout == "a\nbc"  # its end is that of the process that passes it on
    assert [text for _, text in output()] == ["a", "bc"]
    conforms("runs/e")


def test_a_program_goes_on_when_the_capturing_process_is_killed(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + """
import warnings
warnings.simplefilter("ignore")
exp = Exp("runs", "e")
capture = exp.capture()
os.kill(capture._child, 9)
for n in range(20000):
    print(n)
exp.close()
print("end")
"""
    )
    # Nothing is missing; what was on its way comes in among what is put out meanwhile, wherever a write ends.
    assert sorted(done.stdout) == sorted("\n".join([*map(str, range(20000)), "end", ""]))


def test_a_thread_that_prints_while_the_interpreter_lock_is_held_does_not_hang(run: Callable[..., Any]) -> None:
    """More than a pipe holds, from C code that keeps the lock."""
    done = run(
        BEGIN
        + """
import ctypes
with Exp("runs", "e") as exp, exp.capture():
    ctypes.PyDLL(None).puts(b"x" * 1_000_000)
"""
    )
    assert len(done.stdout) == 1_000_001
    assert sum(len(text) for _, text in output()) == 1_000_000


def test_the_warning_of_a_full_disk_is_shown_and_stops_nothing(run: Callable[..., Any]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("not applicable: this system has no /dev/full")
    done = run(
        BEGIN
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
exp = Exp("runs", "e")
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
exp.capture()
for n in range(2000):
    print(n)
    exp.log.event("n", n=n)
exp.close()
"""
    )
    assert done.stdout.split() == [str(n) for n in range(2000)]
    assert "cannot write to" in done.stderr and "log/output.jsonl" in done.stderr


def test_a_child_that_outlives_capture_goes_on_to_be_shown(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + """
with Exp("runs", "e") as exp, exp.capture():
    child = subprocess.Popen(["sh", "-c", "read line; echo child"], stdin=subprocess.PIPE)
    print("in")
child.communicate(b"\\n")
"""
    )
    assert sorted(done.stdout.split()) == ["child", "in"]
    assert output() == [("stdout", "in")]


def test_a_forked_child_cannot_stop_it(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + """
with Exp("runs", "e") as exp, exp.capture() as capture:
    if os.fork() == 0:
        capture.stop()
        print("child", flush=True)
        os._exit(0)
    os.wait()
    print("parent")
"""
    )
    assert output() == [("stdout", "child"), ("stdout", "parent")]


def test_an_interrupt_from_the_terminal_ends_the_program_and_not_its_log(tmp_path: Path) -> None:
    code = (
        BEGIN
        + """
with Exp("runs", "e") as exp, exp.capture():
    try:
        print("ready", flush=True)
        for _ in range(6000):  # a signal that comes right before a system call does not end this one
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted")
"""
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate() == ("interrupted\n", None)
    assert output() == [("stdout", "ready"), ("stdout", "interrupted")]


def test_secrets_are_shown_and_not_logged(run: Callable[..., Any]) -> None:
    line = "hf_token=" + "hf_" + "a" * 34
    done = run(BEGIN + f'with Exp("runs", "e") as exp, exp.capture(): print({line!r})')
    assert (done.stdout, output()) == (line + "\n", [("stdout", "<redacted>")])


def test_a_rank_has_a_stream_of_its_own_and_capture_can_begin_again(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + """
with Exp("runs", "e") as exp, Exp.join("runs/e", 3) as rank:
    with rank.capture():
        print("rank")
    for n in range(2):
        with exp.capture():
            print(n)
"""
    )
    assert output("rank-3-output") == [("stdout", "rank")]
    assert output() == [("stdout", "0"), ("stdout", "1")]


def test_wrong_uses_say_what_is_wrong(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + """
with Exp("runs", "e") as exp:
    with exp.capture():
        try:
            exp.capture()
        except RuntimeError as error:
            assert "captured already" in str(error)
        else:
            raise AssertionError
    exp.stream("mine")
    try:
        exp.capture("mine")
    except StreamBusy as error:
        assert "mine.jsonl: another writer has the log" in str(error)
    else:
        raise AssertionError
    before = os.listdir("/proc/self/fd")
    with exp.capture():
        pass
    time.sleep(0.5)
    assert len(os.listdir("/proc/self/fd")) == len(before)
"""
    )


def test_a_program_without_standard_output_is_told_so() -> None:
    code = (
        BEGIN
        + """
with Exp("runs", "e") as exp:
    try:
        exp.capture()
    except OSError as error:
        sys.exit(str(error))
"""
    )
    command = ["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert "started without standard output" in done.stderr


def test_no_child_process_is_left(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + """
with Exp("runs", "e") as exp:
    with exp.capture():
        pass
    time.sleep(0.5)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    else:
        raise AssertionError
"""
    )
