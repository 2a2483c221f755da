"""What a network trains on: inputs, targets and sample weights that were checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.data import as_array, check_finite, non_negative
from ganglion.inputs import Inputs
from ganglion.losses import Loss
from ganglion.losses.targets import check_values
from ganglion.streaming import Stream
from ganglion.value import Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Checked arrays that a program can read.

    Attributes
    ----------
    X : ndarray, SparseRows or Stream, shape (n, ...)
        Inputs.
    y : ndarray, shape (n, ...)
        Targets, in the shape that the loss takes.
    weight : ndarray, shape (n,), or None
        What each sample counts.
    """

    X: Inputs
    y: Array
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    @property
    def arrays(self) -> list[Inputs]:
        """The inputs of a program, in its order."""
        return [self.X, self.y] if self.weight is None else [self.X, self.y, self.weight]

    def rows(self, start: int, stop: int) -> Samples:
        """Return views of some of the rows."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Samples(self.X[start:stop], self.y[start:stop], weight)


def check_samples(
    place: str,
    X: Inputs,
    y: Any,
    loss: Loss,
    output_shape: Shape,
    dtype: str,
    sample_weight: Any = None,
) -> Samples:
    """Return the arrays of a training or an evaluation.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : ndarray, SparseRows or Stream, shape (n, ...)
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

    Raises
    ------
    TypeError
        When targets or weights are not numbers.
    ValueError
        When targets are missing or do not fit the loss, lengths differ, or a weight is negative or
        not finite.
    """
    if y is None:
        raise ValueError(f"[{place}] y is missing")
    target = as_array(place, "y", y)
    if target.ndim == 0 or len(target) != len(X):
        length = len(target) if target.ndim else "none"
        raise ValueError(f"[{place}] X has {len(X)} rows and y has {length}")
    check_finite(place, "y", target, dtype)
    target = loss.prepare_target(target, output_shape)
    weight = None
    if sample_weight is not None:
        weight = _check_sample_weight(place, sample_weight, len(X), dtype)
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


def weigh_classes(
    place: str, samples: Samples, output_shape: Shape, class_weight: Mapping[int, float] | None
) -> Samples:
    """Return the samples with their weights multiplied by those of their classes.

    Parameters
    ----------
    place : str
        What was called, for the error.
    samples : Samples
        Checked arrays.
    output_shape : tuple
        (None, ...) of the predictions.
    class_weight : dict or None
        From class index to a weight; classes that are not named weigh 1.

    Raises
    ------
    TypeError
        When it is no dict.
    ValueError
        When targets are no classes, or a weight is negative or of a class that there is not.
    """
    if class_weight is None:
        return samples
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"[{place}] class_weight must be a dict, got {class_weight!r}")
    target, owner = samples.y, f"{place}, class_weight"
    classes = int(output_shape[-1] or 1)
    if target.ndim == 2 and classes > 1:
        check_values(owner, "distribution", target, classes)
        index = target.argmax(axis=1)
    elif target.size == len(target):
        classes = max(classes, 2)
        index = target.reshape(-1)
        check_values(owner, "class_index", index, classes)
    else:
        raise ValueError(f"[{place}] class_weight needs one class a sample, y has {target.shape}")
    weights: NDArray[np.float64] = np.ones(classes)
    for key, value in class_weight.items():
        if isinstance(key, float) or key not in range(classes):
            raise ValueError(
                f"[{place}] class_weight names class {key!r}, there are 0 to {classes - 1}"
            )
        weights[key] = non_negative(place, f"class_weight[{key}]", value)
    by_class = weights[index.astype(np.intp)]
    weight = by_class if samples.weight is None else samples.weight * by_class
    return replace(samples, weight=weight)


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
        When one of the parts would be empty, or the samples come from a source.
    """
    if validation_split == 0:
        return samples, None
    if isinstance(samples.X, Stream):
        raise ValueError(
            f"[fit] validation_split {validation_split} takes the last samples, and those of a "
            "source may all be of one class: use training, validation = "
            f"source.split({validation_split}) and validation_data=validation"
        )
    kept = int(len(samples) * (1 - validation_split))
    if kept == 0 or kept == len(samples):
        raise ValueError(
            f"[fit] validation_split {validation_split} of {len(samples)} samples leaves "
            f"{kept} to train on and {len(samples) - kept} to validate on"
        )
    return samples.rows(0, kept), samples.rows(kept, len(samples))
