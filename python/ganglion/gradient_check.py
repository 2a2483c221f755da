"""Gradients against central differences, for layers, losses and activations of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core, ops
from ganglion.data import whole_number
from ganglion.losses import Loss
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Variables

Array = NDArray[np.float64]

# Distance of the differences, in float64: their error is about its fourth power, and that of the
# rounding about 1e-16 divided by it.
_STEP = 1e-4
# Elements of each array that are moved.
_POINTS = 30


def check_gradient(
    part: Callable[..., Value],
    shape: int | Sequence[int],
    *,
    samples: int = 3,
    training: bool = False,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> float:
    """Compare the gradients of a layer, a loss or an activation with central differences.

    The part is traced in float64 on normally distributed numbers, and a random sum of what it gives
    is differentiated, by its input and by each of its trained weights: by the core, and by moving
    single elements (some 30 of each array). At a kink, as that of `ReLU` at 0, the two differ.

    Parameters
    ----------
    part : Layer, Loss, Activation, a class of them, or callable
        A function of a value; a loss is differentiated by its predictions.
    shape : int or sequence of int
        Of one sample that it takes; of one prediction for a loss. A number as a tuple of it.
    samples : int, default=3
        Of the batch.
    training : bool, default=False
        Whether layers act as in training. Random numbers stay the same while elements are moved.
    tolerance : float, default=1e-6
        Largest difference allowed, relative to the largest gradient of the array.
    seed : int, default=0
        Of the numbers and the weights.

    Returns
    -------
    float
        The largest difference found.

    Raises
    ------
    AssertionError
        When a gradient is off by more: its array, the element, and both numbers are named.
    TypeError, ValueError
        What the part raises while it is traced.

    Examples
    --------
    >>> from ganglion import check_gradient, layers, losses
    >>> check_gradient(layers.Dense(4, activation="tanh"), (3,)) < 1e-8
    True
    >>> check_gradient(losses.Huber(), (2,)) < 1e-6
    True
    """
    whole_number("check_gradient", "samples", samples)
    if isinstance(part, type):
        part = part()
    generator = np.random.default_rng(seed)
    sizes = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
    sample_shape = tuple(whole_number("check_gradient", "shape", size) for size in sizes)
    inputs = _draw_inputs(part, sample_shape, samples, generator)
    return _Checked(part, inputs, training, generator, seed).largest_error(tolerance)


def _draw_inputs(
    part: Callable[..., Value], shape: tuple[int, ...], samples: int, generator: np.random.Generator
) -> list[Array]:
    """Return what the part takes; the last is what it is differentiated by."""
    x = generator.normal(size=(samples, *shape))
    vocabulary = getattr(part, "vocabulary", None)
    if vocabulary:
        return [generator.integers(0, vocabulary, size=x.shape).astype(np.float64)]
    if not isinstance(part, Loss):
        return [x]
    expected = part.target_shape((None, *shape))
    sizes = [samples, *(size for size in expected if size is not None)]
    positive = np.abs(x) + 0.1
    probabilities = positive / positive.sum(axis=-1, keepdims=True)
    if part.target_kind == "class_index":
        return [generator.integers(0, shape[-1], size=sizes).astype(np.float64), probabilities]
    if part.target_kind == "distribution":
        return [np.roll(probabilities, 1, axis=-1), probabilities]
    if part.target_kind == "probability":
        return [generator.uniform(size=sizes), generator.uniform(0.1, 0.9, size=x.shape)]
    if part.target_kind == "non_negative":
        return [generator.uniform(0.5, 2.0, size=sizes), positive]
    if part.target_kind == "sign":
        return [generator.choice([-1.0, 1.0], size=sizes), x]
    return [generator.normal(size=sizes), x]


class _Checked:
    """A part as a program: a random sum of its results, and the gradients of that.

    Attributes
    ----------
    arrays : dict of str to ndarray
        What the sum is differentiated by, as the program reads it.
    """

    def __init__(
        self,
        part: Callable[..., Value],
        inputs: list[Array],
        training: bool,
        generator: np.random.Generator,
        seed: int,
    ) -> None:
        self._part, self._training, self._generator, self._seed = part, training, generator, seed
        self._inputs = inputs
        self._variables = Variables()
        shape = [size for size in self._trace()[2].shape if size is not None]
        self._variables.lay_out()
        self._factors = generator.normal(size=[len(inputs[0]), *shape])
        reads_ids = bool(getattr(part, "vocabulary", None))  # which have no gradient
        trace, x, y = self._trace()
        with trace:
            total = ops.sum(y * trace.input("factors", y.shape))
            trained = [trace.weights[variable.name] for variable in self._variables.trainable]
            trace.output("total", total)
            by = trained if reads_ids else [x, *trained]
            for index, gradient in enumerate(trace.gradient(total, by)):
                trace.output(f"gradient {index}", gradient)
        weights = _core.Store(max(self._variables.size, 1), "float64")
        for variable in self._variables:
            weights.array[variable.span] = variable.initial_value(seed).ravel()
        self._executable = _core.Executable(trace.finish(), "float64", weights, None)
        # Statistics and the like, which a run in training may change: each begins with the same.
        self._untrained = weights.array[self._variables.trainable_size :]
        self._kept = self._untrained.copy()
        self.arrays: dict[str, NDArray[Any]] = {} if reads_ids else {"input": inputs[-1]}
        for variable in self._variables.trainable:
            self.arrays[variable.name] = weights.array[variable.span].reshape(variable.shape)

    def _trace(self) -> tuple[Trace, Value, Value]:
        trace = Trace(training=self._training, variables=self._variables)
        with trace:
            values = [
                trace.input(f"x{index}", (None, *array.shape[1:]))
                for index, array in enumerate(self._inputs)
            ]
            return trace, values[-1], self._part(*values)

    def _run(self) -> list[Any]:
        rows = len(self._factors)
        self._untrained[:] = self._kept
        return self._executable.run([*self._inputs, self._factors], rows, seed=self._seed)

    def largest_error(self, tolerance: float) -> float:
        """Return the largest relative error; raise where it is above the tolerance."""
        gradients = self._run()[1:]
        largest = 0.0
        for (name, array), gradient in zip(self.arrays.items(), gradients, strict=True):
            points = self._generator.permutation(array.size)[:_POINTS]
            slopes = np.array([self._slope(array.reshape(-1), point) for point in points])
            found = gradient.reshape(-1)[points]
            scale = max(np.abs(gradient).max(initial=0.0), np.abs(slopes).max(initial=0.0), 1e-3)
            errors = np.abs(found - slopes) / scale
            worst = int(errors.argmax())
            if not errors[worst] <= tolerance:
                position = tuple(int(i) for i in np.unravel_index(points[worst], array.shape))
                raise AssertionError(
                    f"[check_gradient] the gradient by {name} {array.shape} is {found[worst]:.9g} "
                    f"at {position}, and central differences give {slopes[worst]:.9g}"
                )
            largest = max(largest, float(errors[worst]))
        return largest

    def _slope(self, flat: NDArray[Any], point: int) -> float:
        """Return d total / d flat[point], by a difference of fourth order."""
        kept = float(flat[point])
        step = _STEP * max(1.0, abs(kept))
        totals = []
        for multiple in (-2, -1, 1, 2):
            flat[point] = kept + multiple * step
            totals.append(float(self._run()[0]))
        flat[point] = kept
        return (totals[0] - 8 * totals[1] + 8 * totals[2] - totals[3]) / float(12 * step)
