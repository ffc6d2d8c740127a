"""What is known of a stream once it was read."""

from dataclasses import dataclass, field

from mlv_validate._rules.events import Sequence


@dataclass(slots=True)
class Start:
    """What an `mlv/start` says about the experiment it belongs to."""

    line: int
    experiment: str | None
    number: int | None
    digest: str | None


@dataclass(slots=True)
class Stream:
    """What is known of a stream once it was read."""

    path: str
    size: int
    sequence: Sequence = field(default_factory=Sequence)
    starts: list[Start] = field(default_factory=list)
    ends: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    lines: int = 0
    events: int = 0
    may_have_started: bool = False
    """Whether a masked line may have been an `mlv/start`."""
    torn: int = 0
    refused: bool = False
    last: str | None = None
    """What the last line is: an event's name, or None if there is none or it is masked."""
    state: str = "open"
