"""Values: from Python to the JSON of a record and back (specification 1.0, chapter Values).

What JSON cannot say becomes a typed value. Nothing here knows of files, streams or experiments.
"""

from __future__ import annotations

import os
import sys
import warnings
from math import inf, isfinite, nan
from time import gmtime

from ._errors import CannotEncode
from ._immutable import Immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Container, Iterable, Iterator
    from datetime import date, datetime, time, timedelta
    from types import FrameType
    from typing import Any, TypeAlias

    #: A value that is refused: its path, the reason, advice (or "" for the usual), and the exception of its own code.
    Problem: TypeAlias = tuple[str, str, str, Exception | None]

__all__ = [
    "MAX_DEPTH",
    "MAX_INT",
    "MAX_RECORD",
    "EventRef",
    "ExperimentRef",
    "External",
    "File",
    "Opaque",
    "Redacted",
    "Unencodable",
    "decode",
    "decode_members",
    "dumps",
    "encode",
    "free_name",
    "integer",
    "is_escaped",
    "is_file_path",
    "is_json",
    "is_mapping",
    "is_of",
    "qualname",
    "refusal",
    "short",
    "shown",
    "text_of",
    "utc",
    "warn",
    "warn_once",
]

#: The most bytes that a record may have, the LF of a line included (`json.size`).
MAX_RECORD = 16 * 1024 * 1024

#: The largest integer that a record may have as a number; the least is its negative (`json.integers`).
MAX_INT = 2**53 - 1

#: The most levels that arrays and objects of a record may be nested (`json.depth`).
MAX_DEPTH = 64

_MAX_PARTS = 1_000_000  # more do not fit into MAX_RECORD in practice; shared parts may be exponentially many
_LARGEST_INT = 10**4000  # `value.int`
_PART = 10**600
_MAX_REPR = 1000
_MAX_LOST = 10  # warnings for one event: an array of a million objects is one mistake
_MAX_REFUSED = 1000  # values that one error lists in `problems`
_MAX_LINES = 20  # and in its message
_MAX_ELEMENTS = 1000  # of an array among parameters
_FINE_TIMES = r"(?:datetime|timedelta)64\[[0-9]*[npfa]s\]"  # NumPy lists them as mere integers
_ATTACH = "Attach it as a file: exp.attach(path)."
_INSTEAD = "Pass a number, a string, a list or dict of these, or the name or the settings of an object."
#: Classes whose `str` is the record of a value, by the module that has to be imported for a value to be one.
_TEXTS = {
    "torch": ("device", "dtype", "layout", "memory_format"),
    "numpy": ("dtype",),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
}
_FLOAT_KEYS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as the json module spells them
_ROOM = 150  # calls: what the code here needs to finish, whatever the value


class File(Immutable):
    """A reference to a file of an experiment (`value.file`).

    Args:
        path: Relative to the experiment directory, with forward slashes.
        size: In bytes.
        sha256: The digest of its bytes, 64 lower-case hexadecimal digits.
        media_type: Such as ``image/png``; a guess by the name.
        experiment: The id of the experiment it lies in; None means the one that the reference stands in.
    """

    __slots__ = __match_args__ = ("path", "size", "sha256", "media_type", "experiment")

    path: str
    size: int
    sha256: str
    media_type: str | None
    experiment: str | None

    def __init__(
        self, path: str, size: int, sha256: str, media_type: str | None = None, experiment: str | None = None
    ) -> None:
        self._set(path, size, sha256, media_type, experiment)


class External(Immutable):
    """A statement about a file outside of every experiment (`value.external`).

    Args:
        path: The absolute path.
        host: Where it is.
        size: In bytes.
        sha256: The digest of its bytes, 64 lower-case hexadecimal digits.
        modified: The time of its last modification (UTC, ``2026-11-20T08:00:00.000000Z``).
    """

    __slots__ = __match_args__ = ("path", "host", "size", "sha256", "modified")

    path: str
    host: str
    size: int
    sha256: str
    modified: str

    def __init__(self, path: str, host: str, size: int, sha256: str, modified: str) -> None:
        self._set(path, host, size, sha256, modified)


class ExperimentRef(Immutable):
    """A reference to an experiment.

    Args:
        id: Its id.
        path: A hint where it was, relative to the experiment that refers.
    """

    __slots__ = __match_args__ = ("id", "path")

    id: str
    path: str | None

    def __init__(self, id: str, path: str | None = None) -> None:
        self._set(id, path)


class EventRef(Immutable):
    """A reference to an event.

    Args:
        experiment: The id of its experiment, None in a bare log.
        stream: The path of its stream.
        seq: Its seq.
    """

    __slots__ = __match_args__ = ("experiment", "stream", "seq")

    experiment: str | None
    stream: str
    seq: int

    def __init__(self, experiment: str | None, stream: str, seq: int) -> None:
        self._set(experiment, stream, seq)


class Redacted(Immutable):
    """In the place of a value that was kept back because it looks like a secret (`value.redacted`)."""

    __slots__ = __match_args__ = ()


