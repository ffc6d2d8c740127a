"""Reading the commit and the branch from the files of a git repository, for when git fails."""

from __future__ import annotations

import os
import re

from .._disk.folder import read_regular

__all__ = ["commit_and_branch", "is_commit"]

_MAX_PACKED_REFS = 64 * 1024 * 1024  # bytes


def commit_and_branch(directory: str) -> tuple[str | None, str | None]:
    """Return the commit and the branch according to the files of a repository, None if there isn't one.

    Args:
        directory: The path of `.git`.

    Raises:
        OSError: If a file can't be read.
        ValueError: If HEAD has another form.
    """
    if os.path.isfile(directory):  # for a worktree or a submodule
        directory = os.path.join(os.path.dirname(directory), _line(directory).removeprefix("gitdir: "))
    head = _line(os.path.join(directory, "HEAD"))
    if is_commit(head):
        return head, None
    ref = head.removeprefix("ref: ")
    if not ref.startswith("refs/heads/") or ".." in ref or ref == "refs/heads/.invalid":  # another ref storage
        raise ValueError(head)
    try:
        common = os.path.join(directory, _line(os.path.join(directory, "commondir")))
    except OSError:
        common = directory
    commit = None
    try:
        commit = _line(os.path.join(common, ref))
    except OSError:
        try:
            data = read_regular(os.path.join(common, "packed-refs"), _MAX_PACKED_REFS)
            lines = data.decode("utf-8", "surrogateescape").splitlines()
            commit = next((line[: -len(ref) - 1] for line in lines if line.endswith(" " + ref)), None)
        except OSError:
            pass
    return commit if commit and is_commit(commit) else None, ref.removeprefix("refs/heads/")


def _line(path: str) -> str:
    return os.fsdecode(read_regular(path, 10_000)).removesuffix("\n")


def is_commit(text: str) -> bool:
    """Return whether *text* is the full id of a commit."""
    return re.fullmatch("[0-9a-f]{40}(?:[0-9a-f]{24})?", text) is not None
