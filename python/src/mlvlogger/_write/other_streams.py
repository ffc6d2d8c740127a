"""The other streams of an experiment, which the end of the default stream lists (`end.streams`, `end.seals`)."""

from __future__ import annotations

from .._disk.folder import Folder, open_regular
from .._errors import InvalidName
from .._format.names import portable
from .recovery import scan_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["other_streams"]


def other_streams(root: Folder) -> dict[str, dict[str, Any]]:
    """Return the last seq of each stream in the folder `log`, and the digest of its last line if that is a seal.

    Both are dicts by the path of the stream, in `streams` and `seals`; a dict without entries, and a stream that can't
    be read, are left out.

    Args:
        root: The experiment's directory.
    """
    seqs, seals = {}, {}
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
                state = scan_file(file)
        except (OSError, InvalidName):
            continue  # not a stream, or a stream that can't be read: it isn't listed
        if state.seq:
            seqs[f"log/{name}"] = state.seq
        if state.seal:
            seals[f"log/{name}"] = state.seal
    return {**({"streams": seqs} if seqs else {}), **({"seals": seals} if seals else {})}
