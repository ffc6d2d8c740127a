"""The environment of this process: command, machine, Python, packages and git repository.

A fact that can't be determined is None; nothing here raises an error for it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from fnmatch import fnmatch

from .. import _secrets
from . import git as _git
from .nvidia import gpus
from .programs import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["capture", "diff"]


# The environment variables that affect a computation and its devices; * matches any ending. TensorFlow's are listed
# one by one, because TF_TOKEN_… and TF_VAR_… are Terraform's, with secrets.
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


# Prefixes that Python shares with other software, so that the user's script may be below them.
_SHARED = ("/", "/usr", "/usr/local", "~")
# The folders of an installation of Python, for a shared prefix, or one that is the user's repository.
_PYTHON_FOLDERS = set("bin sbin lib lib32 lib64 libexec include share Scripts Lib libs DLLs Include".split())


def capture(
    *, variables: Iterable[str] = (), redact: bool = True, git: bool = True, packages: bool = True
) -> dict[str, Any]:
    """Return the facts about this process: the member `environment` of a metadata record.

    This takes some tens of milliseconds, for the packages and git. If git hangs, it takes at most 10 seconds more, and
    if nvidia-smi hangs, 5 seconds.

    Args:
        variables: Names of environment variables, or patterns such as `"HF_*"`, to record in addition to the default
            ones.
        redact: Whether to replace values that look like secrets by `Redacted`, in all facts. Credentials in the address
            of the git remote are always removed.
        git: Whether to record the git repository: that of the script, or otherwise that of the working directory.
        packages: Whether to list the installed packages.

    Returns:
        `command`, `directory`, `script`, `launcher`, `host`, `runtime`, `variables` and `git`; an unknown fact is None.
            `script` is the file of the main module, unless that belongs to Python, its environment or an installed
            package (pytest, cProfile, a console script): then it is `launcher`. `git` is None without a repository,
            and otherwise the result of `_git.Repository.facts`.

    Raises:
        TypeError: If *variables* isn't an iterable of strings.
    """
    patterns = _patterns(variables)
    script, launcher = _main()
    repository = _repository() if git else None
    command = list(sys.orig_argv or sys.argv)
    facts: dict[str, Any] = {
        "command": _secrets.redact_argv(command) if redact else command,
        "directory": _directory(),
        "script": script,
        "launcher": launcher,
        "host": _host(),
        "runtime": _runtime(packages),
        "variables": {name: _secrets.redact(value, name) if redact else value for name, value in _variables(patterns)},
        "git": repository.facts() if repository else None,
    }
    if repository and (remote := facts["git"]["remote"]):
        facts["git"]["remote"] = _secrets.redact(_secrets.clean_url(remote))
    if redact:
        facts |= {name: _secrets.redact(facts[name]) for name in ("directory", "script", "launcher", "git")}
        facts["runtime"]["executable"] = _secrets.redact(facts["runtime"]["executable"])
    return facts


def diff(git: dict[str, Any], cap: int = 1_000_000) -> bytes | None:
    """Return the uncommitted changes of tracked files, as `git diff HEAD` writes them, or None without any.

    The repository is the one that `capture` finds; paths that it lists as unchecked are excluded. The changes contain
    the text of the files, secrets included.

    Args:
        git: The member `git` of the result of `capture`. It gets the member `diff_cut`, whether bytes were cut, or in
            `missing` the reason why there is no diff.
        cap: The maximum number of bytes. Longer changes are cut at the end of a line.
    """
    try:
        if (repository := _repository()) is None:
            raise Failed("there is no repository")
        text, cut = repository.diff(cap)
    except Failed as failure:
        git["missing"] = {**git.get("missing", {}), "diff": _secrets.redact(str(failure))}
        return None
    if cut:
        text = text[: text.rfind(b"\n") + 1]
    if text or cut:
        git["diff_cut"] = cut
    return text if text or cut else None


def _patterns(variables: Iterable[str]) -> list[str]:
    if isinstance(variables, str):
        raise TypeError(f"variables is the string {variables!r}: give a list of names or patterns: [{variables!r}].")
    patterns = list(variables)
    for number, pattern in enumerate(patterns):
        if not isinstance(pattern, str):
            raise TypeError(f"variables[{number}] is {pattern!r}: give the names or patterns as strings.")
    return patterns


def _variables(patterns: list[str]) -> list[tuple[str, str]]:
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


def _main() -> tuple[str | None, str | None]:
    """Return the path of the main module as the user's script or as a launcher; the other one is None."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(path, str):
        return None, None
    try:
        if not os.path.isabs(path):
            # A program from a pipe has the name <stdin>, and a relative path is wrong after a change of the working
            # directory. The script may be in an archive, which is a file.
            existing = path
            while existing and not os.path.exists(existing):
                existing = os.path.dirname(existing)
            if not os.path.isfile(existing):
                return None, None
        path = os.path.abspath(path)
        return (None, path) if _is_installed(path) else (path, None)
    except (OSError, ValueError):
        return None, None


