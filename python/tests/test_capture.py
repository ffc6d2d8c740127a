"""Capture: what a program puts out is shown and logged, whoever puts it out and however it ends."""

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
from mlvlogger._output import _MAX_LINE, Lines

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
        assert [continued for _, continued in pieces] == [True, True, False]
        assert max(len(piece) for piece, _ in pieces) <= _MAX_LINE


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_program_that_ends_without_a_word_leaves_all_its_output_and_an_open_stream(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    done = run(BEGIN + 'exp = Exp("runs", "e"); exp.capture()\nfor n in range(5000): print(n)\n')
    assert done.stdout.split() == [str(n) for n in range(5000)]
    assert [text for _, text in output()] == done.stdout.split()
    assert conforms("runs/e")["log/output.jsonl"][-1]["event"] == "stdout"


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()", "os._exit(1)"])
def test_what_was_put_out_before_a_crash_is_shown_and_logged(
    end: str, tmp_path: Path, conforms: Callable[..., Any]
) -> None:
    code = BEGIN + f'exp = Exp("runs", "e"); exp.capture()\nprint("a")\nprint("bc", end="", flush=True)\n{end}\n'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and done.stdout == "a\nbc"  # its end is that of the process that passes it on
    assert [text for _, text in output()] == ["a", "bc"]
    conforms("runs/e")


@pytest.mark.slow
def test_a_program_goes_on_when_the_capturing_process_is_killed(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + """
import warnings
warnings.simplefilter("ignore")
exp = Exp("runs", "e")
capture = exp.capture()
os.kill(capture._diversion.child, 9)
for n in range(20000):
    print(n)
exp.close()
print("end")
"""
    )
    # Nothing is missing; what was on its way comes in among what is put out meanwhile, wherever a write ends.
    assert sorted(done.stdout) == sorted("\n".join([*map(str, range(20000)), "end", ""]))


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert process.communicate()[0] == "interrupted\n"
    assert output() == [("stdout", "ready"), ("stdout", "interrupted")]


@pytest.mark.slow
def test_secrets_are_shown_and_not_logged(run: Callable[..., Any]) -> None:
    line = "hf_token=" + "hf_" + "a" * 34
    done = run(BEGIN + f'with Exp("runs", "e") as exp, exp.capture(): print({line!r})')
    assert (done.stdout, output()) == (line + "\n", [("stdout", "<redacted>")])


@pytest.mark.slow
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


@pytest.mark.slow
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
    while any(thread.name == "mlv-capture" for thread in threading.enumerate()): time.sleep(0.01)
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
    while any(thread.name == "mlv-capture" for thread in threading.enumerate()): time.sleep(0.01)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    else:
        raise AssertionError
"""
    )


def run_into(where: str, code: str) -> tuple[bytes, int]:
    """Run a program whose output is a file, a pipe or a terminal; what came there, and its exit status."""
    command = [sys.executable, "-c", BEGIN + code]
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

    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 1000):
            shown += data
    except OSError:  # nobody has the other end any more
        pass
    os.close(ours)
    return shown.replace(b"\r\n", b"\n"), process.wait()


# How a program prints a line, without ever flushing: what is done before, and for each text.
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
WRAPPERS = """
import logging
class Tee:
    def __init__(self, *streams): self.streams = streams
    def write(self, text):
        for stream in self.streams: stream.write(text)
    def flush(self): pass
class Logged:
    def write(self, text):
        if text.strip(): logging.error(text.strip())
    def flush(self): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "pipe", "terminal"])
