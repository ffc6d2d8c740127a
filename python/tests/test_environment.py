"""The environment is recorded as it is, without secrets, and nothing in it makes the record fail or wait."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger._environment import nvidia, snapshot
from mlvlogger._environment.snapshot import capture, diff
from mlvlogger._format.encode import encode
from mlvlogger._format.references import Redacted

pytestmark = pytest.mark.usefixtures("plain_git")

HIDDEN = Redacted()

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

needs_posix = pytest.mark.skipif(os.name != "posix", reason="the test makes shell scripts or POSIX files")


# The whole


def test_capture_has_these_members_and_is_a_record() -> None:
    found = capture()
    assert list(found) == ["command", "directory", "script", "launcher", "host", "runtime", "variables", "git"]
    assert list(found["host"]) == ["name", "system", "release", "machine", "cpus", "memory", "gpus"]
    assert list(found["runtime"]) == ["language", "implementation", "version", "executable", "packages"]
    assert json.dumps(encode(found, path="environment", depth=2))


def test_capture_leaves_out_what_is_not_wanted(repository: Path) -> None:
    found = capture(git=False, packages=False)
    assert found["git"] is None
    assert list(found["runtime"]) == ["language", "implementation", "version", "executable"]


@pytest.mark.parametrize("variables", ["HF_HOME", [3], 3])
def test_capture_refuses_variables_that_are_not_a_list_of_names(variables: Any) -> None:
    with pytest.raises(TypeError):
        capture(variables=variables)


def test_a_string_of_variables_is_refused_with_the_list_to_pass() -> None:
    with pytest.raises(TypeError) as error:
        capture(variables="HF_*")
    assert str(error.value) == "variables is the string 'HF_*': give a list of names or patterns: ['HF_*']."


# The command, the script, the host, the runtime


def test_the_command_is_as_typed_and_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "train.py", "--lr=1", "--api-key", "hunter2"])
    assert capture()["command"] == ["python", "-X", "dev", "train.py", "--lr=1", "--api-key", HIDDEN]
    assert capture(redact=False)["command"] == ["python", "-X", "dev", "train.py", "--lr=1", "--api-key", "hunter2"]


def test_an_embedded_python_without_a_command_line_records_that_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", [])
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr=1"])
    assert capture()["command"] == ["train.py", "--lr=1"]


def test_the_directory_is_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert capture()["directory"] == str(tmp_path)


@needs_posix
def test_a_removed_directory_is_none_and_all_else_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    found = capture()
    assert (found["directory"], found["script"], found["launcher"], found["git"]) == (None, None, None, None)
    assert found["host"]["system"] == platform.system()
    assert diff({}) is None
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "train.py", raising=False)
    assert capture()["script"] is None


def test_the_script_is_an_absolute_path_and_none_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[..., Path]
) -> None:
    assert script("train.py") == tmp_path / "train.py"
    assert capture()["script"] == str(tmp_path / "train.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "train.py")
    assert capture()["script"] == str(tmp_path / "train.py")
    for nothing in (None, 3, "<stdin>", "missing.py", "\0"):
        monkeypatch.setattr(sys.modules["__main__"], "__file__", nothing)
        assert capture()["script"] is None
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    assert capture()["script"] is None


def test_the_host_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "gpus", lambda: [])
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    host = capture()["host"]
    memory = host.pop("memory")
    assert memory is None or memory > 2**20
    assert host == {
        "name": platform.node(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpus": cpus,
        "gpus": [],
    }


def test_memory_is_none_if_the_system_does_not_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert capture()["host"]["memory"] is None


@needs_posix
def test_gpus_are_those_of_nvidia_smi(program: Callable[..., None]) -> None:
    program(
        "nvidia-smi", "printf 'NVIDIA A100, SXM4, 81920, 550.54.15\\nNVIDIA GB10, [N/A], 580.95\\nnoise\\n'", alone=True
    )
    assert capture()["host"]["gpus"] == [
        {"name": "NVIDIA A100, SXM4", "memory": 81920 * 2**20, "driver": "550.54.15"},
        {"name": "NVIDIA GB10", "memory": None, "driver": "580.95"},
    ]


@pytest.mark.slow
@needs_posix
@pytest.mark.parametrize("text", ["exit 9", "exec sleep 60", None])
def test_without_nvidia_smi_gpus_are_those_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[..., None], text: str
) -> None:
    monkeypatch.setattr(nvidia, "_SECONDS", 0.5)
    if text is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        program("nvidia-smi", text)
    monkeypatch.setattr(nvidia, "_DRIVER", str(tmp_path))
    assert capture()["host"]["gpus"] == []
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC version: 12.2.0\n"
    )
    for bus, lines in (("0000:01:00.0", "Model: \t\t NVIDIA H100 PCIe\nIRQ:   \t\t 41\n"), ("0000:02:00.0", "")):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(lines)
    (tmp_path / "gpus" / "0000:03:00.0").mkdir()
    assert capture()["host"]["gpus"] == [
        {"name": "NVIDIA H100 PCIe", "memory": None, "driver": "580.95.05"},
        {"name": None, "memory": None, "driver": "580.95.05"},
        {"name": None, "memory": None, "driver": "580.95.05"},
    ]


def test_the_runtime_is_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert capture(packages=False)["runtime"] == {
        "language": "Python",
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "executable": sys.executable,
    }
    monkeypatch.setattr(sys, "executable", "")
    assert capture(packages=False)["runtime"]["executable"] is None


def test_packages_are_those_that_importlib_finds() -> None:
    found = capture()["runtime"]["packages"]
    assert found["pytest"] == importlib.metadata.version("pytest")
    assert list(found) == sorted(found)


def test_packages_have_plain_names_and_broken_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(folder: str, text: str | bytes | None, file: str = "METADATA") -> None:
        (tmp_path / folder).mkdir(parents=True)
        if text is not None:
            (tmp_path / folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())

    install("first/Regular_Name.x-1.0.post1+cu118.dist-info", "is not read")
    install("first/some-name-1.dist-info", "Metadata-Version: 2.1\nName: Some-Name\nVersion: 1.5\n")
    install("first/develop.egg-info", "Metadata-Version: 2.1\nName: develop\nVersion: 0.1\n", "PKG-INFO")
    install("first/removed-2.0.dist-info", None)
    install("first/~umpy-1.26.dist-info", None)
    install("first/binary.dist-info", b"\xff\xfe\x00\x01")
    install("first/nameless-x.dist-info", "Version: 1\n")
    install("first/versionless-x.dist-info", "Name: versionless\n")
    install("second/regular_name_x-0.9.dist-info", "shadowed")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), str(tmp_path / "missing")])
    assert capture()["runtime"]["packages"] == {
        "develop": "0.1",
        "regular-name-x": "1.0.post1+cu118",
        "some-name": "1.5",
    }


def test_a_finder_that_fails_costs_the_packages_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_distributions(self, context: object) -> None:
            raise ZeroDivisionError

    monkeypatch.setattr(sys, "meta_path", [Broken()])
    found = snapshot._packages()
    assert found == {}


# Variables


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Replace the whole environment by *members*."""

    def set_all(members: dict[str, str]) -> None:
        monkeypatch.setattr(os, "environ", dict(members))

    return set_all


