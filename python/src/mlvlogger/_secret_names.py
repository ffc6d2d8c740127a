"""Names of secrets, such as `api_key`, and the words that distinguish them from settings, such as `sort_key`."""

from __future__ import annotations

import re

__all__ = ["HINTS", "secret_name"]

# A name is a secret's if one of its words ends like this, as in password_prod, PGPASSWORD, client_secret and
# PBS_JOBCOOKIE, or is one of the next words.
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "passcode", "secret", "credential", "cookie")
_SECRET_WORDS = ["authorization", "bearer", "cred", "creds", "jwt", "otp", "pwd", "totp"]
# A name is a setting's if its last word is one of these, as in password_length and api_key_file, or its first word is
# one of `_PLAIN_BEGINNINGS`, as in num_secrets.
_PLAIN_ENDINGS = """
    age algorithm bits count days dim dims dir directory enabled env expiry field file filename format hours index
    layer layers len length loss manager max method min minutes mode name num path policy provider rate ratio
    required rotation seconds size strength timeout ttl type version weight
""".split()
_PLAIN_BEGINNINGS = ["avg", "max", "mean", "min", "n", "num", "total"]

# A key is a secret after a word for what it opens: api_key, ssh_key, wandb_key; not sort_key, key_dim, public_key.
_OWNERS = """
    access account admin ado aes anthropic api app application auth aws azure bitbucket clearml client cohere comet
    consumer crypto databricks decryption deepseek deploy dev developer devops encryption ext fernet gcp gemini gh git
    github gitlab google gpg groq hf hmac huggingface jwt kaggle langchain langsmith license master mistral mlflow
    neptune ngc nvidia oauth openai openrouter pgp pinecone private replicate root rsa runpod secret serpapi server
    service session signing slack ssh ssl storage stripe subscription swanlab tavily tls twilio vault wandb weaviate
    webhook
""".split()

# "pass" is a password as the last word, alone or after one of these words: smtp_pass; not forward_pass, pass_at_k.
_ACCOUNTS = """
    become broker database db email ftp http https imap jdbc ldap login mail mongo mysql pg postgres proxy rabbitmq
    redis rsync sftp smtp sql sudo user vnc vpn wifi
""".split()

# A token is a secret (hf_token, token), but not after a word about models: pad_token, image_token. The plural is a
# secret only after one of the first words: access_tokens; not max_tokens, openai_tokens.
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

# Every name of a secret matches this regular expression, so other names needn't be checked further.
HINTS = "pass|secret|cred|cookie|auth|bearer|jwt|otp|pwd|pw|key|pat|token"

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"  # authToken, HFToken, API_KEY, api-key-2, db.password
_COMPOUND = r"(.+?)(tokens?|keys?|pass|pat)"  # apikey, authtoken, sshpass; the rules ignore mon-key and by-pass


def secret_name(name: str) -> bool:
    """Return whether the name of a parameter, an option, a variable or a member looks like that of a secret.

    The English words of the name count, in any notation (`hf_token`, `--api-key`, `authToken`, `DB_PASSWORD`). For a
    dotted path, the whole path and its last part are checked. Not recognized: other languages, a bare `key`, and names
    that don't describe their value.
    """
    name = name[-300:]  # longer strings aren't names, and the time is quadratic in the number of words
    if not re.search(HINTS, name.lower()):
        return False
    return any(_are_secret_words(_words(part)) for part in {name, re.split("[./:]", name)[-1]})


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in re.findall(_WORD, name):
        compound = re.fullmatch(_COMPOUND, word.lower())
        words.extend(compound.groups() if compound else [word.lower()])
    return words


def _are_secret_words(words: list[str]) -> bool:
    if not words or words[0] in _PLAIN_BEGINNINGS or words[-1] in _PLAIN_ENDINGS:
        return False
    for number, word in enumerate(words):
        before, after = words[number - 1] if number else "", words[number + 1 :]
        if (
            word.removesuffix("s").endswith(_SECRET_ENDINGS)
            or word in _SECRET_WORDS
            or (word in ("key", "keys", "pat", "pats") and before in _OWNERS)
            or (word in ("pass", "pw") and not after and (before in _ACCOUNTS + _OWNERS or words == ["pass"]))
            or (word in ("auth", "oauth") and after in ([], ["header"], ["headers"]))
            or (word == "tokens" and before in _TOKEN_KINDS)
            # token_dim and token_type are settings; token_2 and token_github are tokens.
            or (word == "token" and before not in _MODEL_WORDS and all(w in _OWNERS or w.isdigit() for w in after))
        ):
            return True
    return False
