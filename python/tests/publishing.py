"""A race for one name."""

import os
import threading
from pathlib import Path

from mlvlogger._disk.folder import Folder
from mlvlogger._disk.publish import publish


def check_that_one_of_eight_threads_wins() -> None:
    """Let eight threads publish `x` at once in an empty directory; exactly one may succeed, with its whole content."""
    start = threading.Barrier(8)
    won = []

    def work(number: int) -> None:
        start.wait()
        try:
            publish(Folder(Path()), "x", bytes([number]) * 10**5)
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and Path("x").read_bytes() == bytes(won) * 10**5 and os.listdir() == ["x"]
