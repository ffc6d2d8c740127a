"""Notebooks show an experiment and a list of them, in a real kernel, and nothing in it runs."""

import os
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import trainings

import mlv_tools
from mlv_tools._display.names import flatten, metric_label
from mlvlogger import Exp, read

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")


class Elements(HTMLParser):
    """The names of elements and attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: Any) -> None:
        self.text += data


def execute(directory: Path, *cells: Any, kind: str = "data") -> list[str]:
    """Run a notebook; returns the HTML of each cell's output, or with `kind="text"` the texts."""
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # or else jupyter_core warns
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(directory)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs if kind in output]
    return [output["data"]["text/html"] if kind == "data" else output["text"] for output in outputs]


def test_a_list_keeps_parameters_and_metrics_of_one_spelling_apart(tmp_path: Path) -> None:
    for name, lr in (("a", 0.5), ("b", 0.25)):
        with Exp(tmp_path, name, {"optimizer.lr": lr, "optimizer": {"lr": 0.2}}) as exp:
            exp.log.event("a.b", c=1)
            exp.log.event("a", {"b.c": 2})
    text = Elements(mlv_tools.experiments(tmp_path)._repr_html_()).text
    assert text.partition("state")[2] == '"optimizer.lr""a.b".ca.b.caexperimentcompleted0.512bexperimentcompleted0.2512'


def test_a_list_has_the_unit_that_all_experiments_give_a_metric(tmp_path: Path) -> None:
    for name, unit in (("a", "s"), ("b", "ms")):
        with Exp(tmp_path, name) as exp:
            exp.define_metric("loss", unit="nat<")
            exp.define_metric("took", unit=unit)
            if name == "a":
                exp.define_metric("size", unit="By")
                exp.log.event("t", only=1)
                exp.define_metric("only", unit="1")
            exp.log.event("t", loss=1, took=2, size=3)
    text = Elements(mlv_tools.experiments(tmp_path)._repr_html_()).text
    columns = text.partition("state")[2].partition("aexperiment")[0]
    assert sorted(columns.split("t.")) == ["", "loss (nat<)", "only (1)", "size", "took"]


def test_a_list_counts_the_columns_that_it_does_not_show(tmp_path: Path) -> None:
    for n in range(2):
        with Exp(tmp_path, f"e{n}", {f"p{p}": n for p in range(11)}) as exp:
            exp.log.event("t", {f"m{m}": m for m in range(8)})
    html = mlv_tools.experiments(tmp_path)._repr_html_()
    assert html.count("<th>") == 3 + 8 + 8 and "not shown: 3 parameters that differ<" in html
    with Exp(tmp_path, "e2") as exp:
        exp.log.event("t", m9=1)
    assert "not shown: 3 parameters that differ, 1 metrics<" in mlv_tools.experiments(tmp_path)._repr_html_()
    for n in range(10):
        (tmp_path / f"broken{n}").mkdir()
        (tmp_path / f"broken{n}/meta.json").write_text("{")
    html = mlv_tools.experiments(tmp_path)._repr_html_()
    assert html.count("broken: ") == 8 and "2 more are broken." in html


def test_a_list_counts_the_metrics_of_other_streams(tmp_path: Path) -> None:
    for name in "ab":
        with Exp(tmp_path, name) as exp, exp.stream("eval") as log:
            log.event("t", x=1, y=2)
    assert "not shown: 2 metrics of other streams<" in mlv_tools.experiments(tmp_path)._repr_html_()


def test_a_list_keeps_experiments_of_one_spelling_apart(tmp_path: Path) -> None:
    for number, name in enumerate((os.fsdecode(b"z\xff"), "z\\udcff")):
        with Exp(tmp_path, f"e{number}") as exp:
            exp.log.event("t", x=number)
        exp.path.rename(tmp_path / name)
    html = mlv_tools.experiments(tmp_path)._repr_html_()
    assert re.findall("<td>(z.*?)</td>.*?<td>(.)</td></tr>", html) == [("z\\\\udcff", "1"), ("z\\udcff", "0")]


def test_no_two_columns_of_a_list_have_one_title(tmp_path: Path) -> None:
    for n in range(2):
        with Exp(tmp_path, f"e{n}", {"t": {"loss": n}, "state": n, "metrics": {"t": {"loss": n}}}) as exp:
            exp.log.event("t", loss=n)
    titles = re.findall("<th>(.*?)</th>", mlv_tools.experiments(tmp_path)._repr_html_())
    assert titles[3:] == ["t.loss", "params.state", "params.metrics.t.loss", "metrics.t.loss"]


def test_one_experiment_has_the_names_that_all_commands_use(tmp_path: Path) -> None:
    params = {"optimizer": {"lr": 0.2, "": {"a.b": 1, "c\n": {}}}, "optimizer.lr": 0.5, 'q"': None, "list": [{"x": 1}]}
    metrics = [("a.b", "c"), ("a", "b.c"), ('q"', '"x'), ("t", "line\n"), ("t", "\u00e9")]
    with Exp(tmp_path, "e", params) as exp:
        for event, name in metrics:
            exp.log.event(event, {name: 1})
    html = read(exp.path)._repr_html_()
    cells = [unescape(cell) for cell in re.findall("<t[hd] [^>]*>([^<]*)</t[hd]>", html)]
    names = [*(name for name, _ in flatten(params)), *(metric_label(*one) for one in metrics)]
    assert '"optimizer.lr"' in names and set(names) <= set(cells)
    assert "optimizer" not in cells


