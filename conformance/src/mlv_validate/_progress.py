"""What a terminal shows while long work is done: the file that is being read, and how much of it was."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from mlv_validate._directory import Progress
from mlv_validate._text import visible

DELAY = 1.0
"""Seconds of work before anything is shown."""

PAUSE = 0.1
"""Seconds between two changes of what is shown."""


@contextmanager
def on_terminal() -> Iterator[Progress | None]:
    """Show on standard error the calls of the value of the `with`; None without a suitable terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    display = Display(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(),
        DownloadColumn(binary_units=True),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        transient=True,
        auto_refresh=False,  # it would be done by a thread, and a process with threads must not fork
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = display.add_task("", total=None)
    here, due = os.getpid(), time.monotonic() + DELAY

    def tell(path: str, read: int, size: int) -> None:
        nonlocal due
        if time.monotonic() >= due and os.getpid() == here:  # a process that was forked has no say on the terminal
            due = time.monotonic() + PAUSE
            display.update(task, description=visible(path), completed=read, total=size)
            display.start()
            display.refresh()

    try:
        yield tell
    finally:
        if display.live.is_started:
            display.stop()
