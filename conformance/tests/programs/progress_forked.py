import os

from mlv_validate._output import progress

progress.DELAY = progress.REDRAW_INTERVAL = 0
with progress.on_terminal() as report:
    assert report is not None
    child = os.fork()
    report("child" if child == 0 else "parent", 1, 2)
    os.waitpid(child, 0) if child else os._exit(0)
