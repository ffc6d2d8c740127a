"""README.md and docs/ are true: their code runs and prints what they say, and nothing is missing or stale.

How a page is run, in order, in a separate directory:

- a ``python`` block is executed, all blocks of a page in one namespace; a ``text`` block right after it is what it
  prints. Under ``<!-- file: NAME -->`` it is not executed but written to NAME, for a later command;
- a ``console`` block is given to a shell: lines that begin with ``$`` are commands, the others what they print;
- under ``<!-- not run: REASON -->`` neither happens.

Digests, times, hosts and processes differ each time and are masked. ``…`` matches any text.
"""

import builtins
import contextlib
import inspect
import io
import json
import os
import pydoc
import re
import subprocess
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomllib

import mlv_validate
import mlvlogger

ROOT = Path(__file__).resolve().parents[2]
EXP = "docs/how-to/using-exp.md"
PROCESSES = "docs/how-to/processes.md"
CI = "docs/how-to/ci.md"
PYTHON_REFERENCE = "docs/reference/mlvlogger.md"
GLOSSARY = "docs/contributing/glossary.md"
ARCHITECTURE = "docs/contributing/architecture.md"
VALIDATOR_REFERENCE = "docs/reference/mlv-validate.md"
WRITTEN = ["CONTRIBUTING.md", "RELEASING.md", "docs/index.md", "docs/tutorial.md", EXP, PROCESSES, CI]
WRITTEN += [f"docs/how-to/{name}.md" for name in ("sub-experiments", "checkpoints", "syncing", "archiving")]
WRITTEN += ["docs/how-to/implement.md", "docs/how-to/other-trackers.md", "docs/how-to/output-and-system.md"]
WRITTEN += ["docs/how-to/files-and-media.md", "docs/how-to/histograms-and-tables.md"]
WRITTEN += [f"docs/explanation/{name}.md" for name in ("design", "recorded", "comparison", "performance", "faults")]
WRITTEN += [PYTHON_REFERENCE, VALIDATOR_REFERENCE, "docs/reference/schemas.md", GLOSSARY, ARCHITECTURE]
WRITTEN += ["python/README.md", "trials/benchmarks/logger/README.md"]
WRITTEN += [f"conformance/{name}.md" for name in ("README", "DRIVER", "suite/README")]
# Their code needs mlv, or frameworks: it runs in tools/tests and in python/tests/integrations.
ELSEWHERE = ["README.md", "docs/quickstart.md", "docs/installation.md"]
ELSEWHERE += [f"docs/how-to/{name}.md" for name in ("exchange", "query", "report", "scale", "terminal")]
ELSEWHERE += ["docs/reference/mlv.md", "docs/how-to/frameworks.md", "docs/how-to/other-frameworks.md"]
EXAMPLES = [  # the public names whose docstrings have an example
    f"{module.__name__}.{name}"
    for module in (mlvlogger, mlv_validate)
    for name in module.__all__
    if "```python" in (inspect.getdoc(getattr(module, name)) or "")
]
NOT_RUN = 17  # blocks that no test runs; a new one needs a better reason than that it is easier


@dataclass
class Block:
    """A fenced block of a page: its language, its text, the line it begins on, and the comment above it."""

    language: str
    text: str
    line: int
    comment: tuple[str, str] = ("", "")
    output: str | None = None


def text_of(page: str) -> str:
    """Return the text of a page, or the example in the docstring of a public name such as `mlvlogger.Exp`."""
    if page in EXAMPLES:
        module, _, name = page.partition(".")
        return textwrap.dedent((inspect.getdoc(getattr(sys.modules[module], name)) or "").partition("Example:\n")[2])
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page; a text block directly after a python block is that one's output."""
    blocks, comment, above = [], ("", ""), None
    lines = iter(enumerate(text_of(page).splitlines(), 1))
    for number, line in lines:
        if line.startswith("```"):
            text = []
            for _, inside in lines:
                if inside.startswith("```"):
                    break
                text.append(inside)
            block = Block(line[3:].strip(), "\n".join(text) + "\n", number, comment)
            if block.language == "text" and above is not None:
                above.output = block.text
            else:
                blocks.append(block)
            above = block if block.language == "python" and not comment[0] else None
            comment = ("", "")
        elif match := re.fullmatch("<!-- (file|not run): (.+) -->", line):
            comment = match[1], match[2]
        elif line.strip():
            comment, above = ("", ""), None
    return blocks


