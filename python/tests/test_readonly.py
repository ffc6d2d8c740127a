"""Metadata that looks changed is changed, or the call fails and names the one that works."""

import copy
import gc
import json
import operator
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Experiment, ExperimentRef, read

PARAMS = {"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.99]}, "layers": [{"size": 4}], "none": {}}


@pytest.fixture(params=["Exp", "resume", "open", "join", "find", "read"])
def holder(request: pytest.FixtureRequest) -> Any:
    """Every object that shows metadata, of an experiment that is at ``runs/e``."""
    exp = Exp("runs", "e", PARAMS, extra={"note": ["a"], "lr": 1}, tags=["first"], description="first")
    if request.param != "Exp":
        exp.close()
    make: dict[str, Callable[[], Any]] = {
        "Exp": lambda: exp,
        "resume": lambda: Exp.resume("runs/e"),
        "open": lambda: Exp.open("runs/e"),
        "join": lambda: Exp.join("runs/e", 3),
        "find": lambda: Exp.find("runs/e"),
        "read": lambda: read("runs/e"),
    }
    return make[request.param]()


def delete(tree: Any, name: str) -> None:
    del tree[name]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "set": lambda exp: operator.setitem(exp.params, "x", 1),
    "set again": lambda exp: operator.setitem(exp.params, "lr", 1),
    "delete": lambda exp: delete(exp.params, "lr"),
    "update": lambda exp: exp.params.update(x=1),
    "update with a mapping": lambda exp: exp.params.update({"x": 1}),
    "update with nothing": lambda exp: exp.params.update(),
    "setdefault": lambda exp: exp.params.setdefault("x", 1),
    "pop": lambda exp: exp.params.pop("lr"),
    "pop without": lambda exp: exp.params.pop("x", None),
    "popitem": lambda exp: exp.params.popitem(),
    "clear": lambda exp: exp.params.clear(),
    "ior": lambda exp: operator.ior(exp.params, {"x": 1}),  # type: ignore[no-untyped-call]
    "attribute": lambda exp: setattr(exp.params, "x", 1),
    "nested": lambda exp: operator.setitem(exp.params["opt"], "x", 1),
    "nested, empty": lambda exp: operator.setitem(exp.params["none"], "x", 1),
    "nested list": lambda exp: exp.params["opt"]["betas"].append(1),
    "nested in a list": lambda exp: operator.setitem(exp.params["layers"][0], "size", 1),
    "iterated": lambda exp: [value.update(x=1) for value in exp.params.values() if isinstance(value, dict)],
    "extra": lambda exp: operator.setitem(exp.extra, "x", 1),
    "nested extra": lambda exp: exp.extra["note"].extend(["b"]),
    "append": lambda exp: exp.tags.append("x"),
    "extend": lambda exp: exp.tags.extend(["x"]),
    "iadd": lambda exp: operator.iadd(exp.tags, ["x"]),  # type: ignore[no-untyped-call]
    "imul": lambda exp: operator.imul(exp.tags, 2),  # type: ignore[no-untyped-call]
    "insert": lambda exp: exp.tags.insert(0, "x"),
    "remove": lambda exp: exp.tags.remove("first"),
    "remove what is not there": lambda exp: exp.tags.remove("x"),
    "pop a tag": lambda exp: exp.tags.pop(),
    "clear the tags": lambda exp: exp.tags.clear(),
    "sort": lambda exp: exp.tags.sort(),
    "reverse": lambda exp: exp.tags.reverse(),
    "set a tag": lambda exp: operator.setitem(exp.tags, 0, "x"),
    "set a slice": lambda exp: operator.setitem(exp.tags, slice(1, 1), ["x"]),
    "delete a tag": lambda exp: operator.delitem(exp.tags, 0),
    **{
        f"assign {name}": lambda exp, name=name: setattr(exp, name, {})  # type: ignore[misc]
        for name in (
            "params extra tags name kind id path log parent description descriptions notes note config summary "
            "status state created parms"
        ).split()
    },
    **{f"delete {name}": lambda exp, name=name: delattr(exp, name) for name in ("params", "tags", "id")},  # type: ignore[misc]
}


def metadata(exp: Any) -> Any:
    return {name: copy.deepcopy(value) for name, value in vars(exp).items() if not name.startswith(("_", "log"))}


