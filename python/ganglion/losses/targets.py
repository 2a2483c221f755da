"""What values a loss takes for targets, and the check of a user's array against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Rows looked at together, so that the check of a memory-mapped array needs little memory.
_CHUNK = 65536
# How far from 1 the sum of a row may be: labels are often float32, or rounded by hand.
_SUM_TOLERANCE = 1e-3


class TargetShapeError(ValueError):
    """Targets do not have the shape of the predictions; the network's layers may tell why."""


@dataclass(frozen=True)
class TargetKind:
    """A kind of target.

    Attributes
    ----------
    description : str
        What is allowed, for the error; `{classes}` is their number and `{last}` the last index.
    bad : callable
        `bad(values, classes)` is true where a value (or a whole row) is not allowed.
    """

    description: str
    bad: Callable[[Array, int], npt.NDArray[np.bool_]]


def _outside_unit(values: Array, classes: int) -> npt.NDArray[np.bool_]:
    return ~((values >= 0) & (values <= 1))


def _not_distribution(values: Array, classes: int) -> npt.NDArray[np.bool_]:
    sums = np.asarray(values.sum(axis=-1, dtype=np.float64))
    off = np.abs(sums - 1.0) > _SUM_TOLERANCE
    return np.asarray(_outside_unit(values, classes).any(axis=-1) | off)


def _not_index(values: Array, classes: int) -> npt.NDArray[np.bool_]:
    allowed = (values >= 0) & (values < classes)
    if values.dtype.kind == "f":
        allowed &= values == np.floor(values)
    return ~allowed


KINDS: dict[str, TargetKind] = {
    "real": TargetKind("finite numbers", lambda values, classes: ~np.isfinite(values)),
    "non_negative": TargetKind(
        "finite numbers of at least 0",
        lambda values, classes: ~(np.isfinite(values) & (values >= 0)),
    ),
    "probability": TargetKind("between 0 and 1", _outside_unit),
    "distribution": TargetKind(
        "rows of {classes} probabilities whose sum is 1 (one-hot rows, for instance)",
        _not_distribution,
    ),
    "class_index": TargetKind("whole numbers from 0 to {last}", _not_index),
    "sign": TargetKind(
        "-1 or 1 (or 0 or 1)", lambda values, classes: ~((values == 0) | (np.abs(values) == 1))
    ),
}


def check_values(
    owner: str, kind: str, target: Array, classes: int, ignored: int | None = None
) -> None:
    """Raise unless every target is of its kind.

    Parameters
    ----------
    owner : str
        Name of the loss, for the error.
    kind : str
        Key of `KINDS`.
    target : ndarray, shape (n, ...)
        Numbers or booleans.
    classes : int
        Extent of the prediction's last axis.
    ignored : int, optional
        A value that is allowed besides.

    Raises
    ------
    ValueError
        Naming the first row with a value that is not allowed, and the value.
    """
    rule = KINDS[kind]
    for start in range(0, len(target), _CHUNK):
        values = np.asarray(target[start : start + _CHUNK])
        if values.dtype.kind == "b":
            values = values.view(np.uint8)
        bad = rule.bad(values, classes)
        if ignored is not None:
            bad &= values != ignored
        if bad.any():
            where = tuple(np.argwhere(bad)[0])
            allowed = rule.description.format(classes=classes, last=classes - 1)
            row = start + int(where[0])
            raise ValueError(
                f"[{owner}] targets must be {allowed}, got {values[where]} in row {row}"
            )
