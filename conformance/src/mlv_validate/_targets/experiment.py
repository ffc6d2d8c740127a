"""Checks of one experiment.

A writer may change the experiment at the same time. So its parts are read in an order in which no part can be missing
that existed when another part referred to it: `meta.json`, `log.jsonl`, the other streams (an `mlv/end` of `log.jsonl`
names them), the additions (an `mlv/start` names them); attached files when the reference is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mlv_validate._findings import Findings
from mlv_validate._read.directory import Absent, Directory, Unreadable, type_of
from mlv_validate._report import Experiment
from mlv_validate._rules.files import References
from mlv_validate._rules.layout import check_listing, is_stream, record_number
from mlv_validate._rules.lifecycle import (
    check_ends,
    check_sessions,
    covered_lines,
    covered_records,
    unsealed_records,
    unsealed_streams,
)
from mlv_validate._rules.meta import Chain, read_meta_record
from mlv_validate._rules.streams import Stream, Streams
from mlv_validate._rules.versions import Version
from mlv_validate._targets.stream import check_stream


@dataclass(frozen=True, slots=True)
class SealCover:
    """What a seal of `log.jsonl` covers: of each stream the last `seq` and the number of later lines, and files."""

    line: int
    streams: dict[str, tuple[int | None, int]]
    files: frozenset[str]


@dataclass(slots=True)
class ExperimentResult:
    """The result of checking one experiment; `state` and `sealed` are None if they aren't known."""

    path: str
    id: str | None
    name: str | None
    findings: Findings
    state: str | None = None
    sealed: bool | None = None
    events: int = 0
    checked: bool = True
    parent: object = False
    """The `parent` of `meta.json`; False if it isn't known."""
    cover: SealCover | None = None
    """What the seal with the digest of the anchor covers; None if there is none."""
    may_match: bool = False
    """Whether a masked line of `log.jsonl` may be that seal."""

    @property
    def experiment(self) -> Experiment:
        """The experiment as it is in a report."""
        return Experiment(self.path or ".", self.id, self.name, self.state, self.sealed, self.events)


def check_experiment(
    root: Directory, path: str, entries: dict[str, str], *, sealed: bool, jobs: int = 1, anchor: str | None = None
) -> ExperimentResult:
    """Check the experiment in an open directory by all rules except those that compare experiments.

    `anchor` is the digest of a seal to find.
    """
    return _ExperimentChecker(root, path, entries, jobs, anchor).check(sealed)


