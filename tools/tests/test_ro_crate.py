"""RO-Crates, judged by that community's own validator, without network."""

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from mlvlogger import Exp

if "MLV_REQUIRE_ALL" not in os.environ:
    pytest.importorskip("rocrate", reason="needs mlvlogger-tools[ro-crate]")

from mlv_tools._commands.export_ro_crate import command

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
AWKWARD = "ünï côde & 50% #1.txt"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    params = {"lr": 3e-4, "nan": float("nan"), "nested": {"a": [1]}, "a b/c#": "text", "none": None}
    with Exp(tmp_path / "runs", "demo", params, kind="train", tags=["one"]) as exp:
        exp.log.event("epoch/batch", step=1, loss=0.5)
        with exp.create("note.txt", "w") as note:
            note.write("kept")
        (exp.path / AWKWARD).write_text("awkward")
        (exp.path / "link").symlink_to("/etc/passwd")
        exp.sub("child", {"lr": 1}, kind="squeeze").close()
    return exp.path


def exported(experiment: Path, out: Path, *options: Any) -> Result:
    return CliRunner().invoke(command, [str(experiment), str(out), *options])


def found_by_the_validator(crate: Path, cache: Path) -> Any:
    """What must be mended. The validator finds the context in its cache: that of rocrate, a later version of it."""
    if "MLV_REQUIRE_ALL" not in os.environ:
        pytest.importorskip("rocrate_validator", reason="needs roc-validator")
    from requests_cache import CachedRequest, CachedResponse, CachedSession
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings

    response = CachedResponse(
        content=(files("rocrate") / "data/ro-crate.jsonld").read_bytes(),
        status_code=200,
        url=CONTEXT,
        headers={"Content-Type": "application/ld+json"},
        request=CachedRequest(method="GET", url=CONTEXT),
    )
    with CachedSession(str(cache), backend="sqlite") as session:
        session.cache.save_response(response)
    settings = ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="process-run-crate",
        requirement_severity=Severity.REQUIRED,
        offline=True,
        cache_path=str(cache),
    )
    result = services.validate(settings)
    return [issue.message for issue in result.get_issues(Severity.REQUIRED)]


@pytest.mark.filterwarnings("default")  # those of the validator and what it imports
@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_the_validator_of_ro_crate_finds_nothing_wrong(experiment: Path, tmp_path: Path, name: str) -> None:
    exported(experiment, tmp_path / name, "--license", "https://spdx.org/licenses/MIT")
    assert found_by_the_validator(tmp_path / name, tmp_path / "cache") == []


@pytest.mark.filterwarnings("default")
def test_the_validator_of_ro_crate_finds_planted_faults(experiment: Path, tmp_path: Path) -> None:
    exported(experiment, tmp_path / "crate")
    metadata = tmp_path / "crate/ro-crate-metadata.json"
    tree = json.loads(metadata.read_text())
    for entity in tree["@graph"]:
        entity.pop("instrument", None)
    metadata.write_text(json.dumps(tree))
    assert found_by_the_validator(tmp_path / "crate", tmp_path / "cache") != []


