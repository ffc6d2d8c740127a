"""The system's load: sampled when asked for, true to what the system says, and ended in time."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, LogClosed, Logger, StreamBusy, _monitor, read
from mlvlogger._disk.folder import Folder
from mlvlogger._monitor import Watch, _Probe
from program import program

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
    """The only mock: no GPU is here."""
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
    # The last sample may come so soon that no processor has ticked: then there is no share of ticks.
    assert {frozenset({*sample, "cpu_percent"}) for sample in found[1:]} == {frozenset(ALWAYS)}
    assert "cpu_percent" in found[1]
    assert all(type(value) in (int, float) and value >= 0 for sample in found for value in sample.values())
    assert all(sample["memory_used_bytes"] < sample["memory_total_bytes"] for sample in found)
    assert read("runs/e").metric("*", "memory_used_bytes") == ([], []), "the samples are in another stream"
    conforms("runs/e", sealed=True)


@pytest.mark.slow
@needs_proc
def test_the_load_of_a_busy_process_is_recorded(tmp_path: Path) -> None:
    probe = _Probe(Folder(str(tmp_path)))
    before = time.monotonic(), time.process_time()
    first = probe.sample()
    begin, cpu = time.monotonic(), time.process_time()
    done = threading.Event()
    # Libraries that earlier tests have imported may have threads, too: these are of this test.
    threads = [threading.Thread(target=done.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    block = bytearray(os.urandom(1)) * 100_000_000
    while time.process_time() - cpu < 0.4:
        pass
    end, used = time.monotonic(), time.process_time()
    second = probe.sample()
    after = time.monotonic(), time.process_time()
    done.set()
    for thread in threads:
        thread.join()
    # The probe reads its counters inside of the two samples, in which the process may wait for a processor.
    least, most = (used - cpu) / (after[0] - before[0]), (after[1] - before[1]) / (end - begin)
    assert 100 * least - 10 <= second["process_cpu_percent"] <= 100 * most + 10
    assert second["process_memory_bytes"] - first["process_memory_bytes"] > 50_000_000 and block
    assert second["process_threads"] - first["process_threads"] == len(threads)


class Reading:
    """The counters of the system; the test sets the clock, which continues between two readings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = 1000.0
        self.files: dict[str, str] = {}
        monkeypatch.setattr(time, "monotonic", self.tick)
        monkeypatch.setattr(_monitor, "_read", lambda path: self.files[path])
        monkeypatch.setattr(os.path, "exists", lambda path: True)

    def tick(self) -> float:
        self.clock += 0.25  # a thread that is kept waiting between what it reads first and last
        return self.clock


@needs_proc
def test_cpu_percent_is_the_share_of_busy_ticks_whatever_the_clock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading, probe = Reading(monkeypatch), _Probe(Folder(str(tmp_path)))
    probe._sources = [probe._cpu]
    # user nice system idle iowait irq softirq steal guest guest_nice: one busy loop on two processors
    reading.files["/proc/stat"] = "cpu  1000 10 200 5000 300 4 5 6 100 0\ncpu0 1 1 1 1\n"
    assert probe.sample() == {}
    reading.files["/proc/stat"] = "cpu  1050 20 220 5080 320 9 15 11 150 0\ncpu0 1 1 1 1\n"
    assert probe.sample() == {"cpu_percent": 50.0}
    assert probe.sample() == {}  # no tick has come since
    reading.files["/proc/stat"] = "cpu  1150 20 220 5080 320 9 15 11 250 0\ncpu0 1 1 1 1\n"
    assert probe.sample() == {"cpu_percent": 100.0}
    reading.files["/proc/stat"] = "cpu  1150 20 220 5280 320 9 15 11 250 0\ncpu0 1 1 1 1\n"
    assert probe.sample() == {"cpu_percent": 0.0}


