"""The rules of the specification, as `requirements.json` lists them. What they demand is known further up."""

import json
from dataclasses import dataclass
from importlib.resources import files

from mlv_validate._version import SPEC_VERSION

SPEC = files("mlv_validate") / "spec" / SPEC_VERSION


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A requirement of the specification.

    `level` is `MUST` or `SHOULD`; `class_` is who keeps it (`directory`, `writer`, `reader` or `validator`); `at` the
    level of conformance from which it holds (`core` or `sealed`); `phase` that in which a directory is judged by it,
    None for the other classes; `chapter` the file of the sentence, without `.md`; `why` the reason; `hint` what to do
    when it is broken.
    """

    id: str
    level: str
    class_: str
    at: str
    phase: str | None
    text: str
    chapter: str
    since: str
    why: str
    hint: str

    @property
    def severity(self) -> str:
        """What a finding of it is: `error` for a MUST, `warning` for a SHOULD."""
        return "error" if self.level == "MUST" else "warning"


def _load() -> dict[str, Rule]:
    listed = json.loads((SPEC / "requirements.json").read_text("utf-8"))
    return {entry["id"]: Rule(class_=entry.pop("class"), **entry) for entry in listed}


RULES = _load()
"""Every rule of the specification by its name, in the order of the text."""

ORDER = {name: number for number, name in enumerate(RULES)}


def judged_at(level: str) -> frozenset[str]:
    """The names of the rules by which a directory is judged at level `core` or `sealed`."""
    return frozenset(name for name, rule in RULES.items() if rule.class_ == "directory" and rule.at in ("core", level))
