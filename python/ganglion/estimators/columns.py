"""Columns of a table: which hold numbers and which hold categories, in frames and in arrays."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from ganglion.errors import suggestion, warn
from ganglion.frames import column_names, frame_array, is_frame, is_missing

# More columns than this, of zeros and ones of a single column, are hardly meant.
_MANY_CATEGORIES = 1000

_are_missing = np.frompyfunc(is_missing, 1, 1)


def as_table(X: Any, place: str, *, infinite: bool = False) -> Any:
    """Return a frame as it is, and anything else as an array of shape (n, d).

    Parameters
    ----------
    X : frame or array_like of shape (n_samples, n_features)
        NaN and None are missing values.
    place : str
        What messages begin with.
    infinite : bool, default=False
        Whether an array may hold infinite values.

    Returns
    -------
    frame or ndarray
        A list whose rows mix numbers and text becomes an array of objects, not of text.

    Raises
    ------
    TypeError
        For sparse data.
    ValueError
        For another number of dimensions than two, an empty table, or an infinite value.
    """
    if is_frame(X):
        return X
    finite = False if infinite else "allow-nan"
    settings = {"ensure_all_finite": finite, "input_name": "X", "estimator": place}
    array = check_array(X, dtype=None, **settings)
    if not hasattr(X, "dtype") and array.dtype.kind in "US":
        array = check_array(X, dtype=object, **settings)
    return array


def names_of(X: Any) -> list[str]:
    """Return the names of the columns; ``x0``, ``x1``, ... for an array."""
    names = column_names(X)
    return [f"x{i}" for i in range(X.shape[1])] if names is None else [str(name) for name in names]


def select_columns(X: Any, positions: Sequence[int]) -> Any:
    """Return the table of these columns."""
    if hasattr(X, "iloc"):
        return X.iloc[:, list(positions)]
    return X[:, list(positions)]


def select_rows(X: Any, positions: NDArray[np.intp]) -> Any:
    """Return the table of these rows."""
    return X.iloc[positions] if hasattr(X, "iloc") else X[positions]


def missing_values(X: Any) -> NDArray[np.bool_]:
    """Return where a table has NaN, None or a null, shape (n, d).

    Examples
    --------
    >>> missing_values(np.array([["a", None], [float("nan"), 1.5]], dtype=object)).tolist()
    [[False, True], [True, False]]
    """
    if hasattr(X, "isna"):
        mask: NDArray[np.bool_] = X.isna().to_numpy()
        return mask
    values = np.asarray(X)
    if values.dtype.kind == "O":
        return np.asarray(_are_missing(values), dtype=bool)
    return np.asarray(values != values)  # which NaN alone is


def as_numbers(X: Any, place: str) -> NDArray[Any]:
    """Return a table of numbers as an array, NaN where one is missing, whatever marks it.

    Parameters
    ----------
    X : frame or ndarray of shape (n, d)
        An array of integers or floats comes back as it is.
    place : str
        What messages begin with.

    Returns
    -------
    ndarray of shape (n, d)
        float64 from objects, uint8 from booleans.

    Raises
    ------
    TypeError, ValueError
        For text among the numbers.
    """
    try:
        values = frame_array(place, "X", X) if is_frame(X) else X
        if values.dtype.kind not in "biuf":
            values = with_nan(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(_odd_number(X, place) or str(error)) from None
    # scikit-learn's MissingIndicator does not take booleans.
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _odd_number(X: Any, place: str) -> str | None:
    """Return a message that names the first value among the numbers that is none."""
    for position, name in enumerate(names_of(X)):
        column = select_columns(X, [position])
        for value in np.asarray(column, dtype=object)[~missing_values(column)]:
            if not isinstance(value, (numbers.Real, np.bool_)):
                return (
                    f"[{place}] column {name!r} is one of numbers, as fit saw it or since "
                    f"categorical_columns does not name it, got {value!r}"
                )
    return None


def with_nan(X: Any) -> NDArray[Any]:
    """Return a table as an array of objects, NaN where a value is missing, whatever marks it."""
    values = np.array(X, dtype=object)
    values[missing_values(X)] = np.nan
    return values


def categorical_mask(X: Any, columns: Any, place: str) -> NDArray[np.bool_]:
    """Return which columns hold categories, shape (d,).

    Parameters
    ----------
    X : frame or ndarray
        As `as_table` returns it.
    columns : "auto" or sequence of str or int
        Names or positions of the columns that do. With ``"auto"`` a column holds numbers where its
        type says so, or, if that is object, where all its values that are not missing are numbers.
    place : str
        What messages begin with.

    Raises
    ------
    TypeError
        For columns of dates or times, and for something else than a list of columns.
    ValueError
        For a column that is not there.

    Examples
    --------
    >>> categorical_mask(np.array([[1, "a"], [2.5, "b"]], dtype=object), "auto", "doctest").tolist()
    [False, True]
    """
    if isinstance(columns, str) and columns == "auto":
        mask = np.array([_holds_categories(X, i, place) for i in range(X.shape[1])], dtype=bool)
        return mask
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise TypeError(
            f"[{place}] categorical_columns must be 'auto' or a list of names or positions, "
            f"got {columns!r}"
        )
    mask = np.zeros(X.shape[1], dtype=bool)
    for column in columns:
        mask[_position(X, column, place)] = True
    return mask


def check_categories(
    X: Any, positions: Sequence[int], place: str, *, one_hot: bool = False
) -> None:
    """Check that columns of categories hold text or numbers, and not both.

    Parameters
    ----------
    X : frame or ndarray
        As `as_table` returns it.
    positions : sequence of int
        Of the columns.
    place : str
        What messages begin with.
    one_hot : bool, default=False
        Whether each category becomes a column: then there is a warning where that is too many.

    Raises
    ------
    TypeError
        For a column that holds both, or something else, naming it.
    """
    for position in positions:
        column = select_columns(X, [position])
        values = np.asarray(column, dtype=object)[~missing_values(column)]
        kinds = kinds_of(values)
        check_kinds(kinds, f"column {names_of(X)[position]!r}", place)
        text = {kind for kind in kinds if issubclass(kind, str)}
        if text and text != kinds:
            raise TypeError(
                f"[{place}] column {names_of(X)[position]!r} must hold text or numbers, got both: "
                + ", ".join(sorted(kind.__name__ for kind in kinds))
            )
        count = len(set(values)) if one_hot else 0
        if count > _MANY_CATEGORIES:
            warn(
                f"[{place}] column {names_of(X)[position]!r} has {count:,} categories in "
                f"{len(values):,} rows, and each becomes a column of the result: leave it out if "
                "it is an identifier; otherwise set max_categories or min_frequency, or an "
                'encoding of "target" or "ordinal"'
            )


def kinds_of(values: Iterable[Any]) -> set[type]:
    """Return the types of some objects."""
    return set(map(type, values))


def check_kinds(kinds: set[type], what: str, place: str) -> None:
    """Check that objects of these types can be categories, or numbers.

    Parameters
    ----------
    kinds : set of type
        What `kinds_of` returns.
    what, place : str
        What holds them, and what messages begin with.

    Raises
    ------
    TypeError
        For dates and times, and for what has no hash, such as lists.

    Examples
    --------
    >>> check_kinds({str, list}, "column 'tags'", "doctest")
    Traceback (most recent call last):
    ...
    TypeError: [doctest] column 'tags' must hold numbers or categories, got list
    """
    for kind in sorted(kinds, key=str):
        if issubclass(kind, (datetime.date, datetime.time, datetime.timedelta)):
            raise TypeError(no_dates(place, what, kind.__name__))
        if kind.__hash__ is None:
            raise TypeError(
                f"[{place}] {what} must hold numbers or categories, got {kind.__name__}"
            )


def no_dates(place: str, what: str, kind: object) -> str:
    """Return the message for dates and times of some type."""
    return (
        f"[{place}] {what} must hold numbers or categories, got {kind}: make it numbers, such as "
        "days since a date"
    )


def _position(X: Any, column: Any, place: str) -> int:
    if isinstance(column, numbers.Integral) and not isinstance(column, bool):
        if int(column) not in range(X.shape[1]):
            raise ValueError(
                f"[{place}] categorical_columns must be in [0, {X.shape[1]}), got {column!r}"
            )
        return int(column)
    names = names_of(X)
    if column not in names:
        raise ValueError(
            f"[{place}] categorical_columns has {column!r}, which is no column"
            f"{suggestion(column, names)}"
        )
    return names.index(column)


def _holds_categories(X: Any, position: int, place: str) -> bool:
    if not is_frame(X):
        if X.dtype.kind in "mM":
            raise TypeError(no_dates(place, f"column {names_of(X)[position]!r}", X.dtype))
        return X.dtype.kind not in "biuf" and not _are_numbers(X[:, [position]])
    column = select_columns(X, [position])
    dtype = list(column.dtypes)[0]  # pandas has a Series there, polars a list
    if hasattr(dtype, "is_numeric"):
        numeric = dtype.is_numeric() or str(dtype) == "Boolean"
        temporal = dtype.is_temporal()
    else:  # every type of pandas has the kind of NumPy's that is nearest
        numeric, temporal = dtype.kind in "biuf", dtype.kind in "mM"
    if temporal:
        raise TypeError(no_dates(place, f"column {names_of(X)[position]!r}", dtype))
    return not numeric and not (str(dtype) == "object" and _are_numbers(column))


def _are_numbers(column: Any) -> bool:
    values = np.asarray(column, dtype=object)[~missing_values(column)]
    return len(values) > 0 and all(isinstance(value, (numbers.Real, np.bool_)) for value in values)
