"""The recorded repository is that of the user's code, however a program is started, and runs no program itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger._environment import git as _git
from mlvlogger._environment import snapshot
from mlvlogger._environment.snapshot import capture, diff
from program import program

pytestmark = [
    pytest.mark.usefixtures("plain_git"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
    pytest.mark.skipif(os.name != "posix", reason="the tests make scripts and links"),
]

Launch = Callable[..., dict[str, Any]]
Become = Callable[..., dict[str, Any]]
Hostile = Callable[..., Path]

SHOW = program("provenance_show")


def git(folder: Path, *words: str) -> str:
    """Call the real git in *folder*."""
    settings = ["user.name=Ada", "user.email=ada@example.org", "protocol.file.allow=always"]
    command = ["git", *(word for setting in settings for word in ("-c", setting)), "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(folder: Path, **files: str) -> str:
    """A repository with these files (`_` in a name is a dot) and its own name as the remote; its commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", folder.name)
    git(folder, "remote", "add", "origin", f"https://example.org/{folder.name}.git")
    return git(folder, "rev-parse", "HEAD")


def make_venv(folder: Path) -> Path:
    """An environment of this Python; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    return folder / "bin" / "python"


def make_console_script(path: Path, interpreter: str | Path) -> Path:
    """What pip makes of an entry point `mytrain = mytrain:main`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{interpreter}\nimport sys\nimport mytrain\nsys.exit(0)\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the user's script and module."""
    make_repository(tmp_path / "proj", mytrain_py=SHOW, _gitignore=".venv/\n__pycache__/\nignored*\n")
    return tmp_path / "proj"


@pytest.fixture
def launch(project: Path) -> Launch:
    """`launch(*command)`: what a program that is started so records."""

    def start(*command: object, cwd: Path = project, path: Path | str = project, stdin: str = "") -> dict[str, Any]:
        source = Path(mlvlogger.__file__).parents[1]
        variables = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{path}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, env=variables, input=stdin, capture_output=True, text=True, timeout=240
        )
        lines = [line.partition("FOUND ")[2] for line in done.stdout.splitlines() if "FOUND " in line]
        assert lines, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    return start


def of_project(found: dict[str, Any], source: str, project: Path, untracked: bool | None = False) -> None:
    """Assert that *found* is about the repository of the project, that it is found by *source*."""
    assert found["git"]["commit"] == git(project, "rev-parse", "HEAD")
    assert found["git"]["remote"] == "https://example.org/proj.git"
    assert (found["git"]["source"], found["git"]["script_untracked"]) == (source, untracked)
    assert (found["git"]["dirty"], found["git"]["changed"]) == (False, [])


# Ways to start a program


@pytest.mark.slow
def test_a_script_is_that_of_its_repository_wherever_it_is_started(
    tmp_path: Path, project: Path, launch: Launch
) -> None:
    make_repository(tmp_path / "other")
    for cwd in (project, tmp_path, tmp_path / "other"):
        found = launch(sys.executable, project / "mytrain.py", cwd=cwd)
        of_project(found, "script", project)
        assert (found["script"], found["launcher"]) == (str(project / "mytrain.py"), None)


def test_a_script_of_no_repository_has_that_of_the_directory(tmp_path: Path, project: Path, launch: Launch) -> None:
    (tmp_path / "scratch.py").write_text(SHOW)
    found = launch(sys.executable, tmp_path / "scratch.py")
    of_project(found, "directory", project, untracked=True)
    assert found["script"] == str(tmp_path / "scratch.py")
    assert launch(sys.executable, tmp_path / "scratch.py", cwd=tmp_path)["git"] is None


def test_a_module_that_is_run_is_the_script(project: Path, launch: Launch) -> None:
    found = launch(sys.executable, "-m", "mytrain")
    of_project(found, "script", project)
    assert found["script"] == str(project / "mytrain.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["-m cProfile", "-m profile", "-m pdb -c continue", "-m trace --trackcalls", "-m runpy", "-m timeit -n1 -r1"],
)
def test_a_tool_of_python_is_not_a_script_of_the_user(
    tmp_path: Path, project: Path, launch: Launch, words: str
) -> None:
    target = {"-m runpy": ["mytrain"], "-m timeit -n1 -r1": ["import mytrain"]}.get(words, ["mytrain.py"])
    found = launch(sys.executable, *words.split(), *target)
    # Some tools make the script the main module; which ones do depends on the version of Python.
    if found["launcher"] is None:
        of_project(found, "script", project)
        assert found["script"] == str(project / "mytrain.py")
    else:
        of_project(found, "directory", project, untracked=None)
        assert found["script"] is None
        assert found["git"]["missing"] == {"script_untracked": "there is no script"}
        assert Path(found["launcher"]).stem in words


