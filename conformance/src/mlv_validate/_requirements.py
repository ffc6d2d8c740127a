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
        id (str): The name of the rule, such as `log.blank`.
        level (str): `MUST` or `SHOULD`.
        class_ (str): Who must keep the rule: `directory`, `writer`, `reader` or `validator`.
        at (str): The conformance level from which the rule holds: `core` or `sealed`.
        phase (str | None): The phase in which a directory is checked by the rule, None for the other classes.
        text (str): The sentence of the specification.
        chapter (str): The file of the sentence, without `.md`.
        since (str): The version of the specification that introduced the rule.
        why (str): The reason for the rule.
        hint (str): What to do if the rule is broken.
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
        """The severity of a finding of the rule: `error` for a MUST, `warning` for a SHOULD."""
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