def test_the_experiment_in_a_crate_is_valid_and_whole(experiment: Path, tmp_path: Path) -> None:
    result = exported(experiment, tmp_path / "crate")
    assert (result.exit_code, result.stderr) == (
        1,
        f"{experiment}: link is left out: it is a symbolic link, or isn't a regular file\n",
    )
    subprocess.run(
        [sys.executable, "-m", "mlv_validate", "--require-sealed", tmp_path / "crate"], check=True, capture_output=True
    )
    paths = [path for path in experiment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert paths
    for path in paths:
        assert (tmp_path / "crate" / path.relative_to(experiment)).read_bytes() == path.read_bytes()


ODD = [
    *(
        "a\nb",
        "\x01\x7f",
        "a%20b",
        "a b",
        "a#b?c&d;e=f",
        "a\\b",
        "a:b",
        "C:x",
        "http:/x/y",
        "..x",
        "x..",
        "...",
        "~",
        "*",
    ),
    *("%ff", "%2e%2e", " ", '<"x">', "é", "e\u0301", "图表.png", "con", "-rf", "x" * 255, "sub/ro-crate-metadata.json"),
]
NOT_UTF8 = [b"bad\xff", b"bad folder\xff/inside", b"\xed\xa0\x80", b"half \xc3"]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_a_file_of_any_name_is_in_the_crate_or_reported(experiment: Path, tmp_path: Path, name: str) -> None:
    (experiment / "link").unlink()
    for odd in [*ODD, *map(os.fsdecode, NOT_UTF8), "ro-crate-metadata.json"]:
        (experiment / odd).parent.mkdir(parents=True, exist_ok=True)
        (experiment / odd).write_text(ascii(odd))
    Exp(experiment / os.fsdecode(b"bad folder\xff"), "child").close()
    expected = {
        path.relative_to(experiment).as_posix(): path.read_bytes()
        for path in experiment.rglob("*")
        if path.is_file() and not any("\udc80" <= char <= "\udcff" for char in str(path))
    }
    del expected["ro-crate-metadata.json"]
    result = exported(experiment, tmp_path / name)
    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        [
            rf"{experiment}: bad folder\udcff is left out: its name isn't UTF-8. Rename it",
            rf"{experiment}: bad\udcff is left out: its name isn't UTF-8. Rename it",
            rf"{experiment}: half \udcc3 is left out: its name isn't UTF-8. Rename it",
            f"{experiment}: ro-crate-metadata.json is left out: the crate has its own file of this name",
            rf"{experiment}: \udced\udca0\udc80 is left out: its name isn't UTF-8. Rename it",
        ],
    )
    if name == "crate.zip":
        with zipfile.ZipFile(tmp_path / name) as archive:
            written = {one: archive.read(one) for one in archive.namelist() if not one.endswith("/")}
    else:
        crate = tmp_path / name
        written = {path.relative_to(crate).as_posix(): path.read_bytes() for path in crate.rglob("*") if path.is_file()}
    graph = json.loads(written.pop("ro-crate-metadata.json"))["@graph"]
    assert written == expected
    assert sorted(unquote(one["@id"]) for one in graph if one["@type"] == "File") == sorted(expected)
    assert found_by_the_validator(tmp_path / name, tmp_path / "cache") == []


def test_a_lone_surrogate_in_a_value_is_escaped(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "demo", {"text": "\ud800", "list": ["\udcff"]}).close()
    result = exported(tmp_path / "runs/demo", tmp_path / "crate")
    assert (result.exit_code, result.stderr) == (0, "")
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    values = {entity["name"]: entity["value"] for entity in graph if entity["@type"] == "PropertyValue"}
    assert values == {"text": r"\ud800", "list": r'["\udcff"]'}


