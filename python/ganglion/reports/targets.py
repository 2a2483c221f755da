"""Targets worth a look: classes out of balance, labels that may be wrong, heaps, scale."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ganglion.estimators.columns import check_kinds, kinds_of, missing_values, no_dates
from ganglion.estimators.tabular import TabularPreprocessor
from ganglion.reports.cells import Cells
from ganglion.reports.finding import Finding
from ganglion.tables import listed, share

# Numbers of more different values than this are no classes.
_MOST_CLASSES = 100
# The most frequent class against the rarest, and the fewest samples to learn a class from.
_IMBALANCE, _FEW = 3, 10
# Rows among which neighbours are looked for: all pairs are compared.
_NEIGHBOURHOOD, _NEIGHBOURS = 10_000, 10
# How many times as far as usual a suspect is from the median of its neighbours.
_FAR = 10


def target_array(place: str, name: str, y: Any) -> NDArray[Any]:
    """Return targets as an array of numbers, or of objects that can be told apart.

    Parameters
    ----------
    place, name : str
        What messages begin with, and what they call the targets.
    y : array_like
        None, NaN and pandas's ``NA`` are missing values.

    Returns
    -------
    ndarray
        Objects that all are numbers as numbers; in others None where one is missing.

    Raises
    ------
    TypeError
        For dates and times, for lists and the like.

    Examples
    --------
    >>> target_array("doctest", "y", np.array([1, 2.5, None], dtype=object)).tolist()
    [1.0, 2.5, nan]
    """
    try:
        array = np.asarray(y)
    except ValueError:  # rows of different lengths
        array = np.empty(len(y), dtype=object)
        array[:] = list(y)
    if array.dtype.kind in "mM":
        raise TypeError(no_dates(place, name, array.dtype))
    if array.dtype.kind != "O":
        return array
    missing = missing_values(array)
    known = array[~missing]
    kinds = kinds_of(known)
    check_kinds(kinds, name, place)
    if kinds and all(issubclass(kind, (numbers.Real, Decimal)) for kind in kinds):
        if not missing.any():
            return np.array(array.tolist())
        values = np.full(array.shape, np.nan)
        values[~missing] = known.astype(np.float64)
        return values
    objects: NDArray[Any] = array.copy()
    objects[missing] = None
    return objects


def target_findings(
    cells: Cells, y: NDArray[Any], y_test: NDArray[Any] | None, seed: int
) -> Iterator[Finding]:
    """Yield what is worth a look in targets of one dimension.

    Parameters
    ----------
    cells : Cells
        Training data.
    y : ndarray of shape (n,)
        Targets of its rows that are looked at.
    y_test : ndarray of shape (n_test,) or None
        Targets of the test data.
    seed : int
        Of the rows among which neighbours are looked for.
    """
    missing = missing_values(y[:, np.newaxis])[:, 0]
    if missing.any():
        yield Finding(
            "missing targets",
            "y",
            share(int(missing.sum()), len(y)),
            "drop these rows: they can't be learned from",
            cells.rows[missing],
        )
    infinite = np.zeros_like(missing)
    if y.dtype.kind == "f":
        infinite = np.abs(y) > np.finfo(np.float32).max
    if infinite.any():
        yield Finding(
            "infinite targets",
            "y",
            share(int(infinite.sum()), len(y)),
            "correct or drop them: float32, in which networks are trained, ends at 3.4e38",
            cells.rows[infinite],
        )
    known = np.flatnonzero(~missing & ~infinite)
    if not len(known):
        return
    if y.dtype.kind == "O":
        kinds = {kind.__name__ for kind in kinds_of(y[known])}
        if len(kinds) > 1:
            yield Finding(
                "mixed targets",
                "y",
                f"values of {listed(sorted(kinds))}",
                "make them of one type: scikit-learn's estimators refuse these",
            )
        y = _as_text(y)
    if (y[known] == y[known[0]]).all():
        yield Finding(
            "constant target",
            "y",
            f"one value, {y[known[0]]}",
            "there is nothing to learn: look at how it was made",
        )
        return
    if are_classes(y[known]):
        yield from _class_findings(y[known], y_test)
    else:
        yield from _number_findings(y[known].astype(np.float64), cells.rows[known])
    yield from _suspects(cells, y, known, seed)


def are_classes(y: NDArray[Any]) -> bool:
    """Tell whether targets are classes: no numbers, or few and whole ones.

    Examples
    --------
    >>> are_classes(np.array([0, 1, 1, 0])), are_classes(np.array([0.5, 1.0, 1.5]))
    (True, False)
    """
    if y.dtype.kind not in "biuf":
        return True
    return bool(np.all(y == np.round(y))) and len(np.unique(y)) <= min(_MOST_CLASSES, len(y) / 2)


def _class_findings(y: NDArray[Any], y_test: NDArray[Any] | None) -> Iterator[Finding]:
    classes, counts = np.unique(y, return_counts=True)
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] >= _IMBALANCE * counts[least]:
        yield Finding(
            "class imbalance",
            f"{classes[most]}, {classes[least]}",
            f"{counts[most]:,} and {counts[least]:,} samples; "
            f"always {classes[most]} is right in {100 * counts[most] / len(y):.1f}%",
            'class_weight="balanced", and balanced accuracy beside accuracy',
        )
    rare = classes[counts < _FEW]
    if len(rare):
        yield Finding(
            "rare classes",
            listed(rare.tolist()),
            f"fewer than {_FEW} samples each",
            "more samples, or one class of them all",
        )
    if y_test is not None:
        y_test = y_test[~missing_values(y_test[:, np.newaxis])[:, 0]]
        if "O" in (classes.dtype.kind, y_test.dtype.kind):
            classes, y_test = _as_text(classes), _as_text(y_test)
        new = np.setdiff1d(y_test, classes)
        if len(new):
            yield Finding(
                "unknown classes",
                listed(new.tolist()),
                f"{share(int(np.isin(y_test, new).sum()), len(y_test))} test rows",
                "these can't be right: look at how the data was split",
            )


def _as_text(y: NDArray[Any]) -> NDArray[Any]:
    """Return objects as text, None where one is missing: text has an order, whatever it says."""
    return np.array([None if value is None else str(value) for value in y], dtype=object)


def _number_findings(y: NDArray[np.float64], rows: NDArray[np.intp]) -> Iterator[Finding]:
    mean, deviation = y.mean(), y.std()
    if max(abs(mean), deviation) > 10 or 0 < deviation < 0.1:
        yield Finding(
            "target scale",
            "y",
            f"mean {mean:.4g}, deviation {deviation:.4g}",
            "TransformedTargetRegressor with a StandardScaler",
        )
    for name, end in (("largest", y.max()), ("smallest", y.min())):
        at_end = y == end
        if max(_FEW, 0.01 * len(y)) < at_end.sum() < 0.5 * len(y):
            yield Finding(
                "heaped target",
                "y",
                f"{share(int(at_end.sum()), len(y))} are exactly the {name}, {end:g}",
                "it may have been cut off there: the truth lies beyond",
                rows[at_end],
            )


def _suspects(
    cells: Cells, y: NDArray[Any], known: NDArray[np.intp], seed: int
) -> Iterator[Finding]:
    """Compare each target with those of the most similar rows."""
    if len(known) > _NEIGHBOURHOOD:
        generator = np.random.default_rng(seed)
        known = np.sort(generator.choice(known, _NEIGHBOURHOOD, replace=False))
    if len(known) <= _NEIGHBOURS:
        return
    inputs = TabularPreprocessor(
        categorical_columns=np.flatnonzero(cells.categorical).tolist(), max_categories=50
    ).fit_transform(cells.values[known])
    # Without an argument each row's neighbours are looked for among the others.
    near = NearestNeighbors(n_neighbors=_NEIGHBOURS).fit(inputs).kneighbors(return_distance=False)
    if are_classes(y[known]):
        _, labels = np.unique(y[known], return_inverse=True)
        suspect = (labels[near] != labels[:, np.newaxis]).all(axis=1)
        found = f"have a label that none of the {_NEIGHBOURS} nearest rows has"
    else:
        targets = y[known].astype(np.float64)
        away = np.abs(targets - np.median(targets[near], axis=1))
        apart = np.ptp(targets[near], axis=1)  # large where rows are few, or the target is steep
        suspect = (away > _FAR * np.median(away)) & (away > apart)
        found = f"have a target far from those of the {_NEIGHBOURS} nearest rows"
    if suspect.any():
        yield Finding(
            "label noise",
            "y",
            f"{share(int(suspect.sum()), len(known))} {found}",
            "look at these rows: they are hard, or their targets are wrong",
            cells.rows[known[suspect]],
        )
