"""Encoding: from Python values to the JSON of a record (specification 1.0, chapter Values).

A value that JSON can't represent becomes a typed value.
"""

from __future__ import annotations

import os
from math import isfinite

from .._errors import CannotEncode
from .._messages import brief, cut, error_line, printable, qualname, reraise_exhaustion, short, to_ascii, type_name
from .convert import (
    Failed,
    as_text,
    count_elements,
    free_name,
    is_finer_than_microseconds,
    is_of,
    key_name,
    leaf_type,
    members_of,
    plain_mapping,
    reference_tree,
    stdlib_types,
    string_value,
    without_omegaconf,
)
from .decode import decode, is_escaped, is_type
from .forms import LARGEST_INT, decimal, time_value
from .json import MAX_DEPTH, MAX_INT, MAX_RECORD, dumps, is_json, is_text
from .references import EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable
from .refusal import MAX_REFUSED, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .refusal import Problem

    AttachTable = Callable[[tuple[Any, ...], bytes], File | None]

__all__ = ["encode"]

_MAX_PARTS = 1_000_000  # more don't fit into MAX_RECORD in practice; shared parts may be exponentially many
_MAX_MESSAGES = 10  # warnings for one event: an array of a million objects is one mistake
_MAX_ELEMENTS = 1000  # of an array in `params` or `extra`
_ATTACH = "Attach it as a file: exp.attach(path)."
_OTHER: Any = object()  # a method's result for a value of types that the method doesn't handle


def encode(
    value: Any,
    *,
    path: str,
    depth: int,
    experiment_id: str | None = None,
    report: Callable[[str], None] | None = None,
    refused: list[Problem] | None = None,
    attach: AttachTable | None = None,
) -> Any:
    """Return the JSON tree of *value*, with typed values for what JSON can't represent, and `_mlv` keys escaped.

    All values go through this function: `params`, `extra`, and the data of events, spans and adapters.

    Args:
        value: Any value. Exact built-ins round-trip; `docs/reference/mlvlogger.md` lists the forms of other types.
        path: The name of the value, for messages, such as `params`.
        depth: The depth of the value in its record, which has depth 1.
        experiment_id: The id of the experiment that the record belongs to; references to it omit the id.
        report: A function that is called with a message for each of the first values that can't be encoded. All such
            values become `Unencodable`.
        attach: A function that writes a large table to an attached file. It is called with the keys that lead to the
            table and the content of the file, and returns the reference, or None if the table must be in the record.
        refused: Without *report*: a list to which the values that can't be encoded are added, instead of an error.

    Raises:
        CannotEncode: If values have no form in a record, without *report* and *refused*. The error lists all of them.
        MemoryError: If memory runs out, also in code of the value.
        RecursionError: If the calls before this one have used up the interpreter's stack. If code of the value recurses
            endlessly, the value can't be encoded.
    """
    encoder = _Encoder(path, depth, experiment_id, report is not None, [] if refused is None else refused, attach)
    try:
        tree = encoder.encode(value, depth)
    except _TooLarge:
        tree = encoder.refuse(value, f"of more than {_MAX_PARTS} parts")
    if report is not None:  # only now: a warning may be an exception, which isn't one of the value's code
        for message in encoder.messages:
            report(message)
        if encoder.more:
            report(f"{path}: {encoder.more} more values can't be encoded. They were recorded as type and repr only.")
    elif refused is None and encoder.refused:
        raise refusal(encoder.refused)
    return tree


class _TooLarge(Exception):
    """The error for a value that has more parts than a record can hold; none of them is recorded."""