class Unencodable(Immutable):
    """In the place of a value that could not be encoded (`value.unencodable`).

    Args:
        type: The name of its type.
        repr: A text for people.
    """

    __slots__ = __match_args__ = ("type", "repr")

    type: str
    repr: str

    def __init__(self, type: str, repr: str) -> None:
        self._set(type, repr)


class Opaque(Immutable):
    """A typed value of a type that this version does not know (`reader.opaque`).

    Args:
        json: The object that stood in the record.
    """

    __slots__ = __match_args__ = ("json",)

    json: dict[str, Any]

    def __init__(self, json: dict[str, Any]) -> None:
        self._set(json)


def _no_json(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} is not JSON")


try:
    # What `json` itself encodes with. Importing `json` takes longer than importing all that an event needs.
    from _json import encode_basestring_ascii, make_encoder

    _pieces = make_encoder(None, _no_json, encode_basestring_ascii, None, ":", ",", False, False, False)
except ImportError:
    import json

    _pieces = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_no_json).iterencode  # type: ignore[assignment]


def dumps(tree: Any) -> str:
    """The JSON text of an encoded tree: ASCII without blanks and line breaks, so that a line stays one."""
    return "".join(_pieces(tree, 0))


def encode(
    value: Any,
    *,
    path: str,
    depth: int,
    own: str | None = None,
    lenient: Callable[[str], None] | None = None,
    refused: list[Problem] | None = None,
) -> Any:
    """Return the JSON tree of *value*, with typed values for what JSON cannot say and `_mlv` keys escaped.

    Every entry point encodes with this function: params, extra, the data of events and spans, and the adapters.

    Args:
        value: Anything. Exact built-ins round-trip; `docs/reference/mlvlogger.md` lists what becomes of the others.
        path: The name of the value, for messages: ``params``.
        depth: How deep in its record it stands, the record counting as 1.
        own: The id of the experiment that the record belongs to; references into it leave the id out.
        lenient: Called with a message for each of the first values that cannot be encoded, which become `Unencodable`.
        refused: Without *lenient*: gets the values that cannot be encoded, instead of an error.

    Raises:
        CannotEncode: If values have no form in a record, without *lenient* and *refused*. The error lists all of them.
        MemoryError: If memory runs out, in code of the value too.
        RecursionError: If the calls that led here have used up the interpreter's stack. An endless recursion in code of
            the value is the value's: it cannot be encoded.
    """
    encoder = _Encoder(path, depth, own, lenient is not None, [] if refused is None else refused)
    try:
        tree = encoder.encode(value, depth)
    except _TooLarge:
        tree = encoder.give_up(value, f"of more than {_MAX_PARTS} parts")
    if lenient is not None:  # only now: a warning may be an exception, which is then not the value's
        for message in encoder.lost:
            lenient(message)
        if encoder.more:
            lenient(f"{path}: {encoder.more} more values can't be encoded. They were recorded as type and repr only.")
    elif refused is None and encoder.refused:
        raise refusal(encoder.refused)
    return tree


def refusal(problems: list[Problem]) -> CannotEncode:
    """Return the error that lists *problems*; its cause is the first exception among them."""
    if len(problems) == 1:
        path, reason, advice, _ = problems[0]
        message = f"{path}: {reason} {advice or _INSTEAD}"
    else:
        names = " and ".join(dict.fromkeys(path.partition(".")[0] for path, _, _, _ in problems))
        count = f"at least {_MAX_REFUSED}" if len(problems) >= _MAX_REFUSED else str(len(problems))
        lines = [
            "  " + _cut(f"{path}: {reason} {advice}".rstrip(), 500) for path, reason, advice, _ in problems[:_MAX_LINES]
        ]
        if more := len(problems) - len(lines):
            lines.append(f"  and {more} more")
        message = "\n".join([f"{names}: {count} values can't be recorded. {_INSTEAD}", *lines])
    error = CannotEncode(message, problems[0][0], [(path, reason) for path, reason, _, _ in problems])
    error.__cause__ = next((cause for _, _, _, cause in problems if cause is not None), None)
    return error


class _TooLarge(Exception):
    """The value has more parts than a record can hold; nothing of it is kept."""


class _StackExhausted(RecursionError):
    """The calls that led to the encoder have used up the interpreter's stack: no fault of a value."""


def _pass_on(error: Exception) -> None:
    """Raise *error* again if it isn't the fault of the value whose code raised it.

    That is a MemoryError, and a RecursionError if this call has no room for `_ROOM` further ones. If there is room, the
    stack was used up by code of the value, which has returned.
    """
    if isinstance(error, (MemoryError, _StackExhausted)):
        raise error
    if isinstance(error, RecursionError):
        try:
            _dive(_ROOM)
        except RecursionError:
            # Of another class: the callers of this call have more room, and would find that there is enough.
            raise _StackExhausted(f"fewer than {_ROOM} calls are left to encode a value: {error}") from error


def _dive(levels: int) -> None:
    if levels:
        _dive(levels - 1)


