"""Tables (specification 1.0, chapter Values). No library is imported to read the rows of a data frame."""

from __future__ import annotations

from .._messages import a_type
from .immutable import Immutable
from .json import is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["Table"]

_MISSING = ("NaTType", "NAType")  # of pandas


class Table(Immutable):
    """A table of values, row by row (`value.table`). It is immutable.

    Log it as a value of an event. To make one from a data frame or from dicts, call `Table.of`. In an experiment, a
    table of more than 1000 rows or 1 MiB is written to an attached file, and `Experiment.table` reads either form.

    Args:
        columns: The names of the columns.
        rows: The rows, each with a value for each column: [values](#values) as in an event.

    Raises:
        ValueError: If two columns have one name, or if a row has another number of values than there are columns.
        TypeError: If the name of a column isn't a string.

    Example:
        ```python
        from mlvlogger import Exp, Table, read

        with Exp("runs", "my_exp_1") as exp:
            rows = [["great film", "positive", 0.98], ["not bad", "negative", 0.6]]
            exp.log.event("validation", step=100, predictions=Table(["text", "label", "p"], rows))

        [event] = read("runs/my_exp_1").events("validation")
        print(event.data["predictions"].rows[1])
        ```

        ```text
        ('not bad', 'negative', 0.6)
        ```
    """

    __slots__ = __match_args__ = ("columns", "rows")

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __init__(self, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        names: list[str] = []
        for name in columns:
            if not isinstance(name, str):
                raise TypeError(f"a column of a table is named {name!r}, {a_type(name)}: give a string.")
            if not is_text(name):
                raise ValueError(
                    f"the column {name!r} of a table has a lone surrogate: decode the name properly first."
                )
            names.append(str.__str__(name))
        if len({*names}) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"a table has the column {twice!r} twice: rename one of them.")
        cells = tuple(tuple(row) for row in rows)
        for number, row in enumerate(cells):
            if len(row) != len(names):
                raise ValueError(
                    f"row {number} of a table has {len(row)} values for {len(names)} columns: give one for each "
                    "column, and None for a missing one."
                )
        self._set(tuple(names), cells)

    @classmethod
    def of(cls, data: Any) -> Table:
        """Return the table of a data frame or of dicts.

        Args:
            data: A data frame of pandas, polars or pyarrow; a mapping from the name of each column to its values; or
                rows as mappings, of which a missing value is None. The index of a pandas frame becomes columns, unless
                it only counts the rows from 0 and has no name. Missing values of pandas are None, and NaN in a column
                of floats stays NaN. Names that aren't strings become strings.

        Raises:
            ValueError: If the columns have different lengths, or as for `Table`.
            TypeError: If `data` is of another type.
        """
        if hasattr(data, "itertuples") and hasattr(data, "columns"):  # pandas
            index = data.index
            is_plain = index.name is None and type(index).__name__ == "RangeIndex" and index.start == 0
            frame = data if is_plain and index.step == 1 else data.reset_index()
            floats = [getattr(dtype, "kind", "") == "f" for dtype in frame.dtypes]
            rows = frame.itertuples(index=False, name=None)
            return cls(map(str, frame.columns), (map(_present, row, floats) for row in rows))
        if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # polars
            return cls(data.columns, data.iter_rows())
        if hasattr(data, "column_names") and hasattr(data, "to_pydict"):  # pyarrow
            columns = [column.to_pylist() for column in data.columns]
            return cls(data.column_names, zip(*columns, strict=True))
        if hasattr(data, "keys"):
            return cls(map(str, data.keys()), _transposed(data))
        if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
            raise TypeError(
                f"a {type(data).__name__} isn't a table: give a data frame, a dict of columns, or a list of dicts; or "
                "call Table(columns, rows)."
            )
        dicts = [*data]
        for row in dicts:
            if not hasattr(row, "keys"):
                raise TypeError(f"a row is a {type(row).__name__}, not a dict: call Table(columns, rows).")
        names = {name: None for row in dicts for name in row}
        return cls(map(str, names), [[row[name] if name in row else None for name in names] for row in dicts])


def _transposed(columns: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a mapping of columns."""
    values = [[*columns[name]] for name in columns.keys()]
    lengths = {str(name): len(one) for name, one in zip(columns.keys(), values, strict=True)}
    if len({*lengths.values()}) > 1:
        raise ValueError(f"the columns of a table have different lengths: {lengths}. Give one value for each row.")
    return [*zip(*values, strict=True)]


def _present(cell: Any, is_float: bool) -> Any:
    """Return a cell of pandas, and None for a missing one: NaT, NA, and NaN in a column that isn't of floats."""
    is_missing = type(cell).__name__ in _MISSING or (type(cell) is float and cell != cell and not is_float)
    return None if is_missing else cell
