"""`mlv tail`: following an experiment while another process writes it."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlv_tools._commands import tail
from mlv_tools._reading.follow import Follower
from mlvlogger import MAX_RECORD, Exp, read

WRITER = Path(__file__).with_name("programs") / "tail_writer.py"


def test_the_last_events_of_all_streams_come_in_the_order_of_time(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path, "e") as exp:
        exp.log.event("one")
        exp.stream("gpu").event("two")
        exp.log.event("three")
    lines = [line.split()[1:3] for line in mlv("tail", "e", "-n", "5").splitlines()]
    assert lines[:3] == [["gpu:1", "mlv/start"], ["gpu:2", "two"], ["log:3", "three"]]
    assert sorted(lines[3:]) == [["gpu:3", "mlv/end"], ["log:4", "mlv/end"]]
    assert mlv("tail", "e", "-n", "0") == ""


def test_times_are_in_utc_and_say_so(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path, "e") as exp:
        exp.log.event("one")
    (event,) = read(exp.path).events()
    line = mlv("tail", "e", "-n", "2", TZ="Asia/Tokyo").splitlines()[0]
    assert line.split()[0] == f"{event.time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    created = read(exp.path).created
    assert created and f"{created:%Y-%m-%d %H:%M:%S} UTC" in mlv("show", "e", TZ="Asia/Tokyo").partition("records")[2]


def test_events_of_another_process_are_followed_to_the_end_and_printed_once(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, WRITER], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout and writer.stdout.readline() == "ready\n"
    command = [sys.executable, "-m", "mlv_tools", "tail", "--until-end", "runs/e"]
    reader = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reader.stdout
    first = reader.stdout.readline()  # it looks
    writer.communicate("go\n")
    output, errors = reader.communicate(timeout=240)
    output = first + output
    assert (reader.returncode, errors) == (0, "")
    seen = [tuple(line.split()[1].split(":")) for line in output.splitlines()]
    run = read(tmp_path / "runs/e")
    expected = {
        (stream.removeprefix("log/").removesuffix(".jsonl"), str(event.seq))
        for stream in run.streams
        for event in run.events(stream=stream, lifecycle=True)
    }
    assert len(seen) == len(set(seen)) and {one for one in expected if one[0] == "log"} <= set(seen)
    assert ("late", "2") in seen
    batch = next(line for line in output.splitlines() if "epoch/batch" in line)
    assert "   epoch/batch step=0 loss=0.5" in batch


def test_following_ends_by_an_interrupt_with_130(tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    command = [sys.executable, "-m", "mlv_tools", "tail", "-f", "e"]
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores the signal
    try:
        reader = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert reader.stdout and "mlv/start" in reader.stdout.readline()
    reader.send_signal(signal.SIGINT)
    _, errors = reader.communicate(timeout=240)
    assert (reader.returncode, errors) == (130, "")
    exp.close()


def test_half_a_line_is_not_shown_until_it_is_whole(tmp_path: Path) -> None:
    exp = Exp(tmp_path, "e")
    exp.flush()
    log = exp.path / "log.jsonl"
    follower = Follower(read(exp.path))
    follower.last(5)
    line = b'{"seq":2,"time":"2026-11-22T18:24:00.000001Z","event":"batch","data":{}}\n'
    for part in (line[:20], line[20:-1]):
        with log.open("ab") as file:
            file.write(part)
        assert list(follower.new()) == []
    with log.open("ab") as file:
        file.write(b"\ngarbled\n")
    assert [(stream, event.seq) for stream, event, _ in follower.new()] == [("log.jsonl", 2)]
    assert follower.left_out == 1
    with pytest.warns(RuntimeWarning, match="was extended by another program"):
        exp.close()


def test_a_burst_is_followed_to_its_end_and_a_line_that_is_too_long_is_skipped(tmp_path: Path) -> None:
    """A mebibyte at a time is read, and a line may have sixteen; the bytes come in two parts."""
    exp = Exp(tmp_path, "e")
    exp.flush()
    follower = Follower(read(exp.path))
    follower.last(0)
    line = '{{"seq":{},"time":"2026-11-22T18:24:00.000001Z","event":"batch","data":{{"text":"{}"}}}}\n'
    burst = "".join(line.format(seq, "x" * 1000) for seq in range(2, 5000)).encode()
    with (exp.path / "log.jsonl").open("ab") as file:
        file.write(burst + b"x" * MAX_RECORD)
    assert [event.seq for _, event, _ in follower.new()] == list(range(2, 5000))
    with (exp.path / "log.jsonl").open("ab") as file:
        file.write(b"x\n" + line.format(5001, "y" * 2_000_000).encode())
    assert [event.seq for _, event, _ in follower.new()] == [5001]
    assert (follower.left_out, list(follower.new())) == (1, [])
    with pytest.warns(RuntimeWarning, match="was extended by another program"):
        exp.close()


def test_a_log_that_is_not_a_file_is_an_error_and_other_parts_are_named(
    mlv: Callable[..., str], tmp_path: Path
) -> None:
    Exp(tmp_path, "a").close()
    (tmp_path / "a/log").symlink_to(tmp_path)
    done = subprocess.run([sys.executable, "-m", "mlv_tools", "tail", tmp_path / "a"], capture_output=True, text=True)
    assert done.returncode == 0 and "mlv/end" in done.stdout
    assert "a: log is a symbolic link and isn't read (for details, run: mlv-validate " in done.stderr
    (tmp_path / "a/log.jsonl").rename(tmp_path / "kept")
    (tmp_path / "a/log.jsonl").symlink_to(tmp_path / "kept")
    assert "log.jsonl is a symbolic link and isn't read" in mlv("tail", "a", exit=1)


def test_an_end_whose_seconds_are_no_number_is_shown(mlv: Callable[..., str], tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp, exp.log.span("epoch"):
        pass
    log = exp.path / "log.jsonl"
    text = re.sub(r'"seconds":[0-9.e-]+', '"seconds":"abc"', log.read_text())
    log.write_text(text)
    assert '"abc"' in text and "epoch } abc s" in mlv("tail", "a")


def test_events_of_a_stream_that_appears_with_the_end_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = Exp(tmp_path, "e")
    exp.log.event("first")
    exp.flush()
    added = Follower._added

    def late(follower: Follower, stream: str) -> list[bytes]:
        monkeypatch.setattr(Follower, "_added", added)
        exp.stream("gpu").event("load", percent=50)
        exp.close()
        return added(follower, stream)

    monkeypatch.setattr(Follower, "_added", late)
    done = CliRunner().invoke(tail.command, [str(exp.path), "--until-end"])
    assert done.exit_code == 0 and "load" in done.output and "mlv/end" in done.output