@needs_proc
def test_a_rate_is_by_the_clock_at_its_own_counter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not by the clock when the sample began: other sources, nvidia-smi among them, may take seconds."""
    reading, probe = Reading(monkeypatch), _Probe(Folder(str(tmp_path)))
    slow = iter([7.0, 0.0])

    def gpus() -> Any:
        reading.clock += next(slow)
        return {}

    probe._sources = [gpus, probe._disks, probe._network]

    def at(seconds: float) -> None:
        """A machine whose disk and network move 1000 bytes each second."""
        reading.clock, count = seconds, int(seconds)
        reading.files["/proc/diskstats"] = f"8 0 sda 1 1 {count} 1 1 1 {count} 1 1 1 1\n"
        reading.files["/proc/net/dev"] = f"\n\nlo: 9 0 0 0 0 0 0 0 9\neth0: {count * 1000} 0 0 0 0 0 0 0 {count}\n"

    at(1000)
    probe.sample()
    at(1010)
    found = probe.sample()
    # 10 ticks in 3 seconds by the clock at the counters; by the clock at the beginning of the samples, in 10.
    assert found["network_received_bytes_per_second"] == pytest.approx(10_000 / 3, rel=0.01)
    assert found["disk_read_bytes_per_second"] == pytest.approx(5120 / 3, rel=0.01)


@pytest.mark.slow
@needs_proc
def test_no_percentage_exceeds_100(tmp_path: Path) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    probe, found = _Probe(Folder(str(tmp_path))), []
    probe._sources = [probe._cpu, probe._process]
    try:
        for _ in range(60):
            found.append(probe.sample())
            time.sleep(0.02)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    shares = [sample["cpu_percent"] for sample in found if "cpu_percent" in sample]
    assert len(shares) > 20 and max(shares) <= 100
    assert sum(shares) / len(shares) > 50  # more loops than processors
    assert max(sample.get("process_cpu_percent", 0) for sample in found) <= 100.5  # one thread


@needs_proc
def test_psutil_and_proc_give_the_same_values(tmp_path: Path) -> None:
    pytest.importorskip("psutil", reason="psutil is not installed")
    by_proc, by_psutil = _Probe(Folder(str(tmp_path))), _Probe(Folder(str(tmp_path)))
    by_psutil._sources = [by_psutil._disk_space, by_psutil._psutil]
    by_proc.sample(), by_psutil.sample()
    time.sleep(0.2)
    one, other = by_proc.sample(), by_psutil.sample()
    assert set(one) - set(other) == {"load_1min"} and set(other) <= set(one)
    assert 0 <= other["cpu_percent"] <= 100 and other["process_cpu_percent"] < 100
    for name in ("memory_total_bytes", "memory_used_bytes", "process_memory_bytes", "swap_used_bytes"):
        assert other[name] == pytest.approx(one[name], rel=0.1, abs=10_000_000), name


def test_every_gpu_is_recorded_with_the_values_that_it_reports() -> None:
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
def test_a_broken_nvidia_smi_loses_only_the_gpus_and_is_called_once(script: str) -> None:
    with Exp("runs", "e") as exp:
        nvidia_smi(f"echo asked >> asked\n{script}")
        exp.watch(0.1)
        while len(samples()) < 3:
            time.sleep(0.01)
    assert samples()[-1]["disk_free_bytes"] > 0
    assert Path("asked").read_text() == "asked\n"


def test_the_watch_ends_with_the_experiment_at_once_and_only_once() -> None:
    threads = set(threading.enumerate())
    with Exp("runs", "e") as exp:
        watch = exp.watch(seconds=1000)
        assert watch.is_running
    assert not watch.is_running and set(threading.enumerate()) <= threads
    watch.stop()
    assert len(samples()) == 2
    with pytest.raises(LogClosed):
        exp.watch()


def test_the_watch_can_be_restarted_but_not_run_twice_at_once() -> None:
    with Exp("runs", "e") as exp:
        with exp.watch(1000):
            with pytest.raises(RuntimeError, match="watched already"):
                exp.watch()
        exp.watch(1000).stop()
        with Exp.join("runs/e", 3) as rank:
            rank.watch(1000)
    assert (len(samples()), len(samples("rank-3-system"))) == (4, 2)


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
def test_a_dropped_watch_ends_and_releases_its_log_at_once(tmp_path: Path) -> None:
    watch = Watch(lambda: Logger("system.jsonl"), Folder(str(tmp_path)), 1000)
    thread = watch._thread
    while not Path("system.jsonl").read_text().count('"sample"'):
        time.sleep(0.01)
    with pytest.raises(StreamBusy):
        Logger("system.jsonl")
    del watch
    thread.join(60)
    Logger("system.jsonl").close()
    assert not thread.is_alive()


@pytest.mark.usefixtures("_no_garbage_collection")
def test_a_referenced_watch_continues_and_a_stopped_one_stays_stopped(tmp_path: Path) -> None:
    log = Logger("system.jsonl")
    watch = Watch(lambda: log, Folder(str(tmp_path)), 0.1)
    watch.stop()
    assert not watch.is_running and not watch._thread.is_alive()
    count = Path("system.jsonl").read_text().count('"sample"')
    del watch
    log.close()
    assert count >= 2 and Path("system.jsonl").read_text().count('"sample"') == count


@pytest.mark.usefixtures("_no_garbage_collection")
def test_a_dropped_experiment_drops_its_watch() -> None:
    exp = Exp("runs", "e")
    exp.watch(1000)
    thread = next(thread for thread in threading.enumerate() if thread.name == "mlv-watch")
    del exp
    thread.join(60)
    assert not thread.is_alive()
    with Exp.resume("runs/e") as again:
        again.watch(1000)
    assert read("runs/e").state == "completed"


@pytest.mark.slow
@pytest.mark.usefixtures("_no_garbage_collection")
def test_the_watch_continues_while_a_logger_of_the_experiment_is_referenced() -> None:
    exp = Exp("runs", "e")
    exp.watch(0.1)
    log = exp.log.sub("train")
    thread = next(thread for thread in threading.enumerate() if thread.name == "mlv-watch")
    del exp
    count = len(samples())
    while len(samples()) < count + 3:
        time.sleep(0.01)
    del log
    thread.join(60)
    assert not thread.is_alive()
    Exp.resume("runs/e").close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of Python 3.12 and later
def test_a_forked_child_does_not_continue_the_watch(child: Callable[..., int]) -> None:
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


@pytest.mark.slow
def test_a_program_that_ends_without_close_is_not_held_up_by_the_watch() -> None:
    code = program("system_no_close")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(samples()) >= 2