@pytest.mark.parametrize("way", PRINTS)
def test_what_a_killed_program_printed_is_kept_once_and_with_the_time_of_each_line(way: str, where: str) -> None:
    before, statement = PRINTS[way]
    code = f"""{WRAPPERS}
{before}
exp = Exp("runs", "e")
exp.capture()
for text in ["one", "two", "three", "the end"]:
    {statement}
    while {way != "progress"} and text != "the end" and f'"{{text}}"' not in open("runs/e/log/output.jsonl").read():
        time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""
    shown, status = run_into(where, code)
    events = list(read("runs/e").events(stream="output"))
    if way == "progress":
        assert (shown.split(), status) == ([b"one", b"two", b"three", b"the", b"end"], -signal.SIGKILL)
        assert [event.data["text"] for event in events] == ["the end"]
        return
    assert (shown, status) == (b"one\ntwo\nthree\nthe end\n", -signal.SIGKILL)
    assert [event.data["text"] for event in events] == ["one", "two", "three", "the end"]
    times = [event.time for event in events]
    assert times == sorted(times) and len(set(times)) == 4


def test_what_c_code_of_a_killed_program_printed_is_kept() -> None:
    code = """
import ctypes
c = ctypes.CDLL(None)
if not hasattr(c, "gnu_get_libc_version"): sys.exit(3)
c.puts(b"before")
exp = Exp("runs", "e")
exp.capture()
c.puts(b"c code")
print("python")
c.printf(b"the end\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""
    shown, status = run_into("pipe", code)
    if status == 3:
        pytest.skip("not applicable: this C library is not that of GNU")
    assert (shown, status) == (b"before\nc code\npython\nthe end\n", -signal.SIGKILL)
    assert [text for _, text in output()] == ["c code", "python", "the end"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "pipe", "terminal"])
def test_afterwards_the_streams_are_what_they_were(where: str) -> None:
    shown, status = run_into(
        where,
        """
import ctypes, io
c, notebook = ctypes.CDLL(None), io.StringIO()
def state():
    streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
    buffers = [c.__flbf(ctypes.c_void_p.in_dll(c, "stdout"))] if hasattr(c, "__flbf") else []
    return [*map(id, streams), *[(s.line_buffering, s.write_through, "write" in vars(s)) for s in streams[2:]], buffers]
c.puts(b"c has a buffer now")
before = state()
with Exp("runs", "e") as exp:
    for stdout in (sys.stdout, notebook):
        sys.stdout, original = stdout, sys.stdout
        with exp.capture():
            print("in")
        assert sys.stdout is stdout
        sys.stdout = original
        assert state() == before, (state(), before)
    assert notebook.getvalue() == "in\\n"
print("the end", flush=True)
""",
    )
    assert (shown, status) == (b"c has a buffer now\nin\nthe end\n", 0), shown.decode()
    assert output() == [("stdout", "in")] * 2


# A stream as notebooks have it: it shows what it is given by itself, and has no descriptor.
NOTEBOOK = """
import io
class Cells(io.TextIOBase):
    def __init__(self): self.texts, self.parent = [], None
    def write(self, text):
        if not isinstance(text, str): raise TypeError("not a text")
        self.texts.append(text)
        return len(text)
    def set_parent(self, parent): self.parent = parent
    def text(self): return "".join(self.texts)
sys.stdout, sys.stderr = Cells(), Cells()
"""


def test_a_stream_without_a_descriptor_is_logged_and_shows_itself(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + NOTEBOOK
        + """
out, err = sys.stdout, sys.stderr
with Exp("runs", "e") as exp:
    exp.capture()
    assert print("a") is None and sys.stdout.write("é\\udcff\\n") == 3
    sys.stdout.writelines(["b", "\\n"])
    print("warning", file=sys.stderr)
    print("\\r 1%", end=""); print("\\r 2%")
    try:
        sys.stdout.write(b"bytes")
    except TypeError:
        pass
    sys.stdout.set_parent("cell 2")
    sys.stdout.mine = 1
    assert isinstance(sys.stdout, Cells) and sys.stdout.writable is not None and not sys.stdout.closed
    if os.fork() == 0:
        print("forked")
        os._exit(0)
    os.wait()
    print("no end", end="")
assert (sys.stdout, sys.stderr) == (out, err) and (out.parent, out.mine) == ("cell 2", 1)
print("after")
assert out.text() == "a\\né\\udcff\\nb\\n\\r 1%\\r 2%\\nno endafter\\n" and err.text() == "warning\\n"
"""
    )
    assert (done.stdout, done.stderr) == ("", "")
    logged = output()
    assert [text for name, text in logged if name == "stderr"] == ["warning"]
    texts = [text for name, text in logged if name == "stdout"]
    assert texts == ["a", "é\\udcff", "b", " 2%", "forked", "no end"]


