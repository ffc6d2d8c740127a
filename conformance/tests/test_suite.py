"""The conformance suite: whole, valid by its own schema, and the validator gives exactly what each case expects."""

import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from mlv_conformance._suite.cases import Case, Finding, SuiteError, load_cases, materialize
from mlv_conformance._suite.vectors import StatementVector, load_reads, load_slot_cases, load_statements
from mlv_validate import make_statement, validate
from mlv_validate._text import storable

CONFORMANCE = Path(__file__).parents[1]
SUITE = CONFORMANCE / "suite"
SPEC = CONFORMANCE.parent / "spec" / "1.0"
RULES = {rule["id"]: rule for rule in json.loads((SPEC / "requirements.json").read_text("utf-8"))}
CASES = load_cases(SUITE)
SCHEMA = json.loads((SUITE / "suite.schema.json").read_text("utf-8"))
UNCHECKED = ("future-2.0", "mixed")
BASES = sorted(path.name for path in (SUITE / "bases").iterdir())


def test_the_schema_of_case_files_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((SUITE / "cases").iterdir()), ids=lambda path: path.stem)
def test_a_case_file_is_valid_and_named_after_its_rule(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    assert [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(content)] == []
    assert path.name == content["rule"] + ".json"


def test_every_rule_for_directories_has_cases_that_break_it_and_cases_that_keep_it() -> None:
    of_directories = {name for name, rule in RULES.items() if rule["class"] == "directory"}
    assert {case.rule for case in CASES if case.breaks} == of_directories
    assert {case.rule for case in CASES if not case.breaks} == of_directories


def test_cases_name_rules_bases_and_themselves() -> None:
    assert [id for id, number in Counter(case.id for case in CASES).items() if number > 1] == []
    assert {finding.rule for case in CASES for finding in case.findings} <= set(RULES)
    assert {case.base for case in CASES} == set(BASES)


@pytest.mark.parametrize("base", BASES)
def test_a_base_has_no_finding(base: str) -> None:
    """The cases that take the base as it is are tested with the others; here: there is one without a finding."""
    as_it_is = [case for case in CASES if case.base == base and not case.edits and case.anchor is None]
    assert [case for case in as_it_is if not case.findings and bool(case.unchecked) == (base in UNCHECKED)]
    assert not [case for case in as_it_is if case.level == "core" and case.findings]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_validator_gives_the_findings_of_a_case(case: Case, tmp_path: Path) -> None:
    target = materialize(SUITE, case, tmp_path / "case")
    whole = validate(target, sealed=case.level == "sealed", anchor=case.anchor)
    [report] = whole.targets
    assert {Finding(f.rule, storable(f.path), f.line) for f in report.findings} == case.findings
    assert len(report.findings) == len(case.findings)
    assert {item.path for item in report.unchecked} == case.unchecked
    assert case.matches is None or whole.to_json()["targets"][0]["matches"] == case.matches
    for finding in report.findings:
        assert finding.level == {"MUST": "error", "SHOULD": "warning"}[RULES[finding.rule]["level"]]


def edited(edit: dict[str, object]) -> Case:
    return Case(rule="log.seq", name="a case", base="minimal", edits=(edit,), findings=frozenset())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"op": "replace", "path": "meta.json", "old": "gone", "new": ""}, "`old` occurs 0 times instead of once"),
        ({"op": "replace", "path": "meta.json", "old": "train", "new": ""}, "`old` occurs 2 times instead of once"),
        ({"op": "replace", "path": "meta.json", "line": 99, "new": ""}, "line 99 doesn't exist: the file has 16 lines"),
        ({"op": "insert", "path": "meta.json", "line": 99, "new": ""}, "line 99 doesn't exist: the file has 16 lines"),
        ({"op": "delete", "path": "gone.json"}, "`path` doesn't exist"),
        ({"op": "copy", "path": "gone.json", "to": "meta/2.json"}, "No such file"),
        ({"op": "turn", "path": "meta.json"}, "turn"),
    ],
)
def test_an_edit_that_cannot_be_applied_is_refused(edit: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=message) as error:
        materialize(SUITE, edited(edit), tmp_path / "case")
    assert "log.seq/a case" in str(error.value)


