"""Secrets: recognizing and redacting them, before anything is recorded.

A metadata record is immutable and hashed, so a secret can't be removed later. Secrets are recognized by names and by
well-known formats, as a best effort. If a name is unclear, the value is redacted: a lost setting costs less than a
leak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from ._format.decode import decode
from ._format.references import Redacted
from ._secret_names import HINTS, secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["clean_url", "redact", "redact_argv", "redact_lines", "secret_value"]

# Formats of credentials: on each line, the literals with which one begins, and a regular expression for the rest, in
# which LENGTH means the length of the literal. The search takes time linear in the text: it first finds the
# literals, which is fast, and an unbounded repetition can't match the start of another credential.
_FORMATS = r"""
    ghp_ gho_ ghs_ ghu_ ghr_ hf_ [A-Za-z0-9]{30}
    github_pat_ glsa_ wandb_v1_ pcsk_ lsv2_pt_ lsv2_sk_ \w{30}
    glpat- gldt- glrt- glptt- glsoat- glcbt- glft- glimt- glagent- tvly- tskey- dckr_pat_ dckr_oat_ [\w-]{20}
    KGAT_ NRAK- lin_api_ sbp_ pscale_tkn_ pscale_pw_ dp.pt. csk- [A-Za-z0-9]{20}
    sntrys_ sntryu_ .atlasv1. ATATT3 ATCTT3 [\w-]{30}
    gsk_ xai- pplx- ntn_ [A-Za-z0-9]{40}
    api_org_ rpa_ [A-Za-z0-9]{30}
    r8_ [A-Za-z0-9]{37}
    npm_ [A-Za-z0-9]{36}
    nvapi- [\w-]{40}
    dapi [0-9a-f]{32}
    bedrock-api-key- .
    sk-ant- sk-proj- sk-svcacct- sk-admin- sk-None- sk-or- sk-lf- (?<![A-Za-z0-9].{LENGTH})[\w-]{20}
    sk- (?<![A-Za-z0-9].{LENGTH})(?=[A-Za-z]{0,20}[0-9])[A-Za-z0-9]{20}
    sk_live_ sk_test_ rk_live_ rk_test_ [A-Za-z0-9]{16}
    whsec_ [A-Za-z0-9+/]{20}
    AKIA ASIA ABIA ACCA (?<![A-Z0-9].{LENGTH})[A-Z0-9]{16}(?![A-Z0-9])
    ABSK [A-Za-z0-9+/]{100}
    LTAI (?<![A-Za-z0-9+/].{LENGTH})[A-Za-z0-9]{20}
    AIza (?<![A-Za-z0-9+/].{LENGTH})[\w-]{35}
    GOCSPX- ya29. pypi-AgE hvs. hvb. [\w-]{16}
    Q~ (?<=[\w.~-]{3}[0-9].{LENGTH})[\w.~-]{31}
    AccountKey= SharedAccessKey= [A-Za-z0-9+/]{20}
    xoxa- xoxb- xoxc- xoxe- xoxo- xoxp- xoxr- xoxs- xapp- [\w-]{10}
    hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/ webhook.office.com/webhookb2/ \w
    discord.com/api/webhooks/ discordapp.com/api/webhooks/ [0-9]
    :AA (?<=[0-9]{8}.{LENGTH})[\w-]{33}
    SG. [\w-]{16,}\.[\w-]{16}
    dop_v1_ doo_v1_ dor_v1_ [a-f0-9]{64}
    shpat_ shpss_ shpca_ shppa_ [a-fA-F0-9]{32}
    PMAK- [a-f0-9]{24}
    AGE-SECRET-KEY- [0-9]
    .eyJ (?<=[\w-]{10}.{LENGTH})[\w-]{10,}\.[\w-]{5}
    eyJhcGlfYWRkcmVzcyI6 [A-Za-z0-9+/]{20}
    PuTTY-User-Key-File .