@pytest.mark.filterwarnings("default")  # of the kernel's client
def test_a_notebook_shows_an_experiment_and_a_list(tmp_path: Path) -> None:
    trainings.some(tmp_path / "runs")
    one, many = execute(
        tmp_path,
        "import mlvlogger\nmlvlogger.read('runs/diverged')",
        "import mlv_tools\nmlv_tools.experiments('runs')",
    )
    assert "completed" in one and "epoch/batch.loss" in one and "<svg" in one and "31 not finite" in one
    text = Elements(many).text
    assert text.startswith("9 experiments in runs")
    assert "lr-0.1-m-0.9" in text and "optimizer.momentum" in text and "mlv-validate" in text


@pytest.mark.filterwarnings("default")
def test_output_of_cells_is_captured_once_and_still_shown(tmp_path: Path) -> None:
    shown = execute(
        tmp_path,
        "import subprocess, sys, warnings\nfrom mlvlogger import Exp, read\nexp = Exp('runs', 'e')",
        "exp.capture()\nprint('one')\nprint('problem', file=sys.stderr)\n"
        "for n in range(3): print(f'\\r{n} %', end='')\nprint()",
        "print('two')\n'a value that is shown'",
        "subprocess.run(['echo', 'child'])\nwarnings.warn('careful')",
        "%%capture\nprint('hidden')",
        "print('three')\nexp.close()\nprint('after')",
        "print('last')",
        kind="text",
    )
    texts = "".join(shown)
    assert [texts.count(word) for word in ("one", "two", "three", "after", "last", "problem")] == [1] * 6
    events = [(event.name, event.data["text"]) for event in read(tmp_path / "runs/e").events(stream="output")]
    assert [text for name, text in events if name == "stdout" and text != "child"] == ["one", "2 %", "two", "three"]
    assert events.count(("stdout", "child")) == 1
    errors = [text for name, text in events if name == "stderr"]
    assert errors[0] == "problem" and "UserWarning: careful" in errors[1]


def test_a_notebook_without_close_has_ended_when_its_kernel_stops(tmp_path: Path) -> None:
    """An exception in a cell doesn't end the program, so it isn't the end of the experiment."""
    begin = nbformat.v4.new_code_cell("from mlvlogger import Exp, read\nexp = Exp('.', 'e')\nexp.log.event('x')")
    error = nbformat.v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    after = nbformat.v4.new_code_cell("exp.log.event('y')\nopen('state', 'w').write(read('e').state)")
    notebook = nbformat.v4.new_notebook(cells=[begin, error, after])
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    assert (tmp_path / "state").read_text() == "open"
    assert read(tmp_path / "e").state == "ended"


def test_the_curve_has_a_gap_where_the_loss_is_not_a_number(tmp_path: Path) -> None:
    trainings.some(tmp_path)
    (path,) = re.findall('<path d="([^"]*)"', read(tmp_path / "diverged")._repr_html_())
    assert path.count("M") == 2


def test_a_long_curve_keeps_its_peak(tmp_path: Path) -> None:
    with Exp(tmp_path, "one") as exp:
        for step in range(5000):
            exp.log.event("batch", step=step, loss=100.0 if step == 4321 else 1.0)
    html = read(exp.path)._repr_html_()
    (path,) = re.findall('<path d="([^"]*)"', html)
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert (min(heights), max(heights)) == (2.0, 26.0)
    assert 160 <= len(heights) <= 642 and "<td" in html and ">100<" in html and ">5000<" in html


def test_hostile_strings_are_shown_as_text(tmp_path: Path) -> None:
    trainings.hostile(tmp_path)
    for html in (read(tmp_path / "hostile")._repr_html_(), mlv_tools.experiments(tmp_path)._repr_html_()):
        shown = Elements(html)
        assert shown.names <= set("div b i table thead tbody tr th td details summary svg path".split())
        assert not [name for name in shown.attributes if name.startswith("on") or name in ("href", "src")]
        assert "document.title='PWN'" in shown.text
        assert not re.search("[\x00-\x09\x0b-\x1f\u2028\u2029\ud800]", html)


def test_an_experiment_that_cannot_be_read_to_the_end_is_shown(tmp_path: Path) -> None:
    exp = Exp(tmp_path, "one", {"lr": 1})
    exp.log.event("batch", loss=1.0)
    exp.close()
    log = exp.path / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"mlv":"1.0"', b'"mlv":"9.0"'))
    html = read(exp.path)._repr_html_()
    assert "9.0" in html and "lr" in html
    assert "<td>one</td>" in mlv_tools.experiments(tmp_path)._repr_html_()