class _Failed:
    """In the place of a member that could not be had from its mapping or object."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Encoder:
    def __init__(self, path: str, top: int, own: str | None, lenient: bool, refused: list[Problem]) -> None:
        self._path = path
        self._top = top
        self._own = own
        self._lenient = lenient
        self.lost: list[str] = []  # a message for each of the first values that cannot be encoded
        self.more = 0  # further ones
        self.refused = refused  # those, if not lenient
        self._parts = 0
        self._above: set[int] = set()  # ids of the containers around the present value: a cycle shows
        self._at: list[Any] = []  # their keys and indices that lead to it

    def encode(self, value: Any, depth: int) -> Any:
        self._parts += 1
        kind = type(value)
        if kind is str and len(value) <= MAX_RECORD:
            return value if value.isascii() else _string(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -MAX_INT <= value <= MAX_INT else self._int(value)
        if kind is float:
            return value if isfinite(value) else {"_mlv": "float", "value": str(value)}
        if self._parts > _MAX_PARTS:
            raise _TooLarge
        parts = self._parts
        try:
            # Copies of built-ins are made at once: what another thread does to the original meanwhile does not show.
            if kind is dict:
                return self._mapping(value, value.copy().items(), depth)
            if kind is list:
                return self._array(value, value.copy(), depth)
            if kind is tuple:
                return self._array(value, value, depth)
            return self._convertible(value, depth)
        except CannotEncode:
            raise
        except _TooLarge:
            if depth != self._top + 1:
                raise
            self._parts = parts  # the other members of the whole are kept
            return self.give_up(value, f"of more than {_MAX_PARTS} parts")
        except Exception as error:  # code of the value's own ran: iteration, hashing, __fspath__, tolist, …
            _pass_on(error)
            return self.give_up(value, f"of type {qualname(type(value))} and raises {_said(error)}", error=error)

    def _int(self, value: int) -> Any:
        if abs(value) >= _LARGEST_INT:
            return self.give_up(value, "an integer of more than 4000 digits")
        return {"_mlv": "int", "value": _decimal(value)}

    def _enter(self, value: Any, depth: int) -> str | None:
        """Go into a container; or say why not."""
        # A container at the last level gives way to `unencodable`, which is an object itself and just fits there.
        if depth >= MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        if id(value) in self._above:
            return "a container that contains itself"
        if type(value) in (dict, list, tuple, range) and len(value) > _MAX_PARTS:
            return f"a container of more than {_MAX_PARTS} parts"
        self._above.add(id(value))
        self._at.append(None)
        return None

    def _leave(self, value: Any) -> None:
        self._above.discard(id(value))
        self._at.pop()

    def _array(self, value: Any, items: Iterable[Any], depth: int) -> Any:
        if what := self._enter(value, depth):
            return self.give_up(value, what)
        try:
            array = []
            for number, item in enumerate(items):
                self._at[-1] = number
                array.append(self.encode(item, depth + 1))
                if number >= _MAX_PARTS:  # an iterator without an end
                    raise _TooLarge
            return array
        finally:
            self._leave(value)

    def _mapping(self, value: Any, items: Iterable[tuple[Any, Any]], depth: int) -> Any:
        if what := self._enter(value, depth):
            return self.give_up(value, what)
        tree: dict[str, Any] = {}
        keys: dict[str, Any] = {}  # by the name, if they are not the name itself
        numbers: dict[str, int] = {}  # of the names that several keys have
        try:
            for key, item in items:
                self._at[-1] = name = key if type(key) is str and key.isascii() else self._name(key)
                if name[:1] == "_" and is_escaped("_" + name):
                    name = "_" + name
                if name in tree:
                    second = free_name(self._at[-1], tree, numbers)
                    self._report_second(keys.get(name, self._at[-1]), key, second)
                    name = second
                if name is not key:
                    keys[name] = key
                tree[name] = self.encode(item, depth + 1)
                if len(tree) > _MAX_PARTS:  # an iterator without an end
                    raise _TooLarge
        finally:
            self._leave(value)
        return tree

    def _name(self, key: Any) -> str:
        """The name of a member in JSON; for a key without one, a text to recognize the key by."""
        error = None
        try:
            name = _spelling(key)
            if name is not None and _is_text(name := str.__str__(name)):
                return name
            fault = "has a lone surrogate" if name is not None else f"is of type {qualname(type(key))}"
        except Exception as raised:
            _pass_on(raised)
            name, error, fault = None, raised, f"is of type {qualname(type(key))} and raises {_said(raised)}"
        name = _cut(_ascii(short(key)), 100) if name is None else _ascii(name)
        reason = f"the key {_brief(key)} {shown(fault)}, and a name in JSON can't be that."
        instead = f"The value was recorded under the name {_brief(name)}."
        self._report(self._where(self._at[:-1]), reason, instead, "Make the key a string.", error)
        return name

    def _report_second(self, first: Any, key: Any, name: str) -> None:
        reason = f"the keys {_brief(first)} and {_brief(key)} have the same name in JSON, {_brief(self._at[-1])}."
        instead = f"The value of the second was recorded under the name {_brief(name)}."
        self._report(self._where(self._at[:-1]), reason, instead, "Rename one of them.")

    def _convertible(self, value: Any, depth: int) -> Any:
        if type(value) is _Failed:
            return self.give_up(value, "", error=value.error)
        if isinstance(value, (File, External, ExperimentRef, EventRef, Redacted, Unencodable)):
            return self._typed(value, depth)
        if isinstance(value, Opaque):
            return self._opaque(value, depth)
        Enum, times, Mapping, views, arrays = _kinds()
        if isinstance(value, Enum):
            # Before int and str: an IntEnum is an int, and its value says what was meant. Combined flags have no name.
            plain = value.value if isinstance(value, (str, int)) else value.name or str(value)  # type: ignore[union-attr]
            return self.encode(plain, depth)
        if isinstance(value, str):
            if len(text := str.__str__(value)) > MAX_RECORD:
                return self.give_up(value, f"a string of {len(text)} characters, too large", _ATTACH)
            return self.encode(text, depth)
        if isinstance(value, int):
            return self.encode(int(value), depth)
        if isinstance(value, float):
            return self.encode(float(value), depth)
        if isinstance(value, times):
            return _time_value(value) or self.give_up(value, "a time without a form in RFC 3339")
        if isinstance(value, (bytes, bytearray, memoryview)):
            if (size := memoryview(value).nbytes) > MAX_RECORD:
                return self.give_up(value, f"of {size} bytes, too large", _ATTACH)
            from base64 import b64encode

            return {"_mlv": "bytes", "value": b64encode(bytes(value)).decode("ascii")}
        if issubclass(type(value), type) or isinstance(value, os.PathLike):
            return self.encode(_as_text(value), depth)
        if (plain := _without_omegaconf(value)) is not value:
            return self.encode(plain, depth)
        if isinstance(value, Mapping) or is_of(value, "ml_collections", "ConfigDict"):
            return self._mapping(value, _items(value, lambda key: value[key]), depth)
        if isinstance(value, arrays):
            return self._array(value, value, depth)
        if isinstance(value, (*views, set, frozenset)):
            from itertools import islice

            is_set = isinstance(value, (set, frozenset))
            items: list[Any] = list(islice(value.copy() if type(value) is set else value, _MAX_PARTS + 1))  # type: ignore[call-overload]
            array = self._array(value, items, depth)
            if is_set and type(array) is list:
                # In a fixed order, so that equal sets give equal records.
                array.sort(key=lambda tree: (type(tree).__name__, dumps(tree)))
            return array
        if type(value) is slice:
            return self._mapping(value, {"start": value.start, "stop": value.stop, "step": value.step}.items(), depth)
        if hasattr(type(value), "get_secret_value"):  # SecretStr and the like of pydantic
            return {"_mlv": "redacted"}
        if any(base.__module__ == "pydantic.networks" for base in type(value).__mro__):  # HttpUrl and the like
            return self.encode(str(value), depth)
        if (members := plain_mapping(value)) is not None:
            return self._mapping(value, members.items(), depth)
        if hasattr(value, "tolist") and hasattr(value, "shape"):  # NumPy and torch scalars, arrays and tensors
            count = _elements(value.shape)
            if count > _MAX_PARTS:
                return self.give_up(value, f"an array of shape {tuple(value.shape)}, too large", _ATTACH)
            if count > _MAX_ELEMENTS and not self._lenient:
                what = f"an array of shape {tuple(value.shape)}, with more than {_MAX_ELEMENTS} elements"
                return self.give_up(value, what, "Save it to a file and pass mlvlogger.ref(path).")
            listed = value.tolist()
            if _is_fine_time(getattr(value, "dtype", "")) and _leaf(listed) in (int, type(None)):
                advice = "Give microseconds: value.astype('datetime64[us]'), or 'timedelta64[us]'."
                return self.give_up(value, "a time finer than Python's", advice)
            if not hasattr(listed, "tolist"):
                return self.encode(listed, depth)
        if is_of(value, "functools", "partial"):  # before functions, whose attributes it may have
            parts = {"function": value.func, "args": value.args, "keywords": value.keywords}
            return self._mapping(value, parts.items(), depth)
        if (named := _as_text(value)) is not None:
            return self.encode(named, depth)
        return self.give_up(value, f"of type {qualname(type(value))}")

    def _typed(self, value: Any, depth: int) -> Any:
        if isinstance(value, File):
            tree: dict[str, Any] = {"_mlv": "file", "path": value.path, "size": value.size, "sha256": value.sha256}
            if value.media_type is not None:
                tree["media_type"] = value.media_type
            if value.experiment is not None and value.experiment != self._own:
                tree["experiment"] = value.experiment
        elif isinstance(value, ExperimentRef):
            tree = {"_mlv": "experiment", "id": value.id, **({} if value.path is None else {"path": value.path})}
        else:
            kinds = {External: "external", EventRef: "event", Redacted: "redacted", Unencodable: "unencodable"}
            members = {name: getattr(value, name) for name in value.__match_args__}
            # Texts of the world outside may have lone surrogates, which become typed values themselves.
            texts = {name: _string(text) if type(text) is str else text for name, text in members.items()}
            tree = {"_mlv": kinds[type(value)], **texts}
        if depth + isinstance(value, External) > MAX_DEPTH or isinstance(decode(tree), Opaque):
            return self.give_up(value, f"a {qualname(type(value))} of a wrong form")
        return tree

    def _opaque(self, value: Opaque, depth: int) -> Any:
        tree = value.json
        if type(tree) is not dict or type(tree.get("_mlv")) is not str or not is_json(tree, MAX_DEPTH + 1 - depth):
            return self.give_up(value, "an Opaque of a wrong form")
        return tree

    def give_up(self, value: Any, what: str, advice: str = "", error: Exception | None = None) -> dict[str, Any]:
        """Report *value* and return what stands for it."""
        if type(value) is _Failed:
            kind, text = type(value.error), _said(value.error)
            reason = f"reading the value raises {shown(text)}."
        else:
            kind, text = type(value), short(value)
            reason = f"the value is {shown(what)}, which a record can't hold: {shown(text)}."
            if self._lenient:  # a warning has no room for the value, which is in the record
                reason = f"the value is {shown(what)}."
        self._report(self._where(self._at), reason, "It was recorded as its type and repr only.", advice, error)
        return {"_mlv": "unencodable", "type": _type_name(kind), "repr": _ascii(text)}

    def _report(self, path: str, reason: str, instead: str, advice: str, error: Exception | None = None) -> None:
        """Remember a problem; in an event, *instead* says what was recorded."""
        if not self._lenient:
            self.refused.append((path, reason, advice, error))
            if len(self.refused) >= _MAX_REFUSED:
                raise refusal(self.refused)
        elif len(self.lost) < _MAX_LOST:
            self.lost.append(f"{path}: {reason} {instead} {advice}".rstrip())
        else:
            self.more += 1

    def _where(self, at: list[Any]) -> str:
        return self._path + "".join(f"[{key}]" if type(key) is int else f".{shown(_cut(key, 100))}" for key in at)


def _items(keys: Iterable[Any], get: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """The members of a mapping or an object; one that cannot be had costs no other."""
    for key in keys:
        try:
            item = get(key)
        except Exception as error:
            _pass_on(error)
            item = _Failed(error)
        yield key, item


def _spelling(key: Any) -> str | None:
    """The name of a key in JSON: as the json module spells it, or the string that the key is as a value."""
    kind = type(key)
    if issubclass(kind, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if kind is bool:
        return "true" if key else "false"
    if issubclass(kind, int):
        return _decimal(int.__int__(key)) if abs(int.__int__(key)) < _LARGEST_INT else None
    if issubclass(kind, float):
        text = float.__repr__(key)
        return _FLOAT_KEYS.get(text, text)
    if issubclass(kind, _kinds()[0]):  # an Enum
        return key.name or str(key)
    if hasattr(key, "tolist") and tuple(getattr(key, "shape", (0,))) == ():  # a scalar of NumPy
        listed = key.tolist()
        return _spelling(listed) if listed is None or type(listed) in (str, bool, int, float) else None
    return _as_text(key)


def free_name(name: str, taken: Container[str], numbers: dict[str, int]) -> str:
    """Return the first of ``name~2``, ``name~3``, … that isn't taken; *numbers* remembers where to continue."""
    while True:
        numbers[name] = number = numbers.get(name, 1) + 1
        if (free := f"{name}~{number}") not in taken:
            return free


