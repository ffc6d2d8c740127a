"""What is recorded of the repository of a script, and that git can neither fail nor delay the record."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger._environment import git as _git
from mlvlogger._environment.snapshot import capture, diff
from mlvlogger._format.references import Redacted

pytestmark = pytest.mark.usefixtures("plain_git")

HIDDEN = Redacted()

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
Git = Callable[..., str]

needs_posix = pytest.mark.skipif(os.name != "posix", reason="the test makes shell scripts or POSIX files")


def facts(missing: dict[str, str] | None = None, **members: Any) -> dict[str, Any]:
    """What capture records of the git of the fixture `repository`, but for *members*."""
    members = {
        "source": "script",
        "branch": "main",
        "remote": None,
        "script_untracked": False,
        "dirty": False,
        "changed": [],
        "missing": missing or {},
        **members,
    }
    # Each fact that is None has a reason, and no other one.
    reasons = {"branch": "HEAD is detached", "remote": "no remote is configured", "commit": "there is no commit yet"}
    for name, value in members.items():
        if value is None:
            members["missing"].setdefault(name, reasons.get(name))
    assert {name for name, value in members.items() if value is None} == set(members["missing"])
    return members if members["missing"] else {name: value for name, value in members.items() if name != "missing"}


def has_ended(pid: int) -> bool:
    """Has the process ended? It may still be a zombie."""
    for _ in range(3000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@needs_git
def test_a_clean_repository(repository: Path, git: Git) -> None:
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"))


@needs_git
def test_changed_paths_are_relative_to_the_repository_and_sorted(
    repository: Path, git: Git, script: Callable[..., Path]
) -> None:
    script("repository/tools/train.py").write_text("new\n")
    git("add", "tools")
    git("mv", "data.txt", "moved data.txt")
    (repository / "model.py").write_text("other\n")
    (repository / "train.py").unlink()
    (repository / "untracked.txt").write_text("is not checked\n")
    assert capture()["git"] == facts(
        commit=git("rev-parse", "HEAD"),
        dirty=True,
        changed=["data.txt", "model.py", "moved data.txt", "tools/train.py", "train.py"],
    )


@needs_git
@needs_posix
def test_names_of_changed_files_may_be_anything(repository: Path, git: Git) -> None:
    names = ["a b", "c\nd", "1 .M N... e", "\udcff", "ö"]
    for name in names:
        (repository / name).touch()
    git("add", ".")
    assert capture()["git"]["changed"] == sorted(names)


@needs_git
def test_a_conflict_is_a_change(repository: Path, git: Git) -> None:
    git("checkout", "--quiet", "-b", "other")
    (repository / "model.py").write_text("one\n")
    git("commit", "--quiet", "--all", "--message=one")
    git("checkout", "--quiet", "main")
    (repository / "model.py").write_text("two\n")
    git("commit", "--quiet", "--all", "--message=two")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "other")
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"), dirty=True, changed=["model.py"])


@needs_git
def test_a_cut_list_of_changes_is_marked_as_cut(repository: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train.py", "model.py", "data.txt"):
        (repository / name).write_text("other\n")
    monkeypatch.setattr(_git, "_MAX_PATHS", 3)
    assert capture()["git"]["changed"] == ["data.txt", "model.py", "train.py"]
    assert "changed_cut" not in capture()["git"]
    monkeypatch.setattr(_git, "_MAX_PATHS", 2)
    assert capture()["git"] == facts(
        commit=git("rev-parse", "HEAD"), dirty=True, changed=["data.txt", "model.py"], changed_cut=True
    )


@needs_git
def test_before_the_first_commit_the_commit_is_none(tmp_path: Path, script: Callable[..., Path], git: Git) -> None:
    script()
    git("init", "--quiet", "--initial-branch=main")
    assert capture()["git"] == facts(commit=None, script_untracked=True)
    git("add", ".")
    found = capture()["git"]
    assert found == facts(commit=None, dirty=True, changed=["train.py"])
    assert diff(found) is None
    assert "HEAD" in found["missing"]["diff"]


@needs_git
def test_a_detached_head_has_no_branch(repository: Path, git: Git) -> None:
    git("checkout", "--quiet", "--detach")
    git("remote", "add", "origin", "/srv/git/digits.git")
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"), branch=None, remote="/srv/git/digits.git")


@needs_git
def test_a_repository_of_sha256_has_a_commit_of_64_digits(script: Callable[..., Path], git: Git) -> None:
    script()
    try:
        git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    except subprocess.CalledProcessError:
        pytest.skip("this git knows SHA-1 only")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 64
    assert capture()["git"] == facts(commit=commit)


@needs_git
def test_the_remote_is_that_of_the_upstream_and_else_origin(repository: Path, git: Git) -> None:
    git("remote", "add", "origin", "https://example.org/origin.git")
    assert capture()["git"]["remote"] == "https://example.org/origin.git"
    git("remote", "add", "fork/of.Ada", "git@example.org:ada/fork.git")
    git("config", "branch.main.remote", "fork/of.Ada")
    git("config", "branch.main.merge", "refs/heads/main")
    assert capture()["git"]["remote"] == "git@example.org:ada/fork.git"
    git("config", "branch.main.remote", ".")
    assert capture()["git"]["remote"] == "https://example.org/origin.git"


@needs_git
@pytest.mark.parametrize("redact", [True, False])
@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ada:hunter2@example.org/d.git", "https://example.org/d.git"),
        ("https://hunter2@example.org/d.git", "https://example.org/d.git"),
        ("https://example.org/d.git?private_token=hunter2", "https://example.org/d.git"),
        ("ada:hunter2@example.org:d.git", "example.org:d.git"),
        ("https://example.org/glpat-" + "aB3-" * 5 + "/d.git", HIDDEN),
    ],
)
def test_credentials_are_cut_from_the_remote_in_any_case(
    repository: Path, git: Git, url: str, kept: bool, redact: bool
) -> None:
    git("config", "remote.origin.url", url)
    assert capture(redact=redact)["git"]["remote"] == kept


@needs_git
@needs_posix
def test_a_script_given_as_a_link_belongs_to_the_repository_of_its_target(
    tmp_path: Path, repository: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "train"
    link.symlink_to(repository / "train.py")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(link))
    assert capture()["script"] == str(link)
    assert capture()["launcher"] is None
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"))


@needs_git
def test_a_script_in_an_archive_belongs_to_the_repository_around_it(
    repository: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "app.pyz").touch()
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(repository / "app.pyz" / "__main__.py"))
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"), script_untracked=True)
    git("add", "app.pyz")
    git("commit", "--quiet", "--message=second")
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"))
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", os.path.join("app.pyz", "__main__.py"))
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"))


@needs_git
def test_a_worktree_is_a_repository(tmp_path: Path, repository: Path, git: Git, script: Callable[..., Path]) -> None:
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    script("side/train.py")
    assert capture()["git"] == facts(commit=git("rev-parse", "HEAD"), branch="side")


@needs_git
def test_git_variables_of_a_hook_are_ignored(
    tmp_path: Path, repository: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD")
    trace = tmp_path / "trace"
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert capture()["git"] == facts(commit=commit)
    assert not trace.exists()


@needs_git
def test_the_index_is_not_changed(repository: Path, git: Git) -> None:
    os.utime(repository / "data.txt", (1, 1))  # git must read the file, and would like to note that it is the same
    index = (repository / ".git" / "index").read_bytes()
    assert capture()["git"]["changed"] == []
    assert diff({}) is None
    assert (repository / ".git" / "index").read_bytes() == index
    git("status")
    assert (repository / ".git" / "index").read_bytes() != index, "git did not want to"


@needs_git
def test_a_partial_clone_is_not_completed_over_the_network(
    tmp_path: Path, repository: Path, git: Git, script: Callable[..., Path]
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "--quiet", "--no-checkout", "--filter=blob:none", repository.as_uri(), str(tmp_path / "clone"))
    git("reset", "--quiet", at="clone")
    script("clone/train.py").write_text("other\n")

    def objects() -> list[Path]:
        return sorted((tmp_path / "clone" / ".git" / "objects").rglob("*"))

    before = objects()
    assert capture()["git"]["changed"] == ["data.txt", "model.py", "train.py"]
    found: dict[str, Any] = {}
    assert diff(found) is None
    assert found["missing"]["diff"]
    assert objects() == before
    git("diff", "HEAD", at="clone")
    assert objects() != before, "the clone was complete"


def test_without_a_repository_git_is_none(
    tmp_path: Path, script: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    script()
    assert capture()["git"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture()["git"] is None
    assert diff({}) is None


def refused(reason: str, **members: Any) -> dict[str, Any]:
    """What capture records of the fixture `repository` if git gives nothing for *reason*: what its files hold."""
    names = ["remote", "script_untracked", "dirty", "changed"]
    found = ["commit", "branch"]
    members = {**dict.fromkeys(names), "from_files": found, **members}
    return facts(dict.fromkeys(names, reason), **members)


@needs_git
def test_without_git_commit_and_branch_come_from_the_files_of_the_repository(
    repository: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(repository))
        assert capture()["git"] == refused("git is not installed", commit=commit)
        assert diff({}) is None
    git("pack-refs", "--all")
    git("branch", "main-2")
    git("worktree", "add", "--quiet", "-b", "side/way", "tree")
    git("commit", "--quiet", "--allow-empty", "--message=second", at="repository/tree")
    side = git("rev-parse", "HEAD", at="repository/tree")
    assert side != commit
    monkeypatch.setenv("PATH", str(repository))
    assert not (repository / ".git" / "refs" / "heads" / "main").exists()
    assert capture()["git"] == refused("git is not installed", commit=commit)
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(repository / "tree" / "train.py"))
    assert capture()["git"] == refused("git is not installed", commit=side, branch="side/way")
    monkeypatch.setattr(main, "__file__", str(repository / "train.py"))
    (repository / ".git" / "HEAD").write_text(commit + "\n")
    found = capture()["git"]
    assert (found["commit"], found["branch"], found["from_files"]) == (commit, None, ["commit"])
    assert found["missing"]["branch"] == "HEAD is detached"


@needs_git
@needs_posix
@pytest.mark.parametrize(
    "head",
    [
        "ref: refs/heads/.invalid\n",  # of a store of references that isn't made of files
        "ref: refs/heads/../../../outside\n",
        "ref: refs/tags/x\n",
        "0123456789\n",
        "\xff\0",
        "",
        None,
    ],
)
def test_without_git_invalid_repository_files_give_no_facts(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, head: Any
) -> None:
    (tmp_path / "outside").write_text("0" * 40 + "\n")
    (repository / ".git" / "HEAD").unlink()
    if head is None:
        os.mkfifo(repository / ".git" / "HEAD")
    else:
        (repository / ".git" / "HEAD").write_text(head, encoding="latin-1")
    monkeypatch.setenv("PATH", str(repository))
    names = ["commit", "branch", "remote", "script_untracked", "dirty", "changed"]
    found = capture()["git"]
    assert found == {
        "source": "script",
        **dict.fromkeys(names),
        "missing": dict.fromkeys(names, "git is not installed"),
    }


@needs_git
def test_a_stray_directory_named_git_is_not_a_repository(tmp_path: Path, script: Callable[..., Path]) -> None:
    script("folder/train.py")
    (tmp_path / "folder" / ".git").mkdir()
    assert capture()["git"] is None


@needs_git
def test_a_broken_repository_is_recorded_as_broken(tmp_path: Path, script: Callable[..., Path]) -> None:
    script("folder/train.py")
    (tmp_path / "folder" / ".git").write_text("gitdir: /missing/place\n")
    names = ["commit", "branch", "remote", "script_untracked", "dirty", "changed"]
    reasons = dict.fromkeys(names, "not a git repository: /missing/place")
    assert capture()["git"] == {"source": "script", **dict.fromkeys(names), "missing": reasons}
    found: dict[str, Any] = {}
    assert diff(found) is None
    assert found == {"missing": {"diff": "not a git repository: /missing/place"}}


@needs_git
@needs_posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files to another user")
def test_commit_and_branch_of_a_repository_of_another_user_are_recorded(repository: Path, git: Git) -> None:
    commit = git("rev-parse", "HEAD")
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 12345, 12345)
    reason = f"detected dubious ownership in repository at '{repository}'"
    assert capture()["git"] == refused(reason, commit=commit)
    found: dict[str, Any] = {}
    assert diff(found) is None
    assert found["missing"]["diff"] == reason


@needs_git
@needs_posix
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'warning: odd' >&2; echo 'fatal: it is broken' >&2; exit 128", "it is broken"),
        ("echo 'it is odd' >&2; exit 2", "it is odd"),
        ("exit 3", "git ended with code 3"),
        ("kill -9 $$", "git ended with code -9"),
        ("echo hello", "git gave an answer that could not be understood"),
        ("true", "git gave an answer that could not be understood"),
        ("printf '\\000\\000# x\\000# branch.oid\\000'", "git gave an answer that could not be understood"),
        ("yes /tmp", "git gave an answer that could not be understood"),
    ],
)
def test_an_error_of_git_is_quoted_and_commit_and_branch_are_recorded(
    repository: Path, git: Git, program: Callable[..., None], text: str, reason: str
) -> None:
    commit = git("rev-parse", "HEAD")
    program("git", text)
    assert capture()["git"] == refused(reason, commit=commit)
    found: dict[str, Any] = {}
    assert diff(found) is None
    assert found["missing"] == {"diff": reason}


@pytest.fixture
def broken_git(
    repository: Path, git: Git, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """`broken_git(text, *patterns)`: a git that runs *text* for a command line that holds one of *patterns*."""
    git("remote", "add", "origin", "https://example.org/digits.git")
    monkeypatch.setattr(_git, "_QUICK_SECONDS", 1.0)
    monkeypatch.setattr(_git, "_COMPARE_SECONDS", 1.0)

    def make(text: str, *patterns: str) -> str:
        commit = git("rev-parse", "HEAD")
        case = "|".join(f"*' {pattern} '*" for pattern in patterns)
        program("git", f'case "$* " in {case}) {text};; *) exec {shutil.which("git")} "$@";; esac')
        return commit

    return make


@pytest.mark.slow
@needs_git
@needs_posix
@pytest.mark.parametrize(
    ("text", "reason"), [("exit 3", "git ended with code 3"), ("exec sleep 60", "git did not finish within 1 seconds")]
)
@pytest.mark.parametrize(
    ("command", "lost"),
    [
        ("status", ["dirty", "changed"]),
        ("config", ["remote", "dirty", "changed"]),  # without it, no option can keep git from running filters
        ("ls-files", ["script_untracked", "dirty", "changed"]),
        ("rev-parse --quiet", []),
        ("symbolic-ref", []),
        ("rev-parse --show-toplevel", ["remote", "script_untracked", "dirty", "changed"]),
    ],
)
def test_a_fact_that_git_does_not_give_leaves_the_others(
    broken_git: Callable[..., str], command: Any, lost: Any, text: str, reason: str
) -> None:
    """Commit and branch are there in any case: if git doesn't give them, its files do."""
    members: dict[str, Any] = {"remote": "https://example.org/digits.git", **dict.fromkeys(lost)}
    files = {
        "rev-parse --quiet": ["commit"],
        "symbolic-ref": ["branch"],
        "rev-parse --show-toplevel": ["commit", "branch"],
    }
    if command in files:
        members["from_files"] = files[command]
    commit = broken_git(text, command)
    assert capture()["git"] == facts(dict.fromkeys(lost, reason), commit=commit, **members)