def prose_of(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", text_of(page))


MASKS = [
    (r"[0-9a-f]{64}", "<digest>"),
    (r'("nonce": ?")[0-9a-f]{32}', r"\1<nonce>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)?", "<time>"),
    (r'("seconds": ?)[0-9.e-]+', r"\1<seconds>"),
    (r'("pid": ?)\d+', r"\1<pid>"),
    (r'("host": ?)"[^"]*"', r"\1<host>"),
    (r"bytes \d+ to \d+", "bytes <from> to <to>"),
    (r"process \d+ on '[^']*'", "process <pid> on <host>"),
    (r"process \(\d+\)", "process (<pid>)"),
]


def masked(text: str) -> str:
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text


def agree(expected: str, actual: str) -> re.Match[str] | None:
    """Return whether *actual* is what the page says. A line break counts as a blank."""
    expected, actual = (masked(" ".join(text.split())) for text in (expected, actual))
    return re.fullmatch(".*?".join(map(re.escape, expected.split("…"))), actual)


def commands_of(block: Block) -> list[list[str]]:
    """The commands of a console block, each with what it prints."""
    commands = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:], ""])
        elif commands:
            commands[-1][1] += line + "\n"
    return commands


# What follows runs in a separate process, one for each page: `python test_docs.py PAGE`, in an empty directory.


def run_python(block: Block, namespace: dict[str, Any], page: str) -> list[list[str]]:
    printed = io.StringIO()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        line: int,
        file: object = None,
        source: object = None,
    ) -> None:
        print(warnings.formatwarning(message, category, filename, line).splitlines()[0], file=printed)

    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            # As many empty lines in front as the page has: a traceback names the page's own line.
            exec(compile("\n" * block.line + block.text, page, "exec"), namespace)
        except Exception:
            traceback.print_exc(file=printed)  # unless the page says so, this is not what it was to print
    return [["the code", block.output or "", printed.getvalue()]]


def run_console(block: Block) -> list[list[str]]:
    results = []
    end = "==== end of a command ===="
    script = "".join(f"{command}\ncode=$?; echo '{end}'; (exit $code)\n" for command, _ in commands_of(block))
    environment = dict(os.environ, NO_COLOR="1", COLUMNS="80", LC_ALL="C.UTF-8", PYTHONIOENCODING="utf-8")
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    shell = subprocess.run(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, encoding="utf-8"
    )
    actual = shell.stdout.split(end + "\n")
    for (command, expected), printed in zip(commands_of(block), actual[:-1], strict=True):
        results.append([f"$ {command}", expected, printed])
    return results


def run_page(page: str) -> None:
    """Run the blocks of a page in the present directory; prints, as JSON, what each is to print and what it printed."""
    namespace = {"__name__": "__main__"}
    stdout, sys.stdout = sys.stdout, sys.stderr
    for block in blocks_of(page):
        kind, argument = block.comment
        results = []
        if kind == "file":
            Path(argument).write_text(block.text, encoding="utf-8")
        elif kind == "not run":
            pass
        elif block.language == "python":
            results = run_python(block, namespace, page)
        elif block.language == "console":
            results = run_console(block)
        for what, expected, actual in results:
            json.dump([block.line, what, expected, actual], stdout)
            stdout.write("\n")
            stdout.flush()


if __name__ == "__main__":
    run_page(sys.argv[1])
    sys.exit()


# From here on: the tests.


def pages_with(find: Callable[[str], Any]) -> list[str]:
    """Return the pages in which *find* finds something."""
    return [page for page in WRITTEN + ELSEWHERE if find(page)]


