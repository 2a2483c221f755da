"""The gate of a network's inputs: arrays, frames and sparse matrices, checked against its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.data import as_array, check_finite, describe_position, describe_value
from ganglion.frames import (
    check_feature_names,
    column_names,
    frame_array,
    is_frame,
    is_sparse_frame,
)
from ganglion.source import Source
from ganglion.sparse import is_sparse, sparse_rows
from ganglion.streaming import Stream, stream_of
from ganglion.value import Shape

# What a program reads: an array or the rows of a sparse matrix in place, or a source as it goes on.
Inputs = NDArray[Any] | _core.SparseRows | Stream


def check_inputs(
    place: str,
    X: Any,
    shape: Shape | None,
    dtype: str,
    *,
    finite: bool = True,
    names: Sequence[str] | None = None,
) -> Inputs:
    """Return inputs that a network of the given input shape can read.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : array_like, sparse matrix, data frame or Source, shape (n, ...)
        Finite numbers. Those of a source are looked at when they are read.
    shape : tuple or None
        (None, ...) of the network; None while it is not built.
    dtype : {"float32", "float64"}
        Of the network.
    finite : bool, default True
        Look at the numbers too. Who reads them all next does it on the way.
    names : sequence of str, optional
        Of the columns that the network was trained on: a frame must have the same, in this order.

    Returns
    -------
    ndarray, SparseRows or Stream
        The very array given, wherever that is possible.

    Raises
    ------
    TypeError
        When they are not numbers.
    ValueError
        When they are empty, of another rank or width or with other columns, or not finite.

    Examples
    --------
    >>> check_inputs("predict", np.zeros((3, 5)), (None, 4), "float32")
    Traceback (most recent call last):
    ...
    ValueError: [predict] X has 5 columns, the network takes 4
    """
    columns = column_names(X)
    check_feature_names(place, X, names)
    if is_sparse_frame(X):
        X = X.sparse.to_coo()
    inputs: Inputs
    if isinstance(X, Source):
        inputs = stream_of(place, X, dtype)
    elif is_sparse(X):
        inputs = sparse_rows(place, "X", X)
    elif is_frame(X):
        inputs = frame_array(place, "X", X)
    else:
        inputs = as_array(place, "X", X)
    if shape is None:
        if inputs.ndim < 2:
            raise ValueError(
                f"[{place}] X must have a row for each sample, got shape {inputs.shape}: "
                "one feature is X.reshape(-1, 1), one sample X.reshape(1, -1)"
            )
        if 0 in inputs.shape[1:]:
            raise ValueError(f"[{place}] X has no features: shape {inputs.shape}")
    elif inputs.shape[1:] != shape[1:] or inputs.ndim == 0:
        if inputs.ndim == 2 and len(shape) == 2:
            raise ValueError(
                f"[{place}] X has {inputs.shape[1]} columns, the network takes {shape[1]}"
            )
        hint = _remedy(inputs.shape, shape[1:])
        raise ValueError(f"[{place}] X has shape {inputs.shape}, the network takes {shape}{hint}")
    if not len(inputs):
        raise ValueError(f"[{place}] X is empty: shape {inputs.shape}")
    if finite:
        check_inputs_finite(place, inputs, dtype, columns)
    return inputs


def _remedy(given: Shape, sample: Shape) -> str:
    """Return how inputs of another shape may become samples of this one, where that can be told."""
    if given == sample:
        return ": one sample is X.reshape(1, *X.shape)"
    if len(sample) > 1 and given[1:] == (sample[-1], *sample[:-1]):
        return ": its channels are first, np.moveaxis(X, 1, -1) has them last"
    if sample[-1:] == (1,) and given[1:] == sample[:-1]:
        return ": X[..., np.newaxis] has the one channel"
    return ""


def check_inputs_finite(
    place: str, inputs: Inputs, dtype: str, columns: Sequence[Any] | None = None
) -> None:
    """Raise for the first input that is NaN or infinite, or would be in the network's dtype.

    Parameters
    ----------
    place : str
        What was called, for the error.
    inputs : ndarray, SparseRows or Stream
        As `check_inputs` returns them.
    dtype : {"float32", "float64"}
        Of the network.
    columns : sequence, optional
        Their names, for the error.

    Raises
    ------
    ValueError
        Naming the row, the column and what was found there.
    """
    if isinstance(inputs, Stream):
        return
    if not isinstance(inputs, _core.SparseRows):
        check_finite(place, "X", inputs, dtype, columns)
        return
    if inputs.dtype.kind != "f":
        return
    first, last = inputs.indptr[0], inputs.indptr[-1]
    stored = _core.first_not_finite(inputs.data[first:last], float(np.finfo(dtype).max))
    if stored >= 0:
        at = int(first) + stored
        row = int(np.searchsorted(inputs.indptr, at, side="right")) - 1
        found = describe_value(inputs.data[at], dtype)
        position = describe_position((row, int(inputs.indices[at])), columns)
        raise ValueError(f"[{place}] X has {found} at {position}")
