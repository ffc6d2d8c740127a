"""What the package promises of itself: what is heavy is imported late."""

import subprocess
import sys
from pathlib import Path

import mlv_tools

SOURCE = Path(mlv_tools.__file__).parent
HEAVY = ("duckdb", "pyspark", "rocrate", "tensorboardX", "vl_convert", "pandas", "mlv_validate")


def test_no_command_imports_heavy_packages_before_it_runs() -> None:
    commands = sorted(path.stem for path in (SOURCE / "_commands").glob("[a-z]*.py"))
    assert len(commands) >= 15
    program = "import importlib, sys\n" + "".join(
        f"importlib.import_module('mlv_tools._commands.{command}')\n" for command in commands
    )
    program += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_listed_name_exists() -> None:
    assert mlv_tools.__all__ and all(hasattr(mlv_tools, name) for name in mlv_tools.__all__)
    assert not hasattr(mlv_tools, "absent")
