"""The other streams of an experiment, which the end of the default stream lists (`end.streams`)."""

from __future__ import annotations

from .._disk.folder import Folder, open_regular
from .._errors import InvalidName
from .._format.names import portable
from .recovery import scan_file

__all__ = ["last_seqs"]


def last_seqs(root: Folder) -> dict[str, int]:
    """Return the last seq of each stream in the folder `log`, by its path; without streams that can't be read.

    Args:
        root: The experiment's directory.
    """
    seqs = {}
    names: list[str] = []
    try:
        if root.has("log"):
            with Folder(root, "log") as folder:
                names = sorted(folder.names())
    except OSError:
        pass  # the folder can't be read, so no stream is listed
    for name in names:
        try:
            portable(name[: -len(".jsonl")] if name.endswith(".jsonl") else "", "a stream")
            with open_regular(root.at(f"log/{name}"), dir_fd=root.fd) as file:
                seqs[f"log/{name}"] = scan_file(file).seq
        except (OSError, InvalidName):
            continue  # not a stream, or a stream that can't be read: it isn't listed
    return {name: seq for name, seq in seqs.items() if seq}