class _ExperimentChecker:
    """A check of one experiment, in the order of reading that the module describes."""

    def __init__(self, root: Directory, path: str, entries: dict[str, str], jobs: int, anchor: str | None) -> None:
        self._jobs = jobs
        self._anchor = anchor
        self._root = root
        self._path = path
        self._entries = entries
        self._findings = Findings(path)
        self._streams: dict[str, Stream] = {}
        self._unknown: set[str] = set()  # streams that could not be read

    def check(self, sealed: bool) -> ExperimentResult:
        """Check all parts of the experiment; `sealed` says whether to report findings of level Sealed."""
        findings = self._findings
        check_listing(self._entries.items(), findings)
        type_ = self._entry_type("meta.json")
        if type_ is None:
            findings.add("layout.meta", "meta.json", None, "there is no meta.json")
        first = read_meta_record(self._root, "meta.json", 1, findings) if type_ == "file" else None
        if first and first.refusal:
            return self._result_of_refused(first.digest, {first.path: first.refusal})
        id_ = f"sha256:{first.digest}" if first and first.digest else None
        references = References(self._root, id_, findings, anchored=self._anchor is not None)
        # The version of the lines before the first session isn't known if meta.json is masked.
        base = (1, 0) if first is None else None if first.masked else first.version
        if first and not first.masked:
            references.check("meta.json", None, first.typed)

        if self._entry_type("log.jsonl") == "file":
            self._check_stream(self._root, "log.jsonl", "log.jsonl", base, references)
        self._check_folder("log", partial(self._check_further_streams, base=base, references=references))
        chain = Chain(first, findings)
        refusals = dict[str, str]()
        self._check_folder(
            "meta", partial(self._check_additions, chain=chain, references=references, refusals=refusals)
        )
        if refusals:
            return self._result_of_refused(first.digest if first else None, refusals)
        name = first.members.get("name") if first else None
        result = ExperimentResult(self._path, id_, name if isinstance(name, str) else None, findings)
        streams = Streams(self._root, self._streams, self._unknown)
        check_sessions(streams, chain, id_, findings)
        check_ends(streams, findings)
        references.finish(streams)
        result.sealed = self._check_sealed(chain, id_, report=sealed)
        result.events = sum(stream.events for stream in self._streams.values())
        main = self._streams.get("log.jsonl")
        if self._anchor:
            result.cover = self._seal_cover(self._anchor, chain, id_, references)
            result.may_match = main is not None and (main.is_masked or main.refused)
        if main or "log.jsonl" not in self._unknown:
            result.state = main.state if main else "open"
        if main and main.refused:
            result.state = None
        if first and not first.masked:
            result.parent = first.members.get("parent")
        return result

    def _result_of_refused(self, digest: str | None, reasons: dict[str, str]) -> ExperimentResult:
        """Return the result of an experiment that can't be checked, with the reasons by path."""
        findings = Findings(self._path)
        for path, reason in reasons.items():
            findings.add_unchecked(path, reason)
        return ExperimentResult(self._path, f"sha256:{digest}" if digest else None, None, findings, checked=False)

    def _check_sealed(self, chain: Chain, id_: str | None, *, report: bool) -> bool | None:
        """Return whether the experiment is at level Sealed, None if that isn't known; report findings if asked to."""
        findings, streams = self._findings, self._streams.values()
        broken = list(unsealed_streams(streams, findings))
        if "log.jsonl" not in self._streams and "log.jsonl" not in self._unknown:
            broken.append(("seal.last", "log.jsonl", None, "there is no log.jsonl"))
        if not self._unknown:
            broken += unsealed_records(streams, chain, id_)
        unsealed = bool(broken) or any(finding.level == "error" for finding in findings.listed)
        for rule, path, line, message in broken if report else []:
            findings.add(rule, path, line, message)
        return None if findings.unchecked else not unsealed

    def _seal_cover(self, anchor: str, chain: Chain, id_: str | None, references: References) -> SealCover | None:
        """Return what the seal with a digest covers; None if there is no such seal without a finding."""
        main = self._streams.get("log.jsonl")
        if main is None or anchor not in main.seals:
            return None
        line, _ = main.seals[anchor]
        if self._findings.has_finding_at("log.jsonl", line):
            return None
        seals = covered_lines(main, self._streams, anchor)
        lines = {path: covered for path, (covered, _) in seals.items()}
        records = covered_records((self._streams[path] for path in lines), lines, chain, id_)
        names = {"meta.json" if number == 1 else f"meta/{number}.json" for number in records}
        lines.update(dict.fromkeys(names, 0))
        files = {
            name
            for name, by in references.attached_by.items()
            if any(first <= lines.get(path, -1) for path, first in by.items())
        }
        streams: dict[str, tuple[int | None, int]] = {
            path: (seq, self._streams[path].lines - covered) for path, (covered, seq) in seals.items()
        }
        return SealCover(line, streams, frozenset(names | files))

    def _entry_type(self, name: str) -> str | None:
        """Return the type of an entry, which may have appeared after the directory was listed."""
        try:
            return self._entries.get(name) or type_of(self._root.status(name).st_mode)
        except (Absent, Unreadable):
            return None

    def _check_stream(
        self, folder: Directory, name: str, path: str, base: Version | None, references: References
    ) -> None:
        try:
            with folder.open_file(name) as file:
                self._streams[path] = check_stream(
                    folder, file, path, base, self._findings, references, self._jobs, self._wanted(path)
                )
        except Absent:
            self._unknown.add(path)
            self._findings.add_unchecked(path, "it was moved, removed or replaced while the directory was read")
        except (Unreadable, MemoryError) as error:
            self._unknown.add(path)
            self._findings.add_unchecked(path, str(error) or "there was not enough memory")

    def _wanted(self, path: str) -> frozenset[str]:
        """Return the digests of the seals to find in a stream: `log.jsonl`, which is read first, names the others."""
        if path == "log.jsonl":
            return frozenset([self._anchor] if self._anchor else [])
        main = self._streams.get("log.jsonl")
        return frozenset(seals[path] for _, _, seals in main.ends if path in seals) if main else frozenset()

    def _check_further_streams(
        self, folder: Directory, listing: dict[str, str], base: Version | None, references: References
    ) -> None:
        """Check the streams in the folder `log`."""
        for path, type_ in listing.items():
            if type_ == "file" and is_stream(path):
                self._check_stream(folder, path.removeprefix("log/"), path, base, references)

    def _check_additions(
        self,
        folder: Directory,
        listing: dict[str, str],
        chain: Chain,
        references: References,
        refusals: dict[str, str],
    ) -> None:
        """Check the additions in the folder `meta`; `refusals` takes why the experiment can't be checked, by path."""
        numbers = [record_number(path) for path, type_ in listing.items() if type_ == "file"]
        for number in sorted(number for number in numbers if number is not None):
            record = read_meta_record(folder, f"{number}.json", number, self._findings)
            if record.refusal:
                refusals[record.path] = record.refusal
            if not refusals:
                chain.add(record)
                if not record.masked:
                    references.check(record.path, None, record.typed)

    def _check_folder(self, name: str, check: Callable[[Directory, dict[str, str]], None]) -> None:
        """Open the folder `meta` or `log`, check its listing, and pass both to `check`."""
        if self._entry_type(name) != "directory":
            return
        try:
            with self._root.open_directory(name) as folder:
                listing = {f"{name}/{entry}": type_ for entry, type_ in folder.entries().items()}
                check_listing(listing.items(), self._findings)
                check(folder, listing)
        except Absent:
            self._unknown.add(name)
            self._findings.add_unchecked(name, "it was moved, removed or replaced while the directory was read")
        except Unreadable as error:
            self._unknown.add(name)
            self._findings.add_unchecked(name, str(error))
