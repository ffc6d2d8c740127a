"""Meta records: making, publishing, reading and folding them (specification 1.0, chapter Meta)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from pathlib import Path

from ._disk.folder import Folder, read_regular
from ._disk.publish import publish
from ._errors import AlreadyRecorded, CannotEncode, InvalidRecord, NotAnExperiment
from ._format.convert import is_mapping
from ._format.encode import encode, refusal
from ._format.json import MAX_DEPTH, MAX_RECORD, dumps, is_json
from ._format.line import now
from ._format.references import Redacted
from ._messages import qualname, short, warn_once
from ._secrets import redact as redact_secrets
from ._secrets import secret_value
from ._version import SPEC_VERSION, check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._format.encode import Problem

__all__ = ["Meta", "add", "create", "holds_experiment", "is_experiment", "load", "members"]

# What opening a meta.json says that is none: missing, a link, a special file, or another user's. None: `read_regular`.
_NO_RECORD = (None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM)
_ENVIRONMENT = b',\n  "environment": {'
_REST = re.compile(rb'[-0-9T:.Z]+"\n\}\n')  # of an addition that adds nothing but its environment, which is cut off
_ADDITION = re.compile(r"([2-9]|[1-9][0-9]+)\.json", re.ASCII)


class Meta:
    """The records of an experiment and their fold, as JSON trees (chapter Meta, effective meta); at first, of none."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.records: list[dict[str, Any]] = []
        #: Digest of the bytes of each record.
        self.digests: list[str] = []
        self.params: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.tags: list[str] = []
        self.descriptions: list[str] = []
        self.environments: list[dict[str, Any]] = []
        #: What was wrong with records that could be read all the same, or could not be read at all: path and message.
        self.problems: list[tuple[str, str]] = []

    @property
    def last(self) -> tuple[int, str]:
        """Number and digest of the last record."""
        return len(self.digests), self.digests[-1]


def is_experiment(directory: str | os.PathLike[str]) -> bool:
    """Is it a directory whose `meta.json` is a JSON object with a string member `mlv`? Never raises."""
    try:
        return holds_experiment(directory)
    except OSError:
        return False


def holds_experiment(directory: str | os.PathLike[str]) -> bool:
    """As `is_experiment`; but raises OSError where the system fails to tell, by an I/O error say.

    What we may not read counts as none: it could be anybody's.
    """
    try:
        record = _parse(read_regular(Path(directory, "meta.json"), MAX_RECORD))
    except ValueError:
        return False
    except OSError as error:
        if error.errno in _NO_RECORD:
            return False
        raise
    return isinstance(record.get("mlv"), str)


