"""Secrets are found by name and by form, and settings of experiments are left alone."""

from __future__ import annotations

import collections
import itertools
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlvlogger import _secret_names, _secrets
from mlvlogger._format.references import Redacted
from mlvlogger._secret_names import secret_name
from mlvlogger._secrets import clean_url, redact, redact_argv, redact_lines, secret_value

HIDDEN = Redacted()
LONG = os.environ.get("MLV_LONG")
_SECONDS = 240  # for each search, with MLV_LONG: `_in_time` gives a test 300
_PAIRS = 12  # for each search, without


def random_like(length: int, alphabet: str = "Ab3dEf7hIj1LmN0pQr5tUv9xYz2C4e6G8") -> str:
    """Text that looks random. Credentials are put together at run time, so that no scanner finds one in this file."""
    return (alphabet * (length // len(alphabet) + 1))[:length]


HEX = random_like(64, "3f9a1c7e5b2d8046")

SECRET_NAMES = """
    hf_token HF_TOKEN hfToken HFToken token --token use_auth_token authToken OAuthToken access_token accesstoken
    GITHUB_TOKEN TELEGRAM_BOT_TOKEN user_token x-csrf-token token_2 token_github access_tokens NEPTUNE_API_TOKEN
    api_key --api-key apiKey APIKey apikey API_KEYS X-API-Key OPENAI_API_KEY api_key_2 wandb_key KAGGLE_KEY
    ssh_key private_key session_key encryption_key encryptionKey master_key deploy-key AWS_ACCESS_KEY_ID
    AWS_SECRET_ACCESS_KEY GITHUB_PAT AZURE_DEVOPS_EXT_PAT password Password db_passwd PGPASSWORD MYSQL_PWD
    REDIS_PASSWORD1 passphrase smtp_pass DB_PASS dbpass SSHPASS pass db_pw secret client_secret clientSecret
    secrets mySecretValue credentials GOOGLE_APPLICATION_CREDENTIALS aws_creds cookie Set-Cookie PBS_JOBCOOKIE
    SLURM_JWT Proxy-Authorization bearer otp auth basic_auth --proxy-auth auth_header hydra.model.api_key
    ++model.api_key openai.key model.token
""".split()

HARMLESS_NAMES = """
    max_tokens num_tokens n_tokens max_new_tokens maxTokens tokens tokens_per_batch prompt_tokens openai_tokens
    new_tokens token_dim token_type_ids token_budget tokenizer tokenization detokenize subtoken pad_token
    padToken pad_token_id eos_token eosTokenId bos_token add_bos_token mask_token unk_token sep_token cls_token
    special_tokens image_token additional_special_tokens decoder_start_token_id stop_token_ids per_token_loss
    trigger_token placeholder_token key keys key_dim key_size key_bias sort_key num_keys num_key_value_heads
    key_padding_mask query_key_norm value_key foreign_key primary_key public_key cache_key rng_key prng_key
    dict_key cross_modal_key monkey keyboard turnkey hotkey passes num_passes forward_pass single_pass pass_at_k
    pass@1 bypass lowpass lowpass_cutoff compass passenger_count patience patch_size pattern file_pat compat
    password_length api_key_file cookie_policy secret_dim num_secrets secretary secretion credit author authors
    authority author_email auth_dim auth_type session_id sessions username pin_memory seed nonce signature lr
    access_log model.token_dim tokenizer.max_tokens OLDPWD
""".split()

SECRET_VALUES = [
    "ghp_" + random_like(36),
    "gho_" + random_like(36),
    "ghu_" + random_like(36),
    "ghs_" + random_like(36),
    "github_pat_" + random_like(22) + "_" + random_like(59),
    "glpat-" + random_like(20),
    "sk-" + random_like(48),
    "sk-proj-" + random_like(20) + "-" + random_like(28),
    "sk-ant-api03-" + random_like(50) + "-_" + random_like(40),
    "sk-or-v1-" + HEX,
    "sk" + "_live_" + random_like(24),
    "AKIA" + "QRSTUVWX23456789",
    "ASIA" + "QRSTUVWX23456789",
    "xoxb-" + "123456789012-1234567890123-" + random_like(24),
    "xoxp-" + "123456789012-" + random_like(24),
    "hf_" + random_like(34),
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0." + random_like(43),
    "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE\n",
    "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    "AIza" + random_like(35),
    "ya29." + random_like(40),
    "npm_" + random_like(36),
    "pypi-" + "AgEIcHlwaS5vcmc" + random_like(40),
    "https://hooks.slack.com/services/" + "T0/B0/" + random_like(24),
    "https://discord.com/api/webhooks/" + "1234/" + random_like(60),
    "SG." + random_like(22) + "." + random_like(43),
    "gsk_" + random_like(52),
    "nvapi-" + random_like(64),
    "r8_" + random_like(37),
    "dapi" + HEX[:32],
    "dckr_pat_" + random_like(27),
    "hvs." + random_like(90),
    "1234567890:" + "AA" + random_like(33),
    "postgresql://trainer:hunter2@db.example.org/runs",
    "redis://:hunter2@cache:6379/0",
    "https://" + random_like(40) + "@github.com/ada/digits.git",
    "https://example.org/data.csv?access_token=hunter2",
    "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=" + HEX,
    "https://account.blob.core.windows.net/data?sv=2024&sig=hunter2",
    "host=db user=ada password=hunter2",
    "DefaultEndpointsProtocol=https;AccountKey=" + random_like(86) + "==",
    "Authorization: Basic YWRhOmh1bnRlcjI=",
    "Bearer " + random_like(40),
    "model.api_key=hunter2",
    "--hf_token=hunter2",
    "ALL,HF_TOKEN=hunter2",
    '{"lr": 0.1, "api_key": "hunter2"}',
    "{lr:0.1,api_key:hunter2}",
]

HARMLESS_VALUES = [
    "",
    "adamw_torch_fused",
    "sk-resnet50-imagenet-baseline-v2",
    "task-classification-of-images-0001",
    "hf_hub",
    "ghp",
    "<|endoftext|>",
    "[PAD]",
    "one token: yes or no",
    "the password is written on the wall",
    "Bearer bonds",
    "{% for message in messages %}{{ bos_token }}{% endfor %}",
    '{"max_tokens": 5, "pad_token": "<pad>"}',
    '{"api_key": null, "token": false}',
    "lr=0.1",
    "model.max_tokens=512",
    "token=null",
    HEX,  # a commit or a digest has no distinctive form
    "tcp://10.0.0.1:23456",
    "http://[::1]:8080/a@b",
    "s3://bucket/token=5/part.parquet",
    "abfss://container@account.dfs.core.windows.net/data",
    "git@github.com:ada/digits.git",
    "ssh://git@github.com/ada/digits.git",
    "https://medium.com/@ada/post?page=2",
    "git+https://github.com/ada/digits@v1.2",
    "pytorch/pytorch:2.4@sha256:" + HEX,
    "AKIA",
    "-----BEGIN PUBLIC KEY-----",
    "name \udce9 with a lone surrogate",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_secret_is_found(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_name_of_a_setting_is_left_alone(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_a_credential_is_found_alone_and_in_the_middle_of_a_text(value: Any) -> None:
    assert secret_value(value)
    if not value.startswith(("{", "model.", "--", "ALL")):  # an assignment is looked for in texts without blanks only
        assert secret_value(f"first, {value} and then")


@pytest.mark.parametrize("value", HARMLESS_VALUES)
def test_a_harmless_value_is_left_alone(value: Any) -> None:
    assert not secret_value(value)


def test_the_tables_are_large_enough() -> None:
    """At least 60 planted secrets and 60 harmless names, each once."""
    assert len(set(SECRET_NAMES)) == len(SECRET_NAMES) >= 60
    assert len(set(HARMLESS_NAMES)) == len(HARMLESS_NAMES) >= 60
    assert len(set(SECRET_VALUES)) == len(SECRET_VALUES)


# What the patterns are made of: the literals of the formats, the hints of names, and the characters around them.
PARTS = [
    *(literal for line in _secrets._FORMATS.split("\n")[1:-1] for literal in line.split()[:-1]),
    *_secret_names.HINTS.split("|"),
    *"a A 0 aA0 = : :// http:// @ ? & # ; / [ [{ { } - -- --a --key key= key: ?a= &key ' \" , . _ + < >".split(),
    *"A= a= @: x:y@ u:p@h: ://a: SG.aaaaaaaaaaaaaaaa .eyJaaaaaaaaaa 12345678 null @@".split(),
    *(" ", "\t", "\n", "\r", "\r\n", "\f", "\x1c", "\x85", "\xa0", "\u2003", "\u3000", "\u0130", "\\", "\udcff"),
    *("export ", "--key ", " @", "@@ ", "- ", "PRIVATE KEY", "-----BEGIN ", "Bearer ", "Authorization: ", "a" * 80),
]
SEARCHES = {
    "secret_name": secret_name,
    "secret_value": secret_value,
    "clean_url": clean_url,
    "redact_lines": redact_lines,
    "redact_argv": lambda text: redact_argv([text]),
    # A value isn't searched if its key is the name of a secret, and whether it is depends on where the text ends.
    "redact": lambda text: redact({"text": text, text: 1}),
}


def growth(function: Callable[[str], Any], make: Callable[[int], str], size: int, limit: float) -> float:
    """How many times the CPU time of *size* characters 16 times as many take, of the quickest runs of each.

    A run of microseconds next to a busy machine can take three times its time: a ratio above the limit is measured
    up to 200 times, for half a minute, and one that is quadratic stays above it.
    """
    texts = make(size), make(16 * size)
    times = [math.inf, math.inf]
    until = time.process_time() + 30
    for _ in range(200):
        if time.process_time() > until:
            break
        for number, text in enumerate(texts):
            begin = time.process_time()
            function(text)
            times[number] = min(times[number], time.process_time() - begin)
        if times[1] <= limit * 0.9 * times[0]:
            break
    return times[1] / times[0]


def repeated(part: str, first: str = "", last: str = "") -> Callable[[int], str]:
    return lambda size: first + (part * (size // len(part) + 1))[:size] + last


ENDS = [("", ""), ("{", ""), ("a:", "\n")]  # what is before and after the repeated part


@pytest.mark.slow
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_takes_time_linear_in_the_text(search: str, ends: tuple[str, str]) -> None:
    """16 times the characters take 16 times the time, or 256 times if it is quadratic."""
    first, last = ends
    for part in PARTS:
        # The time for a thousand characters is a rough one.
        assert growth(SEARCHES[search], repeated(part, first, last), 1024, 40) <= 40, repr(part)


def sample(search: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Parts and ends for one of the searches, in an order that is always the same.

    By default, the searches share the parts, so that each part is in one text, and each search has some pairs of
    parts, too. With MLV_LONG, every part and every pair comes with all ends, until the time is up: minutes for each
    search, of the hours that all of them take. The value of MLV_LONG chooses the order.
    """
    if LONG:
        texts = [(one + other, ends) for one in ["", *PARTS] for other in PARTS for ends in ENDS]
        random.Random(f"{search} {LONG}").shuffle(texts)
        until = time.monotonic() + _SECONDS
        yield from itertools.takewhile(lambda _: time.monotonic() < until, texts)
        return
    shared = random.Random(0).sample(PARTS, len(PARTS))[list(SEARCHES).index(search) :: len(SEARCHES)]
    rng = random.Random(search)
    for part in [*shared, *("".join(rng.sample(PARTS, 2)) for _ in range(_PAIRS))]:
        yield part, rng.choice(ENDS)


@pytest.mark.slow
@pytest.mark.parametrize("search", SEARCHES)
def test_a_mebibyte_of_any_part_takes_at_most_20_times_the_time_of_64_kibibytes(
    search: str, request: pytest.FixtureRequest
) -> None:
    ratios = {}
    for part, (first, last) in sample(search):
        # If that takes quadratic time, less text says so sooner.
        assert growth(SEARCHES[search], repeated(part, first, last), 4096, 40) <= 40, (first, part, last)
        ratio = growth(SEARCHES[search], repeated(part, first, last), 65536, 20)
        assert ratio <= 20, (first, part, last)
        ratios[first, part, last] = ratio
    largest = max(ratios, key=lambda text: ratios[text])
    found = f"{ratios[largest]:.1f} of {len(ratios)}, for {largest!a}"
    request.node.user_properties.append(("largest ratio", found))  # into the report of pytest


@pytest.mark.slow
@pytest.mark.parametrize("part", [" ", "\xa0", "\u2003", "[ ", "@b:", "\r\n", "://a:"])
@pytest.mark.parametrize("search", ["secret_name", "secret_value", "clean_url"])
def test_a_mebibyte_takes_at_most_20_times_the_time_of_64_kibibytes(search: str, part: str) -> None:
    assert growth(SEARCHES[search], repeated(part, "a:", "\n"), 65536, 20) <= 20
    assert growth(SEARCHES[search], repeated(part, "", "@"), 65536, 20) <= 20


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://ada:hunter2@example.org/d.git", "https://example.org/d.git"),
        ("https://hunter2@example.org/d.git", "https://example.org/d.git"),
        ("https://hunter2:x-oauth-basic@example.org/d.git", "https://example.org/d.git"),
        ("https://ada@corp.com:hunter2@example.org/d.git", "https://example.org/d.git"),
        ("https://ada:hun@ter2@example.org/d.git", "https://example.org/d.git"),
        ("https://ada:hun/ter2@example.org/d.git", "https://example.org/d.git"),
        ("https://ada:hun#ter2@example.org/d.git", "https://example.org/d.git"),
        ("https://ada:hun?ter2@example.org/d.git", "https://example.org/d.git"),
        ("https://ada:hunter2@example.org/d.git?x=1#y", "https://example.org/d.git"),
        ("https://example.org/d.git?access_token=hunter2", "https://example.org/d.git"),
        ("https://example.org/d.git?private_token=hunter2#top", "https://example.org/d.git"),
        ("https://example.org/d.git?page=1&key=hunter2", "https://example.org/d.git"),
        ("https://example.org/d.git#access_token=hunter2", "https://example.org/d.git"),
        ("https://example.org/d.git?ghp_" + random_like(36), "https://example.org/d.git"),
        ("ssh://ada:hunter2@example.org:22/d.git", "ssh://example.org:22/d.git"),
        ("http://a:b@one.org,http://c:d@two.org", "http://one.org,http://two.org"),
        ("ada:hunter2@example.org:d.git", "example.org:d.git"),
        ("ada:hun@ter:2@example.org:d.git", "example.org:d.git"),
        ("ghp_" + random_like(36) + "@example.org:d.git", "example.org:d.git"),
        ("ada:hunter2@example.org:d.git\nmore", "example.org:d.git\nmore"),
    ],
)
def test_credentials_are_cut_from_a_url(url: str, clean: str) -> None:
    assert clean_url(url) == clean


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/d.git",
        "https://example.org/d.git?page=1#readme",
        "https://example.org:8443/@ada/d.git",
        "ssh://git@example.org/d.git",
        "git@example.org:ada/d.git",
        "example.org:ada/d.git",
        "file:///srv/git/a@b.git",
        "/srv/git/a@b:c.git",
        "../d.git",
        "C:\\git\\a@b:c.git",
        "C:/git/a@b/d.git",
        "",
    ],
)
def test_a_url_without_credentials_is_left_alone(url: str) -> None:
    assert clean_url(url) == url


def test_redact_replaces_secrets_at_any_depth_and_keeps_the_rest() -> None:
    assert redact(
        {
            "lr": 3e-4,
            "hf_token": "hunter2",
            "data": {"url": "postgres://ada:hunter2@db/x", "columns": ["a", "ghp_" + random_like(36)]},
            "steps": ({"db": {"password": "hunter2", "port": 5432}},),
            "max_tokens": 512,
            "pad_token": "<pad>",
        }
    ) == {
        "lr": 3e-4,
        "hf_token": HIDDEN,
        "data": {"url": HIDDEN, "columns": ["a", HIDDEN]},
        "steps": [{"db": {"password": HIDDEN, "port": 5432}}],
        "max_tokens": 512,
        "pad_token": "<pad>",
    }


@pytest.mark.parametrize(
    "value", ["x", b"x", 1234, 0, 0.5, ["x"], ("x",), {"a": {"b": "x"}}, [[], [None, 1]], object()]
)
def test_under_a_secret_name_a_revealing_value_is_redacted(value: Any) -> None:
    """Numbers too: they may be PINs, and settings that are numbers (max_tokens, pad_token_id) have no secret names."""
    assert redact({"password": value}) == {"password": HIDDEN}
    assert redact(value, "password") == HIDDEN


@pytest.mark.parametrize("value", [None, True, False, "", b"", [], {}, [None, ""], {"a": [False]}])
def test_under_a_secret_name_a_harmless_value_stays(value: Any) -> None:
    assert redact({"use_auth_token": value}) == {"use_auth_token": value}


def test_a_name_counts_together_with_the_name_around_it() -> None:
    params = {"openai": {"key": "hunter2", "model": "x"}, "kaggle": [{"key": "hunter2"}], "column": {"key": "id"}}
    assert redact(params) == {
        "openai": {"key": HIDDEN, "model": "x"},
        "kaggle": [{"key": HIDDEN}],
        "column": {"key": "id"},
    }


def test_redact_leaves_its_argument_and_other_objects_alone() -> None:
    other = object()
    value = {"password": "hunter2", "other": other, "list": [1.5, b"bytes"]}
    copy = redact(value)
    assert value == {"password": "hunter2", "other": other, "list": [1.5, b"bytes"]}
    assert copy == {"password": HIDDEN, "other": other, "list": [1.5, b"bytes"]}
    assert copy["other"] is other


def test_keys_that_are_not_strings_are_unchanged() -> None:
    assert redact({1: "a", None: {"password": "x"}, ("token",): "b"}) == {
        1: "a",
        None: {"password": HIDDEN},
        ("token",): "b",
    }


def test_a_mapping_of_another_kind_is_treated_as_a_dict() -> None:
    copy = redact(collections.ChainMap({"lr": 1}, {"api_key": "hunter2"}))
    assert type(copy) is dict
    assert copy == {"lr": 1, "api_key": HIDDEN}


def test_a_cycle_is_preserved_and_its_secrets_are_redacted() -> None:
    value: dict[str, Any] = {"password": "hunter2", "parts": []}
    value["self"] = value
    value["parts"] += [value, value]
    copy = redact(value)
    assert copy["password"] == HIDDEN
    assert copy["self"]["self"]["parts"][1]["password"] == HIDDEN
    cycle: list[Any] = []
    cycle.append((cycle,))
    assert redact({"secrets": cycle})["secrets"][0][0][0][0] is not cycle


def test_a_part_that_is_shared_is_judged_under_each_of_its_names() -> None:
    part = {"key": "hunter2"}
    assert redact({"first": part, "openai": part, "last": part}) == {
        "first": {"key": "hunter2"},
        "openai": {"key": HIDDEN},
        "last": {"key": "hunter2"},
    }


def test_redact_accepts_any_depth_and_visits_a_shared_value_once() -> None:
    deep: dict[str, Any] = {"password": "hunter2"}
    for _ in range(10_000):
        deep = {"a": deep, "b": deep}
    copy = redact(deep)
    for _ in range(10_000):
        copy = copy["b"]
    assert copy == {"password": HIDDEN}


def test_a_command_line_in_the_parameters_is_redacted_as_a_command_line() -> None:
    params = {
        "argv": ["train.py", "--api-key", "hunter2", "--lr", "3e-4"],
        "overrides": ["lr=3", "db.password=hunter2"],
    }
    assert redact(params) == {
        "argv": ["train.py", "--api-key", HIDDEN, "--lr", "3e-4"],
        "overrides": ["lr=3", HIDDEN],
    }


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["--api-key=hunter2"], ["--api-key=<redacted>"]),
        (["--api-key", "hunter2", "--lr", "1"], ["--api-key", HIDDEN, "--lr", "1"]),
        (["-password", "hunter2"], ["-password", HIDDEN]),
        (["model.api_key=hunter2", "model.lr=1"], ["model.api_key=<redacted>", "model.lr=1"]),
        (["++model.api_key=hunter2"], ["++model.api_key=<redacted>"]),
        (["HF_TOKEN=hunter2"], ["HF_TOKEN=<redacted>"]),
        (["--api-keys", "hunter2", "hunter3", "--lr", "1"], ["--api-keys", HIDDEN, HIDDEN, "--lr", "1"]),
        (["--pass", "hunter2", "data"], ["--pass", HIDDEN, "data"]),
        (["--use-auth-token", "--lr", "1"], ["--use-auth-token", "--lr", "1"]),
        (["--use-auth-token", "True", "data"], ["--use-auth-token", "True", "data"]),
        (
            ["--token", "none", "--hf-token=", "--auth-token=false"],
            ["--token", "none", "--hf-token=", "--auth-token=false"],
        ),
        (["--max-tokens", "5", "--pad-token=<pad>"], ["--max-tokens", "5", "--pad-token=<pad>"]),
        (["ghp_" + random_like(36)], [HIDDEN]),
        (["--hub", "hf_" + random_like(34)], ["--hub", HIDDEN]),
        (["--hub=hf_" + random_like(34)], ["--hub=<redacted>"]),
        (["--data=https://ada:hunter2@h.org/x"], ["--data=https://h.org/x"]),
        (["https://ada:hunter2@h.org/x?y=1"], ["https://h.org/x"]),
        (["--export=ALL,HF_TOKEN=hunter2"], ["--export=<redacted>"]),
        (['--config={"api_key": "hunter2"}'], ["--config=<redacted>"]),
        (
            ["--schedule", "lr:0.1@epoch:10", "repo:tag@sha256:ab"],
            ["--schedule", "lr:0.1@epoch:10", "repo:tag@sha256:ab"],
        ),
        (["-c", "print('a=b')", "--", "x\udce9"], ["-c", "print('a=b')", "--", "x\udce9"]),
        ([], []),
    ],
)
def test_a_command_line_keeps_its_options_and_loses_its_secrets(argv: Any, kept: Any) -> None:
    assert redact_argv(argv) == kept


def test_a_redacted_command_line_is_left_alone() -> None:
    argv = ["--api-key=<redacted>", "db.password=<redacted>", "--lr=1"]
    assert redact_argv(argv) == argv
    assert redact(argv) == argv


def test_the_module_exports_documented_functions() -> None:
    assert _secrets.__all__ == ["clean_url", "redact", "redact_argv", "redact_lines", "secret_value"]
    assert all(getattr(_secrets, name).__doc__ for name in _secrets.__all__)