"""
_PIECE = r"[^\s\"',]{15,}"  # each of these formats is one piece of this form; the next ones have blanks in them
_FORMATS_WITH_SPACES = r"PRIVATE KEY(?: BLOCK)?-----|[Bb]earer [A-Za-z0-9+/._~=-]{20}|Authorization: ?\w"

# An assignment to the name of a secret: `_NAMED` matches the name and its = or :, and the next two the value. `_OPTION`
# matches a command-line option whose value is the next word.
_NAMED = rf"(?:{HINTS})[\w.-]{{0,80}}[\"']?([ \t]*)([=:])"
_BARE = r"""(?i)["']?(?!(?:null|none|true|false)\b|<redacted>)[^\s"',;&}\]=]"""
_QUOTED = r"""[ \t]*[rbfuRBFU]?["'](?!["'<])"""
_OPTION = r"""(--[A-Za-z][\w.-]{1,80}) +(?!-)["']?[^\s"'<]"""
# The beginning of a JSON object, not of a template. Two `\s*` in a row would take quadratic time.
_JSON = r"\s*(?:\[\s*)?\{(?![%{#])"


def secret_value(text: str) -> bool:
    """Return whether *text* contains a credential in a well-known format.

    Such formats are: a token with a known prefix, a private key, a JSON Web Token, a URL that `clean_url` would change,
    and an assignment to the name of a secret: `name=value`, `name = "value"`, `"name": "value"`, `--name value`. Not
    recognized: passwords, and keys without a distinctive format, such as 40 hexadecimal digits.

    The time is linear in the length of the text.
    """
    return _has_format(text) or ("://" in text and any(map(_is_secret_url, text.split()))) or _assigns_secret(text)


def _has_format(text: str) -> bool:
    if re.search(_FORMATS_WITH_SPACES, text):
        return True
    if not (pieces := re.findall(_PIECE, text)):
        return False
    text = "\n".join(pieces)
    for mark, formats in _formats().items():
        for literal, pattern in formats if mark in text else ():
            at = text.find(literal)
            while at >= 0:
                if pattern.match(text, at):
                    return True
                at = text.find(literal, at + 1)
    return False


@cache
def _formats() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the literals and patterns of `_FORMATS`, by a character or literal that most texts don't contain.

    The first call compiles them, because the import must be fast.
    """
    formats: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for line in _FORMATS.split("\n")[1:-1]:
        *literals, rest = line.split()
        for literal in literals:
            mark = next((char for char in literal if not char.isalnum()), literal)
            pattern = re.compile(re.escape(literal) + rest.replace("LENGTH", str(len(literal))), re.DOTALL)
            formats.setdefault(mark, []).append((literal, pattern))
    return formats


def _assigns_secret(text: str) -> bool:
    is_json = re.match(_JSON, text)
    lower = text.replace("\u0130", "I").lower()  # of equal length: only this letter becomes two
    for match in re.finditer(_NAMED, lower):
        end, (blanks, sign) = match.end(), match.groups()
        before = re.match(r"[\w.-]*", text[max(0, match.start() - 80) : match.start()][::-1])
        begin = match.start() - len(before[0] if before else "")
        # A bare value counts only in JSON or after "=", because prose may have a colon after "token".
        bare = is_json or (sign == "=" and not blanks)
        if (
            not (begin and text[begin - 1] == "/" and sign == "=")  # a part of a path: bucket/token=5/part
            and (re.match(_QUOTED, text[end : end + 80]) or (bare and re.match(_BARE, text[end : end + 80].lstrip())))
            and secret_name(text[begin : match.end(0)].rstrip("=: \t\"'"))
        ):
            return True
    return "--" in text and any(secret_name(match[1]) for match in re.finditer(_OPTION, text))


# The second form is for a password with an unescaped / ? or #, which ends the host early. A port has only digits.
_URL_PASSWORD = r"://(?:[^\s/?#:]*:[^\s/?#]*@|[^\s/?#:@\[]*:(?![0-9]*[/?#])\S{1,256}@)"
_URL_USER = r"((?:http|ftp)s?://)[^\s/?#@]*@"
_SCP = r"(?s)([^\s/\\@:]+)(:[^\s\\]*)?@([^\s/\\@:]+:.*)"  # (?s): a `.*` that fails at a line feed is tried at each @


def clean_url(text: str) -> str:
    """Return a URL, such as that of a git remote, without credentials.

    The user information, the query and the fragment are removed from a URL with a password, from a URL of HTTP or FTP
    with a user name (which may be a token), and from a URL whose query looks secret. `user:password@` is removed from
    `user:password@host:path`. Every other string is returned unchanged: `git@host:path`, `ssh://git@host/path`,
    `abfss://container@account/path`, a local path.
    """
    if "://" not in text:
        scp = re.fullmatch(_SCP, text)
        return scp[3] if scp and (scp[2] or _has_format(scp[1])) else text
    clean = re.sub(_URL_USER, r"\1", re.sub(_URL_PASSWORD, "://", text))
    if clean != text or _is_secret_query(text) or _has_format("".join(re.findall(r"[?#]\S*", text))):
        clean = re.sub(r"[?#]\S*", "", clean)
    return clean


def _is_secret_url(text: str) -> bool:
    return "://" in text and bool(
        re.search(_URL_PASSWORD, text) or re.search(_URL_USER, text) or _is_secret_query(text)
    )


def _is_secret_query(url: str) -> bool:
    # In a query, also a bare key is a credential, and a signature grants access.
    return any(
        name.lower().endswith(("key", "sig", "signature")) or secret_name(name)
        for name in re.findall(r"[?&;#]([^\s?&;#=]{1,100})", url)
    )


def redact(value: Any, name: str | None = None) -> Any:
    """Return a copy of *value* in which `Redacted` replaces values that look like secrets.

    These values are redacted:

    - a string that is a `secret_value`;
    - any value under a `secret_name`, also if only both names together are one (`openai: {key: …}`): a number, which
      may be a PIN, a whole container, any object; but not None, a boolean or an empty value;
    - a mapping, if one of its keys is a secret, or if it is a typed value that contains one.

    A list of strings with an option among them is redacted as a command line. In the copy, mappings are dicts, and
    tuples are lists, as in a record, at any depth; a cycle stays a cycle. Other objects aren't copied or inspected, so
    encode values first.

    Args:
        value: The value.
        name: The name of the value, or None.
    """
    # The key is the identity of a container and the name around its parts; the value is the container and its copy.
    # The container is referenced so that no other object gets its id. Shared parts are copied once, and no recursion
    # limits the depth.
    copies: dict[tuple[int, str], tuple[Any, Any]] = {}
    todo: list[tuple[Any, Any, str]] = []

    def copy(value: Any, name: Any, around: str) -> Any:
        if isinstance(name, str) and secret_name(around + "." + name) and _has_content(value):
            return Redacted()
        if isinstance(value, str):
            return Redacted() if secret_value(value) else value
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        if isinstance(value, Mapping) and _contains_secret(value):
            return Redacted()
        within = name if isinstance(name, str) else around
        if (id(value), within) not in copies:
            copies[id(value), within] = (value, {} if isinstance(value, Mapping) else [])
            todo.append((*copies[id(value), within], within))
        return copies[id(value), within][1]

    result = copy(value, name, "")
    while todo:
        source, target, around = todo.pop()
        if isinstance(source, Mapping):
            target.update((key, copy(source[key], key, around)) for key in source)
        elif all(isinstance(part, str) for part in source) and any(part.startswith("--") for part in source):
            target.extend(redact_argv(source))
        else:
            target.extend(copy(part, None, around) for part in source)
    return result


def _contains_secret(mapping: Mapping[Any, Any]) -> bool:
    if any(isinstance(key, str) and len(key) >= 12 and secret_value(key) for key in mapping):
        return True
    if "_mlv" not in mapping:
        return False
    value = decode(mapping)
    if isinstance(value, bytes):
        return secret_value(value.replace(b"\0", b"").decode("latin-1"))  # zeros are removed for UTF-16
    leaves = _leaves(mapping) if not isinstance(value, str) else (value,)
    return any(isinstance(leaf, str) and secret_value(leaf) for leaf in leaves)


def _has_content(value: Any) -> bool:
    """Return whether *value* contains anything but None, booleans and empty strings."""
    # The truth of the value isn't used: an array has none, and 0 may be a PIN.
    return any(
        leaf if isinstance(leaf, (str, bytes)) else not isinstance(leaf, (type(None), bool, Redacted))
        for leaf in _leaves(value)
    )


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values in *value* that aren't containers; a shared container is visited once."""
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        value = todo.pop()
        if not isinstance(value, (Mapping, list, tuple)):
            yield value
        elif id(value) not in seen:
            seen[id(value)] = value
            todo.extend(value.values() if isinstance(value, Mapping) else value)


_SETTING = r"""[ \t]*(?:export |set |- )?["']?([\w.-]{1,80})["']?[ \t]*[:=][ \t]*([^\s"'(){}\[\],;<>$]+)[ \t]*\r?"""


def redact_lines(text: str) -> tuple[str, int]:
    """Return lines of a program, a configuration or a diff, with `<redacted>` instead of lines that look secret.

    A line is redacted if it is a `secret_value`, assigns a value to the name of a secret (`password: hunter2`), or is
    part of a private key. The first column of a diff and its line numbers aren't redacted.

    Returns:
        The lines, and the number of redacted lines.
    """
    lines = text.split("\n")
    count, in_key = 0, False
    for number, line in enumerate(lines):
        column = re.match(r"@@ [^@]* @@|[ +-]?", line)
        first = column[0] if column else ""
        rest = line[len(first) :]
        given = re.fullmatch(_SETTING, rest)
        in_key = in_key or ("-----BEGIN " in rest and "PRIVATE KEY" in rest)
        if in_key or secret_value(rest) or (given and secret_name(given[1]) and given[2].lower() not in _HARMLESS):
            lines[number] = first + "<redacted>"
            count += 1
        in_key = in_key and "-----END" not in rest
    return "\n".join(lines), count


_HARMLESS = ("", "true", "false", "none", "null")


def redact_argv(argv: list[str]) -> list[str | Redacted]:
    """Return the words of a command line without secrets; their number stays the same.

    `--api-key VALUE` becomes `--api-key` and `Redacted`; `--api-key=VALUE` becomes `--api-key=<redacted>`, and
    `db.password=VALUE` likewise. After an option in the plural, all words up to the next option are redacted.
    Credentials are removed from URLs; a word that is a `secret_value` becomes `Redacted`. Words such as true, false and
    none aren't redacted.

    Not recognized: one-letter options (`-p VALUE`), secrets given by position, and values that begin with a dash. A
    positional argument after a flag with the name of a secret is redacted, too.
    """
    words: list[str | Redacted] = []
    option = ""  # the option with the name of a secret to which the next word belongs
    for word in argv:
        name, equals, value = word.partition("=")
        if option and not word.startswith("-"):
            words.append(word if word.lower() in _HARMLESS else Redacted())
            if not option.endswith("s") or option.endswith("ss"):
                option = ""
        elif equals and re.fullmatch(r"[-+~]{0,2}[\w.@-]+", name):
            option = ""
            value = clean_url(value) if "://" in value else value
            secret = value.lower() not in _HARMLESS and (secret_name(name) or secret_value(value))
            words.append(f"{name}=<redacted>" if secret else f"{name}={value}")
        else:
            option = word if word.startswith("-") and secret_name(word) else ""
            word = clean_url(word) if "://" in word else word
            words.append(Redacted() if secret_value(word) else word)
    return words
