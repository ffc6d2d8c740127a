"""The environment: how, where and in which state of the code this process runs.

Whatever the world is like, nothing here raises for it: a fact that cannot be had is None. Modules that only this needs
are imported in the functions: every `import mlvlogger` would pay for them, and only a start of an experiment uses them.
"""

from __future__ import annotations

import os
import re
import sys
import time

from . import _secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["capture", "diff"]

_SECONDS = 5.0  # that all calls of git together, or that of nvidia-smi, may take
_MAX_CHANGED = 1000  # paths; more says that something else is wrong
_MAX_OUTPUT = 4 * 1024 * 1024  # bytes read of a program

# The environment variables that decide what is computed, and on what; with * all that begin so. TensorFlow's are told
# one by one, since TF_TOKEN_… and TF_VAR_… are Terraform's, with secrets.
_VARIABLES = """
    CUDA_* NVIDIA_VISIBLE_DEVICES NVIDIA_TF32_OVERRIDE NVIDIA_DRIVER_CAPABILITIES CUBLAS_* CUBLASLT_* CUDNN_* NCCL_*
    NVTE_* HIP_* ROCR_* HSA_* MIOPEN_* RCCL_* GPU_DEVICE_ORDINAL ONEAPI_DEVICE_SELECTOR ZE_AFFINITY_MASK TPU_*
    LIBTPU_INIT_ARGS NEURON_* ASCEND_*
    OMP_* GOMP_* KMP_* MKL_* OPENBLAS_* BLIS_* VECLIB_* NUMEXPR_* GLOO_* UCX_* MALLOC_* LD_LIBRARY_PATH LD_PRELOAD
    RANK LOCAL_RANK GROUP_RANK NODE_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE MASTER_ADDR MASTER_PORT
    SLURM_* PBS_* LSB_* SGE_* OMPI_COMM_WORLD_* PMI_RANK PMI_SIZE FLUX_JOB_* AWS_BATCH_*
    TORCH* PYTORCH_* TRITON_* ACCELERATE_* XLA_* JAX_* KERAS_BACKEND TOKENIZERS_PARALLELISM HF_HOME HF_HUB_OFFLINE
    HF_DATASETS_OFFLINE TRANSFORMERS_OFFLINE
    TF_CONFIG TF_CPP_* TF_CUDNN_* TF_DETERMINISTIC_* TF_ENABLE_* TF_FORCE_* TF_GPU_* TF_NUM_* TF_USE_* TF_XLA_*
    PYTHONHASHSEED PYTHONOPTIMIZE PYTHONPATH PYTHONMALLOC PYTHON_GIL VIRTUAL_ENV CONDA_DEFAULT_ENV CONDA_PREFIX
    APPTAINER_CONTAINER SINGULARITY_CONTAINER LANG LC_ALL TZ
""".split()


def capture(
    *, variables: Iterable[str] = (), redact: bool = True, git: bool = True, packages: bool = True
) -> dict[str, Any]:
    """The facts about this process and its surroundings: the member `environment` of a meta record.

    Takes some tens of milliseconds, for the packages and git; at most 10 seconds, where git and nvidia-smi both hang.

    Args:
        variables: Names of environment variables, or patterns such as ``"HF_*"``, to record besides the usual ones.
        redact: Put `Redacted` for what looks like a secret, in whichever of the facts. From the address of the git
            remote credentials are cut in any case.
        git: Look at the repository of the main script, or without a script of the current directory.
        packages: List the installed packages.

    Returns:
        ``command``, ``directory``, ``script``, ``host``, ``runtime``, ``variables`` and ``git``; what is unknown is
        None. ``git`` is ``{"error": …}`` where there is a repository and git does not tell about it.

    Raises:
        TypeError: *variables* is not an iterable of strings.
    """
    patterns = _patterns(variables)
    command = list(sys.orig_argv or sys.argv)
    facts: dict[str, Any] = {
        "command": _secrets.redact_argv(command) if redact else command,
        "directory": _directory(),
        "script": _script(),
        "host": _host(),
        "runtime": _runtime(packages),
        "variables": {name: _secrets.redact(value, name) if redact else value for name, value in _variables(patterns)},
        "git": _git(_source()) if git else None,
    }
    if redact:
        facts |= {name: _secrets.redact(facts[name]) for name in ("directory", "script", "git")}
        facts["runtime"]["executable"] = _secrets.redact(facts["runtime"]["executable"])
    return facts


