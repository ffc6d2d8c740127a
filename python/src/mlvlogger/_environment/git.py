"""The git repository of the code: its commit, branch and remote, and the differences from the commit.

Each fact is determined separately: if one is missing, the reason is recorded, and so are the other facts. The
repository isn't trusted: no program that it configures is run. No state of a repository, and no failure of git, raises
an error.
"""

from __future__ import annotations

import os
import re
import time

from .git_files import commit_and_branch, is_commit
from .programs import Failed, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["Repository", "find", "root_of"]

_TOTAL_SECONDS = 10.0  # limit for all facts together
_QUICK_SECONDS = 2.0  # limit for one of the quick facts
_COMPARE_SECONDS = 5.0  # limit for comparing all files
_MAX_PATHS = 1000  # limit of recorded paths
_MAX_LIST = 64 * 1024 * 1024  # limit of the list of tracked files, in bytes

_NO_COMMIT = "there is no commit yet"
_DETACHED = "HEAD is detached"
_NOT_UNDERSTOOD = "git gave an answer that could not be understood"


def find(script: str | None, directory: str | None, installations: Iterable[str]) -> Repository | None:
    """Return the repository of the code, or None if there isn't one.

    The repository that contains the script, with links resolved, comes first, then the one that contains the directory.
    The first one is skipped in two cases: if it also contains an installation of Python with the script in it (pyenv is
    a repository, and so are some home directories), and if it ignores the script and the directory is in another one.

    Args:
        script: The path of the user's script, or None. It may be in an archive.
        directory: The working directory, or None.
        installations: The directories of this Python, such as ``sys.prefix``.
    """
    around_script, around = root_of(script), root_of(directory)
    outer = around_script is not None and any(
        _below(script, place) and _below(place, around_script) and not _below(around_script, place)
        for place in installations
    )
    if around_script is not None and not outer:
        repository = Repository("script", around_script, script)
        elsewhere = around is not None and not _below(around, around_script)
        if repository.exists and not (elsewhere and repository.ignores_script()):
            return repository
    if around is not None:
        repository = Repository("directory", around, script)
        if repository.exists:
            return repository
    return None


def root_of(path: str | None) -> str | None:
    """Return the nearest directory that contains `.git`, from *path* upward, with links resolved; None without one."""
    if path is None:
        return None
    path = os.path.realpath(path)
    while not os.path.lexists(os.path.join(path, ".git")):
        if path == os.path.dirname(path):
            return None
        path = os.path.dirname(path)
    return path


def _below(path: str | None, directory: str) -> bool:
    """Return whether *path* is the directory or in it, with links resolved."""
    if path is None:
        return False
    directory = os.path.realpath(directory)
    try:
        return os.path.commonpath([os.path.realpath(path), directory]) == directory
    except ValueError:  # on two drives
        return False


