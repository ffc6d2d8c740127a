"""Progress on a terminal: the file that is read, and how much of it was read."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from mlv_validate._read.directory import Progress
from mlv_validate._text import visible

DELAY = 1.0
"""Seconds of work before the first update."""

REDRAW_INTERVAL = 0.1
"""Seconds between two updates."""


@contextmanager
def on_terminal() -> Iterator[Progress | None]:
    """Show progress on standard error; the value of the `with` is None if standard error isn't a capable terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    display = Display(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(),
        DownloadColumn(binary_units=True),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        transient=True,
        auto_refresh=False,  # a refresh would need a thread, and a process with threads must not fork
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = display.add_task("", total=None)
    here, due = os.getpid(), time.monotonic() + DELAY

    def show(path: str, read: int, size: int) -> None:
        nonlocal due
        if time.monotonic() >= due and os.getpid() == here:  # worker processes do not draw
            due = time.monotonic() + REDRAW_INTERVAL
            display.update(task, description=visible(path), completed=read, total=size)
            display.start()
            display.refresh()

    try:
        yield show
    finally:
        if display.live.is_started:
            display.stop()
