"""The page that validates in a browser finds what the same validator finds in Node, and reports what it can't see."""

import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlvlogger import Exp

pytest.importorskip("selenium.webdriver", reason="needs selenium")

ROOT = Path(__file__).parents[3]
JAVASCRIPT, SUITE = ROOT / "javascript", ROOT / "conformance" / "suite"
PATIENCE = 600  # seconds, also on a busy machine
STATE = """return [document.body.innerText, document.getElementById("progress").hidden,
  [...document.querySelectorAll("input[type=file]")].map((input) => input.files.length)]"""
STEP = 5  # every fifth case of the suite


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # a worker loads many modules at once


class Handler(http.server.SimpleHTTPRequestHandler):
    requests: list[str]

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.requests.append(self.path)


class Shown(NamedTuple):
    """What the page shows: its verdict, and the rows of its tables."""

    verdict: str
    findings: list[tuple[str, str, str, str]]
    unchecked: list[tuple[str, str]]
    text: str


class Page:
    """The page of a static server, with the names of the requests for files."""

    def __init__(self, driver: Any, url: str, requests: list[str]) -> None:
        self.driver, self.url, self.requests = driver, url, requests

    def open(self, dark: bool = False) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.get(self.url)
        self.until("return document.body.dataset.ready")

    def until(self, script: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (value := self.driver.execute_script(script)):
            assert time.monotonic() < end, f"{script}: {self.driver.execute_script(STATE)} {self.requests[-20:]}"
            time.sleep(0.02)
        return value

    def choose(self, path: Path, **options: Any) -> Shown:
        """Validate a directory or a file that is picked in a dialog."""
        self.start_choose(path, **options)
        return self.shown()

    def drop(self, path: Path, **options: Any) -> Shown:
        """Validate a directory or a file that is dropped on the page."""
        self.start_drop(path, **options)
        return self.shown()

    def start_choose(self, path: Path, **options: Any) -> None:
        self._begin(**options)
        self.driver.find_element("id", "directory" if path.is_dir() else "log").send_keys(str(path))

    def start_drop(self, path: Path, **options: Any) -> None:
        self._begin(**options)
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for event in ("dragEnter", "dragOver", "drop"):
            place = {"type": event, "x": 100, "y": 100, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", place)

    def _begin(self, isSealed: bool = False, anchor: str | None = None) -> None:
        self.driver.execute_script(
            """document.getElementById("result").replaceChildren();
               document.getElementById("sealed").checked = arguments[0];
               document.getElementById("anchor").value = arguments[1];""",
            isSealed,
            anchor or "",
        )

    def shown(self) -> Shown:
        self.until("return document.getElementById('verdict') && document.getElementById('progress').hidden")
        tables = self.driver.execute_script(
            """return Object.fromEntries([...document.querySelectorAll("#result h3")].map((head) => [
                 head.textContent,
                 [...head.nextElementSibling.querySelectorAll("tbody tr")].map(
                   (row) => [...row.cells].map((cell) => cell.textContent)),
               ]))"""
        )
        text = self.driver.execute_script("return document.getElementById('result').textContent")
        verdict = self.driver.execute_script("return document.getElementById('verdict').textContent")
        rows = [[tuple(row) for row in tables.get(name, [])] for name in ("Findings", "Not checked")]
        return Shown(verdict, sorted(rows[0]), sorted(rows[1]), text)


@pytest.fixture(scope="module")
def page(driver: Any) -> Iterator[Page]:
    requests: list[str] = []
    handler = type("Recording", (Handler,), {"requests": requests})
    server = Server(("127.0.0.1", 0), functools.partial(handler, directory=str(JAVASCRIPT)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    page = Page(driver, f"http://127.0.0.1:{server.server_port}/browser/index.html", requests)
    page.open()
    yield page
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Cases of the conformance suite, with what the validator finds in Node."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node")
    script = JAVASCRIPT / "test" / "make_cases.js"
    command = [node, str(script), str(tmp_path_factory.mktemp("cases")), str(STEP)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert len(found) > 200
    return found


def rows(case: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The rows of a table with the findings of a case."""

    def row(level: str, rule: str, path: str, line: int | None) -> tuple[str, str, str, str]:
        return level, rule, path.replace("\n", "\\u000a"), "" if line is None else str(line)

    return sorted(row(**found) for found in case["findings"])


def unseen(shown: Shown) -> list[str]:
    """The reasons why the whole could not be checked."""
    return [reason for path, reason in shown.unchecked if path == "." and reason.startswith("a browser")]


def paths(shown: Shown) -> list[str]:
    """The paths of what could not be checked for another reason."""
    return sorted(path for path, reason in shown.unchecked if reason not in unseen(shown))


def test_a_picked_directory_has_the_findings_that_node_reports(page: Page, cases: list[dict[str, Any]]) -> None:
    page.open()
    different = []
    for case in cases:
        if case["isSpecial"]:
            continue
        shown = page.choose(Path(case["path"]), **case["options"])
        node = sorted(part["path"] for part in case["unchecked"])
        # What could not be checked of the whole for two reasons is one row.
        if shown.findings != rows(case) or set(paths(shown)) | {"."} != {*node, "."}:
            different.append((case["name"], shown, rows(case), node))
        assert unseen(shown) or "." in node or Path(case["path"]).is_file(), case["name"]
    assert different == []


def test_a_dropped_directory_has_the_findings_that_node_reports(page: Page, cases: list[dict[str, Any]]) -> None:
    page.open()
    for case in cases[::10]:
        if not case["isSpecial"]:
            shown = page.drop(Path(case["path"]), **case["options"])
            assert shown.findings == rows(case), case["name"]


@pytest.fixture
def runs(page: Page, tmp_path: Path) -> Path:
    """A directory with an experiment that has no finding, and the open page."""
    page.open()
    path = tmp_path / "runs"
    shutil.copytree(SUITE / "bases" / "cited", path)
    return path


@pytest.mark.parametrize("way", ["choose", "drop"])
def test_links_and_special_files_could_not_be_checked(page: Page, runs: Path, way: str) -> None:
    (runs / "log" / "linked.jsonl").symlink_to(runs / "log.jsonl")
    (runs / "linked").symlink_to(runs)
    os.mkfifo(runs / "pipe")
    shown = getattr(page, way)(runs)
    assert shown.verdict == "No errors found, as far as a browser can see."
    [reason] = unseen(shown)
    assert "symbolic links" in reason
    assert "special files" in reason


def test_an_empty_directory_in_place_of_a_file_is_seen_if_it_was_dropped(page: Page, runs: Path) -> None:
    (runs / "log" / "more.jsonl").mkdir()
    assert page.drop(runs).findings == [("error", "layout.types", "log/more.jsonl", "")]
    picked = page.choose(runs)
    assert picked.findings == []
    assert "directories that are empty" in unseen(picked)[0]


def test_a_directory_in_which_the_browser_lists_no_files_is_not_validated(page: Page, runs: Path) -> None:
    (runs.parent / "empty").mkdir()
    page.choose(runs)
    page.driver.execute_script(
        """document.getElementById("result").replaceChildren();
           document.getElementById("directory").dispatchEvent(new Event("change"));"""
    )
    assert "lists no files" in page.shown().text


def test_a_validator_that_cannot_be_loaded_is_reported_while_files_are_listed(page: Page, runs: Path) -> None:
    page.driver.execute_script(
        """const Original = Worker;
           window.Worker = function () { return new Original("missing.js", {type: "module"}); };
           FileSystemFileHandle.prototype.getFile = () => new Promise(() => {});  // the listing never ends"""
    )
    page.start_drop(runs)
    assert "could not be loaded" in page.shown().text
    page.open()


def test_a_directory_without_an_experiment_is_not_decided(page: Page, runs: Path) -> None:
    shown = page.choose(runs / "files")
    assert shown.verdict == "Not decided: no errors found. 1 part could not be checked."
    assert shown.unchecked == [(".", "there is no experiment")]


@pytest.mark.parametrize("way", ["choose", "drop"])
def test_a_file_that_changes_after_it_was_picked_could_not_be_checked(page: Page, runs: Path, way: str) -> None:
    """The browser reads a file only as it was when it was picked."""
    page.driver.execute_script(
        """const original = Worker.prototype.postMessage;
           window.held = new Promise((resolve) => { window.goOn = resolve; });
           Worker.prototype.postMessage = function (...all) { held.then(() => original.apply(this, all)); };"""
    )
    getattr(page, f"start_{way}")(runs)
    page.until("return document.getElementById('bar').max > 1")
    with (runs / "log.jsonl").open("a") as log:
        log.write("more")
    page.driver.execute_script("goOn()")
    shown = page.shown()
    assert "log.jsonl" in paths(shown), shown
    assert shown.verdict.startswith("Not decided") or shown.verdict.startswith("Invalid")


def test_a_changed_byte_is_found_in_a_large_log(page: Page, runs: Path) -> None:
    """A log larger than what is read at once, whose seal covers every line."""
    path = runs.parent / "large"
    exp = Exp(path, "a", kind="train")
    text = "x" * 1000
    for step in range(20_000):
        exp.log.event("batch", step=step, text=text)
    exp.close()
    log = path / "a" / "log.jsonl"
    assert log.stat().st_size > 20e6
    shown = page.choose(path, isSealed=True)
    assert (shown.findings, shown.verdict) == ([], "No errors found, as far as a browser can see.")
    assert "20,00" in shown.text  # the number of events
    with log.open("r+b") as file:
        file.seek(11_000_000)
        file.readline()
        place = file.tell() + 500
        file.seek(place)
        assert file.read(1) == b"x"
        file.seek(place)
        file.write(b"y")
    rules = [rule for _, rule, _, _ in page.choose(path).findings]
    assert rules == ["seal.digest"]


def test_a_cited_digest_is_found_or_missing(page: Page, runs: Path) -> None:
    right = "sha256:" + hashlib.sha256((runs / "mlv-statement.txt").read_bytes()).hexdigest()
    shown = page.choose(runs, anchor=right)
    assert "The digest is that of a statement (mlv-statement.txt)." in shown.text
    assert shown.findings == []
    wrong = page.choose(runs, anchor=f"sha256:{64 * '0'}")
    assert wrong.findings == [("error", "anchor.match", ".", "")]
    assert "has the digest that was cited" in wrong.text
    page.start_choose(runs, anchor="abc")
    assert "isn't a digest" in page.driver.execute_script(
        "return document.getElementById('anchor-problem').textContent"
    )


def test_text_of_a_directory_is_never_markup(page: Page, runs: Path) -> None:
    name = "<img src=x onerror=alert(1)>.jsonl"
    (runs / "log" / name).write_text("")
    shown = page.choose(runs)
    assert ("warning", "layout.strays", f"log/{name}", "") in shown.findings
    assert page.driver.execute_script("return document.querySelectorAll('img').length") == 0


def test_a_rule_leads_to_its_place_in_the_specification(page: Page, runs: Path) -> None:
    (runs / "log" / "no stream.jsonl").write_text("")
    page.choose(runs)
    link = page.driver.execute_script("return document.querySelector('#result td a').getAttribute('href')")
    assert link == "../../spec/1.0/whole.html#layout.strays"


def test_nothing_is_asked_of_the_network(page: Page, runs: Path) -> None:
    page.choose(runs)
    page.choose(runs)
    loaded = set(page.requests) - {"/browser/missing.js"}  # of another test
    modules = {f"/{path.relative_to(JAVASCRIPT).as_posix()}" for path in JAVASCRIPT.glob("*/*.*")}
    assert loaded <= modules, loaded - modules
    ask = "fetch(arguments[0]).then(() => arguments[1]('answered'), () => arguments[1]('refused'))"
    assert page.driver.execute_async_script(ask, page.url) == "refused"
    # The worker has the policy of the page, which those with the address of a file don't have.
    in_worker = """const done = arguments[1];
        const ask = (url) => fetch(url).then(() => postMessage("answered"), () => postMessage("refused"));
        const script = `(${ask})(${JSON.stringify(arguments[0])})`;
        const worker = new Worker(URL.createObjectURL(new Blob([script])));
        worker.onmessage = ({data}) => done(data);"""
    assert page.driver.execute_async_script(in_worker, page.url) == "refused"
    source = (JAVASCRIPT / "browser" / "page.js").read_text("utf-8")
    assert source.count("new Worker(") == source.count("new Worker(url") == 1
