"""Rows that repeat others, within the training data and between it and the test data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.estimators.columns import missing_values
from ganglion.reports.cells import Cells
from ganglion.reports.finding import Finding
from ganglion.tables import share


def row_findings(train: Cells, test: Cells | None, y: NDArray[Any] | None) -> Iterator[Finding]:
    """Yield what is worth a look in the rows.

    Parameters
    ----------
    train : Cells
        Training data.
    test : Cells or None
        Test data, with the same columns.
    y : ndarray of shape (n, ...) or None
        Targets of the training data, those of the rows that are looked at.
    """
    first_of: dict[bytes, int] = {}
    firsts = np.array(
        [first_of.setdefault(key, i) for i, key in enumerate(_keys(train))], dtype=np.intp
    )
    repeated = firsts != np.arange(len(train))
    if repeated.any():
        yield Finding(
            "duplicate rows",
            "training data",
            f"{share(int(repeated.sum()), len(train))} repeat an earlier one",
            "drop them, unless such rows are common in truth",
            train.rows[repeated],
        )
    if y is not None:
        columns: NDArray[Any] = y.reshape(len(y), -1)
        differ = (columns != columns[firsts]).any(axis=1)
        known: NDArray[np.bool_] = ~np.any(missing_values(columns), axis=1)
        conflicting = differ & known & known[firsts]
        if conflicting.any():
            yield Finding(
                "contradictions",
                "training data",
                f"{share(int(conflicting.sum()), len(train))} repeat a row with another target",
                "look at them: no model can get both right",
                train.rows[conflicting],
            )
    if test is not None:
        shared = np.array([key in first_of for key in _keys(test)])
        if shared.any():
            yield Finding(
                "rows of both",
                "test data",
                f"{share(int(shared.sum()), len(test))} are training rows too",
                "drop them from one of the two: they make the test score too good",
                test.rows[shared],
            )


def _keys(cells: Cells) -> list[bytes]:
    # + 0.0 makes -0.0 a 0.0, and every missing value is the same NaN.
    values = cells.values + 0.0
    values[np.isnan(values)] = np.nan
    return [row.tobytes() for row in values]
