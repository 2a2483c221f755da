"""What a network trains on: inputs, targets and sample weights that were checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.bundle import Bundle, arrays_of
from ganglion.compile import Form
from ganglion.data import as_array, check_finite, describe_position, non_negative
from ganglion.inputs import Inputs
from ganglion.losses import Loss
from ganglion.losses.targets import check_values
from ganglion.ragged import as_rows, per_step, step_targets
from ganglion.streaming import Stream
from ganglion.value import Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Checked arrays that a program can read.

    Attributes
    ----------
    X : ndarray, SparseRows, RaggedRows, Stream or Bundle, shape (n, ...)
        Inputs.
    y : ndarray, RaggedRows or Bundle, shape (n, ...)
        Targets, in the shape that the loss takes.
    weight : ndarray, shape (n,) or (n, steps), RaggedRows or None
        What each sample, or each of its steps, counts.
    form : Form
        Of a program that takes all of them.
    """

    X: Inputs
    y: Array | _core.RaggedRows | Bundle
    weight: Array | _core.RaggedRows | None = None
    form: Form = Form()

    def __len__(self) -> int:
        return len(self.X)

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """Steps of each sequence, where they differ."""
        sequences = _sequences(self.X)
        return None if sequences is None else sequences.lengths

    @property
    def weight_axes(self) -> int:
        """0 without weights, 1 for weights of samples, 2 for those of their steps."""
        return 0 if self.weight is None else self.weight.ndim

    @property
    def arrays(self) -> list[Any]:
        """The inputs of a program, in its order."""
        given = [*arrays_of(self.X), self.lengths, *arrays_of(self.y), self.weight]
        return [array for array in given if array is not None]

    def rows(self, start: int, stop: int) -> Samples:
        """Return views of some of the rows."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Samples(self.X[start:stop], self.y[start:stop], weight, self.form)


def check_target(
    place: str, X: Inputs, y: Any, loss: Loss, output_shape: Shape, dtype: str
) -> Array | _core.RaggedRows:
    """Return the targets of one output, in the shape that the loss takes.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : ndarray, SparseRows, RaggedRows, Stream or Bundle, shape (n, ...)
        Checked inputs.
    y : array_like, shape (n, ...), or list of sequences
        Targets.
    loss : Loss
        Tells which targets fit.
    output_shape : tuple
        (None, ...) of the predictions; (None, None, ...) of those of each step of sequences.
    dtype : {"float32", "float64"}
        Of the network.

    Raises
    ------
    TypeError, ValueError
        When they are no numbers, do not fit, or are not as many as the inputs.
    """
    sequences = _sequences(X)
    if sequences is not None and output_shape[1] is None:
        return step_targets(place, y, sequences, loss, output_shape, dtype)
    target = as_array(place, "y", y)
    if target.ndim == 0 or len(target) != len(X):
        length = len(target) if target.ndim else "none"
        raise ValueError(f"[{place}] X has {len(X)} rows and y has {length}")
    check_finite(place, "y", target, dtype)
    return loss.prepare_target(target, output_shape)


def check_sample_weight(
    place: str, X: Inputs, sample_weight: Any, output_shape: Shape, dtype: str
) -> Array | _core.RaggedRows | None:
    """Return what samples count, or their steps; None where nothing was said.

    Parameters
    ----------
    place, X, output_shape, dtype
        As for `check_target`.
    sample_weight : array_like, shape (n,) or (n, steps), or list of sequences, optional
        Not negative.

    Raises
    ------
    TypeError, ValueError
        When they are no numbers, of another shape, negative or not finite.
    """
    if sample_weight is None:
        return None
    sequences = _sequences(X)
    if sequences is not None and len(output_shape) > 1 and output_shape[1] is None:
        return _check_ragged_weight(place, sample_weight, sequences, dtype)
    steps = output_shape[1] if len(output_shape) > 2 else None
    weight = as_array(place, "sample_weight", sample_weight)
    return _check_sample_weight(place, weight, len(X), steps, dtype)


def _sequences(X: Inputs) -> _core.RaggedRows | None:
    """Return the inputs that are sequences of different lengths, the first if there are several."""
    found = (part for part in arrays_of(X) if isinstance(part, _core.RaggedRows))
    return next(found, None)


def _check_sample_weight(
    place: str, weight: Array, length: int, steps: int | None, dtype: str
) -> Array:
    if weight.shape == (length, 1) and steps != 1:
        weight = weight[:, 0]
    if weight.shape not in ((length,), (length, steps)):
        by_step = f" or {(length, steps)}" if steps else ""
        raise ValueError(
            f"[{place}] sample_weight must have shape {(length,)}{by_step}, got {weight.shape}"
        )
    check_finite(place, "sample_weight", weight, dtype)
    negative = weight < 0
    if negative.any():
        at = tuple(int(i) for i in np.argwhere(negative)[0])
        raise ValueError(
            f"[{place}] sample_weight is negative at {describe_position(at)}: {weight[at]}"
        )
    return weight


def _check_ragged_weight(
    place: str, sample_weight: Any, X: _core.RaggedRows, dtype: str
) -> Array | _core.RaggedRows:
    """Return the weights of sequences, or of their steps, which may be a list of sequences."""
    if not np.iterable(sample_weight) or not any(np.ndim(weight) for weight in sample_weight):
        weight = as_array(place, "sample_weight", sample_weight)
        return _check_sample_weight(place, weight, len(X), None, dtype)
    flat, ends = per_step(place, "sample_weight", sample_weight, X)
    for row, weight in enumerate(np.split(flat, ends)):
        _check_sample_weight(
            f"{place}, sample_weight of row {row}", weight, len(weight), None, dtype
        )
    return as_rows(np.split(flat, ends), ())


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
    if isinstance(target, Bundle):
        raise ValueError(f"[{place}] class_weight is for one output: sample_weight weighs samples")
    if isinstance(target, _core.RaggedRows) or samples.weight_axes > 1:
        raise ValueError(
            f"[{place}] class_weight is for one class a sample: sample_weight can weigh each step"
        )
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
    if any(isinstance(part, Stream) for part in arrays_of(samples.X)):
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
