"""Secrets: what looks like one, and how it is kept out of a record.

A meta record is immutable and hashed, so a secret cannot be removed afterwards. This is a best effort, by names
and by well-known formats; where a name is unclear, a lost setting costs less than a leak. Nothing here reads the world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from ._format.decode import decode
from ._format.references import Redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["clean_url", "redact", "redact_argv", "redact_lines", "secret_name", "secret_value"]

# A word that ends like this is a secret wherever it is: password_prod, PGPASSWORD, client_secret, PBS_JOBCOOKIE,
_SECRETS = ("password", "passwd", "passphrase", "passcode", "secret", "credential", "cookie")
_SHORT = ["authorization", "bearer", "cred", "creds", "jwt", "otp", "pwd", "totp"]
# unless the name ends (password_length, api_key_file) or begins (num_secrets) with a word that makes it another thing.
_ABOUT = """
    age algorithm bits count days dim dims dir directory enabled env expiry field file filename format hours index
    layer layers len length loss manager max method min minutes mode name num path policy provider rate ratio
    required rotation seconds size strength timeout ttl type version weight
""".split()
_COUNTS = ["avg", "max", "mean", "min", "n", "num", "total"]

# A key is one when the word before says what it opens: api_key, ssh_key, wandb_key; not sort_key, key_dim, public_key.
_OWNERS = """
    access account admin ado aes anthropic api app application auth aws azure bitbucket clearml client cohere comet
    consumer crypto databricks decryption deepseek deploy dev developer devops encryption ext fernet gcp gemini gh git
    github gitlab google gpg groq hf hmac huggingface jwt kaggle langchain langsmith license master mistral mlflow
    neptune ngc nvidia oauth openai openrouter pgp pinecone private replicate root rsa runpod secret serpapi server
    service session signing slack ssh ssl storage stripe subscription swanlab tavily tls twilio vault wandb weaviate
    webhook
""".split()

# A pass is a password as the last word, alone or after one of these words: smtp_pass; not forward_pass, pass_at_k.
_ACCOUNTS = """
    become broker database db email ftp http https imap jdbc ldap login mail mongo mysql pg postgres proxy rabbitmq
    redis rsync sftp smtp sql sudo user vnc vpn wifi
""".split()

# A token is one (hf_token, token) unless the word before belongs to a model: pad_token, image_token. Several are one
# only after a word of the first kind: access_tokens; not max_tokens, openai_tokens.
_TOKEN_KINDS = ["access", "api", "auth", "bearer", "oauth", "refresh", "secret", "session"]
_MODEL_WORDS = """
    action added additional answer assistant audio average avg bar batch begin beginning blank boa boi bos bov byte
    call char choice class cls code common context control cost current decoder delimiter distill distillation doc
    document domain draft dummy each emb embedding empty encoder end eoa eod eof eoi eom eop eos eot eov every
    expert extra fake fill final first frame generated global goal human identifier ignore image img infix init
    initial initializer input instance instruction label lang language last latent learnable learned local mask
    masked max mean memory middle min modality modifier motion multi n new newline next noise null num number object
    oov output pad padding patch per placeholder point pool pooling pos position positional pre prediction prefix
    prev previous prompt query question random rare reasoning region register response reward role segment sentence
    sep separator seq sequence sink soft sos sot source space special speech src start state stop style sub subject
    subword suffix summary system tail target task teacher text tgt think thinking time timestamp tool total trigger
    turn unique unk unknown video vision visual vocab vocabulary voice word