def results_of(page: str) -> tuple["subprocess.CompletedProcess[str]", list[Any]]:
    with tempfile.TemporaryDirectory() as directory:
        run = subprocess.run(
            [sys.executable, __file__, page], cwd=directory, capture_output=True, encoding="utf-8", timeout=300
        )
    results = [json.loads(line) for line in run.stdout.splitlines()]
    blocks = [block for block in blocks_of(page) if not block.comment[0]]
    number = sum(block.language == "python" for block in blocks)
    number += sum(len(commands_of(block)) for block in blocks if block.language == "console")
    assert run.returncode or len(results) == number, f"{page}: {len(results)} of {number} blocks and commands ran"
    return run, results


@pytest.mark.slow
@pytest.mark.parametrize("page", WRITTEN)
def test_the_code_of_a_page_runs_and_prints_the_output_on_the_page(page: str) -> None:
    run, results = results_of(page)
    wrong = [
        f"{page}:{line}: {what}\n--- the page says\n{masked(expected)}\n--- it printed\n{masked(actual)}\n"
        for line, what, expected, actual in results
        if not agree(expected, actual)
    ]
    assert not wrong, "\n".join(wrong)
    assert run.returncode == 0, run.stderr


def test_few_blocks_are_not_run_and_each_gives_a_reason() -> None:
    reasons = [
        f"{page}:{block.line}: {block.comment[1]}"
        for page in WRITTEN
        for block in blocks_of(page)
        if block.comment[0] == "not run"
    ]
    assert len(reasons) <= NOT_RUN, "\n".join(reasons)


def files_of(page: str) -> list[int]:
    """Return the numbers of the blocks that a page writes into files."""
    return [number for number, block in enumerate(blocks_of(page)) if block.comment[0] == "file"]


@pytest.mark.parametrize("page", pages_with(files_of))
def test_a_file_that_a_page_writes_is_used_by_a_later_block(page: str) -> None:
    blocks = blocks_of(page)
    for number in files_of(page):
        name = blocks[number].comment[1]
        later = "".join(other.text for other in blocks[number + 1 :])
        assert name in later or f"import {Path(name).stem}" in later, f"{page}:{blocks[number].line}: {name}"


def json_of(page: str) -> list[str]:
    """Return the blocks of JSON on a page."""
    return [block.text for block in blocks_of(page) if block.language == "json"]


@pytest.mark.parametrize("page", pages_with(json_of))
def test_every_json_block_is_json(page: str) -> None:
    for text in json_of(page):
        assert text.strip(), page
        try:
            json.loads(text)
        except ValueError:  # lines of a log
            for line in text.splitlines():
                json.loads(line)


def anchors_of(path: Path) -> set[str]:
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8"))
    anchors = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"(?m)^#+ (.+?)(?: #+)?$", text):
        plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        anchors |= {re.sub(r"[-\s]+", "-", slug), re.sub(r"\s", "-", slug)}
    for name in directives_of(text):
        thing = pydoc.locate(name)
        anchors |= {name, *(f"{name}.{member}" for member in dir(thing) if not member.startswith("_"))}
    return anchors


def directives_of(text: str) -> list[str]:
    """Return the names of a page whose docstrings mkdocstrings puts there."""
    return re.findall(r"(?m)^::: (\S+)", text)


