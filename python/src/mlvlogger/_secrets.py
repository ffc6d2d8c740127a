"""Secrets: what looks like one, and how it is kept out of a record.

A meta record is immutable and hashed, so a secret cannot be taken out of it afterwards. This is a best effort, by names
and by well-known formats; where a name is unclear, a lost setting costs less than a leak. Nothing here reads the world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._values import Redacted

__all__ = ["clean_url", "redact", "redact_argv", "secret_name", "secret_value"]

# A word that ends like this is a secret wherever it stands: password_prod, PGPASSWORD, client_secret, PBS_JOBCOOKIE,
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

# A pass is a password as the last word, alone or after such a word: smtp_pass; not forward_pass, pass_at_k.
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

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"  # authToken, HFToken, API_KEY, api-key-2, db.password
_GLUED = r"(.+?)(tokens?|keys?|pass|pat)"  # apikey, authtoken, sshpass; to the rules, mon-key and by-pass are harmless


def secret_name(name: str) -> bool:
    """Does *name*, of a parameter, an option, a variable or a member, look like that of a secret?

    It is judged by its English words in any spelling (`hf_token`, `--api-key`, `authToken`, `DB_PASSWORD`); of a dotted
    path the whole and the last part are. Not caught: other languages, a bare `key`, and names that hide what they hold.
    """
    return any(_secret_words(_words(part)) for part in {name, re.split("[./:]", name)[-1]})


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in re.findall(_WORD, name[-300:]):  # more is no name, and would take time quadratic in its words
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


# Formats of credentials. Each begins with literal characters, so that the search can skip, and is linear: a repeat
# without a bound cannot run over the start of another match. A string: its first use compiles it, not the import.
_FORMATS = r"""(?x)
    gh[opsur]_[A-Za-z0-9]{30} | github_pat_\w{30} | gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent)-[\w-]{20} | glsa_\w{30}
    | hf_[A-Za-z0-9]{30} | api_org_[A-Za-z]{30} | wandb_v1_\w{30} | r8_[A-Za-z0-9]{37} | gsk_[A-Za-z0-9]{40}
    | nvapi-[\w-]{40} | xai-[A-Za-z0-9]{40} | pplx-[A-Za-z0-9]{40} | tvly-[\w-]{20} | rpa_[A-Z0-9]{30} | pcsk_\w{30}
    | lsv2_(?:pt|sk)_\w{30} | dapi[0-9a-f]{32} | bedrock-api-key- | ntn_[A-Za-z0-9]{40}
    | sk-(?<![A-Za-z0-9]sk-)(?:ant|proj|svcacct|admin|None|or|lf)-[\w-]{20}
    | sk-(?<![A-Za-z0-9]sk-)(?=[A-Za-z]{0,20}[0-9])[A-Za-z0-9]{20}
    | [rs]k_(?:live|test)_[A-Za-z0-9]{16} | whsec_[A-Za-z0-9+/]{20}
    | A(?:KIA|SIA|BIA|CCA)(?<![A-Z0-9].{4})[A-Z0-9]{16}(?![A-Z0-9]) | ABSK[A-Za-z0-9+/]{100} | LTAI[A-Za-z0-9]{20}
    | AIza[\w-]{35} | GOCSPX-[\w-]{20} | ya29\.[\w-]{20}
    | xox[abceoprs]-[\w-]{10} | xapp-[0-9]-[\w-]{10} | hooks\.slack\.com/(?:services|workflows|triggers)/\w
    | discord(?:app)?\.com/api/webhooks/[0-9] | webhook\.office\.com/webhookb2/\w | [0-9]{8,10}:AA[\w-]{33}
    | npm_[A-Za-z0-9]{36} | pypi-AgE[\w-]{16} | dckr_[op]at_[\w-]{20} | SG\.[\w-]{16,}\.[\w-]{16}
    | do[opr]_v1_[a-f0-9]{64} | hv[bs]\.[\w-]{24} | \.atlasv1\.[\w-]{30} | AT[AC]TT3[\w-]{30}
    | shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32} | PMAK-[a-f0-9]{24} | sntry[su]_[\w-]{30} | tskey-[\w-]{20} | AGE-SECRET-KEY-1
    | \.eyJ(?<=[\w-]{10}\.eyJ)[\w-]{10,}\.[\w-]{5}  # JSON Web Token: its payload, too, is an object in base64
    | -----BEGIN\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY | PuTTY-User-Key-File
    | [Bb]earer\ [A-Za-z0-9+/._~=-]{20} | Authorization:\ ?\w
    | (?:Account|SharedAccess)Key=[A-Za-z0-9+/]{20} | (?:[Pp]assword|PASSWORD|[Pp]asswd|[Pp]wd|PWD)=[^\s;<]