def test_a_change_that_would_be_lost_raises_and_changes_nothing(holder: Any) -> None:
    before = metadata(holder)
    for what, change in CHANGES.items():
        with pytest.raises((TypeError, AttributeError), match=r"of runs.e: .* would be lost\..*\.$"):
            change(holder)
            pytest.fail(what)
        assert metadata(holder) == before, what


@pytest.mark.parametrize("kind", [dict, list])
def test_no_method_changes_read_metadata(kind: type, holder: Any) -> None:
    """Also none that a later Python adds."""
    original = holder.params if kind is dict else holder.tags
    before = copy.deepcopy(original)
    for name in dir(kind):
        if name in ("__init__", "__class__", "__setstate__"):
            continue
        for arguments in ((), ("lr",), ("lr", 1), ({"x": 1},), (["x"],), (0,), (0, "x"), (3,)):
            plain = copy.deepcopy(before)
            try:
                getattr(plain, name)(*arguments)
            except Exception:
                continue
            if plain != before or type(plain) is not kind:
                with pytest.raises((TypeError, AttributeError), match="lost"):
                    getattr(original, name)(*arguments)
            assert original == before


def named(error: pytest.ExceptionInfo[BaseException]) -> str:
    found = re.search(r"call (Exp\.open\(.*?\)\.close\(\)|exp\.add\(.*?\))\.", str(error.value))
    assert found, str(error.value)
    return found[1]


@pytest.mark.parametrize(
    ("change", "recorded"),
    [
        (CHANGES["set"], lambda run: run.params["name"] == 5),
        (CHANGES["nested list"], lambda run: run.params["name"] == 5),
        (CHANGES["assign params"], lambda run: run.params["name"] == 5),
        (CHANGES["extra"], lambda run: run.extra["name"] == 5),
        (CHANGES["append"], lambda run: run.tags == ["first", "tag"]),
        (CHANGES["assign tags"], lambda run: run.tags == ["first", "tag"]),
        (CHANGES["assign description"], lambda run: run.descriptions == ["first", "text"]),
        (CHANGES["assign notes"], lambda run: run.descriptions == ["first", "text"]),
        (CHANGES["assign parms"], lambda run: run.extra["parms"] == 5),
    ],
)
def test_the_call_in_the_error_message_records_the_change(
    change: Callable[[Any], Any], recorded: Callable[[Experiment], bool], holder: Any, conforms: Callable[..., Any]
) -> None:
    """As in the running script."""
    with pytest.raises((TypeError, AttributeError)) as error:
        change(holder)
    eval(named(error), {"Exp": Exp, "exp": holder, "value": 5})
    assert recorded(read("runs/e"))
    if isinstance(holder, Exp):
        assert holder.log.event("continues") is not None
        holder.close()
        conforms("runs/e", sealed=True)


def test_read_metadata_behaves_like_dicts_and_lists(holder: Any) -> None:
    params, tags = holder.params, holder.tags
    assert isinstance(params, dict) and isinstance(params["opt"], dict) and isinstance(tags, list)
    assert params == PARAMS and params == params and tags == ["first"] and repr(params) == repr(PARAMS)
    assert json.dumps(params) == json.dumps(PARAMS) and json.dumps(tags, indent=1) == '[\n "first"\n]'
    assert dict(**params) == PARAMS and {**params} == PARAMS and params | {"lr": 2} == {**PARAMS, "lr": 2}
    assert tags + ["x"] == ["first", "x"] and [*tags, "x"][1:] == ["x"] and sorted(tags) == tags
    assert params["opt"]["betas"][0] == 0.9 and params.get("x") is None and "lr" in params and len(params) == 4
    with pytest.raises(KeyError):
        params["x"]
    match params:
        case {"opt": {"name": "adam", "betas": [first, *_]}}:
            assert first == 0.9
        case _:
            raise AssertionError


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree)), lambda tree: json.loads(json.dumps(tree))],
    ids=["deepcopy", "pickle", "json"],
)
def test_a_deep_copy_is_ordinary_at_every_depth(copied: Callable[[Any], Any], holder: Any) -> None:
    params, tags = copied(holder.params), copied(holder.tags)
    assert (params, tags) == (holder.params, holder.tags)
    assert {type(one) for one in (params, params["opt"], params["layers"][0], params["none"])} == {dict}
    assert {type(one) for one in (tags, params["opt"]["betas"], params["layers"])} == {list}
    params["opt"]["betas"].append(1)
    tags.append("x")
    assert holder.params == PARAMS and holder.tags == ["first"]


