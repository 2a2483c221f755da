"""Sparse matrices as the core reads them: row by row, never made dense as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import _core
from ganglion.data import as_array


def is_sparse(values: Any) -> bool:
    """Tell whether something is one of SciPy's sparse matrices or arrays.

    Examples
    --------
    >>> is_sparse([[0.0, 1.0]])
    False
    """
    # SciPy need not be installed, and is loaded if there is one of its matrices.
    return hasattr(values, "tocsr") and hasattr(values, "format")


def sparse_rows(place: str, name: str, matrix: Any) -> _core.SparseRows:
    """Return the rows of a sparse matrix, checked; those of a CSR matrix are read in place.

    Parameters
    ----------
    place : str
        What was called, for the error.
    name : str
        Name of the argument, for the error.
    matrix : sparse matrix or array
        Of any format. What is not CSR is converted to it. Values in the same place are added, as
        SciPy does, which takes a copy.

    Raises
    ------
    TypeError
        When it does not hold real numbers.
    ValueError
        When it has not two dimensions, or its indices are none of the matrix.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> sparse_rows("fit", "X", csr_array([[0.0, 2.0], [0.0, 0.0]])).shape
    (2, 2)
    >>> broken = csr_array([[0.0, 2.0], [0.0, 0.0]])
    >>> broken.indices[0] = 7
    >>> sparse_rows("fit", "X", broken)
    Traceback (most recent call last):
    ...
    ValueError: [fit] X: indices has column 7 in row 0, the matrix has 2 columns
    """
    if len(matrix.shape) != 2:
        raise ValueError(
            f"[{place}] {name} must have a row for each sample, got shape {matrix.shape}"
        )
    if matrix.format != "csr":
        matrix = _converted(place, name, matrix)
    rows = _checked(place, name, matrix)
    if rows.has_duplicates:
        matrix = matrix.copy()
        matrix.sum_duplicates()
        rows = _checked(place, name, matrix)
    return rows


def _converted(place: str, name: str, matrix: Any) -> Any:
    # SciPy trusts the indices of what it converts.
    try:
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)
        elif matrix.format == "coo":
            for index, size in zip((matrix.row, matrix.col), matrix.shape, strict=True):
                if len(index) and not 0 <= index.min() <= index.max() < size:
                    raise ValueError(f"indices must be from 0 to {size - 1}")
        elif matrix.format == "dia" and len(matrix.offsets) != len(matrix.data):
            raise ValueError(f"{len(matrix.offsets)} offsets of {len(matrix.data)} diagonals")
    except ValueError as error:
        raise ValueError(f"[{place}] {name} is no valid sparse matrix: {error}") from None
    return matrix.tocsr()


def _checked(place: str, name: str, matrix: Any) -> _core.SparseRows:
    return _core.SparseRows(
        f"[{place}] {name}",
        np.require(as_array(place, name, matrix.data), requirements=["C", "A"]),
        np.require(matrix.indices, requirements=["C", "A"]),
        np.array(matrix.indptr, np.int64),  # a copy, which nobody can change while it is read
        matrix.shape[1],
    )
