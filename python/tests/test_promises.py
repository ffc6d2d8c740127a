"""Promises: no dependencies, nothing at import, no network, a documented API, and a test for every rule."""

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
import oracle
from mlvlogger import _errors
from program import program

SOURCE = Path(mlvlogger.__file__).parent
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "integrations" not in path.parts)
TESTS = Path(__file__).parent
REQUIREMENTS = Path(__file__).parents[2] / "spec" / "1.0" / "requirements.json"


def absolute(path: Path) -> Iterator[str]:
    """The modules that a file imports by their absolute names, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def test_nothing_is_imported_but_the_standard_library() -> None:
    """`to_pandas` and `to_polars` import the library that they are named after, and nothing else does."""
    frames = SOURCE / "_read" / "frames.py"
    assert {name.split(".")[0] for path in MODULES for name in absolute(path) if path != frames} <= set(
        sys.stdlib_module_names
    )
    assert {name for name in absolute(frames) if name.split(".")[0] not in sys.stdlib_module_names} == {
        "pandas",
        "polars",
    }


@pytest.mark.parametrize("path", sorted((SOURCE / "integrations").glob("*.py")), ids=lambda path: path.stem)
def test_an_adapter_imports_its_framework_and_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 10))
    assert ast.get_docstring(tree)
    absolute = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    names = {node.module or "" for node in absolute}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert foreign <= {path.stem, f"pytorch_{path.stem}"}  # Lightning has two names


def test_every_module_is_private_and_has_a_docstring() -> None:
    for path in MODULES:
        assert path.relative_to(SOURCE).parts[0].startswith("_")
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_syntax_is_that_of_python_3_10(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 10))


def test_importing_does_nothing() -> None:
    """No file is made, no process or thread started, no socket opened, no handler installed."""
    done = subprocess.run([sys.executable, "-B", "-c", program("promises_import")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_experiment_opens_no_network_connection_and_starts_no_thread(run: Callable[..., Any]) -> None:
    code = program("promises_no_network")
    run(code)


def test_importing_and_logging_load_few_standard_modules() -> None:
    """Importing `json` loads thirty modules more than these."""
    command = [sys.executable, "-I", "-S", "-u", "-c", program("promises_modules"), str(SOURCE.parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    package, event = map(ast.literal_eval, done.stdout.splitlines())
    assert package == ["mlvlogger"]
    assert set(event) <= {"__future__", "_json", "_weakrefset", "atexit", "errno", "fcntl", "math", "types", "warnings"}


HOT = ("_define_metric.py", "_disk", "_format", "_logger.py", "_messages.py", "_write")  # what every `Logger` loads
PLATFORM = {"ctypes", "fcntl", "msvcrt"}  # which not every Python has
LATE = {
    ("_environment/snapshot.py", "importlib.metadata"),  # takes longer than all other imports of `Exp`
    ("_generated_name.py", "hashlib"),  # few programs take their name from a job
    ("_open_experiment.py", "_other_trackers"),  # only for errors
    ("_open_streams.py", "_other_trackers"),
    ("_other_trackers.py", "difflib"),
    ("_read/frames.py", "pandas"),  # not a dependency
    ("_read/frames.py", "polars"),
    ("_read/existing.py", ""),  # a cycle: `Exp` and `Experiment` make each other
    ("_read/experiment.py", "notebook"),  # few programs show an experiment in a notebook
}


def test_imports_are_at_the_top_except_in_the_modules_that_every_logger_loads() -> None:
    found = set()
    for path in MODULES:
        name = path.relative_to(SOURCE).as_posix()
        functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
        for node in [inner for function in functions for inner in ast.walk(function)]:
            if isinstance(node, ast.ImportFrom):
                found.add((name, node.module or ""))
            elif isinstance(node, ast.Import):
                found |= {(name, alias.name) for alias in node.names}
    assert {(name, module) for name, module in found if not name.startswith(HOT) and module not in PLATFORM} == LATE


def test_no_module_and_no_class_is_large() -> None:
    """A larger one has several responsibilities: split it by them."""
    files = sorted(SOURCE.rglob("*.py"))
    lines = {path.relative_to(SOURCE).as_posix(): len(path.read_bytes().splitlines()) for path in files}
    methods = {
        f"{path.relative_to(SOURCE).as_posix()}: {node.name}": sum(
            isinstance(one, ast.FunctionDef) for one in node.body
        )
        for path in files
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ClassDef)
    }
    assert len(lines) > 90 and len(methods) > 60
    assert {name: number for name, number in lines.items() if number > 400} == {}
    assert {name: number for name, number in methods.items() if number > 25} == {}


def test_exp_loads_no_module_that_a_worker_does_not_need() -> None:
    code = "import sys, mlvlogger; mlvlogger.Exp; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"asyncio", "email", "importlib.metadata", "logging", "multiprocessing", "socket"} & set(
        done.stdout.split()
    )


def test_reading_loads_no_module_that_writes_and_no_detection_of_secrets() -> None:
    code = "import sys, mlvlogger; mlvlogger.read; print(*sorted(name for name in sys.modules if 'mlvlogger.' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("mlvlogger.").split(".")[0] for name in done.stdout.split()}
    assert loaded == {"_disk", "_errors", "_format", "_messages", "_options", "_read", "_version"}
    assert "_disk.publish" not in done.stdout and "_format.encode" not in done.stdout


def public() -> dict[str, Any]:
    return {name: getattr(mlvlogger, name) for name in mlvlogger.__all__ if not name.startswith("_")}


def test_all_lists_exactly_the_public_names() -> None:
    assert len(mlvlogger.__all__) == len(set(mlvlogger.__all__))
    assert set(mlvlogger.__all__) <= set(dir(mlvlogger))
    star: dict[str, Any] = {}
    exec("from mlvlogger import *", star)
    assert set(mlvlogger.__all__) == set(star) - {"__builtins__"}
    with pytest.raises(AttributeError, match="module 'mlvlogger' has no attribute 'absent'"):
        mlvlogger.absent  # type: ignore[attr-defined]  # noqa: B018
    assert (mlvlogger.SPEC_VERSION, mlvlogger.__version__.count(".")) == ("1.0", 2)
    project = SOURCE.parents[1] / "pyproject.toml"  # which takes the version from there
    assert not project.exists() or 'path = "src/mlvlogger/_version.py"' in project.read_text("utf-8")


def test_type_checkers_and_the_interpreter_find_each_name_in_the_same_module() -> None:
    reported = {
        name: node.module
        for node in ast.walk(ast.parse((SOURCE / "__init__.py").read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
        for name in [alias.name for alias in node.names]
    }
    homes = {name: home for home, names in mlvlogger._HOMES.items() for name in names.split()}
    assert reported == homes
    assert set(reported) == set(mlvlogger.__all__)


def described(cls: type) -> dict[str, Any]:
    """The members of a public class that are its own or come from a private one."""
    homes = [cls, *(base for base in cls.__mro__ if base.__module__.startswith("mlvlogger._"))]
    homes = [home for home in homes if home is cls or home.__name__ not in mlvlogger.__all__]
    return {name: member for home in reversed(homes) for name, member in vars(home).items()}


def callables() -> Iterator[tuple[str, Any, Any]]:
    """Every public function and method: its name, itself, and the class it is of."""
    for name, value in public().items():
        if inspect.isclass(value):
            for member, function in described(value).items():
                if member.startswith("_") and member != "__init__":
                    continue
                function = getattr(function, "__func__", function)
                if inspect.isfunction(function):
                    yield f"{name}.{member}", function, value
        elif inspect.isfunction(value):
            yield name, value, None
    yield "read", type(mlvlogger.read).__call__, None
    yield "read.all", type(mlvlogger.read).all, None


CALLABLES = {name: (function, home) for name, function, home in callables()}


def description(name: str) -> str:
    """The docstring of a callable; of a constructor, that of its class."""
    function, home = CALLABLES[name]
    own = inspect.getdoc(function) if not name.endswith("__init__") or home is None else inspect.getdoc(home)
    return own or ""


@pytest.mark.parametrize("name", sorted(set(mlvlogger.__all__) - {"SPEC_VERSION", "__version__"}))
def test_every_public_name_has_a_docstring(name: str) -> None:
    value = getattr(mlvlogger, name)
    assert (inspect.getdoc(value) or "").strip()
    if inspect.isclass(value):
        assert value.__doc__ and value.__doc__ is not Exception.__doc__
        for member, part in described(value).items():
            if isinstance(part, property):
                assert part.__doc__, f"{name}.{member}"


# Constructors that are not for the user.
INTERNAL = {"Span.__init__", "NewFile.__init__", "Experiment.__init__"}
ERRORS = {name for name, (_, home) in CALLABLES.items() if home and issubclass(home, mlvlogger.MLVError)}


def test_the_constructors_that_are_left_out_exist() -> None:
    assert INTERNAL <= set(CALLABLES)


@pytest.mark.parametrize("name", sorted(set(CALLABLES) - INTERNAL - ERRORS))
def test_every_argument_of_a_public_callable_is_described(name: str) -> None:
    text = description(name)
    assert text, name
    # "Arguments as for `Exp`": what is said there counts here.
    for other in re.findall(r"[Aa]s for `([A-Za-z.]+)`|errors as for `([A-Za-z.]+)`|As `([A-Za-z.]+)`", text):
        target = next(part for part in other if part)
        home = name.partition(".")[0]
        for candidate in (target, f"{target}.__init__", f"{home}.{target}"):
            if candidate in CALLABLES:
                text += description(candidate)
                for further in re.findall(r"[Aa]s for `([A-Za-z.]+)`", description(candidate)):
                    text += "".join(description(c) for c in (further, f"{further}.__init__") if c in CALLABLES)
    for argument, parameter in inspect.signature(CALLABLES[name][0]).parameters.items():
        if argument in ("self", "cls") or (argument == "options" and parameter.kind == parameter.VAR_KEYWORD):
            continue
        assert re.search(rf"\b{argument}\b|``{argument}``", text), f"{name} does not say what {argument} is"


@pytest.mark.parametrize("name", sorted(name for name in vars(_errors) if name[0].isupper()))
def test_every_error_is_an_mlverror_and_is_in_the_tree_of_the_docstring(name: str) -> None:
    error = getattr(_errors, name)
    assert issubclass(error, mlvlogger.MLVError) and getattr(mlvlogger, name) is error
    assert error.__module__ == "mlvlogger"
    bases = ", ".join(base.__name__ for base in error.__bases__)
    assert f"{name}({bases})" in (_errors.__doc__ or "")
    assert error is mlvlogger.MLVError or len(error.__bases__) == 2, "each is also the built-in error that one expects"


def test_the_tree_of_errors_has_no_other_names() -> None:
    listed = re.findall(r"── (\w+)\(", _errors.__doc__ or "")
    assert set(listed) == {error.__name__ for error in mlvlogger.MLVError.__subclasses__()}
    assert set(_errors.__all__) == {*listed, "MLVError"}


def test_the_fixtures_also_judge_with_mlv_validate(events: Callable[..., Any], conforms: Callable[..., Any]) -> None:
    """A name that oracle.py doesn't check. On Python 3.10, oracle.py judges alone."""
    with mlvlogger.Exp("runs", "e") as exp:
        exp.log.event("x")
    log = Path("runs/e/log.jsonl")
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]).replace(b'"x"', b'"x//y"'))
    assert [event["event"] for event in oracle.check_stream(log)] == ["mlv/start", "x//y"]
    if sys.version_info < (3, 11):
        pytest.skip("not applicable: mlv-validate needs Python 3.11 or later")
    for judge, path in ((events, log), (conforms, "runs/e")):
        with pytest.raises(AssertionError, match="event.name"):
            judge(path)


def marked() -> dict[str, list[str]]:
    """Rule → the tests that are marked with it."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                for mark in function.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule":
                        (rule,) = map(ast.literal_eval, mark.args)
                        found.setdefault(rule, []).append(f"{path.name}::{function.name}")
    return found


@pytest.mark.slow
def test_every_rule_of_a_writer_and_of_a_reader_has_a_test_and_no_other_is_named() -> None:
    if not REQUIREMENTS.exists():
        pytest.skip("not applicable: the tests were copied without the specification")
    rules = json.loads(REQUIREMENTS.read_text("utf-8"))
    expected = {rule["id"] for rule in rules if rule["class"] in ("writer", "reader")}
    expected -= {"writer.statement"}  # of `mlv cite`: tools/tests/test_citing.py
    assert len(expected) >= 30
    assert set(marked()) == expected