def _as_text(value: Any) -> str | None:
    """The string that stands for a path, a class, a function, or one of `_TEXTS`; None for any other value."""
    if issubclass(type(value), type):
        return _qualified(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    for module, names in _TEXTS.items():
        if is_of(value, module, *names):
            return str(value)
    if is_of(value, "tensorflow", "DType"):  # whose str is `<dtype: 'float32'>`
        return str(value.name)
    # Functions of libraries are of many types: built-in, jitted, dispatched, bound. An alias such as list[int] is none.
    if callable(value) and type(getattr(value, "__qualname__", None)) is str and not hasattr(value, "__origin__"):
        return _qualified(value)
    return None


def _qualified(value: Any) -> str:
    """The qualified name of a class or function: ``torch.optim.adam.Adam``; of a built-in, without the module."""
    module = getattr(value, "__module__", None)
    return f"{module}.{value.__qualname__}" if module not in (None, "builtins") else str(value.__qualname__)


def is_of(value: Any, module: str, *names: str) -> bool:
    """Whether *value* is of one of these classes of a module; which isn't imported for it."""
    found = sys.modules.get(module)
    if found is not None:
        for name in names:
            kind = getattr(found, name, None)
            if isinstance(kind, type) and isinstance(value, kind):
                return True
    return False


def _elements(shape: Any) -> int:
    """The number of parts of an array as lists: of (2, 0, 3) there are two empty lists."""
    count = 1
    for length in shape:
        if length == 0:
            break
        count *= length
    return count


def _said(error: BaseException) -> str:
    """Type and message of an exception, on one line."""
    try:
        text = " ".join(_ascii(str.__str__(str(error))[:1000]).split())
    except Exception as other:
        _pass_on(other)
        text = f"<its message raises {qualname(type(other))}>"
    return f"{qualname(type(error))}: {_cut(text, 300)}" if text else qualname(type(error))


def _kinds() -> tuple[Any, Any, Any, Any, Any]:
    """Enum, the types of times, Mapping, views of one, and arrays: imported when a value may be one of them."""
    global _loaded
    if _loaded is None:
        from collections import deque
        from collections.abc import ItemsView, KeysView, Mapping, ValuesView
        from datetime import date, datetime, time, timedelta
        from enum import Enum

        views = (KeysView, ItemsView, ValuesView)
        _loaded = (Enum, (datetime, date, time, timedelta), Mapping, views, (list, tuple, deque, range))
    return _loaded


_loaded: tuple[Any, Any, Any, Any, Any] | None = None


def _is_fine_time(dtype: Any) -> bool:
    if "64[" not in (name := str(dtype)):
        return False
    import re

    return re.match(_FINE_TIMES, name) is not None


def utc(seconds: int) -> str:
    """A time in seconds since 1970 as a record says it, `2026-11-22T18:24:00`; the nearest that a record can say."""
    at = gmtime(min(max(seconds, -62_135_596_800), 253_402_300_799))  # the years 1 to 9999 (`time.exists`)
    # Not strftime, which writes the year 68 with two digits.
    return f"{at[0]:04}-{at[1]:02}-{at[2]:02}T{at[3]:02}:{at[4]:02}:{at[5]:02}"


def integer(value: Any) -> int | None:
    """The integer that a JSON number is, however it is spelled (`13.0` is 13), or None. In JSON, true is no number."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None


def is_json(tree: Any, levels: int = MAX_DEPTH) -> bool:
    """Is it JSON that a record may hold, of at most *levels* levels?"""
    # Of exact types: a subclass may show a serializer something else than us.
    if type(tree) is list:
        return levels > 0 and all(is_json(item, levels - 1) for item in tree)
    if type(tree) is dict:
        return levels > 0 and all(
            type(name) is str and _is_text(name) and is_json(item, levels - 1) for name, item in tree.items()
        )
    if type(tree) is str:
        return _is_text(tree)
    if type(tree) is float:
        return isfinite(tree)
    return tree is None or type(tree) is bool or (type(tree) is int and -MAX_INT <= tree <= MAX_INT)


def is_mapping(value: Any) -> bool:
    """Whether *value* is a mapping or an object of named members, as `params` and the data of events have to be."""
    try:
        return (
            type(value) is dict
            or isinstance(value, _kinds()[2])
            or is_of(value, "ml_collections", "ConfigDict")
            or plain_mapping(value) is not None
        )
    except Exception as error:  # what says which class it is may be code of its own
        _pass_on(error)
        return False


def plain_mapping(value: Any) -> dict[str, Any] | None:
    """The members of an object that is made of named ones, or None; nothing is imported for it.

    That is an instance of a dataclass, of an attrs class or of a pydantic model (without the fields that it excludes,
    and with its extra ones), an argparse namespace and a `types.SimpleNamespace`.
    """
    kind = type(value)

    def get(name: str) -> Any:
        return getattr(value, name)

    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields

        names = [field.name for field in fields(value)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif hasattr(kind, "__pydantic_fields__"):
        names = [name for name, field in kind.__pydantic_fields__.items() if not field.exclude]
        return {**dict(_items(names, get)), **(value.__pydantic_extra__ or {})}
    elif isinstance(value, type(sys.implementation)) or is_of(value, "argparse", "Namespace"):  # types.SimpleNamespace
        return dict(vars(value))
    else:
        return None
    return dict(_items(names, get))


def _without_omegaconf(value: Any) -> Any:
    """A configuration of OmegaConf as dicts and lists, with interpolations resolved and missing values as ``???``.

    If some can't be resolved, only they fail.
    """
    if not is_of(value, "omegaconf", "Container"):
        return value
    OmegaConf = sys.modules["omegaconf"].OmegaConf
    try:
        return OmegaConf.to_container(value, resolve=True)
    except Exception as error:
        _pass_on(error)

        def get(key: Any) -> Any:
            return "???" if OmegaConf.is_missing(value, key) else value[key]

        if OmegaConf.is_dict(value):
            return dict(_items(value, get))
        return [item for _, item in _items(range(len(value)), get)]


def decode(tree: Any) -> Any:
    """The Python value of a JSON tree: typed values become what they mean, escaped keys lose one `_`.

    A typed value of an unknown type, or one of a known type whose form is broken, becomes `Opaque`.
    """
    if type(tree) is list:
        return [decode(item) for item in tree]
    if type(tree) is not dict:
        return tree
    if "_mlv" not in tree:
        return decode_members(tree)
    try:
        return _DECODERS[tree["_mlv"]](tree)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Opaque(tree)


def decode_members(tree: dict[str, Any]) -> dict[str, Any]:
    """As `decode`, for an object that is no typed value: `params`, `extra`, `data`."""
    return {
        name[1:] if name.startswith("__") and is_escaped(name) else name: decode(value) for name, value in tree.items()
    }


def is_escaped(name: str) -> bool:
    """Is it a member name that a reader takes one `_` off (`reader.unescape`)?"""
    return name.startswith("__") and name.lstrip("_") == "mlv"


# The forms of chapter Values, for fullmatch. What these let through still has to exist in the calendar.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
_ZONE = "(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_FORMS = {
    "int": "0|-?[1-9][0-9]{0,3999}",
    "datetime": f"({_DATE})T{_CLOCK}{_ZONE}",
    "datetime-local": f"({_DATE})T{_CLOCK}()",
    "date": _DATE,
    "time": f"{_CLOCK}{_ZONE}?",
    "duration": r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?",
    "bytes": "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    "string": "(?:[0-9a-f]{4})*",
    "digest": "[0-9a-f]{64}",
    "id": "sha256:[0-9a-f]{64}",
    "utc": rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}}Z",
}
_patterns: dict[str, re.Pattern[str]] = {}
# What a `file.path` may not have: empty segments, dots, control characters, backslashes, a drive letter.
_NO_PATH = r"(?:^|/)\.{0,2}(?:/|\Z)|[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:"


def is_file_path(path: str) -> bool:
    """May it be the path of a typed value `file` (`file.path`)? Names below ``files/`` are another question."""
    import re

    return len(path) <= 4096 and not re.search(_NO_PATH, path)


def _match(kind: str, text: Any) -> re.Match[str]:
    pattern = _patterns.get(kind)
    if pattern is None:
        import re

        pattern = _patterns[kind] = re.compile(_FORMS[kind])
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def _form(kind: str, text: Any) -> str:
    return _match(kind, text)[0]


def _whole(value: Any, least: int) -> int:
    number = integer(value)
    if number is None or not least <= number <= MAX_INT:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if type(value) is not str or not _is_text(value):
        raise ValueError(value)
    return value


def _text_or_string(value: Any) -> str:
    value = decode(value)
    if type(value) is not str:
        raise ValueError(value)
    return value


def _file(tree: dict[str, Any]) -> File:
    path = _text(tree["path"])
    if not is_file_path(path):
        raise ValueError(path)
    media_type = _text(tree["media_type"]) if "media_type" in tree else None
    experiment = _form("id", tree["experiment"]) if "experiment" in tree else None
    return File(path, _whole(tree["size"], 0), _form("digest", tree["sha256"]), media_type, experiment)


def _external(tree: dict[str, Any]) -> External:
    path, host = _text_or_string(tree["path"]), _text_or_string(tree["host"])
    return External(
        path, host, _whole(tree["size"], 0), _form("digest", tree["sha256"]), _form("utc", tree["modified"])
    )


def _experiment(tree: dict[str, Any]) -> ExperimentRef:
    return ExperimentRef(_form("id", tree["id"]), _text(tree["path"]) if "path" in tree else None)


def _event(tree: dict[str, Any]) -> EventRef:
    experiment, stream = tree["experiment"], _text(tree["stream"])
    if not stream:
        raise ValueError(stream)
    return EventRef(None if experiment is None else _form("id", experiment), stream, _whole(tree["seq"], 1))


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tree: {"nan": nan, "inf": inf, "-inf": -inf}[tree["value"]],
    "int": lambda tree: _from_decimal(_form("int", tree["value"])),
    "datetime": lambda tree: _datetime(_match("datetime", tree["value"])),
    "datetime-local": lambda tree: _datetime(_match("datetime-local", tree["value"])),
    "date": lambda tree: _date(_form("date", tree["value"])),
    "time": lambda tree: _clock(*_match("time", tree["value"]).groups()),
    "duration": lambda tree: _duration(*_match("duration", tree["value"]).groups()),
    "bytes": lambda tree: _bytes(_form("bytes", tree["value"])),
    "string": lambda tree: bytes.fromhex(_form("string", tree["value"])).decode("utf-16-be", "surrogatepass"),
    "file": _file,
    "external": _external,
    "experiment": _experiment,
    "event": _event,
    "redacted": lambda tree: Redacted(),
    "unencodable": lambda tree: Unencodable(_text(tree["type"]), _text(tree["repr"])),
}


def _bytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


def _date(text: str) -> date:
    from datetime import date

    return date.fromisoformat(text)


def _clock(clock: str, fraction: str | None, zone: str | None) -> time:
    from datetime import time

    # time.fromisoformat of Python 3.10 knows neither Z nor other than 3 or 6 fraction digits.
    digits = ((fraction or "") + "000000")[:6]  # nanoseconds are cut: Python has none
    return time.fromisoformat(f"{clock}.{digits}{'+00:00' if zone == 'Z' else zone or ''}")


def _datetime(match: re.Match[str]) -> datetime:
    from datetime import datetime

    return datetime.combine(_date(match[1]), _clock(*match.groups()[1:]))


def _duration(sign: str, whole: str, fraction: str | None) -> timedelta:
    from datetime import timedelta

    microseconds = _from_decimal(whole) * 1_000_000 + int(((fraction or "") + "000000")[:6])
    return timedelta(microseconds=-microseconds if sign else microseconds)


def _decimal(value: int) -> str:
    # In parts, since Python limits str() of an integer, to as few as 640 digits where a program asked for that.
    parts, rest = [], abs(value)
    while rest >= _PART:
        rest, part = divmod(rest, _PART)
        parts.append(f"{part:0600}")
    parts.append(str(rest))
    return ("-" if value < 0 else "") + "".join(reversed(parts))


def _from_decimal(text: str) -> int:
    value, digits = 0, text.lstrip("-")
    for start in range(0, len(digits), 600):
        part = digits[start : start + 600]
        value = value * 10 ** len(part) + int(part)
    return -value if text.startswith("-") else value


def _time_value(value: datetime | date | time | timedelta) -> dict[str, Any] | None:
    from datetime import datetime, time, timedelta, timezone

    try:
        # A subclass may write something else than its class, pandas' NaT does: each text is held against its form.
        if isinstance(value, timedelta):
            kind, text = "duration", _seconds(value)
            _match(kind, text)
        elif isinstance(value, datetime):
            offset = value.utcoffset()
            kind = "datetime-local" if offset is None else "datetime"
            if offset is not None and offset.total_seconds() % 60:
                value = value.astimezone(timezone.utc)  # RFC 3339 has no seconds in an offset; the instant is the same
            text = value.isoformat()
            _datetime(_match(kind, text))
        elif isinstance(value, time):
            kind, text = "time", value.isoformat()
            _match(kind, text)
        else:
            kind, text = "date", value.isoformat()
            _date(_form(kind, text))
    except (ValueError, OverflowError, TypeError):
        return None
    return {"_mlv": kind, "value": text}


def _seconds(value: timedelta) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    nanoseconds = microseconds * 1000 + getattr(value, "nanoseconds", 0)  # pandas' Timedelta has some
    whole, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{'-' if nanoseconds < 0 else ''}{whole}" + (f".{fraction:09}".rstrip("0") if fraction else "")


def _leaf(listed: Any) -> type:
    while type(listed) is list and listed:
        listed = listed[0]
    return type(listed)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _string(text: str) -> Any:
    if _is_text(text):
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    text = units.decode("utf-16-be", "surrogatepass")  # two surrogates that are a pair are one character
    return text if _is_text(text) else {"_mlv": "string", "value": units.hex()}


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def short(value: Any) -> str:
    """The repr of anything, cut; of an object whose repr fails, that it does."""
    kind = type(value)
    try:
        if issubclass(kind, int) and int.bit_length(value) > 2000:
            return f"<{qualname(kind)} of {int.bit_length(value)} bits>"
        if issubclass(kind, (dict, list, tuple, set, frozenset)) or kind.__name__ == "deque":
            import reprlib  # a container's own repr may be exponentially long

            text = reprlib.repr(value)
        else:
            text = repr(value[: _MAX_REPR + 1] if kind in (str, bytes) else value)
        return _cut(str.__str__(text))
    except Exception as error:
        _pass_on(error)
        return f"<{qualname(kind)}, whose repr raises {_said(error)}>"


def _cut(text: str, length: int = _MAX_REPR) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _brief(value: Any) -> str:
    """A key or a name as it stands in a message."""
    return shown(_cut(short(value), 100))


def shown(text: str) -> str:
    """A text as it stands in a message: on one line, and without a command for the terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def qualname(kind: type) -> str:
    """The name of a type for people, whatever its metaclass does."""
    try:
        return _cut(_ascii(kind.__qualname__), 200)
    except Exception as error:
        _pass_on(error)
        return "a type without a name"


def _type_name(kind: type) -> str:
    try:
        module = kind.__module__
        return qualname(kind) if module == "builtins" else f"{_cut(_ascii(module), 200)}.{qualname(kind)}"
    except Exception as error:
        _pass_on(error)
        return qualname(kind)


def text_of(error: BaseException) -> str:
    """The message of an exception, valid UTF-8, whatever its `__str__` does."""
    try:
        text = str.__str__(str(error))
    except Exception as other:
        return f"<its message cannot be had: {qualname(type(other))}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def warn(message: str) -> None:
    """Warn, pointing at the line of the user's that called us."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
        level += 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)


_warned: set[str] = set()


def warn_once(message: str) -> None:
    """Warn, once per message in a process: a loop of a million steps has the same trouble in each."""
    if message not in _warned and len(_warned) < 1000:  # a bound for messages that never repeat
        _warned.add(message)
        warn(message)
