"""The system's load: sampled when asked for, true to what the system says, and ended in time."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, LogClosed, read
from mlvlogger._system import _Probe

ALWAYS = {
    "cpu_percent",
    "disk_free_bytes",
    "disk_read_bytes_per_second",
    "disk_written_bytes_per_second",
    "load_1min",
    "memory_total_bytes",
    "memory_used_bytes",
    "network_received_bytes_per_second",
    "network_sent_bytes_per_second",
    "process_cpu_percent",
    "process_memory_bytes",
    "process_threads",
    "swap_used_bytes",
}

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="not applicable: this system has no /proc")


def samples(stream: str = "system") -> list[dict[str, float]]:
    return [event.data for event in read("runs/e").events("sample", stream=stream)]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def nvidia_smi(script: str) -> None:
    """The one stand-in: no GPU is here."""
    Path("bin/nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    Path("bin/nvidia-smi").chmod(0o755)


@needs_proc
def test_samples_are_numbers_with_rates_from_the_second_on(conforms: Callable[..., Any]) -> None:
    begin = time.monotonic()
    with Exp("runs", "e") as exp:
        exp.watch(seconds=0.1)
        while len(samples()) < 3:
            time.sleep(0.01)
    found = samples()
    assert 4 <= len(found) <= 2 + (time.monotonic() - begin) / 0.1  # at 0, 0.1, 0.2 and so on, and the last
    assert set(found[0]) == {name for name in ALWAYS if not name.endswith("_per_second") and "cpu_percent" not in name}
    assert {frozenset(sample) for sample in found[1:]} == {frozenset(ALWAYS)}
    assert all(type(value) in (int, float) and value >= 0 for sample in found for value in sample.values())
    assert all(sample["memory_used_bytes"] < sample["memory_total_bytes"] for sample in found)
    assert "system" not in read("runs/e").metric("*", "x")
    conforms("runs/e", sealed=True)


@needs_proc
def test_a_process_that_works_is_seen(tmp_path: Path) -> None:
    probe = _Probe(str(tmp_path))
    first = probe.sample()
    done = threading.Event()
    # Libraries that earlier tests have imported may have threads, too: these here are ours.
    threads = [threading.Thread(target=done.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    begin, cpu = time.monotonic(), time.process_time()
    block = bytearray(os.urandom(1)) * 100_000_000
    while time.process_time() - cpu < 0.4:
        pass
    second = probe.sample()
    done.set()
    for thread in threads:
        thread.join()
    worked = 100 * (time.process_time() - cpu) / (time.monotonic() - begin)
    assert second["process_cpu_percent"] == pytest.approx(worked, abs=20)
    assert second["process_memory_bytes"] - first["process_memory_bytes"] > 50_000_000 and block
    assert second["process_threads"] - first["process_threads"] == len(threads)


@needs_proc
def test_psutil_says_the_same_as_proc(tmp_path: Path) -> None:
    pytest.importorskip("psutil", reason="psutil is not installed")
    ours, theirs = _Probe(str(tmp_path)), _Probe(str(tmp_path))
    theirs._sources = [theirs._disk_space, theirs._psutil]
    ours.sample(), theirs.sample()
    time.sleep(0.2)
    one, other = ours.sample(), theirs.sample()
    assert set(one) - set(other) == {"load_1min"} and set(other) <= set(one)
    for name in ("memory_total_bytes", "memory_used_bytes", "process_memory_bytes", "swap_used_bytes"):
        assert other[name] == pytest.approx(one[name], rel=0.1, abs=10_000_000), name


def test_every_gpu_is_recorded_with_what_it_tells() -> None:
    nvidia_smi("echo '0, 93, 1024, 81920, 64, 301.25'; echo '1, [N/A], 0, 81920, 31, [Not Supported]'")
    with Exp("runs", "e") as exp, exp.watch():
        pass
    gpus = {name: value for name, value in samples()[0].items() if name.startswith("gpu")}
    assert gpus == {
        "gpu0_utilization_percent": 93,
        "gpu0_memory_used_bytes": 2**30,
        "gpu0_memory_total_bytes": 80 * 2**30,
        "gpu0_temperature_celsius": 64,
        "gpu0_power_watts": 301.25,
        "gpu1_memory_used_bytes": 0,
        "gpu1_memory_total_bytes": 80 * 2**30,
        "gpu1_temperature_celsius": 31,
    }


@pytest.mark.parametrize("script", ["echo no driver >&2; exit 9", "echo something else", "echo '0, 1'"])
def test_a_broken_nvidia_smi_costs_the_gpus_alone_and_is_asked_once(script: str) -> None:
    with Exp("runs", "e") as exp:
        nvidia_smi(f"echo asked >> asked\n{script}")
        exp.watch(0.1)
        time.sleep(0.25)
    assert samples()[-1]["disk_free_bytes"] > 0
    assert Path("asked").read_text() == "asked\n"


def test_it_ends_with_the_experiment_at_once_and_not_twice() -> None:
    threads = set(threading.enumerate())
    with Exp("runs", "e") as exp:
        watch = exp.watch(seconds=1000)
        assert watch.is_running
    assert not watch.is_running and set(threading.enumerate()) <= threads
    watch.stop()
    assert len(samples()) == 2
    with pytest.raises(LogClosed):
        exp.watch()


def test_it_can_be_stopped_and_begun_again_but_not_doubled() -> None:
    with Exp("runs", "e") as exp:
        with exp.watch(1000):
            with pytest.raises(RuntimeError, match="watched already"):
                exp.watch()
        exp.watch(1000).stop()
        with Exp.join("runs/e", 3) as rank:
            rank.watch(1000)
    assert (len(samples()), len(samples("rank-3-system"))) == (4, 2)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of Python 3.12 and later
def test_a_forked_child_does_not_go_on_with_it(child: Callable[..., int]) -> None:
    with Exp("runs", "e") as exp:
        watch = exp.watch(seconds=1000)

        def check() -> None:
            assert not watch.is_running
            watch.stop()

        child(check)
        assert watch.is_running
    assert sorted(path.name for path in Path("runs/e/log").iterdir()) == ["system.jsonl"]


@pytest.mark.parametrize("seconds", [0, -1, 0.01, float("nan"), float("inf"), "10", True, None])
def test_a_wrong_interval_is_refused(seconds: Any) -> None:
    with Exp("runs", "e") as exp, pytest.raises(ValueError, match="give a number from 0.1 to 86400"):
        exp.watch(seconds)


def test_a_program_that_ends_without_a_word_ends() -> None:
    code = 'from mlvlogger import Exp; import time\nExp("runs", "e").watch(0.1)\ntime.sleep(0.25)'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(samples()) >= 2