"""
# name=value, {"name": "value"}, {name: value}
_ASSIGNED = r"""(?xi) (?: (?<![\w./-])([\w.-]{1,80})= | [{,]\s*["']?([\w.-]{1,80})["']?\s*:\s* )
    ["']?(?!(?:null|none|true|false)\b|<redacted>)[^\s"',;&}\]]"""


def secret_value(text: str) -> bool:
    """Does *text* hold a credential of a well-known format, anywhere in it?

    That is a token by its prefix, a private key, a JSON Web Token, a URL that `clean_url` would cut, and, where the
    text has no blanks or begins like a JSON object, a value given to a secret name. Not caught: passwords, and keys
    without a form of their own, such as forty hexadecimal digits. Takes time linear in the text.
    """
    if re.search(_FORMATS, text) or ("://" in text and clean_url(text) != text):
        return True
    # Not in all texts: a prompt is a parameter, and prose may speak of tokens and keys.
    if ("=" in text and not re.search(r"\s", text)) or re.match(r"\s*\[?\s*\{(?![%{#])", text):
        return any(secret_name(match[1] or match[2]) for match in re.finditer(_ASSIGNED, text))
    return False


# A password with an unescaped / ? or # in it ends the host early (second form); what is a port is digits only.
_URL_PASSWORD = r"://(?:[^\s/?#:]*:[^\s/?#]*@|[^\s/?#:@\[]*:(?![0-9]*[/?#])\S{1,256}@)"
_URL_USER = r"((?:http|ftp)s?://)[^\s/?#@]*@"
_SCP = r"([^\s/\\@:]+)(:[^\s\\]*)?@([^\s/\\@:]+:.*)"


def clean_url(text: str) -> str:
    """Cut the credentials from a URL, such as that of a git remote.

    Of a URL with a password, one of HTTP or FTP with a user name (it may be a token), and one whose query looks secret,
    the user information, the query and the fragment go; of `user:password@host:path` what is before the host. All else
    is returned as it is: `git@host:path`, `ssh://git@host/path`, `abfss://container@account/path`, a local path.
    """
    if "://" not in text:
        scp = re.fullmatch(_SCP, text)
        return scp[3] if scp and (scp[2] or re.search(_FORMATS, scp[1])) else text
    clean = re.sub(_URL_USER, r"\1", re.sub(_URL_PASSWORD, "://", text))
    if clean != text or _secret_query(text):
        clean = re.sub(r"[?#]\S*", "", clean)
    return clean


def _secret_query(url: str) -> bool:
    members = re.findall(r"[?&;#]([^\s?&;#=]{1,100})(?:=([^\s&;#]*))?", url)
    # In a query a bare key is one to the service, and a signature opens what it signs.
    return any(
        name.lower().endswith(("key", "sig", "signature"))
        or secret_name(name)
        or re.search(_FORMATS, f"{name}={value}")
        for name, value in members
    )


def redact(value: Any, name: str | None = None) -> Any:
    """A copy of *value* in which `Redacted` stands for what looks like a secret.

    That is every string that is a `secret_value`, and under a `secret_name`, alone or after the name around it
    (`openai: {key: …}`), all that could reveal something: numbers, which may be PINs, whole containers, any object.
    None, booleans and what is empty stay. A list of strings with an option among them is treated as a command line.

    Mappings become dicts, and tuples lists, as in a record, at any depth; a cycle stays one. Other objects stay the
    same and are not looked into, so encode values first. Nor are the keys of mappings looked at.
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


def _reveals(value: Any) -> bool:
    """Is there anything in *value* but None, booleans and empty strings?"""
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, (Mapping, list, tuple)):
            if id(value) not in seen:
                seen[id(value)] = value
                todo.extend(value.values() if isinstance(value, Mapping) else value)
        # Not by its truth: an array has none, and 0 may be a PIN.
        elif value if isinstance(value, (str, bytes)) else not isinstance(value, (type(None), bool, Redacted)):
            return True
    return False


_NOTHING = ("", "true", "false", "none", "null")


def redact_argv(argv: list[str]) -> list[str | Redacted]:
    """The words of a command line, one for one, without its secrets.

    `--api-key VALUE` becomes `--api-key` and `Redacted`; `--api-key=VALUE` and `db.password=VALUE` keep what is before
    the value: `--api-key=<redacted>`. After an option in the plural all words up to the next option go. Credentials are
    cut from URLs; a word that is a `secret_value` is `Redacted`. Words such as true, false and none stay.

    Not caught: one-letter options (`-p VALUE`), secrets given by position or inside a word with blanks, and values that
    begin with a dash. A positional argument after a flag that is named like a secret is lost.
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
