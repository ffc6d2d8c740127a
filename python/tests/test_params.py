"""Parameters from common configuration objects: their values are recorded, and secrets are redacted."""

import argparse
import dataclasses
import decimal
import enum
import functools
import math
import sys
import types
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotEncode, Exp, Redacted, read
from program import program

pytestmark = pytest.mark.filterwarnings("ignore:.*secret")  # that something was redacted


class Mode(enum.Enum):
    FAST = 1


@dataclasses.dataclass
class Plain:
    lr: float = 0.1
    hf_token: str = "abc"


def recorded(params: Any, **options: Any) -> dict[str, Any]:
    with Exp("runs", "e", params, exists="number", **options) as exp:
        pass
    return read(exp.path).params


def test_namespaces_are_recorded_at_any_depth() -> None:
    inner = types.SimpleNamespace(mode=Mode.FAST, path=Path("a/b"), api_key="abc")
    params = argparse.Namespace(model=inner, parts=[types.SimpleNamespace(n=1)], plain=Plain())
    assert recorded(params) == {
        "model": {"mode": "FAST", "path": "a/b", "api_key": Redacted()},
        "parts": [{"n": 1}],
        "plain": {"lr": 0.1, "hf_token": Redacted()},
    }
    assert recorded(types.SimpleNamespace(lr=0.1)) == {"lr": 0.1}


