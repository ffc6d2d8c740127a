"""Capture: what a program prints is shown and logged, whichever process prints it and however it ends."""

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
from mlvlogger._capture_process import _MAX_LINE, LineSplitter
from program import program

BEGIN = """
import os, signal, subprocess, sys, threading, time, warnings
from mlvlogger import Exp, StreamBusy, read
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="not applicable: capture needs POSIX")


@pytest.fixture(autouse=True)
def _buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs as users start them. With this variable, Python keeps nothing back that could be lost."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def output(stream: str = "output") -> list[tuple[str, str]]:
    return [(event.name, event.data["text"]) for event in read("runs/e").events(stream=stream)]


def cut(*pieces: bytes) -> list[tuple[bytes, bool]]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + list(splitter.finish())


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
def test_a_redrawn_line_is_logged_in_its_final_state(pieces: list[bytes], lines: list[bytes]) -> None:
    assert cut(*pieces) == [(line, False) for line in lines]


def test_a_long_line_is_cut_between_characters_and_marked_as_continued() -> None:
    text = "x" + "ä" * _MAX_LINE
    for end in (b"", b"\n"):
        pieces = cut(text.encode() + end)
        assert "".join(piece.decode() for piece, _ in pieces) == text
        assert [continued for _, continued in pieces] == [True, True, False]
        assert max(len(piece) for piece, _ in pieces) <= _MAX_LINE


@pytest.mark.slow
def test_output_of_python_c_code_and_children_is_shown_and_logged(
    conforms: Callable[..., Any],
) -> None:
    code = program("capture_python_c_children")
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


def test_a_line_of_more_than_64_kib_is_several_events(run: Callable[..., Any]) -> None:
    run(
        """
        from mlvlogger import Exp
        with Exp("runs", "e") as exp, exp.capture():
            print("a" * 65536 + "bc")
        """
    )
    [first, second] = [event.data for event in read("runs/e").events(stream="log/output.jsonl")]
    assert (first["continued"], first["text"] + second["text"]) == (True, "a" * 65536 + "bc")
    assert "continued" not in second


@pytest.mark.slow
def test_only_the_final_state_of_a_progress_bar_is_logged(run: Callable[..., Any]) -> None:
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    run(program("capture_progress_bar"))
    (bar,) = [text for name, text in output() if name == "stderr"]
    assert bar.startswith("train: 100%|") and "50/50" in bar
    assert ("stdout", "done") in output()


def test_the_end_of_the_experiment_ends_capture_with_its_status(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    done = run(
        program("capture_experiment_ends"),
        status=3,
    )
    assert (done.stdout, output()) == ("in\n", [("stdout", "in")])
    ends = [events[-1] for events in conforms("runs/e", sealed=True).values()]
    assert [(end["event"], end["data"]["status"]) for end in ends] == [("mlv/end", "failed")] * 2


@pytest.mark.slow
def test_a_program_that_ends_without_close_leaves_all_its_output_in_a_stream_that_has_ended(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    done = run(program("capture_no_close"))
    assert done.stdout.split() == [str(n) for n in range(5000)]
    assert [text for _, text in output()] == done.stdout.split()
    end = conforms("runs/e", sealed=True)["log/output.jsonl"][-1]
    assert (end["event"], end["data"]["status"]) == ("mlv/end", "ended")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()", "os._exit(1)"])
def test_output_before_a_crash_is_shown_and_logged(end: str, tmp_path: Path, conforms: Callable[..., Any]) -> None:
    code = BEGIN + f'exp = Exp("runs", "e"); exp.capture()\nprint("a")\nprint("bc", end="", flush=True)\n{end}\n'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and done.stdout == "a\nbc"  # its end is that of the process that passes it on
    assert [text for _, text in output()] == ["a", "bc"]
    assert conforms("runs/e")["log/output.jsonl"][-1]["event"] == "mlv/seal"  # closed, and neither ended nor paused


@pytest.mark.slow
def test_a_program_continues_when_the_capturing_process_is_killed(run: Callable[..., Any]) -> None:
    done = run(program("capture_killed"))
    # Nothing is missing; delayed output is mixed with later output, wherever a write ends.
    assert sorted(done.stdout) == sorted("\n".join([*map(str, range(20000)), "end", ""]))


@pytest.mark.slow
def test_a_thread_that_prints_while_the_interpreter_lock_is_held_does_not_hang(run: Callable[..., Any]) -> None:
    """More than a pipe holds, from C code that keeps the lock."""
    done = run(program("capture_interpreter_lock"))
    assert len(done.stdout) == 1_000_001
    assert sum(len(text) for _, text in output()) == 1_000_000


@pytest.mark.slow
def test_the_warning_about_a_full_disk_is_shown_and_the_program_continues(run: Callable[..., Any]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("not applicable: this system has no /dev/full")
    done = run(program("capture_full_disk"))
    assert done.stdout.split() == [str(n) for n in range(2000)]
    assert "cannot write to" in done.stderr and "log/output.jsonl" in done.stderr


def test_output_of_a_child_that_outlives_capture_is_still_shown(run: Callable[..., Any]) -> None:
    done = run(program("capture_child_outlives"))
    assert sorted(done.stdout.split()) == ["child", "in"]
    assert output() == [("stdout", "in")]


def test_a_forked_child_cannot_stop_the_capture_of_its_parent(run: Callable[..., Any]) -> None:
    run(program("capture_forked_child"))
    assert output() == [("stdout", "child"), ("stdout", "parent")]


def test_an_interrupt_from_the_terminal_ends_the_program_and_not_its_log(tmp_path: Path) -> None:
    code = program("capture_interrupt")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate()[0] == "interrupted\n"
    assert output() == [("stdout", "ready"), ("stdout", "interrupted")]


@pytest.mark.slow
def test_secrets_are_shown_and_not_logged(run: Callable[..., Any]) -> None:
    line = "hf_token=" + "hf_" + "a" * 34
    done = run(BEGIN + f'with Exp("runs", "e") as exp, exp.capture(): print({line!r})')
    assert (done.stdout, output()) == (line + "\n", [("stdout", "<redacted>")])


@pytest.mark.slow
def test_a_rank_has_its_own_stream_and_capture_can_start_again(run: Callable[..., Any]) -> None:
    run(program("capture_rank"))
    assert output("rank-3-output") == [("stdout", "rank")]
    assert output() == [("stdout", "0"), ("stdout", "1")]


@pytest.mark.slow
def test_a_wrong_use_raises_an_error_that_explains_it(run: Callable[..., Any]) -> None:
    run(program("capture_wrong_uses"))


def test_without_standard_output_capture_raises_an_error() -> None:
    code = program("capture_no_stdout")
    command = ["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert "started without standard output" in done.stderr


def test_no_child_process_is_left_running(run: Callable[..., Any]) -> None:
    run(program("capture_no_child_left"))


def run_into(where: str, code: str, *arguments: str) -> tuple[bytes, int]:
    """Run a program whose output is a file, a pipe or a terminal; what came there, and its exit status."""
    command = [sys.executable, "-c", code, *arguments]
    if where == "pipe":
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout, done.returncode
    if where == "file":
        with open("out", "w+b") as file:
            status = subprocess.run(command, stdout=file, stderr=file).returncode
            until = time.monotonic() + 60
            while b"the end" not in (shown := Path("out").read_bytes()) and time.monotonic() < until:
                time.sleep(0.01)  # another process writes what was left
            return shown, status
    import pty

    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(controller, 1000):
            shown += data
    except OSError:  # no one has the other end any more
        pass
    os.close(controller)
    return shown.replace(b"\r\n", b"\n"), process.wait()


# How a program prints a line, without ever flushing: its setup, and its call for each string.
PRINTS = {
    "print": ("", "print(text)"),
    "write": ("", "sys.stdout.write(text + '\\n')"),
    "writelines": ("", "sys.stdout.writelines([text, '\\n'])"),
    "stderr": ("", "print(text, file=sys.stderr)"),
    "the first stdout": ("", "print(text, file=sys.__stdout__)"),
    "another encoding": ("sys.stdout.reconfigure(encoding='latin-1')", "print(text)"),
    "a wrapper": ("import io; sys.stdout = io.TextIOWrapper(sys.stdout.buffer)", "print(text)"),
    "a detached wrapper": ("import io; sys.stdout = io.TextIOWrapper(sys.stdout.detach())", "print(text)"),
    "a codec": ("import codecs; sys.stdout = codecs.getwriter('utf-8')(sys.stdout.detach())", "print(text)"),
    "a tee": ("sys.stdout = Tee(sys.stdout, open('copy', 'w'))", "print(text)"),
    "a tee with descriptor": ("sys.stdout = Tee(sys.stdout); sys.stdout.fileno = lambda: 1", "print(text)"),
    "a logger": ("logging.basicConfig(stream=sys.stdout, format='%(message)s')", "logging.warning(text)"),
    "logging as stdout": ("logging.basicConfig(format='%(message)s'); sys.stdout = Logged()", "print(text)"),
    "progress": ("", "print('\\r' + text, end='\\r' if text != 'the end' else '\\n')"),
}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "pipe", "terminal"])
@pytest.mark.parametrize("way", PRINTS)
def test_output_of_a_killed_program_is_logged_once_with_the_time_of_each_line(way: str, where: str) -> None:
    prepare, show = PRINTS[way]
    shown, status = run_into(where, program("capture_ways_to_print"), prepare, show, str(way != "progress"))
    # Another process may still be logging what a file shows already.
    while not (events := list(read("runs/e").events(stream="output"))) or events[-1].data["text"] != "the end":
        time.sleep(0.01)
    if way == "progress":
        assert (shown.split(), status) == ([b"one", b"two", b"three", b"the", b"end"], -signal.SIGKILL)
        assert [event.data["text"] for event in events] == ["the end"]
        return
    assert (shown, status) == (b"one\ntwo\nthree\nthe end\n", -signal.SIGKILL)
    assert [event.data["text"] for event in events] == ["one", "two", "three", "the end"]
    times = [event.time for event in events]
    assert times == sorted(times) and len(set(times)) == 4


def test_output_of_c_code_of_a_killed_program_is_logged() -> None:
    code = program("capture_c_code_killed")
    shown, status = run_into("pipe", code)
    if status == 3:
        pytest.skip("not applicable: this C library is not that of GNU")
    assert (shown, status) == (b"before\nc code\npython\nthe end\n", -signal.SIGKILL)
    assert [text for _, text in output()] == ["c code", "python", "the end"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "pipe", "terminal"])
def test_after_capture_the_streams_are_restored(where: str) -> None:
    shown, status = run_into(
        where,
        program("capture_restores"),
    )
    assert (shown, status) == (b"c has a buffer now\nin\nthe end\n", 0), shown.decode()
    assert output() == [("stdout", "in")] * 2


# A stream as notebooks have it: it shows what it is given by itself, and has no descriptor.


def test_a_stream_without_a_descriptor_is_logged_and_still_shows_its_text(run: Callable[..., Any]) -> None:
    done = run(program("capture_no_descriptor"))
    assert (done.stdout, done.stderr) == ("", "")
    logged = output()
    assert [text for name, text in logged if name == "stderr"] == ["warning"]
    texts = [text for name, text in logged if name == "stdout"]
    assert texts == ["a", "é\\udcff", "b", " 2%", "forked", "no end"]


def test_output_of_children_next_to_a_stream_without_descriptor_is_logged_once(run: Callable[..., Any]) -> None:
    done = run(program("capture_children_beside"))
    assert (done.stdout, done.stderr) == ("child\nto the terminal\n", "raw\n")
    assert sorted(output()) == [
        ("stderr", "raw"),
        ("stdout", "cell"),
        ("stdout", "child"),
        ("stdout", "to the terminal"),
    ]


def test_cells_that_replace_and_restore_a_stream_do_not_end_capture(run: Callable[..., Any]) -> None:
    """IPython replaces `write` while a cell runs; capture begins and ends in the middle of one."""
    run(program("capture_cells_replace"))
    assert [text for _, text in output()] == ["one", "two", "three", "again"]


@pytest.mark.slow
def test_much_output_of_many_threads_without_a_descriptor_is_all_logged(run: Callable[..., Any]) -> None:
    run(program("capture_threads"))
    expected = {f"{n} {i} {'x' * 1000}" for n in range(4) for i in range(300)}
    assert len(output()) == 1200 and {text for _, text in output()} == expected


@pytest.mark.slow
def test_a_notebook_continues_when_the_capturing_process_is_killed_or_stopped(run: Callable[..., Any]) -> None:
    run(program("capture_notebook_killed"))
    assert len(list(read("runs/e_1").events(stream="output"))) == 300


@pytest.mark.slow
def test_a_close_that_was_interrupted_while_output_is_captured_can_be_repeated(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    """Interrupted at every line of Python of what gives the output back."""
    run(program("capture_close_interrupted"))


@pytest.mark.slow
def test_a_dropped_experiment_restores_the_output_and_releases_its_stream(run: Callable[..., Any]) -> None:
    """At once, without the garbage collector, so that a cell of a notebook can be run again."""
    done = run(program("capture_dropped"))
    assert done.stdout == "in 0\nin 1\nin 2\nstill in\nout\nin again\n" and done.stderr == ""
    texts = [[event.data["text"] for event in read(f"runs/{name}").events(stream="output")] for name in ("e", "e_1")]
    assert texts == [["in 0"], ["in 1"]]
    assert [event.data["text"] for event in read("runs/e_2").events("stdout", stream="output")] == [
        "in 2",
        "still in",
        "in again",
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: descriptors are counted in /proc")
def test_capture_that_cannot_start_leaves_nothing_open(run: Callable[..., Any]) -> None:
    """With few free descriptors, and if a step of the start raises."""
    run(program("capture_cannot_start"))


@pytest.mark.slow
def test_the_warning_says_how_the_capturing_process_ended(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + """
exp = Exp("runs", "e")
capture = exp.capture()
os.kill(capture._redirection.pid, signal.SIGABRT)
capture._redirection._done.wait()
"""
    )
    assert "the process that captured output has ended (SIGABRT): output is shown, and no longer logged" in done.stderr
