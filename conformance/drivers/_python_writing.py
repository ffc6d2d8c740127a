"""The command `write` of the Python driver: operations of a scenario, done with `mlvlogger`."""

import json
import math
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import mlvlogger
from mlvlogger import Exp, Logger, MLVError, Span

UNSUPPORTED = 64


def write(directory: Path) -> int:
    """Do what the scenario on standard input says; returns the exit code."""
    writer = _Writer(directory)
    for line in sys.stdin.buffer:
        operation = json.loads(line)
        if operation["op"] == "exit":
            return _leave(operation["how"])
        do = _OPERATIONS.get(operation.pop("op"))
        if do is None:
            return UNSUPPORTED
        with warnings.catch_warnings(record=True) as reported:
            warnings.simplefilter("always")
            try:
                answer = do(writer, **{name: value for name, value in operation.items() if not name.startswith("x-")})
            except (MLVError, OSError, TypeError, ValueError) as error:
                answer = {"refused": str(error)}
        if answer.get("seq", 0) is None:
            answer = {"refused": "the event was not kept"}
        if reported:
            answer["told"] = [str(warning.message) for warning in reported]
        print(json.dumps(answer), flush=True)
    return 0


def _leave(how: str) -> int:
    """End the program as the operation `exit` says, or return its exit code."""
    if how.startswith("SIG"):
        signal.raise_signal(getattr(signal, how))
        signal.pause()
    if how == "exception":
        raise RuntimeError("nothing catches this")
    if how == "_exit":
        os._exit(1)
    return int(how == "code")


class _Writer:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._exp: Exp
        self._spans: dict[int, Span] = {}

    def create(self, name: str, kind: str, params: Any, **options: Any) -> dict[str, Any]:
        savedir = self._directory / options.pop("in", ".")
        self._exp = Exp(savedir, name, _value(params), kind, **_options(options))
        return {"id": self._exp.id}

    def resume(self, path: str, **options: Any) -> dict[str, Any]:
        self._exp = Exp.resume(self._directory / path, **_options(options))
        return {"id": self._exp.id}

    def open(self, path: str, **options: Any) -> dict[str, Any]:
        self._exp = Exp.open(self._directory / path, **_options(options))
        return {"stream": self._exp.log.file.relative_to(self._exp.path).as_posix()}

    def add(self, **options: Any) -> dict[str, Any]:
        self._exp.add(**_options(options))
        return {}

    def event(self, event: str, data: Any, within: int | None = None, span: str | None = None) -> dict[str, Any]:
        logger: Logger = self._exp.log
        if within is not None:
            logger = self._span(within)
            event = event.removeprefix(f"{logger.path}/")
        if span is None:
            return {"seq": logger.event(event, _value(data))}
        begun = logger.span(event, _value(data))
        assert begun.seq is not None
        self._spans[begun.seq] = begun
        return {"seq": begun.seq}

    def end(self, begin: int, data: Any) -> dict[str, Any]:
        return {"seq": self._span(begin).end(_value(data))}

    def _span(self, begin: int) -> Span:
        if begin not in self._spans:
            raise ValueError(f"{begin} isn't the seq of a span's begin event")
        return self._spans[begin]

    def pause(self) -> dict[str, Any]:
        return {"seq": self._exp.log.pause()}

    def unpause(self) -> dict[str, Any]:
        return {"seq": self._exp.log.resume()}

    def rewind(self, to: int) -> dict[str, Any]:
        stream = self._exp.log.file.relative_to(self._exp.path).as_posix()
        self._exp.rewind({stream: to})
        return {"seq": self._exp.mark()[stream]}

    def define_metric(self, metric: str, **members: str) -> dict[str, Any]:
        return {"seq": self._exp.define_metric(metric, **members)}

    def attach(self, name: str, hex: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "content")
            source.write_bytes(bytes.fromhex(hex))
            return {"path": self._exp.attach(source, name).path}

    def close(self, status: str) -> dict[str, Any]:
        self._exp.close(status)
        return {}


_OPERATIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "create": _Writer.create,
    "resume": _Writer.resume,
    "open": _Writer.open,
    "add": _Writer.add,
    "event": _Writer.event,
    "end": _Writer.end,
    "mlv/pause": _Writer.pause,
    "mlv/resume": _Writer.unpause,
    "mlv/rewind": _Writer.rewind,
    "mlv/metric": _Writer.define_metric,
    "attach": _Writer.attach,
    "close": _Writer.close,
}


def _options(options: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(part) if name in ("params", "extra") else part for name, part in options.items()}


def _value(model: Any) -> Any:
    """Return the Python value of a model."""
    if isinstance(model, list):
        return [_value(part) for part in model]
    if not isinstance(model, dict):
        return model
    [(kind, inner)] = model.items()
    return _VALUES[kind](inner)


def _number(text: str) -> int | float:
    is_integer = text != "-0" and text.lstrip("-").isdigit() and abs(int(text)) < 2**53
    return int(text) if is_integer else float(text)


def _iso(text: str) -> str:
    return text.replace("Z", "+00:00")


_VALUES: dict[str, Callable[[Any], Any]] = {
    "object": lambda inner: {name: _value(part) for name, part in inner.items()},
    "number": _number,
    "int": int,
    "float": lambda text: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text],
    "datetime": lambda text: datetime.fromisoformat(_iso(text)),
    "datetime-local": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": lambda text: time.fromisoformat(_iso(text)),
    "duration": lambda text: timedelta(microseconds=round(float(text) * 1_000_000)),
    "bytes": bytes.fromhex,
    "string": lambda digits: bytes.fromhex(digits).decode("utf-16-be", "surrogatepass"),
    "file": lambda members: mlvlogger.File(**members),
    "external": lambda members: mlvlogger.External(**members),
    "experiment": lambda members: mlvlogger.ExperimentRef(**members),
    "event": lambda members: mlvlogger.EventRef(**members),
    "histogram": lambda members: mlvlogger.Histogram(
        **{name: _value(part) if isinstance(part, dict) else part for name, part in members.items()}
    ),
    "table": lambda members: mlvlogger.Table(members["columns"], _value(members["rows"])),
    "unencodable": lambda members: mlvlogger.Unencodable(**members),
    "redacted": lambda members: mlvlogger.Redacted(),
    "opaque": mlvlogger.Opaque,
}
