"""Which directories are experiments."""

from mlv_validate._findings import Findings
from mlv_validate._read.directory import Absent, Directory, Unreadable
from mlv_validate._read.lines import MAX_SIZE, first_line
from mlv_validate._rules.bytes import parse


def is_experiment(directory: Directory, path: str, entries: dict[str, str], findings: Findings) -> bool:
    """Return whether a directory is an experiment.

    Args:
        directory: The open directory.
        path: Its path below the target, empty for the target itself.
        entries: Its entries and their types.
        findings: Takes files that can't be read.
    """
    if not path and "meta.json" in entries:
        return True
    prefix = f"{path}/" if path else ""
    if entries.get("meta.json") == "file":
        raw = _beginning(directory, "meta.json", prefix, findings)
        members = parse(raw, line=False).value if raw else None
        if isinstance(members, dict) and isinstance(members.get("mlv"), str):
            return True
    if entries.get("log.jsonl") == "file":
        raw = _beginning(directory, "log.jsonl", prefix, findings)
        event = parse(raw[:-1], line=True).value if raw else None
        if isinstance(event, dict) and event.get("event") == "mlv/start":
            data = event.get("data")
            return isinstance(data, dict) and isinstance(data.get("experiment"), str)
    return False


def _beginning(directory: Directory, name: str, prefix: str, findings: Findings) -> bytes | None:
    """Return a metadata record, or the first line of a stream; None if it doesn't exist or is too long."""
    try:
        with directory.open_file(name) as file:
            if name == "meta.json":
                return file.read(0, MAX_SIZE) if file.size <= MAX_SIZE else None
            return first_line(file)
    except Absent:
        return None
    except Unreadable as error:
        findings.add_unchecked(prefix + name, str(error))
        return None
