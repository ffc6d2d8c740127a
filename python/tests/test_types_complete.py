"""The public API is typed, all of it: a program that uses it is checked without a gap.

`tox -e types` asks pyright, which follows every type to its end; this asks the names themselves, on every Python.
"""

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import mlvlogger

if TYPE_CHECKING:
    from typing import assert_type

    def check_types_of_results(exp: mlvlogger.Exp, experiment: mlvlogger.Experiment) -> None:
        """Never called: `mypy python/tests` checks that the arguments decide the type of the result."""
        assert_type(exp.ref(), mlvlogger.ExperimentRef)
        assert_type(exp.ref("model.pt"), mlvlogger.File)
        assert_type(experiment.ref(), mlvlogger.ExperimentRef)
        assert_type(experiment.ref(experiment.path / "model.pt"), mlvlogger.File)
        assert_type(exp.create("model.pt"), mlvlogger.NewFile)
        assert_type(exp.create("model.pt", "wb"), mlvlogger.NewFile)
        assert_type(exp.create("notes.txt", "w"), mlvlogger.NewText)
        exp.create("notes.txt", "a")  # type: ignore[call-overload]


def signatures() -> Iterator[tuple[str, Any]]:
    for name in mlvlogger.__all__:
        value = getattr(mlvlogger, name)
        if inspect.isclass(value):
            for member, part in vars(value).items():
                part = getattr(part, "__func__", getattr(part, "fget", part))
                if inspect.isfunction(part):
                    yield f"{name}.{member}", part
        elif inspect.isfunction(value):
            yield name, value
    yield "read", type(mlvlogger.read).__call__
    yield "read.all", type(mlvlogger.read).all


SIGNATURES = dict(signatures())


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_argument_and_every_result_has_a_type(name: str) -> None:
    signature = inspect.signature(SIGNATURES[name])
    parameters = list(signature.parameters.values())[1 if "." in name or name == "read" else 0 :]
    untyped = [parameter.name for parameter in parameters if parameter.annotation is parameter.empty]
    assert untyped == [] and signature.return_annotation is not signature.empty