def links_of(page: str) -> list[str]:
    """Return the links of a page to other pages of the repository."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) if not re.match("[a-z]+:", link)]


@pytest.mark.parametrize("page", pages_with(links_of))
def test_links_lead_to_files_and_anchors_that_exist(page: str) -> None:
    for link in links_of(page):
        name, _, anchor = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors_of(path), f"{page}: {link}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_files_of_the_repository_that_are_named_exist(page: str) -> None:
    # `spec/1.0/`, `python3 examples/run.py`: what begins with one of our folders, or is a file at the top.
    pattern = r"(?<![\w/.])((?:spec|python|conformance|docs|examples)/[\w./-]*|test\.py|tox\.ini)"
    names = re.findall(pattern, text_of(page))
    assert names
    for name in names:
        assert (ROOT / name.rstrip(".")).exists(), f"{page}: {name}"


@pytest.mark.parametrize("page", WRITTEN + ELSEWHERE)
def test_sources_have_one_sentence_per_line(page: str) -> None:
    lines = prose_of(page).splitlines()
    assert lines
    for line in lines:
        if not line.startswith(("|", "<")):
            inline = re.sub(r"`[^`]*`", "code", line)
            assert not re.search(r"[a-z)][.?!] [A-Z]", inline), f"{page}: {line}"


def test_the_readme_shows_the_directory_that_the_examples_wrote_and_lines_of_its_log() -> None:
    blocks = blocks_of("README.md")
    [tree] = [block for block in blocks if block.text.startswith("runs/my_exp_1/")]
    [lines] = [block for block in blocks if block.language == "json"]
    directory = ROOT / "examples/output/my_exp_1"
    names = re.findall("(?m)^[├└]── (\\S+)", tree.text)
    assert names and lines.text.strip()
    for name in names:
        assert (directory / name).exists(), name
    log = (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [line for line in log if line in lines.text.splitlines()] == lines.text.splitlines()


def test_the_example_of_the_readme_imports_the_standard_library_alone_and_opens_no_connection(tmp_path: Path) -> None:
    example = next(block for block in blocks_of("README.md") if block.language == "python")
    (tmp_path / "train.py").write_text(example.text, encoding="utf-8")
    # -S -E: nothing that is installed next to the package, such as an import hook, counts as an import of mlvlogger.
    path = str(Path(mlvlogger.__file__).parents[1])
    watched = Path(__file__).with_name("programs").joinpath("docs_watched.py").read_text(encoding="utf-8")
    command = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.append({path!r})\n{watched}", "train.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert run.stdout.splitlines()[-1:] == ["network: [] imported: []"], run.stdout + run.stderr


# The words of the style guide


def test_each_phrase_of_the_style_words_can_be_found() -> None:
    settings = tomllib.loads(text_of("pyproject.toml"))["tool"]["codespell"]
    phrases = [line.partition("->")[0] for line in text_of("style-words.txt").splitlines()]
    assert phrases and phrases == sorted(phrases)
    assert [phrase for phrase in phrases if not re.fullmatch(settings["regex"], phrase)] == []


def test_the_glossary_is_short_and_in_order() -> None:
    terms = re.findall(r"(?m)^\| (.+?) \|", text_of(GLOSSARY))[2:]
    assert terms == sorted(terms, key=str.lower)
    assert 0 < len(terms) <= 40


def test_the_architecture_names_modules_functions_and_tests_that_exist() -> None:
    text = prose_of(ARCHITECTURE)
    packages = [ROOT / "python/src/mlvlogger", ROOT / "conformance/src/mlv_validate"]
    code = "".join(path.read_text("utf-8") for package in packages for path in package.rglob("*.py"))
    for name in re.findall(r"`(_[\w/]+(?:\.py|/))`", text):
        assert any((package / name).exists() for package in packages), name
    named = re.findall(r"`(?:([A-Z]\w+)\.)?(?!md`)([A-Za-z_]+)`", text)  # `LineFile.write`, `Backlog`, `scan_file`
    for name in {part for names in named for part in names} - {"", "fork_of", "mlv_validate", "mlvlogger", "seq"}:
        assert re.search(rf"\b(class|def) {name}\b", code), name
    tests = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(tests) > 20
    for path, name in tests:
        file = ROOT / path if "/" in path else ROOT / "python/tests" / path
        assert f"def {name}(" in file.read_text("utf-8"), name


# The references, which mkdocstrings makes of the docstrings


def test_the_references_have_each_public_name_once() -> None:
    for page, module in ((PYTHON_REFERENCE, mlvlogger), (VALIDATOR_REFERENCE, mlv_validate)):
        names = [name.rpartition(".")[2] for name in directives_of(text_of(page)) if "_Read" not in name]
        assert sorted([*names, "read"] if module is mlvlogger else names) == sorted(module.__all__), page


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public functions and methods of mlvlogger and mlv_validate, with their names."""
    for module in (mlvlogger, mlv_validate):
        for name in module.__all__:
            thing = getattr(module, name)
            owner = thing if inspect.isclass(thing) else type(thing)
            if inspect.isfunction(thing):
                yield name, thing
            elif owner.__module__.startswith(module.__name__):
                yield name, thing
                for member, method in inspect.getmembers(owner):
                    written = inspect.isfunction(method) or inspect.ismethod(method)
                    if written and not member.startswith("_") and method.__module__.startswith(module.__name__):
                        yield f"{name}.{member}", method


