"""The extras of the package: commands name the one that they need, and the documentation installs it."""

import re
import sys
from pathlib import Path

import pytest
import tomllib
from click.testing import CliRunner

from mlv_tools._commands import export_ro_crate, export_tensorboard, import_tensorboard

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "tools/pyproject.toml").read_text())["project"]["optional-dependencies"]
MODULES = {"pillow": "PIL"}
COMMANDS = [
    ("tensorboard", export_tensorboard.command, ["tensorboardX", "pillow"]),
    ("tensorboard", import_tensorboard.command, ["tensorboardX"]),
    ("ro-crate", export_ro_crate.command, ["rocrate"]),
]


@pytest.mark.parametrize(("extra", "command", "packages"), COMMANDS, ids=["export-tb", "import-tb", "ro-crate"])
def test_a_missing_package_is_an_error_with_the_command_that_installs_it(
    extra: str, command: object, packages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_extra = {re.split("[^A-Za-z-]", requirement)[0] for requirement in EXTRAS[extra]}
    for package in packages:
        assert package in in_extra
        with monkeypatch.context() as context:
            context.setitem(sys.modules, MODULES.get(package, package), None)  # an import of it raises
            result = CliRunner().invoke(command, [str(tmp_path), str(tmp_path / "out")])  # type: ignore[arg-type]
        assert result.exit_code == 1
        assert f'run: pip install "mlvlogger-tools[{extra}]"\n' in result.stderr
        assert list(tmp_path.iterdir()) == []


PAGES = [ROOT / "README.md", ROOT / "tools/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def needed(text: str) -> set[str]:
    """The extras that the commands in the code of a page need."""
    code = "\n".join(re.findall("```.*?```", text, re.DOTALL) + re.findall("`mlv [^`]*`", text))
    named = re.findall(r"mlv (?:export|import) ([a-z|-]+)", code)
    return {extra for names in named for extra in names.split("|") if extra in EXTRAS}


def installed(text: str) -> set[str]:
    extras = re.findall(r"pip install [^\n]*(?:/tools|mlvlogger-tools)\[([a-z,-]+)\]", text)
    return {extra for names in extras for extra in names.split(",")}


def test_every_page_with_a_command_that_needs_an_extra_installs_it() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in PAGES}
    lacking = {str(path): needed(text) - installed(text) for path, text in pages.items()}
    assert {path: extras for path, extras in lacking.items() if extras} == {}
    exchange = pages[ROOT / "docs/how-to/exchange.md"]
    assert needed(exchange) == installed(exchange) == {"ro-crate", "tensorboard"}
