"""The specification agrees with itself: text, requirements.json, schemas and examples have the same rules."""

import hashlib
import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from mlv_validate import validate

SPEC = Path(__file__).parents[2] / "spec" / "1.0"
CHAPTERS = sorted(SPEC.glob("*.md"))
REQUIREMENTS = json.loads((SPEC / "requirements.json").read_text("utf-8"))
SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text("utf-8")) for path in (SPEC / "schemas").iterdir()}
REGISTRY: Registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in SCHEMAS.values())

RULE = re.compile(r'^- <a id="(?P<anchor>[^"]+)"></a>\*\*`(?P<name>[^`]+)`\*\* (?P<sentence>.+)$', re.MULTILINE)
KEYWORD = re.compile(r"\b(?:MUST|SHALL|SHOULD|REQUIRED|RECOMMENDED)\b(?: NOT\b)?")
EXAMPLE = re.compile(
    r"<!-- example: (?P<kind>[a-z-]+)(?:, breaks: (?P<rule>[a-z0-9.-]+))? -->\n```json\n(?P<body>.*?)\n```", re.DOTALL
)


def rules_in_text() -> Iterator[tuple[str, str, str]]:
    for path in CHAPTERS:
        for match in RULE.finditer(path.read_text("utf-8")):
            yield path.stem, match["name"], match["sentence"]