def test_what_children_print_beside_such_a_stream_is_shown_and_logged_once(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + NOTEBOOK
        + """
with Exp("runs", "e") as exp, exp.capture():
    print("cell")
    subprocess.run(["echo", "child"])
    os.write(2, b"raw\\n")
    print("to the terminal", file=sys.__stdout__)
"""
    )
    assert (done.stdout, done.stderr) == ("child\nto the terminal\n", "raw\n")
    assert sorted(output()) == [
        ("stderr", "raw"),
        ("stdout", "cell"),
        ("stdout", "child"),
        ("stdout", "to the terminal"),
    ]


def test_cells_that_replace_write_or_the_stream_and_put_it_back_do_not_end_it(run: Callable[..., Any]) -> None:
    """IPython replaces `write` while a cell runs; capture begins and ends in the middle of one."""
    run(
        BEGIN
        + NOTEBOOK
        + """
import contextlib
shown = []
@contextlib.contextmanager
def cell():
    stream, write = sys.stdout, sys.stdout.write
    stream.write = lambda text: (shown.append(text), write(text))[1]
    yield
    stream.write = write
exp = Exp("runs", "e")
with cell():
    exp.capture()
    print("one")
with cell():
    print("two")
    with contextlib.redirect_stdout(io.StringIO()):
        print("hidden")
with cell():
    print("three")
    exp.close()
    print("after")
with cell():
    print("last")
assert type(sys.stdout) is Cells and sys.stdout.text() == "one\\ntwo\\nthree\\nafter\\nlast\\n"
with Exp.resume("runs/e") as exp, exp.capture():
    print("again")
"""
    )
    assert [text for _, text in output()] == ["one", "two", "three", "again"]


