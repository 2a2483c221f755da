"""The gate at which a user's arrays are checked: rank, width, number type, finiteness, lengths.

Nothing here copies a data set. What passes is read in place by the core.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.losses import Loss
from ganglion.value import Shape

Array = NDArray[Any]


# Values looked at together in the search for NaN: 512 kB of float64, which stays in the cache.
_CHUNK = 65536


@dataclass(frozen=True)
class Samples:
    """Checked arrays that a program can read.

    Attributes
    ----------
    X : ndarray, shape (n, ...)
        Inputs.
    y : ndarray, shape (n, ...)
        Targets, in the shape that the loss takes.
    weight : ndarray, shape (n,), or None
        What each sample counts.
    """

    X: Array
    y: Array
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    @property
    def arrays(self) -> list[Array]:
        """The inputs of a program, in its order."""
        return [self.X, self.y] if self.weight is None else [self.X, self.y, self.weight]

    def rows(self, start: int, stop: int) -> Samples:
        """Return views of some of the rows."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Samples(self.X[start:stop], self.y[start:stop], weight)


def whole_number(place: str, name: str, value: Any, minimum: int = 1) -> int:
    """Return an argument that must be a whole number.

    Parameters
    ----------
    place, name : str
        What was called, and the argument, for the error.
    value : int
        NumPy integers are integers, booleans are not.
    minimum : int, default=1
        Least value allowed.

    Raises
    ------
    TypeError
        Not an integer.
    ValueError
        Below the minimum.

    Examples
    --------
    >>> whole_number("fit", "batch_size", 0)
    Traceback (most recent call last):
    ...
    ValueError: [fit] batch_size must be a whole number of at least 1, got 0
    """
    wanted = f"[{place}] {name} must be a whole number of at least {minimum}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(wanted)
    if value < minimum:
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
        Real numbers or booleans.

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
    TypeError: [fit] X must hold numbers, got dtype <U1
    """
    if hasattr(values, "toarray"):
        raise TypeError(f"[{place}] {name} is sparse: pass {name}.toarray()")
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise type(error)(f"[{place}] {name} is no array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"[{place}] {name} must hold numbers, got dtype {array.dtype}")
    if array.dtype.itemsize > 8 or not array.dtype.isnative:
        array = array.astype(np.float64)
    return array


def all_finite(values: Array) -> bool:
    """Tell whether a flat array has neither NaN nor infinity. Allocates next to nothing."""
    return all(
        bool(np.isfinite(values[start : start + _CHUNK]).all())
        for start in range(0, len(values), _CHUNK)
    )


def check_finite(place: str, name: str, array: Array, dtype: str = "float64") -> None:
    """Raise for the first value that is NaN or infinite, or would be in the network's dtype.

    Parameters
    ----------
    place, name : str
        For the error.
    array : ndarray, shape (n, ...)
        Read in place.
    dtype : {"float32", "float64"}
        Of the network.

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
    index = (row, *(int(i) for i in np.argwhere(~(np.abs(array[row]) <= largest))[0]))
    raise ValueError(f"[{place}] {name} has {_found(array[index], dtype)} at {_position(index)}")


def _found(value: Any, dtype: str) -> str:
    if np.isnan(value):
        return "a NaN"
    if np.isinf(value):
        return f"the infinite value {value}"
    return f"{value}, too large for {dtype},"


def _position(index: tuple[int, ...]) -> str:
    if len(index) == 1:
        return f"row {index[0]}"
    if len(index) == 2:
        return f"row {index[0]}, column {index[1]}"
    return f"row {index[0]}, position {index[1:]}"


def check_inputs(place: str, X: Any, shape: Shape | None, dtype: str) -> Array:
    """Return inputs that a network of the given input shape can read.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : array_like, shape (n, ...)
        Finite numbers.
    shape : tuple or None
        (None, ...) of the network; None while it is not built.
    dtype : {"float32", "float64"}
        Of the network.

    Raises
    ------
    TypeError
        When they are not numbers.
    ValueError
        When they are empty, of another rank or width, or not finite.

    Examples
    --------
    >>> check_inputs("predict", np.zeros((3, 5)), (None, 4), "float32")
    Traceback (most recent call last):
    ...
    ValueError: [predict] X has 5 columns, the network takes 4
    """
    array = as_array(place, "X", X)
    if shape is None:
        if array.ndim < 2:
            raise ValueError(
                f"[{place}] X must have a row for each sample, got shape {array.shape}: "
                "one feature is X.reshape(-1, 1), one sample X.reshape(1, -1)"
            )
        if 0 in array.shape[1:]:
            raise ValueError(f"[{place}] X has no features: shape {array.shape}")
    elif array.shape[1:] != shape[1:] or array.ndim == 0:
        if array.ndim == 2 and len(shape) == 2:
            raise ValueError(
                f"[{place}] X has {array.shape[1]} columns, the network takes {shape[1]}"
            )
        raise ValueError(f"[{place}] X has shape {array.shape}, the network takes {shape}")
    if not len(array):
        raise ValueError(f"[{place}] X is empty: shape {array.shape}")
    check_finite(place, "X", array, dtype)
    return array


