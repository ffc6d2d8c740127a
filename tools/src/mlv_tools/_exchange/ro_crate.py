"""Export an experiment as an RO-Crate: the whole directory, with metadata for archives."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlv_tools._display.text import encodable
from mlv_tools._exchange.metric_meaning import meaning
from mlvlogger import TEMPORARY_PREFIX, Experiment, MetricDefinition, UnsupportedVersion

__all__ = ["write"]

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_FORMAT = "application/x-ndjson"
_METADATA = "ro-crate-metadata.json"
# Process Run Crate has no other status of an action: whether an experiment that `ended` succeeded isn't known, and an
# open or paused one has no end.
_STATUS = {
    "completed": "http://schema.org/CompletedActionStatus",
    "failed": "http://schema.org/FailedActionStatus",
    "interrupted": "http://schema.org/FailedActionStatus",
}


def write(experiment: Experiment, out: Path, license: str) -> list[str]:
    """Write *experiment* and its sub-experiments as an RO-Crate.

    Args:
        experiment: The experiment.
        out: A new directory, or a new file whose name ends in ``.zip``.
        license: The license of the crate: a URL or a name.

    Returns:
        Messages about files that were left out.
    """
    from rocrate.rocrate import ROCrate

    messages: list[str] = []
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"  # RO-Crate 1.1 doesn't define this term
    root = crate.root_dataset
    crate.name = experiment.name
    crate.description = (
        "\n".join(experiment.descriptions) or f"The record of the machine-learning experiment {experiment.name}."
    )
    crate.datePublished = datetime.now(UTC)
    crate.license = _license(crate, license)
    if experiment.tags:
        crate.keywords = experiment.tags
    root["identifier"] = experiment.id
    root["conformsTo"] = _entity(crate, _PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    files = dict(_files(crate, experiment.path, messages))
    inside = [one for one in experiment.subs() if _is_utf8(str(one.path.relative_to(experiment.path)))]
    actions = [_action(crate, one, experiment, files) for one in (experiment, *inside)]
    root["mentions"] = actions
    if measured := _measured(crate, experiment, ""):
        root["variableMeasured"] = measured
    # The name *out* appears when the crate is whole.
    with _naming(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=".mlv-") as folder:
        written = Path(folder, "crate")
        crate.write(written)
        if out.suffix == ".zip":
            # Not with crate.write_zip: its archive has no entries for folders, so that readers report them as missing.
            written = Path(shutil.make_archive(f"{written}", "zip", written))
        written.rename(out)
    return messages


@contextmanager
def _naming(out: Path) -> Iterator[None]:
    """Name *out*, which the user gave, in errors of the system about a temporary file. A file that is copied stays."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        temporary = os.path.join(os.path.abspath(out.parent), TEMPORARY_PREFIX)
        names = [name for name in (error.filename, error.filename2) if name] or [out]
        names = [str(out) if os.path.abspath(name).startswith(temporary) else str(name) for name in names]
        first, second = [*dict.fromkeys(names), None][:2]
        raise OSError(error.errno, error.strerror, first, None, second) from error


def _entity(crate: Any, identifier: str, kind: str, **properties: Any) -> Any:
    from rocrate.model.contextentity import ContextEntity

    properties = {name: encodable(value) if isinstance(value, str) else value for name, value in properties.items()}
    return crate.dereference(identifier) or crate.add(
        ContextEntity(crate, identifier, properties={"@type": kind} | properties)
    )


def _license(crate: Any, license: str) -> Any:
    """Return the license as an entity if it is a URL, otherwise unchanged."""
    return _entity(crate, license, "CreativeWork", name=license) if "://" in license else license


def _files(crate: Any, directory: Path, messages: list[str]) -> Iterator[tuple[str, Any]]:
    """Add every file to the crate, and yield its path and its entity; symbolic links aren't followed.

    Temporary files are left out. The crate copies the files in the order in which they are added.
    """

    def fail(error: OSError) -> None:
        raise error

    found = []
    for folder, folders, names in os.walk(directory, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith(TEMPORARY_PREFIX))
        names = [name for name in names if not name.startswith(TEMPORARY_PREFIX)]
        for name in sorted(folders + names):
            path = Path(folder, name)
            relative = path.relative_to(directory).as_posix()
            if not _is_utf8(name):
                messages.append(f"{relative} is left out: its name isn't UTF-8. Rename it")
            elif path.is_symlink() or not (path.is_file() or path.is_dir()):
                messages.append(f"{relative} is left out: it is a symbolic link, or isn't a regular file")
            elif path.is_file() and relative == _METADATA:
                messages.append(f"{relative} is left out: the crate has its own file of this name")
            elif path.is_dir() and not os.listdir(path):
                crate.add_dataset(dest_path=f"{relative}/", properties={"name": name})
            elif path.is_file():
                found.append((relative, path))
        folders[:] = filter(_is_utf8, folders)
    for relative, path in sorted(found, key=lambda one: _copy_rank(one[1])):
        yield relative, crate.add_file(path, relative, properties=_properties(path, path.name))