def test_variables_are_recorded_by_a_list_of_harmless_ones(variables: Callable[[dict[str, str]], None]) -> None:
    harmless = {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "LANG": "C.UTF-8",
        "MASTER_ADDR": "10.0.0.1",
        "OMP_NUM_THREADS": "8",
        "PYTHONHASHSEED": "0",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "RANK": "3",
        "SLURM_JOB_ID": "77",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TORCH_HOME": "/data/torch",
        "XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_dump_to=/x",
    }
    variables(
        {
            **harmless,
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "DATABASE_URL": "postgres://ada:hunter2@db/x",
            "HOME": "/home/ada",
            "MY_SETTING": "1",
            "PATH": "/usr/bin",
            "RANKING": "1",
            "TF_TOKEN_app_terraform_io": "hunter2",
            "TF_VAR_password": "hunter2",
            "WANDB_API_KEY": "hunter2",
        }
    )
    assert capture()["variables"] == harmless
    assert list(capture()["variables"]) == sorted(harmless)


def test_the_user_names_further_variables_by_name_or_pattern(variables: Callable[[dict[str, str]], None]) -> None:
    variables({"MY_SETTING": "1", "MY_OTHER": "2", "MYSQL": "3", "STAGE": "4", "STAGES": "5"})
    assert capture(variables=["MY_*", "STAGE", "ABSENT"])["variables"] == {
        "MY_OTHER": "2",
        "MY_SETTING": "1",
        "STAGE": "4",
    }
    assert capture(variables=(name for name in ["STAGE"]))["variables"] == {"STAGE": "4"}
    assert capture()["variables"] == {}


def test_secrets_are_redacted_even_in_variables_of_the_list(variables: Callable[[dict[str, str]], None]) -> None:
    given = {
        "MY_TOKEN": "hunter2",
        "MY_URL": "https://ada:hunter2@example.org",
        "PBS_JOBCOOKIE": "hunter2",
        "SLURM_JOB_NAME": "train",
        "SLURM_JWT": "hunter2",
        "SLURM_TOKEN": "",
        "TORCH_X": "hf_" + "aB3" * 12,
    }
    variables(given)
    assert capture(variables=["MY_*"])["variables"] == {
        "MY_TOKEN": HIDDEN,
        "MY_URL": HIDDEN,
        "PBS_JOBCOOKIE": HIDDEN,
        "SLURM_JOB_NAME": "train",
        "SLURM_JWT": HIDDEN,
        "SLURM_TOKEN": "",
        "TORCH_X": HIDDEN,
    }
    assert capture(variables=["MY_*"], redact=False)["variables"] == given