""".split()

# One of these is in every name of a secret: what has none needs no closer look.
_HINTS = "pass|secret|cred|cookie|auth|bearer|jwt|otp|pwd|pw|key|pat|token"

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"  # authToken, HFToken, API_KEY, api-key-2, db.password
_GLUED = r"(.+?)(tokens?|keys?|pass|pat)"  # apikey, authtoken, sshpass; to the rules, mon-key and by-pass are harmless


def secret_name(name: str) -> bool:
    """Does *name*, of a parameter, an option, a variable or a member, look like that of a secret?

    It is judged by its English words in any spelling (`hf_token`, `--api-key`, `authToken`, `DB_PASSWORD`); of a dotted
    path the whole and the last part are. Not caught: other languages, a bare `key`, and names that hide what they hold.
    """
    name = name[-300:]  # more isn't a name, and would take time quadratic in its words
    if not re.search(_HINTS, name.lower()):
        return False
    return any(_secret_words(_words(part)) for part in {name, re.split("[./:]", name)[-1]})


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in re.findall(_WORD, name):
        glued = re.fullmatch(_GLUED, word.lower())
        words.extend(glued.groups() if glued else [word.lower()])
    return words


def _secret_words(words: list[str]) -> bool:
    if not words or words[0] in _COUNTS or words[-1] in _ABOUT:
        return False
    for number, word in enumerate(words):
        before, after = words[number - 1] if number else "", words[number + 1 :]
        if (
            word.removesuffix("s").endswith(_SECRETS)
            or word in _SHORT
            or (word in ("key", "keys", "pat", "pats") and before in _OWNERS)
            or (word in ("pass", "pw") and not after and (before in _ACCOUNTS + _OWNERS or words == ["pass"]))
            or (word in ("auth", "oauth") and after in ([], ["header"], ["headers"]))
            or (word == "tokens" and before in _TOKEN_KINDS)
            # token_dim and token_type are settings; token_2 and token_github are tokens.
            or (word == "token" and before not in _MODEL_WORDS and all(w in _OWNERS or w.isdigit() for w in after))
        ):
            return True
    return False


# Formats of credentials: literals that begin one, and what follows; LENGTH is that of the literal. The literals are
# looked for first, which is quick, and a repeat without a bound cannot run over the start of another match: so the
# search takes time linear in the text.
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
_LONG = r"[^\s\"',]{15,}"  # each of these formats is one piece of this form; the next ones have blanks in them
_BLANKS = r"PRIVATE KEY(?: BLOCK)?-----|[Bb]earer [A-Za-z0-9+/._~=-]{20}|Authorization: ?\w"

# A name of a secret that is given a value: up to its = or : here, the value and an option without an equals sign there.
_NAMED = rf"(?:{_HINTS})[\w.-]{{0,80}}[\"']?([ \t]*)([=:])"
_BARE = r"""(?i)["']?(?!(?:null|none|true|false)\b|<redacted>)[^\s"',;&}\]=]"""
_QUOTED = r"""[ \t]*[rbfuRBFU]?["'](?!["'<])"""
_OPTION = r"""(--[A-Za-z][\w.-]{1,80}) +(?!-)["']?[^\s"'<]"""
# The text begins like an object, and not like a template. Two `\s*` in a row would take quadratic time.
_JSON = r"\s*(?:\[\s*)?\{(?![%{#])"


def secret_value(text: str) -> bool:
    """Does *text* hold a credential of a well-known format, anywhere in it?

    That is a token by its prefix, a private key, a JSON Web Token, a URL that `clean_url` would cut, and a value given
    to a secret name: `name=value`, `name = "value"`, `"name": "value"`, `--name value`. Not caught: passwords, and keys
    without a distinctive form, such as forty hexadecimal digits. Takes time linear in the text.
    """
    return _has_format(text) or ("://" in text and any(map(_secret_url, text.split()))) or _gives_secret(text)


def _has_format(text: str) -> bool:
    if re.search(_BLANKS, text):
        return True
    if not (pieces := re.findall(_LONG, text)):
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
    """The formats by a mark, a character that most texts lack; made at the first use, not at the import."""
    formats: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for line in _FORMATS.split("\n")[1:-1]:
        *literals, rest = line.split()
        for literal in literals:
            mark = next((char for char in literal if not char.isalnum()), literal)
            pattern = re.compile(re.escape(literal) + rest.replace("LENGTH", str(len(literal))), re.DOTALL)
            formats.setdefault(mark, []).append((literal, pattern))
    return formats


def _gives_secret(text: str) -> bool:
    is_json = re.match(_JSON, text)
    lower = text.replace("\u0130", "I").lower()  # of equal length: that letter alone becomes two
    for match in re.finditer(_NAMED, lower):
        end, (blanks, sign) = match.end(), match.groups()
        before = re.match(r"[\w.-]*", text[max(0, match.start() - 80) : match.start()][::-1])
        begin = match.start() - len(before[0] if before else "")
        # A bare value only where nothing else can be meant: prose may speak of a token: this one.
        bare = is_json or (sign == "=" and not blanks)
        if (
            not (begin and text[begin - 1] == "/" and sign == "=")  # a part of a path: bucket/token=5/part
            and (re.match(_QUOTED, text[end : end + 80]) or (bare and re.match(_BARE, text[end : end + 80].lstrip())))
            and secret_name(text[begin : match.end(0)].rstrip("=: \t\"'"))
        ):
            return True
    return "--" in text and any(secret_name(match[1]) for match in re.finditer(_OPTION, text))


# A password with an unescaped / ? or # in it ends the host early (second form); what is a port is digits only.
_URL_PASSWORD = r"://(?:[^\s/?#:]*:[^\s/?#]*@|[^\s/?#:@\[]*:(?![0-9]*[/?#])\S{1,256}@)"
_URL_USER = r"((?:http|ftp)s?://)[^\s/?#@]*@"
_SCP = r"(?s)([^\s/\\@:]+)(:[^\s\\]*)?@([^\s/\\@:]+:.*)"  # (?s): a `.*` that fails at a line feed is tried at each @


def clean_url(text: str) -> str:
    """Cut the credentials from a URL, such as that of a git remote.

    Of a URL with a password, one of HTTP or FTP with a user name (it may be a token), and one whose query looks secret,
    the user information, the query and the fragment go; of `user:password@host:path` what is before the host. All else
    is returned as it is: `git@host:path`, `ssh://git@host/path`, `abfss://container@account/path`, a local path.
    """
    if "://" not in text:
        scp = re.fullmatch(_SCP, text)
        return scp[3] if scp and (scp[2] or _has_format(scp[1])) else text
    clean = re.sub(_URL_USER, r"\1", re.sub(_URL_PASSWORD, "://", text))
    if clean != text or _secret_query(text) or _has_format("".join(re.findall(r"[?#]\S*", text))):
        clean = re.sub(r"[?#]\S*", "", clean)
    return clean


def _secret_url(text: str) -> bool:
    return "://" in text and bool(re.search(_URL_PASSWORD, text) or re.search(_URL_USER, text) or _secret_query(text))


def _secret_query(url: str) -> bool:
    # In a query a bare key is one to the service, and a signature opens what it signs.
    return any(
        name.lower().endswith(("key", "sig", "signature")) or secret_name(name)
        for name in re.findall(r"[?&;#]([^\s?&;#=]{1,100})", url)
    )


def redact(value: Any, name: str | None = None) -> Any:
    """Return a copy of *value* in which `Redacted` replaces values that look like secrets.

    That is every string that is a `secret_value`, and under a `secret_name`, alone or after the name around it
    (`openai: {key: …}`), all that could reveal something: numbers, which may be PINs, whole containers, any object.
    None, booleans and what is empty stay. A list of strings with an option among them is treated as a command line.
    A mapping goes as a whole where one of its keys is a secret, or where it is a typed value that holds one.

    Mappings become dicts, and tuples lists, as in a record, at any depth; a cycle stays one. Other objects stay the
    same and aren't inspected, so encode values first.
    """
    # By the identity of a container and the name around its parts: it (kept alive, or its id could become another's)
    # and its copy. So a part that is shared is copied once, and no depth is too deep.
    copies: dict[tuple[int, str], tuple[Any, Any]] = {}
    todo: list[tuple[Any, Any, str]] = []

    def copy(value: Any, name: Any, around: str) -> Any:
        if isinstance(name, str) and secret_name(around + "." + name) and _reveals(value):
            return Redacted()
        if isinstance(value, str):
            return Redacted() if secret_value(value) else value
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        if isinstance(value, Mapping) and _holds_secret(value):
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


def _holds_secret(mapping: Mapping[Any, Any]) -> bool:
    if any(isinstance(key, str) and len(key) >= 12 and secret_value(key) for key in mapping):
        return True
    if "_mlv" not in mapping:
        return False
    value = decode(mapping)
    if isinstance(value, bytes):
        return secret_value(value.replace(b"\0", b"").decode("latin-1"))  # without zeros: of UTF-16, too
    leaves = _leaves(mapping) if not isinstance(value, str) else (value,)
    return any(isinstance(leaf, str) and secret_value(leaf) for leaf in leaves)


def _reveals(value: Any) -> bool:
    """Is there anything in *value* but None, booleans and empty strings?"""
    # Not by its truth: an array has none, and 0 may be a PIN.
    return any(
        leaf if isinstance(leaf, (str, bytes)) else not isinstance(leaf, (type(None), bool, Redacted))
        for leaf in _leaves(value)
    )


def _leaves(value: Any) -> Iterator[Any]:
    """What is in *value* and isn't a container itself; of a part that is shared, once."""
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        value = todo.pop()
        if not isinstance(value, (Mapping, list, tuple)):
            yield value
        elif id(value) not in seen:
            seen[id(value)] = value
            todo.extend(value.values() if isinstance(value, Mapping) else value)


_LINE = r"""[ \t]*(?:export |set |- )?["']?([\w.-]{1,80})["']?[ \t]*[:=][ \t]*([^\s"'(){}\[\],;<>$]+)[ \t]*\r?"""


def redact_lines(text: str) -> tuple[str, int]:
    """Return lines of a program, a setting or a diff, with `<redacted>` for those that look secret; and their number.

    That is a line that is a `secret_value` or gives a secret name a value (`password: hunter2`), and a private key from
    its first to its last line. The first column of a diff and its line numbers stay.
    """
    lines = text.split("\n")
    count, in_key = 0, False
    for number, line in enumerate(lines):
        column = re.match(r"@@ [^@]* @@|[ +-]?", line)
        first = column[0] if column else ""
        rest = line[len(first) :]
        given = re.fullmatch(_LINE, rest)
        in_key = in_key or ("-----BEGIN " in rest and "PRIVATE KEY" in rest)
        if in_key or secret_value(rest) or (given and secret_name(given[1]) and given[2].lower() not in _NOTHING):
            lines[number] = first + "<redacted>"
            count += 1
        in_key = in_key and "-----END" not in rest
    return "\n".join(lines), count


_NOTHING = ("", "true", "false", "none", "null")


def redact_argv(argv: list[str]) -> list[str | Redacted]:
    """The words of a command line, one for one, without its secrets.

    `--api-key VALUE` becomes `--api-key` and `Redacted`; `--api-key=VALUE` and `db.password=VALUE` keep what is before
    the value: `--api-key=<redacted>`. After an option in the plural all words up to the next option go. Credentials are
    cut from URLs; a word that is a `secret_value` is `Redacted`. Words such as true, false and none stay.

    Not caught: one-letter options (`-p VALUE`), secrets given by position, and values that begin with a dash. A
    positional argument after a flag that is named like a secret is lost.
    """
    words: list[str | Redacted] = []
    option = ""  # the secret one that the next word belongs to
    for word in argv:
        name, equals, value = word.partition("=")
        if option and not word.startswith("-"):
            words.append(word if word.lower() in _NOTHING else Redacted())
            if not option.endswith("s") or option.endswith("ss"):
                option = ""
        elif equals and re.fullmatch(r"[-+~]{0,2}[\w.@-]+", name):
            option = ""
            value = clean_url(value) if "://" in value else value
            secret = value.lower() not in _NOTHING and (secret_name(name) or secret_value(value))
            words.append(f"{name}=<redacted>" if secret else f"{name}={value}")
        else:
            option = word if word.startswith("-") and secret_name(word) else ""
            word = clean_url(word) if "://" in word else word
            words.append(Redacted() if secret_value(word) else word)
    return words
