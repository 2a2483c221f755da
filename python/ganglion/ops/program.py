"""Operations beyond functions: constants, random numbers, assignments, gradient stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy.typing as npt

from ganglion.ops.structure import shape_attributes
from ganglion.tracing import current_trace
from ganglion.value import Operand, Value


def constant(array: npt.ArrayLike) -> Value:
    """Return a value known when the program is written.

    Parameters
    ----------
    array : array_like
        Numbers of any shape. It broadcasts over a batch, and has none itself.
    """
    return current_trace().constant(array)


def random_uniform(shape: Sequence[int | None], seed: int | None = None) -> Value:
    """Return numbers from [0, 1), new in every training step.

    They are a function of the network's seed, the step, the place of the layer in the network and
    ``seed``, so a run can be repeated bit by bit.

    Parameters
    ----------
    shape : sequence of int or None
        None first for the batch.
    seed : int, optional
        Sets this operation apart.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> drawn = evaluate(lambda x: random_uniform(x.shape), np.zeros((1000, 10)))
    >>> bool(drawn.min() >= 0), bool(drawn.max() < 1), round(float(drawn.mean()), 1)
    (True, True, 0.5)
    """
    return _random("random_uniform", shape, seed)


def random_normal(shape: Sequence[int | None], seed: int | None = None) -> Value:
    """Return standard normal numbers; arguments as for :func:`random_uniform`."""
    return _random("random_normal", shape, seed)


def _random(kind: str, shape: Sequence[int | None], seed: int | None) -> Value:
    trace = current_trace()
    return trace.apply(kind, **shape_attributes(shape), stream=trace.random_stream(seed))


def assign(target: Value, value: Operand) -> Value:
    """Write to a weight or to optimizer state; what is read of it afterwards is the new value.

    Parameters
    ----------
    target : Value
        What ``add_weight`` or an optimizer's ``slot`` returned.
    value : Value
        Of the same shape.

    Returns
    -------
    Value
        The value.
    """
    return current_trace().apply("assign", target, value)


def with_mask(x: Value, mask: Value | None) -> Value:
    """Return ``x`` as a sequence of which some steps are padding, or none for None.

    Layers that look at all steps, such as the recurrent ones, losses and metrics leave padding out.

    Parameters
    ----------
    x : Value
        (None, steps, ...)
    mask : Value or None
        (None, steps): 1 for steps that count, 0 for padding.

    Raises
    ------
    ValueError
        A mask of another shape.

    Examples
    --------
    >>> from ganglion import layers, ops
    >>> ops.evaluate(
    ...     lambda x: layers.GlobalAveragePooling1D()(with_mask(x, x[..., 0] > 0.0)),
    ...     [[[1.0], [3.0], [0.0]]],
    ... )
    array([[2.]])
    """
    if mask is not None and (len(x.shape) < 2 or mask.shape != x.shape[:2]):
        raise ValueError(f"[with_mask] a sequence {x.shape} has no mask of shape {mask.shape}")
    return Value(x.trace, x.id, mask)


def stop_gradient(x: Value) -> Value:
    """Return ``x``, through which no gradient passes."""
    return current_trace().apply("stop_gradient", x)


@overload
def gradient(output: Value, wrt: Value) -> Value: ...
@overload
def gradient(output: Value, wrt: Sequence[Value]) -> list[Value]: ...
def gradient(output: Value, wrt: Value | Sequence[Value]) -> Value | list[Value]:
    """Return the gradient of ``sum(output)`` with respect to values that it was made from.

    It is a value like any other: it can be a part of a loss, and be differentiated again. Where
    samples do not affect each other, each has the gradient of its own output.

    Parameters
    ----------
    output : Value
        Any shape.
    wrt : Value or sequence of Value
        Inputs, weights, or what was computed on the way.

    Returns
    -------
    Value or list of Value
        Of the shapes of ``wrt``, a list where that is one; zeros where ``output`` does not depend
        on it.

    Raises
    ------
    TypeError
        For something that is no value.
    ValueError
        For values of another program, and an operation on the way of which no gradient is known.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> ops.evaluate(lambda x: gradient(x**3, x), np.array([1.0, 2.0]))
    array([ 3., 12.])
    >>> ops.evaluate(lambda x: gradient(gradient(x**3, x), x), np.array([1.0, 2.0]))
    array([ 6., 12.])
    """
    if isinstance(wrt, Value):
        return gradient(output, [wrt])[0]
    for value in (output, *(wrt if isinstance(wrt, (list, tuple)) else [wrt])):
        if not isinstance(value, Value):
            raise TypeError(f"[gradient] expected values of a program, got {value!r}")
    return output.trace.gradient(output, wrt)
