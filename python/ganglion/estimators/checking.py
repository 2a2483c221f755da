"""The gate of the estimators: scikit-learn's checks, and the names of a frame's columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, check_X_y
from sklearn.utils.validation import validate_data

from ganglion.data import begins_with_text, check_finite
from ganglion.frames import column_names, frame_array, is_frame, is_missing, is_sparse_frame
from ganglion.ragged import check_ragged_finite, is_ragged, ragged_rows
from ganglion.source import Source

# "numeric" keeps integers and float32 as they are: the core reads them in place.
_ACCEPTED = {"accept_sparse": "csr", "dtype": "numeric", "allow_nd": True}


def check_inputs(
    estimator: Any, X: Any, *, reset: bool, ragged: bool = False, sparse: bool = True
) -> Any:
    """Return ``X`` as an array or a CSR matrix, and keep or compare the names of its columns.

    Parameters
    ----------
    estimator : NeuralEstimator
        Named in errors; with ``reset`` it learns the number and the names of the columns.
    X : array_like, sparse matrix or data frame, shape (n_samples, ...); or list of sequences
        Finite numbers. Sequences of different lengths come back as an array of arrays.
    reset : bool
        Whether the columns are learned, or compared with those learned before.
    ragged : bool, default=False
        Whether sequences of different lengths are taken.
    sparse : bool, default=True
        Whether sparse matrices are taken.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's; and for a frame, naming the column that holds no numbers, or has a value
        missing.
    """
    _check_in_memory(estimator, X)
    _check_no_text(estimator, X)
    if ragged and is_ragged(X, None):
        return _sequences(estimator, X)
    if not _is_dense_frame(X):
        accepted = _ACCEPTED if sparse else {**_ACCEPTED, "accept_sparse": False}
        return validate_data(estimator, X, reset=reset, **accepted)
    values = _frame_values(estimator, X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return check_array(values, estimator=estimator, input_name="X", **_ACCEPTED)


def check_samples(
    estimator: Any, X: Any, y: Any, *, reset: bool, ragged: bool = False
) -> tuple[Any, Any]:
    """Return ``X``, as `check_inputs` does, and ``y`` as an array of one or two dimensions.

    Parameters
    ----------
    estimator, X, reset, ragged
        As for `check_inputs`.
    y : array_like or sparse matrix, shape (n_samples,) or (n_samples, n_outputs)
        Targets or labels.

    Raises
    ------
    ValueError, TypeError
        As `check_inputs`; for a target that is missing or not finite, and for unequal lengths.
    """
    _check_in_memory(estimator, X)
    _check_no_text(estimator, X)
    _check_missing(estimator, y)
    if ragged and is_ragged(X, None):
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
        check_consistent_length(X, y)
        return _sequences(estimator, X), y
    if not _is_dense_frame(X):
        X, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **_ACCEPTED)
        return X, y
    values = _frame_values(estimator, X)
    validate_data(estimator, X, y, reset=reset, skip_check_array=True)
    X, y = check_X_y(values, y, multi_output=True, estimator=estimator, **_ACCEPTED)
    return X, y


def _sequences(estimator: Any, X: Any) -> NDArray[np.object_]:
    name = type(estimator).__name__
    rows = ragged_rows(name, X, None)
    check_ragged_finite(name, rows, "float64")
    sequences = np.empty(len(rows), object)
    for row in range(len(rows)):
        sequences[row] = rows.row(row)
    return sequences


def _check_in_memory(estimator: Any, X: Any) -> None:
    if isinstance(X, Source):
        raise TypeError(
            f"[{type(estimator).__name__}] X must be in memory, got {type(X).__name__}: use a "
            "Sequential, which reads it while it trains, or X.load() where it is small"
        )


def _check_no_text(estimator: Any, X: Any) -> None:
    # scikit-learn's message for texts in a row shows them all.
    if is_frame(X):
        return
    values = X.to_numpy() if hasattr(X, "to_numpy") else X
    if isinstance(values, np.ndarray) and values.dtype.kind == "O" and values.ndim > 1:
        return  # a table, whose text may be numbers
    if begins_with_text(values):
        raise TypeError(
            f"[{type(estimator).__name__}] X must hold numbers, got text: TextVectorization makes "
            "numbers of texts, TabularPreprocessor of tables"
        )


def numeric_targets(estimator: Any, y: NDArray[Any]) -> NDArray[Any]:
    """Return targets as numbers: as they are where they have such a type.

    Raises
    ------
    ValueError
        For text that says no number.
    """
    if y.dtype.kind in "biuf":
        return y
    try:
        return y.astype(np.float64)
    except ValueError as error:
        raise ValueError(
            f"[{type(estimator).__name__}] y must hold numbers, for classes there is a classifier: "
            f"{error}"
        ) from None


def _is_dense_frame(X: Any) -> bool:
    return is_frame(X) and not is_sparse_frame(X)


def _frame_values(estimator: Any, frame: Any) -> NDArray[Any]:
    name = type(estimator).__name__
    values = frame_array(name, "X", frame)
    try:
        check_finite(name, "X", values, columns=column_names(frame))
    except ValueError as error:
        raise ValueError(
            f"{error}: replace such values or leave them out first, for example with "
            "TabularPreprocessor in a pipeline"
        ) from None
    return values


def _check_missing(estimator: Any, y: Any) -> None:
    # scikit-learn's check looks at numbers alone.
    try:
        values = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    except ValueError:
        raise ValueError(
            f"[{type(estimator).__name__}] y must have as many values in each row; of labels in "
            "lists scikit-learn's MultiLabelBinarizer makes zeros and ones"
        ) from None
    if values.dtype.kind == "O" and values.ndim > 0:
        missing = np.vectorize(is_missing, otypes=[bool])(values).reshape(len(values), -1)
        if missing.any():
            row = int(missing.any(axis=1).argmax())
            raise ValueError(f"[{type(estimator).__name__}] y has no value at row {row}")
