"""The gate at which a user's arrays are checked: rank, width, number type, finiteness, lengths.

Nothing here copies a data set. What passes is read in place by the core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.engines.on_gpu import download, is_on_gpu

Array = NDArray[Any]


def whole_number(
    place: str, name: str, value: Any, minimum: int = 1, below: int | None = None
) -> int:
    """Return an argument that must be a whole number.

    Parameters
    ----------
    place, name : str
        What was called, and the argument, for the error.
    value : int
        NumPy integers are integers, booleans are not.
    minimum : int, default=1
        Least value allowed.
    below : int, optional
        What the value must be less than.

    Raises
    ------
    TypeError
        Not an integer.
    ValueError
        Out of range.

    Examples
    --------
    >>> whole_number("fit", "batch_size", 0)
    Traceback (most recent call last):
    ...
    ValueError: [fit] batch_size must be a whole number of at least 1, got 0
    """
    limit = "" if below is None else f" and less than {below}"
    wanted = f"[{place}] {name} must be a whole number of at least {minimum}{limit}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(wanted)
    if value < minimum or (below is not None and value >= below):
        raise ValueError(wanted)
    return int(value)


def non_negative(place: str, name: str, value: Any, below: float = math.inf) -> float:
    """Return an argument that must be a number of at least 0 and less than ``below``.

    Raises
    ------
    TypeError
        Not a real number.
    ValueError
        Out of range, or not finite.
    """
    limit = "" if below == math.inf else f" and less than {below:g}"
    wanted = f"[{place}] {name} must be a number of at least 0{limit}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(wanted)
    if not 0 <= value < below:
        raise ValueError(wanted)
    return float(value)


def as_array(place: str, name: str, values: Any) -> Array:
    """Return numbers as an array: the very one given, wherever that is possible.

    Parameters
    ----------
    place : str
        What was called, for the error.
    name : str
        Name of the argument, for the error.
    values : array_like
        Real numbers or booleans; perhaps on a GPU.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        For rows of different lengths.

    Examples
    --------
    >>> as_array("fit", "X", [["a", "b"]])
    Traceback (most recent call last):
    ...
    TypeError: [fit] X must hold numbers, got dtype <U1: TextVectorization makes numbers of text
    """
    if hasattr(values, "toarray"):
        raise TypeError(f"[{place}] {name} is sparse: pass {name}.toarray()")
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"[{place}] {name} is masked: pass {name}.filled(value)")
    if is_on_gpu(values):
        values = download(place, name, values)
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        hint = _text_remedy(name, values)
        raise type(error)(f"[{place}] {name} is no array of numbers: {error}{hint}") from None
    if array.dtype.kind not in "biuf":
        hint = _text_remedy(name, values)
        raise TypeError(f"[{place}] {name} must hold numbers, got dtype {array.dtype}{hint}")
    if array.dtype.itemsize > 8 or not array.dtype.isnative:
        array = array.astype(np.float64)
    return array


def begins_with_text(values: Any) -> bool:
    """Tell whether the first value of an array or of nested lists is text.

    Examples
    --------
    >>> begins_with_text([["a"], ["b"]]), begins_with_text([[1.0], [2.0]])
    (True, False)
    """
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    if isinstance(values, np.ndarray) and values.size:
        values = values.flat[0]
    return isinstance(values, (str, bytes))


def _text_remedy(name: str, values: Any) -> str:
    """Return what makes numbers of an argument that is text, if there is something."""
    if not begins_with_text(values):
        return ""
    if name == "y":
        return ": estimators, such as NeuralClassifier, take classes as text"
    if name == "seed" or name.startswith("X"):
        return ": TextVectorization makes numbers of text"
    return ""


def check_finite(
    place: str,
    name: str,
    array: Array,
    dtype: str = "float64",
    columns: Sequence[Any] | None = None,
) -> None:
    """Raise for the first value that is NaN or infinite, or would be in the network's dtype.

    Parameters
    ----------
    place, name : str
        For the error.
    array : ndarray, shape (n, ...)
        Read in place.
    dtype : {"float32", "float64"}
        Of the network.
    columns : sequence, optional
        Their names, for the error.

    Raises
    ------
    ValueError
        Naming the row, the column and what was found there.

    Examples
    --------
    >>> check_finite("fit", "X", np.array([[0.0, 1.0], [np.nan, 1.0]]))
    Traceback (most recent call last):
    ...
    ValueError: [fit] X has a NaN at row 1, column 0
    """
    if array.dtype.kind != "f":
        return
    # The core reads a memory-mapped array without filling memory with it.
    largest = float(np.finfo(dtype).max)
    row = _core.first_not_finite(array, largest)
    if row < 0:
        return
    index = (
        row,
        *(int(i) for i in np.argwhere(~(np.abs(array[row].astype(np.float64)) <= largest))[0]),
    )
    found = describe_value(array[index], dtype)
    raise ValueError(f"[{place}] {name} has {found} at {describe_position(index, columns)}")


def describe_value(value: Any, dtype: str) -> str:
    """Return what an error calls a value that is not finite in a dtype: ``"a NaN"``."""
    if np.isnan(value):
        return "a NaN"
    if np.isinf(value):
        return f"the infinite value {value}"
    return f"{value}, too large for {dtype},"


def describe_position(index: tuple[int, ...], columns: Sequence[Any] | None = None) -> str:
    """Return what an error calls a place in an array: ``"row 7, column 'age'"``."""
    if len(index) == 1:
        return f"row {index[0]}"
    if len(index) == 2 and columns is not None:
        return f"row {index[0]}, column {columns[index[1]]!r}"
    if len(index) == 2:
        return f"row {index[0]}, column {index[1]}"
    return f"row {index[0]}, position {index[1:]}"
