"""Parameters out of the configuration objects that people have: recorded as what they hold, secrets kept back."""

import argparse
import dataclasses
import enum
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotEncode, Exp, Redacted, read

pytestmark = pytest.mark.filterwarnings("ignore:.*secret")  # that something was kept back


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
        word: pydantic.SecretStr = pydantic.SecretStr("hunter2")

    class Config(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        lr: float = pydantic.Field(0.1, alias="learning_rate")
        path: Path = Path("a/b")
        inner: Inner = Inner(more=5)
        all: list[Inner] = [Inner()]
        site: pydantic.HttpUrl = pydantic.HttpUrl("https://user:hunter2@example.org/a")
        data: pydantic.SecretBytes = pydantic.SecretBytes(b"hunter2")
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
    with pytest.raises(CannotEncode, match=r"params\.config is .* raises InterpolationKeyError"):
        Exp("runs", "e", {"config": config})


def test_an_object_that_is_no_configuration_is_still_refused() -> None:
    with pytest.raises(TypeError, match="params is .*give a mapping, a dataclass or an argparse namespace"):
        Exp("runs", "e", object())


def test_none_of_these_libraries_is_imported_for_it(run: Callable[..., Any]) -> None:
    run(
        """
        import sys, types
        from mlvlogger import Exp
        Exp("runs", "e", {"a": types.SimpleNamespace(b=1)}).close()
        assert not {"pydantic", "attrs", "attr", "omegaconf", "argparse", "dataclasses"} & set(sys.modules)
        """
    )
