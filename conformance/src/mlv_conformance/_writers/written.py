"""The changes of a savedir during a run: those of the writer, and those of another program."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from mlv_conformance._driver import Answer
from mlv_conformance._models import integer, read_line
from mlv_conformance._suite.cases import Edit, apply_edit
from mlv_conformance._writers.acknowledged import USER_OPERATIONS
from mlv_conformance._writers.savedir import (
    Entry,
    Savedir,
    events_in,
    experiment_of,
    last_seq,
    start_member,
    user_events,
)
from mlv_validate import Finding, Target, validate

_MAX_UNSEALED = 64 * 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024


class _Continuation(NamedTuple):
    """The stream in which a writer should continue, and what it had written to the stream before."""

    stream: str
    before: str
    content: bytes
    seq: int


class WrittenTree:
    """A savedir before and after a run."""

    def __init__(self, savedir: Savedir, damaged: Collection[str] = ()) -> None:
        self._savedir = savedir
        self._damaged = damaged  # rules that the edits break, whatever the writer does
        self._before: dict[str, bytes] = {}  # the files before the run
        self._counts: Counter[str] = Counter()  # of the user's events before the run, by stream
        self._report: Target | None = None
        self._foreign: dict[str, Entry] = {}  # entries that another program wrote, and the writer must not change
        self._edited: set[str] = set()  # paths that another program wrote or removed
        self._removed: set[str] = set()  # directories of experiments that another program removed
        self._continues_anywhere = False
        self._expected: _Continuation | None = None
        self.warnings: list[str] = []
        """The findings of the last check that break only a SHOULD."""

    def begin(self) -> None:
        """Read what is published before a run: none of it may change."""
        self._before = dict(self._savedir.files())
        self._counts = Counter(
            {path: user_events(content) for path, content in self._before.items() if path.endswith(".jsonl")}
        )

    def check(self, *, sealed: bool = False, killed: bool = False) -> list[str]:
        """Return the validator's findings. A torn line is allowed if the writer was `killed`."""
        self._savedir.forget_events()
        if not self._savedir.experiments():
            return []
        [self._report] = validate(self._savedir.path, sealed=sealed).targets
        allowed = {"log.torn", *self._damaged} if killed else self._damaged
        findings = [
            finding
            for finding in self._report.findings
            if finding.rule not in allowed and not self._is_foreign(finding.path)
        ]
        self.warnings = [_shown(one) for one in findings if one.level == "warning" and one.rule != "log.torn"]
        problems = [_shown(one) for one in findings if one.level == "error" or one.rule == "log.torn"]
        unchecked = [entry for entry in self._report.unchecked if not self._is_foreign(entry.path)]
        return problems[:5] + [f"{entry.path}: {entry.reason}" for entry in unchecked]

    def state(self, path: str) -> str | None:
        """Return the state of an experiment in the last report of the validator."""
        experiments = self._report.experiments if self._report else ()
        return next((one.state for one in experiments if one.path == path), None)

    # --- another program ---

    def disturb(self, edits: Sequence[Edit], continues_anywhere: bool) -> None:
        """Make edits as another program does, which owns what they change from then on.

        Args:
            edits: The edits.
            continues_anywhere: Whether the writer may continue in any stream.
        """
        self._continues_anywhere |= continues_anywhere
        before = self._savedir.entries()
        for edit in edits:
            apply_edit(self._savedir.path, edit)
        after = self._savedir.entries()
        self._edited |= {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        self._foreign = {path: after[path] for path in self._edited if path in after}
        self._removed |= {path for path in before if f"{path}/meta.json" in before} - after.keys()

    def is_removed(self, stream: str) -> bool:
        """Return whether another program removed the directory of the stream's experiment."""
        return experiment_of(stream) in self._removed

    def own_streams(self, experiment: str) -> list[str]:
        """Return the streams of an experiment that belong to no other program."""
        return [path for path in self._savedir.streams(experiment) if path not in self._foreign]

    def expect(self, stream: str, before: str, content: bytes, seq: int, *, begins: str) -> None:
        """Expect that the writer continues in a stream.

        Args:
            stream: The stream.
            before: The stream in which the writer had written before.
            content: The bytes of the stream `before`.
            seq: The last `seq` that the writer acknowledged there.
            begins: What the stream must begin with: `bytes` for `content`, or a new session.
        """
        committed = content[: content.rfind(b"\n") + 1]
        begin = committed if begins == "bytes" else b""
        self._expected = _Continuation(stream, before, begin, max(seq, last_seq(committed)))
        self._edited.discard(stream)
        if stream != before:
            self._counts[stream] = user_events(begin)
            if entry := self._savedir.entries().get(before):
                self._foreign[before] = entry

    def continuation_problems(self) -> Iterator[str]:
        """Return how the writer hasn't continued as expected since the last edits."""
        expected, self._expected = self._expected, None
        if expected:
            stream, before, begin, last = expected
            content = self._savedir.content(stream)
            if not content:
                yield f"{stream}, in which the writer should have continued, is missing"
            elif not content.startswith(begin):
                yield f"{stream} does not begin with the bytes that the writer had written to {before}"
            elif stream != before:
                found = start_member(content[len(begin) :], "replaces")
                wanted = {"stream": before.removeprefix(f"{experiment_of(before)}/"), "last": last}
                try:
                    is_right = {"stream": found["stream"], "last": integer(found["last"])} == wanted
                except (KeyError, TypeError, ValueError):
                    is_right = False
                if not is_right:
                    yield f"{stream}: replaces is {found!r}, not {wanted!r}"

    def _is_foreign(self, path: str) -> bool:
        """Return whether another program wrote or removed what is, or was, at a path."""
        return path in self._edited and (path in self._foreign or not (self._savedir.path / path).exists())

    # --- what must not change, or not grow ---

    def changes(self) -> Iterator[str]:
        """Return what was published before and has changed."""
        now = dict(self._savedir.files())
        entries = self._savedir.entries()
        for path, entry in self._foreign.items():
            if entries.get(path) != entry:
                yield f"{path} is not as another program left it"
        for path in self._removed:
            if path in entries:
                yield f"the directory {path}, which another program removed, exists again"
        for path, content in self._before.items():
            if path in self._edited:
                continue
            found = now.get(path, b"")
            if path.endswith(".jsonl"):
                committed = content[: content.rfind(b"\n") + 1]
                if not found.startswith(committed):
                    yield f"{path}: lines that were committed before have changed"
                yield from _recovery_problems(path, content[len(committed) :], found[len(committed) :])
            elif found != content:
                yield f"{path} has changed"
        for path in now.keys() - self._before.keys() - self._edited:
            if path.endswith(".jsonl") and "/kept-" not in path:
                yield from _recovery_problems(path, b"", now[path])

    def surplus_events(
        self, sessions: list[list[tuple[str, dict[str, Any], Answer]]], killed_after: int | None, unsure: int
    ) -> Iterator[str]:
        """Return the streams with more events of the user than were logged; `unsure` refused ones may be kept."""
        if self._continues_anywhere:
            return
        asked = Counter(
            stream for session in sessions for stream, operation, _ in session if operation["op"] in USER_OPERATIONS
        )
        for path, content in self._savedir.files():
            if path.endswith(".jsonl") and path not in self._foreign:
                new = user_events(content) - self._counts[path]
                if new > asked[path] + (killed_after is not None) + unsure:
                    yield f"{path} has {new} new events of the user, but {asked[path]} were logged"

    def end_problems(self, stream: str, others: dict[str, int]) -> Iterator[str]:
        """Return how the `mlv/end` of the default stream doesn't list the other streams of the experiment.

        Args:
            stream: The default stream.
            others: The other streams, and the last `seq` that each had just before the end.
        """
        ends = events_in(self._savedir.content(stream), "mlv/end")
        if not ends:
            return  # it was closed while paused
        listed = ends[-1]["data"].get("streams", {})
        for path, seq in others.items():
            if path not in listed or integer(listed[path]) < seq:
                yield f"{stream}: streams has {path!r} as {listed.get(path)!r}, but its last seq is {seq}"

    def equal_nonces(self) -> Iterator[str]:
        """Return the nonces that several experiments have."""
        nonces = Counter(read_line((path / "meta.json").read_bytes())["nonce"] for path in self._savedir.experiments())
        yield from (f"the nonce {nonce} occurs {times} times" for nonce, times in nonces.items() if times > 1)

    def rarely_sealed_streams(self) -> Iterator[str]:
        """Return the streams with more bytes between two seals than a writer should leave."""
        for path, content in self._savedir.files():
            if path.endswith(".jsonl") and len(content) > _MAX_UNSEALED:
                last = offset = 0
                for line in content.splitlines(keepends=True):
                    offset += len(line)
                    if b'"event":"mlv/seal"' in line or b'"event":"mlv/end"' in line:
                        if offset - last > _MAX_UNSEALED + _MAX_LINE:
                            yield f"{path} has {offset - last} bytes between two seals"
                        last = offset


def _shown(finding: Finding) -> str:
    """Return a finding for a message."""
    return f"{finding.path}{'' if finding.line is None else f':{finding.line}'}: {finding.rule}: {finding.message}"


def _recovery_problems(path: str, lost: bytes, added: bytes) -> Iterator[str]:
    """Return how the session after bytes without an LF doesn't report them in its member `recovered`."""
    invented = [line for line in events_in(added, "mlv/start")[bool(lost) :] if "recovered" in line["data"]]
    if invented:
        yield f"{path}: recovered is {invented[0]['data']['recovered']!r}, but nothing was left after the last LF"
    if lost and added != lost:
        found = start_member(added, "recovered")
        wanted = {"size": len(lost), "sha256": hashlib.sha256(lost).hexdigest()}
        if found is None or integer(found["size"]) != wanted["size"] or found["sha256"] != wanted["sha256"]:
            yield f"{path}: recovered is {found!r}, but {wanted!r} was left"
