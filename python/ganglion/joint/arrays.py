"""The data of networks that are trained together: arrays with the same rows, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganglion import _core
from ganglion.data import as_array, check_finite
from ganglion.inputs import check_ids, check_inputs, check_steps
from ganglion.joint.programs import Reader
from ganglion.joint.tracing import Inputs


@dataclass(frozen=True)
class Arrays:
    """Checked arrays with the same rows, in the order of the inputs of a program."""

    arrays: list[Any]

    def __len__(self) -> int:
        return len(self.arrays[0])

    @property
    def X(self) -> Any:
        """The first, the only one that may be a stream."""
        return self.arrays[0]


def check_arrays(place: str, X: Any, y: Any, dtype: str) -> tuple[Inputs, Arrays]:
    """Return the arrays of a training or an evaluation, and how objectives get them.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : array_like, or tuple or dict of them
        Finite numbers.
    y : array_like or None
        Behind them.
    dtype : {"float32", "float64"}
        Of the networks.

    Raises
    ------
    TypeError
        When they are not numbers, or a dict has keys that are no names.
    ValueError
        When they are empty, differ in length, or are not finite.
    """
    keywords: tuple[str, ...] = ()
    given: dict[str, Any]
    if isinstance(X, Mapping):
        for key in X:
            if not isinstance(key, str) or not key.isidentifier():
                raise TypeError(f"[{place}] X must have names as keys, got {key!r}")
        names = sorted(X)  # in whatever order the dict has them
        keywords = tuple(names) if y is None else (*names, "y")
        given = {f"X[{name!r}]": X[name] for name in names}
    elif isinstance(X, tuple):
        given = {f"X[{index}]": array for index, array in enumerate(X)}
    else:
        given = {"X": X}
    if len(set(keywords)) < len(keywords):
        raise ValueError(f"[{place}] X has the key 'y', and y is given")
    if y is not None:
        given["y"] = y
    if not given:
        raise ValueError(f"[{place}] X holds no array")
    arrays = {name: _checked(place, name, array, dtype) for name, array in given.items()}
    first, *others = arrays
    for name in others:
        if len(arrays[name]) != len(arrays[first]):
            raise ValueError(
                f"[{place}] {first} has {len(arrays[first])} rows and {name} has "
                f"{len(arrays[name])}"
            )
    shapes = {name: (None, *array.shape[1:]) for name, array in arrays.items()}
    return Inputs(shapes, keywords), Arrays(list(arrays.values()))


def _checked(place: str, name: str, values: Any, dtype: str) -> Any:
    if name == "X":  # what a network takes: a frame, a sparse matrix, a source
        array: Any = check_inputs(place, values, None, dtype)
        if isinstance(array, _core.RaggedRows):
            raise ValueError(f"[{place}] X has sequences of different lengths: bring them to one")
        return array
    array = as_array(place, name, values)
    if not array.ndim or not array.size:
        raise ValueError(f"[{place}] {name} is empty: shape {array.shape}")
    check_finite(place, name, array, dtype)
    return array


def check_readable(place: str, samples: Arrays, readers: Sequence[Reader], dtype: str) -> None:
    """Raise for data that a layer cannot read: unknown ids, samples of nothing but padding."""
    for reader in readers:
        array, layer = samples.arrays[reader.position], reader.layer
        if layer.vocabulary:
            check_ids(place, array, layer.vocabulary, reader.path, dtype)
        if layer.padding_value is not None:
            check_steps(place, array, layer.padding_value, reader.path)
