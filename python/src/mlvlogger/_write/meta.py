"""Creates and publishes metadata records (specification 1.0, chapter Metadata)."""

from __future__ import annotations

import hashlib
import json
import os

from .._disk.folder import Folder
from .._disk.publish import publish
from .._errors import CannotEncode, InvalidRecord
from .._format.convert import is_mapping
from .._format.decode import decode
from .._format.encode import encode
from .._format.json import MAX_RECORD, dumps
from .._format.line import now
from .._format.meta import Meta, are_same, fold
from .._format.names import DEFAULT_STREAM
from .._format.references import Redacted
from .._format.refusal import refusal
from .._messages import a_type, brief, short, warn, warn_once
from .._secrets import redact as redact_secrets
from .._secrets import secret_value
from .._version import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .._format.refusal import Problem

__all__ = ["add", "create", "members"]

_LISTED = 5  # changed values in a warning


def members(params: Any, extra: Any, tags: Iterable[str], description: str | None, redact: bool) -> dict[str, Any]:
    """Encode the members of a metadata record that the user gives.

    Args:
        params: The parameters: a mapping or another object that `Exp` accepts; None for none.
        extra: Other data, as for *params*.
        tags: The tags.
        description: The description, or None.
        redact: Whether to redact values that look like secrets.

    Raises:
        CannotEncode: If values have no form in a record.
        TypeError: If *params* or *extra* isn't a mapping, or the description isn't a string.
        ValueError: If a tag isn't a non-empty string, or a string has a lone surrogate.
    """
    members: dict[str, Any] = {}
    refused: list[Problem] = []
    for name, value in (("params", params), ("extra", extra)):
        if value is not None:
            members[name] = _encode_mapping(name, value, refused)
    if refused:
        raise refusal(refused)
    if redact:
        for name in ("params", "extra"):
            if name in members:
                members[name] = _redact_tree(name, members[name])
    redacted: list[str] = []
    tags = [tags] if isinstance(tags, str) else list(tags)
    for tag in tags:
        if not issubclass(type(tag), str) or not tag:
            raise ValueError(f"the tag {short(tag)} isn't a non-empty string.")
    if tags:
        texts = [_redact_text(f"tag {number}", tag, redact, redacted) for number, tag in enumerate(tags)]
        members["tags"] = list(dict.fromkeys(texts))
    if description is not None:
        members["description"] = _redact_text("description", description, redact, redacted)
    _warn_of_secrets(redacted)
    return members


def _redact_text(what: str, text: Any, redact: bool, redacted: list[str]) -> str:
    """Return a string of the user, or "<redacted>" if it looks like a secret.

    Args:
        what: The name of the string for messages. It is added to *redacted* if the string looks like a secret.
        text: The string.
        redact: Whether to redact.
        redacted: The names of all redacted values.
    """
    try:
        exact = str.__str__(text)
        exact.encode("utf-8")
    except TypeError:
        raise TypeError(f"{what} is {short(text)}; it must be a string.") from None
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {short(text)}; it must not have a lone surrogate.") from None
    if redact and secret_value(exact):
        redacted.append(what)
        return "<redacted>"  # not a typed value: the specification demands a string
    return exact


def _encode_mapping(name: str, value: Any, refused: list[Problem]) -> dict[str, Any]:
    """Encode `params` or `extra`. Problems are added to *refused*."""
    tree = encode(value, path=name, depth=2, refused=refused) if is_mapping(value) else None
    if type(tree) is not dict:  # a configuration object may be a list, too
        raise TypeError(
            f"{name} is {short(value)}, {a_type(value)}: give a mapping, a dataclass or an argparse namespace."
        )
    return tree


def _redact_tree(name: str, tree: dict[str, Any]) -> dict[str, Any]:
    """Replace values that look like secrets, and warn about them."""
    redacted: list[str] = []
    tree = _replace_redacted(redact_secrets(tree), [name], redacted)
    _warn_of_secrets(redacted)
    return tree


def _warn_of_secrets(redacted: list[str]) -> None:
    if redacted:
        more = f" and {len(redacted) - 10} more" if len(redacted) > 10 else ""
        names = ", ".join(redacted[:10]) + more
        warn_once(f"{names} looks like a secret and was recorded as redacted; redact=False records it")


def _replace_redacted(tree: Any, path: list[str], redacted: list[str]) -> Any:
    """Replace each `Redacted` in a tree by its typed value.

    Args:
        tree: The tree.
        path: The path of the tree, in parts.
        redacted: The paths of all replaced values.
    """
    if isinstance(tree, Redacted):
        redacted.append("".join(path))
        return {"_mlv": "redacted"}
    if isinstance(tree, dict):
        return {key: _replace_redacted(value, [*path, f".{key[:100]}"], redacted) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_replace_redacted(value, [*path, f"[{number}]"], redacted) for number, value in enumerate(tree)]
    return tree


