"""Any name becomes a portable one, and different names become different ones."""

import logging
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlvlogger import Exp, portable_name, read
from mlvlogger._format.media_types import media_type
from mlvlogger.integrations.logging import MLVHandler

CHARACTERS = "(?i:(?!(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[.]|$))[a-z0-9][a-z0-9._{}-]{{0,99}})(?<![.])"
PORTABLE = {False: re.compile(CHARACTERS.format("")), True: re.compile(CHARACTERS.format("~"))}

# What is hard about names: devices, dots, suffixes, blanks, case, scripts, and what the file system can't decode.
PARTS = ["con", "AUX", "com1", "nul", ".", "..", "~", "-", "_", " ", "a", "A", "é", "图", "png", "gz", ".tar", "x" * 60]
NAMES = (
    st.text(st.characters(), max_size=300)
    | st.text(st.characters(categories=["Cs", "Cc", "Zs", "Lo", "Nd", "Po"]), max_size=300)
    | st.lists(st.sampled_from(PARTS), max_size=8).map("".join)
    | st.binary(max_size=300).map(os.fsdecode)
)
# The names that a file of a Linux system can have.
FILE_NAMES = (
    (st.binary(min_size=1, max_size=255) | st.lists(st.sampled_from(PARTS), max_size=4).map("".join).map(os.fsencode))
    .map(lambda name: name.translate(None, b"/\0"))
    .filter(lambda name: 1 <= len(name) <= 255 and name not in (b".", b".."))
    .map(os.fsdecode)
)


@settings(deadline=None)
@given(NAMES, st.booleans())
@example("con.x.图", True)
@example("LPT9.a b", False)
def test_every_name_becomes_a_portable_one_that_stays(name: str, is_file: bool) -> None:
    new = portable_name(name, is_file=is_file)
    assert PORTABLE[is_file].fullmatch(new)
    assert portable_name(new, is_file=is_file) == new
    assert (new == name) == bool(PORTABLE[is_file].fullmatch(name))


@settings(deadline=None)
@given(NAMES, NAMES, st.booleans())
@example("图.png", "表.png", True)
@example("größe.png", "Größe.png", True)
@example("é", "e\u0301", False)
@example("a b", "a_b", False)
@example("x" * 300 + "1", "x" * 300 + "2", False)
@example("\ud83d\ude00", "\U0001f600", False)
def test_two_names_that_are_changed_stay_different_where_case_is_ignored(one: str, two: str, is_file: bool) -> None:
    first, second = portable_name(one, is_file=is_file), portable_name(two, is_file=is_file)
    assert (first.lower() == second.lower()) == (one == two) or (first, second) == (one, two)


@settings(deadline=None)
@given(NAMES, st.sampled_from([".png", ".JPG", ".csv", ".tar.gz", ".csv.xz", ".parquet", ".pt", ".safetensors", ""]))
def test_the_name_of_a_file_keeps_its_suffix_and_media_type(stem: str, suffix: str) -> None:
    name = re.sub("[/:]", "_", stem) + suffix  # a name with a colon would be guessed as an address
    new = portable_name(name, is_file=True)
    assert media_type(new) == media_type(name)
    assert new.endswith(suffix) or not stem.strip(".")
    assert not new.startswith(".")


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(FILE_NAMES, min_size=2, max_size=5, unique=True), st.booleans())
@example(["图.png", "表.png", "图.PNG", "a b.png", "a_b.png"], True)
@example(["A.png", "a.png", "CON.png", "con.png"], True)
@example(["a b.png", portable_name("a b.png", is_file=True)], False)
def test_no_two_files_of_one_directory_become_one_attached_file(names: list[str], have_same_bytes: bool) -> None:
    with tempfile.TemporaryDirectory() as directory, Exp(directory, "e", writer="direct") as exp:
        contents = [b"same" if have_same_bytes else str(number).encode() for number in range(len(names))]
        Path(directory, "sources").mkdir()
        paths = []
        for name, content in zip(names, contents, strict=True):
            Path(directory, "sources", name).write_bytes(content)
            paths.append(exp.attach(Path(directory, "sources", name)).path)
        assert len({path.lower() for path in paths}) == len(names)
        assert [Path(exp.path, path).read_bytes() for path in paths] == contents


def test_a_numbered_experiment_of_the_longest_name_has_a_portable_name() -> None:
    names = []
    for _ in range(3):
        with Exp("runs", "x" * 100, exists="number") as exp:
            names.append(exp.path.name)
    assert names == ["x" * 100, *(portable_name("x" * 100 + f"_{number}") for number in (1, 2))]
    assert all(PORTABLE[False].fullmatch(name) for name in names)


@pytest.mark.slow
def test_streams_next_to_one_of_the_longest_name_are_streams(conforms: Callable[..., Any]) -> None:
    Exp("runs", "e").close()
    with Exp.open("runs/e", stream="x" * 100) as exp:
        handler = MLVHandler(exp)
        handler.handle(logging.makeLogRecord({"msg": "logged"}))
        with exp.watch(60), exp.capture():
            print("captured")
    streams = [portable_name(f"{'x' * 100}-{name}") for name in ("logging", "output", "system")]
    assert {f"log/{name}.jsonl" for name in streams} < set(read("runs/e").streams)
    assert conforms("runs/e", sealed=True)
