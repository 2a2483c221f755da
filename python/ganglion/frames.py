"""Data frames as arrays: those of pandas and polars, told by what they can do, never imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def is_frame(values: Any) -> bool:
    """Tell whether something is a data frame.

    Examples
    --------
    >>> is_frame([[1.0, 2.0]])
    False
    """
    return hasattr(values, "columns") and hasattr(values, "to_numpy")


def is_sparse_frame(values: Any) -> bool:
    """Tell whether something is a pandas frame whose columns are all sparse and leave out zeros.

    One that leaves out another value is no sparse matrix, and is read as any frame.

    Examples
    --------
    >>> import pandas
    >>> is_sparse_frame(pandas.DataFrame({"a": [0.0, 1.0]}))
    False
    """
    return _is_sparse(values) and all(dtype.fill_value == 0 for dtype in values.dtypes)


def _is_sparse(values: Any) -> bool:
    # The accessor is there for frames of sparse columns alone.
    return is_frame(values) and hasattr(values, "sparse")


def column_names(values: Any) -> list[Any] | None:
    """Return the names of a frame's columns; None for what is no frame."""
    return list(values.columns) if is_frame(values) else None


def feature_names(values: Any) -> list[str] | None:
    """Return the names of a frame's columns where all are text, as scikit-learn knows them."""
    names = column_names(values)
    return names if names and all(isinstance(name, str) for name in names) else None


def check_feature_names(place: str, values: Any, known: Sequence[str] | None) -> None:
    """Raise unless a frame has the columns that a network was trained on, in their order.

    Parameters
    ----------
    place : str
        What was called, for the error.
    values : DataFrame or anything else
        What has no names is not compared.
    known : sequence of str or None
        The names trained on; None for a network that was trained without.

    Raises
    ------
    ValueError
        Naming the columns that are missing or new, or the first out of its place.

    Examples
    --------
    >>> import pandas
    >>> check_feature_names("predict", pandas.DataFrame({"b": [1], "a": [2]}), ["a", "b"])
    Traceback (most recent call last):
    ...
    ValueError: [predict] X has column 'b' where the network was trained on 'a': it needs the same \
order, X[net.feature_names_in_]
    """
    names = feature_names(values)
    if names is None or known is None or names == list(known):
        return
    missing = [name for name in known if name not in names]
    new = [name for name in names if name not in known]
    if missing or new:
        parts = [f"lacks {missing[:5]}"] * bool(missing) + [f"has {new[:5]} besides"] * bool(new)
        raise ValueError(
            f"[{place}] of the columns that the network was trained on, X " + " and ".join(parts)
        )
    pairs = zip(names, known, strict=False)
    name, wanted = next(pair for pair in pairs if pair[0] != pair[1])
    raise ValueError(
        f"[{place}] X has column {name!r} where the network was trained on {wanted!r}: it needs "
        "the same order, X[net.feature_names_in_]"
    )


def frame_array(place: str, name: str, frame: Any) -> Array:
    """Return a frame as an array, with NaN where a value is missing.

    The array is the frame's own memory where the frame has it in one piece.

    Parameters
    ----------
    place : str
        What was called, for the error.
    name : str
        Name of the argument, for the error.
    frame : DataFrame
        Of numbers or booleans, nullable ones too.

    Raises
    ------
    TypeError
        Naming the first column that holds something else.

    Examples
    --------
    >>> import pandas
    >>> frame_array("fit", "X", pandas.DataFrame({"age": [31, 45], "city": ["Bern", "Kyiv"]}))
    Traceback (most recent call last):
    ...
    TypeError: [fit] X has no numbers in column 'city': encode it first, for example with \
TabularPreprocessor in a pipeline
    """
    columns = [
        _numbers(place, name, label, _column(frame, index))
        for index, label in enumerate(frame.columns)
    ]
    # Of a sparse frame pandas would put columns together that leave out different values.
    in_one_piece = not columns or not _is_sparse(frame)
    if in_one_piece and len({column.dtype for column in columns}) <= 1:
        whole: Array = frame.to_numpy()
        if whole.dtype.kind in "biuf":
            return whole
    return np.column_stack(columns)


def _column(frame: Any, index: int) -> Array:
    # By position: names need not be unique in pandas.
    column = frame.iloc[:, index] if hasattr(frame, "iloc") else frame.to_series(index)
    values: Array = column.to_numpy()
    return values


def _numbers(place: str, name: str, label: Any, values: Array) -> Array:
    if values.dtype.kind in "biuf":
        return values
    try:
        if values.dtype.kind != "O":
            raise TypeError(values.dtype)
        return np.array([_number(value) for value in values])
    except (TypeError, ValueError):
        remedy = (
            "make it numbers, such as days since a date"
            if values.dtype.kind in "mM"
            else "encode it first, for example with TabularPreprocessor in a pipeline"
        )
        raise TypeError(f"[{place}] {name} has no numbers in column {label!r}: {remedy}") from None


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes, np.ndarray)):
        raise TypeError(value)
    return np.nan if is_missing(value) else float(value)


def is_missing(value: Any) -> bool:
    """Tell whether an entry of a column stands for no value: None, NaN or pandas's ``NA``.

    Examples
    --------
    >>> [is_missing(value) for value in (None, float("nan"), np.float64(1), 0, "")]
    [True, True, False, False, False]
    """
    # What is missing differs from itself; what pandas's NA answers is not even a boolean.
    differs = value != value
    if isinstance(differs, np.ndarray):  # a cell with several values
        return False
    return value is None or not isinstance(differs, (bool, np.bool_)) or bool(differs)