def load(directory: Path | Folder, *, environments: bool = True) -> Meta:
    """Read all records.

    An addition that cannot be read, or does not fit, is a problem of the `Meta`; what follows it is read.

    Args:
        environments: Whether they are wanted. Without them, `records` and `environments` have those of meta.json alone,
            and an addition takes some microseconds.

    Raises:
        NotAnExperiment: there is no meta.json, or it has no string member mlv.
        InvalidRecord: meta.json cannot be read as an experiment's.
        UnsupportedVersion: a record is of a version, or requires a feature, that is not known.
        OSError: meta.json cannot be opened.
    """
    path = Path(directory.path if isinstance(directory, Folder) else directory)
    is_held = isinstance(directory, Folder) and directory.at(os.curdir) == os.curdir
    fd = directory.fd if isinstance(directory, Folder) else None

    def read(name: str) -> bytes:
        return read_regular(name if is_held else path / name, MAX_RECORD, fd)

    try:
        data = read("meta.json")
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnExperiment(
            f"{path} holds no experiment: there is no meta.json. Make one with Exp(savedir, name, params); "
            "experiments in the directories below are read with read.all(path)."
        ) from None
    try:
        record = _parse(data)
    except ValueError as error:
        raise InvalidRecord(
            f"{path / 'meta.json'} is damaged: {error}. Restore it from a copy; mlv-validate tells more."
        ) from None
    if not isinstance(record.get("mlv"), str):
        raise NotAnExperiment(
            f"{path} holds no experiment: its meta.json is something else's, without a member mlv. "
            "Choose another directory."
        )
    check_version(record["mlv"], record.get("requires"), str(path / "meta.json"))
    if not isinstance(record.get("params"), dict) or not isinstance(record.get("name"), str):
        raise InvalidRecord(f"{path / 'meta.json'} is damaged: it has no name, or no params. mlv-validate tells more.")
    digest = hashlib.sha256(data).hexdigest()
    meta = Meta("sha256:" + digest)
    _fold(meta, "meta.json", record, digest)
    for number in _numbers(directory):
        name = f"meta/{number}.json"
        if number != len(meta.digests) + 1:
            meta.problems.append(
                (name, f"there is no meta/{len(meta.digests) + 1}.json; it and what follows were left out")
            )
            break
        try:
            data = read(name)
            small = data if environments else _without_environment(data)
            head = _head(meta)
            if not environments and small.startswith(head) and _REST.fullmatch(small, len(head)):
                meta.digests.append(hashlib.sha256(data).hexdigest())
                continue
            record = _parse(small)
        except OSError as error:  # a symbolic link, say, which is no record
            meta.problems.append((name, f"cannot be read: {error}"))
            meta.digests.append("")
            continue
        except ValueError as error:
            meta.problems.append((name, f"cannot be read: {error}"))
            record = {}
        else:
            version, requires = record.get("mlv"), record.get("requires")
            if version != SPEC_VERSION or requires:
                check_version(version, requires, str(path / name))
            if record.get("previous") != "sha256:" + meta.digests[-1] or record.get("experiment") != meta.id:
                meta.problems.append(
                    (name, "does not continue the record before: its previous or its experiment differs")
                )
        _fold(meta, name, record, hashlib.sha256(data).hexdigest(), environments)
    return meta


def _head(meta: Meta) -> bytes:
    """How the next addition begins, as `_text` lays it out, up to the value of `created`."""
    return (
        f'{{\n  "mlv": "{SPEC_VERSION}",\n  "experiment": "{meta.id}",\n  "previous": "sha256:{meta.digests[-1]}",'
        '\n  "created": "'
    ).encode()


def _without_environment(data: bytes) -> bytes:
    """An addition without its environment, which is most of it; all of it, if it isn't laid out as `_text` does.

    No string has a line feed in it, so a member of the record itself is one that two blanks and a quote begin.
    """
    at = data.find(_ENVIRONMENT)
    if at < 0 or data.rfind(b'\n  "') > at + 1 or not data.endswith(b"\n  }\n}\n"):
        return data
    return data[:at] + b"\n}\n"


def _numbers(directory: Path | Folder) -> list[int]:
    try:
        if isinstance(directory, Folder):
            if not directory.has("meta") or not stat.S_ISDIR(directory.stat("meta").st_mode):
                return []
            with Folder(directory, "meta") as folder:
                names = folder.names()
        else:
            folder_path = directory / "meta"
            names = os.listdir(folder_path) if stat.S_ISDIR(os.lstat(folder_path).st_mode) else []
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for match in map(_ADDITION.fullmatch, names) if match)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        record = _decoder.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict):
        raise ValueError("it is no JSON object")
    # Without an escape no string has a lone surrogate: what is left to see are numbers and depth.
    if not (
        is_json(record)
        if b"\\" in data
        else all([type(part) is str or is_json(part, MAX_DEPTH - 1) for part in record.values()])
    ):
        raise ValueError("it is nested too deep, or has numbers or strings that a record cannot have")
    return record


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def _fold(meta: Meta, name: str, record: dict[str, Any], digest: str, whole: bool = True) -> None:
    meta.digests.append(digest)
    if whole:
        meta.records.append(record)
        environment = record.get("environment")
        meta.environments.append(environment if isinstance(environment, dict) else {})
    for member, effective in (("params", meta.params), ("extra", meta.extra)):
        if type(new := record.get(member)) is not dict:
            continue
        for key, value in new.items():
            if key in effective:
                meta.problems.append((name, f"{member} has the name {key!r} again; the earlier value holds"))
            else:
                effective[key] = value
    if type(tags := record.get("tags")) is list:
        for tag in tags:
            if type(tag) is str and tag not in meta.tags:
                meta.tags.append(tag)
    if type(description := record.get("description")) is str:
        meta.descriptions.append(description)


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

    def text(what: str, text: Any) -> str:
        try:
            exact = str.__str__(text)
            exact.encode("utf-8")
        except TypeError:
            raise TypeError(f"{what} is {short(text)}; it has to be a string.") from None
        except UnicodeEncodeError:
            raise ValueError(f"{what} is {short(text)}; it must not have a lone surrogate.") from None
        if redact and secret_value(exact):
            kept_back.append(what)
            return "<redacted>"  # by the specification they are strings: no typed value can stand for one
        return exact

    tags = [tags] if isinstance(tags, str) else list(tags)
    for tag in tags:
        if not issubclass(type(tag), str) or not tag:
            raise ValueError(f"the tag {short(tag)} is no non-empty string.")
    if tags:
        members["tags"] = list(dict.fromkeys(text(f"tag {number}", tag) for number, tag in enumerate(tags)))
    if description is not None:
        members["description"] = text("description", description)
    _tell(kept_back)
    return members


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
    tree = _plain(redact_secrets(tree), [name], kept_back)
    _tell(kept_back)
    return tree