@needs_git
@needs_posix
@pytest.mark.parametrize(
    "text",
    [
        "echo hello",
        "true",
        "yes '1 .M N... 100644 100644 100644 aaaa bbbb file'",
        "printf '# branch.oid 0\\0001 x\\000'",
    ],
)
def test_an_answer_of_git_that_cannot_be_parsed_is_not_recorded(
    repository: Path, broken_git: Callable[..., str], text: str
) -> None:
    url = "https://example.org/digits.git"
    commit = broken_git(text, "status", "rev-parse --quiet", "symbolic-ref")
    reason = "git gave an answer that could not be understood"
    assert capture()["git"] == facts(
        {"dirty": reason, "changed": reason},
        commit=commit,
        remote=url,
        dirty=None,
        changed=None,
        from_files=["commit", "branch"],
    )


@needs_git
@needs_posix
def test_a_git_that_cannot_be_started_is_an_error(
    tmp_path: Path, repository: Path, git: Git, program: Callable[..., None]
) -> None:
    commit = git("rev-parse", "HEAD")
    program("git", "")
    (tmp_path / "bin" / "git").write_bytes(b"#!/missing/interpreter\n")
    assert capture()["git"] == refused("git could not be started: No such file or directory", commit=commit)


@pytest.mark.slow
@needs_git
@needs_posix
def test_a_slow_git_is_killed_with_all_it_started(
    tmp_path: Path, repository: Path, git: Git, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD")
    monkeypatch.setattr(_git, "_QUICK_SECONDS", 0.5)
    program("git", f"sleep 60 & echo $! > '{tmp_path}/child'; echo $$ > '{tmp_path}/parent'; wait")
    assert capture()["git"] == refused("git did not finish within 0.5 seconds", commit=commit)
    assert diff({}) is None
    for name in ("child", "parent"):
        assert has_ended(int((tmp_path / name).read_text()))


@pytest.mark.slow
@needs_git
@needs_posix
def test_all_calls_of_git_together_have_a_bound(
    repository: Path, git: Git, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD")
    monkeypatch.setattr(_git, "_TOTAL_SECONDS", 1.0)
    program("git", f'sleep 0.6; exec {shutil.which("git")} "$@"')
    found = capture()["git"]
    assert (found["commit"], found["branch"], found["changed"]) == (commit, "main", None)
    assert found["missing"]["dirty"] == "git did not finish in time"


@pytest.mark.slow
@needs_git
@needs_posix
@pytest.mark.skipif(shutil.which("setsid") is None, reason="there is no setsid here")
def test_capture_does_not_wait_for_a_daemon_that_git_started(
    tmp_path: Path, repository: Path, git: Git, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the pipe open, so its end never comes."""
    commit = git("rev-parse", "HEAD")
    monkeypatch.setattr(_git, "_QUICK_SECONDS", 0.5)
    program("git", f"setsid sh -c 'echo $$ > {tmp_path}/daemon; exec sleep 60' & exit 0")
    assert capture()["git"] == refused("git did not finish within 0.5 seconds", commit=commit)
    os.kill(int((tmp_path / "daemon").read_text()), signal.SIGKILL)


@needs_git
@needs_posix
def test_an_endless_output_of_git_is_cut(broken_git: Callable[..., str]) -> None:
    broken_git("yes '# branch.oid 1 .M N... 100644 100644 100644 aaaa bbbb file'", "diff")
    found: dict[str, Any] = {}
    assert diff(found, 200) == b"# branch.oid 1 .M N... 100644 100644 100644 aaaa bbbb file\n" * 3
    assert found == {"diff_cut": True}


@needs_git
def test_the_diff_holds_the_changes_of_tracked_files(repository: Path, git: Git) -> None:
    assert diff({}) is None
    (repository / "untracked.txt").write_text("is not checked\n")
    assert diff({}) is None
    (repository / "model.py").write_text("line 0\nother\nline 2\nline 3\nline 4\n")
    git("add", "model.py")
    (repository / "train.py").unlink()
    found: dict[str, Any] = {}
    text = diff(found) or b""
    assert found == {"diff_cut": False}
    assert text.decode() == git("diff", "HEAD") + "\n"
    assert b"-line 1\n+other\n" in text


@needs_git
def test_a_large_diff_is_cut_at_the_end_of_a_line(repository: Path) -> None:
    (repository / "model.py").write_text("".join(f"other {number}\n" for number in range(100_000)))

    def take(*cap: int) -> tuple[bytes | None, bool]:
        found: dict[str, Any] = {}
        return diff(found, *cap), found["diff_cut"]

    whole, cut = take(10_000_000)
    assert whole is not None
    assert (len(whole) > 1_000_000, cut) == (True, False)
    text, cut = take()
    assert text is not None
    assert cut is True
    assert 1_000_000 - 20 < len(text) <= 1_000_000
    assert text.endswith(b"\n")
    assert whole.startswith(text)
    assert take(len(whole)) == (whole, False)
    assert take(len(whole) - 1) == (whole[: whole[:-1].rindex(b"\n") + 1], True)
    assert take(3) == (b"", True)


@needs_git
def test_the_diff_does_not_depend_on_the_configuration_of_git(repository: Path, git: Git) -> None:
    (repository / "model.py").write_text("other\n")
    text = diff({})
    for name, value in [("color.ui", "always"), ("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true")]:
        git("config", name, value)
        assert diff({}) == text
