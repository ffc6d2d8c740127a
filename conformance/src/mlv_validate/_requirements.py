"""The rules of the specification as `requirements.json` lists them. `_rules/` checks them."""

import json
from dataclasses import dataclass
from importlib.resources import files

from mlv_validate._version import SPEC_VERSION

SPEC = files("mlv_validate") / "spec" / SPEC_VERSION


@dataclass(frozen=True, slots=True)
class Rule:
    """A requirement of the specification.

    Attributes:
        id: The name of the rule.
        level: `MUST` or `SHOULD`.
        class_: What must keep the rule: `directory`, `writer`, `reader` or `validator`.
        at: The lowest conformance level at which the rule holds, `core` or `sealed`.
        phase: The phase in which a directory is checked, None for other classes.
        text: The sentence of the specification.
        chapter: The file of the sentence, without `.md`.
        since: The first version of the specification with the rule.
        why: The reason for the rule.
        hint: What to do if the rule is broken.
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
        """The level of the rule's findings: `error` for a MUST, `warning` for a SHOULD."""
        return "error" if self.level == "MUST" else "warning"


def _load() -> dict[str, Rule]:
    listed = json.loads((SPEC / "requirements.json").read_text("utf-8"))
    return {entry["id"]: Rule(class_=entry.pop("class"), **entry) for entry in listed}


RULES = _load()
"""All rules of the specification by name, in the order of the text."""

ORDER = {name: number for number, name in enumerate(RULES)}


def rules_at(level: str) -> frozenset[str]:
    """Return the names of the rules for directories at level `core` or `sealed`."""
    return frozenset(name for name, rule in RULES.items() if rule.class_ == "directory" and rule.at in ("core", level))
