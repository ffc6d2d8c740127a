"""NVIDIA GPUs and their load, as nvidia-smi or the driver reports them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from .programs import Failed, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["gpu_metrics", "gpus"]

_SECONDS = 5.0  # time limit of nvidia-smi
_DRIVER = "/proc/driver/nvidia"
_FIELDS = {  # field of nvidia-smi → the end of the metric's name, and the factor to the metric's unit
    "utilization.gpu": ("utilization_percent", 1),
    "memory.used": ("memory_used_bytes", 2**20),
    "memory.total": ("memory_total_bytes", 2**20),
    "temperature.gpu": ("temperature_celsius", 1),
    "power.draw": ("power_watts", 1),
}


def gpus() -> list[dict[str, Any]]:
    """Return the name, memory in bytes and driver version of each NVIDIA GPU.

    They are those of nvidia-smi. Without it, they are those of the driver's files, which don't have the memory: it is
    None then.
    """
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        rows, _ = run("nvidia-smi", query, _SECONDS)
        cells = [row.rsplit(", ", 2) for row in os.fsdecode(rows).splitlines() if row.count(", ") > 1]
        # The memory is in MiB, or [N/A] for a chip that shares the memory of the host.
        return [
            {"name": name, "memory": int(size) * 2**20 if size.isdecimal() else None, "driver": driver}
            for name, size, driver in cells
        ]
    except Failed:
        pass
    try:
        directories = sorted(os.listdir(f"{_DRIVER}/gpus"))
    except OSError:
        return []
    driver = _search(r"Module.*?\s([0-9]+\.[0-9.]+)\s", f"{_DRIVER}/version")
    names = [_search(r"Model:\s*(.*?)\s*\n", f"{_DRIVER}/gpus/{directory}/information") for directory in directories]
    return [{"name": name, "memory": None, "driver": driver} for name in names]


def _search(pattern: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read())
    except OSError:
        return None
    return match[1] if match else None


def gpu_metrics(seconds: float) -> Iterable[tuple[str, float]]:
    """Return the names and values of each GPU's metrics, such as `gpu0_utilization_percent`.

    Args:
        seconds: The time limit of nvidia-smi.

    Raises:
        OSError: If there is no nvidia-smi, or it fails or hangs.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise FileNotFoundError("nvidia-smi")
    query = ["--query-gpu=index," + ",".join(_FIELDS), "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            [program, *query], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise OSError("nvidia-smi hangs") from error
    if answer.returncode:
        raise OSError(answer.stderr)
    return _metrics(answer.stdout.splitlines())


def _metrics(lines: Iterable[str]) -> Iterable[tuple[str, float]]:
    for line in lines:
        index, *values = (word.strip() for word in line.split(","))
        for value, (name, factor) in zip(values, _FIELDS.values(), strict=True):
            try:
                yield f"gpu{int(index)}_{name}", float(value) * factor
            except ValueError:
                continue  # [N/A]: this GPU doesn't report the field
