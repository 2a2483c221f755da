"""The gate of a network's inputs: arrays, frames and sparse matrices, checked against its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.bundle import Bundle
from ganglion.data import as_array, check_finite, describe_position, describe_value
from ganglion.frames import (
    check_feature_names,
    column_names,
    frame_array,
    is_frame,
    is_sparse_frame,
)
from ganglion.ragged import check_ragged_finite, is_ragged, ragged_rows
from ganglion.source import Source
from ganglion.sparse import is_sparse, sparse_rows
from ganglion.streaming import Stream, stream_of
from ganglion.value import Shape, fits

# What a program reads: an array, the rows of a sparse matrix or sequences in place, or a source as
# it goes on.
Input = NDArray[Any] | _core.SparseRows | _core.RaggedRows | Stream
# Of a network of several inputs a bundle of them.
Inputs = Input | Bundle

# Rows copied at once where some are looked at.
_ROWS_TOGETHER = 1024


def check_inputs(
    place: str,
    X: Any,
    shape: Shape | None,
    dtype: str,
    *,
    finite: bool = True,
    names: Sequence[str] | None = None,
) -> Input:
    """Return an input that a network of the given input shape can read.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : array_like, sparse matrix, data frame or Source, shape (n, ...); or list of sequences
        Finite numbers. Those of a source are looked at when they are read.
    shape : tuple or None
        (None, ...) of the network, (None, None, ...) where its number of steps is open; None while
        it is not built.
    dtype : {"float32", "float64"}
        Of the network.
    finite : bool, default True
        Look at the numbers too. Who reads them all next does it on the way.
    names : sequence of str, optional
        Of the columns that the network was trained on: a frame must have the same, in this order.

    Returns
    -------
    ndarray, SparseRows, RaggedRows or Stream
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
    inputs: Input
    if is_ragged(X, shape):
        inputs = ragged_rows(place, X, shape)
    elif isinstance(X, Source):
        inputs = stream_of(place, X, dtype)
    elif is_sparse(X):
        inputs = sparse_rows(place, "X", X)
    elif is_frame(X):
        inputs = frame_array(place, "X", X)
    else:
        _check_lengths(place, X, shape)
        inputs = as_array(place, "X", X)
    if isinstance(inputs, _core.RaggedRows):
        pass  # their shapes were checked, each by itself
    elif shape is None:
        if inputs.ndim < 2:
            raise ValueError(
                f"[{place}] X must have a row for each sample, got shape {inputs.shape}: "
                "one feature is X.reshape(-1, 1), one sample X.reshape(1, -1)"
            )
        if 0 in inputs.shape[1:]:
            raise ValueError(f"[{place}] X has no features: shape {inputs.shape}")
    elif not fits(shape, (None, *inputs.shape[1:])) or 0 in inputs.shape[1:] or inputs.ndim == 0:
        if 0 in inputs.shape[1:]:
            no_steps = shape[1] is None and inputs.shape[1] == 0
            wrong = "sequences of no steps" if no_steps else "samples that are empty"
            raise ValueError(f"[{place}] X has {wrong}: shape {inputs.shape}")
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


def check_ids(place: str, inputs: Input, vocabulary: int, layer: str, dtype: str) -> None:
    """Raise for the first input that is no id of the vocabulary of a layer that reads them.

    Parameters
    ----------
    place : str
        What was called, for the error.
    inputs : ndarray, SparseRows, RaggedRows or Stream
        As `check_inputs` returns them. Those of a stream are not looked at.
    vocabulary : int
        Ids are whole numbers from 0 to less than this.
    layer : str
        Its name, for the error.
    dtype : {"float32", "float64"}
        Of the network.

    Raises
    ------
    ValueError
        Naming the row, the position and what was found there.

    Examples
    --------
    >>> check_ids("predict", np.array([[0, 5], [7, 6]]), 7, "embedding", "float32")
    Traceback (most recent call last):
    ...
    ValueError: [predict] X has the id 7 at row 1, position 0, and the vocabulary of layer \
'embedding' has 7
    """
    if isinstance(inputs, Stream):
        return
    if isinstance(inputs, _core.SparseRows):
        stored = _core.first_not_index(_stored(inputs), vocabulary)
        if stored < 0:
            return
        index, value = _stored_at(inputs, stored)
    else:
        # The core reads a memory-mapped array without filling memory with it.
        row = _core.first_not_index(inputs, vocabulary)
        if row < 0:
            return
        sample = inputs.row(row) if isinstance(inputs, _core.RaggedRows) else inputs[row]
        known = (sample >= 0) & (sample < vocabulary) & (np.floor(sample) == sample)
        index = (row, *(int(i) for i in np.argwhere(~known)[0]))
        value = sample[index[1:]]
    check_inputs_finite(place, inputs, dtype)
    position = index[1] if len(index) == 2 else index[1:]
    where = f"row {index[0]}, position {position}" if len(index) > 1 else f"row {index[0]}"
    if value != np.floor(value):
        raise ValueError(
            f"[{place}] X has {value} at {where}: layer {layer!r} takes ids, which are whole "
            "numbers"
        )
    raise ValueError(
        f"[{place}] X has the id {int(value)} at {where}, and the vocabulary of layer {layer!r} "
        f"has {vocabulary}"
    )


