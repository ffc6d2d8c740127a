"""Sixty secrets, planted where a training script meets them, are on disk nowhere and in no form; its settings are."""

import base64
import json
import os
import random
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import read
from mlvlogger._secrets import redact_lines
from program import program

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SEED = random.Random(6)


def token(length: int, prefix: str = "", alphabet: str = LETTERS) -> str:
    """A credential by its looks. Put together at run time, so that no scanner finds one in this file."""
    return prefix + "".join(SEED.choice(alphabet) for _ in range(length))


def word() -> str:
    """A password: only its place shows it, not its format."""
    return "Tr0ub4dor&" + token(6)


HEX = "0123456789abcdef"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
JWT = "eyJhbGciOiJIUzI1NiJ9." + token(20, "eyJ") + "." + token(43)

# Each value holds one secret, which is the second item where it is not the whole.
VARIABLES: dict[str, Any] = {
    "HF_TOKEN": token(34, "hf_"),
    "WANDB_API_KEY": token(40, alphabet=HEX),
    "AWS_ACCESS_KEY_ID": token(16, "AKIA", UPPER),
    "AWS_SECRET_ACCESS_KEY": token(40, alphabet=LETTERS + "/+"),
    "AWS_SESSION_TOKEN": token(120, "IQoJb3JpZ2lu"),
    "GITHUB_TOKEN": token(36, "ghp_"),
    "GITLAB_PAT": token(20, "glpat-"),
    "OPENAI_API_KEY": token(48, "sk-proj-"),
    "ANTHROPIC_API_KEY": token(90, "sk-ant-api03-"),
    "SLACK_BOT": token(24, "xoxb-123456789012-"),
    "AZURE_CLIENT_SECRET": token(32, "abc8Q~"),
    "NPM_CONFIG": token(36, "npm_"),
    "TWINE_PASSWORD": token(60, "pypi-AgEIcHlwaS5vcmc"),
    "STRIPE": token(24, "sk_" + "live_"),
    "DB_PASSWORD": word(),
    "PGPASSWORD": word(),
    "MYSQL_PWD": word(),
    "SMTP_PASS": word(),
    "DATABASE_URL": "postgresql://ada:{}@db.example.org/runs",
    "REDIS_URL": "redis://:{}@cache:6379/0",
    "HTTPS_PROXY": "http://ada:{}@proxy.example.org:3128",
    "NCCL_SOCKET_OPTIONS": "token={}",
    "SLURM_JOB_COMMENT": "run with --api-key {} please",
    "LAUNCH": '{"lr": 0.1, "api_key": "{}"}',
    "GOOGLE_KEY": token(35, "AIza"),
}
ARGUMENTS: list[Any] = [
    ["--api-key", "{}"],
    ["--api-key={}"],
    ["--password", "{}"],
    ["--hf_token={}"],
    ["model.api_key={}"],
    ["++hydra.db.password={}"],
    ["--db", "mysql://ada:{}@db/x"],
    ["--data=https://example.org/d.csv?access_token={}"],
    ["https://example.org/d.csv?X-Amz-Signature={}"],
    ["--header", "Authorization: Basic {}"],
    ["--header=Authorization: Bearer {}"],
    ["--export=ALL,HF_TOKEN={}"],
    ["--config", '{"client_secret": "{}"}'],
    ["--command", "python eval.py --auth-token {} --lr 1"],
    [JWT],
]
REMOTES: list[str] = [
    "https://ada:{}@git.example.org/ada/digits.git",
    "https://{}@git.example.org/ada/digits.git",
    "https://{}:x-oauth-basic@git.example.org/ada/digits.git",
    "https://oauth2:{}@git.example.org/ada/digits.git",
    "https://x-access-token:{}@git.example.org/ada/digits.git",
    "https://git.example.org/ada/digits.git?private_token={}",
    "https://git.example.org/ada/digits.git#access_token={}",
    "https://git.example.org/ada/digits.git?page=1&key={}",
    "ssh://ada:{}@git.example.org:22/ada/digits.git",
    "ada:{}@git.example.org:ada/digits.git",
    "https://ada%40example.org:{}@git.example.org/digits.git",
    "https://git.example.org/" + token(20, "glpat-") + "/digits.git",
]
DIFF: list[str] = [
    "api_key = '{}'",
    "password: {}",
    'client = Client(url="https://ada:{}@example.org", token=None)',
    "-----BEGIN " + "RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
]
PARAMS: dict[str, Any] = {
    "hub": {"hf_token": "{}"},
    "note": "see https://example.org/x?sig={} for more",
    "raw": b"key: " + token(36, "ghp_").encode(),
    "wide": token(36, "ghp_").encode("utf-16-le"),
    "broken": "\udcff" + token(36, "ghp_"),
    "keys": {token(36, "ghp_"): 1},
    "openai": {"key": "{}"},
    "command": ["python", "train.py", "--password", "{}"],
    "yaml": "lr: 0.1\napi_key: '{}'\n",
    "pin": {"password": 83749261},
}

