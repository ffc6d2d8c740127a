"""The facts of the format that other readers take from `mlvlogger`, so that they need no copy of them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger import (
    FOLDERS,
    MAX_RECORD,
    PLAIN_LINE,
    TEMPORARY_PREFIX,
    Event,
    Exp,
    Experiment,
    Found,
    InvalidRecord,
    NotAnExperiment,
    UnsupportedVersion,
    find,
    may_be_lifecycle,
    unfollowed_links,
)

TIME = "2026-11-28T12:00:00.000000Z"


def event(name: str, data: dict[str, Any] | None = None) -> Event:
    line = json.dumps({"seq": 3, "time": TIME, "event": name, "data": data or {}})
    return mlvlogger.read.event(line.encode())


def test_the_names_of_the_layout() -> None:
    with Exp("runs", "a") as exp:
        exp.attach(b"x", "x.bin")
        exp.stream("gpu").event("e")
        Exp.open(exp.path, tags=["t"]).close()
    assert {path.name for path in exp.path.iterdir()} == {"meta.json", Experiment.default_stream, *FOLDERS}
    assert mlvlogger.read(exp.path).streams[0] == mlvlogger.read(exp.path).default_stream == "log.jsonl"


def test_an_unpublished_file_has_the_prefix_of_temporary_names() -> None:
    exp = Exp("runs", "a")
    file = exp.create("x.bin")
    assert [path.name.startswith(TEMPORARY_PREFIX) for path in (exp.path / "files").iterdir()] == [True]
    file.close()
    exp.close()
    assert [path.name for path in (exp.path / "files").iterdir()] == ["x.bin"]


def test_a_line_of_max_record_bytes_is_an_event_and_a_longer_one_is_not() -> None:
    exp = Exp("runs", "a")
    exp.close()
    log = exp.path / exp.log.file.name
    head = f'{{"seq":9,"time":"{TIME}","event":"e","data":{{"t":"'.encode()
    for more, count in ((0, 1), (1, 0)):
        text = head + b"x" * (MAX_RECORD - len(head) - 4 + more) + b'"}}\n'
        assert len(text) == MAX_RECORD + more
        log.write_bytes(text)
        assert len(list(mlvlogger.read(exp.path).events())) == count


@pytest.mark.parametrize(
    ("name", "is_lifecycle", "is_seal"),
    [("mlv/start", True, False), ("mlv/seal", True, True), ("mlv/end", True, True), ("mlv/x/y", True, False)]
    + [("mlv", False, False), ("mlvx/end", False, False), ("epoch/mlv/end", False, False), ("batch", False, False)],
)
def test_the_first_segment_of_its_name_makes_an_event_a_lifecycle_event(
    name: str, is_lifecycle: bool, is_seal: bool
) -> None:
    assert (event(name).is_lifecycle, event(name).is_seal) == (is_lifecycle, is_seal)


def test_only_text_without_lifecycle_events_may_be_skipped() -> None:
    plain = f'{{"seq":1,"time":"{TIME}","event":"batch","data":{{}}}}'
    assert not may_be_lifecycle(plain.encode())
    for name in ("mlv/end", "\\u006dlv/end", "mlv\\/end"):
        line = plain.replace("batch", name).encode()
        assert mlvlogger.read.event(line).is_lifecycle
        assert may_be_lifecycle(line) and may_be_lifecycle(plain.encode() + b"\n" + line + b"\n")


def test_the_metrics_of_an_event_are_its_numbers_but_the_step() -> None:
    data = {"step": 3, "loss": 0.5, "n": 2, "ok": True, "text": "1", "list": [1], "none": None, "inner": {"x": 1}}
    data |= {"big": {"_mlv": "int", "value": "9" * 30}, "nan": {"_mlv": "float", "value": "nan"}}
    found = event("batch", data)
    assert math.isnan(found.metrics.pop("nan"))
    assert {name: value for name, value in found.metrics.items() if name != "nan"} == {
        "loss": 0.5,
        "n": 2,
        "big": int("9" * 30),
    }
    assert event("mlv/rewind", {"to": 3}).metrics == {}


@pytest.mark.parametrize(
    ("step", "expected"),
    [(3, 3), (13.0, 13), (1.5, None), (True, None), ("3", None), (None, None), (-1, -1)]
    + [
        ({"_mlv": "int", "value": "9" * 30}, None),
        ({"_mlv": "int", "value": "9" * 18}, int("9" * 18)),
        ({"_mlv": "float", "value": "inf"}, None),
    ],
)
def test_the_step_of_an_event_is_its_integer_however_it_is_spelled(step: Any, expected: int | None) -> None:
    found = event("batch", {"step": step}).step
    assert (found, type(found)) == (expected, type(expected))
    assert event("batch", {"loss": 1.0}).step is None


@pytest.mark.rule("reader.state")
def test_the_states_after_all_events_give_the_state_of_the_experiment() -> None:
    exp = Exp("runs", "a")
    exp.log.event("e")
    exp.log.pause()
    states = ["open"]
    for found in mlvlogger.read(exp.path).events(lifecycle=True):
        states.append(found.state_after(states[-1]))
    assert states == ["open", "open", "open", "paused"]
    assert states[-1] == mlvlogger.read(exp.path).state
    exp.close("failed")
    nothing = object()
    found_states = [found.state_after(nothing) for found in mlvlogger.read(exp.path).events(lifecycle=True)]
    assert found_states[:3] == ["open", nothing, "paused"]


@pytest.mark.parametrize("text", ["2026-11-28", "2024-12-31"])
def test_a_plain_line_is_read_as_any_parser_of_json_reads_it(text: str) -> None:
    data = '{"step":1,"loss":-0.25e-3,"name":"a b","ok":true,"none":null,"_x":1,"":2}'
    for more in ("", ',"span":"begin"', ',"span":"end","begin":1,"seconds":0.5', ',"within":1'):
        line = f'{{"seq":3,"time":"{text}T23:59:59.123456Z","event":"epoch/batch","data":{data}{more}}}'
        assert re.fullmatch(PLAIN_LINE, line)
        found, tree = mlvlogger.read.event(line.encode()), json.loads(line)
        assert (found.seq, found.name, found.data) == (tree["seq"], tree["event"], tree["data"])
        assert (found.span, found.begin, found.seconds, found.within) == tuple(
            tree.get(name) for name in ("span", "begin", "seconds", "within")
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"loss":0.5', '"loss":NaN'),
        ('"loss":0.5', '"loss":1e999'),
        ('"loss":0.5', '"loss":12345678901234567890'),
        ('"loss":0.5', '"loss":{"_mlv":"int","value":"1"}'),
        ('"loss":0.5', '"l\\u006fss":0.5'),
        ('"loss":0.5', '"loss":"é"'),
        ('"loss":0.5', '"loss":[0.5]'),
        ('"loss":0.5', '"loss":0.5,'),
        ("-11-28", "-02-29"),
        ('"seq":3', '"seq":03'),
        ('"seq":3', '"seq":3.0'),
        ('"data"', ' "data"'),
    ],
)
def test_a_line_that_needs_the_full_parser_is_not_plain(old: str, new: str) -> None:
    line = f'{{"seq":3,"time":"{TIME}","event":"batch","data":{{"loss":0.5}}}}'
    assert re.fullmatch(PLAIN_LINE, line) and old in line
    assert not re.fullmatch(PLAIN_LINE, line.replace(old, new))


def test_find_gives_every_experiment_in_order_with_the_number_of_those_that_enclose_it() -> None:
    with Exp("runs", "b") as outer:
        outer.sub("inner", kind="eval").close()
        outer.attach(b"{}", "meta.json")
    Exp("runs/group", "a").close()
    found = list(find("runs"))
    assert [(one.path.relative_to("runs").as_posix(), one.depth, one.error) for one in found] == [
        ("b", 0, None),
        ("b/eval/inner", 1, None),
        ("group/a", 0, None),
    ]
    assert [one.experiment and one.experiment.name for one in found] == ["b", "inner", "a"]


def test_find_gives_broken_experiments_with_the_error_and_skips_other_directories() -> None:
    for name, text in (
        ("damaged", "{"),
        ("foreign", '{"name": "a web page"}'),
        ("newer", '{"mlv": "2.0", "name": "newer", "params": {}}'),
    ):
        directory = Path("runs", name)
        Exp(directory / "log", "inside").close()
        (directory / "meta.json").write_text(text)
    Path("runs/link").symlink_to("foreign", target_is_directory=True)
    found = list(find("runs"))
    assert [(one.path.relative_to("runs").as_posix(), type(one.error), one.experiment is None) for one in found] == [
        ("damaged", InvalidRecord, True),
        ("foreign/log/inside", type(None), False),
        ("newer", UnsupportedVersion, True),
    ]
    assert isinstance(found[0], Found) and "meta.json is damaged" in str(found[0].error)


def test_links_that_may_lead_to_experiments_are_found_and_read_all_warns_of_those_outside() -> None:
    for name in ("a", "b", "c"):
        Exp("other", name).close()
    with Exp("runs", "own") as own:
        own.attach(b"x", "x.bin")
    other = Path("other").resolve()
    for link, target in (
        ("runs/a", other / "a"),
        ("runs/group/b", other / "b"),
        ("runs/own/sub", other / "c"),  # in an experiment, and to one
        ("runs/own/data", other),  # in an experiment, and not to one
        ("runs/own/files/latest", other / "a"),  # in a folder of a record
        ("runs/latest", "own"),
        ("runs/loop", "loop"),
        ("runs/gone", "nothing"),
        ("runs/log.txt", "own/log.jsonl"),
        ("runs/here", "."),
    ):
        Path(link).parent.mkdir(exist_ok=True)
        Path(link).symlink_to(target)
    found = [path.as_posix() for path in unfollowed_links("runs")]
    assert found == ["runs/a", "runs/group/b", "runs/here", "runs/latest", "runs/own/sub"]
    outside = ["runs/a", "runs/group/b", "runs/own/sub"]
    assert [path.as_posix() for path in unfollowed_links("runs", outside=True)] == outside
    said = "^3 symbolic links aren't followed and may lead to experiments outside of 'runs', such as 'runs/a'. To read"
    with pytest.warns(RuntimeWarning, match=said):
        assert [one.name for one in mlvlogger.read.all("runs")] == ["own"]
    with pytest.warns(
        RuntimeWarning, match="^1 symbolic link isn't followed and may lead to experiments outside of 'runs/own'"
    ):
        assert list(mlvlogger.read("runs/own").subs()) == []
    Path("link").symlink_to("runs")
    assert [path.as_posix() for path in unfollowed_links("link", outside=True)] == [
        path.replace("runs", "link") for path in outside
    ]
    with pytest.raises(FileNotFoundError):
        unfollowed_links("missing")


def test_directories_that_are_too_deep_are_reported() -> None:
    for levels in (63, 64):
        Exp("/".join(["runs", *"d" * levels]), "deep").close()
    inner = Path("/".join(["runs", *"d" * 64]), "deep")
    found = [(one.path, str(one.error or "")) for one in find("runs")]
    assert found == [
        (inner, f"{inner} cannot be searched: it is more than 64 directories deep"),
        (inner.parents[1] / "deep", ""),
    ]
    with pytest.warns(RuntimeWarning, match=r"^left out: .*/deep cannot be searched: it is more than 64 dir"):
        assert [one.name for one in mlvlogger.read.all("runs")] == ["deep"]


def test_find_refuses_a_root_that_is_not_a_directory() -> None:
    Path("file").write_text("x")
    for root, error in (("missing", FileNotFoundError), ("file", NotADirectoryError)):
        with pytest.raises(error):
            next(find(root))
    with pytest.raises(NotAnExperiment):
        mlvlogger.read(".")
    assert list(find(".")) == []


def test_find_gives_a_directory_that_cannot_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    Exp("runs", "a").close()
    Path("runs/secret").mkdir()
    Exp("runs", "top-secret").close()
    scan = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("mlvlogger._read.search.os.scandir", scandir)
    found = list(find("runs"))
    assert [one.path.name for one in found] == ["a", "secret", "top-secret", "top-secret"]
    assert str(found[1].error) == "runs/secret cannot be searched: [Errno 13] Permission denied: 'runs/secret'"
    assert found[2].experiment is not None and found[3].experiment is None
    assert str(found[3].error).startswith("runs/top-secret cannot be searched: ")
