"""What to look at in data before blaming the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.data import whole_number
from ganglion.errors import suggestion
from ganglion.reports.cells import Cells, Reader
from ganglion.reports.columns import column_findings
from ganglion.reports.finding import NO_ROWS, Finding
from ganglion.reports.rows import row_findings
from ganglion.reports.scales import scale_findings
from ganglion.reports.targets import target_array, target_findings
from ganglion.tables import Table


@dataclass(frozen=True, eq=False)
class DataReport:
    """What `inspect_data` found. Printed as a table, and shown as one in notebooks.

    Attributes
    ----------
    findings : list of Finding
        In the order of the table.
    looked_at : str
        How many rows and columns.
    """

    findings: list[Finding]
    looked_at: str

    def rows(self, check: str) -> NDArray[np.intp]:
        """Return the positions of the rows that a check found, each once, in order.

        Parameters
        ----------
        check : str
            Its name in the table, such as ``"duplicate rows"``; those of ``"rows of both"`` are
            positions in the test data.

        Raises
        ------
        ValueError
            When nothing of that name was found; the nearest that was is suggested.
        """
        found = [finding.rows for finding in self.findings if finding.check == check]
        if not found:
            checks = {finding.check for finding in self.findings}
            raise ValueError(f"[rows] nothing was found by {check!r}{suggestion(check, checks)}")
        return np.unique(np.concatenate([NO_ROWS, *found]))

    def _tables(self) -> list[Table]:
        """Return what was found, and what may be done about it, once for each check."""
        if not self.findings:
            return []
        advice = {finding.check: finding.advice for finding in self.findings}
        return [
            Table(
                ["check", "where", "found"], [[f.check, f.where, f.found] for f in self.findings]
            ),
            Table(["check", "what may be done"], [list(pair) for pair in advice.items()]),
        ]

    def __str__(self) -> str:
        found = [table.text() for table in self._tables()]
        return "\n\n".join([self.looked_at, *(found or ["Nothing that is worth a look."])])

    def _repr_html_(self) -> str:
        found = "".join(table.html() for table in self._tables())
        return f"<p>{self.looked_at}</p>{found or '<p>Nothing that is worth a look.</p>'}"


def inspect_data(
    X: ArrayLike,
    y: ArrayLike | None = None,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    max_samples: int | None = None,
    random_state: int = 0,
) -> DataReport:
    """Look for what most often goes wrong in data, before the model is blamed.

    Missing and infinite values; columns that are constant, copies of others or identifiers;
    categories that only the test data has; outliers; scales far apart, or far from one; rows that
    repeat others, contradict them, or stand in training and test data; classes out of balance, rare
    or only in the test data; targets that are all the same, of a scale that trains slowly, or
    heaped at one end; and labels unlike those of the ten nearest rows.

    Parameters
    ----------
    X : frame of pandas or polars, or array_like, shape (n_samples, n_features)
        Training data, as it is: numbers and categories, with gaps. Further dimensions are made
        flat.
    y : array_like of shape (n_samples,), optional
        Classes or numbers, with gaps or infinite ones among them. Of targets of several columns
        only contradictions are looked for.
    X_test, y_test : optional
        Test data, with the same columns.
    max_samples : int, optional
        Rows looked at, drawn at random where there are more; by default as many as make ten million
        cells. Neighbours are looked for among 10,000 of them.
    random_state : int, default=0
        Of the rows drawn.

    Returns
    -------
    DataReport
        ``print`` it; ``findings`` has all of it, with the positions of the rows.

    Raises
    ------
    TypeError
        For sparse data, and for columns or targets of dates, or of lists.
    ValueError
        For data that is empty or of unequal lengths, and for settings out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import inspect_data
    >>> X = np.array([[1.0, 7.0], [2.0, 7.0], [1.0, 7.0], [np.nan, 7.0]])
    >>> print(inspect_data(X))
    4 rows, 2 columns
    <BLANKLINE>
    check              where           found
    ---------------------------------------------------------------------
    missing values     x0              1 of 4 (25%)
    constant columns   x1              the same everywhere
    duplicate rows     training data   1 of 4 (25%) repeat an earlier one
    <BLANKLINE>
    check              what may be done
    -------------------------------------------------------------------
    missing values     TabularPreprocessor fills them in and marks them
    constant columns   leave them out: they tell nothing
    duplicate rows     drop them, unless such rows are common in truth
    """
    place = "inspect_data"
    most = None if max_samples is None else whole_number(place, "max_samples", max_samples)
    seed = whole_number(place, "random_state", random_state, minimum=0)
    reader = Reader(place, most, seed)
    train = reader.read(X)
    test = None if X_test is None else reader.read(X_test)
    targets = None if y is None else _targets(place, "y", y, train)
    targets_test = (
        None if y_test is None or test is None else _targets(place, "y_test", y_test, test)
    )
    findings = [
        *column_findings(train, test),
        *scale_findings(train),
        *row_findings(train, test, targets),
    ]
    if targets is not None and targets.ndim == 1:
        findings += target_findings(train, targets, targets_test, seed)
    return DataReport(findings, _looked_at(train, test))


def _targets(place: str, name: str, y: Any, cells: Cells) -> NDArray[Any]:
    """Return the targets of the rows that are looked at, a single column as one dimension."""
    array = target_array(place, name, y)
    if array.ndim == 0 or len(array) != cells.total:
        raise ValueError(
            f"[{place}] {name} must have a target for each of the {cells.total} rows, "
            f"got {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array[cells.rows]


def _looked_at(train: Cells, test: Cells | None) -> str:
    rows = f"{train.total:,} rows" if test is None else f"{train.total:,} training rows"
    parts = [rows + _drawn(train)]
    if test is not None:
        parts.append(f"{test.total:,} test rows" + _drawn(test))
    categories = int(train.categorical.sum())
    columns = f"{len(train.names):,} columns"
    parts.append(columns + (f", {categories:,} of them categories" if categories else ""))
    return ", ".join(parts)


def _drawn(cells: Cells) -> str:
    return "" if cells.complete else f" (looked at {len(cells):,}, drawn at random)"
