"""The views and the verdicts on Spark, compared with DuckDB's, with the plain reader's and with those of mlv-validate.

Starting Spark takes seconds, and so does each question: all tests share one session, and one tree is asked once.
"""

import json
import math
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

import mlv_validate
import mlvlogger
from mlv_tools import connect, spark
from mlv_tools._sql.schema import VIEWS
from mlvlogger import Exp

META = {"mlv": "1.0", "name": "hand", "kind": "test", "created": "2026-01-02T03:04:05.000006Z", "params": {"lr": 0.5}}
EVENT = '{"seq":%s,"time":"2026-11-22T18:24:00.123456Z","event":"a","data":{"v":%s}}'
REWIND = '{"seq":%s,"time":"2026-11-22T18:24:00.123456Z","event":"mlv/rewind","data":{"to":%s}}'
FLOAT = '{"_mlv":"float","value":"%s"}'
FUTURE = '{"seq":2,"time":"2026-11-22T18:24:00.123456Z","event":"mlv/start","data":{"mlv":"2.0"}}'

# For each experiment, the lines of its log, and the bytes after the last line.
LOGS: dict[str, tuple[list[Any], str]] = {
    "fine": ([EVENT % (1, 1)], "\n"),
    "torn": ([EVENT % (1, 1), EVENT % (2, 2)[:30]], ""),
    "nuls": ([EVENT % (1, 1)], "\n\0\0\0\0"),
    "garbled": ([EVENT % (1, 1), '{"seq":2,"ti', "", "[1]", "\0\0", b"\xff", EVENT % (3, 3)], "\n"),
    "duplicates": ([EVENT % (1, '1,"v":2'), '{"seq":2,' + (EVENT % (3, 3))[1:], EVENT % (4, 4)], "\n"),
    "nan": ([EVENT % (1, "NaN"), EVENT % (2, "-Infinity"), EVENT % (3, "1e999"), EVENT % (4, 4)], "\n"),
    "typed": ([EVENT % (n, FLOAT % v) for n, v in enumerate(("nan", "inf", "-inf", "x"), 1)], "\n"),
    "integers": ([EVENT % (1, 2**53 - 1), EVENT % (2, 2**53), EVENT % (3, '{"_mlv":"int","value":"9007199254740993"}'),
                  EVENT % (4, '4,"step":{"_mlv":"int","value":"9007199254740993"}'), EVENT % (5, '5,"step":1.5'),
                  EVENT % (6, '6,"step":7.0'), EVENT % (7, "true"), EVENT % (8, '"8"'),
                  EVENT % (9, '{"_mlv":"int","value":"-1%s"}' % ("0" * 400))], "\n"),
    "case": ([EVENT % (1, '1,"V":2,"__mlv":3,"_x":4,"é":5,"":6'), '{"Seq":9,' + (EVENT % (2, 2))[1:]], "\n"),
    "surrogate": ([EVENT % (1, '"\\ud800"'), EVENT % (2, '"\\ud83d\\ude00"'), EVENT % (3, '"\\u0000"')], "\n"),
    "rewound": ([EVENT % (1, 1), EVENT % (2, 2), REWIND % (3, 1), EVENT % (4, 4)], "\n"),
    "session": ([EVENT % (1, 1), FUTURE], "\n"),
    "glued": ([(EVENT % (1, 1)) * 2, EVENT % (3, 3)], "\n"),
    "bom": ([b"\xef\xbb\xbf" + (EVENT % (1, 1)).encode(), EVENT % (2, 2)], "\n"),
    "times": ([(EVENT % (1, 1)).replace("456Z", "456+01:00"), (EVENT % (2, 2)).replace("11-22", "02-30")], "\n"),
}  # fmt: skip

NAMES = ["sp ace", "%20", "a+b", "#x", "quo'te", 'dou"ble', "ünï✓", "type=foo", "[ab]", "st*r", "_x", ".x", "C:"]

Seen = tuple[
    dict[str, list[tuple[Any, ...]]], dict[str, list[str]], Any
]  # the rows and the columns of views, and warnings