def test_a_docstring_describes_every_argument() -> None:
    described_as_attributes = {"SpanTree", "Experiment", "NewFile", "NewText", "Span", "read"}
    classes: list[type] = [mlvlogger.MLVError, *mlvlogger.MLVError.__subclasses__()]
    errors = {error.__name__ for error in classes}
    arguments = [
        (name, parameter, inspect.getdoc(function) or "")
        for name, function in functions()
        if name not in described_as_attributes | errors
        for parameter in inspect.signature(function).parameters
        if parameter not in ("self", "cls")
    ]
    assert len(arguments) > 100
    for name, parameter, docstring in arguments:
        assert re.search(rf"(?m)^    {parameter}( \(.+\))?: ", docstring), f"{name}: {parameter}"


def test_a_docstring_names_only_classes_that_exist() -> None:
    """In backticks, a capitalized word is a public name, a class of Python, or written with its module."""
    named = {
        name: set(re.findall(r"`([A-Z][a-z]\w+)`", inspect.getdoc(function) or "")) for name, function in functions()
    }
    public = {*mlvlogger.__all__, *mlv_validate.__all__, *dir(builtins)}
    assert any(named.values())
    assert {name: words - public for name, words in named.items() if words - public} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs_and_prints_its_output(name: str) -> None:
    run, results = results_of(name)
    assert run.returncode == 0, run.stderr
    assert results
    for line, _, expected, printed in results:
        assert agree(expected, printed), f"{name}:{line}: {printed}"


def test_using_exp_names_every_argument() -> None:
    words = set(re.findall(r"\w+", text_of(EXP)))
    exp, logger, run = mlvlogger.Exp, mlvlogger.Logger, mlvlogger.Experiment
    functions: list[Any] = [exp, exp.resume, exp.open, exp.join, exp.find, exp.stream, exp.attach, exp.create, exp.mark]
    functions += [exp.rewind, exp.flush, exp.close, run.ref, run.sub]
    functions += [
        logger,
        logger.event,
        logger.span,
        logger.sub,
        logger.pause,
        logger.resume,
        logger.flush,
        logger.close,
    ]
    functions += [run.events, run.spans, run.metric, run.subs, mlvlogger.Span.end]
    for function in functions:
        assert function.__name__ in words, function
        for name in inspect.signature(function).parameters:
            assert name in words or name in ("self", "options", "misplaced"), f"{function.__qualname__}: {name}"


def test_using_exp_names_every_error() -> None:
    things = {name: getattr(mlvlogger, name) for name in mlvlogger.__all__}
    errors = [
        name for name, thing in things.items() if inspect.isclass(thing) and issubclass(thing, mlvlogger.MLVError)
    ]
    assert errors and [name for name in errors if name not in text_of(EXP)] == []


# The reference of mlv-validate


@pytest.mark.slow
def test_the_help_of_mlv_validate_is_in_its_reference() -> None:
    environment = dict(os.environ, NO_COLOR="1", COLUMNS="80", LC_ALL="C.UTF-8")
    command = [os.path.join(os.path.dirname(sys.executable), "mlv-validate"), "--help"]
    shown = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=True).stdout
    assert shown in text_of(VALIDATOR_REFERENCE)
