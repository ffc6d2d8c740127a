"""The recorded environment of a program, and the uncommitted changes of its repository."""

from __future__ import annotations

from ._environment import snapshot
from ._format.encode import encode
from ._messages import warn_once
from ._new_file import attach_bytes
from ._secrets import redact_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._files import Files
    from ._format.references import File

__all__ = ["Provenance"]


class Provenance:
    """The arguments of `Exp` that determine how the environment is recorded.

    Args:
        variables: As for `Exp`.
        redact: As for `Exp`.
        diff: As for `Exp`.
    """

    def __init__(self, variables: Iterable[str], redact: bool, diff: bool) -> None:
        self.variables = variables
        self.redact = redact
        self.diff = diff

    def record(self, files: Files, diff_name: str) -> tuple[dict[str, Any], File | None]:
        """Collect the facts of the environment, and attach the uncommitted changes.

        Args:
            files: The attached files of the experiment.
            diff_name: The name of the file of uncommitted changes.

        Returns:
            The facts as a JSON tree, and the file of uncommitted changes, or None.

        Raises:
            TypeError: If `variables` isn't an iterable of strings.
            OSError: If the file can't be written.
        """
        facts = snapshot.capture(variables=self.variables, redact=self.redact)
        git = facts.get("git")
        file: File | None = None
        if self.diff and isinstance(git, dict) and (data := snapshot.diff(git)):
            if self.redact:
                text, lines = redact_lines(data.decode("utf-8", "surrogateescape"))
                data = text.encode("utf-8", "surrogateescape")
                if lines:
                    git["diff_redacted"] = lines
                    warn_once(f"{lines} lines of {diff_name} look like secrets and were attached as <redacted>")
            git["diff"] = file = attach_bytes(files, diff_name, data)
        elif self.diff and (reason := git.get("missing", {}).get("diff") if git else "there is no git repository"):
            warn_once(f"diff=True: the uncommitted changes were not attached: {reason}. Commit the changes instead.")
        return encode(facts, path="environment", depth=2, report=warn_once), file