def hand(directory: Path, *lines: Any, end: str = "\n", meta: Any = META, stream: str = "log.jsonl") -> Path:
    """An experiment with these lines in a stream."""
    path = directory / stream
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each is a separate experiment: a copy has the same bytes in its meta.json.
    text = json.dumps(meta | {"nonce": ascii(directory.name)}) if isinstance(meta, dict) else meta
    if not (directory / "meta.json").exists():
        (directory / "meta.json").write_text(text)
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + end.encode())
    return directory


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments of the logger, damaged ones, broken ones, copies, and names that mean something elsewhere."""
    root = tmp_path_factory.mktemp("spark") / "[runs]"
    root.mkdir()
    for name, (lines, end) in LOGS.items():
        hand(root / "damaged" / name, *lines, end=end)
    for number, name in enumerate(NAMES):
        hand(root / name, EVENT % (1, number))
        hand(root / name / name, EVENT % (1, number + 0.5), stream="log/rank-0.jsonl")
    hand(root / os.fsdecode(b"\xff"), EVENT % (1, 1), "garbled")
    hand(root / "broken", EVENT % (1, 1), meta='{"mlv":"1.0"')
    hand(root / "foreign", meta='{"name":"x"}')
    hand(root / "foreign" / "log" / "inner", EVENT % (1, 1))
    hand(root / "future", EVENT % (1, 1), meta=META | {"mlv": "2.0"})
    hand(root / "requires", EVENT % (1, 1), meta=META | {"requires": ["x"]})
    (root / "empty").mkdir()
    (root / "loop").symlink_to(root)
    (root / "outside").symlink_to(hand(root.parent / "elsewhere", EVENT % (1, 1)))
    (root / "fine" / "log").mkdir(parents=True)
    (root / "damaged" / "fine" / "log").mkdir()
    (root / "damaged" / "fine" / "log" / "link.jsonl").symlink_to("../log.jsonl")
    (root / "damaged" / "fine" / "log" / "my stream.jsonl").write_text("")
    with Exp(root, "real", {"lr": 1e-3, "seed": 2**63, "ünï": math.nan}, tags=["x", "é"], description="d") as exp:
        with exp.log.span("epoch", n=0) as epoch:
            for step in range(5):
                epoch.event("batch", step=step, loss=math.nan if step == 2 else step / 7, big=2**60 + 1)
        exp.stream("gpu").event("memory", used=1)
        mark = exp.mark()
        exp.log.event("a", v=1)
        exp.stream("gpu").event("memory", used=2)
        exp.rewind(mark)
        exp.log.event("a", v=2)
        with exp.sub("sub", {"ratio": 0.5}, kind="part") as sub:
            sub.log.event("input", exp=exp.ref())
    with Exp(root, "defined") as exp:
        exp.define_metric("a", direction="minimize", unit="s", description="d", axis="t")
        exp.define_metric("a", event="epoch", direction="maximize")
        exp.define_metric("u", unit="By")
        rank = exp.stream("rank-1")
        rank.define_metric("b", direction="maximize")
        for place in range(25):
            exp.define_metric(f"m{place}", direction=("minimize", "maximize")[place % 2])
        for number, value in enumerate([3, 2**60 + 1, math.nan, 1, 1.0, -math.inf, 2**60, 10**400]):
            for stream in (exp.log, rank):
                stream.event("x", {"a": value, "b": value, "u": value}, step=number * 10)
                stream.event("epoch", a=-value, **{f"m{place}": value * place for place in range(25)})
        mark = exp.mark()
        exp.log.event("x", a=-7)
        exp.rewind(mark)
        exp.log.define_metric("b", direction="minimize")
    shutil.copytree(root / "real", root / "copy")
    shutil.copytree(root / "real" / "part" / "sub", root / "copy" / "part" / "again")
    shutil.copytree(root / "damaged" / "fine", root / "masked copy", symlinks=True)
    shutil.copytree(root / "future", root / "future copy")
    return root


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # of the workers: otherwise the first python3 in PATH
    builder = SparkSession.builder.master("local[2]").appName("mlv")
    for name, value in {
        "spark.driver.memory": "2g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "Asia/Kolkata",  # no time depends on it
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def seen(session: Any, tree: Path) -> Seen:
    """The rows of all views of the tree, and the warning."""
    with pytest.warns(UserWarning) as caught:
        views = spark.views(session, tree)
    rows = {view: [tuple(row) for row in getattr(views, view).collect()] for view in VIEWS}
    columns = {view: getattr(views, view).columns for view in VIEWS}
    views.unpersist()
    return rows, columns, caught


def plain(rows: Any, *json_columns: Any) -> list[str]:
    """The rows, in an order and with JSON read, so that they can be compared; NaN as a string, to equal itself."""
    values = [
        [json.loads(value) if place in json_columns and value else value for place, value in enumerate(row)]
        for row in rows
    ]
    return sorted(map(repr, values))


def test_the_columns_are_those_of_duckdb(seen: Seen) -> None:
    assert seen[1] == {view: [name for name, _, _ in columns] for view, columns in VIEWS.items()}


@pytest.mark.parametrize("view", VIEWS)
def test_the_rows_are_those_of_duckdb(seen: Seen, tree: Path, view: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = connect(tree).execute(f"FROM {view}").fetchall()
    as_json = [place for place, (_, kind, _) in enumerate(VIEWS[view]) if kind == "JSON"]
    assert len(rows) > 20
    assert plain(seen[0][view], *as_json) == plain(rows, *as_json)


def test_the_events_are_those_of_the_plain_reader(seen: Seen, tree: Path) -> None:
    events = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        experiments = [e for e in mlvlogger.read.all(tree) if e.path.name.isprintable()]
    for experiment in experiments:
        for stream in experiment.streams:
            try:
                read = list(experiment.events(stream=stream, lifecycle=True))
            except mlvlogger.UnsupportedVersion:
                continue
            name = experiment.path.relative_to(tree).as_posix()
            events += [(name, stream, e.seq, e.time.astimezone(UTC).replace(tzinfo=None), e.name, e.span) for e in read]
    found = [(row[0], *row[2:6], row[8]) for row in seen[0]["events"] if "\\udc" not in row[0]]
    assert sorted(map(repr, found)) == sorted(map(repr, events))


def test_a_broken_experiment_is_a_row_with_its_error(seen: Seen, tree: Path) -> None:
    rows = {row[0]: row for row in seen[0]["experiments"]}
    for name in ("broken", "future", "requires", "damaged/session"):
        assert f"(for details, run: mlv-validate {tree / name})" in rows[name][-1]
    assert rows["damaged/fine"][-1] is None


def test_omitted_lines_are_counted_and_reported(seen: Seen) -> None:
    rows, _, caught = seen
    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith(f"Data was left out of the views because of {len(rows['problems'])} problems, such as ")
    assert message.isascii() and message.isprintable()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("sealed", [False, True], ids=["core", "sealed"])
def test_the_verdicts_are_those_of_mlv_validate(session: Any, tree: Path, sealed: bool) -> None:
    report = mlv_validate.validate(tree, sealed=sealed).to_json()
    found = spark.validate(session, tree, sealed=sealed)
    (target,) = report["targets"]
    assert found.verdict == report["verdict"] == "unchecked"
    for part in ("experiments", "findings", "unchecked"):
        rows = [row.asDict() for row in getattr(found, part).collect()]
        assert sorted(rows, key=repr) == sorted(target[part], key=repr), part
    assert found.omitted.collect() == []
    found.unpersist()
    copies = [finding["path"] for finding in target["findings"] if finding["rule"] == "id.copies"]
    assert copies == ["copy/part/sub/meta.json", "real/meta.json", "real/part/sub/meta.json"]


def test_a_tree_that_is_an_experiment_or_contains_none_is_judged_as_by_mlv_validate(session: Any, tree: Path) -> None:
    for root in (tree / "real", tree / "foreign", tree / "empty"):
        (target,) = mlv_validate.validate(root).to_json()["targets"]
        found = spark.validate(session, root)
        assert found.verdict == target["verdict"]
        assert [row.asDict() for row in found.findings.collect()] == target["findings"]
        assert [row.asDict() for row in found.unchecked.collect()] == target["unchecked"]


def test_a_root_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spark.views(None, tmp_path / "missing")
    with pytest.raises(NotADirectoryError):
        spark.validate(None, __file__)
    with pytest.raises(ValueError, match="'s3://bucket/runs' is a URL"):
        spark.views(None, "s3://bucket/runs")


def test_the_code_of_the_page_prints_its_output(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).resolve().parents[3]
    page = (root / "docs/how-to/scale.md").read_text(encoding="utf-8")
    monkeypatch.chdir(root)
    names: dict[str, Any] = {}
    blocks = re.findall("```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for code, output in blocks:
        exec(code, names)
        assert [line.rstrip() for line in capsys.readouterr().out.splitlines() if line] == output.splitlines()
    names["views"].unpersist()
    names["found"].unpersist()


def test_the_json_reader_of_spark_accepts_lines_that_a_reader_skips(session: Any, seen: Seen, tmp_path: Path) -> None:
    lines, _ = LOGS["duplicates"]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    taken = (
        session.read.schema("seq BIGINT, event STRING, data STRING").json(str(tmp_path)).where("event = 'a'").count()
    )
    kept = [row[3] for row in seen[0]["events"] if row[0] == "damaged/duplicates"]
    assert (taken, kept) == (3, [4])
