"""Metadata records: every byte of them, the id, additions, the fold, and what is kept out."""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import (
    CannotEncode,
    Exp,
    ExperimentRef,
    InvalidRecord,
    NotAnExperiment,
    Redacted,
    UnsupportedVersion,
    read,
    ref,
)
from mlvlogger._environment import snapshot
from program import program

HOME = Path("runs/e")
META = HOME / "meta.json"
NOW = "2026-11-22T18:24:00.000000Z"
FACTS = {"command": ["python", "train.py"], "host": {"name": "gpu-7"}, "runtime": {"language": "Python"}}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def fixed(constant: Callable[[str, Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock, the nonce and the machine are constant."""
    constant("_write.meta.now", lambda: NOW)
    monkeypatch.setattr("os.urandom", lambda count: b"\xab" * count)
    monkeypatch.setattr(snapshot, "capture", lambda **_: dict(FACTS))


def test_the_complete_meta_json(fixed: None) -> None:
    Path("train.csv").write_bytes(b"1,2\n")
    os.utime("train.csv", ns=(0, 1_700_000_000_000_000_000))
    params = {"lr": 3e-4, "seed": 2**63, "_mlv": [None, True], "data": ref("train.csv")}
    extra = {"note": "größe"}
    options: dict[str, Any] = {"tags": ["a", "b", "a"], "description": "two\nlines", "extra": extra}
    with Exp("runs", "e", params, "train", parent=ExperimentRef("sha256:" + "0" * 64, "../x"), **options):
        pass
    expected = {
        "mlv": "1.0",
        "name": "e",
        "kind": "train",
        "created": NOW,
        "nonce": "ab" * 16,
        "params": {
            "lr": 0.0003,
            "seed": {"_mlv": "int", "value": "9223372036854775808"},
            "__mlv": [None, True],
            "data": {
                "_mlv": "external",
                "path": str(Path("train.csv").resolve()),
                "host": os.uname().nodename,
                "size": 4,
                "sha256": hashlib.sha256(b"1,2\n").hexdigest(),
                "modified": "2023-11-14T22:13:20.000000Z",
            },
        },
        "extra": {"note": "größe"},
        "tags": ["a", "b"],
        "description": "two\nlines",
        "environment": FACTS,
        "parent": {"_mlv": "experiment", "id": "sha256:" + "0" * 64, "path": "../x"},
    }
    assert json.loads(META.read_bytes()) == expected
    assert META.read_bytes() == (json.dumps(json.loads(META.read_bytes()), indent=2) + "\n").encode("ascii")


def test_the_complete_addition(fixed: None) -> None:
    Exp("runs", "e", {"lr": 1}, tags=["a"]).close()
    Exp.open(HOME, {"lr": 1.0, "split": "test"}, tags=["a", "b"], extra={"x": 1}, description="more").close()
    assert json.loads((HOME / "meta/2.json").read_bytes()) == {
        "mlv": "1.0",
        "experiment": "sha256:" + digest(META),
        "previous": "sha256:" + digest(META),
        "created": NOW,
        "stream": "log/run-2.jsonl",
        "params": {"split": "test"},
        "extra": {"x": 1},
        "tags": ["b"],
        "description": "more",
        "environment": FACTS,
    }
    Exp.open(HOME).close()
    third = json.loads((HOME / "meta/3.json").read_bytes())
    assert third == {
        "mlv": "1.0",
        "experiment": "sha256:" + digest(META),
        "previous": "sha256:" + digest(HOME / "meta/2.json"),
        "created": NOW,
        "stream": "log/run-3.jsonl",
        "environment": FACTS,
    }


@pytest.mark.rule("reader.id")
def test_the_id_is_the_digest_of_the_bytes_of_meta_json(conforms: Any) -> None:
    with Exp("runs", "e", {"text": "é"}) as exp:
        assert exp.id == "sha256:" + digest(META)
    command = subprocess.run(["sha256sum", str(META)], capture_output=True, text=True, check=True)
    assert "sha256:" + command.stdout.split()[0] == read(HOME).id == Exp.find(HOME).id == exp.id
    conforms(HOME, sealed=True)
    META.write_bytes(META.read_bytes() + b" ")
    assert read(HOME).id == "sha256:" + digest(META) != exp.id


@pytest.mark.rule("writer.nonce")
def test_two_equal_experiments_have_random_nonces_and_other_ids() -> None:
    exps = [Exp("runs", f"e{number}", {"lr": 1}) for number in range(20)]
    nonces = {json.loads((exp.path / "meta.json").read_bytes())["nonce"] for exp in exps}
    assert len(nonces) == len({exp.id for exp in exps}) == 20
    assert all(re.fullmatch("[0-9a-f]{32}", nonce) for nonce in nonces)
    # 20 × 128 bits: that one of the bits is the same in all has a probability of 2**-12; of three, 2**-30 or so.
    numbers = [int(nonce, 16) for nonce in nonces]
    fixed_bits = [bit for bit in range(128) if len({number >> bit & 1 for number in numbers}) == 1]
    assert len(fixed_bits) < 3
    for exp in exps:
        exp.close()


@pytest.mark.rule("writer.meta-once")
@pytest.mark.rule("writer.kept")
def test_what_is_recorded_never_changes(conforms: Any) -> None:
    Exp("runs", "e", {"a": 1}).close()
    before = META.read_bytes()
    for _ in range(3):
        Exp.open(HOME).close()
        Exp.resume(HOME).close()
    assert META.read_bytes() == before
    assert sorted(os.listdir(HOME / "meta")) == ["2.json", "3.json", "4.json", "5.json", "6.json", "7.json"]
    conforms(HOME, sealed=True)


@dataclass
class Settings:
    lr: float
    layers: tuple[int, ...]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (None, {}),
        ({}, {}),
        (Settings(0.1, (1, 2)), {"lr": 0.1, "layers": [1, 2]}),
        (argparse.Namespace(lr=0.1), {"lr": 0.1}),
        ({"a": {"b": float("nan")}}, {"a": {"b": {"_mlv": "float", "value": "nan"}}}),
    ],
)
def test_params_are_a_mapping_a_dataclass_or_a_namespace(params: Any, expected: Any) -> None:
    Exp("runs", "e", params).close()
    assert json.loads(META.read_bytes())["params"] == expected


@pytest.mark.parametrize("params", [5, "lr=1", [("lr", 1)], Settings])
def test_params_of_another_type_are_refused_and_nothing_is_made(params: Any) -> None:
    with pytest.raises(TypeError, match="params is .*give a mapping, a dataclass or an argparse namespace"):
        Exp("runs", "e", params)
    assert os.listdir() == []


def test_a_parameter_that_cannot_be_encoded_is_named_and_nothing_is_made() -> None:
    for member in ("params", "extra"):
        members: dict[str, Any] = {member: {"optimizer": {"fns": [1, 1j]}}}
        with pytest.raises(CannotEncode) as caught:
            Exp("runs", "e", **members)
        assert caught.value.path == f"{member}.optimizer.fns[1]"
        assert str(caught.value).startswith(f"{member}.optimizer.fns[1]: the value is of type complex")
    assert os.listdir() == []


def test_refused_values_of_params_and_extra_are_in_one_error_and_nothing_changes() -> None:
    Exp("runs", "made").close()
    parent = Exp("runs", "parent")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    calls: list[Callable[..., Any]] = [
        lambda **members: Exp("runs", "e", **members),
        lambda **members: Exp.resume("runs/made", **members),
        lambda **members: parent.sub("x", **members),
    ]
    for call in calls:
        with pytest.raises(CannotEncode) as caught:
            call(params={"a": {1: 1, "1": 2}, "b": 1j}, extra={"c": [object] * 2, "d": {True: 1, "true": 2}})
        assert [path for path, _ in caught.value.problems] == ["params.a", "params.b", "extra.d"]
        assert str(caught.value).startswith("params and extra: 3 values can't be recorded.")
        assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before


def test_params_too_large_for_a_record_are_refused_and_no_experiment_is_made() -> None:
    with pytest.raises(
        CannotEncode, match="larger than 16777216; most of it is params.a. Attach large parameters as a"
    ):
        Exp("runs", "e", {"a": "x" * 2**24}, redact=False)
    assert not META.exists()


@pytest.mark.parametrize("tags", [[""], [5], ["\ud800"], [None]])
def test_a_tag_that_is_not_a_string_is_refused(tags: Any) -> None:
    with pytest.raises(ValueError, match="tag"):
        Exp("runs", "e", tags=tags)
    assert os.listdir() == []


def test_one_tag_may_be_given_as_a_string_and_a_description_is_a_string() -> None:
    with Exp("runs", "e", tags="baseline", description="") as exp:
        assert exp.tags == ["baseline"]
    for description in (5, b"x", "\ud800"):
        with pytest.raises((TypeError, ValueError), match="description"):
            Exp("runs", "f", description=description)  # type: ignore[arg-type]


EQUAL = [
    ({"a": 1}, {"a": 1.0}),
    ({"a": {"b": [1, 2]}}, {"a": {"b": [1.0, 2]}}),
    ({"a": (1,)}, {"a": [1]}),
    ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
]
OTHER = [
    ({"a": 1}, {"a": True}),
    ({"a": 1}, {"a": 2}),
    ({"a": [1]}, {"a": [True]}),
    ({"a": None}, {"a": {}}),
    ({"a": 2**53 - 1}, {"a": 2**53}),
]


@pytest.mark.parametrize(("old", "new"), EQUAL)
def test_a_parameter_given_again_with_an_equal_value_adds_nothing(old: Any, new: Any) -> None:
    Exp("runs", "e", old).close()
    Exp.open(HOME, new).close()
    assert "params" not in json.loads((HOME / "meta/2.json").read_bytes())


@pytest.mark.rule("writer.kept")
@pytest.mark.parametrize(("old", "new"), OTHER)
def test_a_parameter_given_again_with_another_value_is_a_change(old: Any, new: Any) -> None:
    Exp("runs", "e", old).close()
    Exp.open(HOME, {"b": 1, **new}).close()
    record = json.loads((HOME / "meta" / "2.json").read_bytes())
    assert record["params"] == {"b": 1} and list(record["changes"]["params"]) == ["a"]
    assert [change.name for change in read(HOME).changes] == ["a"]


def test_the_effective_meta_is_merged_from_all_records() -> None:
    Exp("runs", "e", {"a": 1}, "train", tags=["x"], description="one", extra={"e": 1}).close()
    Exp.open(HOME, {"b": 2}, tags=["y"], description="two").close()
    with Exp.open(HOME, {"c": 3}, extra={"f": 2}) as exp:
        assert (exp.params, exp.extra, exp.tags) == ({"a": 1, "b": 2, "c": 3}, {"e": 1, "f": 2}, ["x", "y"])
    run = read(HOME)
    assert (run.params, run.extra, run.tags) == ({"a": 1, "b": 2, "c": 3}, {"e": 1, "f": 2}, ["x", "y"])
    assert (run.name, run.kind, run.descriptions, len(run.environments)) == ("e", "train", ["one", "two"], 3)


@pytest.mark.slow
@pytest.mark.rule("writer.number")
def test_eight_processes_add_records_at_once_and_the_chain_has_no_gap(begin: Callable[..., Any], conforms: Any) -> None:
    Exp("runs", "e").close()
    code = program("meta_eight_processes")
    scripts = [begin(code, number) for number in range(8)]
    for script in scripts:
        script.stdout.readline()
    for script in scripts:
        print(file=script.stdin, flush=True)
    assert [script.wait() for script in scripts] == [0] * 8
    assert sorted(int(name[:-5]) for name in os.listdir(HOME / "meta")) == list(range(2, 26))
    assert len(read(HOME).params) == 24 and read(HOME).problems == []
    streams = conforms(HOME, sealed=True)
    assert len(streams) == 25


DAMAGE = {
    "not-json": b"{",
    "empty": b"",
    "array": b"[]",
    "nan": b'{"mlv": NaN}',
    "not-utf-8": b"\xff",
    "deep": b'{"mlv":"1.0","params":' + b"[" * 10**5,
    "no-params": b'{"mlv": "1.0", "name": "e"}',
    "params-no-object": b'{"mlv": "1.0", "name": "e", "params": [1]}',
    "no-name": b'{"mlv": "1.0", "params": {}}',
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_meta_json_is_reported_by_every_call_and_nothing_is_added(kind: str) -> None:
    HOME.mkdir(parents=True)
    META.write_bytes(DAMAGE[kind])
    for call in (read, Exp.resume, Exp.open):
        with pytest.raises((InvalidRecord, NotAnExperiment), match="runs/e"):
            call(HOME)
    assert os.listdir(HOME) == ["meta.json"]
    with pytest.raises(FileExistsError):
        Exp("runs", "e")
    assert META.read_bytes() == DAMAGE[kind]


@pytest.mark.rule("reader.refused-told")
@pytest.mark.rule("writer.version")
@pytest.mark.rule("reader.major")
@pytest.mark.rule("reader.requires")
@pytest.mark.parametrize("record", ["meta.json", "meta/2.json"])
@pytest.mark.parametrize(
    ("members", "what"),
    [({"mlv": "2.0"}, "version '2.0'"), ({"mlv": "10.0"}, "version '10.0'"), ({"requires": ["chunks"]}, "'chunks'")],
)
def test_an_experiment_of_an_unknown_version_is_refused_and_nothing_is_added(
    record: str, members: Any, what: str
) -> None:
    Exp("runs", "e").close()
    Exp.open(HOME).close()
    tree = json.loads((HOME / record).read_bytes())
    (HOME / record).write_text(json.dumps({**tree, **members}))
    before = {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    for call in (read, Exp.resume, Exp.open, Exp.find, lambda path: Exp.join(path, 0)):
        with pytest.raises(UnsupportedVersion, match=what):
            call(HOME)
    assert {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()} == before


@pytest.mark.rule("writer.damaged-records")
def test_nothing_is_added_to_damaged_records() -> None:
    Exp("runs", "e").close()
    Exp.open(HOME).close()
    (HOME / "meta/2.json").write_bytes(b"{")
    before = {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    for call in (Exp.resume, Exp.open):
        with pytest.raises(InvalidRecord, match=r"meta/2\.json"):
            call(HOME)
    assert {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()} == before


@pytest.mark.rule("writer.secrets")
def test_parameters_that_look_like_secrets_are_redacted_with_a_warning_and_an_opt_out() -> None:
    token = "ghp_" + "a1B2" * 9
    params = {
        "hf_token": "secret",
        "max_tokens": 512,
        "db": {"password": "x", "urls": ["https://me:pw@example.org/x"]},
        "cmd": token,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Exp("runs", "e", params, extra={"api_key": "k"}).close()
    assert [str(warning.message) for warning in caught] == [
        f"{names} looks like a secret and was recorded as redacted; redact=False records it"
        for names in ("params.hf_token, params.db.password, params.db.urls[0], params.cmd", "extra.api_key")
    ]
    assert read(HOME).params == {
        "hf_token": Redacted(),
        "max_tokens": 512,
        "db": {"password": Redacted(), "urls": [Redacted()]},
        "cmd": Redacted(),
    }
    assert read(HOME).extra == {"api_key": Redacted()}
    everything = b"".join(path.read_bytes() for path in Path("runs").rglob("*") if path.is_file())
    assert token.encode() not in everything and b"pw@" not in everything

    Exp("runs", "f", params, redact=False).close()
    assert read("runs/f").params == params


@pytest.mark.rule("writer.variables")
def test_only_harmless_variables_and_those_that_are_named_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CUDA_VISIBLE_DEVICES": "0",
        "MY_SETTING": "1",
        "MY_OTHER": "2",
        "MY_TOKEN": "geheim1234",
    }.items():
        monkeypatch.setenv(name, value)
    Exp("runs", "e").close()
    variables = read(HOME).environments[0]["variables"]
    assert variables["CUDA_VISIBLE_DEVICES"] == "0" and not any(name.startswith("MY_") for name in variables)
    Exp("runs", "f", variables=["MY_SETTING", "MY_T*"]).close()
    variables = read("runs/f").environments[0]["variables"]
    assert {name: value for name, value in variables.items() if name.startswith("MY_")} == {
        "MY_SETTING": "1",
        "MY_TOKEN": Redacted(),
    }
    assert b"geheim" not in Path("runs/f/meta.json").read_bytes()


@pytest.mark.slow
@pytest.mark.rule("writer.attach")
def test_uncommitted_changes_are_attached_on_request(conforms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    script = "from mlvlogger import Exp\n"
    Path("train.py").write_text(script)
    commands = ["init -q", "add train.py", "-c user.name=a -c user.email=a@example.org commit -q -m one"]
    try:
        for command in commands:
            subprocess.run(["git", *command.split()], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("git was not found")
    added = [
        "Exp('runs', 'e', diff=True).close()",
        "Exp('runs', 'f').close()",
        "Exp.open('runs/e', diff=True).close()",
    ]
    Path("train.py").write_text(script + "\n".join(added) + "\n")
    subprocess.run([sys.executable, "train.py"], check=True)
    for number, name in enumerate(["files/uncommitted.diff", "files/uncommitted-2.diff"]):
        git = read(HOME).environments[number]["git"]
        assert git["dirty"] is True and git["changed"] == ["train.py"] and git["diff"].path == name
        assert "".join(f"+{line}\n" for line in added).encode() in (HOME / name).read_bytes()
    assert not Path("runs/f/files").exists() and "diff" not in read("runs/f").environments[0]["git"]
    streams = conforms(HOME, sealed=True)
    attached = [e["data"]["file"]["path"] for events in streams.values() for e in events if e["event"] == "mlv/file"]
    assert sorted(attached) == ["files/uncommitted-2.diff", "files/uncommitted.diff"]
