"""Meta records: making and publishing them (specification 1.0, chapter Meta)."""

from __future__ import annotations

import hashlib
import json
import os

from .._disk.folder import Folder
from .._disk.publish import publish
from .._errors import AlreadyRecorded, CannotEncode, InvalidRecord
from .._format.convert import is_mapping
from .._format.encode import encode
from .._format.json import MAX_RECORD, dumps
from .._format.line import now
from .._format.meta import Meta, are_same, fold
from .._format.references import Redacted
from .._format.refusal import refusal
from .._messages import qualname, short, warn_once
from .._secrets import redact as redact_secrets
from .._secrets import secret_value
from .._version import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .._format.refusal import Problem

__all__ = ["add", "create", "members"]


def members(params: Any, extra: Any, tags: Iterable[str], description: str | None, redact: bool) -> dict[str, Any]:
    """The members of a meta record that the caller gives, as trees. Raises CannotEncode, TypeError, ValueError."""
    members: dict[str, Any] = {}
    refused: list[Problem] = []
    for name, value in (("params", params), ("extra", extra)):
        if value is not None:
            members[name] = _tree(name, value, refused)
    if refused:
        raise refusal(refused)
    if redact:
        for name in ("params", "extra"):
            if name in members:
                members[name] = _without_secrets(name, members[name])
    kept_back: list[str] = []
    tags = [tags] if isinstance(tags, str) else list(tags)
    for tag in tags:
        if not issubclass(type(tag), str) or not tag:
            raise ValueError(f"the tag {short(tag)} isn't a non-empty string.")
    if tags:
        texts = [_given_text(f"tag {number}", tag, redact, kept_back) for number, tag in enumerate(tags)]
        members["tags"] = list(dict.fromkeys(texts))
    if description is not None:
        members["description"] = _given_text("description", description, redact, kept_back)
    _warn_of_secrets(kept_back)
    return members


def _given_text(what: str, text: Any, redact: bool, kept_back: list[str]) -> str:
    """A string of the caller, unless it looks like a secret; then *what* it is, is added to *kept_back*."""
    try:
        exact = str.__str__(text)
        exact.encode("utf-8")
    except TypeError:
        raise TypeError(f"{what} is {short(text)}; it must be a string.") from None
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {short(text)}; it must not have a lone surrogate.") from None
    if redact and secret_value(exact):
        kept_back.append(what)
        return "<redacted>"  # by the specification they are strings: no typed value can replace one
    return exact


def _tree(name: str, value: Any, refused: list[Problem]) -> dict[str, Any]:
    tree = encode(value, path=name, depth=2, refused=refused) if is_mapping(value) else None
    if type(tree) is not dict:  # or a configuration that is none
        raise TypeError(
            f"{name} is {short(value)}, a {qualname(type(value))}: "
            "give a mapping, a dataclass or an argparse namespace."
        )
    return tree


def _without_secrets(name: str, tree: dict[str, Any]) -> dict[str, Any]:
    kept_back: list[str] = []
    tree = _with_typed(redact_secrets(tree), [name], kept_back)
    _warn_of_secrets(kept_back)
    return tree


def _warn_of_secrets(kept_back: list[str]) -> None:
    if kept_back:
        more = f" and {len(kept_back) - 10} more" if len(kept_back) > 10 else ""
        names = ", ".join(kept_back[:10]) + more
        warn_once(f"{names} looks like a secret and was recorded as redacted; redact=False records it")


def _with_typed(tree: Any, at: list[str], kept_back: list[str]) -> Any:
    """The tree with typed values for `Redacted`; *at* leads to it."""
    if isinstance(tree, Redacted):
        kept_back.append("".join(at))
        return {"_mlv": "redacted"}
    if isinstance(tree, dict):
        return {key: _with_typed(value, [*at, f".{key[:100]}"], kept_back) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_typed(value, [*at, f"[{number}]"], kept_back) for number, value in enumerate(tree)]
    return tree


def create(folder: Folder, name: str, kind: str, new: dict[str, Any]) -> Meta:
    """Publish meta.json: the moment an experiment exists. *new* are its other members, as trees.

    Raises FileExistsError where there is one (`writer.meta-once`), CannotEncode where it is too large, and OSError.
    """
    record = {
        "mlv": SPEC_VERSION,
        "name": name,
        "kind": kind,
        "created": now(),
        "nonce": os.urandom(16).hex(),
        **new,
    }
    data = _encoded(record)
    publish(folder, "meta.json", data)
    digest = hashlib.sha256(data).hexdigest()
    meta = Meta("sha256:" + digest)
    fold(meta, "meta.json", record, digest)
    return meta


def add(directory: Folder, meta: Meta, new: dict[str, Any], load: Callable[[], Meta]) -> Meta:
    """Publish the next addition with what is new in *new*, and return all records with it.

    Equal values of `params` and `extra` that are recorded already are left out, and so are tags.

    Args:
        meta: The records, as they were read a moment ago.
        load: Reads them again, without environments.

    Raises:
        AlreadyRecorded: a name is there with another value; nothing was written.
        the errors of *load*, and OSError.
    """
    while True:
        if meta.problems:
            name, message = meta.problems[0]
            raise InvalidRecord(
                f"{os.path.join(directory.path, name)}: {message}. Nothing can be added to damaged records. "
                "Run mlv-validate for details."
            )
        record = {
            "mlv": SPEC_VERSION,
            "experiment": meta.id,
            "previous": "sha256:" + meta.digests[-1],
            "created": now(),
            **_new(meta, new),
        }
        data = _encoded(record)
        number = len(meta.digests) + 1
        try:
            with Folder(directory, "meta") as folder:
                publish(folder, f"{number}.json", data)
        except FileExistsError:
            # Another script was faster: its record is read, and the next number tried (`writer.number`).
            meta = load()
            if len(meta.digests) < number:
                raise
            continue
        fold(meta, f"meta/{number}.json", record, hashlib.sha256(data).hexdigest())
        return meta


def _new(meta: Meta, given: dict[str, Any]) -> dict[str, Any]:
    new = dict(given)
    for member, effective in (("params", meta.params), ("extra", meta.extra)):
        values = new.pop(member, {})
        for key, value in values.items():
            if key in effective and not are_same(effective[key], value):
                raise AlreadyRecorded(
                    f"{member}.{key} is {effective[key]!r} in the meta of {meta.records[0]['name']} and cannot become "
                    f"{value!r}: "
                    f"what is recorded stays. Give the new value another name, or make a new experiment.",
                    f"{member}.{key}",
                )
        if values := {key: value for key, value in values.items() if key not in effective}:
            new[member] = values
    if tags := [tag for tag in new.pop("tags", []) if tag not in meta.tags]:
        new["tags"] = tags
    new["environment"] = new.pop("environment")  # last, as `without_environment` wants it
    return new


def _encoded(record: dict[str, Any]) -> bytes:
    data = (json.dumps(record, allow_nan=False, indent=2) + "\n").encode("ascii")
    if len(data) > MAX_RECORD:
        sizes = {
            f"{member}.{name}": len(dumps(value))
            for member in ("params", "extra")
            for name, value in record.get(member, {}).items()
        }
        path = max(sizes, key=lambda path: sizes[path], default="description")
        raise CannotEncode(
            f"a meta record of {len(data)} bytes is larger than {MAX_RECORD}; most of it is {path[:100]}. "
            "Attach large parameters as a file and refer to it.",
            path,
        )
    return data