def _tell(kept_back: list[str]) -> None:
    if kept_back:
        more = f" and {len(kept_back) - 10} more" if len(kept_back) > 10 else ""
        names = ", ".join(kept_back[:10]) + more
        warn_once(f"{names} looks like a secret and was recorded as redacted; redact=False records it")


def _plain(tree: Any, at: list[str], kept_back: list[str]) -> Any:
    """The tree with typed values for `Redacted`; *at* leads to it."""
    if isinstance(tree, Redacted):
        kept_back.append("".join(at))
        return {"_mlv": "redacted"}
    if isinstance(tree, dict):
        return {key: _plain(value, [*at, f".{key[:100]}"], kept_back) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_plain(value, [*at, f"[{number}]"], kept_back) for number, value in enumerate(tree)]
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
    data = _text(record)
    publish(folder, "meta.json", data)
    digest = hashlib.sha256(data).hexdigest()
    meta = Meta("sha256:" + digest)
    _fold(meta, "meta.json", record, digest)
    return meta


def add(directory: Folder, meta: Meta, new: dict[str, Any]) -> Meta:
    """Publish the next addition with what is new in *new*, and return all records with it.

    Equal values of `params` and `extra` that are there already are left out, and so are tags.

    Args:
        meta: The records, as they were read a moment ago.

    Raises:
        AlreadyRecorded: a name is there with another value; nothing was written.
        the errors of `load`, and OSError.
    """
    while True:
        if meta.problems:
            name, message = meta.problems[0]
            raise InvalidRecord(
                f"{os.path.join(directory.path, name)}: {message}. Nothing can be added to damaged records; "
                "mlv-validate tells more."
            )
        record = {
            "mlv": SPEC_VERSION,
            "experiment": meta.id,
            "previous": "sha256:" + meta.digests[-1],
            "created": now(),
            **_new(meta, new),
        }
        data = _text(record)
        number = len(meta.digests) + 1
        try:
            with Folder(directory, "meta") as folder:
                publish(folder, f"{number}.json", data)
        except FileExistsError:
            # Another script was faster: its record is read, and the next number tried (`writer.number`).
            meta = load(directory, environments=False)
            if len(meta.digests) < number:
                raise
            continue
        _fold(meta, f"meta/{number}.json", record, hashlib.sha256(data).hexdigest())
        return meta


def _new(meta: Meta, given: dict[str, Any]) -> dict[str, Any]:
    new = dict(given)
    for member, effective in (("params", meta.params), ("extra", meta.extra)):
        values = new.pop(member, {})
        for key, value in values.items():
            if key in effective and not _same(effective[key], value):
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
    new["environment"] = new.pop("environment")  # last, as `_without_environment` wants it
    return new


def _same(one: Any, other: Any) -> bool:
    """Are they equal as JSON values, where true is not 1, but 1 is 1.0?"""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and (type(one) is type(other) or (_number(one) and _number(other)))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(record: dict[str, Any]) -> bytes:
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
