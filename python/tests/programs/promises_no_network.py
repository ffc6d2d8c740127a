import sys
from typing import Any

events: list[tuple[str, Any]] = []


def hook(event: Any, arguments: Any) -> None:
    events.append((event, arguments))


sys.addaudithook(hook)

from pathlib import Path

from mlvlogger import Exp, read, ref

Path("x").write_bytes(b"x")
with Exp("runs", "e", {"a": ref("x")}, variables=["HOME"]) as exp:
    with exp.log.span("epoch") as epoch:
        epoch.event("x", loss=1)
    exp.attach("x")
    exp.stream("gpu").event("y")
    exp.rewind(exp.mark())
    exp.sub("s").close()
Exp.resume("runs/e").close()
Exp.open("runs/e").close()
Exp.join("runs/e", 0).close()
for found in read.all("runs"):
    list(found.events()), list(found.spans()), found.state
assert not [event for event, _ in events if event.startswith(("socket.", "urllib.", "http.", "_thread.start_new"))]
inside = str(Path.cwd().resolve())
import os

writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
for event, arguments in events:
    if event == "open" and (arguments[2] or 0) & writes and isinstance(arguments[0], (str, os.PathLike)):
        path = os.path.realpath(os.path.join(inside, arguments[0]))
        assert path.startswith(inside) or path == os.devnull or "__pycache__" in path, path