def check_steps(place: str, inputs: Input, padding: float, layer: str) -> None:
    """Raise for the first sample of which no step counts.

    Parameters
    ----------
    place : str
        What was called, for the error.
    inputs : ndarray, SparseRows, RaggedRows or Stream
        As `check_inputs` returns them. Those of a stream or a sparse matrix are not looked at.
    padding : float
        What steps are filled with that do not count.
    layer : str
        Name of the layer that leaves them out, for the error.

    Raises
    ------
    ValueError
        Naming the row.

    Examples
    --------
    >>> check_steps("fit", np.array([[4, 0], [0, 0]]), 0.0, "embedding")
    Traceback (most recent call last):
    ...
    ValueError: [fit] X has nothing but padding at row 1: all its steps are 0.0, which layer \
'embedding' leaves out
    """
    if isinstance(inputs, (Stream, _core.SparseRows)):
        return
    if isinstance(inputs, _core.RaggedRows):
        found = (row for row in range(len(inputs)) if (inputs.row(row) == padding).all())
    else:
        rows = np.flatnonzero(_is_all(inputs[:, 0], padding))
        found = (
            int(row)
            for some in np.array_split(rows, len(rows) // _ROWS_TOGETHER + 1)
            for row in some[_is_all(inputs[some], padding)]
        )
    row = next(found, None)
    if row is not None:
        raise ValueError(
            f"[{place}] X has nothing but padding at row {row}: all its steps are {padding}, which "
            f"layer {layer!r} leaves out"
        )


def _is_all(rows: NDArray[Any], value: float) -> NDArray[np.bool_]:
    """Return which rows hold nothing else."""
    found: NDArray[np.bool_] = (rows == value).all(axis=tuple(range(1, rows.ndim)))
    return found


def check_one_length(place: str, inputs: Input) -> None:
    """Raise for sequences of different lengths, which batches that follow each other cannot be.

    Examples
    --------
    >>> check_one_length("fit", np.ones((2, 3)))
    """
    if isinstance(inputs, _core.RaggedRows):
        raise ValueError(
            f"[{place}] X is a list of sequences, which come in batches of about the same length, "
            "and a layer keeps states from batch to batch: bring them to one length, and leave "
            "what they are filled up with out by layers.Masking"
        )


def _stored(inputs: _core.SparseRows) -> NDArray[Any]:
    return inputs.data[inputs.indptr[0] : inputs.indptr[-1]]


def _stored_at(inputs: _core.SparseRows, stored: int) -> tuple[tuple[int, ...], Any]:
    """Return row and column of a number that a sparse matrix stores, and the number."""
    at = int(inputs.indptr[0]) + stored
    row = int(np.searchsorted(inputs.indptr, at, side="right")) - 1
    return (row, int(inputs.indices[at])), inputs.data[at]


def _check_lengths(place: str, X: Any, shape: Shape | None) -> None:
    """Raise where sequences differ in length, and the network takes one length."""
    if shape is None or len(shape) < 2 or not is_ragged(X, None):
        return
    lengths = [len(row) for row in X]
    other = next((row for row, length in enumerate(lengths) if length != lengths[0]), 0)
    raise ValueError(
        f"[{place}] X has sequences of different lengths, {lengths[0]} at row 0 and "
        f"{lengths[other]} at row {other}, and the network takes {shape}: one for sequences takes "
        f"any number of steps where it begins with Input({(None, *shape[2:])})"
    )


def _remedy(given: Shape, sample: Shape) -> str:
    """Return how inputs of another shape may become samples of this one, where that can be told."""
    if fits(sample, given):
        return ": one sample is X.reshape(1, *X.shape)"
    if len(sample) > 1 and given[1:] == (sample[-1], *sample[:-1]):
        return ": its channels are first, np.moveaxis(X, 1, -1) has them last"
    if sample[-1:] == (1,) and given[1:] == sample[:-1]:
        return ": X[..., np.newaxis] has the one channel"
    return ""


def check_inputs_finite(
    place: str, inputs: Input, dtype: str, columns: Sequence[Any] | None = None
) -> None:
    """Raise for the first input that is NaN or infinite, or would be in the network's dtype.

    Parameters
    ----------
    place : str
        What was called, for the error.
    inputs : ndarray, SparseRows, RaggedRows or Stream
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
    if isinstance(inputs, _core.RaggedRows):
        check_ragged_finite(place, inputs, dtype)
        return
    if not isinstance(inputs, _core.SparseRows):
        check_finite(place, "X", inputs, dtype, columns)
        return
    if inputs.dtype.kind != "f":
        return
    stored = _core.first_not_finite(_stored(inputs), float(np.finfo(dtype).max))
    if stored >= 0:
        index, value = _stored_at(inputs, stored)
        found, position = describe_value(value, dtype), describe_position(index, columns)
        raise ValueError(f"[{place}] X has {found} at {position}")
