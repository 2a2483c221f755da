"""What layers share that change samples at random: ranges of their settings, and the draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import ops
from ganglion.errors import check_numbers, place
from ganglion.layers.base import Layer
from ganglion.value import Operand, Value

# No share of a Beta distribution's numerator is as small, but 0.
_SMALLEST = 1e-30


def bounds(layer: Layer, name: str, least: float, most: float) -> tuple[float, float]:
    """Return the two numbers that a setting such as ``factor`` stands for, in order.

    Parameters
    ----------
    layer : Layer
        Whose attribute it is.
    name : str
        The attribute: two numbers, or one that stands for (-one, one), cut to what is allowed.
    least, most : float
        What is allowed.

    Raises
    ------
    TypeError
        It is no number and no pair of numbers.
    ValueError
        A number is out of range.
    """
    value: Any = getattr(layer, name)
    check_numbers(layer, name)
    numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if numbers.shape not in ((1,), (2,)) or numbers.min() < least or numbers.max() > most:
        raise ValueError(
            f"{place(layer)} {name} must be one or two numbers in [{least:g}, {most:g}], "
            f"got {value!r}"
        )
    if np.ndim(value) == 0:
        return max(-abs(float(value)), least), abs(float(value))
    return float(numbers.min()), float(numbers.max())


def check_value_range(layer: Layer, value_range: Any) -> None:
    """Check that a layer's ``value_range`` is the least and the largest value of a pixel."""
    check_numbers(layer, "value_range")
    if np.shape(value_range) != (2,) or not value_range[0] < value_range[1]:
        raise ValueError(
            f"{place(layer)} value_range must be two numbers, the lower one first, "
            f"got {value_range!r}"
        )


def uniform(limits: tuple[float, float], axes: int, seed: int | None) -> Value:
    """Return a number for each sample, uniform between two.

    Parameters
    ----------
    limits : (float, float)
        The two numbers.
    axes : int
        Axes of size 1 after the batch, to broadcast over.
    seed : int, optional
        Of the layer.
    """
    lower, upper = limits
    return lower + (upper - lower) * ops.random_uniform((None, *[1] * axes), seed)


def symmetric_beta(alpha: Operand, seed: int | None) -> Value:
    """Return a number for each sample, of the distribution Beta(alpha, alpha).

    With u and v uniform, ``t = sqrt(u^(-1/alpha) - 1) cos(2 pi v)`` has Student's distribution of
    2 alpha degrees of freedom but for its scale (Bailey, 1994, "Polar generation of random variates
    with the t-distribution"), and ``(1 + t / sqrt(1 + t^2)) / 2`` has the one wanted (Devroye,
    1996, "Random variate generation in one line of code"). Both in one, without the powers that
    overflow.

    Parameters
    ----------
    alpha : Value or float
        Positive; a number for all samples, or (None,).
    seed : int, optional
        Of the layer.

    Returns
    -------
    Value
        (None,), within [0, 1].
    """
    u = 1.0 - ops.random_uniform((None,), seed)
    cosine = ops.cospi(2.0 * ops.random_uniform((None,), seed))
    power, square = ops.power(u, 1.0 / alpha), ops.square(cosine)
    share = (1.0 - power) * square / ops.maximum(square + power * (1.0 - square), _SMALLEST)
    return 0.5 + 0.5 * ops.sign(cosine) * ops.sqrt(share)


def random_rectangle(x: Value, high: Value, wide: Value, seed: int | None) -> tuple[Value, Value]:
    """Return where a rectangle lies in each image, anywhere within it, and what it covers.

    Parameters
    ----------
    x : Value
        (None, height, width, channels) The images.
    high, wide : Value
        (None,) Height and width of the rectangle, as shares of those of the image.
    seed : int, optional
        Of the layer.

    Returns
    -------
    inside : Value
        Of the shape of the images: 1 within the rectangle and 0 elsewhere.
    share : Value
        (None,) The share of the pixels that are.
    """
    height, width, channels = (size or 1 for size in x.shape[1:])
    rows = _random_part(height, 1, high, seed)
    columns = _random_part(width, channels, wide, seed)
    inside = ops.expand_dims(rows, 2) * ops.expand_dims(columns, 1)
    share = ops.sum(rows, axis=1) * ops.sum(columns, axis=1) * (1.0 / (height * width * channels))
    return ops.reshape(inside, x.shape), share


def _random_part(size: int, repeats: int, share: Value, seed: int | None) -> Value:
    """Return 1 for the whole numbers within a random part of [0, size), each a few times."""
    length = size * share
    begin = ops.random_uniform((None,), seed) * (size - length)
    first, last = ops.expand_dims(begin, 1), ops.expand_dims(begin + length, 1)
    places = ops.constant(np.repeat(np.arange(size, dtype=np.float64), repeats))
    return (places >= first) * (places < last)