HARMLESS: dict[str, Any] = {
    "max_tokens": 512,
    "max_new_tokens": 128,
    "tokenizer": "bert-base-uncased",
    "tokenizer_name": "sk-learn-tokenizer",
    "pad_token": "<pad>",
    "eos_token_id": 2,
    "num_tokens": 10**9,
    "keyboard": "qwerty",
    "monkey": "capuchin",
    "key_dim": 64,
    "sort_key": "length",
    "num_key_value_heads": 8,
    "cross_modal_key": "image",
    "public_key": "none",
    "cache_key": "v3",
    "passes": 3,
    "forward_pass": True,
    "pass_at_k": [1, 5],
    "bypass": False,
    "compass": "north",
    "patience": 5,
    "author": "Ada Lovelace",
    "authority": "x",
    "auth_dim": 32,
    "secretary": "problem",
    "hash_seed": "0123456789abcdef0123456789abcdef",
    "commit": token(40, alphabet=HEX),
    "digest": "sha256:" + token(64, alphabet=HEX),
    "dataset_id": "6f1c9bde-5f4b-4a0e-9d55-0a7f4f1d2c3b",
    "path": "/data/sk-learn/task-classification-0001/model.pt",
    "url": "https://example.org/data.csv?page=2&split=train",
    "remote": "git@github.com:ada/digits.git",
    "bucket": "s3://bucket/token=5/part-00000.parquet",
    "container": "pytorch/pytorch:2.4@sha256:" + token(64, alphabet=HEX),
    "rendezvous": "tcp://10.0.0.1:23456",
    "prompt": "Write one token: yes or no. The password is on the wall, the key under the mat.",
    "template": "{% for message in messages %}{{ bos_token }}{{ message['content'] }}{% endfor %}",
    "expression": "lr=0.1, beta=(0.9, 0.999)",
    "signature": "f(x: int) -> str",
    "schedule": "lr:0.1@epoch:10",
}

SCRIPT = program("planted_script")


