"""Experiments without a name, and the errors for the names that other trackers use."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, InvalidName, read
from mlvlogger._format.names import portable
from mlvlogger._generated_name import _ADJECTIVES, _NOUNS, generated_names, job_name

JOB = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "TORCHELASTIC_RUN_ID")
RANK = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*JOB, *RANK):
        monkeypatch.delenv(name, raising=False)


def test_a_name_can_be_left_out(tmp_path: Path, conforms: Any) -> None:
    exp = Exp(tmp_path, params={"lr": 0.1})
    exp.close()
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z]+-[a-z]+", exp.name)
    assert exp.path == tmp_path / exp.name
    assert read(exp.path).params == {"lr": 0.1}
    conforms(exp.path)


def test_two_starts_in_one_second_have_different_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["20261129-081530-quiet-otter", "20261129-081530-quiet-otter", "20261129-081530-bold-raven"]
    monkeypatch.setattr("mlvlogger._opening.generated_names", lambda: iter(names))
    assert Exp(tmp_path).name == names[0]
    assert Exp(tmp_path).name == names[2]


def test_sixteen_processes_that_start_at_once_have_different_names(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"from mlvlogger import Exp; Exp({str(tmp_path)!r}).close()"]
    processes = [subprocess.Popen(command) for _ in range(16)]
    assert [process.wait() for process in processes] == [0] * 16
    assert len(list(tmp_path.iterdir())) == 16


def test_generated_names_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for seconds in (0, 1, 59, 3600, 86400 * 40, 1.8e9):
        moment = time.gmtime(seconds)
        monkeypatch.setattr("time.gmtime", lambda moment=moment: moment)
        names.append(next(generated_names()))
        monkeypatch.undo()
    assert sorted(names) == names


def test_a_generated_name_depends_on_no_seed_and_changes_no_state() -> None:
    random.seed(0)
    before = random.getstate()
    names = {next(generated_names()).split("-", 2)[2] for _ in range(100)}
    assert len(names) > 50
    assert random.getstate() == before


def test_all_words_are_portable_and_different() -> None:
    for words in (_ADJECTIVES, _NOUNS):
        assert len(set(words)) == 64
        assert all(portable(word, "a test") and len(word) <= 8 for word in words)


def test_resume_asks_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exists='resume' needs a name"):
        Exp(tmp_path, exists="resume")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({"SLURM_JOB_ID": "7"}, "slurm-7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}, "slurm-7_3"),
        ({"TORCHELASTIC_RUN_ID": "job1"}, "torchrun-job1"),
        ({"SLURM_JOB_ID": "7", "TORCHELASTIC_RUN_ID": "job1"}, "slurm-7"),
        ({"TORCHELASTIC_RUN_ID": "none"}, None),
        ({"SLURM_JOB_ID": ""}, None),
    ],
)
def test_resume_takes_the_name_from_the_job(
    variables: dict[str, str], job: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["/code/train.py", "--seed", "1"])
    if job is None:
        with pytest.raises(ValueError, match="needs a name"):
            Exp(tmp_path, exists="resume")
        return
    with Exp(tmp_path, exists="resume") as exp:
        assert re.fullmatch(f"train-{job}-[0-9a-f]{{12}}", exp.name)
    with Exp(tmp_path, exists="resume") as again:
        assert again.id == exp.id
    monkeypatch.setattr(sys, "argv", ["/code/train.py", "--seed", "2"])
    with Exp(tmp_path, exists="resume") as other:
        assert other.id != exp.id
    # Without `exists`, each start is a new experiment, in a job, too.
    assert job not in Exp(tmp_path).name


@pytest.mark.parametrize(
    ("program", "stem"),
    [("-", "script"), ("-c", "c"), ("", None), ("/a/pkg/__main__.py", "pkg"), ("/a/my train.py", "my_train")],
)
def test_the_name_from_a_job_is_portable(program: str, stem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(sys, "argv", [program])
    name = job_name()
    assert portable(name, "a test") == name
    assert stem is None or name.startswith(f"{stem}-slurm-7-")


@pytest.mark.parametrize("variable", RANK)
def test_another_rank_than_0_asks_for_a_name(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(ValueError, match="this process has rank 3"):
        Exp(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(variable, "0")
    Exp(tmp_path).close()
    monkeypatch.setenv(variable, "3")
    with Exp(tmp_path, "mine") as exp:
        assert exp.name == "mine"


MISTAKES: list[tuple[str, str]] = [
    ("Exp(d, config={})", "TypeError: Exp has no argument 'config'. Use params."),
    ("Exp(d, parms={})", "TypeError: Exp has no argument 'parms'. Use params."),
    (
        "Exp(d, project='x')",
        "TypeError: Exp has no argument 'project'. Use savedir, the first argument, such as 'runs'.",
    ),
    (
        "Exp(d, entity='x')",
        "TypeError: Exp has no argument 'entity'. Leave it out: an experiment belongs to no account.",
    ),
    ("Exp(d, group='x')", "TypeError: Exp has no argument 'group'. Use tags."),
    (
        "Exp(d, zzz=1)",
        "TypeError: Exp has no argument 'zzz'. The arguments are savedir, name, params, kind, exists, tags, "
        "description, extra, parent, variables, redact, diff, on_error, writer, durability, takeover.",
    ),
    (
        "Exp(d, {'lr': 1})",
        "InvalidName: {'lr': 1} isn't a name for an experiment: it is a dict, not a string. Pass the parameters by "
        "keyword, Exp(savedir, name, params=…); name can be left out.",
    ),
    (
        "Exp(d, 'my run/1')",
        "InvalidName: 'my run/1' isn't a name for an experiment: it has ' ' in it. Choose a name of 1 to 100 of the "
        "characters A-Z a-z 0-9 . _ - that begins with a letter or digit, does not end with a dot and isn't a "
        "device's, such as CON. A similar name is 'my_run_1'.",
    ),
    (
        "exp.log({'a b': 2, 'loss': 1.5})",
        "TypeError: exp.log isn't a function, but a logger. Log an event, which has a name: "
        "exp.log.event('train', {'a b': 2, 'loss': 1.5}).",
    ),
    (
        "exp.log({'loss': 0.5}, step=3)",
        "TypeError: exp.log isn't a function, but a logger. Log an event, which has a name: "
        "exp.log.event('train', step=3, loss=0.5).",
    ),
    (
        "exp.log(loss=0.5)",
        "TypeError: exp.log isn't a function, but a logger. Log an event, which has a name: "
        "exp.log.event('train', loss=0.5).",
    ),
    (
        "exp.log('loss', 0.5)",
        "TypeError: exp.log isn't a function, but a logger. Log an event, which has a name: "
        "exp.log.event('train', loss=0.5).",
    ),
    (
        "exp.event('train', loss=1)",
        "AttributeError: Exp has no attribute 'event'. Events are logged by a logger: "
        "exp.log.event('train', step=step, loss=loss).",
    ),
    (
        "exp.config",
        "AttributeError: Exp has no attribute 'config'. The parameters are exp.params; to add some, call "
        "exp.add(params={'lr': 0.1}).",
    ),
    (
        "exp.finish()",
        "AttributeError: Exp has no attribute 'finish'. End the experiment with exp.close(), or use Exp in a with "
        "block.",
    ),
    ("exp.nonsense", "AttributeError: Exp has no attribute 'nonsense'."),
    (
        "exp.log.event({'loss': 1})",
        "InvalidName: {'loss': 1} isn't an event name. Pass the name first: event('train', {'loss': 0.5}).",
    ),
    (
        "exp.log.event('loss', 0.5)",
        "TypeError: data is 0.5, a float: give a dict, or name each value: event(name, step=…, value=…).",
    ),
    (
        "exp.log.event('loss', 0.5, 3)",
        "TypeError: data is [0.5, 3], a list: give a dict, or name each value: event(name, step=…, value=…).",
    ),
    (
        "exp.log.event('loss', {'a': 1}, 3)",
        "TypeError: data is [{'a': 1}, 3], a list: give a dict, or name each value: event(name, step=…, value=…).",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES, ids=[call for call, _ in MISTAKES])
def test_a_habit_of_another_tracker_is_an_error_with_the_right_call(call: str, message: str, tmp_path: Path) -> None:
    with Exp(tmp_path, "run") as exp:
        size = os.stat(exp.log.file).st_size
        with pytest.raises((TypeError, AttributeError, InvalidName)) as caught:
            eval(call, {"Exp": Exp, "d": str(tmp_path), "exp": exp})
        assert f"{caught.type.__name__}: {caught.value}" == message
        assert os.stat(exp.log.file).st_size == size
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_attributes_that_do_not_exist_are_missing_for_hasattr(tmp_path: Path) -> None:
    with Exp(tmp_path, "run") as exp:
        assert not hasattr(exp, "config")
        assert getattr(exp, "finish", None) is None
