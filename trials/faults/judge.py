"""The one judge of every trial: what a directory holds after a fault, compared with the acknowledged events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from acks import Acks
from events import data
from mlv_validate import validate
from mlvlogger import MLVError, read

__all__ = ["Judgement", "judge"]


@dataclass
class Judgement:
    """How an experiment fared.

    Attributes:
        acknowledged: How many events were.
        missing: Of these, the (source, number) of those that cannot be read.
        wrong: Events that are read with another value, stream or seq than they had, or in another order.
        duplicated: Events that are read more than once.
        invented: Events that are read and weren't logged.
        problems: Findings of the validator and problems of the reader, as sentences.
    """

    acknowledged: int = 0
    missing: list[tuple[str, int]] = field(default_factory=list)
    wrong: int = 0
    duplicated: int = 0
    invented: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many acknowledged events cannot be read."""
        return len(self.missing)

    def forgive(self, acks: Acks, since: int) -> int:
        """Take back the last acknowledgements of each caller, where they came after *since* and cannot be read.

        *since* is in nanoseconds of the monotonic clock. A missing event before an existing one stays lost.
        Returns how many were taken back.
        """
        before = len(self.missing)
        for key in sorted(self.missing, reverse=True):
            source, number = key
            if acks.times[key] >= since and (source, number + 1) not in acks.kept:
                del acks.kept[key]
                acks.refused.add(key)
                self.missing.remove(key)
        return before - len(self.missing)


def judge(experiment: Path, acks: Acks, *, sealed: bool = False) -> Judgement:
    """Compare an experiment with everything that was ever acknowledged of it.

    Each acknowledged event must be read exactly once, in its stream, with its seq and its exact value, after the
    earlier ones of its caller; nothing else may be read but what was attempted; and mlv-validate finds nothing but that
    a stream is torn (`log.torn`, a warning), at level Sealed where *sealed*.
    """
    judgement = Judgement(len(acks.kept))
    judgement.problems = _findings(experiment, sealed)
    found: Counter[tuple[str, int]] = Counter()
    try:
        run = read(experiment)
        for stream in run.streams:
            last: dict[str, int] = {}
            for event in run.events(stream=stream, rewound=True):
                source, number = str(event.data.get("source")), int(event.data.get("number", -1))
                if number < 0 or not acks.was_attempted(source, number):
                    judgement.invented += 1
                    continue
                found[source, number] += 1
                place = acks.kept.get((source, number), (stream, event.seq))
                right = event.data == data(source, number) and place == (stream, event.seq)
                judgement.wrong += not right or number < last.get(source, -1)
                last[source] = number
        judgement.problems += map(str, run.problems)
    except (MLVError, OSError) as error:
        if acks.kept:  # killed before there was an experiment: then there is nothing to read
            judgement.problems.append(f"it cannot be read: {error}")
    judgement.missing = [key for key in acks.kept if key not in found]
    judgement.duplicated = sum(count - 1 for count in found.values())
    return judgement


def _findings(experiment: Path, sealed: bool) -> list[str]:
    if not (experiment / "meta.json").exists():
        return []
    report = validate(experiment, sealed=sealed)
    findings = [finding for target in report.targets for finding in target.findings if finding.rule != "log.torn"]
    problems = [f"{finding.path}:{finding.line}: {finding.rule}" for finding in findings]
    return problems or ([] if report.verdict == "valid" else [f"mlv-validate says: {report.verdict}"])
