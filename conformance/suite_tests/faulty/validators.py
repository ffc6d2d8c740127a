"""Validators that a reviewer planted mistakes in and that the suite passed: `python validators.py ID validate DIR…`.

Each is the Python driver with one mistake, under the id that the review gave it.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "drivers"))

import _python_reading as driver
import python_driver
from faulty.planting import Faults, wrapped

from mlv_validate._read import directory
from mlv_validate._rules.bytes import Parsed
from mlv_validate._rules.events import Sequence, Spans
from mlv_validate._targets import discovery, experiment, stream

fault = FAULTS = Faults()


@fault("V08", "event.exists", "event.exists/a masked line*", "event.exists .*is not reported")
def masked_has_any_number() -> None:
    """A masked line may have any number, also one that the lines around it leave no place for."""
    masked = set[int]()
    wrapped(Sequence, "add_masked", lambda plain, self: (plain(self), masked.add(id(self))))
    Sequence.__contains__ = lambda self, seq: seq in self._numbers or id(self) in masked


@fault("V10", "meta.members", "meta.members/an experiment 6*", "is not reported")
def depth_63() -> None:
    """Directories are searched to a depth of 63."""
    directory.MAX_DIRECTORY_DEPTH = 63


@fault("V11", "meta.members", "meta.members/an experiment 6*", "not reported as unchecked")
def any_depth() -> None:
    """Directories are searched to any depth."""
    directory.MAX_DIRECTORY_DEPTH = 1000


@fault("V13", "json.syntax", "json.syntax/*of 2.0", "is reported but not expected")
def findings_beside_2_0() -> None:
    """An experiment of an unknown major version gets other findings, too."""

    def refused(self: Any, digest: str | None, reasons: dict[str, str]) -> Any:
        for path, reason in reasons.items():
            self._findings.add_unchecked(path, reason)
        return experiment.ExperimentResult(self._path, digest, None, self._findings, checked=False)

    experiment._ExperimentChecker._result_of_refused = refused


@fault("V17", "json.unique-names", "json.unique-names/a directory*", "reported")
def first_member() -> None:
    """Of two members `mlv`, the first decides whether a directory is an experiment."""

    def parse(plain: Any, raw: bytes, **options: Any) -> Any:
        value = plain(raw, **options).value
        return Parsed(
            {"mlv": 1} if raw.startswith(b'{"mlv":1,') else {"mlv": "1.0"} if b',"mlv":1' in raw else value, []
        )

    wrapped(discovery, "parse", parse)


@fault("V18", "layout.meta", "layout.meta/a path that isn't UTF-8", "is not reported")
def replaced_bytes() -> None:
    """Bytes of a path that aren't UTF-8 are replaced."""
    driver._storable = lambda path: path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@fault("V19", "span.within", "span.within/a span whose begin is masked*", "span.within .*is not reported")
def ended_and_open() -> None:
    """A span whose begin is masked is open after its end."""
    Spans.is_open = lambda self, seq: seq in self._open or seq in self._possible


@fault("V20", "span.within", "span.within/a span whose begin is masked*", "span.within .*is not reported")
def survives_the_session() -> None:
    """A span whose begin is masked is open in the next session."""
    Spans.clear = lambda self: self._open.clear()


@fault("V21", "seal.records", "seal.records/a masked addition*", "seal.records .*but not expected")
def masked_vouches_for_nothing() -> None:
    """A masked addition doesn't vouch for the record before it."""

    def unsealed(plain: Any, streams: Any, chain: Any, id_: str | None) -> Any:
        return plain(streams, SimpleNamespace(digests=chain.digests, previous=chain.previous, masked=set()), id_)

    wrapped(experiment, "unsealed_records", unsealed)


@fault("V23", "log.dropped", "log.dropped/after a masked line*", "log.dropped .*is not reported")
def any_first() -> None:
    """The `first` of an `mlv/dropped` after a masked line may be any number."""
    wrapped(
        stream,
        "check_dropped",
        lambda plain, data, seq, sequence: [] if sequence.after_masked else plain(data, seq, sequence),
    )


@fault(
    "V27", "event.unknown-members", "event.unknown-members/before the first*", "event.unknown-members .*not expected"
)
def version_1_0() -> None:
    """The lines before the first `mlv/start` are of 1.0 where `meta.json` is masked."""
    wrapped(
        experiment,
        "check_stream",
        lambda plain, folder, file, path, base, *rest: plain(folder, file, path, base or (1, 0), *rest),
    )


if __name__ == "__main__":
    FAULTS[sys.argv[1]].plant()
    sys.exit(python_driver.main(*sys.argv[2:]))
