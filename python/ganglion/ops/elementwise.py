"""Elementwise operations, with NumPy's broadcasting.

Comparisons give 1 where true and 0 elsewhere.
"""

from __future__ import annotations

import math

from ganglion.tracing import current_trace
from ganglion.value import Operand, Value


def absolute(x: Operand) -> Value:
    """Return ``|x|``."""
    return current_trace().apply("absolute", x)


def negative(x: Operand) -> Value:
    """Return ``-x``."""
    return current_trace().apply("negative", x)


def sign(x: Operand) -> Value:
    """Return -1, 0 or 1. No gradient passes."""
    return current_trace().apply("sign", x)


def floor(x: Operand) -> Value:
    """Return the largest integer not above ``x``. No gradient passes."""
    return current_trace().apply("floor", x)


def ceil(x: Operand) -> Value:
    """Return the smallest integer not below ``x``. No gradient passes."""
    return negative(floor(negative(x)))


def square(x: Operand) -> Value:
    """Return ``x * x``."""
    return current_trace().apply("square", x)


def sqrt(x: Operand) -> Value:
    """Return the square root."""
    return current_trace().apply("sqrt", x)


def rsqrt(x: Operand) -> Value:
    """Return ``1 / sqrt(x)``."""
    return current_trace().apply("rsqrt", x)


def reciprocal(x: Operand) -> Value:
    """Return ``1 / x``."""
    return current_trace().apply("reciprocal", x)


def exp(x: Operand) -> Value:
    """Return the exponential."""
    return current_trace().apply("exp", x)


def expm1(x: Operand) -> Value:
    """Return ``exp(x) - 1``, exact near 0."""
    return current_trace().apply("expm1", x)


def log(x: Operand) -> Value:
    """Return the natural logarithm."""
    return current_trace().apply("log", x)


def log1p(x: Operand) -> Value:
    """Return ``log(1 + x)``, exact near 0."""
    return current_trace().apply("log1p", x)


def tanh(x: Operand) -> Value:
    """Return the hyperbolic tangent."""
    return current_trace().apply("tanh", x)


def sigmoid(x: Operand) -> Value:
    """Return ``1 / (1 + exp(-x))``."""
    return current_trace().apply("sigmoid", x)


def softplus(x: Operand) -> Value:
    """Return ``log(1 + exp(x))``, exact at both ends."""
    return current_trace().apply("softplus", x)


def erf(x: Operand) -> Value:
    """Return the error function."""
    return current_trace().apply("erf", x)


def sinpi(x: Operand) -> Value:
    """Return the sine of ``pi * x``, exact about every whole number however large."""
    return current_trace().apply("sinpi", x)


def cospi(x: Operand) -> Value:
    """Return the cosine of ``pi * x``, exact about every odd half however large."""
    return current_trace().apply("cospi", x)


def sin(x: Operand) -> Value:
    """Return the sine. Far from 0 it is off by that of ``x / pi``, rounded."""
    return sinpi(multiply(x, 1.0 / math.pi))


def cos(x: Operand) -> Value:
    """Return the cosine. Far from 0 it is off by that of ``x / pi``, rounded."""
    return cospi(multiply(x, 1.0 / math.pi))


def relu(x: Operand) -> Value:
    """Return ``max(x, 0)``; the gradient at 0 is 0."""
    return current_trace().apply("relu", x)


def is_finite(x: Operand) -> Value:
    """Return 1 where ``x`` is neither infinite nor NaN, else 0."""
    return current_trace().apply("is_finite", x)


def add(a: Operand, b: Operand) -> Value:
    """Return ``a + b``."""
    return current_trace().apply("add", a, b)


def subtract(a: Operand, b: Operand) -> Value:
    """Return ``a - b``."""
    return current_trace().apply("subtract", a, b)


def multiply(a: Operand, b: Operand) -> Value:
    """Return ``a * b``."""
    return current_trace().apply("multiply", a, b)


def divide(a: Operand, b: Operand) -> Value:
    """Return ``a / b``."""
    return current_trace().apply("divide", a, b)


def power(a: Operand, b: Operand) -> Value:
    """Return ``a ** b``. For negative ``a`` the gradient to ``b`` is taken as 0."""
    return current_trace().apply("power", a, b)


def maximum(a: Operand, b: Operand) -> Value:
    """Return the larger of two; at a tie the gradient goes in halves."""
    return current_trace().apply("maximum", a, b)


def minimum(a: Operand, b: Operand) -> Value:
    """Return the smaller of two; at a tie the gradient goes in halves."""
    return current_trace().apply("minimum", a, b)


def greater(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a > b``. No gradient passes."""
    return current_trace().apply("greater", a, b)


def greater_equal(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a >= b``. No gradient passes."""
    return current_trace().apply("greater_equal", a, b)


def equal(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a == b``. No gradient passes."""
    return current_trace().apply("equal", a, b)


def less(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a < b``. No gradient passes."""
    return greater(b, a)


def less_equal(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a <= b``. No gradient passes."""
    return greater_equal(b, a)


def not_equal(a: Operand, b: Operand) -> Value:
    """Return 1 where ``a != b``. No gradient passes."""
    return 1.0 - equal(a, b)


def where(condition: Operand, a: Operand, b: Operand) -> Value:
    """Return ``a`` where the condition is not 0, else ``b``.

    The side not taken gets a gradient of 0, but is computed: keep its operand in range with a
    second ``where``, or an infinity times that 0 makes the gradient NaN.

    Parameters
    ----------
    condition, a, b : Value, float or array
        Shapes that broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: where(x > 0, x, 0.1 * x), np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """
    return current_trace().apply("where", condition, a, b)


def clip(x: Operand, low: Operand, high: Operand) -> Value:
    """Return ``x`` kept between ``low`` and ``high``."""
    return minimum(maximum(x, low), high)


def logical_not(x: Operand) -> Value:
    """Return 1 where ``x`` is 0, else 0. No gradient passes."""
    return equal(x, 0.0)


def logical_and(a: Operand, b: Operand) -> Value:
    """Return 1 where neither is 0, else 0. No gradient passes."""
    return not_equal(a, 0.0) * not_equal(b, 0.0)


def logical_or(a: Operand, b: Operand) -> Value:
    """Return 1 where one is not 0, else 0. No gradient passes."""
    return 1.0 - logical_not(a) * logical_not(b)


def logaddexp(a: Operand, b: Operand) -> Value:
    """Return ``log(exp(a) + exp(b))``, which does not overflow."""
    difference = subtract(a, b)
    return add(b, softplus(difference))


def log_sigmoid(x: Operand) -> Value:
    """Return ``log(sigmoid(x))``, exact at both ends."""
    return -softplus(negative(x))
