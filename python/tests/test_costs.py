"""What a call costs is bounded for any input: ratios of CPU time, measured interleaved, and never seconds."""

import math
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, InvalidRecord, UnsupportedVersion, read
from program import program

HOME = Path("runs/e")


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of CPU time of this process."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def ratio(large: Callable[[], Any], small: Callable[[], Any], times: int = 3) -> float:
    """The least that *large* took, to the least that *small* took; measured in turns."""
    pairs = [(cpu(large), cpu(small)) for _ in range(times)]
    return min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)


def _attach(name: str, files: int) -> None:
    with Exp("runs", "e", exists="number") as exp:
        for number in range(files):
            assert exp.attach(b"%09d" % number, name.format(number)).size == 9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample.bin", "samples/{}.bin"], ids=["one name", "one folder"])
def test_many_files_are_attached_in_linear_time(name: str) -> None:
    """Four times as many take about four times as long; sixteen times, if each checked all others."""
    assert ratio(lambda: _attach(name, 400), lambda: _attach(name, 100)) < 8


def test_in_a_later_session_each_file_of_a_name_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Exp("runs", "e") as exp:
        for number in range(50):
            exp.attach(b"%09d" % number, "sample.bin")
    opened = []
    real = os.open

    def count(path: Any, *arguments: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", count)
    with Exp.resume(HOME) as exp:
        for number in range(60):
            path = exp.attach(b"%09d" % number, "sample.bin").path
            assert path == ("files/sample.bin" if number == 0 else f"files/sample~{number + 1}.bin")
    assert sum(path.startswith("files/sample") for path in opened) <= 50


def test_the_same_bytes_are_attached_once_and_a_changed_file_is_not_taken_for_them() -> None:
    with Exp("runs", "e") as exp:
        first = exp.attach(b"one", "x.bin")
        assert exp.attach(b"two", "x.bin").path == "files/x~2.bin"
        assert exp.attach(b"one", "x.bin") == first
        (HOME / "files/x.bin").write_bytes(b"ONE")  # a change that breaks the record
        assert exp.attach(b"one", "x.bin").path == "files/x~3.bin"
        (HOME / "files/x~2.bin").unlink()
        assert exp.attach(b"two", "x.bin").path == "files/x~4.bin"
    assert sorted(os.listdir(HOME / "files")) == ["x.bin", "x~3.bin", "x~4.bin"]


@pytest.mark.slow
def test_a_resume_reads_each_record_quickly() -> None:
    """The thousandth resume takes at most twice the time of the tenth, and 20 microseconds for each record."""
    counts = {"few": 10, "many": 1000}
    for name, count in counts.items():
        Exp("runs", name, {"a": 1}).close()
        for _ in range(count - 2):
            Exp.resume(f"runs/{name}").close()
    least = dict.fromkeys(counts, math.inf)
    for _ in range(20):  # each adds a record; next to a busy machine, the quickest of a few may still be too slow
        for name in counts:
            least[name] = min(least[name], cpu(lambda name=name: Exp.resume(f"runs/{name}").close()))  # type: ignore[misc]
        if least["many"] <= 2 * least["few"] + counts["many"] * 20e-6:
            break
    else:
        pytest.fail(f"seconds of CPU time: {least}")


def test_an_addition_is_checked_against_records_of_any_layout() -> None:
    """The quick way of reading an addition is for the layout of this logger alone."""
    import hashlib
    import json

    Exp("runs", "e", {"a": 1}).close()
    first = (HOME / "meta.json").read_bytes()
    digest = "sha256:" + hashlib.sha256(first).hexdigest()
    for layout in ({"indent": 2}, {"separators": (",", ":")}, {"indent": 4}, {"indent": 2, "sort_keys": True}):
        for order in (("environment", "params"), ("params", "environment")):
            record = {
                "mlv": "1.0",
                "experiment": digest,
                "previous": digest,
                "created": "2026-11-24T07:00:00.000000Z",
            }
            parts = {"environment": {"host": {"name": 'a\n  "params": '}, "x": [1]}, "params": {"lr": 0.5}}
            record |= {name: parts[name] for name in order}  # type: ignore[misc]
            (HOME / "meta").mkdir(exist_ok=True)
            (HOME / "meta/2.json").write_text(json.dumps(record, **layout) + "\n")
            with Exp.join(HOME, 0) as exp:
                assert exp.params == {"a": 1, "lr": 0.5}, (layout, order)
            assert read(HOME).environments[1] == parts["environment"]
            for file in (HOME / "log").iterdir():
                file.unlink()


def test_a_small_record_takes_a_small_buffer() -> None:
    Exp("runs", "e", {"a": 1}).close()
    read(HOME)
    tracemalloc.start()
    try:
        assert read(HOME).params == {"a": 1}
        assert Exp.find(HOME).id == read(HOME).id
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlvlogger._disk.folder import read_regular

    Path("x").write_bytes(b"a" * 10)
    real = os.read

    def grow(fd: int, size: int) -> bytes:
        data = real(fd, min(size, 7))  # in pieces, too
        if Path("x").stat().st_size == 10:
            with open("x", "ab") as file:
                file.write(b"b" * 10)
        return data

    monkeypatch.setattr(os, "read", grow)
    assert read_regular("x", 100) == b"a" * 10 + b"b" * 10
    with pytest.raises(OSError, match="more than 15 bytes"):
        read_regular("x", 15)


def test_an_experiment_is_found_under_a_tight_memory_limit(run: Any) -> None:
    if sys.platform != "linux":
        pytest.skip("not applicable: only Linux keeps RLIMIT_AS")
    Exp("runs", "e").close()
    run(program("costs_little_memory"))


@pytest.mark.parametrize(
    ("what", "other"),
    [("previous", "sha256:" + "0" * 64), ("experiment", "sha256:" + "0" * 64), ("mlv", "2.0"), ("created", "x\\q")],
)
def test_a_resume_refuses_a_changed_last_addition(what: str, other: str) -> None:
    """What is read quickly is compared: nothing can be added where a record doesn't continue the one before."""
    import json

    Exp("runs", "e", {"a": 1}).close()
    for _ in range(3):
        Exp.resume(HOME).close()
    path = HOME / "meta/4.json"  # the last one: of others the next says that they were changed
    record = path.read_text()
    path.write_text(record.replace(json.loads(record)[what], other, 1))
    with pytest.raises((InvalidRecord, UnsupportedVersion)):
        Exp.resume(HOME)