class _Encoder:
    """The state of one call of `encode`."""

    def __init__(
        self,
        path: str,
        top: int,
        experiment_id: str | None,
        is_lenient: bool,
        refused: list[Problem],
        attach: AttachTable | None,
    ) -> None:
        self._path = path
        self._top = top
        self._experiment_id = experiment_id
        self._is_lenient = is_lenient
        self.messages: list[str] = []  # if is_lenient: a message for each of the first values that can't be encoded
        self.more = 0  # the number of such values without a message
        self._attach = attach
        self.refused = refused  # if not is_lenient: the values that can't be encoded
        self._parts = 0
        self._ancestors: set[int] = set()  # ids of the containers around the current value, to detect a cycle
        self._keys: list[Any] = []  # the keys and indices that lead to the current value

    def encode(self, value: Any, depth: int) -> Any:
        """Return the JSON tree of *value*, which is at this depth of the record."""
        self._parts += 1
        kind = type(value)
        if kind is str and len(value) <= MAX_RECORD:
            return value if value.isascii() else string_value(value)
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
            # Built-ins are copied in one step, so that changes by another thread have no effect.
            if kind is dict:
                return self._mapping(value, value.copy().items(), depth)
            if kind is list or kind is tuple:
                return self._array(value, value[:], depth)
            return self._convertible(value, depth)
        except CannotEncode:
            raise
        except _TooLarge:
            if depth != self._top + 1:
                raise
            self._parts = parts  # the other members of the whole are recorded
            return self.refuse(value, f"of more than {_MAX_PARTS} parts")
        except Exception as error:  # from code of the value: iteration, hashing, __fspath__, tolist, …
            reraise_exhaustion(error)
            return self.refuse(value, f"of type {qualname(type(value))} and raises {error_line(error)}", error=error)

    def _int(self, value: int) -> Any:
        if abs(value) >= LARGEST_INT:
            return self.refuse(value, "an integer of more than 4000 digits")
        return {"_mlv": "int", "value": decimal(value)}

    def _enter_container(self, value: Any, depth: int) -> str | None:
        """Enter a container, or return the reason why it can't be encoded."""
        # At the last level there is no space for the content of a container, but for an `unencodable` object.
        if depth >= MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        if id(value) in self._ancestors:
            return "a container that contains itself"
        if type(value) in (dict, list, tuple, range) and len(value) > _MAX_PARTS:
            return f"a container of more than {_MAX_PARTS} parts"
        self._ancestors.add(id(value))
        self._keys.append(None)
        return None

    def _leave_container(self, value: Any) -> None:
        self._ancestors.discard(id(value))
        self._keys.pop()

    def _array(self, value: Any, items: Iterable[Any], depth: int) -> Any:
        if description := self._enter_container(value, depth):
            return self.refuse(value, description)
        try:
            array = []
            for number, item in enumerate(items):
                self._keys[-1] = number
                array.append(self.encode(item, depth + 1))
                if number >= _MAX_PARTS:  # an iterator without an end
                    raise _TooLarge
            return array
        finally:
            self._leave_container(value)

    def _mapping(self, value: Any, items: Iterable[tuple[Any, Any]], depth: int) -> Any:
        if description := self._enter_container(value, depth):
            return self.refuse(value, description)
        tree: dict[str, Any] = {}
        keys: dict[str, Any] = {}  # by name, if the key isn't the name itself
        numbers: dict[str, int] = {}  # by name, if several keys have it
        try:
            for key, item in items:
                self._keys[-1] = name = key if type(key) is str and key.isascii() else self._name(key)
                if name[:1] == "_" and is_escaped("_" + name):
                    name = "_" + name
                if name in tree:
                    second = free_name(self._keys[-1], tree, numbers)
                    self._report_second(keys.get(name, self._keys[-1]), key, second)
                    name = second
                if name is not key:
                    keys[name] = key
                tree[name] = self.encode(item, depth + 1)
                if len(tree) > _MAX_PARTS:  # an iterator without an end
                    raise _TooLarge
        finally:
            self._leave_container(value)
        return tree

    def _name(self, key: Any) -> str:
        """Return the name of a member in JSON; for a key that has none, a string that shows the key."""
        error = None
        try:
            name = key_name(key)
            if name is not None and is_text(name := str.__str__(name)):
                return name
            fault = "has a lone surrogate" if name is not None else f"is of type {qualname(type(key))}"
        except Exception as raised:
            reraise_exhaustion(raised)
            name, error, fault = None, raised, f"is of type {qualname(type(key))} and raises {error_line(raised)}"
        name = cut(to_ascii(short(key)), 100) if name is None else to_ascii(name)
        reason = f"the key {brief(key)} {printable(fault)}, and a name in JSON can't be that."
        instead = f"The value was recorded under the name {brief(name)}."
        self._report(self._path_to(self._keys[:-1]), reason, instead, "Make the key a string.", error)
        return name

    def _report_second(self, first: Any, key: Any, name: str) -> None:
        reason = f"the keys {brief(first)} and {brief(key)} have the same name in JSON, {brief(self._keys[-1])}."
        instead = f"The value of the second was recorded under the name {brief(name)}."
        self._report(self._path_to(self._keys[:-1]), reason, instead, "Rename one of them.")

    def _convertible(self, value: Any, depth: int) -> Any:
        if type(value) is Failed:
            return self.refuse(value, "", error=value.error)
        if isinstance(value, (File, External, ExperimentRef, EventRef, Redacted, Unencodable)):
            return self._typed(value, depth)
        if isinstance(value, Opaque):
            return self._opaque(value, depth)
        if is_of(value, f"{__package__}.histogram", "Histogram") or is_of(value, f"{__package__}.table", "Table"):
            return self._form(value, depth)
        # The order matters: a configuration, for example, may have attributes of any name.
        if (tree := self._scalar(value, depth)) is not _OTHER:
            return tree
        if (tree := self._container(value, depth)) is not _OTHER:
            return tree
        if (tree := self._object(value, depth)) is not _OTHER:
            return tree
        return self.refuse(value, f"of type {qualname(type(value))}")

    def _scalar(self, value: Any, depth: int) -> Any:
        Enum, times, _, _, _ = stdlib_types()
        if isinstance(value, Enum):
            # Before int and str: an IntEnum is an int, and is recorded as its value. Combined flags have no name.
            plain = value.value if isinstance(value, (str, int)) else value.name or str(value)  # type: ignore[union-attr]
            return self.encode(plain, depth)
        if isinstance(value, str):
            if len(text := str.__str__(value)) > MAX_RECORD:
                return self.refuse(value, f"a string of {len(text)} characters, too large", _ATTACH)
            return self.encode(text, depth)
        if isinstance(value, int):
            return self.encode(int(value), depth)
        if isinstance(value, float):
            return self.encode(float(value), depth)
        if isinstance(value, times):
            return time_value(value) or self.refuse(value, "a time without a form in RFC 3339")
        if isinstance(value, (bytes, bytearray, memoryview)):
            if (size := memoryview(value).nbytes) > MAX_RECORD:
                return self.refuse(value, f"of {size} bytes, too large", _ATTACH)
            from base64 import b64encode

            return {"_mlv": "bytes", "value": b64encode(bytes(value)).decode("ascii")}
        if issubclass(type(value), type) or isinstance(value, os.PathLike):
            return self.encode(as_text(value), depth)
        return _OTHER

    def _container(self, value: Any, depth: int) -> Any:
        if (plain := without_omegaconf(value)) is not value:
            return self.encode(plain, depth)
        _, _, Mapping, views, arrays = stdlib_types()
        if isinstance(value, Mapping) or is_of(value, "ml_collections", "ConfigDict"):
            return self._mapping(value, members_of(value, lambda key: value[key]), depth)
        if isinstance(value, arrays):
            return self._array(value, value, depth)
        if isinstance(value, (*views, set, frozenset)):
            from itertools import islice

            is_set = isinstance(value, (set, frozenset))
            items: list[Any] = list(islice(value.copy() if type(value) is set else value, _MAX_PARTS + 1))  # type: ignore[call-overload]
            array = self._array(value, items, depth)
            if is_set and type(array) is list:
                # The order is fixed, so that equal sets give equal records.
                array.sort(key=lambda tree: (type(tree).__name__, dumps(tree)))
            return array
        if type(value) is slice:
            return self._mapping(value, {"start": value.start, "stop": value.stop, "step": value.step}.items(), depth)
        return _OTHER

    def _object(self, value: Any, depth: int) -> Any:
        if hasattr(type(value), "get_secret_value"):  # SecretStr and the like of pydantic
            return {"_mlv": "redacted"}
        if any(base.__module__ == "pydantic.networks" for base in type(value).__mro__):  # HttpUrl and the like
            return self.encode(str(value), depth)
        if (members := plain_mapping(value)) is not None:
            return self._mapping(value, members.items(), depth)
        if hasattr(value, "tolist") and hasattr(value, "shape"):  # NumPy and torch scalars, arrays and tensors
            if (tree := self._numeric(value, depth)) is not _OTHER:
                return tree
        if is_of(value, "functools", "partial"):  # before functions: a partial may have the same attributes
            parts = {"function": value.func, "args": value.args, "keywords": value.keywords}
            return self._mapping(value, parts.items(), depth)
        return _OTHER if (named := as_text(value)) is None else self.encode(named, depth)

    def _numeric(self, value: Any, depth: int) -> Any:
        count = count_elements(value.shape)
        if count > _MAX_PARTS:
            return self.refuse(value, f"an array of shape {tuple(value.shape)}, too large", _ATTACH)
        if count > _MAX_ELEMENTS and not self._is_lenient:
            description = f"an array of shape {tuple(value.shape)}, with more than {_MAX_ELEMENTS} elements"
            return self.refuse(value, description, "Save it to a file and pass mlvlogger.ref(path).")
        listed = value.tolist()
        if is_finer_than_microseconds(getattr(value, "dtype", "")) and leaf_type(listed) in (int, type(None)):
            advice = "Give microseconds: value.astype('datetime64[us]'), or 'timedelta64[us]'."
            return self.refuse(value, "a time finer than Python's", advice)
        return _OTHER if hasattr(listed, "tolist") else self.encode(listed, depth)

    def _typed(self, value: Any, depth: int) -> Any:
        tree = reference_tree(value, self._experiment_id)
        if depth + isinstance(value, External) > MAX_DEPTH or isinstance(decode(tree), Opaque):
            return self.refuse(value, f"a {qualname(type(value))} of a wrong form")
        return tree

    def _form(self, value: Any, depth: int) -> Any:
        from .tabular import histogram_tree, table_tree

        if depth + 2 >= MAX_DEPTH:
            return self.refuse(value, f"nested deeper than {MAX_DEPTH} levels")
        if type(value).__name__ == "Histogram":
            return histogram_tree(value, lambda member: self.encode(member, depth + 1))
        parts, keys, attach = self._parts, tuple(self._keys), self._attach

        def encode_row(number: int, row: tuple[Any, ...]) -> Any:
            self._parts = self._parts if attach is None else parts  # an attached file may have any number of rows
            self._keys.append(number)
            try:
                return self._array(row, row, depth + 2)
            finally:
                self._keys.pop()

        tree = table_tree(value, encode_row, None if attach is None else lambda lines: attach(keys, lines))
        return self._typed(tree, depth) if isinstance(tree, File) else tree

    def _opaque(self, value: Opaque, depth: int) -> Any:
        tree = value.json
        if type(tree) is not dict or not is_type(tree.get("_mlv")) or not is_json(tree, MAX_DEPTH + 1 - depth):
            return self.refuse(value, "an Opaque of a wrong form")
        return tree

    def refuse(self, value: Any, description: str, advice: str = "", error: Exception | None = None) -> dict[str, Any]:
        """Report that *value* can't be encoded, and return its replacement.

        Args:
            value: The value.
            description: A description of the value, for the message.
            advice: What the user can do, if the general advice doesn't fit.
            error: The exception that the code of the value raised.
        """
        if type(value) is Failed:
            kind, text = type(value.error), error_line(value.error)
            reason = f"reading the value raises {printable(text)}."
        else:
            kind, text = type(value), short(value)
            reason = f"the value is {printable(description)}, which a record can't hold: {printable(text)}."
            if self._is_lenient:  # without the repr, which is in the record
                reason = f"the value is {printable(description)}."
        self._report(self._path_to(self._keys), reason, "It was recorded as its type and repr only.", advice, error)
        return {"_mlv": "unencodable", "type": type_name(kind), "repr": to_ascii(text)}

    def _report(self, path: str, reason: str, instead: str, advice: str, error: Exception | None = None) -> None:
        """Add a problem, or for an event a message, in which *instead* describes what was recorded."""
        if not self._is_lenient:
            self.refused.append((path, reason, advice, error))
            if len(self.refused) >= MAX_REFUSED:
                raise refusal(self.refused)
        elif len(self.messages) < _MAX_MESSAGES:
            self.messages.append(f"{path}: {reason} {instead} {advice}".rstrip())
        else:
            self.more += 1

    def _path_to(self, keys: list[Any]) -> str:
        return self._path + "".join(f"[{key}]" if type(key) is int else f".{printable(cut(key, 100))}" for key in keys)