@pytest.mark.slow
def test_much_text_of_many_threads_beside_a_descriptor_is_all_logged(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + NOTEBOOK
        + """
def work(n):
    for i in range(300):
        sys.stdout.write(f"{n} {i} {'x' * 1000}\\n")
with Exp("runs", "e") as exp, exp.capture():
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
    )
    expected = {f"{n} {i} {'x' * 1000}" for n in range(4) for i in range(300)}
    assert len(output()) == 1200 and {text for _, text in output()} == expected


@pytest.mark.slow
def test_a_notebook_goes_on_when_the_capturing_process_is_killed_or_stopped(run: Callable[..., Any]) -> None:
    run(
        BEGIN
        + NOTEBOOK
        + """
warnings.simplefilter("ignore")
before = len(os.listdir("/proc/self/fd"))
for sign in (signal.SIGKILL, signal.SIGSTOP):
    exp = Exp("runs", "e", exists="number")
    capture = exp.capture()
    os.kill(capture._diversion.child, sign)
    def resume():
        time.sleep(0.3)
        os.kill(capture._diversion.child, signal.SIGCONT)
    if sign == signal.SIGSTOP:
        threading.Thread(target=resume).start()
    for n in range(300):
        print("x" * 1000)  # more than a pipe holds
    exp.close()
    del exp, capture
    assert sys.stdout.text().count("x") == 300_000, len(sys.stdout.text())
    sys.stdout.texts.clear()
until = time.monotonic() + 60
while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < until:
    time.sleep(0.01)
assert len(os.listdir("/proc/self/fd")) == before
"""
    )
    assert len(list(read("runs/e_1").events(stream="output"))) == 300


@pytest.mark.slow
def test_a_close_that_was_interrupted_while_output_is_captured_can_be_repeated(
    run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    """Interrupted at every line of Python of what gives the output back."""
    run(
        BEGIN
        + """
import linecache
class Stop(Exception): pass
before = os.fstat(1)
def close(exp, point):
    count = 0
    def trace(frame, kind, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith(("_output.py", "_printing.py")):
            return None
        # Python calls the end of a with block at its first line, and no signal handler comes before that call.
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if kind == "line" and not text.strip().startswith("with "):
            count += 1
            if count == point:
                sys.settrace(None)
                raise Stop
        return trace
    sys.settrace(trace)
    try:
        exp.close()
    except Stop:
        return True
    finally:
        sys.settrace(None)
    return False
point = 0
interrupted = True
while interrupted:
    point += 1
    exp = Exp("runs", f"e{point}")
    capture = exp.capture()
    print("captured")
    interrupted = close(exp, point)
    begin = time.monotonic()
    exp.close()
    assert time.monotonic() - begin < 5, point
    assert os.path.samestat(os.fstat(1), before), point
    for name in ("log.jsonl", "log/output.jsonl"):
        with open(f"runs/e{point}/{name}") as log:
            assert '"mlv/end"' in log.read().splitlines()[-1], (point, name)
    assert [event.data["text"] for event in read(exp.path).events("stdout", stream="output")] == ["captured"]
assert point > 15, point
"""
    )


@pytest.mark.slow
def test_a_dropped_experiment_gives_the_output_back_and_lets_go_of_its_stream(run: Callable[..., Any]) -> None:
    """At once, without the garbage collector, so that a cell of a notebook can be run again."""
    done = run(
        BEGIN
        + """
import gc
gc.disable()
before = os.fstat(1), os.fstat(2), sys.stdout
for number in range(3):
    exp = Exp("runs", "e", exists="number")
    exp.capture()
    print("in", number)
log = exp.log.sub("train")
del exp
print("still in")  # as long as somebody logs
del log
assert (os.fstat(1), os.fstat(2), sys.stdout)[2] is before[2]
assert os.path.samestat(os.fstat(1), before[0]) and os.path.samestat(os.fstat(2), before[1])
print("out")
with Exp.resume("runs/e_2") as exp, exp.capture():
    print("in again")
"""
    )
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
    run(
        BEGIN
        + NOTEBOOK
        + """
import resource
from unittest import mock
exp = Exp("runs", "e")
with exp.capture("first"):
    pass  # what is opened once, such as libraries
def opened():
    return sorted(os.listdir("/proc/self/fd"), key=int)[:-1]
def children():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
until = time.monotonic() + 60
while children() is not None and time.monotonic() < until:
    time.sleep(0.01)
before, hard = opened(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
refused = 0
for free in range(30):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(before[-1]) + 1 + free, hard))
    try:
        capture = exp.capture(f"few-{free}")
    except OSError:
        refused += 1
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        capture.stop()
        break
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert opened() == before, (free, opened(), before)
    assert children() is None
assert refused > 10 and os.path.exists(f"runs/e/log/few-{free}.jsonl"), refused
while opened() != before:
    time.sleep(0.01)
for step in ("os.dup", "os.pipe", "os.set_blocking", "os.posix_spawn", "threading.Thread.start"):
    for error in (OSError("no"), MemoryError(), RuntimeError("can't start new thread")):
        with mock.patch(step, side_effect=error):
            try:
                exp.capture(f"step-{step}")
                raise AssertionError(step)
            except type(error):
                pass
        assert opened() == before and children() is None, step
exp.close()
"""
    )


@pytest.mark.slow
def test_the_warning_says_how_the_capturing_process_has_ended(run: Callable[..., Any]) -> None:
    done = run(
        BEGIN
        + """
exp = Exp("runs", "e")
capture = exp.capture()
os.kill(capture._diversion.child, signal.SIGABRT)
capture._diversion._done.wait()
"""
    )
    assert "the process that captured output has ended (SIGABRT): output is shown, and logged no more" in done.stderr
