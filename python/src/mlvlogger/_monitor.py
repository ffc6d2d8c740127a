"""The load of the machine, of this process and of GPUs, which a thread samples and logs at an interval."""

from __future__ import annotations

import os
import threading
import time
from importlib import import_module
from weakref import ref

from ._environment.nvidia import gpu_metrics
from ._errors import LogClosed, WriteFailed
from ._messages import short, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    from ._disk.folder import Folder
    from ._logger import Logger

    _Counter: TypeAlias = tuple[float, float]
    _Metrics: TypeAlias = dict[str, float | _Counter]

__all__ = ["Watch"]

_MIN_SECONDS = 0.1  # of the interval
_GPU_TIMEOUT = 10.0  # seconds for nvidia-smi: a driver may hang
_SECTOR = 512  # bytes: the unit of /proc/diskstats for every disk


class Watch:
    """A running measurement of the system's load, as returned by `Exp.watch`. A context manager.

    A thread logs samples until the object is stopped or dropped. The metrics of a sample are numbers; a metric that the
    system doesn't report is missing. Rates begin with the second sample.

    Args:
        open_log: A function that opens the logger for the samples.
        root: The open directory of the experiment, for the free disk space.
        seconds: The interval in seconds.

    Raises:
        ValueError: If *seconds* isn't a number from 0.1 to 86400. Other exceptions are those of *open_log*.
    """

    def __init__(self, open_log: Callable[[], Logger], root: Folder, seconds: float) -> None:
        if type(seconds) not in (int, float) or not _MIN_SECONDS <= seconds <= 86_400:
            raise ValueError(f"seconds is {short(seconds)}; give a number from {_MIN_SECONDS} to 86400, such as 10.")
        self._log = open_log()
        self._owner = os.getpid()
        self._stopped = False
        # This lock is released to stop the thread. `__del__` can release it wherever the garbage collector runs. It
        # couldn't set a `threading.Event`: the thread in which it runs may hold the lock of the event.
        self._stop_lock = threading.Lock()
        self._stop_lock.acquire()
        # The thread refers neither to this object nor, between two samples, to the logger, so that both can be dropped.
        arguments = (ref(self._log), _Probe(root), self._stop_lock, seconds)
        self._thread = threading.Thread(target=_sample_until_stopped, args=arguments, name="mlv-watch", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether samples are logged. Always False after `stop`, and in a forked child."""
        return self._owner == os.getpid() and not self._stopped and self._thread.is_alive()

    def stop(self) -> None:
        """Log a last sample, and stop. The stream stays open until the experiment ends. A second call does nothing."""
        if self.is_running:
            self._stopped = True
            self._stop_lock.release()
            self._thread.join(_GPU_TIMEOUT)

    def __del__(self) -> None:
        if not getattr(self, "_stopped", True):  # the attribute is missing if __init__ raised
            self._stopped = True
            self._stop_lock.release()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _sample_until_stopped(log: ref[Logger], probe: _Probe, stop: threading.Lock, seconds: float) -> None:
    due, is_last = time.monotonic(), False
    try:
        while True:
            sample = probe.sample()
            logger = log()
            if logger is None:
                return
            try:
                logger.event("sample", sample)
            except WriteFailed as error:  # with on_error="raise"; in this thread, the user couldn't catch it
                warn_once(f"a sample of the system was not logged: {error}")
            del logger
            if is_last:
                return
            due = max(due + seconds, time.monotonic())  # after a late sample, the next one is on time
            is_last = stop.acquire(timeout=max(due - time.monotonic(), 0))
    except LogClosed:
        pass  # the experiment has ended


class _Probe:
    """The sources of metrics that this system has. Counters become rates since the previous sample."""

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._before: dict[str, _Counter] = {}
        self._sources: list[Callable[[], _Metrics]] = [self._disk_space, self._gpus]
        if os.path.exists("/proc/stat"):
            self._sources += [self._cpu, self._load, self._memory, self._disks, self._network, self._process]
        else:
            self._sources += [self._psutil]

    def sample(self) -> dict[str, float]:
        """Return the current metrics by name, in alphabetical order."""
        present: _Metrics = {}
        for source in list(self._sources):
            try:
                present.update(source())
            except (OSError, ValueError, ImportError, IndexError, KeyError, AttributeError):
                self._sources.remove(source)  # this system doesn't have the source
        sample: dict[str, float] = {}
        for name, value in sorted(present.items()):
            if not isinstance(value, tuple):
                sample[name] = value
                continue
            before = self._before.setdefault(name, value)
            if value[1] > before[1]:
                sample[name] = round(max(value[0] - before[0], 0) / (value[1] - before[1]), 2)
                self._before[name] = value
        return sample

    # Each source returns metrics. For a counter, it returns the count and the divisor of the rate, usually a time. Both
    # must be read together: with a time that is read earlier or later, the rate would be wrong.

    def _cpu(self) -> _Metrics:
        # The user time includes guests.
        return {"cpu_percent": _busy(*map(int, _read("/proc/stat").split("\n", 1)[0].split()[1:9]))}

    def _load(self) -> _Metrics:
        return {"load_1min": float(_read("/proc/loadavg").split()[0])}

    def _memory(self) -> _Metrics:
        lines = (line.split() for line in _read("/proc/meminfo").splitlines())
        sizes = {words[0]: int(words[1]) * 1024 for words in lines}
        return {
            "memory_used_bytes": sizes["MemTotal:"] - sizes["MemAvailable:"],
            "memory_total_bytes": sizes["MemTotal:"],
            "swap_used_bytes": sizes["SwapTotal:"] - sizes["SwapFree:"],
        }

    def _disks(self) -> _Metrics:
        read = written = 0
        text, clock = _read("/proc/diskstats"), time.monotonic()
        for words in map(str.split, text.splitlines()):
            # Only physical disks: no partitions, no RAM disks, no LVM or RAID, whose bytes would count twice.
            if not words[2].startswith(("loop", "ram", "dm-", "md", "zram")) and os.path.exists(
                f"/sys/block/{words[2]}"
            ):
                read += int(words[5]) * _SECTOR
                written += int(words[9]) * _SECTOR
        return {"disk_read_bytes_per_second": (read, clock), "disk_written_bytes_per_second": (written, clock)}

    def _disk_space(self) -> _Metrics:
        space = os.statvfs(self._root.path if self._root.fd is None else self._root.fd)
        return {"disk_free_bytes": space.f_bavail * space.f_frsize}

    def _network(self) -> _Metrics:
        received = sent = 0
        text, clock = _read("/proc/net/dev"), time.monotonic()
        for line in text.splitlines()[2:]:
            name, _, counts = line.partition(":")
            if name.strip() != "lo":
                received += int(counts.split()[0])
                sent += int(counts.split()[8])
        return {
            "network_received_bytes_per_second": (received, clock),
            "network_sent_bytes_per_second": (sent, clock),
        }

    def _process(self) -> _Metrics:
        words = _read("/proc/self/stat").rpartition(")")[2].split()  # the name in parentheses may have any character
        return {
            "process_cpu_percent": _own_cpu(),
            "process_memory_bytes": int(words[21]) * os.sysconf("SC_PAGE_SIZE"),
            "process_threads": int(words[17]),
        }

    def _psutil(self) -> _Metrics:
        psutil = import_module("psutil")  # without /proc, if it is installed: it isn't in the standard library
        memory, process = psutil.virtual_memory(), psutil.Process()
        network, clock = psutil.net_io_counters(), time.monotonic()
        times = psutil.cpu_times()._asdict()
        for guest in ("guest", "guest_nice"):  # the user time includes them
            times.pop(guest, None)
        found: _Metrics = {
            "cpu_percent": _busy(0, 0, 0, times.pop("idle"), times.pop("iowait", 0), *times.values()),
            "memory_used_bytes": memory.total - memory.available,
            "memory_total_bytes": memory.total,
            "swap_used_bytes": psutil.swap_memory().used,
            "process_cpu_percent": _own_cpu(),
            "process_memory_bytes": process.memory_info().rss,
            "process_threads": process.num_threads(),
        }
        if network is not None:
            found["network_received_bytes_per_second"] = (network.bytes_recv, clock)
            found["network_sent_bytes_per_second"] = (network.bytes_sent, clock)
        disks, clock = psutil.disk_io_counters(), time.monotonic()
        if disks is not None:
            found["disk_read_bytes_per_second"] = (disks.read_bytes, clock)
            found["disk_written_bytes_per_second"] = (disks.write_bytes, clock)
        return found

    def _gpus(self) -> _Metrics:
        return dict(gpu_metrics(_GPU_TIMEOUT))


def _busy(*times: float) -> _Counter:
    """Return the busy time in percent, and the total time. Both are of one reading, so the rate can't exceed 100.

    Args:
        times: The times in user, nice, system, idle and waiting-for-disk state, and in further busy states.
    """
    return 100 * (sum(times) - times[3] - times[4]), sum(times)


def _own_cpu() -> _Counter:
    clock = time.monotonic()
    return 100 * time.process_time(), clock  # more precise than the ticks of /proc/self/stat


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
