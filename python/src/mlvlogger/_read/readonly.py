"""Read-only metadata: a change, which wouldn't be recorded, raises an error that names the call that records it."""

from __future__ import annotations

from weakref import ref

from .._format.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, NoReturn

__all__ = ["ReadOnlyAttributes", "ReadOnlyDict", "ReadOnlyList", "read_only"]

# The argument of `Exp.open` that adds to a member, also by names that users of other libraries try.
_ADDITIONS = {
    "params": "{'name': value}",
    "extra": "extra={'name': value}",
    "tags": "tags=['tag']",
    **dict.fromkeys(("descriptions", "description", "notes", "note"), "description='text'"),
}
# The advice for attributes to which nothing can be added.
_INSTEAD = {
    **dict.fromkeys(
        ("kind", "name", "parent", "parent_ref"), "Make another experiment: Exp(savedir, name, params, kind, parent=…)."
    ),
    **dict.fromkeys(("log", "streams"), "Open a further stream with exp.stream(name)."),
    **dict.fromkeys(("state", "status"), "End the experiment with exp.close(status)."),
    **dict.fromkeys(
        (
            "changes",
            "continued",
            "created",
            "environments",
            "first_params",
            "id",
            "path",
            "problems",
            "records",
            "torn",
        ),
        "Read another: read(path).",
    ),
}
_LOST = "recorded metadata is read-only, so this change would be lost."


class _Metadata:
    """The common part of read-only dicts and lists.

    Attributes:
        _member: The attribute of the experiment to which this dict or list belongs.
        _exp: A weak reference to the experiment, which the metadata must not keep alive.
    """

    __slots__ = ()
    _member: str
    _exp: ref[Any]

    def _bind(self, member: str, exp: ref[Any]) -> None:
        object.__setattr__(self, "_member", member)
        object.__setattr__(self, "_exp", exp)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(self._why())

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(self._why())

    def _why(self) -> str:
        exp = self._exp()
        path = getattr(exp, "path", None)
        subject = f"{self._member} of {path}" if path else self._member
        copy = f"To change a copy, call copy.deepcopy(exp.{self._member})."
        return f"{subject}: {_LOST}{_addition(self._member, exp)} {copy}"


class ReadOnlyDict(_Metadata, dict):  # type: ignore[type-arg]
    """A dict that raises TypeError for every change. Each kind of copy is an ordinary dict."""

    __slots__ = ("_exp", "_member")

    def __init__(self, items: dict[str, Any], member: str, exp: ref[Any]) -> None:
        super().__init__(items)
        self._bind(member, exp)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    if not TYPE_CHECKING:  # a type checker would compare the signatures with those of dict
        __setitem__ = __delitem__ = __ior__ = _Metadata._refuse
        update = setdefault = pop = popitem = clear = _Metadata._refuse


class ReadOnlyList(_Metadata, list):  # type: ignore[type-arg]
    """A list that raises TypeError for every change. Each kind of copy is an ordinary list."""

    __slots__ = ("_exp", "_member")

    def __init__(self, items: list[Any], member: str, exp: ref[Any]) -> None:
        super().__init__(items)
        self._bind(member, exp)

    def __reduce__(self) -> Any:
        return list, (list(self),)

    if not TYPE_CHECKING:
        __setitem__ = __delitem__ = __iadd__ = __imul__ = _Metadata._refuse
        append = extend = insert = remove = pop = clear = sort = reverse = _Metadata._refuse


def read_only(tree: Any, member: str, exp: object) -> Any:
    """Return *tree* with read-only dicts and lists, at every depth.

    Args:
        tree: The recorded value: dicts, lists and immutable values.
        member: The attribute of *exp* that gets the result.
        exp: The experiment; the message of an attempted change has its `path`.
    """
    return _read_only(tree, member, ref(exp))


def _read_only(tree: Any, member: str, exp: ref[Any]) -> Any:
    if type(tree) is dict:
        return ReadOnlyDict({name: _read_only(value, member, exp) for name, value in tree.items()}, member, exp)
    if type(tree) is list:
        return ReadOnlyList([_read_only(value, member, exp) for value in tree], member, exp)
    if type(tree) is Table:
        return Table(tree.columns, [[_read_only(cell, member, exp) for cell in row] for row in tree.rows])
    return tree


def _addition(member: str, exp: object) -> str:
    if member not in _ADDITIONS:
        return ""
    return f" To record an addition, call {_call(exp, _ADDITIONS[member])}."


def _call(exp: object, argument: str) -> str:
    """Return the call that records an argument: of an experiment to which this process writes, its own method."""
    if hasattr(exp, "add"):
        return f"exp.add({argument})"
    path = getattr(exp, "path", None)
    return f"Exp.open({repr(str(path)) if path else 'path'}, {argument}).close()"


class ReadOnlyAttributes:
    """A base class of experiments: once one is complete, its public attributes can't be assigned or deleted.

    A user's subclass may have further attributes.
    """

    _last_attribute: ClassVar[str]  # the attribute whose assignment completes an experiment

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and self._last_attribute in self.__dict__:
            _refuse(self, name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not name.startswith("_"):
            _refuse(self, name)
        super().__delattr__(name)


def _refuse(exp: object, name: str) -> None:
    kind, path = type(exp), getattr(exp, "path", "")
    subject = f"{kind.__name__}.{name} of {path}: "
    if name in _ADDITIONS:
        raise AttributeError(f"{subject}{_LOST}{_addition(name, exp)}")
    if name in _INSTEAD:
        raise AttributeError(f"{subject}{_LOST} {_INSTEAD[name]}")
    if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        raise AttributeError(
            f"{subject}there is no such attribute to assign, so the value would be lost. "
            f"To record it, call {_call(exp, f'extra={{{name!r}: value}}')}."
        )
