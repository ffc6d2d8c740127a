"""
Build the distributions, install the wheels in clean environments of every tested Python, and use them: `tox -e dist`.

It catches a wheel that works only next to its source: a schema, a licence or a `py.typed` that isn't packaged.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"
SUITE = ROOT / "conformance" / "suite"
PACKAGES = {"python": "mlvlogger", "conformance": "mlv_validate", "tools": "mlv_tools"}
OLDEST = {"python": (3, 10), "conformance": (3, 11), "tools": (3, 11)}  # Pythons

PROGRAMS = Path(__file__).with_name("programs")  # they run with the interpreter of a clean environment, isolated


def run(*command: object, cwd: Path) -> str:
    """Run a command and return what it printed; on failure show that and stop."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    """What a wheel holds, by name, but for the list that repeats the names."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def check(expected: object, actual: object, what: str) -> None:
    if expected != actual:
        sys.exit(f"{what}\n  expected: {expected}\n  actual:   {actual}")
    print("ok:", what)


def build(project: str, folder: Path) -> Path:
    """Build sdist and wheel, check what the wheel holds, and return it."""
    package = PACKAGES[project]
    folder.mkdir()
    build = [sys.executable, "-m", "build", "--no-isolation", ROOT / project, "--outdir"]
    run(*build, folder / "sdist", cwd=folder)  # by default the wheel is built from the sdist
    run(*build, folder / "direct", "--wheel", cwd=folder)
    (wheel,) = (folder / "sdist").glob("*.whl")
    direct = contents(next((folder / "direct").glob("*.whl")))
    held = contents(wheel)
    check(sorted(direct), sorted(held), f"{package}: the wheel from the sdist holds what the direct one does")

    source = ROOT / project / "src"
    modules = {path.relative_to(source).as_posix() for path in (source / package).glob("**/*.py")}
    expected = {name: (source / name).read_bytes() for name in modules | {f"{package}/py.typed"}}
    if project == "tools":
        data = [path for path in (source / package).rglob("*") if path.suffix in (".html", ".css", ".js", ".json")]
        check(True, len(data) >= 4, "the tools have their page and the format for lnav")
        expected |= {path.relative_to(source).as_posix(): path.read_bytes() for path in data}
    if project == "conformance":
        spec = {path.relative_to(SPEC).as_posix(): path.read_bytes() for path in SPEC.glob("**/*.json")}
        check(True, "1.0/requirements.json" in spec, "the specification has its requirements")
        check(True, sum(name.startswith("1.0/schemas/") for name in spec) >= 5, "the specification has its schemas")
        expected |= {f"{package}/spec/{name}": content for name, content in spec.items()}
        harness = [path for path in (source / "mlv_conformance").glob("**/*.py")]
        expected |= {path.relative_to(source).as_posix(): path.read_bytes() for path in harness}
        suite = [path for path in SUITE.rglob("*") if path.is_file() and path.suffix != ".md"]
        check(True, len(suite) > 150, "the suite has its data")
        expected |= {f"mlv_conformance/suite/{path.relative_to(SUITE).as_posix()}": path.read_bytes() for path in suite}
    missing = sorted(name for name, content in expected.items() if held.get(name) != content)
    check([], missing, f"{package}: {len(expected)} files are in the wheel, byte for byte")

    licences = {name.rpartition("/")[2]: text for name, text in held.items() if "/licenses/" in name}
    check({name: (ROOT / name).read_bytes() for name in licences}, licences, f"{package}: {' '.join(sorted(licences))}")
    check(True, "LICENSE" in licences, f"{package}: the licence is there")
    return wheel


def install(python: object, version: tuple[int, int], wheels: dict[str, Path], folder: Path) -> Path:
    """A clean environment of a Python with what runs on it installed and tried; where its scripts are."""
    clean = folder / f"clean-{version[0]}.{version[1]}"
    run(python, "-m", "venv", clean, cwd=folder)
    scripts = clean / ("Scripts" if os.name == "nt" else "bin")
    fitting = [wheel for project, wheel in wheels.items() if version >= OLDEST[project]]
    run(scripts / "python", "-m", "pip", "install", "--quiet", *fitting, cwd=folder)
    runs = clean / "runs"
    place = run(scripts / "python", "-I", PROGRAMS / "installed_logger.py", runs, cwd=folder).strip()
    check(True, Path(place).is_relative_to(clean), f"{place} is the installed logger, and logs")
    if version >= OLDEST["conformance"]:
        printed = run(scripts / "python", "-I", PROGRAMS / "installed_validator.py", cwd=folder)
        place, schemas = printed.split("\n", maxsplit=1)
        check(True, Path(place).is_relative_to(clean), f"{place} is the installed validator")
        check(sorted(path.name for path in (SPEC / "1.0/schemas").iterdir()), schemas.split(), "its schemas are there")
        print(run(scripts / "mlv-validate", "--require-sealed", ROOT / "examples/output", runs, cwd=folder), end="")
        check(True, True, "the installed mlv-validate accepts examples/output, and what the logger wrote")
        listed = run(scripts / "mlv", "sql", runs, "SELECT name, value FROM metrics", "--format", "csv", cwd=folder)
        check(["name,value", "loss,0.5"], listed.split(), "the installed mlv asks what the logger wrote")
        run(scripts / "mlv", "report", runs, "-o", clean / "report.html", cwd=folder)
        check(True, (clean / "report.html").stat().st_size > 500_000, "the installed mlv writes a report")
    return scripts


def pythons() -> dict[tuple[int, int], object]:
    """Every tested Python on this machine, and this one."""
    spec = importlib.util.spec_from_file_location("mlv_test", ROOT / "test.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {**module.find_pythons(), sys.version_info[:2]: sys.executable}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        wheels = {project: build(project, folder / project) for project in PACKAGES}
        places = {version: install(path, version, wheels, folder) for version, path in sorted(pythons().items())}
        scripts = places[sys.version_info[:2]]

        driver = [scripts / "python", ROOT / "conformance/drivers/minimal.py"]
        hold = [scripts / "mlv-conformance", "--class", "writer", "--only", "sessions/*", "--", *driver]
        print(run(*hold, cwd=folder), end="")
        check(True, True, "the installed mlv-conformance has its suite, and a writer passes it")


if __name__ == "__main__":
    main()
