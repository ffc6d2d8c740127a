"""What the numbers are to be, and what they are. Nothing fails where an aim is missed; the page says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rows import PEERS

__all__ = ["AIMS", "Aim"]

Results = dict[str, Any]


@dataclass
class Aim:
    """A number that is to be at most *limit*, better *better*; *measured* raises KeyError where there is none."""

    what: str
    limit: float
    unit: str
    measured: Callable[[Results], Any]
    better: float | None = None


def _caller(subject: str, mode: str) -> Callable[[Results], Any]:
    return lambda results: results["calls"][subject][mode]["ratio"]


def _cpu(mode: str) -> Callable[[Results], Any]:
    return lambda results: results["calls"]["mlv:process"][mode]["cpu ratio"]


def _tail(results: Results) -> Any:
    """Compare only with the peers that were measured in the same rounds: slow calls are the machine's."""
    ours = results["peers"]["mlv:process"]
    rows = [row for peer in PEERS if (row := results["peers"].get(peer, {})).get("measured") == ours["measured"]]
    return ours["paced"]["p99.9"] / min(row["paced"]["p99.9"] for row in rows if "paced" in row)


def _lost(subject: str, victim: str) -> Callable[[Results], Any]:
    def count(results: Results) -> Any:
        ones = [results["kept"][subject][mode][victim] for mode in ("paced", "back to back")]
        return sum(one["acknowledged"] - one["kept"] + one["wrong"] for one in ones)

    return count


def _window(results: Results) -> Any:
    ones = [results["kept"]["mlv:exp+process"][mode]["tree"] for mode in ("paced", "back to back")]
    shares = [(one["acknowledged"] - one["kept"]) / one["acknowledged"] for one in ones]
    return max(share * one["seconds"] / one["rounds"] for share, one in zip(shares, ones, strict=True)) * 1e3


def _slow_disk(mode: str) -> Callable[[Results], Any]:
    return lambda results: results["slow disk"]["mlv:process"][mode]["p99"] * 1e6


def _import(results: Results) -> Any:
    return results["import"]["as installed"]["mlvlogger"]["cpu ratio"]


def _start(results: Results) -> Any:
    return results["start"]["mlv:direct"]["first ratio"]


def _memory(subject: str) -> Callable[[Results], Any]:
    return lambda results: results["memory"][subject]["1000000"]["rss"] / 1e6


def _growth(subject: str) -> Callable[[Results], Any]:
    def difference(results: Results) -> Any:
        sizes = results["memory"][subject]
        return (sizes["1000000"]["rss"] - sizes["100000"]["rss"]) / 1e6

    return difference


def _reading(what: str) -> Callable[[Results], Any]:
    return lambda results: results["reading"][what]["cpu ratio"]


AIMS = [
    Aim("direct, back to back: the caller's time", 0.75, "P", _caller("mlv:direct", "back to back"), better=0.5),
    Aim("direct, paced: the caller's time", 0.75, "P", _caller("mlv:direct", "paced"), better=0.5),
    Aim("direct: events lost by SIGKILL of all processes", 0, "", _lost("mlv:exp", "tree")),
    Aim("process, back to back: the caller's time", 0.3, "P", _caller("mlv:process", "back to back")),
    Aim("process, paced: the caller's time", 0.3, "P", _caller("mlv:process", "paced")),
    Aim("process: events lost by SIGKILL of the training script", 0, "", _lost("mlv:exp+process", "trainer")),
    Aim("process: what SIGKILL of all processes loses, on average", 20, "ms of events", _window),
    Aim("process, back to back: CPU of all processes", 1, "P", _cpu("back to back")),
    Aim("process, paced: CPU of all processes", 1, "P", _cpu("paced")),
    Aim("process, paced: the caller's p99.9", 0.33, "× the best other logger's", _tail),
    Aim("process, back to back, 50 ms a write: the caller's p99", 100, "µs", _slow_disk("back to back")),
    Aim("process, paced, 50 ms a write: the caller's p99", 100, "µs", _slow_disk("paced")),
    Aim("`import mlvlogger`", 1, "× `import json`", _import, better=0.6),
    Aim("bare `Logger`: process start to first event", 1.3, "× a bare script's", _start),
    Aim("direct: memory over a bare interpreter's", 3, "MB", _memory("mlv:direct")),
    Aim("process: memory of the caller over a bare interpreter's", 3, "MB", _memory("mlv:process")),
    Aim("direct: its growth from 100,000 to 1,000,000 events", 0.1, "MB", _growth("mlv:direct")),
    Aim("process: its growth from 100,000 to 1,000,000 events", 0.1, "MB", _growth("mlv:process")),
    Aim("reading all events", 1.3, "× a loop of `json.loads`", _reading("events")),
    Aim("reading one metric", 0.4, "× a loop of `json.loads`", _reading("metric")),
]