class Repository:
    """A repository whose facts are determined one by one, each within a bounded time.

    Args:
        source: Why this repository is the one of the code: `"script"` or `"directory"` is in it.
        root: The directory that contains `.git`.
        script: The path of the user's script, or None.
        seconds: The time limit for all facts together.

    Attributes:
        source: As the argument.
        exists: Whether git recognizes the repository. A stray directory named `.git` isn't one; a damaged one is.
    """

    def __init__(self, source: str, root: str, script: str | None, seconds: float | None = None) -> None:
        self.source = source
        self._script = script
        self._deadline = time.monotonic() + (_TOTAL_SECONDS if seconds is None else seconds)
        self._root = self._top = root  # the top of the working tree may be elsewhere
        self._read_settings: list[tuple[str, str]] | None = None
        self._refusal: Failed | None = None  # why git doesn't open the repository
        try:
            self._top = self._run_quick("rev-parse", "--show-toplevel").removesuffix("\n")
            if not os.path.isdir(self._top):
                raise Failed(_NOT_UNDERSTOOD)
        except Failed as failure:
            self._refusal = failure
        self.exists = "not a git repository (or any" not in str(self._refusal)

    def ignores_script(self) -> bool:
        """Return whether the repository ignores the script."""
        path = self._script_path()
        try:
            return path is not None and self._run_quick("check-ignore", "--", os.path.join(self._top, path)) != ""
        except Failed:
            return False

    def facts(self) -> dict[str, Any]:
        """Return the facts as a dict.

        Returns:
            `source`, `commit`, `branch`, `remote`, `script_untracked`, `dirty` and `changed`; an unknown fact is None.
                If they aren't empty, also `unchecked`: the paths that git couldn't compare; `changed_cut`: True if not
                all paths are listed; `from_files`: the facts that were read from files because git failed; and
                `missing`: the reason for each unknown fact.
        """
        facts: dict[str, Any] = {"source": self.source}
        missing: dict[str, str] = {}

        def ask(name: str, question: Callable[[], Any]) -> Any:
            try:
                if self._refusal:
                    raise self._refusal
                return question()
            except Failed as failure:
                missing[name] = str(failure)
                return None

        branch = ask("branch", self._branch)
        facts["commit"] = ask("commit", self._commit)
        facts["branch"] = branch
        self._complete_from_files(facts, missing)
        facts["remote"] = ask("remote", lambda: _remote(self._settings(), branch))
        facts["script_untracked"] = ask("script_untracked", self._script_is_untracked)
        facts["dirty"] = facts["changed"] = None
        if (found := ask("changed", self._changes)) is None:
            missing["dirty"] = missing["changed"]
        else:
            changed, unchecked, cut = found
            facts["changed"] = changed[:_MAX_PATHS]
            if unchecked:
                facts["unchecked"] = unchecked[:_MAX_PATHS]
            facts["dirty"] = bool(changed) if changed or not unchecked else None
            if facts["dirty"] is None:
                missing["dirty"] = "whether the unchecked paths changed is not known"
            if cut or len(changed) > _MAX_PATHS or len(unchecked) > _MAX_PATHS:
                facts["changed_cut"] = True
        if missing:
            facts["missing"] = missing
        return facts

    def diff(self, cap: int) -> tuple[bytes, bool]:
        """Return the output of `git diff HEAD` without the unchecked paths, and whether it was cut.

        Args:
            cap: The maximum number of bytes.

        Raises:
            Failed: If git can't make the diff.
        """
        if self._refusal:
            raise self._refusal
        self._deadline = time.monotonic() + 2 * _COMPARE_SECONDS
        _, unchecked, _ = self._changes()
        # With these options the format doesn't depend on the user's configuration, and `git apply` accepts it.
        options = ["--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=dirty"]
        options += ["--src-prefix=a/", "--dst-prefix=b/"]
        paths = [":(top)", *(f":(top,exclude,literal){path}" for path in unchecked)]
        return self._run([*_without(self._filters()), "diff", *options, "HEAD", "--", *paths], _COMPARE_SECONDS, cap)

    def _branch(self) -> str:
        try:
            ref = self._run_quick("symbolic-ref", "--quiet", "HEAD").removesuffix("\n")
        except Failed as failure:
            raise Failed(_DETACHED) if failure.code == 1 else failure from None
        if not ref.startswith("refs/"):
            raise Failed(_NOT_UNDERSTOOD)
        return ref.removeprefix("refs/heads/")

    def _commit(self) -> str:
        try:
            commit = self._run_quick("rev-parse", "--quiet", "--verify", "HEAD").removesuffix("\n")
        except Failed as failure:
            raise Failed(_NO_COMMIT) if failure.code == 1 else failure from None
        if not is_commit(commit):
            raise Failed(_NOT_UNDERSTOOD)
        return commit

    def _complete_from_files(self, facts: dict[str, Any], missing: dict[str, str]) -> None:
        """Read commit and branch from the files of the repository if git failed."""
        if not {"commit", "branch"} & {name for name in missing if missing[name] not in (_NO_COMMIT, _DETACHED)}:
            return
        try:
            found = dict(zip(("commit", "branch"), commit_and_branch(os.path.join(self._root, ".git")), strict=True))
        except (OSError, ValueError):
            return
        facts["from_files"] = [name for name, value in found.items() if value and facts[name] is None]
        for name in facts["from_files"]:
            facts[name] = found[name]
            del missing[name]
        if "branch" in missing:
            missing["branch"] = _DETACHED

    def _settings(self) -> list[tuple[str, str]]:
        """Return the names and values of git's configuration, in their order."""
        if self._read_settings is None:
            text, cut = self._run(["config", "--list", "-z"], _QUICK_SECONDS)
            if cut:
                raise Failed("the configuration of git is too long")
            settings = (setting.partition("\n") for setting in os.fsdecode(text).split("\0")[:-1])
            self._read_settings = [(name, value) for name, _, value in settings]
        return self._read_settings

    def _filters(self) -> set[str]:
        """Return the names of all configured filters: programs that git runs to compare a file with the commit."""
        names = (name for name, _ in self._settings())
        filters = {name.removeprefix("filter.").rpartition(".")[0] for name in names if name.startswith("filter.")}
        if odd := sorted(name for name in filters if "=" in name):
            raise Failed(f"git has no way to disable the filter {odd[0]!r}")
        return filters

    def _script_path(self) -> str | None:
        """Return the path of the script, or of its archive, relative to the top; None outside of the repository."""
        if self._script is None or not _below(self._script, self._top):
            return None
        path = archive = os.path.realpath(self._script)
        while not os.path.exists(archive):
            archive = os.path.dirname(archive)
        path = os.path.relpath(archive if os.path.isfile(archive) else path, os.path.realpath(self._top))
        return path.replace(os.sep, "/")

    def _script_is_untracked(self) -> bool:
        if self._script is None:
            raise Failed("there is no script")
        path = self._script_path()
        return path is None or self._run_quick("ls-files", "-z", "--", f":(top,literal){path}") == ""

    def _changes(self) -> tuple[list[str], list[str], bool]:
        """Return the paths that changed, those that may have changed, and whether there are more.

        A submodule counts as one path.
        """
        filters = self._filters()
        options = ["--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no", "--no-renames", "-z"]
        # In a submodule, git would run the programs that the submodule configures.
        command = ["-c", "status.submoduleSummary=false", "status", *options, "--ignore-submodules=dirty"]
        status, cut = self._run([*_without(filters), *command], _COMPARE_SECONDS)
        lines = os.fsdecode(status).split("\0")[:-1]
        if not any(line.startswith("# branch.oid ") for line in lines):
            raise Failed(_NOT_UNDERSTOOD)
        changed: set[str] = set()
        filtered: set[str] = set()
        for line in lines:
            if line.startswith("1 "):
                fields = line.split(" ", 8)
                if len(fields) < 9:
                    raise Failed(_NOT_UNDERSTOOD)
                _, states, kind, _, before, after, _, _, path = fields
                # git reports a difference. For a filtered file this is unreliable, because the filters are disabled.
                content = states == ".M" and kind[0] == "N" and before == after
                (filtered if content and filters else changed).add(path)
            elif line.startswith("u "):  # a conflict
                changed.add(line.split(" ", 10)[-1])
        unchecked = self._filtered(filtered, filters)
        changed |= filtered - unchecked
        for path in sorted(set(self._submodules()) - changed):
            place = os.path.join(self._top, path)
            inner = Repository("submodule", place, None, self._deadline - time.monotonic())
            try:
                if inner._refusal or not os.path.samefile(inner._top, place):
                    raise Failed(f"{path} is not a repository")
                inside, unknown, _ = inner._changes()
            except (Failed, OSError):
                unchecked.add(path)
            else:
                if inside:
                    changed.add(path)
                elif unknown:
                    unchecked.add(path)
        return sorted(changed), sorted(unchecked), cut

    def _filtered(self, paths: set[str], filters: set[str]) -> set[str]:
        """Return the paths to which git's attributes assign one of the filters."""
        some = sorted(paths)[:_MAX_PATHS]
        found = paths - set(some)
        while some:
            # The paths are arguments, and the system limits the length of all arguments.
            places = [os.path.join(self._top, path) for path in some[:100]]
            values = self._run_quick("check-attr", "-z", "filter", "--", *places).split("\0")[2::3]
            found |= {path for path, value in zip(some, values, strict=False) if value in filters}
            del some[:100]
        return found

    def _submodules(self) -> list[str]:
        """Return the paths of the submodules, and of other repositories that are tracked in this one."""
        tracked, cut = self._run(
            ["ls-files", "--stage", "-z", "--full-name", "--", ":(top)"], _COMPARE_SECONDS, _MAX_LIST
        )
        if cut:
            raise Failed("there are too many tracked files to look for submodules")
        paths = re.findall(rb"160000 [0-9a-f]+ [0-3]\t([^\0]+)\0", tracked)
        return [path for path in map(os.fsdecode, paths) if os.path.lexists(os.path.join(self._top, path, ".git"))]

    def _run_quick(self, *words: str) -> str:
        """Run git with a short time limit, and return its output as a string. The exceptions are those of `_run`."""
        return os.fsdecode(self._run([*words], _QUICK_SECONDS)[0])

    def _run(self, words: list[str], seconds: float, cap: int = 4 * 1024 * 1024) -> tuple[bytes, bool]:
        """Run git, without programs that the repository configures other than filters, which `_without` disables.

        Args:
            words: The arguments.
            seconds: The time limit.
            cap: The maximum number of bytes to read.

        Returns:
            The output, and whether it was cut.

        Raises:
            Failed: If git fails, or isn't done in time.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Failed("git did not finish in time")
        # In a hook, GIT_DIR and similar variables are of the hook's repository; GIT_TRACE writes to any file.
        passed = ("GIT_CONFIG_", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH")
        variables = {name: value for name, value in os.environ.items() if name[:4] != "GIT_" or name.startswith(passed)}
        # No prompt, no lock, no translation; and no network: a partial clone would fetch missing objects.
        variables |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        variables |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
        options = ["--no-optional-locks", "--no-pager", "-C", self._root, "-c", "core.fsmonitor="]
        options += ["-c", f"core.hooksPath={os.devnull}", "-c", "diff.autoRefreshIndex=false"]
        options += ["-c", "diff.relative=false"]
        return run("git", [*options, *words], min(seconds, left), cap, variables)


def _without(filters: Iterable[str]) -> list[str]:
    """Return the options of git that disable these filters, which would run programs."""
    settings = ("clean=", "smudge=", "process=", "required=false")
    return [word for name in sorted(filters) for setting in settings for word in ("-c", f"filter.{name}.{setting}")]


def _remote(settings: list[tuple[str, str]], branch: str | None) -> str:
    values: dict[str, str] = {}
    for name, value in settings:
        values.setdefault(name, value)
    upstream = values.get(f"branch.{branch}.remote")
    url = values.get(f"remote.{upstream}.url") or values.get("remote.origin.url")
    if not url:
        raise Failed("no remote is configured")
    return url
