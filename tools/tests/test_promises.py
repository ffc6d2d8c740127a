"""What the package promises of itself: modules stand on one another one way, and what is heavy is imported late."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import mlv_tools

SOURCE = Path(mlv_tools.__file__).parent
HEAVY = ("duckdb", "pyspark", "rocrate", "tensorboardX", "vl_convert", "pandas", "mlv_validate")


def name_of(path):
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path, modules):
    """The modules of the package that a file imports at its top, or in a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mlv_tools"):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in named)


def test_modules_import_one_another_only_downwards():
    paths = {name_of(path): path for path in SOURCE.rglob("*.py")}
    graph = {name: {one for one in imports(path, paths) if one != "mlv_tools"} for name, path in paths.items()}
    del graph["mlv_tools"]  # it gives names of the others, when they are asked for
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)
    for name, below in graph.items():
        if not name.startswith(("mlv_tools._cli", "mlv_tools.__main__")):
            assert not [one for one in below if "._commands" in one or one == "mlv_tools._cli"], name


def test_no_command_imports_what_is_heavy_before_it_runs():
    commands = sorted(path.stem for path in (SOURCE / "_commands").glob("[a-z]*.py"))
    assert len(commands) >= 15
    program = "import importlib, sys\n" + "".join(
        f"importlib.import_module('mlv_tools._commands.{command}')\n" for command in commands
    )
    program += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_listed_is_what_there_is():
    assert all(hasattr(mlv_tools, name) for name in mlv_tools.__all__)
    assert not hasattr(mlv_tools, "absent")