def test_a_pydantic_model_is_recorded_without_its_secrets() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Inner(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        model_config = pydantic.ConfigDict(extra="allow", protected_namespaces=())
        mode: Mode = Mode.FAST
        word: pydantic.SecretStr = pydantic.SecretStr("hunter2")  # type: ignore[name-defined]

    class Config(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        lr: float = pydantic.Field(0.1, alias="learning_rate")
        path: Path = Path("a/b")
        inner: Inner = Inner(more=5)
        all: list[Inner] = [Inner()]
        site: pydantic.HttpUrl = pydantic.HttpUrl("https://user:hunter2@example.org/a")  # type: ignore[name-defined]
        data: pydantic.SecretBytes = pydantic.SecretBytes(b"hunter2")  # type: ignore[name-defined]
        hidden: int = pydantic.Field(7, exclude=True)
        password: str = "hunter2"

    expected = {
        "lr": 0.1,
        "path": "a/b",
        "inner": {"mode": "FAST", "word": Redacted(), "more": 5},
        "all": [{"mode": "FAST", "word": Redacted()}],
        "site": Redacted(),
        "data": Redacted(),
        "password": Redacted(),
    }
    assert recorded(Config()) == expected
    assert recorded({"nested": {"config": Config()}}) == {"nested": {"config": expected}}
    shown = recorded(Config(), redact=False)
    assert (shown["password"], shown["data"], shown["inner"]["word"]) == ("hunter2", Redacted(), Redacted())
    assert "hunter2" not in "".join(path.read_text() for path in Path("runs/e").rglob("*.json*"))


def test_an_attrs_object_is_recorded() -> None:
    attrs = pytest.importorskip("attrs", reason="attrs is not installed")

    @attrs.define
    class Inner:
        path: Path = Path("a")
        access_token: str = "abc"

    @attrs.frozen
    class Config:
        lr: float = 0.1
        _private: int = 1
        inner: Any = attrs.field(factory=Inner)

    expected = {"lr": 0.1, "_private": 1, "inner": {"path": "a", "access_token": Redacted()}}
    assert recorded(Config()) == expected
    assert recorded({"configs": [Config()]}) == {"configs": [expected]}


def test_an_omegaconf_configuration_is_recorded_resolved() -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")

    @dataclasses.dataclass
    class Schema:
        mode: Mode = Mode.FAST
        size: int = omegaconf.MISSING

    config = omegaconf.OmegaConf.create(
        {"lr": 0.1, "twice": "${lr}", "list": [1, "${list.0}"], "none": None, "db": {"password": "abc"}}
    )
    config.schema = omegaconf.OmegaConf.structured(Schema)
    expected = {
        "lr": 0.1,
        "twice": 0.1,
        "list": [1, 1],
        "none": None,
        "db": {"password": Redacted()},
        "schema": {"mode": "FAST", "size": "???"},
    }
    assert recorded(config) == expected
    assert recorded({"a": [config], "b": config.list}) == {"a": [expected], "b": [1, 1]}


def test_a_configuration_that_cannot_be_resolved_is_refused_by_its_name() -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")
    config = omegaconf.OmegaConf.create({"a": {"b": "${nowhere}"}})
    with pytest.raises(
        CannotEncode, match=r"params\.config\.a\.b: reading the value raises InterpolationKeyError: .*nowhere"
    ):
        Exp("runs", "e", {"config": config})


def test_all_values_that_cannot_be_resolved_are_in_one_error_with_key_and_reason() -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")
    config = omegaconf.OmegaConf.create(
        {
            "model": {"dim": 8, "size": "???", 3: {1.5: True}},
            "data": {"root": "${oc.env:DATA_ROOT_NOT_SET}", "list": [1, "${model.size}", {"x": "${nowhere}"}]},
        }
    )
    for params in (config, {"config": config}, types.SimpleNamespace(config=[config])):
        with pytest.raises(CannotEncode) as caught:
            Exp("runs", "e", params)
        error = caught.value
        root = error.path.removesuffix(".data.root")
        assert [path for path, _ in error.problems] == [
            f"{root}.data.root",
            f"{root}.data.list[1]",
            f"{root}.data.list[2].x",
        ]
        reasons = [reason for _, reason in error.problems]
        assert "InterpolationResolutionError" in reasons[0] and "'DATA_ROOT_NOT_SET' not found" in reasons[0]
        assert "full_key: data.root" in reasons[0]
        assert "InterpolationToMissingValueError" in reasons[1] and "nowhere" in reasons[2]
        assert [type(own).__name__ for own in error.errors] == [
            "InterpolationResolutionError",
            "InterpolationToMissingValueError",
            "InterpolationKeyError",
        ]
        assert error.__cause__ is error.errors[0]
        assert all(reason in str(error) for reason in reasons)
    assert not Path("runs").exists()

    with Exp("runs", "e") as exp, pytest.warns(RuntimeWarning) as caught_warnings:
        exp.log.event("config", config)
    assert [str(warning.message).partition(":")[0] for warning in caught_warnings] == [
        "data.data.root",
        "data.data.list[1]",
        "data.data.list[2].x",
    ]
    (event,) = read(exp.path).events("config")
    assert event.data["model"] == {"dim": 8, "size": "???", "3": {"1.5": True}}
    assert event.data["data"]["list"][0] == 1 and event.data["data"]["root"].type.endswith("ResolutionError")


def test_a_configuration_that_is_none_is_not_a_mapping() -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")
    with pytest.raises(TypeError, match="give a mapping"):
        Exp("runs", "e", omegaconf.DictConfig(None))
    with Exp("runs", "e") as exp:
        exp.log.event("config", omegaconf.DictConfig(None))
    assert [event.data for event in read(exp.path).events("config")] == [{"value": None}]


def test_an_object_that_is_not_a_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="params is .*give a mapping, a dataclass or an argparse namespace"):
        Exp("runs", "e", object())


@dataclasses.dataclass
class Ordinary:
    """What scripts have among their settings."""

    device: Any
    optimizer: type = argparse.ArgumentParser
    schedule: Callable[[int], float] = math.sqrt
    loader: Any = functools.partial(sorted, reverse=True)
    class_weight: dict[Any, float] = dataclasses.field(default_factory=lambda: {0: 2.0, 1: 5.0, None: 0.5})
    lr: Any = decimal.Decimal("0.001")
    run: Any = uuid.UUID(int=1)
    crop: Any = dataclasses.field(default_factory=lambda: slice(0, 224))


def test_settings_of_ordinary_scripts_are_recorded_equally_by_every_call(conforms: Any) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    given = Ordinary(numpy.dtype("float16"))
    expected = {
        "device": "float16",
        "optimizer": "argparse.ArgumentParser",
        "schedule": "math.sqrt",
        "loader": {"function": "sorted", "args": [], "keywords": {"reverse": True}},
        "class_weight": {"0": 2.0, "1": 5.0, "null": 0.5},
        "lr": "0.001",
        "run": "00000000-0000-0000-0000-000000000001",
        "crop": {"start": 0, "stop": 224, "step": None},
    }
    doors = (given, vars(given), argparse.Namespace(**vars(given)), types.MappingProxyType(vars(given)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="data.'lr' of the event .* is a Decimal")  # which isn't a metric
        for number, params in enumerate(doors):
            with Exp("runs", f"e{number}", params, extra=params) as exp:
                exp.log.event("a", params)  # type: ignore[arg-type]
                exp.log.event("a", config=params)
                exp.log.span("b", params).end(params)  # type: ignore[arg-type]
                exp.sub("sub", params, extra=params).close()
            with Exp.resume(exp.path, params, extra=params):  # equal to what is recorded
                pass
            found = read(exp.path)
            assert found.params == found.extra == expected
            assert read(exp.path / "experiment" / "sub").params == expected
            assert [event.data for event in found.events()] == [expected, {"config": expected}, expected, expected]
            conforms(exp.path, sealed=True)


def test_a_configuration_of_ml_collections_is_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    class ConfigDict:
        """As that of ml_collections: no Mapping, with a required value."""

        def __iter__(self) -> Iterator[str]:
            return iter(["lr", "layers", "required"])

        def __getitem__(self, key: str) -> Any:
            if key == "required":
                raise ValueError("Trying to access a required value: required")
            return {"lr": 0.1, "layers": {1: 64}}[key]

    with pytest.raises(TypeError, match="give a mapping"):
        Exp("runs", "e", ConfigDict())
    monkeypatch.setitem(sys.modules, "ml_collections", types.SimpleNamespace(ConfigDict=ConfigDict))
    with pytest.raises(CannotEncode, match="params.required: reading the value raises ValueError: Trying to access"):
        Exp("runs", "e", ConfigDict())
    with Exp("runs", "e") as exp, pytest.warns(RuntimeWarning, match="data.required: reading the value raises"):
        exp.log.event("config", ConfigDict())  # type: ignore[arg-type]
    (event,) = read(exp.path).events("config")
    assert (event.data["lr"], event.data["layers"]) == (0.1, {"1": 64})


def test_recording_params_imports_none_of_these_libraries(run: Callable[..., Any]) -> None:
    run(program("params_imports"))
