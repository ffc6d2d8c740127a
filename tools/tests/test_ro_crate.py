"""`mlv export ro-crate`, judged by the validator of that community."""

import hashlib
import json
import os
import zipfile

import pytest

from mlv_validate import validate
from mlvlogger import Exp, read

rocrate = pytest.importorskip("rocrate", reason="needs the extra ro-crate: pip install 'mlvlogger-tools[ro-crate]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of rdflib and others


@pytest.fixture
def exp(tmp_path):
    with Exp(
        tmp_path, "e", {"lr": 0.1, "opt": {"name": "adam"}}, kind="train", tags=["a"], description="A run."
    ) as exp:
        exp.log.event("batch", step=1, loss=0.5)
        (exp.path / "weights.bin").write_bytes(b"\0" * 10)
        exp.log.event("best", file=exp.attach(exp.path / "weights.bin", "best.bin"))
        os.symlink("/etc/passwd", exp.path / "link")
    Exp.find(exp.path).sub("s", {"ratio": 0.5}, kind="part").close()
    return exp


def judged(path):
    """What the community's validator demands of a crate and does not find. Its one network access, to the terms of
    RO-Crate, is served from the copy that the library of that community carries."""
    from rocrate_validator import models, services
    from rocrate_validator.utils import document_loader, http

    terms = json.loads((rocrate_data() / "ro-crate.jsonld").read_text("utf-8"))

    class Answer:
        status_code = 200
        ok = True
        headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012
        text = json.dumps(terms)
        content = text.encode()

        def json(self):
            return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_loader, "_fetch_json_ld", lambda url: terms)
        patch.setattr(http.HttpRequester, "get", lambda self, url, **options: Answer(), raising=False)
        patch.setattr(http.HttpRequester, "head", lambda self, url, **options: Answer(), raising=False)
        settings = services.ValidationSettings(
            rocrate_uri=str(path),
            profile_identifier="ro-crate-1.1",
            requirement_severity=models.Severity.REQUIRED,
        )
        return [issue.message for issue in services.validate(settings).get_issues()]


def rocrate_data():
    from importlib.resources import files

    return files("rocrate") / "data"


@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_the_validator_of_the_community_finds_nothing_required_missing(mlv, exp, tmp_path, name):
    pytest.importorskip("rocrate_validator", reason="needs roc-validator")
    licence = "https://creativecommons.org/licenses/by/4.0/"
    output = mlv("export", "ro-crate", "e", name, "--license", licence, "--author", "Ada")
    assert output == f"{name}: 6 files and ro-crate-metadata.json\n"
    assert judged(tmp_path / name) == []


def test_a_crate_that_lacks_something_is_found_by_that_validator(mlv, exp, tmp_path):
    pytest.importorskip("rocrate_validator", reason="needs roc-validator")
    mlv("export", "ro-crate", "e", "crate", "--license", "https://example.org/")
    metadata = tmp_path / "crate/ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"datePublished"', '"dateUnknown"'))
    assert judged(tmp_path / "crate")


def test_the_experiment_in_a_crate_is_the_same_and_validates(mlv, exp, tmp_path):
    mlv("export", "ro-crate", "e", "crate")
    assert read(tmp_path / "crate").id == exp.id
    report = validate(tmp_path / "crate", sealed=True)
    assert report.verdict == "valid" and not any(target.findings for target in report.targets)
    assert not (tmp_path / "crate/link").exists()


def test_the_description_says_what_was_run_with_what_and_what_came_out(mlv, exp, tmp_path):
    mlv("export", "ro-crate", "e", "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    root = entities["./"]
    assert (root["name"], root["identifier"], root["keywords"]) == ("e", exp.id, "a")
    assert root["description"] == "A run. The completed experiment e of kind train, in the MLV format."
    best = entities["files/best.bin"]
    assert (best["contentSize"], best["sha256"]) == ("10", hashlib.sha256(bytes(10)).hexdigest())
    assert entities["#param-opt"]["value"] == "{name: adam}" and entities["#part/s/param-ratio"]["value"] == "0.5"
    action = entities["#run-1"]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus" and action["endTime"]
    assert {"@id": "files/best.bin"} in action["result"]


def test_what_exists_is_not_overwritten(mlv, exp, tmp_path):
    (tmp_path / "crate").mkdir()
    assert "crate exists" in mlv("export", "ro-crate", "e", "crate", exit=1)
