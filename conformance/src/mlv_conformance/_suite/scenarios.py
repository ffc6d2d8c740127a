"""The scenarios of the suite: operations for a writer, and what the writer must store."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Step = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One process of the driver, or several `together`: the steps of each.

    `edit` is applied to the directory before the run, `env` is added to the environment, `arguments` to the command.
    """

    together: list[list[Step]]
    edit: dict[str, Any] | None = None
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A scenario; `conformance/suite/README.md` specifies its members."""

    topic: str
    name: str
    rules: tuple[str, ...]
    runs: tuple[Run, ...]
    closed: bool = False
    unjudged: bool = False
    nothing: bool = False
    told: bool = False
    state: str | tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    kill: str | None = None
    locked: bool = False
    unlocked: bool = False
    records: int | None = None
    base: Path | None = None
    damaged: tuple[str, ...] = ()
    listed: str | None = None

    @property
    def has_several_processes(self) -> bool:
        """Whether more than one process of the driver runs, one after the other or at once."""
        return len(self.runs) > 1 or len(self.runs[0].together) > 1 or self.kill is not None

    @property
    def id(self) -> str:
        """The name of the scenario in results: its topic and its name."""
        return f"{self.topic}/{self.name}"


def load_scenarios(suite: Path) -> list[Scenario]:
    """Return the scenarios of a suite, in the order of their files' names."""
    return [
        _scenario(suite, content["topic"], scenario)
        for path in sorted((suite / "scenarios").glob("*.json"))
        for content in [json.loads(path.read_text("utf-8"))]
        for scenario in content["scenarios"]
    ]


def _scenario(suite: Path, topic: str, members: dict[str, Any]) -> Scenario:
    plain: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in members.items()}
    base = suite / "bases" / members["base"] if "base" in members else None
    return Scenario(topic=topic, **plain | {"runs": tuple(map(_run, members["runs"])), "base": base})


def _run(members: dict[str, Any]) -> Run:
    together = members.get("together") or [members["steps"]]
    return Run(_expanded(together), members.get("edit"), members.get("env", {}), tuple(members.get("arguments", ())))


def _expanded(value: Any) -> Any:
    """Return the value with long strings expanded: `{"repeat": "x", "times": 3}` becomes "xxx"."""
    if isinstance(value, dict):
        if value.keys() == {"repeat", "times"}:
            return value["repeat"] * value["times"]
        return {name: _expanded(part) for name, part in value.items()}
    return [_expanded(part) for part in value] if isinstance(value, list) else value
