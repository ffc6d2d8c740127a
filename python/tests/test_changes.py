"""Changed and added metadata: resumed with other values, added while the experiment is open, and read back."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, UnsupportedVersion, WriteFailed, read

PARAMS = {"lr": 0.1, "epochs": 4, "batch": 32}


def judged(path: Path) -> Any:
    """What the validator finds at level Sealed."""
    validator = pytest.importorskip("mlv_validate", reason="not applicable: the validator needs Python 3.11")
    [target] = validator.validate(path, sealed=True).targets
    return target


def is_sealed(path: Path) -> bool:
    target = judged(path)
    return not target.findings and not target.unchecked


def quietly_resumed(path: Path, *args: Any, **options: Any) -> Exp:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Exp.resume(path, *args, **options)


def addition(path: Path, number: int) -> Any:
    return json.loads((path / "meta" / f"{number}.json").read_bytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Exp(tmp_path, "my_exp_1", PARAMS) as exp:
        exp.log.event("a")
    return tmp_path / "my_exp_1"


@pytest.mark.rule("writer.changes")
@pytest.mark.rule("writer.changes-allowed")
def test_a_resumed_session_with_another_value_records_a_change_with_one_warning(path: Path) -> None:
    with pytest.warns(RuntimeWarning) as warned:
        with Exp.resume(path, {"lr": 0.1, "epochs": 6, "batch": 64, "resume": "last.ckpt"}) as exp:
            assert exp.params == {"lr": 0.1, "epochs": 6, "batch": 64, "resume": "last.ckpt"}
    [message] = [str(one.message) for one in warned]
    assert "params.epochs 4 -> 6, params.batch 32 -> 64" in message
    assert addition(path, 2)["params"] == {"resume": "last.ckpt"}
    assert addition(path, 2)["changes"] == {"params": {"epochs": 6, "batch": 64}}
    assert "stream" not in addition(path, 2)
    assert is_sealed(path)


def test_exists_resume_records_changes_too(path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="lr 0.1 -> 0.2"):
        Exp(path.parent, path.name, {"lr": 0.2}, exists="resume").close()
    assert read(path).params == {**PARAMS, "lr": 0.2}


def test_the_warning_is_a_refusal_if_it_is_an_error(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="other values"):
            Exp.resume(path, {"lr": 0.2})
    assert not (path / "meta").exists()
    Exp.resume(path).close()


@pytest.mark.rule("writer.environment")
def test_equal_values_are_no_change_and_give_no_warning(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Exp.resume(path, {"lr": 0.1, "epochs": 4.0, "batch": 32}).close()
    assert "changes" not in addition(path, 2) and "params" not in addition(path, 2)


def test_a_value_that_was_changed_back_is_compared_with_the_one_in_force(path: Path) -> None:
    quietly_resumed(path, {"lr": 0.2}).close()
    quietly_resumed(path, {"lr": 0.2}).close()
    quietly_resumed(path, {"lr": 0.1}).close()
    assert "changes" not in addition(path, 3)
    assert addition(path, 4)["changes"] == {"params": {"lr": 0.1}}
    changes = [(change.record, change.old, change.new) for change in read(path).changes]
    assert changes == [(2, 0.1, 0.2), (4, 0.2, 0.1)]


def test_a_nested_value_is_recorded_as_a_whole(tmp_path: Path) -> None:
    with Exp(tmp_path, "e", {"optimizer": {"name": "sgd", "momentum": 0.9}}):
        pass
    quietly_resumed(tmp_path / "e", {"optimizer": {"name": "sgd", "momentum": 0.8}}).close()
    assert addition(tmp_path / "e", 2)["changes"]["params"] == {"optimizer": {"name": "sgd", "momentum": 0.8}}
    assert read(tmp_path / "e").params == {"optimizer": {"name": "sgd", "momentum": 0.8}}


@pytest.mark.rule("reader.meta")
def test_a_parameter_that_the_later_script_lacks_keeps_its_value(path: Path) -> None:
    quietly_resumed(path, {"lr": 0.2}).close()
    assert read(path).params == {**PARAMS, "lr": 0.2}
    assert read(path).first_params == PARAMS


def test_a_redacted_value_is_not_shown_in_the_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Exp(tmp_path, "e", {"api_key": "none"}, redact=False).close()
    with pytest.warns(RuntimeWarning) as warned:
        Exp.resume(tmp_path / "e", {"api_key": "sk-abcdefghijklmnopqrstuvwxyz012345"}).close()
    assert not any("abcdefghij" in str(one.message) for one in warned)
    assert b"abcdefghij" not in (tmp_path / "e" / "meta" / "2.json").read_bytes()


@pytest.mark.rule("writer.changes-stream")
@pytest.mark.rule("reader.in-force")
@pytest.mark.rule("reader.changes")
def test_an_evaluation_has_a_value_of_its_own(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Exp.open(path, {"batch": 512, "split": "test"}) as evaluation:
            assert evaluation.params == {**PARAMS, "batch": 512, "split": "test"}
            evaluation.log.event("test")
    assert addition(path, 2)["stream"] == "log/run-2.jsonl"
    quietly_resumed(path, {"epochs": 6}).close()
    experiment = read(path)
    assert experiment.params == {**PARAMS, "epochs": 6, "split": "test"}
    [event] = experiment.events("test", stream="run-2")
    assert experiment.record_at(event) == 2
    assert experiment.params_at(event) == {**PARAMS, "batch": 512, "split": "test"}
    assert experiment.params_at(1) == PARAMS
    [batch, epochs] = experiment.changes
    assert (batch.stream, batch.old, batch.new) == ("log/run-2.jsonl", 32, 512)
    assert (epochs.stream, epochs.name, epochs.created is not None) == ("log.jsonl", "epochs", True)
    assert is_sealed(path)


def test_an_evaluation_that_continues_its_stream_keeps_its_value(path: Path) -> None:
    Exp.open(path, {"batch": 512}, stream="eval").close()
    with Exp.open(path, stream="eval") as evaluation:
        assert evaluation.params["batch"] == 512
    assert Exp.open(path).params["batch"] == 32


def test_two_ranks_that_differ(path: Path) -> None:
    with quietly_resumed(path, {"epochs": 6}) as main:
        ranks = [Exp.join(path, rank) for rank in (1, 2)]
        for rank in ranks:
            assert rank.params == {**PARAMS, "epochs": 6}
            rank.add({"batch": 32 + int(rank.log.file.stem[-1])})
            rank.log.event("step")
            rank.close()
        main.log.event("step")
    experiment = read(path)
    assert experiment.params["batch"] == 32
    for name, batch in (("log", 32), ("rank-1", 33), ("rank-2", 34)):
        [event] = experiment.events("step", stream=None if name == "log" else name)
        assert experiment.params_at(event) == {**PARAMS, "epochs": 6, "batch": batch}
    assert is_sealed(path)


@pytest.mark.rule("writer.session-record")
def test_a_rank_that_joins_later_is_under_the_record_of_the_main_work(path: Path) -> None:
    with quietly_resumed(path, {"epochs": 6}):
        Exp.open(path, {"batch": 512}).close()
        with Exp.join(path, 1) as rank:
            assert rank.params == {**PARAMS, "epochs": 6}
            rank.log.event("step")
    experiment = read(path)
    [event] = experiment.events("step", stream="rank-1")
    assert experiment.record_at(event) == 2


@pytest.mark.rule("writer.record")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_running_script_adds_params_tags_description_and_extra(tmp_path: Path, writer: str) -> None:
    with Exp(tmp_path, "e", PARAMS, writer=writer) as exp:
        exp.stream("gpu").event("load")
        with exp.log.span("epoch") as span:
            span.event("step")
            exp.add({"batch": 48, "found": True}, tags=["tuned"], description="Found.", extra={"trials": 3})
            span.event("step")
        exp.stream("gpu").event("load")
        exp.stream("late").event("load")
        assert (exp.params, exp.tags, exp.extra) == ({**PARAMS, "batch": 48, "found": True}, ["tuned"], {"trials": 3})
    record = addition(tmp_path / "e", 2)
    assert "environment" not in record and record["changes"] == {"params": {"batch": 48}}
    experiment = read(tmp_path / "e")
    assert len(experiment.environments) == 1 and experiment.descriptions == ["Found."]
    assert [experiment.params_at(event)["batch"] for event in experiment.events("epoch/step")] == [32, 48]
    assert [experiment.record_at(event) for event in experiment.events(stream="gpu")] == [1, 2]
    assert [experiment.record_at(event) for event in experiment.events(stream="late")] == [2]
    assert is_sealed(tmp_path / "e")


def test_add_gives_no_warning_and_writes_nothing_that_is_recorded(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Exp.resume(path, tags=["t"], description="d") as exp:
            exp.add({"lr": 0.1}, tags=["t"], description="d")
            assert not (path / "meta" / "3.json").exists()
            exp.add({"lr": 0.2})
            exp.add({"lr": 0.2})
    assert len(read(path).records) == 3
    assert len([*read(path).events("mlv/record", lifecycle=True)]) == 1


def test_a_description_that_is_recorded_is_not_recorded_again(path: Path) -> None:
    for _ in range(2):
        Exp.resume(path, description="Requeued.").close()
    assert read(path).descriptions == ["Requeued."]


def test_add_after_close_or_with_a_wrong_argument_records_nothing(path: Path) -> None:
    with Exp.resume(path) as exp:
        with pytest.raises(TypeError):
            exp.add([1])
        with pytest.raises(TypeError):
            exp.add({"x": {1, object()}})
    with pytest.raises(RuntimeError, match="closed"):
        exp.add({"x": 1})
    assert len(read(path).records) == 2


def test_a_sub_experiment_has_metadata_of_its_own(path: Path) -> None:
    with Exp.resume(path) as exp, exp.sub("s", {"batch": 1}) as sub:
        sub.add({"batch": 2})
        assert (exp.params["batch"], sub.params["batch"]) == (32, 2)
    assert read(path).changes == [] and is_sealed(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_adds_for_its_own_stream(path: Path) -> None:
    with Exp.resume(path) as exp:
        pid = os.fork()
        if not pid:
            try:
                exp.add({"batch": 7})
                exp.log.event("child")
                exp.close()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        exp.log.event("parent")
    experiment = read(path)
    assert addition(path, 3)["stream"] == "log/fork-1.jsonl"
    [child], [parent] = experiment.events("child", stream="fork-1"), experiment.events("parent")
    assert (experiment.params_at(child)["batch"], experiment.params_at(parent)["batch"]) == (7, 32)
    assert is_sealed(path)


def test_a_kept_stream_counts_as_the_one_that_it_replaces(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Exp.resume(path) as exp:
            log = path / "log.jsonl"
            log.rename(path / "other")
            log.write_text("")
            exp.log.flush()
            exp.log.event("a")
            exp.flush()
            assert exp.log.file.name == "kept-1.jsonl"
            exp.add({"batch": 48})
            exp.log.event("b")
    assert "stream" not in addition(path, 3)
    experiment = read(path)
    assert experiment.params["batch"] == 48
    [event] = experiment.events("b", stream="kept-1")
    assert experiment.params_at(event)["batch"] == 48


def test_a_full_disk_refuses_the_addition_and_leaves_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlvlogger._write import meta

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with Exp.resume(path) as exp:
        with monkeypatch.context() as patch:
            patch.setattr(meta, "publish", fail)
            with pytest.raises(OSError, match="No space"):
                exp.add({"batch": 48})
        assert exp.params == PARAMS
        exp.log.event("b")
        exp.add({"batch": 49})
    assert read(path).params["batch"] == 49 and is_sealed(path)


def test_an_addition_whose_event_cannot_be_written_is_recorded_and_sealed_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlvlogger._write.stream import Stream

    def fail(*args: object) -> None:
        raise WriteFailed("the disk is full")

    exp = Exp.resume(path, on_error="raise")
    monkeypatch.setattr(Stream, "append", fail)
    with pytest.raises(WriteFailed):
        exp.add({"batch": 48})
    monkeypatch.undo()
    exp.close()
    assert read(path).params["batch"] == 48
    assert [finding.rule for finding in judged(path).findings] == ["seal.records"]
    Exp.resume(path).close()
    assert is_sealed(path)


def test_two_scripts_that_add_one_name_record_the_second_value_as_a_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlvlogger._write import meta

    publish = meta.publish  # type: ignore[attr-defined]

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(meta, "publish", publish)
        Exp.open(path, {"seed": 1}).close()
        publish(*args)

    with Exp.resume(path) as exp:
        monkeypatch.setattr(meta, "publish", overtaken)
        exp.add({"seed": 2})
        assert exp.params["seed"] == 2
    assert addition(path, 3)["params"] == {"seed": 1}
    assert addition(path, 4)["changes"] == {"params": {"seed": 2}} and "params" not in addition(path, 4)
    assert read(path).first_params["seed"] == 1 and is_sealed(path)


@pytest.mark.rule("reader.additions")
@pytest.mark.rule("reader.additions-told")
def test_an_addition_that_cannot_be_read_is_left_out_and_reported(path: Path) -> None:
    quietly_resumed(path, {"lr": 0.2}).close()
    quietly_resumed(path, {"epochs": 6}).close()
    (path / "meta" / "2.json").write_text("{")
    experiment = read(path)
    assert experiment.params == {**PARAMS, "epochs": 6} and [change.name for change in experiment.changes] == ["epochs"]
    assert any(problem.path == "meta/2.json" for problem in experiment.problems)
    (path / "meta" / "2.json").unlink()
    experiment = read(path)
    assert experiment.params == PARAMS and experiment.changes == []
    assert any(problem.path == "meta/3.json" for problem in experiment.problems)


def test_the_advice_to_record_an_addition_of_an_open_experiment_is_add(path: Path) -> None:
    with Exp.resume(path) as exp:
        with pytest.raises(TypeError, match=r"call exp\.add\(\{'name': value\}\)\."):
            exp.params["x"] = 1
        with pytest.raises(AttributeError, match=r"call exp\.add\(tags="):
            exp.tags = []
        with pytest.raises(AttributeError, match=r"call exp\.add\(extra=\{'note_2': value\}\)"):
            exp.note_2 = 1


@pytest.mark.rule("reader.in-force")
def test_an_event_before_a_session_of_an_unknown_version_is_under_its_record(path: Path) -> None:
    with quietly_resumed(path, {"epochs": 6}) as exp:
        exp.log.event("epoch/step")
    [event] = read(path).events("epoch/step")
    with (path / "log.jsonl").open("a") as log:
        log.write('{"seq":99,"time":"2026-11-29T08:00:00.000000Z","event":"mlv/start","data":{"mlv":"2.0"}}\n')
    experiment = read(path)
    assert experiment.record_at(event) == 2
    with pytest.raises(UnsupportedVersion):
        list(experiment.events())
