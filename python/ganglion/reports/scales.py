"""Numbers far from the others, and columns of scales far apart or far from one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ganglion.reports.cells import Cells
from ganglion.reports.columns import by_column
from ganglion.reports.finding import Finding

# Columns of fewer different values are taken for counts or flags: they have no outliers, and no
# scale to speak of.
_FEWEST_VALUES = 10
# So many interquartile ranges from the median; of a normal distribution, 13 deviations.
_FAR = 10
# Where more of the values are as far, they are not outliers: the column is skewed.
_MOST = 0.05
_APART = 100
# Root mean squares that a network takes as they are: weights are drawn for about one.
_SMALL, _LARGE = 0.01, 10


def scale_findings(cells: Cells) -> Iterator[Finding]:
    """Yield outliers, column by column, then scales that are far apart, or all far from one."""
    columns = {i: _present(cells, i) for i in np.flatnonzero(_continuous(cells)).tolist()}
    far = {i: _far_out(column, cells.values[:, i]) for i, column in columns.items()}
    far = {i: mask for i, mask in far.items() if mask.mean() <= _MOST}
    counts = np.array([far[i].sum() if i in far else 0 for i in range(len(cells.names))])
    yield from by_column(
        "outliers",
        cells,
        counts,
        'look at them; scaling="quantile" or "robust" takes their weight away',
        of=" far from the rest",
        rows={i: cells.rows[mask] for i, mask in far.items()},
    )
    deviations = {i: column.std() for i, column in columns.items()}
    if not deviations:
        return
    low = min(deviations, key=deviations.__getitem__)
    high = max(deviations, key=deviations.__getitem__)
    if deviations[high] > _APART * deviations[low]:
        yield Finding(
            "different scales",
            f"{cells.names[low]}, {cells.names[high]}",
            f"deviations {deviations[low]:.3g} and {deviations[high]:.3g}",
            "scale them: StandardScaler or TabularPreprocessor",
        )
        return
    sizes = {i: np.sqrt(np.mean(column**2)) for i, column in columns.items()}
    size = float(np.median(list(sizes.values())))
    if not _SMALL <= size <= _LARGE:
        largest = max(sizes, key=sizes.__getitem__)
        where = cells.names[largest] if len(sizes) == 1 else f"{len(sizes):,} columns"
        values = columns[largest]
        yield Finding(
            "scale of inputs",
            where,
            f"values of about {size:.3g}; {cells.names[largest]} from {values.min():.4g} to "
            f"{values.max():.4g}",
            "scale them: StandardScaler or TabularPreprocessor; the pixels of images by 1 / 255",
        )


def _continuous(cells: Cells) -> NDArray[np.bool_]:
    some = cells.values[:: max(1, len(cells) // 1000)]
    different = [len(np.unique(column[~np.isnan(column)])) for column in some.T]
    return ~cells.categorical & (np.array(different) >= _FEWEST_VALUES)


def _present(cells: Cells, position: int) -> NDArray[np.float64]:
    column = cells.values[:, position]
    return column[~np.isnan(column)]


def _far_out(present: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.bool_]:
    lower, median, upper = np.percentile(present, [25, 50, 75])
    # Where more than half of the values are the same, the deviation stands in.
    spread = upper - lower or present.std()
    far: NDArray[np.bool_] = np.abs(column - median) > _FAR * spread
    return far
