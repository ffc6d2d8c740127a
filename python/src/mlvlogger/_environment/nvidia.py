"""NVIDIA's GPUs, as nvidia-smi or the driver reports them: which there are, and how busy they are."""

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

_SECONDS = 5.0  # that nvidia-smi may take
_NVIDIA = "/proc/driver/nvidia"
_GPU = {  # of nvidia-smi: the end of the metric's name, and a factor to its unit
    "utilization.gpu": ("utilization_percent", 1),
    "memory.used": ("memory_used_bytes", 2**20),
    "memory.total": ("memory_total_bytes", 2**20),
    "temperature.gpu": ("temperature_celsius", 1),
    "power.draw": ("power_watts", 1),
}


def gpus() -> list[dict[str, Any]]:
    """NVIDIA's by nvidia-smi, or without it by the driver's files, which leave the memory out; no others."""
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        rows, _ = run("nvidia-smi", query, _SECONDS)
        cells = [row.rsplit(", ", 2) for row in os.fsdecode(rows).splitlines() if row.count(", ") > 1]
        # In MiB; a chip that shares the memory of the host says [N/A].
        return [
            {"name": name, "memory": int(size) * 2**20 if size.isdecimal() else None, "driver": driver}
            for name, size, driver in cells
        ]
    except Failed:
        pass
    try:
        directories = sorted(os.listdir(f"{_NVIDIA}/gpus"))
    except OSError:
        return []
    driver = _search(r"Module.*?\s([0-9]+\.[0-9.]+)\s", f"{_NVIDIA}/version")
    names = [_search(r"Model:\s*(.*?)\s*\n", f"{_NVIDIA}/gpus/{directory}/information") for directory in directories]
    return [{"name": name, "memory": None, "driver": driver} for name in names]


def _search(pattern: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read())
    except OSError:
        return None
    return match[1] if match else None


def gpu_metrics(seconds: float) -> Iterable[tuple[str, float]]:
    """Return the metrics of each GPU, under names such as ``gpu0_utilization_percent``.

    Args:
        seconds: The time that nvidia-smi may take.

    Raises:
        OSError: If there is no nvidia-smi, or it fails or hangs.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise FileNotFoundError("nvidia-smi")
    query = ["--query-gpu=index," + ",".join(_GPU), "--format=csv,noheader,nounits"]
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
        for value, (name, factor) in zip(values, _GPU.values(), strict=True):
            try:
                yield f"gpu{int(index)}_{name}", float(value) * factor
            except ValueError:
                continue  # [N/A]: this GPU does not tell
