"""Columns worth a look: gaps, constants, copies, identifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ganglion.reports.cells import Cells
from ganglion.reports.finding import NO_ROWS, Finding
from ganglion.tables import listed, share

# Columns of one check that have a line of their own.
_MOST_LINES = 6
# In a shorter column, that all values differ is chance.
_FEWEST_ROWS = 20


def column_findings(train: Cells, test: Cells | None) -> Iterator[Finding]:
    """Yield what is worth a look in the columns.

    Parameters
    ----------
    train : Cells
        Training data.
    test : Cells or None
        Test data, with the same columns.
    """
    yield from _gaps(train, test)
    yield from by_column(
        "infinite values",
        train,
        train.infinite,
        "replace them: float32, in which networks are trained, ends at 3.4e38",
    )
    constant = _constant(train)
    if constant.any() and len(train) > 1:
        yield Finding(
            "constant columns",
            listed(_names(train, constant)),
            "the same everywhere",
            "leave them out: they tell nothing",
        )
    yield from _copies(train, constant)
    yield from _identifiers(train)
    if test is not None:
        yield from _unknown_categories(train, test)


def _names(cells: Cells, mask: NDArray[np.bool_]) -> list[str]:
    return [cells.names[position] for position in np.flatnonzero(mask)]


def by_column(
    check: str,
    cells: Cells,
    counts: NDArray[np.intp],
    advice: str,
    *,
    of: str = "",
    rows: Mapping[int, NDArray[np.intp]] | None = None,
) -> Iterator[Finding]:
    """Yield a line for each of the columns that have most of something, and one for the others.

    Parameters
    ----------
    check, advice : str
        As in `Finding`.
    cells : Cells
        Whose columns they are.
    counts : ndarray of int, shape (d,)
        How many each column has.
    of : str
        What they are, put after the number.
    rows : mapping of int to ndarray of int, optional
        Where they are, by column.
    """
    where = rows or {}
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    for i in order[:_MOST_LINES]:
        found = share(int(counts[i]), len(cells)) + of
        yield Finding(check, cells.names[i], found, advice, where.get(i, NO_ROWS))
    others = order[_MOST_LINES:]
    if others:
        yield Finding(
            check,
            listed([cells.names[i] for i in others], most=3),
            f"at most {share(int(counts[others[0]]), len(cells))}{of}",
            advice,
            np.unique(np.concatenate([where.get(i, NO_ROWS) for i in others])),
        )


def _gaps(train: Cells, test: Cells | None) -> Iterator[Finding]:
    gaps = np.isnan(train.values).sum(axis=0) - train.infinite
    yield from by_column(
        "missing values", train, gaps, "TabularPreprocessor fills them in and marks them"
    )
    if test is not None:
        later = np.where(gaps == 0, np.isnan(test.values).sum(axis=0) - test.infinite, 0)
        yield from by_column(
            "missing in the test only",
            test,
            later,
            "look at how the two were made: the network never saw a gap there",
            of=" test rows",
        )


def _constant(cells: Cells) -> NDArray[np.bool_]:
    """Which columns have one value, with or without gaps; those of gaps alone too."""
    values = cells.values
    low = np.where(np.isnan(values), np.inf, values).min(axis=0)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    gaps = np.isnan(values).any(axis=0)
    # Gaps beside one value do tell something.
    constant: NDArray[np.bool_] = (low > high) | ((low == high) & ~gaps)
    return constant


def _copies(cells: Cells, constant: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find columns equal to an earlier one, and categories that stand for the same."""
    seen: dict[bytes, str] = {}
    for position in np.flatnonzero(~constant):
        name = cells.names[position]
        fingerprints = list(_fingerprints(cells, int(position)))
        copied = next((f"{what} {seen[key]}" for key, what in fingerprints if key in seen), None)
        if copied is None:
            seen |= {key: name for key, _ in fingerprints}
        else:
            yield Finding("duplicate columns", name, copied, "leave one of the two out")


def _fingerprints(cells: Cells, position: int) -> Iterator[tuple[bytes, str]]:
    column = cells.values[:, position]
    if not cells.categorical[position]:
        yield b"=" + (column + 0.0).tobytes(), "the same as"  # + 0.0 makes -0.0 a 0.0
    _, first, codes = np.unique(column, return_index=True, return_inverse=True)
    # Of numbers that are nearly all different, any two columns would stand for each other.
    if len(first) <= len(column) / 10:
        order = np.argsort(np.argsort(first))  # numbered by first appearance, whatever they are
        yield b"~" + order[codes].astype(np.int32).tobytes(), "each value goes with one of"


def _identifiers(cells: Cells) -> Iterator[Finding]:
    for position, name in enumerate(cells.names):
        column = cells.values[:, position]
        if len(column) < _FEWEST_ROWS or np.isnan(column).any():
            continue
        if cells.categorical[position]:
            different = len(np.unique(column))
            if different > 0.5 * len(column):
                yield Finding(
                    "identifiers",
                    name,
                    f"{share(different, len(column))} categories are different",
                    "leave it out, or make features of it: a category seen once can't be learned",
                )
            continue
        steps = np.diff(column)
        if steps[0] != 0 and (steps == steps[0]).all():
            yield Finding(
                "identifiers", name, "counts the rows", "leave it out: it tells the order of rows"
            )


def _unknown_categories(train: Cells, test: Cells) -> Iterator[Finding]:
    if not train.complete:
        return
    for position in np.flatnonzero(train.categorical):
        known = np.nanmax(train.values[:, position], initial=-1)
        new = test.values[:, position] > known
        if new.any():
            kinds = len(np.unique(test.values[new, position]))
            yield Finding(
                "unknown categories",
                train.names[position],
                f"{share(int(new.sum()), len(test))} test rows, {kinds} categories",
                "TabularPreprocessor takes them with the rare ones (min_frequency)",
            )
