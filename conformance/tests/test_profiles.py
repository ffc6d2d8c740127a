"""The optional profiles of the specification: their text, their schemas, and what a logger writes by them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlv_validate import validate
from mlvlogger import EventRef, Exp, read

PROFILES = Path(__file__).parents[2] / "spec" / "profiles"
TEXT = (PROFILES / "samples-1.md").read_text("utf-8")
SCHEMA = json.loads((PROFILES / "samples-1.schema.json").read_text("utf-8"))
SAMPLES: list[dict[str, Any]] = [
    {"sample_id": "a"},
    {
        "sample_id": "gsm8k-17",
        "step": 2000,
        "repeat": 1,
        "input": {"_mlv": "file", "path": "files/a.png", "size": 1, "sha256": "0" * 64},
        "choices": ["4", "5"],
        "target": ["5", "five"],
        "output": ["5", {"_mlv": "string", "value": "d800"}],
        "finish_reasons": ["stop", "length"],
        "scores": {
            "exact": True,
            "f1": {"_mlv": "float", "value": "nan"},
            "judge": {"value": 4, "explanation": "short"},
        },
        "token_usage": {"input_tokens": 17, "output_tokens": 7},
        "metadata": {"subject": "arithmetic"},
        "mine": [1],
    },
    {
        "sample_id": "chat-1",
        "messages": [
            {"role": "user", "content": [{"type": "text", "content": "3 + 2?"}, {"type": "image", "file": {}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "name": "add", "arguments": {"a": 3}}]},
            {"role": "tool", "content": "5", "tool_call_id": "c"},
            {"role": "assistant", "content": "5", "reasoning_trace": "3, 4, 5"},
        ],
        "error": "timeout",
    },
]
WRONG: list[dict[str, Any]] = [
    {},
    {"sample_id": 17},
    {"sample_id": "a", "step": "2000"},
    {"sample_id": "a", "repeat": 0},
    {"sample_id": "a", "output": 5},
    {"sample_id": "a", "evaluation_result": {"_mlv": "experiment"}},
    {"sample_id": "a", "scores": {"exact": {"explanation": "no value"}}},
    {"sample_id": "a", "scores": {"exact": [1]}},
    {"sample_id": "a", "messages": [{"role": "robot", "content": "x"}]},
    {"sample_id": "a", "messages": [{"role": "assistant", "tool_calls": [{"id": "c", "function": "add"}]}]},
    {"sample_id": "a", "token_usage": {"input_tokens": -1}},
]


def keeps(data: Any) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(data)


@pytest.mark.parametrize("data", SAMPLES)
def test_a_sample_is_valid_by_the_schema(data: Any) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert keeps(data)


@pytest.mark.parametrize("data", WRONG)
def test_what_is_no_sample_is_not(data: Any) -> None:
    assert not keeps(data)


def test_the_text_and_the_schema_have_the_same_members() -> None:
    def members(heading: str) -> set[str]:
        section = TEXT.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
        return set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))

    assert members("Members") == set(SCHEMA["properties"])
    assert members("Messages") == set(SCHEMA["$defs"]["message"]["properties"])
    assert members("Scores") == set(SCHEMA["$defs"]["score"]["properties"])
    assert {name.partition("[")[0].partition(".")[0] for name in members("Names elsewhere")} <= set(
        SCHEMA["properties"]
    )


def test_the_example_of_the_text_is_a_sample() -> None:
    [example] = re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)
    assert keeps(json.loads(example)["data"])


def test_samples_are_linked_to_the_steps_and_to_the_event_of_the_result(tmp_path: Path) -> None:
    with Exp(tmp_path, "a") as exp:
        seq = exp.log.event("eval", step=2000, exact_match=0.5)
        assert seq is not None
        result = EventRef(exp.id, "log.jsonl", seq)
        for data in SAMPLES[:1] + SAMPLES[2:]:
            exp.stream("samples").event("eval/sample", data | {"step": 2000}, evaluation_result=result)
    samples = list(read(exp.path).events("eval/sample", stream="log/samples.jsonl"))
    assert [(one.step, one.data["evaluation_result"]) for one in samples] == [(2000, result)] * 2
    lines = (exp.path / "log/samples.jsonl").read_bytes().splitlines()
    assert [keeps(json.loads(line)["data"]) for line in lines if b'"eval/sample"' in line] == [True, True]
    assert not validate(exp.path, sealed=True).targets[0].findings