def create(folder: Folder, name: str, kind: str, new: dict[str, Any]) -> Meta:
    """Publish meta.json. From then on the experiment exists.

    Args:
        folder: The directory of the experiment.
        name: The name of the experiment.
        kind: Its kind.
        new: The other members, encoded.

    Raises:
        FileExistsError: If there is a meta.json (`writer.meta-once`).
        CannotEncode: If the record is too large.
        OSError: If the system refuses.
    """
    record = {
        "mlv": SPEC_VERSION,
        "name": name,
        "kind": kind,
        "created": now(),
        "nonce": os.urandom(16).hex(),
        **new,
    }
    data = _record_bytes(record)
    publish(folder, "meta.json", data)
    digest = hashlib.sha256(data).hexdigest()
    meta = Meta("sha256:" + digest)
    fold(meta, "meta.json", record, digest)
    return meta


def add(
    directory: Folder, meta: Meta, new: dict[str, Any], load: Callable[[], Meta], stream: Callable[[int], str]
) -> Meta:
    """Publish the next addition, and return all records with it.

    Values of `params` and `extra` that are in force already, recorded tags and recorded descriptions are left out. If
    nothing is left, and no environment is given, no addition is published.

    Args:
        directory: The directory of the experiment.
        meta: The records, as they were read a moment ago.
        new: The members of the addition, encoded.
        load: Reads the records again, without environments. Its errors are raised.
        stream: Returns the path of the stream that the addition is made for, given the number of the addition.

    Raises:
        InvalidRecord: If the records are damaged.
        CannotEncode: If the addition is too large.
        OSError: If the system refuses.
    """
    is_reported = False
    while True:
        if meta.problems:
            name, message = meta.problems[0]
            raise InvalidRecord(
                f"{os.path.join(directory.path, name)}: {message}. Nothing can be added to damaged records. "
                "Run mlv-validate for details."
            )
        number = len(meta.digests) + 1
        path = stream(number)
        unrecorded = _unrecorded(meta, new, None if path == DEFAULT_STREAM else path)
        if not unrecorded:
            return meta
        if "changes" in unrecorded and "environment" in new and path == DEFAULT_STREAM and not is_reported:
            _warn_of_changes(meta, unrecorded["changes"], directory.path)
            is_reported = True
        record = {
            "mlv": SPEC_VERSION,
            "experiment": meta.id,
            "previous": "sha256:" + meta.digests[-1],
            "created": now(),
            **({} if path == DEFAULT_STREAM else {"stream": path}),
            **unrecorded,
        }
        data = _record_bytes(record)
        try:
            with Folder(directory, "meta") as folder:
                publish(folder, f"{number}.json", data)
        except FileExistsError:
            # Another script was faster: read its record, and try the next number (`writer.number`).
            meta = load()
            if len(meta.digests) < number:
                raise
            continue
        fold(meta, f"meta/{number}.json", record, hashlib.sha256(data).hexdigest())
        return meta


def _unrecorded(meta: Meta, given: dict[str, Any], stream: str | None) -> dict[str, Any]:
    """Return the members of an addition without the values that are recorded already.

    Args:
        meta: The records so far.
        given: The members, encoded.
        stream: The stream that the addition is made for, None for the default stream.
    """
    new = {name: value for name, value in given.items() if name not in ("params", "extra", "environment")}
    changes: dict[str, Any] = {}
    for member in ("params", "extra"):
        values = given.get(member, {})
        in_force = meta.in_force(member, len(meta.digests), stream)
        if unknown := {name: value for name, value in values.items() if name not in in_force}:
            new[member] = unknown
        changed = {name: value for name, value in values.items() if name in in_force}
        if changed := {name: value for name, value in changed.items() if not are_same(in_force[name], value)}:
            changes[member] = changed
    if changes:
        new["changes"] = changes
    if tags := [tag for tag in new.pop("tags", []) if tag not in meta.tags]:
        new["tags"] = tags
    if new.get("description") in meta.descriptions:
        del new["description"]
    if "environment" in given:
        new["environment"] = given["environment"]  # last, because `without_environment` cuts the record there
    return new


def _warn_of_changes(meta: Meta, changes: dict[str, Any], path: str) -> None:
    """Warn that the main work of an experiment continues with other values."""
    lines = [
        f"{member}.{brief(name)[1:-1]} {brief(decode(meta.effective(member)[name]))} -> {brief(decode(value))}"
        for member, values in changes.items()
        for name, value in values.items()
    ]
    more = f" and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    warn(
        f"{path}: this session continues with other values than before: {', '.join(lines[:_LISTED])}{more}. "
        "They are recorded as changes. If you didn't intend this, pass the recorded values."
    )


def _record_bytes(record: dict[str, Any]) -> bytes:
    """Return the bytes of a metadata record. Raise CannotEncode if there are too many."""
    data = (json.dumps(record, allow_nan=False, indent=2) + "\n").encode("ascii")
    if len(data) > MAX_RECORD:
        sizes = {
            f"{member}.{name}": len(dumps(value))
            for member in ("params", "extra")
            for values in (record, record.get("changes", {}))
            for name, value in values.get(member, {}).items()
        }
        path = max(sizes, key=lambda path: sizes[path], default="description")
        raise CannotEncode(
            f"a metadata record of {len(data)} bytes is larger than {MAX_RECORD}; most of it is {path[:100]}. "
            "Attach large parameters as a file and refer to it.",
            path,
        )
    return data