def diff(cap: int = 1_000_000) -> tuple[bytes, bool] | None:
    """The uncommitted changes of tracked files, as `git diff HEAD` writes them, or None if there are none to be had.

    At most *cap* bytes, cut at the end of a line; the second item says whether it was cut. It holds what the files
    hold, secrets too, which is why it is for those who ask for it. Like every `git diff` it may refresh the index.
    """
    # The form is the same, and fit for `git apply`, whatever the user has configured.
    options = [
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--submodule=short",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ]
    try:
        text, cut = _run_git(_source(), ["diff", *options, "HEAD"], time.monotonic() + _SECONDS, cap)
    except _Failed:
        return None
    if cut:
        text = text[: text.rfind(b"\n") + 1]
    return (text, cut) if text or cut else None


def _patterns(variables: Iterable[str]) -> list[str]:
    if isinstance(variables, str):
        raise TypeError(f"variables is the string {variables!r}: give a list of names or patterns: [{variables!r}].")
    patterns = list(variables)
    for number, pattern in enumerate(patterns):
        if not isinstance(pattern, str):
            raise TypeError(f"variables[{number}] is {pattern!r}: give the names or patterns as strings.")
    return patterns


def _variables(patterns: list[str]) -> list[tuple[str, str]]:
    from fnmatch import fnmatch  # on Windows, and only there, without regard to case: as the variables

    families = tuple(name[:-1] for name in _VARIABLES if name.endswith("*"))
    return [
        (name, value)
        for name, value in sorted(os.environ.items())
        if name in _VARIABLES or name.startswith(families) or any(fnmatch(name, pattern) for pattern in patterns)
    ]


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _script() -> str | None:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        return os.path.abspath(path) if isinstance(path, str) else None
    except OSError:
        return None


def _source() -> str | None:
    """The directory where the code is: of the script, behind links, or without a script the current one."""
    script = _script()
    directory = os.path.realpath(script) if script else _directory()
    while directory and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory


def _host() -> dict[str, Any]:
    import platform

    uname = platform.uname()
    return {
        "name": uname.node or None,
        "system": uname.system or None,
        "release": uname.release or None,
        "machine": uname.machine or None,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "gpus": _gpus(),
    }


def _memory() -> int | None:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None
    return size if size > 0 else None


_NVIDIA = "/proc/driver/nvidia"


def _gpus() -> list[dict[str, Any]]:
    """NVIDIA's by nvidia-smi, or without it by what the driver tells, which leaves the memory out; no others."""
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        rows, _ = _run("nvidia-smi", query, time.monotonic() + _SECONDS)
        cells = [row.rsplit(", ", 2) for row in os.fsdecode(rows).splitlines() if row.count(", ") > 1]
        # In MiB; a chip that shares the memory of the host says [N/A].
        return [
            {"name": name, "memory": int(size) * 2**20 if size.isdecimal() else None, "driver": driver}
            for name, size, driver in cells
        ]
    except _Failed:
        pass
    try:
        directories = sorted(os.listdir(f"{_NVIDIA}/gpus"))
    except OSError:
        return []
    driver = _search(r"Module.*?\s([0-9]+\.[0-9.]+)\s", f"{_NVIDIA}/version")
    names = [_search(r"Model:\s*(.*?)\s*\n", f"{_NVIDIA}/gpus/{directory}/information") for directory in directories]
    return [{"name": name, "memory": None, "driver": driver} for name in names]


def _search(pattern: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read())
    except OSError:
        return None
    return match[1] if match else None


def _runtime(packages: bool) -> dict[str, Any]:
    import platform

    runtime: dict[str, Any] = {
        "language": "Python",
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "executable": sys.executable or None,
    }
    if packages:
        runtime["packages"] = _packages()
    return runtime


def _packages() -> dict[str, str]:
    import importlib.metadata

    versions: dict[str, str] = {}
    # Metadata and finders are of anybody's making: what fails is left out, in whatever way it fails.
    try:
        for distribution in importlib.metadata.distributions():
            try:
                name, version = _name_and_version(distribution)
                # The first on the path is the one that is imported. The form of names is PEP 503's.
                versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
            except Exception:
                continue
    except Exception:
        pass
    return dict(sorted(versions.items()))


def _name_and_version(distribution: Any) -> tuple[str, str]:
    # To read and parse METADATA takes a millisecond each; the name of its directory says the same where it is regular.
    path = str(getattr(distribution, "_path", ""))
    regular = re.fullmatch(r"([A-Za-z0-9][\w.]*)-([0-9][A-Za-z0-9.+!]*)\.dist-info", os.path.basename(path))
    if regular and os.path.isfile(os.path.join(path, "METADATA")):
        return regular[1], regular[2]
    metadata = distribution.metadata
    return str.strip(metadata.get("Name")), str.strip(metadata.get("Version"))


def _git(directory: str | None) -> dict[str, Any] | None:
    if directory is None or not _has_repository(directory):
        return None
    deadline = time.monotonic() + _SECONDS
    options = ["--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no", "--no-renames", "-z"]
    try:
        status, cut = _run_git(directory, ["status", *options], deadline)
        config, _ = _run_git(directory, ["config", "--list", "-z"], deadline)
    except _Failed as failure:
        # A stray directory named .git. A broken repository says "not a git repository: …" instead.
        return None if "not a git repository (or any" in str(failure) else {"error": str(failure)}
    return _git_facts(os.fsdecode(status).split("\0")[:-1], os.fsdecode(config).split("\0"), cut)


def _has_repository(directory: str) -> bool:
    while not os.path.lexists(os.path.join(directory, ".git")):
        if directory == os.path.dirname(directory):
            return False
        directory = os.path.dirname(directory)
    return True


def _git_facts(status: list[str], config: list[str], cut: bool) -> dict[str, Any]:
    head = dict(line[2:].partition(" ")[::2] for line in status if line.startswith("# "))
    if "branch.oid" not in head:
        return {"error": "git gave an answer that could not be understood"}
    fields = {"1": 8, "u": 10}  # that an entry has before its path; "u" is a conflict
    changed = sorted(line.split(" ", fields[line[0]])[-1] for line in status if line.startswith(("1 ", "u ")))
    commit, branch = head["branch.oid"], head.get("branch.head")
    settings: dict[str, str] = {}
    for setting in config:
        name, _, value = setting.partition("\n")
        settings.setdefault(name, value)
    upstream = settings.get(f"branch.{branch}.remote")
    url = settings.get(f"remote.{upstream}.url") or settings.get("remote.origin.url")
    facts: dict[str, Any] = {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "remote": _secrets.redact(_secrets.clean_url(url)) if url else None,
        "dirty": bool(changed),
        "changed": changed[:_MAX_CHANGED],
    }
    if cut or len(changed) > _MAX_CHANGED:
        facts["changed_cut"] = True
    return facts


class _Failed(Exception):
    """A program did not give its output; the text is the reason, one sentence without a full stop."""


def _run_git(directory: str | None, words: list[str], deadline: float, cap: int = _MAX_OUTPUT) -> tuple[bytes, bool]:
    """`_run` git, so that nothing the repository configures is run with it but the filters of its contents."""
    if directory is None:
        raise _Failed("there is no current directory")
    # Inside a hook GIT_DIR and the like point at the hook's repository, and GIT_TRACE writes where it likes.
    kept = ("GIT_CONFIG_", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH")
    variables = {name: value for name, value in os.environ.items() if name[:4] != "GIT_" or name.startswith(kept)}
    # No question, no lock, no translation; and no network, which a partial clone would use to fetch what it lacks.
    variables |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "none", "LC_ALL": "C"}
    options = ["-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}", "--no-optional-locks", "-C", directory]
    return _run("git", [*options, *words], deadline, cap, variables)


def _run(
    program: str, words: list[str], deadline: float, cap: int = _MAX_OUTPUT, variables: dict[str, str] | None = None
) -> tuple[bytes, bool]:
    """The first *cap* bytes that a program writes, and whether there were more. It is killed then, or at the deadline.

    Raises:
        _Failed: it is not installed, cannot be started, ends with an error, or not in time.
    """
    import shutil
    import subprocess
    import threading

    path = shutil.which(program)
    if path is None:
        raise _Failed(f"{program} is not installed")
    try:
        process = subprocess.Popen(
            [path, *words],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a process group of its own, to be killed with all it started
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise _Failed(f"{program} could not be started: {error.strerror}") from None
    texts = [b"", b""]

    # Threads, because pipes cannot be polled on Windows, and `communicate` has no bound for what it reads.
    def read(number: int, pipe: Any) -> None:
        with pipe:
            texts[number] = pipe.read(cap + 1)

    pipes = (process.stdout, process.stderr)
    readers = [threading.Thread(target=read, args=item, daemon=True) for item in enumerate(pipes)]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
            if len(texts[0]) > cap:
                return texts[0][:cap], True
            if reader.is_alive():
                raise subprocess.TimeoutExpired(program, _SECONDS)
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Failed(f"{program} did not finish within {_SECONDS:g} seconds") from None
    except RuntimeError as error:  # no more threads to be had
        raise _Failed(f"{program} could not be read: {error}") from None
    finally:
        _end(process)
    if code:
        lines = os.fsdecode(texts[1]).splitlines()
        # Warnings may come before the reason.
        reasons = [line for line in lines if line.startswith("fatal: ")] + lines + [f"{program} ended with code {code}"]
        raise _Failed(reasons[0].removeprefix("fatal: ")[:300])
    return texts[0], False


def _end(process: Any) -> None:
    """Kill *process* and all it started, if it still runs."""
    import signal
    import subprocess

    if process.returncode is not None:  # its number may be another's by now
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(1.0)
    except (OSError, subprocess.TimeoutExpired):  # it ended by itself, or hangs inside the system and cannot be killed
        pass