def plain(markdown: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def breaks(schema: object, value: object) -> bool:
    return not Draft202012Validator(schema, registry=REGISTRY).is_valid(value)  # type: ignore[arg-type]


def named_rules() -> dict[str, dict[str, object]]:
    return {
        name: {"$ref": f"{s['$id']}#/$defs/{name}"}
        for s in SCHEMAS.values()
        for name in s.get("$defs", {})
        if "." in name
    }


def examples() -> Iterator[object]:
    for path in CHAPTERS:
        for number, match in enumerate(EXAMPLE.finditer(path.read_text("utf-8")), 1):
            yield pytest.param(match["kind"], match["rule"], match["body"], id=f"{path.stem}-{number}")


def test_requirements_json_is_the_text() -> None:
    """Every sentence with a name is in requirements.json, in the same words and order, and nothing else is."""
    listed = [(rule["chapter"], rule["id"], rule["text"]) for rule in REQUIREMENTS]
    order = [rule["chapter"] for rule in REQUIREMENTS]
    chapters = sorted({chapter for chapter, _, _ in rules_in_text()}, key=order.index)
    text = [(c, name, plain(sentence)) for chapter in chapters for c, name, sentence in rules_in_text() if c == chapter]
    assert text and text == listed


def test_an_anchor_is_the_name_of_its_rule() -> None:
    rules = [match for path in CHAPTERS for match in RULE.finditer(path.read_text("utf-8"))]
    assert rules and [match["name"] for match in rules if match["anchor"] != match["name"]] == []


def test_names_are_unique() -> None:
    names = [rule["id"] for rule in REQUIREMENTS]
    assert sorted(set(names)) == sorted(names)


def test_a_keyword_is_only_in_a_named_sentence_and_only_once() -> None:
    rules = list(rules_in_text())
    assert rules
    for _, name, sentence in rules:
        assert len(KEYWORD.findall(sentence)) == 1, name
    for path in CHAPTERS:
        if path.stem == "rules":
            continue  # the index has no sentences of rules
        rest = RULE.sub("", path.read_text("utf-8"))
        rest = rest.replace('The key words "MUST", "MUST NOT", "SHOULD" and "SHOULD NOT"', "")
        for line in rest.splitlines():
            explains = line.startswith(
                (">", "Every MUST", "A directory that breaks", "Findings of a MUST", "| **directory**")
            )
            assert explains or not KEYWORD.search(line), (path.name, line)


def test_every_requirement_has_its_members() -> None:
    members = ["id", "level", "class", "at", "phase", "text", "chapter", "since", "why", "hint"]
    phases = {"layout", "bytes", "json", "schema", "records", "integrity", "references"}
    assert REQUIREMENTS
    for rule in REQUIREMENTS:
        assert list(rule) == members
        assert rule["level"] == ("SHOULD" if "SHOULD" in rule["text"] else "MUST"), rule["id"]
        assert rule["class"] in {"directory", "writer", "reader", "validator"}
        assert (rule["phase"] in phases) if rule["class"] == "directory" else (rule["phase"] is None), rule["id"]
        assert rule["class"] == "directory" or rule["id"].startswith(rule["class"] + ".")
        assert rule["at"] in {"core", "sealed"} and rule["since"] == "1.0" and rule["why"] and rule["hint"]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SPEC.parents[1] / "conformance" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_pages_of_the_rules_are_made_from_them() -> None:
    module = script("rules_page")
    assert module.PAGE.read_text("utf-8") == module.page(), "run: python conformance/rules_page.py"
    assert module.INDEX.read_text("utf-8") == module.index(), "run: python conformance/rules_page.py"


def test_the_page_for_writers_links_to_each_rule_of_a_writer() -> None:
    links = re.findall(r"\[`([a-z.-]+)`\]\(([a-z]+)\.md#([a-z.-]+)\)", (SPEC / "writer.md").read_text("utf-8"))
    assert all(name == anchor for name, _, anchor in links)
    chapters = {rule["id"]: rule["chapter"] for rule in REQUIREMENTS if rule["class"] == "writer"}
    assert {name: chapter for name, chapter, _ in links} == chapters


def test_no_block_quote_decides() -> None:
    """What decides a verdict is normative text: block quotes only explain."""
    words = re.compile(r"\b(MUST|SHOULD|SHALL|judged?|reported|findings?|checked)\b")
    quotes = [
        (path.name, line) for path in CHAPTERS for line in path.read_text("utf-8").splitlines() if line.startswith(">")
    ]
    rules = [line for _, line in quotes if line.startswith("> **`")]  # how the index says what a rule looks like
    assert quotes and [quote for quote in quotes if words.search(quote[1]) and quote[1] not in rules] == []


def test_the_index_has_every_page_of_the_specification_in_order() -> None:
    """The navigation of the site is in the order of the index, too."""
    listed = re.findall(
        r"^\|(?: [0-9]+ \|)? \[[^]]+\]\((\w+)\.md\)", (SPEC / "index.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted([*listed, "index"]) == [path.stem for path in CHAPTERS]
    site = re.findall(r"spec/1\.0/(\w+)\.md", (SPEC.parents[1] / "mkdocs.yml").read_text("utf-8"))
    assert site == ["index", "whole", *listed]
    chapters = list(dict.fromkeys(rule["chapter"] for rule in REQUIREMENTS))
    assert chapters == [name for name in listed if name in chapters]


def test_the_page_with_the_whole_specification_has_each_rule_and_leads_nowhere_else() -> None:
    text = script("one_page").whole()
    assert set(re.findall(r'<a id="([^"]+)"', text)) >= {rule["id"] for rule in REQUIREMENTS}
    assert re.findall(r"\]\((?:{})\.md".format("|".join(path.stem for path in CHAPTERS)), text) == []
    places = set(re.findall(r'<a id="([^"]+)"', text)) | {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= places


def test_chapters_and_sections_are_numbered_in_the_order_of_the_index() -> None:
    listed = re.findall(r"^\| ([0-9]+) \| \[[^]]+\]\((\w+)\.md\)", (SPEC / "index.md").read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in listed] == list(range(1, len(listed) + 1))
    for chapter, name in listed:
        text = re.sub(r"^```.*?^```$", "", (SPEC / f"{name}.md").read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        numbers = re.findall(r"^(#+) (?:<a id=\"[^\"]+\"></a>)?([0-9.]+) ", text, re.MULTILINE)
        assert len(numbers) == len(re.findall(r"^#+ ", text, re.MULTILINE)), name
        expected, section, part = [("#", f"{chapter}.")], 0, 0
        for level, _ in numbers[1:]:
            section, part = (section + 1, 0) if level == "##" else (section, part + 1)
            expected.append((level, f"{chapter}.{section}" + (f".{part}" if part else "")))
        assert numbers == expected


def test_the_experiment_byte_by_byte_is_at_level_sealed_and_its_commands_give_its_digests(tmp_path: Path) -> None:
    module = script("example_page")
    text = module.PAGE.read_text("utf-8")
    assert text == module.page(), "run: python conformance/example_page.py"
    for path, content in module.experiment().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    report = validate(tmp_path, sealed=True)
    assert report.targets[0].experiments[0].sealed and report.targets[0].findings == ()
    commands = re.findall(r"^\$ (.+)\n(.+)$", text, re.MULTILINE)
    assert len(commands) >= 5
    for command, output in commands:
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == output


def test_every_json_example_says_what_it_is() -> None:
    blocks = {path.name: path.read_text("utf-8").count("```json") for path in CHAPTERS}
    assert any(blocks.values())
    assert blocks == {path.name: len(EXAMPLE.findall(path.read_text("utf-8"))) for path in CHAPTERS}


@pytest.mark.parametrize(("kind", "rule", "body"), list(examples()))
def test_an_example_is_valid_or_breaks_just_the_rule_it_names(kind: str, rule: str | None, body: str) -> None:
    values = [json.loads(line) for line in body.splitlines()] if kind in ("log", "stream") else [json.loads(body)]
    schema = SCHEMAS["event" if kind in ("log", "stream") else kind]
    assert values
    for value in values:
        assert breaks({"$ref": schema["$id"]}, value) == bool(rule)
        if rule:
            scope = [
                name
                for name in named_rules()
                if name in schema["$defs"] or kind == "meta-addition" and name.startswith("meta.")
            ]
            named = {
                **named_rules(),
                "meta.unknown-members": {"$ref": f"{SCHEMAS['meta-addition']['$id']}#/$defs/meta.unknown-members"},
            }
            assert [name for name in scope if name not in ("meta.members",) and breaks(named[name], value)] == [rule]


def test_a_whole_stream_in_the_text_is_valid_and_its_last_seal_is_verified_by_a_shell(tmp_path: Path) -> None:
    text = (SPEC / "lifecycle.md").read_text("utf-8")
    [body] = [match["body"] for match in EXAMPLE.finditer(text) if match["kind"] == "stream"]
    log = tmp_path / "log.jsonl"
    log.write_bytes(body.encode() + b"\n")
    assert [(f.rule, f.line) for f in validate(log).targets[0].findings] == []
    [recipe] = re.findall(r"`(head -c -68 [^`]+)`", text)
    last = json.loads(body.splitlines()[-1])["data"]
    command = f"from={last['from']}; {recipe}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == last["sha256"]


def masking_examples() -> Iterator[object]:
    text = (SPEC / "validation.md").read_text("utf-8")
    for match in re.finditer(
        r"^\*\*Example (\d+)\.\*\* .+\n\n\| line \| finding \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text, re.MULTILINE
    ):
        rows = [re.fullmatch(r"\| `(.+)` \| (?:`(.+)` )?\|", row) for row in match[2].splitlines()]
        yield pytest.param([(row[1], row[2]) for row in rows if row], len(rows), id=f"example-{match[1]}")


def whole_line(short: str, before: bytes) -> bytes:
    """The line of an example, with the members that the examples leave out, and the digest of its seal."""
    try:
        event = json.loads(short)
    except ValueError:
        return short.encode() + b"\n"
    data = event.pop("data", {})
    if event["event"] == "mlv/start":
        data = {"mlv": "1.0", "writer": {"name": "mlvlogger", "version": "0.1.0"}, "host": "gpu-7", "pid": 1}
    event = {"seq": event.pop("seq"), "time": "2026-11-22T18:24:00.000000Z", "event": event.pop("event"), **event}
    line = json.dumps(event | {"data": data}, separators=(",", ":"), ensure_ascii=False).encode()
    place = line.find("…".encode())
    if place >= 0:
        digest = hashlib.sha256((before + line[:place])[data["from"] :]).hexdigest()
        line = line.replace("…".encode(), digest.encode())
    return line + b"\n"


@pytest.mark.parametrize(("rows", "count"), list(masking_examples()))
def test_a_worked_example_of_masking_has_the_findings_next_to_its_lines(
    rows: list[tuple[str, str | None]], count: int, tmp_path: Path
) -> None:
    assert len(rows) == count
    log = tmp_path / "log.jsonl"
    content = b""
    for short, _ in rows:
        content += whole_line(short, content)
    log.write_bytes(content)
    expected = [(number, rule) for number, (_, rule) in enumerate(rows, 1) if rule]
    assert [(finding.line, finding.rule) for finding in validate(log).targets[0].findings] == expected


def test_the_worked_example_of_rewinds_is_a_vector_of_the_suite() -> None:
    """So each reader that passes the suite reads it as the table says."""
    text = (SPEC / "lifecycle.md").read_text("utf-8")
    [table] = re.findall(r"^\| line \| superseded \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [re.fullmatch(r"\| `(.+)` \| (?:(by .+) )?\|", row) for row in table.splitlines()]
    vectors = json.loads((SPEC.parents[1] / "conformance/suite/vectors/rewinds.json").read_text("utf-8"))["vectors"]
    [vector] = [vector for vector in vectors if vector["name"].startswith("the example of the specification")]
    events = [json.loads(line) for line in vector["log"]]
    members = ("seq", "event", "data")
    kept = [{m: e[m] for m in members if m != "data" or e["event"] == "mlv/rewind"} for e in events]
    assert [json.loads(row[1]) for row in rows if row] == kept
    assert [number for number, row in enumerate(rows, 1) if row and row[2]] == vector["superseded"]


def test_the_worked_example_of_effective_metadata_is_a_vector_of_the_suite() -> None:
    text = (SPEC / "metadata.md").read_text("utf-8")
    vectors = json.loads((SPEC.parents[1] / "conformance/suite/vectors/changes.json").read_text("utf-8"))["vectors"]
    [vector] = [vector for vector in vectors if vector["name"] == "an evaluation with a separate value"]
    records = re.findall(r"^\| (\d) \| `(log[^`]+)` \| (.+?) \| (.*?) ?\|$", text, re.MULTILINE)

    def values(cell: str) -> dict[str, object]:
        return {name: json.loads(value) for name, value in re.findall(r"`(\w+)` ([^,]+)", cell)}

    assert [(stream, values(params), values(changed)) for _, stream, params, changed in records] == [
        (record.get("stream", "log.jsonl"), record["params"], record.get("changes", {}).get("params", {}))
        for record in vector["records"]
    ]
    [names] = re.findall(r"^\| parameters \| (.+) \|$", text, re.MULTILINE)
    rows = re.findall(r"^\| (?:in force under record (\d)|(effective)) \|(.+)\|$", text, re.MULTILINE)
    rows = [row for row in rows if "from the records" not in row[2]]
    assert len(rows) == 4
    for number, _, cells in rows:
        shown = dict(zip(names.replace("`", "").split(" | "), map(str.strip, cells.split("|")), strict=True))
        found = (vector["meta"]["in_force"][number] if number else vector["meta"])["params"]["object"]
        expected = {name: value if isinstance(value, str) else float(value["number"]) for name, value in found.items()}
        assert {name: json.loads(cell) for name, cell in shown.items() if cell} == expected


def test_the_example_of_a_report_adds_up() -> None:
    [body] = [match["body"] for match in EXAMPLE.finditer((SPEC / "validation.md").read_text("utf-8"))]
    report = json.loads(body)
    [target] = report["targets"]
    listed = [finding["rule"] for finding in target["findings"]]
    levels = {rule["id"]: "warning" if rule["level"] == "SHOULD" else "error" for rule in REQUIREMENTS}
    assert all(levels[finding["rule"]] == finding["level"] for finding in target["findings"])
    omitted = {entry["rule"]: entry["number"] for entry in target["omitted"]}
    assert omitted and set(omitted) <= set(listed)
    counts = {rule: 1000 + omitted[rule] if rule in omitted else listed.count(rule) for rule in listed}
    for level, total in (("error", "errors"), ("warning", "warnings")):
        assert report["totals"][total] == sum(count for rule, count in counts.items() if levels[rule] == level)
    assert report["totals"]["experiments"] == len(target["experiments"])
    assert report["totals"]["unchecked"] == len(target["unchecked"]) > 0


def test_there_are_ten_worked_examples_of_masking() -> None:
    assert len(list(masking_examples())) >= 10


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_a_schema_named_by_its_file(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:mlv:1.0:{name}"


def test_the_schemas_name_rules_of_the_specification() -> None:
    known = {rule["id"]: rule for rule in REQUIREMENTS}
    names = named_rules()
    assert names
    for name in names:
        assert known[name]["phase"] in ("schema", "layout"), name


def test_the_whole_schema_holds_the_subschema_of_every_must() -> None:
    known = {rule["id"]: rule for rule in REQUIREMENTS}
    for name in ("meta", "event", "layout"):
        whole = {entry["$ref"].rpartition("/")[2] for entry in SCHEMAS[name]["allOf"]}
        musts = {r for r in SCHEMAS[name]["$defs"] if "." in r and known[r]["level"] == "MUST"}
        assert musts and musts <= whole


def test_every_rule_of_phase_schema_is_in_a_schema_but_the_calendar_and_lengths() -> None:
    by_schema = {rule["id"] for rule in REQUIREMENTS if rule["phase"] == "schema"}
    assert by_schema - set(named_rules()) == {"time.exists", "histogram.buckets", "table.cells"}


def test_no_schema_has_the_keyword_format_which_some_validators_ignore() -> None:
    for schema in SCHEMAS.values():
        assert '"format"' not in json.dumps(schema)