def test_a_crate_describes_params_files_software_times_and_sub_experiments(experiment: Path, tmp_path: Path) -> None:
    exported(experiment, tmp_path / "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        graph = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    meta = (experiment / "meta.json").read_bytes()
    assert graph["./"]["identifier"] == f"sha256:{hashlib.sha256(meta).hexdigest()}"
    assert (graph["meta.json"]["sha256"], graph["meta.json"]["contentSize"]) == (
        hashlib.sha256(meta).hexdigest(),
        str(len(meta)),
    )
    assert {(entity["name"], entity["value"]) for entity in graph.values() if entity["@type"] == "PropertyValue"} == {
        ("lr", 3e-4),
        ("nan", "nan"),
        ("nested", '{"a": [1]}'),
        ("a b/c#", "text"),
        ("none", "null"),
        ("lr", 1),
    }
    actions = [entity for entity in graph.values() if entity["@type"] == "CreateAction"]
    assert [action["name"] for action in actions] == ["train demo", "squeeze child"]
    assert all(action["startTime"] <= action["endTime"] for action in actions)
    assert graph["squeeze/child/"]["name"] == "child"
    assert any(entity["@type"] == "SoftwareApplication" and entity["name"] == "click" for entity in graph.values())


def test_a_crate_overwrites_nothing_and_is_refused_inside_the_experiment(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert exported(experiment, tmp_path / "there").exit_code == 2
    assert exported(experiment, experiment / "crate").exit_code == 2


def test_parameters_and_packages_with_similar_names_are_not_merged(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo", {"squeeze/child/lr": 1}) as exp:
        exp.sub("child", {"lr": 2}, kind="squeeze").close()
    meta = exp.path / "meta.json"
    tree = json.loads(meta.read_text())
    tree["environment"]["runtime"]["packages"] = {"a-b": "1", "a": "b-1"}
    meta.chmod(0o644)
    meta.write_text(json.dumps(tree))
    exported(exp.path, tmp_path / "crate")
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    values = {(one["name"], one["value"]) for one in graph if one["@type"] == "PropertyValue"}
    assert values == {("squeeze/child/lr", 1), ("lr", 2)}
    packages = {(one["name"], one["softwareVersion"]) for one in graph if one["@type"] == "SoftwareApplication"}
    assert {("a-b", "1"), ("a", "b-1")} <= packages


@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_an_export_that_fails_leaves_nothing_behind(experiment: Path, tmp_path: Path, name: str) -> None:
    (experiment / "large.bin").write_bytes(os.urandom(200_000))
    before = sorted(os.listdir(tmp_path))
    command = [sys.executable, "-m", "mlv_tools", "export", "ro-crate", str(experiment), name]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    said = f"File too large: {str(experiment / 'large.bin')!r} -> {name!r}\n"
    assert (done.returncode, done.stderr.decode().partition("] ")[2]) == (1, said)
    assert sorted(os.listdir(tmp_path)) == before


def test_an_output_whose_name_is_too_long_is_named(experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / ("x" * 300)
    result = exported(experiment, out)
    assert str(result.exception) == f"[Errno 36] File name too long: {str(out)!r}"


def test_a_folder_that_cannot_be_read_is_an_error(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (experiment / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Any = ".") -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root, who may run this test, reads every folder
    result = exported(experiment, tmp_path / "crate")
    assert isinstance(result.exception, PermissionError) and not (tmp_path / "crate").exists()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_an_empty_folder_is_in_the_crate(experiment: Path, tmp_path: Path, name: str) -> None:
    (experiment / "ünused dir/deep").mkdir(parents=True)
    exported(experiment, tmp_path / name)
    if name == "crate":
        assert (tmp_path / name / "ünused dir/deep").is_dir()
    else:
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert "ünused dir/deep/" in archive.namelist()
    assert found_by_the_validator(tmp_path / name, tmp_path / "cache") == []


def test_parameters_of_an_experiment_and_of_its_parts_are_kept_apart(tmp_path: Path) -> None:
    exp = Exp(tmp_path / "runs", "demo", {"squeeze/pruned/ratio": 1})
    exp.sub("pruned", {"ratio": 2}, kind="squeeze").close()
    exp.close()
    assert exported(exp.path, tmp_path / "crate").exit_code == 0
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    params = {entity["@id"]: entity["value"] for entity in graph if entity["@id"].startswith("#param-")}
    assert sorted(params.values()) == [1, 2]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("state", "status"), [("completed", "Completed"), ("failed", "Failed"), ("interrupted", "Failed"), ("ended", None)]
)
def test_an_action_has_an_end_and_a_status_if_it_is_known(tmp_path: Path, state: str, status: str | None) -> None:
    exp = Exp(tmp_path / "runs", "demo")
    exp.close(state)
    assert exported(exp.path, tmp_path / "crate").exit_code == 0
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    (action,) = (entity for entity in graph if entity["@type"] == "CreateAction")
    assert action.get("actionStatus") == (f"http://schema.org/{status}ActionStatus" if status else None)
    assert action["startTime"] <= action["endTime"]
    assert action["description"] == f"The run that recorded demo; its state is {state}."
    assert found_by_the_validator(tmp_path / "crate", tmp_path / "cache") == []


def test_a_paused_experiment_has_no_end(tmp_path: Path) -> None:
    exp = Exp(tmp_path / "runs", "demo")
    exp.log.pause()
    exp.close()
    assert exported(exp.path, tmp_path / "crate").exit_code == 0
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    (action,) = (entity for entity in graph if entity["@type"] == "CreateAction")
    assert "endTime" not in action and "actionStatus" not in action


@pytest.mark.filterwarnings("default")
def test_a_crate_has_the_metrics_that_are_defined(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo", kind="train") as exp:
        exp.define_metric("loss", direction="minimize", unit="nat", description="cross entropy")
        exp.define_metric("accuracy", event="val", direction="maximize")
        exp.stream("gpu").define_metric("memory", unit="By")
        with exp.sub("child", kind="squeeze") as child:
            child.define_metric("size", unit="By")
    assert exported(exp.path, tmp_path / "crate").exit_code == 0
    graph = {one["@id"]: one for one in json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]}

    def measured(part: str) -> list[dict[str, str]]:
        found = graph[part]["variableMeasured"]
        entities = [graph[one["@id"]] for one in (found if isinstance(found, list) else [found])]
        assert all(one["@type"] == "PropertyValue" for one in entities)
        return [{name: text for name, text in one.items() if not name.startswith("@")} for one in entities]

    assert measured("./") == [
        {"name": "loss", "unitText": "nat", "description": "cross entropy; lower is better"},
        {"name": "val/accuracy", "description": "higher is better"},
        {"name": "memory", "unitText": "By"},
    ]
    assert measured("squeeze/child/") == [{"name": "size", "unitText": "By"}]
    assert found_by_the_validator(tmp_path / "crate", tmp_path / "cache") == []