def _prefixes() -> set[str]:
    return {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}


def _is_installed(path: str) -> bool:
    """Return whether a file belongs to Python, to an installed package, or to its programs, such as pytest.

    For a program, the directory of its real file counts: /usr/local/bin may have a link to the user's script.
    """
    programs: set[str] = set()
    library: tuple[str, ...] = ()
    try:
        programs = {
            sysconfig.get_path("scripts", scheme)
            for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
        }
        library = tuple(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))
    except (ImportError, KeyError):  # in a frozen program
        pass
    real = os.path.realpath(path)
    return (
        real.startswith(library)
        or os.path.dirname(real) in map(os.path.realpath, programs)
        or any({"site-packages", "dist-packages"}.intersection(file.split(os.sep)) for file in (path, real))
        or any(_is_of_prefix(real, os.path.realpath(prefix)) for prefix in _prefixes())
    )


def _is_of_prefix(file: str, prefix: str) -> bool:
    """Return whether *file* belongs to the Python that is installed in *prefix*.

    All files below the prefix do, such as the clone of an editable installation in the folder src of a virtual
    environment. If Python shares the prefix with other software, or if the prefix is the root of the file's repository
    (`python -m venv .`), only the files in the usual folders of an installation do.
    """
    inside = os.path.join(prefix, "")
    if not file.startswith(inside):
        return False
    is_shared = prefix in (os.path.realpath(os.path.expanduser(shared)) for shared in _SHARED)
    if _git.root_of(file) == prefix or (is_shared and not os.path.exists(inside + "pyvenv.cfg")):
        return file[len(inside) :].split(os.sep)[0] in _PYTHON_FOLDERS
    return True


def _repository() -> _git.Repository | None:
    return _git.find(_main()[0], _directory(), _prefixes())


def _host() -> dict[str, Any]:
    uname = platform.uname()
    return {
        "name": uname.node or None,
        "system": uname.system or None,
        "release": uname.release or None,
        "machine": uname.machine or None,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "gpus": gpus(),
    }


def _memory() -> int | None:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None
    return size if size > 0 else None


def _runtime(packages: bool) -> dict[str, Any]:
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
    import importlib.metadata  # takes longer than all other imports of `Exp`, and workers that join don't need it

    versions: dict[str, str] = {}
    # Metadata and finders are code of other packages: a distribution that fails with any exception is skipped.
    try:
        for distribution in importlib.metadata.distributions():
            try:
                name, version = _name_and_version(distribution)
                # Python imports the first one on the path. The names are normalized as in PEP 503.
                versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
            except Exception:
                continue
    except Exception:
        pass
    return dict(sorted(versions.items()))


def _name_and_version(distribution: Any) -> tuple[str, str]:
    # To read and parse METADATA takes a millisecond. A regular name of its directory has the same information.
    path = str(getattr(distribution, "_path", ""))
    regular = re.fullmatch(r"([A-Za-z0-9][\w.]*)-([0-9][A-Za-z0-9.+!]*)\.dist-info", os.path.basename(path))
    if regular and os.path.isfile(os.path.join(path, "METADATA")):
        return regular[1], regular[2]
    metadata = distribution.metadata
    return str.strip(metadata.get("Name")), str.strip(metadata.get("Version"))
