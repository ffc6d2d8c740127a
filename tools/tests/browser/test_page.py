"""The report in a browser: it is drawn, asks for nothing, runs nothing of a log, and its controls work."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
import trainings

from mlv_tools._report.collect import collect
from mlv_tools._report.page import page
from mlvlogger import Exp, Histogram, Table

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
PATIENCE = 60  # seconds


class Page:
    """An open page: as high as it is long, so that all of it is drawn."""

    def __init__(self, driver: Any, path: Path, width: int = 1280, dark: bool = False) -> None:
        self.driver = driver
        self.script = driver.execute_script
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self._size(width, 1000)
        driver.get("about:blank")
        driver.get_log("browser"), driver.get_log("performance")  # what was before
        driver.get(path.as_uri())
        self._until(lambda: self.script("return document.body.dataset.ready"))
        self._size(width, self.script("return document.documentElement.scrollHeight"))
        self.wait_until_drawn()

    def _size(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def _until(self, is_true: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not is_true():
            assert time.monotonic() < end, "the page does not get ready"
            time.sleep(0.02)

    def wait_until_drawn(self) -> Any:
        """Wait until every chart that is shown is drawn, and nothing is drawn for half a second."""
        charts = "[...document.querySelectorAll('.plot, #timeline')].filter((node) => node.offsetParent)"
        seen, since = None, time.monotonic()

        def is_still() -> bool:
            nonlocal seen, since
            now = self.script(f"return {charts}.map((node) => [node.dataset.drawn, Boolean(node.busy)])")
            if now != seen or not all(drawn and not busy for drawn, busy in now):
                seen, since = now, time.monotonic()
            return time.monotonic() - since > 0.5

        self._until(is_still)

    def canvas(self, metric: str) -> Any:
        """What the chart of a metric looks like."""
        return self.script(
            """for (const card of document.querySelectorAll("#charts .card"))
                 if (card.querySelector("h3").lastChild.textContent === arguments[0])
                   return card.querySelector("canvas").toDataURL();""",
            metric,
        )

    def set(self, name: str, value: Any) -> None:
        """Change a control as a user would."""
        self.script(
            """const node = document.getElementById(arguments[0]);
               if (node.type === "checkbox") node.click();
               else {
                 node.value = arguments[1];
                 node.dispatchEvent(new Event(node.tagName === "SELECT" ? "change" : "input"));
               }""",
            name,
            value,
        )
        self.wait_until_drawn()

    def click(self, selector: str) -> None:
        self.script("document.querySelector(arguments[0]).click()", selector)
        self.wait_until_drawn()

    def point_at_a_span(self) -> Any:
        """Move the pointer over the timeline until it is on a bar; returns what is shown then."""
        canvas = self.driver.find_element("css selector", "#timeline canvas")
        visible = "return document.querySelector('#vg-tooltip-element.visible')?.innerText"
        width, height = canvas.size["width"], canvas.size["height"]
        for y in range(-height // 2 + 8, height // 2, 10):
            for x in range(0, width // 2, 15):
                webdriver.ActionChains(self.driver, duration=0).move_to_element_with_offset(canvas, x, y).perform()
                if text := self.script(visible):
                    return text
        raise AssertionError("there is no span under the pointer")

    def column(self, title: str) -> Any:
        """The texts of a column of the table of parameters and metrics."""
        return self.script(
            """const heads = [...document.querySelectorAll("#table th")].map((th) => th.title);
               const at = heads.indexOf(arguments[0]);
               return [...document.querySelectorAll("#table tbody tr")].map((row) => row.cells[at].textContent);""",
            title,
        )

    def complaints(self) -> tuple[list[str], list[str], int]:
        """What the console holds, and what was asked of any network."""
        requests = [
            message["params"]["request"]["url"]
            for entry in self.driver.get_log("performance")
            if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"
        ]
        return (
            [entry["message"] for entry in self.driver.get_log("browser")],
            [url[:100] for url in requests if urlparse(url).scheme not in ("data", "file", "about", "chrome")],
            sum(url.startswith("file:") for url in requests),
        )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report") / "runs"
    trainings.some(root)
    path = root.parent / "report.html"
    data = collect(root)
    path.write_text(page(data["title"], data), encoding="utf-8")
    return path


def test_the_page_is_drawn_completely_and_makes_no_request(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    assert shown.script("return document.title") == "runs"
    drawn = """return [...document.querySelectorAll("canvas")].map((canvas) => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 3]) colours.add(pixels.slice(i, i + 3).join());
        return colours.size > 10;
    })"""
    assert shown.script(drawn) == [True] * 5  # four metrics and the timeline
    heads = """return [...document.querySelectorAll("#charts h3")].map(
        (head) => [...head.childNodes].map((node) => node.textContent))"""
    assert shown.script(heads) == [
        ["epoch", "n"],
        ["epoch/batch", "loss"],
        ["epoch/validation", "accuracy"],
        ["size", "weights"],
    ]
    assert shown.script("return document.querySelectorAll('#gallery img').length") == 6
    assert shown.script("return [...document.querySelectorAll('#gallery img')].every((img) => img.naturalWidth === 96)")
    assert shown.complaints() == ([], [], 1)


def test_a_broken_experiment_is_shown_as_broken(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    assert shown.column("experiment")[0] == "broken"
    assert shown.column("state")[0] == "broken"
    problems = shown.script("return document.querySelector('#problems').textContent")
    assert "mlv-validate" in problems and "broken" in problems


@pytest.mark.parametrize("control, value", [("axis", "time"), ("log", None), ("smooth", "0.9"), ("colour", "2")])
def test_a_control_changes_the_drawing(driver: Any, report: Path, control: Any, value: Any) -> None:
    shown = Page(driver, report)
    before = shown.canvas("loss")
    shown.set(control, value)
    assert shown.canvas("loss") != before
    assert shown.complaints() == ([], [], 1)


def test_the_picker_changes_curves_table_and_gallery(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    before = shown.canvas("accuracy"), shown.canvas("weights")
    images = shown.script("return document.querySelectorAll('#gallery img').length")
    shown.click("#list li label[title='lr-0.1-m-0.9'] input")
    assert shown.canvas("accuracy") != before[0]
    assert "lr-0.1-m-0.9" not in shown.column("experiment")
    assert shown.script("return document.querySelectorAll('#gallery img').length") == images - 1
    shown.click("#list li label[title='lr-0.1-m-0.9'] input")
    assert (shown.canvas("accuracy"), shown.canvas("weights")) == before


def test_a_filter_narrows_what_all_and_none_pick(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    shown.click("#none")
    shown.set("filter", "LR=0.1 momentum=0.9")
    shown.click("#all")
    assert shown.column("experiment") == ["broken", "lr-0.1-m-0.9"]
    assert shown.script("return document.querySelector('#picked').textContent") == "1 of 9"


def test_the_table_is_sorted_by_numbers_and_what_is_missing_comes_last(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    shown.click("#table th[title=lr] button")
    rates = shown.column("lr")
    shown.click("#table th[title=lr] button")
    assert (rates, shown.column("lr")) == (
        ["0.01", "0.01", "0.1", "0.1", "0.3", "1", "1", "30", "", ""],
        ["30", "1", "1", "0.3", "0.1", "0.1", "0.01", "0.01", "", ""],
    )


def test_the_slider_shows_the_images_of_a_step(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    sources = "return [...document.querySelectorAll('#gallery img')].map((img) => img.src)"
    last = shown.script(sources)
    shown.set("step", "0")
    assert shown.script("return document.querySelector('#at').textContent") == "12"
    first = shown.script(sources)
    assert len(first) == 6 and not set(first) & set(last)


def test_the_pointer_reads_the_curves(driver: Any, report: Path) -> None:
    shown = Page(driver, report)
    canvas = driver.find_elements("css selector", "#charts canvas")[2]
    webdriver.ActionChains(driver).move_to_element(canvas).perform()
    text = shown.script("return document.querySelectorAll('#charts .card')[2].querySelector('.readout').textContent")
    assert "lr-0.1-m-0.9" in text and " at " in text


def test_the_pointer_reads_a_span(driver: Any, report: Path) -> None:
    assert "epoch" in Page(driver, report).point_at_a_span()


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (400, False), (400, True)])
def test_it_fits_wide_and_narrow_screens_light_and_dark(
    driver: Any, report: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    shown = Page(driver, report, width, dark)
    assert shown.script("return document.documentElement.scrollWidth") <= width
    back = shown.script("return getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(17, 21, 28)" if dark else "rgb(255, 255, 255)")
    driver.save_screenshot(str(tmp_path / f"{width}-{'dark' if dark else 'light'}.png"))


def test_nothing_of_a_hostile_log_runs(driver: Any, tmp_path: Path) -> None:
    trainings.hostile(tmp_path / "runs")
    data = collect(tmp_path / "runs", title=trainings.PWN)
    path = tmp_path / "report.html"
    path.write_text(page(data["title"], data), encoding="utf-8")
    for width in (1280, 400):
        shown = Page(driver, path, width)
        for control in ("colour", "series", "timelineOf", "detailsOf"):
            count = shown.script(f"return document.getElementById('{control}').options.length")
            for value in range(count):
                shown.set(control, str(value))
        shown.click("#same")
        shown.set("log", None)
        shown.set("which", "max")
        assert "<img src=x onerror=" in shown.point_at_a_span()
        assert shown.script("return document.title") == trainings.PWN
        assert shown.script("return document.querySelectorAll('script').length") == 3
        assert (
            shown.script("return document.querySelectorAll('img:not(#gallery img), [onerror], [onload]').length") == 0
        )
        assert shown.script("return [...document.images].every((img) => img.src.startsWith('data:image/'))")
        assert shown.script("return document.querySelectorAll('#charts canvas').length") >= 4
        assert shown.complaints() == ([], [], 1)
    assert any("the path leads outside of the experiment: 2" in note for note in data["notes"])


def labels(shown: Page, selector: str, axis: str) -> list[float]:
    """The labels of an axis, "x" or "y", of the chart in the element of *selector*."""
    texts = shown.script(
        """const found = [];
           const walk = (node, axis) => {
             if (node.role === "axis" && node.items) axis = node.items[0].orient === "left" ? "y" : "x";
             if (node.role === "axis-label") for (const item of node.items) found.push([axis, item.text]);
             for (const item of node.items ?? []) walk(item, axis);
           };
           walk(document.querySelector(arguments[0]).view.scenegraph().root, "");
           return found;""",
        selector,
    )
    numbers = [float(str(text).replace("\u2212", "-").replace(",", "")) for place, text in texts if place == axis]
    assert numbers
    return numbers


@pytest.mark.parametrize("value", [0.5, 0.001, 8.63, -2.5])
def test_the_axes_of_constant_values_show_them(driver: Any, tmp_path: Path, value: float) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step in range(3):
            exp.log.event("t", step=step, constant=value)
    path = tmp_path / "report.html"
    path.write_text(page("runs", collect(tmp_path / "runs")), encoding="utf-8")
    shown = Page(driver, path)
    assert labels(shown, "#charts .plot", "y") == [value]
    shown.set("smooth", "0.5")
    assert labels(shown, "#charts .plot", "y") == [value]
    assert shown.complaints() == ([], [], 1)


def test_values_that_no_axis_shows_are_counted(driver: Any, tmp_path: Path) -> None:
    values = {"far": (1.7e308, -1.7e308, 1.0), "near": (1e-320, 2e-320, 1.0), "narrow": (1e-25, 2e-25, 2e-25)}
    with Exp(tmp_path / "runs", "e") as exp:
        for step in range(3):
            exp.log.event("t", {"step": step, **{name: three[step] for name, three in values.items()}})
    path = tmp_path / "report.html"
    path.write_text(page("runs", collect(tmp_path / "runs")), encoding="utf-8")
    shown = Page(driver, path)
    notes = "return [...document.querySelectorAll('#charts .note')].map((note) => note.textContent)"
    far, near = "2 beyond ±1e+300 (crosses at the bottom)", "2 nearer to 0 than 1e-290 (taken for 0)"
    assert shown.script(notes) == [far, "", near]
    narrow = labels(shown, "#charts .card:nth-child(2) .plot", "y")
    assert len(set(narrow)) == len(narrow) and (min(narrow), max(narrow)) == (1e-25, 2e-25)
    shown.set("smooth", "0.5")
    assert labels(shown, "#charts .card:nth-child(1) .plot", "y") == [1]
    shown.set("log", None)
    assert shown.script(notes) == [far, "", f"{near}; 2 not above 0 are not on a log scale"]
    assert shown.complaints() == ([], [], 1)


def test_columns_of_one_title_are_sorted_apart(driver: Any, tmp_path: Path) -> None:
    for name, state, first, second in (("a", "x", 1, 2), ("b", "w", 2, 1)):
        with Exp(tmp_path / "runs", name, {"state": state}) as exp:
            gpu = exp.stream("gpu")
            for step in range(2):
                exp.log.event("t", step=step, loss=first)
                gpu.event("t", step=step, loss=second)
    path = tmp_path / "report.html"
    path.write_text(page("runs", collect(tmp_path / "runs")), encoding="utf-8")
    shown = Page(driver, path)
    assert shown.column("params.state") == ["x", "w"]
    heads = "return [...document.querySelectorAll('#table th')].map((th) => th.innerText.replace(/\\s+/g, ' '))"
    assert shown.script(heads)[-2:] == ["loss t", "loss t (log/gpu.jsonl)"]
    shown.click("#table th:last-child button")
    assert shown.column("experiment") == ["b", "a"]
    assert len(shown.script("return [...document.querySelectorAll('#table th[aria-sort]')]")) == 1


def test_the_slider_shows_the_histograms_and_tables_of_a_step(driver: Any, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    with Exp(tmp_path / "runs", "one") as exp:
        for step in (1, 2):
            exp.log.event(
                "a", step=step, h=Histogram([0, 1, 3, 4], [step, 4, 0]), t=Table([hostile, "p"], [["x", step]])
            )
    (tmp_path / "page.html").write_text(page("a", collect(tmp_path / "runs")), "utf-8")
    shown = Page(driver, tmp_path / "page.html")
    bars = """return [...document.querySelectorAll('.bars div')].map(
        (bar) => [bar.style.left, bar.style.width, bar.style.height, bar.title])"""
    assert shown.script(bars) == [
        ["0%", "25%", "100%", "0 to 1: 2"],
        ["25%", "50%", "100%", "1 to 3: 4"],
        ["75%", "25%", "0%", "3 to 4: 0"],
    ]
    shown.set("formStep", "0")
    assert [bar[2] for bar in shown.script(bars)] == ["50%", "100%", "0%"]
    shown.set("formSeries", "1")
    cells = "return [...document.querySelectorAll('#formGallery :is(th, td)')].map((cell) => cell.textContent)"
    assert shown.script(cells) == [hostile, "p", "x", "2"]
    shown.click("#none")
    assert "None of the picked" in shown.script("return document.querySelector('#formGallery').textContent")
    assert shown.complaints() == ([], [], 1)


def test_best_values_are_marked_and_in_the_table_if_a_direction_is_defined(driver: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Exp(tmp_path / "runs", name) as exp:
            exp.define_metric("loss", event="val", direction="minimize", unit="nat")
            for step, loss in enumerate([3.0, 1.25, 2.0]):
                exp.log.event("val", step=step, loss=loss, other=loss)
    (tmp_path / "page.html").write_text(page("Best", collect(tmp_path / "runs")), encoding="utf-8")
    opened = Page(driver, tmp_path / "page.html")
    cards = opened.script(
        """return [...document.querySelectorAll("#charts .card")].map((card) =>
             [card.querySelector("h3").lastChild.textContent, card.querySelector(".note").textContent])"""
    )
    assert cards == [["loss (nat)", "ring: the lowest value"], ["other", ""]]
    head = "return [...document.querySelectorAll('#table thead th')].map((node) => node.innerText)"
    assert len(opened.script(head)) == 5
    opened.set("which", "best")
    assert opened.script(head)[3:] == ["loss (nat)\nval · lowest"]
    assert opened.script("return document.querySelector('#table tbody tr td:last-child').innerText") == "1.25"
    exp = trainings.train(tmp_path / "others", "one", 0.1, epochs=2)
    (tmp_path / "page.html").write_text(page("None", collect(exp.path)), encoding="utf-8")
    opened = Page(driver, tmp_path / "page.html")
    assert "best" not in opened.script("return document.getElementById('which').innerText")
