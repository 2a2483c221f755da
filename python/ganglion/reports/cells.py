"""A table as numbers that can be compared: categories by code, what is missing as NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.estimators.columns import (
    as_numbers,
    as_table,
    categorical_mask,
    check_kinds,
    kinds_of,
    missing_values,
    names_of,
    select_columns,
    select_rows,
)
from ganglion.source import Source

# Cells of a table that are looked at by default; of a larger one, rows are drawn at random.
MOST_CELLS = 10_000_000


@dataclass(frozen=True)
class Cells:
    """The rows of a table that are looked at.

    Attributes
    ----------
    names : list of str
        Of the columns.
    categorical : ndarray of bool, shape (d,)
        Which columns hold categories.
    values : ndarray of float64, shape (n, d)
        Codes for categories, the same in training and test data; NaN for what is missing or
        infinite.
    infinite : ndarray of int, shape (d,)
        Values of each column that are infinite, in float32 at least.
    rows : ndarray of int, shape (n,)
        Where in the whole table each row stands.
    total : int
        Rows of the whole table.
    """

    names: list[str]
    categorical: NDArray[np.bool_]
    values: NDArray[np.float64]
    infinite: NDArray[np.intp]
    rows: NDArray[np.intp]
    total: int

    def __len__(self) -> int:
        return len(self.values)

    @property
    def complete(self) -> bool:
        """Whether all rows of the table are looked at."""
        return len(self) == self.total


class Reader:
    """Reads training and test data in the same way.

    Parameters
    ----------
    place : str
        What messages begin with.
    most : int or None
        Rows to look at; None for as many as make ten million cells.
    seed : int
        Of the rows drawn.

    Examples
    --------
    >>> reader = Reader("doctest", None, 0)
    >>> reader.read([["a", 1.5], ["b", None]]).values.tolist()
    [[0.0, 1.5], [1.0, nan]]
    >>> reader.read([["c", 2.0], ["b", 3.0]]).values.tolist()
    [[2.0, 2.0], [1.0, 3.0]]
    """

    def __init__(self, place: str, most: int | None, seed: int) -> None:
        self._place = place
        self._most = most
        self._seed = seed
        self._codes: list[dict[Any, int]] = []
        self._first: Cells | None = None

    def read(self, X: Any) -> Cells:
        """Return the cells of a table; of a second one, with the codes of the first.

        Raises
        ------
        TypeError
            For sparse data, columns of dates, and values that are neither numbers nor categories.
        ValueError
            For an empty table, and for other columns than the first table's.
        """
        if isinstance(X, Source):
            raise TypeError(
                f"[{self._place}] X must be in memory, got {type(X).__name__}: X.load(rows) is"
            )
        if getattr(X, "ndim", 2) > 2:
            X = np.asarray(X).reshape(len(X), -1)
        table = as_table(X, self._place, infinite=True)
        if 0 in table.shape:
            raise ValueError(
                f"[{self._place}] a table must have rows and columns, got shape {table.shape}"
            )
        names = names_of(table)
        if self._first is None:
            categorical = categorical_mask(table, "auto", self._place)
            self._codes = [{} for _ in names]
        elif names != self._first.names:
            raise ValueError(
                f"[{self._place}] X_test must have the {len(self._first.names)} columns of X, "
                f"got {len(names)}: {', '.join(names[:5])}"
            )
        else:
            categorical = self._first.categorical
        rows = self._draw(len(table), len(names))
        drawn = table if len(rows) == len(table) else select_rows(table, rows)
        values = np.empty((len(rows), len(names)))
        numeric = np.flatnonzero(~categorical).tolist()
        values[:, numeric] = (
            as_numbers(select_columns(drawn, numeric), self._place) if numeric else 0.0
        )
        for position in np.flatnonzero(categorical).tolist():
            column = select_columns(drawn, [position])
            objects = np.asarray(column, dtype=object)[:, 0]
            missing = missing_values(column)[:, 0]
            check_kinds(kinds_of(objects[~missing]), f"column {names[position]!r}", self._place)
            values[:, position] = _encode(objects, missing, self._codes[position])
        infinite = np.abs(values) > np.finfo(np.float32).max
        values[infinite] = np.nan
        cells = Cells(names, categorical, values, infinite.sum(axis=0), rows, len(table))
        self._first = self._first or cells
        return cells

    def _draw(self, total: int, columns: int) -> NDArray[np.intp]:
        most = self._most or max(1, MOST_CELLS // columns)
        if total <= most:
            return np.arange(total)
        return np.sort(np.random.default_rng(self._seed).choice(total, most, replace=False))


def _encode(
    objects: NDArray[Any], missing: NDArray[np.bool_], codes: dict[Any, int]
) -> NDArray[np.float64]:
    return np.array(
        [
            np.nan if gone else codes.setdefault(value, len(codes))
            for value, gone in zip(objects, missing, strict=True)
        ]
    )
