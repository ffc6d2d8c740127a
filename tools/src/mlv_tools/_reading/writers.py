"""Whether a writer of an open experiment is running."""

from __future__ import annotations

from mlvlogger import Experiment, lock_holders

__all__ = ["writer"]


def writer(experiment: Experiment, state: str) -> tuple[str, str]:
    """Return whether an experiment that is open is being written: a word, and a sentence part with the process.

    Args:
        experiment: The experiment.
        state: Its state. If it isn't "open", both results are empty.

    Returns:
        `running`, `stopped` or `not known`; and a description such as ``running (process 4711 on gpu-7)``.
    """
    if state != "open":
        return "", ""
    try:
        holders = lock_holders(experiment.path)
    except OSError as error:
        return "not known", f"not known: {error}"
    for is_running, word in ((True, "running"), (None, "not known")):
        for holder in holders:
            if holder.is_running is is_running:
                where = f" (process {holder.pid} on {holder.host})" if holder.pid is not None else ""
                return word, f"{word}{where}"
    return "stopped", "stopped without an end"
