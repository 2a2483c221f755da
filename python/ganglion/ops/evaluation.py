"""Looking at what a layer or an expression gives, without a network around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion import _core
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Variables


def evaluate(
    function: Callable[..., Value], *arrays: npt.ArrayLike, training: bool = False, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Trace a function of values, and run it once in float64.

    Parameters
    ----------
    function : callable
        Takes a Value for each array and returns one: a layer, an activation, an expression. Weights
        get their first values.
    *arrays : array_like
        Their first axis is the batch.
    training : bool
        What layers see as ``self.training``.
    seed : int
        Of the weights and the random operations.

    Returns
    -------
    ndarray of float64
        The result.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import layers, ops
    >>> ops.evaluate(ops.square, np.array([1.0, 2.0, 3.0]))
    array([1., 4., 9.])
    >>> ops.evaluate(layers.Dense(2, kernel_initializer="ones"), np.ones((1, 3)))
    array([[3., 3.]])
    """
    samples: list[npt.NDArray[Any]] = [np.asarray(array) for array in arrays]
    variables = Variables()
    _write(function, samples, variables, training)
    variables.lay_out()
    program = _write(function, samples, variables, training)
    weights = _core.Store(variables.size, "float64")
    for variable in variables:
        weights.array[variable.span] = variable.initial_value(seed).ravel()
    executable = _core.Executable(program, "float64", weights, None)
    return executable.run(samples, len(samples[0]), seed=seed)[0]


def _write(
    function: Callable[..., Value],
    samples: list[npt.NDArray[Any]],
    variables: Variables,
    training: bool,
) -> _core.Program:
    trace = Trace(training=training, variables=variables)
    with trace:
        inputs = [
            trace.input(f"x{index}", (None, *array.shape[1:]))
            for index, array in enumerate(samples)
        ]
        trace.output("y", function(*inputs))
    return trace.finish()
