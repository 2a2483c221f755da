"""Sequences of different lengths, an array each, as programs read them: filled up by the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.data import as_array, check_finite, describe_position, describe_value
from ganglion.losses import Loss
from ganglion.value import Shape

Array = NDArray[Any]


def is_ragged(X: Any, shape: Shape | None) -> bool:
    """Tell whether something is a list of sequences rather than one array.

    Parameters
    ----------
    X : object
        What the user gave.
    shape : tuple or None
        (None, ...) of the network; None while it is not built, which leaves it to the lengths.

    Examples
    --------
    >>> is_ragged([[1, 2], [3]], None), is_ragged([[1, 2], [3, 4]], None)
    (True, False)
    """
    is_objects = isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1
    if not isinstance(X, (list, tuple)) and not is_objects:
        return False
    if shape is not None:
        return len(shape) > 1 and shape[1] is None
    if not len(X):
        return False
    if not all(isinstance(row, (list, tuple)) or np.shape(row) for row in X):
        return False
    return is_objects or len({len(row) for row in X}) > 1


def ragged_rows(place: str, X: Sequence[Any], shape: Shape | None) -> _core.RaggedRows:
    """Return sequences, checked, which are read where they lie if they can be.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : sequence of array_like, each of shape (steps, ...)
        Of one number type, or they are converted to one.
    shape : tuple or None
        (None, None, ...) of the network; None while it is not built.

    Raises
    ------
    TypeError
        When they are not numbers.
    ValueError
        When one is empty, or of another rank or width; its row is named.

    Examples
    --------
    >>> ragged_rows("fit", [[[1.0], [2.0]], [[3.0, 4.0]]], None)
    Traceback (most recent call last):
    ...
    ValueError: [fit] X has steps of shape (2,) at row 1 and of shape (1,) at row 0
    """
    if not len(X):
        raise ValueError(f"[{place}] X is empty: it has no sequences")
    arrays = [as_array(place, f"X, row {row},", sequence) for row, sequence in enumerate(X)]
    first = arrays[0].shape[1:] if shape is None else shape[2:]
    for row, array in enumerate(arrays):
        if array.ndim == 0:
            raise ValueError(f"[{place}] X has no sequence at row {row}: {X[row]!r}")
        if not len(array):
            raise ValueError(f"[{place}] X has an empty sequence at row {row}")
        if array.shape[1:] != first:
            other = f"and of shape {first} at row 0" if shape is None else f"must have {first}"
            link = " " if shape is None else ", they "
            raise ValueError(
                f"[{place}] X has steps of shape {array.shape[1:]} at row {row}{link}{other}"
            )
    if 0 in first:
        raise ValueError(f"[{place}] X has no features: its steps have shape {first}")
    return as_rows(arrays, first)


def as_rows(arrays: Sequence[Array], step_shape: Shape) -> _core.RaggedRows:
    """Return arrays (steps, *step_shape) as programs read them."""
    dtypes = {array.dtype for array in arrays}
    common = np.result_type(*dtypes)
    plain = [np.ascontiguousarray(array, common) for array in arrays]
    return _core.RaggedRows(plain, [size for size in step_shape if size is not None])


def check_ragged_finite(place: str, rows: _core.RaggedRows, dtype: str) -> None:
    """Raise for the first number that is NaN or infinite, or would be in the network's dtype."""
    if rows.dtype.kind != "f":
        return
    largest = float(np.finfo(dtype).max)
    row = _core.first_not_finite(rows, largest)
    if row < 0:
        return
    sequence = rows.row(row)
    at = np.argwhere(~(np.abs(sequence.astype(np.float64)) <= largest))[0]
    found = describe_value(sequence[tuple(at)], dtype)
    raise ValueError(
        f"[{place}] X has {found} at {describe_position((row, *(int(i) for i in at)))}"
    )


def per_step(
    place: str, name: str, values: Any, X: _core.RaggedRows
) -> tuple[Array, NDArray[np.int64]]:
    """Return what each step of each sequence has, one after the other, and where each begins.

    Parameters
    ----------
    place, name : str
        What was called, and the argument, for the error.
    values : sequence of array_like, each of shape (steps, ...)
        As many as there are sequences, each as long as its own.
    X : RaggedRows
        The sequences.

    Raises
    ------
    ValueError
        For another number of rows or steps.
    """
    if not hasattr(values, "__len__") or len(values) != len(X):
        length = len(values) if hasattr(values, "__len__") else "none"
        raise ValueError(f"[{place}] X has {len(X)} rows and {name} has {length}")
    arrays = [as_array(place, f"{name}, row {row},", value) for row, value in enumerate(values)]
    for row, (array, steps) in enumerate(zip(arrays, X.lengths, strict=True)):
        if array.ndim == 0 or len(array) != steps:
            found = f"{len(array)} steps" if array.ndim else "one number"
            raise ValueError(
                f"[{place}] X has {steps} steps at row {row}, and {name} has {found}: the network "
                "gives a result for each step"
            )
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"[{place}] {name} has steps of shape {array.shape[1:]} at row {row} and of shape "
                f"{arrays[0].shape[1:]} at row 0"
            )
    return np.concatenate(arrays), np.cumsum(X.lengths)[:-1]


def step_targets(
    place: str, y: Any, X: _core.RaggedRows, loss: Loss, output_shape: Shape, dtype: str
) -> _core.RaggedRows:
    """Return targets of each step, checked.

    Parameters
    ----------
    place : str
        What was called, for the error.
    y : sequence of array_like, each of shape (steps, ...)
        Targets that fit the loss.
    X : RaggedRows
        The sequences.
    loss : Loss
        Tells which targets fit.
    output_shape : tuple
        (None, None, ...) of the predictions.
    dtype : {"float32", "float64"}
        Of the network.

    Raises
    ------
    TypeError, ValueError
        When they are not numbers, do not fit the loss, or not the sequences; the row is named.
    """
    flat, ends = per_step(place, "y", y, X)
    of_step = (None, *output_shape[2:])
    try:
        check_finite(place, "y", flat, dtype)
        target = loss.prepare_target(flat, of_step)
    except ValueError:
        for row, part in enumerate(np.split(flat, ends)):
            try:
                check_finite(place, "y", part, dtype)
                loss.prepare_target(part, of_step)
            except ValueError as error:
                raise ValueError(f"{error} of the sequence at row {row}") from None
        raise
    target = np.ascontiguousarray(target)
    return as_rows(np.split(target, ends), target.shape[1:])