@pytest.mark.parametrize("way", ["-c", "stdin", "interactive", "no file"])
def test_without_a_script_the_repository_is_that_of_the_directory(project: Path, launch: Launch, way: str) -> None:
    """A notebook's kernel has a main module without a file, too."""
    given = {
        "-c": (["-c", "import mytrain"], ""),
        "stdin": (["-"], SHOW),
        "interactive": (["-i", "-q"], "import mytrain\n"),
        "no file": (
            ["-c", "import sys, types; sys.modules['__main__'] = types.ModuleType('__main__'); import mytrain"],
            "",
        ),
    }
    words, stdin = given[way]
    found = launch(sys.executable, *words, stdin=stdin)
    of_project(found, "directory", project, untracked=None)
    assert found["script"] is None


@pytest.mark.slow
def test_a_console_script_has_the_repository_of_the_directory(tmp_path: Path, project: Path, launch: Launch) -> None:
    """In an environment outside of any repository, in that of the project, and in the clone of a version manager."""
    make_repository(tmp_path / "pyenv", _gitignore="versions/\n")
    for folder in (tmp_path / "venv", project / ".venv", tmp_path / "pyenv" / "versions" / "3"):
        launcher = make_console_script(folder / "bin" / "mytrain", make_venv(folder))
        found = launch(launcher)
        of_project(found, "directory", project, untracked=None)
        assert (found["script"], found["launcher"]) == (None, str(launcher))
        assert launch(launcher, cwd=tmp_path)["git"] is None


@pytest.mark.slow
def test_an_environment_in_the_project_does_not_hide_the_project(tmp_path: Path, project: Path, launch: Launch) -> None:
    interpreter = make_venv(project / ".venv")
    found = launch(interpreter, project / "mytrain.py", cwd=tmp_path)
    of_project(found, "script", project)
    # The script is what the link leads to, even from a directory of programs.
    (project / ".venv" / "bin" / "link").symlink_to(project / "mytrain.py")
    found = launch(interpreter, project / ".venv" / "bin" / "link", cwd=tmp_path)
    of_project(found, "script", project)


@pytest.mark.slow
def test_if_the_repository_ignores_the_script_that_of_the_directory_is_recorded(
    tmp_path: Path, project: Path, launch: Launch
) -> None:
    """The environment of another Python, in the clone of a version manager."""
    manager = tmp_path / "pyenv"
    make_repository(manager, _gitignore="versions/\n")
    launcher = make_console_script(manager / "versions" / "3" / "bin" / "mytrain", sys.executable)
    of_project(launch(launcher), "directory", project, untracked=True)
    found = launch(launcher, cwd=tmp_path)["git"]  # which is in no repository
    assert (found["remote"], found["script_untracked"]) == ("https://example.org/pyenv.git", True)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_an_installed_launcher_is_not_a_script_of_the_user(
    tmp_path: Path, project: Path, launch: Launch, folder: str
) -> None:
    """For example submitit's `python -m submitit.core._submit` and Ray's default_worker.py, in another repository."""
    make_repository(tmp_path / "settings")
    package = tmp_path / "settings" / folder / "launch"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("import sys\nsys.path.append('.')\nimport mytrain\n")
    for words in (["-m", "launch"], [package / "__main__.py"]):
        found = launch(sys.executable, *words, path=package.parent)
        of_project(found, "directory", project, untracked=None)
        assert (found["script"], found["launcher"]) == (None, str(package / "__main__.py"))


