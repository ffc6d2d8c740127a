"""The load of the machine, of this process and of its GPUs, as events of a stream: a thread samples it now and then."""

from __future__ import annotations

import os
import time

from ._errors import LogClosed
from ._values import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ._disk import Folder
    from ._logger import Logger

__all__ = ["Watch"]

_LEAST = 0.1  # seconds from sample to sample
_GPU_PATIENCE = 10.0  # seconds that nvidia-smi may take: a driver may hang
_SECTOR = 512  # bytes: the unit of /proc/diskstats, whatever the disk
_GPU = {  # of nvidia-smi: the end of the metric's name, and a factor to its unit
    "utilization.gpu": ("utilization_percent", 1),
    "memory.used": ("memory_used_bytes", 2**20),
    "memory.total": ("memory_total_bytes", 2**20),
    "temperature.gpu": ("temperature_celsius", 1),
    "power.draw": ("power_watts", 1),
}


class Watch:
    """Samples, until it is stopped: what `Exp.watch` returns. A context manager.

    The metrics are numbers; one that the system does not tell is left out. Rates begin with the second sample.
    """

    def __init__(self, open_log: Callable[[], Logger], root: Folder, seconds: float) -> None:
        if type(seconds) not in (int, float) or not _LEAST <= seconds <= 86_400:
            raise ValueError(f"seconds is {short(seconds)}; give a number from {_LEAST} to 86400, such as 10.")
        import threading

        self._log = open_log()
        self._seconds = seconds
        self._owner = os.getpid()
        self._probe = _Probe(root)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlv-watch", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Does it sample? Not after `stop`, and not in a forked child."""
        return self._owner == os.getpid() and not self._stop.is_set()

    def stop(self) -> None:
        """Take a last sample, and end. The stream ends with the experiment. A second call does nothing."""
        if self.is_running:
            self._stop.set()
            self._thread.join(_GPU_PATIENCE)

    def _run(self) -> None:
        due, is_last = time.monotonic(), False
        try:
            while True:
                self._log.event("sample", self._probe.sample())
                if is_last:
                    return
                due = max(due + self._seconds, time.monotonic())  # a sample that came late delays no other
                is_last = self._stop.wait(due - time.monotonic())
        except (LogClosed, OSError):
            pass  # the experiment has ended; or on_error="raise", and nobody is here to be told

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Probe:
    """What can be known of the system, as a flat dict of metrics; counters become rates since the sample before."""

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._before: dict[str, float] = {}
        self._clock = 0.0
        self._sources: list[Callable[[], dict[str, float]]] = [self._disk_space, self._gpus]
        if os.path.exists("/proc/stat"):
            self._sources += [self._cpu, self._memory, self._disks, self._network, self._process]
        else:
            self._sources += [self._psutil]

    def sample(self) -> dict[str, float]:
        clock, present = time.monotonic(), {}
        seconds, self._clock = clock - self._clock, clock
        for source in list(self._sources):
            try:
                present.update(source())
            except (OSError, ValueError, ImportError, IndexError, KeyError, AttributeError):
                self._sources.remove(source)  # this system does not tell
        counters = {name: value for name, value in present.items() if name.startswith("+")}
        sample = {name: value for name, value in present.items() if name not in counters}
        for name, value in counters.items():
            if name in self._before and seconds > 0:
                sample[name[1:]] = round(max(value - self._before[name], 0) / seconds, 2)
        self._before = counters
        return dict(sorted(sample.items()))

    # Each source gives metrics; one whose name begins with + is a counter, of which the rate is the metric.

    def _cpu(self) -> dict[str, float]:
        jiffies = [int(word) for word in _read("/proc/stat").split("\n", 1)[0].split()[1:9]]
        busy = sum(jiffies) - jiffies[3] - jiffies[4]  # all but idle and waiting for disks; guests are in user time
        load = float(_read("/proc/loadavg").split()[0])
        ticks = os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1)
        return {"+cpu_percent": 100 * busy / ticks, "load_1min": load}

    def _memory(self) -> dict[str, float]:
        lines = (line.split() for line in _read("/proc/meminfo").splitlines())
        sizes = {words[0]: int(words[1]) * 1024 for words in lines}
        return {
            "memory_used_bytes": sizes["MemTotal:"] - sizes["MemAvailable:"],
            "memory_total_bytes": sizes["MemTotal:"],
            "swap_used_bytes": sizes["SwapTotal:"] - sizes["SwapFree:"],
        }

    def _disks(self) -> dict[str, float]:
        read = written = 0
        for words in map(str.split, _read("/proc/diskstats").splitlines()):
            # Whole disks that are made of nothing else: no partitions, no RAM disks, no LVM or RAID over others.
            if not words[2].startswith(("loop", "ram", "dm-", "md", "zram")) and os.path.exists(
                f"/sys/block/{words[2]}"
            ):
                read += int(words[5]) * _SECTOR
                written += int(words[9]) * _SECTOR
        return {"+disk_read_bytes_per_second": read, "+disk_written_bytes_per_second": written}

    def _disk_space(self) -> dict[str, float]:
        space = os.statvfs(self._root.path if self._root.fd is None else self._root.fd)
        return {"disk_free_bytes": space.f_bavail * space.f_frsize}

    def _network(self) -> dict[str, float]:
        received = sent = 0
        for line in _read("/proc/net/dev").splitlines()[2:]:
            name, _, counts = line.partition(":")
            if name.strip() != "lo":
                received += int(counts.split()[0])
                sent += int(counts.split()[8])
        return {"+network_received_bytes_per_second": received, "+network_sent_bytes_per_second": sent}

    def _process(self) -> dict[str, float]:
        words = _read("/proc/self/stat").rpartition(")")[2].split()  # the name before it may hold anything
        seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        return {
            "+process_cpu_percent": 100 * seconds,
            "process_memory_bytes": int(words[21]) * os.sysconf("SC_PAGE_SIZE"),
            "process_threads": int(words[17]),
        }

    def _psutil(self) -> dict[str, float]:
        from importlib import import_module

        psutil = import_module("psutil")  # where there is no /proc; the one module not of Python's own, if installed
        memory, times, process = psutil.virtual_memory(), psutil.cpu_times(), psutil.Process()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0)
        disks, network, own = psutil.disk_io_counters(), psutil.net_io_counters(), process.cpu_times()
        found = {
            "+cpu_percent": 100 * busy / (os.cpu_count() or 1),
            "memory_used_bytes": memory.total - memory.available,
            "memory_total_bytes": memory.total,
            "swap_used_bytes": psutil.swap_memory().used,
            "+network_received_bytes_per_second": network.bytes_recv,
            "+network_sent_bytes_per_second": network.bytes_sent,
            "+process_cpu_percent": 100 * (own.user + own.system),
            "process_memory_bytes": process.memory_info().rss,
            "process_threads": process.num_threads(),
        }
        if disks is not None:
            found["+disk_read_bytes_per_second"] = disks.read_bytes
            found["+disk_written_bytes_per_second"] = disks.write_bytes
        return found

    def _gpus(self) -> dict[str, float]:
        import shutil
        import subprocess

        program = shutil.which("nvidia-smi")
        if program is None:
            raise FileNotFoundError("nvidia-smi")
        query = ["--query-gpu=index," + ",".join(_GPU), "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(
                [program, *query], capture_output=True, text=True, timeout=_GPU_PATIENCE, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise OSError("nvidia-smi hangs") from error
        if answer.returncode:
            raise OSError(answer.stderr)
        return dict(_gpu_metrics(answer.stdout.splitlines()))


def _gpu_metrics(lines: Iterable[str]) -> Iterable[tuple[str, float]]:
    for line in lines:
        index, *values = (word.strip() for word in line.split(","))
        for value, (name, factor) in zip(values, _GPU.values(), strict=True):
            try:
                yield f"gpu{int(index)}_{name}", float(value) * factor
            except ValueError:
                continue  # [N/A]: this GPU does not tell


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
