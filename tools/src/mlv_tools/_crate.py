"""From an experiment to an RO-Crate, by the library of that community: what is in it, and how it came about."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools._contents import attached
from mlv_tools._text import value
from mlv_tools._trees import find
from mlvlogger import Experiment

__all__ = ["write"]

_VERSION = "1.1"  # of RO-Crate: the one that archives and their tools know


def write(experiment: Experiment, output: Path, *, license: str | None, author: str | None) -> int:
    """Write a copy of an experiment's directory with a description of it, as a directory or, by its name, a ``.zip``.

    The experiment in it is the same, file for file: it validates, and has its id. Links, and temporary names that
    begin with ``.mlv-``, are left out. Returns how many files there are. Raises OSError.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=_VERSION)
    crate.name = experiment.name
    crate.description = _description(experiment)
    crate.datePublished = datetime.now(timezone.utc)
    root = crate.root_dataset
    root["identifier"] = experiment.id
    if experiment.tags:
        crate.keywords = ", ".join(experiment.tags)
    if license:
        terms = {"@type": "CreativeWork", "name": license, "url": license}
        root["license"] = crate.add(ContextEntity(crate, license, properties=terms))
    if author:
        root["author"] = crate.add(ContextEntity(crate, "#author", properties={"@type": "Person", "name": author}))
    files = {
        name: crate.add_file(str(experiment.path / name), name, properties=_facts(experiment.path / name, name))
        for name in _files(experiment.path)
    }
    for file, _, there in attached(experiment):
        if there == "there" and file.path in files:
            files[file.path]["sha256"] = file.sha256
    runs = [found.experiment for found in find(experiment.path) if found.experiment is not None]
    for run in runs:
        prefix = "" if run.path == experiment.path else run.path.relative_to(experiment.path).as_posix() + "/"
        _describe(crate, run, prefix, files)
    if output.suffix == ".zip":
        crate.write_zip(str(output))
    else:
        crate.write(str(output))
    return len(files)


def _description(experiment: Experiment) -> str:
    what = f"The {experiment.state} experiment {experiment.name} of kind {experiment.kind}, in the MLV format."
    return " ".join([*experiment.descriptions, what])


def _files(directory: Path) -> Iterator[str]:
    """Every file of a directory, relative to it with slashes."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file() and not name.startswith(".mlv-"):
                yield path.relative_to(directory).as_posix()


def _facts(path: Path, name: str) -> dict[str, Any]:
    kind = "application/x-ndjson" if name.endswith(".jsonl") else mimetypes.guess_type(name)[0]
    facts = {"name": name, "contentSize": str(path.stat().st_size)}
    return {**facts, "encodingFormat": kind or "application/octet-stream"}


def _describe(crate: Any, run: Experiment, prefix: str, files: dict[str, Any]) -> None:
    """The actions of an experiment, one for each of its scripts; with params, software, and when."""
    from rocrate.model.contextentity import ContextEntity

    def entity(identifier: str, kind: str, /, **properties: Any) -> Any:
        known = {name: item for name, item in properties.items() if item}
        return crate.add(ContextEntity(crate, f"#{prefix}{identifier}", properties={"@type": kind, **known}))

    params = [
        entity(f"param-{name}", "PropertyValue", name=str(name), value=value(item)) for name, item in run.params.items()
    ]
    ended = _ended(run)
    for number, (record, environment) in enumerate(zip(run.records, run.environments, strict=True), 1):
        action = entity(
            f"run-{number}",
            "CreateAction",
            name=f"{run.name}: {' '.join(map(str, environment.get('command') or ['a script']))}",
            startTime=record.get("created"),
            endTime=ended.isoformat() if ended and number == 1 else None,
            actionStatus=f"http://schema.org/{_STATUS[run.state]}" if number == 1 and run.state in _STATUS else None,
        )
        action["instrument"] = _software(entity, number, environment)
        if number == 1:
            if params:
                action["object"] = params
            results = [item for name, item in files.items() if name.startswith(prefix)]
            if results:
                action["result"] = results
        crate.root_dataset.append_to("mentions", action)


_STATUS = {"completed": "CompletedActionStatus", "failed": "FailedActionStatus"}


def _software(entity: Any, number: int, environment: dict[str, Any]) -> Any:
    script = environment.get("script")
    path = script.path if isinstance(script, (mlvlogger.File, mlvlogger.External)) else script
    git = environment.get("git")
    git = git if isinstance(git, dict) else {}
    software = entity(
        f"script-{number}",
        "SoftwareApplication",
        name=str(path or "script"),
        version=str(git.get("commit") or ""),
        codeRepository=str(git.get("remote") or ""),
    )
    runtime = environment.get("runtime")
    runtime = runtime if isinstance(runtime, dict) else {}
    packages = runtime.get("packages")
    needed = [(str(runtime.get("language") or "runtime"), str(runtime.get("version") or ""))]
    needed += [(str(name), str(version)) for name, version in packages.items()] if isinstance(packages, dict) else []
    software["softwareRequirements"] = [
        entity(f"software-{number}-{name}", "SoftwareApplication", name=name, version=version)
        for name, version in needed
    ]
    return software


def _ended(run: Experiment) -> datetime | None:
    times = [event.time for event in run.events("mlv/end", lifecycle=True)]
    return times[-1] if times else None