@pytest.mark.slow
def test_under_pytest_the_repository_is_that_of_the_directory(project: Path, launch: Launch) -> None:
    (project / "test_ignored.py").write_text("def test():\n    import mytrain\n")
    found = launch(sys.executable, "-m", "pytest", "-s", "-c", os.devnull, "--rootdir=.", "-p", "no:cacheprovider", ".")
    of_project(found, "directory", project, untracked=None)
    assert found["script"] is None


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_process_of_multiprocessing_has_the_script_of_its_parent(
    tmp_path: Path, project: Path, launch: Launch, method: str
) -> None:
    (project / "mytrain.py").write_text(
        f"import multiprocessing\n\ndef work():\n{textwrap.indent(SHOW.replace('__mp_main__', ''), '    ')}\n\n"
        "if __name__ == '__main__':\n"
        f"    process = multiprocessing.get_context({method!r}).Process(target=work)\n"
        "    process.start()\n    process.join()\n"
    )
    git(project, "commit", "--quiet", "--all", "--message=second")
    found = launch(sys.executable, project / "mytrain.py", cwd=tmp_path)
    of_project(found, "script", project)
    assert found["script"] == str(project / "mytrain.py")


@pytest.mark.slow
def test_a_script_in_an_archive(tmp_path: Path, project: Path, launch: Launch) -> None:
    with zipfile.ZipFile(project / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    of_project(launch(sys.executable, "app.pyz"), "script", project, untracked=True)
    git(project, "add", "app.pyz")
    git(project, "commit", "--quiet", "--message=second")
    found = launch(sys.executable, "app.pyz")
    of_project(found, "script", project)
    assert found["script"] == str(project / "app.pyz" / "__main__.py")
    of_project(launch(sys.executable, project / "app.pyz", cwd=tmp_path), "script", project)


# Where Python is installed


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Become:
    """`become(script, prefix)`: a program with this script, of a Python that is installed there."""

    def make(script: str, prefix: str | Path) -> dict[str, Any]:
        file = tmp_path / script
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(file), raising=False)
        for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
            monkeypatch.setattr(sys, name, str(tmp_path / prefix))
        return capture(packages=False)

    return make