def test_a_shallow_copy_is_ordinary_outside_and_read_only_inside(holder: Any) -> None:
    dicts = [dict(holder.params), holder.params.copy(), copy.copy(holder.params), {**holder.params}, holder.params | {}]
    for one in dicts:
        assert type(one) is dict
        one["x"] = 1
        with pytest.raises(TypeError, match="call copy.deepcopy"):
            one["opt"]["x"] = 1
    for tags in (list(holder.tags), holder.tags.copy(), copy.copy(holder.tags), holder.tags[:], holder.tags + []):
        assert type(tags) is list
        tags.append("x")
    assert holder.params == PARAMS and holder.tags == ["first"]


def test_read_metadata_can_be_recorded_again(holder: Any, conforms: Callable[..., Any]) -> None:
    with Exp("runs", "again", holder.params, extra=holder.extra, tags=holder.tags) as exp:
        exp.log.event("params", holder.params, opt_again=holder.params["opt"])
    conforms("runs/again", sealed=True)
    run = read("runs/again")
    assert (run.params, run.extra, run.tags) == (PARAMS, holder.extra, ["first"])
    assert next(run.events()).data == {**PARAMS, "opt_again": PARAMS["opt"]}


def test_libraries_accept_read_metadata(holder: Any) -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")
    # It takes a dict of no other type than dict itself, and says so.
    config = omegaconf.OmegaConf.create(copy.deepcopy(holder.params))
    config.opt.name = "sgd"
    assert holder.params == PARAMS


def test_all_metadata_of_an_experiment_that_was_read_is_read_only() -> None:
    Exp("runs", "e", description="text").close()
    run = read("runs/e")
    for change in (
        lambda: run.records[0].update(name="x"),
        lambda: run.records.clear(),
        lambda: run.environments[0].clear(),
        lambda: run.environments[0]["host"].clear(),
        lambda: run.descriptions.append("x"),
    ):
        with pytest.raises(TypeError, match=r"of runs.e: recorded metadata is read-only"):
            change()
    again = pickle.loads(pickle.dumps(run))
    assert (again.params, again.records, list(again.events())) == (run.params, run.records, list(run.events()))
    assert type(again.params) is dict
    assert copy.deepcopy(run).tags == [] and copy.copy(run).id == run.id


def test_a_subclass_may_have_its_own_attributes() -> None:
    class Mine(Exp):
        model: str = ""

    with Mine("runs", "e", PARAMS) as exp:
        exp.model = "resnet"
        del exp.model
        exp._private = 1
        with pytest.raises(AttributeError, match=r"call exp\.add\(\{'name': value\}\)\."):
            exp.params = {}
    assert read("runs/e").params == PARAMS


def test_the_experiment_that_is_the_parent_keeps_its_hint() -> None:
    with Exp("runs", "e") as exp:
        sub = Exp.find(exp.path).sub("small", kind="prune")
        sub.close()
    parent = Exp.find(sub.path).parent
    assert parent is not None and parent.ref() == ExperimentRef(exp.id, "../..")
    assert Path("runs/e/prune/small").is_dir()


def test_the_message_names_the_current_path_of_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Exp("runs", "e", {"opt": {}}) as exp:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        found = read(exp.path)
        with pytest.raises(TypeError) as error:
            found.params["opt"]["x"] = 1
        eval(named(error), {"Exp": Exp, "value": 5})
        assert read(exp.path).params == {"opt": {}, "name": 5}


def test_metadata_holds_no_reference_to_its_experiment() -> None:
    gc.collect()
    gc.disable()
    try:
        params, tags = (lambda exp: (exp.params, exp.tags))(Exp("runs", "e", PARAMS))
        Exp.resume("runs/e").close()
    finally:
        gc.enable()
    with pytest.raises(TypeError, match=r"^params: .* call Exp.open\(path, \{'name': value\}\)\.close\(\)"):
        params["opt"]["x"] = 1
    assert tags == [] and params == PARAMS