def test_a_content_is_a_string_hexadecimal_digits_a_repetition_or_contents_joined(tmp_path: Path) -> None:
    new = ["é", {"hex": "ff0a"}, {"repeat": ["[", {"hex": "00"}], "times": 2}]
    materialize(SUITE, edited({"op": "write", "path": "a/b", "new": new}), tmp_path / "case")
    assert (tmp_path / "case" / "a" / "b").read_bytes() == b"\xc3\xa9\xff\n[\x00[\x00"


def test_a_line_ends_with_an_lf_alone(tmp_path: Path) -> None:
    """CR, FF and NEL are in the line."""
    text = "a\r\nb\fb\x85b\nc"
    (tmp_path / "bases" / "x").mkdir(parents=True)
    (tmp_path / "bases" / "x" / "log.jsonl").write_bytes(text.encode())
    edit = {"op": "replace", "path": "log.jsonl", "line": 3, "new": "d"}
    case = Case(rule="log.seq", name="a case", base="x", edits=(edit,), findings=frozenset())
    assert (materialize(tmp_path, case, tmp_path / "case") / "log.jsonl").read_bytes() == "a\r\nb\fb\x85b\nd".encode()


@pytest.mark.parametrize(("there", "moved"), [("meta.json", True), ("gone.json", False)])
def test_a_link_leads_to_what_was_moved(there: str, moved: bool, tmp_path: Path) -> None:
    directory = materialize(SUITE, edited({"op": "link", "path": there, "to": "a/b.json"}), tmp_path / "case")
    assert (directory / there).is_symlink()
    assert (directory / there).resolve() == (directory / "a" / "b.json").resolve()
    assert (directory / "a" / "b.json").exists() is moved


@pytest.mark.parametrize("kind", ["read", "vectors"])
def test_the_data_for_readers_have_the_form_of_their_schema(kind: str) -> None:
    schemas = {path.name: json.loads(path.read_text("utf-8")) for path in SUITE.glob("*.schema.json")}
    registry = Registry().with_contents((schema["$id"], schema) for schema in schemas.values())
    validator = Draft202012Validator(schemas[f"{kind}.schema.json"], registry=registry)
    paths = sorted((SUITE / ("reads" if kind == "read" else kind)).iterdir())
    assert paths
    for path in paths:
        content = json.loads(path.read_text("utf-8"))
        assert [(error.json_path, error.message[:200]) for error in validator.iter_errors(content)] == []
        assert path.name == content["topic"] + ".json"


def test_every_rule_for_readers_has_reads_and_no_two_have_one_name() -> None:
    reads = load_reads(SUITE)
    assert [name for name, number in Counter(read.name for read in reads).items() if number > 1] == []
    assert {rule for read in reads for rule in read.rules} == {
        name for name, rule in RULES.items() if rule["class"] == "reader"
    }


@pytest.mark.parametrize("case", load_slot_cases(SUITE), ids=lambda case: case.id)
def test_the_validator_gives_the_findings_of_a_vector(case: Case, tmp_path: Path) -> None:
    test_the_validator_gives_the_findings_of_a_case(case, tmp_path)


@pytest.mark.parametrize("vector", load_statements(SUITE), ids=lambda vector: vector.case.id)
def test_the_statement_of_a_vector_is_made_and_fits(vector: StatementVector, tmp_path: Path) -> None:
    path = materialize(SUITE, vector.case, tmp_path / "case")
    if vector.statement is None:
        with pytest.raises(ValueError, match="has no statement"):
            make_statement(path)
        return
    statement = make_statement(path)
    assert (statement.raw.decode(), statement.anchor) == (vector.statement, vector.anchor)
    (path / "mlv-statement-9.txt").write_bytes(statement.raw)
    [target] = validate(path, anchor=statement.anchor).targets
    assert [f for f in target.findings if f.rule in ("anchor.match", "statement.files")] == []
    if vector.case.base != "future-2.0":
        assert [(match.path, match.is_whole) for match in target.matches] == [("mlv-statement-9.txt", True)]