class Plants:
    """Secrets, each with the place it was planted in."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def plant(self, template: Any, where: str) -> Any:
        """The template with a secret in it; a string without `{}` is a secret itself."""
        if isinstance(template, dict):
            return {
                self.plant(key, where) if len(key) > 30 else key: self.plant(v, where) for key, v in template.items()
            }
        if isinstance(template, list):
            return [self.plant(part, where) if "{}" in part else part for part in template]
        if isinstance(template, bytes):
            self.found[where] = template.replace(b"\0", b"").decode()[-40:]
        elif isinstance(template, str) and "{}" in template:
            # A password in a URL has the escaped form.
            secret = token(10, "Tr0ub4dor-") if "://" in template or "@" in template else word()
            self.found[where] = secret
            return template.replace("{}", secret)
        elif isinstance(template, str):
            self.found[where] = template[-30:]
        elif type(template) is int and template > 1000:
            self.found[where] = str(template)
        return template


def forms(secret: str) -> set[bytes]:
    """The bytes that a secret may be on disk as."""
    data = secret.encode()
    found = {data, urllib.parse.quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    for coded in (data, secret.encode("utf-16-le"), secret.encode("utf-16-be")):
        found |= {coded, coded.hex().encode(), coded.hex().upper().encode()}
        # In base64, a string has three forms by its offset; its first and last characters depend on its neighbors.
        for before in range(3):
            text = base64.b64encode(b"\0" * before + coded)
            inner = text[-(-before * 8 // 6) : len(text) // 4 * 4 - 4]
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 8}


def leaks(root: Path, plants: Plants) -> list[tuple[str, str]]:
    contents = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(contents) >= 2
    return [
        (where, path.name)
        for where, secret in plants.found.items()
        for path, data in contents.items()
        if any(form in data for form in forms(secret))
    ]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    home = tmp_path / token(36, "ghp_") / "work"
    home.mkdir(parents=True)
    (home / "train.py").write_text(SCRIPT)
    (home / "settings.py").write_text("lr = 0.1\n")
    for command in (["init", "-q", "-b", token(36, "ghp_")], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=home, check=True)
    return home


def start(repository: Path, given: dict[str, Any], *arguments: str, **variables: str) -> None:
    (repository.parent / "given.json").write_text(json.dumps(given))
    names = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    environment = {**names, "GIVEN": str(repository.parent / "given.json"), **variables}
    command = [sys.executable, "-W", "ignore", str(repository / "train.py"), *arguments]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_sixty_planted_secrets_are_nowhere_on_disk_and_settings_are_recorded(
    repository: Path, tmp_path: Path, conforms: Any
) -> None:
    runs, plants = tmp_path / "runs", Plants()
    plants.found["directory"], plants.found["branch"] = repository.parent.name[4:], token(1)
    branch = subprocess.run(["git", "branch", "--show-current"], cwd=repository, capture_output=True, text=True)
    plants.found["branch"] = branch.stdout.strip()[4:]
    variables = {name: plants.plant(value, f"variable {name}") for name, value in VARIABLES.items()}
    arguments = [word for number, form in enumerate(ARGUMENTS) for word in plants.plant(form, f"argument {number}")]
    plants.plant(JWT, "argument 14")
    params = {name: plants.plant(value, f"param {name}") for name, value in PARAMS.items()}
    changed = [plants.plant(line, f"diff {number}") for number, line in enumerate(DIFF)]
    (repository / "settings.py").write_text("\n".join(["lr = 0.2", *changed, "max_tokens = 512", ""]))
    text = plants.plant("https://ada:{}@example.org/x", "texts")
    params["broken"] = "\udcff" + params["broken"][1:]
    given = {
        "runs": str(runs),
        "params": {**params, "raw": params["raw"].hex(), "wide": params["wide"].hex()},
        "harmless": HARMLESS,
        "text": text,
    }
    harmless = [f"--{name}={HARMLESS[name]}" for name in ("max_tokens", "keyboard", "commit", "path")]
    environment = {f"SET_{name}".upper(): str(HARMLESS[name]) for name in ("tokenizer", "digest", "url", "monkey")}
    start(repository, given, *arguments, *harmless, **variables, **environment)

    assert len(plants.found) + len(REMOTES) >= 60
    assert leaks(runs, plants) == []
    conforms(runs / "e", sealed=True)
    run = read(runs / "e")
    kept = [name for name, value in run.params["harmless"].items() if value == HARMLESS[name]]
    assert len(HARMLESS) == 40 and set(HARMLESS) - set(kept) == set()
    facts: Any = run.environments[0]
    assert set(harmless) <= set(facts["command"]) and facts["git"]["diff_redacted"] >= len(DIFF)
    assert environment.items() <= facts["variables"].items()
    assert b"+lr = 0.2\n" in (runs / "e/files/uncommitted.diff").read_bytes()
    assert b"+max_tokens = 512\n" in (runs / "e/files/uncommitted.diff").read_bytes()
    assert run.params["later"]["harmless"] == run.params["harmless"] and run.state == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(REMOTES)))
def test_a_secret_in_the_address_of_the_remote_is_nowhere_on_disk(
    number: int, repository: Path, tmp_path: Path
) -> None:
    plants = Plants()
    url = plants.plant(REMOTES[number], "remote")
    subprocess.run(["git", "remote", "add", "origin", url], cwd=repository, check=True)
    params: dict[str, Any] = {"raw": "", "wide": ""}
    start(repository, {"runs": str(tmp_path / "runs"), "params": params, "harmless": {}, "text": "here"})
    if number == 11:
        plants.found["remote"] = url.split("/")[3]
    assert leaks(tmp_path / "runs", plants) == []


def test_this_test_finds_a_secret_in_every_form(tmp_path: Path) -> None:
    """The negative control: whatever is planted without being hidden, is found."""
    secret, plants = word(), Plants()
    plants.found["x"] = secret
    wide = [secret.encode("utf-16-le"), secret.encode("utf-16-be")]
    written = [
        secret.encode(),
        urllib.parse.quote(secret).encode(),
        json.dumps(secret + "é").encode(),
        *(base64.b64encode(b"a" * count + data + b"bc") for count in range(3) for data in (secret.encode(), *wide)),
        *(data.hex().encode() for data in (secret.encode(), *wide)),
    ]
    for number, data in enumerate(written):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "a").write_bytes(b"x" + data + b"y")
        (home / "b").write_bytes(b"")
        assert leaks(home, plants) == [("x", "a")], data


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("+api_key = 'x7'", "+<redacted>"),
        ("-    'password': \"x7\",", "-<redacted>"),
        (" export HF_TOKEN=x7", " <redacted>"),
        ("+  - token: x7", "+<redacted>"),
        ("@@ -1 +1 @@ login(token='x7')", "@@ -1 +1 @@<redacted>"),
        ("+max_tokens = 512", "+max_tokens = 512"),
        ("+token = tokenizer.next(text)", "+token = tokenizer.next(text)"),
        ("+api_key = os.environ['API_KEY']", "+api_key = os.environ['API_KEY']"),
        (
            "+def login(password: str, token: str | None = None):",
            "+def login(password: str, token: str | None = None):",
        ),
        ("+if token == 'x':", "+if token == 'x':"),
        ("+password = None", "+password = None"),
        ("+for key, value in items:", "+for key, value in items:"),
        ("--- a/tokens.py", "--- a/tokens.py"),
    ],
)
def test_a_line_that_gives_a_secret_name_a_value_is_left_out(line: str, kept: str) -> None:
    assert redact_lines(f"before\n{line}\nafter") == (f"before\n{kept}\nafter", int(line != kept))


def test_a_private_key_is_left_out_from_its_first_to_its_last_line() -> None:
    key = ["-----BEGIN " + "OPENSSH PRIVATE KEY-----", "AAAA", "BBBB", "-----END " + "OPENSSH PRIVATE KEY-----"]
    lines = ["+a", *("+" + line for line in key), "+b"]
    assert redact_lines("\n".join(lines)) == ("\n".join(["+a", *["+<redacted>"] * 4, "+b"]), 4)