def _copy_rank(path: Path) -> int:
    """Return the place of a file in the order in which a copy is valid while it is written (`writer.copy-order`)."""
    if path.name == Experiment.default_stream:
        return 0
    if path.parent.name == "log":
        return 1
    return {"meta.json": 4}.get(path.name, 3 if path.parent.name == "meta" else 2)


def _is_utf8(name: str) -> bool:
    """Whether the name of a file or of a folder can be part of a URI, which has UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _properties(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = _FORMAT if name.endswith(".jsonl") else mimetypes.guess_type(name)[0]
    properties = {
        "name": name,
        "contentSize": str(path.stat().st_size),
        "sha256": digest,
        "encodingFormat": kind or "application/octet-stream",
        "dateModified": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(),
    }
    return properties


def _action(crate: Any, one: Experiment, top: Experiment, files: dict[str, Any]) -> Any:
    """Return the run as an action: its times, parameters and software, and the files that it wrote."""
    inside = one.path.relative_to(top.path).as_posix()
    prefix = "" if inside == "." else inside + "/"
    results = [file for path, file in files.items() if path.startswith(prefix)]
    if prefix:
        facts = {"name": one.name, "identifier": one.id, "hasPart": results}
        if measured := _measured(crate, one, prefix):
            facts["variableMeasured"] = measured
        part = crate.add_dataset(dest_path=prefix, properties=facts)
        results = [part]
    first = one.environments[0] if one.environments else {}
    properties: dict[str, Any] = {
        "name": f"{one.kind} {one.name}",
        "description": "\n".join(one.descriptions) or f"The run that recorded {one.name}; its state is {one.state}.",
        "instrument": _software(crate, first),
        "object": [_param(crate, prefix, name, value) for name, value in one.params.items()],
        "result": results,
    }
    if one.created:
        properties["startTime"] = one.created.isoformat()
    if one.state in _STATUS:
        properties["actionStatus"] = _STATUS[one.state]
    if one.state in (*_STATUS, "ended"):
        properties["endTime"] = _end(one).isoformat()
    return _entity(crate, f"#run-{quote(one.id)}", "CreateAction", **properties)


def _measured(crate: Any, one: Experiment, prefix: str) -> list[Any]:
    """Return the metrics that an experiment defines; `unitText` has the unit, and the description the direction."""
    found: dict[MetricDefinition, None] = {}
    for stream in one.streams:
        with suppress(UnsupportedVersion):
            found |= dict.fromkeys(one.metric_definitions(stream=stream))
    measured = []
    for number, definition in enumerate(found):
        facts = {
            "name": definition.metric if definition.event is None else f"{definition.event}/{definition.metric}",
            "unitText": definition.unit,
            "description": meaning(definition, has_unit=False),
        }
        known = {name: text for name, text in facts.items() if text}
        measured.append(_entity(crate, f"#metric-{quote(prefix)}{number}", "PropertyValue", **known))
    return measured


def _end(one: Experiment) -> datetime:
    return max(event.time for event in one.events("mlv/end", lifecycle=True))


def _param(crate: Any, prefix: str, name: str, value: Any) -> Any:
    plain = value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(plain, float) and plain - plain != 0:  # infinite or NaN, which JSON has no number for
        plain = str(plain)
    # Only the slashes of the path stay: otherwise, `a/b` of this experiment would be `b` of its sub-experiment `a`.
    return _entity(crate, f"#param-{quote(prefix)}{quote(name, safe='')}", "PropertyValue", name=name, value=plain)


def _software(crate: Any, environment: dict[str, Any]) -> Any:
    """Return the script as the instrument, with the runtime and its packages as its requirements."""
    runtime = environment.get("runtime")
    runtime = runtime if isinstance(runtime, dict) else {}
    packages = runtime.get("packages")
    named = {str(runtime.get("language", "unknown")): str(runtime.get("version", "unknown"))}
    named |= {str(name): str(version) for name, version in packages.items()} if isinstance(packages, dict) else {}
    required = [
        _entity(
            crate,
            f"#software-{quote(encodable(name), safe='')}/{quote(encodable(version), safe='')}",
            "SoftwareApplication",
            name=name,
            softwareVersion=version,
        )
        for name, version in named.items()
    ]
    git = environment.get("git")
    git = git if isinstance(git, dict) else {}
    command = environment.get("command")
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command or "unknown")
    return _entity(
        crate,
        f"#script-{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(environment, default=str, sort_keys=True))}",
        "SoftwareApplication",
        name=str(environment.get("script") or "script"),
        description=f"Called as: {text}",
        softwareVersion=str(git.get("commit") or "unknown"),
        softwareRequirements=required,
    )