def check_samples(
    place: str,
    X: Array,
    y: Any,
    loss: Loss,
    output_shape: Shape,
    dtype: str,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
) -> Samples:
    """Return the arrays of a training or an evaluation.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : ndarray, shape (n, ...)
        Checked inputs.
    y : array_like, shape (n, ...)
        Targets that fit the loss.
    loss : Loss
        Tells which targets fit.
    output_shape : tuple
        (None, ...) of the predictions.
    dtype : {"float32", "float64"}
        Of the network.
    sample_weight : array_like, shape (n,), optional
        Not negative.
    class_weight : dict, optional
        From class index to a weight; classes that are not named weigh 1.

    Raises
    ------
    TypeError
        When targets or weights are not numbers.
    ValueError
        When lengths differ, a target does not fit the loss, or a weight is negative or not finite.
    """
    target = as_array(place, "y", y)
    if target.ndim == 0 or len(target) != len(X):
        length = len(target) if target.ndim else "no"
        raise ValueError(f"[{place}] X has {len(X)} rows and y has {length}")
    check_finite(place, "y", target, dtype)
    target = loss.prepare_target(target, output_shape)
    weight = None
    if sample_weight is not None:
        weight = _check_sample_weight(place, sample_weight, len(X), dtype)
    if class_weight is not None:
        by_class = _class_weight(place, target, output_shape, class_weight)
        weight = by_class if weight is None else weight * by_class
    return Samples(X, target, weight)


def _check_sample_weight(place: str, sample_weight: Any, length: int, dtype: str) -> Array:
    weight = as_array(place, "sample_weight", sample_weight)
    if weight.shape == (length, 1):
        weight = weight[:, 0]
    if weight.shape != (length,):
        raise ValueError(f"[{place}] sample_weight must have shape ({length},), got {weight.shape}")
    check_finite(place, "sample_weight", weight, dtype)
    negative = weight < 0
    if negative.any():
        row = int(negative.argmax())
        raise ValueError(f"[{place}] sample_weight is negative at row {row}: {weight[row]}")
    return weight


def _class_weight(
    place: str, target: Array, output_shape: Shape, class_weight: Mapping[int, float]
) -> Array:
    """Return the weight of each sample's class, (n,) float64."""
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"[{place}] class_weight must be a dict, got {class_weight!r}")
    classes = int(output_shape[-1] or 1)
    if target.ndim == 2 and classes > 1:
        index = target.argmax(axis=1)
    elif target.size == len(target):
        index = target.reshape(-1)
        classes = max(classes, 2)
    else:
        raise ValueError(f"[{place}] class_weight needs one class a sample, y has {target.shape}")
    weights: NDArray[np.float64] = np.ones(classes)
    for key, value in class_weight.items():
        if isinstance(key, float) or key not in range(classes):
            raise ValueError(
                f"[{place}] class_weight names class {key!r}, there are 0 to {classes - 1}"
            )
        weights[key] = non_negative(place, f"class_weight[{key}]", value)
    index = index.astype(np.intp)
    if index.min() < 0 or index.max() >= classes:
        raise ValueError(
            f"[{place}] class_weight needs classes from 0 to {classes - 1}, y has "
            f"{index.min()} to {index.max()}"
        )
    each: Array = weights[index]
    return each


def split(samples: Samples, validation_split: float) -> tuple[Samples, Samples | None]:
    """Set the last fraction of the samples aside, as Keras does. Both parts are views.

    Parameters
    ----------
    samples : Samples
        Checked arrays.
    validation_split : float
        In [0, 1); 0 sets nothing aside.

    Raises
    ------
    ValueError
        When one of the parts would be empty.
    """
    if validation_split == 0:
        return samples, None
    kept = int(len(samples) * (1 - validation_split))
    if kept == 0 or kept == len(samples):
        raise ValueError(
            f"[fit] validation_split {validation_split} of {len(samples)} samples leaves "
            f"{kept} to train on and {len(samples) - kept} to validate on"
        )
    return samples.rows(0, kept), samples.rows(kept, len(samples))
