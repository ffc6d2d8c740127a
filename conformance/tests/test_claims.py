"""The public claims: their form, and the page and badges that are made from them."""

import importlib.util
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlv_conformance._cli import SUITE

ROOT = Path(__file__).parents[2]
CLAIMS = ROOT / "conformance" / "claims"
IMPLEMENTATIONS: list[Any] = json.loads((CLAIMS / "implementations.json").read_text("utf-8"))
VERSIONS = [(one["name"], version["version"]) for one in IMPLEMENTATIONS for version in one["versions"]]


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("claims", ROOT / "conformance" / "claims.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_and_the_badges_are_what_the_claims_say() -> None:
    made = dict(load_script().files())
    for path, content in made.items():
        assert path.read_text("utf-8") == content, f"{path} is old. Run: python conformance/claims.py --page"
    badges = {path for path in CLAIMS.glob("*/badges/*")}
    assert badges == {path for path in made if path.parent.name == "badges"}


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_a_claim_has_its_form_and_its_version(name: str, version: str) -> None:
    claim = json.loads((CLAIMS / name / f"{version}.json").read_text("utf-8"))
    Draft202012Validator(json.loads((SUITE / "claim.schema.json").read_text("utf-8"))).validate(claim)
    assert claim["product"]["version"] == version


def test_every_claim_is_listed() -> None:
    found = {(path.parent.name, path.stem) for path in CLAIMS.glob("*/*.json")}
    assert found == set(VERSIONS) and VERSIONS


def test_a_badge_is_an_endpoint_of_shields_io_and_a_picture() -> None:
    for path in CLAIMS.glob("*/badges/*.json"):
        badge = json.loads(path.read_text("utf-8"))
        assert badge.keys() == {"schemaVersion", "label", "message", "color"} and badge["schemaVersion"] == 1
        picture = ElementTree.fromstring(path.with_suffix(".svg").read_text("utf-8"))
        assert picture.get("aria-label") == f"{badge['label']}: {badge['message']}"


def test_claims_are_the_same_on_another_machine_and_not_with_another_suite() -> None:
    claims = load_script()
    claim = claims.committed(claims.OWN[0])
    assert claims.same(claim, claim | {"platform": "another"})
    assert not claims.same(claim, claim | {"suite": {**claim["suite"], "sha256": "0" * 64}})
    assert not claims.same(None, claim)