@pytest.mark.parametrize("prefix", ["/", "usr", "usr/src", "usr/src/app", "usr/local", "opt/python"])
def test_a_repository_below_a_shared_prefix_is_the_users(
    tmp_path: Path, become: Become, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """In an image of a container, Python may be in /usr and the project in /usr/src/app; or both in the home."""
    monkeypatch.setattr(snapshot, "_SHARED", ("/", str(tmp_path / "usr"), "~"))
    monkeypatch.setenv("HOME", str(tmp_path / "usr" / "src"))
    make_repository(tmp_path / "usr" / "src" / "app")
    found = become("usr/src/app/train.py", prefix)
    assert (found["script"], found["launcher"]) == (str(tmp_path / "usr/src/app/train.py"), None)
    assert (found["git"]["source"], found["git"]["remote"]) == ("script", "https://example.org/app.git")
    for script in ("bin/train", "share/train/train.py", "lib/train/run.py"):
        if prefix != "/":
            assert become(f"{prefix}/{script}", prefix)["script"] is None, script


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("place", ["src/launch/launch.py", "launch/launch.py", "launch.py"])
def test_a_repository_below_a_prefix_is_not_the_users(
    tmp_path: Path, become: Become, monkeypatch: pytest.MonkeyPatch, place: str, is_shared: bool
) -> None:
    """Such as the clone that `pip install -e git+…` makes in the folder src of a virtual environment."""
    if is_shared:  # a virtual environment belongs to one user, wherever it is
        monkeypatch.setattr(snapshot, "_SHARED", (str(tmp_path / "proj" / ".venv"),))
    make_repository(tmp_path / "proj")
    make_repository((tmp_path / "proj" / ".venv" / place).parent if "/" in place else tmp_path / "proj" / ".venv" / "x")
    (tmp_path / "proj" / ".venv" / "pyvenv.cfg").touch()
    monkeypatch.chdir(tmp_path / "proj")
    found = become(f"proj/.venv/{place}", "proj/.venv")
    assert (found["script"], found["launcher"]) == (None, str(tmp_path / "proj/.venv" / place))
    assert (found["git"]["source"], found["git"]["remote"]) == ("directory", "https://example.org/proj.git")
    assert become("proj/train.py", "proj/.venv")["git"]["source"] == "script"


def test_an_environment_in_the_root_of_the_repository_does_not_hide_it(tmp_path: Path, become: Become) -> None:
    """After `python -m venv .`, what is in the folders of the environment is installed, as is a clone in them."""
    make_repository(tmp_path / "proj")
    (tmp_path / "proj" / "pyvenv.cfg").touch()
    assert become("proj/src/train.py", "proj")["git"]["source"] == "script"
    assert become("proj/bin/train", "proj")["launcher"] is not None
    make_repository(tmp_path / "proj" / "src" / "launch")
    assert become("proj/src/launch/launch.py", "proj")["launcher"] is not None


@pytest.mark.slow
def test_an_editable_installation_of_a_launcher_is_not_a_script_of_the_user(
    tmp_path: Path, project: Path, launch: Launch
) -> None:
    interpreter = make_venv(tmp_path / "venv")
    clone = tmp_path / "venv" / "src" / "launch"
    make_repository(clone, launch_py="import mytrain\n")
    found = launch(interpreter, "-m", "launch", "mytrain.py", path=f"{clone}{os.pathsep}{project}")
    of_project(found, "directory", project, untracked=None)
    assert (found["script"], found["launcher"]) == (None, str(clone / "launch.py"))


def test_a_repository_around_the_prefix_is_not_that_of_a_script_below_it(
    tmp_path: Path, become: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(tmp_path / "home")
    make_repository(tmp_path / "proj")
    monkeypatch.chdir(tmp_path / "proj")
    for script in ("home/python/bin/train", "home/python/share/train.py"):
        found = become(script, "home/python")
        assert (found["git"]["source"], found["git"]["remote"]) == ("directory", "https://example.org/proj.git")
    monkeypatch.chdir(tmp_path)
    assert become("home/python/share/train.py", "home/python")["git"] is None
    (tmp_path / "link").symlink_to(tmp_path / "home" / "python")
    assert become("home/python/share/train.py", "link")["git"] is None
    assert become("link/share/train.py", "home/python")["git"] is None
    assert become("home/train.py", "home/python")["git"]["remote"] == "https://example.org/home.git"
    assert become("home/pythonic/train.py", "home/python")["git"]["remote"] == "https://example.org/home.git"


def test_a_frozen_program_without_paths_of_python_records_its_repository(
    tmp_path: Path, become: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sysconfig

    def fail(*_: Any) -> None:
        raise ModuleNotFoundError("_sysconfigdata")

    monkeypatch.setattr(sysconfig, "get_path", fail)
    make_repository(tmp_path / "proj")
    assert become("proj/train.py", "elsewhere")["git"]["source"] == "script"
    assert become("proj/python/bin/train", "proj/python")["launcher"] is not None


# The script itself


@pytest.mark.parametrize("name", ["train.py", "[a]*.py", ":(top)x.py", "ü b\n.py", "sub/deep.py"])
def test_a_script_that_is_not_in_the_repository_is_recorded_as_untracked(
    tmp_path: Path, become: Become, name: str
) -> None:
    make_repository(tmp_path / "proj", _gitignore="ignored*\n", a_py="", x_py="")
    found = become(f"proj/{name}", "elsewhere")
    assert found["git"]["script_untracked"] is True
    git(tmp_path / "proj", "--literal-pathspecs", "add", name)
    assert capture()["git"]["script_untracked"] is False
    (tmp_path / "proj" / name).unlink()
    assert capture()["git"]["script_untracked"] is False
    assert become("proj/ignored.py", "elsewhere")["git"]["script_untracked"] is True
    (tmp_path / "proj" / "ignored.py").unlink()
    assert capture()["git"]["script_untracked"] is True


@pytest.mark.slow
def test_the_diff_is_that_of_the_same_repository(tmp_path: Path, project: Path, launch: Launch) -> None:
    manager = tmp_path / "pyenv"
    make_repository(manager, _gitignore="versions/\n", wrong_txt="a\n")
    (manager / "wrong.txt").write_text("b\n")
    launcher = make_console_script(
        manager / "versions" / "3" / "bin" / "mytrain", make_venv(manager / "versions" / "3")
    )
    (project / "mytrain.py").write_text(
        SHOW + "from mlvlogger import Exp, read\n"
        "with Exp('ignored', 'e', diff=True) as exp: pass\n"
        "print((exp.path / 'files' / 'uncommitted.diff').read_text())\n"
        "found['git'] = dict(read(exp.path).environments[-1]['git']); del found['git']['diff']\n"
        "print('FOUND', json.dumps({name: found[name] for name in ('script', 'launcher', 'git')}))\n"
    )
    found = launch(launcher)
    assert (found["git"]["remote"], found["git"]["changed"]) == ("https://example.org/proj.git", ["mytrain.py"])
    assert found["git"]["diff_cut"] is False


def test_a_diff_that_fails_is_a_warning_with_the_reason(
    tmp_path: Path, become: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlvlogger import Exp

    become("proj/train.py", "elsewhere")
    with pytest.warns(RuntimeWarning, match="not attached: there is no git repository"):
        Exp("runs", "a", diff=True).close()
    make_repository(tmp_path / "proj")
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ncase "$*" in *" diff "*) exit 3;; esac\nexec {shutil.which("git")} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    with pytest.warns(RuntimeWarning, match="not attached: git ended with code 3"):
        exp = Exp("runs", "b", diff=True)
    exp.close()
    found = mlvlogger.read(exp.path).environments[-1]["git"]
    assert found["missing"] == {"diff": "git ended with code 3"}
    assert (found["dirty"], found["changed"]) == (False, [])


# Repositories of another user


# What a repository may configure, each with a way to see that the trap works: git runs it then by itself.
TRAPS = {
    "clean": (["filter.trap.clean={trap}"], "* filter=trap", "status"),
    "process": (["filter.trap.process={trap}"], "* filter=trap", "status"),
    "required": (["filter.trap.clean={trap}", "filter.trap.required=true"], "* filter=trap", "status"),
    "odd name": (['filter.a.b"c]\\.clean={trap}'], '* filter=a.b"c]\\', "status"),
    "smudge": (["filter.trap.smudge={trap}"], "* filter=trap", None),
    "fsmonitor": (["core.fsmonitor={trap}"], "", "status"),
    "hooks": (["core.hooksPath={hooks}"], "", "status"),
    "diff.external": (["diff.external={trap}"], "", "diff"),
    "textconv": (["diff.trap.textconv={trap}"], "* diff=trap", "diff"),
    "command": (["diff.trap.command={trap}"], "* diff=trap", "diff"),
    "pager": (["core.pager={trap}", "pager.status={trap}", "pager.diff={trap}"], "", None),
    "alias": (["alias.status=!{trap}", "alias.diff=!{trap}", "alias.config=!{trap}"], "", None),
    "ssh": (["core.sshCommand={trap}", "core.gitProxy={trap}", "core.askPass={trap}", "ssh.variant=simple"], "", None),
    "gpg": (["gpg.program={trap}", "log.showSignature=true", "commit.gpgSign=true"], "", None),
    "editor": (["core.editor={trap}", "sequence.editor={trap}", "interactive.diffFilter={trap}"], "", None),
    "credential": (["credential.helper={trap}", "core.alternateRefsCommand={trap}"], "", None),
    "merge": (["merge.trap.driver={trap}"], "* merge=trap", None),
    "trace2": (["trace2.eventTarget={proof}", "trace2.normalTarget={proof}"], "", None),
    "include": (["include.path={include}"], "* filter=trap", "status"),
    "submodule summary": (
        ["status.submoduleSummary=true", "diff.submodule=diff", "diff.ignoreSubmodules=none"],
        "",
        None,
    ),
}


@pytest.fixture
def hostile(tmp_path: Path, become: Become) -> Hostile:
    """`hostile(settings, attributes)`: a repository with these settings; a file that exists if a program was run."""
    proof, trap, hooks = tmp_path / "proof", tmp_path / "trap", tmp_path / "hooks"
    hooks.mkdir()
    for hook in (trap, hooks / "post-index-change", hooks / "pre-auto-gc"):
        hook.write_text(f"#!/bin/sh\necho run >> '{proof}'\ncat\n")
        hook.chmod(0o755)
    (tmp_path / "include").write_text(f'[filter "trap"]\n\tclean = {trap}\n')

    def make(settings: list[str], attributes: str, at: str = "proj") -> Path:
        become("proj/train.py", "elsewhere")
        folder = tmp_path / at
        make_repository(folder, train_py="a\n", model_py="b\n", data_txt="c\n")
        for setting in settings:
            name, _, value = setting.partition("=")
            git(folder, "config", name, value.format(trap=trap, hooks=hooks, proof=proof, include=tmp_path / "include"))
        (folder / ".git" / "info" / "attributes").write_text(attributes + "\n")
        # git must compare the contents of a file that is as old as the index or has another time.
        os.utime(folder / "data.txt", (1, 1))
        (folder / "model.py").write_text("other\n")
        return proof

    return make


@pytest.mark.parametrize("kind", TRAPS)
def test_nothing_that_a_repository_configures_is_run(tmp_path: Path, hostile: Hostile, kind: str) -> None:
    settings, attributes, control = TRAPS[kind]
    proof = hostile(settings, attributes)
    found = capture()["git"]
    diff({})
    assert not proof.exists()
    paths = found["changed"] + found.get("unchecked", [])
    assert "model.py" in paths
    assert found["commit"]
    if control:
        subprocess.run(["git", "-C", str(tmp_path / "proj"), control], capture_output=True, timeout=240)
        assert proof.exists(), "the trap does not work"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worktree", "submodule", "embedded", "promisor", "remote helper"])
def test_nothing_is_run_that_is_configured_elsewhere(
    tmp_path: Path, hostile: Hostile, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = hostile([], "")
    folder, trap = tmp_path / "proj", tmp_path / "trap"
    control = "status"
    if kind == "worktree":
        git(folder, "config", "extensions.worktreeConfig", "true")
        git(folder, "config", "--worktree", "filter.trap.clean", str(trap))
        (folder / ".git" / "info" / "attributes").write_text("* filter=trap\n")
    elif kind in ("submodule", "embedded"):
        proof = hostile(["filter.trap.clean={trap}", "core.fsmonitor={trap}"], "* filter=trap", at="inner")
        if kind == "submodule":
            git(folder, "submodule", "--quiet", "add", str(tmp_path / "inner"), "inner")
            shutil.rmtree(folder / "inner")
            (folder / ".git" / "modules" / "inner" / "config").unlink()
        else:
            git(
                folder,
                "update-index",
                "--add",
                "--cacheinfo",
                f"160000,{git(tmp_path / 'inner', 'rev-parse', 'HEAD')},inner",
            )
        (tmp_path / "inner").rename(folder / "inner")
        git(folder, "commit", "--quiet", "--message=inner")
    else:
        git(folder, "config", "extensions.partialClone", "evil")
        git(folder, "config", "remote.evil.promisor", "true")
        git(folder, "config", "remote.evil.url", f"ext::{trap}")
        for path in (folder / ".git" / "objects").glob("??/*"):
            path.unlink()
        control = "-c protocol.allow=always diff"
        trap.write_text(f"#!/bin/sh\necho run >> '{proof}'\n")
        if kind == "remote helper":
            git(folder, "config", "remote.evil.vcs", "trap")
            git(folder, "config", "remote.evil.url", "anything")
            trap.rename(tmp_path / "git-remote-trap")
            monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    proof.unlink(missing_ok=True)
    found = capture()["git"]
    diff({})
    assert not proof.exists()
    assert found["commit"] == git(folder, "rev-parse", "HEAD")
    subprocess.run(["git", "-C", str(folder), *control.split()], capture_output=True, timeout=240)
    assert proof.exists(), "the trap does not work"


# Filters and submodules


@pytest.fixture
def filtered(tmp_path: Path, become: Become) -> Path:
    """A repository whose *.txt pass a filter, as with Git LFS: the commit holds other contents than the files."""
    become("proj/train.py", "elsewhere")
    folder = tmp_path / "proj"
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "config", "filter.upper.clean", "tr a-z A-Z")
    git(folder, "config", "filter.upper.required", "true")
    for name, text in (("data.txt", "c\n"), ("more.txt", "d\n"), ("model.py", "b\n")):
        (folder / name).write_text(text)
        os.utime(folder / name, (1, 1))
    make_repository(folder, _gitattributes="*.txt filter=upper\n*.py filter=other\n")
    assert git(folder, "show", "HEAD:data.txt") == "C"
    return folder


def state() -> tuple[object, object, object]:
    found = capture()["git"]
    assert ("dirty" in found.get("missing", {})) == (found["dirty"] is None)
    return found["dirty"], found["changed"], found.get("unchecked")


@pytest.mark.slow
def test_whether_a_filtered_file_changed_is_not_known_without_the_filter(filtered: Path) -> None:
    assert state() == (False, [], None)
    (filtered / "data.txt").touch()
    assert state() == (None, [], ["data.txt"])
    assert capture()["git"]["missing"] == {"dirty": "whether the unchecked paths changed is not known"}
    (filtered / "model.py").write_text("other\n")
    assert state() == (True, ["model.py"], ["data.txt"])
    (filtered / "more.txt").write_text("other\n")
    assert state() == (True, ["model.py"], ["data.txt", "more.txt"])
    text = (diff({}) or b"").decode()
    assert text.count("diff --git") == 1
    assert "+other" in text
    git(filtered, "add", "more.txt")
    assert state() == (True, ["model.py", "more.txt"], ["data.txt"])
    assert (diff({}) or b"").count(b"diff --git") == 2
    (filtered / "data.txt").unlink()
    assert state() == (True, ["data.txt", "model.py", "more.txt"], None)


def test_a_filter_that_is_not_installed_loses_no_fact(filtered: Path) -> None:
    """Such as Git LFS in a container without git-lfs, where `git status` fails."""
    git(filtered, "config", "filter.upper.clean", "git-that-is-not-installed clean")
    (filtered / "data.txt").touch()
    with pytest.raises(subprocess.CalledProcessError):
        git(filtered, "status")
    assert state() == (None, [], ["data.txt"])
    (filtered / "data.txt").chmod(0o755)
    assert state() == (True, ["data.txt"], None)


def test_a_filter_that_git_cannot_disable_costs_the_changes_alone(filtered: Path) -> None:
    git(filtered, "config", "filter.a=b.clean", "false")
    found = capture()["git"]
    reason = "git has no way to disable the filter 'a=b'"
    assert found["missing"] == {"dirty": reason, "changed": reason}
    assert (found["commit"], found["remote"]) == (git(filtered, "rev-parse", "HEAD"), "https://example.org/proj.git")
    given: dict[str, Any] = {}
    assert diff(given) is None
    assert given["missing"] == {"diff": reason}


def test_filtered_files_beyond_the_limit_are_unchecked(filtered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_git, "_MAX_PATHS", 1)
    for name in ("data.txt", "more.txt"):
        (filtered / name).touch()
    assert state() == (None, [], ["data.txt"])
    assert capture()["git"]["changed_cut"] is True


@pytest.mark.slow
def test_many_filtered_files_are_queried_in_parts(filtered: Path) -> None:
    for number in range(250):
        (filtered / f"{number}.txt").write_text("a\n")
        (filtered / f"{number}.py").write_text("a\n")
    git(filtered, "add", ".")
    git(filtered, "commit", "--quiet", "--message=many")
    for number in range(250):
        (filtered / f"{number}.txt").write_text("more\n")
        (filtered / f"{number}.py").write_text("more\n")
    _, changed, unchecked = state()
    assert changed == sorted(f"{number}.py" for number in range(250))
    assert unchecked == sorted(f"{number}.txt" for number in range(250))


@pytest.fixture
def outer(tmp_path: Path, become: Become) -> Path:
    """A repository with the submodule `inner`, that has the submodule `deep`."""
    for name in ("deep", "inner", "proj"):
        make_repository(tmp_path / name, model_py="b\n", data_txt="c\n")
    git(tmp_path / "inner", "submodule", "--quiet", "add", str(tmp_path / "deep"), "deep")
    git(tmp_path / "inner", "commit", "--quiet", "--message=deep")
    git(tmp_path / "proj", "submodule", "--quiet", "add", str(tmp_path / "inner"), "inner")
    git(tmp_path / "proj", "submodule", "--quiet", "update", "--init", "--recursive")
    git(tmp_path / "proj", "commit", "--quiet", "--message=inner")
    become("proj/train.py", "elsewhere")
    return tmp_path / "proj"


@pytest.mark.slow
def test_changes_in_a_submodule_are_changes_of_its_path(outer: Path) -> None:
    assert state() == (False, [], None)
    (outer / "inner" / "untracked.txt").write_text("is not checked\n")
    assert state() == (False, [], None)
    (outer / "inner" / "deep" / "model.py").write_text("other\n")
    assert state() == (True, ["inner"], None)
    git(outer / "inner" / "deep", "checkout", "--quiet", ".")
    git(outer / "inner", "commit", "--quiet", "--allow-empty", "--message=next")
    assert state() == (True, ["inner"], None)
    shutil.rmtree(outer / "inner" / "deep")
    (outer / "inner" / "deep").mkdir()
    git(outer / "inner", "reset", "--quiet", "--hard", "HEAD~1")
    assert state() == (False, [], None)


@pytest.mark.parametrize("how", ["broken", "stray", "filter", pytest.param("slow", marks=pytest.mark.slow)])
def test_a_submodule_that_cannot_be_read_is_unchecked(
    tmp_path: Path, outer: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = outer / "inner"
    if how == "broken":
        (inner / ".git").write_text("gitdir: /missing\n")
    elif how == "stray":  # git takes the directory for one of the repository around it
        (inner / ".git").unlink()
        (inner / ".git").mkdir()
    elif how == "filter":
        git(inner, "config", "filter.a=b.clean", "false")
    else:
        fake = tmp_path / "bin" / "git"
        fake.parent.mkdir()
        fake.write_text(
            f'#!/bin/sh\ncase "$*" in *"{inner} "*) exec sleep 60;; esac\nexec {shutil.which("git")} "$@"\n'
        )
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
        monkeypatch.setattr(_git, "_QUICK_SECONDS", 1.0)
    assert state() == (None, [], ["inner"])
    (outer / "model.py").write_text("other\n")
    assert state() == (True, ["model.py"], ["inner"])


# Repositories of another form


def test_a_stray_directory_named_git_below_the_root_changes_nothing(tmp_path: Path, become: Become) -> None:
    make_repository(tmp_path / "proj", model_py="b\n", data_txt="c\n")
    (tmp_path / "proj" / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "proj" / "model.py").write_text("other\n")
    found = become("proj/sub/train.py", "elsewhere")["git"]
    assert (found["changed"], found["script_untracked"]) == (["model.py"], True)
    git(tmp_path / "proj", "config", "diff.relative", "true")
    assert b"+other" in (diff({}) or b"")
    git(tmp_path / "proj", "add", "sub/train.py")
    assert capture()["git"]["script_untracked"] is False


def test_a_working_tree_elsewhere_does_not_lead_to_another_repository(tmp_path: Path, become: Become) -> None:
    make_repository(tmp_path / "other", model_py="b\n")
    make_repository(tmp_path / "proj", model_py="b\n")
    git(tmp_path / "proj", "config", "core.worktree", str(tmp_path / "other"))
    (tmp_path / "other" / "model.py").write_text("other\n")
    found = become("proj/train.py", "elsewhere")["git"]
    assert found["remote"] == "https://example.org/proj.git"
    assert (found["changed"], found["script_untracked"]) == (["model.py"], True)
    git(tmp_path / "proj", "config", "core.worktree", "/missing")
    found = capture()["git"]
    assert (found["branch"], found["from_files"]) == ("main", ["commit", "branch"])
    assert found["missing"]["dirty"]


@pytest.mark.parametrize("place", ["proj/.git/annex", "bare"])
def test_a_repository_without_a_working_tree_has_a_commit(tmp_path: Path, become: Become, place: str) -> None:
    commit = make_repository(tmp_path / "proj", model_py="b\n")
    if place == "bare":
        git(tmp_path, "clone", "--quiet", "--bare", "proj", "bare/.git")
    found = become(f"{place}/train.py", "elsewhere")["git"]
    assert found["commit"] == commit


def test_a_damaged_repository_keeps_the_facts_that_are_not_damaged(tmp_path: Path, become: Become) -> None:
    commit = make_repository(tmp_path / "proj", model_py="b\n")
    (tmp_path / "proj" / ".git" / "index").write_bytes(b"DIRC" + bytes(40))
    found = become("proj/train.py", "elsewhere")["git"]
    assert (found["commit"], found["branch"], found["remote"]) == (commit, "main", "https://example.org/proj.git")
    assert set(found["missing"]) == {"script_untracked", "dirty", "changed"}
    (tmp_path / "proj" / ".git" / "config").write_text("[core\n")
    found = capture()["git"]
    assert (found["commit"], found["branch"], found["from_files"]) == (commit, "main", ["commit", "branch"])
    assert set(found["missing"]) == {"remote", "script_untracked", "dirty", "changed"}
    assert "config" in found["missing"]["remote"]
