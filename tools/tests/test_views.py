"""The views of `mlv_tools.connect`, compared with the plain reader, row by row."""

import errno
import json
import math
import os
import random
import re
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mlv_tools
import mlvlogger
from mlv_tools import connect
from mlv_tools._reading import trees
from mlv_tools._reading.summary import summary
from mlv_tools._report.collect import collect
from mlv_tools._sql.schema import VIEWS
from mlvlogger import Exp

META = {"mlv": "1.0", "name": "hand", "kind": "test", "created": "2026-01-02T03:04:05.000006Z", "params": {"lr": 0.5}}
EVENT = '{"seq":%s,"time":"2026-11-22T18:24:00.123456Z","event":"a","data":{"v":%s}}'
TWO = '{"seq":2,"time":"2026-11-22T18:24:00.123456Z","event":'
START = TWO + '"mlv/start","data":'


def hand(root: Path, name: str, *lines: Any, end: str = "\n", meta: Any = META, stream: str = "log.jsonl") -> Path:
    """An experiment with these lines in its log."""
    path = root / name / stream
    path.parent.mkdir(parents=True, exist_ok=True)
    if not (root / name / "meta.json").exists():
        (root / name / "meta.json").write_text(json.dumps(meta))
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + end.encode())
    return root / name


def ask(root: Path | str, sql: str) -> list[tuple[Any, ...]]:
    """The rows that *sql* gives, whatever is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return connect(root).execute(sql).fetchall()


def by_reader(root: Path) -> tuple[list[Any], list[Any]]:
    """What the views `events` and `metrics` must hold, by `mlvlogger.read` alone: values as texts, for NaN."""
    events, metrics = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        experiments = list(mlvlogger.read.all(root))
    for experiment in experiments:
        name = experiment.path.relative_to(root).as_posix()
        for stream in experiment.streams:
            try:
                read = list(experiment.events(stream=stream, lifecycle=True))
            except mlvlogger.UnsupportedVersion:
                continue
            lines = (experiment.path / stream).read_bytes().split(b"\n")
            for e in read:
                time = e.time.astimezone(UTC).replace(tzinfo=None)
                raw = json.loads(lines[e.line - 1])["data"]
                row = (name, experiment.id, stream, e.seq, time, e.name)
                seconds = e.seconds if type(e.seconds) in (int, float) else None
                events.append((*row, repr(raw), e.span, e.begin, e.within, seconds))
            read = [e for e in read if not e.name.startswith("mlv/")]
            for event, metric in {(e.name, key): None for e in read for key in e.data if key != "step"}:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that a member isn't a metric
                    steps, values = experiment.metric(event, metric, stream=stream)
                metrics += [
                    (name, stream, event, metric, step, repr(float(value)))
                    for step, value in zip(steps, values, strict=True)
                ]
    return events, sorted(metrics)


def by_views(root: Path) -> tuple[list[Any], list[Any]]:
    events = ask(root, "SELECT * EXCLUDE step FROM events ORDER BY experiment, stream != 'log.jsonl', stream")
    metrics = ask(root, "SELECT experiment, stream, event, name, step, value FROM metrics")
    return (
        [(*row[:6], repr(json.loads(row[6])), *row[7:]) for row in events],
        sorted((*row[:-1], repr(row[-1])) for row in metrics),
    )


def assert_equal_views(root: Path) -> None:
    events, metrics = by_reader(root)
    viewed_events, viewed_metrics = by_views(root)
    assert sorted(viewed_events, key=repr) == sorted(events, key=repr)
    assert viewed_metrics == metrics


def test_the_columns_are_those_that_are_documented(tmp_path: Path) -> None:
    Exp(tmp_path, "one").close()
    connection = connect(tmp_path)
    for view, columns in VIEWS.items():
        described = connection.execute(f"DESCRIBE {view}").fetchall()
        assert [(name, kind) for name, kind, *_ in described] == [(name, kind) for name, kind, _ in columns]


def test_the_views_have_the_values_of_the_reader(tmp_path: Path) -> None:
    with Exp(tmp_path, "one", {"lr": 1e-3, "seed": 2**63}, kind="train", tags=["x"], description="d") as exp:
        with exp.log.span("epoch", n=0) as epoch:
            for step in range(5):
                epoch.event("batch", step=step, loss=math.nan if step == 2 else step / 7, big=2**60 + 1, text="nan")
        exp.log.event("odd", {"_mlv": 1, "__mlv": 2, "é": 3, 'q"': 4, "a.b": 5, "A": 6, "a": 7, "": 8, "*": 9, "$": 10})
        exp.log.event("odd", {"nested": {"a": [1, {"b": math.inf}]}, "inf": -math.inf, "true": True, "s": "1"})
        exp.log.event("float step", step=2.0, v=1)
        with pytest.warns(RuntimeWarning, match="data.step of the event .* is 2.5"):
            exp.log.event("float step", step=2.5, v=1)
        exp.log.event("float step", step="3", v=1)
        exp.log.event("float step", step=2**53 + 1, v=1)
        exp.log.event("float step", v=-0.0)
        exp.stream("gpu").event("memory", used=1)
        exp.log.event("wide", {f"m{i}": i for i in range(200)})
    assert_equal_views(tmp_path)
    ((*row, environments),) = ask(
        tmp_path, "SELECT * EXCLUDE (id, created, environments), environments FROM experiments"
    )
    assert row == [
        "one", None, "one", "train", "completed",
        '{"lr":0.001,"seed":{"_mlv":"int","value":"9223372036854775808"}}', "[]", ["x"], ["d"], "{}", None,
    ]  # fmt: skip
    assert json.loads(environments)[0]["runtime"]["language"] == "Python"


def test_a_rewound_event_is_in_no_view(tmp_path: Path) -> None:
    with Exp(tmp_path, "one") as exp:
        exp.log.event("a", v=1)
        mark = exp.mark()
        exp.log.event("a", v=2)
        exp.log.pause()
        exp.stream("other").event("a", v=3)
        exp.rewind(mark)
        exp.log.event("a", v=4)
    assert_equal_views(tmp_path)
    assert ask(tmp_path, "SELECT value, step FROM metrics WHERE stream = 'log.jsonl'") == [(1, 0), (4, 1)]
    names = ask(tmp_path, "SELECT event FROM events WHERE stream = 'log.jsonl' ORDER BY seq")
    assert [name for (name,) in names] == ["mlv/start", "a", "mlv/pause", "mlv/rewind", "a", "mlv/seal"]


LINES: dict[str, list[Any]] = {
    "blank": ["", "  "],
    "crlf": [EVENT % (2, 2) + "\r"],
    "duplicate": [TWO + '"a","data":{"v":1,"v":2}}'],
    "duplicate outside": ['{"seq":2,"seq":3,"time":"2026-11-22T18:24:00.123456Z","event":"a","data":{"v":1}}'],
    "duplicate by escape": [TWO + '"a","data":{"v":1,"\\u0076":2}}'],
    "duplicate inside": [EVENT % (2, '{"b":1,"b":2}')],
    "nan": [EVENT % (2, "NaN"), EVENT % (3, "-Infinity"), EVENT % (4, "[nan]"), EVENT % (5, "Inf")],
    "infinite": [EVENT % (2, "1e999")],
    "big": [EVENT % (2, 2**53 + 1), EVENT % (3, 2**70), EVENT % (4, 2**53 - 1), EVENT % (2**80, 1)],
    "seq": [EVENT % ("2.0", 1), EVENT % ("3e0", 1), EVENT % ("1.5", 1), EVENT % ('"4"', 1), EVENT % ("true", 1)],
    "time": [(EVENT % (2, 1)).replace("456Z", t) for t in ("Z", "456+01:00", "456789Z", "456", "456z")],
    "date": [(EVENT % (2, 1)).replace("11-22", t) for t in ("02-29", "02-30", "11-31", "12-31", "13-01", "11-00")],
    "year": [(EVENT % (2, 1)).replace("2026", t) for t in ("0000", "0001", "9999", "2024")],
    "comma": [(EVENT % (2, 1)).replace("}}", ",}}"), EVENT % (3, "[1,]")],
    "comment": [EVENT % (2, "/* no */ 1"), (EVENT % (3, 1)) + " // no"],
    "glued": [(EVENT % (2, 2)) * 2, (EVENT % (3, 3)) + " " + (EVENT % (4, 4))],
    "garbled": ['{"seq":2,"time":"2026-11', "\0\0\0", "[1]", "42", "null", "{}", b"\xff\xfe", b'{"\xc3\x28":1}'],
    "surrogate": [EVENT % (2, '"\\ud800"'), EVENT % (3, '"\\ud83d\\ude00"'), EVENT % (4, '"\\u0000"')],
    "deep": [EVENT % (2, "[" * 62 + "]" * 62), EVENT % (3, "[" * 63 + "]" * 63)],
    "blanks": ['  {"seq" : 2, "time":"2026-11-22T18:24:00.123456Z" ,"event":"a", "data": {"v": 1}} '],
    "order": ['{"data":{"v":1},"event":"a","time":"2026-11-22T18:24:00.123456Z","seq":2,"more":[1]}'],
    "case": ['{"Seq":9,"seq":2,"time":"2026-11-22T18:24:00.123456Z","EVENT":"b","event":"a","data":{"v":1,"V":2}}'],
    "typed data": [TWO + '"a","data":{"_mlv":"float","value":"nan"}}'],
    "typed": [EVENT % (2, f'{{"_mlv":"float","value":"{v}"}}') for v in ("nan", "inf", "-inf", "NaN", "1", "infinity")],
    "typed int": [EVENT % (2, f'{{"_mlv":"int","value":{v}}}') for v in ('"12"', "12", '"-0"', '"-3"', '"01"', '"x"')],
    "typed order": [EVENT % (2, '{"value":"nan","_mlv":"float"}'), EVENT % (3, '{"_mlv":"int","value":"7","x":1}')],
    "typed step": [TWO + '"a","data":{"step":{"_mlv":"int","value":"9007199254740993"},"v":1}}'],
    "escaped": [TWO + '"\\u0061","data":{"___mlv":1,"__mlv":2,"_x":3,"_m":4}}'],
    "spans": [(EVENT % (2, 1))[:-1] + t + "}" for t in (
        ',"span":"begin"', ',"span":"end","begin":1,"seconds":0.5', ',"within":1', ',"within":1.0', ',"span":"x"',
        ',"span":"end","begin":1,"seconds":"x"', ',"begin":"1"', ',"seconds":true', ',"span":null')],
    "bom": [],
    "twice and swapped": [EVENT % (seq, v) for seq, v in ((5, 1), (3, 2), (3, 3), (4, 4))],
    "mixed steps": [
        EVENT % (2, '1,"step":7'), EVENT % (3, 2), EVENT % (4, '3,"step":1.5'), EVENT % (5, '4,"step":8.0'),
    ],
    "numbers": [EVENT % (2, v) for v in (
        "1E5", "1e-05", "-0", "-0.0", "1e-400", "0.1e1", "+1", "01", ".5", "5.", "1e308",
    )],
    "rewind": [EVENT % (2, 2), (TWO + '"mlv/rewind","data":{"to":1.0}}').replace("2", "3", 1), EVENT % (4, 4)],
    "rewind by name": [EVENT % (2, 2), (TWO + '"mlv\\/rewind","data":{"to":0}}').replace("2", "3", 1)],
    "future": [START + '{"mlv":"2.0"}}', EVENT % (3, 3)],
    "requires": [START + '{"mlv":"1.1","requires":["x"]}}'],
    "minor": [START + '{"mlv":"1.7"}}', EVENT % (3, 3)],
}  # fmt: skip


def damaged(root: Path, name: str, case: str, end: str = "\n") -> None:
    lines = [EVENT % (1, 1), *LINES[case], EVENT % (99, 99)]
    if case == "bom":
        lines[0] = "\ufeff" + lines[0]
    hand(root, name, *lines, end=end)


@pytest.mark.parametrize("case", LINES)
def test_a_damaged_log_counts_as_the_reader_counts_it(tmp_path: Path, case: str) -> None:
    damaged(tmp_path, "one", case)
    hand(tmp_path, "two", EVENT % (1, 1))
    assert_equal_views(tmp_path)


@pytest.mark.parametrize("end", ["\n", "", "\n\0\0\0\0"], ids=["whole", "torn", "nuls"])
def test_several_damaged_logs_count_as_the_reader_counts_them(tmp_path: Path, end: str) -> None:
    for case in LINES:
        damaged(tmp_path, case, case, end)
    assert_equal_views(tmp_path)


def test_every_omitted_line_is_reported(tmp_path: Path) -> None:
    reported: list[tuple[str, str, int | None, str]] = []
    for case in LINES:
        damaged(tmp_path, case, case)
        experiment = mlvlogger.read(tmp_path / case)
        try:
            list(experiment.events(lifecycle=True))
        except mlvlogger.UnsupportedVersion as error:
            reported.append((case, "log.jsonl", None, f"{error} (for details, run: mlv-validate {tmp_path / case})"))
        reported += [(case, problem.path, problem.line, problem.message) for problem in experiment.problems]
    assert ask(tmp_path, "FROM problems ORDER BY experiment, line") == sorted(
        reported, key=lambda row: (row[0], row[2] or 0)
    )


NAMES = [
    "[ab]",
    "a",
    "st*r",
    "w?t",
    "sp ace",
    "%20",
    "quo'te",
    'dou"ble',
    "ünï✓",
    "type=foo",
    "#x",
    "~",
    "{a,b}",
    "-",
    ".hid",
    "_x",
    "C:",
]


def test_special_characters_in_directory_names_are_taken_literally(tmp_path: Path) -> None:
    root = tmp_path / "[runs]*"
    for number, name in enumerate(NAMES):
        hand(root, name, EVENT % (1, number))
        hand(root, f"{name}/{name}", EVENT % (1, number + 0.5), stream="log/rank-0.jsonl")
    assert_equal_views(root)
    assert ask(root, "SELECT experiment, stream, value FROM metrics ORDER BY value") == [
        row for number, name in enumerate(NAMES)
        for row in ((name, "log.jsonl", number), (f"{name}/{name}", "log/rank-0.jsonl", number + 0.5))
    ]  # fmt: skip


def test_the_root_may_be_an_experiment_relative_and_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand(tmp_path, "runs", EVENT % (1, 1))
    hand(tmp_path, "runs/runs", EVENT % (1, 2))
    (tmp_path / "link").symlink_to("runs")
    monkeypatch.chdir(tmp_path / "runs")
    for root in (tmp_path / "runs", "../runs", ".", tmp_path / "link"):
        assert ask(root, "SELECT experiment, value FROM metrics ORDER BY ALL") == [(".", 1), ("runs", 2)]
        assert ask(root, "SELECT experiment, name FROM experiments ORDER BY ALL") == [(".", "hand"), ("runs", "hand")]


def test_a_name_that_is_not_utf_8_is_shown_with_an_escape(tmp_path: Path) -> None:
    hand(tmp_path, os.fsdecode(b"\xff"), EVENT % (1, 1), "garbled", EVENT % (2, 2))
    assert ask(tmp_path, "SELECT experiment, value FROM metrics ORDER BY value") == [("\\udcff", 1), ("\\udcff", 2)]
    assert ask(tmp_path, "SELECT experiment, path, line FROM problems") == [("\\udcff", "log.jsonl", 2)]


def test_different_directories_have_different_names(tmp_path: Path) -> None:
    names = [os.fsdecode(b"z\xff"), "z\\udcff", "z\\\\udcff", os.fsdecode(b"\\z\xff"), "back\\slash", "\\udc2"]
    for number, name in enumerate(names):
        hand(tmp_path, name, EVENT % (1, number))
    rows = ask(tmp_path, "SELECT experiment, value FROM metrics ORDER BY value")
    assert [name for name, _ in rows] == [
        r"z\udcff", r"z\\udcff", r"z\\\\udcff", r"\\z\udcff", r"back\slash", r"\udc2"
    ]  # fmt: skip
    assert [sum(len(one["series"]) for one in collect(tmp_path)["curves"])] == [len(names)]


def test_links_are_not_followed_and_unknown_entries_are_reported(tmp_path: Path) -> None:
    hand(tmp_path, "one", EVENT % (1, 1))
    for name in ("gpu", "my stream", ".hidden"):
        hand(tmp_path, "one", EVENT % (1, 2), stream=f"log/{name}.jsonl")
    (tmp_path / "one/log/link.jsonl").symlink_to("../log.jsonl")
    (tmp_path / "one/log/notes.txt").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path)
    hand(tmp_path, "two", EVENT % (1, 1)).joinpath("log").symlink_to("../one/log")
    (tmp_path / "two/log.jsonl").rename(tmp_path / "log.jsonl")
    (tmp_path / "two/log.jsonl").symlink_to("../log.jsonl")
    assert_equal_views(tmp_path)
    assert ask(tmp_path, "SELECT experiment, stream FROM events ORDER BY ALL") == [
        ("one", "log.jsonl"),
        ("one", "log/gpu.jsonl"),
    ]
    link = "it is a symbolic link, which is not followed; "
    stray = "it isn't a stream: its name is not portable"
    assert ask(tmp_path, "FROM problems ORDER BY ALL") == [
        ("one", "log/link.jsonl", None, link + "its events were left out"),
        ("one", "log/my stream.jsonl", None, stray),
        ("two", "log", None, link + "the streams in it were left out"),
        ("two", "log.jsonl", None, link + "its events were left out"),
    ]


def test_the_state_is_null_if_the_log_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand(tmp_path, "one", EVENT % (1, 1))

    def refuse(path: Path) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("mlvlogger._read.experiment.open_regular", refuse)  # root, who may run this, reads every file
    ((name, state, error),) = ask(tmp_path, "SELECT name, state, error FROM experiments")
    assert (name, state) == ("hand", None) and "Permission denied" in error


def test_a_line_that_is_too_long_hides_no_other(tmp_path: Path) -> None:
    long = EVENT % (2, '"' + "x" * (16 * 1024 * 1024) + '"')
    longest = EVENT % (2, '"' + "x" * (16 * 1024 * 1024 - len(EVENT % (2, '""')) - 1) + '"')
    hand(tmp_path, "long", EVENT % (1, 1), long, EVENT % (3, 3))
    hand(tmp_path, "longest", EVENT % (1, 1), longest, EVENT % (3, 3))
    hand(tmp_path, "small", EVENT % (1, 1))
    hand(tmp_path, "torn", EVENT % (1, 1), "x" * (40 * 1024 * 1024), end="")
    assert_equal_views(tmp_path)
    assert ask(tmp_path, "SELECT experiment, count(*) FROM events GROUP BY ALL ORDER BY ALL") == [
        ("long", 2), ("longest", 3), ("small", 1), ("torn", 1)
    ]  # fmt: skip
    torn = "the last 41943040 bytes have no line feed after them and aren't part of the log"
    assert ask(tmp_path, "FROM problems") == [
        ("long", "log.jsonl", 2, "the line is longer than 16 MiB and was left out"),
        ("torn", "log.jsonl", None, torn),
    ]


def test_a_broken_experiment_is_a_row_with_the_command_for_details(tmp_path: Path) -> None:
    hand(tmp_path, "broken", EVENT % (1, 1)).joinpath("meta.json").write_text('{"mlv":"1.0"')
    hand(tmp_path, "fine", EVENT % (1, 1))
    hand(tmp_path, "future", EVENT % (1, 1), meta=META | {"mlv": "2.0"})
    hand(tmp_path, "session", EVENT % (1, 1), *LINES["future"])
    hand(tmp_path, "foreign", meta={"name": "x"})
    rows = ask(tmp_path, "SELECT experiment, name, state, error FROM experiments ORDER BY ALL")
    assert [row[:3] for row in rows] == [
        ("broken", None, None), ("fine", "hand", "open"), ("future", None, None), ("session", "hand", None)
    ]  # fmt: skip
    for name, _, _, error in rows:
        assert (error is None) == (name == "fine")
        assert error is None or f"(for details, run: mlv-validate {tmp_path / name})" in error
    assert ask(tmp_path, "SELECT experiment FROM events") == [("fine",)]
    assert ask(tmp_path, "SELECT experiment, path FROM problems ORDER BY ALL") == [
        ("broken", "meta.json"), ("future", "meta.json"), ("session", "log.jsonl")
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Data was left out")
def test_the_state_is_unknown_if_the_log_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("denied", "directory", "fine", "future"):
        hand(tmp_path, name, EVENT % (1, 1), *(LINES["future"] if name == "future" else ()))
    (tmp_path / "directory/log.jsonl").unlink()
    (tmp_path / "directory/log.jsonl").mkdir()
    hand(tmp_path, "none", EVENT % (1, 1)).joinpath("log.jsonl").unlink()

    def refuse(path: Any, *arguments: Any) -> Any:
        if "denied" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open(path, *arguments)

    monkeypatch.setattr(trees, "open", refuse, raising=False)
    rows = ask(tmp_path, "SELECT experiment, state, error FROM experiments")
    unknown, known = ["denied", "directory", "future"], {"fine": "open", "none": "open"}
    assert {name: state for name, state, _ in rows} == dict.fromkeys(unknown) | known
    for name, _, error in rows:
        assert (error is not None) == (name in unknown)
        assert error is None or f"(for details, run: mlv-validate {tmp_path / name})" in error
    states = {experiment["name"]: experiment["state"] for experiment in collect(tmp_path)["experiments"]}
    assert states == dict.fromkeys(unknown, "broken") | known
    html = mlv_tools.experiments(tmp_path)._repr_html_()
    shown = dict(re.findall("<tr><td>([^<]*)</td><td>[^<]*</td><td>([^<]*)</td>", html))
    assert shown == dict.fromkeys(unknown, "unknown") | known
    found = {one.name: summary(one) for one in trees.find(tmp_path)}
    assert [(name, one.state) for name, one in found.items() if name in unknown[1:]] == [
        ("directory", "unknown"),
        ("future", "unknown"),
    ]
    assert "log.jsonl" in found["directory"].trouble


def test_the_warning_about_omitted_lines_has_no_control_characters(tmp_path: Path) -> None:
    hand(tmp_path, "e\x1b[31m", EVENT % (1, 1), "garbled", "garbled")
    with pytest.warns(UserWarning) as caught:
        connect(tmp_path)
    (warning,) = caught
    assert str(warning.message).startswith(
        "Data was left out of the views because of 2 problems, such as e\\x1b[31m/log.jsonl:2: the line "
    )
    assert str(warning.message).endswith("To list all problems, run: SELECT * FROM problems")
    assert warning.filename == __file__


def test_a_valid_tree_causes_no_warning(tmp_path: Path) -> None:
    Exp(tmp_path, "one").close()
    Exp(tmp_path, "two")
    connect(tmp_path)
    connect(tmp_path / "one")


def test_an_empty_tree_has_empty_views(tmp_path: Path) -> None:
    for view in VIEWS:
        assert connect(tmp_path).execute(f"FROM {view}").fetchall() == []
    with pytest.raises(FileNotFoundError):
        connect(tmp_path / "missing")
    with pytest.raises(NotADirectoryError):
        connect(__file__)


def test_no_extension_is_loaded_or_installed_automatically(tmp_path: Path) -> None:
    settings = dict(
        connect(tmp_path).execute("SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%'").fetchall()
    )
    assert {settings["autoinstall_known_extensions"], settings["autoload_known_extensions"]} == {"false"}


def test_the_data_of_an_addition_is_in_the_effective_meta(tmp_path: Path) -> None:
    Exp(tmp_path, "one", {"a": 1, "_mlv": 2}, tags=["x"]).close()
    Exp.open(tmp_path / "one", {"b": math.nan}, tags=["y"]).close()
    assert ask(tmp_path, "SELECT params, tags, len(json_extract(environments, '$[*]')) FROM experiments") == [
        ('{"a":1,"__mlv":2,"b":{"_mlv":"float","value":"nan"}}', ["x", "y"], 2)
    ]


def test_a_sub_experiment_names_its_parent(tmp_path: Path) -> None:
    with Exp(tmp_path, "one") as exp:
        exp.sub("two", kind="part").close()
    query = "SELECT c.experiment, p.experiment FROM experiments c JOIN experiments p ON c.parent = p.id"
    assert ask(tmp_path, query) == [("one/part/two", "one")]


def test_clean_logs_are_read_by_duckdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Exp(tmp_path, "one") as exp, exp.log.span("epoch"):
        exp.log.event("text", s="ünï", path="a\\b", nested={"a": [1, {"b": None}]})
        exp.log.event("a", step=1, v=math.inf)
    monkeypatch.setattr("mlv_tools._sql.events.event_rows", None)
    assert ask(tmp_path, "SELECT count(*) FROM events") == [(6,)]


def test_a_metric_without_steps_is_counted_in_the_order_of_the_lines(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        hand(tmp_path, name, *(EVENT % (seq, seq) for seq in range(50_000, 0, -1)))
    assert ask(tmp_path, "SELECT count(*), count(*) FILTER (step = 50000 - seq) FROM metrics") == [(150_000, 150_000)]


def test_plain_returns_the_text_of_a_value_and_of_a_typed_value(tmp_path: Path) -> None:
    values = {"a": "x", "b": 0.5, "c": 2**63, "d": math.nan, "e": None, "f": [1], "g": datetime(2026, 1, 2, tzinfo=UTC)}
    Exp(tmp_path, "one", values).close()
    columns = ", ".join(f"plain(params->'{name}')" for name in values)
    assert ask(tmp_path, f"SELECT {columns}, plain(params->'missing') FROM experiments") == [
        ("x", "0.5", "9223372036854775808", "nan", None, "[1]", "2026-01-02T00:00:00+00:00", None)
    ]


def test_rewinds_that_overlap_in_any_order_hide_what_the_reader_hides(tmp_path: Path) -> None:
    rng = random.Random(12)
    for number in range(60):
        lines = [START.replace("2", "1", 1) + '{"mlv":"1.0"}}']
        for _ in range(rng.randrange(1, 25)):
            line = TWO.replace("2", str(rng.randrange(1, 12)), 1)
            to = rng.choice(["-1", f"{rng.randrange(12)}.0", str(rng.randrange(14)), '"x"'])
            lines.append(line + rng.choice([f'"mlv/rewind","data":{{"to":{to}}}}}', '"a","data":{"v":1}}']))
        hand(tmp_path, f"e{number:02}", *lines)
    assert_equal_views(tmp_path)


@pytest.mark.parametrize("kind", ["early", "earlier"])
def test_rewinds_are_not_compared_with_events_one_by_one(tmp_path: Path, kind: str) -> None:
    """Four times the lines may take eight times as long; compared each with each they take about twelve times."""
    times: dict[int, list[float]] = {}
    for count in (20_000, 80_000):
        half = count // 2
        lines = [START.replace("2", "1", 1) + '{"mlv":"1.0"}}']
        lines += [EVENT % (seq, seq) for seq in range(2, half)]
        for seq in range(half, count):
            to = 1 if kind == "early" else count - seq
            lines.append(TWO.replace("2", str(seq), 1) + f'"mlv/rewind","data":{{"to":{to}}}}}')
        hand(tmp_path / f"{count}", "e", *lines)
        times[count] = []
    for _ in range(3):
        for count, all_of_them in times.items():
            begin = time.process_time()
            assert ask(tmp_path / f"{count}", "SELECT seq FROM events WHERE event = 'a' AND seq > 2") == []
            all_of_them.append(time.process_time() - begin)
    assert min(times[80_000]) < 8 * min(times[20_000]), times


def test_experiments_have_the_effective_values_and_the_changes(tmp_path: Path) -> None:
    Exp(tmp_path, "a", {"lr": 0.1, "seed": 2**70}).close()
    with pytest.warns(RuntimeWarning):
        Exp.resume(tmp_path / "a", {"lr": 0.2}).close()
    with Exp.open(tmp_path / "a", {"lr": 0.5}) as exp:
        exp.add({"seed": 1}, extra={"x": 1})
    [(params, changes, environments)] = ask(tmp_path, "SELECT params, changes, environments FROM experiments")
    seed = {"_mlv": "int", "value": str(2**70)}
    assert json.loads(params) == {"lr": 0.2, "seed": seed}
    run = {"stream": "log/run-3.jsonl", "member": "params"}
    assert json.loads(changes) == [
        {"record": 2, "stream": "log.jsonl", "member": "params", "name": "lr", "old": 0.1, "new": 0.2},
        {"record": 3, **run, "name": "lr", "old": 0.2, "new": 0.5},
        {"record": 4, **run, "name": "seed", "old": seed, "new": 1},
    ]
    assert len(json.loads(environments)) == 3
